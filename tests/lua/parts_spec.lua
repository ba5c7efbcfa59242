-- Parts of data sets, how often samples are drawn, what two sets have in common, labels and pictures by CSV.
local suture = require "suture"
local data, tensor = suture.data, suture.tensor
local kit = require "kit"
local fails, spill = kit.fails, kit.spill
local folder = kit.temp_folder()
teardown(function() kit.run("rm -rf " .. folder) end)

-- n samples of three classes, 6 : 3 : 1.
local function uneven(n)
  local y = {}
  for i = 1, n do y[i] = i % 10 < 6 and 0 or i % 10 < 9 and 1 or 2 end
  return data.tensors(suture.arange(n):reshape(n, 1):float(), tensor(y))
end

local function places(ds)
  local out = {}
  for x in ds:batches(1) do out[#out + 1] = x:item() end
  return out
end

describe("parts", function()
  it("are folds: each sample in one val, each class spread evenly", function()
    local ds = uneven(50)
    local folds, seen = ds:folds(4, {seed = 3}), {}
    assert.equal(4, #folds)
    for _, f in ipairs(folds) do
      assert.equal(50, #f.train + #f.val)
      for _, p in ipairs(places(f.val)) do
        assert.is_nil(seen[p])
        seen[p] = true
      end
      local c = f.val:counts()
      assert.is_true(math.abs(#f.val - 12.5) <= 1 and math.abs(c[1] - 7.5) <= 1 and c[3] >= 1)
    end
    for i = 0, 49 do assert.is_true(seen[i]) end
    assert.same(places(ds:folds(4)[2].val), places(ds:folds(4)[2].val))
    assert.not_same(places(ds:folds(4)[2].val), places(ds:folds(4, {seed = 1})[2].val))
    fails("k is a whole number of at least 2", ds.folds, ds, 1)
    fails("51 folds of 50 samples", ds.folds, ds, 51)
    fails("stratify is true or false", ds.folds, ds, 2, {stratify = "yes"})
    local numbers = data.tensors(suture.zeros(6, 1), suture.randn(6, 1))
    assert.equal(2, #numbers:folds(3)[1].val)
    fails("these samples have no classes", numbers.folds, numbers, 3, {stratify = true})
  end)

  it("are split by class, or not", function()
    local ds = uneven(100)
    local a, b = ds:split {0.7, 0.3, stratify = true, seed = 5}
    assert.same({42, 21, 7}, a:counts())
    assert.same({18, 9, 3}, b:counts())
    local differs = false
    for seed = 1, 5 do
      local c = ds:split(0.7, {stratify = false, seed = seed})
      assert.equal(70, #c)
      differs = differs or c:counts()[1] ~= 42
    end
    assert.is_true(differs)
    assert.equal(20, #select(2, ds:split {0.8}))
    fails("no option 'stratfy'", ds.split, ds, 0.5, {stratfy = true})
  end)
end)

describe("a sampler", function()
  it("draws classes equally often, or by weight, the same for a seed", function()
    local ds = uneven(200)
    local function drawn(sampler, seed)
      local counts, order = {0, 0, 0}, {}
      for epoch = 1, 10 do
        for _, y, at in ds:batches(16, {sampler = sampler, seed = seed, epoch = epoch}) do
          for _, k in ipairs(y:tolist()) do counts[k + 1] = counts[k + 1] + 1 end
          table.move(at, 1, #at, #order + 1, order)
        end
      end
      return counts, order
    end
    local counts, order = drawn("balanced", 1)
    for _, n in ipairs(counts) do assert.is_true(math.abs(n - 2000 / 3) < 90, n) end -- over 4 standard deviations
    assert.same(order, select(2, drawn("balanced", 1)))
    assert.not_same(order, select(2, drawn("balanced", 2)))
    local weights = {}
    for i = 1, 200 do weights[i] = i == 8 and 1 or i == 50 and 3 or 0 end
    local _, at = drawn(weights, 1)
    local n = {}
    for _, p in ipairs(at) do n[p] = (n[p] or 0) + 1 end
    assert.equal(2000, n[7] + n[49])
    assert.is_true(math.abs(n[49] - 1500) < 90)
    fails('sampler is "balanced" or a list of weights', ds.batches, ds, 4, {sampler = "blanced"})
    fails("sampler has 2 weights for 200 samples", ds.batches, ds, 4, {sampler = {1, 2}})
    fails("all weights are 0", ds.batches, ds, 4, {sampler = suture.zeros(200)})
    fails("numbers of 0 or above, got -1", suture.fit, suture.nn.Linear(1, 3), ds, {sampler = suture.full({200}, -1)})
  end)

  it("trains on what it draws, with the frozen trunk kept", function()
    local m = suture.nn.Sequential(suture.nn.Linear(1, 4), suture.nn.ReLU(), suture.nn.Linear(4, 3))
    m:freeze "0"
    local calls = 0
    m[0]:register_forward_hook(function() calls = calls + 1 end)
    local r = suture.fit(m, uneven(40), {sampler = "balanced", epochs = 3, batch = 10, seed = 1, quiet = true})
    assert.equal(4, r.history[1].steps)
    assert.is_true(calls > 0)
  end)
end)

describe("data.leaks", function()
  it("finds the same picture by content", function()
    local x = suture.rand(8, 3, 16, 16)
    kit.run(("mkdir -p %s/a/k %s/b/k %s/b/l"):format(folder, folder, folder))
    for i = 0, 5 do suture.image.save(x[i], ("%s/a/k/%d.png"):format(folder, i)) end
    suture.image.save(x[2], folder .. "/b/k/other name.png")
    suture.image.save(x[6], folder .. "/b/l/x.png")
    local smooth = suture.image.gaussian_blur(x[4], 3, 0.4)
    suture.image.save(smooth, folder .. "/b/l/y.png")
    local a, b = data.folder(folder .. "/a", {size = 8}), data.folder(folder .. "/b", {size = 12, augment = true})
    local found = data.leaks(a, b)
    assert.equal(1, #found)
    assert.equal(2, found[1].a)
    assert.matches("other name.png", found[1].name_b, 1, true)
    assert.is_truthy(tostring(found):find("1 of 6 samples are also among the other 3", 1, true))
    local near = data.leaks(a, b, {near = 8})
    assert.equal(2, #near)
    assert.is_true(near[1].bits > 0 or near[2].bits > 0)
    assert.equal(0, #data.leaks(a, b:filter(function(s) return s.class == "l" end)))
    local t = data.tensors(suture.arange(4):reshape(4, 1), tensor {0, 1, 0, 1})
    assert.equal(2, #data.leaks(t:subset {0, 1, 2}, t:subset {1, 2, 3}))
    fails("near goes with pictures", data.leaks, t, t, {near = 1})
    fails("expects two data sets, got 3 at place 2", data.leaks, t, 3)
    fails("at most 16", data.leaks, a, b, {near = 17})
  end)
end)

describe("kept pictures", function()
  kit.run(("mkdir -p %s/kept/k"):format(folder))
  for i = 1, 5 do suture.image.save(suture.rand(3, 20 + i, 30), ("%s/kept/k/%d.png"):format(folder, i)) end
  local ways = {
    plain = {size = 12}, flip = {size = 12, augment = true}, cropped = {resize = 16, crop = 12,
      augment = {random_crop = true, jitter = 0.4}},
    resized = {size = 12, augment = {random_resized_crop = true}}, grey = {resize = {10, 14}, channels = 1},
    turned = {size = 12, augment = {rotate = 20, erasing = 0.5}},
  }
  for name, way in pairs(ways) do
    it("give the same bits as those that are read each time: " .. name, function()
      local path = folder .. "/kept"
      local plain = data.folder(path, way)
      local kept = data.folder(path, way):with {keep = true}
      for epoch = 1, 3 do
        local o = {shuffle = true, seed = 4, epoch = epoch, threads = epoch % 2 * 2}
        assert.equal(kit.pass(plain, 2, o), kit.pass(kept, 2, o))
        assert.equal(kit.pass(plain, 2, {augment = false}), kit.pass(kept, 2, {augment = false}))
      end
    end)
  end

  it("need no file any more", function()
    kit.run(("cp -r %s/kept %s/gone"):format(folder, folder))
    local ds = data.folder(folder .. "/gone", {size = 12, augment = true, keep = true})
    local o = {seed = 1, epoch = 1}
    local first = kit.pass(ds, 2, o)
    kit.run(("rm %s/gone/k/*"):format(folder))
    assert.equal(first, kit.pass(ds, 2, o))
  end)

  it("keep to their limit, and say so", function()
    local note = require "suture.base.note"
    local said, write = {}, note.write
    note.write = function(text) said[#said + 1] = text end
    local ds = data.folder(folder .. "/kept", {size = 12, keep = 0.001}) -- two of 12 × 12 × 3 bytes and their margins
    local ok, why = pcall(kit.pass, ds, 2, {})
    note.write = write
    assert.is_true(ok, why)
    assert.is_truthy(table.concat(said):find("of 5 pictures are kept", 1, true), table.concat(said))
    assert.equal(kit.pass(data.folder(folder .. "/kept", {size = 12}), 2, {}), kit.pass(ds, 2, {}))
    fails("keep is a number", data.folder, folder .. "/kept", {keep = "yes"})
    fails("keep is for pictures in files", data.tensors, suture.rand(2, 3, 4, 4), tensor {0, 1}, {keep = true})
    assert.is_truthy(tostring(ds):find("kept", 1, true))
  end)
end)

describe("features", function()
  it("are a data set, here and in a file", function()
    suture.seed(1)
    local m = suture.nn.Sequential(suture.nn.Conv2d(3, 4, 3), suture.nn.BatchNorm2d(4), suture.nn.ReLU(),
      suture.nn.AdaptiveAvgPool2d(1), suture.nn.Flatten(), suture.nn.Linear(4, 8)):train()
    local ds = kit.shapes("source", 2)
    local path = folder .. "/f.safetensors"
    local f = suture.features(m, ds, {save = path, batch = 5})
    assert.equal(16, #f)
    assert.same(ds.classes, f.classes)
    assert.equal(ds:name(3), f:name(3))
    assert.is_true(m.training)
    m:eval()
    local x, y = ds:batch {2, 5}
    local before = m:slice(0, 5)(x)
    assert.is_true((f:batch {2, 5}):allclose(before, 1e-5, 1e-6))
    assert.same(y:tolist(), select(2, f:batch {2, 5}):tolist())
    local g = data.features(path)
    assert.equal(kit.pass(f, 4, {}), kit.pass(g, 4, {}))
    assert.same(f.classes, g.classes)
    assert.equal(f:name(7), g:name(7))
    assert.same({4, 30, 30}, {table.unpack(suture.features(m, ds, {at = "0"})[0][1].shape)})
    fails("no module is called '9'", suture.features, m, ds, {at = "9"})
    fails("no option 'of'", suture.features, m, ds, {of = "0"})
    suture.save({x = x}, folder .. "/other.safetensors")
    fails("it holds no features", data.features, folder .. "/other.safetensors")
    fails("the ending says the format", suture.features, m, ds, {save = folder .. "/f.txt"})
  end)
end)

describe("data.csv of pictures and labels", function()
  local x = suture.rand(4, 3, 6, 6)
  kit.run("mkdir -p " .. folder .. "/csv/p")
  for i = 0, 3 do suture.image.save(x[i], ("%s/csv/p/%d.png"):format(folder, i)) end
  local path = folder .. "/csv/labels.csv"
  local function read(text, opts)
    spill(path, text)
    return data.csv(path, opts)
  end

  it("reads words and columns as labels that come together", function()
    local ds = read("file,tags\np/0.png,cat|dog\np/1.png,\np/2.png,dog; bird\np/3.png,cat\n",
      {pictures = "file", target = "tags", kind = "labels", size = 4})
    assert.equal(4, #ds)
    local xs, ys = ds:batch {0, 2, 1}
    assert.same({3, 3, 4, 4}, {table.unpack(xs.shape)})
    assert.same({{0, 1, 1}, {1, 0, 1}, {0, 0, 0}}, ys:tolist())
    assert.same({{1, 0, 1}}, select(2, ds:subset {2}:batch {0}):tolist())
    ds = read("a,b,file\n1,0,p/0.png\n0,0,p/1.png\n", {pictures = "file", target = {"a", "b"}, kind = "labels"})
    assert.same({{1, 0}, {0, 0}}, select(2, ds:batch {0, 1}):tolist())
    local m = suture.nn.Sequential(suture.nn.AdaptiveAvgPool2d(1), suture.nn.Flatten(), suture.nn.Linear(3, 2))
    suture.fit(m, ds, {loss = "bce_with_logits", epochs = 2, quiet = true})
    local r = suture.evaluate(m, ds, {loss = "bce_with_logits", metrics = true})
    assert.equal("a", r.classes[1].class)
  end)

  it("reads numbers and classes", function()
    local ds = read("file,age,kind\np/0.png,3.5,x\np/1.png,4,y\np/2.png,0,x\n", {pictures = "file", target = "age",
      kind = "number"})
    assert.same({{3.5}, {4}, {0}}, select(2, ds:batch {0, 1, 2}):tolist())
    ds = read("file,age,kind\np/0.png,3.5,x\np/1.png,4,y\np/2.png,0,x\n", {pictures = "file", target = "kind"})
    assert.same({"x", "y"}, ds.classes)
    assert.same({0, 1, 0}, ds:labels())
    ds = read("a,b,c\n1,2,3\n4,5,6\n", {target = {"b", "c"}})
    assert.same({{2, 3}, {5, 6}}, select(2, ds:batch {0, 1}):tolist())
    assert.same({{1}, {4}}, (ds:batch {0, 1}):tolist())
  end)

  it("says what is wrong, and where", function()
    local good = "file,t\np/0.png,1\n"
    fails("there is no picture", read, "file,t\np/9.png,1\n", {pictures = "file", target = "t"})
    fails("line 2: label a is \"2\", 0 or 1 is expected", read, "a,b,c\n2,1,0\n", {target = {"a", "b"}, kind = "labels"})
    fails("pictures is a column's name", read, good, {pictures = "fil", target = "t"})
    fails("are the same column", read, good, {pictures = "file", target = "file"})
    fails("root goes with pictures", read, good, {root = "/tmp"})
    fails('between goes with kind = "labels"', read, good, {between = "|"})
    fails('kind is "class", "number" or "labels"', read, good, {kind = "label"})
    fails("no option 'size'", read, good, {size = 3})
    fails("a class has one column", read, "a,b,c\n1,2,3\n", {target = {"a", "b"}, kind = "class"})
    fails("target is an empty list", read, good, {target = {}})
  end)
end)
