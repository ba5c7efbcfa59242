--- What `suture jupyter …` does: a kernel for Jupyter's notebooks.
local wire = package.loaded["suture.face"].wire

local jupyter = {}

local usage = [[
usage: suture jupyter install [--user | --prefix DIR] [--name NAME] [--display-name TEXT]
       suture jupyter lesson NAME | FILE
       suture jupyter kernel FILE
  install        tell Jupyter of Suture: notebooks, JupyterLab, nbconvert and others find it from then on
    --user         for this user, where `jupyter --data-dir` says (the default)
    --prefix DIR   for all who look there: DIR/share/jupyter
    --name NAME    what it is called on command lines (suture)
    --display-name TEXT  what it is called in menus (Suture)
  lesson         print a lesson as a notebook, as in  suture jupyter lesson transfer > transfer.ipynb
  kernel         what Jupyter runs; FILE: its connection file
]]

local function misused(text, ...)
  io.stderr:write("suture: jupyter: ", text:format(...), "\n", usage)
  return 2
end

local words = {}

function words.install(...)
  local takes = {["--prefix"] = "prefix", ["--name"] = "name", ["--display-name"] = "display_name"}
  local given, opts, i = {...}, {}, 1
  while given[i] do
    local name, value = given[i]:match "^(%-%-[%a-]+)=(.*)$"
    name = name or given[i]
    if name == "--user" and not value then opts.user = true
    elseif takes[name] then
      if not value then i, value = i + 1, given[i + 1] end
      if not value or value == "" then return misused("%s takes a value", name) end
      opts[takes[name]] = value
    else return misused("install takes no '%s'", given[i]) end
    i = i + 1
  end
  if opts.user and opts.prefix then return misused "--user is one place and --prefix another: which?" end
  if opts.name and not opts.name:find "^[%w._-]+$" then
    return misused("a kernel's name is made of letters, digits and . _ -, not '%s'", opts.name)
  end
  return require "suture.shell.jupyter.install"(opts)
end

function words.lesson(name, more)
  if not name or more then return misused "lesson takes the name of a lesson, or its file" end
  io.stdout:write(require "suture.shell.jupyter.notebook"(name), "\n")
  return 0
end

-- → true: the program goes on to kernel.loop (repl/main.c)
function words.kernel(path, more)
  if not path or more then return misused "kernel takes a connection file, which Jupyter writes" end
  require("suture.shell.jupyter.kernel").open(path)
  return true
end

--- jupyter.main(word, …): the words behind `suture jupyter`. → the exit status; true: a kernel is ready
function jupyter.main(word, ...)
  if word == "--help" or word == "-h" then
    io.stdout:write(usage)
    return 0
  end
  if not words[word or ""] then return misused(word and "there is no '%s'" or "expects a word", word) end
  return words[word](...)
end

--- jupyter.missing(): raises an error where there can be no kernel.
function jupyter.missing()
  local why = wire.missing()
  if why then error(why, 0) end
end

return jupyter
