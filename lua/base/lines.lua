--- Who wants to know of lines of the prompt: before holds functions f(text), called before each; after f(text, ok),
-- called after it. What a function gives as a string is shown. session: where there is a prompt, a function that gives
-- the session so far as a script. training: the model that the line has trained last.
return {before = {}, after = {}, session = nil, training = nil}
