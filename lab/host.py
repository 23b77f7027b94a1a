# SPDX-License-Identifier: GPL-2.0-or-later
"""A host of the lab: runs programs and daemons, keeps their logs.

Each host has its own network, processes, host name, /etc, /run, /dev and
/var/lib.  What it writes there is gone with the lab.  /tmp and the rest of the
file system are the machine's own.  The programs of the build directory (the
environment variable MIREDO_BUILD, or ./build) are copied in at the start and
found by their bare name: so each user of the host may run them, wherever the
repository is.
"""

import collections
import contextlib
import ctypes
import fcntl
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

from lab import keeper

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
MIREDO_UID = 64123
#: How long to wait for what must come, seconds: much longer than it takes on a
#: machine that is busy, and less than the shortest wait of a client that has
#: nothing to do (22.5 s), which would do in the end what is to be done at once.
PATIENCE = 20.0
NOGROUP_GID = 65534

# From linux/sockios.h and linux/ethtool.h: set transmit checksums, scatter and
# gather, TSO, GSO, GRO; in this order one allows the next.
SIOCETHTOOL = 0x8946
ETHTOOL_OFFLOADS = (0x17, 0x19, 0x1f, 0x24, 0x2c)

#: In each host: our programs, and where sanitizers write what they find.
PROGRAMS = "/run/programs"
REPORTS = "/run/reports"
#: LeakSanitizer looks at a process at its end; what it says of one that is
#: killed meanwhile is not about us.
NOT_FOUND = re.compile(r"^==\d+==Unable to get registers from thread \d+\.\n",
                       re.MULTILINE)

#: What an installed Miredo has in the machine's /etc.
FOREIGN_FILES = ("/etc/miredo", "/etc/miredo.conf", "/etc/miredo-server.conf")

LogLine = collections.namedtuple("LogLine", "time severity text facility",
                                 defaults=[None])


class LabError(Exception):
    """Something in the lab did not do what it was asked for."""


def build_directory():
    """Where our programs were built."""
    return pathlib.Path(os.environ.get("MIREDO_BUILD")
                        or REPOSITORY / "build").resolve()


def wait_for(condition, what, timeout=PATIENCE, every=0.01):
    """Call `condition` until it returns something true; return that.

    Raises TimeoutError naming `what` when the time is over.
    """
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"waited {timeout:g} s in vain for {what}")
        time.sleep(min(every, left))


class Process:
    """A program started in a host; its output is kept, never blocks it."""

    def __init__(self, host, argv, env, cwd, input):
        self.host, self.argv, self.returncode = host, argv, None
        self._out = os.memfd_create("out", os.MFD_CLOEXEC)
        self._err = os.memfd_create("err", os.MFD_CLOEXEC)
        self._status, report = os.pipe2(os.O_CLOEXEC)
        stdin = os.memfd_create("in", os.MFD_CLOEXEC)
        if input:
            os.pwrite(stdin, input.encode(), 0)
        try:
            reply, _ = host.ask({"do": "spawn", "argv": argv, "env": env,
                                 "cwd": str(cwd)},
                                [stdin, self._out, self._err, report])
        except OSError as problem:
            raise LabError(
                f"{self}: {os.strerror(problem.errno)} (looked in "
                f"{build_directory()} and where the system has programs)"
            ) from None
        finally:
            os.close(stdin)
            os.close(report)
        #: Process number inside the host.
        self.pid = reply["pid"]

    def __del__(self):
        for fd in (self._out, self._err, self._status):
            os.close(fd)

    @staticmethod
    def _text(fd):
        size = os.fstat(fd).st_size
        return os.pread(fd, size, 0).decode(errors="replace")

    @property
    def out(self):
        """Standard output so far."""
        return self._text(self._out)

    @property
    def err(self):
        """Standard error so far."""
        return self._text(self._err)

    def poll(self):
        """The exit status, minus the signal if killed; None if it runs."""
        return self._wait(0)

    def wait(self, timeout=30.0):
        """Wait for the end; return the exit status."""
        if self._wait(timeout) is None:
            raise TimeoutError(f"{self} still runs after {timeout:g} s\n"
                               f"{self.out}{self.err}")
        return self.returncode

    def _wait(self, timeout):
        if self.returncode is None:
            poller = select_poll(self._status)
            if poller.poll(timeout * 1000):
                text = os.read(self._status, 16)
                self.returncode = int(text) if text else -signal.SIGKILL
        return self.returncode

    def send_signal(self, sig):
        """Signal the process, unless it has ended."""
        if self.poll() is None:
            self.host.kill(self.pid, sig)

    def kill(self):
        """Kill the process."""
        self.stop(signal.SIGKILL)

    def stop(self, sig=signal.SIGTERM, timeout=PATIENCE):
        """Signal the process and wait for its end; return its status."""
        self.send_signal(sig)
        return self.wait(timeout)

    def finish(self):
        """End it, by force if need be; how it ended is nobody's business."""
        try:
            self.stop()
        except TimeoutError:
            self.kill()

    def __str__(self):
        return f"`{' '.join(self.argv)}` on {self.host.name}"


def select_poll(fd):
    """A poll object waiting for input on one descriptor."""
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    return poller


class Daemon:
    """A daemon running on a host, detached or in the foreground."""

    #: Unknown as long as nobody asks, like that of a Process.
    returncode = None

    def __init__(self, host, argv, process, since):
        self.host, self.argv, self.process = host, argv, process
        #: Process and session number inside the host.
        self.pid = self.session = None
        self._since = since

    def alive(self):
        """Does it still run?"""
        return self.host.alive(self.pid)

    @property
    def log(self):
        """What this host logged since the start, as one text.

        Lines sent to syslog, then what the program wrote itself.
        """
        lines = [line.text for line in self.host.log[self._since:]]
        return "\n".join(lines + [self.process.out + self.process.err])

    def wait_log(self, pattern, timeout=PATIENCE):
        """Wait until the log has a match of `pattern`; return the match."""
        return wait_for(lambda: re.search(pattern, self.log),
                        f"/{pattern}/ in the log of {self}", timeout)

    def stop(self, sig=signal.SIGTERM, timeout=PATIENCE):
        """Signal the daemon, wait until it is gone; return its exit status.

        Gone is also whatever else runs in its session.  Does nothing to a
        daemon that is gone already.  Raises LabError if a sanitizer found
        something in it.
        """
        status = self._end(sig, timeout)
        self.host.check_reports()
        return status

    def finish(self):
        """End it, by force if need be; return what was wrong with its end.

        None if it ended with status 0, or its status was read or it was
        killed by somebody before.  Foreign daemons may end as they like.
        """
        known = self.pid in self.host.known
        try:
            status = self._end(signal.SIGTERM, PATIENCE)
        except TimeoutError as problem:
            status = problem
            self.kill()
        if known or not status or self.argv[0].startswith("/"):
            return None
        return f"{self} did not end well: {status}\n{self.log}"

    def _end(self, sig, timeout):
        try:
            self.host.kill(self.pid, sig)
        except ProcessLookupError:
            pass
        wait_for(lambda: not self.alive(), f"{self} to end", timeout)
        wait_for(lambda: not self._session("pgrep"),
                 f"all processes of {self} to end", timeout)
        return self.host.exit_status(self.pid)

    @contextlib.contextmanager
    def paused(self):
        """It does nothing as long as the context; what comes in piles up."""
        self._session("pkill", "-STOP")
        try:
            yield
        finally:
            self._session("pkill", "-CONT")

    def kill(self):
        """Kill all of it, as the kernel does when memory is short."""
        self.host.known.add(self.pid)
        self._session("pkill", "-KILL")
        wait_for(lambda: not self._session("pgrep"), f"{self} to be killed")

    def _session(self, command, *arguments):
        return self.host.run([command, *arguments, "-s", str(self.session)],
                             check=False).stdout

    def __str__(self):
        return f"`{' '.join(self.argv)}` on {self.host.name}"


class Host:
    """One host of the lab; made by Internet.add_host()."""

    def __init__(self, lab, name, control, pid, log):
        self.lab, self.name, self._control = lab, name, control
        self._lock = threading.Lock()
        #: Process number, outside, of the host's first process.
        self.pid = pid
        self._log, self._log_socket = [], log
        lab.reader.add(log, self._read_log)
        #: Process and Daemon objects started here that may still run.
        self.running = []
        #: Numbers of processes whose end was asked for or has been looked at.
        self.known = set()
        #: Addresses; lists, the main one first.
        self.addresses4, self.addresses6 = [], []
        self._furnish()

    def _furnish(self):
        """Files that each host has, or must not have."""
        self.run(["rm", "-rf", *FOREIGN_FILES])
        self.accounts()
        self.write("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n")
        self.resolver(None)
        self.path(PROGRAMS).mkdir()
        for program in (*build_directory().glob("miredo*"),
                        build_directory() / "teredo-mire"):
            if program.is_file() and os.access(program, os.X_OK):
                shutil.copyfile(program, self.path(PROGRAMS) / program.name)
                (self.path(PROGRAMS) / program.name).chmod(0o755)
        self.path(REPORTS).mkdir()
        self.path(REPORTS).chmod(0o1777)    # daemons have users of their own

    # -- addresses ------------------------------------------------------

    @property
    def ip4(self):
        """The main IPv4 address, as text."""
        return self.addresses4[0]

    @property
    def ip6(self):
        """The main native IPv6 address, as text."""
        return self.addresses6[0]

    # -- programs -------------------------------------------------------

    def ask(self, message, fds=()):
        """Have the host's first process do something; for lab code."""
        with self._lock:
            keeper.send(self._control, message, fds)
            reply, received = keeper.receive(self._control)
        if reply is None:
            raise LabError(f"host {self.name} is gone")
        if "errno" in reply:
            raise OSError(reply["errno"], reply["error"])
        return reply, received

    def popen(self, argv, env=None, cwd="/", input=None):
        """Start a program; returns a Process at once."""
        argv = [str(arg) for arg in argv]
        full = dict(os.environ, LC_ALL="C.UTF-8", HOME="/")
        full["PATH"] = f"{PROGRAMS}:/usr/local/sbin:/usr/local/bin:" \
            "/usr/sbin:/usr/bin:/sbin:/bin"
        full.update(env or {})
        for name in "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS":
            # A detached daemon's standard error is nowhere.
            full[name] = f"{full.get(name, '')}:log_path={REPORTS}/log"
        process = Process(self, argv, full, cwd, input)
        self.running = [old for old in self.running
                        if old.returncode is None] + [process]
        return process

    def run(self, argv, timeout=30.0, check=True, **options):
        """Run a program to its end; returns subprocess.CompletedProcess.

        `stdout` and `stderr` are text.  A status other than zero raises
        LabError with both, unless `check` is false.  A program that is too
        slow is killed, and TimeoutError raised.
        """
        process = self.popen(argv, **options)
        try:
            status = process.wait(timeout)
        except TimeoutError:
            self.kill(-process.pid, signal.SIGKILL)
            raise
        if check and status:
            raise LabError(f"{process}: status {status}\n"
                           f"{process.out}{process.err}")
        return subprocess.CompletedProcess(process.argv, status,
                                           process.out, process.err)

    def daemon(self, argv, pidfile=None, timeout=PATIENCE, **options):
        """Start a daemon and wait until it is up; returns a Daemon.

        With -f among its arguments it stays our child; without, it must
        detach with status zero.  Up means: a living process is named by
        its PID file (by default /run/miredo.pid, or /run/miredo-server.pid
        for a server).
        """
        argv = [str(arg) for arg in argv]
        server = ("server" in os.path.basename(argv[0]) or "-s" in argv
                  or any(arg.startswith("--server") for arg in argv))
        pidfile = pidfile or ("/run/miredo-server.pid" if server
                              else "/run/miredo.pid")
        since = len(self.log)
        process = self.popen(argv, **options)
        daemon = Daemon(self, process.argv, process, since)
        stays = "-f" in argv or "--foreground" in argv
        deadline = time.monotonic() + timeout

        def left():
            return max(0.0, deadline - time.monotonic())

        try:
            if not stays and process.wait(left()):
                raise LabError(f"status {process.returncode}")
            daemon.pid = wait_for(
                lambda: self._living(pidfile) or process.returncode
                or (stays and process.poll() is not None and "ended"),
                f"a process named by {pidfile}", left())
            if stays and process.returncode is not None:
                raise LabError(f"ended with status {process.returncode}")
        except (LabError, TimeoutError) as problem:
            raise LabError(f"{process} did not come up: {problem}\n"
                           f"{daemon.log}") from None
        daemon.session = int(self.run(
            ["ps", "-o", "sid=", "-p", str(daemon.pid)]).stdout)
        self.known.discard(daemon.pid)
        self.running.append(daemon)
        return daemon

    def stop_all(self, but=()):
        """End all programs started here, except some; kill the stubborn.

        Raises LabError if a daemon of ours did not end well, now or, unseen,
        before; or if a sanitizer found something.
        """
        ended = [thing for thing in reversed(self.running)
                 if thing not in but]
        self.running = [thing for thing in self.running if thing in but]
        problems = [thing.finish() for thing in ended]
        self.check_reports(problem for problem in problems if problem)

    def check_reports(self, problems=()):
        """Raise LabError about problems, and what sanitizers have found."""
        problems = list(problems)
        for file in sorted(self.path(REPORTS).iterdir()):
            report = NOT_FOUND.sub("", file.read_text(errors="replace"))
            file.unlink()
            if report:
                problems.append(report)
        if problems:
            raise LabError(f"on {self.name}:\n" + "\n".join(problems))

    def processes(self):
        """Numbers of the processes of our daemons."""
        return [int(pid) for pid in
                self.run(["pgrep", "-x",
                          "miredo|miredo-server|miredo-keeper"],
                         check=False).stdout.split()]

    def _living(self, pidfile):
        try:
            pid = int(self.read(pidfile))
        except (OSError, ValueError):
            return None
        return pid if self.alive(pid) else None

    def kill(self, pid, sig=signal.SIGTERM):
        """kill(2) inside the host."""
        self.ask({"do": "kill", "pid": pid, "sig": int(sig)})
        if sig == signal.SIGKILL:
            self.known.add(pid)

    def alive(self, pid):
        """Is there such a process in the host?"""
        return self.ask({"do": "alive", "pid": pid})[0]["alive"]

    def exit_status(self, pid):
        """Exit status of a detached process that has ended, else None."""
        status = self.ask({"do": "alive", "pid": pid})[0]["status"]
        if status is not None:
            self.known.add(pid)
        return status

    def socket(self, family, kind, proto=0):
        """A socket of this host's network, to use from here."""
        _, fds = self.ask({"do": "socket", "family": int(family),
                           "kind": int(kind), "proto": proto})
        return socket.socket(fileno=fds[0])

    def enter_command(self):
        """The shell command by which a person steps in."""
        return f"nsenter --all --target {self.pid} bash"

    # -- files ----------------------------------------------------------

    def path(self, path):
        """Where a file of this host is, seen from outside."""
        return pathlib.Path(f"/proc/{self.pid}/root{path}")

    def write(self, path, text):
        """Write a file of the host, with the directories above it.

        A link in its place is replaced.  It must not be followed: seen from
        here, it leads to the machine's own files.
        """
        file = self.path(path)
        for above in pathlib.PurePosixPath(path).parents[:-1]:
            if self.path(above).is_symlink():
                raise LabError(f"{self.name}: {above} is a symbolic link")
        if file.is_symlink():
            file.unlink()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def read(self, path):
        """The text of a file of the host."""
        return self.path(path).read_text()

    def accounts(self, user="miredo", group="nogroup"):
        """Give the host a user database; None leaves that one out."""
        users = ["root:x:0:0:root:/root:/bin/bash",
                 f"nobody:x:65534:{NOGROUP_GID}:nobody:/:/usr/sbin/nologin"]
        groups = ["root:x:0:"]
        if user:
            users.append(f"{user}:x:{MIREDO_UID}:{NOGROUP_GID}::/run/miredo:"
                         "/usr/sbin/nologin")
        if group:
            groups.append(f"{group}:x:{NOGROUP_GID}:")
        self.write("/etc/passwd", "\n".join(users) + "\n")
        self.write("/etc/group", "\n".join(groups) + "\n")

    def resolver(self, dns, options=""):
        """Have names looked up at net.dns; None: nowhere.

        options: of resolv.conf(5), like "timeout:1 attempts:1".
        """
        self.write("/etc/resolv.conf", f"nameserver {dns.address}\n"
                   f"options {options}\n" if dns else "")
        self.write("/etc/nsswitch.conf", "passwd: files\ngroup: files\n"
                   f"hosts: files{' dns' if dns else ''}\n")

    # -- network --------------------------------------------------------

    def readdress(self, address, device="eth0"):
        """Have another IPv4 address instead of all those there are.

        The router is .1 of its network, of 24 bits.
        """
        if self.addresses4 == [address]:
            return
        lines = [f"address del {old}/24 dev {device}"
                 for old in reversed(self.addresses4)]
        self.addresses4 = [address]
        self.ip(*lines, f"address add {address}/24 dev {device}",
                f"route replace default via {address.rpartition('.')[0]}.1")

    def ip(self, *lines):
        """Run `ip` commands, one a line."""
        self.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n")

    def nft(self, rules):
        """Load nftables rules."""
        self.run(["nft", "-f", "-"], input=rules)

    def sysctl(self, **settings):
        """Set network sysctls: sysctl(ipv6__conf__all__forwarding=1)."""
        self.run(["sh", "-c", "\n".join(
            f"echo {value} > /proc/sys/net/{key.replace('__', '/')}"
            for key, value in settings.items())])

    def offloads_off(self, device):
        """Make the device carry real packets: checksums filled, no jumbos."""
        self._offloads(device, 0)

    def offloads_on(self, device):
        """Make the device like a card of today: segments, merges, sums.

        A virtual cable has all of it from the start, but for GRO.
        """
        self._offloads(device, 1)

    def merging_off(self, device):
        """Switch GRO off again: what comes is seen as it came."""
        self._offloads(device, 0, ETHTOOL_OFFLOADS[-1:])

    def _offloads(self, device, value, which=ETHTOOL_OFFLOADS):
        with self.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for command in which:
                ethtool_set(sock, device, command, value)

    # -- log ------------------------------------------------------------

    @property
    def log(self):
        """Lines its programs sent to syslog: (time, severity, text, facility).

        All that were sent before, whether or not the reader has come to them.
        """
        with self.lab.reader.paused():
            self._read_log(self._log_socket)
        return self._log

    def _read_log(self, sock):
        while True:
            try:
                data = sock.recv(65536, socket.MSG_DONTWAIT)
            except OSError:             # no more there, or the lab has ended
                return
            self._log.append(parse_log(data))

    def wait_log(self, pattern, timeout=PATIENCE, since=0):
        """Wait for a syslog line with a match of `pattern`; return it."""
        return wait_for(
            lambda: next((line for line in self.log[since:]
                          if re.search(pattern, line.text)), None),
            f"/{pattern}/ in the log of {self.name}", timeout)

    def close(self):
        """Let go of the host: its programs are killed."""
        self._control.close()
        self._log_socket.close()

    def __repr__(self):
        return f"<Host {self.name}>"


def ethtool_set(sock, device, command, value):
    """Switch one offload of a device on or off."""
    value = ctypes.create_string_buffer(struct.pack("II", command, value))
    try:
        fcntl.ioctl(sock, SIOCETHTOOL, struct.pack(
            "16sP16x", device.encode(), ctypes.addressof(value)))
    except OSError:
        pass                    # a device without that offload


def parse_log(data):
    """Make a LogLine of a record of syslog(3): `<30>Mon dd hh:mm:ss text`."""
    text = data.decode(errors="replace").rstrip("\n\0")
    severity = facility = None
    match = re.match(r"<(\d+)>(?:\w{3} [ \d]\d \d\d:\d\d:\d\d )?", text)
    if match:
        facility, severity = divmod(int(match[1]), 8)
        text = text[match.end():]
    return LogLine(time.time(), severity, text, facility)
