--- fit: train a model on a dataset.
local interrupt = require "suture.base.interrupt"
local Result = require "suture.train.result"
local Trainer = require "suture.train.trainer"

--- Trains m on the dataset `train` and returns how it went.
-- Only what requires a gradient is trained; frozen parts do not change, which is looked at. What comes before the first
-- trained layer is computed once per sample and kept; a line says so, or why not (where augmentation is random: ask for
-- `cache = K`). Auxiliary heads (GoogLeNet, Inception v3) train too, each one's loss counts m.aux_weight (0: not).
-- Ctrl-C (SIGINT), in a script SIGTERM too, ends at a step's end with what there is, which a script can save.
-- trainer(m, train, opts) is the same to be driven by hand: t:step(x, y), t:train_epoch(), t:run(). Options:
--   val              a dataset to measure on after each epoch
--   epochs           a number (10), or "converge": until the validation loss (without val: the training loss) has not
--                    fallen by min_delta (0) for `patience` (5) epochs, at most max_epochs (200); best weights are kept
--   batch            samples in a step (32); "auto": the most with which training takes no more than memory = MB (four
--                    fifths of what is free), which plan finds out
--   loss             default: the cross entropy of classes, or of probabilities. Else F.mse_loss, or another loss of F,
--                    its name ("mse"), a module (nn.MSELoss()), or a function of your own, told by how many parameters
--                    it names: function(prediction, target) → loss; function(m, x, y) → loss[, logits for the accuracy]
--   optimizer        "sgd" (default; lr 0.01, momentum 0.9), "adam", "adamw", … (all of optim, with its options: lr,
--                    momentum, nesterov, weight_decay, betas, eps …), or one of your own, which must hold all that
--                    trains
--                    lr and weight_decay may be tables by the names of parameters: lr = {1e-3, ["layer4.*"] = 1e-4,
--                    fc = 1e-2}, the number for all others first; where several patterns name one, the one that says
--                    most counts. no_decay = true: biases and norms do not decay; or a pattern, or a list of them
--                    "lbfgs" takes steps by strong_wolfe unless line_search_fn = "none"; best with one batch an epoch
--   schedule         how rates go: "cosine", "onecycle", "warm_restarts", "plateau", "exponential", "polynomial",
--                    "linear", "step", "multistep", "cyclic" or "constant", with options in a table: {"cosine", eta_min
--                    = 1e-5}: those of optim.lr_scheduler (what is not said spans all epochs), and by = "epoch" or
--                    "step" ("onecycle" and "cyclic": "step"), warmup = how many of these the rate rises in a line
--                    first, from warmup_factor (0.01) of itself, monitor = the figure that "plateau" watches
--                    ("val_loss"). Or a scheduler over an optimizer of your own, stepped every epoch; or
--                    function(epoch, epochs) → factor. step_size, gamma: those of "step", beside it
--   accumulate       batches that make one step (1): as one large batch would, but for BatchNorm
--   clip             largest norm of all gradients together     clip_value: largest number in them, cut before that
--   label_smoothing  0
--   class_weights    what classes count in the loss: a list, {ants = 2} (others 1), or "balanced"; val_loss stays plain
--   mixup, cutmix    alpha of torchvision's RandomMixup, RandomCutmix, for every batch; both: one of them each time.
--                    Nothing is kept of a frozen trunk then. acc is of the larger share
--   ema              decay of an average of the weights, as 0.99: it is measured, and in the model at the end
--   swa              {start = an epoch (3/4 of them), lr =, anneal_epochs = 10, anneal_strategy = "cos"}: from then on
--                    SWALR's rates, and in the end the mean of the weights of these epochs, BatchNorm estimated anew
--   reduce           function(trainer): called between backward and the optimizer's step; it may change every p.grad
--   best             keep the weights of the best epoch (default: with "converge" only): true or "loss": the one of
--                    the lowest loss, on val where there is one; "acc": of the highest accuracy; function(row, trainer)
--                    → a number: of the highest. "converge" waits for the same figure
--   drop_last        true: leave a smaller last batch out (default: only where it is one sample and BatchNorm cannot
--                    train on that, which is said before the first epoch)
--   cache            true; false: the frozen part is computed every time; K: where augmentation is random, K views of
--                    each sample are kept: epochs 1 to K draw them, and those after take them again in turn
--   cache_mb         the most that is kept (2048)
--   seed             of order and augmentation (default: the next of the generator)
--   run              a name: all of it is written to the folder runs/NAME (a path with "/": there): options, seed,
--                    versions, figures, the best and the last weights, the state, the script. runs() compares them,
--                    resume("NAME") goes on after a crash, `tensorboard --logdir runs` reads them
--   sampler          "balanced": as many samples as there are, drawn so that each class comes as often as another; or a
--                    weight for each sample (a list or a tensor): drawn with replacement
--   teacher          a model whose probabilities are learnt beside the labels (distillation), with temperature (4) and
--                    teacher_weight (0.9): (1 - w) loss + w T² KL(teacher ‖ model)
--   threads          of the loader      quiet   nothing is printed
--   on_step          function({epoch, step, steps, loss, correct, lr}, trainer) after each step
--   on_epoch         function(row, trainer) after each epoch, with its figures
-- Under mpirun (make MPI=1; man suture) several processes train one model: batch is what they take together, and the
-- first one prints and writes; sync_bn = true: BatchNorm normalizes by the whole batch, not by each process's share.
-- Classes are matched by name, those of val with those of train, and train's with m.classes where m has all of them;
-- val may lack some, another is an error. Afterwards m.classes and m.preprocess are what it was trained with: predict
-- and m:save go by them, a line says what changed, undo() takes it back.
-- Returns {history = {{epoch, steps, loss, acc, val_loss, val_acc, lr, seconds} …}, best_epoch, best_by, seconds, seed,
-- interrupted (the signal's name, "SIGINT"), converged, run, moved}; moved: names of frozen tensors that somebody has
-- changed meanwhile (digests of all are compared; a line says so); acc and val_acc are missing where the targets are no
-- classes. A loss that is not finite is an error that says where; the model then has the last good weights.
local function fit(m, train, opts)
  local soft <close> = interrupt.soft()
  local ok, t = pcall(Trainer._of, "fit", m, train, opts)
  if ok then return t:run() end
  return setmetatable({history = Result.rows(), seconds = 0, interrupted = interrupt.answered(t)}, Result)
end

return fit
