-- image.load, save, resize, preprocess.
local suture = require "suture"
local image, tensor = suture.image, suture.tensor
local fails = require("kit").fails

local function temp(ending)
  local name = os.tmpname()
  os.remove(name)
  return name .. ending
end

local function numbers(x) return x:tolist() end

-- A nested table as one flat array.
local function flat(t, out)
  out = out or {}
  for _, v in ipairs(t) do
    if type(v) == "table" then flat(v, out) else out[#out + 1] = v end
  end
  return out
end


-- (3, 2, 4): every value a 255th.
local function picture()
  local planes = {}
  for c = 1, 3 do
    planes[c] = {}
    for y = 1, 2 do
      planes[c][y] = {}
      for x = 1, 4 do planes[c][y][x] = (c * 60 + y * 20 + x * 5) / 255 end
    end
  end
  return tensor(planes)
end

describe("image", function()
  it("writes PNG and reads it back", function()
    local path = temp ".png"
    image.save(picture(), path)
    local back = image.load(path)
    assert.same({3, 2, 4}, {table.unpack(back.shape)})
    local want, got = flat(numbers(picture())), flat(numbers(back))
    for i = 1, #want do assert.near(want[i], got[i], 1e-6) end
    os.remove(path)
  end)

  it("writes grey, batches of one and JPEG, clips", function()
    local path = temp ".png"
    image.save(tensor {{-1, 0.5, 2}}, path)
    local got = flat(numbers(image.load(path)))
    assert.near(0, got[1], 1e-6)
    assert.near(128 / 255, got[2], 1e-6)
    assert.near(1, got[3], 1e-6)
    assert.equal(9, #got)
    image.save(tensor {{{{0.25, 0.5}}, {{0.5, 0.75}}, {{1, 0}}}}, path)
    got = flat(numbers(image.load(path)))
    assert.near(64 / 255, got[1], 1e-6)
    assert.near(191 / 255, got[4], 1e-6)
    assert.near(1, got[5], 1e-6)
    os.remove(path)
    path = temp ".jpg"
    image.save(picture(), path, {quality = 80})
    assert.same({3, 2, 4}, {table.unpack(image.load(path).shape)})
    os.remove(path)
  end)

  it("files that claim more pixels than the limit are told of, then refused", function()
    local path, before = temp ".png", image.max_pixels()
    image.save(picture(), path)
    local restore <close> = setmetatable({}, {__close = function() image.max_pixels(before) end})
    local x = image.load(path)
    local pixels = x:numel() // 3
    image.max_pixels(pixels)
    assert.equal(pixels, image.max_pixels())
    assert.equal(x:sum():item(), image.load(path):sum():item())
    image.max_pixels(pixels // 2 - 1)
    fails("over the limit", image.load, path)
    fails("image.max_pixels", image.load, path)
    fails("at least 1", image.max_pixels, 0)
    os.remove(path)
  end)

  it("resizes and preprocesses", function()
    local x = picture()
    assert.same({3, 10, 20}, {table.unpack(image.resize(x, 10).shape)})
    assert.same({3, 7, 5}, {table.unpack(image.resize(x, {7, 5}, {interpolation = "bicubic"}).shape)})
    local p = image.preprocess(x, {size = 6, mean = {0.5, 0.5, 0.5}, std = {0.25, 0.25, 0.25}})
    assert.same({1, 3, 6, 6}, {table.unpack(p.shape)})
    local model = setmetatable({preprocess = {resize = 8, crop = 4, mean = {0, 0, 0}, std = {1, 1, 1}}}, {})
    assert.same({1, 3, 4, 4}, {table.unpack(image.preprocess(x, model).shape)})
  end)

  it("says what is wrong", function()
    fails("/nowhere.png", image.load, "/nowhere.png")
    fails("expects a path", image.load, 7)
    fails(".png", image.save, picture(), "picture.tiff")
    fails("(2)", image.save, tensor {1, 2}, "a.png")
    fails("did you mean quality", image.save, picture(), "a.jpg", {qualty = 3})
    fails("did you mean 'bicubic'", image.resize, picture(), 10, {interpolation = "bicubik"})
    fails("resize is a number or {height, width}", image.resize, picture(), "large")
    fails("over the limit", image.resize, picture(), 900000)
    fails("expects a picture", image.preprocess, 5, {size = 3})
    fails("carries no preprocessing", image.preprocess, picture(), setmetatable({}, {}))
  end)
end)

describe("changes of batches", function()
  local batch = suture.image.batch

  it("are in the graph, each picture by itself, one picture too", function()
    local x = suture.rand(2, 3, 6, 8)
    for name, f in pairs {adjust_contrast = {1.5}, rotate = {30, "bilinear"}, gaussian_blur = {3}, autocontrast = {},
      adjust_hue = {0.2}, pad = {2, 0, "symmetric"}, adjust_sharpness = {2}} do
      local both = batch[name](x, table.unpack(f))
      for i = 0, 1 do
        local alone = batch[name](x[i], table.unpack(f))
        assert.is_true((both[i] - alone):abs():max():item() < 1e-6, name)
      end
    end
    local leaf = x:clone():requires_grad_()
    batch.rotate(leaf, 90, "nearest"):sum():backward()
    assert.equal(2 * 3 * 6 * 6, leaf.grad:sum():item()) -- 6 of 8 columns are still in the picture
  end)

  it("turn as image.rotate does, and move by whole pixels exactly", function()
    local x = (suture.rand(1, 3, 9, 9) * 255):round() / 255
    assert.is_true((batch.rotate(x, 90) - suture.image.rotate(x, 90)):abs():max():item() < 1e-6)
    local moved = batch.affine(x, {translate = {2, 1}})
    assert.is_true(moved[{":", ":", "1:", "2:"}]:equal(x[{":", ":", ":8", ":7"}]))
    assert.equal(0, moved[{":", ":", 0}]:abs():max():item())
    assert.equal(1, batch.affine(x, {translate = {2, 1}, fill = 1})[{":", ":", 0}]:min():item())
    local same = {{0, 0}, {9, 0}, {9, 9}, {0, 9}}
    assert.is_true((batch.perspective(x, same, same) - x):abs():max():item() < 1e-5)
  end)

  it("refuse what makes no sense, by name", function()
    local x = suture.rand(2, 3, 6, 6)
    fails("image.batch.rotate expects pictures", batch.rotate, suture.rand(4, 4), 3)
    fails("shift expects a number from -0.5 to 0.5", batch.adjust_hue, x, 1)
    fails("kernel_size expects an odd number", batch.gaussian_blur, x, 4)
    fails("expects 1 or 3 channels", batch.adjust_contrast, suture.rand(1, 2, 3, 3), 1)
    fails("three of the corners lie on a line", batch.perspective, x, {{0, 0}, {1, 0}, {1, 1}, {0, 1}},
      {{0, 0}, {1, 0}, {2, 0}, {0, 0}})
    fails("four corners", batch.perspective, x, {{0, 0}}, {{0, 0}})
    fails("mean expects a number or one for each of 3 channels", batch.normalize, x, {1, 2}, 1)
    fails("symmetric mirrors at most", batch.pad, x, 7, 0, "symmetric")
    fails("no option 'angel': did you mean angle?", batch.rotate, x, {angel = 3})
  end)
end)
