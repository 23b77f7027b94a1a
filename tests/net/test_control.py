# SPDX-License-Identifier: GPL-2.0-or-later
"""The control socket: what it answers, and that nobody who asks can do harm."""

import contextlib
import json
import os
import signal
import socket
import time

import pytest

from lab import control, teredo, wait_for
from lab.control import ask, connected, read_all

SOCKETS = {"server": control.SERVER, "relay": control.RELAY,
           "c1": control.RELAY}
VERBS = ["status", "peers", "log", "metrics", "config"]


@pytest.fixture(scope="module")
def settled(lab):
    """A lab with all three roles, at work for the whole module."""
    daemons = {"server": teredo.start_server(lab),
               "relay": teredo.start_relay(lab),
               "c1": teredo.start_client(lab.c1)}
    teredo.wait_address(lab.c1)
    lab.c1.run(["ping", "-6", "-c", "2", "-i", "0.1", lab.v6.ip6])
    yield lab, daemons


def request(host, data, path=control.RELAY):
    """What comes back for some bytes; None for nothing."""
    with connected(host, path) as sock:
        sock.sendall(data)
        with contextlib.suppress(ConnectionResetError):
            return read_all(sock)
    return b""


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("where", SOCKETS)
def test_answers(settled, where, verb):
    """One object, which says its version first."""
    lab, _ = settled
    answer = request(getattr(lab, where), verb.encode() + b"\n",
                     SOCKETS[where])
    assert answer.count(b"\n") == 1 and answer.startswith(b'{"version":1')
    assert "error" not in json.loads(answer)


def test_status_of_each_role(settled):
    lab, daemons = settled
    client = control.status(lab.c1)
    assert (client["role"], client["state"], client["reason"]) == \
        ("client", "qualified", "ok")
    assert client["good"] and client["advice"] is None
    assert client["client"]["address"] == teredo.address_of(lab.c1)
    assert client["client"]["server"]["name"] == "9.0.0.2"
    assert client["client"]["server"]["address2"] == "9.0.0.3"
    assert client["client"]["server"]["rtt"] > 0
    assert client["client"]["mapped"].startswith(lab.nat1.ip4 + ":")
    assert client["client"]["used_for"] == "peers and default route"
    assert client["pid"] == daemons["c1"].pid
    relay = control.status(lab.relay)
    assert (relay["role"], relay["state"]) == ("relay", "serving")
    assert relay["relay"]["source"] in lab.relay.addresses6
    assert relay["relay"]["peers"]["proven"] == 1
    server = control.status(lab.server, control.SERVER)
    assert (server["role"], server["state"]) == ("server", "serving")
    assert server["server"]["advertised"] >= 2
    assert server["client"] is None and server["relay"] is None


def test_peers(settled):
    lab, _ = settled
    (peer,) = ask(lab.relay, "peers")["peers"]
    assert peer["address"] == teredo.address_of(lab.c1)
    assert (peer["path"], peer["proof"]) == ("direct", "proven")
    assert peer["at"] == control.status(lab.c1)["client"]["mapped"]
    before = peer["packets_in"], peer["packets_out"], peer["bytes_in"]
    lab.c1.run(["ping", "-6", "-c", "3", "-i", "0.1", "-s", "500", lab.v6.ip6])

    def counted():
        (now,) = ask(lab.relay, "peers")["peers"]
        return (now["packets_in"] - before[0], now["packets_out"] - before[1],
                now["bytes_in"] - before[2]) == (3, 3, 3 * 548)
    wait_for(counted, "three packets each way")
    of_client = ask(lab.c1, "peers")["peers"]
    assert [(p["address"], p["path"]) for p in of_client] == \
        [(lab.v6.ip6, "relay")]


def test_peers_are_limited(settled):
    lab, _ = settled
    got = ask(lab.relay, "peers 0")
    assert got["total"] == got["shown"] == len(got["peers"])
    assert "error" in ask(lab.relay, "peers many")
    assert "error" in ask(lab.relay, "peers -1")


def test_monitor(settled):
    """The state at once, and each change."""
    lab, _ = settled
    with connected(lab.c1) as sock:
        sock.sendall(b"monitor\n")
        lines = sock.makefile()
        first = json.loads(lines.readline())
        assert first["event"] == "status"
        assert first["status"]["reason"] == "ok"
        lab.server.nft("add table ip quiet; add chain ip quiet in "
                       "{ type filter hook input priority 0; }; "
                       "add rule ip quiet in udp dport 3544 drop")
        try:
            lab.c1.kill(settled[1]["c1"].pid, signal.SIGHUP)
            seen = wait_event(lines, "server-silent")
            assert seen["status"]["state"] == "silent"
            assert seen["status"]["client"]["address"]
        finally:
            lab.server.nft("delete table ip quiet")
        assert wait_event(lines, "ok")["status"]["state"] == "qualified"


def wait_event(lines, reason):
    """Read until a status with this reason."""
    while True:
        event = json.loads(lines.readline())
        assert event["version"] == 1 and event["event"] in ("status", "log")
        if event["event"] == "status" and \
                event["status"]["reason"] == reason:
            return event


def test_log(settled):
    lab, _ = settled
    lines = ask(lab.c1, "log")["lines"]
    assert any("qualified: 2001:0:" in line["text"] for line in lines)
    assert {line["severity"] for line in lines} <= {"info", "warning", "error"}
    assert len(ask(lab.c1, "log 1")["lines"]) == 1
    assert ask(lab.c1, "log 0")["lines"] == []


# -- bad input ----------------------------------------------------------

HOSTILE = {
    "nothing known": b"frobnicate\n",
    "empty": b"\n",
    "blanks": b"   \n",
    "argument where none is": b"status now\n",
    "zero byte": b"sta\0tus\n",
    "binary": bytes(range(256)).replace(b"\n", b"") + b"\n",
    "too long": b"x" * 255 + b"\n" + b"y" * 100,
    "endless": b"z" * 100_000,
    "escape": b"\x1b[2J\n",
    "format": b"%s%n%d\n",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_bytes(settled, what):
    lab, _ = settled
    try:
        answer = request(lab.relay, HOSTILE[what])
    except (BrokenPipeError, ConnectionResetError):
        answer = b""        # it was closed while we were still writing
    if answer:
        assert json.loads(answer)["code"] == "bad-request"
    assert control.status(lab.relay)["good"]


def test_half_requests_time_out(settled):
    """Who does not go on is closed; others are answered meanwhile."""
    lab, _ = settled
    with connected(lab.relay, timeout=30) as slow:
        slow.sendall(b"stat")
        assert control.status(lab.relay)["good"]
        assert read_all(slow) == b""


def test_reader_that_stops(settled):
    """A monitor that is not read is closed; nobody waits for it."""
    lab, _ = settled
    with connected(lab.relay, timeout=30) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        sock.sendall(b"monitor\n")
        for _ in range(40):     # lines for it
            lab.relay.kill(settled[1]["relay"].pid, signal.SIGUSR1)
            assert control.status(lab.relay)["good"]
        # It is closed, at the latest when its patience has ended.
        lines = sock.makefile("rb")
        wait_for(lambda: len(lines.readline()) > 0, "a line")


def test_thousand_connections(settled):
    """Root has places of its own; a user who takes all has but a share."""
    lab, _ = settled
    path = str(lab.relay.path(control.RELAY))
    held = []
    pid = os.fork()
    if pid == 0:        # a user who is nobody
        os.setgid(65534)
        os.setuid(65533)
        try:
            for _ in range(1000):
                sock = socket.socket(socket.AF_UNIX)
                sock.settimeout(1)
                with contextlib.suppress(OSError):
                    sock.connect(path)
                held.append(sock)
            time.sleep(600)
        finally:
            os._exit(0)
    try:
        wait_for(lambda: control.status(lab.relay)["good"], "an answer")
        for _ in range(10):
            assert control.status(lab.relay)["good"]
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert control.status(lab.relay)["good"]


def as_user(lab, uid, groups, line):
    """What a user is answered."""
    code = ("import socket,sys\n"
            "s=socket.socket(socket.AF_UNIX); s.settimeout(10)\n"
            f"s.connect('{control.RELAY}')\n"
            f"s.sendall(b'{line}\\n')\n"
            "d=b''\n"
            "while p:=s.recv(65536): d+=p\n"
            "print(d.decode())\n")
    return json.loads(lab.c1.run(
        ["setpriv", "--reuid", str(uid), "--regid", "65534", "--groups",
         groups, "python3", "-c", code]).stdout)


def test_everybody_may_look(settled):
    lab, _ = settled
    assert as_user(lab, 4711, "65534", "status")["good"]
