# SPDX-License-Identifier: GPL-2.0-or-later
"""Flows of numbered packets, each of which is accounted for."""

import contextlib
import random
import select
import socket
import struct
import threading
import time

HEAD = struct.Struct("!QI")
#: Payloads are cut from this; their sizes go round up to what the MTU holds.
FILLING = random.Random(4380).randbytes(1200)
SO_RCVBUFFORCE = 33


def content(number, flow):
    """The payload of a packet."""
    return HEAD.pack(number, flow) + FILLING[:number * 37 % 1201]


class Account:
    """What became of numbers 0, 1, 2...: memory only for those missing."""

    def __init__(self):
        self.sent = self.received = 0
        #: Came again; came after a higher number; came with other bytes.
        self.again = self.late = self.wrong = 0
        self._highest = -1
        #: Number -> when it was sent, of those that have not come.
        self.missing = {}
        #: When that was sent which came last.
        self.heard = 0.0

    def next(self, now):
        """The number to send now."""
        self.missing[self.sent] = now
        self.sent += 1
        return self.sent - 1

    def came(self, number):
        """A packet with that number is there."""
        sent = self.missing.pop(number, None)
        if sent is None:
            self.again += 1
            return
        self.received += 1
        self.late += number < self._highest
        self._highest = max(number, self._highest)
        self.heard = max(sent, self.heard)

    def lost(self):
        """When those were sent that have not come, at the end or so far."""
        return sorted(self.missing.values())


class Flow(Account):
    """UDP packets from one host to another, over IPv6."""

    _count = 0

    def __init__(self, sender, receiver, to):
        super().__init__()
        Flow._count += 1
        self._id, self._port = Flow._count, 9100 + Flow._count
        self.title = f"{sender.name} > {receiver.name}"
        #: The address to send to; may change.
        self.to = to
        self._out = sender.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.sock = receiver.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        self.sock.bind(("::", self._port))
        self.sock.setblocking(False)

    def send(self, now):
        """Send the next one; if the host refuses, it counts as lost."""
        with contextlib.suppress(OSError):
            self._out.sendto(content(self.next(now), self._id),
                             (self.to, self._port))

    def receive(self):
        """Take what has come."""
        while True:
            try:
                data = self.sock.recv(2000)
            except OSError:
                return
            number = HEAD.unpack_from(data.ljust(HEAD.size, b"\0"))[0]
            if data == content(number, self._id):
                self.came(number)
            else:
                self.wrong += 1

    def close(self):
        """Let go of the sockets."""
        self._out.close()
        self.sock.close()


class Flows(threading.Thread):
    """Sends a packet of each flow, so many times a second, and receives."""

    def __init__(self, flows, rate):
        super().__init__(daemon=True)
        self.flows, self._every = flows, 1 / rate
        self._over = threading.Event()
        self._poller = select.poll()
        self._by_number = {}
        for flow in flows:
            self._poller.register(flow.sock, select.POLLIN)
            self._by_number[flow.sock.fileno()] = flow

    def run(self):
        due = time.monotonic()
        while not self._over.is_set():
            now = time.monotonic()
            if now < due:
                self._listen(due - now)
                continue
            # After a stall of the machine: no burst of what was not sent.
            due = max(due + self._every, now - 1)
            for flow in self.flows:
                flow.send(now)
                flow.receive()

    def _listen(self, seconds):
        for number, _ in self._poller.poll(seconds * 1e3):
            self._by_number[number].receive()

    def stop(self, patience=3.0):
        """Send no more; wait a little for what is on its way."""
        self._over.set()
        self.join()
        deadline = time.monotonic() + patience
        while any(flow.missing for flow in self.flows) \
                and (left := deadline - time.monotonic()) > 0:
            self._listen(left)
        for flow in self.flows:
            flow.close()
