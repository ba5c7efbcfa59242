-- Lessons: each runs unattended in a process of its own, its session is saved as a script that makes the same to the
-- bit, and a lesson that checks nothing is found out.
local kit = require "kit"

local folder = kit.temp_folder()
local program = (os.getenv "O" or "") .. "suture"
if not program:find "/" then program = "./" .. program end

local function quoted(s) return "'" .. s:gsub("'", "'\\''") .. "'" end

local function slurp(path)
  local f = assert(io.open(path))
  local text = f:read "a"
  f:close()
  return text
end

-- Runs the program → whether it ended well, what it wrote, both streams.
local function suture(args, stdin, env)
  local input = folder .. "/input"
  kit.spill(input, stdin or "")
  local pipe = io.popen(("unset LD_PRELOAD; XDG_STATE_HOME=%s %s %s -q %s <%s 2>&1"):format(folder, env or "", program,
    args, input))
  local text = pipe:read "a"
  return pipe:close() == true, text
end

local function lesson(name, text)
  local path = ("%s/%s.md"):format(folder, name)
  kit.spill(path, text)
  return path
end

local function step(title, lines, check)
  return ("## %s\n\nDo it.\n\n```lua\n%s\n```\n\n```lua check\n%s\n```\n\n> Hint: so and so\n\n> Hint: just so\n\nSeen.\n\n")
    :format(title, lines, check)
end

local _, listed = suture "lesson"
local names = {}
for name in listed:gmatch "([%w-]+) +[^\n]+\n" do names[#names + 1] = name end

describe("the lessons that come with it", function()
  it("are ten or more", function() assert.is_true(#names >= 10) end)

  for _, name in ipairs(kit.some(names)) do
    it(name .. " runs, and its session makes the same again to the bit", function()
      local script, here, there = folder .. "/" .. name .. ".lua", folder .. "/here", folder .. "/there"
      local _, text = suture("-i lesson run " .. name, (":save %s\ndofile 'tests/lua/lessons_digest.lua'\n"):format(script),
        "SUTURE_DIGEST=" .. here)
      assert(not text:find("suture: ", 1, true), text:sub(-2000))
      local ok, said = suture(("-e %s -e %s"):format(quoted(("dofile %q"):format(script)),
        quoted "dofile 'tests/lua/lessons_digest.lua'"), nil, "SUTURE_DIGEST=" .. there)
      assert(ok, said)
      local want, got = slurp(here), slurp(there)
      assert.is_true(#want > 20)
      for line in want:gmatch "[^\n]+" do
        assert(got:find(line, 1, true), "the script does not make " .. line:sub(1, 300))
      end
    end)
  end
end)

describe("a lesson of one's own", function()
  it("is refused where a check holds before its lines have run", function()
    local path = lesson("idle", "# T\n" .. step("one", "a = 1", "a == 1") .. step("two", "b = 2", "a == 1"))
    local ok, text = suture("lesson check " .. path)
    assert.is_false(ok)
    kit.fails("idle.md:28: step “two”: its check holds before its lines have run", error, text, 0)
  end)

  it("is refused where a check does not hold after them, with its reason", function()
    local path = lesson("wrong", "# T\n" .. step("one", "a = 1", 'return a == 2, "a is to be 2"'))
    local ok, text = suture("lesson check " .. path)
    assert.is_false(ok)
    kit.fails("step “one”: its check does not hold: a is to be 2", error, text, 0)
  end)

  it("is refused where a line fails that is not to", function()
    local ok, text = suture("lesson check " .. lesson("fails", "# T\n" .. step("one", "a = nowhere.b", "a ~= nil")))
    assert.is_false(ok)
    kit.fails("a line of it fails", error, text, 0)
    ok = suture("lesson check " .. lesson("is", "# T\n## one\n```lua fails\na = nowhere.b\n```\n"))
    assert.is_true(ok)
    ok, text = suture("lesson check " .. lesson("not", "# T\n## one\n```lua fails\na = 1\n```\n"))
    assert.is_false(ok)
    kit.fails("none of its lines fails", error, text, 0)
  end)

  for _, case in ipairs {
    {"no title", "## one\nwords\n", ":1: a lesson begins with its title"},
    {"no steps", "# T\nwords\n", ":1: a lesson has steps"},
    {"no end of a block", "# T\n## one\n```lua\na = 1\n", ":3: this block has no end"},
    {"an unknown block", "# T\n## one\n```python\na = 1\n```\n", ":3: a block is `lua`"},
    {"no check", "# T\n## one\n```lua\na = 1\n```\n", ":2: step “one” has lines to type, but no block"},
    {"a check alone", "# T\n## one\n```lua check\na == 1\n```\n", ":3: a check needs lines"},
    {"a check that is no Lua", "# T\n## one\n```lua\na = 1\n```\n```lua check\na = = 1\n```\n", ":6: this check is no Lua"},
    {"lines that are no Lua", "# T\n## one\n```lua\nx = 1\na = = 1\n```\n", ":5: "},
    {"no right answer", "# T\n## one\n- [ ] a\n- [ ] b\n", ":3: a question has 2 to 9 answers, one of them right"},
    {"a step twice", "# T\n## one\n## one\n", ":3: two steps are called “one”"},
    {"a quote that is no hint", "# T\n## one\n> words\n", ":3: a quote (>) is a hint"},
  } do
    it("with " .. case[1] .. " is refused with its line", function()
      local ok, text = suture("lesson run " .. lesson("bad", case[2]))
      assert.is_false(ok)
      kit.fails("bad.md" .. case[3], error, text, 0)
    end)
  end

  it("is refused by name where there is none", function()
    local ok, text = suture "lesson run trnsfer"
    assert.is_false(ok)
    kit.fails("no lesson 'trnsfer': did you mean transfer?", error, text, 0)
    ok, text = suture "lesson chek"
    assert.is_false(ok)
    kit.fails("expects nothing (to list them), check [NAME | FILE] or run NAME", error, text, 0)
  end)
end)

describe("a check", function()
  it("sees the state, not what was typed", function()
    local path = lesson("state", "# T\n" .. step("one", "a = 1 + 1", "a == 2") .. step("two", "b = 3", "b == 3"))
    local _, text = suture("-i", (":lesson %s\na = 4 // 2\n\nb = 3\n"):format(path))
    kit.fails("state · 2 of 2 · two", error, text, 0)
    kit.fails("That was T.", error, text, 0)
  end)

  it("that fails is followed by the hints in their order", function()
    local path = lesson("hints", "# T\n" .. step("one", "a = 1", 'return a == 1, "a is not 1"'))
    local _, text = suture("-i", (":lesson %s\na = 2\na = 3\n"):format(path))
    local first, second = text:find("Hint: so and so", 1, true), text:find("Hint: just so", 1, true)
    assert.is_true(first and second and first < second)
    kit.fails("Not yet: a is not 1", error, text, 0)
    assert.is_nil(text:find("That was", 1, true))
  end)

  it("is not made true by undo() where one has gone back to a step", function()
    local lines = "m = nn.Linear(2, 2)\nm:freeze()"
    local path = lesson("back", "# T\n" .. step("one", lines, "m and not m.weight.requires_grad") .. step("two", "m:unfreeze()",
      "m.weight.requires_grad"))
    local taken = (":lesson %s\nm = nn.Linear(2, 2)\nm:freeze()\n\nm:unfreeze()\n"):format(path)
    local _, text = suture("-i", taken)
    kit.fails("That was T.", error, text, 0)
    _, text = suture("-i", (":lesson %s\nm = nn.Linear(2, 2)\nm:freeze()\n\n:back\nm:unfreeze()\nundo()\n"):format(path))
    local _, seen = text:gsub("Seen%.", "")
    assert.equal(1, seen)
    _, text = suture("-i", (":lesson %s\nm = nn.Linear(2, 2)\nm:freeze()\n\n:back\nm:unfreeze()\nm.weight.requires_grad = false\n"):format(path))
    _, seen = text:gsub("Seen%.", "")
    assert.equal(2, seen)
  end)

  it("is not asked of the first lines of several", function()
    local path = lesson("several", "# T\n" .. step("one", "a = 1\nb = a + 1", "b == 2"))
    local _, text = suture("-i", (":lesson %s\na = 1\nb = a + 1\n"):format(path))
    assert.is_nil(text:find("Not yet", 1, true))
    kit.fails("That was T.", error, text, 0)
  end)

  it("that holds waits for the lines that are still to be typed, or for Enter", function()
    local path = lesson("early", "# T\n" .. step("one", "a = 1\nprint('look')", "a == 1") .. step("two", "b = 3", "b == 3"))
    local _, text = suture("-i", (":lesson %s\na = 1\nprint('look')\n\n"):format(path))
    local looked, seen = text:find("\nlook\n"), text:find("Seen.", 1, true)
    assert.is_true(looked and seen and looked < seen)
    kit.fails("2 of 2 · two", error, text, 0)
    _, text = suture("-i", (":lesson %s\na = 1\n\n"):format(path))
    kit.fails("Seen.", error, text, 0)
    kit.fails("2 of 2 · two", error, text, 0)
  end)

  it("leaves globals and random numbers as they are", function()
    local text = "# T\n" .. step("one", "a = 1", "c = 5 randn(3):sum():item() return a == 1")
    local path = lesson("aside", text)
    local want = select(2, suture("-e 'seed(3) print(randn(1):item())'"))
    local _, got = suture("-i", (":lesson %s\nseed(3)\nprint(randn(1):item())\nrawget(_G, 'c')\n"):format(path))
    assert.is_true(got:find(want, 1, true) ~= nil)
    assert.is_true(got:find("\nnil\n", 1, true) ~= nil)
  end)
end)

describe("a question", function()
  local path = lesson("ask", "# T\n## one\nWhich?\n- [ ] this\n- [x] that\n\n> Hint: not this\n\nBecause.\n\n## two\nEnd.\n")

  it("is answered with a letter", function()
    local _, text = suture("-i", (":lesson %s\na\nb\n\n"):format(path))
    kit.fails("Hint: not this", error, text, 0)
    kit.fails("Because.", error, text, 0)
    kit.fails("2 of 2 · two", error, text, 0)
  end)

  it("is answered by :next", function()
    local _, text = suture("-i", (":lesson %s\n:next\n"):format(path))
    kit.fails("b) that", error, text, 0)
    kit.fails("2 of 2 · two", error, text, 0)
  end)
end)

it("what the examples open is found from any folder: beside the program, and where it is installed", function()
  for _, places in ipairs {{"beside", "beside"}, {"installed/bin", "installed/share/suture"}} do
    local bin, share = folder .. "/" .. places[1], folder .. "/" .. places[2]
    kit.run(("mkdir -p %s %s/examples && cp %s %s/suture"):format(bin, share, program, bin))
    kit.run(("cp examples/shapes-resnet20.safetensors %s/examples"):format(share))
    local line = "cd / && unset LD_PRELOAD && %s/suture -q -e 'open \"examples/shapes-resnet20.safetensors\"'"
    assert(os.execute(line:format(bin)))
  end
  local ok, text = suture "-e 'open \"examples/nothing.safetensors\"'"
  assert.is_false(ok)
  kit.fails("examples/nothing.safetensors", error, text, 0)
end)

teardown(function() kit.run("rm -rf " .. folder) end)
