# SPDX-License-Identifier: GPL-2.0-or-later
"""A name server whose answers, silence and refusals are up to the test.

    net.dns.names["teredo.example"] = "9.0.0.2"     # or a list
    net.c1.resolver(net.dns)
    net.dns.mode = "silent"
"""

import contextlib
import ipaddress
import socket
import threading

MODES = ("answer", "silent", "refuse", "fail")
A, NOERROR, SERVFAIL, NXDOMAIN = 1, 0, 2, 3


class Names:
    """Answers for all names there are; made by Internet.dns."""

    def __init__(self, host):
        self.host, self.address = host, host.ip4
        #: Name in small letters -> its IPv4 address, or a list of them.
        self.names = {}
        #: Names asked for so far, whatever came of it.
        self.queries = []
        #: Seconds until the answer leaves.
        self.delay = 0
        #: Seconds that an answer may be kept.
        self.ttl = 60
        #: Name -> a function (query, right answer) -> datagrams to send.
        self.forged = {}
        self._sock = None
        host.sysctl(ipv4__icmp_ratelimit=0)
        self.mode = "answer"

    @property
    def mode(self):
        """answer, silent (hears, and says nothing), fail (answers that it
        cannot), or refuse (nobody is there, the kernel says).
        """
        return self._mode

    @mode.setter
    def mode(self, mode):
        if mode not in MODES:
            raise ValueError(f"no mode {mode!r}: one of {MODES}")
        self._mode = mode
        if mode == "refuse":
            self.close()
        elif not self._sock:
            self._sock = self.host.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._sock.bind((self.address, 53))
            self.host.lab.reader.add(self._sock, self._read)

    def _read(self, sock):
        while True:
            try:
                query, client = sock.recvfrom(4096, socket.MSG_DONTWAIT)
            except OSError:
                return
            try:
                answer = self._answer(query)
            except (IndexError, UnicodeError):      # no query
                continue
            if self._mode != "silent":
                forge = self.forged.get(self.queries[-1])
                timer = threading.Timer(self.delay, self._send, (
                    sock, forge(query, answer) if forge else [answer],
                    client))
                timer.daemon = True
                timer.start()

    @staticmethod
    def _send(sock, answers, client):
        with contextlib.suppress(OSError):      # closed meanwhile
            for answer in answers:
                sock.sendto(answer, client)

    def _answer(self, query):
        """The answer to a query with one question (RFC 1035, section 4)."""
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        kind = int.from_bytes(query[at + 1:at + 3], "big")
        name = ".".join(labels).lower()
        self.queries.append(name)
        known = self.names.get(name)
        code = SERVFAIL if self._mode == "fail" else \
            NOERROR if known else NXDOMAIN
        found = [] if code or kind != A else \
            [known] if isinstance(known, str) else known
        records = b"".join(
            b"\xc0\x0c\0\1\0\1" + self.ttl.to_bytes(4, "big") + b"\0\4"
            + ipaddress.IPv4Address(address).packed for address in found)
        return (query[:2] + b"\x85" + bytes([0x80 | code]) + b"\0\1"
                + len(found).to_bytes(2, "big") + bytes(4)
                + query[12:at + 5] + records)

    def close(self):
        """Let go of the port."""
        if self._sock:
            self.host.lab.reader.remove(self._sock)
            self._sock.close()
            self._sock = None
