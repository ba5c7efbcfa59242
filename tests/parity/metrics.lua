-- For tests/parity/metrics.py: FOLDER holds scores.npy (N, C), labels.npy (N), several.npy (N, L) of 0 and 1, logits.npy
-- (N, L), numbers.npy and truths.npy (N, K), and those of the losses. Writes what evaluate and F make of them as JSON.
local at = arg[1] .. "/"
local function npy(name) return load_tensor(at .. name .. ".npy") end
local same = nn.Identity()
local function plain(r)
  local out = {}
  for k, v in pairs(r) do if type(v) == "number" then out[k] = v end end
  if r.kind ~= "numbers" then
    out.classes = {}
    for i, one in ipairs(r.classes) do
      out.classes[i] = {}
      for k, v in pairs(one) do if type(v) == "number" then out.classes[i][k] = v end end
    end
  end
  if r.kind == "classes" then
    out.counts, out.top1, out.top3 = r.confusion.counts, r.top[1], r.top[3]
  end
  return out
end
local x, t = npy "logits", npy "several"
local leaf = x:detach():requires_grad_(true)
F.sigmoid_focal_loss(leaf, t, {alpha = 0.3, gamma = 1.5, reduction = "sum"}):backward()
local m, teacher = nn.Linear(4, 3, {bias = false}), nn.Linear(4, 3, {bias = false})
m.weight:copy_(npy "student")
teacher.weight:copy_(npy "teacher")
fit(m, data.tensors(npy "features", npy "targets"), {teacher = teacher, temperature = 3, teacher_weight = 0.7, epochs = 1,
  batch = 8, lr = 0.5, momentum = 0, quiet = true})
local function hub(delta) return F.huber_loss(npy "numbers", npy "truths", {delta = delta}):item() end
print(suture.core.json.encode {
  classes = plain(evaluate(same, data.tensors(npy "scores", npy "labels"), {metrics = true, topk = {1, 3}, batch = 7})),
  labels = plain(evaluate(same, data.tensors(x, t), {metrics = true, loss = "bce_with_logits", batch = 9})),
  numbers = plain(evaluate(same, data.tensors(npy "numbers", npy "truths"), {metrics = true, loss = "mse", batch = 5})),
  focal = {
    F.sigmoid_focal_loss(x, t, {reduction = "mean"}):item(),
    F.sigmoid_focal_loss(x, t, {alpha = -1, gamma = 0, reduction = "sum"}):item(),
    F.sigmoid_focal_loss(x, t):reshape(-1):tolist(),
    leaf.grad:reshape(-1):tolist(),
  },
  huber = {hub(1), hub(0.3)},
  taught = m.weight:reshape(-1):tolist(),
})
