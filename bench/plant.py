# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab as the benches use it, and the contenders that run in it.

    tester      fake clients, with 12 million addresses of their own
    relay       the relay under test; for the plain contender just a router
    server      the server under test
    v6          the native host

Packets of all contenders cross the same hosts: tester, core, relay, core, v6.
Checksum and segmentation offloads of the links are off.
"""

import contextlib
import json
import time

from lab import Internet, foreign, wait_for
from lab.host import LabError, build_directory

#: Blocks that the fake clients own.
CLIENT_NETS = ("9.64.0.0/10", "9.128.0.0/9")
#: Address of v6 that TCP uses: reached through the tunnel, or through the
#: relay host as a plain router.
FAR = "2001:db8:22::2"
FAKE_SERVER = "9.0.2.3"
RELAY_PORT = 3545


class Plant:
    """A lab prepared for benches; use it in a `with` statement."""

    def __init__(self):
        self.generator = build_directory() / "bench" / "bench-gen"
        if not self.generator.exists():
            raise LabError(f"{self.generator} is missing: run ninja -C "
                           f"{build_directory()}")
        self.net = Internet(nat1="none", nat2="none")
        net = self.net
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

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.net.close()

    def gen(self, host, job, **options):
        """Start a job of the generator on a host."""
        words = [f"{name}={value}" for name, value in options.items()]
        return host.popen([self.generator, job, *words])

    @staticmethod
    def result(process, timeout=600):
        """Wait for a job; what it found, as a dictionary."""
        if process.wait(timeout):
            raise LabError(f"{process} failed: {process.err}")
        return json.loads(process.out.splitlines()[-1])


class Window:
    """The span of time, on the monotonic clock, in which all count."""

    def __init__(self, seconds, warm=0.7):
        self.start = round(time.monotonic() + warm, 3)
        self.end = round(self.start + seconds, 3)

    @property
    def options(self):
        """Arguments for the generator."""
        return {"from": self.start, "until": self.end}

    def cpu(self, host):
        """Sleep through the window; processor seconds of the host in it."""
        self.sleep(self.start)
        before = cpu_seconds(host)
        self.sleep(self.end)
        return cpu_seconds(host) - before

    @staticmethod
    def sleep(until):
        """Sleep until a time."""
        time.sleep(max(0, until - time.monotonic()))


def processes(host):
    """Directories in /proc of all processes of the host but its keeper."""
    return [path for path in host.path("/proc").glob("[0-9]*")
            if path.name != "1"]


def cpu_seconds(host):
    """Processor time of all threads on a host, so far.

    It contains the work of the network stack that a thread's packets cause
    at once, for any contender in the same way.
    """
    total = 0
    for process in processes(host):
        for task in process.glob("task/*/schedstat"):
            with contextlib.suppress(OSError):
                total += int(task.read_text().split()[0])
    return total / 1e9


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


class Ours:
    """The daemons of this repository."""

    name, title, tunnels = "ours", "Miredo", True

    @staticmethod
    def relay(net, config=""):
        net.relay.write("/etc/miredo/miredo.conf",
                        f"RelayType relay\nBindPort {RELAY_PORT}\n{config}")
        net.relay.daemon(["miredo"])
        wait_route(net.relay)

    @staticmethod
    def server(net, config=""):
        net.server.write("/etc/miredo/miredo-server.conf",
                         f"ServerBindAddress {net.server.ip4}\n{config}")
        net.server.daemon(["miredo-server"])

    #: Commands that stay in the foreground, for start-up times.
    relay_argv = ["miredo", "-f"]
    server_argv = ["miredo-server", "-f"]
    #: Configuration that lets a bench fill the table, or ask without limit.
    fill = "NewPeersPerSecond 10000000\n"
    unlimited = "ReplyRate 0\n"


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

    relay_argv = [foreign.ROOT / "usr/sbin/miredo", "-f", "-u", "miredo",
                  "-c", "/etc/miredo/miredo.conf"]
    server_argv = [foreign.ROOT / "usr/sbin/miredo-server", "-f", "-u",
                   "miredo", "-c", "/etc/miredo-server.conf"]
    fill = unlimited = ""


class Plain:
    """No tunnel: the relay host forwards plain IPv6."""

    name, title, tunnels = "plain", "plain IPv6", False

    @staticmethod
    def relay(net, config=""):
        """Nothing to start."""

    @staticmethod
    def server(net, config=""):
        """Nothing to start."""

    fill = unlimited = ""


CONTENDERS = (Ours, Debian, Plain)

__all__ = ["CONTENDERS", "FAKE_SERVER", "FAR", "RELAY_PORT", "Plant",
           "Window", "cpu_seconds", "memory"]
