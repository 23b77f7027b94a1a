# SPDX-License-Identifier: GPL-2.0-or-later
"""PortMapping: a router forwards the client's port, one that errs, and none.

The router is miniupnpd, which speaks PCP, NAT-PMP and UPnP, or lab/igd.py, which
speaks UPnP and errs."""

import pathlib
import signal
import socket

import pytest
from scapy.layers.inet import IP, TCP, UDP

from lab import control, gateway, igd, teredo
from lab.capture import payload
from lab.host import wait_for
from test_daemon import worker_of

SERVER = "9.0.0.2"
ROUTER = "192.168.1.1"
SOCKET = "/run/miredo/control"
IGD = pathlib.Path(igd.__file__)


@pytest.fixture
def site(net):
    """A NAT that filters, and whose outside ports are those inside."""
    net.server.daemon(["miredo", "-s", SERVER])
    net.site1.configure("portrestricted", preserving=True)
    return net


@pytest.fixture
def c1(site):
    """A host that remembers nothing."""
    teredo.forget(site.c1)
    return site.c1


def client(host, choice, config=""):
    return teredo.start_client(host, config=f"PortMapping {choice}\n{config}")


def mapping(host):
    return control.status(host, SOCKET)["client"]["port_mapping"]


def wait_mapping(host, state="port-mapped", timeout=30.0):
    """Wait for that; the object of miredoctl(8)."""
    def right():
        now = mapping(host)
        return now if now["state"] == state else None

    return wait_for(right, f"a port mapping that is {state}", timeout)


def port(host):
    return int(control.status(host, SOCKET)["client"]["local"].split(":")[1])


def remembered(host):
    return dict(line.split(None, 1) for line in
                host.read("/var/lib/miredo/teredo.state").splitlines()
                if line.strip())


def stranger_comes_in(site):
    """A datagram of somebody to whom nothing was ever sent."""
    where = (site.site1.wan, port(site.c1))
    with site.capture((site.c1, "eth0")) as capture, \
            site.tester.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"stranger", where)
        wait_for(lambda: any(b"stranger" in it.frame for it in capture.take()),
                 "the datagram")


@pytest.mark.parametrize("choice, method, title", [
    ("auto", "pcp", "PCP"), ("natpmp", "natpmp", "NAT-PMP"),
    ("upnp", "upnp", "UPnP")])
def test_mapped(site, c1, choice, method, title):
    """It is there, strangers come in by it, it is shown; and gone at the end."""
    router = gateway.start(site.nat1, method)
    daemon = client(c1, choice)
    now = wait_mapping(c1)
    mine = port(c1)
    assert now["method"] == method and now["gateway"] == ROUTER
    assert now["external"] == f"9.0.10.2:{mine}"
    assert now["lifetime"] == (None if method == "upnp" else 3600)
    assert gateway.forwards(site.nat1) == {(mine, "192.168.1.2", mine)}
    teredo.wait_address(c1)
    stranger_comes_in(site)
    text = c1.run(["miredoctl", "status"], check=False).stdout
    assert f"mapping by {title}" in text
    metrics = c1.run(["miredoctl", "metrics"]).stdout
    assert f'teredo_port_mapping{{method="{method}"}} 1' in metrics
    daemon.wait_log(r"forwards UDP port \d+ of 9.0.10.2 .* \[port-mapped\]")
    assert remembered(c1)["forwards"] == f"9.0.10.2:{mine}"
    daemon.stop()
    assert gateway.forwards(site.nat1) == set()
    assert "forwards" not in remembered(c1)
    router.stop()


def reload(host, choice):
    host.write("/etc/miredo/miredo.conf",
               f"ServerAddress {SERVER}\nPortMapping {choice}\n")
    host.run(["miredoctl", "reload"])


def test_kept(site, c1):
    """A packet process is killed, and it stays; the router restarts, and it is there
    again; off and on; the mapper is killed, and all else goes on."""
    router = gateway.start(site.nat1, "pcp")
    daemon = client(c1, "auto")
    wait_mapping(c1)
    teredo.wait_address(c1)
    there = gateway.forwards(site.nat1)
    c1.kill(worker_of(c1, daemon.pid), signal.SIGKILL)
    daemon.wait_log("going on with")
    wait_mapping(c1)
    assert gateway.forwards(site.nat1) == there
    assert daemon.log.count("[port-mapped]") == 1
    router.stop()
    router = gateway.start(site.nat1, "pcp")      # its table is empty, and it says so
    wait_for(lambda: gateway.forwards(site.nat1) == there, "it again", 30)
    reload(c1, "off")
    wait_mapping(c1, "mapping-off")
    wait_for(lambda: not gateway.forwards(site.nat1), "no mapping")
    daemon.wait_log(r"\[mapping-off\]")
    reload(c1, "auto")
    wait_mapping(c1)
    c1.run(["pkill", "-KILL", "-x", "miredo-mapper"])
    wait_mapping(c1, "mapper-gone")
    assert control.status(c1, SOCKET)["state"] == "qualified"
    daemon.stop()
    router.stop()


def test_left_over(site, c1):
    """X21, X24: all is killed, and another host has the port by now."""
    router = erring(site.nat1, "good")
    daemon = client(c1, "upnp")
    wait_mapping(c1)
    wait_for(lambda: "forwards" in remembered(c1), "it is remembered")
    mine = port(c1)
    daemon.kill()
    daemon = client(c1, "upnp")
    wait_mapping(c1)
    actions = actions_of(router)
    assert [name for name, _ in actions] == [
        "AddPortMapping", "GetExternalIPAddress", "DeletePortMapping",
        "AddPortMapping", "GetExternalIPAddress"]
    assert f"<NewExternalPort>{mine}</NewExternalPort>" in actions[2][1]
    daemon.stop()
    assert actions_of(router)[-1][0] == "DeletePortMapping"
    router.stop()


def test_gateway_that_takes_its_time(site, c1):
    """X23: it hangs, or never comes to an end; nothing waits for it."""
    teredo.forget(site.c2)
    hosts = {c1: erring(site.nat1, "hangs"),
             site.c2: erring(site.nat2, "endless", "192.168.2.1")}
    daemons = [client(host, "upnp") for host in hosts]
    for host, router in hosts.items():
        teredo.wait_address(host, 5)
        wait_mapping(host, "gateway-broken")
        # Who was cut off may have been heard: so it is undone.
        wait_for(lambda r=router: actions_of(r)[-1][0] == "DeletePortMapping",
                 "it to be undone", 30)
        assert actions_of(router)[0][0] == "AddPortMapping"
        wait_for(lambda h=host: not h.run(
            ["pgrep", "-x", "miredo-gateway"], check=False).stdout, "its end")
    for daemon in daemons:
        daemon.stop()
    for router in hosts.values():
        router.kill()


def erring(router, how, address=ROUTER):
    """lab/igd.py; a Process."""
    process = router.popen(["python3", "-c", IGD.read_text(), address, how])
    wait_for(lambda: "ready" in process.out, "the gateway")
    return process


def actions_of(process):
    """What was asked for: (name, body)."""
    return [tuple(line.split(" ", 1)) for line in process.out.splitlines()
            if " " in line]


def test_upnp(site, c1):
    """X22: the arguments, to the letter."""
    router = erring(site.nat1, "private")
    daemon = client(c1, "upnp")
    now = wait_mapping(c1)
    # X25: nested NATs, which is no error.
    assert now["external"] == f"10.9.9.9:{port(c1)}"
    (body,) = [body for name, body in actions_of(router)
               if name == "AddPortMapping"]
    for name, value in (
            ("RemoteHost", ""), ("ExternalPort", port(c1)), ("Protocol", "UDP"),
            ("InternalPort", port(c1)), ("InternalClient", "192.168.1.2"),
            ("Enabled", 1), ("PortMappingDescription", "TEREDO"),
            ("LeaseDuration", 0)):
        assert f"<New{name}>{value}</New{name}>" in body
    daemon.stop()
    router.stop()


@pytest.mark.parametrize("how, state", [
    ("conflict", "port-taken"), ("http-500", "gateway-broken"),
    ("malformed", "gateway-broken"), ("elsewhere", "gateway-broken"),
    ("redirects", "gateway-broken")])
def test_gateway_that_errs(site, c1, how, state):
    """X23: it is told, nothing waits, and nothing goes anywhere else."""
    router = erring(site.nat1, how)
    with site.capture((c1, "eth0")) as capture:
        daemon = client(c1, "upnp")
        teredo.wait_address(c1, 5)
        wait_mapping(c1, state)
        sent = [IP(payload(it)) for it in capture.stop() if it.sent
                and payload(it)[:1] == b"E"]
    assert {p.dst for p in sent if TCP in p} == {ROUTER}
    assert {p.dst for p in sent if UDP in p} == {
        "239.255.255.250", SERVER, "9.0.0.3"}
    daemon.stop()
    names = [name for name, _ in actions_of(router)]
    # The library takes a 500 without a word for a yes: then X25 undoes it.
    assert how != "http-500" or names.pop() == "DeletePortMapping"
    assert "DeletePortMapping" not in names
    router.kill()


@pytest.mark.parametrize("how", ["no-address", "lies"])
def test_no_external_address(site, c1, how):
    """X25, X26: the mapping is undone, and counts for nothing."""
    router = erring(site.nat1, how)
    daemon = client(c1, "upnp")
    wait_mapping(c1, "gateway-failed" if how == "no-address"
                 else "gateway-broken")
    assert [name for name, _ in actions_of(router)] == [
        "AddPortMapping", "GetExternalIPAddress", "DeletePortMapping"]
    daemon.stop()
    router.stop()
