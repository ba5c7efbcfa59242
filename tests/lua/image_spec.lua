-- image.load, save, resize, preprocess.
local suture = require "suture"
local image, tensor = suture.image, suture.tensor

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

local fails = require("kit").fails

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
