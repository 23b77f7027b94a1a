# SPDX-License-Identifier: GPL-2.0-or-later
"""What is measured: functions, and the table of rows that name them.

The functions for traffic are in flows.py, those of events in events/.

A function measures one contender once: it gets the plant, the contender and
the options of its row, and returns numbers by name.  A row says which of them
are shown, and how.  `runs` are the full and the quick number of runs; rows
that take minutes and do not scatter have fewer.  A figure with a goal says what
it is compared with:

    ("ratio", "debian", ">=", 1)    median of the ratios, round by round
    ("value", "<=", 96)             our median
    ("most", "<=", 96)              our highest value
    ("least", ">=", 100)            our lowest value

Unit None is for words.  `finish` is called with the results of a row, by
contender, and may add figures that are known only then.
"""

import collections
import itertools
import json
import shutil

from bench import asking
from bench.flows import (MEET, added, costs, crowd, flow, latency, ramp,
                         spray, tcp)
from bench.plant import (FAKE_SERVER, FAR, Debian, Ours, Plain, Vxlan, Window,
                         memory)
from lab import wait_for

Figure = collections.namedtuple("Figure", "key label unit digits goal",
                                defaults=(None,))
Row = collections.namedtuple(
    "Row", "name title measure contenders options quick figures runs finish",
    defaults=((5, 2), None))

MEGA = 1 << 20
BOTH = (Ours, Debian)
ALL = (Ours, Debian, Plain, Vxlan)


# -- server ------------------------------------------------------------


#: Advertisements, behind authentication and origin; bubbles, behind origin.
ANSWERS = {"solicitations": "@th,552,8 134", "bubbles": "udp length 56"}


def ask(plant, contender, what, sources, seconds):
    """Solicitations, or bubbles to forward, put straight on its cable."""
    net = plant.net
    contender.server(net, contender.unlimited)
    window = Window(seconds)
    mac = json.loads(net.server.run(["ip", "-json", "link", "show", "eth0"])
                     .stdout)[0]["address"]
    with plant.answers(ANSWERS[what]) as seen:
        asking = plant.gen(net.core, "cable", **window.options, mac=mac,
                           device="server", server=net.server.ip4,
                           peers=sources, bubbles=int(what == "bubbles"))
        load = window.load(net.server, counter=seen)
        asked = plant.result(asking)["offered"]
    return {"offered": asked / seconds, "answered": load.counted / seconds,
            **costs(load, load.counted)}


def many_sources(plant, contender, sources, rate):
    """One solicitation from each of many addresses; the server's memory."""
    net = plant.net
    contender.server(net)
    first = 100000
    window = Window(0.5, 0.2)
    plant.result(plant.gen(net.tester, "solicit", **window.options,
                           server=net.server.ip4, peers=first, count=first))
    before = memory(net.server)
    window = Window(sources / rate * 3 + 1, 0.2)
    found = plant.result(plant.gen(
        net.tester, "solicit", **window.options, server=net.server.ip4,
        first=first, peers=sources, count=sources, rate=rate))
    after = memory(net.server)
    return {"sent": found["sent"], "answered": found["received"],
            "rss": after["rss"] / 1024,
            "grown": after["own"] - before["own"],
            "grown_rss": after["rss"] - before["rss"]}


# -- relay, many peers -------------------------------------------------


def fill(plant, contender, proven, silent, rate):
    """Memory of a relay that has met a million clients."""
    net = plant.net
    contender.relay(net, contender.fill)
    before, found, met = memory(net.relay), {}, 0
    if proven:
        window = Window(proven / rate * 1.2 + 1, 0.3)
        clients = plant.gen(net.tester, "clients", **window.options,
                            answer=1)
        plant.result(spray(plant, window, proven, rate, flags=1))
        met = plant.result(clients)["received"]
    half = memory(net.relay)
    if silent:
        window = Window(silent / 50000 * 1.5 + 1, 0.2)
        plant.result(spray(plant, window, silent, 50000, first=proven))
    after = memory(net.relay)
    found.update(start=before["rss"] / 1024, proven=met,
                 full=max(half["rss"], after["rss"]) / 1024,
                 peak=after["peak"] / 1024,
                 grown=after["own"] - before["own"])
    return found


def flood(plant, contender, count, rate, before, after, **how):
    """New destinations by the million: what others notice."""
    net = plant.net
    contender.relay(net)
    contender.server(net)
    seconds = count / rate
    window = Window(seconds, before + 0.3)
    common = {**window.options, "native": net.v6.ip6}
    clients = plant.gen(net.tester, "clients", **common, answer=0)
    pinging = plant.gen(net.tester, "ping", **common, first=11000000,
                        server=net.server.ip4, rate=50, every=0.5,
                        rate2=after)
    window.sleep(window.start)
    spraying = spray(plant, window, count, rate, **how)
    load = window.load(net.relay)
    sprayed = plant.result(spraying)
    seen, ping = plant.result(clients), plant.result(pinging)

    def share(which):
        return 100 * ping[which]["in_a_second"] / max(ping[which]["sent"], 1)

    quiet, loud = ping["ping_before"], ping["ping"]
    return {
        "rate": sprayed["offered"] / seconds,
        "bubbles": seen["window_bubbles"] / seconds,
        "lost": loud["sent"] - loud["back"],
        "lost_percent": 100 * (1 - loud["back"] / max(loud["sent"], 1)),
        "rtt": loud.get("median", 0), "p99": loud.get("p99", 0),
        "added": max(0, loud.get("p99", 1e3) - quiet.get("p99", 0)),
        "new": share("new"), "new_after": share("new_after"),
        "new_before": share("new_before"),
        "new_median": ping["new"].get("median"),
        "new_max": ping["new"].get("max"),
        "busy": load.cpu * 100 / seconds,
        "rss": memory(net.relay)["rss"] / 1024}


def lookups(plant, _, peers):
    """Look-ups in the relay's table, of addresses an attacker chose."""
    return plant.result(plant.gen(plant.net.tester, "lookup", peers=peers))


# -- start -------------------------------------------------------------


def start(plant, contender, role):
    """From exec to the first answer; asked every millisecond."""
    net = plant.net
    window = Window(1.5, 0)
    if role == "server":
        host, argv = net.server, contender.server_argv
        contender.server(net)     # writes the configuration
        host.stop_all()
        window = Window(1.2, 0)
        seen = plant.gen(net.tester, "solicit", **window.options,
                         server=net.server.ip4, rate=1000, peers=100000)
    else:
        host, argv = net.relay, contender.relay_argv
        contender.relay(net)
        host.stop_all()
        window = Window(1.2, 0)
        seen = plant.gen(net.tester, "clients", **window.options, answer=0)
        plant.gen(net.v6, "native", **window.options, send=1, rate=1000,
                  server=FAKE_SERVER, peers=100000)
    window.sleep(window.start + 0.3)
    daemon = host.popen([plant.generator, "exec", *argv])
    found = plant.result(seen)
    began = json.loads(wait_for(lambda: daemon.out, "the start")
                       .splitlines()[0])["exec"]
    daemon.stop()
    first = found["first" if role == "server" else "first_bubble"]
    return {"ready": (first - began) * 1000 if first else None}


def idle(plant, contender):
    """Memory of a relay with the smallest table there is."""
    contender.relay(plant.net, contender.small)
    rss = memory(plant.net.relay)["rss"] / 1024
    return {"rss": rss, "beside": rss - contender.small_table / MEGA}


# -- the table ---------------------------------------------------------

NOT_BELOW = ("ratio", "debian", ">=", 1)
NOT_ABOVE = ("ratio", "debian", "<=", 1)

MACHINE = Figure("machine", "busy machine each", "us", 2)
BOUND = Figure("bound", "fully busy", None, 0)


def _small(rate, cost):
    """Figures of small packets, with goals for rate and cost."""
    return (Figure("delivered", "delivered", "packets/s", 0,
                   ("ratio", "debian", ">=", rate)),
            Figure("cpu", "processor time of the daemon each", "us", 2,
                   ("ratio", "debian", "<=", cost)),
            MACHINE, Figure("offered", "offered", "packets/s", 0), BOUND)


SINGLE, TRAINS = _small(1, 1), _small(2.5, 0.33)
CROWD = (Figure("more", "100,000 against 1, processor time each", "x", 2,
                ("value", "<=", 1.3)),
         *(Figure(f"{key}_{peers}", f"{label}, {words}", unit, digits)
           for peers, words in ((1, "one"), (64, "64"), (100000, "100,000"))
           for key, label, unit, digits in (
               ("cpu", "processor time each", "us", 2),
               ("delivered", "delivered", "packets/s", 0))))
CLEAN = (Figure("clean", "with at most 1 % lost", "packets/s", 0, NOT_BELOW),)
LATENCY = tuple(
    figure for key, words in (("light", "alone"), ("heavy", "beside others"))
    for figure in (
        Figure(f"{key}_added", f"{words}, added to plain, median", "us", 0,
               NOT_ABOVE if key == "light" else None),
        Figure(f"{key}_99_added", f"{words}, added to plain, p99", "us", 0),
        Figure(key, f"{words}, median", "ms", 3),
        Figure(f"{key}_99", f"{words}, p99", "ms", 3),
        Figure(f"{key}_lost", f"{words}, lost", "", 0)))
SERVER = (Figure("answered", "answered", "/s", 0,
                 ("ratio", "debian", ">=", 2.5)),
          Figure("cpu", "processor time of the daemon each", "us", 2,
                 NOT_ABOVE),
          MACHINE, Figure("offered", "asked", "/s", 0), BOUND)
FILL = (Figure("start", "memory after the start", "MiB", 1),
        Figure("full", "memory with the table full", "MiB", 1,
               ("most", "<=", 96)),
        Figure("grown", "own memory grown by", "kB", 0, ("most", "<=", 0)))
FLOOD = (Figure("rate", "new destinations", "/s", 0),
         Figure("lost", "pings lost, of 50/s", "", 0, ("most", "<=", 0)),
         Figure("rtt", "ping, median", "ms", 2),
         Figure("added", "ping, p99 added", "ms", 2, ("value", "<=", 5)),
         Figure("new", "new clients in within 1 s", "%", 0,
                ("least", ">=", 100)),
         Figure("new_median", "... after, median", "ms", 1),
         Figure("new_max", "... after, longest", "ms", 1),
         Figure("new_after", "new clients, after the flood", "%", 0,
                ("least", ">=", 100)),
         Figure("bubbles", "bubbles sent", "/s", 0),
         Figure("busy", "processor of the relay", "%", 0),
         Figure("rss", "memory of the relay", "MiB", 1))
TCP = (Figure("rate", "received", "Mbit/s", 0, ("ratio", "debian", ">=", 4)),
       Figure("cpu", "processor time of the daemon", "ns/KiB", 0),
       Figure("machine", "busy machine", "ns/KiB", 0),
       Figure("again", "segments sent again", "", 0), BOUND)

WAYS = {"up": "client to native", "down": "native to client"}
#: Datagrams in a train.
TRAIN = 32

SHORT = {"seconds": 1.5}
TRAINS_WORDS = f"trains of {TRAIN} datagrams"
RAMP = {"seconds": 4.8, "steps": 32}

#: What is measured each way: name, title, function, figures, contenders,
#: options, quick options, runs.
FLOWS = (
    ("train", TRAINS_WORDS, flow, TRAINS, ALL,
     {"seconds": 2.5, "train": TRAIN}, SHORT, (5, 2)),
    ("single", "single datagrams", flow, SINGLE, ALL, {"seconds": 2.5}, SHORT,
     (5, 2)),
    ("wire", "single datagrams, links without offloads", flow, SINGLE,
     (Ours, Debian, Plain), {"seconds": 2.5, "cards": False}, SHORT, (3, 1)),
    ("crowd-train", f"1, 64 and 100,000 clients, {TRAINS_WORDS}", crowd,
     CROWD, BOTH, {**SHORT, "train": TRAIN}, {}, (5, 1)),
    ("crowd-single", "1, 64 and 100,000 clients, single datagrams", crowd,
     CROWD, BOTH, SHORT, {}, (3, 1)),
    ("clean-train", f"{TRAINS_WORDS}, without loss", ramp, CLEAN, ALL,
     {**RAMP, "low": 60000, "high": 3000000, "train": TRAIN}, {},
     (3, 1)),
    ("clean-single", "single datagrams, without loss", ramp, CLEAN, ALL,
     {**RAMP, "low": 30000, "high": 400000}, {}, (3, 1)),
)


def _flows():
    for (name, title, measure, figures, who, options, quick, runs), \
            (way, words) in itertools.product(FLOWS, WAYS.items()):
        yield Row(f"{name}-{way}", f"relay, {words}, {title}", measure, who,
                  {"way": way, **options}, quick, figures, runs)


def _tcp():
    if not shutil.which("iperf3"):
        return
    for role, title, who, numbers in (
            ("relay", "TCP, relay", ALL, (1, 4)),
            ("client", "TCP, client", BOTH, (1, 4)),
            ("all", "TCP, server, relay and client", BOTH, (1,))):
        for up, arrow in (True, WAYS["up"]), (False, WAYS["down"]):
            for flows in numbers:
                yield Row(
                    f"tcp-{role}-{'up' if up else 'down'}-{flows}",
                    f"{title}, {arrow}, {flows} flow{'s' * (flows > 1)}", tcp,
                    who, {"role": role, "up": up, "flows": flows,
                          "seconds": 2}, SHORT, TCP)


#: How fast.
TRAFFIC = (
    *_tcp(),
    *_flows(),
    Row("latency", "relay, pings; alone, and beside 50,000 packets/s",
        latency, ALL, {"seconds": 3, "rate": 50000}, SHORT, LATENCY,
        finish=added),
    Row("ask", "server, solicitations from 1,000 sources", ask, BOTH,
        {"what": "solicitations", "sources": 1000, "seconds": 3}, SHORT,
        SERVER),
    Row("forward", "server, bubbles of 1,000 sources to forward", ask, BOTH,
        {"what": "bubbles", "sources": 1000, "seconds": 3}, SHORT,
        SERVER),
    Row("idle", "relay, idle, with a table of 64 peers", idle, BOTH, {}, {},
        (Figure("beside", "memory beside the table", "MiB", 1,
                ("most", "<=", 16)),
         Figure("rss", "memory", "MiB", 1))),
)

LOOKUPS = (
    Figure("worst", "dearest kind against random ones", "x", 2,
           ("most", "<=", 1.2)),
    Figure("random_ns", "random ones, each", "ns", 0),
    *(Figure(key, f"{label}, against random ones", "x", 2)
      for key, label in (("ports", "ports in turn"),
                         ("one_port", "one port, hosts in turn"),
                         ("flags", "one host, flags in turn"),
                         ("servers", "one tuple, servers in turn"),
                         ("colliding", "made to collide under another key"),
                         ("key_known", "... were that the key"))))

STATUS = (
    Figure("median", "status, answered after, median", "ms", 2,
           ("most", "<=", 10)),
    Figure("p99", "status, answered after, p99", "ms", 2, ("most", "<=", 10)),
    Figure("peers", "list of all peers, after", "ms", 0),
    Figure("size", "list of all peers", "MB", 1),
    Figure("asked", "asked by four without a pause", "/s", 0),
    Figure("added", "ping meanwhile, median added", "ms", 3,
           ("value", "<=", 1)),
    Figure("added_99", "ping meanwhile, p99 added", "ms", 3,
           ("value", "<=", 1)),
    Figure("lost", "pings lost", "", 0, ("most", "<=", 0)),
    Figure("met", "peers that answered", "", 0))
RELOAD = (
    Figure("reloads", "reloads", "", 0),
    Figure("lost", "packets lost", "", 0, ("most", "<=", 0)),
    Figure("share", "share lost", "%", 1),
    Figure("offered", "offered", "packets/s", 0))

#: What it withstands, and what that takes; and how soon it is there.
LIMITS = (
    Row("sources", "server, one solicitation from each of many addresses",
        many_sources, BOTH, {"sources": 3000000, "rate": 80000},
        {"sources": 1000000},
        (Figure("sent", "addresses", "", 0),
         Figure("grown", "own memory grown by", "kB", 0, ("most", "<=", 0)),
         Figure("grown_rss", "all memory grown by", "kB", 0),
         Figure("rss", "memory", "MiB", 1),
         Figure("answered", "answered in all", "", 0)), (1, 1)),
    Row("fill-proven", "relay, 1,048,576 peers, 7 of 8 answer", fill, BOTH,
        {"proven": MEGA // 8 * 7, "silent": MEGA // 8, "rate": MEET},
        {"proven": MEGA // 32 * 7, "silent": MEGA // 32},
        (*FILL, Figure("proven", "peers that answered", "", 0)), (1, 1)),
    Row("fill-silent", "relay, 1,048,576 peers, all silent", fill, BOTH,
        {"proven": 0, "silent": MEGA, "rate": 0}, {"silent": MEGA // 4},
        FILL, (1, 1)),
    Row("flood", "relay, a million new destinations at 30,000/s", flood, BOTH,
        {"count": 1000000, "rate": 30000, "before": 4, "after": 5},
        {"count": 300000, "after": 2}, FLOOD, (2, 1)),
    Row("flood-fast", "relay, 3 million new destinations at 100,000/s",
        flood, BOTH,
        {"count": 3000000, "rate": 100000, "before": 4, "after": 20},
        {"count": 1500000, "after": 5}, FLOOD, (1, 1)),
    Row("flood-echo", "relay, a million at 30,000/s, unasked echo replies of "
        "another network", flood, BOTH,
        {"count": 1000000, "rate": 30000, "before": 4, "after": 5, "echo": 1,
         "source": FAR},
        {"count": 300000, "after": 2}, FLOOD, (1, 1)),
    Row("lookups", "relay's table, look-ups of 131,072 chosen addresses",
        lookups, (Ours,), {"peers": MEGA // 8}, {}, LOOKUPS, (3, 1)),
    Row("start-relay", "relay, from exec to the first bubble", start, BOTH,
        {"role": "relay"}, {}, (Figure("ready", "ready after", "ms", 1),)),
    Row("start-server", "server, from exec to the first answer", start, BOTH,
        {"role": "server"}, {}, (Figure("ready", "ready after", "ms", 1),)),
)

#: What it costs to ask it, and to change its configuration.
ASKING = (
    Row("status", "relay with 100,000 peers, asked how it is", asking.status,
        (Ours,), {"peers": 100000, "seconds": 4}, {"peers": 20000}, STATUS,
        (3, 1)),
    Row("reload", "relay, native to client, reloads under load",
        asking.reload, BOTH, {"seconds": 4, "rate": 30000}, {}, RELOAD,
        (3, 1)),
)

ROWS = TRAFFIC + LIMITS + ASKING
