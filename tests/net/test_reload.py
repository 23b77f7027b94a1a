# SPDX-License-Identifier: GPL-2.0-or-later
"""The configuration is read again while a daemon runs: what changes does so at
once, what waits is named, and nothing is lost: no packet, no address, no peer.
"""

import json
import re
import signal

import pytest

import packets as t
import tap
from lab import control, teredo, wait_for
from tap import less
from test_client_daemon import addresses, port_of, sockets, wait_address
from test_daemon import is_clean, worker_of

SERVER, SECOND = "9.0.0.2", "9.0.2.3"       # of net.server, of net.tester
CONF = "/run/test.conf"                     # of tap.start()
TIMES = 20


def hup(daemon):
    daemon.host.kill(daemon.pid, signal.SIGHUP)


def reload(daemon, config, path=CONF, says="configuration applied: "):
    """Have another configuration read; what the log says of it."""
    since = len(daemon.log)
    daemon.host.write(path, config)
    hup(daemon)
    wait_for(lambda: says in daemon.log[since:], f"{says!r} in the log")
    return daemon.log[since:]


def applied(log):
    return re.findall(r"configuration applied: (.*)", log)


# -- server and relay, on a cable of their own ---------------------------


def count(one, wanted, found, sent):
    """Read until as many have come; each one once."""
    seen = []

    def is_one(packet):
        got = found(packet)
        if got is None:
            return False
        seen.append(got)
        return len(seen) == wanted

    one.collect([is_one])
    assert sorted(seen) == sent


def test_relay_under_traffic(net):
    """Both ways, while it reads again and again: nothing is lost."""
    with net.tidy():
        relay = tap.Relay(net, tap.start(net.relay))
        at = relay.befriend()
        client, native = relay.address(at), relay.native()
        sent = []
        for i in range(TIMES):
            since = len(relay.daemon.log)
            net.relay.write(CONF, f"Threads 1\nNewPeersPerSecond {900 + i}\n")
            hup(relay.daemon)
            while True:
                n = len(sent) // 2
                down, up = b"down%6d" % n, b"up%6d" % n
                relay.send(t.udp6(native, client, data=down),
                           relay.say(at, t.udp6(client, native, data=up)))
                sent += [down, up]
                if "configuration applied" in relay.daemon.log[since:]:
                    break

        def found(p):
            if isinstance(p, t.Datagram) and p.dst == at:
                return p.inner.payload[8:]
            if isinstance(p, t.Packet6) and p.src == client:
                return p.payload[8:]
            return None

        count(relay, len(sent), found, sorted(sent))
        assert len(applied(relay.daemon.log)) == TIMES
        relay.close()


def test_server_under_traffic(net):
    """Solicitations while the rates change: each is answered."""
    with net.tidy():
        net.server.write(CONF, "")
        server = tap.Server(net, tap.start(net.server, ["-s", SERVER]))
        sent = []
        for i in range(TIMES):
            since = len(server.daemon.log)
            net.server.write(CONF, f"Threads 1\nReplyRate {1000 + i}\n")
            hup(server.daemon)
            while True:
                at = server.client()
                server.send(server.say(
                    at, t.solicitation(t.link_local(at))))
                sent.append(at)
                if "configuration applied" in server.daemon.log[since:]:
                    break
        count(server, len(sent), lambda p: p.dst if isinstance(p, t.Datagram)
              and p.src == server.at else None, sorted(sent))
        server.close()


def test_rules_of_a_relay(net):
    """DenyIPv4 and ServePrefix hold at once, for peers that are known, too."""
    with net.tidy():
        relay = tap.Relay(net, tap.start(net.relay))
        at, other = relay.befriend(), relay.befriend()
        me = relay.address(at)
        reload(relay.daemon, f"Threads 1\nDenyIPv4 {at[0]}/32\n")
        relay.nothing({
            "to it": t.udp6(relay.native(), me),
            "from it": relay.say(at, t.udp6(me, relay.native())),
        })
        assert relay.known(other)
        log = reload(relay.daemon, "Threads 1\nServePrefix 2001:db8:77::/52\n")
        assert applied(log) == ["DenyIPv4, ServePrefix"]
        assert relay.known(at)
        outside = "2001:db8:99::1"
        relay.nothing({"from outside": t.udp6(outside, me)})
        reload(relay.daemon, "Threads 1\nAcceptStrangers yes\n")
        stranger = relay.client()
        packet = t.udp6(relay.address(stranger), relay.native())
        assert [p.raw for p in relay.ask(relay.say(stranger, packet))] \
            == [less(packet)]
        relay.close()


def test_dscp_of_a_relay(net):
    """Of its next packet; and the next packet process goes on so."""
    with net.tidy():
        relay = tap.Relay(net, tap.start(net.relay))
        at = relay.befriend()
        packet = t.udp6(relay.native(), relay.address(at))
        marked = packet[:1] + bytes([packet[1] | 0x80]) + packet[2:]

        def tos(packet):
            (out,) = relay.ask(packet)
            return out.tos

        assert tos(marked) == 0
        reload(relay.daemon, "Threads 1\nDSCP 10\n")
        wait_for(lambda: tos(marked) == 10 << 2, "DSCP 10")
        net.relay.kill(worker_of(net.relay, relay.daemon.pid), signal.SIGKILL)
        wait_for(lambda: "going on with" in relay.daemon.log, "the next one")
        assert tos(packet) == 10 << 2
        reload(relay.daemon, "Threads 1\nDSCP copy\n")
        wait_for(lambda: tos(marked) == 8, "that of the packet")
        assert tos(packet) == 0
        reload(relay.daemon, "Threads 1\n")
        wait_for(lambda: tos(marked) == 0, "none")
        relay.close()


def test_mistakes_change_nothing(net):
    """All are named, and what runs goes on whole."""
    with net.tidy():
        relay = tap.Relay(net, tap.start(net.relay))
        at = relay.befriend()
        log = reload(relay.daemon, "ReplyRat 1\nDenyIPv4 0.0.0.0/0\n"
                     "DenyIPv4 x\n", says="configuration not applied")
        assert f"{CONF}:1: ReplyRat: unknown directive, did you mean " \
            "ReplyRate?" in log
        assert f'{CONF}:3: DenyIPv4: "x" is not allowed' in log
        assert "2 errors; going on as before" in log
        net.relay.run(["rm", CONF])
        since = len(relay.daemon.log)
        hup(relay.daemon)
        relay.daemon.wait_log("cannot read the configuration file")
        assert not applied(relay.daemon.log[since:])
        assert relay.known(at)
        # And then it is right again.
        reload(relay.daemon, "Threads 1\nDenyIPv4 11.0.0.0/8\n")
        assert not relay.known(at)
        relay.close()


def test_what_waits_is_named(net):
    """And is not done by halves; if it is taken back, it is no more."""
    with net.tidy():
        relay = tap.Relay(net, tap.start(net.relay))
        at = relay.befriend()
        log = reload(relay.daemon, "Threads 1\nBindPort 4444\nMaxPeers 64\n"
                     "ReplyRate 7\nUser nobody\nServerAddress 9.0.0.2\n")
        assert applied(log) == ["ReplyRate"]
        assert "configuration waiting for the next start: BindPort, User, " \
            "MaxPeers, ServerAddress" in relay.daemon.log
        assert relay.known(at)
        since = len(relay.daemon.log)
        reload(relay.daemon, "Threads 1\nReplyRate 7\n", says="nothing else")
        assert "waiting" not in relay.daemon.log[since:]
        relay.close()


def test_files_that_are_replaced(net):
    """As editors do, by a new file under the name; and the directory."""
    with net.tidy():
        relay = tap.Relay(net, tap.start(net.relay))
        net.relay.run(["rm", "-rf", f"{CONF}.d"])
        net.relay.write("/run/new", "Threads 1\nReplyRate 5\n")
        net.relay.run(["mv", "/run/new", CONF])
        hup(relay.daemon)
        relay.daemon.wait_log("configuration applied: ReplyRate")
        net.relay.run(["mkdir", f"{CONF}.d"])
        try:
            log = reload(relay.daemon, "ReplyRate 6\nNetworkReplyRate 7\n",
                         f"{CONF}.d/a.conf")
            assert applied(log) == ["ReplyRate, NetworkReplyRate"]
        finally:
            net.relay.run(["rm", "-rf", f"{CONF}.d"])
        relay.close()


def test_name_that_begins_anywhere(net):
    """-c FILE, from where the daemon was started."""
    with net.tidy():
        net.relay.write("/run/here/a.conf", "ReplyRate 1\n")
        daemon = net.relay.daemon(["miredo", "-c", "a.conf"], cwd="/run/here")
        reload(daemon, "ReplyRate 2\n", "/run/here/a.conf")
        assert daemon.stop() == 0


def test_next_worker_has_it(net):
    """What was applied is not lost with the process that it was applied in."""
    with net.tidy():
        relay = tap.Relay(net, tap.start(net.relay))
        at, other = relay.befriend(), relay.befriend()
        reload(relay.daemon, f"Threads 1\nDenyIPv4 {at[0]}/32\n")
        net.relay.kill(worker_of(net.relay, relay.daemon.pid), signal.SIGKILL)
        wait_for(lambda: "going on with" in relay.daemon.log, "the next one")
        assert relay.known(other)
        relay.nothing({"denied": t.udp6(relay.native(), relay.address(at))})
        reload(relay.daemon, "Threads 1\n")
        assert relay.known(other)
        relay.close()


def test_reader_that_is_killed(net):
    """All goes on; that nobody reads any more is said."""
    with net.tidy():
        relay = tap.Relay(net, tap.start(net.relay))
        at = relay.befriend()
        (reader,) = net.relay.run(["pgrep", "-x", "miredo-reader"]
                                  ).stdout.split()
        net.relay.kill(int(reader), signal.SIGKILL)
        relay.daemon.wait_log("the reader of the configuration was ended by "
                              "signal 9")
        relay.daemon.wait_log("cannot be read again until the next start")
        hup(relay.daemon)
        relay.daemon.wait_log("nobody is left to read the configuration")
        assert relay.known(at)
        assert relay.daemon.stop() == 0
        assert is_clean(net.relay)
        relay.close()


def test_sunset(net):
    """It ends when it is told to; not for a day that has passed."""
    with net.tidy():
        daemon = tap.start(net.relay)
        log = reload(daemon, "Threads 1\nSunset 2020-01-01\n",
                     says="not applied")
        assert "Sunset 2020-01-01" in log
        reload(daemon, f"Threads 1\nSunset {tap.soon()}\n")
        wait_for(lambda: not daemon.alive(), "the end at sunset", 20)


# -- client ---------------------------------------------------------------


FILE = "/etc/miredo/miredo.conf"


@pytest.fixture
def client(net):
    """A client at work, its servers, and a relay."""
    net.server.daemon(["miredo", "-s", SERVER])
    net.tester.daemon(["miredo", "-s", SECOND])
    net.relay.write(FILE, "InterfaceMTU 1472\n")
    teredo.start_relay(net)
    net.c1.write("/etc/hosts", f"127.0.0.1 localhost\n{SERVER} one.test\n"
                 f"{SECOND} two.test\n")
    teredo.forget(net.c1)
    daemon = teredo.start_client(net.c1, server="one.test")
    wait_address(net.c1)
    return daemon


def test_client_under_traffic(net, client):
    """Pings ten times as often as it reads: each is answered."""
    address, port = wait_address(net.c1), port_of(net.c1)
    net.c1.run(["ping", "-6", "-c", "1", "-W", "6", net.v6.ip6])
    ping = net.c1.popen(["ping", "-6", "-n", "-i", ".01", "-c", "300",
                         "-W", "6", net.v6.ip6])
    for i in range(TIMES):
        reload(client, f"ServerAddress one.test\nRefreshInterval {10 + i}\n"
               f"RouteMetric {1000 + i}\n", FILE)
    assert ping.wait() == 0
    assert " 300 received" in ping.out, ping.out
    assert addresses(net.c1) == [address] and port_of(net.c1) == port
    reload(client, "ServerAddress one.test\nLearnRefresh yes\n", FILE)
    wait_for(lambda: len(sockets(net.c1)) == 2, "a second port (C68)")


def routes(host):
    return host.run(["ip", "-6", "route", "show", "table", "all", "dev",
                     "teredo"]).stdout


def test_routes_of_a_client(net, client):
    """The steward sets them as they are to be now."""
    wait_for(lambda: "default" in routes(net.c1), "a default route")
    one = "ServerAddress one.test\n"
    reload(client, one + "RouteMetric 77\n", FILE)
    wait_for(lambda: re.findall(r"default .*metric (\d+)", routes(net.c1))
             == ["77"], "the other metric")
    reload(client, one + "DefaultRoute no\n", FILE)
    wait_for(lambda: "default" not in routes(net.c1), "no default route")
    reload(client, one + "RouteTable 99\n", FILE)
    wait_for(lambda: re.search("default .*table 99", routes(net.c1)) and
             "lookup 99" in net.c1.run(["ip", "-6", "rule"]).stdout,
             "a table of its own")
    reload(client, one, FILE)
    wait_for(lambda: "table 99" not in routes(net.c1) and
             "lookup 99" not in net.c1.run(["ip", "-6", "rule"]).stdout and
             "default" in routes(net.c1), "the main table")
    assert "somebody else" not in client.log


def mtu(host):
    return int(re.search(r" mtu (\d+) ", host.run(
        ["ip", "-o", "link", "show", "dev", "teredo"]).stdout).group(1))


def test_mtu_of_a_client(net, client):
    """The interface has it, and packets of that size pass while it changes;
    the smaller one again is what those who send are told."""
    address = wait_address(net.c1)
    one = "ServerAddress one.test\n"
    net.c1.run(["ping", "-6", "-c", "1", "-W", "6", net.v6.ip6])
    ping = net.c1.popen(["ping", "-6", "-n", "-i", ".01", "-c", "200", "-s",
                         "1200", "-W", "6", net.v6.ip6])
    for size in 1400, 1300, 1450:
        reload(client, one + f"InterfaceMTU {size}\n", FILE)
        wait_for(lambda: mtu(net.c1) == size, f"an MTU of {size}")
        # One of that size is not too big for the packet process.
        net.c1.run(["ping", "-6", "-c", "1", "-W", "6", "-M", "do",
                    "-s", str(size - 48), net.v6.ip6])
    reload(client, one, FILE)
    wait_for(lambda: mtu(net.c1) == 1280, "the usual MTU")
    assert ping.wait() == 0
    assert " 200 received" in ping.out, ping.out
    assert addresses(net.c1) == [address]
    assert "somebody else" not in client.log


def test_servers_of_a_client(net, client):
    """One more changes nothing; another takes over, by name."""
    address = wait_address(net.c1)
    reload(client, "ServerAddress two.test\nServerAddress one.test\n", FILE)
    assert addresses(net.c1) == [address]
    reload(client, "ServerAddress two.test\n", FILE)
    new = teredo.wait_address(net.c1, other_than=address)
    assert teredo.explain(new).server == SECOND
    # Known by it, the old one stays for a while.
    assert address in teredo.deprecated(net.c1)
    net.c1.kill(worker_of(net.c1, client.pid), signal.SIGKILL)
    wait_for(lambda: "going on with" in client.log, "the next one")
    assert teredo.wait_address(net.c1) == new


def test_server_that_is_denied(net, client):
    """It is left like one that is not named any more."""
    address = wait_address(net.c1)
    reload(client, "ServerAddress one.test\nServerAddress two.test\n"
           f"DenyIPv4 {SERVER}\n", FILE)
    new = teredo.wait_address(net.c1, other_than=address)
    assert teredo.explain(new).server == SECOND


KEYS = "/etc/miredo/keys"


def write_keys(host, word):
    host.write(KEYS, f"me hmac-sha256 {word}\n")
    host.path(KEYS).chmod(0o600)


def test_secrets_of_client_and_server(net):
    """Both get another one while they run; the address stays; and one that
    cannot be read changes nothing."""
    write_keys(net.server, "old")
    write_keys(net.c1, "old")
    net.server.write(CONF, f"Secret {KEYS}\n")
    server = net.server.daemon(["miredo", "-c", CONF, "-s", SERVER])
    config = f"ClientID me\nSecret {KEYS}\n"
    client = teredo.start_client(net.c1, server=SERVER, config=config)
    address = wait_address(net.c1)
    config = f"ServerAddress {SERVER}\n{config}"

    def refused():
        at = "/run/miredo-server/control"
        return control.ask(net.server, "metrics", at)["reasons"]["auth-failed"]

    before = refused()
    write_keys(net.c1, "new")
    assert applied(reload(client, config, FILE)) == ["Secret"]
    wait_for(lambda: refused() > before, "the old server to refuse the new one")
    write_keys(net.server, "new")
    assert applied(reload(server, f"Secret {KEYS}\n")) == ["Secret"]
    wait_for(lambda: "qualified" == control.status(net.c1)["state"] and
             not control.status(net.c1)["client"]["requests"], "an answer")
    assert addresses(net.c1) == [address]
    net.server.path(KEYS).chmod(0o644)
    log = reload(server, f"Secret {KEYS}\n", says="configuration not applied")
    assert f"{KEYS}: others may read it" in log
    # The next packet process has them as well.
    net.server.kill(worker_of(net.server, server.pid), signal.SIGKILL)
    server.wait_log("starting it again")
    net.c1.kill(worker_of(net.c1, client.pid), signal.SIGKILL)
    wait_for(lambda: "going on with" in client.log, "the next one")
    before = refused()
    hup(client)
    wait_for(lambda: (answer := control.status(net.c1)["client"]["server"]
                      ["last_answer"]) is not None and answer < 1,
             "an answer to the next one, of the next one")
    assert refused() == before
    assert addresses(net.c1) == [address]


# -- by miredoctl ---------------------------------------------------------


def ctl(host, *argv, status=0, socket="/run/ctl"):
    done = host.run(["miredoctl", "--socket", socket, *argv], check=False)
    assert done.returncode == status, (done.stdout, done.stderr)
    return done.stdout + done.stderr


def test_confirmed_or_undone(net):
    """reload --confirm: what cuts off who did it undoes itself."""
    with net.tidy():
        relay = tap.Relay(net, tap.start(net.relay, ["--control", "/run/ctl"]))
        at = relay.befriend()
        net.relay.write(CONF, f"Threads 1\nDenyIPv4 {at[0]}/32\n")
        ctl(net.relay, "reload", "--confirm", "1")
        relay.daemon.wait_log("configuration undone: not confirmed within 1 s")
        wait_for(lambda: relay.known(at), "the peer that was denied")
        ctl(net.relay, "reload", "--confirm", "600")
        ctl(net.relay, "reload", "--keep")
        relay.daemon.wait_log("configuration confirmed")
        assert not relay.known(at)
        shown = ctl(net.relay, "config")
        assert re.search(rf"DenyIPv4 +{re.escape(at[0])}/32.*{CONF}:2", shown)
        assert "configuration confirmed" in ctl(net.relay, "log")
        relay.close()


def test_group_that_may_change(net):
    """ControlGroup of now counts; one that there is not changes nothing."""
    def may_change():
        return net.relay.run(
            ["setpriv", "--reuid", "65534", "--regid", "65534", "--groups",
             "4712", "miredoctl", "--socket", "/run/ctl", "reload"],
            check=False).returncode == 0

    with net.tidy():
        conf = "Threads 1\nControlGroup {}\n"
        groups = net.relay.read("/etc/group") + "one:x:4711:\n"
        net.relay.write("/etc/group", groups)
        net.relay.write(CONF, conf.format("one"))
        daemon = net.relay.daemon(["miredo", "-c", CONF, "--control",
                                   "/run/ctl"])
        assert not may_change()
        # It was made just now.
        net.relay.write("/etc/group", groups + "two:x:4712:\n")
        assert applied(reload(daemon, conf.format("two"))) == ["ControlGroup"]
        assert may_change()
        log = reload(daemon, conf.format("nosuch"), says="not applied")
        assert f'{CONF}:2: ControlGroup: "nosuch": there is no such group' \
            in log
        assert "ControlGroup two" in re.sub(" +", " ", ctl(
            net.relay, "config"))
        net.relay.write(CONF, conf.format("two"))
        assert may_change()
        # Without a group nobody else may.
        reload(daemon, "Threads 1\n")
        assert not may_change()
        assert daemon.stop() == 0
        assert is_clean(net.relay)


def test_returns_when_it_is_taken(net):
    """Not before the packet process goes by it; and if that cannot be had, it
    says so."""
    with net.tidy():
        daemon = tap.start(net.relay, ["--control", "/run/ctl"])

        def once(rate):
            net.relay.write(CONF, f"Threads 1\nReplyRate {rate}\n")
            return json.loads(ctl(net.relay, "reload", "--json"))

        def in_force():
            return control.status(net.relay, "/run/ctl")["configuration"][
                "in_force"]

        for i in range(TIMES):
            got = once(i)
            assert got["in_force"] and got["serial"] == i + 2
            assert in_force() == i + 2
        worker = worker_of(net.relay, daemon.pid)
        net.relay.kill(worker, signal.SIGSTOP)
        got = once(TIMES)
        assert not got["in_force"] and got["serial"] == TIMES + 2
        assert in_force() == TIMES + 1
        assert "does not go by it yet" in ctl(net.relay, "reload")
        net.relay.kill(worker, signal.SIGCONT)
        assert json.loads(ctl(net.relay, "reload", "--json"))["in_force"]
        assert in_force() == TIMES + 2
        assert daemon.stop() == 0


def is_pending(host, pid, number):
    """Was this signal sent to a process that has not taken it yet?"""
    line = re.search(r"^ShdPnd:\s*(\w+)$", host.path(
        f"/proc/{pid}/status").read_text(), re.M)
    return int(line[1], 16) >> number - 1 & 1


def test_level_of_the_log(net):
    """It holds for the packet process, too; and for who reads it."""
    with net.tidy():
        daemon = tap.start(net.relay, ["--control", "/run/ctl"])
        reload(daemon, "Threads 1\nLogLevel debug\n",
               says="settings 2 are in force")
        since = len(daemon.log)
        # It says nothing then, so another change shows that it is applied.
        allow = "AllowIPv4 10.0.0.0/8\n"
        net.relay.write(CONF, f"Threads 1\nLogLevel error\n{allow}")
        ctl(net.relay, "reload")
        wait_for(lambda: control.status(net.relay, "/run/ctl")["notes"],
                 "the note of AllowIPv4")
        net.relay.kill(daemon.pid, signal.SIGUSR1)
        # Until it has been passed on, and the packet process has come by again.
        wait_for(lambda: not is_pending(net.relay, daemon.pid, signal.SIGUSR1),
                 "the signal to be taken")
        allow += "AllowIPv4 10.1.0.0/16\n"
        net.relay.write(CONF, f"Threads 1\nLogLevel error\n{allow}")
        ctl(net.relay, "reload")
        reload(daemon, f"Threads 1\nLogLevel debug\n{allow}",
               says="settings 5 are in force")
        assert "threads: " not in daemon.log[since:]
        assert applied(daemon.log[since:]) == ["LogLevel"]
        net.relay.kill(daemon.pid, signal.SIGUSR1)
        daemon.wait_log("threads: ")
        assert daemon.stop() == 0
