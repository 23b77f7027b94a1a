# SPDX-License-Identifier: GPL-2.0-or-later
"""What a soak has found: figures, what is wrong with them, tables."""

import collections
import statistics

from bench.soaking.slopes import HOUR, slope

#: What may not grow, and by how much it must have grown, on the line through
#: all samples of a daemon, to be called a leak.  Memory: each thread of each
#: process may touch a page or two of its stack, or of the C library's data,
#: late for the first time.
#: A packet process that follows a killed one begins anew, and would hide a
#: leak: so memory is that of the time before; "others" is the memory of the
#: other processes since.
FLOORS = {"memory": 64, "others": 64, "descriptors": 1, "threads": 1}


def series(stage, script, host, what):
    """Samples of a daemon."""
    begin, killing, end = script.parts
    if what == "memory":
        return stage.watch.series(host.name, what, begin, killing)
    if what == "others":
        return stage.watch.series(host.name, "memory", killing, end, True)
    return stage.watch.series(host.name, what, begin, end)


def grown(stage, script):
    """{daemon: {what: (values at begin and end, Slope or None)}}."""
    found = {}
    for host in stage.daemons:
        found[host.name] = {}
        for what, floor in FLOORS.items():
            seen = series(stage, script, host, what)
            found[host.name][what] = (
                [statistics.median(value for _, value in part)
                 for part in (seen[:9], seen[-9:]) if part],
                slope(seen, floor))
    return found


def blame(moment, events):
    """What was going on at a moment."""
    return next((event.name for event in events
                 if event.begin <= moment <= event.end), "pause")


def flows(stage, events):
    """What became of the packets, flow by flow."""
    found = []
    for flow in stage.flows:
        lost = flow.lost()
        found.append({
            "flow": flow.title, "established": flow in stage.established,
            "sent": flow.sent, "lost": len(lost), "again": flow.again,
            "late": flow.late, "wrong": flow.wrong,
            "lost during": collections.Counter(
                blame(moment, events) for moment in lost)})
    return found


def wrong(found):
    """Sentences: why this run has failed."""
    if found["problem"]:
        yield f"it did not come to its end: {found['problem']}"
    for daemon, of in found["slopes"].items():
        for what, (_, line) in of.items():
            if not found["judged"][what]:
                continue
            if line is None and not found["problem"]:
                yield f"{what} of {daemon}: too few samples"
            elif line and line.grows:
                yield f"{what} of {daemon} grow: {line.hourly:.1f} an hour"
    for flow in found["flows"]:
        for what in "lost", "again", "wrong":
            if flow["established"] and flow[what]:
                yield f"{flow['flow']}: {flow[what]} packets {what}"
    if found["stray"]:
        yield f"{found['stray']} lines logged because of strangers"


def table(head, *lines):
    """As text that is Markdown, too; all but the first column are numbers."""
    lines = [[str(cell) for cell in line] for line in (head, *lines)]
    widths = [max(len(line[at]) for line in lines)
              for at in range(len(head))]
    lines.insert(1, ["-" * widths[0]] + [
        "-" * (width - 1) + ":" for width in widths[1:]])
    return "\n".join("| " + " | ".join(
        cell.rjust(width) if at else cell.ljust(width)
        for at, (cell, width) in enumerate(zip(line, widths))) + " |"
        for line in lines) + "\n"


def from_to(values):
    """A value, or two if they are not the same."""
    return " > ".join(dict.fromkeys(f"{value:,.0f}" for value in values))


def shown(line):
    """A Slope as text."""
    if line is None:
        return "-"
    if line.step:
        return f"{line.step:+,.0f} once"
    return f"{line.hourly + 0:,.1f} ± {line.error:,.1f}"


def tables(found):
    """All of it, to be read."""
    yield "What the daemons use, all processes of each:\n"
    yield table(
        ("daemon", "KiB", "KiB/hour", "of others", "KiB/hour",
         "descriptors", "an hour", "threads", "an hour"),
        *([daemon] + [text for what in FLOORS for text in (
            from_to(of[what][0]), shown(of[what][1]))]
          for daemon, of in found["slopes"].items()))
    clean, hours = (max(seconds, 1) / HOUR for seconds in (
        found["seconds"][0], sum(found["seconds"])))
    yield "A run of this length finds leaks of " \
        f"{FLOORS['memory'] / clean:,.1f} KiB or " \
        f"{FLOORS['descriptors'] / hours:,.1f} descriptors an hour.\n"
    yield "Numbered packets:\n"
    yield table(
        ("flow", "sent", "lost", "twice", "out of order", "damaged"),
        *((flow["flow"] + ", the mover" * (not flow["established"]),
           f"{flow['sent']:,}",
           f"{flow['lost']:,}" + "".join(
               f" ({name})" for name in flow["lost during"]),
           flow["again"], flow["late"], flow["wrong"])
          for flow in found["flows"]))
    yield "Trouble:\n"
    kinds = collections.defaultdict(list)
    for event in found["events"]:
        kinds[event.name].append(event)
    yield table(
        ("kind", "times", "seconds", "lines logged", "the last time"),
        *((name, len(of), f"{sum(e.end - e.begin for e in of):,.0f}",
           sum(e.lines for e in of), of[-1].said)
          for name, of in sorted(kinds.items())))
