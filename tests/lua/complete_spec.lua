-- What Tab offers: options of what is called with their defaults, sets of weights, methods behind an index, signatures.
local suture = require "suture"
local complete = require("suture.shell.complete").complete

local function offered(text)
  local at, list, suffix, note = complete(text)
  return table.concat(list, " "), suffix, note, at
end

describe("Tab", function()
  setup(function()
    rawset(_G, "net_of_tab", suture.zoo.cifar_resnet20())
    rawset(_G, "x_of_tab", suture.zeros(2, 3))
    rawset(_G, "i_of_tab", 1)
  end)
  teardown(function() for _, name in ipairs {"net_of_tab", "x_of_tab", "i_of_tab"} do rawset(_G, name, nil) end end)

  it("offers the options of what is called, and tells their defaults", function()
    local list, suffix, note = offered "nn.Conv2d(3, 8, 3, {pa"
    assert.same({"padding = padding_mode =", " ", "padding = 0, padding_mode = zeros"}, {list, suffix, note})
    assert.equal("padding_mode =", (offered "print(nn.Conv2d(3, 8, 3, {padding = f(1, {2}), pa"))
    assert.equal("padding = padding_mode =", (offered "nn.Conv2d {in_channels = 3, pad"))
    assert.is_nil((offered "nn.Conv2d(3, 8, 3, {"):find "in_channels")
    assert.equal("momentum =", (offered "optim.SGD(net:parameters(), {lr = 0.1, mo"))
    assert.equal("epochs = eps =", (offered "fit(m, ds, {ep"))
    assert.equal("num_classes =", (offered "zoo.swin_v2_b{pretrained = true, num"))
    assert.equal("allow_empty = augment =", (offered "data.folder('train', {a"))
    assert.equal("domain = draft =", (offered "data.shapes{d"))
    assert.matches("batch = 64", (select(3, offered "evaluate(m, ds, {")))
  end)

  it("offers names where no option is named", function()
    assert.is_nil((offered "nn.Conv2d(3, 8, 3, {padding = m"):find "padding_mode")
    assert.matches("math", (offered "nn.Conv2d(3, 8, 3, {padding = m"))
    assert.matches("math", (offered "local t = {m"))
    assert.matches("math", (offered "nothing_there(1, {m"))
  end)

  it("tells how what is called is written", function()
    assert.matches("^nn.Conv2d%(in_channels, out_channels, kernel_size", (select(3, offered "nn.Conv2d(")))
    assert.equal("m:freeze([glob, …])", (select(3, offered "y = net_of_tab.layer1[0]:freeze(")))
    assert.matches("^undo", (select(3, offered "undo(")))
    assert.is_nil((select(3, offered "x =")))
  end)

  it("offers sets of weights", function()
    local list, suffix = offered 'zoo.resnet50{num_classes = 2, pretrained = "'
    assert.same({"IMAGENET1K_V1 IMAGENET1K_V2", '"'}, {list, suffix})
    assert.equal("IMAGENET1K_V1 IMAGENET1K_V2", (offered 'zoo.get("resnet50", "IM'))
  end)

  it("knows what an index gives", function()
    assert.equal("freeze freeze_to", (offered "net_of_tab.layer1[1]:fre"))
    assert.equal("conv1 conv2 cost", (offered "net_of_tab.layer1[i_of_tab].co"))
    assert.equal("sub sub_ sum", (offered "x_of_tab[0]:su"))
    assert.equal("", (offered "net_of_tab.layer1[nothing_set].co"))
  end)

  it("offers paths behind a pattern, and says what one fits", function()
    assert.equal("conv1 conv2", (offered 'net_of_tab:freeze("layer*.2.c'))
    assert.equal("0 1 2", (offered 'net_of_tab:freeze "layer?.'))
    assert.equal("0 1 2", (offered 'net_of_tab:freeze("{layer1,layer2}.'))
    assert.same({"", "fits layer1, layer2, layer3"}, {(offered 'net_of_tab:freeze("layer?'), (select(3, offered 'net_of_tab:freeze("layer?'))})
    assert.equal("fits no module", (select(3, offered 'net_of_tab:freeze("x*')))
    complete 'net_of_tab:freeze("['
  end)

  it("offers paths in lists, and where an option takes one", function()
    for _, text in ipairs {'net_of_tab:freeze{"linear", "lay', 'fit(net_of_tab, ds, {freeze = "lay', 'fit(net_of_tab, ds, {epochs = 2, freeze = {"linear", "lay',
      'vis.gradcam(net_of_tab, x, {layer = "lay'} do
      assert.equal("layer1 layer2 layer3", (offered(text)), text)
    end
    for _, text in ipairs {'vis.gradcam(net_of_tab, "lay', 'net_of_tab:save("lay', 'x = {"lay'} do
      assert.is_nil((offered(text)):find "layer1", text)
    end
  end)

  it("tells the defaults of options of pictures", function()
    assert.equal("interpolation = bilinear", (select(3, offered "data.folder('train', {int")))
    assert.equal("size = 32", (select(3, offered "data.shapes{si")))
    assert.equal("exif = true", (select(3, offered "image.load('a.jpg', {")))
    assert.equal("aug_smooth = false", (select(3, offered "vis.layercam(net, x, {aug")))
  end)

  it("runs nothing of the user's", function()
    local ran = false
    rawset(_G, "trap_of_tab", setmetatable({}, {__index = function() ran = true end, __call = function() ran = true end,
      __len = function() ran = true end}))
    for _, text in ipairs {"trap_of_tab.x.y", "trap_of_tab(", "trap_of_tab{a", "trap_of_tab[1].", "trap_of_tab[i_of_tab]:", "f(trap_of_tab, {",
      "trap_of_tab.fit(1, {"} do complete(text) end
    assert.is_false(ran)
    rawset(_G, "trap_of_tab", nil)
  end)
end)
