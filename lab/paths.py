# SPDX-License-Identifier: GPL-2.0-or-later
"""What happens to packets on their way: delay, loss, cuts, firewalls.

Nearly all of it happens in core, which all packets from one site to another
cross.  A delay makes a packet cross core twice, before and after it waited:
the first time it is on its way to the device `slow`, the second time it comes
from there.  So a rule may look at where packets come from or where they go
to, not at both; addresses do for that, by way of the routes (`fib`).
"""

import contextlib
import itertools

from lab import slow
from lab.host import LabError, wait_for

#: The tun device in core that packets wait behind, and the table for it.
SLOW, SLOW_TABLE = "slow", 100
#: What comes from there, and what core sends itself, is not delayed.
SLOW_RULES = (f"pref 100 oif {SLOW} lookup {SLOW_TABLE}",
              f"pref 101 iif {SLOW} lookup main",
              "pref 102 iif lo lookup main",
              f"pref 103 lookup {SLOW_TABLE}")


def chance(percent):
    """An nftables condition that is true so often."""
    if percent >= 100:
        return ""
    return f"numgen random mod 10000 < {round(percent * 100)}"


class Paths:
    """The part of Internet that spoils the way of packets."""

    def __init__(self):
        self._faults = {}
        self._delay, self._slow = (0, 0), None
        self._numbers = itertools.count(1)

    # -- all the time ---------------------------------------------------

    def delay(self, ms, more=0):
        """Have each packet wait so many milliseconds in core; 0: none.

        Between any two hosts joined to core, or behind their NATs, a round
        trip takes twice that.  What is on its way when this changes goes on
        at once.  more: so many at most besides, each packet its own time, so
        that they come in another order.
        """
        if self._slow:
            self._slow_rules("del")
            self._slow.stop()
            self._slow = None
        self._delay = ms, more
        if ms or more:
            self._slow = self._start_slow()
            self._slow_rules("add")
        self._load_faults()

    def _start_slow(self):
        if self.core.run(["ip", "link", "show", "dev", SLOW],
                         check=False).returncode:
            self.core.ip(
                f"tuntap add dev {SLOW} mode tun",
                f"link set {SLOW} txqueuelen 10000 addrgenmode none up",
                f"route add 0.0.0.0/0 dev {SLOW} table {SLOW_TABLE}",
                f"route add ::/0 dev {SLOW} table {SLOW_TABLE}")
        process = self.core.popen(["python3", "-I", "-S", slow.__file__, SLOW,
                                   *(ms / 1000 for ms in self._delay)])
        self.core.running.remove(process)       # tidy() is to spare it
        wait_for(lambda: process.out or process.poll() is not None,
                 "the program that delays packets")
        if process.returncode is not None:
            raise LabError(f"{process}: {process.err}")
        return process

    def _slow_rules(self, verb):
        for family in "-4", "-6":
            self.core.run(["ip", family, "-batch", "-"], input="\n".join(
                f"rule {verb} {rule}" for rule in SLOW_RULES) + "\n")

    def fault(self, host, drop=0, duplicate=0):
        """Lose or double a percentage of the IPv4 packets on a host's link.

        drop=100 cuts the link, drop=0 mends it.  Hosts joined to core only.
        """
        self._faults[host.name] = (drop, duplicate)
        self._load_faults()

    def _load_faults(self):
        if not self._faults:
            return
        # What is doubled before it waits must wait as well.
        behind = f'device "{SLOW}"' if self._slow else ""
        rules = []
        for name, (lost, doubled) in self._faults.items():
            for side, by in ("iifname", behind), ("oifname", ""):
                rules.append(f'{side} "{name}" {chance(lost)} drop')
                rules.append(f'{side} "{name}" {chance(doubled)} '
                             f"dup to ip daddr {by}")
        self.core.nft("table ip faults\ndelete table ip faults\n"
                      "table ip faults {\nchain forward {\n"
                      "type filter hook forward priority 0\n"
                      + "\n".join(rules) + "\n}\n}\n")

    def no_faults(self):
        """Mend all links."""
        if self._faults:
            self._faults = {}
            self.core.nft("delete table ip faults\n")

    # -- for a while: contexts ------------------------------------------

    def cut(self, one, two):
        """Lose all packets between two hosts, in a `with` statement.

        What they carry for others is lost too.  All hosts behind one NAT are
        one to the internet.
        """
        if self._link(one) == self._link(two):
            raise LabError(f"no packet between {one.name} and {two.name} "
                           "crosses core")
        return self._filter(self.core, *(
            f"{self._beyond(a, 'saddr')} {self._beyond(b, 'daddr')} drop"
            for a, b in ((one, two), (two, one))))

    def block(self, host, port=None, verdict="drop"):
        """A firewall against UDP before a host, in a `with` statement.

        port: only this one, of the others.  verdict: "reject" tells the host.
        What is between hosts of one site passes.
        """
        there, back = (f"udp dport {port}", f"udp sport {port}") if port \
            else ("meta l4proto udp", "meta l4proto udp")
        at, sent, meant = self._before(host)
        return self._filter(at, f"{sent} {there} {verdict}",
                            f"{meant} {back} drop")

    def away(self, host):
        """Have a host gone without a word, in a `with` statement."""
        at, sent, meant = self._before(host)
        return self._filter(at, f"{sent} drop", f"{meant} drop")

    def closed(self, router):
        """Have a router forward nothing, in a `with` statement."""
        return self._filter(router, "drop")

    @contextlib.contextmanager
    def _filter(self, router, *rules):
        """Rules for what a router forwards, as long as the context."""
        name = f"while{next(self._numbers)}"
        router.nft(f"table inet {name} {{\nchain forward {{\n"
                   "type filter hook forward priority 0\n"
                   + "\n".join(rules) + "\n}\n}\n")
        try:
            yield
        finally:
            router.nft(f"delete table inet {name}\n")

    def _site(self, host):
        """The site that a host is behind the NAT of, or None."""
        return next((site for site in self.sites if host in site.hosts), None)

    def _link(self, host):
        """The device of core that leads to a host."""
        site = self._site(host)
        return site.router.name if site else host.name

    def _beyond(self, host, side):
        """A condition: this address of a packet in core leads to a host."""
        site = self._site(host)
        own = f"ip {side} {host.ip4}" if site and site.nat == "none" else ""
        return f'fib {side} oifname "{self._link(host)}" {own}'

    def _before(self, host):
        """A host's router; conditions there: it was sent by it, to it."""
        site = self._site(host)
        if site:
            return site.router, f"ip saddr {host.ip4}", f"ip daddr {host.ip4}"
        return self.core, f'iifname "{host.name}"', f'oifname "{host.name}"'
