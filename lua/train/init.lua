--- Training and measuring: the functions a user calls, each in its own file.
return require "suture.base.stray".guard {
  fit = require("suture.train.fit"),
  trainer = require("suture.train.trainer"),
  evaluate = require("suture.train.evaluate").evaluate,
  predict = require("suture.train.evaluate").predict,
  confusion = require("suture.train.evaluate").confusion,
  lr_find = require("suture.train.lr_find"),
  strategy = require("suture.train.strategy"),
  fine_tune = require("suture.train.fine_tune"),
  plan = require("suture.train.plan"),
  features = require("suture.train.features"),
  sweep = require("suture.train.sweep"),
  runs = require("suture.train.runs"),
  resume = require("suture.train.runs.resume"),
}
