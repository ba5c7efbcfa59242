--- run = "name": all of it is written to a folder (runs/writer.lua), of several ranks by the first.
local ranks = require "suture.base.ranks"
local writer = require "suture.train.runs.writer"

return {
  options = "run:any=nil",
  new = function(t)
    if t.options.run == nil or not ranks.first() then return nil end
    return (t._writer or writer.new)(t)
  end,
}
