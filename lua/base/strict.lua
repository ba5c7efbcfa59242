--- Global names that nobody set. Lua reads them as nil: `{pretrained = True}` would be an empty table. In the program
-- `suture` reading one is an error, at the prompt, with -e and in scripts; in stock Lua where suture.strict() was
-- called.
--
-- As Lua's own strict.lua has it: a name is known once something was assigned to it, nil too (`x = nil` declares x);
-- `_G.x` asks as x does, rawget(_G, "x") asks without an error. Assigning is free everywhere. What C asks, and what
-- code asks that `require` loaded from a file, is nil as ever.
local fault = require "suture.base.fault"
local suggest = require "suture.base.suggest"
local getinfo, sub, type, rawset, compile = debug.getinfo, string.sub, type, rawset, load

local foreign = {} -- chunks that require loaded, or that these compiled, by what debug.getinfo calls their source
local known = {_ = true} -- global names that something was assigned to; _: the prompt's last value

local function made_foreign(f) foreign[getinfo(f, "S").source] = true end

-- Whether the function at `level` (as the caller counts) is code that has to name its globals.
local function asked(level)
  local info = getinfo(level + 1, "S")
  return info ~= nil and info.what ~= "C" and not foreign[info.source] and sub(info.source, 1, 8) ~= "=suture:"
end

-- A searcher of package.searchers that remembers the chunks it found.
local function watched(searcher)
  return function(name, ...)
    local loader, where = searcher(name, ...)
    if type(loader) == "function" then made_foreign(loader) end
    return loader, where
  end
end

-- An error where the text to be compiled is the path of a file.
local function want_no_path(text)
  if #text > 4096 or text:find "[%s(){}=,;]" then return end
  local ending = text:match "%.(%w+)$"
  local way = ({pth = "open", pt = "open", th = "open", safetensors = "open", onnx = "open", npy = "load_tensor",
    lua = "dofile", ckpt = "open", npz = "open", h5 = "open", pkl = "open"})[ending or ""]
  if way then fault("load: compiles a text of Lua, and this is the path of a file: %s(%q)", way, text) end
end

-- What the global `load` is then: a path is refused (it would be compiled, and nothing said), and what code that was
-- loaded by require compiles is that code's.
local function load_checked(chunk, ...)
  if type(chunk) == "string" then want_no_path(chunk) end
  local mine = asked(2)
  local f, message = compile(chunk, ...)
  if f and not mine then made_foreign(f) end
  if f then return f end
  return nil, message
end

local strict = {}

--- strict.noticed(name, value, info): called where a function makes a global; the shell's. info: debug.getinfo's.
strict.noticed = nil

local on = false

-- As suture.strict(). part: f(name) → what is there under a name before it is missing; for the program.
function strict.on(part)
  if on then return end
  on = true
  for i = 2, #package.searchers do package.searchers[i] = watched(package.searchers[i]) end
  rawset(_G, "load", load_checked)
  local mt = getmetatable(_G) or {}
  local before, after = mt.__index, mt.__newindex
  function mt.__index(globals, name)
    local value
    if part then value = part(name) end
    if value == nil and before then
      if type(before) == "function" then value = before(globals, name) else value = before[name] end
    end
    if value ~= nil or known[name] or type(name) ~= "string" or not asked(2) then return value end
    local hint = suggest.hint(name, nil, (suggest.line()))
    if hint == "" then
      local shell = package.loaded["suture.shell"]
      hint = shell and shell.was_local(name) and " (it was local to an earlier line: leave out `local`)"
        or " (nothing was assigned to it)"
    end
    fault("no global '%s'%s", name, hint)
  end
  function mt.__newindex(globals, name, value)
    if strict.noticed and not known[name] and type(name) == "string" then
      local info = getinfo(2, "Sn")
      if info and info.what == "Lua" then strict.noticed(name, value, info) end
    end
    known[name] = true
    if type(after) == "function" then return after(globals, name, value) end
    rawset(after or globals, name, value)
  end
  setmetatable(_G, mt)
end

--- The names of globals that somebody assigned to, as a set; nil where nobody knows, as strict is off.
function strict.names() return on and known or nil end

--- suture.strict(): from now on reading a global that nobody set is an error, with the nearest name; in the program
-- `suture` it always is. rawget(_G, "name") asks without an error, `name = nil` declares a name. What require loads is
-- left alone. Where _G has a metatable already, that is asked first.
function strict.strict() strict.on() end

return strict
