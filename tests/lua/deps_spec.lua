-- scripts/deps with package managers that only say what they are asked: names for each, and what cannot be had is said.
local managers = {"apt-get", "dnf", "zypper", "pacman", "apk", "brew"}

local function run(command)
  local p = assert(io.popen("exec 2>&1; " .. command))
  local out = p:read "a"
  local ok = p:close()
  return out, ok
end

describe("deps", function()
  local folder
  setup(function() folder = run("mktemp -d"):gsub("\n", "") end)
  teardown(function() os.execute("rm -rf " .. folder) end)

  -- A folder of programs: those that the script is written with, and stubs for the rest. has: what is installed.
  local function deps(stubs, has, words, system)
    local path = folder .. "/bin"
    run("rm -rf " .. path .. " && mkdir " .. path)
    for _, name in ipairs {"sh", "cat", "awk", "grep", "sed", "tr", "env"} do
      run(("ln -s $(command -v %s) %s/%s"):format(name, path, name))
    end
    local function stub(name, text)
      local f = assert(io.open(path .. "/" .. name, "w"))
      f:write("#!/bin/sh\n", text, "\n")
      f:close()
      run("chmod +x " .. path .. "/" .. name)
    end
    local said = ([[case "$*" in
      *-q*whatprovides*|"-T "*|"info -e "*|"list --versions "*|-W*) for last; do :; done
        case " %s " in *" $last "*) echo ok installed; exit 0;; esac; exit 1;;
      esac
      echo "RAN $(basename $0) $*" >&2]]):format(has)
    run(("ln -s $(command -v basename) %s/basename"):format(path))
    for _, name in ipairs(stubs) do stub(name, said) end
    if #stubs > 0 then stub("rpm", said) stub("dpkg-query", said) end
    stub("id", "echo 0")
    stub("uname", "echo " .. (system or "Linux"))
    return run(("PATH=%s sh scripts/deps %s"):format(path, words))
  end

  it("asks each manager for what is missing, by its names", function()
    local want = {
      ["apt-get"] = "RAN apt%-get install [^\n]*libpng%-dev liblua5%.4%-dev\n",
      dnf = "RAN dnf install %-y libpng%-devel lua%-devel\n",
      zypper = "RAN zypper %-%-non%-interactive install libpng16%-devel lua54%-devel\n",
      pacman = "RAN pacman %-S .* libpng lua\n",
      apk = "RAN apk add libpng%-dev lua5%.4%-dev\n",
      brew = "RAN brew install libpng lua\n"}
    for _, m in ipairs(managers) do
      local out, ok = deps({m}, "make", "make libpng-dev liblua5.4-dev")
      assert.is_truthy(out:find(want[m]), m .. ": " .. out)
      assert.is_true(ok)
      assert.is_nil(out:find("RAN[^\n]* make"))
    end
  end)

  it("asks for nothing where all is there, and once for what two names are", function()
    for _, m in ipairs(managers) do assert.equal("", (deps({m}, "make", "make"))) end
    local out = deps({"pacman"}, "", "openmpi-bin libopenmpi-dev liblua5.4-dev lua5.4")
    assert.is_truthy(out:find("%-%-noconfirm openmpi lua\n"))
  end)

  it("takes the system's manager where brew is there too", function()
    assert.is_truthy(deps({"brew", "dnf"}, "", "make"):find "RAN dnf")
  end)

  it("says what a manager does not know, and installs the rest", function()
    local out = deps({"dnf"}, "", "lua-busted nothing-of-this-name make")
    assert.is_truthy(out:find("not known to dnf[^\n]*: lua%-busted nothing%-of%-this%-name"))
    assert.is_truthy(out:find "RAN dnf install %-y make\n")
  end)

  it("names what is needed where no manager is known", function()
    local out, ok = deps({}, "", "make libpng-dev")
    assert.is_truthy(out:find "by Debian's names: make libpng%-dev")
    assert.is_nil(ok)
  end)

  it("says what fails where the system is not Linux", function()
    local out, ok = deps({"brew"}, "", "make libpng-dev", "Darwin")
    assert.is_truthy(out:find "This is Darwin: .*Linux only" and out:find "futex")
    assert.is_truthy(out:find "brew install make libpng")
    assert.is_nil(out:find "RAN")
    assert.is_nil(ok)
  end)

  it("has a row for every package that the project asks for, of a name for each manager", function()
    local text = assert(io.open "scripts/deps"):read "a"
    local rows = {}
    for line in text:match("<<'END'\n(.-)END\n"):gmatch "[^\n]+" do
      local cells = {}
      for cell in line:gmatch "%S+" do cells[#cells + 1] = cell end
      assert.equal(6, #cells, line)
      rows[cells[1]] = true
    end
    local asked = {}
    local makefile = assert(io.open "Makefile"):read "a"
    for list in makefile:gmatch "\n%u*DEBS%s*= ([^\n]*)" do asked[#asked + 1] = list end
    for _, path in ipairs {"Makefile", ".ci/run", "tests/arm"} do
      for list in assert(io.open(path)):read "a":gmatch "scripts/deps ([^|\n]*)" do
        asked[#asked + 1] = list:gsub("%$%b()", " "):gsub("%$triplet", "aarch64-linux-gnu"):gsub("#.*", "")
      end
    end
    for name in table.concat(asked, " "):gmatch "[%w.+-]+" do
      assert.is_truthy(rows[name], name .. " has no row in scripts/deps")
    end
  end)
end)
