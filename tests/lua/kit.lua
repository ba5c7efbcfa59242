-- What several specs use.
local suture = require "suture"
local kit = {}

--- f(…) fails, and the message has this text in it.
function kit.fails(text, f, ...)
  local ok, message = pcall(f, ...)
  assert(not ok, "no error: " .. text)
  message = tostring(message)
  assert(message:find(text, 1, true), ("expected '%s' in '%s'"):format(text, message))
end

--- Numbers, or lists of them, are equal but for tol (1e-5), relative above 1.
function kit.near(want, got, tol)
  if type(want) == "table" then
    assert(#want == #got, ("expected %d numbers, got %d"):format(#want, #got))
    for i = 1, #want do kit.near(want[i], got[i], tol) end
    return
  end
  assert(math.abs(want - got) <= (tol or 1e-5) * math.max(1, math.abs(want)), ("expected %s, got %s"):format(want, got))
end

--- A line of the prompt, as the shell runs it, with these names beside the globals → what is shown after it, whether it
-- worked, its error.
function kit.line(code, env)
  for _, f in ipairs(suture._before_line) do f(code) end
  local ok, err = pcall(assert(load(code, "=line", "t", env and setmetatable(env, {__index = _G}) or _G)))
  local said = {}
  for _, f in ipairs(suture._after_line) do
    local s = f(code, ok)
    if type(s) == "string" and s ~= "" then said[#said + 1] = s end
  end
  return table.concat(said, "\n"), ok, err
end

--- A list; where SUTURE_ISA names the instruction set, a third of it, another one for each: all of it ran with the best set.
function kit.some(list)
  local isa, out = os.getenv "SUTURE_ISA", {}
  if not isa then return list end
  for i = 1 + (("sse2 avx2 avx512"):find(isa, 1, true) or 1) % 3, #list, 3 do out[#out + 1] = list[i] end
  return out
end

--- Copies of all tensors of m's state, by name.
function kit.copies(m)
  local out = {}
  for name, t in pairs(m:state_dict()) do
    out[name] = t:clone():detach()
    out[name]:sum():item()
  end
  return out
end

--- The name of a tensor that differs between two states, or nil.
function kit.first_difference(a, b)
  for name, t in pairs(a) do if t:eq(b[name]):sum():item() ~= t:numel() then return name end end
end

--- Whether two tensors have the same numbers.
function kit.equal(a, b) return a:eq(b):sum():item() == a:numel() end

--- Drawn shapes, the same ones each time.
function kit.shapes(domain, n, split) return suture.data.shapes {domain = domain, n = n, split = split, seed = 3} end

--- Runs a shell command. LD_PRELOAD: under a sanitizer, the leaks of cp and rm are not ours.
function kit.run(command) assert(os.execute("unset LD_PRELOAD; " .. command)) end

--- The path of a new folder.
function kit.temp_folder()
  local name = os.tmpname()
  os.remove(name)
  kit.run("mkdir " .. name)
  return name
end

--- Writes bytes to a new file.
function kit.spill(path, bytes)
  local f = assert(io.open(path, "wb"))
  f:write(bytes)
  f:close()
end

--- A hash of all numbers of a pass over a dataset.
function kit.pass(ds, size, opts)
  local hash = 0
  for x, y, places in ds:batches(size, opts) do
    local function put(t)
      for _, v in ipairs(t) do
        if type(v) == "table" then put(v)
        else hash = (hash ~ string.unpack("i8", string.pack("d", v))) * 0x100000001b3 end
      end
    end
    put(x:tolist())
    put(y:tolist())
    put(places)
  end
  return hash
end

return kit
