# SPDX-License-Identifier: GPL-2.0-or-later
"""Records packets at several places of the lab at once."""

import collections
import socket
import struct
import subprocess
import tempfile

ETH_P_ALL = 3
SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35
OUTGOING = 4                    # PACKET_OUTGOING of linux/if_packet.h

#: time (seconds, since 1970), host name, device, whether that host sent it,
#: and the Ethernet frame.
Packet = collections.namedtuple("Packet", "time host device sent frame")


def packet_socket(host, device):
    """A socket that sees and sends whole frames on a device; receive()."""
    sock = host.socket(socket.AF_PACKET, socket.SOCK_RAW,
                       socket.htons(ETH_P_ALL))
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    sock.bind((device, ETH_P_ALL))
    return sock


def receive(sock, flags=0):
    """A frame: (when the kernel had it, whether this host sent it, frame)."""
    frame, extra, _, origin = sock.recvmsg(70000, 64, flags)
    seconds, nanoseconds = struct.unpack("qq", extra[0][2][:16])
    return seconds + nanoseconds / 1e9, origin[2] == OUTGOING, frame


class Capture:
    """Packets as they pass; stop() before reading them all.

    Devices without Ethernet, like tun, give IP packets as frames; use
    payload().
    """

    def __init__(self, reader, places):
        self._reader, self._socks = reader, {}
        #: Packet tuples, in order of time after stop().
        self.packets = []
        for host, device in places:
            sock = packet_socket(host, device)
            self._socks[sock] = (host.name, device)
            reader.add(sock, self._read)

    def _read(self, sock):
        host, device = self._socks[sock]
        while True:
            try:
                when, sent, frame = receive(sock, socket.MSG_DONTWAIT)
            except (BlockingIOError, OSError):
                return
            self.packets.append(Packet(when, host, device, sent, frame))

    def take(self):
        """Return what was recorded so far, in order, and start afresh."""
        with self._reader.paused():
            for sock in self._socks:
                self._read(sock)
            taken, self.packets = self.packets, []
        return sorted(taken, key=lambda packet: packet.time)

    def stop(self):
        """Stop recording; return the packets in order of time."""
        for sock in self._socks:
            self._reader.remove(sock)
            self._read(sock)
            sock.close()
        self._socks = {}
        self.packets.sort(key=lambda packet: packet.time)
        return self.packets

    close = stop

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def payload(packet):
    """The IP packet in a Packet, b"" for ARP and the like."""
    frame = packet.frame
    if frame[12:14] in (b"\x08\x00", b"\x86\xdd"):
        return frame[14:]
    return frame if frame[:1] and frame[0] >> 4 in (4, 6) else b""


def write_pcap(path, packets):
    """Write Packets with Ethernet frames as a file for tcpdump or tshark."""
    with open(path, "wb") as file:
        file.write(struct.pack("=IHHiIII", 0xa1b23c4d, 2, 4, 0, 0, 65535, 1))
        for packet in packets:
            seconds = int(packet.time)
            size = len(packet.frame)
            file.write(struct.pack(
                "=IIII", seconds, int((packet.time - seconds) * 1e9),
                size, size) + packet.frame)


def tshark(packets, *options):
    """Have tshark decode Packets; return its lines."""
    with tempfile.NamedTemporaryFile(suffix=".pcap") as file:
        write_pcap(file.name, packets)
        result = subprocess.run(
            ["tshark", "-n", "-r", file.name, *options],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=60, check=True)
        return result.stdout.splitlines()
