-- What vis.browse cuts out of a stream, and the layers it goes through.
local suture = require "suture"
local frames = require "suture.vis.browse.frames"
local layers = require "suture.vis.browse.layers"
local nn, zoo = suture.nn, suture.zoo

-- The bytes of a JPEG picture.
local function jpeg(h, w)
  local name = os.tmpname()
  suture.image.save(suture.rand(3, h, w), name .. ".jpg")
  local f = assert(io.open(name .. ".jpg", "rb"))
  local s = f:read "a"
  f:close()
  os.remove(name)
  os.remove(name .. ".jpg")
  return s
end

describe("a stream of pictures", function()
  it("is cut where they end, however it comes", function()
    suture.seed(4)
    local pictures, stream = {}, "junk\xff\xd8 more \xff\xff"
    for i = 1, 5 do
      pictures[i] = jpeg(8 + 5 * i, 30)
      stream = stream .. pictures[i] .. ("--frame\r\nContent-Length: %d\r\n\r\n"):format(i)
    end
    for _, step in ipairs {1, 7, 1000, #stream} do
      local f, got = frames.new(), {}
      for at = 1, #stream, step do
        f:add(stream:sub(at, at + step - 1))
        local one = f:take()
        while one do
          got[#got + 1] = one
          one = f:take()
        end
      end
      assert.equal(5, #got)
      for i = 1, 5 do assert.equal(pictures[i], got[i]) end
    end
  end)

  it("may hold pictures in pictures: a thumbnail is no end", function()
    local small, large = jpeg(8, 8), jpeg(16, 16)
    local inside = large:sub(1, 2) .. "\xff\xe1" .. (">I2"):pack(#small + 2) .. small .. large:sub(3)
    local f = frames.new()
    f:add(inside .. large)
    assert.equal(inside, f:take())
    assert.equal(large, f:take())
    assert.is_nil(f:take())
  end)

  it("may be anything", function()
    math.randomseed(5)
    for _ = 1, 200 do
      local f, bytes = frames.new(), {}
      for i = 1, 300 do bytes[i] = string.char(math.random(3) == 1 and 0xff or math.random(2) == 1 and 0xd8 or math.random(0, 255)) end
      f:add(table.concat(bytes))
      for _ = 1, 50 do if not f:take() then break end end
    end
  end)
end)

describe("layers to browse", function()
  it("are what runs, each value once, with its units", function()
    suture.seed(1)
    local m = nn.Sequential(nn.Conv2d(3, 4, 3, {padding = 1}), nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)), nn.AdaptiveAvgPool2d(1),
      nn.Flatten(), nn.Linear(4, 2))
    local x = suture.rand(1, 3, 8, 8)
    local run = layers.run(m, x)
    local got = {}
    for i, l in ipairs(run.layers) do got[i] = ("%s %d %d"):format(l.path, l.units, l.h) end
    assert.same({"0 4 8", "1.0 4 8", "1 4 4", "2 4 1", "3 4 1", "(the output) 2 1"}, got)
    local map = run.layers[1].map()
    assert.is_true(map:allclose(m[0](x)[0], 1e-4, 1e-5))
    assert.equal(2, #layers.classes(run, 5))
    -- the gradient is that of the sum of the unit's map
    local y = x:clone():requires_grad_()
    m[0](y)[0][2]:sum():backward()
    local size = y.grad[0]:abs():amax(0)
    local shown = layers.gradient(run, run.layers[1], 2)
    assert.same({3, 8, 8}, {table.unpack(shown.shape)})
    local most = size:reshape(-1):argmax():item()
    local bright = shown:sum(0):reshape(-1)
    assert.is_true(bright[most]:item() >= bright:max():item() - 1e-5)
  end)

  it("are there for tokens too", function()
    local m = zoo.vit_b_32 {image_size = 64, num_layers = 2, num_classes = 3}
    local run = layers.run(m, suture.rand(1, 3, 64, 64))
    local tokens = 0
    for _, l in ipairs(run.layers) do
      if l.h == 2 then
        tokens = tokens + 1
        assert.same({l.units, 2, 2}, {table.unpack(l.map().shape)})
      end
    end
    assert.is_true(tokens > 4)
    local l = run.layers[#run.layers - 3]
    layers.gradient(run, l, 1)
  end)
end)
