--- resume: a run goes on from what lies in its folder.
local again = require "suture.train.runs.again"
local note = require "suture.base.note"

--- resume(run[, {train =, val =, …}]): goes on with a run that was stopped, however it was: by Ctrl-C, an error,
-- kill -9, a power cut. It goes on from the end of the last epoch whose state was written, and ends in the same bits
-- as a run that was never stopped. run: its name (a folder of runs/), its path, or one of runs(). Returns the model
-- and what fit returns.
--   train, val   the data, where it cannot be opened again (data.tensors, functions of your own); it must be the same
--   model        a model of the same structure, where the saved one cannot be made again (classes of your own)
--   loss, schedule, best, optimizer, on_epoch, on_step, reduce, teacher
--                those that were functions or objects of your own, which no file holds; false for on_…: without
--   epochs, max_epochs   another number, to go on for longer     quiet, threads   as fit's
-- A run that has ended gives its model (with its best weights, where fit put those back) and its figures.
local function resume(run, opts)
  local t = again.trainer(run, opts)
  if not t.options.quiet then
    local over = t.converged or t.epoch >= t.options.epochs
    note(("resume: %s %s epoch %d of %d"):format(t.options.run, over and "is over: it ended with" or "goes on after",
      t.epoch, t.options.epochs))
  end
  return t.model, t:run()
end

return resume
