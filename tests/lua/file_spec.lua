local suture = require "suture"
local file = require("suture.core").file

local function fails(text, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.is_truthy(tostring(message):find(text, 1, true), ("expected an error with %q, got %q"):format(text, tostring(message)))
end

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
      fails("does the folder exist?", f, folder .. "/none/x", {"a"}, {b})
      assert.is_nil(io.open(path))
    end)
  end

  it("keep the old file when the new one cannot be written", function()
    local path = folder .. "/kept.npy"
    file.save_npy(path, b)
    fails("not a regular file", file.save_npy, "/dev/full", b)
    assert.same({1, 2, 3, 4}, file.load_npy(path):tolist())
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
