# SPDX-License-Identifier: GPL-2.0-or-later
"""What it costs to ask a daemon how it is, and to change its configuration.

A function measures one contender once; see rows.py.
"""

import signal
import statistics
import threading
import time

from bench.flows import MEET, spray, start_flow
from bench.plant import RELAY_PORT, Window
from lab import control

#: Requests that are timed.
ASKED = 300


class Askers:
    """Threads that ask without a pause, as long as the context."""

    def __init__(self, host, *requests):
        self.host, self.requests, self.count = host, requests, 0
        self._end = threading.Event()

    def _run(self, request):
        while not self._end.is_set():
            with control.connected(self.host) as sock:
                sock.sendall(request.encode() + b"\n")
                control.read_all(sock)
            self.count += 1

    def __enter__(self):
        self._threads = [threading.Thread(target=self._run, args=[request])
                         for request in self.requests]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        for thread in self._threads:
            thread.join()


def timed(host, request):
    """Milliseconds until the answer was whole."""
    began = time.monotonic()
    with control.connected(host) as sock:
        sock.sendall(request.encode() + b"\n")
        answer = control.read_all(sock)
    return (time.monotonic() - began) * 1000, len(answer)


def status(plant, contender, peers, seconds):
    """`status` of a relay with many peers; and pings while it is asked."""
    net = plant.net
    contender.relay(net, contender.fill)
    contender.server(net, contender.unlimited)
    window = Window(peers / MEET * 1.2 + 1, 0.3)
    clients = plant.gen(net.tester, "clients", **window.options, answer=1)
    plant.result(spray(plant, window, peers, MEET, flags=1))
    met = plant.result(clients)["received"]
    times = sorted(timed(net.relay, "status")[0] for _ in range(ASKED))
    whole, size = timed(net.relay, "peers 0")
    window = Window(seconds, 1.2 + seconds)
    ping = plant.gen(net.tester, "ping", **window.options,
                     server=net.server.ip4, native=net.v6.ip6, first=11000000,
                     rate=500, every=600)
    window.sleep(window.start)
    with Askers(net.relay, "status", "status", "peers 0", "metrics") as them:
        window.sleep(window.end)
    ping = plant.result(ping)
    quiet, loud = ping["ping_before"], ping["ping"]
    return {"met": met, "median": statistics.median(times),
            "p99": times[len(times) * 99 // 100], "peers": whole,
            "size": size / 1e6, "asked": them.count / seconds,
            "added": loud["median"] - quiet["median"],
            "added_99": loud["p99"] - quiet["p99"],
            "lost": loud["sent"] - loud["back"]}


def reload(plant, contender, seconds, rate):
    """Traffic while the configuration is read again, with changes."""
    net = plant.net
    contender.relay(net, contender.fill)
    window = Window(seconds, 1.5)
    sender, sink = start_flow(plant, contender, "down", window, rate=rate)
    (pid,) = {int(net.relay.read("/run/miredo.pid"))}
    times = 20 if contender.name == "ours" else 1
    window.sleep(window.start + seconds / 10)
    for turn in range(times):
        if contender.name == "ours":
            net.relay.write(
                "/etc/miredo/miredo.conf",
                f"RelayType relay\nBindPort {RELAY_PORT}\n"
                f"NewPeersPerSecond {10000000 - turn}\n"
                f"DenyIPv4 9.200.{turn}.0/24\n")
        net.relay.kill(pid, signal.SIGHUP)
        time.sleep(seconds / 2 / times)
    sent, got = plant.result(sender), plant.result(sink)
    applied = control.status(net.relay)["configuration"]["serial"] - 1 \
        if contender.name == "ours" else times
    return {"reloads": applied, "offered": sent["offered"] / seconds,
            # By their numbers: some are on their way when the window ends.
            "lost": got["missing"],
            "share": 100 * got["missing"] / max(sent["offered"], 1)}
