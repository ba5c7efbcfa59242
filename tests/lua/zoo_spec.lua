local suture = require "suture"
local zoo, nn = suture.zoo, suture.nn
local shared = os.getenv "SUTURE_SHARED" or "../shared"

local function fails(text, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.is_truthy(tostring(message):find(text, 1, true), ("expected an error with %q, got %q"):format(text, tostring(message)))
end

-- torchvision 0.14: parameters of each model, and tensors in its state dict.
local published = {
  resnet18 = {11689512, 122}, resnet34 = {21797672, 218}, resnet50 = {25557032, 320}, resnet101 = {44549160, 626},
  resnet152 = {60192808, 932}, resnext50_32x4d = {25028904, 320}, resnext101_32x8d = {88791336, 626},
  wide_resnet50_2 = {68883240, 320}, wide_resnet101_2 = {126886696, 626},
  -- He et al. 2015, table 6, and the published files
  cifar_resnet20 = {269722, 116}, cifar_resnet32 = {464154, 188}, cifar_resnet44 = {658586, 260}, cifar_resnet56 = {853018, 332},
  cifar_resnet110 = {1727962, 656},
}

describe("zoo", function()
  it("lists by glob", function()
    local n = 0
    for name in zoo.list() do
      assert.is_truthy(published[name], name)
      n = n + 1
    end
    assert.equal(14, n)
    assert.same({"cifar_resnet20"}, {table.unpack(zoo.list "*20")})
  end)

  for name, counts in pairs(published) do
    it("makes " .. name .. " with the published names and shapes", function()
      local m = nn.init.skip(zoo[name])
      assert.equal(counts[1], m:num_parameters())
      assert.equal(counts[2], #m:state_dict())
      local shapes = {}
      for k, t in m:state_dict() do shapes[k] = t.shape end
      local found, opts = zoo.recognise(shapes)
      assert.equal(name, found)
      assert.same({num_classes = name:find "cifar" and 10 or 1000, in_chans = 3}, opts)
      local y = require("suture.nn.trace").dry(m, suture.zeros(m.input_shape))
      assert.equal(opts.num_classes, y.shape[2])
      collectgarbage()
    end)
  end

  it("takes classes and channels", function()
    local m = zoo.cifar_resnet20 {num_classes = 7, in_chans = 1}
    assert.equal("(2, 7)", tostring(m:eval()(suture.randn(2, 1, 32, 32)).shape))
    assert.same({name = "cifar_resnet20", opts = {num_classes = 7, in_chans = 1}}, m._zoo)
  end)

  it("starts as torchvision does", function()
    suture.seed(1)
    local m = zoo.resnet18 {zero_init_residual = true}
    assert.equal(0, m.layer1[0].bn2.weight:abs():max():item())
    local std = math.sqrt(2 / (128 * 9))
    assert.is_true(math.abs(m.layer2[1].conv1.weight:std():item() - std) < 0.02 * std)
  end)

  it("names the file, its address and the folder when weights are missing", function()
    local getenv = os.getenv
    os.getenv = function(name) return name == "SUTURE_MIRROR" and "http://127.0.0.1:1" or getenv(name) end -- nobody listens there
    local ok, message = pcall(zoo.resnet152, {pretrained = true})
    os.getenv = getenv
    assert.is_false(ok)
    for _, part in ipairs {"resnet152-394f9c45.pth (230.4 MB)", "https://download.pytorch.org/models/", "/.cache/suture", "no connection"} do
      assert.is_truthy(message:find(part, 1, true), message)
    end
    fails("did you mean pretrained?", zoo.resnet18, {pretraned = true})
    fails("pretrained is true or one of", zoo.resnet50, {pretrained = "V9"})
    fails("did you mean resnet18?", function() return zoo.resnet19 end)
    fails("num_classes expects", zoo.resnet18, {num_classes = 0})
  end)

  local file = shared .. "/data/weights/resnet20-12fca82f.th"
  local there = io.open(file)
  if there then there:close() end
  local real = there and it or function(what, f) pending(what .. ": " .. file .. " is not there (SUTURE_SHARED)", f) end

  real("opens published weights, and makes a new head or stem", function()
    local note = require "suture.note"
    local said, write = {}, note.write
    note.write = function(text) said[#said + 1] = text end
    local m = zoo.cifar_resnet20 {weights = file}
    assert.equal(0, #said)
    assert.equal("airplane", m.classes[1])
    local two = zoo.cifar_resnet20 {weights = file, num_classes = 2, in_chans = 1}
    note.write = write
    assert.equal(2, #said)
    assert.equal("(2, 64)", tostring(two.linear.weight.shape))
    assert.is_true(two.linear.weight:abs():max():item() > 0)
    assert.is_nil(two.classes)
    assert.is_true(two.layer1[0].conv1.weight:equal(m.layer1[0].conv1.weight))
    assert.is_true(two.conv1.weight:allclose(m.conv1.weight:sum(1, true)))
  end)
end)
