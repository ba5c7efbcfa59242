--- Hooks: functions that see, and may replace, what goes through a module. Names and order of arguments are PyTorch's.
local fault = require "suture.base.fault"
local Module = require "suture.nn.module"
local journal = require "suture.base.journal"
local text = require "suture.base.text"

local Handle = {__name = "hook"}
Handle.__index = Handle

--- handle:remove(): takes the hook away again.
function Handle:remove()
  local list = {}
  for _, h in ipairs(rawget(self.module, "_hooks") or {}) do if h ~= self.hook then list[#list + 1] = h end end
  journal.change(nil, Module._set, self.module, "_hooks", #list > 0 and list or nil)
end

function Handle:__tostring()
  local there = false
  for _, h in ipairs(rawget(self.module, "_hooks") or {}) do there = there or h == self.hook end
  return text.safe(("%s hook of %s%s"):format(self.hook.kind, getmetatable(self.module).__name,
    there and ": h:remove() takes it away" or " (removed)"))
end

require "suture.base.stray".guard(Handle, "handle:", true)

local function register(m, what, kind, f, ...)
  if select("#", ...) > 0 then fault("%s: takes a function and nothing else", what) end
  if type(f) ~= "function" then fault("%s: expects a function, got %s", what, Module._shown(f)) end
  local hook = {kind = kind, f = f}
  local list = table.move(rawget(m, "_hooks") or {}, 1, #(rawget(m, "_hooks") or {}), 1, {})
  list[#list + 1] = hook
  journal.change(nil, Module._set, m, "_hooks", list)
  return setmetatable({module = m, hook = hook}, Handle)
end

--- m:register_forward_pre_hook(f): f(module, inputs) before each call of the module; inputs is a list. What it returns,
-- one value or a list, takes the inputs' place; nil leaves them. Returns a handle with handle:remove(). undo() takes
-- hooks away too.
function Module.register_forward_pre_hook(m, ...) return register(m, "register_forward_pre_hook", "pre", ...) end

--- m:register_forward_hook(f): f(module, inputs, output) after each call of the module; inputs is a list, output what
-- the module gave (a list where it gave several values). What f returns takes the output's place; nil leaves it. A hook
-- that has replaced something is drawn by m:graph(), for it runs; one that only looks is called when numbers are
-- computed, not when a graph is drawn. Returns a handle with handle:remove(). No file keeps hooks.
function Module.register_forward_hook(m, ...) return register(m, "register_forward_hook", "forward", ...) end

--- m:register_full_backward_hook(f): f(module, grad_inputs, grad_outputs) when backward() has the gradients with
-- respect to the module's inputs and outputs: lists, false where none flows. What f returns, one value or a list, takes
-- grad_inputs' place. Returns a handle with handle:remove().
function Module.register_full_backward_hook(m, ...)
  return register(m, "register_full_backward_hook", "backward", ...)
end

Module._methods()

return Module
