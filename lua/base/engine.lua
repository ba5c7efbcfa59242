-- What a user may ask of the engine as a whole.
local core = require("suture.core").engine
local engine = {}

--- suture.threads([n]): how many threads compute, after making it n (1 to 1024; at first one per core). Numbers do not
-- depend on it.
function engine.threads(n) return core.threads(n) end

--- suture.clock(): seconds of a clock that only goes forward, to take the difference of two readings.
function engine.clock() return core.clock() end

return require "suture.base.stray".guard(engine)
