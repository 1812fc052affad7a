"""Runs modules of CPython's own test suite and writes, test by test, what became of them to outcomes.json.

The same file runs outside and as a snippet inside. Arguments: modules, and `-m=PATTERN` for a part of one.
"""
import json
import os
import sys
import xml.etree.ElementTree as ElementTree

OUT = os.environ["OUTPUT_DIR"]
# What needs a network, gigabytes, a screen or a sound card says nothing about a sandbox.
RESOURCES = "all,-network,-urlfetch,-largefile,-gui,-audio"


def run(arguments):
    from test.libregrtest import main
    from test.support.testresult import RegressionTestResult

    failed_parts = {}
    add_part = RegressionTestResult.addSubTest

    # The report of a test whose parts failed has no name.
    def keep_part(self, test, part, error):
        add_part(self, test, part, error)
        if error is not None:
            failed_parts.setdefault(test.id(), f"{part}: {error[1]!r}")

    RegressionTestResult.addSubTest = keep_part
    patterns = [part for argument in arguments if argument.startswith("-m=") for part in ("-m", argument[3:])]
    modules = [argument for argument in arguments if not argument.startswith("-m=")]
    report = os.path.join(OUT, "report.xml")
    sys.argv[1:] = ["-u", RESOURCES, "--junit-xml", report, *patterns, *modules]
    try:
        main()
    except SystemExit:
        # Its status says that tests failed, which the report says better.
        pass
    tests, details = {}, {}
    for case in ElementTree.parse(report).iter("testcase"):
        name = case.get("name")
        if name is None:
            continue
        outcome = "passed"
        for kind in ("skipped", "failure", "error"):
            found = case.find(kind)
            if found is not None:
                outcome = {"failure": "failed", "error": "failed"}.get(kind, kind)
                detail = (found.text or found.get("message") or "").strip()
                details[name] = detail[-2000:]
        tests[name] = outcome
    for name, detail in failed_parts.items():
        tests[name] = "failed"
        details[name] = detail[-2000:]
    with open(os.path.join(OUT, "outcomes.json"), "w") as file:
        json.dump({"tests": tests, "details": details}, file)
    os.remove(report)


if __name__ == "__main__":
    run(sys.argv[1:])
