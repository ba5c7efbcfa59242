-- f(…) that may be refused; a slip of the library's own is raised.
return function(f, ...)
  local answer = table.pack(pcall(f, ...))
  local why = not answer[1] and tostring(answer[2]) or ""
  for _, slip in ipairs {"attempt to ", "bad argument #%d+ to '", "stack overflow",
    "number has no integer representation", "invalid order function", "malformed pattern"} do
    if why:find("%.lua:%d+: " .. slip) then error(why, 0) end
  end
  return table.unpack(answer, 1, answer.n)
end
