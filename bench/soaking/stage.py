# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab of a soak: who is there, and who talks to whom all the time.

    c1      a client that stays, behind a NAT that lets strangers in
    c2      a client that stays, and knows its server by name
    c3      the mover: a client whose NAT gets other mappings and addresses
    c1b     where newcomers start and end, behind the NAT of c1
    v6      the native host
    tester  all strangers there are

The flows between c1, c2 and v6 are those of established peers: each packet of
them counts.  The mover's are watched until they work again.
"""

import sys

from bench.plant import RELAY_PORT, Plant, wait_route
from bench.soaking.flows import Flow, Flows
from bench.soaking.watch import Watch
from lab import teredo, wait_for
from lab.host import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "tests" / "net"))

import bulk     # noqa: E402

NAME = "teredo.example"
#: Megabytes that everybody sends to everybody before all else.
BULK = 8
#: The table is full after some minutes, and stays so; strangers from one /64,
#: as the native host is, may be a quarter of the new peers.
RELAY = f"BindPort {RELAY_PORT}\nMaxPeers 65536\nNewPeersPerSecond 4000\n"
#: Where a device is that comes and goes, with an address nobody uses.
SPARE = "spare"


class Stage:
    """The lab, the daemons, the flows; use it in a `with` statement."""

    def __init__(self, rate, every):
        self.plant = Plant(nat1="full", nat2="portrestricted")
        self.net = net = self.plant.net
        try:
            net.add_site("c3").configure("portrestricted")
            net.dns.names[NAME] = net.server.ip4
            net.c2.resolver(net.dns)
            self.daemons = self._start()
            pairs = self._pairs()
            self._fill(pairs)
            #: Of established peers; the last two are those of the mover.
            self.flows = [Flow(*pair) for pair in pairs]
        except BaseException:
            net.close()
            raise
        #: Hosts whose daemons run all the time, the mover's last.
        self.watch = Watch(self.daemons, every)
        self._running = [Flows(self.flows, rate), self.watch]
        for thread in self._running:
            thread.start()
        wait_for(lambda: all(flow.received for flow in self.flows),
                 "a packet of each flow")

    def _start(self):
        """Start all daemons; returns {host: Daemon}."""
        net = self.net
        net.relay.write("/etc/miredo/miredo.conf", RELAY)
        daemons = {net.server: teredo.start_server(net),
                   net.relay: net.relay.daemon(["miredo"])}
        wait_route(net.relay)
        for host, server in ((net.c1, net.server.ip4), (net.c2, NAME),
                             (net.c3, net.server.ip4)):
            daemons[host] = teredo.start_client(host, server=server)
        for host in daemons:
            host.ip(f"link add {SPARE} type veth peer name {SPARE}2",
                    f"link set {SPARE}2 up")
        return daemons

    def _pairs(self):
        """Who talks to whom: sender, receiver, address."""
        net = self.net
        at = {host: teredo.wait_address(host) for host in
              (net.c1, net.c2, net.c3)}
        for host in at:     # the last that they say of themselves
            host.wait_log(r"\[inbound-")
        at[net.v6] = net.v6.ip6
        return [(one, two, at[two]) for pair in (
            (net.c1, net.v6), (net.c2, net.v6), (net.c1, net.c2),
            (net.c3, net.v6)) for one, two in (pair, pair[::-1])]

    @staticmethod
    def _fill(pairs):
        """Have all memory used that a client takes when it has need of it.

        A relay takes all at the start; a client's buffers have pages as soon
        as there was that much to carry at once.
        """
        for transfer in [bulk.start(*pair, BULK) for pair in pairs]:
            transfer.result()

    @property
    def established(self):
        """Flows of which nothing may be lost."""
        return self.flows[:-2]

    @property
    def mover(self):
        """The flows from and to the mover."""
        return self.flows[-2:]

    @property
    def quiet(self):
        """Hosts whose daemons nothing befalls but what concerns all."""
        return [host for host in self.daemons if host != self.net.c3]

    def lines(self):
        """How many lines the daemons have logged that stay as they are."""
        return sum(len(host.log) for host in self.quiet)

    def stop(self):
        """End flows and samples; what is on its way may still come."""
        while self._running:
            self._running.pop(0).stop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        self.net.close()
