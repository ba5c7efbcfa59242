--- One file is all it takes: a layer, an optimizer, a family of the zoo, a reader of data sets, a method of looking and a
-- command, each put among the library's files as a maintainer would put it, and nothing else told of it.
require "suture"

local files = {
  ["lua/nn/layers/onefile.lua"] = [[
local layer = require "suture.nn.layer"
local layers = {}
layer.into(layers) "Twice" {
  doc = "nn.Twice([by (2)]): by · x.",
  fields = "by:num=2",
  forward = function(self, x) return x * self.by end,
}
return layers
]],
  ["lua/optim/onefile.lua"] = [[
--- Half.
return require("suture.optim.common.optimizer").declare "Half" {
  options = "lr:rate=0.5",
  state = "",
  about = "halves what the gradient says.",
  step = function(p, g, _, group) return p - g * group.lr / 2 end,
}
]],
  ["lua/zoo/onefile.lua"] = [[
--- A network of one layer (nobody, NIPS 1900).
local nn = require "suture.nn"
local torchvision = require "suture.zoo.common.torchvision"
local Tiny = nn.class "Tiny"
function Tiny:init(spec, o)
  self.stem = nn.Conv2d(o.in_chans, spec.width, 3)
  self.fc = nn.Linear(spec.width, o.num_classes)
end
function Tiny:forward(x) return self.fc(self.stem(x):mean{dim = {2, 3}}) end
local variants = {onefile_4 = {width = 4}, onefile_6 = {width = 6}}
local counted = {
  onefile_4 = {162, 4, 97240},
  onefile_6 = {238, 4, 145860},
}
return {
  counted = counted, variants = variants, parts = {}, stem = "stem", head = "fc", classes = 10, size = 32,
  build = function(spec, o) return Tiny(spec, o) end,
  mean = torchvision.mean, std = torchvision.std,
}
]],
  ["lua/data/readers/onefile.lua"] = [[
--- data.onefile: n samples of ones.
local tensor = require "suture.tensor"
--- data.onefile(n): n samples of ones, all of class 0.
local function onefile(n) return require("suture.data").tensors(tensor.ones(n, 2), tensor.zeros(n):long()) end
return onefile
]],
  ["lua/vis/onefile.lua"] = [[
--- vis.onefile(x): x itself.
local function onefile(x) return x end
return onefile
]],
  ["lua/shell/commands/onefile.lua"] = [[
-- :onefile
return {args = "", text = "says one", accepts = "nothing", run = function() io.write "one\n" end}
]],
}

-- What a program with these files among its own says of them.
local script = [=[
local files = %s
package.loaded["suture.embedded"] = setmetatable({}, {__index = function(t, name)
  local real = package.preload["suture.embedded"]()
  t.path = real.path
  function t.source(path) return files[path] or real.source(path) end
  function t.list()
    local list = real.list()
    for path in pairs(files) do list[#list + 1] = path end
    return list
  end
  return rawget(t, name)
end})
table.insert(package.searchers, 1, function(name)
  local path = name:gsub("^suture%%.", "lua/"):gsub("%%.", "/") .. ".lua"
  return files[path] and assert(load(files[path], "=suture:" .. path))
end)
local suture = require "suture"
local nn, F, optim, zoo, data, vis = suture.nn, suture.nn.functional, suture.optim, suture.zoo, suture.data, suture.vis
local function say(what, ...) print(what .. ":", ...) end

say("layer", nn.Twice(3), nn.Twice{by = 4}(suture.ones(1)):item(), pcall(nn.Twice, "x"))
local m = nn.Sequential(nn.Twice(3), nn.Linear(2, 2))
m[0].by = 5
local path = os.tmpname() .. ".safetensors"
m:save(path)
say("layer saved", suture.open(path)[0].by)
say("layer drawn", (tostring(m:graph(1, 2)):match "Twice%%b()"))

local p = nn.Parameter(suture.ones(1))
local opt = optim.Half({p}, {lr = 1})
p:sum():backward()
opt:step()
say("optimizer", p:item())
local r = suture.fit(nn.Linear(2, 2), data.onefile(4), {optimizer = "half", epochs = 1, quiet = true})
say("fit", #r.history)

say("zoo", table.concat({table.unpack(zoo.list "onefile*")}, " "))
local tiny = zoo.onefile_6{num_classes = 3}
tiny:save(path)
local plain = {}
for k, t in tiny:state_dict() do plain[k] = t end
dofile(%q)(path .. ".pth", plain)
say("zoo saved", suture.open(path).fc.out_features, suture.open(path .. ".pth")._zoo.name)
say("zoo headed", select(2, tiny:head()).in_features)
os.remove(path)
os.remove(path .. ".pth")

say("reader", #data.onefile(3))
say("vis", vis.onefile(1))
local help = require "suture.shell.help"
local command = require "suture.shell.commands"
say("command", command.find("onefile").text, table.concat(command.names(), " "):find "onefile" ~= nil)
command.find("onefile").run("")
local fields = require "suture.base.fields"
say("names", fields.of(nn).Twice ~= nil, fields.of(optim).Half ~= nil, fields.of(zoo).onefile_4 ~= nil,
  fields.of(data).onefile ~= nil, fields.of(vis).onefile ~= nil)
]=]

describe("one file", function()
  it("is all that a layer, an optimizer, a family, a reader, a method and a command take", function()
    local list = {}
    for path, text in pairs(files) do list[#list + 1] = ("[%q] = %q"):format(path, text) end
    local path = os.tmpname()
    local write = debug.getinfo(1, "S").source:match "^@(.*)/[^/]*$" .. "/../parity/write.lua"
    local f <close> = assert(io.open(path, "w"))
    f:write(("package.cpath = %q\n"):format(package.cpath), script:format("{" .. table.concat(list, ",\n") .. "}", write))
    f:close()
    local lua <close> = io.popen("lua5.4 " .. path .. " 2>&1")
    local said = lua:read "a"
    os.remove(path)
    for what, want in pairs {
      layer = "Twice(by = 3)\t4.0\tfalse\t", ["layer saved"] = "5", ["layer drawn"] = "Twice(by = 5)", optimizer = "0.5",
      fit = "1", zoo = "onefile_4 onefile_6", ["zoo saved"] = "3\tonefile_6", ["zoo headed"] = "6", reader = "3", vis = "1",
      command = "says one\ttrue\none", names = "true\ttrue\ttrue\ttrue\ttrue",
    } do
      assert(said:find(what .. ":\t" .. want, 1, true), what .. ": expected " .. want .. " in\n" .. said)
    end
  end)

  it("is named nowhere else: what stands for itself is found from its folder", function()
    local embedded = require "suture.embedded"
    local rooms = {optim = "lua/optim/", zoo = "lua/zoo/", reader = "lua/data/readers/", command = "lua/shell/commands/"}
    local parts = {["lua/data/readers/dataset.lua"] = true} -- which evaluate builds a data set of rows with
    local looked = 0
    for _, folder in pairs(rooms) do
      for _, path in ipairs(embedded.list()) do
        local name = path:match("^" .. folder .. "([%w_]+)%.lua$")
        if name and name ~= "init" and not parts[path] then
          looked = looked + 1
          local asked = ('"suture.%s%s"'):format(folder:sub(5):gsub("/", "."), name)
          for _, other in ipairs(embedded.list()) do
            local beside = other:sub(1, #folder) == folder -- files of one folder may build on each other
            assert(beside or not embedded.source(other):find(asked, 1, true), other .. " asks for " .. asked)
          end
        end
      end
    end
    assert.is_true(looked > 40)
  end)
end)
