-- Names that are not there, and what people from Python write: told, with what to write here.
local suture = require "suture"
suture.history(true) -- as at the prompt
local kit = dofile(debug.getinfo(1, "S").source:match "^@(.*)/[^/]*$" .. "/kit.lua")
local guesses = require "suture.base.guesses"
local syntax = require "suture.base.syntax"
local nn, F, optim, tensor, image, zoo = suture.nn, suture.F, suture.optim, suture.tensor, suture.image, suture.zoo
local fails = kit.fails

describe("reading a field that is not there", function()
  local m = nn.Sequential(nn.Linear(2, 2), nn.ReLU())

  it("of a module is an error that suggests", function()
    local net = zoo.cifar_resnet20 {num_classes = 2}
    fails("no field 'layr1' in net: did you mean layer1?", function() return net.layr1 end)
    fails("no method 'frezze' in net: did you mean freeze?", function() net:frezze() end)
    fails("no field 'con1' in net.layer1[0]: did you mean conv1?", function() return net.layer1[0].con1 end)
    fails("did you mean in_features?", function() return m[0].in_featres end)
    fails("(it has 0, 1)", function() return m.zzzzz end)
    fails("CPU", function() m:cuda() end)
    fails("fit(m, train", function() m:fit() end)
  end)

  it("of a tensor, an optimizer, a group, a table of the library is one too", function()
    local x, opt = suture.ones(2), optim.SGD(m:parameters(), {lr = 0.1})
    fails("no field 'shap' in x: did you mean shape?", function() return x.shap end)
    fails("no method 'unsqueze' in x: did you mean unsqueeze?", function() x:unsqueze(0) end)
    fails("no method 'stp' in opt: did you mean step?", function() opt:stp() end)
    fails("opt.param_groups[1].lr", function() return opt.lr end)
    fails("opt.param_groups[1].lr", function() return opt.param_groups.lr end)
    fails("no field 'Linaer' in nn: did you mean Linear?", function() return nn.Linaer end)
    fails("no field 'rleu' in F: did you mean relu?", function() return F.rleu end)
    fails("no field 'zeroes' in tensor: did you mean zeros?", function() return tensor.zeroes end)
    fails("did you mean load?", function() return image.laod end)
    fails("did you mean xavier_normal_?", function() return nn.init.xavier_norml_ end)
    fails("did you mean clip_grad_norm_?", function() return nn.utils.clip_grad_norm end)
  end)

  it("of what evaluate, confusion and fit give is one too", function()
    local ds = suture.data.tensors(suture.randn(4, 2), tensor({0, 1, 0, 1}, {dtype = "int64"}))
    local m = nn.Linear(2, 2)
    local r, fitted = suture.evaluate(m, ds), suture.fit(m, ds, {epochs = 1, quiet = true})
    fails("no field 'accuracy' in r", function() return r.accuracy end)
    fails("no field 'los' in r: did you mean loss?", function() return r.los end)
    fails("no field 'acc' in fitted", function() return fitted.acc end)
    assert.is_nil(fitted.best_epoch)
    fails("did you mean counts?", function() return suture.confusion(m, ds).conts end)
    assert.is_nil(suture.evaluate(m, suture.data.tensors(suture.randn(4, 2), suture.randn(4, 2)), {loss = F.mse_loss}).acc)
  end)

  it("is not what pairs and ipairs go over: the children", function()
    fails("for name, child in pairs(m)", function() for _ in ipairs(m) do end end)
    local names = {}
    for name, child in pairs(m) do names[#names + 1] = name .. getmetatable(child).__name end
    assert.same({"0Linear", "1ReLU"}, names)
  end)

  it("is nil for what a layer, a block or a whole model may lack", function()
    local conv, bn = nn.Conv2d(1, 1, 1, {bias = false}), nn.BatchNorm2d(2, {affine = false, track_running_stats = false})
    assert.same({}, {conv.bias, bn.weight, bn.bias, bn.running_mean, m.classes, m.preprocess, m.input_shape})
    for sub in zoo.googlenet {num_classes = 2, aux_logits = false}:modules() do -- as loops over all of a model ask
      if sub.weight and sub.bias then assert.is_true(sub.weight.requires_grad) end
    end
    local net = zoo.resnet18 {num_classes = 2}
    assert.is_nil(net.layer1[0].downsample)
    assert.is_truthy(net.layer2[0].downsample)
    assert.is_nil(zoo.googlenet {num_classes = 2, aux_logits = false}.aux1)
  end)

  it("is nil for a user's own that was set to nil, or taken away, or undone; names with _ are the user's", function()
    local Block = nn.class "WordsBlock"
    function Block:init(down)
      self.l, self.down, self.cache = nn.Linear(2, 2), down, nil
    end
    function Block:forward(x)
      if self.down then x = self.down(x) end
      self.cache = self.cache or x
      self._seen = (self._seen or 0) + 1
      return self.l(x)
    end
    local b = Block()
    b(suture.ones(1, 2)):tolist()
    assert.equal(1, b._seen)
    assert.is_truthy(b.cache)
    b.cache = nil
    assert.is_nil(b.cache)
    assert.is_nil(b:clone().down)
    b.l = nil
    assert.is_nil(b.l)
    fails("no field 'cach' in b: did you mean cache?", function() return b.cach end)
    function Block:forward(_) return self.sead end
    fails("no field 'sead' in self", b, suture.ones(1, 2))
    function Block:forward(_) return self.optional end
    fails("self.optional = nil in init lets it be empty", b, suture.ones(1, 2))
    local journal = require "suture.base.journal"
    journal.change("note", function() b.note = 3 end)
    journal.settle()
    require("suture.base.past").back()
    assert.is_nil(b.note)
  end)
end)

describe("param_groups", function()
  it("has its one group at 0 too; of several, 1 is the first", function()
    local opt = optim.Adam(nn.Linear(2, 2):parameters(), {lr = 0.1})
    opt.param_groups[0].lr = 0.5
    assert.equal(0.5, opt.param_groups[1].lr)
    assert.equal(1, #opt.param_groups)
    for i, g in ipairs(opt.param_groups) do assert.same({1, 0.5}, {i, g.lr}) end
    opt:add_param_group {params = nn.Linear(2, 2):parameters(), lr = 0.2}
    fails("there are 2 groups", function() return opt.param_groups[0] end)
    assert.equal(0.2, opt.param_groups[2].lr)
    fails("opt:add_param_group", function() opt.param_groups[0] = {} end)
    fails("opt.param_groups[1].lr = 1 sets it", function() opt.learning_rate = 1 end)
    fails("opt.param_groups[1].weight_decay", function() opt.weight_decy = 1 end)
    opt.mine = "kept"
    assert.equal("kept", opt.mine)
  end)
end)

describe("fields that would do nothing", function()
  it("are refused, with what does it", function()
    local net = zoo.cifar_resnet20 {num_classes = 2}
    for _, m in ipairs {net, net.layer1, net.linear, nn.ReLU()} do
      fails("m:freeze()", function() m.trainable = false end)
      fails("m:requires_grad_(false)", function() m.requires_grad = false end)
      fails("m:freeze()", function() m.frozen = true end)
      fails("param", function() m.lr = 0.1 end)
    end
    fails("m:reset_head(n)", function() net.num_classes = 3 end)
    fails("m.bias", function() nn.BatchNorm2d(2).beta = 3 end)
    fails("m.p", function() nn.Dropout(0.5).rate = 0.1 end)
    net.linear.note = "mine"
    assert.equal("mine", net.linear.note)
    local Own = nn.class "WordsOwn"
    function Own:init() self.lr = 1 end
    local own = Own()
    own.device = "mine"
    assert.same({1, "mine"}, {own.lr, own.device})
    fails("m:freeze()", function() own.trainable = true end)
  end)

  it("are so for a dataset's", function()
    local ds = suture.data.shapes {n = 2}
    fails("ds:with{augment = …}", function() ds.augment = true end)
    fails("ds:batches(16, {shuffle = true})", function() ds.batch_size = 4 end)
    ds.classes = {"a", "b", "c", "d", "e", "f", "g", "h"}
    ds.mine = 1
    assert.same({"a", 1}, {ds.classes[1], ds.mine})
  end)

  it("are so for methods that nobody calls", function()
    local Net = nn.class "WordsNet"
    fails("function WordsNet:init(", function() function Net:__init__() end end)
    fails("function WordsNet:forward(", function() function Net:__call__() end end)
    function Net:anything() return 1 end
    assert.equal(1, Net():anything())
  end)
end)

describe("a user's class", function()
  local path = os.tmpname() .. ".safetensors"
  after_each(function() os.remove(path) end)

  it("is the user's in a file, whatever the library calls so", function()
    for _, name in ipairs {"ReLU6", "BatchNorm2d", "LayerNorm", "Inception", "ResNet", "GoogLeNet", "Sequential"} do
      local Mine = nn.class(name)
      function Mine:init(n) self.l = nn.Linear(n, n) end
      function Mine:forward(x) return self.l(x) * 3 end
      local m = Mine(2)
      m:save(path)
      zoo.googlenet {num_classes = 2, aux_logits = false}
      zoo.resnet18 {num_classes = 2}
      local x, back = suture.ones(1, 2), suture.open(path)
      assert.equal(Mine, getmetatable(back), name)
      assert.is_true(m(x):equal(back(x)))
      assert.is_truthy(rawget(nn, name) == nil or rawget(nn, name) ~= Mine)
    end
    local Scale = nn.layer "LayerNorm" {fields = "by:num", forward = function(self, x) return x * self.by end}
    nn.Sequential(Scale(3)):save(path)
    assert.equal(Scale, getmetatable(suture.open(path)[0]))
  end)

  it("the library's own comes back where nobody made another", function()
    nn.Sequential(nn.ReLU6(), nn.LayerNorm(2)):save(path)
    assert.equal(nn.ReLU6, getmetatable(suture.open(path)[0]))
    zoo.googlenet {num_classes = 2, aux_logits = false}.inception3a:save(path)
    assert.equal("Inception", getmetatable(suture.open(path)).__name)
  end)
end)

describe("Python's words", function()
  local function said(code)
    local f, message = load(code, "=code")
    assert(not f, code)
    local near = message:match " near '(.*)'$" or message:match " near (<eof>)$"
    return syntax.meant(code, near) or ""
  end

  it("get an answer where they are no Lua", function()
    for code, words in pairs {
      ["m = zoo.resnet18(pretrained=True)"] = "zoo.resnet18{pretrained = true}",
      ["x:sum(dim=1, keepdim=True)"] = "x:sum{dim = 1, keepdim = true}",
      ["nn.Conv2d(3, 8, 3, padding=1)"] = "nn.Conv2d(3, 8, 3, {padding = 1})",
      ["opt = optim.Adam(m.parameters(), lr=1e-3)"] = "optim.Adam(m.parameters(), {lr = 1e-3})",
      ["y = f(g(x, n=None))"] = "g(x, {n = nil})",
      ["import torch"] = "imported", ["from torch import nn"] = "imported", ["i += 1"] = "i = i + …",
      ["w -= lr * g"] = "w = w - …", ["x = [1, 2]"] = "{1, 2}", ["[1, 2]"] = "tensor{1, 2}", ["if x != y then end"] = "~=",
      ["def f(x, y):"] = "function f(x, y)", ["class Net(nn.Module):"] = 'Net = nn.class "Net"',
      ["elif x:"] = "elseif", ["f = lambda x: x + 1"] = "function(x) return", ["x[1:3]"] = 'x["1:3"]',
      ["for i in range(10):"] = "for i = 0, 10 - 1 do", ["x[0, 1]"] = "x[{0, 1}]", ["d = {'a': 1}"] = "{name = value}",
      ["x = 1 # words"] = "--", ["x ** 2"] = "x ^ 2", ["a && b"] = "and", ["y = a if b else c"] = "condition and a or b",
      ["with torch.no_grad():"] = "no_grad(function()", ["assert x"] = "assert(", ["print x"] = "print(…)",
      ["x is None"] = "== nil", ["x = y = 0"] = "a, b = 0, 0", ["y = a @ b"] = "a:matmul(b)", ["try:"] = "pcall",
      ["while True:"] = "while … do", ["if x:"] = "then", ["print('a', end='')"] = "io.write", ["i++"] = "i = i + 1",
      ["def forward(self, x):"] = "function Name:forward(x)", ["def __init__(self):"] = "function Name:init(",
      ["print 'x %d' % 3"] = ":format(", ["1_000"] = "1000000",
      ["for x in y: print(x)"] = "do … end", ["while x: f()"] = "while … do", ["if a and not b: print(1)"] = "then",
      ["for i, (x, y) in enumerate(d):"] = "for x, y in ds:batches", ["x = (1, 2)"] = "{1, 2}",
    } do
      local got = said(code)
      assert(got:find(words, 1, true), ("%s: expected %q in %q"):format(code, words, got))
    end
    assert.matches("{bias = false}", syntax.meant("   bias=False),", "="), 1, true) -- inside a call of several lines
  end)

  it("are not heard where Lua means something else", function()
    for _, code in ipairs {"x = = 1", "x = )", "f(a == b", "local is = raw.is )", "x = a <= b )", 'print("import torch" }',
      "t = {[1] = 2, }}", "x = 3 )  -- y = a if b else c", "f(function(x) local y = 1 end))"} do
      assert.equal("", said(code))
    end
  end)

  it("are looked for around the error of a long line", function()
    local long = ("x"):rep(2000000)
    assert.matches("~=", syntax.meant("y = '" .. long .. "' a != b", "!"))
    assert.is_nil(syntax.meant(long .. "(" .. long, "<eof>"))
    assert.is_nil(syntax.meant(("x["):rep(500000), "<eof>"))
    assert.is_false(syntax.foreign("if " .. long .. ":"))
  end)

  it("wait for no more lines", function()
    for _, text in ipairs {"for i in range(10):", "if x:", "while True:", "try:", "else:", "with a as b:", "f = lambda x: x"} do
      assert.is_true(syntax.foreign(text), text)
    end
    for _, text in ipairs {"for i = 1, 2 do", "if x then", "x = f(", "x:", "forward:", "while x do y:"} do
      assert.is_false(syntax.foreign(text), text)
    end
  end)

  it("get an answer where they are names", function()
    for name, words in pairs {True = "true", None = "nil", len = "#x", range = "for i = 0", DataLoader = "ds:batches(",
      TensorDataset = "data.tensors(x, y)", np = "tensor", plt = "plot(y)", exit = ":quit", quit = ":quit",
      self = "colon", isinstance = "getmetatable", torch = "nn.Linear"} do
      assert.matches(words, guesses.global(name), 1, true)
    end
    for line, words in pairs {["x = torch.randn(2)"] = "here it is randn", ["torch.nn.Linear(2, 2)"] = "nn.Linear",
      ["y = torch.nn.functional.relu(x)"] = "F.relu", ["torch.save(m, p)"] = "m:save(path)", ["torch.save({a = 1}, p)"] = "save(table, path)",
      ["torch.load(p)"] = "open(",
      ["torch.cuda.is_available()"] = "CPU", ["o = torch.optim.Adam(p)"] = "optim.Adam",
      ["m = torch.stack(l)"] = "tensor.stack"} do
      assert.matches(words, guesses.global("torch", line), 1, true)
    end
    assert.matches(":format", guesses.global("f", "print(f'{x}')"), 1, true)
    assert.is_nil(guesses.global("f", "f(x)"))
    assert.is_nil(guesses.global("x", "x"))
  end)

  it("are answered with what there is, and only where nothing has that name", function()
    local fields = require "suture.base.fields"
    local x, m, ds = suture.randn(2, 2), suture.nn.Linear(2, 2), suture.data.tensors(suture.randn(2, 2), suture.zeros(2):long())
    local owners, looked = {x = x, t = x, y = x, p = x, m = m, ds = ds}, 0
    local no_calls = {["for"] = true, ["function"] = true, ["end"] = true, writes = true}
    local function there(path)
      local value
      for name in path:gmatch "[%w_]+" do
        if value == nil then value = name == "suture" and suture or suture[name] or rawget(_G, name)
        else value = value[name] end
        if value == nil then return false end
      end
      return true
    end
    for i, list in ipairs(guesses.lists) do
      for name, text in pairs(list) do
        for path in text:gsub('"[^"]*"', '""'):gmatch "([%a_][%w_.:]*)%s?[%({]" do
          local owner, method = path:match "^(%w+):([%w_]+)$"
          if owner and owners[owner] then
            local ok, value = pcall(function() return owners[owner][method] end)
            assert(ok and value ~= nil, ("%s: %s"):format(name, text))
          elseif not no_calls[path] and not path:find "^Net" and not path:find "^Name" then
            assert(there(path), ("%s: %s"):format(name, text))
          end
          looked = looked + 1
        end
        if i == 1 then assert(not suture._names[name] and rawget(_G, name) == nil, name .. " exists") end
        if i == 3 then assert(fields.of(x)[name] == nil and fields.of(m)[name] == nil, name .. " exists") end
      end
    end
    assert.is_true(looked > 100)
  end)
end)
