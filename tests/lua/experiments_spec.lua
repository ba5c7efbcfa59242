-- The kit of experiment scripts: options of the command line, tables of results, processes side by side, honest times.
local suture = require "suture"
local kit = require "kit"
local fails, near = kit.fails, kit.near
local folder = kit.temp_folder()
teardown(function() kit.run("rm -rf " .. folder) end)

local function read(path) return assert(io.open(path, "rb")):read "a" end

-- What a script that stock lua5.4 runs with the library prints; its exit code.
local function script(name, code, words)
  local path = ("%s/%s.lua"):format(folder, name)
  kit.spill(path, ("package.cpath, package.path = %q, %q\nlocal suture = require 'suture'\n%s"):format(package.cpath,
    package.path, code))
  local pipe = io.popen(("timeout 60 lua5.4 %s %s 2>&1; echo exit $?"):format(path, words or ""))
  local out = pipe:read "a"
  pipe:close()
  local text, status = out:match "^(.*)exit (%d+)\n$"
  return text, tonumber(status)
end

describe("options", function()
  local function declared(words)
    return suture.options {about = "A study.", args = words, {"data:str", "a folder"}, {"epochs:count=5", "passes"},
      {"lr:positive=0.1", "the rate"}, {"layers:ints=1,2", "which"}, {"kind:sgd|adam=sgd", "optimizer"},
      {"save_to:str=nil", "a file"}, {"quick:bool=false", "less"}, {"flip:bool=true", "pictures"},
      {"title:str", "words", default = "two words"}}
  end

  it("have the kinds and defaults that were declared", function()
    local o = declared {"here"}
    assert.same({"here", 5, 0.1, "sgd", false, true, "two words"},
      {o.data, o.epochs, o.lr, o.kind, o.quick, o.flip, o.title})
    assert.same({1, 2}, {table.unpack(o.layers)})
    assert.is_nil(o.save_to)
    o = declared {"here", "--epochs", "7", "--lr=1e-3", "--layers", "4", "--kind", "adam", "--quick", "--no-flip",
      "--save-to", "x y"}
    assert.same({7, 1e-3, 4, "adam", true, false, "x y"}, {o.epochs, o.lr, o.layers[1], o.kind, o.quick, o.flip,
      o.save_to})
    assert.equal("integer", math.type(o.epochs))
  end)

  it("refuse what does not fit, by name", function()
    fails("--epochs expects a whole number above 0, got 0", declared, {"here", "--epochs", "0"})
    fails('--kind expects "sgd" or "adam", got lion', declared, {"here", "--kind", "lion"})
    fails("unknown option '--epoch'", declared, {"here", "--epoch", "3"})
    fails("missing argument 'data'", declared, {})
    fails("too many arguments", declared, {"here", "there"})
    fails("epochs expects a whole number above 0, its default is", suture.options, {args = {}, {"epochs:count=x"}})
    fails("there is no kind \"cuont\"", suture.options, {args = {}, {"epochs:cuont=1"}})
    fails("no command line can say a tensor", suture.options, {args = {}, {"x:tensor=nil"}})
    fails("is there already", suture.options, {args = {}, {"a:int=1"}, {"a:int=2"}})
    fails("no option 'abuot'", suture.options, {abuot = "x"})
    fails("epoch", function() return declared({"x"}).epoch end)
  end)

  it("say what they are, and end the program with 2 where they do not fit", function()
    local code = [[local o = suture.options {about = "How many.", {"epochs:count=5", "passes over the pictures"}}
      print("epochs " .. o.epochs)]]
    local text, status = script("study", code, "--help")
    assert.equal(0, status)
    for _, part in ipairs {"Usage: study.lua", "How many.", "--epochs <epochs>", "passes over the pictures (default 5)"} do
      assert.is_truthy(text:find(part, 1, true), part)
    end
    text, status = script("study", code, "--epochs many")
    assert.equal(2, status)
    assert.is_truthy(text:find("study.lua: --epochs expects a whole number above 0, got many", 1, true), text)
    text, status = script("study", code, "--epochs 3")
    assert.same({"epochs 3\n", 0}, {text, status})
  end)
end)

describe("results", function()
  it("average over seeds, and print", function()
    local t = suture.results {by = "layers"}
    for _, row in ipairs {{10, 0, 0.5}, {2, 0, 0.25}, {2, 1, 0.75}, {10, 1, 0.5}} do
      t:add {layers = row[1], seed = row[2], acc = suture.tensor(row[3])}
    end
    local text = tostring(t)
    assert.is_truthy(text:find("2 +2 +0.5 ± 0.35\n10 +2 +0.5 ± 0$"), text)
    local mean, sd, n = t:mean("acc", {layers = 2})
    near({0.5, math.sqrt(0.125), 2}, {mean, sd, n})
    assert.same({2, 10}, {t:summary()[1].layers, t:summary()[2].layers})
    near(math.sqrt(0.125), t:summary()[1].acc_sd)
    assert.is_true(t:has {layers = 10, seed = 1})
    assert.is_false(t:has {layers = 10, seed = 2})
    assert.equal(0.75, t[3].acc)
    assert.equal(4, #t)
  end)

  it("are in their files as they grow, exactly, and are gone on with", function()
    local path = folder .. "/found"
    local t = suture.results {by = "name", save = path}
    t:add {name = 'a, "b"', seed = 0, x = 0.1}
    assert.equal('name,seed,x\n"a, ""b""",0,0.1\n', read(path .. ".csv"))
    t:add {name = "c", seed = 1, x = 1 / 3}
    t:add {name = "d", seed = 2, x = 0 / 0, more = true} -- another column
    assert.equal('name,seed,x,more\n"a, ""b""",0,0.1,\nc,1,0.3333333333333333,\nd,2,nan,true\n', read(path .. ".csv"))
    local again = suture.results {by = "name", save = path, resume = true}
    assert.equal(3, #again)
    assert.equal(1 / 3, again[2].x)
    assert.is_true(again[3].x ~= again[3].x and again[3].more)
    again:add {name = "e", seed = 0, x = 5}
    assert.equal(4, select(2, read(path .. ".jsonl"):gsub("\n", "")))
    local note = require "suture.base.note"
    local said, write = {}, note.write
    note.write = function(text) said[#said + 1] = text end
    suture.results {save = path .. ".csv"}:add {x = 1} -- what was there is kept
    note.write = write
    assert.equal("x\n1\n", read(path .. ".csv"))
    assert.is_truthy(read(path .. ".csv~"):find "\ne,0,5")
    assert.is_truthy(said[1]:find("found.csv~ now", 1, true))
    again:save(folder .. "/all.jsonl")
    assert.equal(read(path .. ".jsonl"), read(folder .. "/all.jsonl"))
  end)

  it("take back what somebody else wrote into their file, and lose nothing of their own", function()
    local path = folder .. "/taken.csv"
    local t = suture.results {save = path}
    t:add {a = 1}
    kit.spill(path, "nonsense")
    t:add {a = 2}
    assert.equal("a\n1\n2\n", read(path))
  end)

  it("refuse what makes no sense, by name", function()
    local t = suture.results {by = {"layers"}, columns = {"seed", "acc"}}
    fails("the row has no layers", t.add, t, {acc = 1})
    fails("results: no option 'ac' (options: acc, layers, seed)", t.add, t, {layers = 1, ac = 1})
    fails("acc is a table", t.add, t, {layers = 1, acc = {}})
    fails("a row is a table of figures by name", t.add, t, {})
    fails("add is called with a colon", t.add, {layers = 1})
    fails("cannot be set", function() t[1] = {} end)
    fails("resume reads JSON lines", suture.results, {save = "x.csv", resume = true})
    fails("no option 'bye'", suture.results, {bye = 1})
    fails("sav", function() return t.sav end)
  end)
end)

describe("parallel and seeds", function()
  it("give what f gives, whatever is there and however many work, and change nothing here", function()
    local m, here = suture.nn.Linear(3, 2), {n = 1}
    local before = kit.copies(m)
    local function f(k, i)
      here.n = here.n + k
      m.weight:zero_()
      return {k = k, i = i, draw = suture.rand(1):item(), m = m, x = suture.full({2}, k), list = {1, 2.5, "a\nb"}}
    end
    local one, two = suture.parallel({5, 6, 7}, f, {jobs = 1}), suture.parallel({5, 6, 7}, f, {jobs = 3})
    for i = 1, 3 do
      assert.same({4 + i, i}, {two[i].value.k, two[i].value.i})
      assert.equal(one[i].value.draw, two[i].value.draw)
      assert.same({4 + i, 4 + i}, two[i].value.x:tolist())
      assert.same({1, 2.5, "a\nb"}, {table.unpack(two[i].value.list)})
      assert.equal(0, two[i].value.m.weight:abs():sum():item())
      assert.is_true(two[i].memory > 2 ^ 20 and two[i].seconds > 0 and two[i].cpu >= 0)
    end
    assert.is_true(one[1].value.draw ~= one[2].value.draw)
    assert.equal(1, here.n)
    assert.is_nil(kit.first_difference(before, kit.copies(m)))
    assert.equal(7, two.values[3].k)
  end)

  it("adds the rows of all to the table here", function()
    local t = suture.results {by = "k", save = folder .. "/rows.csv"}
    suture.parallel({1, 2}, function(k)
      t:add {k = k, seed = 0, x = 1 / k}
      suture.seeds(2, function(s) t:add {k = k, seed = 1 + s, x = 0} end, {jobs = 2}) -- copies of a copy
    end)
    assert.equal(6, #t)
    assert.is_true(t:has {k = 2, seed = 0, x = 0.5} and t:has {k = 1, seed = 2, x = 0})
    assert.equal(7, select(2, read(folder .. "/rows.csv"):gsub("\n", "")))
  end)

  it("tells of what fails and of what takes too long, and the others go on", function()
    local note = require "suture.base.note"
    local said, write = {}, note.write
    note.write = function(text) said[#said + 1] = text end
    local r = suture.parallel({1, 2, 3, 4}, function(k)
      if k == 2 then error "two is too many" end
      if k == 3 then os.execute "sleep 1000" end
      if k == 4 then return print end
      return k
    end, {timeout = 2, jobs = 4, quiet = true})
    note.write = write
    assert.equal(1, r[1].value)
    assert.is_truthy(r[2].error:find("two is too many", 1, true))
    assert.is_true(r[3].late and r[3].error == "took longer than 2 seconds")
    assert.is_truthy(r[4].error:find("which a file cannot hold", 1, true))
    assert.equal(3, #said)
    assert.is_truthy(tostring(r):find("3 failed, as 2", 1, true))
    fails("two is too many", function() return r.values end)
    fails("none ended well, as the first: ", suture.parallel, {1}, function() error "no" end, {quiet = true})
  end)

  it("shows what is printed in order", function()
    local text, status = script("order", [[
      suture.parallel({1, 2, 3}, function(k)
        os.execute("sleep " .. (0.3 - k / 10))
        print("piece " .. k)
        return k
      end, {jobs = 3})]])
    assert.same({"piece 1\npiece 2\npiece 3\n", 0}, {text, status})
  end)

  it("seeds before each piece, in processes as here", function()
    local function f(s) return {seed = s, x = suture.rand(1):item()} end
    local here, there = suture.seeds(3, f), suture.seeds(3, f, {jobs = 2})
    for i = 1, 3 do assert.same(here[i].value, there[i].value) end
    assert.equal(7, suture.seeds({7}, f)[1].value.seed)
    assert.is_truthy(tostring(here):find "mean +1 ± 1")
    fails("expects a whole number of seeds above 0", suture.seeds, 0, f)
    fails("seeds(n, f) is f for n seeds", suture.parallel, 3, f)
    fails("timeout goes with jobs", suture.seeds, 1, f, {timeout = 3})
  end)

  it("leaves no process behind, however it ends", function()
    script("killed", ([[
      local function mark(name)
        io.open("%s/" .. name, "w"):write(io.open "/proc/self/stat":read "n"):close()
      end
      mark "whole"
      suture.parallel({1, 2}, function(k)
        mark("alive-" .. k)
        os.execute "sleep 30"
      end, {jobs = 2})]]):format(folder), ("& for k in 1 2; do n=0; while [ ! -s %s/alive-$k -a $n -lt 600 ]; do " ..
        "sleep 0.05; n=$((n + 1)); done; done; kill -9 $(cat %s/whole)"):format(folder, folder))
    for k = 1, 2 do
      local path = ("/proc/%s/stat"):format(read(("%s/alive-%d"):format(folder, k)))
      for _ = 1, 100 do
        local stat = io.open(path)
        local state = stat and stat:read "a":match "%) (%a)"
        if not state or state == "Z" then path = nil break end
        kit.run "sleep 0.05"
      end
      assert.is_nil(path)
    end
  end)
end)

describe("timeit", function()
  it("computes what it times", function()
    local m, x = suture.nn.Linear(4, 4):eval(), suture.randn(2, 4)
    local y
    local t = suture.timeit(function()
      y = m(x)
      return {y}
    end, {runs = 3, number = 2, warmup = 1})
    assert.is_true(suture.core.graph.known(y))
    assert.same({3, 2, 3}, {t.runs, t.number, #t.times})
    assert.is_true(t.min <= t.low and t.low <= t.median and t.median <= t.high and t.high <= t.max)
    assert.equal(suture.threads(), t.threads)
    assert.is_nil(tostring(t):find "nothing was computed")
    local n = 0
    t = suture.timeit(function()
      n = n + 1
      m(x)
    end, {runs = 2, number = 1, warmup = 0})
    assert.is_truthy(tostring(t):find "nothing was computed")
    fails("no such thing", suture.timeit, function() error "no such thing" end)
    fails("give one", suture.timeit, print, {runs = 2, seconds = 3})
    fails("medain", function() return t.medain end)
  end)
end)
