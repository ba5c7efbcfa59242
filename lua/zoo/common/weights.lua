--- Files of published weights: found on disk, or fetched from their publisher.
-- A set is a table: file (its name; eight or more hexadecimal digits before the ending are the beginning of its
-- SHA-256), url, also = {older names}, megabytes.
local core = require "suture.core"
local fault = require "suture.base.fault"
local interrupt = require "suture.base.interrupt"
local note = require "suture.base.note"
local term = require "suture.base.term"
local text = require "suture.base.text"
local bytes, clock = text.bytes, core.engine.clock

local weights = {}

local function set_in_environment(name)
  local v = os.getenv(name)
  return v ~= "" and v or nil
end

--- weights.folders(): where files are looked for; what is fetched goes into the first.
-- $SUTURE_WEIGHTS if set, ~/.cache/suture, and PyTorch's ~/.cache/torch/hub/checkpoints ($XDG_CACHE_HOME and
-- $TORCH_HOME count).
function weights.folders()
  local cache = set_in_environment "XDG_CACHE_HOME" or (os.getenv "HOME" or ".") .. "/.cache"
  local list = {set_in_environment "SUTURE_WEIGHTS"}
  list[#list + 1] = cache .. "/suture"
  list[#list + 1] = (set_in_environment "TORCH_HOME" or cache .. "/torch") .. "/hub/checkpoints"
  return list
end

-- The path of a set's file, nil when it is in none of the folders.
local function find(set)
  for _, folder in ipairs(weights.folders()) do
    for _, file in ipairs {set.file, table.unpack(set.also or {})} do
      local f = io.open(folder .. "/" .. file, "rb")
      if f then
        f:close()
        return folder .. "/" .. file
      end
    end
  end
end

-- Where a set's file is fetched from: its publisher, or the folder of files that $SUTURE_MIRROR names.
local function address(set)
  local mirror = set_in_environment "SUTURE_MIRROR"
  return mirror and mirror:gsub("/+$", "") .. "/" .. set.file or set.url
end

-- One line on stderr that shows how far a fetch is, in a terminal; elsewhere nothing.
local function line(file)
  local face = package.loaded["suture.face"]
  local shown, start, drawn, first = term.draws(2) and not (face and face.quiet), clock(), 0, nil
  local function draw(have, total, finish)
    local now = clock()
    first = first or have -- what was there before
    if not shown or not finish and now - drawn < 0.1 then return end
    drawn = now
    local room = term.width(2) - 1
    local wide = room >= term.columns(file) + 50
    local parts = {file, total and wide and term.bar(have, total, 2, text.sign "heavy") or nil}
    parts[#parts + 1] = total and ("%.1f/%.1f MB"):format(have / 1e6, total / 1e6) or ("%.1f MB"):format(have / 1e6)
    local speed = (have - first) / math.max(now - start, 1e-3)
    if now - start > 0.5 and speed > 0 then
      parts[#parts + 1] = bytes(math.floor(speed)) .. "/s"
      if total and not finish then parts[#parts + 1] = ("%d s left"):format(math.ceil((total - have) / speed)) end
    end
    local shown = table.concat(parts, "  ")
    if not wide then shown = text.cut(shown, room) end
    term.draw(shown, finish)
  end
  return draw
end

-- Fetches `url` as `path`. → true | nil, reason
local function fetch(url, path, file)
  local guard <close> = interrupt.soft()
  local digits = file:match "%-(%x%x%x%x%x%x%x%x+)%.%w+$"
  local f <close>, why = core.fetch.open(url, path, digits and digits:lower() or "")
  if not f then return nil, why end
  local draw = line(file)
  local ok, done, reason = true, false, nil
  while ok and done == false do
    draw(f:progress())
    ok, done, reason = pcall(f.step, f)
  end
  local have, total = f:progress()
  if have > 0 then draw(have, total, true) end
  if not ok then -- Ctrl-C
    if have > 0 and digits then
      note(("%s: %.1f MB are kept in %s.part, the next try goes on from there"):format(file, have / 1e6, path))
    end
    error(done, 0)
  end
  if done and not digits then note(file .. ": its name holds no hash, so what came is not checked") end
  return done, reason
end

--- weights.get(what, set): the path of a set's file, fetched if it is in none of the folders. `what`: the name in
-- errors. What is fetched is checked against the hash in its name and comes into the first folder only when it is
-- whole; a fetch that is cut off goes on where it was. In a terminal a line shows how far it is. $SUTURE_MIRROR: the
-- address of a folder to fetch from instead of the publisher's. Errors name the file, the address and the folder.
function weights.get(what, set)
  local path = find(set)
  if path then return path end
  local folders, url = weights.folders(), address(set)
  path = folders[1] .. "/" .. set.file
  local done, why = fetch(url, path, set.file)
  if done then return path end
  local text = "%s: no file %s%s in %s, and it cannot be fetched:\n  %s\n"
    .. "  to do without the network: get it from %s and put it into %s, or name a file: weights = PATH"
  fault(text, what, set.file, set.megabytes and (" (%.1f MB)"):format(set.megabytes) or "",
    table.concat(folders, ", "), why, set.url, folders[1])
end

return weights
