# SPDX-License-Identifier: GPL-2.0-or-later
"""The units under the real systemd: what is only assumed elsewhere.

It is the first process of a machine of its own (machine.sh) on the network of a
host of the lab.  Nothing of the machine around it can be written by it.
"""

import json
import os
import pathlib
import re

import pytest

from lab import teredo
from lab.host import build_directory, wait_for

HERE = pathlib.Path(__file__).resolve().parent

#: In a group of its own, which is the root of what systemd sees of groups.
BOOT = """
mkdir -p /run/groups
mount -t cgroup2 cgroup2 /run/groups
mkdir -p /run/groups/miredo-$1
echo $$ > /run/groups/miredo-$1/cgroup.procs
umount /run/groups
exec unshare --mount --fork --kill-child --pid --uts --ipc --cgroup \
    sh /run/machine.sh "$0"
"""
#: Whether the kernel lends groups at all.
LENDS = """
mkdir -p /run/groups && mount -t cgroup2 cgroup2 /run/groups &&
mkdir /run/groups/miredo-$0 && rmdir /run/groups/miredo-$0
"""
SWEEP = """
mkdir -p /run/groups
mount -t cgroup2 cgroup2 /run/groups
find /run/groups/miredo-$0 -depth -type d -exec rmdir {} +
"""


class Machine:
    """A host of the lab under systemd."""

    def __init__(self, host, config):
        self.host = host
        if host.run(["unshare", "--mount", "sh", "-c", LENDS, host.pid],
                    check=False).returncode:
            pytest.skip("systemd needs control groups (cgroup2), and none can "
                        "be made here")
        host.write("/run/machine.sh", (HERE / "machine.sh").read_text())
        host.write("/run/machine.conf", config)
        host.write("/run/miredo.catalog", (
            HERE.parents[1] / "dist/miredo.catalog").read_text())
        self.process = host.popen(
            ["unshare", "--mount", "--fork", "--kill-child", "sh", "-euc",
             BOOT, build_directory(), host.pid])
        self.pid = wait_for(self._first, f"systemd: {self.process.err}", 60)
        wait_for(lambda: self.run("systemctl is-active multi-user.target",
                                  check=False).returncode == 0,
                 "the machine to be up", 60)

    def _first(self):
        assert self.process.poll() is None, self.process.err
        return self.host.run(["pgrep", "-o", "-x", "systemd"],
                             check=False).stdout.strip()

    def run(self, line, check=True):
        """A command of the shell, inside."""
        return self.host.run(
            ["nsenter", "-t", self.pid, "--mount", "--pid", "--uts", "--ipc",
             "--cgroup", "--root", "--wd", "sh", "-c", line],
            check=check, timeout=60)

    def property(self, name, unit="miredo"):
        """What systemd knows of a unit."""
        return self.run(f"systemctl show -P {name} {unit}").stdout.strip()

    def close(self):
        """No more of it."""
        self.process.kill()
        wait_for(lambda: not self.host.alive(int(self.pid)), "its end")
        wait_for(lambda: self.host.run(
            ["unshare", "--mount", "sh", "-c", SWEEP, self.host.pid],
            check=False).returncode == 0, "the groups to go")


@pytest.fixture(scope="module", autouse=True)
def released():
    """The programs as they are released: the units' filters know no sanitizer."""
    with pytest.MonkeyPatch.context() as patch:
        if "MIREDO_PLAIN" in os.environ:
            patch.setenv("MIREDO_BUILD", os.environ["MIREDO_PLAIN"])
        yield


@pytest.fixture
def machine(net):
    """A client of our server."""
    net.server.daemon(["miredo", "-s", "9.0.0.2"])
    there = Machine(net.c1, "ServerAddress 9.0.0.2\n")
    yield there
    there.close()


def sockets(host):
    """address:port of each UDP socket, and which socket it is; but of those that
    ask the router for a port (PortMapping)."""
    return sorted(re.findall(
        r"^(?!.*miredo-(?:gateway|mapper)).* (\S+:\d+) .* (ino:\d+)",
        host.run(["ss", "-Hunlep"]).stdout, re.M))


def test_life_of_a_service(net, machine):
    """start, status, reload, restart, a crash, stop."""
    machine.run("systemctl start miredo")
    address = teredo.wait_address(net.c1)
    wait_for(lambda: machine.property("StatusText") == f"qualified: {address}",
             "the status line")
    machine.run("journalctl --update-catalog")
    # The journal has what is known of it, and the catalogue the rest.
    entry = json.loads(wait_for(lambda: machine.run(
        "journalctl -o json TEREDO_REASON=ok").stdout, "it in the journal"))
    assert entry["TEREDO_ADDRESS"] == address
    assert entry["_SYSTEMD_UNIT"] == "miredo.service"
    assert entry["MESSAGE"].startswith("qualified: ")
    assert f"The Teredo client has the address {address}" in machine.run(
        f"journalctl -x MESSAGE_ID={entry['MESSAGE_ID']}").stdout
    first, before = machine.property("MainPID"), sockets(net.c1)
    assert int(machine.property("NFileDescriptorStore")) >= 2

    machine.run("echo RefreshInterval 40 >> /etc/miredo/miredo.conf")
    machine.run("systemctl reload miredo")
    wait_for(lambda: "RefreshInterval" in machine.run(
        "journalctl TEREDO_REASON=reload-applied").stdout, "its answer")
    machine.run("echo DSCP x >> /etc/miredo/miredo.conf")
    machine.run("systemctl reload miredo")
    wait_for(lambda: "not applied" in machine.run(
        "journalctl TEREDO_REASON=reload-failed").stdout, "its refusal")
    machine.run("sed -i /DSCP/d /etc/miredo/miredo.conf")
    assert machine.property("MainPID") == first
    assert machine.property("ActiveState") == "active"

    machine.run("systemctl restart miredo")
    assert machine.property("MainPID") != first
    assert teredo.wait_address(net.c1) == address
    assert sockets(net.c1) == before

    second = machine.property("MainPID")
    machine.run("systemctl kill --signal=KILL miredo")
    wait_for(lambda: machine.property("MainPID") not in (second, "0")
             and machine.property("ActiveState") == "active",
             "systemd to start it again", 60)
    assert teredo.wait_address(net.c1) == address
    assert sockets(net.c1) == before

    machine.run("systemctl stop miredo")
    wait_for(lambda: not sockets(net.c1), "the store to be emptied")
    assert net.c1.run(["ip", "link", "show", "teredo"],
                      check=False).returncode
    assert machine.property("Result") == "success"


def test_watchdog(net, machine):
    """A packet process that does not move is not left so."""
    machine.run("mkdir -p /run/systemd/system/miredo.service.d && "
                "printf '[Service]\\nWatchdogSec=5\\n' > "
                "/run/systemd/system/miredo.service.d/soon.conf && "
                "systemctl daemon-reload && systemctl start miredo")
    address = teredo.wait_address(net.c1)
    machine.run("kill -STOP $(pgrep -x -P $(pgrep -x miredo-keeper) miredo)")
    wait_for(lambda: machine.property("NRestarts") != "0"
             and machine.property("ActiveState") == "active",
             "systemd to start it again", 60)
    assert teredo.wait_address(net.c1) == address
    wait_for(lambda: "Watchdog timeout" in machine.run(
        "journalctl -u miredo").stdout, "the reason in the journal")


def test_another_instance(net, machine):
    """miredo@more beside it; each is asked at its own socket."""
    # Two clients, so one has its routes in a table of its own.
    machine.run("(cat /etc/miredo/miredo.conf; echo RouteTable 77) > "
                "/etc/miredo/more.conf")
    machine.run("systemctl start miredo miredo@more")
    one = teredo.wait_address(net.c1)
    for path, interface in (("miredo", "teredo"), ("miredo-more", "more")):
        shown = machine.run(f"/opt/miredoctl -S /run/{path}/control status "
                            "--json", check=False).stdout
        assert f'"interface": "{interface}"' in shown.replace('":"', '": "')
    assert one in machine.run("/opt/miredoctl status").stdout


def test_wrong_configuration(machine):
    """It is not started at all, and the journal says why."""
    machine.run("echo BindPort x >> /etc/miredo/miredo.conf")
    assert machine.run("systemctl start miredo", check=False).returncode
    wait_for(lambda: "miredo.conf:2: BindPort" in machine.run(
        "journalctl -u miredo").stdout, "the reason in the journal")


def metrics(machine):
    """miredo-exporter.socket: who asks is answered, and leaves no trace."""
    ask = "curl -sg -w '%{http_code}' http://[::1]:9544"
    assert machine.run(ask, check=False).returncode
    machine.run("systemctl start miredo-exporter.socket")
    for _ in range(3):
        text = machine.run(ask + "/metrics").stdout
        assert 'teredo_info{role="server"' in text and text.endswith("200")
    assert machine.run(ask).stdout.endswith("404")
    def lines():
        return machine.run("journalctl -o cat -t miredo-exporter").stdout

    wait_for(lines, "its line in the journal")
    assert lines() == "miredo-exporter: listening at port 9544\n"
    machine.run("systemctl stop miredo-exporter.service")
    assert machine.property("Result", "miredo-exporter") == "success"


def test_server(net):
    """miredo-server.service has what a server needs."""
    machine = Machine(net.server, "")
    try:
        machine.run("echo ServerBindAddress 9.0.0.2 > "
                    "/etc/miredo/miredo-server.conf")
        machine.run("systemctl start miredo-server")
        net.c1.daemon(["miredo", "9.0.0.2"])
        teredo.wait_address(net.c1)
        before = sockets(net.server)
        machine.run("systemctl restart miredo-server")
        assert sockets(net.server) == before
        assert machine.property("NRestarts", "miredo-server") == "0"
        metrics(machine)
    finally:
        machine.close()
