-- Where attention's places are in the picture: windows, shifts, merged places, from the graph; rollout through them.
local suture = require "suture"
local kit = require "kit"
local flow = require "suture.vis.common.flow"
local nn, vis, zoo, F, fails = suture.nn, suture.vis, suture.zoo, suture.F, kit.fails

-- Weights that tell places apart: as made, attention hardly does.
local function sharp(m)
  for name, p in m:named_parameters() do
    if #p.shape == 2 and name:find "weight$" then p:detach():normal_(0, 0.15) end
  end
  return m:eval()
end

-- Attention of one head over all places, or those of windows of 2 × 2, moved by shift; written with what everybody has.
local Windows = nn.class "RolloutWindows"
function Windows:init(dim, shift)
  self.shift, self.q, self.v = shift, nn.Linear(dim, dim), nn.Linear(dim, dim)
end
function Windows:forward(x) -- (N, H, W, C)
  local n, h, w, c = table.unpack(x.shape)
  local y = self.shift > 0 and x:roll({-self.shift, -self.shift}, {1, 2}) or x
  y = y:reshape(n, h // 2, 2, w // 2, 2, c):permute(0, 1, 3, 2, 4, 5):reshape(n * h * w // 4, 4, c)
  y = F.scaled_dot_product_attention(self.q(y):unsqueeze(1), y:unsqueeze(1), self.v(y):unsqueeze(1)):squeeze(1)
  y = y:reshape(n, h // 2, w // 2, 2, 2, c):permute(0, 1, 3, 2, 4, 5):reshape(n, h, w, c)
  if self.shift > 0 then y = y:roll({self.shift, self.shift}, {1, 2}) end
  return x + y
end

local Net = nn.class "RolloutNet"
function Net:init()
  self.conv = nn.Conv2d(3, 8, 2, {stride = 2})
  self.a, self.b, self.norm = Windows(8, 0), Windows(8, 1), nn.LayerNorm(8)
  self.head = nn.Linear(8, 3)
end
function Net:forward(x)
  local y = self.conv(x):permute(0, 2, 3, 1)
  return self.head(self.norm(self.b(self.a(y))):mean({1, 2}))
end

-- The matrix (places, places) of one such attention, place by place.
local function matrix(weights, h, w, shift)
  local rows = weights:tolist() -- (windows, 1, 4, 4)
  local out = {}
  for i = 1, h * w do
    out[i] = {}
    for k = 1, h * w do out[i][k] = 0.0 end
  end
  local function place(window, row)
    local y = (window // (w // 2) * 2 + row // 2 + shift) % h
    local x = (window % (w // 2) * 2 + row % 2 + shift) % w
    return y * w + x + 1
  end
  for k, window in ipairs(rows) do
    for q = 0, 3 do for s = 0, 3 do out[place(k - 1, q)][place(k - 1, s)] = window[1][q + 1][s + 1] end end
  end
  return suture.tensor(out)
end

describe("rollout", function()
  it("is the product of all blocks' matrices, place by place", function()
    suture.seed(6)
    local m = sharp(Net())
    local x = suture.randn(3, 12, 16)
    local p = vis.rollout(m, x)
    local list = require("suture.vis.common.heads").of("rollout", suture.trace(m, x:unsqueeze(0)))
    local eye = suture.eye(48)
    local a = matrix(list[1].weights, 6, 8, 0) * 0.5 + eye * 0.5
    local b = matrix(list[2].weights, 6, 8, 1) * 0.5 + eye * 0.5
    local want = b:matmul(a):mean(0):reshape(6, 8)
    assert.is_true(p.map:allclose(want, 1e-4, 1e-6))
    assert.is_false(p.map:allclose(suture.full({6, 8}, 1 / 48), 1e-2, 1e-4)) -- it says something
    assert.same({12, 16}, {table.unpack(p:tensor().shape)})
  end)

  it("follows the places of every transformer of the zoo, and loses nothing but to padding and the class token", function()
    for _, want in ipairs {
      {"swin_t", {depths = {2, 2, 1, 1}}, 224, 56, 1}, {"swin_v2_t", {depths = {1, 1, 1, 1}}, 64, 16},
      {"maxvit_t", {depths = {1, 1, 1, 1}, image_size = 64, partition_size = 2}, 64, 16, 1},
      {"coatnet_0", {depths = {1, 1, 2, 1}, image_size = 64}, 64, 8, 1},
      {"coatnet_0_rw_224", {depths = {1, 1, 2, 1}, image_size = 64}, 64, 8, 1},
      {"vit_b_32", {image_size = 64, num_layers = 2, num_classes = 5}, 64, 2},
    } do
      suture.seed(2)
      local m = sharp(zoo[want[1]](want[2]))
      local p = vis.rollout(m, suture.randn(3, want[3], want[3]))
      assert.same({want[4], want[4]}, {table.unpack(p.map.shape)}, want[1])
      assert.is_true(p.map:min():item() >= 0, want[1])
      local sum = p.map:sum():item()
      if want[5] then kit.near(1, sum, 1e-4) else assert.is_true(sum > 0 and sum < 1) end
    end
  end)

  it("says what it cannot follow", function()
    local Odd = nn.class "RolloutOdd"
    function Odd:init() self.conv, self.head = nn.Conv2d(3, 4, 2, {stride = 2}), nn.Linear(4, 2) end
    function Odd:forward(x)
      local y = self.conv(x)
      y = y:flatten(2):transpose(1, 2):unsqueeze(1)
      y = F.scaled_dot_product_attention(y, y, y):squeeze(1)
      return self.head(y:reshape(1, 8, 8):mean(1):reshape(1, 2, 4):mean(1)) -- places and channels in one
    end
    fails("cannot be followed through", vis.rollout, Odd():eval(), suture.randn(3, 8, 8))
    fails("no attention", vis.rollout, nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), suture.randn(3, 2, 2))
  end)
end)

describe("attention in windows", function()
  it("is shown where it stands in the picture", function()
    suture.seed(6)
    local m = sharp(Net())
    local x = suture.randn(3, 12, 16)
    local list = require("suture.vis.common.heads").of("attention", suture.trace(m, x:unsqueeze(0)))
    for k, shift in ipairs {0, 1} do
      local whole = matrix(list[k].weights, 6, 8, shift)
      local path = k == 1 and "a" or "b"
      local p = vis.attention(m, x, {layer = path})
      local want = (whole:sum(0) / 4):reshape(6, 8)
      assert.is_true(p:tensor()[0]:allclose(want / want:max(), 1e-4, 1e-5), path)
      local at = vis.attention(m, x, {layer = path, at = {2, 5}})
      local row = whole[2 * 8 + 5]:reshape(6, 8)
      assert.is_true(at:tensor()[0]:allclose(row / row:max(), 1e-4, 1e-5), path)
    end
    fails("map of 6 × 8", vis.attention, m, x, {at = {6, 0}})
    fails("at expects {y, x}", vis.attention, m, x, {at = {1}})
  end)

  it("has a map for each head of every transformer of the zoo", function()
    for _, want in ipairs {
      {"swin_t", {depths = {1, 2, 1, 1}}, 224, "features.3.1", 6, 28},
      {"maxvit_t", {depths = {1, 1, 1, 1}, image_size = 64, partition_size = 2}, 64,
        "blocks.1.layers.0.layers.grid_attention", 4, 8},
      {"coatnet_0", {depths = {1, 1, 1, 1}, image_size = 64}, 64, "stages.2", 12, 4},
    } do
      suture.seed(2)
      local m = sharp(zoo[want[1]](want[2]))
      local p = vis.attention(m, suture.randn(3, want[3], want[3]), {layer = want[4]})
      assert.same({want[5], want[6], want[6]}, {table.unpack(p:tensor().shape)}, want[1])
      assert.equal(want[5], #p.panels)
      assert.is_true(p.map:sum(-1):allclose(suture.ones(1), 1e-4, 1e-4) or p.map:sum(-1):min():item() > 0.999)
    end
  end)
end)

describe("the map of a value", function()
  local grid = require "suture.vis.common.grid"

  it("is none where a transformer has cut it into windows or grids, also where their number makes a square", function()
    suture.seed(2)
    local m = suture.nn.init.skip(zoo.maxvit_t, {depths = {1, 1, 1, 1}, image_size = 64, partition_size = 2}):eval()
    local t, whole = suture.trace(m, suture.zeros(1, 3, 64, 64)), {}
    for _, c in ipairs(t.calls) do
      local v = #c.outputs == 1 and c.outputs[1]
      local block, inside = c.path:match "(layers%.%d+%.layers%.%w+_attention)(.*)$"
      if block and v and #v.shape == 4 then
        local g = grid.of(t, v)
        if inside == "" then
          assert.same({h = v.shape[3], w = v.shape[4], extra = 0, kind = "first"}, g, c.path)
          whole[#whole + 1] = c.path
        else assert.is_nil(g, c.path) end
      end
    end
    assert.equal(8, #whole)
    fails("gives no map of the picture", suture.vis.gradcam, m, suture.zeros(3, 64, 64),
      {layer = "blocks.2.layers.0.layers.grid_attention.mlp_layer"})
  end)

  it("stays where parts are put together again, in each block of a Swin transformer", function()
    local m = suture.nn.init.skip(zoo.swin_t, {depths = {1, 2, 1, 1}}):eval()
    local t, seen = suture.trace(m, suture.zeros(1, 3, 64, 64)), 0
    for _, c in ipairs(t.calls) do
      local v = #c.outputs == 1 and c.outputs[1]
      if v and #v.shape == 4 and c.path:find "^features%.%d+%.%d+%.?%w*$" and not c.path:find "^features%.0" then
        local g = grid.of(t, v)
        assert.same({v.shape[2], v.shape[3], "last"}, g and {g.h, g.w, g.kind}, c.path)
        seen = seen + 1
      end
    end
    assert.is_true(seen > 20)
  end)
end)

describe("maps that all comes through", function()
  it("are known by their rows and columns, windows are none", function()
    suture.seed(2)
    local m = zoo.swin_t {depths = {1, 1, 1, 1}}
    local t = suture.trace(m:eval(), suture.zeros(1, 3, 224, 224))
    local sizes = {}
    for _, map in ipairs(flow.maps(t)) do
      sizes[map.h .. "x" .. map.w] = true
      assert.equal(map.h, map.w)
    end
    assert.same({["56x56"] = true, ["28x28"] = true, ["14x14"] = true, ["7x7"] = true}, sizes)
  end)
end)
