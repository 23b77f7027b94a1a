# SPDX-License-Identifier: GPL-2.0-or-later
"""Our server and relay with a client, a server and a relay nobody here wrote.

The client is always the Debian package's; server and relay are each ours or
the package's.  All four combinations run: with both foreign the case shows
that the lab is right.  Behind each NAT: first contact from either side, on a
fresh client and on one that comes back after the NAT forgot it.
"""

import collections
import hashlib

import pytest

from lab import foreign, nat, teredo, web

Service = collections.namedtuple(
    "Service", "server_is relay_is server relay")
COMBINATIONS = [("ours", "ours"), ("ours", "debian"), ("debian", "ours"),
                ("debian", "debian")]


@pytest.fixture(params=COMBINATIONS,
                ids=lambda pair: f"server-{pair[0]}-relay-{pair[1]}")
def service(request, net):
    """A server and a relay, ours or foreign; ours must end well."""
    server_is, relay_is = request.param
    service = Service(server_is, relay_is,
                      teredo.start_server(net, server_is),
                      teredo.start_relay(net, relay_is))
    yield service
    for whose, daemon in ((server_is, service.server),
                          (relay_is, service.relay)):
        if whose == "ours":
            assert daemon.stop() == 0, daemon.log


@pytest.fixture(params=nat.TYPES)
def kind(request, net):
    """Each type of NAT, freshly set up at both sites."""
    net.site1.configure(request.param)
    net.site2.configure(request.param)
    return request.param


def ping(host, address, count=3):
    """Every request is answered, the first one too."""
    done = host.run(["ping", "-6", "-n", "-i", ".2", "-W", "5",
                     "-c", str(count), address], check=False)
    shown = done.stdout + done.stderr
    assert f" {count} received" in shown and "DUP!" not in shown, shown


def start_client(net, host, site):
    """Start a client; return its address, checked against what is true."""
    daemon = foreign.client(host)
    address = teredo.wait_address(host)
    said = teredo.explain(address)
    assert said.server == net.server.ip4
    assert said.ip4 == (host.ip4 if site.nat == "none" else site.wan)
    assert said.flags & 0xC300 == 0
    return daemon, address


@pytest.mark.parametrize("first", ["client-first", "native-first"])
def test_reaches_native_host(net, service, kind, first):
    with net.capture(net.server, net.relay) as seen:
        daemon, address = start_client(net, net.c1, net.site1)
        ends = [(net.c1, net.v6.ip6), (net.v6, address)]
        if first == "native-first":
            ends.reverse()
        for host, to in ends:       # cold, then over the path that is open
            ping(host, to)
        assert daemon.alive()

        # A client that comes back while the relay still knows the old one.
        daemon.stop()
        net.site1.forget()
        daemon, address = start_client(net, net.c1, net.site1)
        ends = [(host, address if host is net.v6 else to)
                for host, to in ends]
        for host, to in ends:
            ping(host, to)
    assert service.server.alive() and service.relay.alive()
    check_wire(net, service, seen.packets)


def check_wire(net, service, packets):
    """tshark finds Teredo in what our daemons sent, and nothing wrong."""
    ours = []
    if service.server_is == "ours":
        ours += [net.server.ip4, net.server.addresses4[1]]
    if service.relay_is == "ours":
        ours.append(net.relay.ip4)
    for source in ours:
        lines = teredo.decode(packets, source)
        if source != net.server.addresses4[1]:
            assert lines, f"{source} sent nothing"
        for line in lines:
            assert "teredo" in line.protocols, line
            assert not line.malformed, line
            # A client may have drawn a port that traceroute uses, too.
            assert not line.expert.strip() or \
                line.expert.startswith("Possible traceroute"), line


def test_restarted_client_is_reached(net, service):
    """The NAT keeps its mapping; the relay has an entry for the old client."""
    net.site1.configure("portrestricted", preserving=True)
    for _ in range(3):
        daemon = foreign.client(net.c1, config="BindPort 3799\n")
        address = teredo.wait_address(net.c1)
        assert teredo.explain(address).port == 3799
        ping(net.v6, address)
        ping(net.c1, net.v6.ip6)
        daemon.stop()


def test_restarted_relay_reaches_client(net, service, kind):
    """The relay is new and knows nobody; the client is as it was."""
    _, address = start_client(net, net.c1, net.site1)
    ping(net.c1, net.v6.ip6)
    service.relay.stop()
    teredo.start_relay(net, service.relay_is)
    ping(net.v6, address)


@pytest.fixture
def both_in_one(net):
    """Our server that is a relay as well; 2001::/32 is routed to it."""
    net.server.sysctl(ipv6__conf__all__forwarding=1)
    net.core.ip(f"route replace 2001::/32 via {net.server.ip6}")
    net.server.write("/etc/both.conf",
                     f"ServerBindAddress {net.server.ip4}\nRelay yes\n")
    daemon = net.server.daemon(["miredo-server", "-c", "/etc/both.conf"])
    yield daemon
    assert daemon.stop() == 0, daemon.log
    net.core.ip(f"route replace 2001::/32 via {net.relay.ip6}")
    net.server.sysctl(ipv6__conf__all__forwarding=0)


@pytest.mark.parametrize("first", ["client-first", "native-first"])
def test_server_and_relay_in_one(net, both_in_one, kind, first):
    """S41: bubbles and data of clients come to one port."""
    _, address = start_client(net, net.c1, net.site1)
    ends = [(net.c1, net.v6.ip6), (net.v6, address)]
    if first == "native-first":
        ends.reverse()
    for host, to in ends:
        ping(host, to)
    assert both_in_one.alive()


@pytest.mark.parametrize("nat1, nat2", [
    ("none", "portrestricted"), ("full", "restricted"),
    ("restricted", "portrestricted"), ("portrestricted", "none"),
    ("portrestricted", "portrestricted"), ("restricted", "symmetric")])
def test_clients_reach_each_other(net, service, nat1, nat2):
    """The server passes their bubbles on; the rest goes directly."""
    net.site1.configure(nat1)
    net.site2.configure(nat2)
    start_client(net, net.c1, net.site1)
    _, address = start_client(net, net.c2, net.site2)
    ping(net.c1, address)


PAGE = "A page of some length, so that it takes many packets.\n" * 4000


@pytest.mark.parametrize("first", ["client-first", "native-first"])
def test_web_pages(net, service, first):
    """TCP both ways; the very first packet of all is a SYN."""
    net.site1.configure("portrestricted")
    _, address = start_client(net, net.c1, net.site1)
    web.serve(net.c1, PAGE)
    web.serve(net.v6, PAGE)
    ends = [(net.c1, net.v6.ip6), (net.v6, address)]
    if first == "native-first":
        ends.reverse()
    for host, to in ends:
        assert digest(web.fetch(host, to)) == digest(PAGE)


def digest(text):
    """Short enough to be read when it differs."""
    return hashlib.sha256(text.encode()).hexdigest()
