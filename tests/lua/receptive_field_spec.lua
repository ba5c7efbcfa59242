-- Receptive fields computed from the graph: those that gradients show where every weight is above 0.
local suture = require "suture"
local kit = require "kit"
local receptive_field = require "suture.vis.common.receptive_field"
local nn, F, zoo = suture.nn, suture.F, suture.zoo

-- m run on a picture, with all that could hide a way taken out: weights above 0, BatchNorm that does nothing but add.
local function positive(m)
  for name, p in m:named_parameters() do p:detach():fill_(name:find "bias$" and 0 or 0.05) end
  for name, b in m:named_buffers() do b:fill_(name:find "mean$" and 0 or 1) end
  return m:eval()
end

-- The first and last index of what is not 0 in a list, but for rounding.
local function extent(list)
  local lo, hi, most = math.huge, -math.huge, math.max(table.unpack(list))
  for i, v in ipairs(list) do if v > 1e-6 * most then lo, hi = math.min(lo, i - 1), math.max(hi, i - 1) end end
  return lo, hi
end

-- The field of each place of what m gives, (1, C, h, w), and that of its gradient.
local function compared(m, h, w, places)
  positive(m)
  suture.seed(1)
  local t = suture.trace(m, suture.rand(1, 3, h, w) + 0.5)
  local y = t.output
  local field = receptive_field(t, y)
  for py = 0, y.shape[3] - 1 do
    for px = 0, y.shape[4] - 1 do
      if not places or (py * 7 + px * 3) % places == 0 then
        local g = t:grad(y[{0, ":", py, px}]:sum(), t.inputs[1])[0]:abs():sum(0)
        local function axis(a, at) local i = a.dim and at + 1 or 1 return a.lo[i], a.hi[i] end
        local where = ("at %d, %d"):format(py, px)
        assert.same({extent(g:sum(1):tolist())}, {axis(field.y, py)}, "rows " .. where)
        assert.same({extent(g:sum(0):tolist())}, {axis(field.x, px)}, "columns " .. where)
      end
    end
  end
  return field, t
end

local function conv(...) return nn.Conv2d(...) end

describe("a receptive field", function()
  it("of windows is what stride, padding and dilation make it", function()
    local field = compared(nn.Sequential(conv(3, 2, 3, {stride = 2, padding = 1}), nn.ReLU(),
      conv(2, 2, {3, 1}, {dilation = {2, 1}, padding = {2, 0}}), nn.AvgPool2d(3, {stride = 2, padding = 1})), 19, 23)
    -- by hand: 3, then + 2·2·2, then + 2·2; columns 3, 3, + 2·2
    assert.same({15, 4, -7}, {field.y.size, field.y.jump, field.y.start})
    assert.same({7, 4, -3}, {field.x.size, field.x.jump, field.x.start})
  end)

  it("goes along all ways: residual, branches, inception", function()
    local Block = nn.class "FieldBlock"
    function Block:init()
      self.a = conv(3, 4, 5, {stride = 2, padding = 2})
      self.b = conv(3, 4, 1, {stride = 2})
      self.c = conv(4, 4, 3, {padding = 1})
      self.d = conv(4, 4, 7, {padding = 3})
    end
    function Block:forward(x)
      local y = F.relu(self.a(x)) + self.b(x)
      return F.max_pool2d(suture.tensor.cat({self.c(y), self.d(y) * 2}, 1), 1)
    end
    local field = compared(Block(), 17, 20)
    assert.same({17, 2, -8}, {field.y.size, field.y.jump, field.y.start}) -- of the wider branch
  end)

  it("knows moved, cut, turned and filled up pictures, and pools of unequal parts", function()
    local Moves = nn.class "FieldMoves"
    function Moves:init() self.c = conv(3, 1, 3) end
    function Moves:forward(x)
      local y = self.c(F.pad(x, {2, 1, 0, 3})):roll({2, -1}, {2, 3}):flip(3)
      y = y:narrow(2, 1, 9):slice(3, 1, 11, 2)
      return F.adaptive_avg_pool2d(y:permute(0, 1, 3, 2), {3, 4})
    end
    local m = positive(Moves())
    local t = suture.trace(m, suture.rand(1, 3, 12, 12) + 0.5)
    local field = receptive_field(t, t.output)
    for py = 0, 2 do
      for px = 0, 3 do
        local g = t:grad(t.output[{0, 0, py, px}], t.inputs[1])[0]:abs():sum(0)
        -- rows and columns are swapped
        assert.same({extent(g:sum(1):tolist())}, {field.y.lo[px + 1], field.y.hi[px + 1]})
        assert.same({extent(g:sum(0):tolist())}, {field.x.lo[py + 1], field.x.hi[py + 1]})
      end
    end
    assert.same({3, 2}, {field.y.dim, field.x.dim})
  end)

  it("of a max pool is what could change it", function()
    suture.seed(2)
    local m = positive(nn.Sequential(conv(3, 1, 3, {stride = 2}), nn.MaxPool2d(3, {stride = 2, padding = 1})))
    local x = suture.rand(1, 3, 16, 16)
    local t = suture.trace(m, x)
    local field, y = receptive_field(t, t.output), t.output:detach()
    for at = 0, 15 do
      local z = x:clone()
      z[{0, 0, at, at}] = 100
      local changed = m(z):ne(y)[0][0]
      for py = 0, y.shape[3] - 1 do
        for px = 0, y.shape[4] - 1 do
          local inside = at >= field.y.lo[py + 1] and at <= field.y.hi[py + 1] and at >= field.x.lo[px + 1]
            and at <= field.x.hi[px + 1]
          assert.equal(inside, changed[{py, px}]:item())
        end
      end
    end
  end)

  it("is the whole picture behind a mean over the map, and of tokens that attended", function()
    local se = nn.Sequential(conv(3, 4, 3, {padding = 1}), nn.SqueezeExcitation(4, 2), conv(4, 2, 3))
    suture.seed(3)
    local t = suture.trace(se:eval(), suture.rand(1, 3, 9, 11))
    local field = receptive_field(t, t.output)
    for _, a in ipairs {field.y, field.x} do
      for i in ipairs(a.lo) do assert.same({0, a == field.y and 8 or 10}, {a.lo[i], a.hi[i]}) end
    end
    local vit = zoo.vit_b_32 {image_size = 64, num_layers = 1, num_classes = 3}
    t = suture.trace(vit:eval(), suture.rand(1, 3, 64, 64))
    local patches = receptive_field(t, t:value "conv_proj")
    assert.same({{0, 32}, {31, 63}, 32}, {patches.y.lo, patches.y.hi, patches.y.size})
    local dropout = receptive_field(t, t:input "encoder.layers.encoder_layer_0") -- tokens, the class in front
    assert.same({1, {math.huge, 0, 0, 32, 32}}, {dropout.y.dim, dropout.y.lo})
    assert.same({1, {-math.huge, 31, 63, 31, 63}}, {dropout.x.dim, dropout.x.hi})
    local whole = receptive_field(t, t:value "encoder.layers.encoder_layer_0")
    assert.same({0, 63}, {whole.y.lo[1], whole.y.hi[1]})
    assert.same({}, receptive_field(t, vit.heads.head.weight))
  end)

  it("of known networks is the published one", function()
    -- Araujo, Norris & Sim 2019, table 1; resnet50 has its strides in the 3 × 3 convolutions (v1.5): 427 in place of 483
    for _, want in ipairs {{"alexnet", "features", 195}, {"vgg16", "features", 212}, {"resnet50", "layer4", 427},
      {"resnet18", "layer4", 435}} do
      local m = nn.init.skip(zoo[want[1]])
      local t = suture.no_grad(suture.trace, m:eval(), suture.zeros(1, 3, 224, 224))
      local field = receptive_field(t, t:value(want[2]))
      assert.equal(want[3], field.y.size, want[1])
      assert.equal(32, field.x.jump, want[1])
    end
  end)

  it("of shapes-resnet20 is that of its gradients", function()
    local m = suture.open "examples/shapes-resnet20.safetensors"
    compared(nn.Sequential(m.conv1, m.bn1, nn.ReLU(), m.layer1[0], m.layer2[0]), 32, 24, 11)
  end)
end)
