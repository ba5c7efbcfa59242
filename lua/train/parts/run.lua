--- run = "name": all of it is written to a folder (runs/writer.lua).
local writer = require "suture.train.runs.writer"

return {
  options = "run:any=nil",
  new = function(t)
    if t.options.run == nil then return nil end
    return (t._writer or writer.new)(t)
  end,
}
