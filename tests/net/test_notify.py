# SPDX-License-Identifier: GPL-2.0-or-later
"""What a daemon tells the service manager that started it, and when."""

import re

import pytest

from lab.host import wait_for
from manager import Manager
from test_daemon import child_of, keeper_of, worker_of


def started(net, argv, **options):
    manager = Manager(net.relay, argv, **options)
    return manager, manager.start()


@pytest.mark.parametrize("abstract", [False, True])
def test_ready_and_stopping(net, abstract):
    """READY=1 when all is open and given up, by the main process."""
    manager, pid = started(net, ["miredo", "-f"], abstract=abstract)
    assert (pid, {"READY": "1"}) in manager.messages()
    assert manager.fields("MAINPID") == [str(pid)]
    assert net.relay.run(["ip", "-6", "route", "show", "2001::/32"]).stdout
    assert not manager.fields("STOPPING")
    assert manager.stop() == 0
    assert (pid, {"STOPPING": "1"}) in manager.messages()
    assert len(manager.fields("STOPPING")) == 1
    manager.close()


def test_in_the_background(net):
    """Type=notify with a daemon that forks: MAINPID tells which one it is."""
    manager = Manager(net.relay, ["miredo"])
    manager.start()
    (main,) = manager.fields("MAINPID")
    assert net.relay.read("/run/miredo.pid").strip() == main
    net.relay.run(["kill", main])
    wait_for(lambda: manager.fields("STOPPING"), "its last word")
    manager.close()


def test_failure_to_start(net):
    """Who cannot start is never ready."""
    manager = Manager(net.relay, ["miredo", "-f"])
    manager.start("--bind", "198.51.100.1", wait=False)
    assert manager.wait("ended")[1] == 1
    assert not manager.fields("READY")
    manager.close()


def test_client_is_ready_without_a_server(net):
    """A network that is down holds up no boot."""
    manager = Manager(net.c1, ["miredo", "-f", "9.0.0.2"])
    manager.start()
    assert "qualified" not in manager.err
    assert manager.stop() == 0
    manager.close()


def test_check_says_nothing(net):
    """ExecStartPre= with --check is not the start."""
    manager = Manager(net.relay, ["miredo"])
    manager.start("--check", wait=False)
    assert manager.wait("ended")[1] == 0
    assert manager.messages() == []
    manager.close()


def test_status_and_watchdog(net):
    """What systemctl shows, and that the packet process moves."""
    net.server.daemon(["miredo", "-s", "9.0.0.2"])
    manager = Manager(net.c1, ["miredo", "-f", "9.0.0.2"],
                      env={"WATCHDOG_USEC": "30000000"})
    manager.start()
    wait_for(lambda: [text for text in manager.fields("STATUS")
                      if "2001:0:900:2" in text], "the address as STATUS")
    manager.wait_field("WATCHDOG", "1")
    # It is passed on by the main process.
    assert len({pid for pid, _ in manager.messages()}) == 1
    manager.close()


def test_nobody_to_watch(net):
    """Without the control process the manager does not wait for a word."""
    net.relay.write("/etc/silent.conf", "ControlSocket none\n")
    manager = Manager(net.relay, ["miredo", "-f", "-c", "/etc/silent.conf"],
                      env={"WATCHDOG_USEC": "30000000"})
    manager.start()
    manager.wait_field("WATCHDOG_USEC", "0")
    manager.close()


def test_packet_process_cannot_speak(net):
    """Only the main process has the manager's socket; and what strangers can
    reach has no channel to it, other than the one that all have."""
    manager = Manager(net.c1, ["miredo", "-f", "9.0.0.2"])
    pid = manager.start()
    keeper, worker = keeper_of(net.c1, pid), worker_of(net.c1, pid)
    control = child_of(net.c1, keeper, "miredo-control")
    others = net.c1.run(["pgrep", "^miredo"]).stdout.split()
    assert len(others) >= 5
    for other in others:
        wait_for(lambda other=other: bool(
            sockets(net.c1, other) & peers(net.c1)) == (int(other) == pid),
            f"{other} to have what is its own")
    # The channel is what keeper and control process have in common, once the
    # latter has closed what it has not.
    wait_for(lambda: sockets(net.c1, keeper) & sockets(net.c1, control) and
             not sockets(net.c1, worker) & sockets(net.c1, control),
             "the control process to have what is its own")
    manager.close()


def sockets(host, pid):
    """Inodes of the sockets that a process has open."""
    links = host.run(["sh", "-c", "ls -l /proc/$0/fd", pid]).stdout
    return set(re.findall(r"socket:\[(\d+)\]", links))


def peers(host):
    """Inodes of sockets that are connected to the manager's."""
    rows = [line.split() for line in
            host.run(["ss", "-Hxn", "-a"]).stdout.splitlines()]
    (inode,) = [row[5] for row in rows if row[4] == "/run/manager/notify"]
    return {row[5] for row in rows if row[7] == inode}
