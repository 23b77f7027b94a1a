# SPDX-License-Identifier: GPL-2.0-or-later
"""One function for each event: play it, return what was seen, by name.

A scene gets a Stage, a lab with a server and a relay, and lengths of time in
seconds.  Times are those until the client is as good as before; None means
that this was not seen while the scene lasted.  Keys that begin with `_` are
for tests: records that are no figures.
"""

import collections
import contextlib
import json
import signal
import time

from bench.events.observe import (Addresses, Pings, Talk, datagrams, memory,
                                  wake_ups)
from lab import foreign, teredo, wait_for
from lab.host import build_directory

#: Who plays the client, and who server and relay.
Team = collections.namedtuple("Team", "name title client others")
OURS = Team("ours", "Miredo", "ours", "ours")
DEBIAN = Team("debian", "1.2.6", "debian", "debian")
GUEST = Team("guest", "Miredo with server and relay of 1.2.6", "ours",
             "debian")

#: As long as we look whether something gets well.
PATIENCE = 150.0
#: From the first answer to the event.  (Nobody who is asked again within 2 s
#: sends a second bubble; the events would have to wait for that.)
SETTLED = 2.5
#: Longer than two questions and answers take on a machine that is busy.
ANSWERED = 10.0


class Stage:
    """A lab with what is needed for a scene; c1 is the client."""

    def __init__(self, net, team, nat="portrestricted", nat2=None,
                 server=True, config=""):
        self.net, self.team, self.config = net, team, config
        net.site1.configure(nat)
        net.site2.configure(nat2 or nat)
        self.host, self.native = net.c1, net.v6
        teredo.forget(net.c1)
        teredo.forget(net.c2)
        if server:
            self.server()
        self.relay = teredo.start_relay(net, team.others)

    def server(self):
        """Start the server."""
        return teredo.start_server(self.net, self.team.others)

    def start(self, host=None, server="9.0.0.2", wait=True):
        """Start a client: (the daemon, its address)."""
        host = host or self.host
        daemon = teredo.start_client(host, self.team.client, server,
                                     self.config)
        return daemon, teredo.wait_address(host) if wait else None

    def steady(self, how="out", every=.1):
        """A client with a stream of pings that are answered.

        how: "out", "in" or "both".
        """
        self.client, self.address = self.start()
        streams = []
        if how in ("out", "both"):
            streams.append(Pings(self.host, self.native.ip6, every))
        if how in ("in", "both"):
            streams.append(Pings(self.native, self.address, every))
        for stream in streams:
            stream.wait_answer()
        time.sleep(SETTLED)
        return streams

    def settled(self, host, router):
        """Start a client that has nothing more to ask; its address."""
        with self.net.capture(router) as wire:
            address = self.start(host)[1]
            until_answers(self, wire)
        return address

    def watch(self):
        """Addresses of the client, and its datagrams on its site's cable."""
        return Addresses(self.host), self.net.capture(self.net.nat1)


def until(condition, timeout):
    """Wait for it, as long as that; is it so?"""
    try:
        return wait_for(condition, "it", timeout, every=.02)
    except TimeoutError:
        return None


def until_back(streams, since, timeout):
    """Wait until each stream has an answer to what was sent after that.

    Returns the seconds it took, the longest; None if one did not.
    """
    until(lambda: all(stream.back(since) is not None for stream in streams),
          timeout)
    times = [stream.back(since) for stream in streams]
    return None if None in times else max(times)


def lost(streams, start=0.0, end=float("inf")):
    """Packets lost, of all streams."""
    return sum(stream.lost(start, end) for stream in streams)


def stop(*things):
    """End streams, and watches."""
    for thing in things:
        thing.close() if hasattr(thing, "close") else thing.stop()


def until_answers(stage, wire, moment=0):
    """Wait until both addresses of the server have answered, after a moment.

    A client of ours has its address, or another one, when the first one has;
    one of 1.2.6 asks no other.
    """
    def answers():
        return [s for s in datagrams(list(wire.packets))
                if s.what == "advertisement" and s.time >= moment]

    if stage.team.client == "ours":
        until(lambda: len(answers()) >= 2, ANSWERED)


def since(moment, when):
    """Seconds between two moments, if the second was seen."""
    return None if when is None else when - moment


def first(sent, start, **wanted):
    """The first datagram after a moment with such attributes, or None."""
    return next((s for s in sent if s.time >= start and all(
        getattr(s, name) == value for name, value in wanted.items())), None)


# -- getting an address ------------------------------------------------


def start(stage):
    """From exec to the address, and to the route."""
    daemon, _ = stage.start()       # writes the configuration
    daemon.stop()
    teredo.forget(stage.host)
    watch, wire = stage.watch()
    argv = ["miredo", "-f"] if stage.team.client == "ours" else [
        foreign.ROOT / "usr/sbin/miredo", "-f", "-u", "miredo",
        "-c", "/etc/miredo/miredo.conf"]
    process = stage.host.popen(
        [build_directory() / "bench" / "bench-gen", "exec", *argv])
    try:
        wait_for(lambda: watch.fresh(0) and watch.routes, "an address")
        until_answers(stage, wire)
    finally:
        process.stop()
        watch.close()
    began = json.loads(process.out.splitlines()[0])["exec"] \
        + time.time() - time.monotonic()
    sent = datagrams(wire.stop())
    return {"address": (watch.fresh(0)[0] - began) * 1000,
            "route": (watch.routes[0][0] - began) * 1000,
            "asked": (first(sent, 0, what="solicitation").time - began)
            * 1000,
            "_sent": sent}


def hindered(stage, seconds, begin, end, server="9.0.0.2",
             patience=PATIENCE):
    """A client is started while something is in the way, for some seconds."""
    watch, wire = stage.watch()
    begin()
    stage.client, _ = stage.start(server=server, wait=False)
    time.sleep(seconds)
    early = watch.fresh(0)
    moment = time.time()
    end()
    until(lambda: watch.fresh(moment), patience)
    watch.close()
    found = watch.fresh(moment)
    return {"after": since(moment, found and found[0]), "_early": early,
            "_moment": moment, "_sent": datagrams(wire.stop())}


def late_server(stage, seconds=10):
    """The server comes up some time after the client."""
    return hindered(stage, seconds, lambda: None, stage.server)


def no_names(stage, seconds=20, mode="silent"):
    """The server has a name; names cannot be looked up at first."""
    dns = stage.net.dns
    dns.names["teredo.example"] = stage.net.server.ip4
    stage.host.resolver(dns)

    def switch(value):
        dns.mode = value

    return hindered(stage, seconds, lambda: switch(mode),
                    lambda: switch("answer"), "teredo.example")


def blocked(stage, seconds=20):
    """A firewall lets no UDP through at first."""
    block = stage.net.block(stage.host)
    return hindered(stage, seconds, block.__enter__,
                    lambda: block.__exit__(None, None, None))


# -- the path changes --------------------------------------------------


def moved(stage, change, how="out", patience=PATIENCE):
    """Something changes the client's place; its address must follow.

    Without a stream it is over when both addresses of the server have answered.
    """
    watch, wire = stage.watch()
    streams = stage.steady(how) if how else []
    if not how:
        stage.client, stage.address = stage.start()
        until_answers(stage, wire)
    moment = time.time()
    change()
    until(lambda: watch.fresh(moment, stage.address), patience)
    found = watch.fresh(moment, stage.address)
    after = None
    if found and streams and until_back(streams, found[0], patience):
        after = max(stream.back(found[0]) for stream in streams) \
            + found[0] - moment
    if not streams:
        until_answers(stage, wire, moment)
    stop(watch, *streams)
    sent = datagrams(wire.stop())
    asked = first(sent, moment, what="solicitation")
    return {"address": since(moment, found and found[0]),
            "asked": since(moment, asked and asked.time),
            "after": after, "_moment": moment, "_sent": sent,
            "_changes": watch.changes, "_streams": streams,
            "_old": stage.address, "_new": found and found[1]}


def rebind(stage, how="out"):
    """The NAT forgets, and takes other ports."""
    return moved(stage, stage.net.site1.rebind, how)


def readdress(stage, how="out"):
    """The host gets another IPv4 address."""
    return moved(stage, lambda: stage.host.readdress("192.168.1.77"), how)


def reroute(stage, how="out"):
    """The host's default route has another source address."""
    stage.host.ip("address add 192.168.1.78/24 dev eth0")
    try:
        return moved(stage, lambda: stage.host.ip(
            "route replace default via 192.168.1.1 src 192.168.1.78"), how)
    finally:
        stage.host.ip("route replace default via 192.168.1.1",
                      "address del 192.168.1.78/24 dev eth0")


@contextlib.contextmanager
def asleep(stage):
    """The client does nothing as long as the context.

    Processes of 1.2.6 watch each other and end when one is stopped, which
    no suspended host would make them do; so only the one that has the sockets
    is stopped.
    """
    if stage.team.client == "ours":
        with stage.client.paused():
            yield
        return
    worker = stage.host.run(["pgrep", "-x", "-P", str(stage.client.pid),
                             "miredo"]).stdout.split()
    stage.host.run(["kill", "-STOP", *worker])
    yield
    stage.host.run(["kill", "-CONT", *worker])


def suspend(stage, seconds=90):
    """The host sleeps; when it wakes up, the NAT has another address."""
    stage.client, stage.address = stage.start()
    watch, wire = stage.watch()
    with asleep(stage):
        stage.net.site1.rebind("9.0.10.3")
        time.sleep(seconds)
        moment = time.time()
    until(lambda: watch.fresh(moment, stage.address), PATIENCE)
    watch.close()
    found = watch.fresh(moment, stage.address)
    return {"address": since(moment, found and found[0]),
            "_moment": moment, "_sent": datagrams(wire.stop()),
            "_new": found and found[1]}


# -- others fail -------------------------------------------------------


def server_away(stage, seconds=60, how="out", watched=PATIENCE):
    """The server is gone for some time; peers are established.

    After it is back, the streams are watched until they work again, and not
    less than 5 s.
    """
    streams = stage.steady(how)
    wire = stage.net.capture(stage.net.nat1)
    begin = time.time()
    with stage.net.away(stage.net.server):
        time.sleep(seconds)
    end = time.time()
    early = wire.take()
    back = until(lambda: first(datagrams(list(wire.packets)), end,
                               what="advertisement"), watched)
    after = until_back(streams, end, max(1, watched + end - time.time()))
    time.sleep(max(0, 5 + end - time.time()))
    stop(*streams)
    return {"lost": lost(streams, begin), "heard": since(
                end, back and back.time),
            "outage": max(stream.outage(begin) for stream in streams),
            "after": after, "_begin": begin, "_end": end,
            "_streams": streams, "_sent": datagrams(early + wire.stop()),
            "_address": (stage.address, teredo.address_of(stage.host))}


def server_away_one_way(stage, seconds=60):
    """... while a native host sends what nobody answers."""
    stage.client, stage.address = stage.start()
    talk = Talk(stage.native, stage.host, stage.address)
    talk.wait_answer()
    begin = time.time()
    with stage.net.away(stage.net.server):
        time.sleep(seconds)
    stop(talk)
    return {"lost": talk.lost(begin), "outage": talk.outage(begin)}


def cut(stage, seconds=60, how="out", watched=PATIENCE):
    """The path between client and relay is cut; who sends goes on."""
    streams = stage.steady(how)
    wire = stage.net.capture(stage.net.nat1)
    with stage.net.cut(stage.host, stage.net.relay):
        begin = time.time()
        time.sleep(seconds)
        middle = min(stream.lost(begin + 1) for stream in streams)
    end = time.time()
    after = until_back(streams, end, watched)
    settled = time.time()
    time.sleep(2)
    stop(*streams)
    return {"after": after, "_begin": begin, "_end": end, "_cut": middle,
            "_later": lost(streams, settled), "_streams": streams,
            "_sent": datagrams(wire.stop())}


def relay_restart(stage, how="out", watched=60):
    """The relay is stopped and started again."""
    streams = stage.steady(how)
    begin = time.time()
    stage.relay.stop()
    stage.relay = teredo.start_relay(stage.net, stage.team.others)
    up = time.time()
    after = until_back(streams, up, watched)
    stop(*streams)
    return {"after": after, "down": up - begin, "_up": up,
            "_streams": streams}


def second_server(stage, watched=PATIENCE):
    """The server in use dies; there is a second one.

    `at_start`: the first one was dead from the beginning.
    """
    net = stage.net
    other = net.hosts.get("server2") or net.join("server2", "9.0.6",
                                                 "2001:db8:6")
    if len(other.addresses4) == 1:
        other.addresses4.append("9.0.6.3")
        other.ip("address add 9.0.6.3/24 dev eth0")
    other.daemon(["miredo", "-s", other.ip4])
    both = [net.server.ip4, other.ip4]
    watch, wire = stage.watch()
    with net.away(net.server):
        begin = time.time()
        stage.client, _ = stage.start(server=both, wait=False)
        until(lambda: watch.fresh(begin), watched)
        at_start = watch.fresh(begin)
        stage.client.stop()
    teredo.forget(stage.host)
    stage.client, stage.address = stage.start(server=both)
    pings = Pings(stage.host, stage.native.ip6)
    pings.wait_answer()
    moment = time.time()
    with net.away(net.server):
        until(lambda: watch.fresh(moment, stage.address), watched)
        until(lambda: teredo.deprecated(stage.host), ANSWERED)
        assigned = teredo.addresses_of(stage.host)
        after = until_back([pings], time.time(), 10)
        stop(pings, watch)
    found = watch.fresh(moment, stage.address)
    sent = datagrams(wire.stop())
    asked = first(sent, moment, what="solicitation",
                  dst=(net.server.ip4, 3544))
    return {"at_start": since(begin, at_start and at_start[0]),
            "address": since(asked.time, found and found[0]),
            "lost": pings.lost(moment), "after": after,
            "_old": stage.address, "_new": found and found[1],
            "_assigned": assigned, "_changes": watch.changes, "_sent": sent,
            "_other": other}


# -- the client itself -------------------------------------------------


def sighup(stage):
    """It reads its configuration again."""
    stream, = stage.steady("out", .02)
    watch = Addresses(stage.host)
    begin = time.time()
    stage.host.kill(stage.client.pid, signal.SIGHUP)
    time.sleep(2)
    stop(stream, watch)
    now = teredo.address_of(stage.host)
    return {"lost": stream.lost(begin), "same": int(now == stage.address),
            "outage": stream.outage(begin) * 1000,
            "_changes": watch.changes}


def killed(stage):
    """All of it is killed, and started again."""
    stream, = stage.steady("out", .02)
    stage.client.kill()
    watch = Addresses(stage.host)
    begin = time.time()
    stage.client, now = stage.start()
    after = until_back([stream], begin, 40)
    stop(stream, watch)
    found = watch.fresh(begin)
    was, there = teredo.explain(stage.address), teredo.explain(now)
    return {"same": int(now == stage.address),
            "port": int(was.port == there.port),
            "address": since(begin, found and found[0]), "after": after,
            "_now": now}


def idle(stage, seconds=60, until_log=None):
    """Nothing happens: how often does it wake up, how large is it?"""
    stage.client, _ = stage.start()
    time.sleep(5)
    if until_log:
        stage.client.wait_log(until_log)
    wire = stage.net.capture(stage.net.nat1)
    before = wake_ups(stage.host)
    time.sleep(seconds)
    woken = wake_ups(stage.host) - before
    resident, share = memory(stage.host)
    sent = datagrams(wire.stop())
    came = sum(s.what == "advertisement" for s in sent)
    minute = 60 / seconds
    return {"wakes": woken * minute, "own": (woken - came) * minute,
            "asked": sum(s.what == "solicitation" for s in sent) * minute,
            "resident": resident, "share": share, "_sent": sent}


# -- the first packet --------------------------------------------------


def first_packet(stage, way, ms=20):
    """Round trip of the first packet; ms between host and core, each way."""
    net = stage.net
    net.delay(ms)
    mine, to = stage.settled(stage.host, net.nat1), net.v6.ip6
    if way == "peer":
        to = stage.settled(net.c2, net.nat2)
    time.sleep(.3)
    wire = net.capture(net.nat1)
    pings = Pings(stage.host, to, every=60)
    until(lambda: not pings.lost() and pings.packets, 12)
    stop(pings)
    sent, came = pings.packets[0]
    return {"rtt": None if came is None else (came - sent) * 1000,
            "_sent": datagrams(wire.stop()), "_address": mine}
