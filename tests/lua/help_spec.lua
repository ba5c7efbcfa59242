-- Whatever a user can name has a help text: the library's names, what its modules hold, the methods of its objects.
local suture = require "suture"
local fields = require "suture.base.fields"
local help = require "suture.shell.help"

-- Names without a text yet, each under the file that must say it. A name that has got one must go from here.
local todo = {
  ["lua/nn/module.lua"] = {"nn.is_module", "module:extra"},
  ["lua/nn/functional.lua"] = {"F.hardswish", "F.sigmoid", "F.tanh", "F.log_softmax", "F.silu"},
  ["lua/nn/init.lua"] = {"nn.init.fans", "nn.init.constant_", "nn.init.zeros_", "nn.init.uniform_", "nn.init.ones_"},
  ["lua/zoo/init.lua"] = {"zoo.has"},
  ["lua/tensor/init.lua"] = {
    "tensor:bool", "tensor:fill_", "tensor:long", "tensor:contiguous", "tensor:std", "tensor:float", "tensor:clamp_",
    "tensor:ceil", "tensor:normal_", "tensor:uniform_", "tensor:any", "tensor:int", "tensor:zero_", "tensor:cpu",
    "tensor:chunk",
  },
}

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
  for _, name in ipairs {"nn", "F", "tensor", "optim", "data", "image", "zoo", "command"} do
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
    local known, has_now = {}, {}
    for file, names in pairs(todo) do
      for _, name in ipairs(names) do
        known[name] = file
        if not without[name] then has_now[#has_now + 1] = name end
      end
    end
    local new = {}
    for name in pairs(without) do if not known[name] then new[#new + 1] = name end end
    table.sort(new)
    table.sort(has_now)
    assert.same({}, new)
    assert.same({}, has_now) -- these have a text: take them off the list above
  end)
end)
