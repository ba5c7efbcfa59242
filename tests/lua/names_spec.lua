-- Numbers of one architecture under other files' names: timm's, the papers' own.
local suture = require "suture"
local zoo = suture.zoo

local function fails(text, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.is_truthy(tostring(message):find(text, 1, true), ("expected an error with %q, got %q"):format(text, tostring(message)))
end

local torch_file = dofile(debug.getinfo(1, "S").source:match "^@(.*)/[^/]*$" .. "/../parity/write.lua")

describe("names in other files", function()
  -- m's numbers under the names that `spell` gives them, as a file; open and the constructor make the same model of it.
  -- put(theirs, new, t): what goes into the file for t, where that is not t.
  local function same_under(name, opts, spell, size, put)
    suture.seed(5)
    local m = zoo[name](opts):eval()
    for _, p in ipairs(m:parameters()) do
      if p:dim() ~= 2 and p:dim() ~= 4 then p:normal_(1, 0.1) end
    end
    local theirs, path = require("suture.ordered").dict(), os.tmpname()
    for k, t in m:state_dict() do
      local new = spell(k)
      if new and not (put and put(theirs, new, t)) then theirs[new] = t end
    end
    torch_file(path, theirs)
    local x, same = suture.randn(1, 3, size, size), {weights = path}
    for k, v in pairs(opts) do same[k] = v end
    assert.is_true(m(x):equal(zoo[name](same):eval()(x)))
    local found = suture.open(path)
    assert.equal(name, found._zoo.name)
    assert.is_true(m(x):equal(found:eval()(x)))
    os.remove(path)
    return theirs, path
  end
  local function in_shape(pattern, shape) -- for put
    return function(theirs, new, t)
      if new:find(pattern) then theirs[new] = shape(t) end
      return theirs[new]
    end
  end

  local function spelt(...)
    local lists = {...}
    return function(k)
      for _, patterns in ipairs(lists) do
        for _, p in ipairs(patterns) do k = k:gsub(p[1], p[2]) end
      end
      return k ~= "" and k or nil
    end
  end

  local swin = {{"features%.0%.0%.", "patch_embed.proj."}, {"features%.0%.2%.", "patch_embed.norm."},
      {"^features%.([1357])%.", function(s) return ("layers.%d.blocks."):format(s // 2) end}, {"%.mlp%.0%.", ".mlp.fc1."}, {"%.mlp%.3%.", ".mlp.fc2."}}
  local newer = {{"^head%.", "head.fc."},
      {"^features%.([246])%.", function(s) return ("layers.%d.downsample."):format(s // 2) end}, {"^.*%.relative_[%a_]+_index$", ""},
    {"^.*%.relative_coords_table$", ""}}
  local older = {{"^features%.([246])%.", function(s) return ("layers.%d.downsample."):format(s // 2 - 1) end}}

  it("knows Swin's names in timm, old and new", function()
    local a = same_under("swin_t", {num_classes = 5}, spelt(swin, newer), 32)
    assert.is_truthy(a["layers.1.downsample.reduction.weight"] and a["layers.3.blocks.1.mlp.fc2.bias"] and a["head.fc.bias"])
    local b = same_under("swin_t", {num_classes = 5}, spelt(swin, older), 32,
      in_shape("relative_position_index$", function(t) return t:reshape(49, 49) end))
    assert.is_truthy(b["layers.0.downsample.norm.weight"] and b["layers.0.blocks.0.attn.relative_position_index"])
  end)

  it("knows SwinV2's names in timm, where biases lie apart", function()
    local theirs, path = same_under("swin_v2_t", {num_classes = 5}, spelt(swin, newer), 64, function(theirs, new, t)
      local parts = new:find "qkv%.bias$" and {q_bias = 0, k_bias = 1, v_bias = 2}
      for name, i in pairs(parts or {}) do
        local part = t:numel() // 3
        theirs[new:gsub("qkv%.bias$", name)] = i == 1 and suture.zeros(part) or t:narrow(0, i * part, part)
      end
      return parts
    end)
    theirs["layers.3.blocks.1.attn.q_bias"] = nil
    torch_file(path, theirs)
    fails("features.7.1.attn.qkv.bias", zoo.swin_v2_t, {weights = path, num_classes = 5})
    os.remove(path)
  end)

  it("knows ConvNeXt's names in timm and in the paper's files", function()
    local gamma = in_shape("gamma$", function(t) return t:flatten() end)
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
    same_under("convnext_tiny", {num_classes = 5}, spelt {}, 32, -- linear maps as convolutions
      in_shape("%.block%.[35]%.weight$", function(t) return t:unsqueeze(2):unsqueeze(3) end))
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
