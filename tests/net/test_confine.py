# SPDX-License-Identifier: GPL-2.0-or-later
"""What each process of a daemon is, may do and sees: rows 25 to 31 of what is
promised (SECURITY.md).

With the programs as they are released, without sanitizers, which need more of
the system: MIREDO_PLAIN names their build directory; ./check makes one.  How
long the lists of system calls are, and that all else kills, is in
tests/unit/test_confine.c.
"""

import contextlib
import os
import pathlib
import platform
import re
import signal
import subprocess

import pytest

from lab import gateway, teredo, wait_for
from lab.host import MIREDO_UID, NOGROUP_GID, build_directory
from test_daemon import is_clean, keeper_of, status, worker_of

NET_ADMIN = 1 << 12
SERVER = "9.0.0.2"
HOOK = "#!/bin/sh\nid -u >/run/hook\n"

#: What runs beside monitor, reader, keeper, worker and control; how, and as
#: which daemon.
ROLES = {
    "server": ("server", ["-s", SERVER], []),
    "server and relay": ("server", ["-s", SERVER], []),
    "relay": ("relay", [], []),
    "client": ("c1", [SERVER], ["mapper", "steward"]),
    "client by name": ("c1", ["teredo.test"], ["mapper", "resolver", "steward"]),
    "client with hooks": ("c1", [SERVER], ["hooks", "mapper", "steward"]),
    "auto": ("c1", ["--role", "auto", SERVER], ["mapper", "steward"]),
}

STANDARD = {"/dev/null", "socket"}
KEPT = STANDARD | {"pidfile", "/dev/net/tun"}
LOOP = {f"anon_inode:[{what}]"
        for what in ("eventpoll", "signalfd", "timerfd", "eventfd")}
#: What may be open.
DESCRIPTORS = {
    # The directory of the control socket, which it removes.
    "monitor": STANDARD | {"pidfile", "anon_inode:[signalfd]", "/run/miredo",
                           "/run/miredo-server"},
    "keeper": KEPT | {"pipe", "anon_inode:[eventfd]"},
    "control": STANDARD | {"pipe", "anon_inode:[eventfd]"},
    "worker": KEPT | LOOP | {"pipe"},   # by which it says that it is ready
    "resolver": STANDARD,
    "mapper": STANDARD | {"anon_inode:[timerfd]", "pipe"},
    "reader": STANDARD,
    "steward": STANDARD | {"/proc/sys/net/ipv6/conf",
                           "/var/lib/miredo/teredo.state"},
    "hooks": STANDARD,
}


@pytest.fixture(scope="module")
def plain():
    """A build directory without sanitizers."""
    build = pathlib.Path(os.environ.get("MIREDO_PLAIN") or build_directory())
    needed = subprocess.run(["readelf", "-d", build / "miredo"], check=True,
                            capture_output=True, text=True).stdout
    if re.search(r"lib[a-z]+san\.so", needed):
        pytest.skip("MIREDO_PLAIN names no build without sanitizers")
    return build


@pytest.fixture(scope="module")
def lab(make_lab, plain):
    """Its hosts have the programs of that build."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIREDO_BUILD", str(plain))
        return make_lab()


def start(net, role):
    """A daemon of this role at work; it, and {kind: process number}."""
    where, argv, more = ROLES[role]
    host = getattr(net, where)
    host.run(["rm", "-rf", "/etc/miredo", "/var/lib/miredo"])
    host.write("/etc/hosts", f"127.0.0.1 localhost\n{SERVER} teredo.test\n")
    if "hooks" in more:
        host.write("/etc/miredo/hooks.d/one", HOOK)
        host.path("/etc/miredo/hooks.d/one").chmod(0o755)
    if role == "server and relay":
        host.write("/etc/miredo/both.conf", "Relay yes\n")
        argv = ["-c", "/etc/miredo/both.conf", *argv]
    if where == "c1":
        net.server.daemon(["miredo", "-s", SERVER])
    daemon = host.daemon(["miredo", *argv])
    if where == "c1":
        teredo.wait_address(host)
    return daemon, processes(daemon, more)


def processes(daemon, more):
    """{kind: process number}; there are no others, as soon as all have come to
    what they are, and scripts have ended."""
    host = daemon.host
    gateway.settled(host)
    known = {"monitor": daemon.pid, "keeper": keeper_of(host, daemon.pid),
             "worker": worker_of(host, daemon.pid)}

    def all_of_them():
        found = dict(known)
        for kind in ["reader", "control", *more]:
            pids = host.run(["pgrep", "-x", f"miredo-{kind}"],
                            check=False).stdout.split()
            if len(pids) != 1:
                return None
            found[kind] = int(pids[0])
        session = host.run(["pgrep", "-s", str(daemon.session)]).stdout
        return found if sorted(map(int, session.split())) == sorted(
            found.values()) and all(
                kind == "hooks" or status(host, pid)["Seccomp"] == ["2"]
                for kind, pid in found.items()) else None

    return wait_for(all_of_them, f"no others than {known} and {more}")


def links(host, pid, directory):
    """What the links in a directory of /proc are for."""
    shown = host.run(["find", f"/proc/{pid}/{directory}", "-type", "l",
                      "-printf", "%l\n"]).stdout
    return [re.sub(r"^(socket|pipe):.*|.*\.pid$", lambda it:
                   it[1] or "pidfile", line) for line in shown.splitlines()]


# -- what they are ------------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
def test_rights(net, role):
    """Rows 26, 27, 28: who they are, what they hold, what they can get."""
    daemon, found = start(net, role)
    for kind, pid in found.items():
        now = status(daemon.host, pid)
        is_root = kind in ("monitor", "reader", "hooks")
        may = NET_ADMIN if kind in ("steward", "hooks") else 0
        assert set(now["Uid"]) == {"0" if is_root else str(MIREDO_UID)}, kind
        if not is_root:
            assert set(now["Gid"]) == {str(NOGROUP_GID)}, kind
            assert now["Groups"] == [], kind
        for which in "CapEff", "CapPrm":
            assert int(now[which][0], 16) == may, (kind, which)
        # What an execve() could get: nothing, but for those of hooks.
        for which in "CapBnd", "CapInh":
            assert int(now[which][0], 16) == (may if kind == "hooks" else 0), \
                (kind, which)
        assert int(now["CapAmb"][0], 16) == 0, kind
        if kind != "hooks":
            assert now["NoNewPrivs"] == ["1"], kind
            assert now["Seccomp"] == ["2"], kind
    if "hooks" in found:
        wait_for(lambda: daemon.host.path("/run/hook").exists(), "the hook")
        assert daemon.host.read("/run/hook") == "0\n"


@pytest.mark.parametrize("role", ROLES)
def test_what_they_see(net, role):
    """Row 29: no file, and no descriptor but those that are of use."""
    daemon, found = start(net, role)
    host = daemon.host
    for kind, pid in found.items():
        # A script, and the file that it comes from, are open for a moment.
        wait_for(lambda kind=kind, pid=pid: set(links(host, pid, "fd"))
                 <= DESCRIPTORS[kind], f"{kind} to have no more than its own")
        root = host.run(["readlink", f"/proc/{pid}/root"]).stdout
        if kind in ("keeper", "worker", "control", "mapper", "steward"):
            assert root.endswith(" (deleted)\n"), kind
            assert not host.run(["ls", "-A", f"/proc/{pid}/root/"]).stdout
        else:
            assert root == "/\n"


def test_reader_sees_its_files(net):
    """And no others: what is elsewhere cannot be read, by whatever name."""
    net.relay.write("/run/conf/a.conf", "")
    net.relay.run(["ln", "-sf", "/etc/shadow", "/run/conf/link.conf"])
    daemon = net.relay.daemon(["miredo", "-c", "/run/conf/a.conf"])
    net.relay.write("/run/conf/a.conf", "ReplyRate 1\n")
    net.relay.kill(daemon.pid, signal.SIGHUP)
    daemon.wait_log("configuration applied: ReplyRate")
    for name, why in (("/run/conf/link.conf", "Permission denied"),
                      ("/etc/hostname", "Permission denied"),
                      ("/run/conf/none", "No such file")):
        since = len(daemon.log)
        net.relay.run(["ln", "-sf", name, "/run/conf/a.conf"])
        net.relay.kill(daemon.pid, signal.SIGHUP)
        wait_for(lambda: f"/run/conf/a.conf: {why}" in daemon.log[since:], why)
    assert daemon.stop() == 0


def test_not_by_root(net):
    """Who is not root has no empty root, but all else."""
    relay = net.relay.popen(
        ["unshare", "-m", "sh", "-c",
         "mount -t tmpfs none /dev/net && mknod -m $0 /dev/net/tun c 10 200 &&"
         " exec setpriv \"$@\" miredo -f", "666",
         "--reuid", MIREDO_UID, "--regid", NOGROUP_GID, "--clear-groups",
         "--inh-caps", "+net_admin", "--ambient-caps", "+net_admin",
         "--bounding-set", "-all,+net_admin"])
    wait_for(lambda: "relay on" in relay.err
             and len(net.relay.processes()) == 3, "the relay to start")
    for pid in net.relay.processes():
        now = wait_for(lambda: status(net.relay, pid)["Seccomp"] == ["2"]
                       and status(net.relay, pid), "its filter")
        assert int(now["CapEff"][0], 16) == 0 and now["NoNewPrivs"] == ["1"]
    assert relay.stop() == 0


# -- what becomes of those who do more ----------------------------------


def misuse(host, pid, call):
    """Have a process make another system call in the place of this one."""
    # What is traced is looked at by the filter after it was changed.
    tracer = host.popen(["strace", "-f", "-o", "/dev/null", "-p", pid,
                         "-e", f"trace={call}",
                         "-e", f"inject={call}:retval=0:syscall=getuid"])

    def is_traced():
        try:
            return status(host, pid)["TracerPid"] != ["0"]
        except (FileNotFoundError, ProcessLookupError):
            return True     # it has made that call at once

    wait_for(is_traced, "strace")
    return tracer


@pytest.mark.parametrize("role", ["server", "relay", "client"])
def test_worker_that_does_more_is_killed(net, role):
    """Row 25: the kernel does it, the log says so, another one goes on."""
    daemon, found = start(net, role)
    tracer = misuse(daemon.host, found["worker"], "recvfrom")
    daemon.host.kill(daemon.pid, signal.SIGUSR1)    # comes as a message
    daemon.wait_log(r"the packet process was ended by signal 31 \(Bad system "
                    r"call\);  it made a system call that it never makes")
    tracer.wait()
    wait_for(lambda: "going on with" in daemon.log, "the next one")
    assert worker_of(daemon.host, daemon.pid) != found["worker"]
    assert daemon.stop() == 0


def test_steward_that_does_more_is_killed(net):
    daemon, found = start(net, "client")
    net.c1.known.add(daemon.pid)
    misuse(net.c1, found["steward"], "recvfrom")
    net.c1.ip("address add 2001:db8:99::9/64 dev eth0 nodad")
    try:
        wait_for(lambda: not daemon.alive(), "its end")
    finally:
        net.c1.ip("address del 2001:db8:99::9/64 dev eth0")
    daemon.wait_log("exiting: the steward is gone")
    daemon.wait_log("a helper of the packet process was ended by signal 31")
    wait_for(lambda: is_clean(net.c1), "a clean host")


def test_each_life_is_confined(net):
    """The worker after one that died is as the first one."""
    daemon, found = start(net, "client")
    net.c1.kill(found["worker"], signal.SIGKILL)
    wait_for(lambda: "going on with" in daemon.log, "the next one")
    wait_for(lambda: status(net.c1, worker_of(net.c1, daemon.pid))
             ["Seccomp_filters"] == ["2"], "its own filter")
    assert status(net.c1, found["keeper"])["Seccomp_filters"] == ["1"]


# -- secrets -------------------------------------------------------------


def has_in_memory(host, pid, what):
    """Do these bytes stand anywhere in a process?"""
    with open(host.path(f"/proc/{pid}/maps")) as maps, \
            open(host.path(f"/proc/{pid}/mem"), "rb", 0) as memory:
        for line in maps:
            where, rights = line.split()[:2]
            if not rights.startswith("r") or "[v" in line:
                continue
            start, end = (int(it, 16) for it in where.split("-"))
            memory.seek(start)
            with contextlib.suppress(OSError):
                if what in memory.read(end - start):
                    return True
    return False


@pytest.mark.parametrize("role", ["server", "client"])
def test_who_has_the_secrets(net, role):
    """Who signs has them; nobody whom others can reach otherwise."""
    secret = "moonlight-over-the-harbour"
    for host in net.server, net.c1:
        host.write("/etc/miredo/secrets", f"alice hmac-sha256 {secret}\n")
        host.path("/etc/miredo/secrets").chmod(0o600)
    net.server.write("/etc/miredo/s.conf", "Secret /etc/miredo/secrets\n")
    daemon = net.server.daemon(["miredo", "-c", "/etc/miredo/s.conf", "-s",
                                SERVER])
    more = []
    if role == "client":
        net.c1.write("/etc/miredo/c.conf", "Secret /etc/miredo/secrets\n"
                     "ClientID alice\n")
        daemon = net.c1.daemon(["miredo", "-c", "/etc/miredo/c.conf", SERVER])
        teredo.wait_address(net.c1)
        more = ["mapper", "steward"]
    found = processes(daemon, more)
    has = {kind for kind, pid in found.items()
           if has_in_memory(daemon.host, pid, secret.encode())}
    assert "worker" in has
    assert not has & {"control", "mapper", "steward", "reader", "monitor"}
    # And another one, that comes later.
    other = "sunrise-behind-the-lighthouse"
    daemon.host.write("/etc/miredo/secrets", f"alice hmac-sha256 {other}\n")
    daemon.host.path("/etc/miredo/secrets").chmod(0o600)
    daemon.host.kill(daemon.pid, signal.SIGHUP)
    daemon.wait_log("configuration applied: Secret")
    has = {kind for kind, pid in found.items()
           if has_in_memory(daemon.host, pid, other.encode())}
    assert {"worker", "reader"} <= has
    assert not has & {"control", "steward", "monitor"}
    # Not from anywhere.
    conf = daemon.host.path(f"/etc/miredo/{role[0]}.conf")
    daemon.host.write("/run/elsewhere/secrets", "alice hmac-sha256 k\n")
    daemon.host.path("/run/elsewhere/secrets").chmod(0o600)
    conf.write_text(conf.read_text().replace("/etc/miredo/", "/run/elsewhere/"))
    daemon.host.kill(daemon.pid, signal.SIGHUP)
    daemon.wait_log("/run/elsewhere/secrets: Permission denied")
    daemon.wait_log("cannot use another file of secrets while the daemon runs")
    daemon.wait_log("configuration not applied")


# -- the log ------------------------------------------------------------


LOGGER = """
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("/dev/log")
os.chmod("/dev/log", 0o666)
print("there", flush=True)
while True:
    sys.stdout.write(s.recv(9999).decode() + "\\n")
    sys.stdout.flush()
"""


@pytest.mark.parametrize("where, argv", [
    ("relay", []), ("server", ["-s", SERVER])])
def test_system_log_that_is_restarted(net, where, argv):
    """It is found again, though the packet process could not."""
    host = getattr(net, where)
    host.run(["mv", "/dev/log", "/dev/log.lab"])
    try:
        logger = host.popen(["python3", "-c", LOGGER])
        wait_for(lambda: "there" in logger.out, "another system log")
        daemon = host.daemon(["miredo", *argv])
        wait_for(lambda: " threads" in logger.out or " thread," in logger.out,
                 "what the packet process says")
        logger.kill()
    finally:
        host.run(["mv", "/dev/log.lab", "/dev/log"])
    host.kill(daemon.pid, signal.SIGUSR1)
    daemon.wait_log("threads: ")
    assert daemon.stop() == 0
    daemon.wait_log("exiting on SIGTERM")


# -- the programs themselves --------------------------------------------


def elf(plain, *options):
    return subprocess.run(["readelf", "-W", *options, plain / "miredo"],
                          check=True, capture_output=True, text=True).stdout


def test_hardened_binary(plain):
    """Row 31: what the compiler and linker can do."""
    assert "DYN (Position-Independent" in elf(plain, "-h")
    dynamic = elf(plain, "-d")
    assert re.search(r"FLAGS_1.*NOW.*PIE", dynamic)
    assert not re.search(r"R(UN)?PATH|TEXTREL", dynamic)
    segments = elf(plain, "-l")
    assert "GNU_RELRO" in segments
    assert re.search(r"GNU_STACK.* RW ", segments)
    assert not re.search(r"LOAD.* RWE ", segments)
    symbols = elf(plain, "--dyn-syms")
    assert "__stack_chk_fail" in symbols
    assert len(set(re.findall(r"__\w+_chk\b", symbols))) >= 3
    info = elf(plain, "--debug-dump=info")
    # The linker marks the whole for CET only if the C library's start files
    # are marked, too; those of Debian 12 are not.
    cet = ["-fcf-protection"] if platform.machine() == "x86_64" else []
    ours = [it for it in re.findall(r"DW_AT_producer.*", info) if "GNU C" in it]
    assert len(ours) > 20
    for it in ours:
        for flag in ["-fstack-clash-protection", "-fstack-protector-strong",
                     "-ftrivial-auto-var-init=zero", *cet]:
            assert flag in it
