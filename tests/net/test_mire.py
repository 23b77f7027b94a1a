# SPDX-License-Identifier: GPL-2.0-or-later
"""teredo-mire: answers pings of clients, and of native hosts by way of a relay.

Nobody runs it. 1.2.6's own one was looked at from outside: it answers bubbles to
port 3544 and echo requests to port 3545, from there, as ours does; and other
packets with errors twice as long, as ours does not.
"""

import re
import socket

import pytest

import packets as t
from lab import teredo, wait_for

NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
AT = ("9.0.8.2", 3545)
MIRE = t.address(AT[0], AT)


@pytest.fixture(scope="module")
def mire(lab):
    host = lab.join("mire", "9.0.8", None)
    started = host.popen([*NOBODY, "teredo-mire"])
    listening(host, AT[1])
    yield host
    started.kill()


def listening(host, port):
    wait_for(lambda: f":{port} " in host.run(["ss", "-lun"]).stdout,
             f"somebody at port {port}")


def pings(host):
    """How many of three are answered."""
    said = host.run(["ping", "-6", "-i", "0.2", "-W", "5", "-c", "3",
                     t.text6(MIRE)], check=False).stdout
    return int(re.search(r"(\d+) received", said)[1])


@pytest.mark.parametrize("whose", teredo.IMPLEMENTATIONS)
def test_clients(net, mire, whose):
    teredo.start_server(net)
    teredo.start_client(net.c1, whose)
    teredo.wait_address(net.c1)
    assert pings(net.c1) == 3


def test_native_host(net, mire):
    teredo.start_relay(net)
    assert pings(net.v6) == 3


def socket_of(host, port, timeout=10):
    sock = host.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host.ip4, port))
    sock.settimeout(timeout)
    return sock


def test_no_reflector(net, mire):
    """Only what is right is answered; to the sender, and not longer."""
    peer = (net.tester.ip4, 40000)
    me = t.address("9.0.0.2", peer)
    other = t.address("9.0.0.2", ("9.9.9.9", 40000))
    bad = [b"", b"\xa5" * 50, t.solicitation(t.link_local(peer)),
           t.udp6(me, MIRE), t.tcp6(me, MIRE, flags=t.SYN),
           t.echo(me, MIRE, kind=t.ECHO_REPLY), t.echo(other, MIRE),
           t.echo(me, t.ip6("2001:db8::1")), t.echo("fe80::1", MIRE),
           t.echo(me, "ff02::1"), t.echo(me, t.address(AT[0], (AT[0], 9))),
           t.icmpv6(me, MIRE, t.ECHO_REQUEST, wrong=1), t.echo(me, MIRE)[:-1],
           t.origin(("9.9.9.9", 9)) + t.echo(me, MIRE),
           t.auth(bytes(8)) + t.bubble(me, MIRE), t.bubble(other, MIRE),
           t.bubble(me, MIRE, trailers=t.trailer(0x55, b"")),
           t.ipv6(me, MIRE, t.NONE, b"12345678")]
    for port, right, wrong in (
            (3544, t.bubble(me, MIRE), t.echo(me, MIRE)),
            (3545, t.echo(me, MIRE, 7, 9, b"x" * 900), t.bubble(me, MIRE))):
        with socket_of(net.tester, peer[1]) as sock:
            for packet in [*bad, wrong, right]:
                sock.sendto(packet, (AT[0], port))
            answer, at = sock.recvfrom(2048)
            assert at == AT
            assert len(answer) == len(right)
            packet = t.Packet6(answer)
            assert (packet.src, packet.dst, packet.good) == (MIRE, me, True)
            assert packet.is_bubble or packet.kind == t.ECHO_REPLY
            assert packet.payload[4:] == right[44:]
            sock.setblocking(False)
            with pytest.raises(BlockingIOError):
                sock.recvfrom(2048)


def test_two_do_not_talk_to_each_other(net, mire):
    """Nothing said in the name of another one has it answer for ever."""
    twin = net.join("twin", "9.0.9", None)
    twin.popen([*NOBODY, "teredo-mire", "--bind", twin.ip4])
    listening(twin, 3545)
    at_twin = (twin.ip4, 3545)
    tapped = net.capture((net.core, "mire"))
    wire = net.wire(mire)
    for port in 3544, 3545:
        for source in (twin.ip4, 3544), at_twin:
            for inner in (t.bubble, t.echo):
                wire.send(t.udp4(source, (AT[0], port), inner(
                    t.address(twin.ip4, at_twin), MIRE)))
    pinger = t.address("9.0.0.2", (net.tester.ip4, 40001))
    with socket_of(net.tester, 40001) as sock:
        sock.sendto(t.echo(pinger, MIRE), AT)
        assert sock.recvfrom(2048)[1] == AT
    udp = [p for p in tapped.take() if p.frame[12:14] == b"\x08\x00"]
    # Eight spoofed, the ping; answers to three of them, and to the ping.
    assert len(udp) <= 9 + 4


def test_command_line(net, mire):
    other = net.c2
    for argv, status, text in (
            (["--help"], 0, "Usage: teredo-mire"),
            (["-V"], 0, "teredo-mire (Miredo) "),
            (["-x"], 2, "see:  teredo-mire --help"),
            (["there"], 2, "there are no arguments: there"),
            (["-p", "3544"], 2, "--port takes"),
            (["-b", "here"], 2, "--bind takes an IPv4 address: here"),
            (["--allow", "10.0.0.1/8"], 2, "--allow takes a prefix"),
            (["-b", "9.9.9.9"], 1, "no address of this host")):
        said = other.run(["teredo-mire", *argv], check=False)
        assert (said.returncode, text in said.stdout + said.stderr) \
            == (status, True), argv
    said = mire.run(["teredo-mire"], check=False)
    assert said.returncode == 1
    assert "UDP port 3544 is in use" in said.stderr
