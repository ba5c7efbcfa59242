-- Whole numbers beyond 2^24: kept, moved, compared, computed, read and written exactly, or refused. Lua's own integers
-- say what is right.
local suture = require "suture"
local kit = require "kit"
local tensor, nn = suture.tensor, suture.nn
local fails = kit.fails

local BIG = (1 << 40) + 1
local some = {BIG, -BIG, 3, -7, (1 << 24) + 1, math.maxinteger, math.mininteger, 0, 1 << 53}

local function each(f, ...)
  local out, lists = {}, {...}
  for i = 1, #some do
    local at = {}
    for k, list in ipairs(lists) do at[k] = list[i] end
    out[i] = f(table.unpack(at))
  end
  return out
end

describe("whole numbers beyond 2^24", function()
  it("are kept as they were given", function()
    local x = tensor(some)
    assert.equal("int64", x.dtype)
    assert.same(some, x:tolist())
    for i, v in ipairs(some) do
      assert.equal(v, x[i - 1]:item())
      assert.equal("integer", math.type(x[i - 1]:item()))
      assert.equal(v, tensor(v):item())
    end
    assert.same(some, x:clone():tolist())
    assert.same(some, x:detach():long():tolist())
    assert.same({BIG, BIG}, tensor.full({2}, BIG):tolist())
    assert.same({(1 << 24) - 1, 1 << 24, (1 << 24) + 1}, suture.arange((1 << 24) - 1, (1 << 24) + 2):tolist())
    assert.is_truthy(tostring(tensor {BIG}):find("1099511627777", 1, true))
    assert.equal("float32", x:float().dtype)
  end)

  it("are added, multiplied and divided as Lua's integers, wherever the result passes 2^24", function()
    local x, other = tensor(some), {1, 2, 3, -4, 5, 1, -1, 9, BIG}
    local y = tensor(other)
    local function check(want, got)
      assert.equal("int64", got.dtype)
      assert.same(want, got:tolist())
    end
    check(each(function(a, b) return a + b end, some, other), x + y)
    check(each(function(a, b) return a - b end, some, other), x - y)
    check(each(function(a, b) return a * b end, some, other), x * y)
    check(each(function(a, b) return a // b end, some, other), x // y)
    check(each(function(a, b) return a % b end, some, other), x % y)
    check(each(function(a) return -a end, some), -x)
    check(each(function(a) return a < 0 and -a or a end, some), x:abs())
    check(each(function(a) return a + BIG end, some), x + BIG)
    check({366503875925, -366503875925}, tensor {BIG, -BIG}:div(3, {rounding_mode = "trunc"}))
    check({5000 * 5001}, tensor {5000} * tensor {5001})
    check({(1 << 24) + 1}, tensor {1 << 24} + 1)
    check({{BIG + 1, BIG + 2}, {5, 6}}, tensor {{BIG}, {4}} + tensor {1, 2}) -- broadcast
    fails("divided by zero", function() return x // 0 end)
    fails("divided by zero", function() return tensor {1, 2} % tensor {1, 0} end)
    fails("do not broadcast", function() return x + tensor {BIG, 1} end)
    assert.equal("float32", (x * 0.5).dtype) -- rounded, as in PyTorch
    assert.equal("float32", (x / 2).dtype)
  end)

  it("are summed", function()
    local x = tensor {{BIG, 3}, {-1, BIG}}
    assert.equal(2 * BIG + 2, x:sum():item())
    assert.same({BIG - 1, BIG + 3}, x:sum(0):tolist())
    assert.same({{BIG + 3}, {BIG - 1}}, x:sum(1, true):tolist())
    assert.equal((1 << 24) + 1, tensor {1 << 24, 1}:sum():item())
    assert.equal("int64", tensor {1 << 24, 1}:sum().dtype)
    local y = suture.arange(BIG, BIG + 16):reshape(2, 2, 2, 2)
    assert.same({{8 * BIG + 28, 8 * BIG + 92}}, y:sum({1, 2, 3}, true):reshape(1, 2):tolist())
    assert.equal(4 * BIG + 20, y:sum({2, 0}, false)[{0, 0}]:item()) -- places 0, 2, 8 and 10
    assert.equal(6, tensor {1, 2, 3}:sum():item())
    fails("out of range", x.sum, x, 2)
  end)

  it("are compared", function()
    local x = tensor {BIG, BIG - 1, -BIG}
    assert.same({true, false, false}, x:eq(BIG):tolist())
    assert.same({false, true, true}, x:lt(BIG):tolist())
    assert.same({true, false, false}, x:ge(tensor {BIG, BIG, BIG}):tolist())
    assert.same({BIG, BIG, BIG}, x:maximum(tensor(BIG)):tolist())
    assert.is_false(tensor {BIG} == tensor {BIG - 1})
    assert.is_true(tensor {BIG} == tensor {BIG})
    assert.is_false(x:equal(x - 1))
    assert.is_true(x:equal(x + 0))
  end)

  it("move with their shape, in every layout", function()
    local base = (1 << 40) + 1
    local x = suture.arange(base, base + 24):reshape(2, 3, 2, 2) -- rank 4 lies channels-last
    local function at(n, c, h, w) return base + ((n * 3 + c) * 2 + h) * 2 + w end
    assert.equal(at(1, 2, 0, 1), x[{1, 2, 0, 1}]:item())
    assert.equal(at(1, 2, 0, 1), x:permute(3, 1, 0, 2)[{1, 2, 1, 0}]:item())
    assert.same({at(0, 1, 0, 0), at(1, 1, 0, 0)}, x[{":", 1, 0, 0}]:tolist())
    local flat = x:flatten()
    assert.equal(base + 23, flat[-1]:item())
    assert.equal(base + 23, flat:flip(0)[0]:item())
    assert.equal(base + 23, flat:roll(1)[0]:item())
    assert.same({base + 5, base}, flat[tensor {5, 0}]:tolist())
    assert.same({base, 7}, tensor.cat({flat[":1"], tensor {7}}):tolist())
    assert.same({{base}, {base}}, flat[":1"]:expand(2, 1):tolist())
    assert.same({base, 0}, tensor.where(tensor {true, false}, flat[":2"], 0):tolist())
    assert.equal("int64", tensor {1, 2}:roll(1).dtype)
    assert.same((x + 1):tolist(), (x:clone() + tensor(1)):tolist())
  end)

  it("are written in place, through views too", function()
    local x = tensor {1, 2, 3, 4}
    x[1] = BIG
    x[{"2:"}] = tensor {-BIG, BIG + 2}
    local last = x[3]
    assert.same({1, BIG, -BIG, BIG + 2}, x:tolist())
    x[0] = 9
    x:add_(1)
    assert.same({10, BIG + 1, 1 - BIG, BIG + 3}, x:tolist())
    assert.equal(BIG + 3, last:item())
    last:fill_(BIG)
    assert.equal(BIG, x[3]:item())
    x:copy_(tensor {BIG, 1, 1, 1})
    assert.same({BIG, 1, 1, 1}, x:tolist())
    x:zero_()
    assert.same({0, 0, 0, 0}, x:tolist())
    local y = suture.zeros(1, 2, 1, 2, {dtype = "int64"})
    y[{0, 1, 0, 1}] = BIG
    assert.same({{{{0, 0}}, {{0, BIG}}}}, y:tolist())
  end)

  it("are in batches, and come back when numbers do", function()
    local ds = suture.data.tensors(suture.zeros(4, 2), tensor {{BIG}, {2}, {-BIG}, {BIG + 1}})
    local seen = {}
    for _, y in ds:batches(3) do for _, row in ipairs(y:tolist()) do seen[#seen + 1] = row[1] end end
    assert.same({BIG, 2, -BIG, BIG + 1}, seen)
    local rows = require("suture.core").rows
    local x = tensor {1, 2}
    rows.copy({x}, {tensor {BIG, 5}})
    assert.same({BIG, 5}, x:tolist())
    rows.copy({x}, {tensor {3, 5}})
    assert.same({3, 5}, x:tolist())
  end)

  it("are refused where they would be rounded", function()
    local x = tensor {BIG, 2}
    for _, f in ipairs {"max", "prod", "argmax", "square"} do
      fails(f .. ": the whole numbers here pass 2^24", x[f], x)
    end
    fails("x:float() rounds them", x.clamp, x, 0, 1)
  end)

  it("are in files as they were", function()
    local folder = kit.temp_folder()
    local x = suture.arange(BIG, BIG + 16):reshape(2, 2, 2, 2)
    suture.save_tensor(x, folder .. "/x.npy")
    assert.same(x:tolist(), suture.load_tensor(folder .. "/x.npy"):tolist())
    suture.save_tensor(tensor(some), folder .. "/x.npy")
    assert.same(some, suture.load_tensor(folder .. "/x.npy"):tolist())
    local bn = nn.BatchNorm1d(2)
    bn.num_batches_tracked:fill_(1 << 24)
    for _ = 1, 3 do bn(suture.randn(3, 2)) end
    assert.equal((1 << 24) + 3, bn.num_batches_tracked:item())
    local m = nn.Sequential(bn)
    for _, path in ipairs {folder .. "/m.safetensors", folder .. "/m.pth"} do
      m:save(path)
      assert.equal((1 << 24) + 3, suture.open(path)[0].num_batches_tracked:item())
    end
    local copy = m:clone()
    assert.equal((1 << 24) + 3, copy[0].num_batches_tracked:item())
    local other = nn.Sequential(nn.BatchNorm1d(2))
    other:load_state_dict(m:state_dict())
    assert.equal((1 << 24) + 3, other[0].num_batches_tracked:item())
    bn.num_batches_tracked:fill_((1 << 24) + 1)
    assert.is_nil(tostring(suture.diff(other, m)):find "no difference")
    kit.run("rm -r " .. folder)
  end)
end)
