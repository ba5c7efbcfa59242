-- What a newcomer gets wrong: each line is an error that names the function, what was expected and what came, at the
-- place in the user's code, never one from inside the library.
local suture = require "suture"

local setup = [[
x, y = randn(4, 3), tensor{0, 1, 2, 0}
picture = randn(2, 3, 8, 8)
conv = nn.Conv2d(3, 4, 3)
list = nn.Sequential(nn.ReLU(), nn.ReLU())
m = zoo.cifar_resnet20{num_classes = 8}
opt = optim.SGD(m:parameters(), {lr = 0.1})
ds = data.shapes{n = 1, transform = m}
]]

-- code → a part of the message
local cases = [[
-- tensors
zeros(2, -1)                       → zeros: size expects whole numbers, 0 or above, at most 8 of them, got {2, -1}
zeros(2.5)                         → zeros: size expects whole numbers, 0 or above, at most 8 of them, got 2.5
zeros(1e10, 1e10)                  → has more elements than can be counted
zeros(2, {dtpye = "int64"})        → did you mean dtype?
zeros(2, {dtype = "float16"})      → zeros: dtype expects "float32", "int64" or "bool" (numbers are computed in float32), got "float16"
tensor{{1, 2}, {3}}                → tensor: rows of different lengths, 2 and 1
tensor{1, "x"}                     → tensor: expects numbers, got string
tensor()                           → tensor: expects a number or nested lists of numbers, got nil
arange()                           → arange: expects arange(stop)
arange(0/0)                        → arange: stop expects a finite number
arange(1, 2, 0)                    → arange: the step is not 0
linspace("a", 1, 2)                → linspace: start expects a finite number, got "a"
eye(-1)                            → eye: n expects a whole number, 0 or above, got -1
eye "a"                            → eye: n expects a whole number, 0 or above, got "a"
full({2}, "a")                     → full: fill_value expects a number, true or false, got "a"
seed "a"                           → seed: n expects a whole number, got "a"
load_tensor()                      → load_tensor: path is missing (expects a string)
save_tensor(x)                     → save_tensor: path is missing (expects a string)
save_tensor(5, "x.npy")            → save_tensor: x expects a tensor, got 5
x + nil                            → add: expects tensors or numbers, got nil
x + "a"                            → add: expects tensors or numbers, got string
x + zeros(2)                       → add: shapes (4, 3) and (2) do not broadcast
x < x                              → x:lt(y)
x[4]                               → index 4 is out of range for dimension 0 of shape (4, 3)
x[0.5]                             → an index is a whole number, a slice as "1:4", "...", "None", a tensor of places or a mask, or a list of these in one table, got 0.5
x[{9}]                             → x[{9}]: 1 of 2 dimensions: x[{9, "..."}] is the part there, x[{{9}}] the places of dimension 0
x[{true}]                          → an index is a whole number, a slice as "1:4", "...", "None", a tensor of places or a mask, or a list of these in one table, got true
x:index_select(0, {-1})            → got -1
x:index_select(0, tensor{0.5})     → got a fraction
x:index_select(0, "a")             → index_select: expects a tensor, got string
x:item()                           → item: expects a tensor with one element, got shape (4, 3)
x.sum(1)                           → a method is called with a colon, x:sum(…)
x.reshape(12)                      → a method is called with a colon, x:reshape(…)
x:sum(2)                           → sum: dimension 2 is out of range for shape (4, 3) (-2 to 1)
x:sum "a"                          → sum: dim expects a dimension or a list of them (whole numbers), got "a"
x:sum(0, "yes")                    → sum: keepdim
x:reshape(5)                       → reshape: shape (4, 3) has 12 elements, (5) has 5
x:permute(0, 0)                    → permute: dimension 0 is given twice
x:narrow(0, "a", 1)                → narrow: start expects a whole number, got "a"
x:narrow(0, 3, 2)                  → narrow: 2 elements from 3 do not lie in dimension 0
x:slice(0, "a")                    → slice: start expects a whole number, got "a"
x:select(0)                        → select: index is missing (expects a whole number)
x:split(0)                         → split: split_size expects a whole number above 0 or a list of whole numbers, 0 or above, got 0
x:chunk(0)                         → chunk: chunks expects a whole number above 0, got 0
x:topk "a"                         → topk: k expects a whole number, 0 or above, got "a"
x:topk(9)                          → topk: 9 of 3 elements
x:matmul(x)                        → matmul: cannot multiply (4, 3) and (4, 3)
x:allclose(5)                      → allclose: other expects a tensor, got 5
x:equal(5)                         → equal: other expects a tensor, got 5
x:view_as(3)                       → view_as: other expects a tensor, got 3
x:fill_ "a"                        → fill_: value expects a tensor or a number, got "a"
x:copy_(zeros(5))                  → copy_: expects shape (4, 3), got (5)
x:normal_("a")                     → normal_: mean expects a finite number, got "a"
x:clamp()                          → clamp: expects a lower or an upper bound
x:to "cuda"                        → to: this engine computes on the CPU, there is no cuda
x:backward()                       → does not depend on anything that requires a gradient
x:sum{dims = 1}                    → sum: no option 'dims': did you mean dim? (options: dim, dtype, keepdim)
x:sum{1, keepdim = true}           → (names go into a table of their own, the last)
x:sum(0, true, nil, 5)             → sum: expects at most 3 arguments, got 4
x:sum(1, {dim = 0})                → sum: dim is given twice
x:mean{dtype = "int64"}            → mean: dtype expects "float32", got "int64"
x:topk(1, 5)                       → topk: dimension 5 is out of range
x:topk(1, {larges = true})         → did you mean largest?
x:exp(2)                           → exp: expects no arguments, got 1
x:relu{inplace = true}             → relu: no option 'inplace'
x:t(1)                             → t: expects no arguments, got 1
x:add(y, 2)                        → add: expects at most 1 argument by place, got 2 (by name: {alpha = …})
x:add(x, {alpa = 2})               → did you mean alpha?
x:div(2, {rounding_mode = "up"})   → div: rounding_mode expects "trunc" or "floor", got "up"
x:gelu "erf"                       → gelu: approximate expects "none" or "tanh", got "erf"
x:norm "nuc"                       → norm: p expects a number, math.huge or "fro", got "nuc"
x:std(0, {correction = 0, unbiased = true})  → std: takes unbiased or correction, not both
x:all(2)                           → all: dimension 2 is out of range
x:max{keepdim = true}              → max: keepdim goes with a dimension
x:mm(y)                            → mm: expects two matrices, got (4, 3) and (4)
x:bmm(x)                           → bmm: expects two batches of matrices
x:expand(5, 3)                     → expand: shape (4, 3) does not stretch to (5, 3)
zeros(2, nil, 3)                   → zeros: size expects whole numbers, 0 or above, at most 8 of them, got nil at place 2
tensor{1, 2, dtype = "float32"}    → 'dtype' stands among the numbers: options go into a table of their own
tensor(1, 2)                       → expects one list of numbers
tensor.cat{x, 5}                   → cat: tensors expects a list of tensors
tensor.cat({x, x}, {dims = 1})      → did you mean dim?
tensor.stack{x, y}                 → stack: expects tensors of one shape, got (4, 3) and (4)
randn(2, {dtype = "int64"})        → randn: dtype expects "float32"
x[{0, 1, 2}]                       → 3 indices for shape (4, 3)
y[{0, 2}]                          → several places of one dimension: x[{{0, 2}}]
x[{1}]                             → x[{1}]: 1 of 2 dimensions: x[{1, "..."}] is the part there, x[{{1}}] the places of dimension 0
x[{":", "::-1"}]                   → a step is a whole number of 1 or above (x:flip(dim) turns round)
x["1:a"]                           → an index is a whole number, a slice as "1:4"
x[x]                               → an index is made of whole numbers or of true and false, got float32
x[zeros(3, {dtype = "bool"})]      → a mask of shape (3) does not fit dimension 0 of shape (4, 3)
x[{":", {0, 5}}]                   → index 5 is out of range for dimension 1 of length 3 (-3 to 2)
x[{{0, 1}, {0, 1, 2}}]             → do not broadcast
x[{":", 1}] = zeros(3)             → x[…] = y: expects shape (4), got (3)
x[{0, "..."}] = {1, 2, 3}          → (tensor{…} makes one)
x.grad = 5                         → grad: expects a tensor, got number
x.grad = zeros(2)                  → grad: expects shape (4, 3), got (2)
x[0] = "x"                         → x[…] = y: y expects a number or a tensor, got "x"
x[0] = zeros(2)                    → x[…] = y: expects shape (3), got (2)
x[9] = 1                           → index 9 is out of range
x.foo = 1                          → a tensor has no field 'foo' to set
y.requires_grad = true             → only float32 tensors can have gradients, this one is int64
suture.threads(0)                  → threads: expects a number from 1 to 1024, got 0
no_grad(5)                         → no_grad: expects a function, got number
-- functions
F.cross_entropy(x)                 → cross_entropy: expects a tensor for the target, got nil
F.cross_entropy(x, {0, 1, 2, 3})   → cross_entropy: target 3 at index 3 is not below 3 classes
F.cross_entropy(x, y + 1)          → cross_entropy: target 3 at index 2 is not below 3 classes
F.cross_entropy(x, y:reshape(4, 1))  → a target of shape (4, 1) holds neither class numbers, of shape (4), nor probabilities, of (4, 3) (y:squeeze(1))
F.cross_entropy(x, y:float())      → cross_entropy: class numbers are whole, targets of int64, got float32 (y:long())
F.cross_entropy(x, x:long())       → holds probabilities, of float32, got int64
F.nll_loss(x, y:float())           → nll_loss: class numbers are whole
F.l1_loss(x, x, {reducton = "sum"})  → l1_loss: no option 'reducton': did you mean reduction?
F.binary_cross_entropy(x, x, {pos_weight = x})  → pos_weight is an option of binary_cross_entropy_with_logits
F.binary_cross_entropy(suture.tensor {0.5, 1.5}, suture.tensor {1.0, 0.0} * 1.0)  → expects probabilities, from 0 to 1, got 1.5 at index 1
F.relu(x, {inplace = true})        → relu: inplace is not needed: write x = F.relu(x)
F.linear(x, x, {bia = y})          → did you mean bias?
F.normalize(x, {eps = "a"})        → normalize: eps expects a number, got "a"
F.cross_entropy(y, x)              → cross_entropy: class numbers are whole, targets of int64, got float32 (y:long())
F.cross_entropy(x, {0, 1})         → wants class indices of shape (4)
F.cross_entropy(x, y, {reduction = "men"})        → cross_entropy: reduction expects "mean", "sum" or "none", got "men"
F.cross_entropy(x, y, {ignore_index = "a"})       → ignore_index expects a whole number, got "a"
F.cross_entropy(x, y, {label_smoothing = 0/0})    → label_smoothing expects a number from 0 to 1
F.nll_loss(x, {0, 1, 2, 3})        → nll_loss: target 3 at index 3 is not below 3 classes
F.mse_loss(x, y)                   → mse_loss: x has shape (4, 3), the target (4)
F.conv2d(x, x)                     → conv2d: expects x of shape (N, C, H, W), got (4, 3)
F.conv2d(picture, randn(4, 3, 3, 3), {stride = 0})  → conv2d: stride expects a whole number above 0
F.relu(5)                          → relu: expects a tensor for x, got 5
F.softmax(x, {dm = 1})             → softmax: no option 'dm'
F.elu(x, {alph = 1})               → did you mean alpha?
F.leaky_relu(x, "a")               → leaky_relu: negative_slope expects a number, got "a"
F.adaptive_avg_pool2d(picture)     → adaptive_avg_pool2d: output_size is missing
F.one_hot(y, 2)                    → one_hot: class 2 at index 2
F.one_hot(tensor{0.5}, 2)          → one_hot: class 0.5 at index 0
F.pad(picture, {1})                → pad: expects {left, right, top, bottom, …}
-- layers and modules
nn.Conv2d(3, 4)                    → Conv2d: kernel_size is missing
nn.Conv2d(3, 4, 3, {strid = 2})    → did you mean stride?
nn.Conv2d("3", 4, 3)               → Conv2d: in_channels expects a whole number above 0, got "3"
nn.Conv2d(3, 4, 3, {groups = 2})   → Conv2d: 3 and 4 channels do not divide into 2 groups
nn.Conv2d(3, 4, 1000000)           → would take 48000.0 GB
nn.BatchNorm2d(3, {eps = 0/0})     → BatchNorm2d: eps expects a number
nn.BatchNorm2d(3)(x)               → BatchNorm2d expects (N, C, H, W), got (4, 3)
nn.BatchNorm1d(3)(randn(1, 3))     → Expected more than 1 value per channel when training
nn.AdaptiveAvgPool2d "a"           → AdaptiveAvgPool2d: output_size expects a whole number above 0
nn.MaxPool2d(20)(picture)          → MaxPool2d: kernel (20, 20) larger than padded input (8, 8)
nn.Dropout(2)                      → Dropout: p expects a number from 0 to 1, got 2
conv(randn(2, 4, 8, 8))            → Conv2d: expects 3 channels (dim 1), got 4
conv(x, nil)                       → Conv2d: expects x of shape (N, C, H, W), got (4, 3)
conv(picture:long())               → Conv2d: expects float32 numbers, got int64 (x:float() makes them so)
m(zeros(1, 3, 32, 32, {dtype = "int64"}))   → conv1: Conv2d expects float32 numbers, got int64
F.cross_entropy(y:reshape(2, 2), {0, 1})    → cross_entropy: expects float32 numbers, got int64
F.softmax(y, 0)                    → softmax: expects float32 numbers, got int64
conv()                             → conv2d: expects a tensor for x, got nothing
conv.train()                       → a method is called with a colon, m:train(…)
m.freeze "layer1"                  → a method is called with a colon, m:freeze(…)
m.graph()                          → a method is called with a colon, m:graph(…)
m.replace("linear", conv)          → a method is called with a colon, m:replace(…)
m.save "x.pth"                     → a method is called with a colon, m:save(…)
opt.step()                         → a method is called with a colon, opt:step(…)
list[2]                            → Sequential[2]: there is no such place (0 to 1)
list[2] = nn.ReLU()                → Sequential has no child 2 to replace
list[0] = nn.ReLU                  → Sequential[0]: expects a module, got the class ReLU (make one: nn.ReLU(…))
list:append(3)                     → Sequential:append: expects a module, got 3
list:slice "a"                     → Sequential:slice: expects whole numbers, got "a"
nn.Sequential(nn.ReLU)             → the class ReLU (make one: nn.ReLU(…))
nn.class("A", nn.ReLU())           → class A: expects a class of modules as the base
m.linear = nn.Linear               → linear is a module of CifarResNet: expects a module, got the class Linear
m.linear = 5                       → linear is a module of CifarResNet: expects a module, got 5
m.conv1.weight = 5                 → weight is a parameter of Conv2d: expects a tensor, got 5
m.bn1.running_mean = 3             → running_mean is a buffer of BatchNorm2d: expects a tensor, got 3
m:register_buffer()                → register_buffer: a name is a word without dots, got nil
m:register_parameter(5, x)         → register_parameter: a name is a word without dots, got 5
m:apply(5)                         → apply: expects a function, got 5
m:at "layer9"                      → at: no module 'layer9' in CifarResNet: did you mean layer3?
m:find(nil)                        → find: expects a name or a pattern
m:freeze "layr1"                   → did you mean layer1?
m:freeze("conv1", 5)               → freeze: expects a name or a pattern like "layer1.*", got 5
m:freeze_to "zz"                   → freeze_to: no module 'zz' in CifarResNet
m:bn_eval "x"                      → bn_eval: expects true or false, got "x"
m:load_state_dict{a = x}           → load_state_dict: the names and shapes do not fit CifarResNet
m:graph{dept = 1}                  → did you mean depth?
m:graph{input = {1, 3, -2, 2}}     → a shape is made of whole numbers above 0
m:summary(3)                       → summary: conv1: Conv2d expects x of shape (N, C, H, W)
m:cost "a"                         → cost: batch expects a whole number above 0, got "a"
m:replace("linear", nn.Linear)     → replace: expects a module, got the class Linear
m:replace("zz", conv)              → replace: no module 'zz'
m:remove "linear.weight"           → remove: 'linear.weight' is a parameter or a buffer
m:reset_head(0)                    → reset_head: expects a number of classes above 0, got 0
m(randn(1, 4, 32, 32))             → conv1: Conv2d expects 3 channels (dim 1), got 4
zoo.cifar_resnet20{pretrain = true}   → did you mean pretrained?
zoo.cifar_resnet20(5)              → expects options in a table
zoo.list(5)                        → zoo.list: expects a name or a pattern
diff(m)                            → diff: expects two models or state dicts
-- optimizers and training
optim.SGD(m, {lr = 0.1})           → optim.SGD: expects the parameters of the model: m:parameters()
optim.SGD(m.parameters, {lr = 0.1})   → got a function (m:parameters() with a colon and ())
optim.SGD(m:named_parameters(), {lr = 0.1})   → got names
optim.SGD(m:parameters(), 0.1)     → optim.SGD: expects options in a table, as {name = value}, got 0.1
optim.SGD(m:parameters())          → optim.SGD: lr is missing
optim.SGD(m:parameters(), {lr = 1/0})   → lr expects a number, 0 or above, got inf
optim.SGD(m:parameters(), {lr = 1, nesterov = "yes"})   → nesterov expects true or false, got "yes"
optim.Adam(m:parameters(), {betas = {0.9, 0/0}})        → betas expects two numbers from 0 to below 1
opt:load_state_dict(5)             → expects what state_dict() of an optimizer gave, got 5
optim.clip_grad_norm_(m:parameters(), -1)   → max_norm expects a number above 0, got -1
fit(m)                             → fit: expects a dataset
fit(ds, m)                         → fit: expects a model, got a dataset
fit(m, ds, 5)                      → fit: expects options in a table, as {name = value}, got 5
fit(m, ds, {epoch = 1})            → did you mean epochs?
fit(m, ds, {epochs = 1.5})         → fit: epochs expects a whole number or "converge", got 1.5
fit(m, ds, {lr = 0/0})             → fit: lr expects a number, 0 or above
fit(m, ds, {batch = 0})            → fit: batch expects a whole number above 0 or "auto", got 0
fit(m, ds, {optimizer = "sdg"})    → did you mean sgd?
fit(m, ds, {optimizer = optim.SGD})   → fit: no optimizer
fit(m, ds, {optimizer = {}})       → fit: no optimizer
fit(m, ds, {optimizer = "adam", momentum = 0.9})   → fit: momentum is no option of adam
fit(m, ds, {optimizer = opt, lr = 1})   → fit: lr is no option of an optimizer of your own: give it to optim.SGD
fit(m, ds, {optimizer = optim.SGD(conv:parameters(), {lr = 1})})   → holds no parameter of the model that trains
fit(m, ds, {val = 5})              → fit: val: expects a dataset
fit(m, ds, {label_smoothing = 2})  → fit: label_smoothing expects a number from 0 to 1, got 2
fit(m, ds, {clip = 0})             → fit: clip expects a number above 0, got 0
fit(m, ds, {cache = "x"})          → fit: cache expects true, false or how many augmented views of each sample to keep (a whole number above 0), got "x"
fit(m, ds, {cache = 0})            → a whole number above 0), got 0 · a bound in MB is cache_mb
plan(m, ds, {cache = 1.5})         → plan: cache expects true, false or
fit(m, ds, {cache_mb = -1})        → fit: cache_mb expects a number, 0 or above, got -1
fit(m, ds, {quiet = 1})            → fit: quiet expects true or false, got 1
fit(m, ds, {on_epoch = 5})         → fit: on_epoch expects a function, got 5
fit(m, ds, {seed = 1.5})           → fit: seed expects a whole number, got 1.5
fit(m, ds, {gamma = "a"})          → fit: gamma expects a number, 0 or above, got "a"
fit(m, ds, {min_delta = "a"})      → fit: min_delta expects a number, 0 or above, got "a"
fit(m, ds, {schedule = 5})         → fit: no schedule 5
fit(m, ds, {quiet = true, schedule = function() end})   → fit: schedule gave nil for epoch 0
evaluate(m, ds, {batch = "a"})     → evaluate: batch expects a whole number above 0, got "a"
evaluate(m, ds, 5)                 → evaluate: expects options in a table
confusion(m, ds, {x = 1})          → confusion: no option 'x'
plan(m, ds, {batch = 0})           → plan: batch expects a whole number above 0 or "auto", got 0
predict(m, 5)                      → predict: expects a tensor or the path of a picture, got 5
predict(m, picture, "a")           → predict: expects how many classes to name, a whole number above 0, got "a"
undo "x"                           → undo: no checkpoint 'x' · :checkpoint lists them, :checkpoint NAME makes one
undo(0)                            → undo: expects a number of steps above 0, got 0
]]

describe("names that Tab offers", function()
  for _, list in ipairs {suture._names, suture._more} do
    for name in pairs(list) do
      it("are there: " .. name, function() assert.is_not_nil(suture[name]) end)
    end
  end
end)

describe("mistakes", function()
  local env

  local function setup_env()
    env = setmetatable({suture = suture}, {__index = function(_, k) return suture[k] or _G[k] end})
    suture.seed(1)
    assert(load(setup, "=setup", "t", env))()
  end

  for line in cases:gmatch "[^\n]+" do
    local code, text = line:match "^(.-)%s*→ (.*)$"
    if code and code:sub(1, 2) ~= "--" then
      it("are named: " .. code, function()
        if not env then setup_env() end
        local f = load("local _ = " .. code .. "\nreturn _", "=typed", "t", env) or assert(load(code, "=typed", "t", env))
        local ok, message = pcall(f)
        assert.is_false(ok, "no error")
        assert.equal("typed:1: ", message:sub(1, 9), message)
        assert.is_truthy(message:find(text, 1, true), ("expected %q, got %q"):format(text, message))
      end)
    end
  end
end)
