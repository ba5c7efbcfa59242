--- Who wants to know of lines of the prompt: before holds functions f(text), called before each; after f(text, ok),
-- called after it. What a function gives as a string is shown.
return {before = {}, after = {}}
