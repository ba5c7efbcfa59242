-- TAP: what several threads do at once, for ThreadSanitizer: pictures loaded, cut and turned beside a training step of every
-- kind of layer, backward, an optimizer, predictions. Numbers are other tests' work.
local dir = os.tmpname()
os.remove(dir)
os.execute("mkdir -p " .. dir .. "/a " .. dir .. "/b")
for i = 1, 12 do image.save(rand(3, 40, 40), ("%s/%s/%d.png"):format(dir, i % 2 == 0 and "a" or "b", i)) end
local photographs = data.folder(dir, {resize = 32, crop = 32, mean = 0.5, std = 0.5,
  augment = {flip = true, rotate = 10, jitter = 0.2}})
print "1..3"
for i, name in ipairs {"cifar_resnet20", "mobilenet_v3_small", "vit_b_16"} do
  local m = name == "vit_b_16" and zoo[name] {num_classes = 2, image_size = 32} or zoo[name] {num_classes = 2}
  if name == "vit_b_16" then m:freeze() m.heads:unfreeze() end
  local r = fit(m, photographs, {epochs = 1, batch = 4, lr = 0.01, quiet = true})
  evaluate(m, photographs)
  print(("%sok %d - %s trains with %d threads"):format(r.history[1].loss == r.history[1].loss and "" or "not ", i, name,
    suture.threads()))
  m = nil
  collectgarbage()
end
os.execute("rm -rf " .. dir)
