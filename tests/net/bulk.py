# SPDX-License-Identifier: GPL-2.0-or-later
"""Much at once: TCP transfers with a checksum, and what daemons tell of them.

The sockets are those of hosts of the lab, the two ends threads of the test.
What is sent is random, always the same, and known by its CRC-32.
"""

import collections
import functools
import random
import re
import signal
import socket
import threading
import zlib

from lab import teredo, wait_for

MEGABYTE = 1 << 20
BLOCK = 16 * MEGABYTE
PATIENCE = 60
SO_RCVBUFFORCE = 33
UDP_SEGMENT = 103       # linux/udp.h

#: Server, relay and client that are up, and the client's address.
Path = collections.namedtuple("Path", "relay client address")

#: What a daemon has carried, each in how many pieces or calls.
Pieces = collections.namedtuple(
    "Pieces", "datagrams trains written writes packets supers sent sends")
PIECES = re.compile(
    r"from IPv4: (\d+) datagrams in (\d+) pieces; to IPv6: (\d+) packets in "
    r"(\d+)\n.*from IPv6: (\d+) packets in (\d+) pieces; to IPv4: (\d+) "
    r"datagrams in (\d+)")


@functools.cache
def block():
    """16 megabytes; streams are made of these."""
    return random.Random(4380).randbytes(BLOCK)


def parts(size):
    """A stream of so many bytes, in parts."""
    whole = [memoryview(block())] * (size // BLOCK)
    return whole + [memoryview(block())[:size % BLOCK]] * bool(size % BLOCK)


@functools.cache
def checksum(size):
    """CRC-32 of a stream."""
    return functools.reduce(lambda crc, part: zlib.crc32(part, crc),
                            parts(size), 0)


class Transfer(threading.Thread):
    """A stream over TCP between two hosts; result() waits for its end."""

    def __init__(self, sender, receiver, to, megabytes):
        super().__init__(daemon=True)
        self._size = int(megabytes * MEGABYTE)
        self._listener = tcp(receiver)
        self._listener.bind(("::", 0))
        self._listener.listen(1)
        self._sock = tcp(sender)
        self._to = (to, self._listener.getsockname()[1])
        self._sender = threading.Thread(target=self._send, daemon=True)
        #: Bytes received so far, and their checksum; what went wrong.
        self.got, self.crc, self.problem = 0, 0, None

    def run(self):
        self._sender.start()
        try:
            with self._listener, self._listener.accept()[0] as sock:
                sock.settimeout(PATIENCE)
                self._receive(sock, bytearray(MEGABYTE))
        except OSError as problem:
            self.problem = self.problem or problem

    def _receive(self, sock, buffer):
        while True:
            n = sock.recv_into(buffer)
            if not n:
                return
            self.crc = zlib.crc32(memoryview(buffer)[:n], self.crc)
            self.got += n

    def _send(self):
        with self._sock:
            try:
                self._sock.connect(self._to)
                for part in parts(self._size):
                    self._sock.sendall(part)
            except OSError as problem:
                self.problem = problem
                self._listener.close()

    def result(self):
        """Wait for the end; all of it must have come, as it was."""
        self.join(3 * PATIENCE)
        self._sender.join(PATIENCE)
        assert (self.got, self.problem) == (self._size, None)
        assert self.crc == checksum(self._size)


def tcp(host):
    """A socket of a host."""
    sock = host.socket(socket.AF_INET6, socket.SOCK_STREAM)
    sock.settimeout(PATIENCE)
    return sock


def start(*ends):
    """Start one more transfer: the arguments of Transfer."""
    transfer = Transfer(*ends)
    transfer.start()
    return transfer


def both_ways(path, megabytes, client, native):
    """Up and then down, through our relay."""
    start(client, native, native.ip6, megabytes).result()
    start(native, client, path.address, megabytes).result()


def relay(net, config="", host=None):
    """A relay with this configuration."""
    host = host or net.relay
    host.write("/run/relay.conf", config)
    return host.daemon(["miredo", "-c", "/run/relay.conf"])


def path(net, config="", host=None):
    """Relay and client with this configuration, new to each other."""
    host = host or net.c1
    teredo.forget(host)
    return Path(relay(net, config),
                teredo.start_client(host, config=config),
                teredo.wait_address(host))


def report(daemon):
    """What it logs on SIGUSR1."""
    before = len(daemon.log)
    daemon.host.kill(daemon.pid, signal.SIGUSR1)
    wait_for(lambda: PIECES.search(daemon.log, before), "the counters")
    return daemon.log[before:]


def pieces(daemon):
    """What it has carried so far."""
    return Pieces(*map(int, PIECES.search(report(daemon)).groups()))


def datagrams(sock, *payloads, to, segment=0):
    """Send datagrams; segment: as trains, of pieces of this length."""
    control = [(socket.IPPROTO_UDP, UDP_SEGMENT,
                segment.to_bytes(2, "little"))] * bool(segment)
    sock.sendmsg(payloads, control, 0, to)
