--- data.folder: photographs in folders, one folder for each class.
local core = require "suture.core"
local fault = require "suture.base.fault"
local options = require "suture.data.options"
local source = require "suture.data.source"
local Dataset = require "suture.data.dataset"
local note = require "suture.base.note"

local own = source.own("data.folder", {classes = "nil", allow_empty = "false"})
local image = core.image

-- Names in a folder, sorted by bytes: folders, files. Hidden ones are passed over.
local function list(where, path)
  local entries, why = image.list(path)
  if not entries then fault("%s: cannot open the folder %s: %s", where, source.quoted(path), why) end
  local folders, files = {}, {}
  for _, e in ipairs(entries) do
    if e[1]:sub(1, 1) ~= "." and e[1] ~= "__MACOSX" then table.insert(e[2] == "folder" and folders or files, e[1]) end
  end
  table.sort(folders)
  table.sort(files)
  return folders, files
end

local kinds = {jpg = true, jpeg = true, png = true}
-- Pictures that are not read.
local others = {webp = true, gif = true, bmp = true, tif = true, tiff = true, heic = true, heif = true, avif = true,
  jp2 = true, ppm = true, pgm = true, pbm = true, svg = true, jfif = true}
local function ending(name) return (name:match "%.(%w+)$" or ""):lower() end
local function is_picture(name) return kinds[ending(name)] end

-- Adds to `found` the folder `path` and those inside it: {path =, the names of its pictures …}, and counts in `over`
-- the pictures that are passed over, by their ending.
local function gather(where, path, found, depth, over)
  local folders, files = list(where, path)
  local here = {path = path}
  for _, name in ipairs(files) do
    if is_picture(name) then here[#here + 1] = name
    elseif others[ending(name)] then over[ending(name)] = (over[ending(name)] or 0) + 1 end
  end
  found[#found + 1] = here
  if depth > 16 then fault("%s: folders in %s are nested too deeply (a link to itself?)", where,
    source.quoted(path)) end
  for _, name in ipairs(folders) do gather(where, path .. "/" .. name, found, depth + 1, over) end
  return found
end

-- Adds the pictures in `path` and in folders inside it, in torchvision's order: by folder, then by name. Returns how
-- many.
local function add_pictures(where, path, paths, over)
  local found, n = gather(where, path, {}, 0, over), 0
  table.sort(found, function(a, b) return a.path < b.path end)
  for _, folder in ipairs(found) do
    for _, name in ipairs(folder) do paths[#paths + 1] = folder.path .. "/" .. name end
    n = n + #folder
  end
  return n
end

-- "2 .gif, 10 .webp" and how many that is; nil: none.
local function counted(over)
  local parts, n = {}, 0
  for name, times in pairs(over) do
    parts[#parts + 1] = {name, ("%d .%s"):format(times, name)}
    n = n + times
  end
  table.sort(parts, function(a, b) return a[1] < b[1] end)
  for i, p in ipairs(parts) do parts[i] = p[2] end
  return n > 0 and table.concat(parts, ", ") or nil, n
end

-- The option classes: folders that are there, each once.
local function chosen(where, classes, folders)
  Dataset.names(where, classes)
  if #classes == 0 then fault("%s: classes is empty", where) end
  local there, seen = {}, {}
  for _, name in ipairs(folders) do there[name] = true end
  for _, name in ipairs(classes) do
    if not there[name] then
      fault("%s has no class folder '%s'%s", where, name, options.meant(name, {table.unpack(folders)}))
    end
    if seen[name] then fault("%s: classes: '%s' comes twice", where, name) end
    seen[name] = true
  end
  return {table.unpack(classes)}
end

-- Once, however often the folder is opened.
local function say(...)
  local words = (...):format(select(2, ...))
  note.once(words, words)
end

local splits = {train = true, val = true, valid = true, validation = true, test = true}

--- Photographs in folders, one folder for each class: `data.folder("flowers/train", {transform = m})`.
-- PNG and JPEG files of any kind are read as colour; classes are the folders' names in alphabetical order. Pictures of
-- other kinds are passed over, and counted in a line. Options: `classes`, an array of folders' names: those alone, in
-- that order, as `classes = train.classes`; `allow_empty = true`: a class may have no picture; and those of `data`.
-- `augment = true` means a random horizontal flip. Raises when the folder is missing, empty or has no classes.
local function folder(path, opts)
  path = source.path("data.folder", path)
  local trimmed = path:match "^(.-)/+$"
  if trimmed and trimmed ~= "" then path = trimmed end
  local where = "data.folder " .. source.quoted(path)
  local view, given = source.read(where, opts, {flip = true}, own)
  if given.allow_empty ~= nil and type(given.allow_empty) ~= "boolean" then
    fault("%s: allow_empty is true or false, got %s", where, options.shown(given.allow_empty))
  end
  local folders, files = list(where, path)
  if #folders == 0 then
    local n = 0
    for _, name in ipairs(files) do n = n + (is_picture(name) and 1 or 0) end
    fault(n > 0 and ("%s has %s but no class folders; expected %s/CLASS/IMAGE.jpg"):format(where, n == 1 and
      "1 image" or n .. " images", path)
      or #files == 0 and where .. " is empty; expected one folder for each class"
      or where .. " has no class folders; expected one folder for each class, with PNG or JPEG files")
  end
  if given.classes ~= nil then folders = chosen(where, given.classes, folders) end
  local paths, labels, all_splits, direct, over = {}, {}, true, 0, {}
  for k, class in ipairs(folders) do
    local before = #paths
    local unread = {}
    local n = add_pictures(where, path .. "/" .. class, paths, unread)
    for name, times in pairs(unread) do over[name] = (over[name] or 0) + times end
    if n == 0 and not given.allow_empty then
      local had = counted(unread)
      fault("%s: class folder '%s' has no PNG or JPEG files%s · allow_empty = true lets it be", where, class,
        had and (" (there are %s: convert them first)"):format(had) or "")
    end
    for i = before + 1, #paths do
      labels[i] = k - 1
      if not paths[i]:find("/", #path + #class + 3, true) then direct = direct + 1 end
    end
    all_splits = all_splits and splits[class:lower()]
  end
  if all_splits and direct == 0 then
    fault("%s holds %s, not classes · try data.folder(%s)", where, table.concat(folders, " and "),
      source.quoted(path .. "/" .. folders[1]))
  end
  if #paths == 0 then fault("%s: none of its class folders has a PNG or JPEG file", where) end
  local had, n = counted(over)
  if had then
    say("%s: %d picture%s passed over (%s): PNG and JPEG are read", where, n, n == 1 and " is" or "s are", had)
  end
  local loose = 0
  for _, name in ipairs(files) do loose = loose + (is_picture(name) and 1 or 0) end
  if loose > 0 then
    say("%s: %d picture%s in no class folder: passed over", where, loose, loose == 1 and " lies" or "s lie")
  end
  local from = source.samples(image.files(paths, labels), "folder " .. image.full(path), false)
  from.opened = source.opened("folder", image.full(path), given)
  return Dataset.new(where, from, source.all(#paths), folders, view, {flip = true})
end

return folder
