--- The processes that mpirun launched together, as far as the library is another in one of several: one tells what
-- there is to tell and writes files, unless each works alone. core.mpi says more.
local mpi = require("suture.core").mpi
local ranks = {}
local apart = 0

--- Is this one of several processes that do the same together?
function ranks.together() return mpi.size > 1 and apart == 0 end

--- Is this the process that tells and writes?
function ranks.first() return mpi.rank == 0 or apart > 0 end

--- Inside the block each process works alone: local alone <close> = ranks.alone().
function ranks.alone()
  apart = apart + 1
  return setmetatable({}, {__close = function() apart = apart - 1 end})
end

--- Waits for all; → whether any said `stop`.
function ranks.meet(stop) return mpi.size > 1 and mpi.sums(stop and 1 or 0) > 0 end

return ranks
