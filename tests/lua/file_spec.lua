local suture = require "suture"
local file = require("suture.core").file

local fails = require("kit").fails

local function write(path, bytes)
  local f = assert(io.open(path, "wb"))
  f:write(bytes)
  f:close()
end

describe("files of tensors", function()
  local folder, w, b, steps
  setup(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir " .. folder))
    w, b, steps = suture.randn(4, 3, 2, 2), suture.tensor {1, 2, 3, 4}, suture.tensor({5, 6}, {dtype = "int64"})
  end)
  teardown(function() os.execute("rm -rf " .. folder) end)

  for ending, save in pairs {safetensors = "save_safetensors", pth = "save_torch"} do
    it("come back from " .. ending .. " in order, with types and metadata", function()
      local path = folder .. "/x." .. ending
      file[save](path, {"w", "b", "steps"}, {w, b, steps}, nil, {arch = "tiny", note = "é\n"})
      local f = file.open(path)
      assert.equal(path, f.path)
      assert.equal(ending == "pth" and "torch zip" or "safetensors", f.container)
      assert.equal(3, #f.entries)
      assert.same({"w", "F32", "(4, 3, 2, 2)"}, {f.entries[1].name, f.entries[1].dtype, tostring(f.entries[1].shape)})
      assert.same({"steps", "I64"}, {f.entries[3].name, f.entries[3].dtype})
      assert.same({arch = "tiny", note = "é\n"}, f.metadata)
      assert.same(w:tolist(), f:tensor(1):tolist())
      assert.same({1, 2, 3, 4}, f:tensor("b"):tolist())
      assert.equal("int64", f:tensor("steps").dtype)
      fails("no tensor 'nope'", f.tensor, f, "nope")
      fails("from 1 to 3, got 4", f.tensor, f, 4)
      f:close()
      f:close()
      fails("closed", f.tensor, f, 1)
    end)

    it("are written as asked, and the same twice, in " .. ending, function()
      local one, two = folder .. "/one." .. ending, folder .. "/two." .. ending
      for _, path in ipairs {one, two} do file[save](path, {"b"}, {b}, {"I64"}, {a = "1", z = "2", m = "3", k = "4"}) end
      assert.equal("I64", file.open(one).entries[1].dtype)
      assert.equal(io.open(one, "rb"):read "a", io.open(two, "rb"):read "a")
    end)

    it("refuse what cannot be saved, in " .. ending, function()
      local path, f = folder .. "/bad." .. ending, file[save]
      fails("1 names for 0 tensors", f, path, {"a"}, {})
      fails("name 1: expected a string, got number", f, path, {1}, {b})
      fails("tensor 1: expected a tensor, got string", f, path, {"a"}, {"b"})
      fails('expected "F32", "I64" or "BOOL", got F16', f, path, {"a"}, {b}, {"F16"})
      fails("two tensors named 'a'", f, path, {"a", "a"}, {b, b})
      fails("zero byte", f, path, {"a\0b"}, {b})
      fails("expected strings under string keys", f, path, {"a"}, {b}, nil, {a = 1})
      fails("there is no folder", f, folder .. "/none/x", {"a"}, {b})
      assert.is_nil(io.open(path))
    end)
  end

  it("keep the old file when the new one cannot be written", function()
    local path = folder .. "/kept.npy"
    file.save_npy(path, b)
    fails("not a regular file", file.save_npy, "/dev/full", b)
    assert.same({1, 2, 3, 4}, file.load_npy(path):tolist())
  end)

  it("say what is wrong with the call", function()
    local m = suture.nn.Linear(2, 2)
    m:save(folder .. "/CAPITALS.PTH")
    assert.equal("torch zip", file.open(folder .. "/CAPITALS.PTH").container)
    assert.same({"weight", "bias"}, suture.open(folder .. "/CAPITALS.PTH", {state = true}):keys())
    fails("model expects a module, got 3", suture.open, folder .. "/CAPITALS.PTH", {model = 3})
    fails("zero byte", m.save, m, folder .. "/x\0.pth")
    fails("did you mean safetensors?", m.save, m, folder .. "/x.safetensor")
  end)

  it(".npy keeps numbers, shape and type", function()
    local path = folder .. "/x.npy"
    for _, x in ipairs {w, steps, suture.tensor(3.5), suture.zeros(0, 2)} do
      suture.save_tensor(x, path)
      local y = suture.load_tensor(path)
      assert.same(x:tolist(), y:tolist())
      assert.equal(x.dtype, y.dtype)
      assert.equal(tostring(x.shape), tostring(y.shape))
    end
    file.save_torch(folder .. "/x.pth", {"w"}, {w})
    fails("expected a NumPy array (.npy), got a torch zip file", suture.load_tensor, folder .. "/x.pth")
  end)

  it("say what is wrong with them", function()
    local path = folder .. "/broken"
    fails("No such file", file.open, folder .. "/none")
    fails("is a folder", file.open, folder)
    write(path, "")
    fails("empty", file.open, path)
    write(path, "<html>404</html>")
    fails("web page", file.open, path)
    file.save_torch(path, {"w"}, {w})
    local bytes = io.open(path, "rb"):read "a"
    write(path, bytes:sub(1, -100))
    fails("cut off", file.open, path)
    local at = bytes:find("data/0", 1, true) + 100 -- a byte of the numbers
    write(path, bytes:sub(1, at - 1) .. string.char(bytes:byte(at) ~ 1) .. bytes:sub(at + 1))
    local f = file.open(path)
    fails("'archive/data/0' is damaged: CRC error", f.tensor, f, "w")
  end)

  -- Saves m, opens what was saved, and compares: the tree, the marks, what comes out for x.
  local function comes_back(m, x, ending)
    local path = folder .. "/model." .. (ending or "safetensors")
    m:save(path)
    local again = suture.open(path)
    assert.equal(tostring(m), tostring(again))
    local theirs = {}
    for name, p in again:named_parameters() do theirs[name] = p end
    for name, p in m:named_parameters() do assert.equal(p.requires_grad, theirs[name].requires_grad, name) end
    assert.same(m(x):tolist(), again(x):tolist())
    return again
  end

  it("a model comes back after any surgery", function()
    local nn = suture.nn
    local x = suture.randn(2, 3, 32, 32)
    local function fresh() return suture.zoo.cifar_resnet20 {num_classes = 3} end
    local operations = {
      function(m) m:replace("layer2.1.conv1", nn.Conv2d(32, 32, 5, {padding = 2, bias = false})) end,
      function(m) m:replace("layer2.1", nn.Sequential(nn.Conv2d(32, 32, 1), nn.Sequential(nn.ReLU(), nn.Identity()))) end,
      function(m) m:insert_before("layer2", nn.BatchNorm2d(16)) m:insert_after("layer2", nn.ReLU()) end,
      function(m) m:insert_after("layer1.0", nn.BatchNorm2d(16)) end, -- the blocks behind it move up
      function(m) m:insert_before("layer1.0", nn.Identity()) m:remove("layer1.2") end,
      function(m) m:remove("layer1.1") m:remove("layer3.2.bn2") end,
      function(m) m.layer1[0], m.layer1[2] = m.layer1[2], m.layer1[0] end,
      function(m) m:cut "layer2" end,
      function(m) m:freeze_to "layer3" m:bn_eval() end,
      function(m) m.linear.bias.requires_grad = false m:eval "layer1*" end,
      function(m) m.linear = nn.Linear(64, 64) m:insert_after("linear", nn.Sequential(nn.ReLU(), nn.Linear(64, 2))) end,
    }
    for i, operate in ipairs(operations) do
      local m = fresh():eval()
      operate(m)
      m:eval()
      comes_back(m, x, i % 2 == 0 and "pth" or "safetensors")
    end
    -- a block of another family among those of this one
    local m = fresh():eval()
    m:insert_after("layer1", nn.Sequential(nn.Conv2d(16, 64, 1), suture.zoo.resnet18().layer1[0], nn.Conv2d(64, 16, 1)))
    comes_back(m:eval(), x)
  end)

  it("what a model shares comes back shared", function()
    local nn = suture.nn
    local a, b = nn.Linear(4, 4), nn.Linear(4, 4)
    b.weight = a.weight
    local again = comes_back(nn.Sequential(a, nn.ReLU(), a, b), suture.randn(2, 4))
    assert.equal(24, again:num_parameters())
    assert.equal(again[0], again[2])
    assert.equal(again[0].weight, again[3].weight)
  end)

  it("classes of one's own come back when they are defined, wherever they are kept", function()
    local nn = suture.nn
    local Halves = nn.class "Halves"
    function Halves:init(n, o) self.a, self.b = nn.Linear(n, o.out), nn.Linear(n, o.out) end
    function Halves:forward(x) return self.a(x) + self.b(x) end
    comes_back(nn.Sequential(Halves(3, {out = 2})), suture.randn(2, 3))
    local With = nn.class "With"
    function With:init(f) self.f = f end
    function With:forward(x) return self.f(x) end
    nn.Sequential(With(suture.F.relu)):save(folder .. "/with.safetensors")
    fails("/with.safetensors: 0: this With was made with functions", suture.open, folder .. "/with.safetensors")
    fails("a module of class Elsewhere is needed", function()
      file.save_safetensors(folder .. "/x.safetensors", {}, {}, nil,
        {suture = '{"version":1,"model":{"class":"Sequential","children":[["0",{"class":"Elsewhere"}]]}}'})
      suture.open(folder .. "/x.safetensors")
    end)
  end)

  it("a record of the model that is damaged gives an error or a model", function()
    local m = suture.zoo.cifar_resnet20 {num_classes = 3}
    m:insert_after("layer1", suture.nn.Conv2d(16, 16, 1))
    m:cut "layer1"
    m:save(folder .. "/whole.safetensors")
    local text = file.open(folder .. "/whole.safetensors").metadata.suture
    local path, said = folder .. "/damaged.safetensors", {}
    local function open_with(record)
      file.save_safetensors(path, {"b"}, {b}, nil, {suture = record})
      local ok, why = pcall(suture.open, path)
      if not ok then
        why = tostring(why)
        assert.is_truthy(why:find(path, 1, true) or why:find("load_state_dict", 1, true), why)
        said[#said + 1] = why
      end
    end
    for _, record in ipairs {"", "3", "{}", '{"model":3}', '{"model":{}}', '{"model":{"class":3}}', '{"model":{"same":""}}',
      '{"model":{"class":"Sequential","children":3}}', '{"model":{"class":"Sequential","children":[["0"]]}}',
      '{"model":{"class":"Sequential","children":[["0",{"same":"1"}]]}}',
      '{"model":{"class":"Sequential","children":[["0",{"same":""}]]}}',
      '{"model":{"class":"Linear","args":[1000000000,1000000000]}}', '{"model":{"class":"Linear","args":["x"]}}',
      '{"model":{"class":"Linear","args":[2,3],"tied":[["weight","nowhere"]]}}', '{"model":{"class":"x","zoo":{"name":"list"}}}',
      '{"model":{"class":"x","zoo":{"name":"resnet18","opts":{"num_classes":"many"}}}}', '{"version":99,"model":{"class":"Linear"}}',
      '{"model":{"class":"Module"}}', '{"model":{"class":"BasicBlock","family":"none","args":[]}}'} do open_with(record) end
    assert.equal(19, #said)
    for i, record in ipairs {'{"class":"BatchNorm2d","args":[900000000]}', '{"class":"InvertedResidual","family":"mobilenet_v2","args":[]}'} do
      open_with('{"model":' .. record .. '}') -- tensors that the file has not; arguments that are not there
      assert.is_truthy(said[#said]:find(i == 1 and "far more than belongs here" or "is damaged", 1, true), said[#said])
      assert.is_nil(said[#said]:find "attempt to")
    end
    local seed = tonumber(os.getenv "SUTURE_SEED") or 1
    math.randomseed(seed)
    local instead = {'"', "null", "-1", "7", "0.5", "[]", "{}", "true", "]", "}", '"x"'}
    for _ = 1, 200 do
      local places = {}
      for from, to in text:gmatch '()[%w_."-]+()' do places[#places + 1] = {from, to} end
      local at = places[math.random(#places)]
      local ok, why = pcall(open_with, text:sub(1, at[1] - 1) .. instead[math.random(#instead)] .. text:sub(at[2]))
      assert(ok, ("SUTURE_SEED=%d: %s"):format(seed, tostring(why)))
    end
  end)

  it("published checkpoints open", function()
    local shared = os.getenv "SUTURE_SHARED" or "../shared"
    local path = shared .. "/data/weights/resnet20-12fca82f.th"
    if not io.open(path) then return pending(path .. " is not here (set SUTURE_SHARED)") end
    local f = file.open(path)
    assert.same({"torch stream", "state_dict", "module.", 97}, {f.container, f.wrapper, f.prefix, #f.entries})
    assert.equal("91.78000183105469", f.metadata.best_prec1)
    assert.equal("(10, 64)", tostring(f:tensor("linear.weight").shape))
    fails("cut off: member 'storages' says 46801661 bytes", file.open, shared .. "/data/weights/resnet18-5c106cde.truncated-1MiB.pth")
  end)
end)
