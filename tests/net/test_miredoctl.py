# SPDX-License-Identifier: GPL-2.0-or-later
"""miredoctl and the daemons themselves; with a daemon of paper: tests/ctl."""

import json

import pytest
from prometheus_client.openmetrics import parser

from lab import schema, teredo
from lab.control import RELAY, SERVER

LAB = {"nat1": "portrestricted"}


def ctl(host, *argv):
    return host.run(["miredoctl", *argv], check=False)


@pytest.fixture
def three(net):
    """A client, a relay and a server that have something to tell."""
    net.server.daemon(["miredo", "-s", "9.0.0.2"])
    net.relay.daemon(["miredo"])
    teredo.start_client(net.c1)
    teredo.wait_address(net.c1)
    net.c1.run(["ping", "-6", "-c", "1", net.v6.ip6])
    return net.c1, net.relay, net.server


def test_answers_are_as_the_manual_page_has_them(three):
    for host in three:
        for verb in "status", "peers", "log", "metrics", "config", "reload":
            got = ctl(host, verb, "--json")
            assert got.returncode == 0
            assert schema.complaints(got.stdout, verb) == [], (host.name, verb)


def test_metrics_are_as_promtool_likes_them(three):
    for host in three:
        text = ctl(host, "metrics").stdout
        got = host.run(["promtool", "check", "metrics"], input=text, check=False)
        assert (got.returncode, got.stdout + got.stderr) == (0, "")
        assert list(parser.text_string_to_metric_families(
            ctl(host, "metrics", "--openmetrics").stdout))


def test_what_has_happened_is_counted(three):
    client, relay, _ = (json.loads(ctl(host, "metrics", "--json").stdout) for host in three)
    assert client["qualifications"]["qualified"] >= 1
    assert client["address_changes"]["qualified"] == 1
    assert client["connection_setup"]["count"] >= 1
    assert relay["connection_setup"]["count"] >= 1
    assert 0 < relay["connection_setup"]["sum"] < 60
    assert relay["bubbles_sent"]["indirect"] >= 1
    assert client["bubbles_sent"]["relay"] >= 1
    assert relay["bubbles_received"]["direct"] >= 1
    assert relay["qualifications"] is None


def test_peers_are_each_others(three):
    client, relay, _ = three
    address = teredo.address_of(client)
    line = ctl(relay, "peers").stdout.splitlines()[1].split()
    assert (line[0], line[2], line[3]) == (address, "direct", "proven")
    line = ctl(client, "peers").stdout.splitlines()[1].split()
    assert (line[0], line[2]) == ("2001:db8:2::2", "relay")


def test_who_may_ask_and_who_may_change(three):
    relay = three[1]
    got = relay.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                     "miredoctl", "status"], check=False)
    assert got.returncode == 0 and got.stdout.startswith("teredo: serving since ")
    got = relay.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                     "miredoctl", "reload"], check=False)
    assert got.returncode == 1 and got.stderr.count("\n") == 2


def test_two_daemons(net):
    net.server.daemon(["miredo-server", "-s", "9.0.0.2"])
    assert ctl(net.server, "status").stdout.startswith("server: ")
    net.server.daemon(["miredo"])
    assert ctl(net.server, "status").stdout.startswith("teredo: ")
    assert ctl(net.server, "status", "-S", SERVER).stdout.startswith("server: ")
    got = ctl(net.server, "reload")
    assert got.returncode == 2 and f"--socket {RELAY}  or  --socket {SERVER}" in got.stderr
    assert ctl(net.server, "reload", "-S", RELAY).returncode == 0


def test_nobody_is_there(net):
    got = ctl(net.relay, "status")
    assert (got.returncode, got.stderr) == (
        3, "miredoctl: miredo is not running, or ControlSocket is none\n"
        "  start it:  systemctl start miredo\n")
    net.relay.write("/etc/miredo/other.conf", "ControlSocket /run/miredo-other/control\n")
    net.relay.run(["mkdir", "-p", "/run/miredo-other"])
    net.relay.daemon(["miredo", "-c", "/etc/miredo/other.conf"])
    got = ctl(net.relay, "status")
    assert got.returncode == 3
    assert got.stderr.endswith("  ask it:  miredoctl --socket /run/miredo-other/control\n")
    assert ctl(net.relay, "status", "-S", "/run/miredo-other/control").returncode == 0
