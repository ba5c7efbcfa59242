#!/usr/bin/env suture
-- Counts what architectures of the zoo cost, for `counted` in the files of their families:
--   ./suture scripts/costs.lua            of every family
--   ./suture scripts/costs.lua FAMILY…    of these, those too whose file has no such table yet
local catalogue = require "suture.zoo.common.catalogue"

local families = table.move(arg, 1, #arg, 1, {})
if #families == 0 then
  for name in catalogue.families() do families[#families + 1] = name end
end
for _, name in ipairs(families) do
  local family = require("suture.zoo." .. name)
  zoo._register(name, family)
  local names = {}
  for variant in pairs(family.variants) do names[#names + 1] = variant end
  table.sort(names, catalogue.before)
  print("-- lua/zoo/" .. name .. ".lua\nlocal counted = {")
  for _, variant in ipairs(names) do
    print(("  %s = {%d, %d, %d},"):format(variant, zoo._count(variant)))
    collectgarbage()
  end
  print "}"
end
