#!/usr/bin/env suture
-- Transfer learning in a minute, offline: `make demo`, or `suture examples/demo.lua [DOMAIN]` with DOMAIN one of classes
-- (default), outline, textured, noisy. A small network that knows eight filled shapes learns something else from 20 pictures
-- a class: once with its trunk frozen and a new head, and from nothing, with the same pictures and batch: two learning
-- rates are tried there with the same epochs, the larger also with three times as many, and the best of all counts.
local DOMAIN = arg[1] or "classes"
local EPOCHS, BATCH, PER_CLASS, SEED = 30, 16, 20, 1
local TRANSFER = {optimizer = "sgd", lr = 0.03}
local SCRATCH = {{optimizer = "sgd", lr = 0.01}, {optimizer = "sgd", lr = 0.1}, {optimizer = "sgd", lr = 0.1, epochs = 3 * EPOCHS}}

local here = arg[0]:match "^(.*/)" or ""
local function step(text, ...) print("\n" .. text:format(...)) end
local function frozen_count(m)
  local trains, all = 0, 0
  for p in m:parameters() do
    all = all + p:numel()
    if p.requires_grad then trains = trains + p:numel() end
  end
  return trains, all
end
local began = suture.clock()

step "1. A network that knows circles, hearts and stars (examples/shapes-resnet20.log says how it was trained)"
local m = open(here .. "shapes-resnet20.safetensors")
if m.graph then print(m:graph{depth = 1}) else print(m) end

step("2. %d pictures a class of something else: %s", PER_CLASS, DOMAIN)
local train = data.shapes{domain = DOMAIN, n = PER_CLASS, split = "train", transform = m}
local val = data.shapes{domain = DOMAIN, n = 100, split = "val", transform = m}
print(train)
print(val)

step "3. Freeze everything, sew on a new head, train"
seed(SEED)
m:freeze()
m.linear = nn.Linear(m.linear.in_features, #train.classes)
local trains, all = frozen_count(m)
print(("%d of %d parameters train; the others, and all BatchNorm statistics, stand still"):format(trains, all))
local budget = {epochs = EPOCHS, batch = BATCH, schedule = "cosine", seed = SEED}
local function with(how, more)
  local opts = {}
  for _, t in ipairs {budget, how, more} do
    for k, v in pairs(t) do opts[k] = v end
  end
  return opts
end
local transfer = fit(m, train, with(TRANSFER, {val = val}))
local measured = evaluate(m, val)
local rows = {}
local function row(name, how, r, m, acc)
  rows[#rows + 1] = {name, #r.history, how.optimizer, how.lr, evaluate(m, train).acc, acc, r.seconds}
end
row("transfer, head only", TRANSFER, transfer, m, measured.acc)

step "4. The same network from scratch: the same pictures, epochs and batch, two learning rates; one with three times the epochs"
local function scratch(how)
  seed(SEED)
  local fresh = zoo.cifar_resnet20{num_classes = #train.classes}
  local r = fit(fresh, train, with(how, {quiet = true}))
  local acc = evaluate(fresh, val).acc
  print(("%-4s lr %-5g %s · val %.3f"):format(how.optimizer, how.lr, tostring(r), acc))
  row("from scratch", how, r, fresh, acc)
  return acc
end
local best = 0
for _, how in ipairs(SCRATCH) do best = math.max(best, scratch(how)) end

step("5. Accuracy on the %d pictures trained on, and on %d that none of them has seen; guessing gives %.3f", #train, #val,
  1 / #val.classes)
print(("%-20s %6s  %-9s %6s  %8s  %8s  %8s"):format("", "epochs", "optimizer", "lr", "trained", "unseen", "training"))
for _, r in ipairs(rows) do print(("%-20s %6d  %-9s %6g  %8.3f  %8.3f  %6.1f s"):format(table.unpack(r))) end
print(("of unseen pictures transfer has %.0f%% wrong, the best from scratch %.0f%%")
  :format(100 * (1 - measured.acc), 100 * (1 - best)))

step "6. Saved, surgery included, and opened again"
local cache = os.getenv "XDG_CACHE_HOME"
if not cache or cache == "" then cache = (os.getenv "HOME" or "/tmp") .. "/.cache" end
local folder = cache .. "/suture"
os.execute("mkdir -p '" .. folder:gsub("'", "'\\''") .. "'")
local path = folder .. "/demo.safetensors"
m:save(path)
local again = evaluate(open(path), val)
print(path)
assert(again.correct == measured.correct and again.loss == measured.loss, "the opened model differs from the saved one")
print(("opened again it gives the same: %d of %d right, loss %.4f"):format(again.correct, again.count, again.loss))
print(("\n%.0f s in all. Now yours: ./suture, then m = open(%q)"):format(suture.clock() - began, path))
