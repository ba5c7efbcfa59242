-- Which calls an error came from, down to the prompt.
local DEEP, TOP = 1000, 10 -- levels of calls

-- As debug.traceback, of the first calls only: where there are many, it takes a second to come to the last ones.
local function first_calls(level)
  local rows = {"stack traceback:"}
  for i = level + 1, level + TOP do
    local at = debug.getinfo(i, "Sln")
    local name = at.name and ("function '%s'"):format(at.name) or "a function"
    rows[#rows + 1] = ("\t%s:%d: in %s"):format(at.short_src, at.currentline, name)
  end
  rows[#rows + 1] = ("\t... (more than %d calls within each other)"):format(DEEP)
  return table.concat(rows, "\n")
end

local function place(n, line)
  return ("%s, line %s:"):format(require "suture.shell".called(tonumber(n)), line)
end

--- traceback(text, level): as debug.traceback, with the places in inputs as words.
return function(text, level)
  local calls
  if debug.getinfo(DEEP, "l") then calls = first_calls(level + 1)
  else
    calls = debug.traceback("", level + 1):gsub("^\n", ""):gsub("\n%s*%[C%]: in function 'suture%.face%.call'.*$", "")
      :gsub("\n%s*%[C%]: in field 'call'.*$", "")
  end
  return ("\n" .. text .. "\n" .. calls):gsub("%f[%S]%[(%d+)%]:(%d+):", place):sub(2)
end
