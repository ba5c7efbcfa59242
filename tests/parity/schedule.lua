-- For tests/parity/schedule.py: FILE holds a line of Lua for each case: an expression of (S, make) that gives the optimizer
-- and the scheduler, a tab, and how step is called. Writes the rates and momenta of 40 steps, a line for each case.
local S = optim.lr_scheduler
local function make(kind, options)
  local p = nn.Linear(2, 2):parameters()
  return optim[kind or "SGD"]({{params = {p[1]}}, {params = {p[2]}, lr = 0.03}}, options or {lr = 0.1, momentum = 0.9})
end
for line in io.lines(arg[1]) do
  local code, step = line:match "^(.-)\t(.*)$"
  local opt, s = assert(load("local S, make = ... " .. code))(S, make)
  local step_of = assert(load("return function(i) return " .. step .. " end"))()
  local out = {}
  for i = 0, 39 do
    for _, group in ipairs(opt.param_groups) do
      out[#out + 1] = ("%.17g"):format(group.lr)
      if opt.kind == "SGD" then out[#out + 1] = ("%.17g"):format(group.momentum)
      else out[#out + 1] = ("%.17g"):format(group.betas[1]) end
    end
    s:step(step_of(i))
  end
  print(table.concat(out, " "))
end
