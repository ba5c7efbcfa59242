--- What running and training take: multiply-adds, parameters, memory. Planned, not run.
local core = require "suture.core"
local counts = require "suture.view.counts"
local fault = require "suture.base.fault"
local interrupt = require "suture.base.interrupt"
local journal = require "suture.base.journal"
local losses = require "suture.train.loss"
local mode = require "suture.train.mode"
local nn_trace = require "suture.nn.trace"
local options = require "suture.base.options"
local text = require "suture.base.text"
local trace = require "suture.model.outline"
local graph, raw = core.graph, core.tensor

local Cost = {__name = "cost"}
Cost.__index = Cost

-- Memory of a training step as gradients stand; nothing moves.
local function training(m, args)
  return trace.unseen(function()
    local ok, heads = interrupt.pcall(journal.rehearse, mode.train, m, function()
      return nn_trace.stilled(losses.heads, m, table.unpack(args))
    end)
    if not ok then return nil, (tostring(heads):gsub("^%S-:%d+: ", "")) end
    local out = heads[1]
    local want = raw.is(out) and out or (type(out) == "table" and (out[1] or select(2, next(out))))
    if not raw.is(want) or not want.requires_grad then return nil end
    local sum = want:sum()
    for i = 2, #heads do sum = sum + heads[i]:sum() end
    return graph.cost({sum}, true)
  end)
end

local known = options.known("cost", {input = "nil"})

-- m:cost(batch, opts): see view/init.lua.
local function cost(m, batch, opts)
  if type(batch) == "table" and opts == nil and not raw.is(batch) and batch[1] == nil then batch, opts = nil, batch end
  opts = options.check("cost", opts or {}, known)
  if batch == nil then batch = 1 end
  if math.type(batch) ~= "integer" or batch < 1 then
    fault("cost: batch expects a whole number above 0, got %s", options.show(batch))
  end
  local inputs = trace.inputs(m, "cost", opts.input)
  if not inputs then
    fault("cost: what goes in? Give a shape: m:cost(%d, {input = {1, 3, 224, 224}}), or set m.input_shape", batch)
  end
  local args, shapes = {}, {}
  for i, x in ipairs(inputs) do
    local s = raw.is(x) and raw.shape(x) or x
    shapes[i] = table.move(s, 1, #s, 1, {})
    if not opts.input or batch > 1 then shapes[i][1] = batch end
    args[i] = raw.full(shapes[i], 0)
  end
  local t = trace.run(m, shapes, "cost")
  if t.error then fault("cost: %s", (t.error:gsub("^%S-:%d+: ", ""))) end
  local c = setmetatable({batch = shapes[1][1], input = shapes[1], macs = 0}, Cost)
  for _, n in ipairs(t.nodes) do c.macs = c.macs + (n.macs or 0) end
  c.params, c.frozen_params = counts.all(m)
  c.trainable = c.params - c.frozen_params
  c.param_bytes = c.params * 4
  local run = trace.unseen(function() return graph.cost(t.result) end)
  c.inference_bytes, c.steps, c.scratch_bytes = run.values + run.outputs, run.steps, run.scratch

  local seed = core.engine.seed() -- dropout draws, backward through it too
  -- Today's frontier, then as if everything trained.
  local today, why = training(m, args)
  c.training_error = why
  local flags = {}
  for p in m:parameters() do flags[p] = raw.requires_grad(p) end
  local frozen = {}
  for sub in m:modules() do
    frozen[sub] = sub._frozen
    rawset(sub, "_frozen", false)
  end
  for p in pairs(flags) do raw.requires_grad(p, true) end
  local ok, all = pcall(training, m, args)
  for p, on in pairs(flags) do raw.requires_grad(p, on) end
  for sub, on in pairs(frozen) do rawset(sub, "_frozen", on) end
  core.engine.seed(seed)
  if not ok then error(all, 0) end
  if all then
    c.training_bytes, c.training_saved, c.gradient_bytes = all.values, all.saved, c.params * 4
    c.scratch_bytes = math.max(c.scratch_bytes, all.scratch)
  end
  if today then
    c.frontier_bytes, c.frontier_saved, c.frontier_gradient_bytes = today.values, today.saved, c.trainable * 4
  end
  return c
end

-- A row of Cost.__tostring; otherwise: what stands there where nothing trains.
local function training_row(label, bytes, saved, gradients, otherwise)
  return {
    label, bytes and text.bytes(bytes) or "--",
    bytes and ("%s kept for backward, gradients %s"):format(text.bytes(saved), text.bytes(gradients)) or otherwise,
  }
end

function Cost.__tostring(c)
  local rows = {
    {"multiply-adds", text.short(c.macs), c.batch > 1 and text.short(c.macs / c.batch) .. " a sample" or ""},
    {"parameters", text.count(c.params), text.bytes(c.param_bytes)
      .. (c.frozen_params > 0 and (", %s of them do not train"):format(text.count(c.frozen_params)) or "")},
    {"activations, inference", text.bytes(c.inference_bytes), text.plural(c.steps, "step")},
    training_row("activations, training all", c.training_bytes, c.training_saved, c.gradient_bytes,
      c.training_error or "nothing depends on a parameter"),
    training_row("activations, training today", c.frontier_bytes, c.frontier_saved, c.frontier_gradient_bytes,
      c.training_error or "nothing trains: no parameter requires a gradient"),
  }
  if c.scratch_bytes >= 2^20 then -- below that nobody misses it
    rows[#rows + 1] = {"scratch", text.bytes(c.scratch_bytes), "the most one step takes for itself, beside activations"}
  end
  local lines = text.table(rows, {{}, {align = "right"}, {}})
  table.insert(lines, 1, ("batch %d, input %s"):format(c.batch, text.shape(c.input)))
  return text.safe(table.concat(lines, "\n"))
end

return cost
