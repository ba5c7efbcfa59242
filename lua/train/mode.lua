--- Modes held for a while: a model in eval for measuring, in train for a step that is only tried, and back to exactly
-- what each module was.
local core = require "suture.core"
local interrupt = require "suture.base.interrupt"
local mode = {}

--- Runs f() with all of m in eval.
function mode.eval(m, f)
  return m:_held(function()
    m:_mode(false)
    return f()
  end)
end

--- Runs f() with m as fit trains it: all of it in train, unless m is (then its parts are as they were set).
function mode.train(m, f)
  return m:_held(function()
    if not m.training then m:_mode(true) end
    return f()
  end)
end

--- mode.kept(m): a value to be closed, which puts back what a training step moves but for weights: running statistics
-- and other buffers, gradients, the random generator, the input m knows.
function mode.kept(m)
  local buffers, copies, grads = {}, {}, {}
  for b in m:buffers() do buffers[#buffers + 1], copies[#copies + 1] = b, core.tensor.clone(b) end
  for p in m:parameters() do grads[p] = p.grad or false end
  local seed, input = core.engine.seed(), rawget(m, "_last_input")
  return setmetatable({}, {__close = function()
    local whole <close> = interrupt.defer()
    core.graph.drop_effects() -- of a step that was stopped half-way
    core.rows.copy(buffers, copies)
    for p, grad in pairs(grads) do p.grad = grad or nil end
    core.engine.seed(seed)
    rawset(m, "_last_input", input)
  end})
end

return mode
