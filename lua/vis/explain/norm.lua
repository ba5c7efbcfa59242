--- Normalisation: less the mean, divided by the deviation, times the weight, and the bias.
local place = require "suture.vis.common.place"

-- A vector over dimension 1 of a value of this rank, so that it stretches to it.
local function channels(v, rank)
  if not v then return nil end
  local shape = {1, v.shape[1]}
  for d = 3, rank do shape[d] = 1 end
  return v:reshape(table.unpack(shape))
end

local function field(said, x, mean, deviation, weight, bias, titles)
  local steps = {
    {title = "x", v = x}, {sign = "−", title = titles[1], v = mean}, {sign = "÷", title = titles[2], v = deviation},
    weight and {sign = "×", title = "weight", v = weight} or nil,
  }
  local summands = {{label = "normalised", steps = steps}}
  if bias then summands[2] = {label = "bias", steps = {{title = "bias", v = bias}}} end
  return {family = "chain", said = said, summands = summands}
end

local take = {}

function take.bn_eval(at)
  local rank = #at.node.shape
  local mean, var = channels(at:input(2), rank), channels(at:input(3), rank)
  return field("BatchNorm by its running statistics", at:input(1), mean or 0, (var + at.node.attrs.eps):sqrt(),
    channels(at:input(4), rank), channels(at:input(5), rank), {"running mean", "√(variance + ε)"})
end

function take.bn_train(at)
  local rank, stats = #at.node.shape, at:input(2)
  return field("BatchNorm by the batch's own statistics", at:input(1), channels(stats[0], rank),
    (channels(stats[1], rank) + at.node.attrs.eps):sqrt(), channels(at:input(3), rank), channels(at:input(4), rank),
    {"batch mean", "√(variance + ε)"})
end

function take.layer_norm(at)
  local x, dims = at:input(1), {}
  local rank, n = #x.shape, math.tointeger(at.node.attrs.dims)
  for d = rank - n, rank - 1 do dims[#dims + 1] = d end
  local mean = x:mean(dims, true)
  local away = x - mean
  local deviation = ((away * away):mean(dims, true) + at.node.attrs.eps):sqrt()
  local count = 1
  for d = rank - n + 1, rank do count = count * x.shape[d] end
  local f = field(("LayerNorm over %d numbers"):format(count), x, mean:detach(), deviation:detach(), at:input(2),
    at:input(3), {("mean of %d"):format(count), "√(variance + ε)"})
  f.around = function(index)
    local from = table.move(index, 1, #index, 1, {})
    for d = rank - n + 1, rank do from[d] = 0 end
    local row, own = {}, 0
    local raw = require("suture.core").tensor
    row = raw.flat(x, place.offset(x.shape, from), count)
    own = place.offset(x.shape, index) - place.offset(x.shape, from)
    return {title = "the row that is normalised", row = row, own = own}
  end
  return f
end

return {ops = "bn_eval bn_train layer_norm", take = function(at) return take[at.node.op](at) end}
