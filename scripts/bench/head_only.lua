-- head_only.lua WEIGHTS FOLDER EPOCHS BATCH: trains a new head on 240 photographs, the rest frozen. A whole program, for its wall time.
local m = open(arg[1])
local photographs = data.folder(arg[2], {resize = 256, crop = 224, mean = {0.485, 0.456, 0.406}, std = {0.229, 0.224, 0.225}}):take(240)
m:freeze()
m:reset_head(2)
print(fit(m, photographs, {epochs = tonumber(arg[3]), batch = tonumber(arg[4]), lr = 0.01, momentum = 0.9, quiet = true}))
