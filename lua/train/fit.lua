--- fit: train a model on a dataset.
local Trainer = require "suture.train.trainer"

--- Trains m on the dataset `train` and returns how it went.
-- Only what requires a gradient is trained; frozen parts do not change. What comes before the first trained layer is
-- computed once per sample and kept; a line says so, or why not (where augmentation is random: ask for `cache = K`).
-- Auxiliary heads (GoogLeNet, Inception v3) train too, each one's loss counts m.aux_weight (0: not). Ctrl-C
-- (SIGINT), in a script SIGTERM too, ends at a step's end with what there is, which a script can save.
-- trainer(m, train, opts) is the same to be driven by hand: t:step(x, y), t:train_epoch(), t:run(). Options:
--   val              a dataset to measure on after each epoch
--   epochs           a number (10), or "converge": until the validation loss (without val: the training loss) has not
--                    fallen by min_delta (0) for `patience` (5) epochs, at most max_epochs (200); best weights are kept
--   batch            samples in a step (32)
--   loss             default: the cross entropy of classes, or of probabilities. Else F.mse_loss, or another loss of
--   F, its
--                    name ("mse"), a module (nn.MSELoss()), or a function of your own, told by how many parameters it
--                    names: function(prediction, target) → loss; function(m, x, y) → loss[, logits for the accuracy]
--   optimizer        "sgd" (default; lr 0.01, momentum 0.9), "adam", "adamw", … (all of optim, with its options: lr,
--                    momentum, nesterov, weight_decay, betas, eps …), or one of your own, which must hold all that
--                    trains
--   schedule         "cosine", "step" (step_size, gamma 0.1) or function(epoch, epochs) → factor, per epoch
--   label_smoothing  0        clip   largest norm of all gradients together
--   reduce           function(trainer): called between backward and the optimizer's step; it may change every p.grad
--   best             keep the weights of the best epoch (default: with "converge" only): true or "loss": the one of
--                    the lowest loss, on val where there is one; "acc": of the highest accuracy; function(row, trainer)
--                    → a number: of the highest. "converge" waits for the same figure
--   drop_last        true: leave a smaller last batch out (default: only where it is one sample and BatchNorm cannot
--                    train on that, which is said before the first epoch)
--   cache            true; false: the frozen part is computed every time; K: where augmentation is random, K views of
--   each
--                    sample are kept: epochs 1 to K draw them, and those after take them again in turn
--   cache_mb         the most that is kept (2048)
--   seed             of order and augmentation (default: the next of the generator)
--   threads          of the loader      quiet   nothing is printed
--   on_step          function({epoch, step, steps, loss, correct, lr}, trainer) after each step
--   on_epoch         function(row, trainer) after each epoch, with its figures
-- Classes are matched by name, those of val with those of train, and train's with m.classes where m has all of them;
-- val may lack some, another is an error. Afterwards m.classes and m.preprocess are what it was trained with: predict
-- and m:save go by them, a line says what changed, undo() takes it back.
-- Returns {history = {{epoch, steps, loss, acc, val_loss, val_acc, lr, seconds} …}, best_epoch, best_by, seconds, seed,
-- interrupted (the signal's name, "SIGINT"), converged}; acc and val_acc are missing where the targets are no classes.
-- A loss that is not finite is an error that says where; the model then has the last good weights.
local function fit(m, train, opts) return Trainer._of("fit", m, train, opts):run() end

return fit
