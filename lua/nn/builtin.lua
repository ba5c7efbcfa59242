--- Classes of modules that belong to the library.
local Module = require "suture.nn.module"
local class = require "suture.base.class"

--- builtin(into): a function (name, doc) that makes such a class and puts it into the table `into`. Its `extra()` gives the
-- constructor's values as the module tree shows them. doc: its help text, for classes whose init has no comment of its own.
return function(into)
  return function(name, doc)
    local cls = class(name, Module, getmetatable(Module).__call)
    cls._builtin = true
    into[name] = cls
    if doc then require("suture")._docs[cls] = doc end
    return cls
  end
end
