-- Whatever a user can name has a help text and an example that runs: the library's names, what its modules hold, the
-- methods of its objects.
local suture = require "suture"
local kit = require "kit"
local examples = require "suture.shell.examples"
local help = require "suture.shell.help"
local index = require "suture.shell.index"
local program = (os.getenv "O" or "") .. "suture"

describe("help", function()
  it("has a text for every public name", function()
    local without, seen = {}, 0
    index(function(name, value)
      seen = seen + 1
      local text = help.text(value)
      if text:find "No doc comment" or text:find "without functions" or not text:find "%a" then
        without[#without + 1] = name
      end
    end)
    assert.is_true(seen > 400)
    table.sort(without)
    assert.same({}, without)
  end)

  -- What needs files of the user's, or a terminal, says so.
  local elsewhere = {["data.cifar10"] = true, ["data.mnist"] = true, ["data.fashion_mnist"] = true, ["data.csv"] = true,
    ["data.folder"] = true, ["vis.browse"] = true}

  it("has an example of every public name, which runs", function()
    local folder, here = kit.temp_folder(), io.popen("pwd"):read()
    kit.run(("ln -s '%s/examples' '%s'"):format(here, folder))
    local names = {}
    index(function(name, _, room)
      if room ~= "zoo" or name == "zoo.cifar_resnet20" or name == "zoo.list" or name == "zoo.weights"
        or name == "zoo.has" then names[#names + 1] = name end
    end)
    assert.is_true(#names > 300)
    local list = {}
    for _, name in ipairs(names) do list[#list + 1] = ("{%q, %q}"):format(name, examples.of(name)) end
    kit.spill(folder .. "/run.lua", "local list = {" .. table.concat(list, ",\n") .. [[}
      local suture = require "suture"
      local out = io.open("failed.txt", "w")
      for _, one in ipairs(list) do
        local code, why = load(one[2], one[1], "t", setmetatable({suture = suture}, {__index = _G}))
        if not code then code, why = load(one[2]:gsub("([^\n]*)$", "return %1", 1), one[1], "t",
          setmetatable({suture = suture}, {__index = _G})) end
        local ok = code ~= nil
        if ok then ok, why = pcall(code) end
        if not ok then out:write(one[1], "\t", tostring(why):gsub("%c", " "), "\n") end
      end
      out:write("done\n")]])
    kit.run(("cd '%s' && '%s/%s' -q run.lua >/dev/null 2>&1 </dev/null || true"):format(folder, here, program))
    local failed = {}
    for line in io.lines(folder .. "/failed.txt") do
      local name, why = line:match "^(%S+)\t(.*)$"
      if not (elsewhere[name] and (why:find "missing" or why:find "cannot open" or why:find "terminal")) then
        failed[#failed + 1] = line
      end
    end
    assert.same({"done"}, failed)
    kit.run("rm -rf " .. folder)
  end)

  it("is the reference: a page, man pages, and what the language server reads", function()
    local folder = kit.temp_folder()
    kit.run(("mkdir %s/man %s/meta && ./%s -q scripts/docs.lua %s"):format(folder, folder, program, folder))
    local function read(path)
      local f <close> = assert(io.open(folder .. "/" .. path))
      return f:read "a"
    end
    local page, meta, man = read "reference.html", read "meta/suture.lua", read "man/suture.3" .. read "man/suture-commands.3"
    index(function(name) assert(page:find(("<h3>%s</h3>"):format(name), 1, true), name) end)
    assert.is_truthy(page:find('type="search"', 1, true) and page:find("<h3>:apropos</h3>", 1, true))
    assert.is_truthy(load(meta))
    assert.matches("---undo([n]): takes back the last change", meta, 1, true)
    assert.matches("function Module:freeze(", meta, 1, true)
    assert.is_truthy(man:find("\n.SS fit\n", 1, true) and man:find("\n.SS :save\n", 1, true))
    for line in man:gmatch "[^\n]+" do
      local request = line:match "^[.'](%S*)"
      assert(not request or ("TH SH SS nf fi PP RS RE"):find(request, 1, true), line)
    end
    kit.run("rm -rf " .. folder)
  end)

  it("shows the example with what it speaks of", function()
    assert.matches("example\n  pic = randn(1, 2, 4, 4)\n  F.max_pool2d(pic, 2)", help.text "F.max_pool2d", 1, true)
    rawset(_G, "net_of_help", suture.nn.Identity())
    assert.matches('l:freeze "0"', help.text "net_of_help:freeze", 1, true)
    rawset(_G, "net_of_help", nil)
    assert.is_nil(help.text "string.rep":find "example\n")
  end)
end)
