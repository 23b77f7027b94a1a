# SPDX-License-Identifier: GPL-2.0-or-later
"""From measurements to a table: medians, spans, ratios, goals."""

import collections
import statistics

Cell = collections.namedtuple("Cell", "median low high")
Line = collections.namedtuple("Line", "figure cells ratio met goal")

#: What a goal says, in words.
WORDS = {">=": "at least", "<=": "at most"}


def number(value, digits):
    """A number for people."""
    if value is None or isinstance(value, str):
        return value or "-"
    return f"{value:,.{digits}f}"


def cell(values):
    """Median and span of what was measured; None if nothing was."""
    values = [value for value in values if value is not None]
    if not values:
        return None
    if isinstance(values[0], str):
        return Cell(*[statistics.mode(values)] * 3)
    return Cell(statistics.median(values), min(values), max(values))


def ratio(results, key, other):
    """Median of ours to the other's, round by round."""
    pairs = zip(results.get("ours", ()), results.get(other, ()))
    shares = [ours[key] / theirs[key] for ours, theirs in pairs
              if ours.get(key) is not None and theirs.get(key)]
    return statistics.median(shares) if shares else None


def judge(goal, cells, share):
    """(met or not or None, the goal in words)."""
    if goal is None or cells.get("ours") is None:
        return None, ""
    kind, *_, relation, limit = goal
    ours = cells["ours"]
    value = {"ratio": share, "value": ours.median, "most": ours.high,
             "least": ours.low}[kind]
    words = f"{WORDS[relation]} {limit:g}"
    if kind == "ratio":
        words = f"{words} x {'1.2.6' if goal[1] == 'debian' else goal[1]}"
    elif kind in ("most", "least"):
        words += " each time"
    if value is None:
        return None, words
    value = round(value, 2)     # as it is shown
    return (value >= limit if relation == ">=" else value <= limit), words


def lines(row, results):
    """One Line for each figure of a row."""
    for figure in row.figures:
        cells = {name: cell([run.get(figure.key) for run in runs])
                 for name, runs in results.items()}
        share = None if figure.unit is None \
            else ratio(results, figure.key, "debian")
        met, goal = judge(figure.goal, cells, share)
        yield Line(figure, cells, share, met, goal)


def show(got, digits):
    """A cell as text."""
    if got is None:
        return "-"
    if got.low == got.high:
        return number(got.median, digits)
    return (f"{number(got.median, digits)} ({number(got.low, digits)}"
            f"-{number(got.high, digits)})")


def verdict(line):
    """The last column."""
    if not line.goal:
        return ""
    mark = {True: "met", False: "MISSED", None: "not measured"}[line.met]
    return f"{mark}: {line.goal}"


def table(rows, everything, contenders):
    """The result as lists of cells of text, with a heading for each row."""
    yield ["", *(c.title for c in contenders), "ratio to 1.2.6", "goal"]
    for row in rows:
        results = everything.get(row.name)
        if not results:
            continue
        runs = max(len(runs) for runs in results.values())
        yield [f"{row.title} ({runs} run{'s' * (runs != 1)})"]
        for line in lines(row, results):
            unit = f", {line.figure.unit}" if line.figure.unit else ""
            yield [line.figure.label + unit,
                   *(show(line.cells.get(c.name), line.figure.digits)
                     for c in contenders),
                   number(line.ratio, 2), verdict(line)]


def as_text(rows, everything, contenders):
    """For a terminal."""
    content = list(table(rows, everything, contenders))
    widths = [max(len(line[i]) for line in content if len(line) > 1)
              for i in range(len(content[0]))]
    out = []
    for line in content:
        if len(line) == 1:
            out.append("\n" + line[0])
            continue
        first, *middle, last = (text.ljust(width) if i in (0, len(line) - 1)
                                else text.rjust(width) for i, (text, width)
                                in enumerate(zip(line, widths)))
        out.append("  ".join(["  " + first, *middle, last]).rstrip())
    return "\n".join(out)


def as_markdown(rows, everything, contenders):
    """For doc/performance.md."""
    content = list(table(rows, everything, contenders))
    head = content[0]
    out = ["| " + " | ".join(head) + " |",
           "|---" + "|---:" * (len(head) - 2) + "|---|"]
    for line in content[1:]:
        if len(line) == 1:
            line = [f"**{line[0]}**"] + [""] * (len(head) - 1)
        out.append("| " + " | ".join(line) + " |")
    return "\n".join(out)


def missed(rows, everything):
    """Sentences on the goals that were missed."""
    for row in rows:
        for line in lines(row, everything.get(row.name) or {}):
            if line.met is False:
                ours = show(line.cells["ours"], line.figure.digits)
                share = ""
                if line.figure.goal[0] == "ratio":
                    share = f", {number(line.ratio, 2)} x 1.2.6"
                yield (f"{row.title}: {line.figure.label} is {ours} "
                       f"{line.figure.unit}{share}; goal: {line.goal}")
