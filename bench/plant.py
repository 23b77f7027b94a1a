# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab as the benches use it, and the contenders that run in it.

    tester      fake clients, with 12 million addresses of their own
    relay       the relay under test; for the plain contender just a router
    server      the server under test
    v6          the native host

Packets of all contenders cross the same hosts: tester, core, relay, core, v6.
The links are like network cards of today, with offloads and GRO, or plain.
"""

import collections
import contextlib
import json
import os
import pathlib
import time

from lab import Internet, foreign, teredo, wait_for
from lab.host import LabError, build_directory

#: Blocks that the fake clients own.
CLIENT_NETS = ("9.64.0.0/10", "9.128.0.0/9")
#: Address of v6 that TCP uses: reached through the tunnel, or through the
#: relay host as a plain router; and the same for VXLAN, with its two ends.
FAR, VXLAN_FAR = "2001:db8:22::2", "2001:db8:23::2"
VXLAN_NEAR, VXLAN_RELAY = "2001:db8:33::2", "2001:db8:33::1"
FAKE_SERVER = "9.0.2.3"
RELAY_PORT = 3545


class Plant:
    """A lab prepared for benches; use it in a `with` statement."""

    def __init__(self, nat1="none", nat2="none"):
        self.generator = build_directory() / "bench" / "bench-gen"
        if not self.generator.exists():
            raise LabError(f"{self.generator} is missing: run ninja -C "
                           f"{build_directory()}")
        self.net = Internet(nat1=nat1, nat2=nat2)
        net = self.net
        self._offloads = False
        net.tester.ip(*(f"route add local {block} dev lo"
                        for block in CLIENT_NETS))
        # Plain forwarding takes the way over the relay host, there and back.
        net.v6.ip(f"address add {FAR}/128 dev eth0 preferred_lft 0 "
                  "nodad",
                  f"route add 2001:db8:3::/64 via 2001:db8:2::1 src {FAR}")
        net.core.ip(
            "route add 2001:db8:22::/64 via 2001:db8:2::2",
            "route add default via 2001:db8:1::2 table 100")
        for rule in ("iif tester to 2001:db8:22::/64",
                     "iif v6 from 2001:db8:22::/64 to 2001:db8:3::/64"):
            net.core.run(["ip", "-6", "rule", "add", *rule.split(),
                          "lookup", "100"])
        self._make_vxlan()

    def _make_vxlan(self):
        """A tunnel of the kernel's from tester to relay, of the same MTU."""
        net = self.net
        for host, other, address in (
                (net.tester, net.relay, VXLAN_NEAR),
                (net.relay, net.tester, VXLAN_RELAY)):
            host.ip(f"link add vxlan type vxlan id 1 local {host.ip4} "
                    f"remote {other.ip4} dstport 4789 udpcsum nolearning",
                    "link set vxlan mtu 1280 up",
                    f"address add {address}/64 dev vxlan nodad")
        net.tester.ip(f"route add {VXLAN_FAR} via {VXLAN_RELAY}")
        net.v6.ip(f"address add {VXLAN_FAR}/128 dev eth0 preferred_lft 0 "
                  "nodad")
        net.core.ip(f"route add {VXLAN_FAR} via 2001:db8:2::2",
                    "route add 2001:db8:33::/64 via 2001:db8:1::2")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.net.close()

    def gen(self, host, job, **options):
        """Start a job of the generator on a host."""
        words = [f"{name}={value}" for name, value in options.items()]
        return host.popen([self.generator, job, *words])

    def offloads(self, on):
        """Have links like network cards, or such that carry real packets."""
        if on != self._offloads:
            self.net.offloads(on)
            self._offloads = on

    @contextlib.contextmanager
    def answers(self, what):
        """Count what the server sends, and drop it as early as can be.

        what: an nftables condition.  The context is a function that tells
        the number so far.
        """
        core = self.net.core
        core.nft(f"""
            table netdev answers {{
                counter seen {{ }}
                chain in {{
                    type filter hook ingress device "server" priority 0
                    ip saddr {self.net.server.ip4} udp sport 3544 {what} \
                        counter name "seen" drop
                }}
            }}
            """)

        def seen():
            shown = core.run(["nft", "-j", "list", "counters"]).stdout
            return next(thing["counter"]["packets"]
                        for thing in json.loads(shown)["nftables"]
                        if "counter" in thing)
        try:
            yield seen
        finally:
            core.nft("delete table netdev answers\n")

    @staticmethod
    def result(process, timeout=600):
        """Wait for a job; what it found, as a dictionary."""
        if process.wait(timeout):
            raise LabError(f"{process} failed: {process.err}")
        return json.loads(process.out.splitlines()[-1])


#: What there was to do in a window, in seconds: the daemons' threads, the
#: whole machine (all cores); who had no time left; a number that was counted.
Load = collections.namedtuple("Load", "cpu machine bound counted")


class Window:
    """The span of time, on the monotonic clock, in which all count."""

    def __init__(self, seconds, warm=0.7):
        self.seconds = seconds
        self.start = round(time.monotonic() + warm, 3)
        self.end = round(self.start + seconds, 3)

    @property
    def options(self):
        """Arguments for the generator."""
        return {"from": self.start, "until": self.end}

    def load(self, *hosts, counter=lambda: 0):
        """Sleep through the window; the Load of it, daemons of some hosts."""
        net = hosts[0].lab
        self.sleep(self.start)
        before, machine, number = threads(net), busy_seconds(), counter()
        self.sleep(self.end)
        after, machine = threads(net), busy_seconds() - machine
        spans = {who: now - before.get(who, 0) for who, now in after.items()}
        total = self.seconds * os.cpu_count()
        full = {"machine"} if machine > .95 * total else set()
        if machine - sum(spans.values()) > .15 * total:
            full.add("strangers")
        full |= {role if host in hosts or role != "daemon"
                 else f"daemon on {host.name}"
                 for (host, role, _), span in spans.items()
                 if span > .9 * self.seconds}
        cpu = sum(span for (host, role, _), span in spans.items()
                  if host in hosts and role == "daemon")
        return Load(cpu, machine, ", ".join(sorted(full)) or "nobody",
                    counter() - number)

    @staticmethod
    def sleep(until):
        """Sleep until a time."""
        time.sleep(max(0, until - time.monotonic()))


def processes(host):
    """Directories in /proc of all processes of the host but its keeper."""
    return [path for path in host.path("/proc").glob("[0-9]*")
            if path.name != "1"]


def threads(net):
    """Processor time of each thread in the lab, so far.

    By (host, what it does, number).  It contains the work of the network
    stack that a thread's packets cause at once, for any contender in the same
    way.
    """
    found = {}
    for host in net.hosts.values():
        for process in processes(host):
            with contextlib.suppress(OSError):
                what = (process / "comm").read_text().strip()
                for task in process.glob("task/*"):
                    role = {"miredo": "daemon", "bench-": "sink"}.get(
                        what[:6], what)
                    if role == "sink" and task.name == process.name:
                        role = "generator"
                    found[host, role, task.name] = int(
                        (task / "schedstat").read_text().split()[0]) / 1e9
    return found


def busy_seconds():
    """Time that the cores of the machine were not idle, so far."""
    line = pathlib.Path("/proc/stat").read_text().splitlines()[0]
    times = [int(word) for word in line.split()[1:9]]
    return (sum(times) - times[3] - times[4]) / os.sysconf("SC_CLK_TCK")


def memory(host):
    """Memory of all processes on a host, in kB: total, own, most ever."""
    total = {"rss": 0, "own": 0, "peak": 0}
    for process in processes(host):
        with contextlib.suppress(OSError):
            lines = dict(line.split(":", 1) for line in
                         (process / "status").read_text().splitlines())
            if "VmRSS" not in lines:
                continue
            value = {name: int(text.split()[0]) for name, text
                     in lines.items() if text.endswith("kB")}
            total["rss"] += value["VmRSS"]
            total["own"] += value["RssAnon"] + value["RssShmem"]
            total["peak"] += value["VmHWM"]
    return total


def wait_route(host):
    """Wait until the relay's route is there."""
    wait_for(lambda: host.run(["ip", "-6", "route", "show",
                               "2001::/32"]).stdout, "the relay's route")


def wait_client(host):
    """Wait until the client has an address, and have TCP go through it."""
    wait_for(lambda: teredo.address_of(host), "a Teredo address")
    host.ip(f"route replace {FAR} dev teredo")


class Ours:
    """The daemons of this repository."""

    name, title, tunnels = "ours", "Miredo", True
    #: More directives for each of its daemons.
    more = ""

    @classmethod
    def relay(cls, net, config=""):
        net.relay.write(
            "/etc/miredo/miredo.conf",
            f"RelayType relay\nBindPort {RELAY_PORT}\n{config}{cls.more}")
        net.relay.daemon(["miredo"])
        wait_route(net.relay)

    @classmethod
    def server(cls, net, config=""):
        net.server.write(
            "/etc/miredo/miredo-server.conf",
            f"ServerBindAddress {net.server.ip4}\n{config}{cls.more}")
        net.server.daemon(["miredo-server"])

    @classmethod
    def client(cls, net):
        teredo.start_client(net.tester, "ours", net.server.ip4, cls.more)
        wait_client(net.tester)

    #: Commands that stay in the foreground, for start-up times.
    relay_argv = ["miredo", "-f"]
    server_argv = ["miredo-server", "-f"]
    #: Configuration that lets a bench fill the table, or ask without limit;
    #: and that makes the table as small as can be.
    fill = "NewPeersPerSecond 10000000\n"
    unlimited = "ReplyRate 0\nNetworkReplyRate 0\n"
    small = "MaxPeers 64\n"
    #: Bytes of that table: peers, 128 chains, 8192 slots for waiting packets.
    small_table = 64 * 64 + 4 * 128 + 8192 * 1484


class OursPlain(Ours):
    """Ours, one packet a time."""

    name, title = "ours-plain", "Miredo, Offload no"
    more = "Offload no\n"


class OursSingle(Ours):
    """Ours, with one thread."""

    name, title = "ours-1", "Miredo, Threads 1"
    more = "Threads 1\n"


class Debian:
    """The Debian package of Miredo 1.2.6."""

    name, title, tunnels = "debian", "1.2.6", True

    @staticmethod
    def relay(net, config=""):
        foreign.relay(net.relay, "RelayType cone\n"
                      f"BindPort {RELAY_PORT}\n{config}")
        wait_route(net.relay)

    @staticmethod
    def server(net, config=""):
        foreign.server(net.server, net.server.ip4)

    @staticmethod
    def client(net):
        teredo.start_client(net.tester, "debian", net.server.ip4)
        wait_client(net.tester)

    relay_argv = [foreign.ROOT / "usr/sbin/miredo", "-f", "-u", "miredo",
                  "-c", "/etc/miredo/miredo.conf"]
    server_argv = [foreign.ROOT / "usr/sbin/miredo-server", "-f", "-u",
                   "miredo", "-c", "/etc/miredo-server.conf"]
    fill = unlimited = small = ""
    small_table = 0


class Plain:
    """No tunnel: the relay host forwards plain IPv6."""

    name, title, tunnels = "plain", "plain IPv6", False
    #: The two ends, of the tester and of v6; how the tester gets there.
    near, far = "2001:db8:3::2", FAR
    way = "via 2001:db8:3::1"

    @staticmethod
    def relay(net, config=""):
        """Nothing to start."""

    server = relay
    fill = unlimited = ""


class Vxlan(Plain):
    """A tunnel of the kernel's that ends at the relay host."""

    name, title = "vxlan", "VXLAN"
    near, far = VXLAN_NEAR, VXLAN_FAR
    way = f"via {VXLAN_RELAY}"


CONTENDERS = (Ours, Debian, Plain, Vxlan)
#: Those that run only if they are asked for.
EXTRA = (OursPlain, OursSingle)
