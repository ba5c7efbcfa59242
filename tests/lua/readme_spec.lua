-- README's Lua runs: each ```lua block as a chunk of its own, with the names that the program `suture` makes global.
local suture = require "suture"
suture.history(true) -- as at the prompt

local function blocks(path)
  local list, at, lines, from = {}, 0, nil, nil
  for line in io.lines(path) do
    at = at + 1
    if lines and line:match "^```%s*$" then
      list[#list + 1] = {line = from, text = table.concat(lines, "\n")}
      lines = nil
    elseif lines then lines[#lines + 1] = line
    elseif line:match "^```lua%s*$" then lines, from = {}, at + 1 end
  end
  assert(not lines, path .. ": a ```lua block has no end")
  return list
end

describe("README", function()
  local list = blocks "README.md"

  it("has Lua in it", function() assert.is_true(#list > 0) end)

  for _, block in ipairs(list) do
    it("runs from line " .. block.line, function()
      local files = {}
      local env = setmetatable({print = function() end, suture = suture}, {__index = function(_, name)
        local known = suture[name]
        if known ~= nil then return known end
        return _G[name]
      end})
      -- what a block saves goes to a folder for the test
      local folder = os.tmpname()
      os.remove(folder)
      local text = block.text:gsub('"([%w_-]+%.%a+)"', function(name)
        files[#files + 1] = folder .. "-" .. name
        return ('"%s-%s"'):format(folder, name)
      end)
      -- lines of padding, so that errors give README's line numbers
      local run = assert(load(("\n"):rep(block.line - 1) .. text, "@README.md", "t", env))
      local note = require "suture.base.note"
      local write, words = note.write, rawget(_G, "arg")
      rawset(_G, "arg", {[0] = "readme.lua"}) -- the words of the command line are busted's
      note.write = function() end
      local ok, why = xpcall(run, debug.traceback)
      note.write = write
      rawset(_G, "arg", words)
      for _, file in ipairs(files) do os.remove(file) end
      assert(ok, why)
    end)
  end
end)
