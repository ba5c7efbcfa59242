-- Maps lie where the evidence is: Grad-CAM of the shipped network on drawn shapes, and that it no longer does so when
-- the weights are random: the sanity check of Adebayo et al. 2018, arXiv:1810.03292, section 3. Measured pixel by pixel,
-- as the map is shown, at the default layer: the share of the map's mass that lies in the drawn shape. The network was
-- trained to see a shape in few places (scripts/pretrain.lua); where they are, nothing told it.
local suture = require "suture"
local mask_of = suture.core.image.shape_mask
local vis, F = suture.vis, suture.F

local EACH = 6 -- pictures of each class

local function drawn(m)
  local ds = suture.data.shapes {n = EACH, split = "val", transform = m}
  local masks, places = {}, {}
  for i = 0, 8 * EACH - 1 do
    masks[i + 1], places[i + 1] = mask_of("source", i // EACH, i % EACH, 32, 0, 1), i
  end
  return ds:batch(places), suture.tensor.stack(masks, 0), ds, masks
end

-- The mean share of the maps' mass that lies in the shapes, and how often the brightest place does (the pointing game of
-- Zhang et al. 2018, arXiv:1608.00507); maps that are 0 everywhere say nothing. says: how many do.
local function inside(m, x, mask)
  local map = vis.gradcam(m, x):tensor()
  local within, all = (map * mask):sum({1, 2}), map:sum({1, 2})
  local says = all:gt(0):float()
  local n = math.max(1, says:sum():item())
  local brightest = F.one_hot(map:reshape(#x, -1):argmax(1), 32 * 32):float()
  local hits = (brightest * mask:reshape(#x, -1)):sum(1):ge(0.5):float()
  return (within / all:clamp(1e-12) * says):sum():item() / n, (hits * says):sum():item() / n, says:mean():item()
end

describe("Grad-CAM on drawn shapes", function()
  it("is measured by masks that are those of the pictures", function()
    local m = suture.open "examples/shapes-resnet20.safetensors"
    local x, _, ds, masks = drawn(m)
    assert.same({8 * EACH, 3, 32, 32}, {table.unpack(x.shape)})
    for i = 0, #ds - 1, 5 do -- colours inside and outside differ more than within each
      local mask = masks[i + 1]
      local inner, outer = mask:eq(1):float(), mask:eq(0):float()
      local a = (x[i] * inner):sum({1, 2}) / inner:sum()
      local b = (x[i] * outer):sum({1, 2}) / outer:sum()
      local away = (x[i] - b:reshape(3, 1, 1)):square():sum(0)
      assert.is_true((away * inner):sum():item() / inner:sum():item() > 2 * (away * outer):sum():item() / outer:sum():item(),
        "picture " .. i)
      assert.is_true((a - b):norm():item() > 0.3)
    end
  end)

  it("lies in the shape, and where weights are random nowhere in particular", function()
    local trained = suture.open "examples/shapes-resnet20.safetensors"
    local x, mask = drawn(trained)
    local area = mask:mean():item()
    local before, pointed, says = inside(trained, x, mask)
    assert.equal(1, says)
    assert.is_true(before > 0.6, ("%.3f of %.3f"):format(before, area))
    assert.is_true(pointed > 0.8, ("%.3f"):format(pointed))
    local parts = {"linear", "layer3.2", "layer3.1", "layer3.0", "layer2", "layer1", "conv1"}
    local sums, hits, seeds = {}, 0, 4
    for seed = 1, seeds do
      suture.seed(seed)
      local m = trained:clone()
      for k, path in ipairs(parts) do -- from the top down, each on top of those before
        for part in m:at(path):modules() do
          if type(part.reset_parameters) == "function" then part:reset_parameters() end
        end
        local share, hit = inside(m, x, mask)
        sums[k] = (sums[k] or 0) + share / seeds
        if k == #parts then hits = hits + hit / seeds end
      end
    end
    for k, path in ipairs(parts) do
      assert.is_true(sums[k] < before - 0.1, ("down to %s: %.3f, trained %.3f"):format(path, sums[k], before))
    end
    assert.is_true(math.abs(sums[#parts] - area) < 0.07, ("%.3f, the area %.3f"):format(sums[#parts], area))
    assert.is_true(math.abs(hits - area) < 0.15, ("pointed at: %.3f, the area %.3f"):format(hits, area))
  end)
end)
