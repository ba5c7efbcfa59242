"""unittest with TAP as its output: `tap.main()` at the end of a test file.

A test at a terminal depends on when a loaded machine lets each side run. One that fails is run once more; where it
passes then, its line says UNSTEADY and how it failed at first, and tests/run shows that. What fails twice has failed.
"""
import sys, unittest


class Tap(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.n = 0
        self.failed = 0

    def run_each(self, tests):
        for test in tests:
            if isinstance(test, unittest.TestSuite):
                self.run_each(test)
            else:
                first = self.once(test)
                why = first and self.once(type(test)(test._testMethodName))
                if first and not why:
                    self.told = "# UNSTEADY, passed when it ran again"
                self.failed += bool(why)
                self.report(not why, test, why or first)

    def report(self, ok, test, note=""):
        self.n += 1
        name = str(test.id()).replace("__main__.", "")
        print("%s %d - %s%s" % ("ok" if ok else "not ok", self.n, name, " " + self.told if self.told else ""))
        for line in note.splitlines():
            print("# " + line)
        sys.stdout.flush()

    def once(self, test):
        """Runs one test; why it failed, or nothing."""
        self.why, self.told = [], ""
        test.run(self)
        return "\n".join(self.why)

    def addFailure(self, test, err):
        self.why.append(self._exc_info_to_string(err, test))

    addError = addFailure

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.addFailure(subtest, err)

    def addSkip(self, test, reason):
        self.told = "# SKIP " + reason


def main():
    names = sys.argv[1:] or None
    loader = unittest.defaultTestLoader
    suite = loader.loadTestsFromNames(names, sys.modules["__main__"]) if names else loader.loadTestsFromModule(sys.modules["__main__"])
    print("1..%d" % suite.countTestCases())
    result = Tap()
    result.run_each(suite)
    sys.exit(0 if not result.failed else 1)
