"""The pages that vis.explain saves, in headless Chromium: a window slides by mouse and by keyboard, and at every place the
numbers that are shown add up to the model's own."""
import contextlib, os, random, unittest
import tap
from chrome import PROGRAM, browser, made

MAKE = """
folder = ...
seed(4)
local Parts = nn.class "</script><b>x"
function Parts:init()
  self["<img/onerror=bad=1>"] = nn.Conv2d(3, 20, 3, {stride = 2, padding = 1})
  self.bn = nn.BatchNorm2d(20)
  self.act = nn.GELU()
  self.max = nn.MaxPool2d(3, {stride = 2, padding = 1})
  self.se = nn.SqueezeExcitation(20, 4)
  self.holes = nn.Conv2d(20, 12, 3, {padding = 2, dilation = 2, groups = 4})
  self.mean = nn.AvgPool2d(2, {ceil_mode = true})
  self.ln = nn.LayerNorm(12)
  self.attend = nn.MultiheadAttention(12, 2, {batch_first = true})
  self.wide = nn.Linear(12, 70)
  self.narrow = nn.Linear(70, 6)
  self.share = nn.Softmax(1)
end
function Parts:forward(x)
  x = self.max(self.act(self.bn(self["<img/onerror=bad=1>"](x))))
  x = self.holes(self.se(x) + x)
  local t = self.ln(self.mean(x):flatten(2):transpose(1, 2))
  t = t + self.attend(t, {need_weights = false})
  return self.share(self.narrow(self.wide(t):mean(1)))
end
m = Parts()
m.classes = {"a", "b", "c", "<b>d</b>", "e", "f"}
m.bn.running_mean:uniform_(-1, 1)
m.bn.weight:uniform_(-2, 2)
x = randn(3, 30, 26)
for name, path in pairs {conv = "<img/onerror=bad=1>", bn = "bn", gelu = "act", max = "max", gate = "se", sum = "add",
  holes = "holes", mean = "mean", norm = "ln", attention = "attend.attention", linear = "wide", head = "narrow",
  softmax = "share", back = "flatten"} do
  vis.explain(m, x, path, {run = path == "add" and 1 or nil}):save(folder .. "/" .. name .. ".html")
end
"""

NAMES = ["conv", "bn", "gelu", "max", "gate", "sum", "holes", "mean", "norm", "attention", "linear", "head", "softmax", "back"]


@contextlib.contextmanager
def opened(name, width=1000):
    """A page in the one browser, in a window of this width."""
    page = browser()
    page.errors = []
    page.size(width, 800)
    page.open(os.path.join(made(MAKE), name + ".html"))
    yield page


@unittest.skipUnless(PROGRAM, "no Chromium")
class Sliding(unittest.TestCase):
    def adds_up(self, page, name):
        total, own, model = page.js("[+$('total').textContent, +$('own').textContent, S.v[chosen]]")
        bound = 1e-5 * max(1, abs(model))
        self.assertAlmostEqual(total, own, delta=bound, msg=name)
        self.assertAlmostEqual(own, model, delta=bound, msg=name)

    def where(self, page, place):
        """The middle of a place of the map on the screen."""
        return page.js("""(() => { out.scrollIntoView({block: 'center'}); const b = out.getBoundingClientRect(), q = sheet.at(%d),
          k = (b.width - 2) / out.width * sheet.px; return [b.left + 1 + (q[1] + .5) * k, b.top + 1 + (q[0] + .5) * k]; })()""" % place)

    def test_every_width_and_place(self):
        draw = random.Random(2)
        for width in (400, 1000, 1600):
            for name in NAMES if width == 1000 else ["conv", "sum", "attention", "linear", "head"]:
                with self.subTest(name, width=width), opened(name, width) as page:
                    self.assertLessEqual(page.js("document.documentElement.scrollWidth"), width)
                    self.adds_up(page, name)
                    for _ in range(5):
                        place = draw.randrange(page.js("S.v.length"))
                        page.mouse("mouseMoved", *self.where(page, place))
                        self.assertEqual(page.js("chosen"), place)
                        self.adds_up(page, name)
                    self.assertEqual(page.errors, [])

    def test_by_keyboard(self):
        with opened("conv") as page:
            page.js("out.focus()")
            wide = page.js("S.w")
            at = lambda: page.js("chosen")
            page.key("Home")
            self.assertEqual(at(), 0)
            for key, place in [("ArrowRight", 1), ("ArrowDown", wide + 1), ("ArrowLeft", wide), ("ArrowUp", 0), ("ArrowUp", 0),
                               ("End", page.js("S.v.length") - 1)]:
                page.key(key)
                self.assertEqual(at(), place, key)
                self.adds_up(page, key)
            page.key("Enter")  # holds the place against the mouse
            page.mouse("mouseMoved", *self.where(page, 3))
            self.assertEqual(at(), page.js("S.v.length") - 1)
            page.key("Escape")
            page.mouse("mouseMoved", *self.where(page, 5))
            self.assertEqual(at(), 5)
            page.key("s")
            page.until("chosen > 6")
            page.key("s")
            self.assertFalse(page.js("timer !== null"))
            self.assertEqual(page.errors, [])

    def test_by_buttons(self):
        with opened("gelu") as page:
            page.js("go(0)")
            page.press("#play")
            page.until("chosen > 1")
            page.press("#play")
            self.assertEqual(page.js("$('play').getAttribute('aria-pressed')"), "false")
            page.press("#pin")
            at = page.js("chosen")
            page.mouse("mouseMoved", *self.where(page, 40))
            self.assertEqual(page.js("chosen"), at)
            page.press("#pin")
            page.click(*self.where(page, 41))  # a click holds too
            self.assertEqual(page.js("[chosen, held]"), [41, True])
            self.assertEqual(page.errors, [])

    def test_the_window_is_where_it_looks(self):
        with opened("holes") as page:  # dilation 2, padding 2: the middle of the window is the place itself
            page.js("go(3 * S.w + 2)")
            self.assertEqual(page.js("[D.rows[3], D.cols[2]]"), [[1, 3, 5], [0, 2, 4]])
            cells = page.js("[...parts.querySelectorAll('.row')][0].querySelectorAll('table')[0].rows.length")
            self.assertEqual(cells, 3)
            page.js("go(0)")
            self.assertEqual(page.js("parts.querySelector('table').querySelectorAll('td.pad').length"), 5)

    def test_a_gate_tells_how_it_came_about(self):
        with opened("gate") as page:
            rows = page.js("[...parts.querySelector('table.list').rows].map(r => [...r.cells].map(c => c.textContent))")
            self.assertEqual(rows[0][0], "mean of the channel")
            self.assertAlmostEqual(float(rows[-1][1]), page.js("D.summands[0].steps[1].v"), delta=1e-3)
            self.assertEqual(page.errors, [])

    def test_names_are_text(self):
        for name in ("conv", "head", "softmax"):
            with opened(name) as page:
                page.js("go(Math.min(3, S.v.length - 1))")
                self.assertTrue(page.js("window.bad === undefined"))
                self.assertEqual(page.js("document.querySelectorAll('h1 *, h2 *, #here *, #said *').length"), 0)
                self.assertEqual(page.errors, [])
        with opened("softmax") as page:
            page.js("go(3)")
            self.assertIn("<b>d</b>", page.js("$('here').textContent"))


if __name__ == "__main__":
    tap.main()
