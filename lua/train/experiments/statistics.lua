--- Figures of what was tried several times.
local progress = require "suture.train.progress"
local statistics = {}

--- The mean and the standard deviation (of a sample: n - 1; nil of one) of a list of numbers.
function statistics.mean(list)
  local sum = 0
  for _, v in ipairs(list) do sum = sum + v end
  local mean, squares = sum / #list, 0
  for _, v in ipairs(list) do squares = squares + (v - mean) ^ 2 end
  return mean, #list > 1 and math.sqrt(squares / (#list - 1)) or nil
end

--- The quantile q (0 to 1) of a sorted list, between two of them in a line, as numpy's.
function statistics.quantile(sorted, q)
  local at = 1 + q * (#sorted - 1)
  local low = math.floor(at)
  local a, b = sorted[low], sorted[math.min(low + 1, #sorted)]
  return a + (b - a) * (at - low)
end

local function digits(v)
  if math.type(v) == "integer" or v - v ~= 0 then return (tostring(v):gsub("^%-nan", "nan")) end
  return ("%.4g"):format(v)
end

--- A figure as text: "0.9131", "120 MB" of memory, "3.1 s" of seconds; with its deviation "0.9131 ± 0.012".
function statistics.text(name, v, deviation)
  if v == nil then return "-" end
  if type(v) ~= "number" then return tostring(v) end
  local as = name:find "^memory" and function(x) return ("%.0f MB"):format(x / 2 ^ 20) end
    or (name == "seconds" or name == "cpu") and progress.seconds_text or digits
  return deviation and ("%s ± %s"):format(as(v), as == digits and ("%.2g"):format(deviation) or as(deviation)) or as(v)
end

-- What a row of fit has that is no finding.
local beside = {epoch = true, seconds = true, steps = true, lr = true}

--- What a piece of work gave, as figures by name: a number is `value`; of what fit returns those of its best epoch,
-- else of its last; of a table its numbers and words.
function statistics.figures(given)
  if type(given) == "number" then return {value = given} end
  local out = {}
  if type(given) ~= "table" then return out end
  if type(rawget(given, "history")) == "table" and #given.history > 0 then
    for k, v in pairs(given.history[given.best_epoch or #given.history]) do
      if type(v) == "number" and not beside[k] then out[k] = v end
    end
    out.epochs = #given.history
    return out
  end
  for k, v in next, given do
    if type(k) == "string" and k:sub(1, 1) ~= "_" and (type(v) == "number" or type(v) == "string") then out[k] = v end
  end
  return out
end

return statistics
