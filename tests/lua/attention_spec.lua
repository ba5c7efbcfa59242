local suture = require "suture"
local nn, F, tensor = suture.nn, suture.F, suture.tensor

local fails = require("kit").fails

local function close(a, b, tolerance)
  assert.equal(tostring(a.shape), tostring(b.shape))
  assert.is_true((a - b):abs():max():item() <= (tolerance or 1e-5), tostring((a - b):abs():max()))
end
local function shape(x) return tostring(x.shape) end

-- Attention as the paper writes it, head by head; x (N, L, E) projected by rows of w and b.
local function slow(m, q, k, v, mask)
  local e, heads, outs = m.embed_dim, m.num_heads, {}
  local d = e // heads
  local function part(x, i, h)
    local from = i * e + h * d
    return F.linear(x, m.in_proj_weight:narrow(0, from, d), m.in_proj_bias and m.in_proj_bias:narrow(0, from, d))
  end
  for h = 0, heads - 1 do
    local scores = part(q, 0, h):matmul(part(k, 1, h):transpose(-1, -2)) / math.sqrt(d)
    if mask then scores = scores + mask end
    outs[h + 1] = scores:softmax(-1):matmul(part(v, 2, h))
  end
  return m.out_proj(tensor.cat(outs, -1))
end

describe("MultiheadAttention", function()
  it("attends by heads, to itself and to others", function()
    suture.seed(2)
    local m = nn.MultiheadAttention(12, 3, {batch_first = true})
    assert.same({"in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"}, m:state_dict():keys())
    m.in_proj_bias:normal_()
    local x, y = suture.randn(2, 5, 12), suture.randn(2, 7, 12)
    close(m(x), slow(m, x, x, x))
    close(m(x, x, x, {need_weights = false}), slow(m, x, x, x))
    close(m(x, y), slow(m, x, y, y))
    close(m(x, y, y * 2), slow(m, x, y, y * 2))
    local other = nn.MultiheadAttention(12, 3, {bias = false}) -- rows first
    close(other(x:transpose(0, 1)), slow(other, x, x, x):transpose(0, 1))
    close(other(x:transpose(0, 1), y:transpose(0, 1)), slow(other, x, y, y):transpose(0, 1))
  end)

  it("leaves out what masks say", function()
    local m = nn.MultiheadAttention(8, 2, {batch_first = true})
    local x = suture.randn(2, 4, 8)
    local later = tensor.arange(4):gt(tensor.arange(4):unsqueeze(1)) -- true: takes no part
    local number = tensor.where(later, -math.huge, 0)
    close(m(x, {attn_mask = later}), slow(m, x, x, x, number))
    close(m(x, {attn_mask = number, need_weights = false}), slow(m, x, x, x, number))
    local padding = tensor {{false, false, false, true}, {false, true, false, false}}
    local y, w = m(x, {key_padding_mask = padding})
    close(y, slow(m, x, x, x, tensor.where(padding, -math.huge, 0):unsqueeze(1)))
    assert.equal(0, w[0]:select(1, 3):abs():max():item())
    assert.equal(0, w[1]:select(1, 1):abs():max():item())
    local each = suture.randn(2 * 2, 4, 4) -- a mask for each head of each sample
    local _, by_head = m(x, {attn_mask = each, average_attn_weights = false})
    assert.equal("(2, 2, 4, 4)", shape(by_head))
    close(by_head:sum(-1), suture.ones(2, 2, 4))
    close(select(2, m(x, {attn_mask = each})), by_head:mean(1))
    assert.is_nil((select(2, m(x, {need_weights = false}))))
  end)

  it("gives all its parts gradients, the same by both ways", function()
    local m = nn.MultiheadAttention(8, 2, {batch_first = true})
    local x, dy = suture.randn(3, 5, 8), suture.randn(3, 5, 8)
    local function grads(...)
      local given = x:clone()
      given.requires_grad = true
      local y = select("#", ...) == 0 and m(given) or m(given, given * 1)
      y:backward(dy)
      local out = {given.grad}
      for p in m:parameters() do out[#out + 1], p.grad = p.grad, nil end
      return out
    end
    local packed, apart = grads(), grads(true)
    assert.equal(5, #packed)
    for i, g in ipairs(packed) do close(g, apart[i], 1e-4) end
  end)

  it("drops probabilities in training only", function()
    suture.seed(3)
    local m, x = nn.MultiheadAttention(8, 2, {dropout = 0.5, batch_first = true}), suture.randn(2, 6, 8)
    local _, w = m(x, {average_attn_weights = false})
    assert.is_true(w:eq(0):sum():item() > 10)
    assert.is_false(m(x):equal(m(x)))
    assert.is_false(m(x, {need_weights = false}):equal(m(x, {need_weights = false})))
    m:eval()
    close(m(x), slow(m, x, x, x))
  end)

  it("says what it expects", function()
    fails("embed_dim 10 does not divide into 3 heads", nn.MultiheadAttention, 10, 3)
    local m = nn.MultiheadAttention(8, 2)
    fails("MultiheadAttention expects query of shape (L, N, 8), got (2, 3, 7)", m, suture.zeros(2, 3, 7))
    fails("did you mean attn_mask?", m, suture.zeros(2, 3, 8), {atn_mask = suture.zeros(2, 2)})
  end)
end)

describe("TransformerEncoderLayer", function()
  it("normalises behind or before", function()
    local x = suture.randn(4, 2, 8)
    for _, first in ipairs {false, true} do
      local m = nn.TransformerEncoderLayer(8, 2, 16, 0, "gelu", {norm_first = first})
      local names = {}
      for k in m:state_dict() do names[#names + 1] = k end
      assert.equal("self_attn.in_proj_weight self_attn.in_proj_bias self_attn.out_proj.weight self_attn.out_proj.bias linear1.weight linear1.bias "
        .. "linear2.weight linear2.bias norm1.weight norm1.bias norm2.weight norm2.bias", table.concat(names, " "))
      local function feed(y) return m.linear2(F.gelu(m.linear1(y))) end
      local want
      if first then
        want = x + m.self_attn(m.norm1(x))
        want = want + feed(m.norm2(want))
      else
        want = m.norm1(x + m.self_attn(x))
        want = m.norm2(want + feed(want))
      end
      close(m(x), want)
    end
    fails('activation is "relu", "gelu" or a function, got "tanhh"', nn.TransformerEncoderLayer, 8, 2, {activation = "tanhh"})
  end)

  it("hears of nothing that masks hide", function()
    local m = nn.TransformerEncoderLayer(8, 2, {batch_first = true, dropout = 0})
    local x, padding = suture.randn(1, 4, 8), tensor {{false, false, false, true}}
    local y = m(x, nil, padding)
    close(y:narrow(1, 0, 3), m(x:narrow(1, 0, 3)))
    close(y, m(x, {src_key_padding_mask = padding}))
  end)
end)

describe("PatchEmbed", function()
  it("is one linear map of each patch", function()
    local m, x = nn.PatchEmbed({8, 12}, 4, 3, 5), suture.randn(2, 3, 8, 12)
    assert.same({2, 3, 6}, {m.grid_size[1], m.grid_size[2], m.num_patches})
    local y = m(x)
    assert.equal("(2, 6, 5)", shape(y))
    local patch = x:narrow(2, 4, 4):narrow(3, 8, 4):flatten(1) -- the last
    close(y:select(1, 5), F.linear(patch, m.proj.weight:flatten(1), m.proj.bias))
    fails("PatchEmbed expects pictures of 8×12, got (2, 3, 8, 8)", m, suture.zeros(2, 3, 8, 8))
  end)
end)

describe("roll and unbind", function()
  it("move and take apart as PyTorch's", function()
    local x = tensor.arange(6):reshape(2, 3)
    assert.same({{2, 0, 1}, {5, 3, 4}}, x:roll(1, 1):tolist())
    assert.same({{4, 5, 3}, {1, 2, 0}}, tensor.roll(x, {1, -1}, {0, 1}):tolist())
    assert.same({{5, 0, 1}, {2, 3, 4}}, x:roll(1):tolist())
    fails("a shift per dimension", x.roll, x, {1, 2}, 1)
    local columns = x:unbind(1)
    assert.same({3, {2, 5}}, {#columns, columns[3]:tolist()})
  end)
end)
