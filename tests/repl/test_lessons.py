"""Lessons at a terminal: :lesson, :next, :back, :again, :hint, a question, going on between starts, Ctrl-C within."""
import os, unittest
import tap
from term import Home, Term, SOON, plain

LESSON = """# Small steps

Words in front.

## A name

Set `a` to 1.

```lua
a = 1
```

```lua check
return a == 1, "a is not 1"
```

> Hint: the first hint

> Hint: the second hint

Now there is an a.

## A question

Which is even?

- [ ] one
- [x] two

> Hint: halve it

Two is.

## A long line

```lua
while a == 1 do end
behind = 1
```

```lua check
return a == 7
```

## The end

Nothing to do.
"""


class Lessons(unittest.TestCase):
    def setUp(self):
        self.home = Home().__enter__()
        self.addCleanup(self.home.__exit__)
        self.path = os.path.join(self.home.path, "small.md")
        with open(self.path, "w") as f:
            f.write(LESSON)

    def term(self):
        t = Term(self.home, "-q")
        t.expect("> ")
        return t

    def leave(self, t):
        t.send("\x04")
        self.assertEqual(t.close(), 0)

    def enter(self, t):
        t.send("\r")
        return t.prompt()

    def test_the_list_and_a_slip(self):
        t = self.term()
        shown = t.line(":lesson")
        for name in ("lua", "skip", "transfer", "seeing"):
            self.assertRegex(shown, r"(?m)^ +\d+  " + name + " ")
        self.assertIn("did you mean transfer", t.line(":lesson trnsfer"))
        self.assertIn("no lesson is on", t.line(":next"))
        self.leave(t)

    def test_a_lesson_from_end_to_end(self):
        t = self.term()
        shown = t.line(":lesson small.md")
        for words in ("Small steps", "Words in front.", "small · 1 of 4 · A name", "> a = 1"):
            self.assertIn(words, shown)
        shown = t.line("a = 2")
        self.assertIn("Not yet: a is not 1", shown)
        self.assertIn("the first hint", shown)
        self.assertIn("the second hint", t.line("a = 3"))
        self.assertIn("Now there is an a.", t.line("a = 3 - 2"))
        self.assertIn("2 of 4 · A question", self.enter(t))
        self.assertIn("halve it", t.line("a"))
        self.assertIn("Two is.", t.line("b"))
        self.assertIn("A name", t.line(":back")) # tells the question's step before
        self.assertNotIn("Now there is an a.", t.line("other = 1")) # another line has not done it
        self.assertIn("Now there is an a.", t.line("a = 1"))
        t.line(":again")
        self.assertIn("2 of 4", t.line(":next"))
        self.assertIn("2 of 4", t.line(":again"))
        self.assertIn("3 of 4", t.line(":next"))
        self.assertIn("Not yet", t.line("a = 5"))
        shown = t.line("a = 7") + self.enter(t)
        self.assertIn("That was Small steps.", shown)
        self.assertIn("no lesson is on", t.line(":again"))
        self.leave(t)

    def test_one_goes_on_at_the_next_start(self):
        t = self.term()
        t.line(":lesson small.md")
        t.line("a = 1")
        self.assertIn("2 of 4", self.enter(t))
        self.leave(t)
        t = self.term()
        shown = t.line(":lesson small.md")
        self.assertIn("2 of 4", shown)
        self.assertIn("lines of step 1 run first", shown)
        self.assertEqual(t.line("rawget(_G, 'a')").split("\n")[0], "1")
        self.assertIn("goes on there", t.line(":lesson stop"))
        self.assertIn("1 of 4", t.line(":lesson small.md 1"))
        self.leave(t)

    def test_what_is_done_is_listed_so(self):
        t = self.term()
        t.line(":lesson lua")
        for _ in range(40):
            if "That was" in t.line(":next"):
                break
        shown = t.line(":lesson")
        self.assertRegex(shown, r"lua +done")
        t.line(":lesson convolution")
        self.assertRegex(t.line(":lesson"), r"convolution +begun")
        self.leave(t)

    def test_ctrl_c_leaves_the_lesson_where_it_is(self):
        t = self.term()
        t.line(":lesson small.md 2")
        t.line("b")
        self.assertIn("3 of 4", self.enter(t))
        t.send(":next\r")
        t.expect("> while a == 1 do end")
        t.pump(0.2)
        t.send("\x03")
        t.expect("interrupted", SOON)
        t.prompt(SOON)
        self.assertEqual(t.line("rawget(_G, 'behind')").split("\n")[0], "nil")
        self.assertIn("3 of 4", t.line(":again"))
        t.send("a = \x03")
        t.prompt(SOON)
        shown = t.line("a = 7")
        self.assertIn("✓", shown)
        self.leave(t)

    def test_tab_offers_the_lessons(self):
        t = self.term()
        t.send(":lesson tran\t")
        t.expect(":lesson transfer ")
        t.send("\x15:lesson sm\t")
        t.expect(":lesson small.md ")
        t.send("\x15\x04")
        self.assertEqual(t.close(), 0)


if __name__ == "__main__":
    tap.main()
