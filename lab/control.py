# SPDX-License-Identifier: GPL-2.0-or-later
"""What a daemon says of itself: requests to its control socket."""

import contextlib
import json
import socket

from lab.host import PATIENCE, wait_for

RELAY = "/run/miredo/control"           # and of a client
SERVER = "/run/miredo-server/control"


@contextlib.contextmanager
def connected(host, path=RELAY, timeout=PATIENCE):
    """A connection to the control socket at path of this host."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(timeout)
        sock.connect(str(host.path(path)))
        yield sock


def read_all(sock):
    """All bytes up to the end."""
    pieces = []
    while piece := sock.recv(1 << 16):
        pieces.append(piece)
    return b"".join(pieces)


def ask(host, request, path=RELAY):
    """The answer to a request, as an object."""
    with connected(host, path) as sock:
        sock.sendall(request.encode() + b"\n")
        answer = read_all(sock)
    assert answer.endswith(b"}\n"), answer[-200:]
    return json.loads(answer)


def status(host, path=RELAY):
    """How its daemon is."""
    return ask(host, "status", path)


def wait_reason(host, reason, path=RELAY, timeout=30.0):
    """Wait until the daemon says so of itself; its status."""
    def right():
        now = status(host, path)
        return now if now["reason"] == reason else None

    return wait_for(right, f"{host.name} to say {reason}", timeout)
