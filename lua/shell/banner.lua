-- The line that the prompt begins with.
local pcall = require("suture.base.interrupt").pcall
local suture = require "suture"

--- banner() → "Suture 0.1 · 2 threads, avx2 · ? for help, :lesson for a tour"; notebook: without the tour, which needs
-- a terminal.
return function(notebook)
  local parts = {}
  local ok, threads = pcall(function() return suture.threads() end)
  if ok and threads then parts[#parts + 1] = ("%d thread%s"):format(threads, threads == 1 and "" or "s") end
  local isa = suture.isa
  if type(isa) == "function" then
    local _, name = pcall(isa)
    isa = name
  end
  if type(isa) == "string" then parts[#parts + 1] = isa end
  local engine = #parts > 0 and table.concat(parts, ", ") .. " · " or ""
  return ("Suture %s · %s? for help%s"):format(suture.version, engine, notebook and "" or ", :lesson for a tour")
end
