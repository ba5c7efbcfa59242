-- What a saved file says of how its model was made, or of the table it holds: a JSON text beside a few tensors.
local quiet = dofile "tests/fuzz/quiet.lua"
local json = require("suture.core").json
local path = os.tmpname() .. ".safetensors"
local numbers = ("\0"):rep(4 * 216)
local tensors = {}
local at = 0
for name, shape in pairs {["0.weight"] = {2, 3, 3, 3}, ["0.bias"] = {2}, ["1.weight"] = {2}, ["1.bias"] = {2},
  ["1.running_mean"] = {2}, ["1.running_var"] = {2}, ["4.weight"] = {2, 2}, ["4.bias"] = {2},
  ["0"] = {3}, ["1"] = {2, 2}} do
  local n = 4
  for _, d in ipairs(shape) do n = n * d end
  tensors[name] = {dtype = "F32", shape = shape, data_offsets = {at, at + n}}
  at = at + n
end

return function(text)
  tensors.__metadata__ = {suture = text}
  local ok, header = pcall(json.encode, tensors)
  if not ok then return end -- not UTF-8
  local f = assert(io.open(path, "wb"))
  f:write(("<s8"):pack(header), numbers:sub(1, at))
  f:close()
  suture.seed(0)
  for _, opts in ipairs {{}, {state = true}} do
    local opened, m = quiet(suture.open, path, opts)
    if opened and type(m) == "table" and m.save then quiet(m.save, m, path) end
  end
end
