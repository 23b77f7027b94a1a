# SPDX-License-Identifier: GPL-2.0-or-later
"""Attacks from inside: files, and other users of the host.

Row 24 of doc/attacks.md. There is no control socket; what is there is a PID
file, a state file, UDP ports, a device, netlink and signals. Who may not signal
or write what is test_client_rules.py::test_others_have_no_say.
"""

import errno
import re

import packets as t
import tap
import test_client_wire
from lab import teredo
from test_client_rules import NOBODY
from test_client_wire import RELAY

LAB = test_client_wire.LAB
client, shared, world = (test_client_wire.client, test_client_wire.shared,
                         test_client_wire.world)

#: Bytes of address space: enough to read a file, not to swallow a device.
SPACE = 128 << 20


# -- files of settings ----------------------------------------------------


def hostile_files(host):
    """Name -> what is put there, and the error about it."""
    def make(name, command):
        path = f"/run/{name}"
        host.run(["sh", "-c", f"rm -rf {path}; {command} {path}"])
        return path

    def text(name, content):
        path = host.path(f"/run/{name}")
        path.write_bytes(content)
        return f"/run/{name}"

    return {
        "endless device": ("/dev/zero", "not a regular file"),
        "FIFO": (make("fifo", "mkfifo"), "not a regular file"),
        "directory": (make("dir", "mkdir"), "not a regular file"),
        "too large": (make("large", "truncate -s 20M"), "larger than"),
        "others may write": (make("open", "umask 0; echo BindPort 1 >"),
                             "others may write"),
        "zero bytes": (make("zeros", "truncate -s 2M"), "not a text file"),
        "random bytes": (make("random", "head -c 300000 /dev/urandom >"),
                         "random:"),
        "one endless line": (text("line", b"BindPort " + b"9" * (1 << 20)),
                             "BindPort"),
        "one endless word": (text("word", b"A" * (1 << 20)), "unknown"),
        "unterminated quote": (text("quote", b'User "' + b"x" * 100000),
                               "User"),
        "20000 errors": (text("errors", b"BindPrt 1\n" * 20000), "19900"),
        "escape sequences": (text("escape", b"\x1b[2J\x1b]0;x\x07\r\n"),
                             "unknown"),
        "other files": (text("include", b"Include /dev/zero\n"
                             b"include /etc/shadow\n. /etc/passwd\n"),
                        "unknown"),
    }


def test_hostile_configuration(plain):
    """Row 24: each ends with an error, in little memory, and does not hang.

    What it says is a hundred lines or so, and moves nobody's cursor.
    """
    host, wrong = plain.server, []
    for name, (path, message) in hostile_files(host).items():
        done = host.run(["prlimit", f"--as={SPACE}", "miredo", "--check",
                         "-s", "9.0.0.2", "-c", path], check=False)
        said = done.stderr
        if done.returncode not in (1, 2) or message not in said \
                or len(said) > 40000 or said.count("\n") > 110 \
                or re.search(r"[\x00-\x09\x0b-\x1f\x7f]", said):
            wrong.append(f"{name}: {done.returncode} {said[-300:]!r}")
    assert not wrong, "\n".join(wrong)


def test_hostile_secrets(plain):
    """Row 24: the same for the other file that is named."""
    host = plain.server
    host.run(["sh", "-c", "rm -f /run/fifo; mkfifo /run/fifo"])
    for path in "/dev/zero", "/run/fifo":
        host.write("/run/secret.conf", f"Secret {path}\n")
        done = host.run(["prlimit", f"--as={SPACE}", "miredo", "-s", "9.0.0.2",
                         "-c", "/run/secret.conf"], check=False)
        assert done.returncode == 1, done
        assert f"{path}: not a regular file" in done.stderr


# -- another user of the host ---------------------------------------------


def test_port_is_not_shared(world):
    """Row 24: nobody else gets a datagram that is for the client.

    SO_REUSEADDR is enough for that where both have set it; SO_REUSEPORT is
    what our own threads use.
    """
    script = """
import socket
for option in (), (socket.SO_REUSEADDR,), (socket.SO_REUSEPORT,), (
        socket.SO_REUSEADDR, socket.SO_REUSEPORT):
    for address in "0.0.0.0", "%s", "127.0.0.1":
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for o in option:
            s.setsockopt(socket.SOL_SOCKET, o, 1)
        try:
            s.bind((address, %d))
            print("bound", option, address)
        except OSError as problem:
            print(problem.errno)
""" % world.me
    said = world.host.run([*NOBODY, "python3", "-c", script]).stdout.split(
        "\n")[:-1]
    assert said == [str(errno.EADDRINUSE)] * 12


def test_datagrams_of_the_own_host(world):
    """Row 24: by loopback and by its own address; as a server, peer, client."""
    bodies = [t.bubble(t.address("9.0.2.2", world.me), world.address),
              t.udp6(world.address, world.address, data=b"evil"),
              t.udp6(world.native(), world.address, 7, 9000, b"evil"),
              t.origin(("9.9.9.9", 9)) + t.bubble("fe80::1", world.address)]
    script = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for body in %r:
    for ip in "127.0.0.1", "%s":
        s.sendto(bytes.fromhex(body), (ip, %d))
""" % ([body.hex() for body in bodies], *world.me)
    world.settle()
    world.delivered()
    world.host.run([*NOBODY, "python3", "-c", script])
    assert world.settle() == [] and world.delivered() == []


def test_spoofing_by_a_user(world):
    """Row 24: who has no privilege can still bind to any IPv6 address."""
    spoofed = [t.text6(a) for a in (
        world.native(), t.address("9.0.2.2", ("9.0.10.2", 4711)),
        world.peer()[1], world.address[:8] + bytes(4) + world.address[12:])]
    script = """
import socket
for source in %r:
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(41, 78, 1)             # IPV6_FREEBIND
    s.bind((source, 0))
    s.sendto(b"spoofed", ("%s", 7))
    print(source)
""" % (spoofed, t.text6(world.native()))
    world.settle()
    done = world.host.run([*NOBODY, "python3", "-c", script])
    assert done.stdout.split() == spoofed
    assert world.settle() == []


def test_user_who_calls_everybody(world):
    """Row 24, row 13: 3000 destinations; others go on, bubbles are few."""
    friend = world.native()
    world.befriend(friend)
    world.settle()
    began = tap.time.monotonic()
    for n in range(3000):
        world.talk(t.address("12.7.7.7", ("13.9.0.1", 1000 + n)))
        if n % 250 == 0:
            world.pump(seconds=.01)
    sent = world.settle()
    took = tap.time.monotonic() - began
    assert all(p.inner.is_bubble for p in sent)
    assert 100 <= len(sent) <= 2 * (100 + 100 * took)
    world.talk(friend, b"still there")
    assert world.wait(lambda p: p.inner.dst == friend).dst == RELAY


def test_messages_to_our_netlink_sockets(world):
    """Row 24: that the address is gone, says another user."""
    script = """
import socket, struct
s = socket.socket(16, socket.SOCK_RAW, 0)
message = struct.pack("=IHHII", 40, 21, 0, 0, 0) + struct.pack(
    "=BBBBI", 2, 24, 0, 0, 2) + struct.pack("=HH4s", 8, 1, bytes([%s])) * 2
for line in open("/proc/net/netlink").read().splitlines()[1:]:
    if line.split()[2] != "0":
        try:
            s.sendto(message, (int(line.split()[2]), 0))
            print("sent")
        except OSError as problem:
            print(problem.errno)
""" % world.me[0].replace(".", ", ")
    world.settle()
    said = world.host.run([*NOBODY, "python3", "-c", script]).stdout.split()
    assert said and set(said) <= {str(errno.EPERM), str(errno.ECONNREFUSED)}
    assert str(errno.EPERM) in said
    assert world.settle() == []
    assert teredo.address_of(world.host) == t.text6(world.address)


def test_pid_file_is_not_locked_by_others(net):
    """Row 24: who can lock it keeps the next start from working.

    A daemon that was killed leaves it behind.
    """
    relay = net.relay.daemon(["miredo"])
    relay.kill()
    assert net.relay.path("/run/miredo.pid").exists()
    done = net.relay.run([*NOBODY, "flock", "-n", "/run/miredo.pid", "true"],
                         check=False)
    assert done.returncode and "Permission denied" in done.stderr
    net.relay.daemon(["miredo"])


def test_names_in_a_directory_of_others(net):
    """Row 24: a state directory or PID file that somebody has prepared.

    What the names lead to is not touched, and nobody waits.
    """
    net.c2.run(["sh", "-c", "rm -rf /run/theirs; mkdir -m 777 /run/theirs; "
                "cd /run/theirs; echo precious >/run/precious; "
                "ln -s /run/precious teredo.state; "
                "ln -s /run/precious teredo.state.new; mkfifo pipe; "
                "ln -s /run/precious link.pid"])
    for pid in "link.pid", "pipe":
        done = net.c2.run(["miredo", "-p", f"/run/theirs/{pid}", "9.0.0.2"],
                          check=False)
        assert done.returncode == 1 and "PID file" in done.stderr, done
    client = net.c2.daemon(["miredo", "--state", "/run/theirs",
                            "9.0.0.2"])
    teredo.start_server(net, "ours")
    teredo.wait_address(net.c2, 20)
    assert client.stop() == 0
    assert net.c2.read("/run/precious") == "precious\n"
