--- Parameters and multiply-adds of one picture (1000 or the weights' classes, their input size), counted by scripts/costs.lua.
return {
  cifar_resnet20 = {269722, 40551040},
  cifar_resnet32 = {464154, 68862592},
  cifar_resnet44 = {658586, 97174144},
  cifar_resnet56 = {853018, 125485696},
  cifar_resnet110 = {1727962, 252887680},
  resnet18 = {11689512, 1814073344},
  resnet34 = {21797672, 3663761408},
  resnet50 = {25557032, 4089184256},
  resnet101 = {44549160, 7801405440},
  resnet152 = {60192808, 11513626624},
  resnext50_32x4d = {25028904, 4230479872},
  resnext101_32x8d = {88791336, 16414015488},
  wide_resnet50_2 = {68883240, 11398021120},
  wide_resnet101_2 = {126886696, 22753050624},
}
