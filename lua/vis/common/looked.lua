--- What methods that look at a model share: its input as a picture, a run that changes nothing, classes, layers, maps.
local engine = require("suture.core").engine
local F = require "suture.nn.functional"
local fault = require "suture.base.fault"
local found = require "suture.vis.common.found"
local nn_trace = require "suture.nn.trace"
local Module = require "suture.nn.module"
local options = require "suture.base.options"
local raw = require("suture.core").tensor
local suggest = require "suture.base.suggest"
local tensor = require "suture.tensor"
local trace = require("suture.model.trace").trace

local looked = {}

--- looked.input(what, m, x): the pictures as m takes them, (N, C, H, W). x: the path of a picture, which goes through
-- m's preprocessing, or a tensor (C, H, W) or (N, C, H, W) as m takes it, or a list of these.
function looked.input(what, m, x)
  if not Module.is_module(m) then fault("%s: expects a model first, got %s", what, options.show(m)) end
  if type(x) == "table" and not getmetatable(x) and #x > 0 then
    local list = {}
    for i, one in ipairs(x) do list[i] = looked.input(what, m, one) end
    return tensor.cat(list, 0)
  end
  if type(x) == "string" then return require("suture.data.image").preprocess(x, m) end
  if not raw.is(x) then
    fault("%s: expects a picture: a path, or a tensor (C, H, W) or (N, C, H, W) as the model takes it, got %s", what,
      options.show(x))
  end
  if #x.shape == 3 then x = x:unsqueeze(0) end
  if #x.shape ~= 4 or x:numel() == 0 then
    fault("%s: expects a picture (C, H, W) or pictures (N, C, H, W), got %s", what, tostring(x.shape))
  end
  return x:detach()
end

--- looked.path(what, m, layer): the path of a layer that was named, by its path or itself.
function looked.path(what, m, layer)
  if Module.is_module(layer) then return found.path(what, m, layer) end
  if type(layer) ~= "string" then
    fault('%s: layer expects a path such as "layer4", got %s', what, options.show(layer))
  end
  return layer
end

--- looked.pictures(m, x): a list of what x (N, C, H, W) looks like: m's normalisation undone where it is known and the
-- numbers then are colours, else from the least to the greatest; (3, H, W) of 0 to 1.
function looked.pictures(m, x)
  local p, out = m.preprocess, {}
  if type(p) ~= "table" then p = {} end
  for i, one in ipairs(x:unbind(0)) do
    if one.shape[1] ~= 3 then one = one:mean(0, true):expand(3, -1, -1) end
    if p.mean and p.std then
      one = one * tensor.tensor(p.std):reshape(3, 1, 1) + tensor.tensor(p.mean):reshape(3, 1, 1)
    end
    local low, high = one:min():item(), one:max():item()
    if low < -0.05 or high > 1.05 then one = (one - low) / math.max(high - low, 1e-12) end
    out[i] = one:clamp(0, 1):detach()
  end
  return out
end

--- looked.still(f, …): calls f(…) so that modules run as in eval mode and nothing of them moves.
function looked.still(f, ...) return nn_trace.with({dry = true}, f, ...) end

--- looked.run(what, m, x): trace(m, x) in eval mode, whatever m's mode; an error where m has no classes, (N, K).
function looked.run(what, m, x)
  local t = looked.still(trace, m, x)
  if #t.output.shape ~= 2 then
    fault("%s: expects a model that gives classes, (N, K), this one gives %s", what, tostring(t.output.shape))
  end
  return t
end

--- looked.output(m, x): what m gives for x in eval mode, without gradients.
function looked.output(m, x)
  return tensor.no_grad(looked.still, function() return (m(x)) end)
end

--- looked.class_number(what, m, class, count): the number of a class of `count`, given by its number or its name.
function looked.class_number(what, m, class, count)
  if type(class) == "string" then
    local names = m.classes
    if type(names) ~= "table" then fault("%s: this model's classes have no names: a number from 0", what) end
    for i, name in ipairs(names) do if name == class then return i - 1 end end
    fault("%s: no class '%s'%s", what, class, suggest.hint(class, names))
  end
  if math.type(class) ~= "integer" or class < 0 or class >= count then
    fault("%s: class expects a whole number from 0 to %d (or a name of m.classes), got %s", what, count - 1,
      options.show(class))
  end
  return class
end

--- looked.classes(what, m, output, asked): a list of int64 tensors (N): one for each class that was asked for (a
-- number, a name, a list of them), or the predicted ones (nil).
function looked.classes(what, m, output, asked)
  local n, count = output.shape[1], output.shape[2]
  if asked == nil then return {output:argmax(1)} end
  if type(asked) ~= "table" then asked = {asked} end
  if #asked == 0 then fault("%s: class: an empty list", what) end
  local out = {}
  for i, class in ipairs(asked) do out[i] = tensor.full({n}, looked.class_number(what, m, class, count)) end
  return out
end

--- looked.class_name(m, number): in words.
function looked.class_name(m, number)
  local names = m.classes
  return type(names) == "table" and names[number + 1] or ("class %d"):format(number)
end

--- looked.score(output, classes): the scores (logits) of these classes (N) summed over the pictures: the pictures do
-- not see each other, so its gradient is that of each.
function looked.score(output, classes)
  return (output * F.one_hot(classes, output.shape[2])):sum()
end

--- looked.seeded(n, f): what f() gives with random numbers of this seed; the generator stands where it was after it.
function looked.seeded(n, f)
  local before = engine.seed(n)
  local back <close> = setmetatable({}, {__close = function() engine.seed(before) end})
  return f()
end

-- The bilinear weights (to, from) of a row of `from` numbers stretched to `to`, corners not aligned, as PyTorch's
-- interpolate has it.
local function stretch(from, to)
  local rows = {}
  for i = 0, to - 1 do
    local row = {}
    for k = 1, from do row[k] = 0.0 end
    local at = math.max(0, (i + 0.5) * from / to - 0.5)
    local k = math.min(math.floor(at), from - 1)
    local f = k == from - 1 and 0 or at - k
    row[k + 1] = 1.0 - f
    if f > 0 then row[k + 2] = f end
    rows[i + 1] = row
  end
  return tensor.tensor(rows)
end

--- looked.resize(x, h, w): the last two dimensions of x bilinearly resized (not antialiased).
function looked.resize(x, h, w)
  local s = x.shape
  local from_h, from_w = s[#s - 1], s[#s]
  if from_h == h and from_w == w then return x end
  return stretch(from_h, h):matmul(x):matmul(stretch(from_w, w):t())
end

--- looked.scaled(map, h, w): maps (N, y, x): what is below 0 left out, the greatest of each made 1, at the size of the
-- picture. A map that is 0 everywhere stays so.
function looked.scaled(map, h, w)
  map = F.relu(map)
  local most = map:amax({1, 2}, true)
  return looked.resize(map / most:clamp(1e-30), h, w):clamp(0, 1)
end

return looked
