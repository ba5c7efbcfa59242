-- Maps lie where the evidence is: Grad-CAM of the shipped network on drawn shapes, and that it no longer does so when
-- the weights are random: the sanity check of Adebayo et al. 2018, arXiv:1810.03292, section 3.
-- What is measured is the share of the map that lies in places which the drawn shape touches. Each place of the map, 8 ×
-- 8, stands for 4 × 4 pixels: what a network sees of a filled shape is its border, and a place at the border is half
-- outside, so the pixels inside alone (0.48 of the map, of 0.28 of the area) would count the evidence as half wrong.
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
  local touched = F.avg_pool2d(suture.tensor.stack(masks, 0):unsqueeze(1), 4):squeeze(1):gt(0):float()
  return ds:batch(places), touched, ds, masks
end

-- The mean share of the maps that lies in the touched places; maps that are 0 everywhere say nothing.
local function inside(m, x, touched)
  local map = vis.gradcam(m, x, {layer = "layer3"}).map:clamp(0)
  local within, all = (map * touched):sum({1, 2}), map:sum({1, 2})
  local says = all:gt(0):float()
  return (within / all:clamp(1e-12) * says):sum():item() / math.max(1, says:sum():item())
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
    local x, touched = drawn(trained)
    local area = touched:mean():item()
    local before = inside(trained, x, touched)
    assert.is_true(before > 0.6 and before > area + 0.2, ("%.3f of %.3f"):format(before, area))
    local parts = {"linear", "layer3.2", "layer3.1", "layer3.0", "layer2", "layer1", "conv1"}
    local sums, seeds = {}, 4
    for seed = 1, seeds do
      suture.seed(seed)
      local m = trained:clone()
      for k, path in ipairs(parts) do -- from the top down, each on top of those before
        for part in m:at(path):modules() do
          if type(part.reset_parameters) == "function" then part:reset_parameters() end
        end
        sums[k] = (sums[k] or 0) + inside(m, x, touched) / seeds
      end
    end
    for k, path in ipairs(parts) do
      assert.is_true(sums[k] < before - 0.04, ("down to %s: %.3f, trained %.3f"):format(path, sums[k], before))
    end
    assert.is_true(math.abs(sums[#parts] - area) < 0.07, ("%.3f, the area %.3f"):format(sums[#parts], area))
  end)
end)
