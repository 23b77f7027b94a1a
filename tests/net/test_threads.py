# SPDX-License-Identifier: GPL-2.0-or-later
"""The threads under ThreadSanitizer: a race that happens fails the test.

MIREDO_TSAN names a build directory with -Db_sanitize=thread; ./check makes
it.  What the sanitizer finds is reported by the daemon that is stopped (see
Daemon.stop() and Internet.tidy()).
"""

import os
import signal

import pytest

import bulk
import packets as t
from lab import teredo, wait_for
from test_daemon import worker_of

CLIENT = "Threads 2\nRefreshInterval 5\n"
#: A small table: each of its pages is five under this sanitizer.
RELAY = "Threads 2\nMaxPeers 4096\n"


@pytest.fixture(scope="module")
def lab(make_lab):
    """Its hosts have the programs of the build with the sanitizer."""
    build = os.environ.get("MIREDO_TSAN")
    if not build:
        pytest.skip("MIREDO_TSAN names no build with -Db_sanitize=thread")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIREDO_BUILD", build)
        lab = make_lab(offload=True)
    lab.offloads(True)
    lab.server.daemon(["miredo", "-s", lab.server.ip4])
    return lab


@pytest.fixture
def path(net):
    """Relay and client c1; and it is really this sanitizer's build."""
    for site in net.sites:
        site.configure()
    relay = bulk.relay(net, RELAY)
    worker = worker_of(net.relay, relay.pid)
    assert "libtsan" in net.relay.read(f"/proc/{worker}/maps")
    client, address = start_client(net.c1)
    return bulk.Path(relay, client, address)


def start_client(host):
    """A new client, and its address."""
    teredo.forget(host)
    return (teredo.start_client(host, config=CLIENT),
            teredo.wait_address(host))


def everybody(net, path, megabytes=3):
    """Transfers of two clients, with each other and both ways, at once."""
    _, second = start_client(net.c2)
    return [bulk.start(*ends, megabytes) for ends in (
        (net.c1, net.v6, net.v6.ip6), (net.v6, net.c1, path.address),
        (net.c2, net.v6, net.v6.ip6), (net.v6, net.c2, second),
        (net.c1, net.c2, second))]


@pytest.mark.parametrize("offload", ["yes", "no"])
def test_transfers(net, offload):
    """Both ways, cold and then warm."""
    config = f"Offload {offload}\n" + RELAY
    path = bulk.path(net, config)
    bulk.both_ways(path, 8, net.c1, net.v6)
    for daemon in path[:2]:
        assert daemon.stop() == 0


def test_questions_meanwhile(net, path):
    """Counters, other settings, and peers that come and do not answer."""
    wire, running = net.wire(net.relay), everybody(net, path)
    number = 0
    while any(transfer.is_alive() for transfer in running):
        number += 1
        wire.send(t.udp6("2001:db8:77::7", t.address("12.9.9.9", (
            f"11.1.{number >> 8 & 255}.{number & 255}", 4001)), data=b"x"))
        net.relay.write("/run/relay.conf", RELAY +
                        f"NewPeersPerSecond {2000 + number}\n"
                        f"DenyIPv4 12.8.0.{number & 255}\n")
        net.c1.write("/etc/miredo/miredo.conf",
                     f"ServerAddress {net.server.ip4}\nThreads 2\n"
                     f"RefreshInterval {5 + number % 9}\n")
        for daemon in path[:2]:
            bulk.report(daemon)
            net.hosts[daemon.host.name].kill(daemon.pid, signal.SIGHUP)
    for transfer in running:
        transfer.result()
    assert number > 5
    for daemon in path[:2]:
        daemon.wait_log("configuration applied: ")


def test_addresses_meanwhile(net, path):
    """They come and go at the relay; the NAT of a client is another."""
    running = everybody(net, path)
    for number in range(8):
        net.relay.ip(f"address add 2001:db8:1::{number + 16:x}/64 dev eth0",
                     f"address add 9.0.1.{number + 16}/24 dev eth0")
        net.relay.ip(f"address del 2001:db8:1::{number + 16:x}/64 dev eth0",
                     f"address del 9.0.1.{number + 16}/24 dev eth0")
    for transfer in running:
        transfer.result()
    broken = bulk.start(net.c1, net.v6, net.v6.ip6, 256)
    wait_for(lambda: broken.got, "the transfer to run", bulk.PATIENCE)
    net.site1.rebind("9.0.10.3")
    address = teredo.wait_address(net.c1, 60, other_than=path.address)
    assert teredo.explain(address).ip4 == "9.0.10.3"
    bulk.start(net.c1, net.v6, net.v6.ip6, 1).result()


@pytest.mark.parametrize("who", ["relay", "client"])
def test_stop_under_load(net, path, who):
    running = [bulk.start(net.c1, net.v6, net.v6.ip6, 256),
               bulk.start(net.v6, net.c1, path.address, 256)]
    wait_for(lambda: all(transfer.got > bulk.MEGABYTE
                         for transfer in running), "the transfers to run",
             bulk.PATIENCE)
    assert getattr(path, who).stop() == 0
