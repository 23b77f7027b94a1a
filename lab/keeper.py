# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds the namespaces of a lab, and nothing else.

One keeper process runs for each lab.  It forks one process for each host;
that process is the first of its own PID namespace and owns the network,
mount, IPC and host name namespaces.  It starts programs and opens sockets
there for the lab, which asks through a socket.

Everything hangs on that socket.  When the lab ends, however it ends, the
kernel closes the other side; the host's process sees the end of file and
exits; then the kernel kills whatever still runs in the PID namespace, and
the namespaces, links, mounts and files go with the last process.  Nothing has
a name in the file system, so nothing can stay behind.

Messages are JSON in one SOCK_SEQPACKET record each, file descriptors beside
them.  The process holds no secrets and checks nothing: its only peer is the
lab that started it.
"""

import ctypes
import json
import os
import select
import signal
import socket
import sys

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8
MS_BIND, MS_MOVE, MS_REC, MS_PRIVATE = 4096, 8192, 16384, 1 << 18
MNT_DETACH = 2
PR_SET_PDEATHSIG = 1

#: Directories a host may change without the machine noticing.
PRIVATE_COPIES = ("/etc", "/usr/libexec", "/var/lib")
DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "net/tun")

libc = ctypes.CDLL(None, use_errno=True)


def syscall(name, *args):
    """Call a function of the C library; raise OSError if it fails."""
    if getattr(libc, name)(*args) < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def mount(source, target, kind="none", flags=0, data=""):
    """mount(2), with the arguments as text."""
    syscall("mount", source.encode(), target.encode(), kind.encode(),
            ctypes.c_ulong(flags), data.encode())


def send(sock, message, fds=()):
    """Send one message and copies of some file descriptors."""
    socket.send_fds(sock, [json.dumps(message).encode()], list(fds))


def receive(sock):
    """Return (message, file descriptors); (None, []) at the end."""
    data, fds, _, _ = socket.recv_fds(sock, 1 << 20, 8)
    return (json.loads(data) if data else None), fds


def serve_lab(control):
    """Fork a host for each message, until the lab is gone."""
    home = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    while True:
        message, _ = receive(control)
        if message is None:
            break
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # A process may make one PID namespace for its children; going home
        # first allows the next one.
        syscall("setns", home, CLONE_NEWPID)
        syscall("unshare", CLONE_NEWPID)
        pid = os.fork()
        if pid == 0:
            control.close()
            far.close()
            os.close(home)
            become_host(near, message["name"])
        near.close()
        send(control, {"pid": pid}, [far.fileno()])
        far.close()
    try:
        while True:
            os.wait()
    except ChildProcessError:
        pass


def become_host(control, name):
    """Make the namespaces of one host, then serve; never returns."""
    status = 1
    try:
        syscall("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        syscall("unshare", CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS
                | CLONE_NEWIPC)
        socket.sethostname(name)
        private_mounts()
        log = log_socket()
        send(control, {"ready": True}, [log.fileno()])
        log.close()
        Agent(control).serve()
        status = 0
    except OSError as problem:
        send(control, {"failed": str(problem)})
    finally:
        os._exit(status)


def private_mounts():
    """Give this host its own /etc, /run, /dev, /proc and a few more."""
    mount("none", "/", flags=MS_REC | MS_PRIVATE)
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")

    # What the copies need is kept where nobody sees it: the tmpfs is taken
    # from the tree again, the mounts made of it hold it.
    mount("tmpfs", "/mnt", "tmpfs", 0, "mode=755")
    for path in PRIVATE_COPIES:
        if not os.path.isdir(path):
            continue
        base = "/mnt/" + path[1:].replace("/", "-")
        os.makedirs(base + "/upper")
        os.makedirs(base + "/work")
        mount("overlay", path, "overlay", 0, f"lowerdir={path},"
              f"upperdir={base}/upper,workdir={base}/work")
    private_devices("/mnt/dev")
    syscall("umount2", b"/mnt", MNT_DETACH)


def private_devices(new):
    """A /dev with few devices and room for a /dev/log."""
    os.mkdir(new)
    mount("tmpfs", new, "tmpfs", MS_NOSUID, "mode=755")
    os.mkdir(new + "/net")
    os.mkdir(new + "/shm")
    os.mkdir(new + "/pts")
    mount("tmpfs", new + "/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    mount("/dev/pts", new + "/pts", flags=MS_BIND)
    for device in DEVICES:
        if os.path.exists("/dev/" + device):
            open(f"{new}/{device}", "wb").close()
            mount("/dev/" + device, f"{new}/{device}", flags=MS_BIND)
    os.symlink("pts/ptmx", new + "/ptmx")
    os.symlink("/proc/self/fd", new + "/fd")
    for number, stream in enumerate(("stdin", "stdout", "stderr")):
        os.symlink(f"/proc/self/fd/{number}", f"{new}/{stream}")
    mount(new, "/dev", flags=MS_MOVE)


def log_socket():
    """Where syslog(3) of this host's programs sends its lines."""
    with open("/proc/sys/net/unix/max_dgram_qlen", "w") as knob:
        knob.write("4096")
    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    log.bind("/dev/log")
    os.chmod("/dev/log", 0o666)
    return log


class Agent:
    """The first process of a host: starts programs, reaps, opens sockets."""

    def __init__(self, control):
        self.control = control
        self.watched = {}       # PID -> where its exit status is written to
        self.ended = {}         # PID -> status of processes left to us
        self.wake, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        os.set_blocking(waker, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(waker)

    def serve(self):
        while True:
            ready, _, _ = select.select([self.control, self.wake], [], [])
            if self.wake in ready:
                os.read(self.wake, 512)
                self.reap()
            if self.control in ready:
                message, fds = receive(self.control)
                if message is None:
                    return
                self.answer(message, fds)

    def answer(self, message, fds):
        out = []
        try:
            reply = getattr(self, "do_" + message.pop("do"))(
                fds, out, **message)
        except OSError as problem:
            reply = {"errno": problem.errno, "error": str(problem)}
        for fd in fds:
            os.close(fd)
        send(self.control, reply, [sock.fileno() for sock in out])
        for sock in out:
            sock.close()

    def reap(self):
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            status = os.waitstatus_to_exitcode(status)
            self.ended[pid] = status
            report = self.watched.pop(pid, None)
            if report is not None:
                os.write(report, b"%d" % status)
                os.close(report)

    def do_spawn(self, fds, _out, argv, env, cwd):
        """fds: input, output, errors, and where to report the status."""
        failed, fail = os.pipe2(os.O_CLOEXEC)
        pid = os.fork()
        if pid == 0:
            try:
                self.execute(fds, argv, env, cwd)
            except OSError as problem:
                os.write(fail, b"%d" % problem.errno)
            finally:
                os._exit(127)
        os.close(fail)
        with open(failed, "rb") as pipe:
            code = pipe.read()
        if code:
            raise OSError(int(code), os.strerror(int(code)), argv[0])
        self.ended.pop(pid, None)
        self.watched[pid] = os.dup(fds[3])
        return {"pid": pid}

    @staticmethod
    def execute(fds, argv, env, cwd):
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGINT,
                       signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        for number in range(3):
            os.dup2(fds[number], number)
        os.chdir(cwd)
        os.execvpe(argv[0], argv, env)

    def do_socket(self, _fds, out, family, kind, proto):
        out.append(socket.socket(family, kind, proto))
        return {}

    def do_kill(self, _fds, _out, pid, sig):
        os.kill(pid, sig)
        return {}

    def do_alive(self, _fds, _out, pid):
        """Does it run?  If not, and it was ours to reap, how did it end?"""
        self.reap()
        try:
            os.kill(pid, 0)
            return {"alive": True, "status": None}
        except ProcessLookupError:
            return {"alive": False, "status": self.ended.get(pid)}


if __name__ == "__main__":
    serve_lab(socket.socket(fileno=int(sys.argv[1])))
