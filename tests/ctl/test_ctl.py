# SPDX-License-Identifier: GPL-2.0-or-later
"""miredoctl, asking a daemon of paper (fake.py)."""
import contextlib
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import termios
import time

import pytest
from prometheus_client.openmetrics import parser

import fake

CTL = os.environ["MIREDOCTL"]
ENV = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TZ": "UTC", "TERM": "xterm"}


@pytest.fixture
def start(tmp_path):
    """Starts a daemon of paper; returns it."""
    with contextlib.ExitStack() as stack:
        def start(**answers):
            running.append(fake.Fake(tmp_path / f"s{len(running)}", **answers))
            stack.callback(running[-1].close)
            return running[-1]
        running = []
        yield start


def run(*argv, path=None, **more):
    where = ["--socket", str(path)] if path else []
    return subprocess.run([CTL, *argv, *where], capture_output=True, text=True,
                          timeout=60, check=False, env=ENV | more.pop("env", {}), **more)


def ask(start, verb, answer, *argv, **more):
    return run(verb, *argv, path=start(**{verb: answer}).path, **more)


class Terminal:
    """miredoctl on a terminal of that size."""

    def __init__(self, *argv, rows=24, columns=80, **env):
        self.text = b""
        self.fd, inner = pty.openpty()
        self.resize(rows, columns)
        self.inner = inner
        self.before = termios.tcgetattr(inner)
        self.process = subprocess.Popen([CTL, *argv], stdin=inner, stdout=inner,
                                        stderr=inner, env=ENV | env, start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY))

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, until=None, seconds=30):
        """What it writes until that (a regular expression) is in it, or it ends."""
        end = time.monotonic() + seconds
        while until is None or not re.search(until, self.text.decode(errors="replace")):
            assert time.monotonic() < end, self.text
            if not select.select([self.fd], [], [], 0.1)[0]:
                if self.process.poll() is not None:
                    assert until is None, self.text
                    break
                continue
            self.text += os.read(self.fd, 65536)
        return self.text.decode()

    def type(self, text):
        self.text = b""
        os.write(self.fd, text)

    def end(self):
        self.read()
        status = self.process.wait(30)
        attributes = termios.tcgetattr(self.inner)
        os.close(self.fd)
        os.close(self.inner)
        return status, attributes == self.before


# status

@pytest.mark.parametrize("answer, first, status", [
    (fake.CLIENT, "teredo: qualified since 2026-11-25 14:02:11 (3 h 12 min)", 0),
    (fake.SILENT, "teredo: NOT qualified: the server answers on its first address only"
     "  [secondary-silent]", 1),
    (fake.RELAY, "teredo: serving since 2026-11-25 14:02:11 (3 h 12 min)", 0),
    (fake.SERVER, "server: serving since 2026-11-25 14:02:11 (3 h 12 min)", 0),
    (fake.BOTH, "teredo: serving since 2026-11-25 14:02:11 (3 h 12 min)", 0),
])
def test_the_first_line_is_state_and_reason(start, answer, first, status):
    got = ask(start, "status", answer)
    assert got.stdout.splitlines()[0] == first
    assert got.returncode == status
    assert got.stderr == "" and "\033" not in got.stdout


def test_each_fact_of_a_client_shows(start):
    text = ask(start, "status", fake.CLIENT).stdout
    for fact in ["2001:0:c33c:c38c:2c5b:751d:34ff:8ef8, mtu 1280",
                 "teredo.example.net (195.60.195.140), 24 ms, last answer 11 s ago",
                 "teredo2.example.net (not found)", "restricted, preserves ports",
                 "mapping by NAT-PMP (3600 s)",
                 "refreshed every 30 s", "192.168.1.2:35554 → 203.0.113.7:35554",
                 "20 active, 18 trusted, 2 untrusted", "relay 216.66.64.154:3545, 31 ms",
                 "peers and default route (no native IPv6 on this host)", "3 dropped",
                 "pid 4711, up 3 h 12 min"]:
        assert fact in text
    text = ask(start, "status", fake.CLIENT, env={"LANG": "C"}).stdout
    assert "192.168.1.2:35554 -> 203.0.113.7:35554" in text


def test_who_is_dormant_refreshes_nothing(start):
    got = ask(start, "status", fake.DORMANT)
    assert got.returncode == 0
    assert got.stdout.splitlines()[0] == "teredo: dormant: nothing is sent  [idle]"
    assert "preserves ports, not refreshed, mapping by NAT-PMP (3600 s)\n" in got.stdout


def test_why_there_is_no_port_mapping(start):
    text = ask(start, "status", fake.SILENT).stdout
    assert "mapping   no gateway answers UPnP, PCP or NAT-PMP  [gateway-silent]" in text
    got = run("explain", "gateway-silent")
    assert got.returncode == 0 and "try       switch one of them on" in got.stdout


def test_trouble_comes_with_what_to_try(start):
    text = ask(start, "status", fake.SILENT).stdout
    assert re.search(r"^  tried     4 times, next in 3.2 s$", text, re.M)
    assert re.search(r"^  try       miredoctl netcheck$", text, re.M)
    text = ask(start, "status", fake.RELAY).stdout
    assert "note      IPv6 forwarding is off  [no-forwarding]" in text
    assert "try       sysctl -w net.ipv6.conf.all.forwarding=1" in text
    assert "this host only: forwarding is off" in text


def test_configuration_that_waits_shows(start):
    conf = fake.CLIENT["configuration"] | {
        "waiting": ["BindPort", "User"], "confirm": 41, "error": "m.conf:3: Foo: unknown"}
    text = ask(start, "status", fake.CLIENT | {"configuration": conf}).stdout
    assert "reload    failed: m.conf:3: Foo: unknown, undone in 41 s without: " \
           "miredoctl reload --keep" in text
    assert "waiting   BindPort, User, for the next start" in text


def test_quiet_is_the_status_alone(start):
    for answer, status in (fake.CLIENT, 0), (fake.SILENT, 1):
        got = ask(start, "status", answer, "--quiet")
        assert (got.stdout, got.stderr, got.returncode) == ("", "", status)
    got = run("status", "-q", path="/nowhere")
    assert (got.stdout, got.stderr, got.returncode) == ("", "", 3)


def test_json_is_as_it_came(start):
    raw = b'{ "version":1,  "good":true, "new": [1, 2.50] }\n'
    assert ask(start, "status", raw, "--json").stdout.encode() == raw


def test_color_is_for_terminals_that_want_it(start):
    path = start(status=fake.CLIENT).path

    def colors(*argv, **env):
        t = Terminal("status", "-S", str(path), *argv, **env)
        text = t.read()
        t.end()
        return "\033[" in text
    assert colors()
    assert not colors(NO_COLOR="1") and not colors(TERM="dumb")
    assert not colors("--color=never") and colors("--color=always", NO_COLOR="1")
    assert "\033[32m" in run("status", "--color", "always", path=path).stdout


def test_lines_break_between_facts_only(start):
    path = start(status=fake.CLIENT).path
    wide = run("status", path=path).stdout
    facts = [f for line in wide.splitlines()[1:] for f in line[12:].split(", ")]
    for columns in 30, 50, 80:
        t = Terminal("status", "-S", str(path), "--color=never", columns=columns)
        lines = t.read().replace("\r", "").splitlines()
        t.end()
        for line in lines[1:]:
            for fact in line[12:].rstrip(",").split(", "):
                assert fact in facts
            assert len(line) <= columns or ", " not in line[12:]


def test_what_a_daemon_says_moves_no_cursor(start):
    evil = fake.SILENT | {"text": "a\033[2Jb\u009bc\nd", "interface": "x\ty"}
    text = ask(start, "status", evil).stdout
    assert text.splitlines()[0] == "x?y: NOT qualified: a?[2Jb??c?d  [secondary-silent]"


@pytest.mark.parametrize("answer", [
    {"version": 1}, {"version": 1, "client": 1, "server": [], "relay": "", "notes": {}},
    {"version": 1, "client": {"server": 5, "servers": [1, None], "peers": [[]],
                              "old_addresses": [1], "probe": {}}, "notes": [1],
     "configuration": {"waiting": [{}]}}])
def test_other_shapes_do_no_harm(start, answer):
    path = start(status=answer, peers=answer, metrics=answer, config=answer, log=answer,
                 reload=answer, monitor=[answer]).path
    for verb in "status", "peers", "metrics", "config", "log", "reload", "monitor":
        assert run(verb, path=path).returncode in (0, 1, 3)


# no daemon

def test_nobody_is_there(tmp_path):
    got = run("status", path=tmp_path / "none")
    assert got.returncode == 3
    assert got.stderr == (f"miredoctl: there is no daemon at {tmp_path}/none: it is not "
                          "running, or its ControlSocket is another\n"
                          "  start it:  systemctl start miredo\n")


def test_a_socket_that_was_left_behind(tmp_path):
    s = socket.socket(socket.AF_UNIX)
    s.bind(str(tmp_path / "old"))
    s.close()
    got = run("status", path=tmp_path / "old")
    assert got.returncode == 3 and "a former one has left" in got.stderr


def test_a_file_that_is_no_socket(tmp_path):
    (tmp_path / "file").write_text("")
    got = run("status", path=tmp_path / "file")
    assert got.returncode == 3 and "is no socket" in got.stderr


def test_a_path_that_is_too_long():
    got = run("status", path="/" + "x" * 200)
    assert got.returncode == 3 and "too long" in got.stderr


def test_no_permission(start):
    f = start(status=fake.CLIENT)
    f.path.chmod(0)
    more = {}
    if os.getuid() == 0:
        more = {"user": 65534, "group": 65534, "extra_groups": []}
        for directory in f.path.parents:
            if directory.stat().st_uid == os.getuid() and directory != directory.parent:
                directory.chmod(directory.stat().st_mode | 0o11)
    # Where the build is, others may not be let in.
    program = shutil.copy(CTL, f.path.parent)
    got = subprocess.run([program, "status", "-S", f.path], capture_output=True, text=True,
                         check=False, env=ENV, **more)
    assert got.returncode == 3 and "no permission" in got.stderr


@pytest.mark.parametrize("answer, what", [
    (b"HTTP/1.1 400 Bad Request\n", "no JSON"),
    (b'{"version":1,"good":tr\n', "no JSON"),
    (b'{"version":1,"good":tr', "in the middle of a line"),
    (b"", "says nothing"),
    (b"[1]\n", "no answer"),
    (b'{"good":true}\n', "no answer"),
    (b'{"version":2,"good":true}\n', "newer version"),
    (b'{"version":1,"a":"\xff"}\n', "no JSON"),
    (b'{"version":1,"a":"\\u0000"}\n', "no JSON"),
    (b"[" * 100000 + b"\n", "no JSON"),
], ids=range(10))
def test_nonsense_is_no_daemon(start, answer, what):
    for argv in ["status"], ["status", "--json"], ["monitor"]:
        got = run(*argv, path=start(status=answer, monitor=answer).path)
        assert got.returncode == 3 and got.stdout == ""
        if answer or argv[0] != "monitor":
            assert what in got.stderr or "says nothing" in got.stderr


def test_an_answer_without_end_is_cut(start):
    def endless(client, _):
        while True:
            client.sendall(b'{"a":"' + b"x" * 1000000)
    got = ask(start, "status", endless)
    assert got.returncode == 3 and "more than it can have to say" in got.stderr


def test_who_says_nothing_is_waited_for_so_long(start):
    def silent(client, _):
        client.recv(1)  # until we go
    before = time.monotonic()
    got = ask(start, "status", silent)
    assert got.returncode == 3 and "it does not answer" in got.stderr
    assert time.monotonic() - before >= 4.9


def test_errors_of_the_daemon_are_said(start):
    path = start(reload=fake.DENIED | {"errors": ["m.conf:3: Foo: unknown directive"]}).path
    got = run("reload", path=path)
    assert got.returncode == 1 and got.stdout == ""
    assert got.stderr == ("miredoctl: only root may change this\n"
                          "  ask with sudo, or see ControlGroup\n"
                          "  m.conf:3: Foo: unknown directive\n")
    got = run("reload", "--json", path=path)
    assert json.loads(got.stdout)["code"] == "denied" and got.returncode == 1


# peers

def test_peers_are_a_table(start):
    got = ask(start, "peers", fake.peers(3, total=9))
    lines = got.stdout.splitlines()
    assert lines[0].split() == ["PEER", "AT", "PATH", "PROOF", "HEARD", "SENT", "IN", "OUT"]
    assert lines[1].split()[:4] == ["2001:0:c33c:c38c::1", "203.0.113.1:40000", "direct",
                                    "proven"]
    assert lines[4] == "3 of 9; more with --limit"


def test_limit_is_asked_for(start):
    f = start(peers=fake.peers(1))
    run("peers", "--limit", "5", path=f.path)
    run("peers", path=f.path)
    assert f.requests == ["peers 5", "peers 1000"]


def test_order(start):
    answer = fake.peers(0) | {"peers": [
        fake.peer(3, heard=None), fake.peer(1, heard=20), fake.peer(2, heard=0.5)]}
    path = start(peers=answer).path

    def first(*argv):
        return [int(line.split()[0].split(":")[-1], 16)
                for line in run("peers", *argv, path=path).stdout.splitlines()[1:]]
    assert first() == [3, 1, 2]
    assert first("--sort=age") == [2, 1, 3]
    assert first("--sort", "address") == [1, 2, 3]


def growing(rates):
    """Peers whose bytes grow by so many a second."""
    began = time.monotonic()

    def answer(client, _):
        s = time.monotonic() - began
        peers = [fake.peer(i + 1, bytes_in=1000 + int(rate * s), bytes_out=0)
                 for i, rate in enumerate(rates)]
        client.sendall(json.dumps(fake.peers(0) | {"total": len(rates), "peers": peers})
                       .encode() + b"\n")
    return answer


def test_rates_are_measured(start):
    got = ask(start, "peers", growing([0, 1e6, 2e6]), "--sort=rate")
    lines = got.stdout.splitlines()
    assert lines[0].split()[-2:] == ["IN/S", "OUT/S"]
    assert [line.split()[0][-1] for line in lines[1:]] == ["3", "2", "1"]
    # How busy the machine is does not matter, the order of size does.
    assert re.search(r"\d MB      -$", lines[1]) and re.search(r"-      -$", lines[3])


def test_a_narrow_terminal_gets_fewer_columns(start):
    path = start(peers=fake.peers(2)).path
    for columns in 40, 60, 80, 100:
        t = Terminal("peers", "-S", str(path), "--color=never", columns=columns)
        lines = t.read().replace("\r", "").splitlines()
        t.end()
        assert all(len(line) <= columns for line in lines), lines
        assert lines[0].startswith("PEER") and lines[1].startswith("2001:")


def test_the_live_table(start):
    path = start(peers=growing([0, 1e6])).path
    t = Terminal("peers", "--watch=0.2", "-S", str(path), "--color=never", rows=10,
                 columns=120)
    text = t.read(r"(?s)OUT/S.*::2 [^\n]*[kM]B[^\n]*█")
    assert text.startswith("\033[?1049h") and "2 peers" in text and "by rate" in text
    t.type(b"d")
    t.read(r"by address")
    t.type(b" ")
    t.read(r"PAUSED")
    t.resize(6, 30)
    t.type(b"a")
    t.read(r"by age")
    t.type(b"q")
    t.read(re.escape("\033[?1049l"))
    assert t.end() == (0, True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_live_table_leaves_a_terminal_as_it_was(start, number):
    t = Terminal("peers", "--watch", "-S", str(start(peers=fake.peers(1)).path))
    t.read("PEER")
    if number == signal.SIGINT:
        t.type(b"\x03")
    else:
        t.process.send_signal(number)
    t.read(re.escape("\033[?1049l"))
    assert t.end() == (0, True)


def test_the_live_table_waits_for_a_daemon_that_starts_again(start):
    f = start(peers=fake.peers(3))
    t = Terminal("peers", "--watch=0.1", "-S", str(f.path))
    t.read("3 peers")
    away = f.path.with_suffix(".away")
    f.path.rename(away)
    t.read("there is no daemon at")
    away.rename(f.path)
    t.text = b""
    t.read("3 peers")
    t.type(b"q")
    assert t.end() == (0, True)


def test_watch_is_snapshots_for_who_is_no_terminal(start):
    f = start(peers=fake.peers(1))
    with subprocess.Popen([CTL, "peers", "--watch=0.05", "-S", f.path], env=ENV,
                          stdout=subprocess.PIPE, text=True) as p:
        heads = 0
        while heads < 3:
            line = p.stdout.readline()
            assert line and "\033" not in line
            heads += line.startswith("PEER")
        p.terminate()


# monitor, log, config, reload

def test_monitor_tells_at_once(start):
    go = []

    def events(client, _):
        client.sendall(json.dumps({"version": 1, "event": "status", "status": fake.CLIENT,
                                   "time": "2026-11-25T18:00:00Z"}).encode() + b"\n")
        while not go:
            time.sleep(0.01)
        line = json.dumps({"version": 1, "event": "log"} | fake.LOG["lines"][1]).encode()
        client.sendall(line[:9])
        client.sendall(line[9:] + b"\n")
    with subprocess.Popen([CTL, "monitor", "-S", start(monitor=events).path], env=ENV,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
        assert p.stdout.readline() == ("2026-11-25 18:00:00 teredo: qualified since "
                                       "2026-11-25 14:02:11 (3 h 12 min)\n")
        go.append(1)
        assert p.stdout.readline() == "2026-11-25 18:00:01 warning: server-silent\n"
        assert p.stdout.read() == ""
        assert p.stderr.read() == "miredoctl: the daemon has ended\n"
        assert p.wait() == 3


def test_log(start):
    f = start(log=fake.LOG)
    assert run("log", path=f.path).stdout == (
        "2026-11-25 18:00:00 qualified: 2001::1\n"
        "2026-11-25 18:00:01 warning: server-silent\n")
    run("log", "7", path=f.path)
    assert f.requests == ["log", "log 7"]
    assert run("log", "7\nkeep", path=f.path).returncode == 2


def test_config_is_a_file(start, tmp_path):
    text = ask(start, "config", fake.CONFIG).stdout
    assert text == ("ServerAddress teredo.example.net        # /etc/miredo/miredo.conf:3\n"
                    "BindPort 3545                           # --port, another waits for the "
                    "next start\n")
    text = ask(start, "config", fake.CONFIG, "--all").stdout
    assert text.endswith("#RefreshInterval 30                     # default\n")
    (tmp_path / "again.conf").write_text(text)
    assert run("check", str(tmp_path / "again.conf")).returncode == 0


def test_reload(start):
    f = start(reload=fake.RELOAD, keep=fake.RELOAD, undo=fake.RELOAD)
    assert run("reload", path=f.path).stdout == (
        "configuration 3 is in force\n"
        "  applied   ReplyRate\n"
        "  waiting   BindPort, for the next start\n")
    late = start(reload=fake.RELOAD | {"in_force": False})
    assert run("reload", path=late.path).stdout.startswith(
        "configuration 3 is read, but the packet process does not go by it yet\n")
    for argv in ["--confirm", "60s"], ["--confirm=2m"], ["--keep"], ["--undo"]:
        assert run("reload", *argv, path=f.path, stdin=subprocess.DEVNULL).returncode == 0
    assert f.requests == ["reload", "reload 60", "reload 120", "keep", "undo"]
    assert run("reload", "--keep", "--undo", path=f.path).returncode == 2


@pytest.mark.parametrize("key, request_", [(b"\n", "keep"), (b"u\n", "undo")])
def test_reload_on_a_terminal_offers_to_keep(start, key, request_):
    f = start(reload=fake.RELOAD | {"confirm": 60}, keep=fake.RELOAD, undo=fake.RELOAD)
    t = Terminal("reload", "--confirm=60", "-S", str(f.path))
    t.read("Press Enter to keep it")
    t.type(key)
    t.read("in force")
    assert t.end()[0] == 0
    assert f.requests == ["reload 60", request_]


def test_reload_on_a_terminal_ends_with_the_time(start):
    f = start(reload=fake.RELOAD | {"confirm": 1})
    t = Terminal("reload", "--confirm=1", "-S", str(f.path))
    assert "goes back" in t.read()
    assert t.end()[0] == 1 and f.requests == ["reload 1"]


# metrics

def test_promtool_likes_the_metrics(start):
    text = ask(start, "metrics", fake.METRICS).stdout
    got = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                         capture_output=True, check=False)
    assert (got.returncode, got.stdout, got.stderr) == (0, "", "")
    assert 'teredo_packets_ended_total{reason="to-ipv4"} 7\n' in text
    assert 'teredo_packets_ended_total{reason="queue-full"} 0\n' in text
    assert 'teredo_packets_total{direction="from_ipv4"} 100\n' in text
    assert "teredo_packets_dropped_total 3\n" in text
    assert "teredo_server_rtt_seconds 0.024\n" in text
    assert "teredo_peer_capacity 1048576\n" in text
    assert '"dropped"' not in text and '"capacity"' not in text
    assert re.findall('teredo_reason{reason="(.*)"} 1', text) == ["ok"]
    assert 'teredo_reason{reason="server-silent"} 0\n' in text
    assert 'teredo_info{role="client",version="2.0.0"} 1\n' in text
    assert "teredo_qualified 1\n" in text
    assert "teredo_configuration_serial 1\n" in text     # 2 was read
    assert 'teredo_bubbles_total{direction="sent",kind="indirect"} 3\n' in text
    assert 'teredo_bubbles_total{direction="received",kind="indirect"} 5\n' in text
    assert 'teredo_ratelimited_total{what="bubble-answer"} 6\n' in text
    assert 'teredo_connection_setup_seconds_bucket{le="0.5"} 4\n' in text
    assert 'teredo_connection_setup_seconds_bucket{le="+Inf"} 8\n' in text


def families_of(answer, start):
    text = ask(start, "metrics", answer, "--openmetrics").stdout
    return {f.name: f for f in parser.text_string_to_metric_families(text)}


def test_openmetrics_for_its_reference_parser(start):
    got = families_of(fake.METRICS, start)
    assert got["teredo"].type == "info"
    assert got["teredo"].samples[0].labels == {"role": "client", "version": "2.0.0"}
    assert (got["teredo_bytes"].type, got["teredo_bytes"].unit) == ("counter", "bytes")
    waits = got["teredo_connection_setup_seconds"]
    assert (waits.type, waits.unit, len(waits.samples)) == ("histogram", "seconds", 7)
    assert got["teredo_peers_evicted"].samples[1].name == "teredo_peers_evicted_total"
    assert len(got["teredo_bubbles"].samples) == 16
    assert len(got) == len(set(re.findall(
        "# TYPE (.*) ", ask(start, "metrics", fake.METRICS).stdout)))
    # It is a strict one, which does not take the other format.
    with pytest.raises(ValueError):
        list(parser.text_string_to_metric_families(
            ask(start, "metrics", fake.METRICS).stdout))


@pytest.mark.parametrize("option", [[], ["--openmetrics"]])
def test_metrics_have_each_number_once(start, option):
    text = ask(start, "metrics", fake.METRICS, *option).stdout
    samples = [line.rsplit(" ", 1)[0] for line in text.splitlines() if line[0] != "#"]
    assert len(samples) == len(set(samples)) and len(samples) > 100
    heads = re.findall("^# (?:TYPE|HELP|UNIT) .*", text, re.M)
    assert len(heads) == len(set(heads))


def test_metrics_of_others_have_no_client(start):
    relay = fake.METRICS | {"client": None, "role": "relay", "qualifications": None,
                            "address_changes": None}
    text = ask(start, "metrics", relay).stdout
    assert "server_rtt" not in text and 'role="relay"' in text
    assert "teredo_qualif" not in text and "address_changes" not in text
    server = relay | {"role": "server", "connection_setup": None, "peers": None}
    assert "setup" not in ask(start, "metrics", server).stdout
    assert {"teredo", "teredo_good"} <= set(families_of(server, start))


# without a daemon

def test_explain_an_address():
    got = run("explain", "2001:0:c33c:c38c:2c5b:751d:34ff:8ef8")
    assert got.stdout == (
        "server    195.60.195.140\n"
        "client    203.0.113.7:35554   as the Internet sees it\n"
        "flags     0x2c5b: not cone, random 0xb5b\n"
        "usable    no: the client's address is not one of the public Internet: others do "
        "not send to it\n")
    assert got.returncode == 1
    got = run("explain", "2001:0:c33c:c38c:8000:751d:f7ff:f5fe")
    assert "flags     0x8000: cone, random 0x000\nusable    yes\n" in got.stdout
    assert got.returncode == 0
    got = json.loads(run("explain", "--json", "2001:0:a00:1::").stdout)
    assert (got["server"], got["client"], got["port"]) == ("10.0.0.1", "255.255.255.255",
                                                           65535)
    assert not got["usable"] and "server's address" in got["trouble"]


def test_explain_a_reason():
    got = run("explain", "server-silent", "rate-peer")
    assert got.stdout.startswith("server-silent: the server does not answer\n  try       a ")
    assert "\nrate-peer: too many new destinations\n" in got.stdout
    assert run("explain", "no-such-word").returncode == 2
    assert run("explain", "2001:db8::1").returncode == 1


def test_check(tmp_path):
    conf = tmp_path / "m.conf"
    conf.write_text("ServerAddress 9.0.0.2\nReplyRat 5\nBindPort x\n")
    got = run("check", str(conf))
    assert got.returncode == 1 and got.stdout == ""
    assert got.stderr.splitlines() == [
        f"{conf}:2: ReplyRat: unknown directive, did you mean ReplyRate?",
        f"{conf}:3: BindPort: \"x\" is not allowed: a UDP port, 0 to 65535 (0 = any)"]
    got = run("check", "--json", str(conf))
    assert got.returncode == 1 and len(json.loads(got.stdout)["errors"]) == 2
    for text, role in ("", "relay"), ("ServerAddress 9.0.0.2\n", "client"), \
            ("ServerBindAddress 9.0.0.2\n", "server"), \
            ("RelayType auto\nServerAddress 9.0.0.2\n", "auto"):
        conf.write_text(text)
        got = run("check", str(conf))
        assert (got.returncode, got.stdout) == (0, f"{conf}: good, role {role}\n")
    assert run("check", str(tmp_path / "none")).returncode == 1


# the command line

@pytest.mark.parametrize("argv, what", [
    ([], "one of:  status"), (["foo"], 'no verb "foo"'), (["status", "x"], "too many"),
    (["explain"], "missing"), (["status", "--limit=3"], "no option"),
    (["peers", "--limit=0"], "1 to 100000"), (["peers", "--sort=x"], "rate age address"),
    (["reload", "--confirm=1h"], "such as 60"), (["-S"], "no value"),
    (["--color=x", "status"], "auto always never"), (["status", "-x"], '"-x"')])
def test_usage(argv, what):
    got = run(*argv)
    assert got.returncode == 2 and got.stdout == "" and what in got.stderr
    assert got.stderr.startswith("miredoctl: ") and got.stderr.count("\n") == 2


def test_help_is_there_for_all_verbs():
    text = run("--help").stdout
    verbs = re.findall(r"^  ([a-z]+) ", text, re.M)
    assert {"status", "peers", "monitor", "explain", "reload", "metrics", "log", "check",
            "config"} <= set(verbs) and len(verbs) <= 10
    for verb in verbs:
        for got in run(verb, "--help"), run("--json", verb, "-h"):
            assert got.returncode == 0
            assert got.stdout.startswith(f"Usage: miredoctl {verb} [options]")
            assert "--json" in got.stdout
    assert max(len(line) for line in text.splitlines()) <= 80
    assert run("--version").stdout.startswith("miredoctl 2.")


def test_options_before_the_verb(start):
    f = start(status=fake.CLIENT)
    assert run("--json", "-S", f.path, "status").stdout.startswith("{")
