--- A data set, batch by batch, for what looks at all of it: with a line that says how it goes.
local beforehand = require "suture.train.beforehand"
local status = require "suture.base.status"
local tensor = require "suture.tensor"

--- sweep(what, ds, o, each): calls each(x, y, places) for every batch, without gradients; places: of the samples in
-- ds, from 0. o: batch, threads, quiet.
return function(what, ds, o, each)
  local done, line = 0, nil
  line = status.new(function(bar)
    return ("%s  %s%d/%d  %s"):format(what, bar and status.part(done, #ds) .. " " or "", done, #ds,
      status.seconds_text(line:seconds()))
  end, o.quiet)
  for x, y, places in ds:batches(o.batch, {augment = false, threads = o.threads}) do
    if not ds.view then beforehand.check_numbers(what, ds, x, y, places) end
    tensor.no_grad(each, x, y, places)
    done = done + x.shape[1]
    line:step()
  end
  line:finish()
end
