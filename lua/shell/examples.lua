--- An example of every public name, which help shows and the tests run: its arguments, with the things that they speak
-- of, or lines of their own.
local examples = {}

-- What arguments speak of: name → how it is made, each after what it speaks of itself.
local things = {
  {"x", "randn(2, 3)"}, {"v", "randn(3)"}, {"n", "tensor {0, 1}"}, {"b3", "randn(1, 2, 2)"},
  {"leaf", "zeros(2, 3, {requires_grad = true})"}, {"s", "(leaf * 2):sum()"}, {"q", "randn(1, 2, 3, 4)"},
  {"pic", "randn(1, 2, 4, 4)"}, {"lin", "nn.Linear(3, 2)"},
  {"l", "nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))\nl.input_shape = {1, 3}"},
  {"ml", "nn.ModuleList {nn.ReLU()}"},
  {"opt", "optim.SGD(l:parameters(), {lr = 0.1})"}, {"ds", "data.tensors(randn(4, 3), tensor {0, 1, 0, 1})"},
  {"f", "function() end"}, {"h", "lin:register_forward_hook(f)"}, {"g", "l:graph(1, 3)"}, {"d", "diff(l, l)"},
  {"t", "trainer(l, ds, {quiet = true, epochs = 1})"}, {"sd", "l:state_dict()"}, {"tr", "trace(l, randn(1, 3))"},
  {"rgb", "rand(3, 4, 4)"}, {"many", "rand(2, 3, 4, 4)"},
  {"schedule", "optim.lr_scheduler.StepLR(opt, 2)"}, {"block", "nn.Sequential(nn.ReLU())"},
  {"net", 'open "examples/shapes-resnet20.safetensors"'}, {"shapes", "data.shapes{n = 1, transform = net}"},
  {"vit", "zoo.vit_b_16{image_size = 32, num_classes = 8}"},
  {"picture", "data.shapes{n = 1, transform = net}:get(0)"},
}

--- Arguments that make a right call: room → name → the text between the parentheses.
examples.rooms = {
  ["x:"] = {
    add = "x", add_ = "x", allclose = "x", chunk = "2", clamp = "0, 1", clamp_ = "0, 1", copy_ = "x", div = "x",
    div_ = "x", eq = "x", equal = "x", expand = "2, 3", expand_as = "x", fill_ = "1", flip = "0", ge = "x", gt = "x",
    index_select = "0, n", le = "x", lt = "x", matmul = "v", maximum = "x", minimum = "x", mm = "randn(3, 2)",
    mul = "x", mul_ = "x", narrow = "0, 0, 1", ne = "x", permute = "1, 0", pow = "2", pow_ = "2",
    requires_grad_ = "false", reshape = "-1", reshape_as = "x", roll = "1", select = "0, 0", slice = "0, 0",
    split = "1", sub = "x",
    sub_ = "x", to = '"float32"', topk = "1", transpose = "0, 1", unsqueeze = "0", view = "-1", view_as = "x",
  },
  ["tensor."] = {
    abs = "x", amax = "x", amin = "x", arange = "3", bmm = "b3, b3", cat = "{x, x}", ceil = "x", clamp = "x, 0",
    cos = "x", eq = "x, x", exp = "x", eye = "2", floor = "x", full = "{2}, 1", full_like = "x, 1", ge = "x, x",
    gelu = "x", gt = "x, x", hardswish = "x", is_tensor = "x", le = "x, x", linspace = "0, 1, 3", log = "x",
    lt = "x, x", manual_seed = "1", matmul = "x, v", maximum = "x, x", minimum = "x, x", mm = "x, randn(3, 1)",
    ne = "x, x", neg = "x", new = "{1}", ones = "2", ones_like = "x", rand = "2", rand_like = "x",
    randint = "0, 2, {2}", randn = "2", randn_like = "x", randperm = "3", reciprocal = "x", relu = "x", roll = "x, 1",
    round = "x", rsqrt = "x", seed = "1", sigmoid = "x", sign = "x", silu = "x", sin = "x", softplus = "x",
    sqrt = "x", square = "x", stack = "{x, x}", tanh = "x", tensor = "{1}", where = "x:gt(0), x, x", zeros = "2",
    zeros_like = "x",
  },
  ["F."] = {
    adaptive_avg_pool2d = "pic, 1", avg_pool2d = "pic, 2", batch_norm = "pic, zeros(2), ones(2)",
    binary_cross_entropy = "x:sigmoid(), x:sigmoid()", binary_cross_entropy_with_logits = "x, x:sigmoid()",
    conv2d = "pic, randn(1, 2, 3, 3)", cross_entropy = "x, n", dropout = "x", dropout2d = "pic", elu = "x",
    flatten = "x", gelu = "x", group_norm = "pic, 2", hardsigmoid = "x", hardswish = "x", huber_loss = "x, x",
    l1_loss = "x, x", layer_norm = "x, 3", leaky_relu = "x", linear = "x, randn(2, 3)", log_softmax = "x",
    max_pool2d = "pic, 2", mish = "x", mse_loss = "x, x", nll_loss = "x, n", normalize = "x", one_hot = "n",
    pad = "x, {1, 1}", relu = "x", relu6 = "x", scaled_dot_product_attention = "q, q, q", sigmoid = "x",
    sigmoid_focal_loss = "x, x", silu = "x", smooth_l1_loss = "x, x", softmax = "x", softplus = "x",
    stochastic_depth = 'x, 0.5, "row"', tanh = "x",
  },
  ["nn."] = {
    AdaptiveAvgPool2d = "1", AvgPool2d = "2", BatchNorm1d = "2", BatchNorm2d = "2", class = '"Stray"',
    Conv2d = "1, 1, 1", GroupNorm = "1, 2", is_module = "lin", LayerNorm = "2", LayerNorm2d = "2", Linear = "1, 1",
    MaxPool2d = "2", ModuleDict = "{}", MultiheadAttention = "2, 1", Parameter = "x", PatchEmbed = "",
    Permute = "{0, 1}", ResidualBlock = "lin", SqueezeExcitation = "2, 1", StochasticDepth = '0.5, "row"',
    TransformerEncoderLayer = "2, 1",
  },
  ["nn.init."] = {
    calculate_gain = '"relu"', constant_ = "x, 1", fans = '"x", x', kaiming_normal_ = "x", kaiming_uniform_ = "x",
    normal_ = "x", ones_ = "x", trunc_normal_ = "x", uniform_ = "x", xavier_normal_ = "x", xavier_uniform_ = "x",
    zeros_ = "x",
  },
  ["nn.utils."] = {
    clip_grad_norm_ = "{leaf}, 1", clip_grad_value_ = "{leaf}, 1",
  },
  ["optim."] = {
    Adadelta = "{leaf}", Adagrad = "{leaf}", Adam = "{leaf}", Adamax = "{leaf}", AdamW = "{leaf}", ASGD = "{leaf}",
    clip_grad_norm_ = "{leaf}, 1", LBFGS = "{leaf}", NAdam = "{leaf}", optimizer = '"Stray"', RAdam = "{leaf}",
    RMSprop = "{leaf}", Rprop = "{leaf}", SGD = "{leaf}, {lr = 0.1}",
  },
  ["data."] = {
    concat = "{ds, ds}", leaks = "ds, ds", shapes = "", tensors = "x, n",
  },
  ["optim.lr_scheduler."] = {
    ConstantLR = "opt", CosineAnnealingLR = "opt, 10", CosineAnnealingWarmRestarts = "opt, 10",
    CyclicLR = "opt, 0.01, 0.1", ExponentialLR = "opt, 0.9", LambdaLR = "opt, function(epoch) return 0.9 ^ epoch end",
    LinearLR = "opt", MultiStepLR = "opt, {3, 6}", MultiplicativeLR = "opt, function() return 0.9 end",
    OneCycleLR = "opt, 0.1, {total_steps = 10}", PolynomialLR = "opt", ReduceLROnPlateau = "opt", SWALR = "opt, 0.05",
    StepLR = "opt, 2",
  },
  ["vis."] = {
    attention = "vit, picture", browse = "net, picture", class_image = "net, 3, {steps = 4}",
    dream = "net, picture, {steps = 2, octaves = 1}", embed = "net, shapes",
    explain = 'net, picture, "layer1.0.conv1", {at = {4, 7}, unit = 3}', features = 'net, picture, "layer1"',
    filters = "net.conv1", hist = "x", maximize = 'net, "layer3", {unit = 5, steps = 4}', plot = "{1, 4, 9}",
    report = 'net, shapes, "report.html"', rollout = "vit, picture", show = "picture", stats = "net, picture",
    top = 'net, shapes, "layer2", {unit = 5}', top_losses = "net, shapes",
  },
  ["image."] = {
    adjust_brightness = "rgb, 1", adjust_contrast = "rgb, 1", adjust_hue = "rgb, 0", adjust_saturation = "rgb, 1",
    adjust_sharpness = "rgb, 1", affine = "rgb", autocontrast = "rgb", center_crop = "rgb, 2",
    crop = "rgb, 0, 0, 2, 2", equalize = "rgb", gaussian_blur = "rgb, 3", hflip = "rgb", invert = "rgb",
    pad = "rgb, 1", posterize = "rgb, 4", preprocess = "rgb, {size = 4}", resize = "rgb, 4", rgb_to_grayscale = "rgb",
    rotate = "rgb, 10", solarize = "rgb, 0.5", vflip = "rgb",
  },
  ["image.batch."] = {
    adjust_brightness = "many, 1.2", adjust_contrast = "many, 1.5", adjust_hue = "many, 0.1",
    adjust_saturation = "many, 0.5", adjust_sharpness = "many, 2", affine = "many, 10", autocontrast = "many",
    gaussian_blur = "many, 3", hflip = "many", invert = "many", normalize = "many, 0.5, 0.25", pad = "many, 1",
    perspective = "many, {{0, 0}, {4, 0}, {4, 4}, {0, 4}}, {{1, 0}, {4, 0}, {4, 4}, {0, 4}}",
    rgb_to_grayscale = "many", rotate = "many, 10", solarize = "many, 0.5", vflip = "many",
  },
  ["zoo."] = {
    cifar_resnet20 = "", has = '"resnet18"', list = '"resnet1*"', weights = '"resnet18"',
  },
  ["suture."] = {
    arange = "2", confusion = "l, ds", diff = "l, l", evaluate = "l, ds", eye = "2", features = "l, ds",
    fine_tune = "l, ds, {quiet = true, epochs = 1, head_epochs = 0, each = 0}",
    fit = "l, ds, {quiet = true, epochs = 1}", full = "{2}, 1", hist = "x", history = "", linspace = "0, 1, 2",
    lr_find = "l, ds, {quiet = true, steps = 2, batch = 2}", ones = "2",
    options = '{{"epochs:count=5", "passes over the pictures"}, args = {}}',
    parallel = "{0.1, 0.01}, function(lr) return lr * 2 end, {jobs = 1}", results = '{by = "layers"}',
    seeds = "2, function(s) return s end",
    timeit = "function() return lin(randn(2, 3)) end, {runs = 1}", plan = "l, ds", plot = "{1, 2}",
    predict = "l, x", rand = "2", randn = "2", runs = "", seed = "1", show = "rgb",
    strategy = "l, ds, {similar = true}", sweep = "{model = l, train = ds, epochs = 1}, {lr = {0.1}}", threads = "",
    top_losses = "l, ds", trace = "l, x", trainer = "l, ds, {quiet = true}", zeros = "2",
  },
  ["l:"] = {
    activations = 'x, "0"', add_module = '"last", nn.ReLU()', append = "nn.ReLU()", apply = "f", at = '"0"',
    audit = "", bn_eval = "", cost = "1", cut = '"1"', extend = "{nn.ReLU()}", find = '"*"', freeze = '"0"',
    freeze_to = '"2", {1, 3}', get_submodule = '"0"', graph = "1, 3", groups = "{1, 3}", insert = "0, nn.Identity()",
    insert_after = '"0", nn.Identity()', insert_before = '"0", nn.Identity()', load_state_dict = "sd",
    register_buffer = '"kept", x', register_forward_hook = "f", register_forward_pre_hook = "f",
    register_full_backward_hook = "f", register_parameter = '"more", x', remove = '"1"',
    replace = '"0", nn.Linear(3, 4)', reset_head = "2", slice = "0, 1", summary = "1, 3", to = '"cpu"', train = "",
    unfreeze = '"0"',
  },
  ["lin:"] = {
    forward = "x",
  },
  ["opt:"] = {
    add_param_group = "{params = {leaf}}", load_state_dict = "opt:state_dict()", step = "",
  },
  ["ds:"] = {
    batch = "{0}", batches = "2", class_name = "0", fingerprint = "", folds = "2", get = "0", name = "0", order = "2",
    shuffle = "1", split = "0.5", take = "2",
  },
  ["t:"] = {
    load_state_dict = "t:state_dict()", step = "x, n",
  },
}


-- Names whose example is more than a call, or another thing's; `…` is the room's own thing.
local whole = {
  ["x:backward"] = "s:backward()\nleaf.grad", ["x:item"] = "x:sum():item()", ["x:bmm"] = "b3:bmm(b3)",
  ["x:retain_grad"] = "s:retain_grad()",
  ["tensor.enable_grad"] = "tensor.enable_grad(function() return leaf * 2 end)",
  ["tensor.load_tensor"] = 'save_tensor(x, "x.npy")\ntensor.load_tensor "x.npy"',
  ["tensor.save_tensor"] = 'tensor.save_tensor(x, "x.npy")',
  no_grad = "no_grad(function() return leaf * 2 end)", load_tensor = 'save_tensor(x, "x.npy")\nload_tensor "x.npy"',
  save_tensor = 'save_tensor(x, "x.npy")', help = 'help "fit"', undo = "undo()", redo = "redo()",
  history = "history(true)\nl:eval()\nhistory()", back_to = "history(true)\nl:eval()\nback_to(0)",
  open = 'l:save "l.safetensors"\nopen "l.safetensors"', save = 'save({model = l, epoch = 3}, "all.safetensors")',
  report = 'report(l, ds, "report.html")',
  resume = 'fit(l, ds, {quiet = true, epochs = 1, run = "first"})\nresume("first", {train = ds})',
  runs = "runs()", command = 'command.add{name = "hello", text = "says hello", run = function() print "hello" end}',
  ["command.add"] = 'command.add{name = "hello", text = "says hello", run = function() print "hello" end}',
  ["command.find"] = 'command.find "save"', ["command.names"] = "command.names()",
  ["command.meant"] = 'command.meant "hist"',
  ["nn.layer"] = 'Scale = nn.layer "Scale" {fields = "factor:num", forward = function(self, x) '
    .. 'return x * self.factor end}\nScale(2)(x)',
  ["nn.class"] = 'Twice = nn.class "Twice"\nfunction Twice:forward(x) return x * 2 end\nTwice()(x)',
  ["nn.Sequential"] = "nn.Sequential(nn.Linear(3, 4), nn.ReLU())",
  ["nn.ModuleList"] = "nn.ModuleList {nn.ReLU(), nn.ReLU()}",
  ["nn.Identity"] = "nn.Identity()(x)", ["nn.init.skip"] = "nn.init.skip(function() return nn.Linear(3, 2) end)",
  ["data.cifar10"] = 'ds = data.cifar10 "cifar-10-batches-bin"', ["data.csv"] = 'ds = data.csv "labels.csv"',
  ["data.dataset"] = "data.dataset{n = 4, get = function(i) return randn(3), i % 2 end}",
  ["data.fashion_mnist"] = 'ds = data.fashion_mnist "fashion"', ["data.mnist"] = 'ds = data.mnist "mnist"',
  ["data.features"] = 'features(l, ds, {save = "kept.safetensors"})\ndata.features "kept.safetensors"',
  ["data.folder"] = 'ds = data.folder("photos/train", {size = 224})',
  ["image.load"] = 'image.save(rgb, "rgb.png")\nimage.load "rgb.png"', ["image.save"] = 'image.save(rgb, "rgb.png")',
  ["zoo.get"] = 'zoo.get("resnet18", "imagenet1k_v1")', ["zoo.recognise"] = "zoo.recognise(l:state_dict())",
  ["m:before"] = "history(true)\nl:eval()\nl:before()", ["m:class"] = 'nn.class "Twice"', ["m:extra"] = "lin:extra()",
  ["list:remove"] = "ml:remove(0)", ["schedule:load_state_dict"] = "schedule:load_state_dict(schedule:state_dict())",
  ["optim.lr_scheduler.ChainedScheduler"] = "optim.lr_scheduler.ChainedScheduler{schedule}",
  ["optim.lr_scheduler.SequentialLR"] = "optim.lr_scheduler.SequentialLR(opt, "
    .. "{schedule, optim.lr_scheduler.ConstantLR(opt)}, {3})",
  ["m:profile"] = "l:profile()", ["m:save"] = 'l:save "l.safetensors"',
  ["m:forward"] = "l:forward(x)", ["suture.inspect"] = "suture.inspect {1, 2}", ["suture.strict"] = "suture.strict()",
  ["suture.checkpoint"] = 'history(true)\nsuture.checkpoint "begin"', ["ds:with"] = "ds:with{batch = 2}",
  ["graph:save"] = 'g:save "graph.html"',
}

local named = {m = "l", sequential = "l", list = "ml", graph = "g"} -- kinds of objects by their example's names

local function mentions(code, name)
  code = code:gsub('"[^"]*"', '""')
  for before, after in code:gmatch("()%f[%w_]" .. name .. "%f[^%w_]()") do
    if not code:sub(before - 1, before - 1):find "[.:]" and not code:find("^%s*=[^=]", after) then return true end
  end
  return false
end

--- examples.given(code): the lines that make the things that code speaks of; {}: all of them.
function examples.given(code)
  local lines, wanted = {}, type(code) == "string" and code
  for i = #things, 1, -1 do
    local name, made = things[i][1], things[i][2]
    if not wanted or mentions(wanted, name) then
      table.insert(lines, 1, ("%s = %s\n"):format(name, made))
      if wanted then wanted = made .. "\n" .. wanted end
    end
  end
  return table.concat(lines)
end

--- examples.call(name): the example of a name as users write it ("fit", "nn.Conv2d", "m:freeze"), without what it
-- speaks of; nil where there is none.
function examples.call(name)
  if whole[name] then return whole[name] end
  local room, sign, last = name:match "^(.*)([.:])([^.:]+)$"
  if not room then room, sign, last = "suture", ".", name end
  local own = named[room] or room
  local args = (examples.rooms[own .. sign] or {})[last]
  if not args and sign == ":" then args = (examples.rooms["l:"] or {})[last] end
  args = args or room == "vis" and "net, picture" or ""
  if room == "suture" and name == last then own, sign = "", "" end
  local call = args:match '^"[^"]*"$' and " " .. args or "(" .. args .. ")"
  return own .. sign .. last .. call
end

--- examples.of(name): the whole example, as lines that run.
function examples.of(name)
  local call = examples.call(name)
  return call and examples.given(call) .. call
end

return examples
