# SPDX-License-Identifier: GPL-2.0-or-later
"""Watching a client from outside: pings, one-way packets, addresses, wake-ups.

All times are those of time.time(), as in captures.
"""

import contextlib
import ipaddress
import itertools
import select
import socket
import struct
import threading
import time

from lab.capture import payload

ECHO_REQUEST, ECHO_REPLY = 128, 129
ICMP6_FILTER = 1
TEREDO = ipaddress.IPv6Network("2001::/32")
SERVER_PORT = 3544

_idents = itertools.count(1)


class Stream(threading.Thread):
    """Numbered packets at a steady pace, and when they came to their end."""

    def __init__(self, every, first=None):
        super().__init__(daemon=True)
        self.every = every
        #: [sent at, came at or None, answered by whom or None]; by number.
        self.packets = []
        self._stop_event = threading.Event()
        self._first = first or time.time()

    def run(self):
        due = self._first
        while not self._stop_event.is_set():
            left = due - time.time()
            if left > 0:
                self._listen(left)
                continue
            due += self.every
            self.packets.append([time.time(), None])
            with contextlib.suppress(OSError):      # counts as lost
                self._send(len(self.packets) - 1)

    def _listen(self, seconds):
        # select(2) knows 1024 descriptors; there are more.
        poller, by_number = select.poll(), {}
        for sock in self._hears():
            poller.register(sock, select.POLLIN)
            by_number[sock.fileno()] = sock
        for number, _ in poller.poll(min(seconds, .5) * 1e3):
            sock = by_number[number]
            with contextlib.suppress(OSError):
                which = self._receive(sock)
                if which is not None and which < len(self.packets) \
                        and self.packets[which][1] is None:
                    self.packets[which][1] = time.time()

    def stop(self, patience=5.0):
        """Send no more; wait a little for what may still be on its way."""
        self._stop_event.set()
        self.join()
        deadline = time.time() + patience
        while (left := deadline - time.time()) > 0 \
                and self.lost(deadline - 2 * patience):
            self._listen(left)
        for sock in self._sockets():
            sock.close()
        return self

    def sent(self, start=0.0, end=float("inf")):
        """How many were sent in that time."""
        return sum(start <= at < end for at, _ in self.packets)

    def lost(self, start=0.0, end=float("inf")):
        """How many of those sent in that time never came to their end."""
        return sum(start <= at < end and came is None
                   for at, came in self.packets)

    def back(self, since):
        """Seconds from a moment to the end of a packet sent after it."""
        return next((came - since for at, came in self.packets
                     if at >= since and came is not None), None)

    def outage(self, since):
        """The longest time, from a moment on, in which nothing came."""
        times = sorted(came for _, came in self.packets
                       if came is not None and came >= since)
        last = max(self.packets[-1][0], since)
        points = [since, *times, last]
        return max(two - one for one, two in zip(points, points[1:]))

    def wait_answer(self, timeout=5.0):
        """Wait until one came."""
        deadline = time.time() + timeout
        while not any(came for _, came in self.packets):
            if time.time() > deadline:
                raise TimeoutError(f"no answer from {self.to}")
            time.sleep(.01)


class Pings(Stream):
    """Echo requests of a host; they come to their end with their reply."""

    def __init__(self, host, to, every=.1):
        super().__init__(every)
        self.to, self.mark = to, next(_idents) & 0xFFFF
        self._sock = host.socket(socket.AF_INET6, socket.SOCK_RAW,
                                 socket.IPPROTO_ICMPV6)
        block = bytearray(b"\xff" * 32)
        block[ECHO_REPLY >> 3] &= ~(1 << (ECHO_REPLY & 7)) & 0xFF
        self._sock.setsockopt(socket.IPPROTO_ICMPV6, ICMP6_FILTER,
                              bytes(block))
        self._sock.setblocking(False)
        self.start()

    def _sockets(self):
        return [self._sock]

    _hears = _sockets

    def _send(self, number):
        self._sock.sendto(struct.pack(
            "!BBHHHI", ECHO_REQUEST, 0, 0, self.mark, number & 0xFFFF,
            number), (self.to, 0))

    def _receive(self, sock):
        data = sock.recv(2000)
        ident, = struct.unpack("!H", data[4:6])
        return struct.unpack("!I", data[8:12])[0] \
            if ident == self.mark and len(data) == 12 else None


class Talk(Stream):
    """UDP packets one way; nothing ever answers them."""

    def __init__(self, host, receiver, to, every=.1, port=9000):
        super().__init__(every)
        self.to, self._port = to, port
        self._out = host.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self._in = receiver.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self._in.bind(("::", port))
        self._in.setblocking(False)
        self.start()

    def _sockets(self):
        return [self._in, self._out]

    def _hears(self):
        return [self._in]

    def _send(self, number):
        self._out.sendto(struct.pack("!I", number), (self.to, self._port))

    def _receive(self, sock):
        return struct.unpack("!I", sock.recv(2000))[0]


class Addresses:
    """Teredo addresses and the routes beside them, as the kernel tells.

    changes: (time, what, address), what being "new", "old" (deprecated) or
    "gone"; routes: (time, is it new).
    """

    def __init__(self, host):
        self.changes, self.routes = [], []
        self._reader = host.lab.reader
        self._sock = host.socket(socket.AF_NETLINK, socket.SOCK_RAW,
                                 socket.NETLINK_ROUTE)
        self._sock.bind((0, 0x100 | 0x400))     # IPv6 addresses, routes
        self._sock.setblocking(False)
        self._reader.add(self._sock, self._read)

    def close(self):
        """Stop watching."""
        if self._sock:
            self._reader.remove(self._sock)
            self._sock.close()
            self._sock = None

    def _read(self, sock):
        while True:
            try:
                data = sock.recv(65536)
            except OSError:
                return
            now = time.time()
            while len(data) >= 16:
                size, kind = struct.unpack("=IH", data[:6])
                self._note(now, kind, data[16:size])
                data = data[(size + 3) & ~3:]

    def _note(self, now, kind, body):
        if kind in (20, 21):                    # RTM_NEWADDR, RTM_DELADDR
            raw = _attributes(body[8:]).get(1, b"")
            flags = _attributes(body[8:]).get(8, b"\0\0\0\0")
            if len(raw) == 16 and ipaddress.IPv6Address(raw) in TEREDO:
                what = "gone" if kind == 21 else \
                    "old" if struct.unpack("=I", flags)[0] & 0x20 else "new"
                self.changes.append(
                    (now, what, str(ipaddress.IPv6Address(raw))))
        elif kind in (24, 25) and body[1] <= 3:  # a default route, or 2000::/3
            self.routes.append((now, kind == 24))

    def fresh(self, since, but=None):
        """(when, address): the first new one after a moment; or None."""
        return next(((when, address) for when, what, address in self.changes
                     if when >= since and what == "new" and address != but),
                    None)


def _attributes(data):
    found = {}
    while len(data) >= 4:
        size, kind = struct.unpack("=HH", data[:4])
        if size < 4:
            break
        found[kind] = data[4:size]
        data = data[(size + 3) & ~3:]
    return found


class Sent:
    """One UDP datagram over IPv4 in a capture."""

    def __init__(self, packet):
        data = payload(packet)
        start = (data[0] & 15) * 4
        self.time = packet.time
        self.src = (socket.inet_ntoa(data[12:16]),
                    int.from_bytes(data[start:start + 2], "big"))
        self.dst = (socket.inet_ntoa(data[16:20]),
                    int.from_bytes(data[start + 2:start + 4], "big"))
        self.data = data[start + 8:]

    @property
    def inner(self):
        """The IPv6 packet in it."""
        data = self.data
        if data[:2] == b"\0\1":
            data = data[13 + data[2] + data[3]:]
        return data[8:] if data[:2] == b"\0\0" else data

    @property
    def what(self):
        """solicitation, advertisement, bubble, echo, reply, other."""
        inner = self.inner
        if inner[6] == 59:
            return "bubble"
        if inner[6] != 58 or len(inner) < 41:
            return "other"
        return {133: "solicitation", 134: "advertisement", 128: "echo",
                129: "reply"}.get(inner[40], "other")

    def __repr__(self):
        return f"<{self.time:.3f} {self.src[0]}:{self.src[1]} > " \
            f"{self.dst[0]}:{self.dst[1]} {self.what}>"


def datagrams(packets):
    """The Teredo datagrams in a capture, as Sent."""
    found = []
    for packet in packets:
        data = payload(packet)
        if len(data) >= 68 and data[0] >> 4 == 4 and data[9] == 17:
            found.append(Sent(packet))
    return found


def processes(host):
    """Directories in /proc of all processes of a host but its first."""
    return [path for path in host.path("/proc").glob("[0-9]*")
            if path.name != "1"]


def wake_ups(host):
    """How often threads of this host had waited for something, so far."""
    total = 0
    for process in processes(host):
        for task in process.glob("task/*/status"):
            with contextlib.suppress(OSError):
                total += sum(int(line.split()[1]) for line
                             in task.read_text().splitlines()
                             if line.startswith("voluntary_ctxt"))
    return total


def memory(host):
    """MiB of all processes of a host: resident, and its share of that."""
    total = {"Rss": 0, "Pss": 0}
    for process in processes(host):
        with contextlib.suppress(OSError):
            for line in (process / "smaps_rollup").read_text().splitlines():
                name, _, value = line.partition(":")
                if name in total:
                    total[name] += int(value.split()[0])
    return total["Rss"] / 1024, total["Pss"] / 1024

