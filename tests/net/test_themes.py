# SPDX-License-Identifier: GPL-2.0-or-later
"""What people asked in twenty years of "why does it not work?": each trouble
is made for real, and miredoctl has to name it, with a reason and an advice.

The numbers are those of the themes in doc/themes.md.
"""

import contextlib
import ipaddress
import json
import pathlib
import signal

import pytest

from lab import control, teredo, wait_for
from lab.capture import payload
from test_daemon import worker_of

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "doc/examples"

SERVER, SECOND = "9.0.0.2", "9.0.0.3"
OTHER = "9.0.1.2"           # the relay's host, as a second server
NEVER = "9.0.0.77"          # nobody is there


def ctl(host, *argv):
    """What miredoctl says and its status, as a person would run it."""
    done = host.run(["miredoctl", *argv], check=False)
    return done.returncode, done.stdout + done.stderr


def shown(host, reason):
    """Status as people see it: wait for the reason; text with an advice."""
    now = control.wait_reason(host, reason)
    code, text = ctl(host, "status")
    assert code == (0 if now["good"] else 1)
    assert f"[{reason}]" in text or reason == "ok"
    if not now["good"] and now["advice"]:
        assert " ".join(now["advice"].split()[:3]) in " ".join(text.split())
    return now


def netcheck(host, *argv):
    code, text = ctl(host, "netcheck", "--json", *argv)
    found = json.loads(text)
    assert code == (0 if found["good"] else 1)
    return found


def client(net, host, servers=SERVER, config="", **options):
    return teredo.start_client(host, server=servers, config=config, **options)


@contextlib.contextmanager
def dropped(host, rule, hook="forward"):
    """A rule in a table of its own, as long as the context."""
    host.nft(f"table inet trouble {{ chain c {{ type filter hook {hook} "
             f"priority 0; {rule} }}\n}}\n")
    try:
        yield
    finally:
        host.nft("delete table inet trouble\n")


# -- 1: why does it not work? -------------------------------------------


def test_1_no_server(net):
    """The server is not there; nor does it answer netcheck."""
    daemon = client(net, net.c1, NEVER)
    now = shown(net.c1, "server-silent")
    assert now["state"] == "qualifying"
    assert now["client"]["address"] is None
    assert now["client"]["requests"] >= 3
    assert now["client"]["used_for"] == "nothing"
    # Its neighbours say so, and netcheck hears them.
    assert netcheck(net.c1, NEVER)["servers"][0]["verdict"] == "unreachable"
    daemon.wait_log(r"server does not answer \[server-silent\]")


def test_1_no_daemon(net):
    code, text = ctl(net.c1, "status")
    assert code == 3 and "not running" in text


# -- 2: qualified but dead ----------------------------------------------


def test_2_no_relay(net):
    """Server and peers are well; there is no relay near the host."""
    teredo.start_server(net)
    for host in net.c1, net.c2:
        client(net, host, config=f"ProbeHost {net.v6.ip6}\n")
    address = teredo.wait_address(net.c2)
    now = shown(net.c1, "no-relay")
    assert now["state"] == "qualified"
    assert now["client"]["probe"]["state"] == "failed"
    net.c1.run(["ping", "-6", "-c", "1", address])      # peers can
    teredo.start_relay(net)
    net.c1.run(["ping", "-6", "-c", "1", "-w", "20", net.v6.ip6])
    now = shown(net.c1, "ok")
    assert now["client"]["probe"]["relay"].startswith(net.relay.ip4 + ":")


# -- 3: the server is lost, not the tunnel; 4: which server? -------------


def test_3_4_servers(net):
    """The address stays; another server takes over, and is named."""
    teredo.start_server(net)
    client(net, net.c1)
    address = teredo.wait_address(net.c1)
    with net.block(net.c1, 3544):
        net.c1.kill(int(net.c1.read("/run/miredo.pid")), 1)
        now = shown(net.c1, "server-silent")
        assert now["state"] == "silent"
        assert now["client"]["address"] == address == \
            teredo.address_of(net.c1)
    assert shown(net.c1, "ok")["client"]["address"] == address
    two = client(net, net.c2, [NEVER, SERVER])
    now = shown(net.c2, "ok")
    assert now["client"]["server"]["name"] == SERVER
    assert [it["state"] for it in now["client"]["servers"]] == \
        ["known", "in use"]
    found = netcheck(net.c2, NEVER, SERVER)
    assert [it["verdict"] for it in found["servers"]] == \
        ["unreachable", "good"]
    assert found["servers"][1]["recommended"]
    assert two.stop() == 0


# -- 5: at boot ---------------------------------------------------------


def test_5_names_and_network_later(net):
    """Started at once; each thing that is missing is named, then it works."""
    teredo.start_server(net)
    net.dns.names["teredo.example"] = SERVER
    net.dns.mode = "fail"
    net.c1.resolver(net.dns)
    daemon = client(net, net.c1, "teredo.example")
    shown(net.c1, "resolver-failed")
    daemon.wait_log(r"cannot look up teredo.example: .* \[resolver-failed\]")
    assert netcheck(net.c1, "teredo.example")["servers"][0]["verdict"] in \
        ("resolver-failed", "no-such-server")
    net.dns.mode = "answer"
    shown(net.c1, "ok")
    route = net.c1.run(["ip", "route", "show", "default"]).stdout.strip()
    net.c1.ip(f"route del {route}")
    try:
        now = shown(net.c1, "no-ipv4")
        assert now["client"]["local"] is None
        assert netcheck(net.c1, SERVER)["reason"] == "no-ipv4"
    finally:
        net.c1.ip(f"route add {route}")
    shown(net.c1, "ok")


# -- 6, 7: old addresses, and ones that change too often -----------------


def test_6_7_addresses(net):
    """One address and one link-local, whatever the NAT does; it is told when
    it does so too often."""
    teredo.start_server(net)
    daemon = client(net, net.c1)
    old = teredo.wait_address(net.c1)
    for _ in range(3):
        net.site1.rebind()
        net.c1.kill(daemon.pid, 1)      # or it would take until the refresh
        new = teredo.wait_address(net.c1, other_than=old)
        wait_for(lambda new=new: control.status(net.c1)["client"]["address"]
                 == new, "status to follow")
        # The new one is there before the old one goes.
        wait_for(lambda new=new: [it.address for it in teredo.addresses_of(
            net.c1)] == [new], "one address")
        old = new
    now = shown(net.c1, "ok")
    assert now["client"]["address_changes"] == 3
    assert "mapping-unstable" in [it["reason"] for it in now["notes"]]
    link_local = net.c1.run(["ip", "-6", "-o", "address", "show", "dev",
                             "teredo", "scope", "link"]).stdout
    assert link_local.count("inet6") == 1


# -- 8: what kind of NAT? -----------------------------------------------


@pytest.mark.parametrize("kind, nat", [
    ("none", "none"), ("full", "restricted"), ("symmetric", "symmetric")])
def test_8_nats(net, kind, nat):
    """The client tells what it knows (5991: a cone is not told apart); what
    netcheck tells is in test_netcheck.py."""
    teredo.start_server(net)
    net.site1.configure(kind)
    client(net, net.c1)
    teredo.wait_address(net.c1)
    assert control.status(net.c1)["client"]["nat"] == nat
    assert f"nat       {nat}" in ctl(net.c1, "status")[1]


def test_8_symmetric_is_not_wanted(net):
    teredo.start_server(net)
    net.site1.configure("symmetric")
    client(net, net.c1, config="Symmetric no\n")
    shown(net.c1, "symmetric-nat")


# -- 9: routers that block ----------------------------------------------


def test_9_second_address_is_blocked(net):
    teredo.start_server(net)
    with dropped(net.nat1, f"ip saddr {SECOND} drop;"):
        client(net, net.c1)
        now = shown(net.c1, "secondary-silent")
        assert now["client"]["server"]["address"] == SERVER
        assert netcheck(net.c1, SERVER)["servers"][0]["verdict"] == \
            "secondary-silent"
    shown(net.c1, "ok")


def test_9_port_and_udp_are_blocked(net):
    """To the client both are silence; netcheck tells them apart."""
    teredo.start_server(net)
    net.dns.names["teredo.example"] = SERVER
    net.c1.resolver(net.dns)
    with net.block(net.c1, 3544):
        client(net, net.c1)
        shown(net.c1, "server-silent")
        assert netcheck(net.c1, SERVER)["reason"] == "port-blocked"
    with net.block(net.c1):
        assert netcheck(net.c1, SERVER)["reason"] == "udp-blocked"
    shown(net.c1, "ok")


def test_9_somebody_answers_in_its_place(net):
    """A box on the way that makes up answers."""
    code = ("import socket, struct\n"
            "s = [socket.socket(2, 2), socket.socket(2, 2)]\n"
            f"[k.bind((a, 3544)) for k, a in zip(s, ('{SERVER}', '{SECOND}'))]\n"
            "print('there', flush=True)\n"
            "while True:\n"
            "    d, a = s[0].recvfrom(2048)\n"
            "    src = bytes.fromhex('fe80000000000000') + d[13+16:13+24]\n"
            "    body = bytes([134, 0, 0, 0]) + bytes(12)\n"
            "    ip = bytes([0x60, 0, 0, 0, 0, len(body), 58, 255]) + "
            "src + d[13+8:13+24] + body\n"
            "    o = struct.pack('!H', a[1] ^ 0xffff) + bytes("
            "b ^ 255 for b in socket.inet_aton(a[0]))\n"
            "    s[0].sendto(bytes([0, 1, 0, 0]) + d[4:13] + bytes([0, 0])"
            " + o + ip, a)\n")
    fake = net.server.popen(["python3", "-c", code])
    wait_for(lambda: "there" in fake.out, "the box")
    client(net, net.c1)
    shown(net.c1, "wrong-answer")
    assert not netcheck(net.c1, SERVER)["good"]
    fake.kill()


# -- 10: others who manage the network ----------------------------------


def test_10_address_is_taken_away(net):
    """networkd and the like: it is put back, and that is said."""
    teredo.start_server(net)
    daemon = client(net, net.c1)
    address = teredo.wait_address(net.c1)
    net.c1.ip(f"address del {address} dev teredo")
    daemon.wait_log("put back|put it back|was deleted")
    assert teredo.wait_address(net.c1) == address
    assert any("put" in line["text"] or "deleted" in line["text"]
               for line in control.ask(net.c1, "log")["lines"])


# -- 11: routes ---------------------------------------------------------


def test_11_what_it_is_used_for(net):
    """With native IPv6 there is no default route, or no client at all."""
    teredo.start_server(net)
    daemon = client(net, net.c1)
    teredo.wait_address(net.c1)
    assert shown(net.c1, "ok")["client"]["used_for"] == \
        "peers and default route"
    native = "2001:db8:77::5/64"
    net.c1.ip(f"address add {native} dev eth0 nodad",
              "route add ::/0 via fe80::1 dev eth0")
    try:
        wait_for(lambda: control.status(net.c1)["client"]["used_for"] ==
                 "peers only", "no default route")
        assert control.status(net.c1)["client"]["native_ipv6"]
        assert daemon.stop() == 0
        net.c1.daemon(["miredo", "--role", "auto", SERVER])
        now = shown(net.c1, "native-ipv6")
        assert now["state"] == "dormant" and now["good"]
    finally:
        net.c1.ip("route del ::/0 via fe80::1 dev eth0",
                  f"address del {native} dev eth0")


# -- 12: a public address, by surprise ----------------------------------


def inbound(host, what):
    """Status as soon as it says so."""
    def right():
        now = control.status(host)
        return now if now["client"]["inbound"] == what else None
    return wait_for(right, f"inbound to be {what}")


@contextlib.contextmanager
def rules(host, daemon, table, text):
    """A firewall, and the client looks again."""
    host.nft(text)
    host.kill(daemon.pid, 1)
    yield
    host.nft(f"delete table {table}\n")
    host.kill(daemon.pid, 1)


def test_12_inbound(net):
    """Behind a NAT, and open to the world: that is said, unless a firewall is
    there. Nothing leaves for that, and no default route is needed."""
    teredo.start_server(net)
    outside = net.capture((net.c1, "eth0"))
    daemon = client(net, net.c1, config="DefaultRoute no\n")
    now = inbound(net.c1, "open")
    address = now["client"]["address"]
    assert "inbound-open" in [it["reason"] for it in now["notes"]]
    daemon.wait_log(rf"any port of this host at {address} \[inbound-open\]")
    code, text = ctl(net.c1, "status")
    assert code == 0 and "[inbound-open]" in text and "inbound   open" in text
    inside = net.capture((net.c1, "teredo"))
    with rules(net.c1, daemon, "inet refuse",
               "table inet refuse { chain c { type filter hook input "
               "priority 0; iifname teredo reject; }\n}\n"):
        now = inbound(net.c1, "filtered")
        assert now["notes"] == [] and now["client"]["inbound_age"] < 60
        daemon.wait_log(r"keeps strangers out \[inbound-filtered\]")
    inbound(net.c1, "open")
    with rules(net.c1, daemon, "ip6 teredo_client",
               (EXAMPLES / "client.nft").read_text()):
        inbound(net.c1, "echo")
        assert "inbound   filtered but for pings" in ctl(net.c1, "status")[1]
        assert 'teredo_inbound{state="echo"} 1' in ctl(net.c1, "metrics")[1]
    inbound(net.c1, "open")
    # Who is told is told once, and not by each packet process.
    wait_for(lambda: daemon.log.count("[inbound-open]") == 3, "three lines")
    net.c1.kill(worker_of(net.c1, daemon.pid), signal.SIGKILL)
    wait_for(lambda: "going on with" in daemon.log, "the next one")
    inbound(net.c1, "open")
    assert daemon.log.count("[inbound-open]") == 3
    # Who knocks is nobody: our own place, with flags of nobody.
    own = ipaddress.IPv6Address(address).packed
    knocks = [payload(it) for it in inside.take() if not it.sent]
    strangers = {it[8:24] for it in knocks}
    assert len(strangers) > 3 and own not in strangers
    assert {it[:8] + it[10:] for it in strangers} == {own[:8] + own[10:]}
    frames = [it.frame for it in outside.take()]
    assert frames and not any(own in it for it in frames)


# -- 13: private addresses ----------------------------------------------


def test_13_private_server(net):
    """A name that leads to a private address; and a laboratory."""
    net.dns.names["teredo.example"] = "192.168.1.9"
    net.c1.resolver(net.dns)
    client(net, net.c1, "teredo.example")
    shown(net.c1, "private-server")
    assert netcheck(net.c1, "192.168.1.9")["servers"][0]["verdict"] == \
        "private-server"
    teredo.start_server(net)
    client(net, net.c2, config="AllowIPv4 10.0.0.0/8\n")
    teredo.wait_address(net.c2)
    now = shown(net.c2, "ok")
    assert "private-allowed" in [it["reason"] for it in now["notes"]]


# -- 14: my own server, my own relay -------------------------------------


def test_14_server_loses_an_address(net):
    net.server.daemon(["miredo", "-s", SERVER])
    net.server.ip(f"address del {SECOND}/24 dev eth0")
    try:
        now = control.wait_reason(net.server, "address-missing",
                                  control.SERVER)
        assert not now["good"]
        code, text = ctl(net.server, "status")
        assert code == 1 and "[address-missing]" in text
    finally:
        net.server.ip(f"address add {SECOND}/24 dev eth0")
    control.wait_reason(net.server, "ok", control.SERVER)


def test_14_relay_that_serves_nobody_else(net):
    net.relay.sysctl(ipv6__conf__all__forwarding=0)
    try:
        teredo.start_relay(net)
        now = shown(net.relay, "ok")
        assert [it["reason"] for it in now["notes"]] == ["forwarding-off"]
        assert "net.ipv6.conf.all.forwarding=1" in ctl(net.relay, "status")[1]
    finally:
        net.relay.sysctl(ipv6__conf__all__forwarding=1)
    wait_for(lambda: control.status(net.relay)["notes"] == [],
             "the note to go")


def test_14_relay_loses_native_ipv6(net):
    teredo.start_relay(net)
    lines = net.relay.run(["ip", "-6", "-o", "address", "show", "scope",
                           "global"]).stdout.splitlines()
    entries = [f"{line.split()[3]} dev {line.split()[1]}" for line in lines]
    routes = net.relay.run(["ip", "-6", "route", "show", "default"]).stdout
    net.relay.ip(*(f"address del {it}" for it in entries))
    try:
        shown(net.relay, "no-native-ipv6")
    finally:
        net.relay.ip(*(f"address add {it} nodad" for it in entries))
        for route in routes.splitlines():
            net.relay.run(["ip", "-6", "route", "replace", *route.split()],
                          check=False)
    shown(net.relay, "ok")


# -- 15, 16: errors name what is wrong, before it goes into the background -


def test_15_16_errors_at_the_start(net):
    net.c1.write("/etc/miredo/miredo.conf",
                 f"ServerAdress {SERVER}\nBindAddress 9.9.9.9.9\n")
    done = net.c1.run(["miredo"], check=False)
    assert done.returncode == 1
    assert "miredo.conf:1: ServerAdress: unknown directive, did you mean " \
        "ServerAddress?" in done.stderr
    assert "miredo.conf:2: BindAddress:" in done.stderr
    assert ctl(net.c1, "check")[0] == 1
    net.c1.write("/etc/miredo/miredo.conf",
                 f"ServerAddress {SERVER}\nBindAddress 9.9.9.9\n")
    done = net.c1.run(["miredo"], check=False)
    assert done.returncode == 1
    assert "9.9.9.9 is not an address of this host" in done.stderr


# -- 18: for programs ----------------------------------------------------


def test_18_programs(net):
    """One state to look at, and a stream of changes."""
    teredo.start_server(net)
    daemon = client(net, net.c1)
    address = teredo.wait_address(net.c1)
    code, text = ctl(net.c1, "status", "--json")
    assert code == 0 and json.loads(text)["client"]["address"] == address
    stream = net.c1.popen(["miredoctl", "monitor", "--json"])
    wait_for(lambda: stream.out.count("\n") > 0, "the state")
    net.site1.rebind()
    net.c1.kill(daemon.pid, 1)
    new = teredo.wait_address(net.c1, other_than=address)
    wait_for(lambda: any(
        event["event"] == "status" and event["status"]["client"]["address"]
        == new for event in map(json.loads, stream.out.split("\n")[:-1])),
        "the change")
    stream.kill()
