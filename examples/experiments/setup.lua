-- What the experiments of this folder share: options of the command line, the small network that the repository ships,
-- and pictures for it, drawn by the program or in a folder of yours.
local setup = {}
local here = arg[0]:match "^(.*/)" or ""

-- options{…} with those that all have; n, epochs, count: their defaults here.
function setup.options(given, n, epochs, count)
  local shared = {
    {"data:str=nil", "a folder with a folder of pictures for each class, seen at 32 × 32 (default: drawn shapes)"},
    {"n:count=" .. n, "drawn pictures of each class to train on"},
    {"epochs:natural=" .. epochs, "of each training"},
    {"seeds:count=" .. count, "times that everything is done, with other draws"},
    {"jobs:count=" .. suture.threads(), "processes side by side"},
    {"save:str=nil", "a name: rows are in NAME.csv and NAME.jsonl as soon as they are found"},
  }
  return options(table.move(shared, 1, #shared, #given + 1, given))
end

function setup.network() return open(here .. "../shapes-resnet20.safetensors") end

-- Pictures to train on and others to measure on, as m's weights want them. domain: of drawn ones.
function setup.pictures(o, m, domain)
  if o.data then
    return data.folder(o.data, {transform = m, resize = 32, crop = 32}):split(0.8, {seed = 0})
  end
  domain = domain or "outline"
  return data.shapes{domain = domain, n = o.n, transform = m},
    data.shapes{domain = domain, n = 25, split = "val", transform = m}
end

return setup
