# SPDX-License-Identifier: GPL-2.0-or-later
"""The file descriptor store: what outlives the daemon, and what must not."""

import re
import signal
import socket

import pytest

from lab.host import wait_for
from manager import Manager


def ifindex(host, name="teredo"):
    """The number of an interface: another one is another interface."""
    return int(host.read(f"/sys/class/net/{name}/ifindex")) \
        if host.run(["test", "-e", f"/sys/class/net/{name}"],
                    check=False).returncode == 0 else None


def ports(host):
    """address:port of each UDP socket, and which socket it is; but of those that
    ask the router for a port (PortMapping)."""
    return sorted(re.findall(
        r"^(?!.*miredo-(?:gateway|mapper))\S+ +\d+ +\d+ +(\S+:\d+) .* (ino:\d+)",
        host.run(["ss", "-Hunlep"]).stdout, re.M))


def clients_address(manager):
    (address,) = re.findall(r"qualified: (\S+),", manager.err)[-1:]
    return address


@pytest.fixture
def managed(net):
    """Managers that end with the test."""
    made = []

    def make(host, *argv, **options):
        made.append(Manager(host, list(argv), **options))
        return made[-1]

    yield make
    for manager in made:
        manager.close()


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("threads", ["1", "2"])
def test_relay(net, managed, sig, threads):
    """Port, interface and route are the same after a restart, and after a
    crash of all of it; and packets that came meanwhile are handled."""
    net.relay.write("/etc/kept.conf", f"Threads {threads}\n")
    manager = managed(net.relay, "miredo", "-f", "-c", "/etc/kept.conf")
    manager.start()
    kept = [f"{kind}-{i}" for kind in ("udp-service", "tun-relay")
            for i in range(int(threads))]
    before = ports(net.relay), ifindex(net.relay)
    # Of somebody else: it goes if IPv6 goes from the device but for a moment.
    net.relay.ip("route add 2001:db8:9::/48 dev teredo")
    assert sorted(manager.stored()) == sorted(kept)
    manager.stop(sig)
    assert (ports(net.relay), ifindex(net.relay)) == before
    # Nobody is there to read it.
    port = int(before[0][0][0].rsplit(":", 1)[1])
    with net.server.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"\0\0\0", (net.relay.ip4, port))
    pid = manager.start()
    assert (ports(net.relay), ifindex(net.relay)) == before

    def counted():
        net.relay.kill(pid, signal.SIGUSR1)
        return re.search(r"counters:.* truncated=1", manager.err)

    wait_for(counted, f"what had come meanwhile: {manager.err}")
    assert "2001::/32" in net.relay.run(
        ["ip", "-6", "route", "show", "dev", "teredo"]).stdout
    assert "2001:db8:9::/48" in net.relay.run(
        ["ip", "-6", "route", "show", "dev", "teredo"]).stdout
    # Each is kept once.
    assert sorted(manager.stored()) == sorted(kept)
    assert manager.stop() == 0


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL])
def test_client(net, managed, sig):
    """The interface is the same one, and the address; nothing is left over."""
    net.server.daemon(["miredo", "-s", "9.0.0.2"])
    manager = managed(net.c1, "miredo", "-f", "9.0.0.2")
    manager.start()
    wait_for(lambda: "qualified:" in manager.err, "an address")
    address, index = clients_address(manager), ifindex(net.c1)
    before = ports(net.c1)
    manager.stop(sig)
    manager.start()
    wait_for(lambda: manager.err.count("qualified:") == 2, "the address")
    assert (clients_address(manager), ifindex(net.c1), ports(net.c1)) == \
        (address, index, before)
    def once_each():
        there = net.c1.run(["ip", "-6", "address", "show", "dev", "teredo"]
                           ).stdout
        return there.count("inet6 2001:") == there.count("inet6 fe80:") == 1

    wait_for(once_each, "its addresses")
    assert manager.stop() == 0


def test_server(net, managed):
    """Two sockets of each thread."""
    net.server.write("/etc/kept.conf", "Threads 2\n")
    manager = managed(net.server, "miredo", "-f", "-c", "/etc/kept.conf",
                      "-s", "9.0.0.2")
    manager.start()
    before = ports(net.server)
    assert len(manager.stored()) == len(before) == 4
    manager.stop(signal.SIGKILL)
    manager.start()
    assert ports(net.server) == before
    assert manager.stop() == 0


#: First configuration, second one, and what of it is kept.
CHANGES = {
    "another port": ("BindPort 4001", "BindPort 4002", {"tun-relay"}),
    "any port": ("BindPort 4001", "", {"tun-relay", "udp-service"}),
    "an address": ("BindPort 4001", "BindPort 4001\nBindAddress 9.0.1.2",
                   {"tun-relay"}),
    "an interface": ("BindPort 4001", "BindPort 4001\nBindInterface eth0",
                     {"tun-relay"}),
    "a mark": ("BindPort 4001", "BindPort 4001\nMark 7", {"tun-relay"}),
    "another MTU": ("", "InterfaceMTU 1400", {"tun-relay", "udp-service"}),
    "another name": ("", "InterfaceName mire7", {"udp-service"}),
    "no offloads": ("", "Offload no", {"udp-service"}),
    "more threads": ("Threads 2", "Threads 3", {"tun-relay", "udp-service"}),
    "fewer threads": ("Threads 3", "Threads 2", {"tun-relay", "udp-service"}),
    "one thread": ("Threads 2", "Threads 1", {"udp-service"}),
    "another role": ("", "RelayType client\nServerAddress 9.0.0.2",
                     {"udp-service"}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_does_not_fit(net, managed, change):
    """It is given back before anything is opened, and is in nobody's way."""
    first, second, kept = CHANGES[change]
    net.relay.write("/etc/kept.conf", f"Threads 1\n{first}\n"
                    if "Threads" not in first else first + "\n")
    manager = managed(net.relay, "miredo", "-f", "-c", "/etc/kept.conf")
    manager.start()
    before, index = ports(net.relay), ifindex(net.relay)
    manager.stop()
    net.relay.write("/etc/kept.conf", f"Threads 1\n{second}\n"
                    if "Threads" not in second else second + "\n")
    manager.start()
    after = ports(net.relay)
    assert bool(set(before) & set(after)) == ("udp-service" in kept)
    name = "mire7" if "mire7" in second else "teredo"
    assert (ifindex(net.relay, name) == index) == ("tun-relay" in kept)
    assert f"mtu {1400 if 'MTU' in second else 1280} " in net.relay.run(
        ["ip", "link", "show", name]).stdout
    if name == "mire7":
        assert ifindex(net.relay) is None
    count = int(re.search(r"Threads (\d)", second)[1]
                if "Threads" in second else 1)
    assert len(after) == count
    stored = manager.stored()
    assert len(stored) == len(set(stored)) == 2 * count
    assert manager.stop() == 0


def test_strange_descriptors(net, managed):
    """What nobody knows is closed, and does no harm."""
    net.relay.write("/run/strange.py", """
import os, sys
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="5",
                  LISTEN_FDNAMES="udp-service-0:::tun-relay-0:" + "x" * 300)
zero = os.dup2(os.open("/dev/zero", os.O_RDONLY), 99)
for fd in range(3, 7):                      # number 7 is a lie
    os.dup2(zero, fd, inheritable=True)
os.execvp("miredo", ["miredo", "-f"])
""")
    manager = managed(net.relay, "/usr/bin/python3", "/run/strange.py")
    manager.start()
    assert "relay on" in manager.err
    assert {fields["FDNAME"] for _, fields in manager.messages()
            if "FDSTOREREMOVE" in fields} == {"udp-service-0", "tun-relay-0"}
    assert manager.stop() == 0


def test_without_a_manager(net):
    """Nothing is taken from whoever has no NOTIFY_SOCKET."""
    relay = net.relay.popen(["sh", "-c", "LISTEN_PID=$$ LISTEN_FDS=1 "
                             "LISTEN_FDNAMES=udp-service-0 exec miredo -f"])
    wait_for(lambda: "relay on" in relay.err, "the relay")
    assert relay.stop() == 0
