# SPDX-License-Identifier: GPL-2.0-or-later
"""Traffic through a relay or a client: small packets, latency, TCP.

A function measures one contender once; see rows.py.
"""

import json
import time

from bench.plant import FAKE_SERVER, FAR, RELAY_PORT, Ours, Window
from lab import LabError, wait_for

#: New clients a second, when many are to be known.
MEET = 25000


def spray(plant, window, count, rate, first=0, flags=2, **more):
    """Start sending a packet to each of many Teredo addresses."""
    return plant.gen(plant.net.v6, "native", **window.options, send=1,
                     server=FAKE_SERVER, flags=flags, peers=count,
                     count=count, first=first, rate=rate, **more)


# -- small packets -----------------------------------------------------


def flow_window(seconds, peers=1):
    """A window with time enough for the clients to be met before."""
    return Window(seconds, 1.2 + 1.3 * peers / MEET)


def start_flow(plant, contender, way, window, begin=None, peers=1, **pace):
    """Start both ends of a flow; returns (sender, sink).

    Each client of a tunnel is sent a packet first, and answers the relay's
    bubble: so the relay has proof of all.
    """
    net, up = plant.net, way == "up"
    common = {**window.options, "peers": peers,
              "begin": begin or window.start - 0.5, **pace}
    if contender.tunnels:
        common["server"] = FAKE_SERVER
        client = plant.gen(net.tester, "clients", **common, send=int(up),
                           native=net.v6.ip6, relay=net.relay.ip4,
                           relay_port=RELAY_PORT)
        plant.result(spray(plant, window, peers, MEET, flags=1))
    else:
        client = plant.gen(net.tester, "native", **common, send=int(up),
                           sink=int(not up), native=contender.far)
        common["native"] = contender.near
    if window.start - time.monotonic() < 0.5:
        raise LabError("it took too long to meet the clients")
    native = plant.gen(net.v6, "native", **common, send=int(not up),
                       sink=int(up))
    return (client, native) if up else (native, client)


def costs(load, number, unit=1e6):
    """Processor time for each of a number of things; what was the limit."""
    return {"cpu": load.cpu * unit / max(number, 1) or None,
            "machine": load.machine * unit / max(number, 1),
            "bound": load.bound}


def flow(plant, contender, way, seconds, peers=1, train=1, cards=True):
    """Packets of 64 bytes as fast as one generator can."""
    net = plant.net
    plant.offloads(cards)
    contender.relay(net, contender.fill)
    window = flow_window(seconds, peers)
    sender, sink = start_flow(plant, contender, way, window, peers=peers,
                              train=train, burst=train)
    load = window.load(net.relay)
    sent, got = plant.result(sender), plant.result(sink)
    if contender.tunnels:
        met = (sent if way == "up" else got)["received"]
        if met < peers:
            raise LabError(f"{met} of {peers} clients were met")
    return {"delivered": got["counted"] / seconds,
            "offered": sent["offered"] / seconds,
            **costs(load, got["counted"])}


def crowd(plant, contender, way, seconds, train=1):
    """The same with one client, with 64 and with 100,000 in turn."""
    found = {}
    for peers in (1, 64, 100000):
        with plant.net.tidy():
            seen = flow(plant, contender, way, seconds, peers, train)
        found.update({f"{key}_{peers}": value for key, value in seen.items()})
    found["more"] = found["cpu_100000"] / found["cpu_1"]
    return found


def ramp(plant, contender, way, seconds, low, high, steps, train=1):
    """The highest of some rates at which at most 1 % is lost."""
    contender.relay(plant.net, contender.fill)
    window = flow_window(seconds)
    sender, sink = start_flow(plant, contender, way, window, train=train,
                              burst=train, rate=low, rate2=high, steps=steps)
    sent = plant.result(sender)["sent_by_step"]
    back = plant.result(sink)["received_by_step"]
    return {"clean": max((sent[step] / (seconds / steps)
                          for step in range(steps)
                          if back[step] >= 0.99 * sent[step]), default=0)}


# -- latency -----------------------------------------------------------


def latency(plant, contender, seconds, rate):
    """Pings, first alone, then beside a flow of small packets."""
    net = plant.net
    contender.relay(net, contender.fill)
    contender.server(net, contender.unlimited)
    window = Window(seconds, 1.2 + seconds)
    asked = {"server": net.server.ip4, "native": net.v6.ip6} \
        if contender.tunnels else {"native": contender.far}
    ping = plant.gen(net.tester, "ping", **window.options, **asked,
                     first=11000000, rate=500, every=600)
    start_flow(plant, contender, "down", window, window.start, rate=rate)
    ping = plant.result(ping)
    found = {}
    for key, when in ("light", "ping_before"), ("heavy", "ping"):
        seen = ping[when]
        found.update({key: seen.get("median"), f"{key}_99": seen.get("p99"),
                      f"{key}_lost": seen["sent"] - seen["back"]})
    return found


def added(results):
    """What each contender adds to plain forwarding, round by round."""
    for runs in results.values():
        for run, plain in zip(runs, results.get("plain", ())):
            for key in ("light", "light_99", "heavy", "heavy_99"):
                if run.get(key) and plain.get(key):
                    run[f"{key}_added"] = (run[key] - plain[key]) * 1000


# -- TCP ---------------------------------------------------------------


def tcp(plant, contender, role, up, flows, seconds):
    """iperf3 between a Teredo client and v6.

    role: what of it is the contender's: relay, client or all.  The rest is
    ours for all contenders.
    """
    net, far = plant.net, FAR
    if contender.tunnels:
        client = Ours if role == "relay" else contender
        relay = Ours if role == "client" else contender
        (contender if role == "all" else Ours).server(net)
        relay.relay(net)
        client.client(net)
    else:
        far = contender.far
        net.tester.ip(f"route replace {far} {contender.way} mtu 1280")
    serving = net.v6.popen(["iperf3", "-s", "-1", "-B", far, "--forceflush"])
    wait_for(lambda: "listening" in serving.out, "iperf3")
    window = Window(seconds, 1.1)
    asking = net.tester.popen(["iperf3", "-c", far, "-J", "-t", seconds,
                               "-O", 1, "-P", flows, *([] if up else ["-R"])])
    load = window.load(*{"relay": [net.relay], "client": [net.tester],
                         "all": [net.relay, net.tester]}[role])
    asking.wait(seconds + 20)
    end = json.loads(asking.out)["end"]
    rate = end["sum_received"]["bits_per_second"]
    return {"rate": rate / 1e6,
            "again": end["sum_sent"].get("retransmits", 0),
            **costs(load, rate * seconds / 8 / 1024, 1e9)}
