--- Modes held for a while: a model in eval for measuring, and back to exactly what each module was.
local mode = {}

--- Runs f() with all of m in eval; every module's own mode is put back after, by an error too.
function mode.eval(m, f)
  local was = {}
  for module in m:modules() do was[module] = module.training end
  m:eval()
  local back <close> = setmetatable({}, {__close = function()
    for module, training in pairs(was) do rawset(module, "training", training) end
  end})
  return f()
end

return mode
