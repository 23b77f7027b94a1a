# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks doc/conformance.md and doc/attacks.md against the tree.

Prints each problem.

Each of S1-S43, R1-R33, C1-C85, X1-X20 and Z1-Z42 has one row. A row that does
not say that it is for later names a place and a test, and both exist. Each id
that a comment, a description or the name of a test uses is explained there.
Attacks are 1 to 25, and each is answered by a place and a test, but for those
that do not concern us.
"""

import ast
import io
import pathlib
import re
import sys
import tokenize

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROWS = {"S": 43, "R": 33, "C": 85, "X": 76, "Z": 42}
#: Of RFC 6081: UP's rules for bubbles, and HP.
LEFT_OUT = {f"X{n}" for n in (*range(27, 32), *range(62, 71))}
ATTACKS = 25
NOT_OURS = (21, 22)
PARTS = ("*.md", "src/**/*", "tests/**/*", "fuzz/*", "lab/*", "bench/*", "doc/*")
LATER = ("extensions, later issue", "no test yet")
TEST = re.compile(r"`((?:unit|net|sim|platform)/[\w./-]+)::(\w+)`")
PLACE = re.compile(r"`(\w+\.[ch]): (\w+)`")
ID = re.compile(r"\b([SRZACX])([1-9]\d?)\b")
RANGE = re.compile(r"\b([CX])1-[CX](\d+)\b")
DECISION = re.compile(r"^- \*\*A(\d+)\*\* ", re.M)
IN_NAME = re.compile(r"(?:^|_)([srzacx])([1-9]\d?)(?=_)")


def rows(text):
    """(id, whole line) of each row of a table."""
    return re.findall(r"^(?=\| ([SRCXZ]\d+) \|)(.*)$", text, re.M)


def defines(path, name):
    """Is this function in this file (and run, if it is a unit test)?"""
    if not path.is_file():
        return False
    text = path.read_text()
    if path.suffix == ".py":
        return re.search(rf"^def {name}\(", text, re.M) is not None \
            and (path.parent.name != "net" or name.startswith("test_"))
    return re.search(rf"^[\w *]*\b{name}\(", text, re.M) is not None \
        and (path.parent.name != "unit"
             or re.search(rf"^\s+\w+\(\s*{name}\b[^;]*[,)]", text, re.M)
             is not None)


def check_names(number, line):
    """What a row names is there, and it names something."""
    if not TEST.search(line):
        yield f"{number} names no test"
    for file, name in TEST.findall(line):
        if not defines(ROOT / "tests" / file, name):
            yield f"{number}: there is no test {file}::{name}"
    if not PLACE.search(line):
        yield f"{number} names no place"
    for file, name in PLACE.findall(line):
        if not any(defines(ROOT / "src" / part / file, name)
                   for part in ("core", "sys")):
            yield f"{number}: there is no {name} in {file}"


def check_row(number, line):
    cells = [cell.strip() for cell in line.strip("| ").split(" | ")]
    if line.rstrip("| ").endswith(LATER) and not TEST.search(line):
        return
    yield from check_names(number, line)
    if len(cells) < 4 or not cells[1]:
        yield f"{number} does not say what is asked for"


def check_rows(text):
    seen = [number for number, _ in rows(text)]
    for letter, last in ROWS.items():
        for n in range(1, last + 1):
            if seen.count(f"{letter}{n}") != (f"{letter}{n}" not in LEFT_OUT):
                yield (f"{letter}{n} has {seen.count(f'{letter}{n}')} rows")
    for number, line in rows(text):
        if int(number[1:]) > ROWS[number[0]]:
            yield f"there is no {number}"
        yield from check_row(number, line)
    for file, name in TEST.findall(text):
        if not defines(ROOT / "tests" / file, name):
            yield f"there is no test {file}::{name}"


def check_attacks(text):
    found = re.findall(r"^(?=\| (\d+) \|)(.*)$", text, re.M)
    if [int(number) for number, _ in found] != [*range(1, ATTACKS + 1)]:
        yield f"doc/attacks.md has not rows 1 to {ATTACKS}, in order"
    for number, line in found:
        if int(number) not in NOT_OURS:
            yield from check_names(f"attack {number}", line)


def known_ids(text):
    known = {number for number, _ in rows(text)}
    known |= {f"A{n}" for n in DECISION.findall(text)}
    for letter, last in RANGE.findall(text):
        known |= {f"{letter}{n}" for n in range(1, int(last) + 1)}
    return known


def comments_of_c(text):
    return re.findall(r"/\*.*?\*/|//[^\n]*", text, re.S)


def comments_of_python(text):
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            yield ast.get_docstring(node) or ""


def ids_used(path):
    text = path.read_text()
    if path.suffix == ".py":
        comments = comments_of_python(text)
    elif path.suffix in (".c", ".h"):
        comments = comments_of_c(text)
    else:
        comments = [text]
    for comment in comments:
        yield from (a + b for a, b in ID.findall(comment))
    if path.suffix == ".c" and path.parent.name == "unit":
        for name in re.findall(r"^static void (\w+)\(void \*\*", text, re.M):
            yield from (a.upper() + b for a, b in IN_NAME.findall(name))


def check_ids(text):
    known = known_ids(text)
    listed = (str(path.relative_to(ROOT)) for part in PARTS
              for path in sorted(ROOT.glob(part))
              if path.suffix in (".c", ".h", ".py", ".md"))
    for name in listed:
        path = ROOT / name
        if name.startswith("tests/conformance"):
            continue
        for number in sorted(set(ids_used(path)) - known):
            yield f"{name}: {number} is not in doc/conformance.md"


def main():
    text = (ROOT / "doc" / "conformance.md").read_text()
    attacks = (ROOT / "doc" / "attacks.md").read_text()
    problems = list(dict.fromkeys([*check_rows(text), *check_attacks(attacks),
                                   *check_ids(text)]))
    for problem in problems:
        print(problem)
    if not problems:
        print(f"{len(rows(text))} rows, {len(set(TEST.findall(text)))} tests "
              "named")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
