# SPDX-License-Identifier: GPL-2.0-or-later
"""The control process and its socket, from start to end."""

import signal

import pytest

from lab import control, teredo, wait_for
from manager import Manager
from test_daemon import child_of, is_clean, keeper_of, worker_of


def control_of(host, daemon):
    return child_of(host, keeper_of(host, daemon.pid), "miredo-control")


def test_killed_control_is_started_again(net):
    relay = net.relay.daemon(["miredo"])
    worker = worker_of(net.relay, relay.pid)
    old = control_of(net.relay, relay)
    net.relay.kill(old, signal.SIGKILL)
    wait_for(lambda: control_of(net.relay, relay) != old, "another one")
    assert control.status(net.relay)["good"]
    relay.wait_log("the control process was ended by signal 9")
    assert worker_of(net.relay, relay.pid) == worker


def test_next_packet_process_is_shown(net):
    """Its verdict, and counters that go on."""
    net.server.daemon(["miredo", "-s", "9.0.0.2"])
    client = net.c1.daemon(["miredo", "9.0.0.2"])
    teredo.wait_address(net.c1)
    before = control.status(net.c1)["packets"]["from_ipv4"]
    net.c1.kill(worker_of(net.c1, client.pid), signal.SIGKILL)
    now = wait_for(lambda: control.status(net.c1)["lives"] == 2 and
                   control.status(net.c1), "the next life")
    assert now["packets"]["from_ipv4"] >= before
    assert "restarted" in [note["reason"] for note in now["notes"]]


def test_stopped_packet_process_is_stuck(net):
    """After three beats, which are short if a service manager waits for them;
    who asks is answered all the time."""
    manager = Manager(net.relay, ["miredo", "-f"],
                      env={"WATCHDOG_USEC": "3000000"})
    worker = worker_of(net.relay, manager.start())
    control.wait_reason(net.relay, "ok")
    net.relay.kill(worker, signal.SIGSTOP)
    try:
        control.wait_reason(net.relay, "stuck")
        manager.wait_field("WATCHDOG", "1")     # until then it was said
    finally:
        net.relay.kill(worker, signal.SIGCONT)
    control.wait_reason(net.relay, "ok")
    assert manager.stop() == 0
    manager.close()


def test_socket_goes_with_the_daemon(net):
    relay = net.relay.daemon(["miredo"])
    assert net.relay.path(control.RELAY).exists()
    assert relay.stop() == 0
    assert is_clean(net.relay)


def configured(host, text):
    host.write("/etc/miredo/c.conf", text)
    return ["miredo", "-c", "/etc/miredo/c.conf"]


def test_none_is_wanted(net):
    net.relay.daemon(configured(net.relay, "ControlSocket none\n"))
    assert not net.relay.path(control.RELAY).exists()


def test_elsewhere(net):
    relay = net.relay.daemon(configured(net.relay,
                                        "ControlSocket /run/here\n"))
    assert control.status(net.relay, "/run/here")["good"]
    assert relay.stop() == 0
    assert not net.relay.path("/run/here").exists()


@pytest.mark.parametrize("text, what", [
    ("ControlSocket /run/nosuch/here\n", "create the directory"),
    ("ControlSocket /etc/miredo/c.conf\n", "a file that is no socket"),
    (f"ControlSocket /{'x' * 200}\n", "at most 107 bytes"),
    ("ControlGroup nosuch\n", 'group "nosuch" of ControlGroup does not exist'),
])
def test_refused(net, text, what):
    done = net.relay.run(configured(net.relay, text), check=False)
    assert done.returncode == 1 and what in done.stderr
    assert is_clean(net.relay)


def test_stale_socket_is_replaced(net):
    code = ("import os,socket; os.makedirs('/run/miredo', exist_ok=True); "
            "socket.socket(socket.AF_UNIX).bind('/run/miredo/control')")
    net.relay.run(["python3", "-c", code])
    net.relay.daemon(["miredo"])
    assert control.status(net.relay)["good"]


def test_second_daemon_has_none(net):
    """Its packets go their way; the log says what to do."""
    net.server.daemon(["miredo", "-s", "9.0.0.2"])
    net.c1.daemon(["miredo", "9.0.0.2"])
    teredo.wait_address(net.c1)
    other = net.c1.daemon(["miredo", "-i", "other", "--pidfile",
                           "/run/other.pid", "9.0.0.2"])
    other.wait_log("another daemon is asked there")
    assert control.status(net.c1)["interface"] == "teredo"
