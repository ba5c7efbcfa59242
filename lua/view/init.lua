--- Looking at models: the tree, the summary, the graph that runs, the audit, the cost. Each part is loaded when used.
local Module = require "suture.nn.module"

--- m:graph([…]): the graph that runs: one row per operation in order, skip lanes drawn beside, with output shape, parameters
-- and MACs; frozen parts (❄), BatchNorm in eval, functional operations and second runs marked. Nothing is computed.
--   m:graph()                    with the input the model knows (m.input_shape, or what it was called with)
--   m:graph(1, 3, 224, 224)      with an input of this shape
--   m:graph "layer1"             only what runs inside this module
--   m:graph{depth = 1}           modules at this depth as one row each
--   m:graph{input =, at =, kernels = true}   kernels: also the steps the planner makes of it
-- Returns an object that prints itself; g.nodes for scripts; g:save "x.svg" (.html, .dot, .json, .txt).
function Module.graph(m, ...) return require("suture.view.graph")(m, ...) end

--- m:summary([{depth = 3, input =}]): torchinfo's table: layers, input and output shapes, parameters (in parentheses: they
-- do not train), mult-adds, and totals with memory. input: a shape or tensor; numbers m:summary(1, 3, 224, 224) do too.
-- Returns an object that prints itself, with total_params, trainable_params, total_mult_adds …
function Module.summary(m, ...) return require("suture.view.summary")(m, ...) end

--- m:audit([{input =}]): declared against executed: modules that never run or run several times, functional operations that
-- are no module, parameters that are not used or are used without their module running.
-- Returns an object that prints itself, with lists for scripts: never_run, repeated, functional, unused, outside, no_op.
function Module.audit(m, ...) return require("suture.view.audit")(m, ...) end

--- m:cost([batch (1)[, {input =}]]): multiply-adds, parameters, and activation memory for a batch: for inference, for
-- training all of it, and for training what is not frozen today. Nothing is computed.
-- Returns an object that prints itself: macs, params, trainable, inference_bytes, training_bytes, frontier_bytes …
function Module.cost(m, ...) return require("suture.view.cost")(m, ...) end

--- m:activations(x, glob): runs m on x and returns what the modules matching glob gave, by path: a dictionary of tensors
-- (a list for a module that runs several times or gives several). Modes stay as they are; no gradients are kept.
function Module.activations(m, x, pattern) return require("suture.view.activations")(m, x, pattern) end

Module._methods()

return true
