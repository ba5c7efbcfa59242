-- Data and training: what is asked for happens, or is refused by name. Class names, preprocessing, last batches, NaN.
local suture = require "suture"
suture.history(true) -- as at the prompt
local data, nn, image, tensor = suture.data, suture.nn, suture.image, suture.tensor
local note = require "suture.base.note"

local kit = require "kit"
local fails, run, temp_folder, pass = kit.fails, kit.run, kit.temp_folder, kit.pass

-- What was noted while f ran, as one text, and its results. What is told once is told here each time.
local function noted(f)
  local write, once, said = note.write, note.once, {}
  note.write = function(text) said[#said + 1] = text end
  note.once = function(_, text) said[#said + 1] = text end
  local progress = require "suture.train.progress"
  local finish = progress.finish
  progress.finish = function() end
  local results = table.pack(pcall(f))
  note.write, note.once, progress.finish = write, once, finish
  assert(results[1], results[2])
  return table.concat(said, "\n"), table.unpack(results, 2, results.n)
end

-- A folder of one-coloured pictures: a folder for each class, so bright as its name's place in the alphabet.
local function colours(classes, n)
  local folder = temp_folder()
  for _, class in ipairs(classes) do
    run(("mkdir -p %s/%s"):format(folder, class))
    for i = 1, n do
      image.save(suture.full({3, 6, 6}, (class:byte() - 96) / 5 + i / 1000), ("%s/%s/%d.png"):format(folder, class, i))
    end
  end
  return folder
end

-- Tells the brightness of a picture exactly: classes a, b, c at 0.2, 0.4, 0.6.
local function meter(classes)
  local m = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, #classes))
  local w, b = suture.zeros(#classes, 3), {}
  for i, class in ipairs(classes) do
    local at = (class:byte() - 96) / 5
    for j = 0, 2 do w[i - 1][j] = 2 * at / 3 end
    b[i] = -at * at
  end
  m:load_state_dict {["2.weight"] = w * 100, ["2.bias"] = tensor(b) * 100}
  m.classes, m.preprocess = classes, {}
  return m
end

describe("class names", function()
  local abc, bc
  setup(function() abc, bc = colours({"a", "b", "c"}, 4), colours({"b", "c"}, 4) end)
  teardown(function() run(("rm -r %s %s"):format(abc, bc)) end)

  it("are matched by name where a set lacks a class", function()
    local m, ds = meter {"a", "b", "c"}, data.folder(bc)
    assert.equal(1, suture.evaluate(m, data.folder(abc)).acc)
    assert.equal(1, suture.evaluate(m, ds).acc)
    local r = suture.confusion(m, ds)
    assert.equal(1, r.acc)
    assert.same({"a", "b", "c"}, r.classes)
    assert.same({{0, 0, 0}, {0, 4, 0}, {0, 0, 4}}, r.counts)
    assert.equal(1, suture.evaluate(meter {"c", "a", "b"}, ds).acc)
    assert.equal("b", suture.predict(m, ds:name(0), 1)[1][1].class)
  end)

  it("of val are matched with those it trains on, and one that is missing is told", function()
    local m = meter {"a", "b", "c"}
    local said, r = noted(function()
      return suture.fit(m, data.folder(abc), {val = data.folder(bc), epochs = 1, lr = 1e-9})
    end)
    assert.equal(1, r.history[1].val_acc)
    assert.truthy(said:find("val has no sample of a", 1, true))
    assert.same({"a", "b", "c"}, m.classes)
  end)

  it("of a model stay its own where it is trained further on some of them", function()
    local m = meter {"c", "b", "a"}
    local r = suture.fit(m, data.folder(abc), {epochs = 1, lr = 1e-9, quiet = true})
    assert.equal(1, r.history[1].acc)
    assert.same({"c", "b", "a"}, m.classes)
    assert.equal(1, suture.fit(m, data.folder(bc), {epochs = 1, lr = 1e-9, quiet = true}).history[1].acc)
  end)

  it("that the other side has not are refused, by name", function()
    local ds = data.folder(abc)
    fails("class 'a' of the data set (a, b, c) is none of the model's (b, c, d)", suture.evaluate, meter {"b", "c", "d"}, ds)
    fails("class 'a'", suture.confusion, meter {"b", "c", "d"}, ds)
    fails("fit: val: class 'a' of the data set (a, b, c) is none of those it trains on (b, c)", suture.fit, meter {"b", "c"},
      data.folder(bc), {val = ds, epochs = 1, quiet = true})
    assert.equal(1, suture.evaluate(meter {"b", "c"}, ds:filter(function(s) return s.class ~= "a" end)).acc)
    local stale = meter {"a", "b", "c"}
    stale.classes = {"x", "y"} -- of an older head of two: they name nothing
    assert.equal(1, suture.evaluate(stale, ds).acc)
  end)

  it("are told when training gives the outputs other ones", function()
    local m = meter {"x", "y", "z"}
    assert.truthy(noted(function() suture.fit(m, data.folder(abc), {epochs = 1}) end)
      :find("m.classes were x, y, z; they are now those it trains on: a, b, c", 1, true))
  end)

  it("of a folder may be chosen, ordered, and have no picture", function()
    local ds = data.folder(abc, {classes = {"c", "a"}})
    assert.same({"c", "a"}, ds.classes)
    assert.same({4, 4}, ds:counts())
    assert.truthy(ds:name(0):find("/c/1.png", 1, true))
    fails("has no class folder 'd'", data.folder, abc, {classes = {"a", "d"}})
    fails("'a' comes twice", data.folder, abc, {classes = {"a", "a"}})
    run("mkdir " .. abc .. "/none")
    fails("allow_empty = true", data.folder, abc)
    assert.same({4, 4, 4, 0}, data.folder(abc, {allow_empty = true}):counts())
    fails("allow_empty is true or false", data.folder, abc, {allow_empty = 1})
    run("rmdir " .. abc .. "/none")
  end)

  it("have pictures that are passed over counted in a line", function()
    run(("touch %s/a/x.webp %s/a/y.WEBP %s/b/z.gif %s/b/notes.txt"):format(abc, abc, abc, abc))
    local said, ds = noted(function() return data.folder(abc) end)
    assert.equal(12, #ds)
    assert.truthy(said:find("3 pictures are passed over (1 .gif, 2 .webp)", 1, true), said)
    run("mkdir " .. abc .. "/none && touch " .. abc .. "/none/x.bmp " .. abc .. "/loose.png")
    fails("no PNG or JPEG files (there are 1 .bmp: convert them first)", data.folder, abc) -- its own
    run("rm -r " .. abc .. "/none")
    said = noted(function() return data.folder(abc) end)
    assert.truthy(said:find("1 picture lies in no class folder: passed over", 1, true), said)
    run("rm " .. abc .. "/loose.png")
    run(("rm %s/a/*.webp %s/a/*.WEBP %s/b/z.gif %s/b/notes.txt"):format(abc, abc, abc, abc))
    assert.equal("", (noted(function() return data.folder(abc) end)))
  end)
end)

describe("m.preprocess", function()
  it("is what the model was trained with, in predict, in a file, until undo", function()
    local folder, file = colours({"a", "b"}, 2), os.tmpname() .. ".safetensors"
    local m = meter {"a", "b"}
    m.preprocess = {resize = 3, mean = {0, 0, 0}, std = {1, 1, 1}}
    local before = m.preprocess
    local ds = data.folder(folder, {resize = {5, 4}, mean = 0.5, std = {0.5, 0.25, 0.125}, augment = true})
    local said = noted(function() suture.fit(m, ds, {epochs = 1, lr = 0.1}) end)
    assert.truthy(said:find("m.preprocess is what it trains with: resize {5, 4} · mean 0.5 · std {0.5, 0.25, 0.125} (was " ..
      "resize 3 · mean 0 · std 1)", 1, true), said)
    m:save(file)
    for _, model in ipairs {m, suture.open(file)} do
      for i = 0, 3 do
        local by_path, by_set = suture.predict(model, ds:name(i)), suture.predict(model, ds[i][1])
        assert.same({by_set[1][1].class, by_set[1][1].p}, {by_path[1][1].class, by_path[1][1].p})
      end
      assert.same({5, 4}, model.preprocess.resize)
    end
    assert.equal("", (noted(function() suture.fit(m, ds, {epochs = 1}) end)))
    suture.undo() suture.undo()
    assert.equal(before, m.preprocess)
    os.remove(file)
    run("rm -r " .. folder)
  end)

  it("says grey for grey pictures, nothing for tensors, and what a function does is told", function()
    local x = suture.rand(6, 1, 4, 4)
    local m = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    suture.fit(m, data.tensors(x, tensor {0, 1, 0, 1, 0, 1}), {epochs = 1, quiet = true})
    assert.is_nil(m.preprocess)
    local ds = data.tensors(x, tensor {0, 1, 0, 1, 0, 1}, {mean = 0.5, std = 0.5})
    suture.fit(m, ds, {epochs = 1, quiet = true})
    assert.equal(1, m.preprocess.channels)
    local path = os.tmpname() .. ".png"
    image.save(suture.rand(3, 4, 4), path) -- a colour picture
    assert.equal(2, #suture.predict(m, path)[1])
    os.remove(path)
    m.preprocess = nil
    local said = noted(function() suture.fit(m, ds:map(function(v) return v * 2 end), {epochs = 1}) end)
    assert.truthy(said:find("what ds:map does is not in m.preprocess", 1, true))
  end)
end)

describe("fit, before the first epoch", function()
  local function normed() return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)) end
  local function ds_of(n)
    local y = {}
    for i = 1, n do y[i] = i % 2 end
    return data.tensors(suture.randn(n, 3), tensor(y))
  end

  it("leaves out a last batch of one sample that BatchNorm cannot train on, and says so", function()
    local m, ds = normed(), ds_of(9)
    local before = kit.copies(m)
    local said, r = noted(function() return suture.fit(m, ds, {epochs = 2, batch = 4}) end)
    assert.truthy(said:find("left out (8 of 9 samples an epoch)", 1, true))
    assert.equal(2, r.history[1].steps)
    assert.equal(2, r.history[2].steps)
    assert.is_truthy(kit.first_difference(before, kit.copies(m)))
    assert.equal(2, suture.plan(m, ds, {batch = 4}).steps)
    -- no BatchNorm, one that is in eval, or several values per channel: nothing is left out
    local plain = nn.Linear(3, 2)
    assert.equal(3, suture.fit(plain, ds, {epochs = 1, batch = 4, quiet = true}).history[1].steps)
    assert.equal(3, suture.fit(normed():bn_eval(), ds, {epochs = 1, batch = 4, quiet = true}).history[1].steps)
    local wide = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 2))
    local pictures = data.tensors(suture.randn(5, 1, 2, 2), tensor {0, 1, 0, 1, 0})
    assert.equal(3, suture.fit(wide, pictures, {epochs = 1, batch = 2, quiet = true}).history[1].steps)
  end)

  it("refuses where that would leave nothing, or is not wanted", function()
    local m = normed()
    local before = kit.copies(m)
    fails("every batch is one sample", suture.fit, m, ds_of(4), {batch = 1, quiet = true})
    fails("the last batch is one sample", suture.fit, m, ds_of(9), {batch = 4, drop_last = false, quiet = true})
    fails("m:bn_eval()", suture.fit, m, ds_of(1), {quiet = true})
    fails("drop_last leaves nothing: there are 4 samples, a batch takes 8", suture.fit, m, ds_of(4), {batch = 8,
      drop_last = true, quiet = true})
    assert.is_nil(kit.first_difference(before, kit.copies(m)))
    assert.equal(2, suture.fit(m, ds_of(11), {batch = 4, drop_last = true, epochs = 1, quiet = true}).history[1].steps)
  end)
end)

describe("NaN in the data", function()
  local x = suture.randn(10, 3)
  x[7] = tensor {1, 0 / 0, 2}
  local ds = data.tensors(x, tensor {0, 1, 0, 1, 0, 1, 0, 1, 0, 1})

  it("is named as such, with the sample", function()
    local m = nn.Linear(3, 2)
    fails("the input is NaN in sample 7 (row 7) at epoch 1 step", suture.fit, m, ds, {batch = 4, quiet = true, seed = 1})
    for _, p in m:named_parameters() do assert.is_true(p:abs():max():item() < math.huge) end
    fails("evaluate: the input is NaN in sample 7", suture.evaluate, m, ds)
    fails("confusion: the input is NaN in sample 7", suture.confusion, m, ds)
    fails("fit: val: the input is NaN in sample 7", suture.fit, m, ds:take(4), {val = ds, quiet = true})
    fails("the input is NaN in sample 2 of the batch", function()
      suture.trainer(m, ds:take(4)):step(x:narrow(0, 5, 3), tensor {0, 1, 0})
    end)
    local y = suture.randn(4, 1)
    y[1] = tensor {math.huge}
    fails("the target is inf in sample 1", suture.fit, nn.Linear(3, 1), data.tensors(suture.randn(4, 3), y), {loss = "mse",
      quiet = true})
  end)
end)

describe("best", function()
  local train, val = kit.shapes("source", 2), kit.shapes("source", 2, "val")
  local function net() return nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(48, 8)) end
  local function fit(best)
    suture.seed(3)
    return suture.fit(net(), train, {val = val, epochs = 5, lr = 0.5, seed = 1, quiet = true, best = best})
  end

  it("is by the loss, the accuracy or a figure of one's own, and is said", function()
    local function top(r, of)
      local at = 1
      for i, row in ipairs(r.history) do if of(row) > of(r.history[at]) then at = i end end
      return at
    end
    for _, given in ipairs {true, "loss"} do
      local r = fit(given)
      assert.equal(top(r, function(row) return -row.val_loss end), r.best_epoch)
      assert.equal("lowest val loss", r.best_by)
      assert.truthy(tostring(r):find(("weights of epoch %d: lowest val loss"):format(r.best_epoch), 1, true))
    end
    local r = fit "acc"
    assert.equal(top(r, function(row) return row.val_acc end), r.best_epoch)
    assert.equal("highest val acc", r.best_by)
    assert.equal(2, fit(function(row) return -math.abs(row.epoch - 2) end).best_epoch)
    assert.is_nil(fit(false).best_epoch)
  end)

  it("that makes no sense is refused", function()
    fails('best is true or "loss"', fit, "accuracy")
    fails("the function gave nil for epoch 1", fit, function() end)
    local x = suture.randn(4, 3)
    fails("there is no accuracy", suture.fit, nn.Linear(3, 3), data.tensors(x, x), {loss = "mse", best = "acc", quiet = true})
  end)
end)

describe("data sets of data sets", function()
  local ds = kit.shapes("source", 3)

  it("are subsets, in the order that is asked for", function()
    local some = ds:subset {5, 0, 5}
    assert.same({ds:labels()[6], ds:labels()[1], ds:labels()[6]}, some:labels())
    assert.same(ds[5][1]:tolist(), some[2][1]:tolist())
    assert.equal(2, #ds:subset(tensor {1, 2}))
    fails("places are from 0 to 23, got 24", function() ds:subset {24} end)
    fails("an array of places", function() ds:subset {} end)
  end)

  it("are filtered by what is known of a sample", function()
    local some = ds:filter(function(s) return s.class == "star" or s[2] == 0 end)
    assert.same({3, 0, 0, 0, 0, 0, 3, 0}, some:counts())
    local bright = ds:filter(function(s) return s[1]:mean():item() > 0.5 end)
    for i = 0, #bright - 1 do assert.is_true(bright[i][1]:mean():item() > 0.5) end
    fails("for none of the 24 samples", function() ds:filter(function() return false end) end)
    fails("expects a function", function() ds:filter(3) end)
  end)

  it("are mapped, batch by batch as sample by sample", function()
    local twice = ds:map(function(x, y) return x * 2 + y end)
    local x, y = twice:batch {4, 23}
    assert.is_true(kit.equal(x[1], ds[23][1] * 2 + 7))
    assert.same({1, 7}, y:tolist())
    assert.is_true(kit.equal(twice[23][1], x[1]))
    assert.same(ds:labels(), twice:labels())
    local odd = ds:map(function(v) return v end, {target = function(k) return k % 2 end, classes = {"even", "odd"}})
    assert.same({12, 12}, odd:counts())
    assert.equal("odd", odd[23].class)
    local numbers = ds:map(function(v) return v:mean():reshape(1) end, {target = function(k) return k / 2 end})
    assert.is_nil(numbers:labels())
    assert.equal("float32", select(2, numbers:batch {3}).dtype)
    assert.equal(pass(ds:with {augment = {flip = true}}, 5, {seed = 3}),
      pass(ds:map(function(v) return v end):with {augment = {flip = true}}, 5, {seed = 3}))
    fails("gave nil for image 0; a tensor is expected (return x)", function() return ds:map(function() end)[0] end)
    fails("did you mean target", function() ds:map(print, {targt = print}) end)
  end)

  it("are joined, by the names of their classes", function()
    local other = ds:filter(function(s) return s.class >= "star" end)
    local names = {"star", "triangle"}
    local both = data.concat {other:align(names), ds}
    assert.equal(30, #both)
    assert.equal(8, #both.classes)
    assert.equal("star", both.classes[1])
    assert.same({6, 6}, {table.unpack(both:counts(), 1, 2)})
    local seen = 0
    for x, y, places in both:batches(7, {shuffle = true, seed = 2}) do
      for i, place in ipairs(places) do
        assert.is_true(kit.equal(x[i - 1], both[place][1]))
        assert.equal(both:labels()[place + 1], math.tointeger(y[i - 1]:item()))
        seen = seen + 1
      end
    end
    assert.equal(30, seen)
    local moving = data.concat {ds:with {augment = true}, ds}
    assert.is_true(moving.random)
    assert.equal(pass(moving, 9, {seed = 4}), pass(moving, 9, {seed = 4, threads = 2}))
    assert.are_not.equal(pass(moving, 9, {seed = 4}), pass(moving, 9, {seed = 5}))
    assert.equal(pass(moving, 9, {augment = false}), pass(moving:with {augment = false}, 9))
    assert.is_falsy(both:with({mean = 0.5}).preprocess.resize)
    fails("is no data set", data.concat, {ds, 3})
    fails("are classes, those of others are not", data.concat, {ds, ds:map(function(v) return v end, {target = function()
      return 0.5 end})})
  end)

  it("are objects of one's own with len and get", function()
    local Own = {}
    Own.__index = Own
    function Own:len() return self.count end
    function Own:get(i) return suture.full({3}, i / 2 + 0.25), i % 2 end
    local own = setmetatable({count = 6, classes = {"even", "odd"}}, Own)
    local set = data.dataset(own)
    assert.same({"even", "odd"}, set.classes)
    assert.equal("odd", set[3].class)
    assert.equal(6, suture.evaluate(nn.Linear(3, 2), own).count)
    assert.equal(1, #suture.fit(nn.Linear(3, 2), own, {val = own, epochs = 1, quiet = true}).history)
    local sharp = setmetatable({}, {__len = function() return 2 end, __index = {get = function(_, i) return suture.ones(3), i end}})
    assert.equal(2, #data.dataset(sharp))
    fails("expects a dataset", suture.fit, nn.Linear(3, 2), {get = Own.get}, {quiet = true})
  end)

  it("say what targets of another shape are", function()
    local m = nn.Linear(3, 2)
    local column = data.tensors(suture.randn(4, 3), tensor({0, 1, 0, 1}):reshape(4, 1):long())
    fails("y:squeeze(1)", suture.fit, m, column, {quiet = true})
    fails("y:squeeze(1)", suture.evaluate, m, column)
    fails("y:squeeze(1)", suture.confusion, m, column)
    fails("y:squeeze(1)", suture.plan, m, column)
    local soft = data.tensors(suture.randn(4, 3), suture.full({4, 2}, 0.5))
    assert.is_nil(suture.fit(m, soft, {epochs = 1, quiet = true}).history[1].acc)
    fails("not classes", suture.confusion, m, soft)
    fails("of shape (3)", data.tensors, suture.randn(4, 3), suture.zeros(3))
  end)
end)

-- The bytes of a PNG of sixteen bits a value (colour type 0: grey, 2: colour), 2 by 2, all of one value; its data is
-- stored, not compressed.
local function png16(colour, value)
  local function crc(s)
    local c = 0xffffffff
    for i = 1, #s do
      c = c ~ s:byte(i)
      for _ = 1, 8 do c = c & 1 == 1 and (c >> 1) ~ 0xedb88320 or c >> 1 end
    end
    return c ~ 0xffffffff
  end
  local function chunk(kind, body) return string.pack(">I4", #body) .. kind .. body .. string.pack(">I4", crc(kind .. body)) end
  local rows = ("\0" .. string.pack(">I2", value):rep(colour == 0 and 2 or 6)):rep(2)
  local a, b = 1, 0
  for i = 1, #rows do
    a = (a + rows:byte(i)) % 65521
    b = (b + a) % 65521
  end
  return "\x89PNG\r\n\x1a\n" .. chunk("IHDR", string.pack(">I4I4BBBBB", 2, 2, 16, colour, 0, 0, 0)) ..
    chunk("IDAT", "\x78\1\1" .. string.pack("<I2I2", #rows, ~#rows & 0xffff) .. rows .. string.pack(">I2I2", b, a)) ..
    chunk("IEND", "")
end

describe("what is strange about pictures", function()
  it("is noted: sixteen bits, and a missing end, of files by themselves and in data sets", function()
    local folder = temp_folder()
    run("mkdir " .. folder .. "/k")
    local colour, grey, cut = folder .. "/k/colour.png", folder .. "/k/grey.png", folder .. "/k/cut.png"
    kit.spill(colour, png16(2, 0x8040))
    local said, x = noted(function() return image.load(colour) end)
    assert.truthy(said:find(colour .. ": sixteen-bit colour is read with eight bits", 1, true), said)
    assert.near(0x80 / 255, x[0][0][0]:item(), 1e-6)
    kit.spill(grey, png16(0, 0x0140))
    kit.spill(cut, png16(2, 0x4000):sub(1, -13))
    said, x = noted(function() return image.load(cut) end)
    assert.truthy(said:find("lacks its end, but no pixel", 1, true), said)
    assert.near(0x40 / 255, x[2][1][1]:item(), 1e-6)
    for threads = 0, 2 do
      local ds = data.folder(folder)
      said = noted(function() for _ in ds:batches(2, {threads = threads}) do end end)
      for _, what in ipairs {"colour.png: sixteen", "grey.png: sixteen-bit grey", "cut.png: the file lacks"} do
        assert.truthy(said:find(what, 1, true), said)
      end
      assert.truthy(noted(function() return ds[2] end):find("grey.png", 1, true))
    end
    said = noted(function() return image.preprocess(grey, {size = 4}) end)
    assert.truthy(said:find("sixteen-bit grey", 1, true))
    local own = data.dataset {n = 1, get = function() return grey, 0 end}
    assert.truthy(noted(function() return own:batch {0} end):find("sixteen-bit grey", 1, true))
    kit.spill(cut, png16(2, 0x4000):sub(1, -40)) -- pixels are missing
    fails("cut off", image.load, cut)
    run("rm -r " .. folder)
  end)

  it("is noted: means of bytes", function()
    local said = noted(function() return kit.shapes("source", 1):with {mean = {123.7, 116.3, 103.5}, std = 58} end)
    assert.truthy(said:find("mean is 123.7, but the values are in 0 … 1", 1, true))
    assert.equal("", (noted(function() return kit.shapes("source", 1):with {mean = 0.5, std = 0.5} end)))
  end)
end)
