--- Data sets of features: tensors with the names of the samples that they were made of.
local source = require "suture.data.source"
local Dataset = require "suture.data.dataset"

--- The data set of {x =, y =, names =, classes =, label_names =}. where: its name in messages.
return function(where, held)
  local from = source.tensors(held.x, held.y, source.unique "features")
  local names = held.names
  if names then function from.name(sample) return names[sample + 1] end end
  from.label_names = held.label_names
  local index = source.all(held.x.shape[1])
  return Dataset.new(where, from, index, Dataset.names(where, held.classes, from.labels(index)))
end
