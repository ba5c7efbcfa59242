-- Tensors as text: small ones whole, of large ones what their numbers are like and a corner.
local kit = require "kit"
local suture = require "suture"
local tensor, randn = suture.tensor, suture.randn

local function lines(x)
  local list = {}
  for line in (tostring(x) .. "\n"):gmatch "(.-)\n" do list[#list + 1] = line end
  return list
end

describe("a tensor as text", function()
  it("is whole up to 1000 numbers and 60 lines", function()
    assert.is_nil(tostring(randn(10, 50)):find("...", 1, true))
    assert.is_nil(tostring(randn(60, 2)):find("...", 1, true))
    assert.equal("tensor(shape=(61, 2))", lines(randn(61, 2))[1])
    assert.equal("tensor(shape=(16, 3, 3, 3))", lines(randn(16, 3, 3, 3))[1])
    assert.equal("tensor([[1.0000, 2.5000],\n        [3.0000, 4.0000]], shape=(2, 2))", tostring(tensor {{1, 2.5}, {3, 4}}))
  end)

  it("of a convolution's weights takes a few lines", function()
    local list = lines(suture.nn.Conv2d(64, 64, 3).weight)
    assert.equal("tensor(shape=(64, 64, 3, 3), requires_grad=true)", list[1])
    assert.is_true(#list <= 6)
    assert.equal(3, select(2, list[3]:gsub("%d%.%d", "")))
  end)

  it("says range, mean, zeros, and what is not finite", function()
    local x = suture.zeros(20, 100)
    x[0] = 2
    x[{1, 0}], x[{1, 1}], x[{1, 2}] = 0 / 0, math.huge, -math.huge
    assert.equal("2,000 numbers from 0 to 2, mean 0.1002, 94.8% zeros, 1 nan, 2 inf", lines(x)[2])
    assert.equal("1,500 numbers, 0% zeros, 1,500 nan", lines(suture.full({1500}, 0 / 0))[2])
    assert.equal("2,000 truth values, 25% true", lines(suture.arange(2000):lt(500))[2])
    assert.equal("3,000 numbers from 0 to 2999, mean 1500, 0.0333% zeros", lines(suture.arange(3000))[2])
  end)

  it("shows the numbers that stand at its corner", function()
    local x = suture.arange(2400):reshape(2, 3, 20, 20)[1]
    local list = lines(x)
    assert.equal("[0] [[1200, 1201, 1202, 1203, 1204, 1205, ...],", list[3])
    assert.equal("     [1220, 1221, 1222, 1223, 1224, 1225, ...],", list[4])
    assert.equal("     ...]", list[#list])
  end)

  it("changes nothing: no gradient, no random number", function()
    local x = randn(2000, {requires_grad = true})
    suture.seed(4)
    local want = randn(1):item()
    suture.seed(4)
    local _ = tostring(x)
    kit.near(want, randn(1):item())
    assert.is_nil(x.grad)
  end)
end)
