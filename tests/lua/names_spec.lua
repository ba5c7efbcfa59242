-- Numbers of one architecture under other files' names: timm's, the papers' own.
local suture = require "suture"
local zoo = suture.zoo

local fails = require("kit").fails

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
    local theirs, path = require("suture.base.ordered").dict(), os.tmpname()
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

  -- Names in timm of a block's part: where in the block (as torchvision counts), out of {place = name}; all such names of k changed.
  local plain = {["0.0"] = "conv_dw", ["0.1"] = "bn1", ["1.0"] = "conv_pw", ["1.1"] = "bn2"}
  local plain_se = {["0.0"] = "conv_dw", ["0.1"] = "bn1", ["1.fc1"] = "se.conv_reduce", ["1.fc2"] = "se.conv_expand", ["2.0"] = "conv_pw", ["2.1"] = "bn2"}
  local wide = {["0.0"] = "conv_pw", ["0.1"] = "bn1", ["1.0"] = "conv_dw", ["1.1"] = "bn2", ["2.0"] = "conv_pwl", ["2.1"] = "bn3"}
  local wide_se = {["0.0"] = "conv_pw", ["0.1"] = "bn1", ["1.0"] = "conv_dw", ["1.1"] = "bn2", ["2.fc1"] = "se.conv_reduce", ["2.fc2"] = "se.conv_expand",
      ["3.0"] = "conv_pwl", ["3.1"] = "bn3"}
  local wide_v2 = {["0.0"] = "conv_pw", ["0.1"] = "bn1", ["1.0"] = "conv_dw", ["1.1"] = "bn2", ["2"] = "conv_pwl", ["3"] = "bn3"}
  local plain_v2 = {["0.0"] = "conv_dw", ["0.1"] = "bn1", ["1"] = "conv_pw", ["2"] = "bn2"}

  -- From a block's number in a row of all blocks to its stage's and its own, stages of `depths` blocks.
  local function staged(b, depths)
    for s, n in ipairs(depths) do
      if b < n then return s - 1, b end
      b = b - n
    end
  end

  it("knows EfficientNet's names in timm", function()
    for _, name in ipairs {"efficientnet_b0", "efficientnet_b5"} do -- torchvision's b5 has another eps, timm's has not
      local a, path = same_under(name, {num_classes = 5, eps = 1e-5}, function(k)
        local s, b, place, kind = k:match "^features%.(%d)%.(%d+)%.block%.([%w]+%.[%w]+)(%.[%a_]+)$"
        if s then return ("blocks.%d.%s.%s%s"):format(s - 1, b, (s == "1" and plain_se or wide_se)[place], kind) end
        return (k:gsub("^features%.0%.0", "conv_stem"):gsub("^features%.0%.1", "bn1"):gsub("^features%.8%.0", "conv_head"):gsub("^features%.8%.1", "bn2")
          :gsub("^classifier%.1", "classifier"))
      end, 32)
      assert.is_truthy(a["blocks.0.0.se.conv_reduce.weight"] and a["blocks.6.0.bn3.running_var"] and a["conv_head.weight"])
      torch_file(path, a)
      assert.equal(1e-5, zoo[name] {num_classes = 5, weights = path}.features[8][1].eps)
      assert.equal(1e-2, zoo[name] {num_classes = 5, weights = path, eps = 1e-2}.features[8][1].eps)
      os.remove(path)
    end
  end)

  it("knows MobileNetV3's names in timm, where eps is another and a hidden layer a convolution", function()
    local squeezed = {large = {[4] = true, [5] = true, [6] = true, [11] = true, [12] = true, [13] = true, [14] = true, [15] = true},
      small = {[1] = true, [4] = true, [5] = true, [6] = true, [7] = true, [8] = true, [9] = true, [10] = true, [11] = true}}
    for size, depths in pairs {large = {1, 2, 3, 4, 2, 3, 1}, small = {1, 2, 3, 2, 3, 1}} do
      local name, last = "mobilenet_v3_" .. size, size == "large" and 16 or 12
      local a, path = same_under(name, {num_classes = 5, eps = 1e-5}, function(k)
        local f, place, kind = k:match "^features%.(%d+)%.block%.([%w]+%.[%w]+)(%.[%a_]+)$"
        f = tonumber(f)
        if f then
          local parts = squeezed[size][f] and (f == 1 and plain_se or wide_se) or f == 1 and plain or wide
          return ("blocks.%d.%d.%s%s"):format(({staged(f - 1, depths)})[1], ({staged(f - 1, depths)})[2], parts[place], kind)
        end
        return (k:gsub("^features%.0%.0", "conv_stem"):gsub("^features%.0%.1", "bn1"):gsub("^features%." .. last .. "%.0", ("blocks.%d.0.conv"):format(#depths - 1))
          :gsub("^features%." .. last .. "%.1", ("blocks.%d.0.bn1"):format(#depths - 1)):gsub("^classifier%.0", "conv_head"):gsub("^classifier%.3", "classifier"))
      end, 32, in_shape("^conv_head%.weight", function(t) return t:unsqueeze(2):unsqueeze(3) end))
      assert.is_truthy(a["blocks.1.1.conv_pwl.weight"] and a["blocks.4.0.se.conv_expand.bias"] and a["conv_head.bias"])
      torch_file(path, a)
      local m, saved = zoo[name] {num_classes = 5, weights = path}, os.tmpname() .. ".safetensors"
      assert.equal(1e-5, m.features[1].block[0][1].eps)
      m:save(saved)
      assert.equal(1e-5, suture.open(saved).features[1].block[0][1].eps)
      os.remove(saved)
      os.remove(path)
    end
    assert.equal(1e-3, zoo.mobilenet_v3_small().features[1].block[0][1].eps)
  end)

  it("knows MobileNetV2's and MNASNet's names in timm, and tells them apart", function()
    local a = same_under("mobilenet_v2", {num_classes = 5}, function(k)
      local f, place, kind = k:match "^features%.(%d+)%.conv%.([%d.]+)(%.[%a_]+)$"
      if f then
        local s, b = staged(f - 1, {1, 2, 3, 4, 3, 3, 1})
        return ("blocks.%d.%d.%s%s"):format(s, b, (f == "1" and plain_v2 or wide_v2)[place], kind)
      end
      return (k:gsub("^features%.0%.0", "conv_stem"):gsub("^features%.0%.1", "bn1"):gsub("^features%.18%.0", "conv_head"):gsub("^features%.18%.1", "bn2")
        :gsub("^classifier%.1", "classifier"))
    end, 32)
    assert.is_truthy(a["blocks.0.0.bn2.weight"] and a["blocks.3.3.conv_pwl.weight"] and a["bn2.running_mean"])
    for _, name in ipairs {"mnasnet1_0", "mnasnet0_5"} do
      local b = same_under(name, {num_classes = 5}, function(k)
        local s, at, place, kind = k:match "^layers%.(%d+)%.(%d)%.layers%.(%d)(%.[%a_]+)$"
        local inside = {["0"] = "conv_pw", ["1"] = "bn1", ["3"] = "conv_dw", ["4"] = "bn2", ["6"] = "conv_pwl", ["7"] = "bn3"}
        if s then return ("blocks.%d.%d.%s%s"):format(s - 7, at, inside[place], kind) end
        local outside = {["0"] = "conv_stem", ["1"] = "bn1", ["3"] = "blocks.0.0.conv_dw", ["4"] = "blocks.0.0.bn1", ["6"] = "blocks.0.0.conv_pw",
          ["7"] = "blocks.0.0.bn2", ["14"] = "conv_head", ["15"] = "bn2"}
        return (k:gsub("^layers%.(%d+)", outside):gsub("^classifier%.1", "classifier"))
      end, 32)
      assert.is_truthy(b["blocks.0.0.conv_pw.weight"] and b["blocks.5.3.bn3.bias"] and b["conv_head.weight"])
    end
  end)

  it("says that a model of timm's built of the same blocks is of no architecture here", function()
    local path, theirs = os.tmpname(), require("suture.base.ordered").dict()
    for k, shape in pairs { -- begins and ends as MobileNetV3 large, with other blocks between
      ["conv_stem.weight"] = {16, 3, 3, 3}, ["bn1.weight"] = {16}, ["blocks.0.0.conv_dw.weight"] = {16, 1, 3, 3}, ["blocks.0.0.conv_pw.weight"] = {16, 16, 1, 1},
      ["blocks.1.0.conv_pw.weight"] = {48, 16, 1, 1}, ["blocks.1.0.conv_dw.weight"] = {48, 1, 5, 5}, ["blocks.1.0.conv_pwl.weight"] = {24, 48, 1, 1},
      ["blocks.2.0.conv.weight"] = {960, 160, 1, 1}, ["conv_head.weight"] = {1280, 960, 1, 1}, ["classifier.weight"] = {5, 1280},
    } do theirs[k] = suture.zeros(shape) end
    torch_file(path, theirs)
    fails("no architecture in the zoo", suture.open, path)
    os.remove(path)
  end)

  it("knows RegNet's names in timm", function()
    local inside = {a = "conv1", b = "conv2", c = "conv3"}
    for _, name in ipairs {"regnet_y_400mf", "regnet_x_400mf"} do
      local a = same_under(name, {num_classes = 5}, function(k)
        local s, b, rest = k:match "^trunk_output%.block%d%.block(%d)%-(%d+)%.(.*)$"
        if not s then return (k:gsub("^stem%.0", "stem.conv"):gsub("^stem%.1", "stem.bn"):gsub("^fc%.", "head.fc.")) end
        rest = rest:gsub("^f%.([abc])", inside):gsub("^f%.se", "se"):gsub("^proj", "downsample")
        if not rest:find "^se" then rest = rest:gsub("%.0%.", ".conv."):gsub("%.1%.", ".bn.") end
        return ("s%s.b%d.%s"):format(s, b + 1, rest)
      end, 32)
      assert.is_truthy(a["s1.b1.downsample.conv.weight"] and a["s4.b1.conv3.bn.running_var"] and a["head.fc.bias"])
      assert.equal(name == "regnet_y_400mf", a["s1.b1.se.fc2.bias"] ~= nil)
    end
  end)

  it("knows VGG's names in timm, where hidden layers are convolutions", function()
    local a = same_under("vgg11_bn", {num_classes = 5}, spelt {{"^classifier%.0", "pre_logits.fc1"}, {"^classifier%.3", "pre_logits.fc2"},
      {"^classifier%.6", "head.fc"}}, 32, function(theirs, new, t)
        if new == "pre_logits.fc1.weight" then theirs[new] = t:reshape(4096, 512, 7, 7) end
        if new == "pre_logits.fc2.weight" then theirs[new] = t:reshape(4096, 4096, 1, 1) end
        return theirs[new]
      end)
    assert.is_truthy(a["pre_logits.fc1.bias"] and a["head.fc.weight"])
  end)
end)
