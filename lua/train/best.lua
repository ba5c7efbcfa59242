--- The best epoch: by which figure it is chosen, and whether one is better than another.
local fault = require "suture.base.fault"
local options = require "suture.base.options"
local best = {}
best.__index = best

--- The option best as an object: `name`, in words; `worst`, what any figure is better than; `of(row, trainer)` → the
-- figure of an epoch; `better(a, b)`. given: true or "loss": the lowest loss, on val where there is one; "acc": the
-- highest accuracy; function(row, trainer) → a number: the highest. measured: whether there is a val; labelled: whether
-- its targets (else those of train) are classes.
function best.new(what, given, measured, labelled)
  local on = measured and "val " or "training "
  local self = setmetatable({}, best)
  if given == true or given == false or given == "loss" then
    self.name, self.worst, self.sign = "lowest " .. on .. "loss", math.huge, -1
    function self.of(row) return row.val_loss or row.loss end
  elseif given == "acc" then
    if not labelled then fault('%s: best = "acc": the targets are no classes, there is no accuracy · best = "loss"',
      what) end
    self.name, self.worst, self.sign = "highest " .. on .. "acc", -math.huge, 1
    function self.of(row)
      local acc = row.val_loss and row.val_acc or not row.val_loss and row.acc
      return acc or fault('%s: best = "acc": epoch %d has no accuracy: the loss gives no logits · best = "loss"', what,
        row.epoch)
    end
  elseif type(given) == "function" then
    self.name, self.worst, self.sign = "highest of your best", -math.huge, 1
    function self.of(row, trainer)
      local v = given(row, trainer)
      if type(v) ~= "number" then
        fault("%s: best: the function gave %s for epoch %d, a number is expected", what, options.show(v), row.epoch)
      end
      return v
    end
  else
    fault('%s: best is true or "loss" (the lowest), "acc" (the highest), false, or function(row, trainer) → a ' ..
      'number, the highest of which is best; got %s', what, options.show(given))
  end
  return self
end

--- Whether figure a is better than b by more than `least`.
function best:better(a, b, least) return self.sign * (a - b) > least or b == self.worst and a == a and a ~= b end

return best
