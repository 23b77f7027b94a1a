# SPDX-License-Identifier: GPL-2.0-or-later
"""Much at once, with and without the kernel's help, by one thread and by two.

Links are like network cards of today, GRO at both ends.  Each offload is
switched off once, so that what takes its place is tested on this kernel, too.
Whatever is in use: what arrives is what was sent, and the kernel was really
asked for what is said to be in use.
"""

import contextlib
import re
import socket
import struct

import pytest

import bulk
import packets as t
from lab import teredo
from lab.capture import payload
from test_daemon import worker_of

OFFLOADS = ["yes", "no", "tso uso gso", "tso gso gro", "tso uso gro",
            "uso gso gro"]
ALL = "tso uso gso gro"
#: Ports of SSDP, and of PCP and NAT-PMP.
TO_ROUTER = struct.pack("!H", 1900), struct.pack("!H", 5351)


@pytest.fixture(scope="module")
def lab(make_lab):
    """Links with all offloads; the server stays."""
    lab = make_lab(offload=True)
    lab.offloads(True)
    lab.server.daemon(["miredo", "-s", lab.server.ip4])
    return lab


def in_use(offload):
    """What "offloads:" says then, and the set of it."""
    text = {"yes": ALL, "no": "none"}.get(offload, offload)
    return text, set(text.split())


def config(offload="yes", threads=2):
    return f"Offload {offload}\nThreads {threads}\n"


def tasks(daemon):
    """How many threads carry packets."""
    worker = worker_of(daemon.host, daemon.pid)
    return len(list(daemon.host.path(f"/proc/{worker}/task").iterdir()))


def check_pieces(before, after, used):
    """Many at a time where the kernel was asked for it, else one by one.

    How many is a matter of time where the sender does not make trains.
    """
    did = bulk.Pieces(*(b - a for a, b in zip(before, after)))
    least = 2 if "gso" in used else 1
    for many, calls, means, needs in (
            (did.datagrams, did.trains, "gro", {"gro", "gso"}),
            (did.written, did.writes, "tso", {"tso"}),
            (did.packets, did.supers, "tso", {"tso"})):
        if needs <= used:
            assert many > least * calls, did
        elif means not in used:
            assert many == calls, did


# -- TCP ----------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("offload", OFFLOADS)
def test_each_offload(net, offload, threads):
    """Cold, and both ways; and each does as it says."""
    path = bulk.path(net, config(offload, threads))
    text, used = in_use(offload)
    for daemon in path.relay, path.client:
        daemon.wait_log(rf"\b{threads} threads?, offloads: {text}\n")
        assert tasks(daemon) == threads
    before = bulk.pieces(path.relay), bulk.pieces(path.client)
    bulk.both_ways(path, 32, net.c1, net.v6)
    for daemon, earlier in zip(path[:2], before):
        assert f"threads: {threads}, offloads: {text}\n" in \
            bulk.report(daemon)
        check_pieces(earlier, bulk.pieces(daemon), used)


@pytest.mark.parametrize("settings, down, up", [
    ("", 1024, 1024), ("Threads 1\n", 256, 256)], ids=["default", "1-thread"])
def test_a_gigabyte(net, settings, down, up):
    """The first packet of all begins it, from the native side."""
    path = bulk.path(net, settings)
    bulk.start(net.v6, net.c1, path.address, down).result()
    bulk.start(net.c1, net.v6, net.v6.ip6, up).result()


@pytest.fixture(scope="module")
def lab_of_cards(make_lab):
    """Single packets come in, and GRO makes trains of them."""
    lab = make_lab(offload=True)
    lab.server.daemon(["miredo", "-s", lab.server.ip4])
    for host in lab.relay, lab.c1:
        lab.card(host)
    return lab


@pytest.fixture
def cards(lab_of_cards):
    """The same; what the test starts ends with it."""
    with lab_of_cards.tidy():
        yield lab_of_cards


@pytest.mark.parametrize("offload", ["yes", "tso uso gro"])
def test_trains_of_the_kernel(cards, offload):
    """Made of single datagrams by GRO, acknowledgements in between."""
    path = bulk.path(cards, config(offload))
    bulk.both_ways(path, 16, cards.c1, cards.v6)
    for daemon in path[:2]:
        did = bulk.pieces(daemon)
        assert did.datagrams > 1.2 * did.trains
        assert did.written > 2 * did.writes


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("offload", ["yes", "no"])
def test_loss(net, offload, threads):
    """One in a hundred is lost, one in a hundred comes twice."""
    path = bulk.path(net, config(offload, threads))
    net.fault(net.relay, drop=1, duplicate=1)
    bulk.both_ways(path, 16, net.c1, net.v6)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("offload", ["yes", "no"])
def test_reordering(cards, offload, threads):
    """Each packet is late by a time of its own; some are lost as well."""
    path = bulk.path(cards, config(offload, threads))
    cards.delay(1, 3)
    cards.fault(cards.relay, drop=.2, duplicate=.5)
    bulk.both_ways(path, 8, cards.c1, cards.v6)


@contextlib.contextmanager
def narrow(host, device):
    """A cable that takes no datagram of 1308 bytes, which ours are, whole.

    At both ends: one that is narrower than the other loses what is too long,
    unless it comes in a train.
    """
    ends = (host, device), host.lab.other_end(host, device)
    try:
        for end, name in ends:
            end.ip(f"link set {name} mtu 1300")
        yield
    finally:
        for end, name in ends:
            end.ip(f"link set {name} mtu 1500")


def test_narrow_cable_of_the_relay(net):
    """R27: what is too long leaves in fragments, made here, as DF is clear."""
    path = bulk.path(net)
    with narrow(net.relay, "eth0"):
        bulk.both_ways(path, 4, net.c1, net.v6)
        assert re.search(r"cut here, as the kernel would not: [1-9]",
                         bulk.report(path.relay))


def test_narrow_path(net):
    """R27: what is too long for a cable on the way is fragmented there."""
    path = bulk.path(net)
    with narrow(net.core, "nat1"), net.capture(net.nat1) as seen:
        bulk.both_ways(path, 4, net.c1, net.v6)
        assert any(is_fragment(packet.frame) for packet in seen.packets)


def is_fragment(frame):
    """Is it a part of an IPv4 packet?"""
    return frame[12:14] == b"\x08\0" and \
        struct.unpack("!H", frame[20:22])[0] & 0x3fff


def test_many_at_once(net):
    """Two clients, both ways each, at the same time."""
    path = bulk.path(net, config())
    teredo.forget(net.c2)
    teredo.start_client(net.c2, config=config())
    second = teredo.wait_address(net.c2)
    running = [bulk.start(*ends, 8) for ends in (
        (net.c1, net.v6, net.v6.ip6), (net.v6, net.c1, path.address),
        (net.c2, net.v6, net.v6.ip6), (net.v6, net.c2, second),
        (net.c1, net.c2, second), (net.c2, net.c1, path.address))]
    for transfer in running:
        transfer.result()


@pytest.mark.parametrize("relay, client", [("ours", "debian"),
                                           ("debian", "ours")])
def test_with_1_2_6(net, relay, client):
    """The other end knows nothing of all this."""
    teredo.forget(net.c1)
    teredo.start_relay(net, relay)
    teredo.start_client(net.c1, client)
    address = teredo.wait_address(net.c1)
    path = bulk.Path(None, None, address)
    bulk.both_ways(path, 16, net.c1, net.v6)


# -- UDP ----------------------------------------------------------------


def udp(host, address="::"):
    sock = host.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, bulk.SO_RCVBUFFORCE, 8 << 20)
    sock.bind((address, 0))
    sock.settimeout(2)
    return sock


def numbered(count, size):
    """Datagrams with numbers; size(n): their lengths."""
    return [struct.pack("!I", n) + bulk.block()[n:n + size(n) - 4]
            for n in range(count)]


SIZES = {
    "alike": lambda n: 1200,
    "last-shorter": lambda n: 1100 if n % 10 < 9 else 300,
    "changing": lambda n: (1200, 1200, 64, 64, 64, 900, 64, 1232)[n % 8],
    "growing": lambda n: 8 + n % 1200,
}


def receive(sock, count):
    """So many datagrams, or what comes of them."""
    got = []
    try:
        while len(got) < count:
            got.append(sock.recv(2048))
    except TimeoutError:
        pass
    return got


def check_flow(sent, got):
    """Each once and whole; and in order unless the network lost some."""
    assert len(set(got)) == len(got) and set(got) <= set(sent)
    assert len(got) > len(sent) * .9
    if len(got) == len(sent):
        assert got == sent


def in_bursts(send, receiver, sent, burst=80):
    """No more at a time than the network has room for."""
    got = []
    for at in range(0, len(sent), burst):
        piece = sent[at:at + burst]
        send(piece)
        got += receive(receiver, len(piece))
    check_flow(sent, got)


@pytest.fixture
def two_threads(net):
    """A path that is warm."""
    path = bulk.path(net, config())
    net.c1.run(["ping", "-6", "-c", "1", "-W", "9", net.v6.ip6])
    return path


def ends(net, path):
    """Sockets of client and native host, each with the other's address."""
    client, native = udp(net.c1, path.address), udp(net.v6)
    to_native = net.v6.ip6, native.getsockname()[1]
    to_client = path.address, client.getsockname()[1]
    return [(client, native, to_native), (native, client, to_client)]


@pytest.mark.parametrize("sizes", SIZES)
def test_order_of_datagrams(net, two_threads, sizes):
    """One flow each way; sizes change in the middle."""
    for sender, receiver, to in ends(net, two_threads):
        in_bursts(lambda piece: [sender.sendto(data, to) for data in piece],
                  receiver, numbered(800, SIZES[sizes]))


@pytest.mark.parametrize("size", [64, 1200])
def test_trains_of_the_sender(net, two_threads, size):
    """UDP_SEGMENT in the host itself, as QUIC does; the last one shorter."""
    for sender, receiver, to in ends(net, two_threads):
        before = [bulk.pieces(daemon) for daemon in two_threads[:2]]
        in_bursts(lambda piece: bulk.datagrams(
            sender, *piece, to=to, segment=size), receiver,
            numbered(800, lambda n: size if n % 40 < 39 else 50), 40)
        after = [bulk.pieces(daemon) for daemon in two_threads[:2]]
        assert sum(b.supers - a.supers for a, b in zip(before, after)) < 200
        assert sum(b.writes - a.writes for a, b in zip(before, after)) < 200


# -- the rest of it -----------------------------------------------------


@pytest.mark.parametrize("text, plain, marked", [
    ("DSCP 46\n", 46, 46), ("DSCP copy\n", 0, 34)], ids=["number", "copy"])
def test_dscp(net, text, plain, marked):
    """In all datagrams of relay and client; never the bits for congestion."""
    with net.capture((net.c1, "eth0"), (net.relay, "eth0")) as seen:
        bulk.path(net, text + config())
        net.c1.run(["ping", "-6", "-c", "2", "-i", ".1", net.v6.ip6])
        plainly = marks(seen.take())
        # The reply has the class of the request: DSCP 34, and ECT(0).
        net.c1.run(["ping", "-6", "-c", "2", "-i", ".1", "-Q", "0x8a",
                    net.v6.ip6])
        with_mark = marks(seen.take())
    hosts = "c1", "relay"
    assert plainly == {(host, plain << 2) for host in hosts}
    assert with_mark == {(host, marked << 2) for host in hosts}


def test_dscp_of_each_packet(net):
    """Those that leave at once are no train if their marks differ."""
    path = bulk.path(net, "DSCP copy\n" + config())
    sender, receiver, to = ends(net, path)[0]
    sender.sendto(b"first", to)
    assert receive(receiver, 1) == [b"first"]
    with net.capture((net.c1, "eth0")) as seen:
        with path.client.paused():
            for n in range(60):
                sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS,
                                  n // 3 % 4 << 4)
                sender.sendto(b"%d" % n, to)
            sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, 64)
            bulk.datagrams(sender, bytes(6400), to=to, segment=100)
        assert len(receive(receiver, 124)) == 124
    sent = [payload(packet) for packet in seen.packets if packet.sent]
    marked = [(packet[1], t.Packet6(packet[28:]).traffic) for packet in sent
              if packet[28:] and packet[28] >> 4 == 6]
    assert {outer for outer, _ in marked} == {0, 16, 32, 48, 64}
    assert all(outer == inner for outer, inner in marked)


def marks(seen):
    """(host name, TOS) of each datagram of Teredo that was sent: not of what
    the router is asked."""
    return {(packet.host, packet.frame[15]) for packet in seen
            if packet.sent and packet.frame[12:14] == b"\x08\x00"
            and packet.frame[23] == t.UDP
            and packet.frame[36:38] not in TO_ROUTER}


def test_port_is_taken(net):
    """Threads share it with each other, with nobody else."""
    first = bulk.relay(net, "BindPort 3545\n" + config())
    net.relay.write("/run/second.conf", "BindPort 3545\n"
                    "InterfaceName second\n" + config())
    second = net.relay.run(["miredo", "-f", "-c", "/run/second.conf",
                            "-p", "/run/second.pid"], check=False)
    assert second.returncode == 1
    assert "UDP port 3545 on any address is taken by" in second.stderr
    assert first.alive() and tasks(first) == 2
