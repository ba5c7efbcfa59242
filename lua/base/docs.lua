-- Help texts of things that are no Lua functions with a comment above them: docs[thing] = text, or the function it
-- stands for.
return setmetatable({}, {__mode = "k"})
