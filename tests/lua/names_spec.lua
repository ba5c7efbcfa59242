-- Numbers of one architecture under other files' names: timm's, the papers' own.
local suture = require "suture"
local zoo = suture.zoo

local function fails(text, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.is_truthy(tostring(message):find(text, 1, true), ("expected an error with %q, got %q"):format(text, tostring(message)))
end

local function torch_file(path, tensors)
  local names, list, dtypes = {}, {}, {}
  for k, t in tensors do
    names[#names + 1], list[#list + 1], dtypes[#dtypes + 1] = k, t, t.dtype == "int64" and "I64" or "F32"
  end
  require("suture.core").file.save_torch(path, names, list, dtypes)
end

describe("names in other files", function()
  -- m's numbers under the names that `spell` gives them, as a file; open and the constructor make the same model of it.
  local function same_under(name, opts, spell, size, shape)
    suture.seed(5)
    local m = zoo[name](opts):eval()
    for _, p in ipairs(m:parameters()) do
      if p:dim() ~= 2 and p:dim() ~= 4 then p:normal_(1, 0.1) end
    end
    local theirs, path = require("suture.ordered").dict(), os.tmpname()
    for k, t in m:state_dict() do
      local new = spell(k)
      if new then theirs[new] = shape and shape(new, t) or t end
    end
    torch_file(path, theirs)
    local x, same = suture.randn(1, 3, size, size), {weights = path}
    for k, v in pairs(opts) do same[k] = v end
    assert.is_true(m(x):equal(zoo[name](same):eval()(x)))
    local found = suture.open(path)
    assert.equal(name, found._zoo.name)
    assert.is_true(m(x):equal(found:eval()(x)))
    os.remove(path)
    return theirs
  end

  local function spelt(patterns)
    return function(k)
      for _, p in ipairs(patterns) do k = k:gsub(p[1], p[2]) end
      return k ~= "" and k or nil
    end
  end

  it("knows Swin's names in timm, old and new", function()
    local common = {{"features%.0%.0%.", "patch_embed.proj."}, {"features%.0%.2%.", "patch_embed.norm."},
      {"^features%.([1357])%.", function(s) return ("layers.%d.blocks."):format(s // 2) end}, {"%.mlp%.0%.", ".mlp.fc1."}, {"%.mlp%.3%.", ".mlp.fc2."}}
    local new = spelt {common[1], common[2], common[3], common[4], common[5], {"^head%.", "head.fc."},
      {"^features%.([246])%.", function(s) return ("layers.%d.downsample."):format(s // 2) end}, {"^.*relative_position_index$", ""}}
    local old = spelt {common[1], common[2], common[3], common[4], common[5],
      {"^features%.([246])%.", function(s) return ("layers.%d.downsample."):format(s // 2 - 1) end}}
    local a = same_under("swin_t", {num_classes = 5}, new, 32)
    assert.is_truthy(a["layers.1.downsample.reduction.weight"] and a["layers.3.blocks.1.mlp.fc2.bias"] and a["head.fc.bias"])
    local b = same_under("swin_t", {num_classes = 5}, old, 32, function(name, t)
      return name:find "relative_position_index$" and t:reshape(49, 49) or nil
    end)
    assert.is_truthy(b["layers.0.downsample.norm.weight"] and b["layers.0.blocks.0.attn.relative_position_index"])
  end)

  it("knows SwinV2's names in timm, where biases lie apart", function()
    suture.seed(6)
    local m = zoo.swin_v2_t {num_classes = 5}:eval()
    for _, p in ipairs(m:parameters()) do if p:dim() == 1 then p:normal_(0.5, 0.1) end end
    local theirs, path = require("suture.ordered").dict(), os.tmpname()
    for k, t in m:state_dict() do
      local new = k:gsub("features%.0%.0%.", "patch_embed.proj."):gsub("features%.0%.2%.", "patch_embed.norm."):gsub("^head%.", "head.fc.")
        :gsub("^features%.([1357])%.", function(s) return ("layers.%d.blocks."):format(s // 2) end)
        :gsub("^features%.([246])%.", function(s) return ("layers.%d.downsample."):format(s // 2) end)
        :gsub("%.mlp%.0%.", ".mlp.fc1."):gsub("%.mlp%.3%.", ".mlp.fc2.")
      if new:find "qkv%.bias$" then
        local part = t:numel() // 3
        for i, name in ipairs {"q_bias", "k_bias", "v_bias"} do
          theirs[new:gsub("qkv%.bias$", name)] = i == 2 and suture.zeros(part) or t:narrow(0, (i - 1) * part, part)
        end
      elseif not new:find "relative_" then theirs[new] = t end
    end
    torch_file(path, theirs)
    local x = suture.randn(1, 3, 64, 64)
    assert.is_true(m(x):equal(zoo.swin_v2_t {weights = path, num_classes = 5}:eval()(x)))
    assert.is_true(m(x):equal(suture.open(path):eval()(x)))
    theirs["layers.3.blocks.1.attn.q_bias"] = nil
    torch_file(path, theirs)
    fails("features.7.1.attn.qkv.bias", zoo.swin_v2_t, {weights = path, num_classes = 5})
    os.remove(path)
  end)

  it("knows ConvNeXt's names in timm and in the paper's files", function()
    local function gamma(name, t) return name:find "gamma$" and t:flatten() or nil end
    local a = same_under("convnext_tiny", {num_classes = 5}, spelt {{"^features%.0%.", "stem."},
      {"^features%.([1357])%.", function(s) return ("stages.%d.blocks."):format(s // 2) end},
      {"^features%.([246])%.", function(s) return ("stages.%d.downsample."):format(s // 2) end}, {"layer_scale$", "gamma"},
      {"%.block%.0%.", ".conv_dw."}, {"%.block%.2%.", ".norm."}, {"%.block%.3%.", ".mlp.fc1."}, {"%.block%.5%.", ".mlp.fc2."},
      {"^classifier%.0%.", "head.norm."}, {"^classifier%.2%.", "head.fc."}}, 32, gamma)
    assert.is_truthy(a["stages.2.blocks.8.conv_dw.weight"] and a["stages.1.downsample.1.bias"] and a["stages.3.blocks.0.gamma"])
    local b = same_under("convnext_tiny", {num_classes = 5}, spelt {{"^features%.0%.", "downsample_layers.0."},
      {"^features%.([1357])%.", function(s) return ("stages.%d."):format(s // 2) end},
      {"^features%.([246])%.", function(s) return ("downsample_layers.%d."):format(s // 2) end}, {"layer_scale$", "gamma"},
      {"%.block%.0%.", ".dwconv."}, {"%.block%.2%.", ".norm."}, {"%.block%.3%.", ".pwconv1."}, {"%.block%.5%.", ".pwconv2."},
      {"^classifier%.0%.", "norm."}, {"^classifier%.2%.", "head."}}, 32, gamma)
    assert.is_truthy(b["stages.2.8.pwconv1.weight"] and b["downsample_layers.3.0.weight"])
    same_under("convnext_tiny", {num_classes = 5}, spelt {{"%.block%.3%.", ".block.3."}}, 32, function(name, t) -- linear maps as convolutions
      return name:find "%.block%.[35]%.weight$" and t:unsqueeze(2):unsqueeze(3) or nil
    end)
  end)

  it("knows EfficientNet's names in timm", function()
    local places = {{["0.0"] = "conv_dw", ["0.1"] = "bn1", ["1.fc1"] = "se.conv_reduce", ["1.fc2"] = "se.conv_expand", ["2.0"] = "conv_pw", ["2.1"] = "bn2"},
      {["0.0"] = "conv_pw", ["0.1"] = "bn1", ["1.0"] = "conv_dw", ["1.1"] = "bn2", ["2.fc1"] = "se.conv_reduce", ["2.fc2"] = "se.conv_expand",
        ["3.0"] = "conv_pwl", ["3.1"] = "bn3"}}
    local a = same_under("efficientnet_b0", {num_classes = 5}, function(k)
      local s, b, place, kind = k:match "^features%.(%d)%.(%d)%.block%.([%w]+%.[%w]+)(%.[%a_]+)$"
      if s then return ("blocks.%d.%s.%s%s"):format(s - 1, b, places[s == "1" and 1 or 2][place], kind) end
      return (k:gsub("^features%.0%.0", "conv_stem"):gsub("^features%.0%.1", "bn1"):gsub("^features%.8%.0", "conv_head"):gsub("^features%.8%.1", "bn2")
        :gsub("^classifier%.1", "classifier"))
    end, 32)
    assert.is_truthy(a["blocks.0.0.se.conv_reduce.weight"] and a["blocks.6.0.bn3.running_var"] and a["conv_head.weight"])
  end)
end)
