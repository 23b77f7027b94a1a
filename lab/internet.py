# SPDX-License-Identifier: GPL-2.0-or-later
"""The small internet: who is there, and which addresses they have.

                        v6   2001:db8:2::2
                         |
  server 9.0.0.2, .3 --- core --- relay 9.0.1.2
         2001:db8::2     | | |          2001:db8:1::2, 2001::/32
                         | | `--- tester 9.0.2.2-9, 2001:db8:3::2, and
           9.0.10.2 nat1-' |             every address nobody else has
                   /  |    `-nat2 9.0.11.2
                 c1  c1b       `-c2
       192.168.1.2   .3       192.168.2.2

Addresses are taken from ranges that no Teredo node refuses.  Core filters
nothing, so the tester may use any source address; and what is sent to an
address that nobody has goes to the tester's link.  A client whose site has no
NAT has a public address instead: 9.0.20.x, 9.0.21.x.
"""

import contextlib
import os
import socket
import subprocess
import sys

from lab import capture, keeper, nat, wire
from lab.host import Host, LabError
from lab.names import Names
from lab.paths import Paths
from lab.reader import Reader

ROUTER = {"ipv4__ip_forward": 1, "ipv6__conf__all__forwarding": 1}
BASIC = {
    "ipv4__conf__all__rp_filter": 0,
    "ipv4__conf__default__rp_filter": 0,
    "ipv4__conf__all__accept_local": 1,
    "ipv4__conf__default__accept_local": 1,
    "ipv4__conf__all__accept_redirects": 0,
    "ipv4__conf__all__send_redirects": 0,
    "ipv4__conf__default__send_redirects": 0,
    "ipv4__ip_forward": 0,
    "ipv6__conf__all__forwarding": 0,
    "ipv6__conf__all__disable_ipv6": 0,
    "ipv6__conf__default__disable_ipv6": 0,
    "ipv6__conf__default__accept_dad": 0,
    "ipv6__conf__default__dad_transmits": 0,
    "ipv6__conf__default__accept_ra": 0,
    "ipv6__conf__default__router_solicitations": 0,
    "ipv6__icmp__ratelimit": 0,
}


class Site:
    """One site: a NAT and the hosts behind it."""

    def __init__(self, lab, number, router):
        self.lab, self.number, self.router = lab, number, router
        self.hosts = []
        #: The type of the NAT now, one of lab.nat.TYPES.
        self.nat = None

    @property
    def wan(self):
        """The outside address."""
        return self.router.ip4

    def configure(self, kind="portrestricted", hairpin=False,
                  preserving=False, lifetime=120, sequential=False):
        """Select the NAT; all mappings are forgotten.

        hairpin: hosts inside reach each other at their outside endpoints.
        preserving: the outside port is the inside port, if free.
        sequential: outside ports are given out one after the other.
        lifetime: of an idle mapping, seconds.
        The type "none" gives the hosts public addresses.
        """
        if kind not in nat.TYPES:
            raise ValueError(f"no NAT type {kind!r}: one of {nat.TYPES}")
        self.nat, self._ports = kind, nat.PORTS[0]
        self._options = (hairpin, preserving, lifetime, sequential)
        net = f"9.0.{19 + self.number}" if kind == "none" \
            else f"192.168.{self.number}"
        for place, host in enumerate(self.hosts, 2):
            host.readdress(f"{net}.{place}")
        self._load(f"9.0.{9 + self.number}.2")

    def _load(self, wan):
        """Set the router up, with this outside address."""
        self.router.readdress(wan, "wan")
        self.lab.core.ip(
            f"route replace 9.0.{19 + self.number}.0/24 via {wan}")
        if self.nat == "none":
            self.router.nft("table ip nat\ndelete table ip nat\n")
        else:
            hairpin, preserving, lifetime, sequential = self._options
            self.router.nft(nat.ruleset(self.nat, wan, hairpin, preserving,
                                        lifetime, self._ports, sequential))
            self.router.sysctl(
                netfilter__nf_conntrack_udp_timeout=lifetime,
                netfilter__nf_conntrack_udp_timeout_stream=lifetime)
        self.forget()

    def forget(self):
        """Lose all mappings, as a NAT does that was switched off and on."""
        # A packet in between would have its mapping noted again.
        with self.lab.closed(self.router):
            self.router.run(["conntrack", "-F"])
            if self.nat != "none":
                self.router.nft("\n".join(
                    f"flush set ip nat {name}" for name in
                    ("taken", "heard", "tried", "tried_any"))
                    + "\nflush map ip nat outside\n"
                    "flush map ip nat inside\n")

    def rebind(self, address=None):
        """Lose all mappings, and use none of the old outside ports again.

        With an address, have that one outside, like 9.0.10.3.  configure()
        undoes it.  Ports are not preserved any more.
        """
        if self.nat == "none":
            raise LabError(f"{self.router.name} is no NAT now")
        self._ports = nat.PORTS[2 if self._ports == nat.PORTS[1] else 1]
        self._options = (self._options[0], False, *self._options[2:])
        self._load(address or self.wan)


class Internet(Paths):
    """A lab; use it in a `with` statement.

    Hosts are attributes: core, server, relay, v6, tester, nat1, nat2, c1, c1b,
    c2; sites: site1, site2.  nat1, nat2, hairpin and preserving select the
    NATs (see Site.configure).  offload keeps checksum and segmentation offload
    on: faster, but captures show unfinished packets.
    """

    def __init__(self, nat1="portrestricted", nat2="portrestricted",
                 hairpin=False, preserving=False, offload=False):
        if os.geteuid():
            raise LabError("the lab needs root (it makes namespaces)")
        # What is written to hosts, their users must be able to read.
        os.umask(0o022)
        super().__init__()
        self.hosts, self.sites = {}, []
        self._dns = None
        self._offload = offload
        self._ends = {}
        self._open = []
        self.reader = Reader()
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with far:
            self._keeper = subprocess.Popen(
                [sys.executable, "-I", "-S", keeper.__file__,
                 str(far.fileno())], pass_fds=[far.fileno()],
                stdin=subprocess.DEVNULL, start_new_session=True)
        self._control = near
        try:
            self._build()
            self.site1.configure(nat1, hairpin, preserving)
            self.site2.configure(nat2, hairpin, preserving)
        except BaseException:
            self.close()
            raise

    def _build(self):
        self.core = self.add_host("core")
        self.core.sysctl(**ROUTER)
        self.server = self.join("server", "9.0.0", "2001:db8:0")
        self.server.addresses4.append("9.0.0.3")
        self.server.ip("address add 9.0.0.3/24 dev eth0")
        self.relay = self.join("relay", "9.0.1", "2001:db8:1")
        self.relay.sysctl(ipv6__conf__all__forwarding=1)
        self.v6 = self.join("v6", None, "2001:db8:2")
        self.tester = self.join("tester", "9.0.2", "2001:db8:3")
        self.tester.addresses4 += [f"9.0.2.{n}" for n in range(3, 10)]
        self.tester.ip(*(f"address add {address}/24 dev eth0"
                         for address in self.tester.addresses4[1:]))
        # Raw packets belong to no socket; the kernel must not answer them.
        self.tester.nft("""
            table ip mute {
                chain out {
                    type filter hook output priority 0
                    icmp type destination-unreachable drop
                }
            }
            """)
        self.core.ip("route add 2001::/32 via 2001:db8:1::2",
                     "route add default via 2001:db8:3::2",
                     "route add default via 9.0.2.2")
        self.add_site("c1", "c1b")
        self.add_site("c2")

    def add_site(self, *names):
        """Make the next site, a NAT and hosts behind it; returns the Site.

        The third one is nat3 and site3.  Its NAT is still to be configured.
        """
        number = len(self.sites) + 1
        router = self.join(f"nat{number}", f"9.0.{9 + number}", None,
                           device="wan")
        router.sysctl(**ROUTER)
        site = Site(self, number, router)
        setattr(self, f"site{number}", site)
        self.sites.append(site)
        router.ip("link add lan type bridge", "link set lan up",
                  f"address add 192.168.{number}.1/24 dev lan",
                  f"address add 9.0.{19 + number}.1/24 dev lan")
        router.run(["sh", "-c", "test ! -d /proc/sys/net/bridge || "
                    "echo 0 > /proc/sys/net/bridge/bridge-nf-call-iptables"])
        for name in names:
            host = self.add_host(name)
            self.link(router, name, host, "eth0")
            router.ip(f"link set {name} master lan")
            site.hosts.append(host)
            setattr(self, name, host)
        return site

    def add_host(self, name):
        """Make a host without any link."""
        keeper.send(self._control, {"name": name})
        reply, fds = keeper.receive(self._control)
        if reply is None:
            raise LabError("the keeper of the namespaces is gone")
        control = socket.socket(fileno=fds[0])
        ready, fds = keeper.receive(control)
        if not ready or "failed" in ready:
            raise LabError(f"host {name}: {ready and ready['failed']}")
        host = Host(self, name, control, reply["pid"],
                    socket.socket(fileno=fds[0]))
        self.hosts[name] = host
        host.sysctl(**BASIC)
        host.ip("link set lo up")
        return host

    def link(self, one, device1, two, device2):
        """Join two hosts by a cable."""
        result = subprocess.run(
            ["nsenter", f"--net=/proc/{one.pid}/ns/net", "ip", "link", "add",
             device1, "type", "veth", "peer", "name", device2,
             "netns", str(two.pid)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if result.returncode:
            raise LabError(f"link {one.name}-{two.name}: {result.stderr}")
        self._ends[one, device1] = (two, device2)
        self._ends[two, device2] = (one, device1)
        for host, device in ((one, device1), (two, device2)):
            if not self._offload:
                host.offloads_off(device)
            host.ip(f"link set {device} up")

    def offloads(self, on):
        """Switch the offloads of all cables that there are, GRO as well."""
        for host, device in self._ends:
            (host.offloads_on if on else host.offloads_off)(device)

    def card(self, host, device="eth0"):
        """Have a host receive as by a network card: single packets, and GRO.

        Packets pile up a little and GRO makes trains of them.  Otherwise a
        virtual cable hands over what was sent, trains as trains.
        """
        far, at = self.other_end(host, device)
        far.offloads_off(at)
        host.offloads_on(device)
        host.run(["sh", "-c",
                  f"echo 1 > /sys/class/net/{device}/threaded"])

    def other_end(self, host, device):
        """The (host, device) at the other end of a cable."""
        return self._ends[host, device]

    def join(self, name, net4, net6, device="eth0"):
        """Make a host and join it to core: x.2 there, x.1 is core.

        Core's end of the link has the name of the host.
        """
        host = self.add_host(name)
        self.link(self.core, name, host, device)
        at_core, at_host = [], []
        if net4:
            at_core.append(f"address add {net4}.1/24 dev {name}")
            at_host += [f"address add {net4}.2/24 dev {device}",
                        f"route add default via {net4}.1"]
            host.addresses4.append(f"{net4}.2")
        if net6:
            at_core.append(f"address add {net6}::1/64 dev {name}")
            at_host += [f"address add {net6}::2/64 dev {device}",
                        f"route add default via {net6}::1"]
            host.addresses6.append(
                "2001:db8::2" if net6 == "2001:db8:0" else f"{net6}::2")
        self.core.ip(*at_core)
        host.ip(*at_host)
        setattr(self, name, host)
        return host

    @property
    def dns(self):
        """A host with a name server, 9.0.3.2, made when first asked for."""
        if not self._dns:
            self._dns = Names(self.join("names", "9.0.3", None))
        return self._dns

    def wire(self, host, device=None):
        """A Wire on the cable of a host: see lab.wire.

        Without a device it is core's end of the cable: what is sent there
        arrives at the host as from the internet, what is received there was
        sent by the host.
        """
        opened = wire.Wire(self.core, host.name) if device is None \
            else wire.Wire(host, device)
        self._open.append(opened)
        return opened

    def capture(self, *places):
        """Record packets at places, (host, device) or host: see Capture.

        A place that is just a host means core's end of its cable.
        """
        recording = capture.Capture(self.reader, [
            place if isinstance(place, tuple) else (self.core, place.name)
            for place in places])
        self._open.append(recording)
        return recording

    @contextlib.contextmanager
    def tidy(self):
        """Stop at the end what is started and opened in between.

        Daemons first by SIGTERM; programs, captures, wires and faults too.
        Delays are as before again, and net.dns answers.
        Raises LabError if one of our daemons did not end well: see
        Host.stop_all().
        """
        problems = []
        started = {host: list(host.running) for host in self.hosts.values()}
        opened, delay = list(self._open), self._delay
        try:
            yield self
        finally:
            for host in self.hosts.values():
                try:
                    host.stop_all(but=started.get(host, ()))
                except LabError as problem:
                    problems.append(str(problem))
            for thing in self._open:
                if thing not in opened:
                    thing.close()
            self._open = opened
            self.no_faults()
            if self._delay != delay:
                self.delay(*delay)
            if self._dns:
                self._dns.mode, self._dns.delay = "answer", 0
            if problems:
                raise LabError("\n".join(problems))

    def close(self):
        """End the lab: kill all its programs, remove all its networks."""
        for thing in self._open + [self._dns] * bool(self._dns):
            thing.close()
        self.reader.close()
        self._control.close()
        for host in self.hosts.values():
            host.close()
        try:
            self._keeper.wait(10)
        except subprocess.TimeoutExpired:
            self._keeper.kill()
            self._keeper.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
