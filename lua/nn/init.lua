--- nn: modules, layers, containers, initialisation. nn.class "Name" makes a kind of module of one's own.
local absent = require "suture.base.absent"
local Module = require "suture.nn.module"
local embedded = require "suture.embedded"
local layer = require "suture.nn.layer"
local stray = require "suture.base.stray"
for _, part in ipairs {"walk", "modes", "state", "hooks", "clone"} do require("suture.nn." .. part) end
local nn = {Module = Module, class = Module.class, layer = layer.layer, Parameter = Module.Parameter}

-- Every file of lua/nn/layers/ gives a table of layers.
local rooms = {"suture.nn.containers"}
for _, path in ipairs(embedded.list()) do
  local name = path:match "^lua/nn/layers/([%w_]+)%.lua$"
  if name then rooms[#rooms + 1] = "suture.nn.layers." .. name end
end
for _, room in ipairs(rooms) do
  for name, value in pairs(require(room)) do nn[name] = stray.guard(value, name .. ":", true) end
end
nn.init = require "suture.nn.initialize"
nn.functional = require "suture.nn.functional"

nn.is_module = Module.is_module

--- nn.utils.clip_grad_norm_(parameters, max_norm): scales all gradients so that their norm is at most max_norm; returns
-- the norm before. nn.utils.parameters_to_number(parameters): how many numbers they hold.
nn.utils = require "suture.nn.utils"

stray.guard(nn)
stray.guard(nn.init)
stray.guard(nn.utils)

package.loaded["suture.nn"] = absent.table(nn, "nn")
absent.table(nn.init, "nn.init")
absent.table(nn.utils, "nn.utils")
absent.table(nn.functional, "F")
require("suture.base.upper").nn()

return nn
