# SPDX-License-Identifier: GPL-2.0-or-later
"""Teredo on the wire: build any datagram, good or bad, and take one apart.

Written from RFC 4380, 4861, 5991 and 6081, not from src/core: what the daemons
send is judged by a second reading of the texts.  Addresses are 16 bytes for
IPv6 and text for IPv4; tuples are (IPv4 address, port).
"""

import collections
import hmac
import ipaddress
import socket
import struct

PORT = 3544
ICMP, TCP, UDP, ICMPV6, NONE = 1, 6, 17, 58, 59
UNREACHABLE, TOO_BIG, TIME_EXCEEDED = 1, 2, 3
ECHO_REQUEST, ECHO_REPLY = 128, 129
SOLICITATION, ADVERTISEMENT = 133, 134
CONE = 0x8000
FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = (1 << bit for bit in range(8))
NONCE, ALTERNATE, DISCOVERY, RANDOM_PORT = 1, 3, 4, 5


# -- addresses --------------------------------------------------------------

def ip4(text):
    """The four bytes of an IPv4 address."""
    return socket.inet_aton(text)


def ip6(text):
    """The 16 bytes of an IPv6 address; bytes pass unchanged."""
    return text if isinstance(text, bytes) \
        else socket.inet_pton(socket.AF_INET6, text)


def text6(address):
    """An IPv6 address to be read by people."""
    return str(ipaddress.IPv6Address(address))


def identifier(flags, port, ip):
    """The last eight bytes: flags, then port and address inverted."""
    return struct.pack("!HHI", flags, port ^ 0xFFFF,
                       int.from_bytes(ip4(ip), "big") ^ 0xFFFFFFFF)


def address(server, at, flags=0):
    """The Teredo address of the client at that tuple (4380 §4)."""
    return b"\x20\x01\0\0" + ip4(server) + identifier(flags, at[1], at[0])


def link_local(at, flags=0):
    """The link-local address made of a tuple."""
    return b"\xfe\x80" + bytes(6) + identifier(flags, at[1], at[0])


def mapped(teredo):
    """The tuple inside a Teredo address."""
    port, ip = struct.unpack("!HI", teredo[10:16])
    return (socket.inet_ntoa(struct.pack("!I", ip ^ 0xFFFFFFFF)),
            port ^ 0xFFFF)


ALL_ROUTERS = ip6("ff02::2")


# -- building ---------------------------------------------------------------

def checksum(data):
    """The Internet checksum."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def ipv6(src, dst, next_header, payload=b"", hops=64, length=None,
         traffic=0, flow=0, version=6):
    """An IPv6 packet."""
    return struct.pack(
        "!IHBB", version << 28 | traffic << 20 | flow,
        len(payload) if length is None else length, next_header, hops) \
        + ip6(src) + ip6(dst) + payload


def pseudo(src, dst, protocol, payload):
    """What a checksum over an IPv6 payload covers."""
    return ip6(src) + ip6(dst) + struct.pack("!II", len(payload), protocol) \
        + payload


def icmpv6(src, dst, kind, code=0, body=bytes(4), hops=64, wrong=0, **header):
    """An ICMPv6 packet; `wrong` is added to the checksum."""
    bare = struct.pack("!BBH", kind, code, 0) + body
    right = checksum(pseudo(src, dst, ICMPV6, bare))
    return ipv6(src, dst, ICMPV6, bare[:2]
                + struct.pack("!H", (right + wrong) & 0xFFFF) + body,
                hops, **header)


def solicitation(src, dst=ALL_ROUTERS, options=b"", hops=255, code=0,
                 reserved=0, wrong=0):
    """A Router Solicitation (4380 §5.2.1, 4861 §4.1)."""
    return icmpv6(src, dst, SOLICITATION, code,
                  struct.pack("!I", reserved) + options, hops, wrong)


def echo(src, dst, ident=1, seq=1, data=b"", kind=ECHO_REQUEST, hops=64,
         **header):
    """An ICMPv6 Echo Request, or with `kind` a Reply."""
    return icmpv6(src, dst, kind, 0, struct.pack("!HH", ident, seq) + data,
                  hops, **header)


def bubble(src, dst, hops=64, trailers=b""):
    """A bubble (4380 §2.8), with trailers behind it (6081 §4)."""
    return ipv6(src, dst, NONE, b"", hops) + trailers


def udp6(src, dst, sport=7, dport=9, data=b"", hops=64, **header):
    """A UDP packet over IPv6, such as people send through Teredo."""
    bare = struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data
    right = checksum(pseudo(src, dst, UDP, bare)) or 0xFFFF
    return ipv6(src, dst, UDP, bare[:6] + struct.pack("!H", right) + data,
                hops, **header)


def tcp6(src, dst, sport=7, dport=9, data=b"", seq=0, ack=0, flags=ACK,
         window=500, urgent=0, options=b"", **header):
    """A TCP segment over IPv6; the length of options is a multiple of 4."""
    bare = struct.pack("!HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack,
                       (20 + len(options)) << 2, flags, window, 0, urgent) \
        + options + data
    right = checksum(pseudo(src, dst, TCP, bare))
    return ipv6(src, dst, TCP, bare[:16] + struct.pack("!H", right)
                + bare[18:], **header)


def sized(src, dst, size, hops=64):
    """A UDP packet over IPv6 of exactly so many bytes; 40 has no payload."""
    if size < 48:
        return ipv6(src, dst, 253, b"x" * (size - 40), hops)
    return udp6(src, dst, data=bytes(i * 7 & 255 for i in range(size - 48)),
                hops=hops)


def origin(at):
    """An origin indication (4380 §5.1.1)."""
    return bytes(2) + identifier(0, at[1], at[0])[2:]


def auth(nonce, ident=b"", value=b"", confirm=0):
    """An authentication block with the value given."""
    return struct.pack("!BBBB", 0, 1, len(ident), len(value)) + ident + value \
        + nonce + bytes([confirm])


def signature(key, nonce, confirm, rest, algorithm="sha1"):
    """The authentication value; `rest` is what follows the block."""
    return hmac.new(key, nonce + bytes([confirm]) + rest, algorithm).digest()


def signed(key, ident, nonce, packet, algorithm="sha1", confirm=0):
    """A packet behind its authentication block (4380 §5.2.2)."""
    return auth(nonce, ident, signature(key, nonce, confirm, packet,
                                        algorithm), confirm) + packet


def trailer(kind, value):
    """One trailer (6081 §4.1)."""
    return bytes([kind, len(value)]) + value


def nonce_trailer(nonce):
    """A nonce trailer (6081 §4.2)."""
    return trailer(NONCE, nonce)


def udp4(src, dst, payload, tos=0, df=False, checksums=True, ttl=64):
    """A UDP datagram in an IPv4 packet, from one tuple to another."""
    inner = struct.pack("!HHHH", src[1], dst[1], 8 + len(payload), 0)
    value = 0
    if checksums:
        value = checksum(ip4(src[0]) + ip4(dst[0]) + struct.pack(
            "!HH", UDP, 8 + len(payload)) + inner + payload) or 0xFFFF
    head = struct.pack("!BBHHHBBH", 0x45, tos, 28 + len(payload), 1,
                       0x4000 if df else 0, ttl, UDP, 0) \
        + ip4(src[0]) + ip4(dst[0])
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] \
        + inner[:6] + struct.pack("!H", value) + payload


# -- taking apart -----------------------------------------------------------

class Malformed(Exception):
    """Not what a Teredo node may send."""


Auth = collections.namedtuple("Auth", "ident value nonce confirm")


class Packet6:
    """An IPv6 packet; `tail` is what lies behind it."""

    def __init__(self, data):
        if len(data) < 40 or data[0] >> 4 != 6:
            raise Malformed("no IPv6 header")
        word, self.length, self.next, self.hops = struct.unpack(
            "!IHBB", data[:8])
        self.traffic, self.flow = word >> 20 & 0xFF, word & 0xFFFFF
        self.src, self.dst = data[8:24], data[24:40]
        if len(data) < 40 + self.length:
            raise Malformed("IPv6 payload cut short")
        self.raw = data[:40 + self.length]
        self.payload = self.raw[40:]
        self.tail = data[40 + self.length:]

    @property
    def is_bubble(self):
        """No payload, and a header that says so."""
        return self.next == NONE and not self.length

    @property
    def kind(self):
        """Type of ICMPv6 message, None if it is none."""
        return self.payload[0] if self.next == ICMPV6 and self.payload \
            else None

    @property
    def code(self):
        """Code of ICMPv6 message."""
        return self.payload[1]

    @property
    def good(self):
        """Is the checksum of ICMPv6 or UDP right?"""
        return self.next not in (ICMPV6, UDP) or not checksum(
            pseudo(self.src, self.dst, self.next, self.payload))

    def __repr__(self):
        what = "bubble" if self.is_bubble else \
            f"icmpv6 {self.payload[:2].hex()}" if self.kind is not None \
            else f"next {self.next}"
        return f"<{text6(self.src)} > {text6(self.dst)} {what} " \
            f"hops {self.hops} len {self.length}+{len(self.tail)}>"


class Datagram:
    """A UDP datagram over IPv4 that carries Teredo, as seen on the wire."""

    def __init__(self, data):
        (first, self.tos, total, self.ident, fragment, self.ttl,
         self.protocol) = struct.unpack("!BBHHHBB", data[:10])
        start = (first & 15) * 4
        data = data[:total]
        if self.protocol != UDP or fragment & 0x3FFF:
            raise Malformed("IPv4, but no UDP datagram")
        self.raw, self.size, self.df = data, total, bool(fragment & 0x4000)
        self.options = data[20:start]
        sport, dport, length, self.sum = struct.unpack(
            "!HHHH", data[start:start + 8])
        self.src = (socket.inet_ntoa(data[12:16]), sport)
        self.dst = (socket.inet_ntoa(data[16:20]), dport)
        self.good = not checksum(data[:start]) and length == total - start \
            and not checksum(data[12:20] + struct.pack("!HH", UDP, length)
                             + data[start:])
        self.payload = data[start + 8:]
        self.auth = self.origin = None
        self._blocks()

    def _blocks(self):
        rest = self.payload
        if rest[:2] == b"\0\1":
            ids, values = rest[2], rest[3]
            fixed = rest[4 + ids + values:]
            self.auth = Auth(rest[4:4 + ids], rest[4 + ids:4 + ids + values],
                             fixed[:8], fixed[8])
            #: What the authentication value is computed of.
            self.covered = fixed
            rest = fixed[9:]
        if rest[:2] == b"\0\0":
            at = rest[2:8]
            self.origin = mapped(bytes(10) + at)
            rest = rest[8:]
        self.inner = Packet6(rest)

    def __repr__(self):
        return f"<{self.src[0]}:{self.src[1]} > {self.dst[0]}:{self.dst[1]} " \
            f"auth {self.auth} origin {self.origin} {self.inner}>"


def parse(data):
    """A Datagram or a Packet6, of an IP packet."""
    return Packet6(data) if data[0] >> 4 == 6 else Datagram(data)


def options(body):
    """The options of a Router Advertisement: a list of (type, bytes)."""
    found = []
    while body:
        size = body[1] * 8
        if not size or size > len(body):
            raise Malformed("option of a wrong length")
        found.append((body[0], body[:size]))
        body = body[size:]
    return found


# -- addresses that must be refused -----------------------------------------

#: 4380 §5.2.4 and 6890: the first, one inside and the last of each range.
REFUSED = [
    "0.0.0.0", "0.9.9.9", "0.255.255.255",
    "10.0.0.0", "10.0.0.9", "10.255.255.255",
    "100.64.0.0", "100.100.1.1", "100.127.255.255",
    "127.0.0.0", "127.0.0.1", "127.255.255.255",
    "169.254.0.0", "169.254.7.7", "169.254.255.255",
    "172.16.0.0", "172.20.1.1", "172.31.255.255",
    "192.0.0.0", "192.0.0.9", "192.0.0.255",
    "192.0.2.0", "192.0.2.1", "192.0.2.255",
    "192.88.99.0", "192.88.99.1", "192.88.99.255",
    "192.168.0.0", "192.168.1.1", "192.168.255.255",
    "198.18.0.0", "198.19.1.1", "198.19.255.255",
    "198.51.100.0", "198.51.100.7", "198.51.100.255",
    "203.0.113.0", "203.0.113.5", "203.0.113.255",
    "224.0.0.0", "224.0.0.253", "239.255.255.255",
    "240.0.0.0", "247.1.1.1", "255.255.255.254", "255.255.255.255",
]

#: Just outside of them: these are to be served.
NEIGHBOURS = [
    "1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0",
    "126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0",
    "172.15.255.255", "172.32.0.0", "191.255.255.255", "192.0.1.0",
    "192.0.1.255", "192.0.3.0", "192.88.98.255", "192.88.100.0",
    "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0",
    "198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0",
    "223.255.255.255",
]


# -- malice -----------------------------------------------------------------

def routing(kind, payload, next_header=UDP, left=1, words=2):
    """A payload behind a Routing header; the protocol is then 43."""
    return bytes([next_header, words, kind, left]) + bytes(4 + 8 * words) \
        + payload


def fragments(packet, size=1480):
    """An IPv4 packet in pieces; the size of a piece is a multiple of 8."""
    head, body = packet[:20], packet[20:]
    pieces = []
    for at in range(0, len(body), size):
        piece = body[at:at + size]
        more = 0x2000 if at + size < len(body) else 0
        new = head[:2] + struct.pack("!HHH", 20 + len(piece), 0x1234,
                                     more | at // 8) + head[8:10] \
            + bytes(2) + head[12:20]
        pieces.append(new[:10] + struct.pack("!H", checksum(new)) + new[12:]
                      + piece)
    return pieces


def port_unreachable(packet, src, code=3):
    """An ICMP error of somebody about an IPv4 packet."""
    body = struct.pack("!BBHI", 3, code, 0, 0) + packet[:28]
    body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 9, 0, 64, ICMP,
                       0) + ip4(src) + packet[12:16]
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body


def mutate(rng, data):
    """Something like this data, but probably wrong."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 8))):
        what = rng.randrange(6)
        at = rng.randrange(len(data)) if data else 0
        if what == 0 and data:
            data[at] ^= 1 << rng.randrange(8)
        elif what == 1 and data:
            data[at] = rng.choice((0, 1, 0x7f, 0x80, 0xff, 0x60))
        elif what == 2:
            del data[at:]
        elif what == 3:
            data += rng.randbytes(rng.randrange(200))
        elif what == 4:
            data[at:at] = rng.randbytes(rng.randrange(20))
        else:
            del data[at:at + rng.randrange(1, 20)]
    return bytes(data)
