--- Names in timm of what it builds of inverted residuals (efficientnet.py, mobilenetv3.py): blocks.STAGE.BLOCK.PART,
-- where a part's number depends on whether the block expands and whether it has channel attention.
local timm = {}

local attention = {["se.conv_reduce"] = "fc1", ["se.conv_expand"] = "fc2"}

-- Of a block, its parts by their places in order; "se" stands for channel attention, which may be missing.
local expanding = {conv_pw = 0, bn1 = 0, conv_dw = 1, bn2 = 1, se = 2, conv_pwl = 3, bn3 = 3}
local plain = {conv_dw = 0, bn1 = 0, se = 1, conv_pw = 2, bn2 = 2}
local alone = {conv = 0, bn1 = 0} -- a convolution instead of a block

-- Whether a file with these names is of such a model.
local function inverted(all) return all["conv_stem.weight"] ~= nil and all["blocks.0.0.conv_dw.weight"] ~= nil end

--- timm.settings(all): what these models have otherwise than torchvision's of the same architecture: BatchNorm's eps.
function timm.settings(all) return inverted(all) and {eps = 1e-5} or nil end

-- Where a tensor lies, as timm.rename tells it; nil for names that are not of a block's parts. all: the names of the
-- file's tensors.
local function place(name, all)
  local s, b, part, kind = name:match "^blocks%.(%d+)%.(%d+)%.(.+)(%.[%a_]+)$"
  if not s then return nil end
  local function has(...) return all[("blocks.%d.%d.%s.weight"):format(...)] ~= nil end
  local layers = has(s, b, "conv_pwl") and expanding or has(s, b, "conv_dw") and plain or alone
  local layer = layers[attention[part] and "se" or part]
  if not layer then return nil end
  local last = layer > (layers.se or -1)
  if last and layers.se and not has(s, b, "se.conv_reduce") then layer = layer - 1 end
  local before = tonumber(b)
  for stage = 0, s - 1 do
    local n = 0
    if not has(stage, 0, "conv_dw") then break end
    while has(stage, n, "conv_dw") do n = n + 1 end
    before = before + n
  end
  return {
    stage = tonumber(s), block = tonumber(b), before = before, layer = layer, last = last, alone = layers == alone,
    part = attention[part] or part:find "^conv" and "0" or "1", kind = kind,
  }
end

--- timm.rename(outside, inside): a family's rename (see suture.zoo) for such files. outside: our names of the modules
-- beside the blocks, as conv_stem. inside(at): our name of a tensor in a block (nil: none), at = {stage =, block = (in
-- its stage), before = (blocks before this one), layer = (convolutions and attention of the block before this one),
-- last = (whether it is of the block's last convolution), alone = (whether the block is nothing but that), part =, kind
-- =}. Numbers are from 0. part: "0" convolution, "1" normalisation, "fc1", "fc2" of the attention; kind: ".weight",
-- ".bias", ….
function timm.rename(outside, inside)
  return function(name, all)
    if not inverted(all) then return name end
    local at = place(name, all)
    if at then return inside(at) or name end
    local module, kind = name:match "^([%w_]+)(%.[%a_]+)$"
    return outside[module] and outside[module] .. kind or name
  end
end

return timm
