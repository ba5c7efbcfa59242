-- Every public function, called with sizes and numbers at the limits of int32, int64, 2^53 and memory, with NaN, infinities, negative
-- numbers and empty tensors: it answers, or raises an error that names it. Functions are found in their tables. The calls are made
-- in a process of their own (this file, run as a program), so that a crash or a hang is the failure of one call.
-- What an error may name instead: the function that does the work, where this one is its second name or a line over it.
local also = {
  bmm = "matmul", mm = "matmul", view = "reshape", view_as = "reshape", t = "transpose", manual_seed = "seed", new = "tensor",
  int = "to", long = "to", bool = "to", ones_like = "ones", zeros_like = "zeros", rand_like = "rand", randn_like = "randn", std = "var",
  chunk = "split", copy_ = "add", allclose = "mul", batch_norm = "bn_", dropout2d = "dropout", mish = "softplus", normalize = "norm|max|min", norm = "max|min",
  one_hot = "max", amax = "max", amin = "min", nll_loss = "tensor", cross_entropy = "log_softmax|tensor", no_grad = "tensor", enable_grad = "tensor", load_tensor = "/nonexist", save_tensor = "/nonexist", -- a tensor module can be called; a path is named
}

-- Not called: why.
local left_out = {
  ["suture.options"] = "ends the program where the command line has other words than were declared",
  ["suture.help"] = "takes no numbers, and reads sources for each word",
}

local function each_function()
  local suture = require "suture"
  local tensor = require "suture.tensor"
  local groups = {
    {"suture", {}}, {"tensor", tensor}, {"x:", require("suture.core").tensor.metatable()}, {"F", suture.F},
  }
  for name in pairs(suture._names) do groups[1][2][name] = suture[name] end
  local list = {}
  for _, g in ipairs(groups) do
    for name, f in pairs(g[2]) do
      local private = name:find "^_[^_]" -- no user's
      if type(f) == "function" and not private and not left_out[g[1] .. "." .. name] then list[#list + 1] = {where = g[1], name = name, f = f} end
    end
  end
  table.sort(list, function(a, b) return a.where .. a.name < b.where .. b.name end)
  return list
end

local inf, nan = math.huge, 0 / 0
local numbers = {
  0, -1, 2, 0.5, 46341, 2 ^ 31 - 1, 2 ^ 31, 2 ^ 32, 2 ^ 53, 2 ^ 53 + 2, math.maxinteger, math.mininteger, 1e300, -1e300, nan, inf, -inf, -1000000000,
}

local function shown(v, depth)
  if type(v) ~= "table" then return type(v) == "number" and (v ~= v and "nan" or tostring(v)) or type(v) == "userdata" and "x" .. tostring(v.shape) or tostring(v) end
  local out = {}
  for i = 1, #v do out[i] = shown(v[i], (depth or 0) + 1) end
  return "{" .. table.concat(out, ", ") .. "}"
end

-- make() → a list of argument lists; new tensors each time, as functions change some.
local function calls()
  local suture = require "suture"
  local t = suture.tensor
  local function tensors() return {suture.randn(2, 3), suture.randn(1, 1, 4, 4), suture.zeros(0, 3), t(1.5), t {{nan, inf}, {-inf, 1}}, t {1, 0, 1}} end
  local list = {}
  local function add(n, ...) list[#list + 1] = {n = n, ...} end
  add(0)
  local values = {true, "/nonexist/x", {}, t} -- a path that nothing is written to
  for _, n in ipairs(numbers) do
    table.move({n, {n}, {n, n}, {n, n, n, n}, {n, 1, n}, {dim = n}}, 1, 6, #values + 1, values)
    add(2, n, n) add(3, n, n, n) add(3, 0, n, 3) add(3, 0, 3, n) add(2, {2, 3}, n) add(2, n, {2, 3})
  end
  for _, x in ipairs(tensors()) do values[#values + 1] = x end
  for _, v in ipairs(values) do add(1, v) end
  for i, x in ipairs(tensors()) do
    for _, v in ipairs(values) do add(2, x, v) end
    if i <= 3 then
      for _, n in ipairs(numbers) do
        add(3, x, n, n) add(3, x, 0, n) add(3, x, n, 0) add(3, x, x, n) add(3, x, x, {n}) add(3, x, x, x) add(3, x, n, x)
        add(4, x, 0, n, n) add(4, x, 0, 0, n) add(4, x, 1, 0, n) add(5, x, 0, 0, 1, n) add(3, x, {0, 1}, n) add(3, x, 2, n) add(4, x, 2, 1, n)
        add(4, x, x, nil, n) add(5, x, x, nil, 1, n) add(6, x, x, nil, 1, 0, n) add(7, x, x, nil, 1, 0, 1, n) add(4, x, x, x, n)
      end
    end
  end
  return list
end

-- ---- the process that calls: child(first function, first call) ----

local function child(from, first)
  local list, clock = each_function(), require("suture").clock
  local graph, raw = require("suture.core").graph, require("suture.core").tensor
  io.stderr:setvbuf "no"
  local function say(...) io.stderr:write(table.concat({...}, "\t"):gsub("\n", " "), "\n") end
  local function look(v) if raw.is(v) then pcall(graph.eval, {v}) elseif type(v) == "table" then for i = 1, math.min(#v, 4) do look(rawget(v, i)) end end end
  for i = from, #list do
    local fn, told, began = list[i], {}, clock()
    for k, args in ipairs(calls()) do
      if i > from or k >= first then
        io.stderr:write("at\t", i, "\t", k, "\n")
        local start = clock()
        local answer = table.pack(pcall(fn.f, table.unpack(args, 1, args.n)))
        if answer[1] then
          for j = 2, math.min(answer.n, 4) do look(answer[j]) end
        else
          local text, name = tostring(answer[2]), fn.name:gsub("^__?", ""):gsub("_$", "")
          local plain = text:gsub("^%S-:%d+: ", "")
          -- An operator has no name that a user typed.
          local named = fn.name:find "^__" and not plain:find "^attempt to" or plain:find(name, 1, true) or
            plain:find "^%w+: shapes %b() and %b() do not broadcast" -- of an operation within: both shapes are named
          for other in (also[fn.name] or ""):gmatch "[^|]+" do named = named or plain:find(other, 1, true) end
          if not named and not told[plain:sub(1, 40)] then
            told[plain:sub(1, 40)] = true
            say("unnamed", fn.where .. "." .. fn.name, shown(table.move(args, 1, args.n, 1, {})), text)
          end
        end
        answer = nil
        if clock() - start > 30 then say("slow", fn.where .. "." .. fn.name, shown(args)) end
      end
    end
    collectgarbage()
    if os.getenv "LIMITS_TIMES" then say("took", fn.where, fn.name, ("%.2f"):format(clock() - began)) end
    first = 1
  end
  say "end"
end

if not describe then
  child(tonumber(arg[1]), tonumber(arg[2]))
  os.exit(0)
end

-- ---- the specs ----

-- Less memory than the calls ask for, so that none is kept busy with what it may have.
local function command(from, first)
  local exe = 0
  while arg[exe - 1] do exe = exe - 1 end
  local limit = os.getenv "ASAN_OPTIONS" and 'ASAN_OPTIONS="$ASAN_OPTIONS:max_allocation_size_mb=500:allocator_may_return_null=1"' or "ulimit -v 1500000;"
  local file = debug.getinfo(1, "S").source:sub(2)
  return ("%s OMP_NUM_THREADS=1 timeout 120 '%s' '%s' %d %d 2>&1 >/dev/null"):format(limit, arg[exe], file, from, first)
end

describe("numbers and sizes at the limits", function()
  it("every public function answers or raises an error that names it", function()
    local list, faults = each_function(), {}
    assert.is_true(#list > 150)
    local from, first = 1, 1
    for _ = 1, 20 do
      local out, over, noise = assert(io.popen(command(from, first))), false, nil
      local at, call
      for line in out:lines() do
        local i, k = line:match "^at\t(%d+)\t(%d+)$"
        if i then at, call = tonumber(i), tonumber(k)
        elseif line == "end" then over = true
        elseif line:find "^unnamed" or line:find "^slow" then faults[#faults + 1] = line
        else noise = line end
      end
      local _, how, code = out:close()
      if over then break end
      if not at then error(("the calls did not begin: %s"):format(noise)) end
      faults[#faults + 1] = ("%s.%s, call %d: %s"):format(list[at].where, list[at].name, call,
        code == 124 and "it did not come back" or ("%s %s %s"):format(how, code, noise or ""))
      from, first = at, call + 1
    end
    assert.same({}, faults)
  end)
end)
