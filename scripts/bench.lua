-- The worker of scripts/bench: reads "make MODEL KIND BATCH" and "run" from standard input, answers seconds.
local run

local function make(model, kind, batch)
  local net = zoo[model]()
  local shape = net.input_shape
  local x = randn(batch, shape[2], shape[3], shape[4])
  if kind == "forward" then
    net:eval()
    return function() no_grad(function() return net(x):sum():item() end) end
  end
  net:train()
  local target = {}
  for i = 1, batch do target[i] = i - 1 end
  local y, opt = tensor(target), optim.SGD(net:parameters(), {lr = 0.01, momentum = 0.9})
  return function()
    opt:zero_grad()
    F.cross_entropy(net(x), y):backward()
    opt:step()
  end
end

for line in io.lines() do
  local model, kind, batch = line:match "^make (%S+) (%S+) (%d+)$"
  if model then
    run = make(model, kind, tonumber(batch))
    print "ready"
  else
    local start = suture.clock()
    run()
    print(suture.clock() - start)
  end
  io.flush()
end
