-- vis.explain: every number is the sum of its parts, whatever operation made it; vis.filters, vis.features, vis.stats.
local kit = require "kit"
local suture = require "suture"
local nn, vis, F = suture.nn, suture.vis, suture.F
local fails, near = kit.fails, kit.near

-- A network that runs what explanations are told of apart, and gives classes.
local Parts = nn.class "Parts"

function Parts:init()
  self.stem = nn.Conv2d(3, 8, 3, {stride = 2, padding = 1})
  self.bn = nn.BatchNorm2d(8)
  self.silu = nn.SiLU()
  self.se = nn.SqueezeExcitation(8, 4)
  self.wide = nn.Conv2d(8, 8, {3, 2}, {padding = {2, 1}, dilation = {2, 1}, groups = 4, bias = false})
  self.act = nn.Hardswish()
  self.gate = nn.Hardsigmoid()
  self.pool = nn.MaxPool2d(3, {stride = 2, padding = 1})
  self.means = nn.AvgPool2d(3, {stride = 2, padding = 1, ceil_mode = true, count_include_pad = false})
  self.part = nn.AdaptiveAvgPool2d {3, 2}
  self.norm = nn.LayerNorm2d(8)
  self.ln = nn.LayerNorm(8)
  self.attend = nn.MultiheadAttention(8, 2, {batch_first = true})
  self.drop = nn.Dropout(0.5)
  self.gelu = nn.GELU()
  self.head = nn.Linear(48, 5)
  self.share = nn.Softmax(1)
end

function Parts:forward(x)
  x = self.silu(self.bn(self.stem(x)))
  x = self.se(x)
  local y = self.wide(x)
  y = y[{":", ":", "0:8", "0:8"}]
  x = self.act(y + x)
  x = x * self.gate(x) - x:tanh() / 3
  x = self.norm(suture.tensor.cat({self.pool(x), F.relu(x)[{":", ":", "::2", "::2"}]}, 1)[{":", "4:12"}])
  x = F.pad(self.means(x), {1, 0, 0, 1})
  x = self.part(x)
  local t = self.ln(x:flatten(2):transpose(1, 2))
  t = t + self.attend(t, {need_weights = false})
  t = self.drop(self.gelu(t))
  t = suture.tensor.where(t:gt(0.1), t:maximum(0.01), t * -2) + t:mean(1, true)
  return self.share(self.head(t:flatten(1)) * t:amax({1, 2}):unsqueeze(1))
end

local function parts()
  suture.seed(5)
  local m = Parts()
  m.bn.running_mean:uniform_(-1, 1)
  m.bn.running_var:uniform_(0.5, 2)
  for _, p in m:named_parameters() do
    if #p.shape == 1 then suture.no_grad(function() p:uniform_(-1, 1) end) end
  end
  return m, suture.randn(3, 16, 16)
end

-- The error of e's parts, relative to the greatest of its numbers above 1.
local function apart(e)
  local size = math.max(1, math.abs(e.value), e.terms:abs():max():item())
  return math.max(math.abs(e.terms:sum():item() - e.value), math.abs(e.shown - e.value)) / size
end

describe("vis.explain", function()
  it("gives the parts of every operation that runs, and they add up to the model's own number", function()
    local m, x = parts()
    local found = require "suture.vis.common.found"
    local t = require("suture.vis.common.looked").still(suture.trace, m, x:unsqueeze(0))
    local kinds, count = {}, 0
    for _, node in ipairs(t.nodes) do
      if node.op then
        local label, nth = found.label(node), 0
        for _, other in ipairs(t.nodes) do
          if other.op and found.label(other) == label then nth = nth + 1 end
          if other == node then break end
        end
        local e = vis.explain(m, x, label, {run = nth})
        assert.equal(node.op, e.op, label)
        assert.is_true(apart(e) < 2e-6, ("%s: %g, parts %g, shown %g"):format(label, e.value, e.terms:sum():item(), e.shown))
        assert.equal(node.value:to "float32":max():item(), e.value, label) -- by default the greatest number
        assert.is_truthy(tostring(e):find("the model's own", 1, true))
        kinds[node.op], count = true, count + 1
      end
    end
    assert.is_true(count > 40)
    for _, op in ipairs {"conv2d", "bn_eval", "silu", "hardswish", "clamp", "tanh", "gelu", "relu", "max_pool2d",
      "avg_pool2d", "adaptive_avg_pool2d", "layer_norm", "packed_attention", "linear", "softmax", "add", "sub", "mul",
      "div", "concat", "slice", "pad", "reshape", "permute", "mean", "max", "maximum", "where", "gt"} do
      assert.is_true(kinds[op], op)
    end
  end)

  it("takes any place and unit: the number is the one that the trace has there", function()
    local m, x = parts()
    local t = require("suture.vis.common.looked").still(suture.trace, m, x:unsqueeze(0))
    local state = 7
    local function draw(n)
      state = (state * 1103515245 + 12345) & 0x7fffffff
      return (state >> 8) % n
    end
    for _, path in ipairs {"stem", "bn", "silu", "se", "wide", "act", "gate", "pool", "means", "part", "norm"} do
      local s = t:value(path).shape
      for _ = 1, 4 do
        local k, i, j = draw(s[2]), draw(s[3]), draw(s[4])
        local e = vis.explain(m, x, path, {at = {i, j}, unit = k})
        near(t:value(path)[0][k][i][j]:item(), e.value, 1e-6)
        assert.is_true(apart(e) < 2e-6, path)
        assert.same({0, k, i, j}, e.index)
      end
    end
    for _ = 1, 4 do
      local token, k = draw(6), draw(8)
      local e = vis.explain(m, x, "ln", {at = token, unit = k})
      near(t:value "ln"[0][token][k]:item(), e.value, 1e-6)
      assert.equal(e.value, vis.explain(m, x, "ln", {at = {token // 2, token % 2}, unit = k}).value)
    end
    near(t:value "head"[0][3]:item(), vis.explain(m, x, "head", {unit = 3}).value)
    assert.equal(vis.explain(m, x, "se.fc1").value, vis.explain(m, x, m.se.fc1).value)
  end)

  it("counts the summands of a convolution, a pool, a linear layer, a row of attention", function()
    local m, x = parts()
    assert.equal(3 * 9 + 1, vis.explain(m, x, "stem").terms:numel())
    assert.equal(2 * 6, vis.explain(m, x, "wide").terms:numel()) -- of four groups each unit sees one
    assert.equal(9, vis.explain(m, x, "pool").terms:numel())
    assert.equal(49, vis.explain(m, x, "head").terms:numel())
    assert.equal(6, vis.explain(m, x, "attend.attention").terms:numel())
    assert.equal(2, vis.explain(m, x, "bn").terms:numel())
    local e = vis.explain(m, x, "stem", {at = {0, 0}, unit = 2})
    local zeros = 0
    for _, v in ipairs(e.terms:tolist()) do if v == 0 then zeros = zeros + 1 end end
    assert.is_true(zeros >= 3 * 5) -- the corner's padding
  end)

  it("shows numbers that add up as they are printed, in any width, without colour where there is none", function()
    local m, x = parts()
    local e = vis.explain(m, x, "stem", {at = {3, 4}, unit = 1, channels = 2})
    local text = tostring(e)
    assert.is_nil(text:find("\27", 1, true))
    local lines, sum = {}, 0
    for line in text:gmatch "[^\n]+" do lines[#lines + 1] = line end
    local function number(line) return tonumber(line:match "%s(%-?[%d.]+)$") end
    for i, line in ipairs(lines) do
      if line:sub(1, 2) == "+ " then sum = sum + number(line) + (lines[i - 1]:sub(1, 1) == " " and number(lines[i - 1]) or 0) end
    end
    local shown = tonumber(lines[#lines]:match "^= the sum%s+(%-?[%d.]+)")
    assert.is_truthy(text:find("+ 1 other channel ", 1, true))
    near(sum, shown, 1e-5)
    near(e.value, shown, 1e-5)
    for _, width in ipairs {20, 40, 80, 200} do
      for _, path in ipairs {"stem", "pool", "attend.attention", "head", "share", "se", "ln", "gate"} do
        local lines = vis.explain(m, x, path).text(width)
        for line in lines:gmatch "[^\n]+" do assert.is_true(utf8.len(line) <= math.max(width, 60), line) end
      end
    end
  end)

  it("does not change the model: frozen, training, inside no_grad it is the same", function()
    local m, x = parts()
    m:train()
    local before = kit.copies(m)
    local a = vis.explain(m, x, "bn", {at = {1, 1}, unit = 0})
    m:freeze()
    local b = suture.no_grad(vis.explain, m, x, "bn", {at = {1, 1}, unit = 0})
    assert.equal(a.value, b.value)
    assert.equal("bn_eval", a.op)
    assert.is_nil(kit.first_difference(before, m:state_dict()))
    assert.is_true(m._training)
  end)

  it("tells of numbers that are none", function()
    local m = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3), nn.Softmax(1))
    suture.no_grad(function() m[0].bias[1] = 0 / 0 end)
    local x = suture.randn(3, 6, 6)
    for _, path in ipairs {"0", "1", "3", "4"} do
      local e = vis.explain(m, x, path)
      assert.is_true(e.value ~= e.value)
      assert.is_truthy(tostring(e):find("the model's own: nan", 1, true))
      assert.is_true(e:tensor():numel() > 0)
      assert.is_truthy(e.page():find("<canvas", 1, true))
    end
    local row = vis.stats(m, x).rows[1]
    assert.is_true(row.min ~= row.min and row.mean ~= row.mean)
  end)

  it("becomes a drawing and a page", function()
    local m, x = parts()
    local path = os.tmpname()
    for _, name in ipairs {"stem", "head", "attend.attention", "pool", "gate"} do
      local e = vis.explain(m, x, name)
      e:save(path .. ".svg")
      local f = assert(io.open(path .. ".svg"))
      assert.is_truthy(f:read "a":find("<svg", 1, true))
      f:close()
      assert.equal(3, e:tensor().shape[1])
      e:save(path .. ".html")
      local page = assert(io.open(path .. ".html"))
      local html = page:read "a"
      page:close()
      assert.is_nil(html:find "@%u+@") -- all is filled in
      assert.is_nil(html:find("https?://")) -- nothing is fetched
    end
    os.remove(path)
    os.remove(path .. ".svg")
    os.remove(path .. ".html")
    fails("this one also as .html", function() vis.explain(m, x, "stem"):save "x.gif" end)
    fails(".svg or .pdf", function() vis.features(m, x, "stem"):save "x.html" end)
  end)

  it("says what there is where something is wrong", function()
    local m, x = parts()
    fails("expects a model first", vis.explain, x, x, "stem")
    fails("expects the path", vis.explain, m, x)
    fails("did you mean stem", vis.explain, m, x, "stm")
    fails("se has: avgpool, fc1", vis.explain, m, x, "se.fc9")
    fails("no part of the model", vis.explain, m, x, nn.ReLU())
    fails("at expects a place of stem, {0 … 7, 0 … 7}", vis.explain, m, x, "stem", {at = {8, 0}})
    fails("at expects a place of stem", vis.explain, m, x, "stem", {at = {1}})
    fails("at expects a place", vis.explain, m, x, "stem", {at = "here"})
    fails("unit expects a whole number, 0 … 7", vis.explain, m, x, "stem", {unit = 8})
    fails("head has no places", vis.explain, m, x, "head", {at = {0, 0}})
    fails("no option 'units'", vis.explain, m, x, "stem", {units = 1})
    fails("ran 1 time, not 2", vis.explain, m, x, "stem", {run = 2})
    fails("gives what it was given", vis.explain, m, x, "drop")
    fails("one picture, got 2", vis.explain, m, suture.randn(2, 3, 16, 16), "stem")
    fails("got more", vis.explain, m, x, "stem", {}, 1)
    local odd = nn.class "Odd"
    function odd:init() self.fc = nn.Linear(2, 2) end
    function odd:forward(y) return self.fc(y:mean({2, 3})):var(1, {keepdim = true}) + 0 * y:mean() end
    fails("there is no explanation of that", vis.explain, odd(), suture.randn(2, 4, 4), "var")
  end)
end)

describe("vis.filters", function()
  it("gives the kernels of a layer, by the layer itself, its path, or the first of a model", function()
    local m = parts()
    local p = vis.filters(m)
    assert.equal("stem", p.path)
    assert.is_true(p.map:equal(m.stem.weight))
    assert.equal(8, #p.panels)
    assert.equal("3", p.panels[4].caption)
    assert.is_true(vis.filters(m.wide).map:equal(vis.filters(m, "wide").map))
    local q = vis.filters(m, m.wide, {units = {5, 1}, channel = 1})
    assert.same({5, 1}, q.units)
    assert.is_true(q.map:equal(m.wide.weight[{suture.tensor {5, 1}}]))
    assert.is_true(q.panels[1].image:min():item() >= 0 and q.panels[1].image:max():item() <= 1)
    fails("has no kernels", vis.filters, m, "head")
    fails("no convolution", vis.filters, nn.Linear(2, 2))
    fails("units expects whole numbers, 0 … 7", vis.filters, m, "stem", {units = {8}})
    fails("channel expects 0 … 2", vis.filters, m, "stem", {channel = 3})
    fails("expects a model", vis.filters, 3)
  end)
end)

describe("vis.features", function()
  it("gives the maps of a layer or an operation, and bars where there are no places", function()
    local m, x = parts()
    local t = require("suture.vis.common.looked").still(suture.trace, m, x:unsqueeze(0))
    local p = vis.features(m, x, "wide", {most = 3})
    assert.is_true(p.map:equal(t:value "wide"[0]))
    assert.same({0, 1, 2}, p.units)
    assert.same({3, 8, 9}, {table.unpack(p:tensor().shape)})
    local s = vis.features(m, x, "add", {run = 1, sort = "strength"})
    assert.equal(8, #s.panels)
    local first, last = s.map[s.units[1]]:abs():max():item(), s.map[s.units[8]]:abs():max():item()
    assert.is_true(first >= last)
    assert.same({8, 3, 2}, {table.unpack(vis.features(m, x, "ln").map.shape)})
    assert.equal(5, vis.features(m, x, "head").map:numel())
    fails("did you mean stem", vis.features, m, x, "stm")
    fails("units expects whole numbers, 0 … 7", vis.features, m, x, "stem", {units = 9})
    fails("one picture", vis.features, m, suture.randn(2, 3, 16, 16), "stem")
  end)
end)

describe("vis.stats", function()
  it("counts dead and saturated units, ranges, means and deviations over all samples", function()
    suture.seed(2)
    local m = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3), nn.Sigmoid())
    suture.no_grad(function() m[0].bias[1] = -1e4 end)
    local x = suture.randn(10, 3, 8, 8)
    local r = vis.stats(m:train(), x, {batch = 4})
    assert.equal(10, r.samples)
    assert.equal(4, #r.rows) -- flatten moves numbers only
    local relu = r.rows[2]
    assert.equal("1", relu.path)
    assert.same({1}, relu.dead_units)
    local v = suture.no_grad(function() return m[1](m[0](x)) end)
    near(v:mean():item(), relu.mean, 1e-4)
    near(v:var({0, 1, 2, 3}, {unbiased = false}):sqrt():item(), relu.sd, 1e-4)
    near(v:max():item(), relu.max)
    near(0, relu.min)
    near(v:eq(0):to "float32":mean():item(), relu.saturated, 1e-6)
    local ds = suture.data.tensors(x, suture.zeros(10):to "int64")
    near(relu.sd, vis.stats(m, ds, {batch = 3}).rows[2].sd, 1e-5)
    assert.equal(6, vis.stats(m, ds, {most = 6}).samples)
    assert.equal(1, #vis.stats(m, ds, {layers = "3"}).rows)
    assert.is_truthy(tostring(r):find("4 layers of 10 samples, 1 of", 1, true))
    assert.is_nil(vis.stats(m, x[0]).rows[3].dead) -- one number a unit says nothing
    fails("no layer is called", vis.stats, m, x, {layers = "z*"})
    fails("expects a data set or pictures", vis.stats, m, 3)
    fails("expects a model", vis.stats, 3, x)
    assert.is_true(m._training)
  end)
end)
