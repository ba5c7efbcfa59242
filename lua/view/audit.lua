--- Declared against executed.
local counts = require "suture.view.counts"
local fault = require "suture.base.fault"
local mode = require "suture.train.mode"
local options = require "suture.base.options"
local raw = require("suture.core").tensor
local rows = require "suture.view.rows"
local text = require "suture.base.text"
local trace = require "suture.model.outline"

local Audit = {__name = "audit"}
Audit.__index = Audit

-- Of a model in eval, what only training does: the modules that run in it, and the tensors that are used.
local function trained(m, input)
  local runs, used = {}, {}
  local t = mode.train(m, function() return trace.run(m, input, "audit") end)
  for _, call in ipairs(t.calls) do runs[call.module] = true end
  for _, n in ipairs(t.nodes) do if n.tensor then used[n.tensor] = true end end
  return runs, used
end

local function is_holder(m) return getmetatable(m).__name == "ModuleList" or getmetatable(m).__name == "ModuleDict" end

local known = options.known("audit", {input = "nil"})

-- m:audit(opts): see view/init.lua.
local function audit(m, opts)
  if raw.is(opts) or type(opts) == "table" and opts[1] ~= nil then opts = {input = opts} end
  if opts ~= nil and type(opts) ~= "table" then
    fault("audit: expects options {input =}, got %s", options.show(opts))
  end
  opts = options.check("audit", opts or {}, known)
  local t = trace.run(m, opts.input, "audit")
  local a = setmetatable({
    modules = 0, ran = 0, never_run = {}, in_training = {}, repeated = {}, functional = {}, no_op = {},
    for_nothing = {}, unused = {}, outside = {}, borrowed = {}, error = t.error,
  }, Audit)

  local runs, made = {}, {}
  for _, call in ipairs(t.calls) do runs[call.module] = (runs[call.module] or 0) + 1 end
  for _, n in ipairs(t.nodes) do
    local call = n.op and t.owner[n.order]
    while call do
      made[call.module] = true
      call = call.parent
    end
  end
  local leaf, trains, learned = {}, {}, {}
  if not m.training then
    for sub in m:modules() do
      if not runs[sub] and not is_holder(sub) then
        trains, learned = trained(m, opts.input)
        break
      end
    end
  end
  for path, sub in m:named_modules() do
    if path ~= "" then
      a.modules = a.modules + 1
      local n = runs[sub] or 0
      leaf[sub] = #rawget(sub, "_names") == 0
      if n == 0 then
        local list = trains[sub] and a.in_training or a.never_run
        if not is_holder(sub) then list[#list + 1] = path end
      else
        a.ran = a.ran + 1
        if n > 1 then a.repeated[#a.repeated + 1] = {path = path, runs = n} end
        if not made[sub] then
          local used = false
          for _, call in ipairs(t.calls) do
            if call.module == sub then
              for _, order in ipairs(call.outputs) do used = used or t.by[order] ~= nil end
            end
          end
          if used then a.no_op[#a.no_op + 1] = path else a.for_nothing[#a.for_nothing + 1] = path end
        end
      end
    end
  end

  local kinds = {}
  local used, inside = {}, {}
  for _, n in ipairs(t.nodes) do
    if n.op then
      local call = t.owner[n.order]
      local library = call and getmetatable(call.module)._builtin and leaf[call.module]
      if call and call.module == m and getmetatable(m)._builtin and #m._names == 0 then library = true end
      if not library then
        local name = rows.op_name(n, t)
        if not kinds[name] then
          kinds[name] = {op = name, count = 0, paths = {}}
          a.functional[#a.functional + 1] = kinds[name]
        end
        kinds[name].count = kinds[name].count + 1
        kinds[name].paths[#kinds[name].paths + 1] = call and call.path or ""
      end
      for _, i in ipairs(n.inputs) do
        local x = i and t.by[i]
        if x and x.tensor then
          used[x.tensor] = true
          local at = call
          while at do -- by which modules' calls it is used
            inside[x.tensor] = inside[x.tensor] or {}
            inside[x.tensor][at.module] = true
            at = at.parent
          end
        end
      end
    end
  end
  for path, sub in m:named_modules() do
    for _, name in ipairs(sub._pnames) do
      local p = sub._params[name]
      local full = path == "" and name or path .. "." .. name
      if not used[p] and not learned[p] then a.unused[#a.unused + 1] = {path = full, numel = raw.numel(p)}
      elseif used[p] and not (inside[p] and inside[p][sub]) then
        a.outside[#a.outside + 1] = full
        if not runs[sub] and a.borrowed[#a.borrowed] ~= path then a.borrowed[#a.borrowed + 1] = path end
      end
    end
  end
  -- What never runs while its weights are used is told as that.
  for _, path in ipairs(a.borrowed) do
    for i, never in ipairs(a.never_run) do
      if never == path then
        table.remove(a.never_run, i)
        break
      end
    end
  end
  a.params = counts.all(m)
  return a
end

local function some(list, key)
  local shown = {}
  for i, x in ipairs(list) do
    if i > 3 and #list > 4 then
      shown[#shown + 1] = text.sign "dots"
      break
    end
    shown[i] = key and x[key] or x
  end
  return table.concat(shown, " ")
end

local times = {[2] = "twice", [3] = "three times"}

function Audit.__tostring(a)
  local sep = text.sign "sep"
  local parts = {}
  -- Modules by how often they run.
  local by, order = {}, {}
  for _, r in ipairs(a.repeated) do
    if not by[r.runs] then
      by[r.runs] = {}
      order[#order + 1] = r.runs
    end
    table.insert(by[r.runs], r.path)
  end
  table.sort(order)
  for _, n in ipairs(order) do
    local list = by[n]
    local often = times[n] or n .. " times"
    if #list > 2 then
      parts[#parts + 1] = ("%s %s %s run %s"):format(list[1], text.sign "dots", text.plural(#list, "module"), often)
    else
      parts[#parts + 1] = ("%s %s %s"):format(table.concat(list, " and "), #list == 1 and "runs" or "run", often)
    end
  end
  if #order == 0 then parts[1] = "no module runs twice" end
  local kinds = {}
  local total = 0
  for _, f in ipairs(a.functional) do
    kinds[#kinds + 1] = ("%d %s"):format(f.count, f.op)
    total = total + f.count
  end
  if #kinds > 1 then kinds[#kinds - 1] = kinds[#kinds - 1] .. " and " .. table.remove(kinds) end
  parts[#parts + 1] = #kinds == 0 and "every operation belongs to a module"
    or ("%s %s but %s no module"):format(table.concat(kinds, ", "), total == 1 and "runs" or "run",
      total == 1 and "is" or "are")
  parts[#parts + 1] = text.plural(#a.never_run, "module") .. " never run"
    .. (#a.never_run > 0 and ": " .. some(a.never_run) or "")
  local lines = {table.concat(parts, sep)}
  local function line(n, what, list) if n > 0 then lines[#lines + 1] = what .. ": " .. list end end
  local function modules(list, one, several)
    line(#list, text.plural(#list, "module") .. (#list == 1 and one or several), some(list))
  end
  modules(a.in_training, " runs only in training", " run only in training")
  modules(a.no_op, " runs and passes on what comes in", " run and pass on what comes in")
  modules(a.for_nothing, " runs for nothing, the result is not used", " run for nothing, the result is not used")
  if #a.borrowed > 0 then
    lines[#lines + 1] = ("%s: %s weights are used though the %s not run"):format(some(a.borrowed),
      #a.borrowed == 1 and "its" or "their",
      #a.borrowed == 1 and "module does" or ("%d modules do"):format(#a.borrowed))
  end
  local taken = {}
  for _, path in ipairs(a.borrowed) do taken[path] = true end
  local rest = {}
  for _, full in ipairs(a.outside) do if not taken[full:match "^(.*)%.[^.]+$" or ""] then rest[#rest + 1] = full end end
  line(#rest, text.plural(#rest, "parameter tensor") .. " used in other modules than its own", some(rest))
  if #a.unused > 0 then
    local n = 0
    for _, p in ipairs(a.unused) do n = n + p.numel end
    line(1, ("%s never used (%s of %s numbers)"):format(text.plural(#a.unused, "parameter tensor"), text.count(n),
      text.count(a.params)), some(a.unused, "path"))
  end
  if a.error then lines[#lines + 1] = "it does not fit its input: " .. a.error:gsub("^%S-:%d+: ", "") end
  return text.wrap(text.safe(table.concat(lines, "\n")))
end

return audit
