-- write(path, tensors): the tensors of a dictionary as a .pth that says no more than torch.save does.
local file = require("suture.core").file

return function(path, tensors)
  local names, list, dtypes = {}, {}, {}
  for n, t in pairs(tensors) do
    names[#names + 1], list[#list + 1], dtypes[#dtypes + 1] = n, t, t.dtype == "int64" and "I64" or "F32"
  end
  file.save_torch(path, names, list, dtypes)
end
