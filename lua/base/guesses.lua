--- What people who know Python, PyTorch or Keras write, and what to write here: one line each. For names that nobody
-- set, for fields that are not there, and (base/syntax.lua) for lines that are no Lua.
local fields = require "suture.base.fields"

local guesses = {}

local cpu = "everything is computed on the CPU: leave it out"
local arrays = "tensors do NumPy's work: tensor{1, 2}, zeros(2, 3), x:mean(), load_tensor(\"x.npy\")"
local plots = "plot(y) draws curves, hist(t) how numbers are spread, show(x) a picture; each shows itself at the "
  .. "prompt, and :save(\"x.png\") writes it"
local leaving = "Ctrl-D or :quit leaves the prompt, os.exit() ends a script"
local nothing_needed = "nothing needs to be imported: tensor, nn, F, optim, data, zoo are here"

-- Global names.
local globals = {
  True = "Lua writes true", False = "Lua writes false", None = "Lua writes nil", null = "Lua writes nil",
  NULL = "Lua writes nil", undefined = "Lua writes nil", inf = "math.huge", nan = "0/0", pi = "math.pi",
  np = arrays, numpy = arrays, plt = plots, matplotlib = plots, pd = 'data.csv "table.csv" reads a table',
  tf = "nn, optim, data, zoo and fit are here", keras = "nn, optim, data, zoo and fit are here",
  torchvision = "zoo.resnet18{pretrained = true}, data.folder(path, {size = 224})",
  timm = "zoo.list() names the models",
  torchsummary = "m:summary()", models = "zoo.resnet18{pretrained = true}, zoo.list()", cv2 = "image.load(path)",
  datasets = "data.folder(path), data.cifar10(path), data.mnist(path)", PIL = "image.load(path)",
  Image = "image.load(path)", transforms = "options of the data: data.folder(path, {size = 224, augment = true})",
  DataLoader = "for x, y in ds:batches(16, {shuffle = true}) do … end", TensorDataset = "data.tensors(x, y)",
  Dataset = "data.dataset{n = 10, get = function(i) … end}", ImageFolder = "data.folder(path)",
  Tensor = "tensor{1, 2}", FloatTensor = "tensor{1, 2}", LongTensor = 'tensor({1, 2}, {dtype = "int64"})',
  device = cpu, cuda = cpu, manual_seed = "seed(n)",
  range = "for i = 0, n - 1 do … end counts; arange(n) is a tensor", len = "#x", xrange = "for i = 0, n - 1 do … end",
  enumerate = "for i, v in ipairs(list) do … end (Lua's lists count from 1)", zip = "for i = 1, #a do … a[i], b[i] end",
  str = "tostring(x)", int = "math.floor(x) or x // 1", float = "tonumber(x)", bool = "x ~= nil, or x ~= 0",
  list = "{1, 2, 3}", dict = "{name = value}", tuple = "{1, 2}, or several values: return a, b", set = "{name = true}",
  abs = "math.abs(n), x:abs()", max = "math.max(a, b), x:max()", min = "math.min(a, b), x:min()", sum = "x:sum()",
  round = "math.floor(n + 0.5), x:round()", sqrt = "math.sqrt(n), x:sqrt()", exp = "math.exp(n), x:exp()",
  log = "math.log(n), x:log()", sorted = "table.sort(list)", append = "list[#list + 1] = v",
  isinstance = 'getmetatable(m) == nn.Linear, type(v) == "number"', input = "io.read()", dir = "Tab shows the names",
  hasattr = "m:named_children().fc ~= nil; a name set to nil in init may be read too", setattr = "m[name] = v",
  getattr = "m[name], m:at(path)", super = "Name.super.init(self, …)", deepcopy = "m:clone()", copy = "m:clone()",
  time = "suture.clock(), os.time()", sys = "arg, os.exit(), io.stderr",
  pickle = "save(table, path), open(path)", json = "save(table, path), open(path)", imshow = "show(x)",
  random = "math.random(), seed(n)", tqdm = "fit shows its progress", exit = leaving, quit = leaving,
  import = nothing_needed, from = nothing_needed, this = "self",
  self = "only methods with a colon have it: function Net:forward(x) … end",
}

-- What stands behind torch., plt., np. and has no name of its own here.
local dotted = {
  ["torch.tensor"] = "tensor{1, 2}", ["torch.Tensor"] = "tensor{1, 2}", ["torch.from_numpy"] = "load_tensor(path)",
  ["torch.FloatTensor"] = "tensor{1, 2}", ["torch.LongTensor"] = 'tensor({1, 2}, {dtype = "int64"})',
  ["torch.save"] = "m:save(path); save(table, path) of several things", ["torch.load"] = "open(path)",
  ["torch.manual_seed"] = "seed(n)",
  ["torch.no_grad"] = "no_grad(function() … end)", ["torch.inference_mode"] = "no_grad(function() … end)",
  ["torch.nn.Module"] = 'Net = nn.class "Net"', ["torch.device"] = cpu, ["torch.float"] = '"float32"',
  ["torch.float32"] = '"float32"', ["torch.long"] = '"int64"', ["torch.int64"] = '"int64"', ["torch.bool"] = '"bool"',
  ["torch.set_num_threads"] = "suture.threads(n)", ["torch.utils.data.DataLoader"] = globals.DataLoader,
  ["torch.utils.data.TensorDataset"] = globals.TensorDataset, ["torch.utils.data.Dataset"] = globals.Dataset,
  ["torch.compile"] = "m itself: graphs are planned when they run",
  ["torch.hub.load"] = "zoo.resnet18{pretrained = true}",
  ["plt.plot"] = "plot(y)", ["plt.hist"] = "hist(t)", ["plt.imshow"] = "show(x)",
  ["plt.savefig"] = 'plot(y):save("x.png")', ["plt.show"] = "plot(y): at the prompt it shows itself",
  ["np.array"] = "tensor{1, 2}", ["np.asarray"] = "tensor{1, 2}", ["np.load"] = "load_tensor(path)",
  ["np.save"] = "save_tensor(x, path)", ["np.random.seed"] = "seed(n)", ["np.random.randn"] = "randn(2, 3)",
  ["np.random.rand"] = "rand(2, 3)",
}

-- Fields and methods of tensors and modules.
local members = {
  cuda = cpu, device = cpu, is_cuda = cpu, gpu = cpu, half = "everything is computed in float32",
  numpy = "x:tolist(), save_tensor(x, path)", T = "x:t(), x:permute(…)", len = "#x",
  fit = "fit(m, train, {epochs = 5})", predict = "predict(m, x)", evaluate = "evaluate(m, ds)",
  compile = "fit(m, train, {optimizer = \"adam\", loss = …})", layers = "m:children(), m:named_modules()",
  get_layer = "m:at(path)", trainable_weights = "m:parameters()", trainable_variables = "m:parameters()",
  trainable = "m:freeze(), m:unfreeze()", get_weights = "m:state_dict()", set_weights = "m:load_state_dict(sd)",
  load_weights = "open(path, {model = m})", save_weights = "m:save(path)", pop = "m:remove(path)",
  requires_grad = "m:requires_grad_(false), m:freeze(); p.requires_grad of one parameter",
}

-- torch.nn.functional.relu → F.relu, where there is such a thing here; nil where not.
local function moved(path)
  local function there(owner, name)
    local value = fields.global(owner)
    return value and name:find "^[%a]%w*" and fields.of(value)[name] ~= nil
  end
  for _, way in ipairs {
    {"^torch%.nn%.functional%.([%w_]+)$", "F"}, {"^torch%.nn%.init%.([%w_]+)$", "nn.init"},
    {"^torch%.nn%.([%w_]+)$", "nn"},
    {"^torch%.optim%.([%w_]+)$", "optim"}, {"^torchvision%.models%.([%w_]+)$", "zoo"}, {"^torch%.([%w_]+)$", "tensor"},
  } do
    local name = path:match(way[1])
    if name then
      if way[2] == "tensor" and fields.global(name) ~= nil then return name end
      if way[2] == "nn.init" or there(way[2], name) then return way[2] .. "." .. name end
    end
  end
end

local behind = {torch = true, torchvision = true, plt = true, np = true}

--- What to write in place of a global that nobody set, in words, or nil. line: the line it stands in, or nil.
function guesses.global(name, line)
  if line and behind[name] then
    local path = line:match("%f[%w_]" .. name .. "%.[%w_.]+")
    local own = path and (dotted[path] or moved(path))
    if own then return ("here it is %s"):format(own) end
    if path and path:find "^torch%.cuda" then return cpu end
  end
  if name == "torch" then
    return "tensor, nn, F, optim, data, zoo stand for themselves: randn(2, 3), nn.Linear(2, 3)"
  end
  if line and (name == "f" or name == "r") and line:find("%f[%w_]" .. name .. "[\"']") then
    return name == "f" and 'values go into a text with ("loss %.3f"):format(x)' or "a text as it stands is [[…]]"
  end
  return globals[name]
end

--- What to write in place of a field or method that a tensor or a module does not have, in words, or nil.
function guesses.member(name) return members[name] end

--- The lists themselves: of globals, of what stands behind torch. and the like, of members.
guesses.lists = {globals, dotted, members}

return guesses
