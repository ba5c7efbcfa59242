-- What is typed happens or is refused: every public function and method, called rightly, then with more than it takes:
-- words behind its arguments, and an option that it does not have. Each must be an error that names the function.
local suture = require "suture"
local fields = require "suture.base.fields"

local examples = require "suture.shell.examples"

local setup = [[
suture = require "suture"
tensor, F, nn, optim, data, zoo, image = suture.tensor, suture.F, suture.nn, suture.optim, suture.data, suture.zoo, suture.image
zeros, ones, randn, trace, trainer = suture.zeros, suture.ones, suture.randn, suture.trace, suture.trainer
rand, diff, seed = suture.rand, suture.diff, suture.seed
]]


-- group → how it is written, and how its names are called where the example's arguments (lua/shell/examples.lua) are not
-- what is wanted; "-": any number is right, or nothing can be called (why stands behind); "!": only the calls with too
-- much are made.
local groups = {
  {"x:", function() return suture.zeros(1) end, {
    bmm = "!",
    item = "!", backward = "!", retain_grad = "!",
  }},
  {"tensor.", function() return suture.tensor end, {
    enable_grad = "- what it calls gets them",
    load_tensor = "!",
    no_grad = "- what it calls gets them",
    save_tensor = "!",
  }},
  {"F.", function() return suture.F end, {}},
  {"nn.", function() return suture.nn end, {
    layer = "- a declaration follows",
    Sequential = "- any number",
    ModuleList = "- any number", Identity = "- takes anything, as PyTorch's",
  }},
  {"nn.init.", function() return suture.nn.init end, {
    skip = "- what it calls gets them",
  }},
  {"nn.utils.", function() return suture.nn.utils end, {}},
  {"optim.", function() return suture.optim end, {}},
  {"data.", function() return suture.data end, {
    cifar10 = "!", csv = "!", dataset = "!", fashion_mnist = "!", features = "!", folder = "!", mnist = "!",
  }},
  {"image.", function() return suture.image end, {load = "!",
    save = "!",
  }},
  {"image.batch.", function() return suture.image.batch end, {}},
  {"zoo.", function() return suture.zoo end, {get = "!", recognise = "!",
  }},
  {"suture.", function()
    local all = {}
    for name in pairs(suture._names) do all[name] = suture[name] end
    for name in pairs(suture._more) do all[name] = suture[name] end
    return all
  end, {
    load_tensor = "!", save_tensor = "!",
    no_grad = "- what it calls gets them",
    help = "- shows anything",
    open = "!", resume = "!",
    nn = "-",
    undo = "!", redo = "!", back_to = "!",
    inspect = "- a width goes with it",
    strict = "- what is read afterwards is asked for its name", save = "!", report = "!",
  }},
  {"l:", function() return suture.nn.Sequential(suture.nn.Linear(2, 2)) end, {
    before = "!",
    class = "- nn's", Parameter = "- nn's", is_module = "- nn's",
    forward = "- calls get them",
    profile = "!",
    save = "!",
  }},
  {"lin:", function() return {forward = print, extra = print, reset_parameters = print} end, {}},
  {"opt:", function() return suture.optim.SGD({suture.zeros(1, {requires_grad = true})}, {lr = 1}) end, {}},
  {"ds:", function()
    local list = {}
    for _, name in ipairs {"get", "labels", "counts", "name", "shuffle", "take", "split", "with", "order", "batches",
      "batch", "class_name", "folds", "fingerprint"} do list[name] = print end
    return list
  end, {
    with = "!",
  }},
  {"t:", function()
    local m = suture.nn.Linear(2, 2)
    return suture.trainer(m, suture.data.tensors(suture.zeros(2, 2), suture.tensor {0, 1}), {quiet = true})
  end, { validate = "!", schedule = "- what was given", }},
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
    local own = examples.rooms[prefix] or {}
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
        local given = args[name] or own[name] or ""
        local skip = given:sub(1, 1) == "-" or prefix == "zoo." and not (args[name] or own[name])
        if not skip then
          local only = given == "!"
          if only then given = "" end
          local env = setmetatable({}, {__index = function(_, k)
            if _G[k] ~= nil then return _G[k] end
            return suture[k]
          end})
          local made = examples.given(("%s%s(%s)"):format(prefix, name, given))
          assert(load(setup .. made, "=setup", "t", env))()
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
