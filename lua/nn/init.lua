--- nn: modules, layers, containers, initialisation. nn.class "Name" makes a kind of module of one's own.
local Module = require "suture.nn.module"
local nn = {Module = Module, class = Module.class, Parameter = Module.Parameter}

for _, part in ipairs {"suture.nn.layers", "suture.nn.containers", "suture.nn.blocks", "suture.nn.attention"} do
  for name, value in pairs(require(part)) do
    if name:sub(1, 1) ~= "_" then nn[name] = value end
  end
end
nn.init = require "suture.nn.initialize"
nn.functional = require "suture.nn.functional"

--- nn.is_module(x): whether x is a module (an object, not a class).
nn.is_module = Module.is_module

--- nn.utils.clip_grad_norm_(parameters, max_norm): scales all gradients so that their norm is at most max_norm; returns
-- the norm before. nn.utils.parameters_to_number(parameters): how many numbers they hold.
nn.utils = require "suture.nn.utils"

-- Parts that give modules more methods: looking, surgery, files.
package.loaded["suture.nn"] = nn
for _, part in ipairs {"view", "model.surgery", "model.checkpoint"} do require("suture." .. part) end

return nn
