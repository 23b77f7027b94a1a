# SPDX-License-Identifier: GPL-2.0-or-later
"""A cable in one's hands: send any packet, see every packet.

    wire = net.wire(net.server)
    wire.send(IP(src="9.9.9.9", dst="9.0.0.2") / UDP(...) / b"...")
    answer = wire.recv(lambda p: UDP in p, timeout=5)

Packets are scapy's, or bytes.  The socket lives in the namespace, the test
need not.
"""

import time

from lab.capture import packet_socket, receive


class Wire:
    """One end of a cable; made by Internet.wire()."""

    def __init__(self, host, device):
        self.host, self.device = host, device
        #: When the last packet came, by the kernel's clock, as time.time().
        self.time = None
        self._sock = packet_socket(host, device)
        self._mac = self._sock.getsockname()[4]
        with packet_socket(*host.lab.other_end(host, device)) as peer:
            self._peer = peer.getsockname()[4]

    def send(self, packet):
        """Send one IP packet (IPv4 or IPv6; scapy's or bytes) as it is."""
        data = bytes(packet)
        kind = b"\x86\xdd" if data[0] >> 4 == 6 else b"\x08\x00"
        self._sock.send(self._peer + self._mac + kind + data)

    def recv_bytes(self, timeout=5.0, sent=False):
        """The next IP packet as bytes, None when the time is over.

        Only what comes out of the cable; `sent` includes what goes in.
        """
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            self._sock.settimeout(max(left, 0.000001))
            try:
                when, out, frame = receive(self._sock)
            except (TimeoutError, BlockingIOError):
                return None
            if frame[12:14] not in (b"\x08\x00", b"\x86\xdd"):
                continue
            if sent or not out:
                self.time = when
                return frame[14:]

    def recv(self, filter=None, timeout=5.0):
        """The next packet (scapy's IP or IPv6) for which filter is true.

        None when the time is over.  Others are thrown away.
        """
        from scapy.layers.inet import IP
        from scapy.layers.inet6 import IPv6
        deadline = time.monotonic() + timeout
        while True:
            data = self.recv_bytes(max(0.0, deadline - time.monotonic()))
            if data is None:
                return None
            packet = (IPv6 if data[0] >> 4 == 6 else IP)(data)
            if filter is None or filter(packet):
                return packet

    def drain(self):
        """Throw away what has been received so far."""
        while self.recv_bytes(0) is not None:
            pass

    def close(self):
        """Let go of the cable."""
        self._sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
