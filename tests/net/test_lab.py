# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab is what it says: NATs by an independent probe, hosts, clean end."""

import os
import pathlib
import signal
import subprocess
import sys
import textwrap

import pytest

from lab import Internet, LabError, wait_for
from lab.probe import (ADDRESS_DEPENDENT, ADDRESS_PORT_DEPENDENT,
                       ENDPOINT_INDEPENDENT, Verdict, probe, seen_at, udp)

ROOT = pathlib.Path(__file__).resolve().parents[2]

#: type: mapping, filtering, what hairpinning takes when it is on
NATS = {
    "full": (ENDPOINT_INDEPENDENT, ENDPOINT_INDEPENDENT, "open"),
    "restricted": (ENDPOINT_INDEPENDENT, ADDRESS_DEPENDENT, "address"),
    "portrestricted": (ENDPOINT_INDEPENDENT, ADDRESS_PORT_DEPENDENT,
                       "endpoint"),
    "symmetric": (ADDRESS_PORT_DEPENDENT, ADDRESS_PORT_DEPENDENT, "never"),
}


@pytest.mark.parametrize("preserving", [False, True],
                         ids=["ports-change", "ports-kept"])
@pytest.mark.parametrize("hairpin", [False, True],
                         ids=["no-hairpin", "hairpin"])
@pytest.mark.parametrize("kind", NATS)
def test_nat_is_what_it_says(net, kind, hairpin, preserving):
    mapping, filtering, turn = NATS[kind]
    expected = Verdict(translates=True, mapping=mapping, filtering=filtering,
                       preserving=preserving,
                       hairpin=turn if hairpin else "never", closed=True)
    net.site1.configure(kind, hairpin, preserving)
    net.site2.configure(kind, hairpin, preserving)
    assert probe(net.c1, net.tester, net.c1b) == expected
    assert probe(net.c1b, net.tester, net.c1) == expected
    expected.hairpin = "never"
    assert probe(net.c2, net.tester) == expected


def test_no_nat(net):
    net.site1.configure("none")
    assert net.c1.ip4 == "9.0.20.2"
    verdict = probe(net.c1, net.tester, net.c1b)
    assert not verdict.translates
    assert verdict.preserving
    assert verdict.mapping == verdict.filtering == ENDPOINT_INDEPENDENT
    net.site1.configure("full")
    assert net.c1.ip4 == "192.168.1.2"


def test_two_hosts_cannot_have_one_port(net):
    net.site1.configure("portrestricted", preserving=True)
    with udp(net.c1, net.c1.ip4, 4000) as one, \
            udp(net.c1b, net.c1b.ip4, 4000) as two, \
            udp(net.tester, net.tester.ip4) as far:
        assert seen_at(one, far)[1] == 4000
        assert seen_at(two, far)[1] != 4000


@pytest.mark.parametrize("kind", NATS)
def test_nat_forgets(net, kind):
    net.site1.configure(kind)
    with udp(net.c1, net.c1.ip4) as sock, \
            udp(net.tester, net.tester.ip4) as far:
        before = seen_at(sock, far)
        assert seen_at(sock, far) == before
        net.site1.forget()
        after = seen_at(sock, far)
        assert after != before
        far.sendto(b"stale", before)
        far.sendto(b"good", after)
        assert sock.recv(100) == b"good"


def test_links_lose_and_double(net):
    def answers(count=40):
        done = net.tester.run(["ping", "-i", ".002", "-W", ".2", "-c",
                               str(count), net.server.ip4], check=False)
        return done.stdout.count("ttl=")
    net.fault(net.server, drop=50)
    assert 0 < answers() < 30
    net.fault(net.server, drop=100)
    assert answers(2) == 0
    net.fault(net.server, duplicate=100)
    assert "DUP!" in net.tester.run(
        ["ping", "-c", "2", "-i", ".01", net.server.ip4]).stdout
    net.fault(net.server)
    assert answers(5) == 5


def test_wire_spoofs_any_source(net):
    from scapy.layers.inet import ICMP, IP
    wire = net.wire(net.tester, "eth0")
    wire.send(IP(src="198.18.7.7", dst=net.server.ip4) / ICMP(id=7) / b"hi")
    answer = wire.recv(lambda p: ICMP in p and p[ICMP].type == 0)
    assert answer[IP].dst == "198.18.7.7"
    wire = net.wire(net.server)
    wire.send(IP(src="198.18.7.8", dst=net.server.ip4) / ICMP(id=8) / b"hi")
    answer = wire.recv(lambda p: ICMP in p)
    assert (answer[IP].dst, answer[ICMP].type) == ("198.18.7.8", 0)


def test_host_has_its_own_files(net):
    assert "miredo" in net.server.run(["id", "miredo"]).stdout
    net.server.accounts(user=None, group=None)
    assert net.server.run(["id", "miredo"], check=False).returncode
    assert net.server.run(["getent", "group", "nogroup"],
                          check=False).returncode
    net.server.accounts()
    net.server.write("/etc/miredo/miredo.conf", "RelayType relay\n")
    net.server.run(["touch", "/run/mark"])
    assert net.relay.run(["ls", "/run/mark", "/etc/miredo/miredo.conf"],
                         check=False).returncode
    assert not pathlib.Path("/run/mark").exists()
    net.server.run(["test", "-c", "/dev/net/tun"])


def test_files_are_not_written_through_links(net, tmp_path):
    """/etc/resolv.conf is one on many machines; /tmp is the machine's own."""
    outside = tmp_path / "outside"
    outside.write_text("of the machine")
    for link, to in (("absolute", outside), ("nowhere", "../run/not/there")):
        net.server.run(["ln", "-s", to, f"/etc/{link}"])
        net.server.write(f"/etc/{link}", "of the host")
        assert net.server.run(["cat", f"/etc/{link}"]).stdout == "of the host"
    net.server.run(["ln", "-s", tmp_path, "/etc/directory"])
    with pytest.raises(LabError, match="/etc/directory is a symbolic link"):
        net.server.write("/etc/directory/outside", "of the host")
    assert outside.read_text() == "of the machine"


def test_programs_are_for_everybody(net):
    """... also if the repository is not."""
    net.server.run(["setpriv", "--reuid", "1000", "--regid", "1000",
                    "--clear-groups", "miredo", "--version"])


def test_bad_ends_are_noticed(net):
    """A daemon that fails unseen, and what a sanitizer found in it."""
    with pytest.raises(LabError, match="did not end well: 7"), net.tidy():
        daemon = net.relay.daemon(["sh", "-c", DAEMON.replace("5", "7")])
    with pytest.raises(LabError, match="report"), net.tidy():
        net.relay.run(["setpriv", "--reuid", "1000", "--clear-groups", "sh",
                       "-c", "echo report >${ASAN_OPTIONS#*log_path=}.1"])
    with net.tidy():
        daemon = net.relay.daemon(["sh", "-c", DAEMON])
        assert daemon.stop() == 5
    with net.tidy():
        net.relay.kill(net.relay.daemon(["sh", "-c", DAEMON]).pid,
                       signal.SIGKILL)


def test_syslog_is_kept(net):
    net.server.run(["logger", "-p", "daemon.warning", "-t", "x", "seen"])
    assert net.server.wait_log("seen").severity == 4
    assert not [line for line in net.relay.log if "seen" in line.text]


def test_programs(net):
    assert net.c1.run(["cat"], input="text").stdout == "text"
    assert net.c1.run(["false"], check=False).returncode == 1
    with pytest.raises(LabError, match="status 3\nwhy"):
        net.c1.run(["sh", "-c", "echo why; exit 3"])
    with pytest.raises(LabError, match="No such file"):
        net.c1.run(["no-such-program"])
    with pytest.raises(TimeoutError):
        net.c1.run(["sleep", "100"], timeout=0.05)
    process = net.c1.popen(["sleep", "100"])
    assert process.poll() is None
    assert process.stop() == -signal.SIGTERM


DAEMON = """
    echo started; (setsid sh -c 'logger -t d ready; echo $$ >/run/miredo.pid
    trap "exit 5" TERM; while :; do sleep .01; done' &)
"""


def test_daemons(net):
    daemon = net.relay.daemon(["sh", "-c", DAEMON])
    assert daemon.alive()
    daemon.wait_log("d: ready")
    assert daemon.stop() == 5
    with pytest.raises(LabError, match="did not come up.*\n.*no way"):
        net.relay.daemon(["sh", "-c", "echo no way; exit 1"])
    with pytest.raises(LabError, match="did not come up.*\n.*too bad"):
        net.relay.daemon(["sh", "-c", "echo too bad", "-f"])


def namespaces():
    """All network namespaces that processes live in."""
    found = set()
    for entry in pathlib.Path("/proc").glob("[0-9]*/ns/net"):
        try:
            found.add(os.readlink(entry))
        except OSError:
            pass
    return found


#: Raises a lab full of stubborn daemons, tells their namespaces, then waits.
VICTIM = """
    import os, signal, sys, time
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.path.insert(0, sys.argv[1])
    from lab import Internet
    with Internet() as net:
        for host in net.hosts.values():
            host.run(["sh", "-c", "(trap '' TERM HUP INT; setsid sleep 1000 &"
                      ") >/dev/null"])
        print(*(os.readlink(f"/proc/{host.pid}/ns/net")
                for host in net.hosts.values()), flush=True)
        END
"""


@pytest.mark.parametrize("end, sig", [
    ("pass", None), ("raise SystemExit(3)", None), ("1 / 0", None),
    ("time.sleep(99)", signal.SIGINT), ("time.sleep(99)", signal.SIGTERM),
    ("time.sleep(99)", signal.SIGKILL),
], ids=["normal", "exit", "exception", "ctrl-c", "sigterm", "sigkill"])
def test_nothing_is_left(end, sig):
    code = textwrap.dedent(VICTIM).replace("END", end)
    with subprocess.Popen([sys.executable, "-c", code, str(ROOT)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as victim:
        spaces = set(victim.stdout.readline().split())
        assert len(spaces) == 10, victim.stderr.read()
        if sig:
            assert spaces <= namespaces()
            victim.send_signal(sig)
        victim.wait(20)
    wait_for(lambda: not spaces & namespaces(), "all processes to be gone")


def test_labs_do_not_meet(net):
    with Internet() as other:
        other.server.ip("address del 9.0.0.3/24 dev eth0")
        net.tester.run(["ping", "-c", "1", "-W", "2", "9.0.0.3"])
