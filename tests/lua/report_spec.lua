-- report(): what the page says is what was measured, and it stands alone.
local suture = require "suture"
local kit = require "kit"
local nn, data, report = suture.nn, suture.data, suture.report

local function read(path)
  local f = assert(io.open(path, "rb"))
  local s = f:read "a"
  f:close()
  return s
end

-- The page's text, and what report() returned.
local function made(m, ds, opts)
  local path = os.tmpname()
  local r = report(m, ds, path .. ".html", opts)
  local s = read(path .. ".html")
  os.remove(path)
  os.remove(path .. ".html")
  return s, r
end

local function net(classes)
  suture.seed(2)
  return nn.Sequential(nn.Conv2d(3, 6, 3, {padding = 1}), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(6, 8, 3, {padding = 1}), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes))
end

local function pictures()
  return data.shapes {domain = "source", n = 6, seed = 3}
end

describe("report", function()
  it("says what evaluate measures, with every section", function()
    local ds = pictures()
    local m = net(#ds.classes)
    local fitted = suture.fit(m, ds, {epochs = 2, quiet = true})
    local before = kit.copies(m)
    local page, r = made(m, ds, {worst = 3})
    local e = suture.evaluate(m, ds, {metrics = true})
    kit.near(e.acc, r.acc)
    kit.near(e.loss, r.loss, 1e-4)
    kit.near(e.ece, r.ece, 1e-6)
    assert.equal(#page, r.bytes)
    for _, id in ipairs {"figures", "training", "confusion", "classes", "calibration", "mistakes", "frozen", "graph"} do
      assert.is_truthy(page:find("<section id=" .. id .. ">", 1, true), id)
    end
    for _, c in ipairs(e.classes) do
      assert.is_truthy(page:find(("%s</th><td>%.3f</td><td>%.3f</td>"):format(c.class, c.precision, c.recall), 1, true))
    end
    local _, articles = page:gsub("<article>", "")
    assert.equal(3, articles)
    assert.is_truthy(page:find("Grad%-CAM at %d"))
    assert.is_truthy(page:find("2 epochs", 1, true))
    assert.is_nil(kit.first_difference(before, kit.copies(m)))
    assert.is_true(m.training)
    assert.equal(fitted, require "suture.train.last"[m])
    assert.matches("calibration error", tostring(r))
  end)

  it("shows the mistakes with the greatest loss first", function()
    local x = suture.zeros(4, 2)
    local want = {{0, 9}, {0, 2}, {5, 0}, {0, 4}} -- logits; all are of class 0
    for i, row in ipairs(want) do for k, v in ipairs(row) do x[i - 1][k - 1] = v end end
    local m = nn.Sequential(nn.Identity())
    local page = made(m, data.tensors(x, suture.tensor {0, 0, 0, 0}, {classes = {"ant", "bee"}}))
    local order = {}
    for name in page:gmatch "<p class=dim>image (%d)</p>" do order[#order + 1] = tonumber(name) end
    if #order == 0 then for name in page:gmatch "<p class=dim>%a+ (%d)</p>" do order[#order + 1] = tonumber(name) end end
    assert.same({0, 3, 1}, order)
    assert.is_truthy(page:find("these samples are no pictures", 1, true))
    assert.is_nil(page:find("<section id=training>", 1, true))
  end)

  it("says that there are no mistakes", function()
    local page = made(nn.Sequential(nn.Identity()), data.tensors(suture.tensor {{3.5, 0}, {0, 1.5}}, suture.tensor {0, 1}))
    assert.is_truthy(page:find("There are no mistakes; these were the least sure", 1, true))
  end)

  it("stands alone, and holds users' words as text", function()
    local ds = data.tensors(suture.randn(6, 3), suture.tensor {0, 1, 2, 0, 1, 2}, {classes = {"<script>a</script>", "b&c", "d"}})
    local page = made(nn.Sequential(nn.Linear(3, 3)), ds, {title = "<i>T</i>", notes = "<img src=x>"})
    assert.is_nil(page:find("<script", 1, true))
    assert.is_nil(page:find("<i>", 1, true))
    assert.is_nil(page:find("<img src=x>", 1, true))
    assert.is_truthy(page:find("&lt;i&gt;T&lt;/i&gt;", 1, true))
    for address in page:gmatch 'src="([^"]*)"' do assert.matches("^data:image/", address) end
    assert.is_truthy(page:find("default-src 'none'", 1, true))
  end)

  it("tells what trains", function()
    local ds = pictures()
    local m = net(#ds.classes)
    m:freeze()
    m:unfreeze "8"
    local page = made(m, ds, {worst = 0})
    local trains = m[8].weight:numel() + m[8].bias:numel()
    assert.is_truthy(page:find(("of which %d train."):format(trains), 1, true))
    assert.is_truthy(page:find("statistics stand", 1, true))
    assert.is_nil(page:find("<section id=mistakes>", 1, true))
  end)

  it("refuses what it cannot tell of", function()
    local ds = pictures()
    local m = net(#ds.classes)
    kit.fails("the name ends in .html", report, m, ds, "x.pdf")
    kit.fails("expects a path", report, m, ds)
    kit.fails("expects a dataset", report, m, 3, "x.html")
    kit.fails("expects a model", report, 3, ds, "x.html")
    kit.fails("no option 'worts'", report, m, ds, "x.html", {worts = 3})
    kit.fails("fit expects what fit returned", report, m, ds, "x.html", {fit = {1}})
    local six = data.tensors(suture.zeros(1, 3, 8, 8), suture.tensor {5})
    kit.fails("report: the dataset has 6 classes, the model's head 3", report, net(3), six, "x.html")
    kit.fails("these targets are others", report, m, data.tensors(suture.zeros(2, 3, 8, 8), suture.zeros(2, 4)), "x.html")
    kit.fails("no module", report, m, ds, "x.html", {layer = "nowhere"})
    kit.fails("cannot save", report, m, ds, "/nowhere/x.html", {worst = 0})
    assert.is_nil(io.open "x.html")
  end)
end)
