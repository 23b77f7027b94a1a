# SPDX-License-Identifier: GPL-2.0-or-later
"""Adds up what the test runners wrote: tally.py FOLDER.

Reads each *.xml (JUnit) in the folder; prints what failed and what was skipped
with its reason, then `N passed, N failed, N skipped`; status 1 if any failed
or none ran.
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


def main(folder):
    count = {"passed": 0, "failed": 0, "skipped": 0}
    for path in sorted(pathlib.Path(folder).glob("*.xml")):
        before = sum(count.values())
        for case in xml.parse(path).iter("testcase"):
            name, why = outcome(case)
            count[name] += 1
            if name != "passed":
                print(f"{name}: {path.stem}: {case.get('classname', '')} "
                      f"{case.get('name')}: {why}")
        if sum(count.values()) == before:
            print(f"failed: {path.stem}: no test ran")
            count["failed"] += 1
    print(", ".join(f"{n} {name}" for name, n in count.items()))
    return count["failed"] > 0 or count["passed"] == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
