# SPDX-License-Identifier: GPL-2.0-or-later
"""miredo-exporter, asked by HTTP; what is HTTP itself, its library tests."""
import contextlib
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import time

import pytest
from prometheus_client.openmetrics import parser

import fake

CTL = pathlib.Path(os.environ["MIREDOCTL"])
EXPORTER = CTL.parent / "miredo-exporter"
pytestmark = pytest.mark.skipif(not EXPORTER.exists(), reason="built without libmicrohttpd")

#: What Prometheus 2.42 sends.
PROMETHEUS = ("application/openmetrics-text;version=1.0.0,application/openmetrics-text;"
              "version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1")
PLAIN = "text/plain; version=0.0.4; charset=utf-8"
OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class Exporter:
    """One at a port of its own, which asks at a path; it says nothing but that port."""

    def __init__(self, path, *argv):
        self.process = subprocess.Popen([*argv, EXPORTER, "-l", "127.0.0.1:0", "-S", path],
                                        stderr=subprocess.PIPE, text=True)
        self.port = int(re.search(r"port (\d+)$", self.process.stderr.readline())[1])

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def ask(self, request="GET /metrics", *fields):
        """Status, fields and body."""
        with self.connect() as connection:
            connection.sendall("\r\n".join([request + " HTTP/1.1", "Host: x", *fields, "", ""])
                               .encode())
            text = b""
            # Or reset: of what is too long not all was read.
            with contextlib.suppress(ConnectionResetError):
                while piece := connection.recv(65536):
                    text += piece
        head, body = text.decode().split("\r\n\r\n", 1)
        line, *fields = head.split("\r\n")
        fields = dict(field.split(": ", 1) for field in fields)
        assert fields["Connection"] == "close"
        return int(line.split()[1]), fields, body

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        assert self.process.communicate(timeout=60)[1] == ""
        assert self.process.returncode == -signal.SIGTERM


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    there = fake.Fake(tmp_path_factory.mktemp("http") / "s", metrics=fake.METRICS)
    yield there.path
    there.close()


@pytest.fixture(scope="module")
def exporter(daemon):
    with Exporter(daemon) as there:
        yield there


@pytest.mark.parametrize("accept, wanted", [
    (PROMETHEUS, OPEN), ("text/plain, Application/OpenMetrics-Text", OPEN),
    ("text/plain;version=0.0.4", PLAIN), ("*/*", PLAIN), ("", PLAIN)])
def test_accept(exporter, accept, wanted):
    status, fields, body = exporter.ask("GET /metrics", "accept: " + accept)
    assert (status, fields["Content-Type"]) == (200, wanted)
    if wanted == OPEN:
        assert len(list(parser.text_string_to_metric_families(body))) > 10


def test_it_is_the_text_of_miredoctl(exporter, daemon):
    status, fields, body = exporter.ask("GET /metrics?x=1")
    assert (status, fields["Content-Type"]) == (200, PLAIN)
    plain = subprocess.run([CTL, "metrics", "-S", daemon], capture_output=True, text=True,
                           check=True)
    assert body == plain.stdout
    status, head, body = exporter.ask("HEAD /metrics")
    assert (status, body, head["Content-Length"]) == (200, "", fields["Content-Length"])


@pytest.mark.parametrize("request_, status", [
    ("GET /", 404), ("GET /metrics/", 404), ("GET /../metrics", 404), ("GET *", 404),
    ("POST /x", 404), ("POST /metrics", 405), ("get /metrics", 405),
    pytest.param("GET /metrics" + "x" * 20000, 414, id="path"),
    pytest.param("GET /metrics HTTP/1.1\r\nA: " + "x" * 20000, 431, id="field")])
def test_what_there_is_not(exporter, request_, status):
    got, fields, body = exporter.ask(request_)
    assert got == status and body
    assert fields.get("Allow") == ("GET, HEAD" if status == 405 else None)


def test_a_body_is_not_waited_for(exporter):
    assert exporter.ask("GET /metrics", "Content-Length: 1000000000")[0] == 200


def test_without_a_daemon(tmp_path):
    """It is said to who asks, and not to the log; then there is one, and goes on."""
    with Exporter(tmp_path / "s") as exporter:
        status, fields, body = exporter.ask()
        assert (status, fields["Content-Type"]) == (503, "text/plain; charset=utf-8")
        assert body.startswith("miredo-exporter: there is no daemon at")
        there = fake.Fake(tmp_path / "s", metrics=fake.METRICS)
        assert exporter.ask()[0] == 200
        there.answers["metrics"] = b"{]\n"
        status, _, body = exporter.ask()
        assert status == 503 and "it says what is no JSON" in body
        there.close()


def test_the_slow_and_the_many(exporter):
    """All places are taken, one by who sends a byte now and then: they become free."""
    began = time.monotonic()
    slow = exporter.connect()
    others = [exporter.connect() for _ in range(15)]
    others.append(exporter.connect())
    others[-1].sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
    waiting = {slow, *others}
    while waiting:
        assert time.monotonic() < began + 60
        with contextlib.suppress(ConnectionError):
            slow.send(b"G")
        ended = set(select.select(waiting, [], [], 0.1)[0])
        waiting -= ended
        if others[-1] in ended:
            assert others[-1].recv(12) == b"HTTP/1.1 200"
            assert time.monotonic() > began + 4
    for connection in [slow, *others]:
        connection.close()


@contextlib.contextmanager
def activated(path, *argv):
    """By a socket of systemd."""
    with subprocess.Popen(["systemd-socket-activate", "-l", path, EXPORTER, *argv],
                          stderr=subprocess.PIPE, text=True) as process:
        try:
            while not path.exists():
                assert process.poll() is None
                time.sleep(0.01)
            yield process
        finally:
            process.kill()


def curl(path):
    return subprocess.run(["curl", "-s", "--unix-socket", path, "http://localhost/metrics"],
                          stdout=subprocess.PIPE, check=False, timeout=60).stdout


def test_socket_of_systemd(daemon, tmp_path):
    """It is used, and no other beside it."""
    with activated(tmp_path / "one", "-S", daemon):
        for _ in range(3):
            subprocess.run(["promtool", "check", "metrics"], input=curl(tmp_path / "one"),
                           check=True)
    with activated(tmp_path / "other", "-l", "127.0.0.1:0") as process:
        assert curl(tmp_path / "other") == b""
        assert "so --listen is too much" in process.communicate(timeout=60)[1]
        assert process.returncode == 2


@pytest.mark.parametrize("argv, status, said", [
    (["--version"], 0, "miredo-exporter (Miredo) "), (["-x"], 2, "no such option"),
    (["more"], 2, "no arguments: more"), (["-l"], 2, "its value is missing"),
    *((["-l", where], 2, "such as [::1]:9544: " + where) for where in [
        "", ":", "9544", ":9544", "::1:9544", "[::1]", "[127.0.0.1]:1", "[]:1", "x:1",
        "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:1x", "9" * 99 + ":1"]),
    (["-l", "192.0.2.1:0"], 1, "cannot listen at 192.0.2.1:0: "),
])
def test_command_line(argv, status, said):
    got = subprocess.run([EXPORTER, *argv], capture_output=True, text=True, check=False,
                         timeout=60)
    assert got.returncode == status and said in got.stdout + got.stderr
