-- Suture's worker: reads "make MODEL KIND BATCH" and "run SECONDS" from standard input. To the second it answers the seconds of
-- each run, as many as begin before SECONDS are over, at least one.
local run

local function make(model, kind, batch)
  local net = zoo[model]()
  local size = model:match "^cifar_" and 32 or 224 -- as worker.py has it, whatever size a model's own weights want
  local x = randn(batch, 3, size, size)
  if kind == "forward" then
    net:eval()
    return function() no_grad(function() return net(x):sum():item() end) end
  end
  if kind == "dream" then
    local picture = rand(3, size, size)
    return function() return vis.dream(net, picture, {octaves = 3, steps = 20, seed = 1, quiet = true}).value end
  end
  if kind == "gradcam" then
    return function() return vis.gradcam(net, x):tensor():sum():item() end
  end
  net:train()
  local target = {}
  for i = 1, batch do target[i] = (i - 1) % 10 end
  local y, opt = tensor(target), optim.SGD(net:parameters(), {lr = 0.01, momentum = 0.9})
  return function()
    opt:zero_grad()
    local loss = F.cross_entropy(net(x), y)
    loss:backward()
    opt:step()
    return loss:item()
  end
end

for line in io.lines() do
  local model, kind, batch = line:match "^make (%S+) (%S+) (%d+)$"
  if model then
    run = make(model, kind, tonumber(batch))
    print "ready"
  else
    local seconds, times = tonumber(line:match "^run (%S+)$"), {}
    local start = suture.clock()
    local now = start
    repeat
      run()
      local before = now
      now = suture.clock()
      times[#times + 1] = ("%.6f"):format(now - before)
    until now - start >= seconds
    print(table.concat(times, " "))
  end
  io.flush()
end
