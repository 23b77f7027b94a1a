# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemon as a process: the README of 2004 sentence by sentence, PID file,
signals, privileges, and what is left when it ends, however it ends."""

import contextlib
import json
import re
import signal
import time

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6

import tap
from lab import foreign, teredo
from lab.host import MIREDO_UID, NOGROUP_GID, wait_for

#: A client of 9.0.0.2 at 9.0.10.2:4096.
CLIENT = "2001:0:900:2:0:efff:f6ff:f5fd"


def sockets(host):
    """(address, port) of the UDP sockets of a host."""
    shown = host.run(["ss", "-Hunlp"]).stdout.split("\n")
    # Who asks the router for a port (PortMapping), and what routers announce.
    local = [line.split()[3].rsplit(":", 1) for line in shown
             if line and not re.search("miredo-(gateway|mapper)", line)]
    return {(address, int(port)) for address, port in local}


def has_interface(host, name="teredo"):
    return host.run(["ip", "link", "show", name],
                    check=False).returncode == 0


def pidfiles(host):
    return [file.name for file in host.path("/run").glob("*.pid")]


def is_clean(host):
    """Is nothing of a daemon left?"""
    routes = host.run(["ip", "-6", "route", "show", "2001::/32"]).stdout
    return not (host.processes() or host.path("/run/miredo/control").exists()
                or has_interface(host) or pidfiles(host)
                or sockets(host) or routes)


def status(host, pid):
    """/proc/PID/status as a dictionary."""
    lines = host.read(f"/proc/{pid}/status").splitlines()
    return {key: value.split() for key, value in
            (line.split(":", 1) for line in lines)}


def cleaned(host):
    """Nothing of a daemon is left, or will be in a moment."""
    return wait_for(lambda: is_clean(host), f"{host.name} to be clean")


def child_of(host, parent, *names):
    """Its process with one of these names; each has its own after a moment."""
    def found():
        pids = []
        for pid in host.run(["pgrep", "^miredo"], check=False).stdout.split():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                now = status(host, pid)
                if now["PPid"] == [str(parent)] and now["Name"][0] in names:
                    pids.append(int(pid))
        return pids if len(pids) == 1 else None

    return wait_for(found, f"{names} of {parent}")[0]


def keeper_of(host, monitor):
    """The process that holds the sockets of a daemon."""
    return child_of(host, monitor, "miredo-keeper")


def worker_of(host, monitor):
    """The packet process of a daemon."""
    return child_of(host, keeper_of(host, monitor), "miredo", "miredo-server")


# -- the README ---------------------------------------------------------


def test_must_be_started_by_root(net):
    """Miredo must be started by root."""
    for options in [], ["-s", "9.0.0.2"]:
        done = net.server.run(["setpriv", "--reuid", "1000", "--clear-groups",
                               "miredo", *options], check=False)
        assert done.returncode == 1
        assert "must be started by root" in done.stderr
        assert is_clean(net.server)


def test_expects_user_and_group(net):
    """It expects to find a system user "miredo" and a group "nogroup"."""
    relay = net.relay.daemon(["setpriv", "--groups", "4,27", "miredo"])
    worker = status(net.relay, worker_of(net.relay, relay.pid))
    assert set(worker["Uid"]) == {str(MIREDO_UID)}
    assert set(worker["Gid"]) == {str(NOGROUP_GID)}
    assert worker["Groups"] == []


@pytest.mark.parametrize("accounts, message", [
    ({"user": None}, 'user "miredo" does not exist\n  create it:  adduser'),
    ({"group": None}, 'group "nogroup" does not exist\n  create it:  addgroup'),
])
def test_fails_if_either_is_missing(net, accounts, message):
    """It will fail if either of these are missing, before anything else."""
    net.relay.accounts(**accounts)
    try:
        for options in [], ["-f"], ["-s", "9.0.9.9"]:
            done = net.relay.run(["miredo", *options], check=False)
            assert done.returncode == 1
            assert message in done.stderr
            assert is_clean(net.relay)
    finally:
        net.relay.accounts()


def test_other_user_and_group(net):
    """-u and -g, User and Group name others."""
    net.relay.write("/etc/group", "nogroup:x:65534:\nother:x:4321:\n")
    try:
        relay = net.relay.daemon(["miredo", "-u", "nobody", "-g", "other"])
    finally:
        net.relay.accounts()
    worker = status(net.relay, worker_of(net.relay, relay.pid))
    assert set(worker["Uid"]) == {"65534"}
    assert set(worker["Gid"]) == {"4321"}


def test_always_detaches(net):
    """Miredo will always detach and run in the background."""
    done = net.relay.run(["sh", "-c", "miredo 2>&1 | cat; echo back"])
    assert done.stdout == "back\n"          # it does not hold the pipe
    # The command came back: everything is there, at once.
    assert has_interface(net.relay)
    pid = int(net.relay.read("/run/miredo.pid"))
    assert status(net.relay, pid)["PPid"] == ["1"]
    for each in net.relay.processes():
        stat = net.relay.read(f"/proc/{each}/stat").rsplit(")")[1].split()
        assert stat[3] == str(pid)          # a session of its own
        assert stat[4] == "0"               # without a terminal
        for fd in 0, 1, 2:
            assert net.relay.run(["readlink", f"/proc/{each}/fd/{fd}"]
                                 ).stdout == "/dev/null\n"
        cwd, root = (net.relay.run(["readlink", f"/proc/{each}/{what}"]).stdout
                     for what in ("cwd", "root"))
        assert cwd == root                  # it holds up no directory
    net.relay.kill(pid)
    cleaned(net.relay)


def test_read_your_system_logs(net):
    """Read your system logs to see what happens."""
    relay = net.relay.daemon(["miredo"])
    (_, port), = sockets(net.relay)
    relay.wait_log(rf"miredo\[\d+\]: relay on any address port {port}, interface"
                   r" teredo, from 2001:db8:1::2, for \d+ peers(?m:$)")
    assert relay.stop() == 0
    relay.wait_log(r"exiting on SIGTERM")
    assert re.match(r"miredo\[\d+\]: \d threads?, offloads: [a-z ]+$",
                    relay.log.strip().split("\n")[1])
    assert len(relay.log.strip().split("\n")) == 3


def test_foreground_stays_and_logs_to_stderr(net):
    """-f: no detaching, no syslog, no PID file unless asked for."""
    since = len(net.relay.log)
    relay = net.relay.popen(["miredo", "-f"])
    wait_for(lambda: "relay on" in relay.err, "the relay to start")
    assert pidfiles(net.relay) == []
    assert relay.stop(signal.SIGINT) == 0
    assert "miredo: exiting on SIGINT\n" in relay.err
    assert net.relay.log[since:] == []


def test_server_on_two_subsequent_addresses(net):
    """# src/miredo -s 9.0.0.2"""
    server = net.server.daemon(["miredo", "-s", "9.0.0.2"])
    assert sockets(net.server) == {("9.0.0.2", 3544), ("9.0.0.3", 3544)}
    server.wait_log("server on 9.0.0.2 and 9.0.0.3 port 3544")
    assert not has_interface(net.server)
    assert pidfiles(net.server) == ["miredo-server.pid"]


@pytest.mark.parametrize("argv", [
    ["miredo-server"], ["miredo", "--server=9.0.0.2"],
    ["miredo", "--role", "server", "-c", "/etc/miredo/miredo-server.conf"],
])
def test_other_ways_to_a_server(net, argv):
    """By name and its own file, by long option, by role."""
    net.server.write("/etc/miredo/miredo-server.conf",
                     "ServerBindAddress 9.0.0.2\n")
    net.server.daemon(argv, pidfile="/run/miredo-server.pid")
    assert sockets(net.server) == {("9.0.0.2", 3544), ("9.0.0.3", 3544)}


def test_another_second_address(net):
    """--server2 names an address that is not the next one."""
    net.server.ip("address add 9.0.0.77/32 dev lo")
    net.server.daemon(["miredo", "-s", "9.0.0.2", "--server2", "9.0.0.77"])
    assert sockets(net.server) == {("9.0.0.2", 3544), ("9.0.0.77", 3544)}
    net.server.ip("address del 9.0.0.77/32 dev lo")


def test_relay_without_parameters(net):
    """# src/miredo: a virtual "teredo" networking interface."""
    net.relay.daemon(["miredo"])
    (link,) = json.loads(net.relay.run(
        ["ip", "-json", "address", "show", "teredo"]).stdout)
    assert link["mtu"] == 1280
    assert link["txqlen"] == 10000
    assert {"UP", "NOARP"} <= set(link["flags"])
    assert "MULTICAST" not in link["flags"]
    assert not link.get("addr_info")
    (route,) = json.loads(net.relay.run(
        ["ip", "-6", "-json", "route", "show", "2001::/32"]).stdout)
    assert route["dev"] == "teredo"
    assert route["protocol"] not in ("static", "boot", "kernel")


def test_interface_accepts_traffic_toward_clients(net):
    """... which will accept IPv6 traffic toward Teredo clients."""
    net.relay.daemon(["miredo"])
    wire = net.wire(net.relay)
    wire.send(IPv6(src=net.v6.ip6, dst=CLIENT) / ICMPv6EchoRequest())
    bubble = wire.recv(lambda p: UDP in p and p[UDP].dport == 3544, 5)
    assert bubble[IP].dst == "9.0.0.2"
    # And nothing of the kernel's own gets into the tunnel.
    worker = net.relay.run(["ip", "-json", "-s", "link", "show", "teredo"])
    assert json.loads(worker.stdout)[0]["stats64"]["tx"]["packets"] == 1


def test_many_destinations_share_one_neighbour(net):
    """Strangers cannot fill the kernel's neighbour table."""
    net.relay.daemon(["miredo"])
    wire = net.wire(net.relay)
    for i in range(50):
        wire.send(IPv6(src=net.v6.ip6, dst=f"2001:0:900:2::{i + 1:x}")
                  / ICMPv6EchoRequest())
    wait_for(lambda: json.loads(net.relay.run(
        ["ip", "-json", "-s", "link", "show", "teredo"]).stdout)[0]
        ["stats64"]["tx"]["packets"] >= 50, "50 packets in the tunnel")
    near = net.relay.run(["ip", "-6", "neigh", "show", "dev", "teredo",
                          "nud", "all"]).stdout
    assert len(near.strip().splitlines()) <= 1


# -- privileges ---------------------------------------------------------


@pytest.mark.parametrize("where, argv", [
    ("relay", ["miredo"]), ("server", ["miredo", "-s", "9.0.0.2"])])
def test_holds_no_privilege(net, where, argv):
    """Monitor, keeper, packet process: no capability, and none to be had."""
    host = getattr(net, where)
    daemon = host.daemon(argv)
    keeper = keeper_of(host, daemon.pid)
    worker = worker_of(host, daemon.pid)
    for pid in daemon.pid, keeper, worker:
        now = status(host, pid)
        for kind in "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb":
            assert int(now[kind][0], 16) == 0, (pid, kind)
        assert now["NoNewPrivs"] == ["1"]
    for pid in keeper, worker:
        assert set(status(host, pid)["Uid"]) == {str(MIREDO_UID)}


def test_starts_with_capabilities_instead_of_root(net):
    """As a service manager does it: user miredo, one ambient capability."""
    relay = net.relay.popen(
        ["unshare", "-m", "sh", "-c",
         "mount -t tmpfs none /dev/net && mknod -m $0 /dev/net/tun c 10 200 &&"
         " exec setpriv \"$@\" miredo -f", "666",
         "--reuid", MIREDO_UID, "--regid", NOGROUP_GID, "--clear-groups",
         "--inh-caps", "+net_admin", "--ambient-caps", "+net_admin",
         "--bounding-set", "-all,+net_admin"])
    wait_for(lambda: "relay on" in relay.err, "the relay to start")
    for pid in net.relay.processes():
        assert int(status(net.relay, pid)["CapEff"][0], 16) == 0
        assert int(status(net.relay, pid)["CapAmb"][0], 16) == 0
    assert relay.stop() == 0


def test_chroot(net):
    """-t: an empty directory is enough, and the end is clean."""
    net.relay.path("/run/empty").mkdir(exist_ok=True)
    relay = net.relay.daemon(
        ["miredo", "-t", "/run/empty"],
        env={"ASAN_OPTIONS": "detect_leaks=0"})     # it would need /proc
    worker = worker_of(net.relay, relay.pid)
    assert net.relay.run(["readlink", f"/proc/{worker}/root"]
                         ).stdout == "/run/empty\n"
    net.relay.kill(relay.pid, signal.SIGUSR1)
    relay.wait_log("peers: proven=0")
    assert relay.stop() == 0
    assert is_clean(net.relay)


# -- the end ------------------------------------------------------------


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_clean_end_within_a_second(net, sig):
    """Status 0, nothing left; told to the monitor or to the worker."""
    took = []
    for pick in lambda pid: pid, lambda pid: worker_of(net.relay, pid):
        relay = net.relay.daemon(["miredo"])
        told = pick(relay.pid)
        start = time.monotonic()
        net.relay.kill(told, sig)
        wait_for(lambda: not relay.alive(), "its end", timeout=20)
        took.append(time.monotonic() - start)
        assert net.relay.exit_status(relay.pid) == 0
        assert is_clean(net.relay)      # all was gone before
        relay.wait_log(f"exiting on {sig.name}")
    # One of two: the machine may stand still for a while.
    assert min(took) < 1


@pytest.fixture
def unsettled(net):
    """A host whose IPv6 address is being checked for longer than we wait."""
    host = net.hosts.get("unsettled") or net.add_host("unsettled")
    host.ip("link add one type veth peer name two")
    host.sysctl(ipv6__conf__one__accept_dad=1,
                ipv6__conf__one__dad_transmits=100)
    host.ip("link set one up", "link set two up",
            "address add 2a00:1::1/64 dev one")
    yield host
    host.ip("link delete one")


@pytest.mark.parametrize("more", [[], ["-f"]])
def test_stopped_while_starting(unsettled, more):
    """At once, and not silently; what is no stop does not stop it."""
    relay = unsettled.popen(["miredo", *more])
    count = 2 if more else 3                # the command waits
    wait_for(lambda: len(unsettled.processes()) == count, "the keeper")
    monitor = relay.pid if more else child_of(unsettled, relay.pid, "miredo")
    unsettled.kill(monitor, signal.SIGUSR1)
    unsettled.kill(monitor, signal.SIGTERM)
    wait_for(lambda: not unsettled.processes(), "its end")
    assert relay.wait() == (0 if more else 1)
    assert relay.err == "miredo: stopped while starting\n"
    assert is_clean(unsettled)


def test_keeper_killed_while_starting(unsettled):
    """As the kernel does for want of memory, which is all taken then."""
    relay = unsettled.popen(["miredo", "-f"])
    unsettled.kill(keeper_of(unsettled, relay.pid), signal.SIGKILL)
    assert relay.wait() == 1
    assert relay.err.endswith("ended by signal 9 (Killed)\n  if memory is "
                              "short, lower MaxPeers in the configuration\n")


def test_killed_monitor_takes_the_others_along(net):
    """kill -9, and a new start at once: nothing is in its way."""
    relay = net.relay.daemon(["miredo"])
    for _ in range(3):
        net.relay.kill(relay.pid, signal.SIGKILL)
        relay = net.relay.daemon(["miredo"])
        assert has_interface(net.relay)
        # The control process has another name, after a moment.
        wait_for(lambda: len(net.relay.processes()) == 3, "no more than three")


def test_killed_keeper_ends_the_monitor(net):
    """It says so, fails, and leaves nothing."""
    relay = net.relay.daemon(["miredo"])
    net.relay.kill(keeper_of(net.relay, relay.pid), signal.SIGKILL)
    wait_for(lambda: not relay.alive(), "the monitor to end")
    assert net.relay.exit_status(relay.pid) == 1
    relay.wait_log("the keeper was ended by signal 9")
    cleaned(net.relay)


def test_all_killed_leaves_only_a_stale_pid_file(net):
    """... which does not matter, even if its number lives again."""
    relay = net.relay.daemon(["miredo"])
    for pid in net.relay.processes():
        with contextlib.suppress(ProcessLookupError):   # gone with another
            net.relay.kill(pid, signal.SIGKILL)
    wait_for(lambda: not net.relay.processes(), "the end of all")
    assert pidfiles(net.relay) == ["miredo.pid"]
    net.relay.write("/run/miredo.pid", "1\n")
    relay = net.relay.daemon(["miredo"])
    assert int(net.relay.read("/run/miredo.pid")) == relay.pid != 1


def test_second_one_is_refused(net):
    """A live PID file: who it is, and the first goes on."""
    relay = net.relay.daemon(["miredo"])
    done = net.relay.run(["miredo"], check=False)
    assert done.returncode == 1
    assert f"already running, process {relay.pid}" in done.stderr
    assert relay.alive() and has_interface(net.relay)
    assert int(net.relay.read("/run/miredo.pid")) == relay.pid


@pytest.mark.parametrize("option", ["-p", "--pidfile"])
def test_pid_file_elsewhere(net, option):
    """Also with -f, also by a relative path."""
    for more in [], ["-f"]:
        relay = net.relay.daemon(["miredo", option, "mine.pid", *more],
                                 pidfile="/run/mine.pid", cwd="/run")
        assert int(net.relay.read("/run/mine.pid")) == relay.pid
        assert relay.stop() == 0
        assert is_clean(net.relay)


def test_digits_after_p_are_a_port(net):
    """As in 2004."""
    net.relay.daemon(["miredo", "-p", "3545"])
    assert sockets(net.relay) == {("0.0.0.0", 3545)}
    assert pidfiles(net.relay) == ["miredo.pid"]


# -- while it runs ------------------------------------------------------


def test_usr1_logs_counters(net):
    """The non-zero ones, and the peers."""
    relay = net.relay.daemon(["miredo", "--port", "3545"])
    net.wire(net.relay).send(
        IP(src="9.0.2.3", dst=net.relay.ip4) / UDP(sport=9, dport=3545)
        / b"x")
    wait_for(lambda: net.relay.kill(relay.pid, signal.SIGUSR1)
             or "counters: bad-version=1" in relay.log, "the counter", every=0.1)
    relay.wait_log(r"peers: proven=0 probing=0 failed=0 of \d+")


def test_hup_goes_on(net):
    """There is nothing new in the configuration (test_reload.py has more)."""
    relay = net.relay.daemon(["miredo", "--port", "3545"])
    net.relay.kill(relay.pid, signal.SIGHUP)
    relay.wait_log("configuration: nothing else than what runs")
    assert relay.alive() and sockets(net.relay) == {("0.0.0.0", 3545)}


def test_addresses_are_followed(net):
    """R29, Z2: the source goes and comes back while it runs."""
    relay = net.relay.daemon(["miredo"])
    native = f"{net.relay.ip6}/64"
    route = net.relay.run(["ip", "-6", "route", "show", "default"]
                          ).stdout.strip()
    device = route.split(" dev ")[1].split()[0]
    net.relay.ip(f"address del {native} dev {device}")
    try:
        relay.wait_log("no native IPv6 address is left")
    finally:
        net.relay.ip(f"address add {native} dev {device} nodad",
                     f"route replace {route}")
    relay.wait_log(f"native IPv6 address is {net.relay.ip6}")


@pytest.mark.parametrize("line", ["link delete teredo",
                                  "link set teredo down"])
def test_interface_taken_away(net, line):
    """A clear end instead of a spinning loop, or a relay without a route."""
    relay = net.relay.daemon(["miredo"])
    net.relay.ip(line)
    wait_for(lambda: not relay.alive(), "its end")
    assert net.relay.exit_status(relay.pid) == 1
    assert len(re.findall("the tunnel interface is gone or was taken down",
                          relay.log)) == 1
    cleaned(net.relay)


def test_sunset_comes(net):
    """S42, R33: the service ends at the date, with status 0."""
    relay = net.relay
    relay.write("/etc/sunset.conf", f"Sunset {tap.soon()}\n")
    daemon = relay.daemon(["miredo", "-c", "/etc/sunset.conf"])
    daemon.wait_log("service ends on 20")
    wait_for(lambda: not daemon.alive(), "the sunset")
    assert relay.exit_status(daemon.pid) == 0
    daemon.wait_log("the sunset date has come")
    cleaned(relay)


def test_server_and_relay_in_one(net):
    """4380 5.4.3: Relay yes; one socket, one interface."""
    net.server.write("/etc/both.conf", "Relay yes\n")
    both = net.server.daemon(["miredo", "-s", "9.0.0.2", "-c",
                              "/etc/both.conf"])
    assert sockets(net.server) == {("9.0.0.2", 3544), ("9.0.0.3", 3544)}
    assert has_interface(net.server)
    both.wait_log("relay on 9.0.0.2 port 3544")


def test_descriptors_passed_in(net):
    """--tun-fd and --udp-fd: made by somebody else, no privilege needed."""
    net.relay.write("/etc/pass.py", PASS)
    relay = net.relay.popen(["python3", "/etc/pass.py"])
    wait_for(lambda: "relay on 127.0.0.1" in relay.err, "the relay to start")
    # One thread, for there is no second descriptor of either; no offload of
    # a device that was made without its header.
    wait_for(lambda: re.search(r": 1 thread, offloads: (?!.*[tu]so)",
                               relay.err), "the offloads")
    assert has_interface(net.relay, "passed")
    assert relay.stop() == 0


PASS = """
import fcntl, os, socket, struct
tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, 0x400454ca, struct.pack("16sH22x", b"passed", 0x1001))
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("127.0.0.1", 0))
for fd in tun, sock.fileno():
    os.set_inheritable(fd, True)
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
os.execvp("miredo", ["miredo", "-f", "--tun-fd", str(tun), "--udp-fd",
                     str(sock.fileno())])
"""


def test_foreign_client_through_our_daemons(net):
    """Real packets, real peer: the address it gets works."""
    net.server.daemon(["miredo", "-s", "9.0.0.2"])
    net.relay.daemon(["miredo"])
    foreign.client(net.c1)
    teredo.wait_address(net.c1)
    net.c1.run(["ping", "-6", "-c", "1", "-w", "10", net.v6.ip6])
