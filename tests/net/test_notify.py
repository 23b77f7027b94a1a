# SPDX-License-Identifier: GPL-2.0-or-later
"""What a daemon tells the service manager that started it, and when."""

import pytest

from lab.host import wait_for
from manager import Manager


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


def test_packet_process_cannot_speak(net):
    """Only the main process has the manager's socket."""
    manager = Manager(net.c1, ["miredo", "-f", "9.0.0.2"])
    pid = manager.start()
    for name in "miredo", "miredo-keeper", "miredo-steward":
        for other in net.c1.run(["pgrep", "-x", name]).stdout.split():
            links = net.c1.run(["sh", "-c", "ls -l /proc/$0/fd", other])
            held = {line.rsplit("[", 1)[1].rstrip("]") for line in
                    links.stdout.splitlines() if "socket:[" in line}
            assert bool(held & peers(net.c1)) == (int(other) == pid), name
    manager.close()


def peers(host):
    """Inodes of sockets that are connected to the manager's."""
    rows = [line.split() for line in
            host.run(["ss", "-Hxn", "-a"]).stdout.splitlines()]
    (inode,) = [row[5] for row in rows if row[4] == "/run/manager/notify"]
    return {row[5] for row in rows if row[7] == inode}
