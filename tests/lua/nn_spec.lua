local suture = require "suture"
local nn, F, tensor = suture.nn, suture.F, suture.tensor
local trace = require "suture.nn.trace"

local fails = require("kit").fails

local function names(d)
  local out = {}
  for name in d do out[#out + 1] = name end
  return table.concat(out, " ")
end

local Residual = nn.class "Residual"
function Residual:init(c)
  self.conv_block = nn.Sequential(nn.Conv2d(c, c, 3, {padding = 1}), nn.ReLU(), nn.Conv2d(c, c, 3, {padding = 1}))
  self.relu = nn.ReLU()
end
function Residual:forward(x) return self.relu(self.conv_block(x) + x) end

local function small()
  return nn.Sequential(nn.Conv2d(3, 8, 3, {bias = false}), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    nn.Dropout(0.5), nn.Linear(8, 5))
end

describe("modules", function()
  it("register what is assigned, in order", function()
    local m = Residual(4)
    assert.equal("conv_block relu", names(m:named_children()))
    assert.equal("conv_block.0.weight conv_block.0.bias conv_block.2.weight conv_block.2.bias", names(m:named_parameters()))
    assert.equal(4, #m:parameters())
    local n = 0
    for p in m:parameters() do n = n + p:numel() end
    assert.equal(m:num_parameters(), n)
    assert.equal(2 * (4 * 4 * 9 + 4), n)
    for name, p in m:named_parameters() do assert.equal(p, m:at(name)) end
    assert.equal(" conv_block conv_block.0 conv_block.1 conv_block.2 relu", names(m:named_modules()))
  end)

  it("register what replaces false, nil or a function", function()
    local M = nn.class "M"
    function M:init() self.down, self.act = false, F.relu end
    local m = M()
    m.down = nn.Linear(2, 2)
    m.act = nn.GELU()
    assert.equal("down act", names(m:named_children()))
    m.down = nil
    assert.equal("act", names(m:named_children()))
    assert.is_nil(m.down)
    m.w = nn.Parameter(suture.ones(2))
    m.note, m.size = "x", 3
    assert.equal("w", names(m:named_parameters()))
    assert.is_true(m.w.requires_grad)
    fails("cannot contain itself", function() m.act.self = m end)
  end)

  it("count children from 0", function()
    local m = small()
    assert.equal(7, #m)
    assert.equal("Linear", getmetatable(m[6]).__name)
    assert.equal(m[6], m[-1])
    m[6] = nn.Linear(8, 2)
    assert.equal(2, m[6].out_features)
    local relu = m:remove(2)
    assert.equal("0 1 2 3 4 5", names(m:named_children()))
    m:insert(2, relu)
    assert.equal(relu, m[2])
    m:append(nn.Identity())
    assert.equal(8, #m)
    assert.equal(3, #m:slice(1, 4))
    fails("out of range", m.remove, m, 9)
    fails("make one: nn.ReLU", nn.Sequential, nn.ReLU)
    local named = nn.Sequential {{"conv", nn.Conv2d(1, 1, 1)}, {"act", nn.ReLU()}}
    assert.equal("conv act", names(named:named_children()))
    assert.equal(named.conv, named[0])
  end)

  it("inherit", function()
    local Wide = nn.class("Wide", Residual)
    function Wide:init(c)
      Wide.super.init(self, c)
      self.extra_conv = nn.Conv2d(c, c, 1)
    end
    assert.equal("conv_block relu extra_conv", names(Wide(2):named_children()))
    assert.equal("(1, 2, 4, 4)", tostring(Wide(2)(suture.ones(1, 2, 4, 4)).shape))
    assert.equal(2, #Wide(2):find(nn.Conv2d) - 1)
  end)

  it("attention with dropout is attention in the mean, and refuses what does not fit", function()
    suture.seed(3)
    local q, k, v = suture.randn(2, 5, 4), suture.randn(2, 7, 4), suture.ones(2, 7, 3)
    local attention = F.scaled_dot_product_attention
    local plain, dropped = attention(q, k, v, {is_causal = true}), attention(q, k, v, {is_causal = true, dropout_p = 1e-12})
    assert.is_true((plain - dropped):abs():max():item() < 1e-5)
    assert.is_true((plain - 1):abs():max():item() < 1e-5)
    local sum = suture.zeros(2, 5, 3)
    for _ = 1, 400 do sum = sum + attention(q, k, v, {dropout_p = 0.5}) end
    assert.is_true((sum / 400 - 1):abs():max():item() < 0.3)
    assert.is_true((attention(q, k, v, {dropout_p = 0.5}) - 1):abs():max():item() > 0.1)
    fails("attn_mask or is_causal, not both", attention, q, k, v, {attn_mask = suture.zeros(5, 7), is_causal = true})
    fails("mask (5, 6) does not stretch to the scores' shape (2, 5, 7)", attention, q, k, v, suture.zeros(5, 6))
    fails("expects q (…, L, d), k (…, S, d) and v (…, S, dv)", attention, q, v, v)
  end)

  it("say where an error is", function()
    local m = Residual(16)
    fails("conv_block.0: Conv2d expects 16 channels", m, suture.randn(1, 8, 8, 8))
    fails("Linear: ", nn.Linear(4, 2), suture.randn(2, 5))
    fails("BatchNorm2d expects", nn.BatchNorm2d(3), suture.randn(2, 4, 4, 4))
    fails("expects x of shape (…, 4, 5), got (2, 5, 4)", nn.LayerNorm {4, 5}, suture.randn(2, 5, 4))
    fails("LayerNorm2d expects (N, C, H, W), got (2, 4)", nn.LayerNorm2d(4), suture.randn(2, 4))
    fails("normalized_shape expects", nn.LayerNorm, {4, 0})
    local Bad = nn.class "Bad"
    function Bad:init() self.inner = Residual(2) end
    function Bad:forward(x) return self.inner(x).nothing.at_all end
    fails("(in Bad)", Bad(), suture.ones(1, 2, 3, 3))
    local Outer = nn.class "Outer"
    function Outer:init() self.bad = Bad() end
    function Outer:forward(x) return self.bad(x) end
    fails("(in bad, a Bad)", Outer(), suture.ones(1, 2, 3, 3))
    assert.equal(0, suture.core.graph.depth()) -- errors leave nothing behind
    assert.equal("(1, 16, 8, 8)", tostring(m(suture.ones(1, 16, 8, 8)).shape))
    fails("has no forward", nn.class "Empty"(), suture.ones(1))
  end)

  it("check their arguments", function()
    fails("did you mean stride?", nn.Conv2d, 3, 4, 3, {strde = 2})
    fails("kernel_size is missing", nn.Conv2d, 3, 4)
    fails("in_channels expects a whole number above 0", nn.Conv2d, "3", 4, 3)
    fails("padding_mode", nn.Conv2d, 3, 4, 3, {padding_mode = "mirror"})
    fails("divide", nn.Conv2d, 3, 4, 3, {groups = 2})
    fails("at most 3 arguments", nn.Linear, 1, 2, true, 4)
    fails("p expects a number from 0 to 1", nn.Dropout, 1.5)
    fails("is given twice", nn.Conv2d, 3, 4, 3, 1, {stride = 2})
    fails("at most half the kernel", nn.MaxPool2d, 2, 2, 2)
    assert.equal(2, nn.Conv2d(3, 4, 3, 2).stride[1])
  end)

  it("find and name", function()
    local m = Residual(2)
    assert.equal("conv_block.0 conv_block.2", names(m:find(nn.Conv2d)))
    assert.equal("conv_block.0 conv_block.1 conv_block.2", names(m:find "conv_block.*"))
    assert.equal("conv_block.1 relu", names(m:find "{relu,*.1}"))
    fails("did you mean conv_block", m.at, m, "conv_blok")
    assert.equal(m.conv_block[0].weight, m:at "conv_block.0.weight")
    local seen = {}
    m:apply(function(s) seen[#seen + 1] = getmetatable(s).__name end)
    assert.equal("Residual", seen[#seen])
  end)
end)

describe("layers", function()
  it("give PyTorch's shapes", function()
    local x = suture.randn(2, 4, 9, 11)
    local function shape(m) return tostring(m(x).shape) end
    assert.equal("(2, 6, 5, 6)", shape(nn.Conv2d(4, 6, 3, {stride = 2, padding = 1})))
    assert.equal("(2, 6, 9, 11)", shape(nn.Conv2d(4, 6, 4, {padding = "same"})))
    assert.equal("(2, 6, 9, 11)", shape(nn.Conv2d(4, 6, {3, 5}, {padding = {1, 2}})))
    assert.equal("(2, 8, 5, 7)", shape(nn.Conv2d(4, 8, 3, {dilation = 2, groups = 4})))
    assert.equal("(2, 4, 4, 5)", shape(nn.MaxPool2d(2)))
    assert.equal("(2, 4, 5, 6)", shape(nn.MaxPool2d(2, {ceil_mode = true})))
    assert.equal("(2, 4, 5, 6)", shape(nn.MaxPool2d(3, 2, 1)))
    assert.equal("(2, 4, 4, 5)", shape(nn.AvgPool2d(2)))
    assert.equal("(2, 4, 3, 2)", shape(nn.AdaptiveAvgPool2d {3, 2}))
    assert.equal("(2, 4, 3, 11)", shape(nn.AdaptiveAvgPool2d {3, false}))
    assert.equal("(2, 396)", shape(nn.Flatten()))
    for _, name in ipairs {"ReLU", "LeakyReLU", "Sigmoid", "Tanh", "GELU", "SiLU", "Softmax", "Identity", "Hardswish", "ReLU6"} do
      assert.equal("(2, 4, 9, 11)", shape(nn[name]()))
    end
    assert.equal("(7, 3)", tostring(nn.Linear(4, 3)(suture.ones(7, 4)).shape))
    assert.equal("(2, 5, 3)", tostring(nn.Linear(4, 3)(suture.ones(2, 5, 4)).shape))
  end)

  it("start as PyTorch's do", function()
    suture.seed(1)
    local c = nn.Conv2d(16, 32, 3)
    local bound = 1 / math.sqrt(16 * 9)
    assert.is_true(c.weight:max():item() <= bound and c.weight:min():item() >= -bound)
    assert.is_true(math.abs(c.weight:std():item() - bound / math.sqrt(3)) < bound * 0.05)
    assert.is_true(c.bias:abs():max():item() <= bound)
    local w = suture.zeros(200, 100)
    nn.init.kaiming_normal_(w, {nonlinearity = "relu"})
    assert.is_true(math.abs(w:std():item() - math.sqrt(2 / 100)) < 0.005)
    nn.init.xavier_uniform_(w)
    assert.is_true(w:max():item() <= math.sqrt(6 / 300))
    nn.init.constant_(w, 3)
    assert.equal(3, w:mean():item())
    fails("mode", nn.init.kaiming_normal_, w, {mode = "fan"})
  end)

  it("normalise, and keep statistics as PyTorch does", function()
    local bn = nn.BatchNorm1d(1)
    local x = tensor {{1.0}, {2.0}, {3.0}, {6.0}}
    local y = bn(x)
    assert.is_true(math.abs(y:mean():item()) < 1e-5)
    assert.is_true(math.abs(y:var(nil, false):item() - 1) < 1e-3)
    assert.is_true(math.abs(bn.running_mean:item() - 0.3) < 1e-6)
    assert.is_true(math.abs(bn.running_var:item() - (0.9 + 0.1 * 14 / 3)) < 1e-5)
    assert.equal(1, bn.num_batches_tracked:item())
    bn:eval()
    local before = bn.running_mean:item()
    bn(x):sum():item()
    assert.equal(before, bn.running_mean:item())
    local plain = nn.BatchNorm1d(1, {momentum = false})
    plain(x):sum():item()
    plain(x + 3):sum():item()
    assert.is_true(math.abs(plain.running_mean:item() - 4.5) < 1e-5)
    fails("more than 1 value", nn.BatchNorm1d(1), tensor {{1.0}})
  end)

  it("drop in training only", function()
    suture.seed(2)
    local d, x = nn.Dropout(0.25), suture.ones(4000)
    local y = d(x)
    assert.is_true(math.abs(y:mean():item() - 1) < 0.08)
    assert.is_true(math.abs(y:eq(0):sum():item() / 4000 - 0.25) < 0.04)
    d:eval()
    assert.is_true(d(x):equal(x))
  end)
end)

describe("freezing", function()
  local x, y = suture.randn(4, 3, 8, 8), tensor {0, 1, 2, 3}

  local function step(m, opt)
    opt:zero_grad()
    F.cross_entropy(m(x), y):backward()
    opt:step()
  end

  local function bits(m)
    local out = {}
    for name, t in m:state_dict() do out[name] = suture.core.tensor.bytes(t) end
    return out
  end

  it("stops everything, in training mode too", function()
    suture.seed(4)
    local m = small()
    local opt = suture.optim.SGD(m:parameters(), {lr = 0.1, momentum = 0.9, weight_decay = 0.1})
    step(m, opt)
    m:freeze "{0,1}"
    local before = bits(m)
    m:train()
    for _ = 1, 3 do step(m, opt) end
    local after = bits(m)
    for _, name in ipairs {"0.weight", "1.weight", "1.bias", "1.running_mean", "1.running_var", "1.num_batches_tracked"} do
      assert.equal(before[name], after[name], name)
    end
    assert.are_not.equal(before["6.weight"], after["6.weight"])
    assert.is_nil(m[0].weight.grad)
    assert.is_false(m[1]:is_training())
    m:unfreeze()
    assert.is_true(m[1]:is_training())
    step(m, opt)
    assert.are_not.equal(before["0.weight"], bits(m)["0.weight"])
  end)

  it("leaves a new head free", function()
    local m = small()
    m:freeze()
    m[6] = nn.Linear(8, 4)
    local before = bits(m)
    local opt = suture.optim.AdamW(m:parameters(), {lr = 0.01})
    step(m, opt)
    local after = bits(m)
    for name in pairs(before) do assert.equal(name:find "^6" ~= nil, before[name] ~= after[name], name) end
  end)

  it("of parameters alone", function()
    local m = small()
    m:freeze "*.bias"
    assert.is_false(m[6].bias.requires_grad)
    assert.is_true(m[6].weight.requires_grad)
    assert.is_true(m[1]:is_training())
    fails("did you mean conv_block.0", Residual(2).freeze, Residual(2), "conv_blok.0")
    fails("nothing in Sequential is called", m.freeze, m, "layer9")
  end)

  it("up to a place in the graph that runs", function()
    local m = small()
    m:freeze_to("3", {1, 3, 8, 8})
    assert.is_true(m[0]._frozen and m[1]._frozen and m[2]._frozen)
    assert.is_false(m[3]._frozen or m[6]._frozen or m._frozen)
    assert.equal(0, m[1].num_batches_tracked:item())
    fails("no module '33'", m.freeze_to, m, "33", {1, 3, 8, 8})
  end)

  it("of statistics alone", function()
    local m = small()
    m:bn_eval():train()
    F.cross_entropy(m(x), y):backward()
    assert.equal(0, m[1].num_batches_tracked:item())
    assert.is_truthy(m[1].weight.grad)
    m:bn_eval(false)
    m(x):sum():item()
    assert.equal(1, m[1].num_batches_tracked:item())
  end)

  it("is not what requires_grad = false is: statistics move then, and it is said once", function()
    local note = require "suture.base.note"
    local said, write = {}, note.write
    note.write = function(text) said[#said + 1] = text end
    local m = small()
    for p in m:parameters() do p.requires_grad = false end
    m[6] = nn.Linear(8, 5)
    for _ = 1, 2 do F.cross_entropy(m(x), y):backward() end
    note.write = write
    assert.equal(1, #said)
    assert.is_truthy(said[1]:find "statistics")
    assert.equal(2, m[1].num_batches_tracked:item())
    assert.is_nil(m[0].weight.grad)
  end)

  it("has modes by glob", function()
    local m = small()
    m:eval "1"
    assert.is_false(m[1].training)
    assert.is_true(m[5].training)
    m:eval():train "{0,1}"
    assert.is_true(m[1].training)
    assert.is_false(m[5].training)
    m:train(false)
    assert.is_false(m[1].training)
  end)
end)

describe("state", function()
  it("goes out and in", function()
    local a, b = small(), small()
    assert.equal("0.weight 1.weight 1.bias 1.running_mean 1.running_var 1.num_batches_tracked 6.weight 6.bias", names(a:state_dict()))
    b:load_state_dict(a:state_dict())
    for name, t in a:state_dict() do assert.is_true(t:equal(b:at(name)), name) end
    assert.is_false(a[0].weight == b[0].weight)
  end)

  it("says all that does not fit, with the likely rename", function()
    local m, sd = small(), {}
    for name, t in small():state_dict() do sd["module." .. name] = t end
    fails("begin with 'module.'", m.load_state_dict, m, sd)
    sd = {}
    for name, t in small():state_dict() do sd[name] = t end
    sd["head.weight"], sd["6.weight"] = sd["6.weight"], nil
    sd["6.bias"] = suture.ones(7)
    local before = m[0].weight:tolist()
    local ok, message = pcall(m.load_state_dict, m, sd)
    assert.is_false(ok)
    assert.is_truthy(message:find("6.weight  (the file's head.weight fits)", 1, true), message)
    assert.is_truthy(message:find("6.bias  (the model has (5), the file (7))", 1, true), message)
    assert.same(before, m[0].weight:tolist())
    sd["6.bias"] = nil
    local report = m:load_state_dict(sd, {strict = false})
    assert.same({"6.weight", "6.bias"}, report.missing)
    assert.same({"head.weight"}, report.unexpected)
    sd["1.num_batches_tracked"] = nil -- old files have none
    assert.equal(2, #m:load_state_dict(sd, {strict = false}).missing)
  end)
end)

describe("parts", function()
  it("are given several globs side by side", function()
    local m = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2))
    m:freeze("0", "2")
    assert.same({false, true, false}, {m[0].weight.requires_grad, m[1].weight.requires_grad, m[2].weight.requires_grad})
    m:unfreeze("0", "2"):eval("0", "1")
    assert.same({false, false, true}, {m[0].training, m[1].training, m[2].training})
  end)
end)

describe("running statistics", function()
  local function number(x) return x:sum():item() end

  it("are read after a step that nobody looked at, and before the next", function()
    suture.seed(2)
    local x = suture.randn(4, 3, 5)
    local looked, unlooked = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    number(looked(x))
    unlooked(x)
    looked:eval()
    unlooked:eval()
    local want = number(looked(x):abs())
    assert.equal(want, number(unlooked(x):abs()))
    unlooked:train()
    unlooked(x)
    looked:train()
    number(looked(x))
    assert.equal(number(looked.running_mean), number(unlooked.running_mean:reshape(-1)))
  end)

  it("stay as they were for what was made of them before they move", function()
    local m, x = nn.BatchNorm1d(3), suture.ones(4, 3)
    m:eval()
    local before = m(x) -- not looked at
    m:train()
    number(m(x * suture.arange(4):reshape(4, 1)))
    assert.near(12, number(before), 1e-3)
  end)

  it("let a training pass wait until somebody looks, as everything does", function()
    local core = require "suture.core"
    local m, inner = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 3), nn.BatchNorm1d(3)), nil
    for pass = 1, 3 do
      local forward = m[0].forward
      m[0].forward = function(self, x) inner = forward(self, x) return inner end
      local y = m(suture.randn(4, 3))
      m[0].forward = nil
      assert.is_false(core.graph.known(inner))
      assert.is_false(core.graph.known(y))
      if pass > 1 then y:sum():backward() end
      number(y)
      assert.is_true(core.graph.known(y))
    end
  end)
end)

describe("traces", function()
  it("record every module call", function()
    local m = Residual(2)
    m.eval(m)
    local records, out = trace.record(m, suture.ones(1, 2, 4, 4))
    local got = {}
    for i, r in ipairs(records) do got[i] = r.path .. ":" .. r.depth end
    assert.equal(":0 conv_block:1 conv_block.0:2 conv_block.1:2 conv_block.2:2 relu:1", table.concat(got, " "))
    assert.equal(out, records[1].outputs[1])
    assert.equal(records[2], records[3].parent)
    assert.is_true(records[3].first_node_order <= records[3].last_node_order)
    assert.is_true(records[3].last_node_order < records[4].last_node_order)
  end)

  it("count modules that run twice", function()
    local Twice = nn.class "Twice"
    function Twice:init() self.relu = nn.ReLU() end
    function Twice:forward(x) return self.relu(self.relu(x)) end
    local records = trace.record(Twice(), suture.ones(2))
    assert.equal(2, records[3].nth)
  end)

  it("leave nothing when dry", function()
    local m = small()
    trace.dry(m, suture.ones(2, 3, 8, 8))
    assert.equal(0, m[1].num_batches_tracked:item())
    assert.is_false(trace.is_dry())
  end)

  it("give the graph with paths", function()
    local m = Residual(2)
    local y = m(suture.ones(1, 2, 4, 4))
    local ops = {}
    for _, n in ipairs(suture.core.graph.walk {y}) do if n.op then ops[#ops + 1] = n.op .. "@" .. n.path end end
    assert.equal("conv2d@conv_block.0 relu@conv_block.1 conv2d@conv_block.2 add@ relu@relu", table.concat(ops, " "))
  end)
end)
