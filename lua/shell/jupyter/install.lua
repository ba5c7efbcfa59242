-- suture jupyter install: the files by which Jupyter finds the kernel
-- (jupyter-client.readthedocs.io/en/stable/kernels.html).
local canvas = require "suture.base.canvas"
local face = package.loaded["suture.face"]
local json = require("suture.core").json
local pcall = require("suture.base.interrupt").pcall
local whole = require "suture.base.whole"

-- Where Jupyter keeps this user's files: where it says, else where it would.
local function data_folder()
  local pipe = io.popen "jupyter --data-dir 2>/dev/null"
  local said = pipe and pipe:read "l"
  if pipe then pipe:close() end
  if said and said:sub(1, 1) == "/" then return said end
  local own, xdg, home = os.getenv "JUPYTER_DATA_DIR", os.getenv "XDG_DATA_HOME", os.getenv "HOME"
  if own and own ~= "" then return own end
  if xdg and xdg:sub(1, 1) == "/" then return xdg .. "/jupyter" end
  if not home then error("there is no home folder: --prefix DIR says where", 0) end
  return home .. "/.local/share/jupyter"
end

-- A seam with its stitches.
local function logo()
  local page = canvas(64, 64)
  page:circle(32, 32, 30, 0xff1f6f8b)
  page:line({14, 50, 26, 38, 38, 26, 50, 14}, 4, 0xffffffff)
  for at = 20, 44, 8 do page:line({at - 5, 64 - at - 5, at + 5, 64 - at + 5}, 3, 0xffffd166) end
  return page
end

--- install{prefix=, name=, display_name=}: writes the kernel's folder. → the exit status
return function(opts)
  require("suture.shell.jupyter").missing()
  local name = opts.name or "suture"
  local folder = ("%s/kernels/%s"):format(opts.prefix and opts.prefix .. "/share/jupyter" or data_folder(), name)
  local program = (face.program_folder() or error("the program's own path is not known", 0)) .. "/suture"
  local function put(file, text)
    face.make_folders(folder .. "/" .. file, opts.prefix ~= nil)
    local ok, why = whole(folder .. "/" .. file, text)
    if not ok then error(why, 0) end
  end
  put("kernel.json", json.encode {
    argv = {program, "jupyter", "kernel", "{connection_file}"}, display_name = opts.display_name or "Suture",
    language = "lua", interrupt_mode = "message", metadata = {debugger = false},
  } .. "\n")
  for _, drawn in ipairs {{"logo-64x64.png", "png"}, {"logo-svg.svg", "svg"}} do -- without Cairo there is none
    local ok, bytes = pcall(function() return logo():render(drawn[2]) end)
    if ok then put(drawn[1], bytes) end
  end
  print(("%s: Jupyter finds it as %s (jupyter kernelspec remove %s takes it away)"):format(folder, name, name))
  return 0
end
