--- Views: names for a part of another tensor, or for it in another shape or order.
local journal = require "suture.base.journal"
local base = require "suture.tensor.base"
local raw = base.raw

local views = {}

--- The core operation `name` on x with these attributes, whose result is a view of x.
function views.of(x, name, attrs) return base.op(name)(x, attrs) end

--- The numbers of y, of x's shape and dtype, take the place of x's. what: for errors.
function views.write(what, x, y) return raw.copy(journal.writes(x), y, what) end

--- One number takes their place.
function views.fill(_, x, value) return raw.fill(journal.writes(x), value) end

--- Whose numbers x's are, and where: a tensor, and the box of x in its row-major order: {at=, size=, step=}.
function views.box(x)
  local size, step, n = {table.unpack(raw.shape(x))}, {}, 1
  for d = #size, 1, -1 do step[d], n = n, n * size[d] end
  return x, {at = 0, size = size, step = step}
end

return views
