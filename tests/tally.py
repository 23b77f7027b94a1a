# SPDX-License-Identifier: GPL-2.0-or-later
"""Adds up what the test runners wrote: tally.py FOLDER.

For each suite that was run the folder has SUITE.status, the runner's exit
status, and SUITE.xml (JUnit).  Prints what failed and what was skipped with its
reason, then `N passed, N failed, N skipped`; status 1 if any failed or none
passed.  A runner that failed without naming a test counts as a failed test:
it may have crashed, and JUnit has no word for a test that took too long.
"""

import pathlib
import sys
import xml.etree.ElementTree as xml


def outcome(case):
    for kind, name in (("failure", "failed"), ("error", "failed"),
                       ("skipped", "skipped")):
        found = case.find(kind)
        if found is not None:
            lines = (found.get("message") or found.text or "").splitlines()
            return name, lines[0] if lines else ""
    return "passed", ""


def outcomes(path):
    """(outcome, why, name) of each test; nothing if there is no report."""
    try:
        cases = list(xml.parse(path).iter("testcase"))
    except (OSError, xml.ParseError) as problem:
        print(f"{path.name}: {problem}")
        return
    for case in cases:
        yield (*outcome(case),
               f"{case.get('classname', '')} {case.get('name')}")


def count_suite(status, count):
    suite = status.stem
    found = list(outcomes(status.with_suffix(".xml")))
    for result, why, name in found:
        count[result] += 1
        if result != "passed":
            print(f"{result}: {suite}: {name}: {why}")
    failed = any(result == "failed" for result, _, _ in found)
    if not found:
        print(f"failed: {suite}: no test ran")
        count["failed"] += 1
    elif status.read_text().strip() != "0" and not failed:
        print(f"failed: {suite}: the runner failed, see above")
        count["failed"] += 1


def main(folder):
    count = {"passed": 0, "failed": 0, "skipped": 0}
    for status in sorted(pathlib.Path(folder).glob("*.status")):
        count_suite(status, count)
    print(", ".join(f"{n} {name}" for name, n in count.items()))
    return count["failed"] > 0 or count["passed"] == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
