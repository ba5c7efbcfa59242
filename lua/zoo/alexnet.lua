--- AlexNet with torchvision's names, in the form of Krizhevsky 2014 (arXiv:1404.5997): one column, no normalisation
-- between layers; the first was Krizhevsky et al. 2012 (NIPS).
-- Options: dropout (0.5), in front of each hidden linear layer.
local nn = require "suture.nn"
local torchvision = require "suture.zoo.common.torchvision"

local AlexNet = nn.class "AlexNet"

function AlexNet:init(o)
  self.features = nn.Sequential(
    nn.Conv2d(o.in_chans, 64, 11, {stride = 4, padding = 2}), nn.ReLU(), nn.MaxPool2d(3, 2),
    nn.Conv2d(64, 192, 5, {padding = 2}), nn.ReLU(), nn.MaxPool2d(3, 2),
    nn.Conv2d(192, 384, 3, {padding = 1}), nn.ReLU(),
    nn.Conv2d(384, 256, 3, {padding = 1}), nn.ReLU(),
    nn.Conv2d(256, 256, 3, {padding = 1}), nn.ReLU(), nn.MaxPool2d(3, 2))
  self.avgpool = nn.AdaptiveAvgPool2d(6)
  self.classifier = nn.Sequential(
    nn.Dropout(o.dropout), nn.Linear(256 * 6 * 6, 4096), nn.ReLU(),
    nn.Dropout(o.dropout), nn.Linear(4096, 4096), nn.ReLU(),
    nn.Linear(4096, o.num_classes))
end

function AlexNet:forward(x) return self.classifier(nn.functional.flatten(self.avgpool(self.features(x)), 1)) end

-- Parameters, tensors of the state dict, multiply-adds of one picture: scripts/costs.lua writes them.
local counted = {
  alexnet = {61100840, 16, 714188480},
}

return {
  counted = counted,
  variants = {alexnet = {weights = {torchvision.set("IMAGENET1K_V1", "alexnet-owt-7be5be79.pth",
    {accuracy = 56.522, megabytes = 233.1, also = {"alexnet-owt-4df8aa71.pth"}})}}},
  build = function(_, o) return AlexNet(o) end, -- as layers begin
  stem = "features.0", head = "classifier.6", classes = 1000, size = 224,
  mean = torchvision.mean, std = torchvision.std,
  options = "dropout:prob=0.5",
}
