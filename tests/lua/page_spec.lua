-- Graphs and pairs of models as files: the page's data, pictures, what is refused.
local suture = require "suture"
local kit = require "kit"
local nn, zoo = suture.nn, suture.zoo

local function saved(x, ending, ...)
  local name = os.tmpname()
  x:save(name .. ending, ...)
  local f = assert(io.open(name .. ending, "rb"))
  local s = f:read "a"
  f:close()
  os.remove(name)
  os.remove(name .. ending)
  return s
end

-- What a page has in it.
local function data_of(page)
  return suture.core.json.decode((page:match '<script type="application/json" id="data">(.-)</script>'))
end

local function by_path(model, path)
  for i, row in ipairs(model.rows) do if row.p == path then return row, i end end
end

local function net()
  suture.seed(1)
  local m = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
  m.input_shape = {1, 3, 8, 8}
  return m
end

describe("a graph as a page", function()
  it("has every row with its module, attributes and tensors", function()
    local m = net()
    local g = m:graph()
    local d = data_of(saved(g, ".html")).models[1]
    assert.equal(#g.nodes, #d.rows)
    local conv = by_path(d, "0.0")
    assert.equal("0", d.groups[conv.g].p)
    assert.equal("Sequential", d.groups[conv.g].c)
    local attributes = {}
    for _, a in ipairs(conv.a) do attributes[a[1]] = a[2] end
    assert.equal("{3, 3}", attributes.kernel_size)
    assert.equal("4", attributes.out_channels)
    local weight = d.tensors[conv.t[1]]
    assert.equal("0.0.weight", weight.n)
    assert.same({4, 3, 3, 3}, weight.s)
    local list, counts = m[0][0].weight:reshape(-1):tolist(), {}
    local low, high = math.huge, -math.huge
    for _, v in ipairs(list) do low, high = math.min(low, v), math.max(high, v) end
    for i = 1, #weight.h do counts[i] = 0 end
    for _, v in ipairs(list) do
      local k = math.min(#counts, math.floor((v - low) * (#counts / (high - low))) + 1)
      counts[k] = counts[k] + 1
    end
    assert.same(counts, weight.h)
    kit.near(m[0][0].weight:mean():item(), weight.mean, 1e-4)
    kit.near(low, weight.lo, 1e-4)
  end)

  it("counts what is not finite, and says what is all the same", function()
    local m = net()
    m[3].weight[0][0] = 0 / 0
    m[3].weight[0][1] = math.huge
    local d = data_of(saved(m:graph(), ".html")).models[1]
    local row = by_path(d, "3")
    assert.equal(2, d.tensors[row.t[1]].bad)
    local bn = by_path(d, "0.1")
    for _, k in ipairs(bn.t) do
      local t = d.tensors[k]
      if t.n == "0.1.weight" then assert.equal(1, t.one) end
    end
  end)

  it("knows where backward stops", function()
    local m = net()
    local function stops()
      local out = {}
      local d = data_of(saved(m:graph(), ".html")).models[1]
      for _, row in ipairs(d.rows) do if row.stop then out[#out + 1] = row.p end end
      return out, d.trains
    end
    assert.same({"0.0"}, (stops()))
    m:freeze "0"
    local d = data_of(saved(m:graph(), ".html")).models[1]
    assert.same({"3"}, (stops()))
    assert.is_nil(by_path(d, "1").gr)
    assert.is_true(by_path(d, "0.1").fr and by_path(d, "0.1").bn)
    m:freeze()
    local none, trains = stops()
    assert.same({}, none)
    assert.is_false(trains)
  end)

  it("names what never runs, and what runs in training only", function()
    local m = nn.init.skip(zoo.googlenet)
    m:eval()
    m.spare = nn.Linear(2, 3)
    local never = {}
    for _, n in ipairs(data_of(saved(m:graph {depth = 1}, ".html")).models[1].never) do never[n.p] = n end
    assert.equal(9, never.spare.n)
    assert.is_nil(never.spare.t)
    assert.is_true(never.aux1.t)
  end)

  it("holds no tag of a name's", function()
    local Net = nn.class "</script><i>"
    function Net:init() self["</script>"] = nn.Linear(2, 2) end
    function Net:forward(x) return self["</script>"](x) end
    local page = saved(Net():graph(1, 2), ".html")
    local _, scripts = page:gsub("</script>", "")
    assert.equal(2, scripts)
    assert.is_nil(page:find("<i>", 1, true))
    assert.equal("</script>", data_of(page).models[1].rows[2].p)
    local svg = saved(Net():graph(1, 2), ".svg")
    assert.is_nil(svg:find("<i>", 1, true))
    assert.is_truthy(svg:find("&lt;/script&gt;", 1, true))
  end)

  it("asks nothing of a network", function()
    local page = saved(net():graph(), ".html")
    assert.is_nil(page:find "src%s*=%s*[\"']")
    assert.is_nil(page:find "@import")
    assert.is_truthy(page:find("default-src 'none'", 1, true))
    for url in page:gmatch "https?://[^%s\"']+" do assert.equal("http://www.w3.org/2000/svg", url) end
  end)
end)

describe("a graph as a picture", function()
  it("is the same drawing as PNG and SVG", function()
    local g = net():graph()
    local png = saved(g, ".png")
    assert.equal("\137PNG", png:sub(1, 4))
    local wide, high = (">I4I4"):unpack(png, 17)
    local w, h = saved(g, ".svg"):match 'width="(%d+)" height="(%d+)"'
    assert.same({2 * w, 2 * h}, {wide, high})
  end)

  it("says what to do where it does not fit a PNG", function()
    local list = {}
    for i = 1, 1600 do list[i] = nn.ReLU() end
    local g = nn.Sequential(table.unpack(list)):graph(1, 2, {fold = false})
    kit.fails("a PNG takes 32766 · .svg has room", g.save, g, "/tmp/never.png")
    assert.is_nil(io.open "/tmp/never.png")
  end)
end)

describe("two models as a page", function()
  it("has both, and what differs", function()
    local a = net()
    local b = a:clone()
    b[3].weight:mul_(2)
    local d = suture.diff(a, b)
    local got = data_of(saved(d, ".html"))
    assert.equal(2, #got.models)
    assert.equal("3.weight", got.diff.values[1].name)
    kit.near(a[3].weight:abs():max():item(), got.diff.values[1].max, 1e-4)
    assert.equal(d.same, got.diff.same)
  end)

  it("takes numbers that are not finite", function()
    local a = net()
    local b = a:clone()
    b[3].bias[0] = math.huge
    assert.equal("inf", data_of(saved(suture.diff(a, b), ".html")).diff.values[1].max)
  end)

  it("refuses what it cannot show", function()
    local d = suture.diff(net(), net())
    kit.fails("the name ends in .html", d.save, d, "x.svg")
    kit.fails("expects a path", d.save, d, 3)
    kit.fails("no option 'inputs'", d.save, d, "x.html", {inputs = {1}})
    kit.fails("No such file", d.save, d, "/nowhere/x.html")
    local s = suture.diff(net():state_dict(), net():state_dict())
    kit.fails("state dicts have no graph", s.save, s, "x.html")
    local l = suture.diff(nn.Linear(2, 2), nn.Linear(2, 2))
    kit.fails("what goes into the first model?", l.save, l, "x.html")
    assert.equal(2, #data_of(saved(l, ".html", {input = {1, 2}})).models)
  end)
end)
