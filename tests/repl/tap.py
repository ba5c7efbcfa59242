"""unittest with TAP as its output: `tap.main()` at the end of a test file."""
import sys, unittest


class Tap(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.n = 0

    def report(self, ok, test, note="", skip=None):
        self.n += 1
        name = str(test.id()).replace("__main__.", "")
        print("%s %d - %s%s" % ("ok" if ok else "not ok", self.n, name, "" if skip is None else " # SKIP " + skip))
        for line in note.splitlines():
            print("# " + line)
        sys.stdout.flush()

    def addSuccess(self, test):
        self.report(True, test)

    def addFailure(self, test, err):
        self.report(False, test, self._exc_info_to_string(err, test))
        super().addFailure(test, err)

    addError = addFailure

    def addSkip(self, test, reason):
        self.report(True, test, skip=reason)


def main():
    names = sys.argv[1:] or None
    loader = unittest.defaultTestLoader
    suite = loader.loadTestsFromNames(names, sys.modules["__main__"]) if names else loader.loadTestsFromModule(sys.modules["__main__"])
    print("1..%d" % suite.countTestCases())
    result = Tap()
    suite.run(result)
    sys.exit(0 if not result.failures and not result.errors else 1)
