-- What is typed happens or is refused: every public function and method, called rightly, then with more than it takes:
-- words behind its arguments, and an option that it does not have. Each must be an error that names the function.
local suture = require "suture"
local fields = require "suture.base.fields"

local setup = [[
suture = require "suture"
tensor, F, nn, optim, data, zoo, image = suture.tensor, suture.F, suture.nn, suture.optim, suture.data, suture.zoo, suture.image
zeros, ones, randn = suture.zeros, suture.ones, suture.randn
seed(1)
x, v, n, b3 = randn(2, 3), randn(3), tensor {0, 1}, randn(1, 2, 2)
leaf = zeros(2, 3, {requires_grad = true})
s = (leaf * 2):sum()
q = randn(1, 2, 3, 4)
pic = randn(1, 2, 4, 4)
lin = nn.Linear(3, 2)
l = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
l.input_shape = {1, 3}
ml = nn.ModuleList {nn.ReLU()}
opt = optim.SGD(l:parameters(), {lr = 0.1})
ds = data.tensors(randn(4, 3), tensor {0, 1, 0, 1})
h = lin:register_forward_hook(function() end)
g = l:graph()
d = suture.diff(l, l)
t = suture.trainer(l, ds, {quiet = true, epochs = 1})
sd = l:state_dict()
tr = suture.trace(l, randn(1, 3))
f = function() end
rgb = suture.rand(3, 4, 4)
]]

-- group → how it is written, and the arguments that make a right call, by name; "-": any number is right, or nothing can
-- be called (why stands behind); "!": only the calls with too much are made.
local groups = {
  {"x:", function() return suture.zeros(1) end, {
    add = "x", sub = "x", mul = "x", div = "x", pow = "2", eq = "x", ne = "x", lt = "x", le = "x", gt = "x", ge = "x",
    maximum = "x", minimum = "x", matmul = "v", mm = "randn(3, 2)", bmm = "!", clamp = "0, 1", equal = "x",
    allclose = "x", topk = "1", chunk = "2", split = "1", expand = "2, 3", expand_as = "x", view_as = "x",
    reshape_as = "x", index_select = "0, n", narrow = "0, 0, 1", permute = "1, 0", reshape = "-1", view = "-1",
    roll = "1", select = "0, 0", slice = "0, 0", to = '"float32"', transpose = "0, 1", unsqueeze = "0", flip = "0",
    item = "!", backward = "!", retain_grad = "!", add_ = "x", sub_ = "x", mul_ = "x", div_ = "x", pow_ = "2",
    clamp_ = "0, 1", copy_ = "x", fill_ = "1", requires_grad_ = "false",
  }},
  {"tensor.", function() return suture.tensor end, {
    new = "{1}", tensor = "{1}", abs = "x", amax = "x", amin = "x", arange = "3", bmm = "b3, b3", cat = "{x, x}",
    ceil = "x", clamp = "x, 0", cos = "x", enable_grad = "- what it calls gets them", eq = "x, x", exp = "x", eye = "2",
    floor = "x", full = "{2}, 1", full_like = "x, 1", ge = "x, x", gelu = "x", gt = "x, x", hardswish = "x",
    is_tensor = "x", le = "x, x", linspace = "0, 1, 3", load_tensor = "!", log = "x", lt = "x, x", manual_seed = "1",
    matmul = "x, v", maximum = "x, x", minimum = "x, x", mm = "x, randn(3, 1)", ne = "x, x", neg = "x",
    no_grad = "- what it calls gets them", ones = "2", ones_like = "x", rand = "2", rand_like = "x",
    randint = "0, 2, {2}", randn = "2", randn_like = "x", randperm = "3", reciprocal = "x", relu = "x", roll = "x, 1",
    round = "x", rsqrt = "x", save_tensor = "!", seed = "1", sigmoid = "x", sign = "x", silu = "x", sin = "x",
    softplus = "x", sqrt = "x", square = "x", stack = "{x, x}", tanh = "x", where = "x:gt(0), x, x", zeros = "2",
    zeros_like = "x",
  }},
  {"F.", function() return suture.F end, {
    adaptive_avg_pool2d = "pic, 1", avg_pool2d = "pic, 2", batch_norm = "pic, zeros(2), ones(2)",
    binary_cross_entropy = "x:sigmoid(), x:sigmoid()", binary_cross_entropy_with_logits = "x, x:sigmoid()",
    conv2d = "pic, randn(1, 2, 3, 3)", cross_entropy = "x, n", dropout = "x", dropout2d = "pic", elu = "x",
    flatten = "x", gelu = "x", group_norm = "pic, 2", hardsigmoid = "x", huber_loss = "x, x", sigmoid_focal_loss = "x, x", hardswish = "x", l1_loss = "x, x",
    layer_norm = "x, 3", leaky_relu = "x", linear = "x, randn(2, 3)", log_softmax = "x", max_pool2d = "pic, 2",
    mish = "x", mse_loss = "x, x", nll_loss = "x, n", normalize = "x", one_hot = "n", pad = "x, {1, 1}", relu = "x",
    relu6 = "x", scaled_dot_product_attention = "q, q, q", sigmoid = "x", silu = "x", smooth_l1_loss = "x, x",
    softmax = "x", softplus = "x", stochastic_depth = 'x, 0.5, "row"', tanh = "x",
  }},
  {"nn.", function() return suture.nn end, {
    Parameter = "x", class = '"Stray"', is_module = "lin", layer = "- a declaration follows",
    AvgPool2d = "2", MaxPool2d = "2", AdaptiveAvgPool2d = "1", BatchNorm1d = "2", BatchNorm2d = "2",
    Conv2d = "1, 1, 1", Linear = "1, 1", GroupNorm = "1, 2", LayerNorm = "2", LayerNorm2d = "2",
    MultiheadAttention = "2, 1", TransformerEncoderLayer = "2, 1", PatchEmbed = "", Permute = "{0, 1}",
    SqueezeExcitation = "2, 1", ResidualBlock = "lin", StochasticDepth = '0.5, "row"', Sequential = "- any number",
    ModuleList = "- any number", ModuleDict = "{}", Identity = "- takes anything, as PyTorch's",
  }},
  {"nn.init.", function() return suture.nn.init end, {
    calculate_gain = '"relu"', constant_ = "x, 1", fans = '"x", x', kaiming_normal_ = "x", kaiming_uniform_ = "x",
    normal_ = "x", ones_ = "x", skip = "- what it calls gets them", trunc_normal_ = "x", uniform_ = "x",
    xavier_normal_ = "x", xavier_uniform_ = "x", zeros_ = "x",
  }},
  {"nn.utils.", function() return suture.nn.utils end, {clip_grad_norm_ = "{leaf}, 1", clip_grad_value_ = "{leaf}, 1"}},
  {"optim.", function() return suture.optim end, {
    Adam = "{leaf}", AdamW = "{leaf}", RAdam = "{leaf}", RMSprop = "{leaf}", SGD = "{leaf}, {lr = 0.1}",
    LBFGS = "{leaf}", Adadelta = "{leaf}", Adagrad = "{leaf}", Adamax = "{leaf}", ASGD = "{leaf}", NAdam = "{leaf}", Rprop = "{leaf}",
    clip_grad_norm_ = "{leaf}, 1", optimizer = '"Stray"',
  }},
  {"data.", function() return suture.data end, {
    cifar10 = "!", csv = "!", dataset = "!", fashion_mnist = "!", features = "!", folder = "!", mnist = "!", shapes = "",
    tensors = "x, n", leaks = "ds, ds", concat = "{ds, ds}",
  }},
  {"image.", function() return suture.image end, {load = "!", preprocess = "rgb, {size = 4}", resize = "rgb, 4",
    save = "!", adjust_brightness = "rgb, 1", adjust_contrast = "rgb, 1", adjust_hue = "rgb, 0",
    adjust_saturation = "rgb, 1", adjust_sharpness = "rgb, 1", affine = "rgb", autocontrast = "rgb",
    center_crop = "rgb, 2", crop = "rgb, 0, 0, 2, 2", equalize = "rgb", gaussian_blur = "rgb, 3", hflip = "rgb",
    invert = "rgb", pad = "rgb, 1", posterize = "rgb, 4", rgb_to_grayscale = "rgb", rotate = "rgb, 10",
    solarize = "rgb, 0.5", vflip = "rgb"}},
  {"zoo.", function() return suture.zoo end, {get = "!", has = '"resnet18"', recognise = "!", list = '"resnet1*"',
    weights = '"resnet18"', cifar_resnet20 = ""}},
  {"suture.", function()
    local all = {}
    for name in pairs(suture._names) do all[name] = suture[name] end
    for name in pairs(suture._more) do all[name] = suture[name] end
    return all
  end, {
    arange = "2", eye = "2", full = "{2}, 1", linspace = "0, 1, 2", load_tensor = "!", save_tensor = "!",
    no_grad = "- what it calls gets them", ones = "2", zeros = "2", rand = "2", randn = "2", seed = "1",
    confusion = "l, ds", diff = "l, l", evaluate = "l, ds", fit = "l, ds, {quiet = true, epochs = 1}", help = "- shows anything",
      lr_find = "l, ds, {quiet = true, steps = 2, batch = 2}", strategy = "l, ds, {similar = true}",
      fine_tune = "l, ds, {quiet = true, epochs = 1, head_epochs = 0, each = 0}",
      open = "!", plan = "l, ds", features = "l, ds", runs = "", resume = "!",
      sweep = "{model = l, train = ds, epochs = 1}, {lr = {0.1}}", predict = "l, x", trace = "l, x", nn = "-",
      undo = "!", redo = "!", back_to = "!",
    trainer = "l, ds, {quiet = true}", inspect = "- a width goes with it", threads = "",
    strict = "- what is read afterwards is asked for its name", save = "!", history = "", hist = "x", top_losses = "l, ds", plot = "{1, 2}", show = "rgb", report = "!",
  }},
  {"l:", function() return suture.nn.Sequential(suture.nn.Linear(2, 2)) end, {
    activations = 'x, "0"', add_module = '"last", nn.ReLU()', append = "nn.ReLU()", apply = "f", at = '"0"', before = "!", bn_eval = "",
    class = "- nn's", Parameter = "- nn's", is_module = "- nn's", cost = "1", cut = '"1"', extend = "{nn.ReLU()}",
    find = '"*"', forward = "- calls get them", freeze = '"0"', freeze_to = '"2", {1, 3}', get_submodule = '"0"',
    graph = "1, 3", groups = "{1, 3}", insert = "0, nn.Identity()", insert_after = '"0", nn.Identity()',
    insert_before = '"0", nn.Identity()', load_state_dict = "sd", profile = "!", audit = "", summary = "1, 3",
    register_forward_hook = "f", register_forward_pre_hook = "f", register_full_backward_hook = "f",
    register_buffer = '"kept", x', register_parameter = '"more", x', remove = '"1"', replace = '"0", nn.Linear(3, 4)',
    reset_head = "2", save = "!", slice = "0, 1", to = '"cpu"', train = "", unfreeze = '"0"',
  }},
  {"lin:", function() return {forward = print, extra = print, reset_parameters = print} end, {forward = "x"}},
  {"opt:", function() return suture.optim.SGD({suture.zeros(1, {requires_grad = true})}, {lr = 1}) end, {
    add_param_group = "{params = {leaf}}", step = "", load_state_dict = "opt:state_dict()",
  }},
  {"ds:", function()
    local list = {}
    for _, name in ipairs {"get", "labels", "counts", "name", "shuffle", "take", "split", "with", "order", "batches",
      "batch", "class_name", "folds", "fingerprint"} do list[name] = print end
    return list
  end, {
    get = "0", name = "0", shuffle = "1", take = "2", split = "0.5", with = "!", order = "2", batches = "2",
    batch = "{0}", class_name = "0", folds = "2", fingerprint = "",
  }},
  {"t:", function()
    local m = suture.nn.Linear(2, 2)
    return suture.trainer(m, suture.data.tensors(suture.zeros(2, 2), suture.tensor {0, 1}), {quiet = true})
  end, {step = "x, n", validate = "!", schedule = "- what was given", load_state_dict = "t:state_dict()"}},
  {"g:", function() return suture.nn.Sequential(suture.nn.Linear(2, 2)):graph(1, 2) end, {save = "!"}},
  {"d:", function() return suture.diff({}, {}) end, {save = "!"}},
  {"sd:", function() return suture.nn.Linear(1, 1):state_dict() end, {}},
  {"h:", function() return suture.nn.Linear(1, 1):register_forward_hook(function() end) end, {}},
}

-- What an error may name instead: the function that does the work, or the class that is made.
local also = {manual_seed = "seed", new = "tensor", get_submodule = "at", trainer = "Trainer", trace = "forward",
  get = "zoo: no architecture", with = "no options"}

-- Public functions and classes of a table, object or class.
local function names_of(v)
  local list = {}
  for name, f in pairs(fields.of(v)) do
    if f == false then f = fields.step(v, name) end
    local class = type(f) == "table" and (rawget(f, "init") or rawget(f, "_super") or rawget(f, "_declared"))
    if name:find "^%a" and name ~= "init" and (type(f) == "function" or class) then list[#list + 1] = name end
  end
  table.sort(list)
  return list
end

local words = {}
for i = 1, 9 do words[i] = '"stray"' end
local too_much = {table.concat(words, ", "), "{stray = 1}"}

describe("what a user calls", function()
  for _, group in ipairs(groups) do
    local prefix, object, args = group[1], group[2], group[3]
    it("refuses what it has no use for: " .. prefix, function()
      local out = {}
      local function say(...) out[#out + 1] = table.concat({...}, " ") end
      local names, known = names_of(object()), {}
      for _, name in ipairs(names) do known[name] = true end
      assert.is_true(#names > 0)
      for name in pairs(args) do
        if not known[name] and not (prefix == "zoo." or prefix == "tensor.") then say(prefix .. name, "is not there") end
      end
      for _, name in ipairs(names) do
        local given = args[name] or ""
        local skip = given:sub(1, 1) == "-" or prefix == "zoo." and not args[name]
        if not skip then
          local only = given == "!"
          if only then given = "" end
          local env = setmetatable({}, {__index = function(_, k)
            if _G[k] ~= nil then return _G[k] end
            return suture[k]
          end})
          assert(load(setup, "=setup", "t", env))()
          local function call(extra)
            local list = given .. (given ~= "" and extra ~= "" and ", " or "") .. extra
            return pcall(assert(load(("return %s%s(%s)"):format(prefix, name, list), "=call", "t", env)))
          end
          for _, extra in ipairs(too_much) do
            local ok, message = call(extra)
            message = tostring(message)
            local plain = message:gsub("^%S-:%d+: ", "")
            if ok then say(prefix .. name, "takes", extra)
            elseif not (plain:find(name:gsub("_$", ""), 1, true) or plain:find(also[name] or name, 1, true))
              or plain:find "^attempt to" then
              say(prefix .. name, "is not named:", message)
            end
          end
          if not only then
            local ok, message = call ""
            if not ok then say(prefix .. name, "fails:", tostring(message)) end
          end
        end
      end
      assert.equal("", table.concat(out, "\n"))
    end)
  end

  it("takes what does what it says", function()
    local w = suture.zeros(2, {requires_grad = true})
    w:sum():backward()
    local opt = suture.optim.SGD({w}, {lr = 1})
    opt:zero_grad {set_to_none = true}
    assert.is_nil(w.grad)
    assert.is_false(pcall(opt.zero_grad, opt, false))
    local m = suture.nn.Linear(2, 2)
    m:zero_grad(true)
    assert.is_false(pcall(m.zero_grad, m, {set_to_none = false}))
    for _, f in ipairs {m.freeze, m.unfreeze, m.train, m.eval} do
      local net = suture.nn.Sequential(suture.nn.Linear(2, 2), suture.nn.ReLU())
      local ok, message = pcall(f, net, "0", "7") -- the one must not hide the other
      assert.is_false(ok)
      assert.is_truthy(message:find("nothing in Sequential is called '7'", 1, true))
    end
    local ds = suture.data.tensors(suture.zeros(2, 2), suture.tensor {0, 1}, {classes = {"ant", "bee"}})
    assert.equal("bee", ds:class_name(1))
    assert.same({"bee", "ant"}, ds:class_name(suture.tensor {1, 0}))
    local ok, message = pcall(ds.class_name, ds, 2)
    assert.is_false(ok)
    assert.is_truthy(message:find("class numbers count from 0, the list ds.classes from 1", 1, true))
    assert.is_false(pcall(function() return suture.data.tensors(suture.zeros(2, 2), suture.ones(2, 2)):counts() end))
  end)

  it("refuses what a forward or an init has no name for", function()
    local nn = suture.nn
    local Block = nn.class "StrayBlock"
    function Block:init(c) self.c = nn.Linear(c, c) end
    function Block:forward(x) return self.c(x) end
    local ok, message = pcall(Block, 2, 3)
    assert.is_false(ok)
    assert.is_truthy(message:find("StrayBlock: expects at most 1 argument, got 2", 1, true))
    local m = Block(2)
    ok, message = pcall(m, suture.zeros(1, 2), suture.zeros(1, 2))
    assert.is_false(ok)
    assert.is_truthy(message:find("StrayBlock:forward: expects at most 1 argument, got 2", 1, true))
    assert.is_true(pcall(m, suture.zeros(1, 2), nil))
    ok, message = pcall(nn.Sequential(nn.ReLU()), suture.zeros(1), 2)
    assert.is_false(ok)
    assert.is_truthy(message:find("ReLU:forward: expects at most 1 argument, got 2", 1, true))
    assert.is_false(pcall(nn.class "StrayEmpty", 1))
  end)
end)
