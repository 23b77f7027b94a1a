# SPDX-License-Identifier: GPL-2.0-or-later
"""The units of systemd: the daemons live with what these allow.

There is no systemd in a namespace.  So the daemon is started as a unit starts
it, by its user, with its capability and without the others, and strace tells
which system calls it makes: each must be among those of SystemCallFilter.
(MemoryDenyWriteExecute and the like forbid what no program of ours does.)
"""

import pathlib
import re
import signal
import subprocess

import pytest

from lab.host import MIREDO_UID, NOGROUP_GID, build_directory, wait_for

UNITS = ["miredo", "miredo@", "miredo-server"]
#: Not one of a daemon.
EXPORTER = "miredo-exporter"


def directives(unit):
    """(name, value) of each line of the unit; of an instance "more"."""
    text = (build_directory() / f"dist/{unit}.service").read_text()
    return re.findall(r"^(\w+)=(.*)$", text.replace("%i", "more"), re.M)


def value(unit, name):
    (found,) = [value for key, value in directives(unit) if key == name]
    return found


def group(name):
    """The system calls of a group such as @system-service."""
    shown = subprocess.run(["systemd-analyze", "syscall-filter", name],
                           stdout=subprocess.PIPE, text=True, check=True)
    words = re.findall(r"^\s+(\S+)$", shown.stdout, re.M)
    return calls(words)


def calls(words):
    found = set()
    for word in words:
        found |= group(word) if word.startswith("@") else {word}
    return found


def allowed(unit):
    result = group("@default")
    for key, line in directives(unit):
        if key == "SystemCallFilter":
            change = calls(line.lstrip("~").split())
            result = result - change if line.startswith("~") \
                else result | change
    return result


@pytest.fixture(scope="module")
def lab(plain):
    return plain


def start(host, unit, *options):
    """As the unit does it; returns the process, traced."""
    cap = value(unit, "CapabilityBoundingSet").lower().removeprefix("cap_")
    assert value(unit, "AmbientCapabilities") == \
        value(unit, "CapabilityBoundingSet")
    path, *own = value(unit, "ExecStart").split()
    program = pathlib.Path(path).name
    host.run(["install", "-d", "-o", MIREDO_UID, "/var/lib/miredo",
              "/run/" + value(unit, "RuntimeDirectory")])
    return host.popen(
        ["unshare", "-m", "sh", "-c",
         "mount -t tmpfs none /dev/net && mknod -m $0 /dev/net/tun c 10 200 &&"
         " exec setpriv \"$@\"", "666",
         "--reuid", MIREDO_UID, "--regid", NOGROUP_GID, "--clear-groups",
         "--no-new-privs", "--inh-caps", f"-all,+{cap}",
         "--ambient-caps", f"-all,+{cap}", "--bounding-set", f"-all,+{cap}",
         "strace", "-f", "-qq", "-o", "/var/lib/miredo/trace",
         program, *own, *options])


def traced(host):
    return set(re.findall(r"^\d+ +(\w+)\(",
                          host.read("/var/lib/miredo/trace"), re.M))


def daemon_of(host, process):
    """The monitor: strace does not pass signals on."""
    (pid,) = [pid for pid in host.processes() if pid != process.pid and
              int(re.search(r"^PPid:\s+(\d+)", host.read(
                  f"/proc/{pid}/status"), re.M)[1]) == process.pid]
    return pid


@pytest.mark.parametrize("unit, where, config, ready", [
    ("miredo", "relay", None, "relay on"),
    ("miredo", "c1", "ServerAddress 9.0.0.2\nLocalDiscovery enabled\n"
     "LearnRefresh yes\n", "qualified"),
    ("miredo@", "relay", "BindPort 4000\n", "port 4000, interface more"),
    ("miredo-server", "server", "ServerBindAddress 9.0.0.2\n", "server on"),
])
def test_system_calls(net, unit, where, config, ready):
    """Row 30: the filter of the unit would not have killed it."""
    host = getattr(net, where)
    if where == "c1":
        net.server.daemon(["miredo", "-s", "9.0.0.2"])
    options = []
    if unit == "miredo@":
        host.write("/etc/miredo/more.conf", config)
    elif config:
        host.write("/etc/unit.conf", config)
        options = ["-c", "/etc/unit.conf"]
    process = start(host, unit, *options)
    wait_for(lambda: ready in process.err, "the daemon to start", 60)
    monitor = daemon_of(host, process)
    host.kill(monitor, signal.SIGHUP)
    wait_for(lambda: "configuration: nothing else" in process.err,
             "the answer to SIGHUP")
    host.kill(monitor, signal.SIGUSR1)
    wait_for(lambda: "threads:" in process.err, "the counters")
    host.kill(monitor, signal.SIGTERM)
    assert process.wait() == 0
    made = traced(host)
    assert {"socket", "bind", "capset", "prctl"} <= made
    # Refused there, and done without.
    if ("SystemCallErrorNumber", "EPERM") in directives(unit):
        made -= {"setpriority"}
    assert made <= allowed(unit), made - allowed(unit)


def test_system_calls_of_the_exporter(net):
    """As a stranger has it, and asked."""
    net.relay.daemon(["miredo"])
    net.relay.run(["install", "-d", "-o", "65534", "/run/traced"])
    process = net.relay.popen(
        ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
         "--no-new-privs", "--bounding-set", "-all", "--inh-caps", "-all",
         "strace", "-f", "-qq", "-o", "/run/traced/calls", EXPORTER])
    wait_for(lambda: "port 9544" in process.err, "the exporter")
    assert "teredo_info" in net.relay.run(
        ["curl", "-sfg", "http://[::1]:9544/metrics"]).stdout
    net.relay.kill(int(net.relay.run(["pgrep", "-P", process.pid]).stdout))
    process.wait()
    made = set(re.findall(r"^\d+ +(\w+)\(", net.relay.read("/run/traced/calls"), re.M))
    assert {"accept4", "connect", "poll"} <= made
    assert made <= allowed(EXPORTER), made - allowed(EXPORTER)


@pytest.mark.parametrize("unit", [*UNITS, EXPORTER])
def test_what_systemd_reads(unit, tmp_path):
    """It knows all directives, and the programs are there."""
    name = unit.replace("@", "@more") + ".service"
    text = (build_directory() / f"dist/{unit}.service").read_text()
    for socket in (build_directory() / "dist").glob(f"{unit}.socket"):
        (tmp_path / socket.name).write_text(socket.read_text())
    (tmp_path / name).write_text(re.sub(
        r"^(Exec\w+=)/\S+/(miredo\S*)", rf"\1{build_directory()}/\2", text,
        flags=re.M))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no",
                           tmp_path / name], stderr=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert name not in done.stderr, done.stderr


@pytest.mark.parametrize("unit", UNITS)
def test_readiness_and_restart(unit):
    """What the daemon speaks, and what it needs, is what the unit has."""
    given = dict(directives(unit))
    assert given["Type"] == "notify"
    assert given["NotifyAccess"] == "main"
    assert given["ExecStartPre"] == \
        given["ExecStart"].replace(" -f", " --check")
    assert given["ExecReload"] == "kill -HUP $MAINPID"
    assert int(given["FileDescriptorStoreMax"]) == 16
    assert given["WatchdogSec"] == "90s"
    assert given["RuntimeDirectory"] == unit.replace("@", "-more")
    text = (build_directory() / f"dist/{unit}.service").read_text()
    for line in text.splitlines():
        assert "network-online" not in line or line.startswith("#")


def test_instances_do_not_meet():
    """miredo@more shares neither interface nor file nor socket."""
    one, other = dict(directives("miredo")), dict(directives("miredo@"))
    different = {name for name in one if one[name] != other[name]}
    assert different == {"Description", "ExecStartPre", "ExecStart",
                         "RuntimeDirectory"}
    assert "-c /etc/miredo/more.conf --iface more" in other["ExecStart"]
    assert f"--control /run/{other['RuntimeDirectory']}/control" in \
        other["ExecStart"]
