# SPDX-License-Identifier: GPL-2.0-or-later
"""Who reaches whom: each NAT before each of two clients, ours and 1.2.6.

A cell is a cold start: both clients are new, both NATs know nobody.  The first
packet of all goes from c1 to c2; then all is tried both ways while it is warm.
(Cold the other way is the cell with both NATs, and both clients, exchanged.)
Whatever works with 1.2.6 on both sides is asked of ours on either side.  What
1.2.6 does not reach is recorded here as what ours do among themselves: a
symmetric initiator needs RFC 6081 at the other end, too.
"""

import re
import signal
import time

import pytest

import bulk
from lab import control, nat, teredo, wait_for
from test_daemon import worker_of

SYMMETRIC = "symmetric"
#: As shipped; and a client that looks for neighbours.
DISCOVERY = "LocalDiscovery enabled\n"


def works_with_1_2_6(nat1, nat2):
    """The baseline's matrix: symmetric NATs never initiate."""
    return nat1 != SYMMETRIC and (nat1, nat2) != ("portrestricted", SYMMETRIC)


def works_with_ours(nat1, nat2):
    """RFC 6081 adds symmetric initiators, unless the other one is strict."""
    strict = {SYMMETRIC, "portrestricted"}
    return SYMMETRIC not in (nat1, nat2) or not {nat1, nat2} <= strict


PAIRS = [(one, two) for one in nat.TYPES for two in nat.TYPES]
CELLS = [pair for pair in PAIRS if works_with_1_2_6(*pair)]


def ping(host, address, count=2, patience=6):
    """Every request is answered, once; returns the round trips, ms."""
    done = host.run(["ping", "-6", "-n", "-i", ".1", "-W", str(patience),
                     "-c", str(count), address], check=False)
    shown = done.stdout + done.stderr
    assert f" {count} received" in shown and "DUP!" not in shown, shown
    return [float(ms) for ms in re.findall(r"time=([\d.]+) ms", shown)]


def reach(host, address):
    """Until a request is answered.

    Who meets by a random port may lose what has waited: the peer is heard
    before its bubble has come by way of the server, with the number that our
    packets are to be believed for.
    """
    wait_for(lambda: " 1 received" in host.run(
        ["ping", "-6", "-n", "-W", "6", "-c", "1", address],
        check=False).stdout, f"an answer of {address}")


def start(net, host, whose, config=""):
    """A client that nobody has heard of; returns its address, checked."""
    site = next(site for site in net.sites if host in site.hosts)
    teredo.forget(host)
    teredo.start_client(host, whose, config=config)
    address = teredo.wait_address(host)
    said = teredo.explain(address)
    assert said.server == net.server.ip4
    assert said.ip4 == (host.ip4 if site.nat == "none" else site.wan)
    assert said.flags & 0xC300 == 0
    return address


def serve(net, whose):
    """A server."""
    return teredo.start_server(net, whose)


def meet(net, nat1, nat2, whose1, whose2):
    """Two clients, new to each other: their addresses."""
    net.site1.configure(nat1)
    net.site2.configure(nat2)
    return start(net, net.c1, whose1), start(net, net.c2, whose2)


# -- two clients -------------------------------------------------------


@pytest.mark.parametrize("whose1, whose2",
                         [("ours", "debian"), ("debian", "ours")])
@pytest.mark.parametrize("nat1, nat2", CELLS)
def test_ours_with_1_2_6(net, nat1, nat2, whose1, whose2):
    serve(net, "debian")
    one, two = meet(net, nat1, nat2, whose1, whose2)
    ping(net.c1, two)
    ping(net.c2, one)
    ping(net.c1, two)


@pytest.mark.parametrize("nat1, nat2",
                         [pair for pair in PAIRS if works_with_ours(*pair)])
def test_ours_with_ours(net, nat1, nat2):
    serve(net, "ours")
    one, two = meet(net, nat1, nat2, "ours", "ours")
    times = ping(net.c1, two)
    ping(net.c2, one)
    ping(net.c1, two)
    if works_with_1_2_6(nat1, nat2):
        assert times[0] < 1500      # nothing waits for a repeat


@pytest.mark.parametrize("nat1, nat2", [
    ("none", "portrestricted"), ("full", "restricted"),
    ("restricted", "portrestricted"), ("portrestricted", "none"),
    ("portrestricted", "portrestricted"), ("restricted", SYMMETRIC),
    (SYMMETRIC, "restricted")])
def test_ours_with_ours_by_a_server_of_1_2_6(net, nat1, nat2):
    serve(net, "debian")
    one, two = meet(net, nat1, nat2, "ours", "ours")
    ping(net.c1, two)
    ping(net.c2, one)


#: What nobody reaches; the last two are both behind one NAT that does not
#: hairpin, and look for no neighbours.
HOPELESS = [pair for pair in PAIRS if not works_with_ours(*pair)] \
    + [("portrestricted", None)]


@pytest.fixture(scope="module")
def hopeless(make_lab):
    """They take 9 s each, so all try at the same time, each in its lab.

    Gives (exit status of ping, what it said, seconds) by pair of NATs.
    """
    trying = {}
    for nat1, nat2 in HOPELESS:
        net = make_lab()
        serve(net, "ours")
        if nat2:
            _, to = meet(net, nat1, nat2, "ours", "ours")
        else:
            _, to = one_nat(net, nat1, False)
        trying[nat1, nat2] = (net.c1.popen(
            ["ping", "-6", "-n", "-W", "15", "-c", "1", to]),
            time.monotonic())
    return {pair: (process.wait(20), process.out, time.monotonic() - began)
            for pair, (process, began) in trying.items()}


@pytest.mark.parametrize("nat1, nat2", HOPELESS)
def test_out_of_reach(hopeless, nat1, nat2):
    """C52: the host is told, after four tries; nobody hangs."""
    status, said, seconds = hopeless[nat1, nat2]
    assert status == 1
    assert "Destination unreachable: Address unreachable" in said
    assert seconds > 5


# -- random ports ------------------------------------------------------


#: Symmetric NATs whose ports can be foreseen (RFC 6081 §5.4, §5.5).
FORESEEN = {
    "preserving": (SYMMETRIC, {"preserving": True}),
    "sequential": (SYMMETRIC, {"sequential": True}),
    "portrestricted": ("portrestricted", {}),
    "restricted": ("restricted", {}),
}


@pytest.mark.parametrize("nat1, nat2", [
    ("preserving", "preserving"), ("preserving", "portrestricted"),
    ("preserving", "sequential"), ("sequential", "portrestricted"),
    ("portrestricted", "sequential"), ("sequential", "restricted")])
def test_random_ports(net, nat1, nat2):
    """X35-X39, X51-X57, X61: what no bubble from the service port opens."""
    for site, kind in ((net.site1, nat1), (net.site2, nat2)):
        name, options = FORESEEN[kind]
        site.configure(name, **options)
    serve(net, "ours")
    one = start(net, net.c1, "ours")
    two = start(net, net.c2, "ours")
    reach(net.c1, two)
    ping(net.c2, one)
    ping(net.c1, two)


@pytest.mark.parametrize("how", ["preserving", "sequential"])
def test_1_2_6_begins_and_knows_no_ports(net, how):
    """X8: it gets what it always got."""
    net.site1.configure("restricted")
    net.site2.configure(SYMMETRIC, **{how: True})
    serve(net, "debian")
    one = start(net, net.c1, "debian")
    two = start(net, net.c2, "ours")
    ping(net.c1, two)
    ping(net.c2, one)
    ping(net.c1, two)


def test_packets_by_a_random_port(net):
    """X46, X49: of two threads, with leases and offloads, both ways."""
    for site in (net.site1, net.site2):
        site.configure(SYMMETRIC, preserving=True)
    serve(net, "ours")
    one = start(net, net.c1, "ours", "Threads 2\n")
    two = start(net, net.c2, "ours", "Threads 2\n")
    bulk.start(net.c1, net.c2, two, 8).result()
    bulk.start(net.c2, net.c1, one, 8).result()
    for host in (net.c1, net.c2):
        assert control.status(host)["client"]["random_ports"] == "preserved"
        paths = {peer["path"] for peer in control.ask(host, "peers")["peers"]}
        assert paths == {"random-port"}


def test_random_port_of_a_process_that_died(net):
    """Its ports are gone; the peer believes that after three seconds (A67)."""
    net.site1.configure(SYMMETRIC, preserving=True)
    net.site2.configure("portrestricted")
    serve(net, "ours")
    teredo.forget(net.c1)
    client = teredo.start_client(net.c1, "ours")
    teredo.wait_address(net.c1)
    two = start(net, net.c2, "ours")
    reach(net.c1, two)
    net.c1.kill(worker_of(net.c1, client.pid), signal.SIGKILL)
    reach(net.c1, two)


# -- both behind one NAT -----------------------------------------------


HAIRPIN = ("full", "restricted", "portrestricted")


def one_nat(net, kind, hairpin, config=""):
    """Two of ours behind one NAT: their addresses."""
    net.site1.configure(kind, hairpin)
    return start(net, net.c1, "ours", config), \
        start(net, net.c1b, "ours", config)


@pytest.mark.parametrize("kind", HAIRPIN)
@pytest.mark.parametrize("whose1, whose2", [
    ("ours", "ours"), ("ours", "debian"), ("debian", "ours")])
def test_behind_one_nat_that_hairpins(net, kind, whose1, whose2):
    net.site1.configure(kind, hairpin=True)
    serve(net, "debian" if whose1 != whose2 else "ours")
    one = start(net, net.c1, whose1)
    two = start(net, net.c1b, whose2)
    ping(net.c1, two)
    ping(net.c1b, one)


@pytest.mark.parametrize("kind", (*HAIRPIN, SYMMETRIC))
def test_behind_one_nat_by_local_discovery(net, kind):
    """C44, C71-C76: on the link, without any help of the NAT."""
    with net.capture((net.nat1, "c1")) as seen:
        serve(net, "ours")
        one, two = one_nat(net, kind, False, DISCOVERY)
        ping(net.c1, two)
        ping(net.c1b, one)
    direct = [p for p in seen.packets if p.frame[26:34] == bytes(
        [192, 168, 1, 2, 192, 168, 1, 3])]
    assert len(direct) >= 3, "what they said did not go over the link"


# -- the native host ---------------------------------------------------


@pytest.mark.parametrize("first", ["client-first", "native-first"])
@pytest.mark.parametrize("server_is, relay_is", [
    ("ours", "ours"), ("ours", "debian"), ("debian", "ours"),
    ("debian", "debian")])
@pytest.mark.parametrize("kind", nat.TYPES)
def test_native_host(net, kind, server_is, relay_is, first):
    """Cold and warm, both ways."""
    net.site1.configure(kind)
    serve(net, server_is)
    teredo.start_relay(net, relay_is)
    address = start(net, net.c1, "ours")
    ends = [(net.c1, net.v6.ip6), (net.v6, address)]
    if first == "native-first":
        ends.reverse()
    for host, to in (*ends, *ends):
        ping(host, to)
