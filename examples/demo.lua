#!/usr/bin/env suture
-- Transfer learning in a minute, offline: `make demo`, or `suture examples/demo.lua [DOMAIN]` with DOMAIN one of classes
-- (default), outline, textured, noisy. A small network that knows eight filled shapes learns something else from 20 pictures
-- a class: once with its trunk frozen and a new head, once from nothing, with the same pictures, epochs and batch.
local DOMAIN = arg[1] or "classes"
local EPOCHS, BATCH, PER_CLASS, SEED = 30, 16, 20, 1
local TRANSFER_LR, SCRATCH_LRS = 0.1, {0.1, 0.01}

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
local budget = {epochs = EPOCHS, batch = BATCH, momentum = 0.9, schedule = "cosine", seed = SEED}
local function with(more)
  local opts = {}
  for k, v in pairs(budget) do opts[k] = v end
  for k, v in pairs(more) do opts[k] = v end
  return opts
end
local transfer = fit(m, train, with{lr = TRANSFER_LR, val = val})
local measured = evaluate(m, val)
local rows = {{"transfer, head only", TRANSFER_LR, measured.acc, transfer.seconds}}

step("4. The same network from scratch: the same pictures, epochs and batch, the better of two learning rates")
local best
for _, lr in ipairs(SCRATCH_LRS) do
  seed(SEED)
  local fresh = zoo.cifar_resnet20{num_classes = #train.classes}
  local r = fit(fresh, train, with{lr = lr, quiet = true})
  local acc = evaluate(fresh, val).acc
  print(("lr %-5g %s · val %.3f"):format(lr, tostring(r), acc))
  if not best or acc > best[3] then best = {"from scratch", lr, acc, r.seconds} end
end
rows[2] = best

step("5. Accuracy on %d pictures that neither has seen; guessing gives %.3f", #val, 1 / #val.classes)
print(("%-22s %-6s %-9s %s"):format("", "lr", "accuracy", "training"))
for _, r in ipairs(rows) do print(("%-22s %-6g %-9.3f %.1f s"):format(table.unpack(r))) end
print(("transfer is right %.1f times as often"):format(rows[1][3] / rows[2][3]))

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
