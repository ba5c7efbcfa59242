"""The pages that graph() and diff() save, in headless Chromium: no error, no network, every control by mouse and by keyboard."""
import contextlib, json, os, unittest
import tap
from chrome import PROGRAM, browser, made

MAKE = """
folder = ...
m = zoo.resnet18()
m:freeze()
m.fc = nn.Linear(512, 3)
m.spare = nn.Linear(3, 3)
m:graph():save(folder .. "/m.html")
local Hostile = nn.class "</script><b>x"
function Hostile:init()
  self["</script><script>bad=1</script>"] = nn.Linear(4, 4)
  self["<svg/onload=bad=1>"] = nn.ReLU()
end
function Hostile:forward(x)
  return self["<svg/onload=bad=1>"](self["</script><script>bad=1</script>"](x)) end
Hostile():graph(1, 4):save(folder .. "/hostile.html")
a = zoo.cifar_resnet20()
b = a:clone()
b:reset_head(5)
b.layer2[1].conv1.weight:mul_(2)
b:insert_after("layer1", nn.Dropout(0.2))
diff(a, b):save(folder .. "/both.html")
zoo.efficientnet_b0():graph():save(folder .. "/e.html")
"""

VIEW = "page.views[0]."


@contextlib.contextmanager
def window(width=1000, height=800):
    """The one browser, with a window of this size."""
    page = browser()
    page.errors = []
    page.dark(False)
    page.size(width, height)
    yield page


@unittest.skipUnless(PROGRAM, "no Chromium")
class Pages(unittest.TestCase):
    def opened(self, page, name):
        page.open(os.path.join(made(MAKE), name))
        page.until("document.body.dataset.ready === 'yes'")

    def settled(self, page):
        """Until nothing flies any more."""
        page.js("new Promise(done => setTimeout(done, 300))")

    def chosen(self, page):
        return page.js("document.getElementById('title').textContent")

    def row(self, page, path, view=0):
        return page.js("page.views[%d].model.rows.find(r => r.p === %s).id" % (view, json.dumps(path)))

    def middle(self, page, key):
        """Where the thing of this key is on the screen."""
        return page.js("(() => { const v = page.views[0], n = v.at.get(%s), b = v.canvas.getBoundingClientRect();"
                       " return [b.x + v.x + (n.x + n.w / 2) * v.scale, b.y + v.y + (n.y + 12) * v.scale]; })()" % json.dumps(key))

    def test_every_width_opens_without_an_error(self):
        for width in (400, 1000, 1600):
            with self.subTest(width), window(width, 800) as page:
                for name in ("m.html", "both.html", "e.html", "hostile.html"):
                    self.opened(page, name)
                    self.settled(page)
                    self.assertGreater(page.js(VIEW + "drawn"), 0, name)
                    self.assertLessEqual(page.js("document.documentElement.scrollWidth"), width, name)
                    outside = page.js("[...document.querySelectorAll('header button')].filter(b => {"
                                      " const r = b.getBoundingClientRect(); return r.right > innerWidth + 1 || r.left < -1; }).length")
                    self.assertEqual(outside, 0, name)
                self.assertEqual(page.errors, [])

    def test_hostile_names_are_text(self):
        with window() as page:
            self.opened(page, "hostile.html")
            page.js("page.views[0].show(1)")
            page.js("page.views[0].show(2)")
            self.assertEqual(page.js("window.bad === undefined"), True)
            self.assertEqual(page.js("document.querySelectorAll('h1 *, h2 *, #kind *').length"), 0)
            self.assertIn("<svg/onload", self.chosen(page))
            self.assertIn("</script>", page.js("document.title"))
            self.assertEqual(page.errors, [])

    def test_by_mouse(self):
        with window() as page:
            self.opened(page, "m.html")
            self.settled(page)
            # Choosing, and a module's handle.
            page.click(*self.middle(page, "r1"))
            self.assertEqual(self.chosen(page), "conv1")
            self.assertIn("frozen", page.js("document.getElementById('body').textContent"))
            seen = page.js(VIEW + "flat.nodes.length")
            block = page.js(VIEW + "flat.nodes.find(n => n.group !== undefined).group")
            page.js("(() => { const v = page.views[0]; v.centre('g%d', true); })()" % block)
            page.click(*self.middle(page, "g%d" % block), count=2)
            self.assertGreater(page.js(VIEW + "flat.nodes.length"), seen)
            page.press("#body button.wide")
            self.assertEqual(page.js(VIEW + "flat.nodes.length"), seen)
            # Dragging pans, the wheel too, with Ctrl it zooms where the mouse is.
            x, y, scale = page.js("[page.views[0].x, page.views[0].y, page.views[0].scale]")
            page.mouse("mousePressed", 300, 500, button="left", buttons=1, clickCount=1)
            page.mouse("mouseMoved", 330, 460, button="left", buttons=1)
            page.mouse("mouseReleased", 330, 460, button="left", clickCount=1)
            self.assertEqual(page.js("[page.views[0].x, page.views[0].y]"), [x + 30, y - 40])
            page.wheel(300, 500, 0, 50)
            page.until("Math.abs(page.views[0].y - %f) < 0.1" % (y - 90))
            page.wheel(300, 500, 0, -100, ctrl=True)
            page.until("page.views[0].scale > %f" % scale)
            # Buttons.
            page.press("[data-do=unfold]")
            self.assertEqual(page.js(VIEW + "flat.nodes.length"), page.js(VIEW + "model.rows.length"))
            page.press("[data-do=fold]")
            self.assertLess(page.js(VIEW + "flat.nodes.length"), 15)
            for button in ("in", "out", "fit", "start"):
                before = page.js("[page.views[0].x, page.views[0].y, page.views[0].scale]")
                page.press("[data-do=%s]" % button)
                self.settled(page)
                if button != "start":
                    self.assertNotEqual(before, page.js("[page.views[0].x, page.views[0].y, page.views[0].scale]"), button)
            dark = page.js("page.dark")
            page.press("[data-do=theme]")
            self.assertNotEqual(page.js("page.dark"), dark)
            page.press("[data-do=help]")
            self.assertTrue(page.js("document.getElementById('keys').open"))
            page.press("#keys button")
            self.assertFalse(page.js("document.getElementById('keys').open"))
            for name in page.js("[...document.querySelectorAll('[data-switch]')].filter(b => !b.hidden).map(b => b.dataset.switch)"):
                was = page.js("document.querySelector('[data-switch=\"%s\"]').getAttribute('aria-pressed')" % name)
                page.press('[data-switch="%s"]' % name)
                self.assertNotEqual(was, page.js("document.querySelector('[data-switch=\"%s\"]').getAttribute('aria-pressed')" % name))
            page.press("#shut")
            self.assertEqual(page.js("getComputedStyle(document.getElementById('panel')).display"), "none")
            page.press("[data-do=panel]")
            self.assertEqual(page.js("getComputedStyle(document.getElementById('panel')).display"), "block")
            self.assertEqual(page.errors, [])

    def test_by_keyboard(self):
        with window() as page:
            self.opened(page, "m.html")
            page.key("/")
            page.type("layer3 1 conv2")
            self.assertIn("found", page.js("document.querySelector('#found .sum').textContent"))
            page.key("Enter")
            self.settled(page)
            self.assertEqual(self.chosen(page), "layer3.1.conv2")
            self.assertEqual(page.js("document.activeElement.id"), "canvas0")
            page.key("ArrowDown")
            self.assertEqual(self.chosen(page), "layer3.1.bn2")
            page.key("ArrowUp")
            self.assertEqual(self.chosen(page), "layer3.1.conv2")
            page.key("Backspace")
            self.assertEqual(self.chosen(page), "layer3.1")
            seen = page.js(VIEW + "flat.nodes.length")
            page.key("Enter")
            self.assertLess(page.js(VIEW + "flat.nodes.length"), seen)
            page.key(" ")
            self.assertEqual(page.js(VIEW + "flat.nodes.length"), seen)
            page.key("]")
            self.assertEqual(page.js(VIEW + "flat.nodes.length"), page.js(VIEW + "model.rows.length"))
            page.key("[")
            self.assertLess(page.js(VIEW + "flat.nodes.length"), 15)
            for key in ("+", "-", "f", "0", "End", "Home", "PageDown", "PageUp"):
                before = page.js("[page.views[0].x, page.views[0].y, page.views[0].scale]")
                page.key(key)
                self.settled(page)
                if key not in ("0", "Home", "End"):
                    self.assertNotEqual(before, page.js("[page.views[0].x, page.views[0].y, page.views[0].scale]"), key)
            x = page.js(VIEW + "x")
            page.key("ArrowRight", shift=True)
            self.assertNotEqual(page.js(VIEW + "x"), x)
            for k, name in enumerate(["frozen", "evals", "never", "frontier", "shapes"]):
                was = page.js("page." + name)
                page.key(str(k + 1))
                self.assertNotEqual(page.js("page." + name), was)
            page.key("6")
            self.assertEqual(page.js("page.heat"), "macs")
            page.key("7")
            self.assertEqual(page.js("page.heat"), "params")
            dark = page.js("page.dark")
            page.key("t")
            self.assertNotEqual(page.js("page.dark"), dark)
            page.key("?")
            self.assertTrue(page.js("document.getElementById('keys').open"))
            page.key("Escape")
            page.until("!document.getElementById('keys').open")
            # Tab reaches every button that is seen, and the drawing.
            reached = set()
            for _ in range(60):
                page.key("Tab")
                reached.add(page.js("(e => e.id || e.dataset.do || e.dataset.switch || e.textContent)(document.activeElement)"))
            for name in page.js("[...document.querySelectorAll('header button, nav button')].filter(b => !b.hidden)"
                                ".map(b => b.dataset.do || b.dataset.switch)") + ["search", "canvas0"]:
                self.assertIn(name, reached)
            self.assertEqual(page.errors, [])

    def test_what_it_tells(self):
        with window() as page:
            self.opened(page, "m.html")
            text = page.js("document.getElementById('body').textContent")
            self.assertIn("spare", text)
            self.assertIn("backward stops: fc", text)
            page.js("page.views[0].show(%d)" % self.row(page, "conv1"))
            text = page.js("document.getElementById('body').textContent")
            for words in ("1×3×224×224", "1×64×112×112", "kernel_size{7, 7}", "118 M MACs", "9,408 parameters", "does not train"):
                self.assertIn(words, text)
            counts = page.js("page.views[0].model.tensors.find(t => t.n === 'conv1.weight').h")
            self.assertEqual(sum(counts), 9408)
            self.assertEqual(page.js("document.querySelectorAll('.histogram').length"), 1)

    def test_two_models(self):
        with window(1600, 900) as page:
            self.opened(page, "both.html")
            kinds = {c: page.js("page.changes.filter(c => c.is === '%s').map(c => page.views[c.view].model.rows[c.row].p)" % c)
                     for c in ("removed", "added", "changed", "moved")}
            self.assertEqual(kinds["removed"], [])
            self.assertEqual(kinds["added"], ["layer1_after"])
            self.assertEqual(kinds["changed"], [page.js("page.views[0].model.rows.filter(r => r.c === 'Linear')[0].p")])
            self.assertEqual(kinds["moved"], ["layer2.1.conv1"])
            page.js("page.goTo(page.views[0], 'r%d')" % self.row(page, "layer2.1.conv1"))
            self.settled(page)
            self.assertEqual(page.js("page.views[1].selected"), "r%d" % self.row(page, "layer2.1.conv1", 1))
            self.assertIn("max |Δ|", page.js("document.getElementById('body').textContent"))
            page.js(VIEW + "canvas.focus()")
            was = page.js("page.views[1].y")
            page.key("ArrowDown", shift=True)
            self.assertNotEqual(page.js("page.views[1].y"), was)
            page.key("8")
            was = page.js("page.views[1].y")
            page.key("ArrowDown", shift=True)
            self.assertEqual(page.js("page.views[1].y"), was)
            self.assertEqual(page.errors, [])

    def test_only_what_is_in_sight_is_drawn(self):
        with window() as page:
            self.opened(page, "e.html")
            page.key("]")
            page.js("page.views[0].moveTo(0, -3000, 1, true)")
            rows = page.js(VIEW + "model.rows.length")
            self.assertLess(page.js(VIEW + "drawn"), rows / 5)
            lines = page.js(VIEW + "flat.lines.length")
            self.assertLess(page.js(VIEW + "drawnLines"), lines / 5)

    def test_lines_end_where_things_are(self):
        with window() as page:
            for name in ("m.html", "e.html", "both.html"):
                self.opened(page, name)
                page.key("]")
                bad = page.js("""page.views[0].flat.lines.filter(l => {
                  const key = l.kid && (l.kid.row !== undefined ? 'r' + l.kid.row : 'g' + l.kid.group), n = page.views[0].at.get(key);
                  return n && (l.x2 < n.x - 1 || l.x2 > n.x + n.w + 1 || Math.abs(l.y2 - n.y) > 1);
                }).length""")
                self.assertEqual(bad, 0, name)
                over = page.js("""(() => { const ns = page.views[0].flat.nodes; let bad = 0;
                  for (let i = 0; i < ns.length; i++) for (let k = i + 1; k < ns.length; k++) { const a = ns[i], b = ns[k];
                    if (a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h) bad++; } return bad; })()""")
                self.assertEqual(over, 0, name)


if __name__ == "__main__":
    tap.main()
