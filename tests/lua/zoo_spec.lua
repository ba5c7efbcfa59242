local suture = require "suture"
local zoo, nn = suture.zoo, suture.nn
local shared = os.getenv "SUTURE_SHARED" or "../shared"

local kit = require "kit"
local fails = kit.fails

local catalogue = require "suture.zoo.common.catalogue"

-- From small to large: memory that was never written to costs nothing, but what one model gives back is cleared for the
-- next.
local by_size, counted = {}, {}
for name in zoo.list() do
  by_size[#by_size + 1], counted[name] = name, catalogue.find(name).counted[name]
end
table.sort(by_size, function(a, b)
  if counted[a][1] ~= counted[b][1] then return counted[a][1] < counted[b][1] end
  return a < b
end)

-- Each family's smallest architecture and those that its file names besides, with the options that it has for tests:
-- {name =, family =, options =, size =, lr =, falls = (how much of the first epoch's loss the second has at most)}.
local small, seen = {}, {}
for _, name in ipairs(by_size) do
  local family, _, at = catalogue.find(name)
  local test = family.test or {}
  local asked = table.concat(test.also or {}, " "):find("%f[%w_]" .. name .. "%f[^%w_]")
  if not seen[at] or asked then
    small[#small + 1] = {name = name, family = family, options = test.options, size = test.size or 48, lr = test.lr or 5e-3,
      falls = test.falls or 0.95}
  end
  seen[at] = true
end

local function shapes_of(m)
  local shapes = {}
  for k, t in m:state_dict() do shapes[k] = t.shape end
  return shapes
end

-- A file as PyTorch's, that does not say how the model was made.
local torch_file = dofile(debug.getinfo(1, "S").source:match "^@(.*)/[^/]*$" .. "/../parity/write.lua")

describe("zoo", function()
  it("lists by glob", function() assert.same({"cifar_resnet20"}, {table.unpack(zoo.list "cifar*20")}) end)

  it("runs a family's file when one of its architectures is wanted, no other", function()
    local path = os.tmpname()
    local script = [[package.cpath = %q
      local zoo = require("suture").zoo
      local names = #zoo.list()
      local function loaded(family) return tostring(package.loaded["suture.zoo." .. family] ~= nil) end
      local m = zoo.cifar_resnet20()
      io.write(names, " ", loaded "cifar_resnet", " ", loaded "resnet", " ", loaded "swin")]]
    local f = assert(io.open(path, "w"))
    f:write(script:format(package.cpath))
    f:close()
    local lua <close> = io.popen("lua5.4 " .. path)
    assert.equal(#by_size .. " true false false", lua:read "a")
    os.remove(path)
  end)

  it("has one file for each family, which says all", function()
    for name, family in catalogue.families() do
      local what = "lua/zoo/" .. name .. ".lua"
      local about = catalogue.about(next(family.variants)) or ""
      assert.is_truthy(about:find "arXiv" or about:find "NIPS", what .. ": no paper")
      for variant in pairs(family.variants) do assert.equal(3, #(family.counted[variant] or {}), what .. ": " .. variant) end
      for variant in pairs(family.counted) do assert.is_truthy(family.variants[variant], what .. ": " .. variant) end
      for option in (family.options or ""):gmatch "([%w_]+):" do
        assert.is_truthy(about:find("%f[%w_]" .. option .. "%f[^%w_]"), what .. ": nothing is said of the option " .. option)
      end
      assert.is_truthy(family.stem and family.head and family.classes and family.size and #family.mean == 3 and #family.std == 3, what)
    end
  end)

  local all = {} -- name → shapes
  for _, name in ipairs(kit.some(by_size)) do
    it("makes " .. name .. " with the published numbers of parameters, tensors and multiply-adds, and recognises it", function()
      local parameters, tensors, macs, m = zoo._count(name)
      assert.same(counted[name], {parameters, tensors, macs}, name .. ": scripts/costs.lua counts anew")
      local family, shapes = catalogue.find(name), shapes_of(m)
      all[name] = shapes
      local found, opts = zoo.recognise(shapes)
      assert.equal(name, found)
      local classes = (zoo.weights(name)[1] or {classes = family.classes}).classes
      assert.same({classes, 3}, {opts.num_classes, opts.in_chans})
      for option, value in pairs(opts) do -- others are what the model was made with, or have by default
        if m._zoo.opts[option] ~= nil then assert.equal(m._zoo.opts[option], value, option)
        else assert.is_truthy(family.options:find(("%s:%%w+=%s%%f[ %%z]"):format(option, value)), option) end
      end
      for k in m:state_dict() do
        if family.rename then assert.equal(k, family.rename(k, shapes)) end -- names that are right stay
      end
      for path, sub in m:named_modules() do -- or a file could not say what it is made of
        local class = getmetatable(sub)
        local known = rawget(nn, class.__name) == class or catalogue.owner(class) or path == ""
        assert.is_truthy(known, name .. ": " .. class.__name .. " is not among its family's parts")
      end
      local y = require("suture.nn.trace").dry(m, suture.zeros(m.input_shape))
      assert.equal(opts.num_classes, y.shape[2])
      collectgarbage()
    end)
  end

  it("has no two architectures of the same names and shapes: a file is of one", function()
    local of = {}
    for name, shapes in pairs(all) do
      local list = {}
      for k, shape in pairs(shapes) do list[#list + 1] = k .. tostring(shape) end
      table.sort(list)
      local text = table.concat(list, "\n")
      assert.is_nil(of[text], name .. " and " .. tostring(of[text]))
      of[text] = name
    end
  end)

  it("takes classes and channels", function()
    local m = zoo.cifar_resnet20 {num_classes = 7, in_chans = 1}
    assert.equal("(2, 7)", tostring(m:eval()(suture.randn(2, 1, 32, 32)).shape))
    assert.same({name = "cifar_resnet20", opts = {num_classes = 7, in_chans = 1}}, m._zoo)
  end)

  local function spread(t, std) assert.is_true(math.abs(t:std():item() - std) < 0.03 * std, ("%g for %g"):format(t:std():item(), std)) end

  it("starts as torchvision does", function()
    suture.seed(1)
    local m = zoo.resnet18 {zero_init_residual = true}
    assert.equal(0, m.layer1[0].bn2.weight:abs():max():item())
    spread(m.layer2[1].conv1.weight, math.sqrt(2 / (128 * 9)))
    assert.equal(0, zoo.se_resnet18 {zero_init_residual = true}.layer1[0].bn2.weight:abs():max():item())
    m = zoo.efficientnet_b0()
    spread(m.features[4][1].block[1][0].weight, math.sqrt(2 / (480 * 9)))
    spread(m.classifier[1].weight, 1 / math.sqrt(1000) / math.sqrt(3))
    assert.equal(0, m.features[4][1].block[2].fc1.bias:abs():max():item())
    assert.equal(1e-5, m.features[0][1].eps)
    m = zoo.regnet_y_400mf()
    spread(m.fc.weight, 0.01)
    spread(m.trunk_output.block4["block4-0"].f.b[0].weight, math.sqrt(2 / (440 * 9)))
    m = zoo.convnext_tiny()
    spread(m.features[5][2].block[3].weight, 0.02)
    assert.is_true(m.features[5][2].layer_scale:eq(suture.tensor(1e-6)):min():item() == 1)
    m = zoo.densenet121()
    spread(m.features.denseblock1.denselayer2.conv2.weight, math.sqrt(2 / (128 * 9))) -- the inputs
    assert.equal(0, m.classifier.bias:abs():max():item())
    m = zoo.squeezenet1_1()
    spread(m.features[3].squeeze.weight, math.sqrt(2 / 64))
    spread(m.classifier[1].weight, 0.01)
    m = zoo.mnasnet0_5()
    spread(m.classifier[1].weight, 1 / math.sqrt(1000))
    spread(m.layers[14].weight, math.sqrt(2 / 1280)) -- the outputs
    spread(zoo.mobilenet_v3_small().classifier[0].weight, 0.01)
    m = zoo.inception_v3()
    spread(m.Mixed_5b.branch5x5_2.conv.weight, 0.1)
    spread(m.AuxLogits.fc.weight, 0.001)
    m = zoo.vit_b_32 {num_layers = 1, image_size = 64}
    local block = m.encoder.layers[0]
    spread(m.conv_proj.weight, math.sqrt(1 / (3 * 32 * 32)))
    spread(block.self_attention.in_proj_weight, math.sqrt(2 / (768 + 3 * 768)))
    spread(block.mlp[3].weight, math.sqrt(2 / (768 + 3072)))
    spread(block.mlp[0].bias, 1e-6)
    assert.same({0, 0}, {m.heads.head.weight:abs():max():item(), block.self_attention.out_proj.bias:abs():max():item()})
    m = zoo.swin_v2_t {depths = {1, 1, 1, 1}}
    spread(m.features[5][0].attn.qkv.weight, 0.02)
    assert.equal(0, m.features[5][0].attn.qkv.bias:abs():max():item())
    assert.is_true(math.abs(m.features[1][0].attn.logit_scale:mean():item() - math.log(10)) < 1e-6)
    m = zoo.maxvit_t {depths = {1, 1, 1, 1}}
    spread(m.blocks[3].layers[0].layers.grid_attention.mlp_layer[1].weight, 0.02)
    m = zoo.coatnet_0 {depths = {1, 1, 1, 1}}
    spread(m.stages[1].blocks[0].conv1_1x1.weight, math.sqrt(2 / 768))
    spread(m.stages[3].blocks[0].mlp.fc1.weight, math.sqrt(2 / (768 + 3072)))
  end)

  it("drops what attention and linear maps give, in training alone", function()
    suture.seed(8)
    local F, x = nn.functional, suture.randn(2, 5, 3 * 2 * 4)
    for _, interleaved in ipairs {false, true} do -- a probability of next to nothing drops nothing, one of 1 all
      local mask = suture.randn(2, 5, 5)
      local y = F._packed_attention(x, 2, mask, {scale = 0.3, interleaved = interleaved, dropout = 1e-30})
      assert.is_true(y:allclose(F._packed_attention(x, 2, mask, {scale = 0.3, interleaved = interleaved}), 1e-5, 1e-6))
      assert.equal(0, F._packed_attention(x, 2, mask, {interleaved = interleaved, dropout = 1}):abs():max():item())
    end
    for _, name in ipairs {"swin_t", "swin_v2_t"} do
      local usual = zoo[name] {depths = {1, 1, 1, 1}, stochastic_depth_prob = 0}
      local picture = suture.randn(1, 3, 64, 64)
      local m = zoo[name] {depths = {1, 1, 1, 1}, stochastic_depth_prob = 0, attention_dropout = 0.5}
      m:load_state_dict(usual:state_dict())
      assert.is_false(m(picture):equal(m(picture)))
      assert.is_true(m:eval()(picture):equal(usual:eval()(picture)))
      local attn = nn.init.skip(zoo[name], {depths = {1, 1, 1, 1}, attention_dropout = 1}).features[1][0].attn
      nn.init.ones_(attn.proj.weight)
      nn.init.constant_(attn.proj.bias, 0.25)
      assert.is_true(attn(suture.randn(1, 8, 8, 96)):equal(suture.full({1, 8, 8, 96}, 0.25)))
      m = nn.init.skip(zoo[name], {dropout = 1})
      assert.same({1, 1}, {m.features[1][0].mlp[2].p, m.features[7][1].mlp[4].p})
      assert.equal(0, m.features[1][0].attn(suture.randn(1, 8, 8, 96)):abs():max():item())
      fails("attention_dropout expects a number from 0 to 1, got 2", zoo[name], {attention_dropout = 2})
    end
    local m = nn.init.skip(zoo.maxvit_t, {attention_dropout = 0.3, mlp_dropout = 0.4})
    for _, kind in ipairs {"window", "grid"} do
      local part = m.blocks[1].layers[1].layers[kind .. "_attention"]
      assert.same({0.3, 0.4}, {part.attn_layer[2].p, part.mlp_layer[4].p})
    end
    assert.equal(0, zoo.maxvit_t().blocks[0].layers[0].layers.window_attention.attn_layer[2].p)
  end)

  it("takes the families' options", function()
    local m = nn.init.skip(zoo.efficientnet_b5, {dropout = 0.1, stochastic_depth_prob = 0.39})
    assert.equal(0.1, m.classifier[0].p)
    assert.equal(0, m.features[1][0].stochastic_depth.p)
    assert.is_true(math.abs(m.features[7][2].stochastic_depth.p - 0.38) < 1e-9) -- block 38 of 39
    assert.same({1e-3, 0.01}, {m.features[0][1].eps, m.features[0][1].momentum})
    m = nn.init.skip(zoo.convnext_tiny, {layer_scale = 0.5, stochastic_depth_prob = 0.17})
    assert.equal(0.5, m.features[1][0].layer_scale:max():item())
    assert.is_true(math.abs(m.features[7][2].stochastic_depth.p - 0.17) < 1e-9)
    fails("dropout expects a number from 0 to 1, got 2", zoo.efficientnet_b0, {dropout = 2})
    fails("depths expects 4 numbers, one for each stage, got 3", zoo.swin_t, {depths = {2, 2, 6}})
    fails("depths expects a whole number above 0 or a list of them", zoo.coatnet_0, {depths = {2, 2, 6, 0}})
    fails("num_layers expects a whole number above 0, got 0", zoo.vit_b_16, {num_layers = 0})
    fails("no option 'layer_scale'", zoo.regnet_x_400mf, {layer_scale = 1})
    m = nn.init.skip(zoo.vit_b_16, {image_size = 64, num_layers = 2, dropout = 0.1, attention_dropout = 0.2})
    assert.same({"(1, 3, 64, 64)", "(1, 17, 768)", 2}, {tostring(m.input_shape), tostring(m.encoder.pos_embedding.shape), #m.encoder.layers})
    assert.same({0.1, 0.2}, {m.encoder.dropout.p, m.encoder.layers[1].self_attention.dropout})
    fails("expects pictures of 64×64, got (1, 3, 32, 32): image_size = 32", m, suture.zeros(1, 3, 32, 32))
    fails("does not divide into patches of 16", zoo.vit_b_16, {image_size = 100})
    m = nn.init.skip(zoo.swin_t, {stochastic_depth_prob = 0.11})
    assert.is_true(math.abs(m.features[7][1].stochastic_depth.p - 0.11) < 1e-9)
    assert.equal("(2, 1000)", tostring(require("suture.nn.trace").dry(m, suture.zeros(2, 3, 97, 65)).shape)) -- filled up where windows do not fit
    fails("which do not divide 16×16: image_size", nn.init.skip(zoo.maxvit_t), suture.zeros(1, 3, 64, 64))
    fails("a multiple of 32 times partition_size, 224, got 64", zoo.maxvit_t, {image_size = 64})
    fails("image_size is a multiple of 32", zoo.coatnet_0, {image_size = 100})
    assert.equal(0.1, nn.init.skip(zoo.densenet121, {drop_rate = 0.1}).features.denseblock4.denselayer16.drop_rate)
    for name, made in pairs {mobilenet_v2 = {width_mult = 1.4}, mobilenet_v3_large = {width_mult = 0.75, reduced_tail = true}} do
      m = nn.init.skip(zoo[name], made)
      local shapes = {}
      for k, t in m:state_dict() do shapes[k] = t.shape end
      local found, opts = zoo.recognise(shapes)
      assert.equal(name, found)
      for k, v in pairs(made) do assert.equal(v, opts[k]) end
    end
    assert.equal("(1, 1792, 2, 2)", tostring(nn.init.skip(zoo.mobilenet_v2, {width_mult = 1.4}).features(suture.zeros(1, 3, 64, 64)).shape))
    assert.equal("(1, 576, 4, 4)", tostring(nn.init.skip(zoo.mobilenet_v3_small, {dilated = true}).features(suture.zeros(1, 3, 64, 64)).shape))
  end)

  it("runs auxiliary heads in training alone, in torchvision's order", function()
    local m = nn.init.skip(zoo.googlenet, {num_classes = 2})
    for i, head in ipairs {"fc", "aux2.fc2", "aux1.fc2"} do m:at(head).bias:fill_(i) end
    local x = suture.zeros(2, 3, 32, 32)
    local function marks(...)
      local list = {}
      for i = 1, select("#", ...) do
        local logits = select(i, ...)
        list[i] = logits and logits:max():item()
      end
      return list
    end
    assert.same({1, 2, 3}, marks(m(x)))
    assert.same({1}, marks(m:eval()(x)))
    assert.same({1}, marks(m:train():freeze()(x)))
    m:unfreeze()
    m.aux1 = nil
    assert.same({1, 2}, marks(m(x)))
    assert.equal(1, select("#", require("suture.nn.trace").dry(m, x)))
    assert.equal(1, select("#", nn.init.skip(zoo.googlenet, {aux_logits = false})(x)))
  end)

  it("recolours pictures where weights come from a file, and leaves auxiliary heads out unless asked for them", function()
    local path = os.tmpname()
    local file = path .. ".pth"
    local m = zoo.googlenet {num_classes = 3}
    torch_file(file, m:eval():state_dict())
    local plain = zoo.googlenet {weights = file, num_classes = 3, transform_input = false}
    assert.is_nil(plain.aux1)
    local x = suture.randn(1, 3, 32, 32)
    assert.is_true(m(x):equal(plain:eval()(x)))
    local note, said = require "suture.base.note", {}
    local write = note.write
    note.write = function(text) said[#said + 1] = text end
    local recoloured = zoo.googlenet {weights = file, num_classes = 3}:eval()
    local mean, std = suture.tensor(m.preprocess.mean):reshape(1, 3, 1, 1), suture.tensor(m.preprocess.std):reshape(1, 3, 1, 1)
    assert.is_true(m((x * std + mean - 0.5) / 0.5):allclose(recoloured(x), 1e-4, 1e-5))
    local five = zoo.googlenet {weights = file, num_classes = 5, aux_logits = true}
    local heads = #said
    local opened = suture.open(file)
    local before = #said
    zoo.googlenet {weights = file, num_classes = 3, transform_input = true}
    assert.equal(before, #said) -- nothing is assumed
    note.write = write
    local assumed = 'googlenet: the file does not say, so transform_input = true, as the published weights want · otherwise zoo.googlenet{'
      .. 'weights = "' .. file .. '", transform_input = false}'
    assert.same({4, assumed}, {heads, said[1]}) -- and three heads
    for i = 2, #said do assert.not_equal(assumed, said[i]) end -- told once
    for _, head in ipairs {"fc", "aux1.fc2", "aux2.fc2"} do
      assert.equal(5, five:at(head).weight.shape[1])
      assert.is_true(five:at(head).weight:std():item() > 0)
    end
    assert.is_true(five.aux1.fc1.weight:equal(m.aux1.fc1.weight))
    assert.same({true, 3}, {opened.transform_input, opened.aux1.fc2.out_features})
    os.remove(path)
    os.remove(file)
  end)

  it("knows the names of the published DenseNets", function()
    local family = require "suture.zoo.densenet"
    for was, now in pairs {
      ["features.denseblock1.denselayer1.norm.1.weight"] = "features.denseblock1.denselayer1.norm1.weight",
      ["features.denseblock4.denselayer16.conv.2.weight"] = "features.denseblock4.denselayer16.conv2.weight",
      ["features.denseblock1.denselayer1.norm2.running_mean"] = "features.denseblock1.denselayer1.norm2.running_mean",
      ["features.transition1.norm.weight"] = "features.transition1.norm.weight", ["classifier.bias"] = "classifier.bias",
    } do assert.equal(now, family.rename(was)) end
  end)

  it("gives SqueezeNet, whose head is a convolution, another number of classes", function()
    local m = nn.init.skip(zoo.squeezenet1_1, {num_classes = 7})
    assert.equal("classifier.1", (m:head()))
    m:reset_head(5)
    assert.equal("(2, 5)", tostring(m:eval()(suture.zeros(2, 3, 32, 32)).shape))
  end)

  for _, made in ipairs(small) do
    local name, opts, size = made.name, made.options, made.size
    local goes = (opts or counted[name][1] < 40e6) and it or function() end -- others would write hundreds of megabytes
    goes("gives " .. name .. " a new head that learns while the rest is frozen, and comes back from a file", function()
      suture.seed(5)
      local m, ds = zoo[name](opts), suture.data.shapes {n = 16, size = size, seed = 3}
      local usual = {}
      for _, bn in pairs(m:find(nn.BatchNorm2d)) do usual[bn], bn.momentum = bn.momentum, 1 end
      suture.no_grad(function() for x in ds:batches(64) do return m(x):sum():item() end end) -- the statistics are this batch's
      for bn, momentum in pairs(usual) do bn.momentum = momentum end
      m:freeze()
      m:reset_head(#ds.classes)
      local r = suture.fit(m, ds, {epochs = 2, batch = 8, lr = made.lr, optimizer = "adam", quiet = true})
      assert.is_true(r.history[2].loss < made.falls * r.history[1].loss, ("loss %g, then %g"):format(r.history[1].loss, r.history[2].loss))
      local path = os.tmpname()
      m:eval():save(path .. ".safetensors")
      local again = suture.open(path .. ".safetensors")
      os.remove(path)
      os.remove(path .. ".safetensors")
      local x = suture.randn(2, 3, size, size)
      assert.equal(tostring(m), tostring(again))
      assert.is_true(m(x):equal(again(x)))
    end)
  end

  -- A sample of a model's names: its stem's, its head's, and a few between.
  local function sample(family, shapes)
    local names = {}
    for name in pairs(shapes) do
      if not name:find "num_batches_tracked$" then names[#names + 1] = name end
    end
    table.sort(names)
    return {family.stem .. ".weight", family.head .. ".weight", names[#names // 2], names[#names]}
  end

  for _, made in ipairs(small) do
    it("recognises " .. made.name .. " where a file lacks a tensor or has one in another shape", function()
      local shapes = shapes_of(nn.init.skip(zoo[made.name], made.options))
      for _, name in ipairs(sample(made.family, shapes)) do
        local was = shapes[name]
        for _, now in ipairs {false, {}, {0, 7}} do
          shapes[name] = now or nil
          local ok, found = pcall(zoo.recognise, shapes)
          local what = ("%s %s"):format(name, now and "{" .. table.concat(now, ", ") .. "}" or "left out")
          assert.is_true(ok, what .. ": " .. tostring(found))
          assert.equal(made.name, found, what)
        end
        shapes[name] = was
      end
      collectgarbage()
    end)
  end

  it("lists what a file lacks, or has in another shape, and says what to try", function()
    local path, note = os.tmpname(), require "suture.base.note"
    local write = note.write
    -- A file of `whole` with a tensor as `with`, nil: without it. → what open says
    local function opened(whole, name, with, opts)
      local sd = require("suture.base.ordered").dict()
      for k, t in whole do if k ~= name then sd[k] = t end end
      if with then sd[name] = with end
      torch_file(path, sd)
      note.write = function() end
      local ok, message = pcall(suture.open, path, opts)
      note.write = write
      return ok, message
    end
    for _, made in ipairs(small) do
      if made.options or counted[made.name][1] < 6e6 then
        local whole = nn.init.skip(zoo[made.name], made.options):state_dict()
        local stem, head = made.family.stem .. ".weight", made.family.head .. ".weight"
        local ok, message = opened(whole, stem, suture.zeros(1, 1, 1, 1, 1))
        assert.is_false(ok)
        assert.is_truthy(message:find("of another shape", 1, true) and message:find(stem, 1, true), message)
        ok, message = opened(whole, head)
        assert.is_false(ok)
        for _, says in ipairs {"missing in the file", head, "{strict = false} loads what fits"} do
          assert.is_truthy(message:find(says, 1, true), message)
        end
        local _, m = opened(whole, head, nil, {strict = false})
        assert.equal(made.name, m._zoo.name)
        collectgarbage()
      end
    end
    os.remove(path)
  end)

  it("names the nearest architecture where a file is of none", function()
    local path, sd = os.tmpname(), require("suture.base.ordered").dict()
    for k, t in nn.init.skip(zoo.cifar_resnet20):state_dict() do
      if not k:find "^layer3%.[12]" then sd[k] = t end
    end
    torch_file(path, sd)
    fails("(nearest: cifar_resnet20: 47 of its 59 parameter tensors are there)", suture.open, path)
    os.remove(path)
  end)

  it("knows ViT's names in timm and in older files, and adapts positions to pictures of another size", function()
    suture.seed(4)
    local m = zoo.vit_b_32 {image_size = 96, num_layers = 1, num_classes = 5}:eval()
    for _, p in ipairs(m:parameters()) do if p:dim() == 3 then p:normal_() end end
    local theirs, older = require("suture.base.ordered").dict(), require("suture.base.ordered").dict()
    for k, t in m:state_dict() do
      local timm = k:gsub("^class_token", "cls_token"):gsub("^encoder%.pos_embedding", "pos_embed"):gsub("^conv_proj", "patch_embed.proj")
        :gsub("^encoder%.layers%.encoder_layer_(%d+)", "blocks.%1"):gsub("ln_(%d)", "norm%1"):gsub("self_attention%.in_proj_", "attn.qkv.")
        :gsub("self_attention%.out_proj", "attn.proj"):gsub("mlp%.0", "mlp.fc1"):gsub("mlp%.3", "mlp.fc2"):gsub("^encoder%.ln", "norm"):gsub("^heads%.", "")
      theirs[timm] = t
      older[(k:gsub("mlp%.0", "mlp.linear_1"):gsub("mlp%.3", "mlp.linear_2"))] = t
    end
    assert.is_truthy(theirs["blocks.0.attn.qkv.weight"] and theirs["head.bias"] and older["encoder.layers.encoder_layer_0.mlp.linear_2.bias"])
    local path = os.tmpname()
    local note = require "suture.base.note"
    local write = note.write
    note.write = function() end
    for _, sd in ipairs {theirs, older} do
      torch_file(path, sd)
      local same = zoo.vit_b_32 {weights = path, image_size = 96, num_layers = 1, num_classes = 5}:eval()
      local x = suture.randn(1, 3, 96, 96)
      assert.is_true(m(x):equal(same(x)))
      local found = suture.open(path)
      assert.same({name = "vit_b_32", opts = {image_size = 96, num_layers = 1, num_classes = 5, in_chans = 3}}, found._zoo)
      assert.is_true(m(x):equal(found:eval()(x)))
      local larger = zoo.vit_b_32 {weights = path, image_size = 160, num_layers = 1, num_classes = 5}
      local pos, was = larger.encoder.pos_embedding, m.encoder.pos_embedding
      assert.is_true(pos[0][0]:equal(was[0][0]))
      for _, corner in ipairs {{1, 1}, {5, 3}, {21, 7}, {25, 9}} do -- the corners of the grid stay
        assert.is_true(pos[0][corner[1]]:allclose(was[0][corner[2]], 1e-5, 1e-5))
      end
    end
    note.write = write
    os.remove(path)
  end)

  it("names the file, its address and the folder when weights are missing", function()
    local getenv = os.getenv
    os.getenv = function(name) return name == "SUTURE_MIRROR" and "http://127.0.0.1:1" or getenv(name) end -- nobody listens there
    local ok, message = pcall(zoo.resnet152, {pretrained = true})
    os.getenv = getenv
    assert.is_false(ok)
    for _, part in ipairs {"resnet152-394f9c45.pth (230.4 MB)", "https://download.pytorch.org/models/", "/.cache/suture", "no connection"} do
      assert.is_truthy(message:find(part, 1, true), message)
    end
    fails("did you mean pretrained?", zoo.resnet18, {pretraned = true})
    fails("pretrained is true or one of", zoo.resnet50, {pretrained = "V9"})
    fails("did you mean resnet18?", function() return zoo.resnet19 end)
    fails("num_classes expects", zoo.resnet18, {num_classes = 0})
  end)

  local file = shared .. "/data/weights/resnet20-12fca82f.th"
  local there = io.open(file)
  if there then there:close() end
  local real = there and it or function(what, f) pending(what .. ": " .. file .. " is not there (SUTURE_SHARED)", f) end

  real("opens published weights, and makes a new head or stem", function()
    local note = require "suture.base.note"
    local said, write = {}, note.write
    note.write = function(text) said[#said + 1] = text end
    local m = zoo.cifar_resnet20 {weights = file}
    assert.equal(0, #said)
    assert.equal("airplane", m.classes[1])
    local two = zoo.cifar_resnet20 {weights = file, num_classes = 2, in_chans = 1}
    note.write = write
    assert.equal(2, #said)
    assert.equal("(2, 64)", tostring(two.linear.weight.shape))
    assert.is_true(two.linear.weight:abs():max():item() > 0)
    assert.is_nil(two.classes)
    assert.is_true(two.layer1[0].conv1.weight:equal(m.layer1[0].conv1.weight))
    assert.is_true(two.conv1.weight:allclose(m.conv1.weight:sum(1, true)))
  end)

  -- A child that has a method's name: m.head is the child, m:head() the method.
  it("finds the head of networks whose child is called so", function()
    local found, path = pcall(function() return (nn.init.skip(zoo.swin_t, {depths = {1, 1, 1, 1}}):head()) end)
    if not found then return pending "m:head() where m.head is a child" end
    assert.equal("head", path)
    assert.equal("head.fc", (nn.init.skip(zoo.coatnet_0, {depths = {1, 1, 1, 1}}):head()))
  end)
end)
