"""The language: tensors, functions and small layers say what PyTorch's say: shape, type and numbers, on the same numbers.
Each case is an expression of Lua and the same one of Python."""
import math, os, sys, warnings
sys.path.insert(0, os.path.dirname(__file__))
from common import *
import torch.nn.functional as F
from torch import nn
from torchvision.models.convnext import LayerNorm2d
from torchvision.models.vision_transformer import interpolate_embeddings

warnings.simplefilter("ignore")
BOUND = 1e-5


def num(k, *shape):
    n = math.prod(shape)
    return torch.tensor([math.sin(k + i * 1.7) * 2 + ((i * 7) % 5) * 0.3 for i in range(n)], dtype=torch.float32).reshape(*shape)


LUA = """
local function num(k, ...)
  local n, t = 1, {}
  for _, d in ipairs {...} do n = n * d end
  for i = 0, n - 1 do t[i + 1] = math.sin(k + i * 1.7) * 2 + ((i * 7) % 5) * 0.3 end
  return tensor(t, {dtype = "float32"}):reshape(...)
end
a, b, img, w = num(1, 2, 3, 4), num(2, 3, 4), num(3, 2, 4, 9, 7), num(4, 6, 4, 3, 3)
wg, v, t, s3, h = num(5, 8, 2, 3, 3), num(6, 5, 3), tensor {0, 2, 1, 1, 0}, num(7, 4, 3, 5), num(8, 2, 3, 5, 4)
local ties = tensor {{1.0, 3.0, 3.0}, {2.0, 2.0, 2.0}, {0.0, 0.0, 0.0}, {3.0, 0.0, -4.0}}
local corners = tensor {-200.0, -50.0, -3.0, -1.0, 0.0, 1.0, 3.0, 6.0, 20.0, 50.0, 200.0}
local function moved(m, x)
  local y = m(x)
  m(x * 2)
  return {y, m.running_mean, m.running_var}
end
local function filled(m)
  for i, p in ipairs(m:parameters()) do p:copy_(num(10 + i, table.unpack(p.shape)) * 0.2) end
  return m:eval()
end
local resized = require "suture.zoo.common.resample".bicubic
local positions = require "suture.zoo.vit".adapt
local function grads(f, ...)
  local leaves = {}
  for i, x in ipairs {...} do leaves[i] = x:clone():requires_grad_() end
  local y = f(table.unpack(leaves))
  ;(y * num(9, table.unpack(y.shape))):sum():backward()
  for i, x in ipairs(leaves) do leaves[i] = x.grad end
  return leaves
end
local function out(i, x)
  for _, y in ipairs(suture.tensor.is_tensor(x) and {x} or x) do
    local f = y:float():reshape(-1):tolist()
    for k, z in ipairs(f) do f[k] = ("%.9g"):format(z) end
    print(("%d|%s|%s|%s"):format(i, table.concat(y.shape, ","), y.dtype, table.concat(f, " ")))
  end
end
"""
a, b, img, w = num(1, 2, 3, 4), num(2, 3, 4), num(3, 2, 4, 9, 7), num(4, 6, 4, 3, 3)
wg, v, t, s3, h = num(5, 8, 2, 3, 3), num(6, 5, 3), torch.tensor([0, 2, 1, 1, 0]), num(7, 4, 3, 5), num(8, 2, 3, 5, 4)

ties = torch.tensor([[1., 3, 3], [2, 2, 2], [0, 0, 0], [3, 0, -4]])
corners = torch.tensor([-200., -50, -3, -1, 0, 1, 3, 6, 20, 50, 200])


def moved(m, x):
    """A layer's output, and its statistics after another pass."""
    y = m(x)
    m(x * 2)
    return [y, m.running_mean, m.running_var]


def filled(m):
    """A layer in eval with numbers of its own for parameters."""
    with torch.no_grad():
        for i, p in enumerate(m.parameters()):
            p.copy_(num(11 + i, *p.shape) * 0.2)
    return m.eval()


def resized(x, h, w):
    return F.interpolate(x.permute(2, 0, 1)[None], size=(h, w), mode="bicubic", align_corners=True)[0].permute(1, 2, 0)


def grads(f, *given):
    """Gradients by all of given, of the output weighted by fixed numbers."""
    leaves = [x.clone().requires_grad_() for x in given]
    y = f(*leaves)
    (y * num(9, *y.shape)).sum().backward()
    return [x.grad for x in leaves]


def attention(q, k, v, mask=None, scale=None, causal=False):
    """torch.nn.functional.scaled_dot_product_attention, which torch 2 brought, as its documentation writes it out."""
    scores = q @ k.transpose(-2, -1) * (scale or 1 / math.sqrt(q.shape[-1]))
    if causal:
        mask = torch.zeros(scores.shape[-2:]).masked_fill(torch.ones(scores.shape[-2:]).tril() == 0, -math.inf)
    return (scores if mask is None else scores + mask).softmax(-1) @ v


CASES = [
    ('a:sum()', 'a.sum()'),
    ('a:sum(1)', 'a.sum(1)'),
    ('a:sum({0,2},true)', 'a.sum((0,2),True)'),
    ('a:mean(-1)', 'a.mean(-1)'),
    ('a:var(1)', 'a.var(1)'),
    ('a:std()', 'a.std()'),
    ('a:var({0,1},false)', 'a.var((0,1),unbiased=False)'),
    ('a:prod(2)', 'a.prod(2)'),
    ('a:argmax()', 'a.argmax()'),
    ('a:argmax(1,true)', 'a.argmax(1,True)'),
    ('a:argmin(2)', 'a.argmin(2)'),
    ('{a:max(1)}', 'list(a.max(1))'),
    ('{a:min(0,true)}', 'list(a.min(0,True))'),
    ('a:norm()', 'a.norm()'),
    ('{a:topk(2)}', 'list(a.topk(2))'),
    ('a+b', 'a+b'),
    ('a-b:unsqueeze(1)[0]', 'a-b.unsqueeze(1)[0]'),
    ('a/b', 'a/b'),
    ('a^2', 'a**2'),
    ('a:abs()^0.5', 'a.abs()**0.5'),
    ('2^a', '2**a'),
    ('1/a', '1/a'),
    ('3-a', '3-a'),
    ('a:permute(2,0,1)', 'a.permute(2,0,1)'),
    ('a:transpose(0,-1)', 'a.transpose(0,-1)'),
    ('a:flip(1,2)', 'a.flip(1,2)'),
    ('a:slice(2,1,4,2)', 'a[:,:,1:4:2]'),
    ('a:slice(2,-3,-1)', 'a[:,:,-3:-1]'),
    ('a:narrow(1,1,2)', 'a.narrow(1,1,2)'),
    ('a:select(1,-1)', 'a.select(1,-1)'),
    ('a:chunk(3,2)', 'list(a.chunk(3,2))'),
    ('a:split(3,2)', 'list(a.split(3,2))'),
    ('a:expand(2,2,3,4)', 'a.expand(2,2,3,4)'),
    ('tensor.cat({a,a},-1)', 'torch.cat([a,a],-1)'),
    ('tensor.stack({a,a},1)', 'torch.stack([a,a],1)'),
    ('tensor.where(a:gt(0.5),a,-1)', 'torch.where(a>0.5,a,torch.tensor(-1.))'),
    ('a:clamp(-0.5,0.7)', 'a.clamp(-0.5,0.7)'),
    ('a:clamp(nil,0.7)', 'a.clamp(None,0.7)'),
    ('a:round()', 'a.round()'),
    ('tensor{0.5,1.5,2.5,-0.5}:round()', 'torch.tensor([0.5,1.5,2.5,-0.5]).round()'),
    ('a:floor()', 'a.floor()'),
    ('a:ceil()', 'a.ceil()'),
    ('a:sign()', 'a.sign()'),
    ('tensor{7,-7,6}//tensor{2,2,-4}', 'torch.tensor([7,-7,6])//torch.tensor([2,2,-4])'),
    ('tensor{7,-7,6}%tensor{2,3,-4}', 'torch.tensor([7,-7,6])%torch.tensor([2,3,-4])'),
    ('a%0.7', 'a%0.7'),
    ('a//0.7', 'a//0.7'),
    ('tensor{1,2,3}/2', 'torch.tensor([1,2,3])/2'),
    ('tensor{1,2,3}*2', 'torch.tensor([1,2,3])*2'),
    ('tensor{1,2,3}*2.5', 'torch.tensor([1,2,3])*2.5'),
    ('tensor{true,false}:sum()', 'torch.tensor([True,False]).sum()'),
    ('tensor{1,2,3}:prod()', 'torch.tensor([1,2,3]).prod()'),
    ('a:gt(0)', 'a>0'),
    ('arange(5)', 'torch.arange(5)'),
    ('arange(1,2,0.3)', 'torch.arange(1,2,0.3)'),
    ('arange(5,1,-2)', 'torch.arange(5,1,-2)'),
    ('linspace(0,1,5)', 'torch.linspace(0,1,5)'),
    ('tensor{{1,2},{3,4}}:matmul(tensor{{1},{1}})', 'torch.tensor([[1,2],[3,4]])@torch.tensor([[1],[1]])'),
    ('a:matmul(num(9,4,2))', 'a@num(9,4,2)'),
    ('F.conv2d(img,w)', 'F.conv2d(img,w)'),
    ('F.conv2d(img,w,num(8,6),2,{1,2},{2,1})', 'F.conv2d(img,w,num(8,6),2,(1,2),(2,1))'),
    ("F.conv2d(img,wg,{groups=2,padding='same'})", "F.conv2d(img,wg,groups=2,padding='same')"),
    ("F.conv2d(img,num(4,6,4,2,4),{padding='same'})", "F.conv2d(img,num(4,6,4,2,4),padding='same')"),
    ('F.max_pool2d(img,3)', 'F.max_pool2d(img,3)'),
    ('F.max_pool2d(img,3,2,1,{ceil_mode=true})', 'F.max_pool2d(img,3,2,1,ceil_mode=True)'),
    ('{F.max_pool2d(img,3,2,1,{ceil_mode=true,return_indices=true})}', 'list(F.max_pool2d(img,3,2,1,ceil_mode=True,return_indices=True))'),
    ('{F.max_pool2d(num(3,1,70,6,7):round(),{3,2},{1,2},1,1,false,true)}',
     'list(F.max_pool2d(num(3,1,70,6,7).round(),(3,2),(1,2),1,1,False,True))'),
    ('{nn.MaxPool2d(3,2,0,2,true,true)(img)}', 'list(nn.MaxPool2d(3,2,0,2,True,True)(img))'),
    ('F.max_pool2d(img,2,{dilation=2,stride=1})', 'F.max_pool2d(img,2,1,0,2)'),
    ('F.avg_pool2d(img,3,2,1)', 'F.avg_pool2d(img,3,2,1)'),
    ('F.avg_pool2d(img,3,2,1,true,false)', 'F.avg_pool2d(img,3,2,1,True,False)'),
    ('F.avg_pool2d(img,3,{divisor_override=5})', 'F.avg_pool2d(img,3,divisor_override=5)'),
    ('F.adaptive_avg_pool2d(img,{4,3})', 'F.adaptive_avg_pool2d(img,(4,3))'),
    ('F.adaptive_avg_pool2d(img,{false,2})', 'F.adaptive_avg_pool2d(img,(None,2))'),
    ("F.pad(img,{1,2,-1,1},'constant',0.5)", "F.pad(img,(1,2,-1,1),'constant',0.5)"),
    ('F.softmax(v,1)', 'F.softmax(v,1)'),
    ('F.log_softmax(v,0)', 'F.log_softmax(v,0)'),
    ('F.gelu(a)', 'F.gelu(a)'),
    ("F.gelu(a,{approximate='tanh'})", "F.gelu(a,approximate='tanh')"),
    ('F.elu(a,0.7)', 'F.elu(a,0.7)'),
    ('F.softplus(a,2,1)', 'F.softplus(a,2,1)'),
    ('F.hardswish(a*3)', 'F.hardswish(a*3)'),
    ('F.silu(a)', 'F.silu(a)'),
    ('F.leaky_relu(a,0.2)', 'F.leaky_relu(a,0.2)'),
    ('F.relu6(a*5)', 'F.relu6(a*5)'),
    ('F.cross_entropy(v,t)', 'F.cross_entropy(v,t)'),
    ('F.cross_entropy(v,t,{weight=tensor{0.2,1.0,3.0},label_smoothing=0.1})', 'F.cross_entropy(v,t,weight=torch.tensor([0.2,1,3]),label_smoothing=0.1)'),
    ("F.cross_entropy(v,t,{ignore_index=1,reduction='none'})", "F.cross_entropy(v,t,ignore_index=1,reduction='none')"),
    ('F.cross_entropy(v,t,{ignore_index=1,label_smoothing=0.2})', 'F.cross_entropy(v,t,ignore_index=1,label_smoothing=0.2)'),
    ('F.cross_entropy(v,F.softmax(v*2,1),{label_smoothing=0.1})', 'F.cross_entropy(v,F.softmax(v*2,1),label_smoothing=0.1)'),
    ('F.cross_entropy(v,F.softmax(v*2,1),{weight=tensor{0.2,1.0,3.0}})', 'F.cross_entropy(v,F.softmax(v*2,1),weight=torch.tensor([0.2,1,3]))'),
    ('F.cross_entropy(s3,tensor{{0,1,2,0,1},{0,1,2,0,1},{2,2,2,2,2},{1,0,1,0,1}})', 'F.cross_entropy(s3,torch.tensor([[0,1,2,0,1],[0,1,2,0,1],[2,2,2,2,2],[1,0,1,0,1]]))'),
    ('F.nll_loss(v,t)', 'F.nll_loss(v,t)'),
    ("F.nll_loss(v,t,{weight=tensor{0.2,1.0,3.0},reduction='sum',ignore_index=0})", "F.nll_loss(v,t,weight=torch.tensor([0.2,1,3]),reduction='sum',ignore_index=0)"),
    ("F.mse_loss(v,v*2,'sum')", "F.mse_loss(v,v*2,reduction='sum')"),
    ('F.l1_loss(v,v*2)', 'F.l1_loss(v,v*2)'),
    ("F.smooth_l1_loss(v,v*2,'mean',0.5)", 'F.smooth_l1_loss(v,v*2,beta=0.5)'),
    ('F.binary_cross_entropy_with_logits(v,F.sigmoid(v),{pos_weight=tensor{1.0,2.0,3.0},weight=tensor{0.5,1.0,2.0}})', 'F.binary_cross_entropy_with_logits(v,torch.sigmoid(v),pos_weight=torch.tensor([1.,2,3]),weight=torch.tensor([.5,1,2]))'),
    ('F.binary_cross_entropy(F.sigmoid(v),F.sigmoid(v*2))', 'F.binary_cross_entropy(torch.sigmoid(v),torch.sigmoid(v*2))'),
    ('F.normalize(v)', 'F.normalize(v)'),
    ('F.one_hot(t,4)', 'F.one_hot(t,4)'),
    ('F.batch_norm(img,zeros(4),ones(4),nil,nil,true)', 'F.batch_norm(img,torch.zeros(4),torch.ones(4),None,None,True)'),
    ('moved(nn.BatchNorm1d(3), s3)', 'moved(nn.BatchNorm1d(3), s3)'),
    ('moved(nn.BatchNorm2d(4, {momentum = false}), img)', 'moved(nn.BatchNorm2d(4, momentum=None), img)'),
    ('F.layer_norm(a,4)', 'F.layer_norm(a,(4,))'),
    ('F.layer_norm(img*3+2,{9,7},num(1,9,7),num(2,9,7),1e-3)', 'F.layer_norm(img*3+2,(9,7),num(1,9,7),num(2,9,7),1e-3)'),
    ('F.layer_norm(a,{2,3,4},{bias=num(2,2,3,4)})', 'F.layer_norm(a,(2,3,4),None,num(2,2,3,4))'),
    ('nn.LayerNorm({3,4},{elementwise_affine=false})(a)', 'nn.LayerNorm((3,4),elementwise_affine=False)(a)'),
    ('nn.LayerNorm2d(4,{eps=1e-6})(img)', 'LayerNorm2d(4,eps=1e-6)(img)'),
    ('grads(function(x,w,b) return F.layer_norm(x,{3,4},w,b) end, a, num(1,3,4), num(2,3,4))',
     'grads(lambda x,w,b: F.layer_norm(x,(3,4),w,b), a, num(1,3,4), num(2,3,4))'),
    ('grads(function(x,w,b) return F.gelu(F.linear(x,w,b)) end, a, num(1,5,4), num(2,5))',
     'grads(lambda x,w,b: F.gelu(F.linear(x,w,b)), a, num(1,5,4), num(2,5))'),
    ('F.scaled_dot_product_attention(h,h*2,num(5,2,3,5,7))', 'attention(h,h*2,num(5,2,3,5,7))'),
    ('F.scaled_dot_product_attention(h,num(4,2,3,9,4),num(5,2,3,9,2),{scale=0.7,is_causal=true})',
     'attention(h,num(4,2,3,9,4),num(5,2,3,9,2),None,0.7,True)'),
    ('F.scaled_dot_product_attention(h,h,h,{attn_mask=num(1,3,1,5):gt(-1)})', 'attention(h,h,h,torch.where(num(1,3,1,5)>-1,0.,-math.inf))'),
    ('grads(F.scaled_dot_product_attention, h, h*2, num(5,2,3,5,7), num(6,3,5,5))',
     'grads(attention, h, h*2, num(5,2,3,5,7), num(6,3,5,5))'),
    ('{filled(nn.MultiheadAttention(4,2))(a)}', 'filled(nn.MultiheadAttention(4,2))(a,a,a)'),
    ('{filled(nn.MultiheadAttention(4,2,{bias=false,batch_first=true}))(a,num(3,2,5,4),num(4,2,5,4),{average_attn_weights=false})}',
     'filled(nn.MultiheadAttention(4,2,bias=False,batch_first=True))(a,num(3,2,5,4),num(4,2,5,4),average_attn_weights=False)'),
    ('{filled(nn.MultiheadAttention(4,2,{batch_first=true}))(a,{attn_mask=num(4,3,3):gt(1.5),key_padding_mask=num(7,2,3):gt(1.7)})}',
     'filled(nn.MultiheadAttention(4,2,batch_first=True))(a,a,a,attn_mask=num(4,3,3)>1.5,key_padding_mask=num(7,2,3)>1.7)'),
    ('{filled(nn.MultiheadAttention(4,2))(a,{attn_mask=num(4,6,2,2)})}', 'filled(nn.MultiheadAttention(4,2))(a,a,a,attn_mask=num(4,6,2,2))'),
    ('grads(function(x,y) return (filled(nn.MultiheadAttention(4,2))(x,y)) end, a, num(1,5,3,4))',
     'grads(lambda x,y: filled(nn.MultiheadAttention(4,2))(x,y,y)[0], a, num(1,5,3,4))'),
    ('grads(function(x) return (filled(nn.MultiheadAttention(4,2,{batch_first=true}))(x,{need_weights=false})) end, a)',
     'grads(lambda x: filled(nn.MultiheadAttention(4,2,batch_first=True))(x,x,x,need_weights=False)[0], a)'),
    ('filled(nn.TransformerEncoderLayer(4,2,9))(a)', 'filled(nn.TransformerEncoderLayer(4,2,9))(a)'),
    ("filled(nn.TransformerEncoderLayer(4,2,9,{activation='gelu',norm_first=true,batch_first=true,layer_norm_eps=1e-3}))(a,num(4,3,3))",
     "filled(nn.TransformerEncoderLayer(4,2,9,0,'gelu',1e-3,True,True)).train()(a,num(4,3,3))"),  # in train: another path in PyTorch
    ('resized(num(1,7,7,3),12,12)', 'resized(num(1,7,7,3),12,12)'),
    ('resized(num(1,7,6,3),4,9)', 'resized(num(1,7,6,3),4,9)'),
    ('positions("encoder.pos_embedding",num(1,1,50,6),{1,145,6})',
     'interpolate_embeddings(192,16,{"encoder.pos_embedding":num(1,1,50,6)})["encoder.pos_embedding"]'),
    ('a:roll({1,-5},{0,-1})', 'a.roll((1,-5),(0,-1))'),
    ('a:roll(-7)', 'a.roll(-7)'),
    ('grads(function(x) return x:roll({2,1},{1,2}) end, a)', 'grads(lambda x: x.roll((2,1),(1,2)), a)'),
    ("F.pad(img,{2,1,1,0},'reflect')", "F.pad(img,(2,1,1,0),'reflect')"),
    ("F.pad(a,{2,1},'replicate')", "F.pad(a,(2,1),'replicate')"),
    ("F.pad(img,{2,-2,-3,1},'reflect')", "F.pad(img,(2,-2,-3,1),'reflect')"),
    ("F.pad(img,{2,1,-1,3},'circular')", "F.pad(img,(2,1,-1,3),'circular')"),
    ("grads(function(x) return F.pad(x,{2,1,1,0},'reflect') end, img)", "grads(lambda x: F.pad(x,(2,1,1,0),'reflect'), img)"),
    ("filled(nn.Conv2d(4,2,{3,4},{padding='same',padding_mode='circular',dilation=2}))(img)",
     "filled(nn.Conv2d(4,2,(3,4),padding='same',padding_mode='circular',dilation=2))(img)"),
    ("filled(nn.Conv2d(4,2,3,2,1,{padding_mode='replicate'}))(img)", "filled(nn.Conv2d(4,2,3,2,1,padding_mode='replicate'))(img)"),
    ('grads(function(x) return (x:max(1)) end, ties)', 'grads(lambda x: x.max(1)[0], ties)'),
    ('grads(function(x) return (x:min(0)) end, ties)', 'grads(lambda x: x.min(0)[0], ties)'),
    ('grads(function(x) return x:max():reshape(1) end, ties)', 'grads(lambda x: x.max().reshape(1), ties)'),
    ('grads(function(x) return x:amax(1) end, ties)', 'grads(lambda x: x.amax(1), ties)'),
    ('grads(function(x) return tensor.maximum(x, ties:flip(1)) end, ties)', 'grads(lambda x: torch.maximum(x, ties.flip(1)), ties)'),
    ('grads(F.relu, corners)', 'grads(F.relu, corners)'),
    ('grads(F.relu6, corners)', 'grads(F.relu6, corners)'),
    ('grads(F.hardsigmoid, corners)', 'grads(F.hardsigmoid, corners)'),
    ("grads(function(x) return F.gelu(x,'tanh') end, corners)", "grads(lambda x: F.gelu(x,approximate='tanh'), corners)"),
    ('grads(F.gelu, corners)', 'grads(F.gelu, corners)'),
    ('grads(F.elu, corners)', 'grads(F.elu, corners)'),
    ('grads(F.leaky_relu, corners)', 'grads(F.leaky_relu, corners)'),
    ('grads(F.silu, corners)', 'grads(F.silu, corners)'),
    ('grads(F.mish, corners)', 'grads(F.mish, corners)'),
    ('grads(F.softplus, corners)', 'grads(F.softplus, corners)'),
    ('grads(function(x) return x:clamp(0,6) end, corners)', 'grads(lambda x: x.clamp(0,6), corners)'),
    ('grads(function(x) return x:abs() end, corners)', 'grads(lambda x: x.abs(), corners)'),
    ('grads(function(x) return x:norm():reshape(1) end, zeros(3))', 'grads(lambda x: x.norm().reshape(1), torch.zeros(3))'),
    *[(f'grads(function(x) return x:norm({p},1) end, ties)', f'grads(lambda x: x.norm({q},1), ties)')
      for p, q in [('1', '1'), ('2', '2'), ('3', '3'), ('math.huge', 'math.inf'), ('-1', '-1')]],
    *[(f'ties:norm({p},0)', f'ties.norm({q},0)') for p, q in [('0', '0'), ('-1', '-1'), ('-math.huge', '-math.inf'), ('0.5', '0.5')]],
    ('grads(function(x) return F.normalize(x) * 1e-9 end, ties)', 'grads(lambda x: F.normalize(x) * 1e-9, ties)'),
    ('grads(function(x) return x:std(1) end, ties)', 'grads(lambda x: x.std(1), ties)'),
    ('grads(function(x) return x:std():reshape(1) end, ones(4))', 'grads(lambda x: x.std().reshape(1), torch.ones(4))'),
    ('grads(function(x) return x:prod():reshape(1) end, tensor{0.0,2.0,3.0})', 'grads(lambda x: x.prod().reshape(1), torch.tensor([0.,2.,3.]))'),
    ('a:unbind(1)', 'a.unbind(1)'),
    ('nn.Flatten(1,2)(a)', 'nn.Flatten(1,2)(a)'),
    ('a:flatten()', 'a.flatten()'),
    ('a:squeeze()', 'a.squeeze()'),
    ('a:unsqueeze(-2)', 'a.unsqueeze(-2)'),
    ('eye(2,3)', 'torch.eye(2,3)'),
    ('full({2},3)', 'torch.full((2,),3)'),
    ('full({2},3.0)', 'torch.full((2,),3.)'),
    ('a[1][-1]', 'a[1][-1]'),
    ('a[{{1,0}}]', 'a[[1,0]]'),
    ('a[{1,"0:3:2"}]', 'a[1,0:3:2]'),
    ('a:index_select(1,tensor{2,0})', 'a.index_select(1,torch.tensor([2,0]))'),
    ('tensor{1.5,-1.5}:long()', 'torch.tensor([1.5,-1.5]).long()'),
]

with scratch() as folder:
    script = os.path.join(folder, "cases.lua")
    with open(script, "w") as f:
        f.write(LUA + "".join(f"out({i}, {ours})\n" for i, (ours, _) in enumerate(CASES)))
    found = {}
    for line in suture(script).splitlines():
        i, shape, dtype, values = line.split("|")
        found.setdefault(int(i), []).append((shape, dtype, [float(x) for x in values.split()]))
for i, (ours, theirs) in enumerate(CASES):
    want = eval(theirs)
    want = list(want) if isinstance(want, (list, tuple)) else [want]
    error, got = 0.0, found.get(i, [])
    for x, (shape, dtype, values) in zip(want, got):
        same = ",".join(map(str, x.shape)) == shape and str(x.dtype) == "torch." + dtype
        error = max(error, largest(values, x.detach().double().reshape(-1).numpy()) if same else float("inf"))
    report(f"language {ours}", error if len(want) == len(got) else float("inf"), BOUND)
