-- Runs: what fit{run = …} writes, how it is read, and that a run that was stopped goes on to the same bits.
local suture = require "suture"
suture.history(true)
local nn, data = suture.nn, suture.data
local kit = require "kit"
local note = require "suture.base.note"
local fails = kit.fails
local folder = kit.temp_folder()
teardown(function() kit.run("chmod -R u+w " .. folder .. "; rm -rf " .. folder) end)

-- f() and what was noted meanwhile.
local function noted(f)
  local said, write = {}, note.write
  note.write = function(text) said[#said + 1] = text end
  local got = table.pack(pcall(f))
  note.write = write
  assert(got[1], got[2])
  return table.concat(said, "\n"), table.unpack(got, 2, got.n)
end

local function net()
  suture.seed(3)
  return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    nn.Dropout(0.3), nn.Linear(4, 8))
end

local train, val = kit.shapes("source", 3), kit.shapes("source", 2, "val")

local function options(run, more)
  local o = {val = val, epochs = 5, batch = 7, seed = 9, quiet = true, optimizer = "adam", lr = 0.01, run = run,
    schedule = "cosine"}
  for k, v in pairs(more or {}) do o[k] = v end
  return o
end

-- All numbers of a model and the figures of its training.
local function digest(m, r)
  local parts = {}
  for name, t in pairs(m:state_dict()) do parts[#parts + 1] = name .. suture.core.digest.tensor(t) end
  for _, row in ipairs(r.history) do parts[#parts + 1] = ("%a %a"):format(row.loss, row.val_loss) end
  return table.concat(parts, "\n")
end

-- Trains until on_step has been called `steps` times, and stops with an error there, as a crash would.
local function stopped(run, m, steps, more)
  local n = 0
  local o = options(run, more)
  o.on_step = function()
    n = n + 1
    if n == steps then error "stop here" end
  end
  local ok, why = pcall(suture.fit, m, train, o)
  assert(not ok and tostring(why):find "stop here", why)
end

describe("a run", function()
  it("writes its folder, which can be opened, listed, compared and drawn", function()
    local home = folder .. "/first"
    local m = net()
    local r = suture.fit(m, train, options(home .. "/a", {best = true}))
    assert.equal(home .. "/a", r.run)
    suture.fit(net(), train, options(home .. "/b", {lr = 0.5, epochs = 2}))
    local list = suture.runs(home)
    assert.equal(2, #list)
    local a = list.a
    assert.equal("done", a.state)
    assert.equal(5, #a.history)
    assert.equal(r.history[5].val_loss, a.history[5].val_loss)
    assert.equal(9, a.seed)
    assert.equal(r.best_epoch, a.best.epoch)
    local text = tostring(list)
    assert.is_truthy(text:find("lr", 1, true) and text:find("0.5", 1, true) and text:find("epochs", 1, true))
    assert.is_nil(text:find("batch", 1, true)) -- the same in both
    assert.equal(2, #suture.plot(list).panels)
    assert.is_nil(kit.first_difference(kit.copies(m), kit.copies(suture.open(home .. "/a/best.safetensors"))))
    assert.is_truthy(suture.open(home .. "/b/last.safetensors"))
    fails("no run c in", function() return list.c end)
    fails("there are: a, b", suture.resume, home .. "/other")
    fails("cannot open the folder", suture.runs, folder .. "/nowhere")
    assert.is_truthy(tostring(suture.runs()):find("no runs in runs", 1, true))
  end)

  it("is not written over, and its name is a name", function()
    fails("is there already (5 epochs, done)", suture.fit, net(), train, options(folder .. "/first/a"))
    for _, name in ipairs {"", "..", 3, "a/", "new\nline"} do
      fails("expects the name of a run", suture.fit, net(), train, options(name))
    end
    fails("did you mean run?", suture.fit, net(), train, {rum = "a"})
  end)

  for name, more in pairs {plain = {}, frozen = {}, sampled = {sampler = "balanced"}, cut = {drop_last = true},
    best = {best = true, optimizer = "sgd"}, mixed = {mixup = 0.2, ema = 0.9}} do
    it("goes on to the same bits after a stop anywhere: " .. name, function()
      local function made()
        local m = net()
        if name == "frozen" or name == "sampled" or name == "cut" then m:freeze "0" m:freeze "1" end
        return m
      end
      local m = made()
      local r = suture.fit(m, train, options(nil, more))
      local want = digest(m, r)
      for i, steps in ipairs {1, 5, 9, 14} do
        local run = ("%s/%s-%d"):format(folder, name, i)
        stopped(run, made(), steps, more)
        assert.equal("failed", suture.runs(folder)[("%s-%d"):format(name, i)].state)
        suture.seed(100 + i)
        fails("on_step = ", suture.resume, run)
        local got, again = suture.resume(run, {on_step = false, quiet = true})
        assert.equal(want, digest(got, again), "stopped at step " .. steps)
      end
    end)
  end

  it("remembers its teacher, its augmentation and an optimizer of one's own", function()
    local teacher = net():eval()
    local function run(path, steps)
      local m = net()
      suture.seed(21)
      local o = {teacher = teacher, optimizer = suture.optim.SGD({{params = m[0]:parameters(), lr = 0.01},
        {params = m[1]:parameters()}, {params = m[6]:parameters(), momentum = 0}}, {lr = 0.1, momentum = 0.9})}
      local function given()
        local all = options(path, o)
        all.lr = nil
        return all
      end
      local ds = kit.shapes("source", 3):with {augment = {flip = 0.5}}
      if not steps then return digest(m, suture.fit(m, ds, given())) end
      local n = 0
      o.on_epoch = function() n = n + 1 if n == steps then error "stop here" end end
      assert.is_false(pcall(suture.fit, m, ds, given()))
      return digest(suture.resume(path, {on_epoch = false, quiet = true}))
    end
    assert.equal(run(folder .. "/taught"), run(folder .. "/taught2", 3))
  end)

  it("goes on for longer, and says what it cannot open itself", function()
    local m = net()
    suture.fit(m, train, options(folder .. "/short", {epochs = 2, schedule = "constant"}))
    local _, r = suture.resume(folder .. "/short", {epochs = 5, quiet = true})
    local other = net()
    local want = suture.fit(other, train, options(nil, {schedule = "constant"}))
    assert.equal(want.history[5].val_loss, r.history[5].val_loss)
    fails("epochs = 3, but the run", suture.resume, folder .. "/short", {epochs = 3})
    local x, y = suture.randn(6, 2), suture.tensor {0, 1, 0, 1, 0, 1}
    local ds = data.tensors(x, y)
    suture.fit(nn.Linear(2, 2), ds, {run = folder .. "/tensors", epochs = 1, quiet = true})
    fails('resume("tensors", {train = …}) gives it', suture.resume, folder .. "/tensors")
    fails("train is not what the run was trained with", suture.resume, folder .. "/tensors",
      {train = data.tensors(x + 1, y), quiet = true})
    fails("had no val", suture.resume, folder .. "/tensors", {train = ds, val = ds})
    suture.resume(folder .. "/tensors", {train = data.tensors(x:clone(), y), epochs = 2, quiet = true})
    fails("no option 'lr'", suture.resume, folder .. "/tensors", {lr = 1})
    suture.fit(nn.Linear(2, 2), ds, {run = folder .. "/own", epochs = 1, quiet = true,
      loss = function(p, t) return suture.F.cross_entropy(p, t) end})
    fails("trained with loss = ", suture.resume, folder .. "/own", {train = ds})
  end)

  it("trains on where nothing can be written, and says so", function()
    local inside = folder .. "/locked"
    kit.spill(inside, "a file where a folder is expected")
    local said, r = noted(function() return suture.fit(net(), train, options(inside .. "/a")) end)
    assert.equal(5, #r.history)
    assert.is_truthy(said:find("training goes on, but the folder was not written", 1, true), said)
    local run = folder .. "/torn"
    said, r = noted(function()
      return suture.fit(net(), train, options(run, {on_epoch = function(row)
        if row.epoch ~= 2 then return end
        for _, name in ipairs {"state.safetensors", "metrics.jsonl", "last.safetensors", "best.safetensors"} do
          kit.run(("rm -rf %s/%s; mkdir -p %s/%s/x"):format(run, name, run, name))
        end
      end}))
    end)
    assert.equal(5, #r.history)
    assert.is_truthy(said:find("training goes on, but", 1, true), said)
    assert.is_truthy(said:find("not written, or not their newest: best.safetensors", 1, true), said)
  end)

  it("says that the disk is full", function()
    local full = io.open("/dev/full", "w")
    if not full then pending "there is no /dev/full" return end
    full:close()
    local run = folder .. "/full"
    local said, r = noted(function()
      return suture.fit(net(), train, options(run, {on_epoch = function(row)
        if row.epoch == 2 then kit.run(("ln -sf /dev/full %s/metrics.jsonl"):format(run)) end
      end}))
    end)
    assert.equal(5, #r.history)
    assert.is_truthy(said:find("metrics.jsonl", 1, true) and said:find("training goes on", 1, true), said)
    kit.run("rm -f " .. run .. "/metrics.jsonl") -- it has no end
    assert.equal(0, #suture.runs(folder).full.history)
  end)

  it("is read for TensorBoard: whole records with right checks", function()
    local bytes = assert(io.open(folder .. "/first/a/events.out.tfevents.suture", "rb")):read "a"
    local function crc(s) -- by bits, another way than the table's
      local c = 0xffffffff
      for i = 1, #s do
        c = c ~ s:byte(i)
        for _ = 1, 8 do c = c & 1 == 1 and c >> 1 ~ 0x82f63b78 or c >> 1 end
      end
      c = ~c & 0xffffffff
      return ((c >> 15 | c << 17) + 0xa282ead8) & 0xffffffff
    end
    assert.equal(0xe3069283, (function() -- CRC-32C of "123456789" (RFC 3720), unmasked
      local m = crc "123456789"
      local r = (m - 0xa282ead8) & 0xffffffff
      return (r >> 17 | r << 15) & 0xffffffff
    end)())
    local at, n = 1, 0
    while at <= #bytes do
      local length = string.unpack("<I8", bytes, at)
      assert.equal(crc(bytes:sub(at, at + 7)), (string.unpack("<I4", bytes, at + 8)))
      local message = bytes:sub(at + 12, at + 11 + length)
      assert.equal(crc(message), (string.unpack("<I4", bytes, at + 12 + length)))
      if n == 0 then assert.is_truthy(message:find("brain.Event:2", 1, true))
      else assert.is_truthy(message:find("loss/val", 1, true)) end
      at, n = at + 16 + length, n + 1
    end
    assert.equal(6, n)
  end)

  it("ends in the same bits after kill -9", function()
    local script = folder .. "/killed.lua"
    kit.spill(script, ([[
      package.cpath = %q
      local suture = require "suture"
      local nn = suture.nn
      suture.seed(3)
      local m = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Dropout(0.3), nn.Linear(4, 8))
      local function shapes(n, split)
        return suture.data.shapes {domain = "source", n = n, split = split, seed = 3}
      end
      suture.fit(m, shapes(3), {val = shapes(2, "val"), epochs = 40, batch = 7, seed = 9, quiet = true, run = arg[1]})
    ]]):format(package.cpath))
    local m = net()
    local want = digest(m, suture.fit(m, train, {val = val, epochs = 40, batch = 7, seed = 9, quiet = true}))
    local begun = 0
    for i, seconds in ipairs {0.3, 0.6, 1.1} do
      local run = ("%s/killed-%d"):format(folder, i)
      os.execute(("lua5.4 %s %s 2>/dev/null & p=$!; sleep %g; kill -9 $p; wait $p 2>/dev/null"):format(script, run,
        seconds))
      local f = io.open(run .. "/state.safetensors")
      if f then
        f:close()
        begun = begun + 1
        local got, r = suture.resume(run, {quiet = true})
        assert.equal(want, digest(got, r))
      end
    end
    if begun == 0 then pending "the machine was too slow to begin a run in a second" end
  end)
end)
