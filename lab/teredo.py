# SPDX-License-Identifier: GPL-2.0-or-later
"""Teredo in the lab: roles by either implementation, addresses explained."""

import collections
import ipaddress
import json

from lab import foreign
from lab.capture import tshark
from lab.host import PATIENCE, wait_for

#: "ours" is the build directory's, "debian" the foreign one.
IMPLEMENTATIONS = ("ours", "debian")

#: What a Teredo address says (RFC 4380, section 4).
Address = collections.namedtuple("Address", "server flags port ip4")

#: An address of a host, as text; not for new connections?
Assigned = collections.namedtuple("Assigned", "address deprecated")


def start_server(net, whose="ours"):
    """Start a Teredo server on net.server; returns a Daemon."""
    if whose == "debian":
        return foreign.server(net.server)
    return net.server.daemon(["miredo", "-s", net.server.ip4])


def start_relay(net, whose="ours"):
    """Start a Teredo relay on net.relay; returns a Daemon."""
    if whose == "debian":
        relay = foreign.relay(net.relay)
        # It sets its route when it is up already; ours comes with one.
        wait_for(lambda: "dev teredo" in net.relay.run(
            ["ip", "-6", "route", "show", "2001::/32"]).stdout, "its route")
        return relay
    return net.relay.daemon(["miredo"])


def start_client(host, whose="ours", server="9.0.0.2", config="", hook=False,
                 **options):
    """Start a Teredo client with interface teredo; returns a Daemon.

    It has no address yet: see wait_address().  server: an address or a name,
    or a list of them.  hook: have ours set its interface by the foreign
    client's script, which that one always does.
    """
    servers = [server] if isinstance(server, str) else server
    if whose == "debian":
        return foreign.client(host, *servers, config, **options)
    if hook:
        foreign.hook(host)
    else:
        host.path(foreign.HOOK).unlink(missing_ok=True)
    host.write("/etc/miredo/miredo.conf", "".join(
        f"ServerAddress {name}\n" for name in servers) + config)
    return host.daemon(["miredo"], **options)


def forget(host):
    """Remove what our client remembers from one run to the next."""
    host.run(["rm", "-rf", "/var/lib/miredo"])


def addresses_of(host, device="teredo"):
    """The global IPv6 addresses on a device: a list of Assigned."""
    shown = host.run(["ip", "-6", "-json", "address", "show", "dev", device,
                      "scope", "global"], check=False).stdout
    return [Assigned(address["local"], address.get("deprecated", False))
            for link in json.loads(shown or "[]")
            for address in link.get("addr_info", ())
            if "local" in address]      # others are empty: of another scope


def deprecated(host, device="teredo"):
    """The addresses that nothing new is to be sent from."""
    return [it.address for it in addresses_of(host, device) if it.deprecated]


def address_of(host, device="teredo"):
    """The address to send from on a device now, None if there is none."""
    return next((it.address for it in addresses_of(host, device)
                 if not it.deprecated), None)


def wait_address(host, timeout=PATIENCE, other_than=None):
    """Wait until a client is qualified; return its Teredo address.

    The route is set after the address, by another program; wait for both.
    other_than: an address of before, to be replaced.
    """
    def ready():
        address = address_of(host)
        route = host.run(["ip", "-6", "route", "get", host.lab.v6.ip6],
                         check=False).stdout
        return address if " dev teredo " in route and \
            address != other_than else None

    return wait_for(ready, f"a Teredo address and route on {host.name}",
                    timeout)


def explain(address):
    """Take a Teredo address apart; returns an Address."""
    raw = ipaddress.IPv6Address(address).packed
    return Address(
        server=str(ipaddress.IPv4Address(raw[4:8])),
        flags=int.from_bytes(raw[8:10], "big"),
        port=int.from_bytes(raw[10:12], "big") ^ 0xffff,
        ip4=str(ipaddress.IPv4Address(bytes(b ^ 0xff for b in raw[12:]))))


#: Columns of decode().
FIELDS = ("frame.protocols", "_ws.malformed", "_ws.expert.message",
          "ip.src", "udp.srcport", "ip.dst", "udp.dstport", "ipv6.src",
          "ipv6.dst", "_ws.col.Info")
Decoded = collections.namedtuple(
    "Decoded", "protocols malformed expert ip_src udp_src ip_dst udp_dst "
               "ipv6_src ipv6_dst info")


def decode(packets, source):
    """What tshark makes of the UDP packets that `source` (IPv4) sent."""
    options = ["--enable-heuristic", "teredo_udp", "-T", "fields",
               "-E", "occurrence=a", "-o", "udp.check_checksum:TRUE",
               "-Y", f"udp && ip.src == {source} && !icmp"]
    for field in FIELDS:
        options += ["-e", field]
    return [Decoded(*line.split("\t")) for line in tshark(packets, *options)]
