# SPDX-License-Identifier: GPL-2.0-or-later
"""The client as a daemon: who is one by command line and file, what keeps it
from starting, what is left of it, and how it keeps its address."""

import json
import re
import signal
import time

import pytest

from lab import control, teredo
from lab.host import PATIENCE, wait_for
from test_daemon import (has_interface, is_clean, keeper_of, sockets, status,
                         worker_of)
from test_daemon_input import configured, refused

SERVER = "9.0.0.2"


@pytest.fixture
def server(net):
    net.server.daemon(["miredo", "-s", SERVER])
    return net.server


@pytest.fixture
def c1(net):
    """A host that knows nobody's name and remembers nothing."""
    net.c1.write("/etc/hosts", "127.0.0.1 localhost\n")
    net.c1.run(["rm", "-rf", "/var/lib/miredo"])
    return net.c1


def addresses(host, device="teredo"):
    """The global addresses of the tunnel interface."""
    shown = host.run(["ip", "-6", "-o", "address", "show", "dev", device,
                      "scope", "global"], check=False).stdout
    return [line.split()[3].split("/")[0] for line in shown.splitlines()]


def wait_address(host, timeout=PATIENCE):
    return wait_for(lambda: addresses(host), "a Teredo address", timeout)[0]


def network(host):
    """All that a client may have changed."""
    return [host.run(["ip", *words]).stdout for words in (
        ["-o", "link"], ["-6", "-o", "address"], ["-6", "rule"],
        ["-6", "route", "show", "table", "all"])]


def port_of(host):
    (port,) = [port for address, port in sockets(host) if port != 3544]
    return port


def state(host):
    return dict(line.split(None, 1) for line in
                host.read("/var/lib/miredo/teredo.state").splitlines()
                if line.strip())


# -- who is a client ------------------------------------------------------


@pytest.mark.parametrize("text, argv", [
    ("", [SERVER]),
    ("ServerAddress 9.9.9.9\nInterfaceName teredo\n", [SERVER]),
    (f"ServerAddress {SERVER}\n", []),
    (f"RelayType client\nServerAddress {SERVER}\n", []),
    (f"RelayType Autoclient\nServerAddress {SERVER}\n", []),
    (f"RelayType cone\nServerAddress {SERVER}\n", ["--role", "client"]),
    ("", ["--role", "auto", SERVER]),
    # the packaged file of 1.2.6, its server replaced
    ("# Please refer to the miredo.conf(5) man page for details.\n"
     "InterfaceName\tteredo\n\n# Pick a Teredo server:\n"
     "#ServerAddress\tteredo.example.net\n"
     f"ServerAddress\t{SERVER}\n\n# Some firewall/NAT setups require a "
     "specific UDP port number:\n#BindPort\t3545\n", []),
    (f"ServerAddress {SERVER}\nServerAddress2 9.0.0.3\n"
     "SyslogFacility local3\nDefaultRoute yes\n", []),
    # what 1.2.6 let pass
    (f"ServerAddress {SERVER}\nServerAddress2 {SERVER}\nInterfaceMTU 68\n"
     "SyslogFacility news\n", []),
    ("ServerAddress2 9.9.9.9\n", [SERVER]),
])
def test_client_by_file_and_arguments(net, server, c1, text, argv):
    client = c1.daemon([*configured(c1, text), *argv])
    client.wait_log(f"asking {SERVER}, port")
    assert wait_address(c1).startswith("2001:0:900:2:")
    client.wait_log(f"qualified: 2001:.*, server {SERVER}, NAT restricted, "
                    r"mapped 9\.0\.10\.2:\d+")
    assert client.stop() == 0
    assert is_clean(c1)


def test_name_of_a_server_is_ignored_by_a_relay(net):
    relay = net.relay.daemon(configured(net.relay, "RelayType relay\n",
                                        "teredo.example.net"))
    assert '"teredo.example.net" is ignored: only a client asks' \
        in relay.process.err


@pytest.mark.parametrize("text, argv, message", [
    ("RelayType client\n", [], "a client needs the name of a Teredo server"),
    ("", ["--role", "auto"], "a client needs the name of a Teredo server"),
    ("", ["10.0.0.1"], "10.0.0.1 is not a global address"),
    ("ServerAddress 9.0.0.2\nServerAddress2 127.0.0.1\n", [],
     "127.0.0.1 cannot be the address of a server"),
    ("ServerAddress 9.0.0.2\nDenyIPv4 9.0.0.0/8\n", [],
     "DenyIPv4 covers 9.0.0.2: it cannot be the address of a server"),
    ("ServerAddress 9.0.0.2\nClientID me\n", [], "ClientID and Secret go"),
    ("ServerAddress 9.0.0.2\nSecret /etc/k\n", [], "ClientID and Secret go"),
    ("ServerAddress 9.0.0.2\nSecret /etc/k\nClientID me\n", [],
     "has no line for me"),
    ("ServerAddress 9.0.0.2\nBindInterface nix0\n", [],
     'there is no interface "nix0"'),
    ("ServerAddress 9.0.0.2\nBindAddress 9.9.9.9\n", [],
     "9.9.9.9 is not an address of this host"),
    ("ServerAddress 9.0.0.2\nInterfaceName eth0\n", [],
     'there is already an interface "eth0"'),
    ("ServerAddress 9.0.0\n", [], "the name or IPv4 address of a server"),
])
def test_what_keeps_it_from_starting(c1, text, argv, message):
    c1.write("/etc/k", "you hmac-sha1 word\n")
    c1.run(["chmod", "600", "/etc/k"])
    refused(c1, configured(c1, text, *argv), message)


def test_bad_argument_is_usage(c1):
    refused(c1, ["miredo", "9.0.0.2/24"], 'argument: ServerAddress: '
            '"9.0.0.2/24" is not allowed', status=2)
    refused(c1, ["miredo", *9 * ["a.test"]], "unexpected argument", status=2)


def test_without_device_or_rights(c1):
    done = c1.run(["unshare", "-m", "sh", "-c", "mount -t tmpfs none /dev/net "
                   f"&& exec miredo -f {SERVER}"], check=False)
    assert done.returncode == 1 and "there is no /dev/net/tun" in done.stderr
    done = c1.run(["setpriv", "--reuid", "1000", "--clear-groups", "miredo",
                   "-f", SERVER], check=False)
    assert done.returncode == 1 and "must be started by root" in done.stderr
    c1.sysctl(ipv6__conf__default__disable_ipv6=1)
    try:
        refused(c1, ["miredo", SERVER], "is IPv6 off there?")
    finally:
        c1.sysctl(ipv6__conf__default__disable_ipv6=0)
    assert is_clean(c1)


# -- processes ------------------------------------------------------------


def test_state_after_stop_is_state_before(net, server, c1):
    """C84: qualified, and while it asks a server that is not there."""
    before = network(c1)
    client = c1.daemon(["miredo", SERVER])
    wait_address(c1)
    assert network(c1) != before
    assert client.stop() == 0
    assert network(c1) == before and is_clean(c1)
    client = c1.daemon(["miredo", "-v", "9.0.7.7"])
    client.wait_log("asking server 9.0.7.7")
    assert has_interface(c1) and not addresses(c1)
    assert client.stop() == 0
    assert network(c1) == before and is_clean(c1)


def test_command_returns_when_open(net, c1):
    """As 1.2.6: it does not wait for a server's answer, which never comes."""
    c1.daemon(["miredo", "9.0.7.7"])
    assert has_interface(c1)


def test_rights_and_memory(net, server, c1):
    c1.write("/etc/hosts", f"127.0.0.1 localhost\n{SERVER} teredo.test\n")
    client = c1.daemon(["miredo", "teredo.test"])
    wait_address(c1)
    worker = worker_of(c1, client.pid)
    if "libasan" not in c1.read(f"/proc/{worker}/maps"):
        assert int(status(c1, worker)["VmRSS"][0]) < 4096
    names = {}
    for pid in c1.run(["pgrep", "miredo"]).stdout.split():
        shown = status(c1, pid)
        names[shown["Name"][0]] = shown
    for shown in names["miredo-resolver"], status(c1, worker):
        assert int(shown["CapEff"][0], 16) == 0
        assert int(shown["CapBnd"][0], 16) == 0
        assert shown["NoNewPrivs"] == ["1"] and shown["Uid"][0] != "0"
    assert not c1.run(["sh", "-c", "ls /proc/$(pgrep -x miredo-resolver)/fd"]
                      ).stdout.split()[5:]


@pytest.mark.parametrize("who", ["miredo-resolver", "miredo-steward"])
def test_helper_that_is_gone_ends_it(net, server, c1, who):
    c1.write("/etc/hosts", f"127.0.0.1 localhost\n{SERVER} teredo.test\n")
    client = c1.daemon(["miredo", "teredo.test"])
    wait_address(c1)
    (pid,) = c1.run(["pgrep", "-x", who]).stdout.split()
    c1.known.add(client.pid)
    c1.kill(int(pid), signal.SIGKILL)
    wait_for(lambda: not client.alive(), "its end")
    client.wait_log(f"exiting: the {who[7:]} is gone")
    wait_for(lambda: is_clean(c1), "a clean host")


# -- what stays -----------------------------------------------------------


def test_hup_keeps_all(net, server, c1):
    client = c1.daemon(["miredo", SERVER])
    address, port = wait_address(c1), port_of(c1)
    capture = net.capture((c1, "eth0"))
    c1.kill(client.pid, signal.SIGHUP)
    client.wait_log("SIGHUP: asking the server again")
    wait_for(lambda: [p for p in capture.packets if p.sent and
                      p.frame[36:38] == b"\x0d\xd8"], "a solicitation")
    assert addresses(c1) == [address] and port_of(c1) == port


def test_usr1_tells_how_it_is(net, server, c1):
    client = c1.daemon(["miredo", SERVER])
    address = wait_address(c1)
    client.wait_log("qualified")
    c1.kill(client.pid, signal.SIGUSR1)
    client.wait_log(r"client: qualified \[ok\], server 9\.0\.0\.2 \(9\.0\.0\.2"
                    r"\), NAT restricted.*, refresh 30 s")
    client.wait_log(f"address: {address}")
    client.wait_log(r"peers: active=0 trusted=0 untrusted=0 of \d+")


@pytest.mark.parametrize("end", ["stop", "keeper", "all"])
def test_address_survives(net, server, c1, end):
    """I10: port, flags and so the address, however it ended."""
    client = c1.daemon(["miredo", SERVER])
    address, port = wait_address(c1), port_of(c1)
    wait_for(lambda: "mapped" in state(c1), "the state to be written")
    if end == "stop":
        client.stop()
    elif end == "all":
        client.kill()
    else:
        c1.known.add(client.pid)
        c1.kill(keeper_of(c1, client.pid), signal.SIGKILL)
        wait_for(lambda: not client.alive(), "its end")
    wait_for(lambda: not has_interface(c1), "the interface to go")
    c1.run(["rm", "-f", "/run/miredo.pid"])
    c1.daemon(["miredo", SERVER])
    assert wait_address(c1) == address
    assert port_of(c1) == port


def test_ports(net, server, c1):
    """C3: a fixed one; else a random one, which is remembered."""
    client = c1.daemon(["miredo", "--port", "3545", SERVER])
    assert port_of(c1) == 3545
    wait_address(c1)
    client.stop()
    c1.run(["rm", "-rf", "/var/lib/miredo"])
    ports = set()
    for _ in range(5):
        client = c1.daemon(["miredo", SERVER])
        wait_address(c1)
        ports.add(port_of(c1))
        client.stop()
        c1.run(["rm", "-rf", "/var/lib/miredo"])
    assert len(ports) == 5 and min(ports) >= 1024


PASS_TUN = """
import fcntl, os, struct, sys
tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, 0x400454ca, struct.pack("16sH22x", b"passed", 0x1001))
os.set_inheritable(tun, True)
os.system("ip link set passed up mtu 1280")
os.execvp("miredo", ["miredo", "-f", "--tun-fd", str(tun), sys.argv[1]])
"""


def test_address_survives_on_a_device_passed_in(net, server, c1):
    """What is remembered belongs to the device, whatever its name."""
    c1.write("/etc/pass.py", PASS_TUN)
    seen = []
    for _ in range(2):
        client = c1.popen(["python3", "/etc/pass.py", SERVER])
        wait_for(lambda: addresses(c1, "passed"), "a Teredo address")
        seen.append((addresses(c1, "passed"), port_of(c1)))
        assert client.stop() == 0
    assert seen[0] == seen[1]
    assert "port" in c1.read("/var/lib/miredo/passed.state")


def test_remembered_port_is_taken(net, server, c1):
    client = c1.daemon(["miredo", SERVER])
    wait_address(c1)
    port = port_of(c1)
    client.stop()
    assert state(c1)["port"] == str(port)
    with c1.socket(2, 2) as other:
        other.bind(("0.0.0.0", port))
        client = c1.daemon(["miredo", SERVER])
        client.wait_log(f"UDP port {port} of the last run is taken")
        wait_address(c1)
        client.stop()
    assert state(c1)["port"] != str(port)


def test_state_directory(net, server, c1):
    client = c1.daemon(["miredo", "--state", "/var/lib/other", SERVER])
    wait_address(c1)
    client.stop()
    assert "port" in c1.read("/var/lib/other/teredo.state")


# -- names and servers ----------------------------------------------------


def test_name_that_comes_late(net, server, c1):
    """Within two seconds (more on a slow machine), not at the next full minute."""
    client = c1.daemon(["miredo", "teredo.test"])
    client.wait_log(r"cannot look up teredo\.test: .* \[resolver-failed\]")
    c1.write("/etc/hosts", f"127.0.0.1 localhost\n{SERVER} teredo.test\n")
    wait_address(c1, 8)
    client.wait_log(r"teredo\.test was found: 9\.0\.0\.2")


def test_name_server_that_is_silent_at_first(net, server, c1):
    """A look-up that still waits for its time-out holds up no other."""
    net.dns.names["teredo.test"] = SERVER
    net.dns.mode = "silent"
    c1.resolver(net.dns, "timeout:30 attempts:2")
    try:
        c1.daemon(["miredo", "teredo.test"])
        wait_for(lambda: len(net.dns.queries) >= 3, "three queries")
        net.dns.mode = "answer"
        wait_address(c1)
    finally:
        net.dns.mode = "answer"
        c1.resolver(None)


def test_private_address_of_a_name(net, server, c1):
    """What a captive portal says is not believed, and asked for again."""
    c1.write("/etc/hosts", "127.0.0.1 localhost\n10.0.0.1 teredo.test\n")
    client = c1.daemon(["miredo", "teredo.test"])
    client.wait_log("10.0.0.1, which cannot be a server "
                    r"\[target-not-global\]")
    c1.write("/etc/hosts", f"127.0.0.1 localhost\n{SERVER} teredo.test\n")
    wait_address(c1, 8)


def test_second_name_of_1_2_6(net, server, c1):
    c1.write("/etc/hosts", "127.0.0.1 localhost\n9.0.0.2 one.test\n"
             "9.0.0.3 two.test\n")
    c1.daemon(configured(c1, "ServerAddress one.test\n"
                         "ServerAddress2 two.test\n"))
    wait_address(c1)


def test_another_server_if_one_is_silent(net, server, c1):
    client = c1.daemon(["miredo", "9.0.7.7", SERVER])
    assert wait_address(c1).startswith("2001:0:900:2:")
    client.wait_log(f"qualified: .* server {SERVER}")


def test_server_that_worked_is_asked_first(net, server, c1):
    """The next time: the one before it was silent, and still is."""
    c1.write("/etc/hosts", f"127.0.0.1 localhost\n9.0.7.7 dead.test\n"
             f"{SERVER} teredo.test\n")
    client = c1.daemon(["miredo", "dead.test", "teredo.test"])
    wait_address(c1)
    wait_for(lambda: state(c1).get("host") == "teredo.test", "the name")
    client.stop()
    capture = net.capture((c1, "eth0"))
    c1.daemon(["miredo", "dead.test", "teredo.test"])
    wait_address(c1)
    assert not any(b"\x09\x00\x07\x07" in packet.frame
                   for packet in capture.take())


def test_other_address_of_a_known_name_moves_nobody(net, server, c1):
    """Also not by SIGHUP, as long as the server answers."""
    c1.write("/etc/hosts", f"127.0.0.1 localhost\n{SERVER} teredo.test\n")
    client = c1.daemon(["miredo", "-v", "teredo.test"])
    address = wait_address(c1)
    c1.write("/etc/hosts", "127.0.0.1 localhost\n9.0.7.7 teredo.test\n")
    since = len(c1.log)
    c1.kill(client.pid, signal.SIGHUP)
    client.wait_log("SIGHUP: asking")
    time.sleep(1.5)
    assert addresses(c1) == [address]
    assert not [line for line in c1.log[since:] if "9.0.7.7" in line.text]


def test_secrets(net, c1):
    """C2: both have the same line."""
    net.server.write("/etc/keys", "me hmac-sha256 hex:00112233\n")
    net.server.run(["chmod", "600", "/etc/keys"])
    net.server.daemon(configured(net.server, "Secret /etc/keys\n", "-s",
                                 SERVER))
    c1.write("/etc/keys", "you hmac-sha1 x\nme hmac-sha256 hex:00112233\n")
    c1.run(["chmod", "600", "/etc/keys"])
    c1.daemon(configured(c1, "ClientID me\nSecret /etc/keys\n", SERVER))
    wait_address(c1)


# -- the network ----------------------------------------------------------


def solicitations(capture):
    """Sent to UDP port 3544."""
    return [p for p in capture.packets
            if p.sent and p.frame[12:14] == b"\x08\x00" and
            p.frame[23] == 17 and p.frame[36:38] == b"\x0d\xd8"]


def test_new_way_is_news(net, server, c1):
    """On the wire within 200 ms; and the address stays."""
    c1.daemon(["miredo", SERVER])
    address = wait_address(c1)
    capture = net.capture((c1, "eth0"))
    took = []
    # One of three: the machine may stand still for a while.
    while not took or (min(took) > 0.2 and len(took) < 3):
        since = len(c1.log)
        c1.ip("route del default")
        c1.wait_log(r"the address is kept: .*no way to the IPv4 Internet.* "
                    r"\[no-ipv4\]", since=since)
        capture.take()
        begun = time.time()
        c1.ip("route add default via 192.168.1.1")
        wait_for(lambda: solicitations(capture), "a solicitation")
        took.append(solicitations(capture)[0].time - begun)
        c1.wait_log("qualified: ", since=since)
    assert min(took) < 0.2
    assert addresses(c1) == [address]


def test_other_changes_are_none(net, server, c1):
    c1.daemon(["miredo", SERVER])
    wait_address(c1)
    capture = net.capture((c1, "eth0"))
    c1.ip("route add 10.9.0.0/16 via 192.168.1.1",
          "address add 10.77.0.1/24 dev lo", "link add v8 type veth peer name v9",
          "link set v8 up", "link set v9 up", "address add 10.78.0.1/24 dev v9")
    c1.run(["ip", "-6", "route", "add", "2001:db8:77::/48", "dev", "teredo"])
    try:
        time.sleep(0.6)
        assert not solicitations(capture)
    finally:
        c1.ip("route del 10.9.0.0/16", "address del 10.77.0.1/24 dev lo",
              "link del v9")


def test_auto_gives_way_to_native(net, server, c1):
    """C6: no address while there is native IPv6, and 2001::/32 by us."""
    client = c1.daemon(["miredo", "--role", "auto", SERVER])
    address = wait_address(c1)
    c1.run(["ip", "-6", "address", "add", "2001:db8:99::2/64", "dev", "eth0",
            "nodad"])
    try:
        c1.run(["ip", "-6", "route", "add", "default", "via",
                "2001:db8:99::1", "dev", "eth0"])
        wait_for(lambda: not addresses(c1), "the address to go")
        client.wait_log(r"off: there is native IPv6 \[native-ipv6\]")
        wait_for(lambda: "dev teredo" in c1.run(
            ["ip", "-6", "route", "show", "2001::/32"]).stdout, "the route")
        c1.run(["ip", "-6", "route", "del", "default", "via",
                "2001:db8:99::1", "dev", "eth0"])
        assert wait_address(c1) == address
    finally:
        c1.run(["ip", "-6", "address", "del", "2001:db8:99::2/64", "dev",
                "eth0"], check=False)


@pytest.mark.parametrize("role", ["client", "auto"])
def test_what_is_native(net, server, c1, role):
    """C6: one answer for both roles: a global address, and a default route
    that leads somewhere."""
    def defaults():
        return c1.run(["ip", "-6", "route", "show", "default"]).stdout

    def is_native():
        return not addresses(c1) if role == "auto" \
            else "dev teredo" not in defaults()

    c1.daemon(["miredo", "--role", role, SERVER])
    wait_address(c1)
    wait_for(lambda: not is_native(), "a default route by us")
    c1.ip("link add n8 type veth peer name n9", "link set n8 up",
          "link set n9 up", "address add fd00:8::2/64 dev n8 nodad")
    try:
        c1.ip("route add ::/0 via fd00:8::1 dev n8")
        time.sleep(0.5)
        assert not is_native()          # of this site only
        c1.ip("address add 2001:db8:99::2/64 dev n8 nodad")
        wait_for(is_native, "native IPv6")
        c1.ip("link set n9 down")       # no carrier
        wait_for(lambda: addresses(c1) and not is_native(), "ours again")
        c1.ip("link set n9 up")
        wait_for(is_native, "native IPv6 again")
        c1.ip("route replace ::/0 nexthop via fe80::1 dev n8 "
              "nexthop via fe80::1 dev eth0")
        c1.ip("link set n9 down")
        time.sleep(0.5)
        assert is_native()              # the other way is left
    finally:
        c1.run(["ip", "link", "del", "n8"], check=False)
        c1.run(["ip", "-6", "route", "del", "default", "dev", "eth0"],
               check=False)


def test_bind_interface(net, server, c1):
    """Without a route by way of it there is none, whatever is on its link."""
    client = c1.daemon(configured(c1, "BindInterface eth0\n", SERVER))
    wait_address(c1)
    c1.ip("route del default")
    try:
        client.wait_log(r"no way to the IPv4 Internet")
    finally:
        c1.ip("route add default via 192.168.1.1")
    client.stop()
    client = c1.daemon(configured(c1, "BindInterface lo\n", SERVER))
    client.wait_log(r"no way to the IPv4 Internet")


@pytest.mark.parametrize("text, argv", [("", [SERVER]),
                                        ("RelayType host\n", [])])
def test_bound_interface_that_is_made_anew(net, server, c1, text, argv):
    """A socket stays bound to the old one; so it ends, and keeps its port."""
    c1.ip("link add wlan9 type veth peer name air9", "link set wlan9 up",
          "link set air9 up", "address add 10.78.0.1/24 dev wlan9",
          "address add 2a00:9::1/64 dev wlan9 nodad")
    try:
        client = c1.daemon(configured(c1, "BindInterface wlan9\n" + text,
                                      *argv))
        port = port_of(c1)
        c1.known.add(client.pid)
        c1.ip("link del wlan9")
        client.wait_log("exiting: the interface wlan9 of BindInterface is gone")
        wait_for(lambda: not client.alive(), "its end")
        wait_for(lambda: is_clean(c1), "a clean host")
        if argv:
            assert state(c1)["port"] == str(port)
    finally:
        c1.run(["ip", "link", "del", "wlan9"], check=False)


def test_bound_client_has_neighbours_there_only(net, server, c1):
    def joined():
        return {it["ifname"] for it in json.loads(c1.run(
            ["ip", "-json", "maddress"]).stdout)
            if any(m.get("address") == "224.0.0.253" for m in it["maddr"])}

    c1.ip("link add v8 type veth peer name v9", "link set v8 up",
          "link set v9 up", "address add 10.78.0.1/24 dev v9")
    try:
        client = c1.daemon(configured(c1, "LocalDiscovery enabled\n", SERVER))
        wait_for(lambda: joined() == {"eth0", "v9"}, "two links")
        client.stop()
        c1.daemon(configured(c1, "LocalDiscovery enabled\n"
                             "BindInterface eth0\n", SERVER))
        wait_for(lambda: joined() == {"eth0"}, "one link")
    finally:
        c1.ip("link del v9")


def test_orphans_are_buried(net, server, c1):
    """As process 1 of a container."""
    client = c1.popen(["unshare", "-pf", "--mount-proc", "miredo", "-f", SERVER])
    wait_address(c1)
    first = c1.run(["pgrep", "-o", "-x", "miredo"]).stdout.strip()
    c1.run(["nsenter", "-t", first, "-p", "sh", "-c", "(sleep 0.2 &) ; :"])

    def orphans():
        """Alive or not."""
        return c1.run(["pgrep", "-x", "-P", first, "sh|sleep"],
                      check=False).stdout

    try:
        wait_for(lambda: not orphans(), "the orphan to be gone")
    finally:
        c1.kill(int(first), signal.SIGTERM)
        wait_for(lambda: is_clean(c1), "its end")
        client.wait()


def test_mark(net, server, c1):
    """A mark that a rule looks at."""
    client = c1.daemon(configured(c1, "Mark 7\nLearnRefresh yes\n", SERVER))
    address = wait_address(c1)
    c1.ip("route add unreachable default table 77",
          "rule add fwmark 7 table 77")
    try:
        client.wait_log(r"no way to the IPv4 Internet")
    finally:
        c1.ip("rule del fwmark 7 table 77", "route flush table 77")
    wait_for(lambda: re.search("qualified: .*", client.log.split(
        "no way to the IPv4 Internet")[-1]), "an answer")
    assert addresses(c1) == [address]


def test_link_that_goes_and_comes(net, server, c1):
    c1.daemon(["miredo", SERVER])
    address = wait_address(c1)
    capture = net.capture((c1, "eth0"))
    c1.ip("link set eth0 down")
    c1.wait_log(r"no way to the IPv4 Internet \[no-ipv4\]")
    c1.ip("link set eth0 up", "route add default via 192.168.1.1")
    wait_for(lambda: solicitations(capture), "a solicitation")
    assert addresses(c1) == [address]


def test_dormant(net, server, c1):
    """A53: quiet, with its address; the first packet wakes it, and leaves when
    the server has said that the address is good, or ends in an error."""
    teredo.start_relay(net)
    client = c1.daemon(configured(c1, "", SERVER))
    address = wait_address(c1)
    c1.write("/etc/test.conf", "Qualify on-demand\nQualifyIdle 5\n")
    c1.run(["miredoctl", "reload"])

    def falls_asleep(since):
        wait_for(lambda: "dormant: nothing is sent, so the server is not asked "
                 "[idle]" in client.log[since:], "it to be dormant")

    def ping(host):
        """Of one packet: its fate."""
        return c1.run(["ping", "-6", "-n", "-c", "1", "-W", "6", host],
                      check=False).stdout

    native, other = net.v6.ip6, net.v6.ip6 + "2"
    net.v6.ip(f"address replace {other}/64 dev eth0 nodad")
    falls_asleep(0)
    now = control.wait_reason(c1, "idle")
    assert (now["state"], now["reason"], now["good"]) == ("dormant", "idle", True)
    assert now["client"]["address"] == address == addresses(c1)[0]
    assert now["client"]["used_for"] == "peers and default route"
    assert c1.run(["miredoctl", "status", "-q"]).returncode == 0
    since = len(client.log)
    assert " 1 received" in ping(native)
    wait_for(lambda: f"awake: a packet of this host, so server {SERVER} is "
             "asked [awake]" in client.log[since:], "it to say so")
    assert control.wait_reason(c1, "ok")["state"] == "qualified"
    falls_asleep(since)
    since = len(client.log)
    net.site1.rebind()
    assert "unreachable" in ping(other)
    wait_for(lambda: "qualified: " in client.log[since:], "the other address")
    assert teredo.wait_address(c1, other_than=address)
    assert " 1 received" in ping(other)
    net.v6.ip(f"address del {other}/64 dev eth0")


def test_idle_client_sleeps(net, server, c1):
    """No wake-up but for solicitation and answer, at 22 to 30 seconds."""
    client = c1.daemon(["miredo", SERVER])
    wait_address(c1)
    worker = worker_of(c1, client.pid)

    def wake_ups():
        return int(status(c1, worker)["voluntary_ctxt_switches"][0])

    c1.wait_log(r"\[inbound-")         # the last thing that it waits for
    time.sleep(1.5)
    before = wake_ups()
    time.sleep(3)
    assert wake_ups() - before <= 1


def test_solicitation_wakes_twice(net, server, c1):
    """For it and for the answer; what is shown of both waits for no third."""
    # One thread, for several wait for each other, too; which then sleeps.
    net.delay(5)
    client = c1.daemon(configured(c1, "RefreshInterval 5\nThreads 1\n", SERVER))
    wait_address(c1)
    worker = worker_of(c1, client.pid)

    def asked():
        return control.ask(c1, "metrics")["client"]["solicitations"]

    def wake_ups():
        return int(status(c1, worker)["voluntary_ctxt_switches"][0])

    c1.wait_log(r"\[inbound-")
    first = asked()
    wait_for(lambda: asked() > first, "a solicitation", 30)
    before = wake_ups()
    wait_for(lambda: asked() > first + 3, "three more", 30)
    assert wake_ups() - before <= 7
