# SPDX-License-Identifier: GPL-2.0-or-later
"""Tells what passed on the wires, in words: a ladder diagram.

Each packet is shown once, as it leaves its sender's link, with what it means
to those who have never read RFC 4380.  Packets that repeat what was shown are
folded into one line.  Decodes by itself, so that the demo does not rest on the
daemons' own idea of the formats.
"""

import collections
import ipaddress

from lab.capture import payload

COLUMNS = ("client", "server", "relay", "web host")
CLIENTS = ("client", "server", "client 2")      # of whom no relay is needed
PITCH = 11                      # characters between two lifelines
UDP, TCP, ICMPV6, NONE = 17, 6, 58, 59
ECHO, REPLY, SOLICIT, ADVERTISE = 128, 129, 133, 134

#: One line to be: when, between which columns, said in which words, the
#: technical term, and whether the NAT stopped it.  `key` joins packets of one
#: kind to one line; None keeps it alone.
Event = collections.namedtuple(
    "Event", "time start end words term stopped key size")

#: A tunnelled or native IPv6 packet, as far as we look.
Inner = collections.namedtuple(
    "Inner", "source target kind type flow flags size seq")


def parse_inner(data):
    """Decode an IPv6 packet, None if it is none."""
    if len(data) < 40 or data[0] >> 4 != 6:
        return None
    source, target = (ipaddress.IPv6Address(data[8:24]),
                      ipaddress.IPv6Address(data[24:40]))
    kind, body = data[6], data[40:40 + int.from_bytes(data[4:6], "big")]
    if kind == ICMPV6 and len(body) >= 8:
        return Inner(source, target, kind, body[0], None, 0, len(body) - 8,
                     int.from_bytes(body[6:8], "big"))
    if kind == TCP and len(body) >= 20:
        flow = tuple(sorted([(source, body[0:2]), (target, body[2:4])]))
        return Inner(source, target, kind, None, flow, body[13],
                     len(body) - (body[12] >> 4) * 4, 0)
    return Inner(source, target, kind, None, None, 0, len(body), 0)


def parse_teredo(data):
    """Split a Teredo datagram: (origin as text or None, IPv6 packet)."""
    if data[:2] == b"\0\1" and len(data) >= 13:
        data = data[13 + data[2] + data[3]:]
    if data[:2] == b"\0\0" and len(data) >= 8:
        port = int.from_bytes(data[2:4], "big") ^ 0xffff
        ip4 = ipaddress.IPv4Address(bytes(b ^ 0xff for b in data[4:8]))
        return f"{ip4} port {port}", data[8:]
    return None, data


def parse_udp4(data):
    """Split an IPv4/UDP packet: (source, target, payload); else None."""
    if len(data) < 28 or data[0] >> 4 != 4 or data[9] != UDP:
        return None
    head = (data[0] & 15) * 4
    end = head + int.from_bytes(data[head + 4:head + 6], "big")
    return (str(ipaddress.IPv4Address(data[12:16])),
            str(ipaddress.IPv4Address(data[16:20])), data[head + 8:end])


class Ladder:
    """Makes lines of captured packets.

    The capture has core's ends of the links and the clients' own devices;
    `names` maps addresses to columns.  Times count from the first packet.
    """

    def __init__(self, net):
        self.clients = {net.c1.name: "client", net.c2.name: "client 2"}
        self.natted = {column for column, site in
                       (("client", net.site1), ("client 2", net.site2))
                       if site.nat != "none"}
        self.second = net.server.addresses4[1]
        self.columns = COLUMNS
        self.zero = None
        self.shown = set()
        self.names = {address: "server" for address in
                      net.server.addresses4 + net.server.addresses6}
        self.names.update({net.relay.ip4: "relay", net.relay.ip6: "relay",
                           net.v6.ip6: "web host", net.c1.ip4: "client",
                           net.site1.wan: "client", net.c2.ip4: "client 2",
                           net.site2.wan: "client 2"})

    def column(self, address):
        """Who has that address: the name of a column, None if nobody."""
        return self.names.get(str(address))

    def lines(self, packets, columns=COLUMNS):
        """Return the lines of text for some captured packets."""
        if not packets:
            return []
        self.columns = columns
        inside = collections.Counter()
        for packet in packets:
            udp = parse_udp4(payload(packet))
            if packet.host in self.clients and not packet.sent and udp:
                inside[self.clients[packet.host], udp[2]] += 1
        events = []
        for packet in packets:
            if packet.host in self.clients or packet.sent:
                continue
            event = self.event(packet, inside)
            if event:
                events.append(event)
        return [self.header()] + [self.line(event, count, size, both)
                                  for event, count, size, both
                                  in self.fold(events)]

    def event(self, packet, inside):
        """Make an Event of a packet that came to core; None: not a story."""
        data = payload(packet)
        if self.zero is None and parse_udp4(data):
            self.zero = packet.time
        udp = parse_udp4(data)
        if not udp:
            return self.native(packet, parse_inner(data))
        source, target, datagram = udp
        start, end = self.column(source), self.column(target)
        origin, rest = parse_teredo(datagram)
        inner = parse_inner(rest)
        if start not in self.columns or end not in self.columns or not inner:
            return None
        stopped = end in self.natted and not inside[end, datagram]
        if not stopped:
            inside[end, datagram] -= 1
        words, term, key = self.tunnelled(start, end, origin, inner)
        if target == self.second:
            words, term = '"And seen from here?"', term + ", second address"
        return Event(packet.time, start, end, words, term, stopped, key,
                     inner.size)

    def native(self, packet, inner):
        """A plain IPv6 packet between the web host, relay and server."""
        if not inner or inner.kind not in (ICMPV6, TCP):
            return None
        if inner.kind == ICMPV6 and inner.type not in (ECHO, REPLY):
            return None
        start = packet.device
        start = "web host" if start == "v6" else start
        end = "relay" if str(inner.target).startswith("2001:0:") \
            else self.column(inner.target)
        if {start, end} - set(self.columns) or start == end:
            return None
        words, term, key = self.data(inner)
        return Event(packet.time, start, end, words, term + ", plain IPv6",
                     False, key and key + ("plain",), inner.size)

    def tunnelled(self, start, end, origin, inner):
        """Words for an IPv6 packet inside UDP: (words, term, key)."""
        if inner.kind == ICMPV6 and inner.type == SOLICIT:
            return ('"Who am I, seen from outside?"', "router solicitation",
                    None)
        if inner.kind == ICMPV6 and inner.type == ADVERTISE:
            return (f'"You are {origin}."', "router advertisement", None)
        if inner.kind == NONE:
            return self.bubble(start, end, origin)
        if end == "server":
            return ('"Ping the web host for me, its relay will answer."',
                    "echo request through the server", None)
        if start == "server" and origin:
            return (f'"{origin} sent you this."', "forwarded by the server",
                    None)
        words, term, key = self.data(inner)
        return words, term + " in UDP", key and key + ("tunnel",)

    def bubble(self, start, end, origin):
        """Words for a bubble, the packet that has no content."""
        if end == "server":
            return ('"Please have this client call me."',
                    "bubble through the server", None)
        if start == "server":
            return (f'"{origin} waits for your call."',
                    "bubble, forwarded", None)
        opens = "  (its NAT lets answers in now)" * (start in self.natted)
        return '"Here I am."' + opens, "direct bubble", None

    @staticmethod
    def data(inner):
        """Words for what users send: (words, term, key)."""
        if inner.kind == ICMPV6:
            if inner.type == ECHO:
                return '"Are you there?"', "ping", ("ping", inner.source)
            return '"Yes."', "answer to the ping", ("ping", inner.target)
        if inner.kind == TCP:
            if inner.flags & 0x12 == 0x02:
                return '"May I have a connection?"', "TCP SYN", None
            if inner.flags & 0x12 == 0x12:
                return '"You may."', "TCP SYN ACK", None
            return "", "web page and acknowledgements", ("tcp", inner.flow)
        return f"{inner.size} bytes", f"IPv6, protocol {inner.kind}", None

    def fold(self, events):
        """Join events with the same key: (event, count, size, both ways).

        The first ping of each kind and its answer are shown on their own.
        """
        lines, open_lines, before = [], {}, set(self.shown)
        for event in events:
            if event.key and event.key[0] == "tcp" and \
                    (event.key, event.start, event.end) in before:
                continue                # the end of a connection
            alone = event.key is None or (
                event.key[0] == "ping"
                and (event.key, event.start, event.end) not in self.shown)
            self.shown.add((event.key, event.start, event.end))
            if alone:
                lines.append([event, 1, event.size, False])
            elif event.key in open_lines:
                line = open_lines[event.key]
                line[1] += 1
                line[2] += event.size
                line[3] |= line[0].start != event.start
            else:
                line = open_lines[event.key] = [event, 1, event.size, False]
                lines.append(line)
        return lines

    def header(self):
        """The names above the lifelines."""
        return " " * 6 + "time    " + "".join(
            name.ljust(PITCH) for name in self.columns)

    def line(self, event, count, size, both):
        """One line of the diagram."""
        words, term = event.words, event.term
        if event.key and event.key[0] == "tcp":
            words = f"{count} packets, {size:,} bytes"
        elif count > 1:
            words = f"{count} more pings and answers"
            term = term.replace("answer to the ", "")
        if event.stopped:
            words += "  (✗ the NAT there lets nobody in yet)"
        return (f"{event.time - self.zero:8.3f} s   "
                f"{self.arrow(event, both)}  {words}   [{term}]")

    def arrow(self, event, both):
        """The lifelines, with an arrow between two of them."""
        columns = self.columns
        start, end = columns.index(event.start), columns.index(event.end)
        row = list(("│" + " " * (PITCH - 1)) * len(columns))
        left, right = sorted((start, end))
        for place in range(left * PITCH + 1, right * PITCH):
            row[place] = "─"
        to_right = start < end
        if both or to_right:
            row[right * PITCH - 1] = "▶"
        if both or not to_right:
            row[left * PITCH + 1] = "◀"
        if not both:
            row[start * PITCH] = "├" if to_right else "┤"
        if event.stopped:
            if to_right:
                row[right * PITCH - 4:right * PITCH] = list("✗   ")
            else:
                row[left * PITCH + 1:left * PITCH + 5] = list("   ✗")
        return "  " + "".join(row[:(len(columns) - 1) * PITCH + 1])
