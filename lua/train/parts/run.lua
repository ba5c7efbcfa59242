--- run = "name": all of it is written to a folder (runs/writer.lua), of several ranks by the first.
local core = require "suture.core"
local writer = require "suture.train.runs.writer"

return {
  options = "run:any=nil",
  new = function(t)
    if t.options.run == nil or core.mpi.rank > 0 then return nil end
    return (t._writer or writer.new)(t)
  end,
}
