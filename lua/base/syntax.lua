--- What a line that is no Lua was meant to be: a second line for the message of a syntax error.
local chunks = require "suture.base.chunks"

local syntax = {}

-- A longer line is looked at around the place of the error only: patterns that are quick on a line are not on a
-- megabyte.
local WIDTH = 400

local function part(line, near)
  if #line <= WIDTH then return line end
  local at = near and line:find(near, 1, true) or 1
  return line:sub(math.max(1, at - WIDTH // 2), at + WIDTH // 2)
end

-- What is in brackets, as so many dots.
local function masked(text)
  for _, brackets in ipairs {"%b()", "%b{}", "%b[]"} do
    text = text:gsub(brackets, function(inside) return ("."):rep(#inside) end)
  end
  return text
end

-- Python's values in Lua's words, and spaces around =.
local function in_lua(text)
  text = text:gsub("%s*=%s*", " = ")
  for word, ours in pairs {True = "true", False = "false", None = "nil"} do
    text = text:gsub("%f[%w_]" .. word .. "%f[^%w_]", ours)
  end
  return (text:gsub("%s+$", ""))
end

-- Named arguments in round brackets: "f(dim=1)" and "f(x, dim=1)", also inside others.
local function named_arguments(line, near)
  for name, brackets in line:gmatch "([%a_][%w_.:]*)%s*(%b())" do
    local inside = brackets:sub(2, -2)
    local mask = masked(inside)
    local at = mask:match "^()%s*[%a_][%w_]*%s*=[^=]" or mask:match ",%s*()[%a_][%w_]*%s*=[^=]"
    if at then
      local first, options = inside:sub(1, at - 1):gsub("[%s,]+$", ""), in_lua(inside:sub(at))
      if name == "print" then return "io.write(…) writes without an end of line" end
      if first ~= "" then return ("names go into braces: %s(%s, {%s})"):format(name, first, options) end
      return ("names go into braces: %s{%s}"):format(name, (options:gsub("^%s+", "")))
    end
    local deeper = inside:find("(", 1, true) and named_arguments(inside)
    if deeper then return deeper end
  end
  local option = near == "=" and line:match "([%a_][%w_]*%s*=%s*[^=,(){}%s]+)%s*%f[,)%z]" -- of a call of several lines
  if option then return ("names go into braces: f(x, {%s})"):format(in_lua(option)) end
end

-- Python's block on one line: "for x in y: print(x)"
local function in_one(word, ours, code)
  return code:find("^%s*" .. word .. "%s.-:%s+%S") and not code:find("%f[%w_]" .. ours .. "%f[^%w_]")
end

-- What is looked for, in this order: a pattern of the line (a function of it), and what is said.
local meant = {
  {"^%s*import%s+[%a_]", "nothing needs to be imported: tensor, nn, F, optim, data, zoo are here"},
  {"^%s*from%s+[%w_.]+%s+import", "nothing needs to be imported: tensor, nn, F, optim, data, zoo are here"},
  {"^%s*class%s+([%a_][%w_]*)", function(name)
    return ('a class of modules: %s = nn.class "%s"  function %s:init() … end  function %s:forward(x) … end')
      :format(name, name, name, name)
  end},
  {"^%s*def%s+__init__%s*%(", "the constructor of a class: function Name:init(…) … end"},
  {"^%s*def%s+([%a_][%w_]*)%s*%(%s*self%s*,?%s*([%w_,%s]*)", function(name, args)
    return ("function Name:%s(%s) … end"):format(name, (args:gsub("%s+$", "")))
  end},
  {"^%s*def%s+([%a_][%w_]*)%s*%(([^()=:]*)%)", function(name, args)
    return ("function %s(%s) … end"):format(name, args)
  end},
  {"^%s*def%s+([%a_][%w_]*)", function(name) return ("function %s(…) … end"):format(name) end},
  {"%f[%w_]elif%f[^%w_]", "Lua writes elseif … then"},
  {"%f[%w_]lambda%f[^%w_]%s*([%w_,%s]-)%s*:", function(args)
    return ("a function: function(%s) return … end"):format(args)
  end},
  {"^%s*for%s+([%a_][%w_]*)%s+in%s+range%s*%(%s*([%w_#.]+)%s*%)%s*:?", function(i, n)
    return ("for %s = 0, %s - 1 do … end"):format(i, n)
  end},
  {"^%s*for%s+[%w_,%s%(%)]+%s+in%s.-:%s*$", "a loop: for x, y in ds:batches(16) do … end"},
  {"^%s*while%s.-:%s*$", "a loop: while … do … end"},
  {"^%s*if%s.-:%s*$", "a condition: if … then … else … end"},
  {function(code) return in_one("for", "do", code) and "a loop: for x, y in ds:batches(16) do … end" end},
  {function(code) return in_one("while", "do", code) and "a loop: while … do … end" end},
  {function(code) return in_one("if", "then", code) and "a condition: if … then … else … end" end},
  {"^%s*else%s*:%s*$", "Lua writes else without a colon, and end behind all"},
  {"^%s*with%s+torch%.no_grad", "no_grad(function() … end)"},
  {"^%s*with%s", "a value that is closed at the end of its block: local f <close> = io.open(path)"},
  {"^%s*try%s*:", "local ok, message = pcall(function() … end)"},
  {"^%s*except%f[^%w_]", "local ok, message = pcall(function() … end)"},
  {"^%s*finally%s*:", "local ok, message = pcall(function() … end)"},
  {"^%s*raise%s", 'error("…")'},
  {"^%s*assert%s+[^(%s]", 'assert(condition, "…")'},
  {"^%s*del%s+([%w_.]+)", function(name) return name .. " = nil" end},
  {"^%s*global%s", "names are global unless they are local: nothing to say"},
  {"^%s*print%s+[^(%s\"'{%[]", "print(…)"},
  {"[%w_)%]][.:]repeat%s*%(", "repeat is a word of Lua's, and no method's name: tensor.cat({x, x}, dim), x:expand(…)"},
  {"^%s*pass%s*$", "an empty block says nothing: leave it out"},
  {"^%s*continue%s*;?%s*$", "goto continue, and ::continue:: at the loop's end"},
  {"^%s*let%s+([%a_][%w_]*)", function(name) return ("local %s = …"):format(name) end},
  {"^%s*var%s+([%a_][%w_]*)", function(name) return ("local %s = …"):format(name) end},
  {"^%s*const%s+([%a_][%w_]*)", function(name) return ("local %s <const> = …"):format(name) end},
  {"^%s*%%%a", "the shell's own commands begin with a colon: :help lists them"},
  {"[\"']%s*%%%s*[%w_({]", 'values go into a text with ("loss %.3f"):format(x)'},
  {"([%a_][%w_.]*)%s*([-+*/%%|&^]/?)=[^=]", function(name, op)
    return ("Lua has no %s=: %s = %s %s …"):format(op, name, name, op)
  end},
  {"([%a_][%w_.]*)%s*%+%+", function(name) return ("Lua has no ++: %s = %s + 1"):format(name, name) end},
  {"!=", "unequal is ~="},
  {"&&", "Lua writes and"},
  {"||", "Lua writes or"},
  {"%f[%w_]is%s+not%f[^%w_]", "Lua writes ~="},
  {"%f[%w_]not%s+in%f[^%w_]", "a name is in a table if not t[name] is false; a list is walked through with ipairs"},
  {"%f[%w_]is%s+None", "Lua writes == nil"},
  {"[%w_%)%]\"']%s+is%s+[%w_\"'{]", "Lua writes =="},
  {"^%s*[%w_.]+%s*=%s*[%w_.]+%s*=[^=]", "an assignment has one =: a, b = 0, 0"},
  {"%*%*", "a power is x ^ 2"},
  {"[%w_%]]%s*%[[%w_%s:-]*:[%w_%s:-]*%]", 'a range of places is x["1:3"], of several dimensions x[{":", "1:3"}]'},
  {"[%w_%]]%s*%[[^%[%]{}]*,[^%[%]{}]*%]", 'several places go into braces: x[{0, 1}], x[{":", "1:3"}]'},
  {"^%s*%[.-%f[%w_]for%f[^%w_]", "a list is made in a loop: for i = 1, n do list[i] = … end"},
  {"=%s*%[.-%f[%w_]for%f[^%w_]", "a list is made in a loop: for i = 1, n do list[i] = … end"},
  {",%s*%[[^%[%]]*%]%s*[,%)]", "a list is {1, 2}, a tensor tensor{1, 2}"},
  {"[=(]%s*%[[^%[=]", "a list is {1, 2}, a tensor tensor{1, 2}"},
  {"^%s*%[[^%[=]", "a list is {1, 2}, a tensor tensor{1, 2}"},
  {"{%s*[\"'][^\"']*[\"']%s*:", 'names of a table: {name = value}, {["any text"] = value}'},
  {"{%s*[%a_][%w_]*%s*:", "names of a table: {name = value}"},
  {'""%s*"', "a text of several lines is [[…]]; a comment begins with --"},
  {"^%s*#", "a comment begins with --"},
  {"[^%s]%s+#%s", "a comment begins with --"},
  {"=%s*%([^()]*,[^()]*%)%s*$", "several values: a, b = 1, 2; a list is {1, 2}", ","},
  {"//.*[%a]", "a comment begins with --", "//"},
  {"^%s*@", "Lua has no decorators: f = wrap(f)"},
  {"[%w_%)%]]%s*@%s*[%a_(]", "a matrix product is a:matmul(b)"},
  {"%s%?%s.-%s:%s", "condition and a or b"},
  {"=%s*[^=%s].-%sif%f[^%w_].-%f[%w_]else%f[^%w_]", "a choice: condition and a or b"},
  {"%f[%w_]return%s.-%sif%f[^%w_].-%f[%w_]else%f[^%w_]", "a choice: condition and a or b"},
  {"!%s*[%a_(]", "Lua writes not"},
  {"%-%s*>", "a function says nothing of its types: function f(x) … end", "'>'"},
  {"%d_%d", "digits stand together: 1000000, 1e6"},
  {"%f[%w_]local%s+[%a_][%w_]*%s*:", "variables have no types: local x = 1"},
  {named_arguments},
}

--- What the line was meant to be, in words, or nil. near: what Lua found wrong, as its message says.
function syntax.meant(line, near)
  line = part(line, near)
  local code = line:gsub("([\"'])[^\"']*%1", "%1%1"):gsub("%-%-.*$", "") -- what texts and comments say is no code
  for _, m in ipairs(meant) do
    local pattern, words, only = m[1], m[2], m[3]
    if type(pattern) == "function" then
      local text = pattern(code, near)
      if text then return text end
    elseif not only or near and (only == near or only == "'" .. near .. "'") then
      local a, b = code:match(pattern)
      if a then return type(words) == "string" and words or words(a, b) end
    end
  end
end

--- Whether a text that Lua takes for unfinished is Python's: "for i in range(10):" waits for no more lines.
function syntax.foreign(text)
  local line = text:match "[^\n]*$"
  if #line <= WIDTH and line:find "%f[%w_]lambda%s+[%a_][%w_,%s]*:" then return true end
  local word = #line <= WIDTH and line:match "^%s*(%a+)%f[^%w_].-:%s*$"
  return word ~= nil and (({["for"] = true, ["while"] = true, ["if"] = true})[word]
    and not line:find "%f[%w_]do%f[^%w_]" and not line:find "%f[%w_]then%f[^%w_]"
    or ({["else"] = true, elif = true, try = true, except = true, finally = true, with = true})[word]) or false
end

--- A syntax error's message with what was meant on a second line, where that can be told; other messages as they are.
function syntax.explain(message)
  if type(message) ~= "string" or message:find("\n", 1, true) then return message end
  local source, number, problem = message:match "^(.-):(%d+): (.+)$"
  if not source then return message end
  local near = problem:match " near '(.*)'$" or problem:match " near (<eof>)$"
  if not near and not problem:find "^malformed" then return message end
  number = tonumber(number)
  local line = chunks.line(source, number)
  local text = line and syntax.meant(line, near)
  if line and not text and number > 1 then -- "for x in y:" is noticed a line later
    line = chunks.line(source, number - 1)
    text = line and syntax.foreign(line) and syntax.meant(line)
  end
  return text and message .. "\n" .. text or message
end

return syntax
