--- Functions of one number.

-- The error function by its series, and where that is slow by the continued fraction of its complement.
local function erf(x)
  if x < 0 then return -erf(-x) end
  if x < 2.5 then
    local sum, term = x, x
    for n = 1, 60 do
      term = -term * x * x / n
      sum = sum + term / (2 * n + 1)
    end
    return 2 / math.sqrt(math.pi) * sum
  end
  local f = 0
  for n = 60, 1, -1 do f = n / 2 / (x + f) end
  return 1 - math.exp(-x * x) / math.sqrt(math.pi) / (x + f)
end

local exp = math.exp
local function tanh(x)
  if math.abs(x) > 20 then return x > 0 and 1.0 or -1.0 end
  local e = exp(2 * x)
  return (e - 1) / (e + 1)
end
local function sigmoid(x) return 1 / (1 + exp(-x)) end
local function cut(x, low, high) return x < low and low or x > high and high or x end

-- Each: the formula in words, and the function of x and the operation's attributes.
local functions = {
  relu = {"max(0, x)", function(x) return x < 0 and 0 or x end},
  sigmoid = {"1 / (1 + e⁻ˣ)", sigmoid},
  tanh = {"tanh x", tanh},
  silu = {"x · sigmoid(x)", function(x) return x * sigmoid(x) end},
  hardswish = {"x · min(max(0, x + 3), 6) / 6", function(x) return x * cut(x + 3, 0, 6) / 6 end},
  gelu = {"x · Φ(x)", function(x, a)
    if a.tanh ~= 0 then return 0.5 * x * (1 + tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ^ 3))) end
    return 0.5 * x * (1 + erf(x / math.sqrt(2)))
  end},
  leaky_relu = {"x, below 0 times the slope", function(x, a) return x > 0 and x or a.slope * x end},
  elu = {"x, below 0 α (eˣ − 1)", function(x, a) return x > 0 and x or a.alpha * (exp(x) - 1) end},
  softplus = {"ln(1 + e^βx) / β", function(x, a)
    local b = a.beta * x
    return b > a.threshold and x or (math.max(b, 0) + math.log(1 + exp(-math.abs(b)))) / a.beta
  end},
  clamp = {"cut off at both ends", function(x, a) return cut(x, a.min, a.max) end},
  exp = {"eˣ", exp}, log = {"ln x", math.log}, sqrt = {"√x", math.sqrt}, abs = {"|x|", math.abs},
  rsqrt = {"1 / √x", function(x) return 1 / math.sqrt(x) end}, square = {"x²", function(x) return x * x end},
  neg = {"−x", function(x) return -x end}, sin = {"sin x", math.sin}, cos = {"cos x", math.cos},
  sign = {"the sign of x", function(x) return x > 0 and 1 or x < 0 and -1 or 0 end},
  floor = {"x rounded down", math.floor},
  round = {"x rounded", function(x) -- a half goes to the even number
    local low = math.floor(x)
    local f = x - low
    if f == 0.5 then return low % 2 == 0 and low or low + 1 end
    return f < 0.5 and low or low + 1
  end},
}

local names = {}
for name in pairs(functions) do names[#names + 1] = name end
table.sort(names)

return {ops = table.concat(names, " "), take = function(at)
  local a, of = at.node.attrs, functions[at.node.op]
  local said, title = of[1], at.node.op
  if at.node.op == "clamp" then
    title = ("%g … %g"):format(a.min, a.max)
    said = ("what lies outside %s is cut off"):format(title)
  end
  return {family = "chain", said = ("%s: %s"):format(at.node.op, said), summands = {{label = at.node.op, steps = {
    {title = "x", v = at:input(1), node = at.node.inputs[1]},
    {sign = "→", title = title, f = function(x) return of[2](x, a) + 0.0 end},
  }}}}
end}
