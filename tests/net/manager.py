# SPDX-License-Identifier: GPL-2.0-or-later
"""A service manager for one service, with what daemons see of systemd.

    manager = Manager(net.relay, ["miredo", "-f"])
    manager.start()                     # until READY=1
    assert manager.fields("STATUS")
    manager.stop()                      # SIGTERM, until all is gone
    manager.start()                     # is given what was stored

It listens at $NOTIFY_SOCKET, keeps descriptors as FileDescriptorStoreMax=
allows, and hands them to the next start.  It runs inside the host: the second
half of this file is that program, which is told what to do by a named pipe and
tells all it sees, a line of JSON each.
"""

import array
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys

WHERE = "/run/manager"


class Manager:
    """The test's side."""

    def __init__(self, host, argv, store=64, env=None, abstract=False):
        # Here, as the other half has no lab.
        from lab.host import wait_for
        self.host, self._wait_for = host, wait_for
        self.seen = 0           # events before the last start
        host.write("/run/manager.py", pathlib.Path(__file__).read_text())
        host.run(["rm", "-rf", WHERE])
        host.run(["mkdir", WHERE])
        host.run(["mkfifo", WHERE + "/do"])
        self.process = host.popen(
            ["/usr/bin/python3", "/run/manager.py", str(store),
             "abstract" if abstract else "path", *argv], env=env)
        self.wait("up")

    @property
    def events(self):
        """All there were, [what, ...] each."""
        return [json.loads(line) for line in
                self.process.out.split("\n")[:-1]]

    @property
    def err(self):
        """What the service wrote to standard error."""
        return self.process.err

    def wait(self, *what, timeout=20.0):
        """The first event since the last start that begins so."""
        return self._wait_for(
            lambda: next((event for event in self.events[self.seen:]
                          if event[:len(what)] == list(what)), None),
            f"{what} of {self.process}\n{self.process.out}{self.err}",
            timeout)

    def messages(self):
        """(PID, {name: value}) since the last start."""
        return [(event[1], event[2]) for event in self.events[self.seen:]
                if event[0] == "notify"]

    def fields(self, name):
        """The values that were given to it since the last start."""
        return [fields[name] for _, fields in self.messages()
                if name in fields]

    def wait_field(self, name, value=None, timeout=20.0):
        """Until it was given (this value)."""
        return self._wait_for(
            lambda: [given for given in self.fields(name)
                     if value in (None, given)],
            f"{name}={value} of {self.process}\n{self.process.out}{self.err}",
            timeout)

    def do(self, *words):
        """Have the other half do something."""
        with open(self.host.path(WHERE + "/do"), "w") as pipe:
            pipe.write(json.dumps(words) + "\n")

    def start(self, *more, wait=True):
        """Start it, with further options; its PID."""
        self.seen = len(self.events)
        self.do("start", *more)
        pid = self.wait("started")[1]
        if wait:
            self.wait_field("READY", "1")
        return pid

    def kill(self, sig):
        """Signal the main process."""
        self.do("kill", int(sig))

    def stop(self, sig=signal.SIGTERM):
        """Until all of it is gone; its status."""
        self.kill(sig)
        return self.wait("ended")[1]

    def stored(self):
        """Names of what is in the store."""
        self.seen = len(self.events)
        self.do("list")
        return self.wait("store")[1]

    def close(self):
        """No more of it."""
        self.do("quit")
        self.process.wait()


# -- inside the host ------------------------------------------------------


class Service:
    """The manager itself."""

    def __init__(self, store, how, argv):
        self.most, self.argv = int(store), argv
        self.store = []         # (name, descriptor)
        self.child = None
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.address = ("@" if how == "abstract" else "") \
            + WHERE + "/notify"
        self.notify.bind(self.address.replace("@", "\0"))
        if how != "abstract":
            os.chmod(self.address, 0o666)
        self.notify.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        # Both ways, so that it never ends.
        self.pipe = os.fdopen(os.open(WHERE + "/do", os.O_RDWR), "r")

    def tell(self, *event):
        print(json.dumps(event), flush=True)

    def run(self):
        import select
        signal.set_wakeup_fd(self.waker())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.tell("up")
        while True:
            ready, _, _ = select.select(
                [self.notify, self.pipe, self.awake], [], [])
            # All of it, before it is told how who said it has ended, or what
            # is in the store.
            while self.hear():
                pass
            if self.awake in ready:
                os.read(self.awake, 100)
            self.reap()
            if self.pipe in ready:
                what, *rest = json.loads(self.pipe.readline())
                getattr(self, "do_" + what)(*rest)

    def waker(self):
        self.awake, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        return waker

    def hear(self):
        """Take a message; false if there is none."""
        fds, pid = array.array("i"), 0
        try:
            text, ancillary, _, _ = self.notify.recvmsg(
                4096, 4096, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(data)
            elif level == socket.SOL_SOCKET:
                pid = array.array("i", data)[0]
        fields = dict(line.split("=", 1)
                      for line in text.decode().split("\n") if line)
        if "BARRIER" in fields:
            for fd in fds:
                os.close(fd)
        if "FDSTORE" in fields:
            for fd in fds:
                self.keep(fields["FDNAME"], fd)
        if "FDSTOREREMOVE" in fields:
            for name, fd in self.store:
                if name == fields["FDNAME"]:
                    os.close(fd)
            self.store = [(name, fd) for name, fd in self.store
                          if name != fields["FDNAME"]]
        self.tell("notify", pid, fields)
        return True

    def keep(self, name, fd):
        # systemd has each open file once.
        if len(self.store) >= self.most or any(
                self.same(fd, old) for _, old in self.store):
            os.close(fd)
        else:
            self.store.append((name, fd))

    @staticmethod
    def same(a, b):
        # SYS_kcmp of KCMP_FILE says what systemd asks.
        import ctypes
        import platform
        number = {"x86_64": 312, "aarch64": 272}[platform.machine()]
        return ctypes.CDLL(None).syscall(number, os.getpid(), os.getpid(),
                                         0, a, b) == 0

    def do_start(self, *more):
        environment = dict(os.environ, NOTIFY_SOCKET=self.address)
        moved = [os.dup(fd) for _, fd in self.store]

        def prepare():
            # Beyond the places they are to have.
            high = [os.dup2(fd, 200 + i) for i, fd in enumerate(moved)]
            for i, fd in enumerate(high):
                os.dup2(fd, 3 + i, inheritable=True)
            os.closerange(3 + len(high), 1000)

        if moved:
            environment["LISTEN_FDS"] = str(len(moved))
            environment["LISTEN_FDNAMES"] = ":".join(
                name for name, _ in self.store)
        pid = os.fork()
        if pid == 0:
            os.setsid()
            prepare()
            if moved:
                environment["LISTEN_PID"] = str(os.getpid())
            os.execvpe(self.argv[0], self.argv + list(more), environment)
        for fd in moved:
            os.close(fd)
        self.child = pid
        self.tell("started", pid)

    def do_kill(self, number):
        os.kill(self.child, number)

    def do_list(self):
        self.tell("store", [name for name, _ in self.store])

    def do_quit(self):
        subprocess.run(["pkill", "-KILL", "-s", str(self.child)],
                       check=False)
        sys.exit()

    def reap(self):
        if not self.child:
            return
        pid, status = os.waitpid(self.child, os.WNOHANG)
        if pid == 0:
            return
        # As KillMode=control-group: what is left of it goes, too.
        while subprocess.run(["pkill", "-KILL", "-s", str(pid)],
                             check=False).returncode == 0:
            pass
        self.child = None
        while self.hear():
            pass
        self.tell("ended", os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    Service(sys.argv[1], sys.argv[2], sys.argv[3:]).run()
