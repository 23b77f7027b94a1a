# SPDX-License-Identifier: GPL-2.0-or-later
"""The packet process dies: another goes on, with the same port, address and
peers. And whatever else dies, nothing is left behind."""

import signal

import pytest

import bulk
import packets as t
import tap
from lab import teredo, wait_for
from test_client_daemon import addresses, port_of, wait_address
from test_daemon import (cleaned, has_interface, is_clean, keeper_of,
                         pidfiles, sockets, worker_of)

SERVER = "9.0.0.2"
#: By whoever; by an assertion.
DEATHS = [signal.SIGKILL, signal.SIGABRT]
#: A sanitizer would make an exit of that.
AS_IT_IS = {"ASAN_OPTIONS": "handle_segv=0"}


def strike(daemon, sig=signal.SIGKILL):
    """Kill the worker; wait until the next one is at work: (old, new)."""
    host, old = daemon.host, worker_of(daemon.host, daemon.pid)
    before = len(daemon.log)
    host.kill(old, sig)
    wait_for(lambda: "going on with" in daemon.log[before:], "the next one")
    said = daemon.log[before:]
    assert f"the packet process was ended by signal {sig.value}" in said
    return old, worker_of(host, daemon.pid)


# -- relay --------------------------------------------------------------


@pytest.mark.parametrize("sig", DEATHS)
def test_relay_knows_its_peers(net, sig):
    """R5: at once, without a bubble; a stranger is still one."""
    with net.tidy():
        relay = tap.Relay(net, tap.start(net.relay))
        at = relay.befriend()
        before = sockets(net.relay)
        strike(relay.daemon, sig)
        assert sockets(net.relay) == before
        assert relay.known(at)
        relay.hello(relay.client())
        relay.close()


def test_what_comes_meanwhile_waits(net):
    """Packets that come while there is no packet process are not lost."""
    with net.tidy():
        relay = tap.Relay(net, tap.start(net.relay))
        at = relay.befriend()
        client, native = relay.address(at), relay.native()
        keeper = keeper_of(net.relay, relay.daemon.pid)
        net.relay.kill(keeper, signal.SIGSTOP)
        net.relay.kill(worker_of(net.relay, relay.daemon.pid), signal.SIGKILL)
        relay.wire.drain()
        relay.send(t.udp6(native, client, data=b"down"),
                   relay.say(at, t.udp6(client, native, data=b"up")))
        net.relay.kill(keeper, signal.SIGCONT)
        relay.collect([
            lambda p: isinstance(p, t.Datagram) and p.dst == at
            and p.inner.payload.endswith(b"down"),
            lambda p: isinstance(p, t.Packet6) and p.src == client
            and p.payload.endswith(b"up")])
        relay.close()


@pytest.fixture(scope="module")
def server(lab):
    return lab.server.daemon(["miredo", "-s", SERVER])


@pytest.mark.parametrize("who, threads", [
    ("relay", 1), ("relay", 2), ("client", 2)])
def test_tcp_survives(net, server, threads, who):
    """Transfers both ways, through relay and client; three deaths."""
    path = bulk.path(net, f"Threads {threads}\n")
    running = [bulk.start(net.c1, net.v6, net.v6.ip6, 64),
               bulk.start(net.v6, net.c1, path.address, 64)]
    for n in range(3):
        got = [transfer.got for transfer in running]
        wait_for(lambda: all(transfer.got > had + bulk.MEGABYTE
                             for transfer, had in zip(running, got)),
                 "the transfers to run", bulk.PATIENCE)
        strike(getattr(path, who), DEATHS[n % 2])
    for transfer in running:
        transfer.result()
    for daemon in path[:2]:
        assert daemon.stop() == 0


# -- client -------------------------------------------------------------


@pytest.fixture
def c1(net, server):
    teredo.forget(net.c1)
    return net.c1


def watch_addresses(host):
    """What happens to addresses and links from now on, as text."""
    watch = host.popen(["ip", "monitor", "address", "link"])

    def sees():
        host.ip("address add 192.168.77.7/32 dev lo",
                "address del 192.168.77.7/32 dev lo")
        return "192.168.77.7" in watch.out

    wait_for(sees, "the monitor")
    return watch


@pytest.mark.parametrize("sig", [*DEATHS, signal.SIGSEGV])
def test_client_keeps_its_address(net, c1, sig):
    """I10: it never goes, not for a moment; the server is asked at once."""
    client = c1.daemon(["miredo", SERVER], env=AS_IT_IS)
    address, port = wait_address(c1), port_of(c1)
    client.wait_log("qualified")
    capture = net.capture((c1, "eth0"))
    watch = watch_addresses(c1)
    seen = len(watch.out)
    strike(client, sig)
    client.wait_log(f"going on with {address}")
    wait_for(lambda: [p for p in capture.packets if p.sent and
                      p.frame[36:38] == b"\x0d\xd8"], "a solicitation")
    wait_for(lambda: [p for p in capture.packets if not p.sent and
                      p.frame[34:36] == b"\x0d\xd8"], "an answer")
    c1.ip("address add 192.168.77.8/32 dev lo")
    wait_for(lambda: "192.168.77.8" in watch.out[seen:], "the monitor")
    c1.ip("address del 192.168.77.8/32 dev lo")
    assert "teredo" not in watch.out[seen:]
    watch.kill()
    assert addresses(c1) == [address] and port_of(c1) == port
    assert "off-line" not in client.log
    assert client.stop() == 0 and is_clean(c1)


def test_client_without_server_goes_on(net, c1, server):
    """The address that it has outlives server and worker together."""
    client = c1.daemon(["miredo", SERVER])
    address = wait_address(c1)
    client.wait_log("qualified")
    with net.block(net.server, verdict="drop"):
        strike(client)
        client.wait_log("the address is kept: .* does not answer")
        assert addresses(c1) == [address]
    client.wait_log("going on.*\n(.*\n)*.*qualified")
    assert addresses(c1) == [address]


def test_client_of_a_name(net, c1):
    """The resolver lives on, and is asked again."""
    c1.write("/etc/hosts", f"127.0.0.1 localhost\n{SERVER} teredo.test\n")
    client = c1.daemon(["miredo", "-v", "teredo.test"])
    address = wait_address(c1)
    resolver = c1.run(["pgrep", "-x", "miredo-resolver"]).stdout
    steward = c1.run(["pgrep", "-x", "miredo-steward"]).stdout
    strike(client)
    wait_for(lambda: "server teredo.test is" in client.log.split(
        "going on")[-1], "the name to be known")
    assert c1.run(["pgrep", "-x", "miredo-resolver"]).stdout == resolver
    assert c1.run(["pgrep", "-x", "miredo-steward"]).stdout == steward
    assert addresses(c1) == [address]
    assert client.stop() == 0 and is_clean(c1)


def test_what_changes_later_is_done(net, c1):
    """The steward does what the second worker wishes."""
    client = c1.daemon(["miredo", SERVER])
    address = wait_address(c1)
    client.wait_log("qualified")
    strike(client)
    net.site1.rebind("9.0.10.3")
    try:
        c1.kill(client.pid, signal.SIGHUP)
        other = teredo.wait_address(c1, 20, other_than=address)
        assert teredo.explain(other).ip4 == "9.0.10.3"
    finally:
        net.site1.configure()


# -- the end ------------------------------------------------------------


def test_dies_too_often(net):
    """Five times in ten seconds: it gives up, says so, and leaves nothing."""
    relay = net.relay.daemon(["miredo"])
    net.relay.known.add(relay.pid)
    keeper = str(keeper_of(net.relay, relay.pid))

    def struck():
        """Each one as soon as it is there, or 10 s may not be enough."""
        net.relay.run(["pkill", "-KILL", "-x", "-P", keeper, "miredo"],
                      check=False)
        return not relay.alive()

    wait_for(struck, "its end")
    assert net.relay.exit_status(relay.pid) == 1
    relay.wait_log("giving up: the packet process has died 5 times in 10 s")
    cleaned(net.relay)


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_told_to_end_while_there_is_no_worker(net, sig):
    """The next one hears of it."""
    relay = net.relay.daemon(["miredo"])
    keeper = keeper_of(net.relay, relay.pid)
    net.relay.kill(keeper, signal.SIGSTOP)
    net.relay.kill(worker_of(net.relay, relay.pid), signal.SIGKILL)
    net.relay.kill(relay.pid, sig)
    net.relay.kill(keeper, signal.SIGCONT)
    wait_for(lambda: not relay.alive(), "its end")
    assert net.relay.exit_status(relay.pid) == 0
    cleaned(net.relay)


def test_dies_while_ending(net, c1):
    """A worker that took the last word with it: the monitor says it again."""
    hook = c1.path("/etc/miredo/hooks.d/slow")
    hook.parent.mkdir(parents=True, exist_ok=True)
    hook.write_text("#!/bin/sh\n"
                    "[ $EVENT = down ] && touch /run/down && sleep 1\n:\n")
    hook.chmod(0o755)
    try:
        client = c1.daemon(["miredo", SERVER])
        wait_address(c1)
        client.wait_log("qualified")
        old = worker_of(c1, client.pid)
        c1.kill(client.pid, signal.SIGTERM)
        wait_for(lambda: c1.path("/run/down").exists(), "the script")
        c1.kill(old, signal.SIGKILL)
        wait_for(lambda: not client.alive(), "its end")
    finally:
        hook.unlink()
        c1.run(["rm", "-f", "/run/down"])
    assert c1.exit_status(client.pid) == 0
    client.wait_log("exiting on SIGTERM(.*\n)*.*going on(.*\n)*"
                    ".*exiting on SIGTERM")
    wait_for(lambda: is_clean(c1), "a clean host")


#: Who is killed, and what the end is called.
VICTIMS = {
    "monitor": None,
    "keeper": 1,
    "miredo-steward": 1,
    "miredo-resolver": 1,
}


@pytest.mark.parametrize("who", VICTIMS)
def test_others_that_die_end_it_all(net, c1, who):
    """kill -9 of one: all go, and the interface, routes, and PID file."""
    c1.write("/etc/hosts", f"127.0.0.1 localhost\n{SERVER} teredo.test\n")
    client = c1.daemon(["miredo", "teredo.test"])
    wait_address(c1)
    victim = {"monitor": client.pid,
              "keeper": keeper_of(c1, client.pid)}.get(who)
    if not victim:
        victim = int(c1.run(["pgrep", "-x", who]).stdout)
    c1.known.add(client.pid)
    c1.kill(victim, signal.SIGKILL)
    wait_for(lambda: not c1.run(["pgrep", "-s", str(client.session)],
                                check=False).stdout, "the end of all")
    assert c1.exit_status(client.pid) == (VICTIMS[who] or -9)
    wait_for(lambda: not has_interface(c1), "the interface to go")
    if who == "monitor":
        # Which the next start replaces.
        c1.run(["rm", f"/run/{pidfiles(c1)[0]}", "/run/miredo/control"])
    cleaned(c1)


# -- server -------------------------------------------------------------


def test_server_answers_again(net):
    net.server.stop_all()       # that of the tests above
    with net.tidy():
        server = tap.Server(net, tap.start(net.server, ["-s", SERVER]))
        before = sockets(net.server)
        strike(server.daemon)
        assert sockets(net.server) == before
        server.settle()
        server.close()
        assert server.daemon.stop() == 0
