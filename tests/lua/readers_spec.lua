-- Readers: of tensors that are pictures, of one's own, of tables in text files.
local suture = require "suture"
local data, image, tensor = suture.data, suture.image, suture.tensor

local kit = require "kit"
local fails, run, temp_folder, spill, pass = kit.fails, kit.run, kit.temp_folder, kit.spill, kit.pass

local function shape(x) return {table.unpack(x.shape)} end

describe("data.tensors of pictures", function()
  it("augments and normalises them, the same for the same seed", function()
    local x, y = suture.rand(6, 3, 8, 8), tensor {0, 1, 0, 1, 0, 1}
    local plain = data.tensors(x, y)
    local ds = plain:with {augment = {flip = true, crop_pad = 2}, mean = 0.5, std = 0.5}
    assert.is_false(plain.random)
    assert.is_true(ds.random)
    local function first(opts) return (ds:batches(6, opts)()) end
    assert.is_true(first({seed = 1}):equal(first {seed = 1}))
    assert.is_false(first({seed = 1}):equal(first {seed = 2}))
    local still = first {augment = false}
    assert.is_true(((still * 0.5 + 0.5) - x):abs():max():item() <= 0.5 / 255 + 1e-6)
    assert.is_true((plain:batches(6)()):equal(x))
    fails("need x of shape (N, 1 or 3, H, W)", data.tensors, suture.rand(4, 2), tensor {0, 1, 1, 0}, {mean = 0.5})
  end)
end)

describe("data.dataset", function()
  local x, y = suture.randn(12, 4), tensor {0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2}
  local function get(i) return x[i], i % 3 end

  it("is what data.tensors of the same samples is", function()
    local ds, like = data.dataset {n = 12, get = get}, data.tensors(x, y)
    assert.equal(12, #ds)
    assert.same(like.classes, ds.classes)
    assert.same(like:labels(), ds:labels())
    assert.same(like:counts(), ds:counts())
    for _, opts in ipairs {{}, {shuffle = true, seed = 4}, {shuffle = true, seed = 4, drop_last = true}} do
      assert.equal(pass(like, 5, opts), pass(ds, 5, opts))
    end
    for i, part in ipairs {ds:split(0.5, {seed = 2})} do
      assert.equal(pass((select(i, like:split(0.5, {seed = 2}))), 4), pass(part, 4))
    end
    assert.equal(pass(like:take({per_class = 2}):shuffle(1), 3), pass(ds:take({per_class = 2}):shuffle(1), 3))
    assert.same({"1", "sample 4"}, {ds[4].class, ds[4].name})
    assert.equal("row-4", data.dataset({n = 12, get = get, name = function(i) return "row-" .. i end})[4].name)
    local m = suture.nn.Linear(4, 3)
    local start = suture.nn.Linear(4, 3)
    start:load_state_dict(m:state_dict())
    local a = suture.fit(m, ds, {val = ds, epochs = 2, seed = 1, quiet = true}).history[2]
    local b = suture.fit(start, like, {val = like, epochs = 2, seed = 1, quiet = true}).history[2]
    assert.same({b.loss, b.acc, b.val_loss}, {a.loss, a.acc, a.val_loss})
    assert.equal(suture.evaluate(start, like).loss, suture.evaluate(m, ds).loss)
    assert.equal(12, suture.confusion(m, ds).count)
    assert.is_true(suture.plan(m, ds).steps == 1)
    assert.equal(3, #suture.predict(m, (ds:batch {3}), 3)[1])
  end)

  it("asks for targets alone where it may, and for classes only when they are wanted", function()
    local gets, targets = 0, 0
    local ds = data.dataset {n = 12, get = function(i) gets = gets + 1 return x[i] end,
      target = function(i) targets = targets + 1 return i % 3 end}
    assert.same({0, 0}, {gets, targets})
    assert.same({"0", "1", "2"}, ds.classes)
    assert.same({0, 12}, {gets, targets})
    assert.same({0, 1, 2, 0}, {table.unpack(data.dataset({n = 12, get = get, labels = ds:labels()}):labels(), 1, 4)})
    local numbers = data.dataset {n = 12, get = function(i) return x[i], i / 7 + 0.5 end}
    assert.is_nil(numbers:labels())
    assert.same({}, numbers.classes)
    assert.equal("float32", select(2, numbers:batch {0, 1}).dtype)
    local vectors = data.dataset {n = 12, get = function(i) return x[i], x[i] * 2 end}
    local r = suture.fit(suture.nn.Linear(4, 4), vectors, {loss = "mse", epochs = 1, quiet = true})
    assert.is_truthy(r.history[1].loss and not r.history[1].acc)
  end)

  it("takes pictures with all that belongs to them", function()
    local folder = temp_folder()
    image.save(suture.rand(3, 9, 7), folder .. "/a.png")
    image.save(suture.rand(3, 9, 7), folder .. "/b.png")
    run(("mkdir %s/k && cp %s/a.png %s/b.png %s/k"):format(folder, folder, folder, folder))
    local files = {folder .. "/a.png", folder .. "/b.png"}
    local opts = {resize = {8, 8}, mean = 0.5, std = 0.5, augment = {flip = true, jitter = 0.4}}
    local like = data.folder(folder, opts)
    local given = {n = 2, get = function(i) return files[i + 1], 0 end, classes = {"k"},
      name = function(i) return files[i + 1] end}
    for k, v in pairs(opts) do given[k] = v end
    local ds = data.dataset(given)
    assert.is_true(ds.random)
    assert.equal(pass(like, 2, {seed = 5, epoch = 3}), pass(ds, 2, {seed = 5, epoch = 3}))
    assert.equal(pass(like:with {augment = false}, 2), pass(ds:with {augment = false}, 2))
    assert.same({3, 9, 7}, shape(data.dataset({n = 2, get = given.get, classes = {"k"}})[1][1]))
    assert.same({8, 8}, {ds.preprocess.resize[1], ds.preprocess.resize[2]})
    run("rm -r " .. folder)
  end)

  it("says what is wrong", function()
    fails("n is a whole number", data.dataset, {get = get})
    fails("get is a function", data.dataset, {n = 3})
    fails("did you mean labels", data.dataset, {n = 3, get = get, lables = {}})
    fails("labels has 2 entries for n = 3", data.dataset, {n = 3, get = get, labels = {0, 1}})
    fails("give one", data.dataset, {n = 1, get = get, labels = {0}, target = get})
    fails("holds class 2 but there are 2 names", data.dataset, {n = 3, get = get, labels = {0, 1, 2}, classes = {"a",
      "b"}})
    fails("get(1) gave nil for x", function() return data.dataset({n = 2, get = function(i) if i == 0 then return x[0],
      0 end end}):batch {0, 1} end)
    fails("the target of sample 0 is nil", function() return data.dataset({n = 2,
      get = function() return x[0] end}):batch {0} end)
    fails("x of sample 1 has shape (3), that of sample 0 (2)", function()
      return data.dataset({n = 2, get = function(i) return suture.zeros(2 + i), 0 end}):batch {0, 1}
    end)
    fails("mine: get(0) gave", function() return data.dataset({n = 1, where = "mine", get = function() return 3,
      0 end})[0] end)
    fails("/no/such.png: cannot open", function() return data.dataset({n = 1, get = function() return "/no/such.png",
      0 end}):batch {0} end)
    fails("no reader 'foldr'", function() return data.foldr end)
  end)
end)

describe("data.csv", function()
  local path = os.tmpname()
  teardown(function() os.remove(path) end)
  local function read(text, opts)
    spill(path, text)
    return data.csv(path, opts)
  end

  it("reads words, class indices and numbers as targets", function()
    local ds = read("a,b,kind\n1,2,x\n3,4.5,y\r\n\n-5e1, 6,x\n")
    assert.same({"x", "y"}, ds.classes)
    assert.same({0, 1, 0}, ds:labels())
    local xs, ys = ds:batch {0, 1, 2}
    assert.same({{1, 2}, {3, 4.5}, {-50, 6}}, xs:tolist())
    assert.same({0, 1, 0}, ys:tolist())
    ds = read("1;2;0\n3;4;1\n", {separator = ";", classes = {"no", "yes"}})
    assert.same({"no", "yes"}, ds.classes)
    assert.equal(2, #ds)
    ds = read("1,2,0\n3,4,1\n", {kind = "number"})
    assert.is_nil(ds:labels())
    assert.same({{0}, {1}}, select(2, ds:batch {0, 1}):tolist())
    ds = read("y,a,b\n0.5,1,2\n1.5,3,4", {target = "y"})
    assert.same({{0.5}, {1.5}}, select(2, ds:batch {0, 1}):tolist())
    assert.same({{1, 2}, {3, 4}}, (ds:batch {0, 1}):tolist())
    assert.same({7, 9}, read("7,1\n9,2\n", {target = 0, kind = "class", header = false}):labels())
    ds = read('name,"a ""b"", c",t\n1,2,"two\nlines"\n3,4,z\n')
    assert.same({"two\nlines", "z"}, ds.classes)
  end)

  it("trains what it reads", function()
    local lines = {"x,y"}
    for i = -10, 10 do lines[#lines + 1] = ("%g,%g"):format(i / 10, 3 * i / 10 - 1) end
    local ds = read(table.concat(lines, "\n"))
    local m = suture.nn.Linear(1, 1)
    suture.fit(m, ds, {loss = "mse", epochs = 60, lr = 0.1, batch = 7, quiet = true})
    assert.near(3, m.weight:item(), 0.05)
    assert.near(-1, m.bias:item(), 0.05)
  end)

  it("says where a file is wrong", function()
    fails("cannot open", data.csv, "/no/such.csv")
    fails("it is a folder", data.csv, "/tmp")
    fails("line 3: 1 fields, 2 are expected", read, "a,b\n1,2\n3\n")
    fails('line 3: column a is "NA", not a number', read, "a,b\n1,2\nNA,4\n")
    fails('line 1: a quote is not closed', read, '"a,b\n1,2\n')
    fails("follows a closing quote", read, '"a"b,c\n1,2\n')
    fails("did you mean 'species'", read, "a,species\n1,2\n", {target = "specis"})
    fails("no sample", read, "")
    fails("one column", read, "1\n2\n")
    fails("not a number", read, "a,b\n1,x\n", {kind = "number"})
    fails("did you mean target", read, "1,2\n", {taget = 1})
    fails("holds class 3 but there are 2 names", read, "1,3\n2,0\n", {classes = {"a", "b"}})
  end)
end)
