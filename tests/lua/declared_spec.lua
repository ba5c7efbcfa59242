-- Declared layers: what is printed, saved, undone and run is one state.
local suture = require "suture"
suture.history(true) -- as at the prompt
local nn, zoo, F = suture.nn, suture.zoo, suture.F
local undo = require "suture.model.undo"

local fails = require("kit").fails

local function shape(m, ...) return tostring(m(suture.zeros(...)).shape) end

-- What comes back from a file that m was saved to.
local function again(m)
  local path = os.tmpname() .. ".safetensors"
  m:save(path)
  local back = suture.open(path)
  os.remove(path)
  return back
end

describe("a declared field", function()
  before_each(undo.clear)

  it("takes nil for a field that may be absent, and undo brings the value back", function()
    local journal = require "suture.base.journal"
    local pool = suture.nn.AvgPool2d(2, {divisor_override = 3})
    local x = suture.ones(1, 1, 2, 2)
    journal.change("absent", function() pool.divisor_override = nil end)
    assert.is_nil(pool.divisor_override)
    assert.equal(1, pool(x):item())
    journal.settle()
    require("suture.base.past").back()
    assert.equal(3, pool.divisor_override)
    assert.is_true(math.abs(pool(x):item() - 4 / 3) < 1e-6)
  end)

  it("that is assigned is checked, acts, is printed, drawn, saved and undone", function()
    local m = nn.Sequential(nn.Conv2d(1, 2, 3, {stride = 2}), nn.MaxPool2d(2), nn.Dropout(0.5))
    m.input_shape = {1, 1, 16, 16}
    m[0].stride, m[1].stride, m[1].padding, m[2].p = 1, {1, 2}, 1, 0.25
    assert.equal("(1, 2, 15, 8)", shape(m, 1, 1, 16, 16))
    assert.matches("stride=%(1, 1%)", tostring(m))
    assert.matches("stride=%(1, 2%)", tostring(m))
    assert.is_nil(tostring(m:graph()):find "s2")
    local back = again(m)
    assert.equal(tostring(m), tostring(back))
    assert.equal("(1, 2, 15, 8)", shape(back, 1, 1, 16, 16))
    assert.equal(0.25, back[2].p)
    suture.undo(4)
    assert.same({2, 2, 0, 0.5}, {m[0].stride[1], m[1].stride[1], m[1].padding[1], m[2].p})
    suture.redo(4)
    assert.same({1, 2, 0.25}, {m[1].stride[1], m[1].stride[2], m[2].p})
  end)

  it("refuses what the constructor refuses, and what its parameters do not fit", function()
    local c, bn = nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4)
    fails("stride expects a whole number above 0", function() c.stride = 0 end)
    fails("do not divide into 3 groups", function() c.groups = 3 end)
    fails("with in_channels = 3 its weight would be (4, 3, 3, 3), and is (4, 4, 3, 3)", function() c.in_channels = 3 end)
    fails("its weight would be (4, 2, 3, 3)", function() c.groups = 2 end)
    fails("did you mean stride?", function() c.strid = 2 end)
    fails("affine is told by its weight", function() bn.affine = false end)
    fails("momentum is a number from 0 to 1", function() bn.momentum = 3 end)
    fails("cannot be changed in place", function() c.stride[1] = 2 end)
    fails("squeeze_channels was used when it was made", function() nn.SqueezeExcitation(8, 2).squeeze_channels = 4 end)
    fails("grid_size follows from its other fields", function() nn.PatchEmbed().grid_size = {1, 1} end)
    fails("m:freeze() stops everything", function() c.trainable = false end)
    fails("m:requires_grad_(false)", function() c.requires_grad = false end)
    fails("is a method of every module", function() c.freeze = 3 end)
    assert.equal("Conv2d(4, 4, kernel_size=(3, 3), stride=(1, 1))", tostring(c):match "^.-%)%)")
  end)

  it("that a tensor tells is what the tensor tells", function()
    local c, bn = nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2)
    c.bias, bn.weight, bn.bias = nil, nil, nil
    assert.matches("bias=False", tostring(c))
    assert.is_false(bn.affine)
    local back = again(nn.Sequential(c, bn))
    assert.is_nil(back[0].bias)
    assert.is_false(back[1].affine)
    suture.undo(3)
    assert.is_true(bn.affine)
    assert.is_truthy(c.bias)
  end)

  it("acts in every layer that has one: an assigned field computes what a layer made with it computes", function()
    local x = suture.randn(2, 4, 6, 6)
    local changes = {
      {nn.Conv2d(4, 4, 3), "padding", 1}, {nn.Conv2d(4, 4, 3), "dilation", 2}, {nn.BatchNorm2d(4), "eps", 0.5}, {nn.BatchNorm2d(4), "momentum", 0.9},
      {nn.GroupNorm(2, 4), "num_groups", 4}, {nn.MaxPool2d(2), "kernel_size", 3}, {nn.MaxPool2d(4), "ceil_mode", true},
      {nn.AvgPool2d(3, 2, 1), "count_include_pad", false}, {nn.AdaptiveAvgPool2d(2), "output_size", {3, 1}}, {nn.Flatten(), "start_dim", 2},
      {nn.Permute {0, 1, 2, 3}, "dims", {0, 2, 3, 1}}, {nn.LeakyReLU(), "negative_slope", 0.3}, {nn.ELU(), "alpha", 2}, {nn.GELU(), "approximate", "tanh"},
      {nn.Softmax(), "dim", 1}, {nn.LayerNorm(6), "eps", 0.5},
    }
    for _, c in ipairs(changes) do
      local m, name, value = c[1], c[2], c[3]
      local before = m(x)
      m[name] = value
      local fields = getmetatable(m)._declared.fields(m)
      for k, v in pairs(fields) do if type(v) == "userdata" then fields[k] = nil end end
      local made = nn[getmetatable(m).__name](fields)
      made:load_state_dict(m:state_dict())
      local got, want = m(x), made(x)
      assert.equal(tostring(want.shape), tostring(got.shape), name)
      assert.is_true(got:equal(want), getmetatable(m).__name .. "." .. name)
      if name ~= "momentum" then assert.is_false(tostring(before.shape) == tostring(got.shape) and before:equal(got), name) end
    end
  end)
end)

describe("a layer of one's own", function()
  it("is declared once: constructor, checks, printing, help, saving, undo follow", function()
    local Scale = nn.layer "Scale" {
      doc = "Scale(factor[, offset (0)]): factor · x + offset.",
      fields = "factor:num offset:num=0",
      forward = function(self, x) return x * self.factor + self.offset end,
      extra = function(self) return ("%g, %g"):format(self.factor, self.offset) end,
    }
    local m = nn.Sequential(nn.Linear(2, 2), Scale(3, {offset = 1}))
    m[1].factor = 2
    assert.matches("Scale%(2, 1%)", tostring(m))
    local back = again(m)
    local x = suture.randn(1, 2)
    assert.is_true(m(x):equal(back(x)))
    fails("factor expects a number", Scale, "3")
    fails("no option 'ofset': did you mean offset?", Scale, 1, {ofset = 2})
    fails("factor expects a number, got", function() m[1].factor = {} end)
    assert.matches("factor · x", require("suture.shell.help").text(Scale))
    fails("forward is missing", nn.layer "Empty", {})
    fails("no option 'field'", nn.layer "Wrong", {field = "x:num", forward = print})
  end)
end)

describe("PReLU", function()
  it("is PyTorch's: one slope or one a channel, which learn", function()
    local m = nn.PReLU(2)
    m.weight.data = suture.tensor {0.5, 0.1}
    local x = suture.tensor({{{-2.0, 0.0, 3.0}, {-4.0, 1.0, 0.0}}}, {requires_grad = true})
    local y = m(x)
    assert.is_true((y - suture.tensor {{{-1.0, 0.0, 3.0}, {-0.4, 1.0, 0.0}}}):abs():max():item() < 1e-6)
    y:sum():backward()
    assert.is_true((x.grad - suture.tensor {{{0.5, 0.5, 1.0}, {0.1, 1.0, 0.1}}}):abs():max():item() < 1e-6)
    assert.same({-2, -4}, m.weight.grad:tolist())
    assert.equal(0.25, nn.PReLU().weight:item())
    fails("PReLU expects (N, 2, …), got (1, 3)", m, suture.ones(1, 3))
    assert.matches("PReLU%(num_parameters=2%)", tostring(again(nn.Sequential(m))))
  end)
end)

describe("fields of a user's class", function()
  it("are saved when they were changed, are undone, and what a file cannot hold is named", function()
    local note = require "suture.base.note"
    local Gain = nn.class "DeclaredSpecGain"
    function Gain:init() self.gain, self.act = 1, suture.F.relu end
    function Gain:forward(x) return self.act(x) * self.gain end
    local m = nn.Sequential(nn.Linear(2, 2), Gain())
    m[1].gain, m[1].note = 5, {"kept", "too"}
    local back = again(m)
    assert.same({5, {"kept", "too"}}, {back[1].gain, back[1].note})
    suture.undo(2)
    assert.same({1}, {m[1].gain, m[1].note})
    m[1].act = suture.F.sigmoid
    local said, write = {}, note.write
    note.write = function(text) said[#said + 1] = text end
    again(m)
    note.write = write
    assert.matches("cannot hold 1.act: assign it again after open%(%)", said[1])
  end)

  it("a class of the user's by the name of a layer is saved as the user's", function()
    local Mine = nn.class "ReLU6"
    function Mine:init() end
    function Mine:forward(x) return x * 6 end
    local back = again(nn.Sequential(nn.Linear(1, 1), Mine()))
    assert.equal(Mine, getmetatable(back[1]))
    assert.equal(nn.ReLU6, getmetatable(again(nn.Sequential(nn.Linear(1, 1), nn.ReLU6()))[1]))
  end)
end)

describe("names of children and of methods", function()
  it("do not collide", function()
    local m = zoo.swin_t {depths = {1, 1, 1, 1}}
    assert.equal("head", (m:head()))
    assert.equal(m.head, select(2, m:head()))
    m:reset_head(3)
    assert.equal(3, m.head.out_features)
    local Odd = nn.class "Odd"
    function Odd:init() self.cost, self.freeze = nn.Linear(2, 2), nn.ReLU() end
    function Odd:forward(x) return self.freeze(self.cost(x)) end
    local odd = Odd()
    odd:freeze()
    assert.is_false(odd.cost.weight.requires_grad)
    assert.equal("(1, 2)", tostring(odd(suture.ones(1, 2)).shape))
  end)
end)

describe("a clone", function()
  it("is like its model in every way, and apart from it", function()
    local m = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 3), nn.Linear(3, 2))
    m[3].weight = m[0].weight
    m:freeze "0"
    m[1]:eval()
    m[1].eps = 0.5
    m.note = {a = {1}}
    m:insert_before("4", nn.Tanh())
    m:cut "4"
    local c = m:clone()
    local x = suture.randn(4, 3)
    assert.equal(tostring(m), tostring(c))
    assert.is_true(m(x):equal(c(x)))
    assert.is_true(rawequal(c[3].weight, c[0].weight))
    assert.is_false(rawequal(c[0].weight, m[0].weight))
    assert.is_true(suture.core.tensor.frozen(c[0].bias))
    c.note.a[1] = 2
    c[5].weight:fill_(9)
    c[1].running_mean:fill_(4)
    c[2] = nn.GELU()
    assert.same({a = {1}}, m.note)
    assert.is_true(m[5].weight:ne(9):all())
    assert.is_true(m[1].running_mean:eq(0):all())
    assert.equal("ReLU", getmetatable(m[2]).__name)
    local opt = suture.optim.SGD(c[5]:parameters(), {lr = 1}) -- parameters of its own train
    c:cut(nil)(x):sum():backward()
    opt:step()
    assert.is_truthy(c[5].bias.grad)
    assert.is_nil(m[5].bias.grad)
    undo.clear()
    c:unfreeze()
    suture.undo()
    assert.is_false(c[0].bias.requires_grad)
    assert.equal(m, m) -- a module is itself
    local r = suture.zoo.resnet18 {num_classes = 3}:clone()
    assert.equal("fc", (r:head()))
    again(r)
  end)
end)

describe("what is added to a layer or taken from it", function()
  it("comes back from a file", function()
    local My = nn.class("DeclaredSpecPool", nn.MaxPool2d)
    function My:init() My.super.init(self, 2) end
    local m = nn.Sequential(nn.BatchNorm2d(3), My(), nn.ELU())
    m.scale = nn.Parameter(suture.full({1}, 2.5))
    m[0]:register_buffer("mask", suture.ones(3):bool())
    m[0].bias = nil
    m[1].kernel_size = 7
    m[1].stride = 2
    m[1].padding = 3
    m[2].alpha = math.huge
    local back = again(m)
    assert.equal(2.5, back.scale:item())
    assert.is_nil(back[0].bias)
    assert.equal("bool", back[0].mask.dtype)
    assert.equal(tostring(m), tostring(back))
    assert.equal(math.huge, back[2].alpha)
    assert.equal("(1, 3, 5, 5)", tostring(back[1](suture.ones(1, 3, 9, 9)).shape))
  end)

  it("is told where a file cannot hold it", function()
    local note = require "suture.base.note"
    local said, write = {}, note.write
    note.write = function(text) said[#said + 1] = text end
    local m = nn.Sequential(nn.Linear(2, 2))
    m[0]:register_forward_hook(function() end)
    m.odd, m.bytes = {[3] = 1}, "\xff"
    again(m)
    note.write = write
    assert.matches("cannot hold bytes, odd, the hooks of 0", said[1])
  end)

  it("is refused where the layer could not be what it says", function()
    local l, bn = nn.Linear(4, 4), nn.BatchNorm2d(3)
    fails("its weight has shape (4, 4) by its fields, got (8, 4)", function() l.weight = nn.Parameter(suture.ones(8, 4)) end)
    bn.running_mean = nil -- the statistics go together
    assert.is_nil(bn.running_var or bn.num_batches_tracked)
    assert.is_false(bn.track_running_stats)
    bn(suture.randn(2, 3, 2, 2)):sum():item()
    fails("train: m:train(…) is a method" and "m:train(…) is a method of every module", l.register_buffer, l, "train", suture.ones(1))
    fails("fields expects a text of names and kinds", function() nn.layer "F" {fields = {a = 1}, forward = print} end)
    fails('"a" says no kind', function() nn.layer "F" {fields = "a", forward = print} end)
    fails('there is no kind "bogus"', function() nn.layer "F" {fields = "a:bogus", forward = print} end)
    fails("a field cannot be called train", function() nn.layer "F" {fields = "train:num", forward = print} end)
    fails("the declaration follows the name", nn.layer, "F", {})
    fails('activation is "relu", "gelu" or a function', function() nn.TransformerEncoderLayer(8, 2, 16).activation = 5 end)
    fails("got nil", l.freeze, l, nil)
    fails("takes a function and nothing else", l.register_forward_hook, l, print, {prepend = true})
  end)

  it("is printed, if nobody says how, from the fields that are not the usual ones", function()
    local Sc = nn.layer "Sc" {fields = "factor:num offset:num=0", forward = function(s, x) return x * s.factor end}
    local m = nn.Sequential(Sc(2))
    m[0].offset = 3
    assert.matches("Sc%(factor = 2, offset = 3%)", tostring(m))
    assert.matches("count_include_pad=False", tostring(nn.AvgPool2d(3, 2, 1, {count_include_pad = false})))
  end)
end)

-- What ONNX has (opset 18 and below, Gelu 20), of what layers may be.
local onnx_operators = {}
for name in ([[AveragePool BatchNormalization Clip Conv Dropout Elu Flatten Gelu Gemm GroupNormalization HardSigmoid
HardSwish Identity LayerNormalization LeakyRelu LogSoftmax MaxPool Mish PRelu Relu Sigmoid Softmax
SoftmaxCrossEntropyLoss Tanh Transpose]]):gmatch "%S+" do onnx_operators[name] = true end

-- Layers that are several operators there, or none.
local several = {}
for name in ([[AdaptiveAvgPool2d BCELoss BCEWithLogitsLoss Dropout2d GAP HuberLoss L1Loss LayerNorm2d MSELoss
MultiheadAttention PatchEmbed ResidualBlock SiLU SmoothL1Loss SqueezeExcitation StochasticDepth TransformerEncoderLayer]]):gmatch "%S+" do
  several[name] = true
end

describe("a layer's declaration", function()
  it("says what ONNX calls it, and so does its help", function()
    local help, seen = require "suture.shell.help".text, {}
    for name, cls in pairs(nn) do
      local declared = type(cls) == "table" and rawget(cls, "_declared")
      if declared then
        local onnx = declared.onnx
        assert.equal(several[name] or false, onnx == nil, name)
        if onnx then
          assert.is_true(onnx_operators[onnx], onnx)
          seen[onnx] = true
          assert.is_truthy(help(cls):find("In ONNX: " .. onnx .. ".", 1, true), name)
        end
      end
    end
    for name in pairs(onnx_operators) do assert.is_true(seen[name], name) end
    assert.equal("Conv", nn.Conv2d._declared.onnx)
    assert.equal("Gemm", nn.Linear._declared.onnx)
    assert.equal("BatchNormalization", nn.BatchNorm1d._declared.onnx)
  end)

  it("and its function check the same", function()
    local x, picture = suture.randn(2, 3), suture.randn(1, 2, 4, 4)
    local function message(f, ...)
      local ok, text = pcall(f, ...)
      assert.is_false(ok)
      return (tostring(text):gsub("^%S-:%d+: ", ""):gsub("^[%w_.]+: ", ""))
    end
    local w = suture.randn(2, 2, 3, 3)
    for _, options in ipairs {{stride = 0}, {dilation = "a"}, {padding = "sam"}, {groups = 0.5}, {padding = "same", stride = 2}} do
      assert.equal(message(nn.Conv2d, 2, 2, 3, options), message(F.conv2d, picture, w, options))
    end
    for _, options in ipairs {{padding = 2}, {stride = -1}, {ceil_mode = 1}} do
      assert.equal(message(nn.MaxPool2d, 2, options), message(F.max_pool2d, picture, 2, options))
      assert.equal(message(nn.AvgPool2d, 2, options), message(F.avg_pool2d, picture, 2, options))
    end
    assert.equal(message(nn.LayerNorm, 0), message(F.layer_norm, x, 0))
    assert.equal(message(nn.LayerNorm, 3, {eps = -1}), message(F.layer_norm, x, 3, {eps = -1}))
    assert.equal(message(nn.GroupNorm, 0, 2), message(F.group_norm, picture, 0))
    assert.equal(message(nn.ELU, "a"), message(F.elu, x, "a"))
    assert.equal(message(nn.StochasticDepth, 0.5, "sample"), message(F.stochastic_depth, x, 0.5, "sample"))
    assert.equal(message(nn.MSELoss, "men"), message(F.mse_loss, x, x, "men"))
    assert.equal(message(nn.CrossEntropyLoss, {label_smoothing = 2}),
      message(F.cross_entropy, x, suture.tensor {0, 1}, {label_smoothing = 2}))
  end)

  it("refuses a value that a gradient flows to as a parameter, and a name that is nearly one it has", function()
    local l, a = nn.Linear(3, 2), suture.randn(2, 3)
    a.requires_grad = true
    local function fails(text, f)
      local ok, message = pcall(f)
      assert.is_false(ok)
      assert.is_truthy(tostring(message):find(text, 1, true), tostring(message))
    end
    fails("a parameter has no history", function() l.weight = a * 2 end)
    l.weight = suture.zeros(2, 3)
    l.weight = nn.Parameter(a * 2)
    assert.is_true(l.weight.requires_grad and l.weight.is_leaf)
    fails("no field 'wieght' in l: did you mean weight?", function() return l.wieght end)
    local m = nn.class "Two"()
    m.layer1, m.layer2 = nn.ReLU(), nn.ReLU()
    fails("did you mean layer1?", function() return m.layr1 end)
    local x = suture.zeros(2)
    fails("did you mean shape?", function() return x.shpe end)
    fails("did you mean requires_grad?", function() return x.requires_gard end)
    assert.is_nil(nn.Linear(2, 2, false).bias)
  end)

  it("pads with x's own numbers, as F.pad", function()
    local x = suture.arange(4):float():reshape(1, 1, 1, 4)
    assert.same({{{{2, 1, 0, 1, 2, 3, 2}}}}, F.pad(x, {2, 1}, "reflect"):tolist())
    assert.same({{{{0, 0, 0, 1, 2, 3, 3}}}}, F.pad(x, {2, 1}, "replicate"):tolist())
    assert.same({{{{2, 3, 0, 1, 2, 3, 0}}}}, F.pad(x, {2, 1}, "circular"):tolist())
    for _, c in ipairs {{{4, 0}, "reflect"}, {{5, 0}, "circular"}, {{-4, 0}, "replicate"}} do
      local ok, message = pcall(F.pad, x, c[1], c[2])
      assert.is_false(ok)
      assert.is_truthy(message:find("is too much for dimension 3", 1, true))
    end
    assert.is_false(pcall(F.pad, x, {1, 1}, "reflect", 5))
    local conv = nn.Conv2d(1, 1, {1, 3}, {padding = {0, 1}, padding_mode = "circular", bias = false})
    conv.weight:fill_(1)
    assert.same({{{{4, 3, 6, 5}}}}, conv(x):tolist())
    assert.equal("Conv2d(1, 1, kernel_size=(1, 3), stride=(1, 1), padding=(0, 1), bias=False, padding_mode=circular)",
      (tostring(conv):match "^%S.-%)  " or tostring(conv)):match "^(.-%))%s*%d*$" or tostring(conv))
  end)
end)
