-- Published weights and models: sets, costs, names of other libraries, new heads and stems. What comes from the network is
-- tested by tests/repl/test_get.py.
local suture = require "suture"
local zoo, nn, note = suture.zoo, suture.nn, require "suture.base.note"

local fails = require("kit").fails

-- f(…) and the notes it made.
local function noted(f, ...)
  local said, write = {}, note.write
  note.write = function(text) said[#said + 1] = text end
  local ok, result = pcall(f, ...)
  note.write = write
  if not ok then error(result, 0) end
  return result, said
end

describe("published sets", function()
  it("say what they are", function()
    for name in zoo.list() do
      local sets, seen = zoo.weights(name), {}
      for _, set in ipairs(sets) do
        local what = name .. " " .. set.name
        assert.is_nil(seen[set.name:lower()], what)
        seen[set.name:lower()] = true
        assert.equal(set.file, set.url:match "[^/]*$", what)
        assert.is_truthy(set.license and set.interpolation and set.classes > 0 and set.crop > 0, what)
        assert.is_true(set.accuracy == nil or set.accuracy > 50 and set.accuracy < 100, what) -- some are no classifiers
        assert.is_true(set.megabytes == nil or set.megabytes > 0, what)
        assert.is_true(#set.mean == 3 and #set.std == 3, what)
        local names = type(set.class_names) == "function" and set.class_names() or set.class_names
        assert.equal(set.classes, #names, what)
      end
    end
    fails("did you mean resnet50?", zoo.weights, "resnet5")
    fails("pretrained is true or one of IMAGENET1K_V1, IMAGENET1K_V2", zoo.get, "resnet50", "imagenet")
  end)

  -- The file need not be a model: it is looked for by name, whatever the letters' size in the set's.
  it("are found by name, older file names too", function()
    local folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir " .. folder))
    local getenv = os.getenv
    os.getenv = function(name) return name == "SUTURE_WEIGHTS" and folder or getenv(name) end
    for file, ask in pairs {["resnet50-11ad3fa6.pth"] = {"resnet50", "imagenet1k_v2"}, ["resnet50-19c8e357.pth"] = {"resnet50"}} do
      io.open(folder .. "/" .. file, "w"):close()
      assert.equal(folder .. "/" .. file, zoo.get(table.unpack(ask)))
    end
    os.getenv = getenv
    os.execute("rm -r " .. folder)
  end)

  it("of ImageNet name its classes, read when they are needed", function()
    local m = nn.init.skip(zoo.resnet18)
    assert.same({1000, "tench", "toilet tissue"}, {#m.classes, m.classes[1], m.classes[1000]})
    assert.is_nil(nn.init.skip(zoo.resnet18, {num_classes = 10}).classes)
    local found = suture.predict(m, suture.zeros(1, 3, 32, 32), 2)[1]
    assert.equal(m.classes[found[1].index + 1], found[1].class)
    m.fc = nn.Linear(512, 2) -- the names are not this head's
    assert.is_truthy(suture.predict(m, suture.zeros(1, 3, 32, 32), 2)[1][1].class:find "^class %d$")
  end)
end)

describe("zoo.list", function()
  it("shows a table and is a list", function()
    local list = zoo.list "resnet[15][80]"
    local text = require "suture.base.text"
    text.unicode(true)
    local lines = {}
    for line in tostring(list):gmatch "[^\n]+" do lines[#lines + 1] = line end
    text.unicode "auto"
    assert.same({
      "name      parameters    MACs  input  weights (top-1 %)",
      "resnet18      11.7 M  1.81 G    224  IMAGENET1K_V1 69.8",
      "resnet50      25.6 M  4.09 G    224  IMAGENET1K_V1 76.1 · IMAGENET1K_V2 80.9"}, lines)
    assert.same({"resnet18", "resnet50"}, {table.unpack(list)})
    assert.same({2, "resnet50"}, {#list, list[2]})
    local names = {}
    for name in list do names[#names + 1] = name end
    assert.same({"resnet18", "resnet50"}, names)
  end)
end)

-- A family as small as can be, with all that a family may have: a stem and a head inside others, the head a convolution, another
-- library's names, a tensor that depends on the size of the picture, and an auxiliary head.
local Toy = nn.class "Toy"
function Toy:init(o)
  self.features = nn.Sequential(nn.Sequential(nn.Conv2d(o.in_chans, 4, 3, {padding = 1}), nn.ReLU()))
  self.position = nn.Parameter(suture.zeros(1, o.image_size, o.image_size, 1))
  self.classifier = nn.Sequential(nn.Dropout(), nn.Conv2d(4, o.num_classes, 1), nn.AdaptiveAvgPool2d(1))
  self.side = o.aux and nn.Sequential(nn.Linear(4, o.num_classes)) or nil
end
Toy.aux_heads = {"side.0"}
function Toy:forward(x) return nn.functional.flatten(self.classifier(self.features(x) + self.position:permute(0, 3, 1, 2)), 1) end

local toy = {
  variants = {
    toy_net = {weights = {
      {name = "A", file = "toy-00000000.pth", url = "http://127.0.0.1/toy-00000000.pth", classes = 3, crop = 4, resize = 5},
      {name = "B", file = "toy-11111111.pth", url = "http://127.0.0.1/toy-11111111.pth", classes = 3, crop = 4, resize = 4,
        options = {aux = true}},
    }},
    toy_bare = {},
  },
  build = function(_, args) return Toy(args) end,
  options = "image_size:count aux:bool=false",
  stem = "features.0.0", head = "classifier.1", classes = 7, size = 6, mean = {0, 0, 0}, std = {1, 1, 1},
  rename = function(name)
    if name == "index" then return nil end
    return (name:gsub("^stem%.", "features.0.0."):gsub("^head%.", "classifier.1."):gsub("^pos$", "position"))
  end,
  options_from = function(shapes)
    local places = shapes:dim("position", 2)
    return {image_size = places and (shapes:dim("position", 3) == 1 and math.tointeger(math.sqrt(places)) or places)}
  end,
  adapt = function(name, given, shape)
    if name ~= "position" then return nil end
    if #given.shape == 3 then given = given:reshape(1, 4, 4, 1) end
    return given.shape[2] == shape[2] and given or given:mean(1, true):mean(2, true):expand(shape)
  end,
}

describe("a family", function()
  local path, whole = os.tmpname() .. ".safetensors", nil
  setup(function()
    zoo._register("toy", toy)
    suture.seed(1)
    whole = zoo.toy_net{image_size = 4, aux = true}
    suture.core.tensor.copy(whole.position, suture.randn(1, 4, 4, 1))
    -- The same as another library writes it, with a tensor that is not needed.
    local stem, head = whole.features[0][0], whole.classifier[1]
    local other = {["stem.weight"] = stem.weight, ["stem.bias"] = stem.bias, ["head.weight"] = head.weight,
      ["head.bias"] = head.bias,
      ["side.0.weight"] = whole.side[0].weight, ["side.0.bias"] = whole.side[0].bias,
      pos = whole.position:reshape(1, 16, 1), index = suture.zeros(2)}
    local names, tensors = {}, {}
    for name, t in pairs(other) do names[#names + 1], tensors[#tensors + 1] = name, t end
    suture.core.file.save_safetensors(path, names, tensors)
  end)
  teardown(function() os.remove(path) end)

  -- All of m but what is named is as in the file.
  local function same(m, but)
    for name, t in m:state_dict() do
      if not but[name] then assert.is_true(t:equal(whole:state_dict()[name]), name) end
    end
  end

  it("is found and loaded under another library's names", function()
    local m, said = noted(zoo.toy_net, {weights = path, image_size = 4})
    assert.same({}, said)
    same(m, {})
    m, said = noted(suture.open, path)
    assert.is_truthy(said[1]:find("toy_net, 3 classes", 1, true))
    same(m, {})
    assert.same({num_classes = 3, in_chans = 3, image_size = 4}, m._zoo.opts)
  end)

  it("has a new head where the classes are others, inside others and a convolution too", function()
    local m, said = noted(zoo.toy_net, {weights = path, image_size = 4, num_classes = 5})
    assert.same({"toy_net: the head classifier.1 is new, for 5 classes (the weights have 3)"}, said)
    assert.same("(5, 4, 1, 1)", tostring(m.classifier[1].weight.shape))
    assert.is_true(m.classifier[1].weight:abs():max():item() > 0)
    same(m, {["classifier.1.weight"] = true, ["classifier.1.bias"] = true})
    assert.equal("classifier.1", (m:head()))
    assert.same({2, 4}, {m:reset_head(2).out_channels, m:reset_head(2).in_channels})
    assert.equal("(1, 2)", tostring(m(suture.zeros(m.input_shape)).shape))
  end)

  it("has its stem adapted, inside others too", function()
    local m, said = noted(zoo.toy_net, {weights = path, image_size = 4, in_chans = 1})
    assert.same({"toy_net: features.0.0 adapted from 3 to 1 input channels"}, said)
    assert.is_true(m.features[0][0].weight:allclose(whole.features[0][0].weight:sum(1, true)))
    same(m, {["features.0.0.weight"] = true})
  end)

  it("adapts tensors to another image size, and says so", function()
    local m, said = noted(zoo.toy_net, {weights = path, image_size = 8})
    assert.same({"toy_net: position adapted from (1, 16, 1) to (1, 8, 8, 1)"}, said)
    assert.is_true(m.position:allclose(whole.position:mean():expand(1, 8, 8, 1)))
    assert.same({{1, 3, 8, 8}, 10, 8}, {{table.unpack(m.input_shape)}, m.preprocess.resize, m.preprocess.crop})
    same(m, {position = true})
    assert.same({6, 6}, {zoo.toy_net()._zoo.opts.image_size, zoo.toy_bare()._zoo.opts.image_size}) -- pretrained would be 4
    fails("toy_net: image_size expects a whole number above 0, got 0", zoo.toy_net, {image_size = 0})
    fails("no option 'image_size'", zoo.resnet18, {image_size = 64})
  end)

  it("knows a published set by its file's name: the preprocessing is that set's", function()
    local folder = os.tmpname()
    os.remove(folder)
    local file = folder .. "/toy-11111111.pth"
    assert(os.execute(("mkdir %s && cp %s %s"):format(folder, path, file)))
    local m = zoo.toy_net{weights = file}
    assert.same({4, 4}, {m.preprocess.resize, m.preprocess.crop})
    same(m, {}) -- with what the set's options say
    assert.is_truthy(m.side)
    assert.is_nil(zoo.toy_net{weights = file, aux = false}.side)
    local _, said = noted(zoo.toy_net, {weights = file, num_classes = 2})
    assert.same({"toy_net: the head classifier.1 is new, for 2 classes (the weights have 3)",
      "toy_net: the head side.0 is new, for 2 classes (the weights have 3)"}, said)
    assert.equal(4, noted(suture.open, file).preprocess.resize)
    assert.equal(5, noted(suture.open, path).preprocess.resize)
    os.execute("rm -r " .. folder)
  end)

  it("has one tensor of each name", function()
    local bad = os.tmpname() .. ".safetensors"
    local w = whole.features[0][0].weight
    suture.core.file.save_safetensors(bad, {"stem.weight", "features.0.0.weight"}, {w, w})
    local ok, message = pcall(zoo.toy_net, {weights = bad})
    os.remove(bad)
    assert.is_false(ok)
    local says = "toy_net: the file's stem.weight and features.0.0.weight are both features.0.0.weight here"
    assert.is_truthy(message:find(says, 1, true), message)
  end)
end)

describe("names that begin with module.", function()
  local path = os.tmpname() .. ".pth"
  teardown(function() os.remove(path) end)
  local Wrapped = nn.class "Wrapped"
  function Wrapped:init() self.module = nn.Sequential(nn.Linear(2, 3)) end
  function Wrapped:forward(x) return self.module(x) end

  it("are the model's own in a file that it wrote", function()
    local m = Wrapped()
    m:save(path)
    local same = suture.open(path)
    assert.is_true(same.module[0].weight:equal(m.module[0].weight))
    assert.is_true(suture.open(path, {state = true})["module.0.bias"]:equal(m.module[0].bias))
    assert.is_true(suture.open(path, {model = Wrapped()}).module[0].weight:equal(m.module[0].weight))
  end)

  it("are looked through in another's, where the model does not have them", function()
    local m = Wrapped()
    dofile(debug.getinfo(1, "S").source:match "^@(.*)/[^/]*$" .. "/../parity/write.lua")(path, m:state_dict())
    for _, given in ipairs {Wrapped(), nn.Sequential(nn.Linear(2, 3))} do
      local opened = suture.open(path, {model = given})
      local got = rawget(opened, "_children").module or opened
      assert.is_true(got[0].weight:equal(m.module[0].weight))
    end
    assert.is_nil(suture.open(path, {state = true})["module.0.bias"])
  end)

  it("a module without parameters comes back too", function()
    for _, m in ipairs {nn.ReLU(), nn.Dropout(0.25), nn.Identity(), nn.Sequential(nn.Flatten(), nn.MaxPool2d(2))} do
      for _, ending in ipairs {".pth", ".safetensors"} do
        m:save(path .. ending)
        assert.equal(tostring(m), tostring(suture.open(path .. ending)))
        os.remove(path .. ending)
      end
    end
  end)
end)

describe("a table of several things", function()
  local path = os.tmpname()
  teardown(function() for _, ending in ipairs {"", ".pth", ".safetensors"} do os.remove(path .. ending) end end)

  it("gives a model what is for it", function()
    local m = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    local opt = suture.optim.Adam(m:parameters())
    m(suture.randn(4, 2)):sum():backward()
    opt:step()
    for _, ending in ipairs {".pth", ".safetensors"} do
      for _, key in ipairs {"model_state_dict", "state_dict", "net"} do
        suture.save({epoch = 3, [key] = m:state_dict(), optimizer = opt:state_dict(), best = suture.tensor(71.5)}, path .. ending)
        local same = suture.open(path .. ending, {model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))})
        for name, t in m:state_dict() do assert.is_true(t:equal(same:state_dict()[name]), name) end
      end
      suture.save({a = m:state_dict(), b = m:clone():state_dict()}, path .. ending) -- which of them?
      fails("do not fit Sequential", suture.open, path .. ending, {model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))})
      suture.save({a = m:state_dict(), b = nn.Linear(4, 5):state_dict()}, path .. ending)
      suture.open(path .. ending, {model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))})
    end
  end)
end)
