--- The journal: every change of a model passes here before it is made, whoever makes it.
local journal = {}

--- Called as f(t) before the numbers of a tensor change in place; nil: nobody listens. See suture.model.undo.
journal.on_write = nil

--- journal.writes(t): the numbers of t are about to be changed in place. Returns t.
function journal.writes(t)
  if journal.on_write then journal.on_write(t) end
  return t
end

--- journal.marks(t): requires_grad or frozen of t is about to change. Returns t.
function journal.marks(t) return t end

return journal
