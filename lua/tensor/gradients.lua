--- Gradients: backward passes, and those who look at gradients on their way.
local core = require "suture.core"
local fault = require "suture.base.fault"
local graph, raw = core.graph, core.tensor

local gradients = {}

-- Places where somebody looks, by number: {inputs = {numbers}, outputs = {numbers}, f =}; both ends name the same
-- watch.
local watches, last, count = {}, 0, 0

local function prune()
  for _, tap in ipairs(graph.ended_taps()) do
    local w = watches[tap]
    watches[tap] = nil
    if w then
      w.alive = w.alive - 1
      if w.alive == 0 then count = count - 1 end
    end
  end
end

-- A value that is x and has no other user than who gets it: what flows through it flows through here alone.
local function apart(x)
  return graph.op("reshape", {x}, {shape = raw.shape(x)})
end

local function ends(w, list, values)
  for i = 1, values.n or #values do
    local x = values[i]
    if raw.is(x) and raw.requires_grad(x) then
      local y = apart(x)
      last = last + 1
      graph.tap(y, last)
      watches[last], list[last] = w, i
      w.alive = w.alive + 1
      values[i] = y
    end
  end
  return values
end

--- gradients.watch(f): a pair of ends between which gradients are looked at: watch.enter(values), watch.leave(values)
-- give the tensors that take those values' places. When backward() comes by, f(grad_inputs, grad_outputs) is called
-- with lists of tensors (false where none flows); what it returns, one tensor or a list, goes on in the place of
-- grad_inputs.
function gradients.watch(f)
  prune()
  local w = {f = f, inputs = {}, outputs = {}, alive = 0}
  count = count + 1
  return {
    enter = function(values)
      w.n_in = values.n or #values
      return ends(w, w.inputs, values)
    end,
    leave = function(values)
      w.n_out = values.n or #values
      return ends(w, w.outputs, values)
    end,
  }
end

-- The gradients at one side of a watch, by place; false where none flows.
local function side(places, n, at, grads)
  local list = {}
  for i = 1, n do list[i] = false end
  for tap, i in pairs(places) do list[i] = at[tap] and grads[at[tap]] or false end
  return list
end

-- Asks whoever watches beneath loss, the last first, and sets what they put in gradients' places. → gradients they saw.
-- recorded: not through what was made under no_grad, as in backward().
local function ask(loss, dy, changed, recorded)
  local at, order, seen = {}, {}, {}
  for _, pair in ipairs(graph.taps(loss)) do
    local w = watches[pair[1]]
    at[pair[1]] = pair[2]
    if w and w.outputs[pair[1]] and not seen[w] then
      seen[w] = true
      table.insert(order, 1, w)
    end
  end
  local shown = {}
  for _, w in ipairs(order) do
    local wrt, places = {}, {}
    for _, places_of in ipairs {w.inputs, w.outputs} do
      for tap in pairs(places_of) do
        if at[tap] then
          wrt[#wrt + 1] = at[tap]
          places[at[tap]] = #wrt
        end
      end
    end
    local mode = graph.grad_mode(false)
    local found = graph.grad(loss, wrt, dy, recorded)
    graph.grad_mode(mode)
    local grads = {}
    for x, i in pairs(places) do grads[x] = found[i] end
    for _, g in ipairs(found) do if g then shown[#shown + 1] = g end end
    local given = w.f(side(w.inputs, w.n_in, at, grads), side(w.outputs, w.n_out, at, grads))
    if given ~= nil then
      if raw.is(given) then given = {given} end
      if type(given) ~= "table" then
        fault("a backward hook returns the gradients of the inputs, or nothing, got %s", type(given))
      end
      if #given ~= w.n_in then
        fault("a backward hook returns as many gradients as its module has inputs, %d, got %d", w.n_in, #given)
      end
      for tap, i in pairs(w.inputs) do
        local g = given[i]
        if g and at[tap] then
          if not raw.is(g) then fault("a backward hook returns tensors, got %s", type(g)) end
          changed[#changed + 1] = at[tap]
          graph.instead(at[tap], g)
        end
      end
    end
  end
  return shown
end

--- gradients.backward(loss[, dy[, retain]]): what loss:backward() does.
function gradients.backward(loss, dy, retain)
  if count == 0 then return graph.backward(loss, dy, retain) end
  prune()
  local changed = {}
  local back <close> = setmetatable({}, {__close = function()
    for _, x in ipairs(changed) do graph.instead(x, nil) end
  end})
  local shown = ask(loss, dy, changed, true)
  graph.backward(loss, dy, retain, #shown > 0 and shown or nil)
end

--- gradients.of(y, list[, dy]): the gradients of y (summed, or weighted by dy) with respect to any tensors beneath
-- it, whether or not they require one: a list of tensors, false where there is no path. Nothing is added to x.grad.
function gradients.of(y, list, dy)
  local mode = graph.grad_mode(false)
  local back <close> = setmetatable({}, {__close = function() graph.grad_mode(mode) end})
  return graph.grad(y, list, dy)
end

--- gradients.watched(y, list): the same, and those who watch see the gradients on their way and may change them, as in
-- backward().
function gradients.watched(y, list)
  local changed = {}
  local back <close> = setmetatable({}, {__close = function()
    for _, x in ipairs(changed) do graph.instead(x, nil) end
  end})
  ask(y, nil, changed)
  return gradients.of(y, list)
end

--- gradients.retain(x): backward() keeps the gradient of x, which was computed, in x.grad.
function gradients.retain(x)
  if not raw.requires_grad(x) then
    fault("retain_grad: no gradient flows through this tensor: neither it nor what it was made of requires one "
      .. "(trace(m, x) gives gradients all the same)")
  end
  if raw.is_leaf(x) then return x end -- a leaf's is kept as it is
  raw.name(x)
  graph.retain(x)
  return x
end

return gradients
