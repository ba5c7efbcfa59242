-- Lists that the library hands out count from 1, and say so to who counts from 0.
local suture = require "suture"
local nn, data, optim = suture.nn, suture.data, suture.optim
local fails = require("kit").fails

local function classes()
  local y = suture.tensor({0, 1, 0, 1}, {dtype = "int64"})
  return data.tensors(suture.randn(4, 2), y, {classes = {"cat", "dog"}})
end

local function refuses(list, instead)
  local n = #list
  for _, k in ipairs {0, -1, n + 2, 1.5} do
    fails(("there is no [%s]: Lua's lists count from 1, and this one has %d"):format(k, n), function() return list[k] end)
  end
  fails(instead, function() return list[0] end)
  assert.is_nil(list[n + 1])
  local k = 0
  for i in ipairs(list) do k = i end
  assert.equal(n, k)
end

describe("a list", function()
  it("of class names points to the name of a class number", function()
    local ds = classes()
    refuses(ds.classes, "ds:class_name(y)")
    refuses(ds:take(2).classes, "ds:class_name(y)")
    refuses(ds:labels(), "ds:labels()[i + 1]")
    refuses(ds:counts(), "[y + 1]")
    local m = nn.Linear(2, 2)
    m.classes = {"cat", "dog"}
    refuses(m.classes, "m.classes[y + 1]")
    refuses(m:clone().classes, "m.classes[y + 1]")
    local r = suture.fit(m, ds, {epochs = 1, quiet = true})
    refuses(m.classes, "ds:class_name(y)")
    refuses(r.history, "history[#history]")
    local c = suture.confusion(m, ds)
    refuses(c.classes, "[y + 1]")
    refuses(c.counts[1], "counts[i + 1][j + 1]")
    assert.equal("cat dog", table.concat(ds.classes, " "))
  end)

  it("of a model's parts, parameters and groups, of parts of a tensor and of its numbers is one", function()
    local m = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    refuses(m:children(), "Lua's lists")
    refuses(m:parameters(), "Lua's lists")
    local x = suture.randn(4, 3)
    for _, list in ipairs {x:chunk(2), x:split(1), x:unbind(1)} do refuses(list, "Lua's lists") end
    refuses(x:tolist(), "x:tolist()[1] is x[0]")
    refuses(x:tolist()[2], "x:tolist()[1] is x[0]")
    for _, k in ipairs {0, -1} do fails("x:size(d)", function() return x.shape[k] end) end
    local opt = optim.SGD({{params = m[0]:parameters()}, {params = {suture.nn.Parameter(x)}}}, {lr = 1})
    for _, k in ipairs {0, -1, 4} do fails("param_groups: there", function() return opt.param_groups[k] end) end
  end)

  it("passes for a plain table", function()
    local x = suture.randn(4, 3)
    assert.equal(4, #suture.tensor(x:tolist()):tolist())
    assert.equal(4, suture.tensor.cat(x:chunk(2)):size(0))
    local path = os.tmpname() .. ".pth"
    suture.save({classes = classes().classes, parts = x:chunk(2)}, path)
    assert.equal("dog", suture.open(path).classes[2])
    os.remove(path)
  end)
end)
