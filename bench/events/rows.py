# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of events: which scene, how long, and what is asked of it.

Rows whose figures are seconds run side by side, each in a lab of its own: they
only wait.  Those that count milliseconds run alone, one after the other.
"""

import collections
import concurrent.futures
import sys
import time

from bench.events import scenes
from bench.events.scenes import DEBIAN, GUEST, OURS, Stage
from bench.rows import NOT_ABOVE, Figure
from lab import Internet, LabError

#: As in bench.rows; lab: arguments of Stage; alone: nothing else may run;
#: lasts: the longest it takes, seconds.
Row = collections.namedtuple(
    "Row", "name title measure options quick figures lab alone lasts runs "
    "contenders", defaults=({}, False, 60, (3, 1), (OURS, DEBIAN, GUEST)))

CONTENDERS = (OURS, DEBIAN, GUEST)
#: So many labs at a time.
SIDE_BY_SIDE = 20

NONE_LOST = ("most", "<=", 0)
ALWAYS = ("least", ">=", 1)


def within(seconds):
    """The goal that it takes no longer."""
    return ("value", "<=", seconds)


AFTER = "works again after"


def after(label, seconds, key="after", digits=2):
    """A time, with a goal."""
    return Figure(key, label, "s", digits, within(seconds))


def _moves(name, title, scene):
    yield Row(f"events-{name}", title, scene, {}, {}, (
        Figure("asked", "server asked after", "s", 2),
        after("new address after", .2, "address"),
        Figure("after", AFTER, "s", 2)), lasts=45)


def _servers():
    yield Row("events-server", "server gone for 60 s, client pings a native "
              "host", scenes.server_away, {"seconds": 60}, {}, (
                  Figure("lost", "pings lost, of 10/s", "", 0, NONE_LOST),
                  Figure("outage", "longest time without answer", "s", 1),
                  after("server heard again after", 2, "heard")), lasts=220)
    for how, who in ("in", "a native host pings"), ("both", "both ping"):
        yield Row(f"events-server-{how}", f"server gone for 60 s, {who}",
                  scenes.server_away,
                  {"seconds": 60, "how": how, "watched": 120}, {}, (
                      Figure("lost", "pings lost, of 10/s", "", 0, NONE_LOST),
                      Figure("outage", "longest time without answer", "s", 1),
                      Figure("after", "all works again, after its return",
                             "s", 2)), lasts=200)
    yield Row("events-server-oneway", "server gone for 60 s, a native host "
              "sends what is not answered", scenes.server_away_one_way,
              {"seconds": 60}, {}, (
                  Figure("lost", "packets lost, of 10/s", "", 0, NONE_LOST),
                  Figure("outage", "longest time without packet", "s", 1)),
              lasts=75)


def _cuts():
    for how, who in ("out", "the client"), ("in", "the native host"):
        yield Row(f"events-cut-{how}", "path between client and relay cut for "
                  f"60 s, {who} pings on", scenes.cut,
                  {"seconds": 60, "how": how, "watched": 100},
                  {"watched": 40}, (after(AFTER, 3),), lasts=180)


def _names():
    for mode, what in ("silent", "no answer"), ("fail", "an error"):
        yield Row(f"events-names-{mode}", f"names: {what} for the first 20 s",
                  scenes.no_names, {"mode": mode}, {},
                  (after("address after", 2),), {}, False, 130)


def _first_packets():
    for way, title, lab in (
            ("native", "to a native host", {}),
            ("peer", "client to client, restricted NATs",
             {"nat": "restricted"})):
        yield Row(f"events-first-{way}", f"first packet {title}, 40 ms "
                  "between any two hosts", scenes.first_packet, {"way": way},
                  {}, (Figure("rtt", "round trip", "ms", 1, NOT_ABOVE),),
                  lab, True, 3, (9, 3))


def delayed_start(stage, ms=.5):
    """A start with some delay on the way."""
    stage.net.delay(ms)
    return scenes.start(stage)


ROWS = (
    Row("events-start", "start to address, round trip 1 ms", delayed_start,
        {}, {}, (Figure("address", "address after", "ms", 1, NOT_ABOVE),
                 Figure("route", "route after", "ms", 1),
                 Figure("asked", "server asked after", "ms", 1)),
        {}, True, 3, (7, 3)),
    Row("events-rebind", "NAT changes the mapping, client pings",
        scenes.rebind, {}, {}, (
            Figure("address", "new address after", "s", 2),
            after(AFTER, 3)), lasts=45),
    *_moves("address", "own IPv4 address changes, client pings",
            scenes.readdress),
    *_moves("route", "own route changes, client pings", scenes.reroute),
    *_servers(),
    *_cuts(),
    Row("events-relay", "relay restarted, client pings", scenes.relay_restart,
        {}, {}, (after(AFTER, 3),), lasts=60),
    *_first_packets(),
    Row("events-late", "server up 10 s after the client", scenes.late_server,
        {}, {}, (after("address after", 2),), {"server": False}, False, 130),
    *_names(),
    Row("events-blocked", "UDP blocked for the first 20 s", scenes.blocked,
        {}, {}, (after("address after", 5),), {}, False, 130),
    Row("events-second", "first server dead, second one configured",
        scenes.second_server, {}, {}, (
            after("from the start to the address", 8, "at_start"),
            after("from the first question in vain to the address", 8,
                  "address"),
            Figure("lost", "pings lost, of 10/s", "", 0)),
        {}, False, 80, (3, 1), (OURS,)),
    Row("events-suspend", "suspended for 90 s, another NAT address",
        scenes.suspend, {}, {}, (after("new address after", .2, "address"),),
        {}, False, 130),
    Row("events-sighup", "SIGHUP, client pings", scenes.sighup, {}, {}, (
        Figure("lost", "pings lost, of 50/s", "", 0, NONE_LOST),
        Figure("same", "same address (1) or not (0)", "", 0, ALWAYS)),
        {}, True, 6, (3, 2)),
    Row("events-kill", "killed with -9 and started again, client pings",
        scenes.killed, {}, {}, (
            Figure("same", "same address (1) or not (0)", "", 0, ALWAYS),
            Figure("port", "same port (1) or not (0)", "", 0, ALWAYS),
            Figure("address", "address after", "s", 3),
            Figure("after", AFTER, "s", 3)), {}, True, 6, (3, 2)),
    Row("events-idle", "idle", scenes.idle, {}, {}, (
        Figure("own", "wakes up of itself", "/minute", 1,
               ("value", "<=", 3)),
        Figure("wakes", "wakes up, with the server's answers", "/minute", 1),
        Figure("resident", "memory, all its processes", "MiB", 1,
               ("most", "<=", 4)),
        Figure("share", "... shared pages shared out", "MiB", 1)),
        lasts=75),
)


def play(net, row, team, quick):
    """One measurement: the figures, or None."""
    options = {**row.options, **(row.quick if quick else {})}
    try:
        with net.tidy():
            seen = row.measure(Stage(net, team, **row.lab), **options)
    except (LabError, TimeoutError, OSError, ValueError) as problem:
        print(f"  {row.name}, {team.title}: no result: {problem}",
              file=sys.stderr)
        return {}
    return {key: value for key, value in seen.items() if key[0] != "_"}


def _play_apart(row, team, quick):
    with Internet() as net:
        return play(net, row, team, quick)


def run(rows, quick, runs, everything, note):
    """Measure all rows; fill everything[row][contender] with figures."""
    plan = [(row, team, n) for row in rows
            for n in range(min(runs or 99, row.runs[quick]))
            for team in row.contenders]
    for row, team, _ in plan:
        everything.setdefault(row.name, {}).setdefault(team.name, [])
    began = time.monotonic()
    alone = [job for job in plan if job[0].alone]
    alone.sort(key=lambda job: job[2])          # in turns
    if alone:
        with Internet() as net:
            for row, team, _ in alone:
                everything[row.name][team.name].append(
                    play(net, row, team, quick))
        note(f"events alone  {time.monotonic() - began:4.0f} s")
    others = [job for job in plan if not job[0].alone]
    others.sort(key=lambda job: -job[0].lasts)
    with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        found = list(pool.map(lambda job: _play_apart(job[0], job[1], quick),
                              others))
    for (row, team, _), result in zip(others, found):
        everything[row.name][team.name].append(result)
    note(f"events        {time.monotonic() - began:4.0f} s")
