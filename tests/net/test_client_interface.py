# SPDX-License-Identifier: GPL-2.0-or-later
"""The client's interface, its scripts, and what it remembers.

What the scripts of 1.2.6 are told was measured with the Debian package, and is
measured again here: both clients do the same things side by side.
"""

import json
import re
import shutil
import signal

import pytest

from lab import foreign, teredo, wait_for
from test_daemon import keeper_of

LINK_LOCAL = "fe80::ffff:ffff:ffff"
STATE = "/var/lib/miredo/teredo.state"
HOOKS = "/etc/miredo/hooks.d"

#: Dumps what it is told, then does what the script of the package does.
RECORDER = """#!/bin/sh
{ echo "args $#"; env | sort; echo; } >>/run/told
exec /etc/miredo/real-hook "$@"
"""


@pytest.fixture(autouse=True)
def fresh(net):
    """A server and a relay; clients that remember nothing."""
    net.site1.configure("portrestricted")
    teredo.forget(net.c1)
    net.c1.run(["rm", "-rf", "/etc/miredo", "/run/told"])
    teredo.start_server(net)
    teredo.start_relay(net)


@pytest.fixture
def start(net):
    """A function that starts a client on c1 and waits for its address."""
    def run(config="", **options):
        daemon = teredo.start_client(net.c1, config=config, **options)
        wait_for(lambda: teredo.address_of(net.c1), "an address")
        return daemon

    return run


def addresses(host, scope):
    """Addresses with their lengths, as text."""
    shown = host.run(["ip", "-6", "-json", "address", "show", "dev", "teredo",
                      "scope", scope], check=False).stdout
    return [f"{it['local']}/{it['prefixlen']}"
            for link in json.loads(shown or "[]")
            for it in link.get("addr_info", ()) if it]


def routes(host, table="main"):
    """{destination: metric} of the routes into the tunnel that are ours."""
    shown = host.run(["ip", "-6", "-json", "route", "show", "table", table,
                      "dev", "teredo", "proto", "84"], check=False).stdout
    return {it["dst"]: it["metric"] for it in json.loads(shown or "[]")}


def rules(host):
    """{source: table} of the rules that are ours."""
    shown = host.run(["ip", "-6", "-json", "rule"]).stdout
    return {it["src"]: it["table"] for it in json.loads(shown)
            if it["priority"] == 32765}


def has_default(host, **options):
    """Is there a default route into the tunnel?"""
    return "default" in routes(host, **options)


def script(host, path, text, mode=0o755):
    """Install a script of root."""
    host.write(path, text)
    host.path(path).chmod(mode)


# -- the interface ------------------------------------------------------

def test_one_link_local_and_one_global(net, start):
    start()
    address = teredo.wait_address(net.c1)
    assert addresses(net.c1, "link") == [f"{LINK_LOCAL}/64"]
    assert addresses(net.c1, "global") == [f"{address}/128"]
    wait_for(lambda: routes(net.c1) == {"2001::/32": 1024, "default": 1029},
             "both routes")
    net.c1.run(["ping", "-6", "-c", "1", "-W", "5", net.v6.ip6])


def test_kernel_is_silent_in_the_tunnel(net, start):
    """No solicitation, no report of listeners, no neighbour discovery."""
    start()
    teredo.wait_address(net.c1)
    net.c1.run(["ping", "-6", "-c", "1", "-W", "5", net.v6.ip6])
    shown = net.c1.run(["cat", "/proc/net/dev_snmp6/teredo"]).stdout
    sent = {name: int(n) for name, n in
            (line.split() for line in shown.splitlines())}
    assert sent["Ip6OutRequests"] > 0
    for name, n in sent.items():
        if name in ("Icmp6OutRouterSolicits", "Icmp6OutNeighborSolicits",
                    "Icmp6OutNeighborAdvertisements", "Icmp6OutMLDv2Reports",
                    "Ip6OutMcastPkts"):
            assert n == 0, (name, shown)


@pytest.mark.parametrize("value", ["auto", "yes", "no"])
def test_default_route(net, start, value):
    """With native IPv6 from the start, going, and coming back."""
    native = "via fe80::1 dev eth0 onlink"
    net.c1.ip("address add 2001:db8:99::2/64 dev eth0 nodad",
              f"route add ::/0 {native}")
    daemon = start(f"DefaultRoute {value}\nRouteMetric 2222\n")
    for there in (True, False, True):
        net.c1.ip(f"route replace ::/0 {native}" if there
                  else f"route del ::/0 {native}")
        expected = value == "yes" or (value == "auto" and not there)
        wait_for(lambda: has_default(net.c1) == expected,
                 f"default route {expected}, native {there}")
        assert "2001::/32" in routes(net.c1)
    if value == "yes":
        assert routes(net.c1)["default"] == 2222
    assert "somebody else" not in daemon.log
    net.c1.ip(f"route del ::/0 {native}",
              "address del 2001:db8:99::2/64 dev eth0")


def test_two_clients_share_a_table(net, start):
    """Each leaves the other's rule alone, while it is there."""
    first = start("RouteTable 1000\n")
    address = teredo.address_of(net.c1)
    net.c1.write("/etc/miredo/second.conf", "ServerAddress 9.0.0.2\n"
                 "InterfaceName second\nRouteTable 1000\n")
    second = net.c1.daemon(["miredo", "-c", "/etc/miredo/second.conf",
                            "--pidfile", "/run/second.pid"],
                           pidfile="/run/second.pid")
    wait_for(lambda: len(rules(net.c1)) == 2, "two rules")
    assert address in rules(net.c1)
    second.stop()
    wait_for(lambda: len(rules(net.c1)) == 1, "the rule of the first")
    assert rules(net.c1) == {address: "1000"}
    assert "somebody else" not in first.log


def test_table(net, start):
    daemon = start("RouteTable 1000\n")
    address = teredo.address_of(net.c1)
    wait_for(lambda: rules(net.c1) == {address: "1000"}, "the rule")
    assert routes(net.c1) == {}
    wait_for(lambda: set(routes(net.c1, "1000")) == {"2001::/32", "default"},
             "both routes")
    net.c1.run(["ping", "-6", "-c", "1", "-W", "5", "-I", address,
                net.v6.ip6])
    net.c1.run(["ip", "-6"] + f"rule del from {address} lookup 1000".split())
    wait_for(lambda: rules(net.c1), "the rule, put back")
    daemon.wait_log(f"the rule for {address} .table 1000. was removed")
    assert daemon.stop() == 0
    assert rules(net.c1) == {}


@pytest.mark.parametrize("what", ["address", "link-local", "prefix", "default",
                                  "link"])
def test_what_somebody_removes_is_put_back(net, start, what):
    daemon = start()
    address = teredo.wait_address(net.c1)
    command, said = {
        "address": (f"address del {address}/128 dev teredo",
                    f"the address {address} was removed"),
        "link-local": (f"address del {LINK_LOCAL}/64 dev teredo",
                       f"the address {LINK_LOCAL} was removed"),
        "prefix": ("route del 2001::/32 dev teredo",
                   "the route to 2001::/32 was removed"),
        "default": ("route del ::/0 dev teredo",
                    "the route to ::/0 was removed"),
        "link": ("link set dev teredo down", "the interface was set down"),
    }[what]
    net.c1.ip(command)
    daemon.wait_log(said)
    wait_for(lambda: addresses(net.c1, "global") == [f"{address}/128"]
             and addresses(net.c1, "link") == [f"{LINK_LOCAL}/64"]
             and set(routes(net.c1)) == {"2001::/32", "default"},
             "all of it")
    net.c1.run(["ping", "-6", "-c", "1", "-W", "5", net.v6.ip6])
    assert daemon.log.count("somebody else") == 1


def test_nothing_stays_behind(net, start):
    """Also if it is killed."""
    for end in "stop", "kill":
        daemon = start("RouteTable 1000\n")
        wait_for(lambda: rules(net.c1), "the rule")
        getattr(daemon, end)()
        wait_for(lambda: not rules(net.c1) or end == "kill", "no rule")
        wait_for(lambda: not addresses(net.c1, "global"), "no address")
        net.c1.run(["rm", "-f", "/run/miredo.pid"])


def test_killed_keeper_leaves_nothing(net, start):
    """The steward alone lives on, for a moment."""
    daemon = start("RouteTable 1000\n")
    wait_for(lambda: rules(net.c1), "the rule")
    net.c1.known.add(daemon.pid)
    net.c1.kill(keeper_of(net.c1, daemon.pid), signal.SIGKILL)
    wait_for(lambda: not rules(net.c1), "no rule")
    wait_for(lambda: not net.c1.run(
        ["pgrep", "-s", str(daemon.session)], check=False).stdout,
        "no process")


def test_change_of_address(net, start):
    """The new one is there before the old one is gone."""
    start("RefreshInterval 5\n")
    old = teredo.wait_address(net.c1)
    net.site1.rebind()
    new = teredo.wait_address(net.c1, 60, other_than=old)
    wait_for(lambda: addresses(net.c1, "global")[0:1] and all(
        it.deprecated for it in teredo.addresses_of(net.c1)
        if it.address != new), "the old one deprecated or gone")
    assert addresses(net.c1, "link") == [f"{LINK_LOCAL}/64"]
    net.c1.run(["ping", "-6", "-c", "2", "-W", "5", net.v6.ip6])


# -- scripts ------------------------------------------------------------

def test_debian_hook_works_unchanged(net, start):
    daemon = start(hook=True)
    address = teredo.wait_address(net.c1)
    assert addresses(net.c1, "global") == [f"{address}/32"]
    assert f"{LINK_LOCAL}/64" in addresses(net.c1, "link")
    shown = net.c1.run(["ip", "-6", "route"]).stdout
    assert "default dev teredo metric 1029" in shown
    net.c1.run(["ping", "-6", "-c", "1", "-W", "5", net.v6.ip6])
    assert daemon.stop() == 0
    assert "failed" not in daemon.log


def record(host):
    """Have the script of the package recorded."""
    foreign.hook(host)
    at = host.path(foreign.HOOK)
    shutil.copy(at, at.parent / "real-hook")
    script(host, foreign.HOOK, RECORDER)


def told(host):
    """What scripts were told, a dictionary for each event."""
    shown = host.path("/run/told").read_text()
    return [dict((line.split("=", 1) if "=" in line else line.split(" ", 1))
                 for line in event.splitlines())
            for event in shown.strip().split("\n\n")]


def plain(events):
    """Addresses and numbers by the order in which they were first told."""
    seen = {}
    return [{name: seen.setdefault(value, f"address {len(seen)}")
             if name in ("ADDRESS", "OLD_ADDRESS")
             else "N" if name == "IFINDEX" else value
             for name, value in event.items() if name not in ("PATH", "PWD")}
            for event in events]


def test_hook_is_told_what_1_2_6_tells(net, monkeypatch):
    """A start, a change of address, an end; both clients side by side."""
    net.site2.configure("portrestricted")
    record(net.c1)
    record(net.c2)
    monkeypatch.setattr(foreign, "hook", lambda host: None)
    ours = teredo.start_client(net.c1, hook=True)
    theirs = teredo.start_client(net.c2, "debian")
    both = (net.c1, net.site1), (net.c2, net.site2)
    before = [teredo.wait_address(host) for host, _ in both]
    for _, site in both:
        site.rebind()
    for (host, _), address in zip(both, before):
        teredo.wait_address(host, 60, other_than=address)
    ours.stop()
    theirs.stop()
    expected = plain(told(net.c2))
    assert [it["STATE"] for it in expected] == ["up", "up", "down", "destroy"]
    assert expected[0]["args"] == "0"
    assert plain(told(net.c1)) == expected


SPEAKER = "#!/bin/sh\necho \"$(basename $0) $EVENT $NAT\" >>/run/told\n"


def test_hooks_directory(net, start):
    """In order, with more variables; not what others may write."""
    script(net.c1, f"{HOOKS}/20-b", SPEAKER)
    script(net.c1, f"{HOOKS}/10-a", "#!/bin/sh\nenv >/run/env.$EVENT\n"
           + SPEAKER.split("\n", 1)[1])
    script(net.c1, f"{HOOKS}/15-all", SPEAKER, 0o777)
    daemon = start()
    wait_for(lambda: net.c1.path("/run/told").exists()
             and "20-b" in net.c1.read("/run/told"), "both scripts")
    lines = net.c1.read("/run/told").splitlines()
    assert [line.split()[:2] for line in lines] == [["10-a", "up"],
                                                    ["20-b", "up"]]
    env = dict(line.split("=", 1)
               for line in net.c1.read("/run/env.up").splitlines())
    address = teredo.address_of(net.c1)
    said = teredo.explain(address)
    assert env["ADDRESS"] == address and env["STATE"] == "up"
    assert env["SERVER"] == net.server.ip4
    assert env["MAPPED"] == f"{said.ip4}:{said.port}"
    assert env["NAT"] and env["REASON"]
    daemon.wait_log("15-all is not run: others than root")
    assert daemon.log.count("15-all is not run") == 1
    assert daemon.stop() == 0
    events = [line.split()[1]
              for line in net.c1.read("/run/told").splitlines()]
    assert events == ["up", "up", "down", "down", "destroy", "destroy"]


def test_hanging_script_holds_nothing_up(net, start):
    """It is killed after ten seconds; the next one runs."""
    script(net.c1, f"{HOOKS}/1-hangs",
           "#!/bin/sh\n[ $EVENT = up ] && sleep 1000\nexit 0\n")
    script(net.c1, f"{HOOKS}/2-next", SPEAKER)
    daemon = start()
    teredo.wait_address(net.c1)
    net.c1.ip("route del ::/0 dev teredo")
    wait_for(lambda: has_default(net.c1), "the route, put back")
    assert "1-hangs was killed" not in daemon.log
    daemon.wait_log("1-hangs was killed")
    wait_for(lambda: net.c1.path("/run/told").exists(), "the next script")
    assert daemon.stop() == 0


# -- what is remembered -------------------------------------------------

@pytest.mark.parametrize("end", ["stop", "kill"])
def test_address_outlives_the_process(net, start, end):
    daemon = start()
    address = teredo.wait_address(net.c1)
    wait_for(lambda: net.c1.path(STATE).exists()
             and "mapped" in net.c1.read(STATE), "the file")
    getattr(daemon, end)()
    wait_for(lambda: not addresses(net.c1, "global"), "no address")
    start()
    assert teredo.wait_address(net.c1) == address


def test_file_is_readable_and_right(net, start):
    start()
    said = teredo.explain(teredo.wait_address(net.c1))
    wait_for(lambda: net.c1.path(STATE).exists(), "the file")
    text = wait_for(lambda: re.fullmatch(
        r"port (\d+)\nflags ([0-9a-f]{4})\nmapped ([\d.]+:\d+)\n"
        r"server ([\d.]+)\nhost 9\.0\.0\.2\nnonce [0-9a-f]{24}\n#.*\n", net.c1.read(STATE)),
        "all lines")
    assert int(text[2], 16) == said.flags
    assert text[3] == f"{said.ip4}:{said.port}"
    assert text[4] == said.server


@pytest.mark.parametrize("damage", ["port 0\n", "port 1", "\0\1\2" * 999,
                                    "port 1\nflags ffff\n"])
def test_damaged_file(net, start, damage):
    net.c1.write(STATE, damage)
    daemon = start()
    daemon.wait_log(f"cannot use {STATE}: damaged")
    teredo.wait_address(net.c1)
    wait_for(lambda: re.match(r"port [1-9]", net.c1.read(STATE)), "a new one")


def test_full_disk(net, start):
    where = STATE.rsplit("/", 1)[0]
    net.c1.run(["mkdir", "-p", where])
    net.c1.run(["mount", "-t", "tmpfs", "-o", "size=4k", "none", where])
    try:
        net.c1.run(["dd", "if=/dev/zero", f"of={where}/fill"], check=False)
        daemon = start()
        teredo.wait_address(net.c1)
        daemon.wait_log(f"cannot write {STATE}: No space left")
        assert daemon.log.count("cannot write") == 1
        assert daemon.stop(signal.SIGTERM) == 0
    finally:
        net.c1.run(["umount", where])
