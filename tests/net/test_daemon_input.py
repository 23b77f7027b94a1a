# SPDX-License-Identifier: GPL-2.0-or-later
"""Bad input, and the files of 1.2.6: one clear message each, a true status
also when detaching, nothing left behind."""

import pytest

from lab.host import wait_for
from test_daemon import PASS, has_interface, is_clean, sockets


def refused(host, argv, message, status=1, **options):
    """Run a command that must fail with this message; detached and not."""
    for more in [], ["-f"]:
        done = host.run([argv[0], *more, *argv[1:]], check=False,
                        **options)
        assert done.returncode == status, done.stderr
        assert message in done.stderr
        assert done.stderr.count("miredo") <= message.count("miredo") + 2
        assert is_clean(host)


def configured(host, text, *argv):
    """A command with a file of this text."""
    host.write("/etc/test.conf", text)
    return ["miredo", "-c", "/etc/test.conf", *argv]


# -- the server's addresses ---------------------------------------------


def test_second_address_is_missing(net):
    """The line that adds it, with the right device."""
    net.server.ip("address add 9.0.5.2/24 dev lo")
    try:
        refused(net.server, ["miredo", "-s", "9.0.5.2"],
                "miredo: 9.0.5.3 is not an address of this host\n"
                "  add it:  ip address add 9.0.5.3/32 dev lo\n")
        refused(net.server, ["miredo", "-s", "9.0.5.1"],
                "ip address add 9.0.5.1/32 dev lo\n")
    finally:
        net.server.ip("address del 9.0.5.2/24 dev lo")


def test_more_addresses_than_are_watched(net):
    """It says so; and an address that was not listed is none the less ours."""
    net.server.ip(*(f"address add 9.7.{i // 250}.{i % 250 + 1}/32 dev lo"
                    for i in range(300)))
    try:
        server = net.server.daemon(["miredo", "-s", "9.0.0.2"])
        server.wait_log("more than 256 IPv4 or 256 IPv6 addresses")
        server.stop()
        refused(net.server, ["miredo", "-s", "9.0.5.2"],
                "9.0.5.2 is not an address of this host\n  add it, or correct"
                " ServerBindAddress")
    finally:
        net.server.ip("address flush dev lo to 9.7.0.0/16")


@pytest.mark.parametrize("address, message", [
    ("10.0.0.1", "is not a global address"),
    ("192.168.1.1", "AllowIPv4 192.168.1.1/32"),
    ("203.0.113.1", "AllowIPv4 203.0.113.1/32"),
    ("224.0.0.1", "cannot be the address of a server"),
    ("127.0.0.1", "cannot be the address of a server"),
    ("0.0.0.1", "cannot be the address of a server"),
    ("255.255.255.255", "cannot be the address of a server"),
    ("9.0.0", "is not allowed: an IPv4 address"),
    ("9.0.0.256", "is not allowed: an IPv4 address"),
    ("eth0", "--server: ServerBindAddress: \"eth0\" is not allowed"),
])
def test_unusable_server_address(net, address, message):
    refused(net.server, ["miredo", "-s", address], message,
            2 if "not allowed" in message else 1)


def test_addresses_must_differ(net):
    refused(net.server, ["miredo", "-s", "9.0.0.2", "--server2", "9.0.0.2"],
            "two different addresses, not 9.0.0.2 twice")


def test_last_address_has_none_after_it(net):
    refused(net.server, ["miredo", "-s", "223.255.255.255"],
            "224.0.0.0 (the one above 223.255.255.255) cannot be the address "
            "of a server")


def test_own_address_denied(net):
    refused(net.server, configured(net.server, "DenyIPv4 9.0.0.0/24\n",
                                   "-s", "9.0.0.2"),
            "DenyIPv4 covers 9.0.0.2")


def test_private_addresses_can_be_allowed(net):
    """... for a laboratory, loudly."""
    net.server.ip("address add 10.9.9.2/24 dev lo",
                  "address add 10.9.9.3/24 dev lo")
    try:
        server = net.server.daemon(
            configured(net.server, "AllowIPv4 10.9.0.0/16\n",
                       "-s", "10.9.9.2"))
        server.wait_log("AllowIPv4 10.9.0.0/16: the RFC forbids")
        assert ("10.9.9.2", 3544) in sockets(net.server)
        server.stop()
    finally:
        net.server.ip("address flush dev lo to 10.9.9.0/24")


def test_server_without_an_address(net):
    net.server.write("/etc/miredo/miredo-server.conf", "")
    done = net.server.run(["miredo-server"], check=False)
    assert done.returncode == 1
    assert "a server needs its IPv4 address" in done.stderr
    assert is_clean(net.server)


SOCKETS = """
import os, socket, sys
fds = []
for address in sys.argv[1:3]:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((address, 3544))
    sock.set_inheritable(True)
    fds += ["--udp-fd", str(sock.detach())]
os.execvp("miredo", ["miredo", *sys.argv[3:], *fds])
"""


def test_sockets_of_a_server_in_wrong_order(net):
    """A server on them would answer from the wrong addresses."""
    net.server.write("/etc/pass.py", SOCKETS)
    argv = ["python3", "/etc/pass.py", "9.0.0.3", "9.0.0.2"]
    done = net.server.run([*argv, "-s", "9.0.0.2", "-f"], check=False)
    assert done.returncode == 1
    assert "is bound to 9.0.0.3 port 3544, not to 9.0.0.2 port 3544" \
        in done.stderr
    argv[2:] = reversed(argv[2:])
    server = net.server.popen([*argv, "-s", "9.0.0.2", "-f"])
    wait_for(lambda: "server on 9.0.0.2 and 9.0.0.3" in server.err, "its start")
    assert server.stop() == 0


@pytest.mark.parametrize("address", ["0.0.0.0", "9.0.0.3"])
def test_port_is_taken(net, address):
    """By whom."""
    thief = net.server.popen(
        ["python3", "-c", "import signal, socket\n"
         "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
         f"s.bind(('{address}', 3544))\n"
         "signal.pause()"])
    wait_for(lambda: sockets(net.server), "the port to be taken")
    for more in [], ["-f"]:
        done = net.server.run(["miredo", "-s", "9.0.0.2", *more], check=False)
        assert done.returncode == 1
        assert f"is taken by python3 (process {thief.pid})" in done.stderr
        assert not net.server.processes()


# -- what a relay needs -------------------------------------------------


def test_no_tun_device(net):
    for more in [], ["-f"]:
        done = net.relay.run(
            ["unshare", "-m", "sh", "-c", "mount -t tmpfs none /dev/net && "
             "exec miredo " + " ".join(more)], check=False)
        assert done.returncode == 1
        assert "there is no /dev/net/tun\n  get it:  modprobe tun" \
            in done.stderr
        assert is_clean(net.relay)


def test_tun_device_with_another_mtu(net):
    """Packets that do not fit our buffers would be cut, and nobody told."""
    for mtu in 9000, 68:
        net.relay.write("/etc/pass.py", PASS.replace(
            "sock =", f"os.system('ip link set passed mtu {mtu}')\nsock =", 1))
        done = net.relay.run(["python3", "/etc/pass.py"], check=False)
        assert done.returncode == 1
        assert (f"the interface passed has an MTU of {mtu}: it must be 1280 to"
                " 2048\n  set it:  ip link set dev passed mtu 1280\n") \
            in done.stderr


def test_route_is_taken(net):
    """By whom: the line that shows it names our prefix."""
    net.relay.ip("route add 3ffe:831f::/32 dev lo metric 1024")
    try:
        refused(net.relay, ["miredo", "-P", "3ffe:831f::"],
                "already a route to the Teredo prefix\n"
                "  see it:  ip -6 route show 3ffe:831f::/32\n")
    finally:
        net.relay.ip("route del 3ffe:831f::/32 dev lo metric 1024")


def test_no_native_ipv6(net):
    """R29: it does not start; an unusable address is none."""
    bare = net.add_host("bare")
    refused(bare, ["miredo"], "a relay needs a native IPv6 address of this "
            "host, and there is none that is global and usable\n  add yours")
    bare.ip("address add 2001:0:900:2::1/128 dev lo",
            "address add fd00::1/128 dev lo")
    refused(bare, ["miredo"], "a relay needs a native IPv6 address")


def test_interface_name_is_taken(net):
    net.relay.ip("link add mire9 type veth peer name other")
    try:
        refused(net.relay, ["miredo", "-i", "mire9"],
                'there is already an interface "mire9"\n'
                "  remove it:  ip link delete mire9")
        assert has_interface(net.relay, "mire9")
        net.relay.daemon(["miredo", "-i", "mire8"])
        assert has_interface(net.relay, "mire8")
    finally:
        net.relay.ip("link delete mire9")


def test_foreign_bind_address(net):
    refused(net.relay, ["miredo", "-b", "9.9.9.9"],
            "9.9.9.9 is not an address of this host\n  correct BindAddress")


def test_forwarding_off_is_said(net):
    """Never switched on silently."""
    net.relay.sysctl(ipv6__conf__all__forwarding=0)
    try:
        relay = net.relay.daemon(["miredo"])
        relay.wait_log("this relay serves only this host")
        assert net.relay.read("/proc/sys/net/ipv6/conf/all/forwarding") \
            == "0\n"
        relay.stop()
        relay = net.relay.daemon(
            configured(net.relay, "RelayType host\n"))
        relay.wait_log("host-specific relay on")
        assert "sysctl" not in relay.log
        relay.stop()
    finally:
        net.relay.sysctl(ipv6__conf__all__forwarding=1)


# -- options ------------------------------------------------------------


@pytest.mark.parametrize("argv", [
    ["--foo"], ["-x"], ["-s"], ["--role", "router"], [*"nineNames"],
    ["--tun-fd", "x"], ["--port"],
])
def test_usage_errors(net, argv):
    """Status 2, and where to look."""
    refused(net.relay, ["miredo", *argv], "see:  miredo --help", 2)


def test_bad_value_of_an_option(net):
    refused(net.relay, ["miredo", "--port", "70000"],
            'miredo: --port: BindPort: "70000" is not allowed', 2)
    refused(net.relay, ["miredo", "-P", "fe80::"], '--prefix: Prefix: "fe80::"',
            2)
    refused(net.relay, ["miredo", "--udp-fd", "8", "--udp-fd", "9"],
            "--udp-fd: a relay has one socket, not two", 2)
    refused(net.server, ["miredo", "-s", "9.0.0.2", "--tun-fd", "9"],
            "--tun-fd: a server has no tunnel interface", 2)


@pytest.mark.parametrize("program", ["miredo", "miredo-server",
                                     "miredo-checkconf"])
def test_help_and_version(net, program):
    for option, word in ("-h", "Usage: " + program), ("-V", program + " 2."):
        done = net.relay.run([program, option])
        assert done.stdout.startswith(word)
        assert not done.stderr
    assert is_clean(net.relay)


def test_pid_file_that_cannot_be(net):
    done = net.relay.run(["miredo", "-p", "/nowhere/x.pid"], check=False)
    assert done.returncode == 1
    assert "cannot write the PID file /nowhere/x.pid" in done.stderr
    assert is_clean(net.relay)


# -- files --------------------------------------------------------------


def test_default_file_may_be_missing(net):
    net.relay.run(["rm", "-rf", "/etc/miredo", "/etc/miredo.conf"])
    net.relay.daemon(["miredo"])


def test_named_file_must_be_there(net):
    refused(net.relay, ["miredo", "-c", "/etc/nothing.conf"],
            "cannot read the configuration file /etc/nothing.conf: No such")
    refused(net.relay, ["miredo", "-c", "nothing.conf"], "No such", cwd="/run")


def test_relative_file(net):
    net.relay.write("/run/here.conf", "BindPort 3599\n")
    net.relay.daemon(["miredo", "-c", "here.conf"], cwd="/run")
    assert sockets(net.relay) == {("0.0.0.0", 3599)}


def test_errors_are_all_told(net):
    done = net.relay.run(configured(
        net.relay, "# bad\nBindPort x\nNonsense\nMaxPeers 1\n"), check=False)
    assert done.returncode == 1
    where = "miredo: /etc/test.conf"
    assert [line[:len(where) + 2] for line in done.stderr.splitlines()] == \
        [f"{where}:{n}" for n in (2, 3, 4)]
    assert is_clean(net.relay)


def test_detached_all_is_logged(net):
    """Also what is wrong before it detaches: at boot nobody sees stderr."""
    net.relay.run(["rm", "-f", "/etc/nothing.conf"])
    for argv, line in (
            (configured(net.relay, "SyslogFacility user\nMaxPeers 1\n"),
             r"^miredo\[\d+\]: /etc/test.conf:2: MaxPeers"),
            (["miredo", "-c", "/etc/nothing.conf"], "cannot read the conf"),
            (["miredo", "--port", "x"], "--port: BindPort")):
        since = len(net.relay.log)
        assert net.relay.run(argv, check=False).returncode
        net.relay.wait_log(line, since=since)
        since = len(net.relay.log)
        assert net.relay.run([*argv, "-f"], check=False).returncode
        assert net.relay.log[since:] == []
    relay = net.relay.daemon(configured(net.relay, "User a\nUser miredo\n"
                                        "User miredo\n", "-u", "miredo"))
    relay.wait_log("test.conf:2: User: repeated")


def test_unknown_directive(net):
    refused(net.relay, configured(net.relay, "BindPort 1\nBindPrt 2\n"),
            "test.conf:2: BindPrt: unknown directive, did you mean BindPort?")


def test_directives_without_effect_do_not_stop_it(net):
    """1.2.6 went on, so do we; the terminal and the log tell."""
    relay = net.relay.daemon(configured(
        net.relay, "BindPort 3545\nBindPort 3546\nIgnoreConeBit x\n"))
    assert sockets(net.relay) == {("0.0.0.0", 3545)}
    err = relay.process.err
    assert "test.conf:2: BindPort: repeated" in err
    assert "test.conf:3: IgnoreConeBit: has no effect any more" in err


def test_options_override_the_file(net):
    net.relay.daemon(configured(
        net.relay, "BindPort 1\nInterfaceName a\nPrefix 3ffe:831f::\n",
        "--port", "3547", "-i", "mire7", "-P", "2001::/32", "-b",
        net.relay.ip4))
    assert sockets(net.relay) == {(net.relay.ip4, 3547)}
    assert has_interface(net.relay, "mire7")


def test_packaged_relay_file_of_1_2_6(net):
    """The packaged file, its server commented out: a relay."""
    net.relay.daemon(configured(
        net.relay, "# Please refer to the miredo.conf(5) man page.\n"
        "InterfaceName\tteredo\n\n#ServerAddress\tteredo.example.net\n"
        "RelayType cone\nBindPort\t3545\n"))
    assert sockets(net.relay) == {("0.0.0.0", 3545)}
    assert has_interface(net.relay)


@pytest.mark.parametrize("file", ["/etc/miredo/miredo-server.conf",
                                  "/etc/miredo-server.conf"])
def test_packaged_server_file_of_1_2_6(net, file):
    """At its place, and at Debian's."""
    net.server.run(["rm", "-rf", "/etc/miredo", "/etc/miredo-server.conf"])
    net.server.write(file, "# Server primary IPv4 address.\n"
                     "ServerBindAddress 9.0.0.2\n")
    net.server.daemon(["miredo-server"])
    assert ("9.0.0.3", 3544) in sockets(net.server)


def test_sunset_in_the_past(net):
    """S42, R33: it does not start."""
    refused(net.relay, configured(net.relay, "Sunset 2021-10-25\n"),
            "the service ended on 2021-10-25 00:00 UTC\n")


def test_file_of_secrets(net):
    """Refused if others may read it, or if it is wrong."""
    argv = configured(net.server, "Secret /etc/keys\n", "-s", "9.0.0.2")
    refused(net.server, argv, "/etc/keys: No such file")
    net.server.write("/etc/keys", "a hmac-sha1 k\na hmac-sha1 k\n")
    net.server.run(["chmod", "644", "/etc/keys"])
    refused(net.server, argv, "chmod o= /etc/keys")
    net.server.run(["chmod", "600", "/etc/keys"])
    refused(net.server, argv, '/etc/keys: identifier "a" occurs twice')
    since = len(net.server.log)
    assert net.server.run(argv, check=False).returncode == 1
    net.server.wait_log('/etc/keys: identifier "a" occurs', since=since)
    net.server.write("/etc/keys", "a hmac-sha1 k\n")
    server = net.server.daemon(argv)
    server.wait_log("port 3544, secrets required")
    server.stop()
    refused(net.server, configured(net.server, "RequireSecret yes\n",
                                   "-s", "9.0.0.2"),
            "RequireSecret without a file of secrets")


def test_check_needs_nothing(net):
    """--check: no root, no user, no address; 0 or 1."""
    for text, status in (
            ("BindPort 1\n", 0), ("BindPort x\n", 1),
            ("ServerAddress 10.0.0.1\n", 1),
            ("ServerAddress 9.0.0.2\nClientID a\nSecret /none\n", 1)):
        argv = configured(net.relay, text, "--check")
        done = net.relay.run(["setpriv", "--reuid", "1000", "--clear-groups",
                              *argv], check=False)
        assert done.returncode == status
        assert bool(done.stderr) == bool(status)
    assert is_clean(net.relay)


@pytest.mark.parametrize("text, status, message", [
    ("InterfaceName teredo\nServerAddress x.example.net\n", 0, ""),
    ("ServerBindAddress 9.0.0.2\n", 0, ""),
    ("ServerBindAddress 192.0.2.221\n", 255, "is not a global address"),
    ("ServerAddress 127.0.0.1\n", 255, "cannot be the address of a server"),
    ("", 0, ""),
    ("RelayType nothing\n", 255, '/etc/test.conf:1: RelayType: "nothing" is '
     "not allowed"),
    ("\nUnknown x\n", 255, "/etc/test.conf:2: Unknown: unknown directive"),
    ("RelayType server\n", 255, "a server needs its IPv4 address"),
    ("ServerBindAddress 9.0.0.2\nRequireSecret yes\n", 255,
     "RequireSecret without a file of secrets"),
    ("RelayType relay\nServerBindAddress 9.0.0.2\nRequireSecret yes\n", 0, ""),
    ("Sunset 1970-01-01\n", 255, "2004 or later"),
    ("Relay no\nRelay no\n", 255, "/etc/test.conf:2: Relay: repeated"),
])
def test_checkconf(net, text, status, message):
    """0 or 255, as ever; -f is taken and means nothing."""
    net.relay.write("/etc/test.conf", text)
    for more in [], ["-f"]:
        done = net.relay.run(["miredo-checkconf", *more, "/etc/test.conf"],
                             check=False)
        assert done.returncode == status
        assert message in done.stderr
        assert bool(done.stderr) == bool(message)


def test_directory_beside_the_file(net):
    """miredo.conf.d: read by all, and what is wrong there is as wrong."""
    net.relay.write("/etc/test.conf", "BindPort 1\n")
    net.relay.write("/etc/test.conf.d/a.conf", "BindPort 2\nUnknown x\n")
    net.relay.write("/etc/miredo/miredo.conf.d/b.conf", "BindPort x\n")
    try:
        done = net.relay.run(["miredo-checkconf", "/etc/test.conf"],
                             check=False)
        assert done.returncode == 255
        assert "/etc/test.conf.d/a.conf:2: Unknown: unknown" in done.stderr
        refused(net.relay, ["miredo"], "/etc/miredo/miredo.conf.d/b.conf:1: "
                "BindPort: \"x\" is not allowed")
    finally:
        net.relay.run(["rm", "-r", "/etc/test.conf.d",
                       "/etc/miredo/miredo.conf.d"])


def test_checkconf_of_no_file(net):
    done = net.relay.run(["miredo-checkconf", "/etc/nothing.conf"],
                         check=False)
    assert done.returncode == 255
    assert "/etc/nothing.conf: No such file" in done.stderr
