# SPDX-License-Identifier: GPL-2.0-or-later
"""Kinds of trouble, drawn one after the other from a seeded generator.

A kind is a function of a Script; it begins, waits until it is over, and says
what happened, as text.  What goes wrong raises.  While strangers make trouble,
and between two kinds of it, daemons have no reason to log anything.
"""

import collections
import ipaddress
import random
import re
import signal
import sys
import time

from bench.plant import FAKE_SERVER, RELAY_PORT, Window
from bench.soaking.stage import SPARE
from lab import teredo, wait_for
from lab.host import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "tests" / "net"))

import packets as t                     # noqa: E402
from test_daemon import worker_of       # noqa: E402

#: Packets a second; a small machine with everything on it has time to spare.
MEET, SCAN, ASK, HOSTILE = 1000, 4000, 4000, 1000
#: Fake clients there are to be met; of more the relay forgets the oldest.
CROWD = 4000000
#: How long a client may take for what it has to find out by waiting, seconds.
PATIENCE = 60

Kind = collections.namedtuple("Kind", "name play by_strangers")
#: One that has happened: seconds since the start, and for how long; lines
#: logged.
Event = collections.namedtuple("Event", "name begin end lines said")

KINDS = []
#: The part of the time in which nothing is killed.
CLEAN = .75


def kind(by_strangers=False):
    """Mark a function as a kind of trouble."""
    def add(function):
        KINDS.append(Kind(function.__name__, function, by_strangers))
        return function
    return add


class Script:
    """Plays trouble on a stage, each kind as often as any other."""

    def __init__(self, stage, seed, span, kinds=None):
        self.stage, self.net, self.plant = stage, stage.net, stage.plant
        #: Seconds that strangers go on at a time.
        self.span = span
        self.rng = random.Random(seed)
        self.kinds = [each for each in kinds or KINDS if each.play != kill]
        self.kills = kinds is None or any(k.play == kill for k in kinds)
        #: When it began in earnest, when processes are killed, the end.
        self.parts = [time.monotonic()] * 3
        self.events, self._deck = [], []
        #: Lines logged without reason.
        self.stray = 0
        self._met, self._moved = 0, 0
        self._victims, self._killed = [], {}
        self._before = stage.lines()

    def run(self, seconds):
        """Each kind once, and then at random, so long; with kills at last."""
        for each in self.kinds:
            self._play(each)
        begin = time.monotonic()
        killing = begin + seconds * (CLEAN if self.kills else 1)
        self.parts = [begin, killing, begin + seconds]
        self._until(killing)
        while time.monotonic() < self.parts[2]:
            self._play(next(k for k in KINDS if k.play == kill))
            self._draw()

    def _until(self, end):
        """Kinds drawn at random, until a moment."""
        while time.monotonic() < end:
            self._draw()
            pause = self.rng.uniform(.1, 1) * self.span
            time.sleep(max(0, min(pause, end - time.monotonic())))

    def _draw(self):
        if not self._deck:
            self._deck = self.rng.sample(self.kinds, len(self.kinds))
        self._play(self._deck.pop())

    def _play(self, each):
        self.stray += self.stage.lines() - self._before     # in the pause
        lines, begin = self.stage.lines(), time.monotonic()
        said = each.play(self)
        self._before = self.stage.lines()
        logged = self._before - lines
        if each.by_strangers:
            self.stray += logged
        self.events.append(Event(each.name, begin, time.monotonic(), logged,
                                 said))

    # -- for the kinds --------------------------------------------------

    def crowd(self):
        """The next of the fake clients: the first, and how many."""
        count, first = int(MEET * self.span), self._met
        self._met = (self._met + count) % CROWD
        return first, count

    def stranger(self):
        """A tuple of somebody, often one that nobody can have."""
        ip = self.rng.choice(t.REFUSED + t.NEIGHBOURS + 20 * [None]) \
            or f"9.0.2.{self.rng.randrange(2, 10)}"
        return ip, self.rng.choice((t.PORT, self.rng.randrange(1, 65536)))

    def victim(self, hosts):
        """One whose packet process is to be killed: each as often.

        After five deaths in 10 s a daemon gives up, and rightly.
        """
        if not self._victims:
            self._victims = self.rng.sample(hosts, len(hosts))
        host = self._victims.pop()
        time.sleep(max(0, self._killed.get(host, 0) + 3 - time.monotonic()))
        self._killed[host] = time.monotonic()
        return host

    def signal_all(self, sig, pattern, hosts=None):
        """Send a signal to all daemons; wait for a line of each."""
        since = {host: len(host.log) for host in hosts or self.stage.daemons}
        for host in since:
            host.kill(self.stage.daemons[host].pid, sig)
        for host, seen in since.items():
            host.wait_log(pattern, since=seen)
        return since


# -- strangers -------------------------------------------------------------


@kind(by_strangers=True)
def churn(script):
    """Clients that nobody has met, answer, send a little, and fall silent."""
    net, plant = script.net, script.plant
    first, count = script.crowd()
    window = Window(script.span, .3)
    clients = plant.gen(net.tester, "clients", **window.options, peers=count,
                        first=first, answer=1, send=1, rate=MEET // 5,
                        server=FAKE_SERVER, native=net.v6.ip6,
                        relay=net.relay.ip4, relay_port=RELAY_PORT)
    plant.result(plant.gen(net.v6, "native", **window.options, send=1,
                           server=FAKE_SERVER, flags=1, peers=count,
                           count=count, first=first, rate=MEET))
    return f"{plant.result(clients)['received']} of {count} clients met"


@kind(by_strangers=True)
def scan(script):
    """Packets through the relay for clients that do not exist."""
    window = Window(script.span, .3)
    first, _ = script.crowd()
    sent = script.plant.result(script.plant.gen(
        script.net.v6, "native", **window.options, send=1, flags=2,
        server=FAKE_SERVER, peers=CROWD, first=first, rate=SCAN))["sent"]
    return f"{sent} destinations"


@kind(by_strangers=True)
def solicit(script):
    """Solicitations at the server, from very many clients."""
    window = Window(script.span, .3)
    first, _ = script.crowd()
    found = script.plant.result(script.plant.gen(
        script.net.tester, "solicit", **window.options, first=first,
        server=script.net.server.ip4, peers=CROWD, rate=ASK))
    return f"{found['sent']} asked, {found['received']} answered"


def seeds(script, client):
    """Good packets of all kinds, for a client, to be spoilt."""
    rng, native = script.rng, t.ip6("2001:db8:77::7")
    me = t.address(script.net.server.ip4, script.stranger())
    packet = t.udp6(me, rng.choice((client, native)), data=rng.randbytes(40))
    return (
        t.solicitation(t.link_local(script.stranger())),
        t.auth(rng.randbytes(8)) + t.solicitation(
            t.link_local(script.stranger(), t.CONE)),
        t.bubble(me, client), t.bubble(client, me),
        t.origin(script.stranger()) + t.bubble(me, client),
        t.bubble(me, client, trailers=t.nonce_trailer(rng.randbytes(4))),
        t.echo(client, native, data=rng.randbytes(8), kind=t.ECHO_REPLY),
        t.echo(me, native), packet,
        t.origin(script.stranger()) + packet,
        t.icmpv6("fe80::1", client, t.ADVERTISEMENT, body=rng.randbytes(60)),
        rng.randbytes(rng.randrange(1300)))


@kind(by_strangers=True)
def hostile(script):
    """Good packets spoilt, and bad ones, from anybody, at all three."""
    net, rng = script.net, script.rng
    client = ipaddress.IPv6Address(script.stage.flows[1].to).packed
    targets = ((net.wire(net.server), (net.server.ip4, t.PORT)),
               (net.wire(net.relay), (net.relay.ip4, RELAY_PORT)),
               (net.wire(net.nat1), t.mapped(client)))
    count = int(HOSTILE * script.span)
    begin = time.monotonic()
    for number in range(count):
        wire, at = targets[number % len(targets)]
        if number % 32 == 0:
            good = seeds(script, client)
        data = t.mutate(rng, rng.choice(good))
        wire.send(t.udp4(script.stranger(), at, data[:1400]))
        time.sleep(max(0, begin + number / HOSTILE - time.monotonic()))
    for wire, _ in targets:
        wire.close()
    return f"{count} packets"


# -- what happens to clients -------------------------------------------


@kind()
def newcomer(script):
    """Another client starts, reaches the native host and c2, and ends."""
    net = script.net
    teredo.forget(net.c1b)
    daemon = teredo.start_client(net.c1b, server=net.server.ip4)
    teredo.wait_address(net.c1b, PATIENCE)
    for to in net.v6.ip6, script.stage.flows[3].to:
        net.c1b.run(["ping", "-6", "-c", "3", "-i", ".2", "-W", "5", to])
    if status := daemon.stop():
        raise RuntimeError(f"{daemon} ended with status {status}")
    return "served"


@kind()
def rebind(script):
    """The mover's NAT gets other mappings, and often another address."""
    net, (out, back) = script.net, script.stage.mover
    script._moved += 1
    moment, old = time.monotonic(), back.to
    net.site3.rebind(script.rng.choice((None, f"9.0.12.{3 + script._moved % 9}"
                                        )))
    back.to = teredo.wait_address(net.c3, PATIENCE, other_than=old)
    moved = time.monotonic()
    wait_for(lambda: out.heard > moved and back.heard > moved,
             "the mover to be heard again", PATIENCE)
    return f"back after {time.monotonic() - moment:.2f} s"


# -- what administrators do --------------------------------------------


@kind()
def reload(script):
    """SIGHUP to all."""
    script.signal_all(signal.SIGHUP, "configuration: nothing else")
    return ""


@kind()
def report(script):
    """SIGUSR1 to all."""
    script.signal_all(signal.SIGUSR1, "from IPv4")
    return ""


@kind()
def flap(script):
    """An address nobody uses comes and goes, with its device, everywhere."""
    for host in script.stage.daemons:
        for _ in range(script.rng.randrange(1, 4)):
            number = script.rng.randrange(2, 255)
            host.ip(f"link set {SPARE} up",
                    f"address add 9.9.9.{number}/24 dev {SPARE}",
                    f"address add 2001:db8:99::{number}/64 dev {SPARE}",
                    f"link set {SPARE} down",
                    f"address flush dev {SPARE}")
    return ""


@kind()
def kill(script):
    """kill -9 of a daemon's packet process; another one takes over."""
    daemons = script.stage.daemons
    host = script.victim(list(daemons))
    worker = worker_of(host, daemons[host].pid)
    host.kill(worker, signal.SIGKILL)
    moment = time.monotonic()
    wait_for(lambda: all(flow.heard > moment for flow in script.stage.flows),
             "all flows to go on", PATIENCE)
    took = time.monotonic() - moment
    if worker_of(host, daemons[host].pid) == worker:
        raise RuntimeError(f"the packet process of {host.name} still lives")
    return f"{host.name} goes on after {took:.2f} s"


def counters(script):
    """What each daemon has counted: {host: {reason: number}}."""
    since = script.signal_all(signal.SIGUSR1, "from IPv4")
    return {host.name: {
        name: int(number) for line in host.log[seen:]
        for name, number in re.findall(r"\b([a-z][a-z0-9-]+)=(\d+)",
                                       line.text)}
        for host, seen in since.items()}
