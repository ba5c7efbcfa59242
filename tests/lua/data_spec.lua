-- Datasets: folders, published formats, drawn shapes, tensors; orders, parts, batches.
local suture = require "suture"
local data, image, tensor = suture.data, suture.image, suture.tensor

local kit = require "kit"
local fails, run, temp_folder, spill, pass = kit.fails, kit.run, kit.temp_folder, kit.spill, kit.pass

local function shape(x) return {table.unpack(x.shape)} end

describe("data.folder", function()
  local folder

  setup(function()
    folder = temp_folder()
    run(("mkdir -p %s/zebra/deep %s/ant %s/.hidden"):format(folder, folder, folder))
    for i, name in ipairs {"ant/b.png", "ant/a.PNG", "ant/c.jpg", "zebra/deep/y.jpeg", "zebra/x.png"} do
      local tmp = folder .. (name:lower():find "png" and "/tmp.png" or "/tmp.jpg")
      image.save(tensor {{i / 10, 0}, {0, 1}, {1, 1}}, tmp)
      run(("mv %s %s/%s"):format(tmp, folder, name))
    end
    spill(folder .. "/ant/notes.txt", "no picture")
  end)
  teardown(function() run("rm -r " .. folder) end)

  it("has the folders as classes and the files in order", function()
    local ds = data.folder(folder .. "/")
    assert.equal(5, #ds)
    assert.same({"ant", "zebra"}, ds.classes)
    assert.same({0, 0, 0, 1, 1}, ds:labels())
    assert.same({3, 2}, ds:counts())
    local names = {}
    for i = 0, 4 do names[i + 1] = ds:name(i):sub(#folder + 2) end
    assert.same({"ant/a.PNG", "ant/b.png", "ant/c.jpg", "zebra/x.png", "zebra/deep/y.jpeg"}, names)
    local x, y = ds:get(3)
    assert.same({3, 3, 2}, shape(x))
    assert.equal(1, y)
    assert.equal("zebra", ds[3].class)
    assert.truthy(tostring(ds):find("5 images · 2 classes (ant, zebra)", 1, true))
    for xs, ys in ds:batches(2) do
      assert.same({2, 3, 3, 2}, shape(xs))
      assert.same({0, 0}, ys:tolist())
      break
    end
  end)

  it("takes the preprocessing of a model, and what is given besides wins", function()
    local model = setmetatable({preprocess = {resize = 9, crop = 8, mean = {0.5, 0.5, 0.5}, std = {0.5, 0.5, 0.5}}}, {})
    local ds = data.folder(folder, {transform = model})
    assert.same({3, 8, 8}, shape(ds[0][1]))
    assert.equal(9, ds.preprocess.resize)
    assert.same({3, 6, 6}, shape(data.folder(folder, {transform = model, crop = 6})[0][1]))
    local method = setmetatable({preprocess = function() return {crop = 5} end}, {})
    assert.same({3, 5, 5}, shape(data.folder(folder, {transform = method})[0][1]))
    assert.same({3, 4, 4}, shape(data.folder(folder, {size = 4})[0][1]))
    assert.same({3, 4, 6}, shape(data.folder(folder, {size = {4, 6}})[0][1]))
  end)

  it("says what is wrong", function()
    fails("cannot open the folder", data.folder, folder .. "/nothing")
    fails("no class folders", data.folder, folder .. "/ant")
    fails("expects a path", data.folder, 5)
    fails("did you mean resize", data.folder, folder, {resiz = 5})
    fails("crop is a whole number", data.folder, folder, {crop = -1})
    fails("size = n is short for", data.folder, folder, {size = 5, crop = 5})
    fails("one number for each of the 3 channels", data.folder, folder, {mean = {1, 2}})
    fails("std is a number", data.folder, folder, {std = 0})
    fails("did you mean flip", data.folder, folder, {augment = {flop = true}})
    fails("size of its results", data.folder, folder, {augment = {random_resized_crop = true}})
    fails("carries no preprocessing", data.folder, folder, {transform = setmetatable({}, {})})
    fails("a model or a table", data.folder, folder, {transform = "resnet18"})
    local ds = data.folder(folder)
    fails("numbered 0 to 4", function() return ds[5] end)
    fails("did you mean 'classes'", function() return ds.clases end)
    local empty = temp_folder()
    fails("is empty", data.folder, empty)
    run("mkdir " .. empty .. "/cat")
    fails("class folder 'cat' has no PNG or JPEG", data.folder, empty)
    run(("mkdir -p %s/train/ant %s/val/ant && rmdir %s/cat"):format(empty, empty, empty))
    run(("cp %s/ant/b.png %s/train/ant && cp %s/ant/b.png %s/val/ant"):format(folder, empty, folder, empty))
    fails('try data.folder("' .. empty .. '/train")', data.folder, empty)
    run("rm -r " .. empty)
  end)

  it("names the file that is broken or of another size", function()
    local bad = temp_folder()
    run(("cp -r %s/ant %s/zebra %s"):format(folder, folder, bad))
    image.save(tensor {{1, 0, 1}}, bad .. "/ant/d.png")
    for threads = 0, 2 do
      fails(bad .. "/ant/d.png is 1×3×3", function() for _ in data.folder(bad):batches(5, {threads = threads}) do end end)
    end
    spill(bad .. "/ant/d.png", "\x89PNG\r\n\x1a\n and no more")
    fails(bad .. "/ant/d.png: broken PNG", function() for _ in data.folder(bad):batches(5) do end end)
    spill(bad .. "/ant/d.png", "")
    fails(bad .. "/ant/d.png: the file is empty", function() for _ in data.folder(bad):batches(5) do end end)
    run(("rm %s/ant/d.png && ln -s /nowhere/at/all.png %s/ant/d.png"):format(bad, bad))
    fails(bad .. "/ant/d.png: cannot open: No such file", function() for _ in data.folder(bad):batches(5) do end end)
    run(("rm %s/ant/d.png && ln -s . %s/ant/again"):format(bad, bad))
    fails("a link to itself?", data.folder, bad)
    run("rm -r " .. bad)
  end)

  it("goes through folders in folders as torchvision does, and through links", function()
    local nested = temp_folder()
    run(("mkdir -p '%s/a/x' '%s/a/x y' '%s/a/x/z' %s.far"):format(nested, nested, nested, nested))
    for _, name in ipairs {"a/x/2.png", "a/x y/1.png", "a/x/z/3.png", "a/0.png"} do
      run(("cp %s/zebra/x.png '%s/%s'"):format(folder, nested, name))
    end
    run(("cp %s/zebra/x.png %s.far/l.png && ln -s %s.far %s/a/link"):format(folder, nested, nested, nested))
    local ds, names = data.folder(nested), {}
    for i = 0, #ds - 1 do names[i + 1] = ds:name(i):sub(#nested + 2) end
    assert.same({"a/0.png", "a/link/l.png", "a/x/2.png", "a/x y/1.png", "a/x/z/3.png"}, names) -- folders by their whole names: " " comes before "/"
    run(("rm -r %s %s.far"):format(nested, nested))
  end)
end)

describe("data.shapes", function()
  it("draws the same for the same seed", function()
    local ds = data.shapes {n = 3}
    assert.equal(24, #ds)
    assert.same({"circle", "cross", "heart", "pentagon", "ring", "square", "star", "triangle"}, ds.classes)
    assert.same({3, 32, 32}, shape(ds[0][1]))
    assert.equal(pass(ds, 10), pass(data.shapes {n = 3}, 10))
    assert.are_not.equal(pass(ds, 10), pass(data.shapes {n = 3, seed = 1}, 10))
    assert.are_not.equal(pass(ds, 10), pass(data.shapes {n = 3, split = "val"}, 10))
    assert.same({3, 16, 16}, shape(data.shapes {n = 1, size = 16}[0][1]))
    for _, domain in ipairs {"classes", "outline", "textured", "noisy"} do
      assert.are_not.equal(pass(ds, 10), pass(data.shapes {n = 3, domain = domain}, 10))
    end
  end)

  it("says what is wrong", function()
    fails("did you mean 'outline'", data.shapes, {domain = "outlin"})
    fails("n is a whole number", data.shapes, {n = 0})
    fails('split is "train"', data.shapes, {split = "all"})
    fails("expects options in a table", data.shapes, "outline")
  end)
end)

describe("a dataset", function()
  local ds = data.shapes {n = 6, augment = {flip = true, crop_pad = 3, jitter = 0.3, rotate = 10}}

  it("gives the same batches for the same seed at any number of threads", function()
    assert.is_true(ds.random)
    local want = pass(ds, 7, {shuffle = true, seed = 3, epoch = 1, threads = 0})
    assert.equal(want, pass(ds, 7, {shuffle = true, seed = 3, epoch = 1, threads = 1}))
    assert.equal(want, pass(ds, 7, {shuffle = true, seed = 3, epoch = 1, threads = 3}))
    assert.are_not.equal(want, pass(ds, 7, {shuffle = true, seed = 3, epoch = 2}))
    assert.are_not.equal(want, pass(ds, 7, {shuffle = true, seed = 4, epoch = 1}))
    assert.are_not.equal(pass(ds, 7), pass(ds, 7)) -- no seed: the generator moves on
    assert.equal(pass(ds, 7, {augment = false}), pass(ds:with {augment = false}, 7))
    assert.is_false(ds:with({augment = false}).random)
    assert.equal(ds.key, ds:with({augment = false}).key)
    assert.are_not.equal(ds.key, ds:with({resize = 16}).key)
    assert.are_not.equal(ds.key, ds:shuffle(1).key)
  end)

  it("goes over all, in batches", function()
    local sizes = {}
    for x, y, places in ds:batches(20) do
      sizes[#sizes + 1] = x.shape[1]
      assert.equal(x.shape[1], #places)
      assert.equal(x.shape[1], y.shape[1])
    end
    assert.same({20, 20, 8}, sizes)
    assert.equal(2, #ds:order(20, {drop_last = true}))
    local order, i = ds:order(20, {shuffle = true, seed = 9}), 0
    for _, y, places in ds:batches(20, {shuffle = true, seed = 9}) do
      i = i + 1
      assert.same(order[i], places)
      local labels = ds:labels()
      for j, v in ipairs(y:tolist()) do assert.equal(labels[places[j] + 1], v) end
    end
    local x, y = ds:batch {47, 0}
    assert.same({2, 3, 32, 32}, shape(x))
    assert.same({7, 0}, y:tolist())
    assert.same(ds[47][1]:tolist(), x[0]:tolist())
  end)

  it("is split, taken from, shuffled", function()
    local a, b = ds:split(0.75, {seed = 1})
    assert.equal(36, #a)
    assert.equal(12, #b)
    local seen = {}
    for _, part in ipairs {a, b} do
      for i = 0, #part - 1 do seen[part:name(i)] = (seen[part:name(i)] or 0) + 1 end
    end
    local n = 0
    for _, times in pairs(seen) do n = n + times end
    assert.equal(48, n)
    assert.equal(a.key, (ds:split(0.75, {seed = 1})).key)
    assert.are_not.equal(a.key, (ds:split(0.75, {seed = 2})).key)
    local p, q, r = ds:split {0.5, 0.25, 0.25}
    assert.equal(48, #p + #q + #r)
    assert.same({2, 2, 2, 2, 2, 2, 2, 2}, ds:take({per_class = 2}):counts())
    assert.same({6, 4, 0, 0, 0, 0, 0, 0}, ds:take(10):counts())
    assert.equal(10, #ds:take(10, {seed = 1}))
    assert.equal(ds:shuffle(3).key, ds:shuffle(3).key)
    assert.are_not.equal(ds:shuffle(3).key, ds:shuffle(4).key)
  end)

  it("says what is wrong", function()
    fails("did you mean shuffle", function() ds:batches(4, {suffle = true}) end)
    fails("batch size is a whole number", function() ds:batches(0) end)
    fails("48 samples, 49 were asked for", function() ds:take(49) end)
    fails("class 'circle' has 6 samples, 7 were asked for", function() ds:take {per_class = 7} end)
    fails("between 0 and 1", function() ds:split(2) end)
    fails("sum to 1.2", function() ds:split {0.7, 0.5} end)
    fails("would be empty", function() ds:take(3):split(0.01) end)
    fails("from 0 to 47", function() ds:batch {48} end)
    fails("did you mean augment", function() ds:with {augmnt = false} end)
  end)
end)

describe("data.tensors", function()
  local x, y = tensor {{1, 2}, {3, 4}, {5, 6}, {7, 8}}, tensor {0, 1, 1, 0}

  it("gives rows", function()
    local ds = data.tensors(x, y, {classes = {"no", "yes"}})
    assert.equal(4, #ds)
    assert.same({2, 2}, ds:counts())
    local batches = {}
    for xs, ys in ds:batches(3) do batches[#batches + 1] = {xs:tolist(), ys:tolist()} end
    assert.same({{{1, 2}, {3, 4}, {5, 6}}, {0, 1, 1}}, batches[1])
    assert.same({{{7, 8}}, {0}}, batches[2])
    for _, part in ipairs {ds:split(0.5)} do assert.same({1, 1}, part:counts()) end
    assert.same({"0", "1"}, data.tensors(x, y).classes)
    local regression = data.tensors(x, tensor {0.5, 1.5, 2, 3})
    assert.is_nil(regression:labels())
    assert.equal(2, #(regression:split(0.5)))
  end)

  it("says what is wrong", function()
    fails("4 rows but y has 3", data.tensors, x, tensor {0, 1, 1})
    fails("expects tensors", data.tensors, {1}, y)
    fails("got nil for x", data.tensors)
    fails("class 1 but there are 1 names", data.tensors, x, y, {classes = {"one"}})
    fails("have no options", function() data.tensors(x, y):with {crop = 3} end)
  end)
end)

describe("published formats", function()
  it("reads CIFAR-10's binary version", function()
    local folder = temp_folder()
    for i = 1, 5 do spill(("%s/data_batch_%d.bin"):format(folder, i), ("%s%s"):format(string.char(i), ("\1"):rep(1024) .. ("\2"):rep(1024) .. ("\3"):rep(1024)):rep(2)) end
    spill(folder .. "/test_batch.bin", "\9" .. ("\0"):rep(3072))
    spill(folder .. "/batches.meta.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n")
    local ds = data.cifar10(folder)
    assert.equal(10, #ds)
    assert.same({1, 1, 2, 2, 3, 3, 4, 4, 5, 5}, ds:labels())
    assert.equal("j", ds.classes[10])
    local picture = ds[0][1]
    assert.near(3 / 255, picture[2][31][31]:item(), 1e-6)
    assert.equal(1, #data.cifar10(folder, {split = "test"}))
    os.remove(folder .. "/data_batch_3.bin")
    fails("data_batch_3.bin is missing", data.cifar10, folder)
    spill(folder .. "/data_batch_3.bin", "\1\2\3")
    fails("cut off", data.cifar10, folder)
    run("rm -r " .. folder)
  end)

  it("reads MNIST's idx files, compressed or not", function()
    local folder = temp_folder()
    spill(folder .. "/train-images-idx3-ubyte", string.pack(">I4I4I4I4", 0x803, 2, 2, 2) .. "\0\51\102\153\204\255\0\0")
    spill(folder .. "/train-labels-idx1-ubyte", string.pack(">I4I4", 0x801, 2) .. "\7\3")
    run("gzip " .. folder .. "/train-images-idx3-ubyte")
    local ds = data.mnist(folder)
    assert.same({7, 3}, ds:labels())
    assert.same({1, 2, 2}, shape(ds[0][1]))
    assert.near(0.2, ds[0][1][0][0][1]:item(), 1e-6)
    assert.same({3, 2, 2}, shape(data.mnist(folder, {channels = 3})[0][1]))
    assert.same({3, 2, 2}, shape(data.mnist(folder, {mean = {0, 0, 0}, std = {1, 1, 1}})[0][1]))
    fails("t10k-images-idx3-ubyte (or .gz) is missing", data.mnist, folder, {split = "test"})
    spill(folder .. "/train-labels-idx1-ubyte", string.pack(">I4I4", 0x801, 3) .. "\7\3\1")
    fails("2 images but", data.mnist, folder)
    spill(folder .. "/train-labels-idx1-ubyte", string.pack(">I4I4", 0x801, 2) .. "\9\0")
    local fashion = data.fashion_mnist(folder, {augment = true})
    assert.same({"Ankle boot", "T-shirt/top"}, {fashion[0].class, fashion[1].class})
    assert.truthy(tostring(fashion):find("flip", 1, true))
    fails("data.fashion_mnist", data.fashion_mnist, folder, {split = "val"})
    run("rm -r " .. folder)
  end)
end)

describe("real photographs", function()
  local shared = os.getenv "SUTURE_SHARED" or "../shared"
  local photos = shared .. "/data/hymenoptera/train"
  local there = os.execute(("test -d '%s'"):format(photos))
  if not there then pending("no " .. photos .. " (SUTURE_SHARED says where)", function() end) return end

  it("differ little when they are decoded as drafts", function()
    local exact = data.folder(photos, {resize = 72, crop = 64}):take {per_class = 20}
    local draft = exact:with {draft = true}
    assert.truthy(tostring(draft):find("draft · resize 72", 1, true))
    assert.not_equal(exact.key, draft.key)
    local mean = 0
    for i = 0, #exact - 1 do
      local a, b = exact[i][1], draft[i][1]
      assert.same(shape(a), shape(b))
      local d = ((a - b) * 255):abs()
      assert.is_true(d:max():item() < 24 and d:mean():item() < 1.5)
      mean = mean + d:mean():item() / #exact
    end
    assert.is_true(mean > 0 and mean < 0.5)
    local whole = data.folder(photos, {crop = 64, draft = true}) -- nothing shrinks: nothing is left out
    assert.equal(0, (whole[0][1] - whole:with {draft = false}[0][1]):abs():max():item())
  end)

  it("come in batches", function()
    local ds = data.folder(photos, {resize = 72, crop = 64, augment = true}):take {per_class = 8}
    assert.same({"ants", "bees"}, ds.classes)
    local n = 0
    for x in ds:batches(6, {shuffle = true, seed = 1}) do
      assert.same({3, 64, 64}, {table.unpack(x.shape, 2)})
      n = n + x.shape[1]
    end
    assert.equal(16, n)
    fails("resize", function() for _ in data.folder(photos):batches(8) do end end)
    fails('try data.folder("' .. shared .. '/data/hymenoptera/train")', data.folder, shared .. "/data/hymenoptera")
  end)
end)
