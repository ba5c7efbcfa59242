-- Whatever a user can name has a help text: the library's names, what its modules hold, the methods of its objects.
local suture = require "suture"
local fields = require "suture.base.fields"
local help = require "suture.shell.help"

local function has_text(v)
  local text = help.text(v)
  return not text:find "No doc comment" and not text:find "without functions" and text:find "%a" ~= nil
end

-- Calls see(name, value) for the public fields of a table, class or object that are functions or classes.
local function each(owner, sign, v, see)
  for name, f in pairs(fields.of(v)) do
    if f == false then f = fields.step(v, name) end
    local class = type(f) == "table" and (rawget(f, "init") or rawget(f, "_super"))
    if name:find "^%a" and name ~= "init" and (type(f) == "function" or class) then see(owner .. sign .. name, f) end
  end
end

local function missing()
  local out, seen = {}, 0
  local function see(name, v)
    seen = seen + 1
    if not has_text(v) then out[name] = true end
  end
  for name in pairs(suture._names) do see(name, suture[name]) end
  for name in pairs(suture._more) do
    if type(suture[name]) == "function" then see("suture." .. name, suture[name]) end
  end
  for _, name in ipairs {"nn", "F", "tensor", "optim", "data", "image", "zoo", "vis", "command"} do
    each(name, ".", suture[name], see)
  end
  each("nn.init", ".", suture.nn.init, see)
  local nn = suture.nn
  local net = nn.Sequential(nn.Linear(2, 2))
  local objects = {
    module = nn.Linear(2, 2), sequential = net, list = nn.ModuleList {nn.ReLU()}, tensor = suture.randn(2, 2),
    optimizer = suture.optim.SGD(net:parameters(), {lr = 0.1}), history = suture.history(),
    dataset = suture.data.tensors(suture.randn(2, 2), suture.tensor {0, 1}), graph = net:graph {input = {1, 2}},
  }
  for owner, v in pairs(objects) do
    each(owner, ":", v, function(path, f)
      -- What a layer's forward computes is its class's text; is_module is nn's.
      if type(f) == "function" and not path:find ":forward$" and not path:find ":is_module$" then see(path, f) end
    end)
  end
  return out, seen
end

describe("help", function()
  it("has a text for every public name", function()
    local without, seen = missing()
    assert.is_true(seen > 300)
    local names = {}
    for name in pairs(without) do names[#names + 1] = name end
    table.sort(names)
    assert.same({}, names)
  end)
end)
