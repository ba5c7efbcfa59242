#!/usr/bin/env suture
-- Counts what every architecture of the zoo costs. After adding one:
--   ./suture scripts/costs.lua > costs.new && mv costs.new lua/zoo/common/costs.lua
print "--- Parameters and multiply-adds of one picture (1000 or the weights' classes, their input size), counted by scripts/costs.lua."
print "return {"
for name in zoo.list() do
  print(("  %s = {%d, %d},"):format(name, zoo._count(name)))
  collectgarbage()
end
print "}"
