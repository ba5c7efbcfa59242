--- whole(path, text): writes a file whole or not at all: what was there before stays where it cannot be done.
-- Returns true, or nil and why in words, with the path.
return require("suture.core").file.write
