# SPDX-License-Identifier: GPL-2.0-or-later
"""What somebody has of 1.2.6 goes on to work: Debian's unit, init scripts, hook
and files, unchanged, with our programs in the place of theirs.

(The sentences of 2004 are in test_daemon.py, files in tests/unit/test_compat.c,
scripts in test_client_interface.py.)
"""

import re
import shutil
import signal

import pytest

from lab import foreign, teredo
from lab.host import MIREDO_UID, NOGROUP_GID, wait_for


@pytest.fixture
def debian(net):
    """A function that makes a host one with Debian's package, and ours for its
    programs; what it put there is gone at the end."""
    made = []

    def make(host, *files):
        made.append(host)
        # No other host, nor the machine, sees this.
        host.run(["mount", "-t", "overlay", "overlay", "/usr/sbin", "-o",
                  "lowerdir=/run/programs:/usr/sbin"])
        for name in files:
            to = host.path("/" + name)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(foreign.fetch() / name, to)
        host.run(["mkdir", "-p", "/etc/miredo"])
        if "etc/miredo.conf" in files:
            # As the package's link does it.
            host.run(["ln", "-sf", "../miredo.conf", "/etc/miredo/miredo.conf"])
        return host

    yield make
    for host in made:
        host.run(["umount", "/usr/sbin"])
        host.run(["rm", "-rf", "/etc/miredo", "/etc/miredo.conf",
                  "/etc/miredo-server.conf"])


def name_server(host):
    """The packaged file's server is ours."""
    (name,) = re.findall(r"^ServerAddress\s+(\S+)",
                         host.read("/etc/miredo.conf"), re.M)
    host.write("/etc/hosts", f"127.0.0.1 localhost\n9.0.0.2 {name}\n")


def monitor(host, pidfile="/run/miredo.pid"):
    """The number in the PID file, if it is that of a process."""
    file = host.path(pidfile)
    pid = int(file.read_text()) if file.exists() else None
    return pid if pid and host.alive(pid) else None


def is_gone(host):
    """Nothing of a daemon is left."""
    return not host.processes() and host.run(
        ["ip", "link", "show", "teredo"], check=False).returncode


def test_unit(net, debian):
    """Each line of the unit as systemd would run it; and the packaged file and
    hook give an address."""
    host = debian(net.c1, "etc/miredo.conf", "etc/miredo/client-hook")
    name_server(host)
    net.server.daemon(["miredo-server", "-s", "9.0.0.2"])
    unit = dict(re.findall(
        r"^(Exec\w+)=(.*)$",
        (foreign.fetch() / "lib/systemd/system/miredo.service").read_text(),
        re.M))
    assert host.run(unit["ExecStartPre"].split()).stderr == ""
    daemon = host.popen(unit["ExecStart"].split())
    address = teredo.wait_address(host)
    # The packaged hook has set it.
    assert f"{address}/32" in host.run(["ip", "-6", "address"]).stdout
    host.run(unit["ExecReload"].replace("$MAINPID", str(daemon.pid)).split())
    wait_for(lambda: "SIGHUP" in daemon.err or "configuration" in daemon.err,
             "its answer to SIGHUP")
    assert daemon.poll() is None
    assert daemon.stop() == 0
    wait_for(lambda: is_gone(host), "its end")


def test_init_script(net, debian):
    """start, reload, restart, stop."""
    host = debian(net.c1, "etc/miredo.conf", "etc/init.d/miredo",
                  "etc/default/miredo")
    name_server(host)
    net.server.daemon(["miredo-server", "-s", "9.0.0.2"])
    script = "/etc/init.d/miredo"
    host.run([script, "start"])
    first = monitor(host)
    address = teredo.wait_address(host)
    host.run([script, "start"])             # it runs already: well
    assert monitor(host) == first
    host.run([script, "reload"])
    assert monitor(host) == first
    host.run([script, "restart"])
    second = wait_for(lambda: monitor(host), "the next one")
    assert second != first
    assert teredo.wait_address(host) == address
    host.run([script, "stop"])
    wait_for(lambda: is_gone(host), "its end")
    assert monitor(host) is None
    # A file that is wrong keeps it from a reload.
    host.run([script, "start"])
    host.write("/etc/miredo.conf", "BindPort x\n")
    done = host.run([script, "reload"], check=False)
    assert done.returncode == 1 and "BindPort" in done.stdout + done.stderr
    host.run([script, "stop"])
    wait_for(lambda: is_gone(host), "its end")


def test_init_script_of_the_server(net, debian):
    """With a user of its own, as its defaults say."""
    host = debian(net.server, "etc/init.d/miredo-server",
                  "etc/default/miredo-server")
    host.write("/etc/passwd", host.read("/etc/passwd") +
               f"miredo-server:x:{MIREDO_UID + 1}:{NOGROUP_GID}::/:/bin/false\n")
    host.write("/etc/miredo-server.conf", "ServerBindAddress 9.0.0.2\n")
    host.run(["ln", "-sf", "../miredo-server.conf",
              "/etc/miredo/miredo-server.conf"])
    script = "/etc/init.d/miredo-server"
    host.run([script, "start"])
    assert monitor(host, "/run/miredo-server.pid") is None  # START_… is unset
    host.run([script, "force-start"])
    pid = wait_for(lambda: monitor(host, "/run/miredo-server.pid"), "a server")
    keeper = host.run(["pgrep", "-P", str(pid), "-x", "miredo-keeper"]).stdout
    assert f"\nUid:\t{MIREDO_UID + 1}\t" in host.read(
        f"/proc/{keeper.strip()}/status")
    teredo_client = net.c1.daemon(["miredo", "9.0.0.2"])
    teredo.wait_address(net.c1)
    assert teredo_client.stop(signal.SIGTERM) == 0
    host.run([script, "stop"])
    wait_for(lambda: not monitor(host, "/run/miredo-server.pid"), "its end")


@pytest.mark.parametrize("argv, text, status", [
    (["-f", "/etc/x.conf"], "ServerAddress teredo.example.net\n", 0),
    (["/etc/x.conf"], "BindPort x\n", 255),
    (["-f", "/etc/missing.conf"], "", 255),
    (["-f", "/etc/x.conf"], "NoSuchThing 1\n", 255),
    (["-x"], "", 2),
])
def test_checkconf(net, argv, text, status):
    """0 and 255; -f is accepted."""
    net.relay.write("/etc/x.conf", text)
    done = net.relay.run(["miredo-checkconf", *argv], check=False)
    assert done.returncode == status
    assert bool(done.stderr) == (status != 0)
