# SPDX-License-Identifier: GPL-2.0-or-later
"""What is measured: functions, and the table of rows that name them.

A function measures one contender once: it gets the plant, the contender and
the options of its row, and returns numbers by name.  A row says which of them
are shown, and how.  `runs` are the full and the quick number of runs; rows
that take minutes and do not scatter have fewer.  A figure with a goal says what
it is compared with:

    ("ratio", "debian", ">=", 1)    median of the ratios, round by round
    ("value", "<=", 96)             our median
    ("most", "<=", 96)              our highest value
    ("least", ">=", 100)            our lowest value
"""

import collections
import json
import shutil

from bench.plant import (FAKE_SERVER, FAR, RELAY_PORT, Debian, Ours, Plain,
                         Window, memory)
from lab import foreign, teredo, wait_for

Figure = collections.namedtuple("Figure", "key label unit digits goal",
                                defaults=(None,))
Row = collections.namedtuple(
    "Row", "name title measure contenders options quick figures runs",
    defaults=((5, 3),))

MEGA = 1 << 20
BOTH = (Ours, Debian)
ALL = (Ours, Debian, Plain)


# -- relay, small packets ----------------------------------------------


def start_flow(plant, contender, way, window, peers, **pace):
    """Start both ends of flows; returns pairs of (sender, sink)."""
    net = plant.net
    up, down = way in ("up", "both"), way in ("down", "both")
    common = {**window.options, "peers": peers, "steps": 0, **pace}
    if not contender.tunnels:
        client = plant.gen(net.tester, "native", **common, send=int(up),
                           sink=int(down), native=FAR)
        native = plant.gen(net.v6, "native", **common, send=int(down),
                           sink=int(up), native=net.tester.ip6)
    else:
        common["server"] = FAKE_SERVER
        client = plant.gen(net.tester, "clients", **common, send=int(up),
                           native=net.v6.ip6, relay=net.relay.ip4,
                           relay_port=RELAY_PORT)
        if not down:
            # A packet for each client every 100 ms opens the relay to it.
            common["rate"] = common["rate2"] = 10 * peers
        native = plant.gen(net.v6, "native", **common, send=1, sink=int(up))
    return [(client, native)] * up + [(native, client)] * down


def flow(plant, contender, way, peers, seconds):
    """Packets of 64 bytes as fast as one generator can."""
    net = plant.net
    contender.relay(net, contender.fill)
    window = Window(seconds)
    pairs = start_flow(plant, contender, way, window, peers)
    cpu = window.cpu(net.relay)
    got = sum(plant.result(sink)["counted"] for _, sink in pairs)
    found = {"delivered": got / seconds,
             "offered": sum(plant.result(sender)["offered"]
                            for sender, _ in pairs) / seconds}
    if contender.tunnels:
        found["cpu"] = cpu * 1e6 / max(got, 1)
        found["busy"] = cpu * 100 / seconds
    return found


def ramp(plant, contender, way, peers, seconds, low, high, steps):
    """The highest of some rates at which at most 1 % is lost each way."""
    contender.relay(plant.net, contender.fill)
    window = Window(seconds)
    pairs = start_flow(plant, contender, way, window, peers,
                       rate=low, rate2=high, steps=steps)
    ways = [(plant.result(sender)["sent_by_step"],
             plant.result(sink)["received_by_step"])
            for sender, sink in pairs]
    clean = 0
    for step in range(steps):
        if all(back[step] >= 0.99 * sent[step] > 0 for sent, back in ways):
            total = sum(sent[step] for sent, _ in ways)
            clean = max(clean, total / (seconds / steps))
    return {"clean": clean}


# -- server ------------------------------------------------------------


def solicit(plant, contender, sources, seconds):
    """Solicitations as fast as one generator can."""
    net = plant.net
    contender.server(net, contender.unlimited)
    window = Window(seconds)
    asking = plant.gen(net.tester, "solicit", **window.options,
                       server=net.server.ip4, peers=sources)
    cpu = window.cpu(net.server)
    found = plant.result(asking)
    return {"offered": found["offered"] / seconds,
            "answered": found["counted"] / seconds,
            "cpu": cpu * 1e6 / max(found["counted"], 1)}


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


def spray(plant, window, count, rate, first=0, flags=2, **more):
    """Start sending a packet to each of many Teredo addresses."""
    return plant.gen(plant.net.v6, "native", **window.options, send=1,
                     server=FAKE_SERVER, flags=flags, peers=count,
                     count=count, first=first, rate=rate, **more)


def fill(plant, contender, proven, silent, rate):
    """Memory of a relay that has met a million clients."""
    net = plant.net
    contender.relay(net, contender.fill)
    before, found, met = memory(net.relay), {}, 0
    if proven:
        window = Window(proven / rate * 1.5 + 1, 0.3)
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
    cpu = window.cpu(net.relay)
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
        "busy": cpu * 100 / seconds,
        "rss": memory(net.relay)["rss"] / 1024}


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


# -- TCP ---------------------------------------------------------------


def tcp(plant, contender, up, flows, seconds):
    """iperf3 between a Teredo client, the Debian package's, and v6."""
    net = plant.net
    contender.server(net)
    contender.relay(net)
    if contender.tunnels:
        foreign.client(net.tester, net.server.ip4)
        wait_for(lambda: teredo.address_of(net.tester), "a Teredo address")
        way = "dev teredo"
    else:
        way = "via 2001:db8:3::1 mtu 1280"
    net.tester.run(["ip", "-6", "route", "replace", "2001:db8:22::/64",
                    *way.split()])
    serving = net.v6.popen(["iperf3", "-s", "-1", "-B", FAR, "--forceflush"])
    wait_for(lambda: "listening" in serving.out, "iperf3")
    cpu = Window(seconds, 0.3)
    asking = net.tester.popen(["iperf3", "-c", FAR, "-J", "-t", seconds + 1,
                               "-O", 0, "-P", flows, *([] if up else ["-R"])])
    busy = cpu.cpu(net.relay)
    asking.wait(seconds + 20)
    end = json.loads(asking.out)["end"]
    net.tester.run(["ip", "-6", "route", "del", "2001:db8:22::/64"],
                   check=False)
    return {"rate": end["sum_received"]["bits_per_second"] / 1e6,
            "again": end["sum_sent"].get("retransmits", 0),
            "busy": busy * 100 / seconds}


# -- the table ---------------------------------------------------------

NOT_BELOW = ("ratio", "debian", ">=", 1)
NOT_ABOVE = ("ratio", "debian", "<=", 1)

FLOW = (Figure("delivered", "delivered", "packets/s", 0, NOT_BELOW),
        Figure("cpu", "processor time each", "us", 2, NOT_ABOVE),
        Figure("offered", "offered", "packets/s", 0))
CLEAN = (Figure("clean", "with at most 1 % lost", "packets/s", 0, NOT_BELOW),)
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
TCP = (Figure("rate", "received", "Mbit/s", 0, NOT_BELOW),
       Figure("again", "segments sent again", "", 0),
       Figure("busy", "processor of the relay", "%", 0))


WAYS = {"up": "client to native", "down": "native to client",
        "both": "both ways at once"}


def _flows():
    for way, words in WAYS.items():
        for peers in (1, 64):
            clients = "one client" if peers == 1 else f"{peers} clients"
            yield Row(f"{way}-{peers}", f"relay, {words}, {clients}", flow,
                      ALL, {"way": way, "peers": peers, "seconds": 4},
                      {"seconds": 1.5}, FLOW)


def _ramps():
    for way, words in WAYS.items():
        half = 2 if way == "both" else 1
        yield Row(f"clean-{way}", f"relay, {words}, without loss", ramp, ALL,
                  {"way": way, "peers": 16, "seconds": 7.5,
                   "low": 20000 // half, "high": 300000 // half, "steps": 29},
                  {"seconds": 4.35}, CLEAN)


def _tcp():
    if not shutil.which("iperf3"):
        return
    for up, arrow in ((True, "client to native"), (False, "native to client")):
        for flows in (1, 4):
            yield Row(f"tcp-{'up' if up else 'down'}-{flows}",
                      f"TCP, {arrow}, {flows} flow{'s' * (flows > 1)}", tcp,
                      ALL, {"up": up, "flows": flows, "seconds": 4},
                      {"seconds": 2}, TCP)


ROWS = (
    *_flows(),
    *_ramps(),
    Row("server", "server, solicitations from 1,000 sources", solicit, BOTH,
        {"sources": 1000, "seconds": 4}, {"seconds": 1.5},
        (Figure("answered", "answered", "/s", 0, NOT_BELOW),
         Figure("cpu", "processor time each", "us", 2, NOT_ABOVE),
         Figure("offered", "asked", "/s", 0))),
    Row("sources", "server, one solicitation from each of many addresses",
        many_sources, BOTH, {"sources": 10000000, "rate": 80000},
        {"sources": 1000000},
        (Figure("sent", "addresses", "", 0),
         Figure("grown", "own memory grown by", "kB", 0, ("most", "<=", 0)),
         Figure("grown_rss", "all memory grown by", "kB", 0),
         Figure("rss", "memory", "MiB", 1),
         Figure("answered", "answered in all", "", 0)), (1, 1)),
    Row("fill-proven", "relay, 1,048,576 peers, 7 of 8 answer", fill, BOTH,
        {"proven": MEGA // 8 * 7, "silent": MEGA // 8, "rate": 25000},
        {}, (*FILL, Figure("proven", "peers that answered", "", 0)), (1, 1)),
    Row("fill-silent", "relay, 1,048,576 peers, all silent", fill, BOTH,
        {"proven": 0, "silent": MEGA, "rate": 0}, {}, FILL, (1, 1)),
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
    Row("start-relay", "relay, from exec to the first bubble", start, BOTH,
        {"role": "relay"}, {}, (Figure("ready", "ready after", "ms", 1),)),
    Row("start-server", "server, from exec to the first answer", start, BOTH,
        {"role": "server"}, {}, (Figure("ready", "ready after", "ms", 1),)),
    *_tcp(),
)
