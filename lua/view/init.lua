--- Looking at models: the tree, the summary, the graph that runs, the audit, the cost, the profile. Each part is
-- loaded when used.
local Module = require "suture.nn.module"

--- m:graph([…]): the graph that runs: one row per operation in order, skip lanes drawn beside, with output shape,
-- parameters and MACs; frozen parts (❄), BatchNorm in eval, functional operations and second runs marked. Nothing is
-- computed.
--   m:graph()                    with the input the model knows (m.input_shape, or what it was called with)
--   m:graph(1, 3, 224, 224)      with an input of this shape
--   m:graph "layer1"             only what runs inside this module
--   m:graph{depth = 1}           modules at this depth as one row each
--   m:graph{fold = true}         repeats as one row ("Bottleneck × 4"): so from 100 rows on; fold = false draws every
--                                row
--   m:graph{input =, at =, kernels = true}   kernels: also what runs: operations fused into one step, convolutions'
--                                algorithms; "only 1×1×768" where nobody reads the rest (a ViT's last block, but for
--                                the class token)
-- Returns an object that prints itself; g.nodes for scripts (every row, folded or not); g:save "x.html" (a page to walk
-- through; .svg, .png, .dot, .json, .txt).
function Module.graph(m, ...) return require("suture.view.graph")(m, ...) end

--- m:summary([{depth = 3, input =}]): torchinfo's table: layers, input and output shapes, parameters (in parentheses:
-- they do not train), mult-adds, and totals with memory. input: a shape or tensor; numbers m:summary(1, 3, 224, 224)
-- do too.
-- Returns an object that prints itself, with total_params, trainable_params, total_mult_adds …
function Module.summary(m, ...) return require("suture.view.summary")(m, ...) end

--- m:audit([{input =}]): declared against executed: modules that never run, run only in training (auxiliary heads,
-- seen from eval) or run several times, functional operations that are no module, parameters that are not used or are
-- used without their module running.
-- Returns an object that prints itself, with lists for scripts: never_run, in_training, repeated, functional, unused,
-- outside, no_op, borrowed (modules that do not run though their weights are used; these are not in never_run).
function Module.audit(m, ...) return require("suture.view.audit")(m, ...) end

--- m:cost([batch (1)[, {input =}]]): multiply-adds, parameters, and activation memory for a batch: for inference, for
-- training all of it, and for training what is not frozen today. Nothing is computed.
-- Returns an object that prints itself: macs, params, trainable, inference_bytes, training_bytes, frontier_bytes,
-- scratch_bytes …
function Module.cost(m, ...) return require("suture.view.cost")(m, ...) end

--- m:profile([x][, {runs = 5, train = false, depth =, by =, input =}]): runs m and says where the time goes: one row
-- per step that ran (what is fused is one step; a "pair" is two convolutions, of what lies between them only a few rows
-- exist at a time; of values that are read in part, such as the last block's of a ViT, that part is computed),
-- with its module, algorithm, output, time, rate and share of what the machine can do.
--   m:profile()               with random numbers in the shape the model knows; in eval, as evaluate and predict run it
--   m:profile(16, 3, 224, 224), m:profile(x)   with that shape, or with a tensor
--   train    a training step: forward, loss (cross-entropy of (N, classes), else the mean) and backward (rows marked ←)
--   depth    modules at this depth as one row each      by = "time"   slowest first      runs   how many, after two
--   to warm up
-- ms are medians. GFLOP/s counts two for each multiply-add of the plain sum; Winograd does with fewer and may pass
-- the peak. "moved" is what a step reads and writes, each value once. "of peak" is the time the step would take at
-- the peak rate of arithmetic or of memory, whichever is longer ("bound"), over the time it took: the roofline of
-- Williams et al., 2009. Peaks are the best seen in this process with these threads: multiply-adds in registers, and
-- y = a + b over arrays that no cache holds (data in caches may come faster). m stays as it is: statistics,
-- gradients, modes, the random generator. Returns a table that prints itself: `rows` ({path, step, op, fused,
-- algorithm, pass, shape, seconds, share, macs, bytes, bound, of_peak, steps} each), `seconds`, `between` (of them
-- between steps), `macs`, `of_peak`, `memory`, `peak_flops`, `peak_bandwidth` …
function Module.profile(m, ...) return require("suture.view.profile")(m, ...) end

--- m:activations(x, glob): runs m on x and returns what the modules matching glob gave, by path: a dictionary of
-- tensors (a list for a module that runs several times or gives several). Modes stay as they are; no gradients are
-- kept.
function Module.activations(m, x, pattern) return require("suture.view.activations")(m, x, pattern) end

local Diff = require("suture.model.surgery").Diff

--- d:save(PATH.html[, {input =}]): the two models of d = diff(a, b) side by side on one page that needs no network, as
-- m:graph():save "x.html" shows one: they move, fold and are chosen from together. What only one has, what is of
-- another kind or shape, and whose numbers differ is marked, with the greatest difference and both histograms. input: a
-- shape or tensor to run both with (default: what each knows). Returns the path.
function Diff.save(d, path, opts) return require "suture.view.both"(d, path, opts) end

require "suture.base.method"(Diff, {
  is = function(d) return getmetatable(d) == Diff end, what = "a diff", name = "d",
})

Module._tree = require "suture.view.tree"
Module._methods()

return true
