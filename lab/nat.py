# SPDX-License-Identifier: GPL-2.0-or-later
"""NATs made of nftables and the kernel's connection tracking.

`masquerade` alone is no NAT of RFC 3489 or 4787: it picks the outside port for
each connection anew, lets a connection take the port of another, and a packet
from outside that comes early makes a connection of its own, which then takes
the port away from the packet going out.  So these rules keep three tables,
written by the packets themselves:

  outside  inside endpoint -> outside endpoint      (the mapping)
  inside   outside port -> inside endpoint          (the mapping, backwards)
  heard    outside port, remote address: sent to    (restricted filtering)

The first packet of an inside endpoint gets its outside port from the kernel,
at random or the inside port itself; chain `learn` notes what became of it,
chain `leave` uses the note for all later destinations.  Chain `arrive` sends
what the filtering admits inward; port-restricted filtering is what connection
tracking does by itself.  Anything else from outside is dropped in `arrive`,
that is before a connection is confirmed: it leaves no trace.

Hairpin: a packet from inside to the outside address goes back inside with
the sender's outside endpoint as its source, if the target's filter admits
that endpoint.  The decision is made in chain `hairpin`, after the destination
was translated and before the source is, so both are inside endpoints there;
`tried` holds who has sent to whom, whether or not it arrived.  (Only an
endpoint that has sent something outside before has a mapping to be reached
at.)  With symmetric mapping the target cannot have sent to the fresh port, so
nothing ever passes, as in a real one.

Port-preserving: the outside port is the inside port unless another mapping
has it, then a random one.  With symmetric mapping only the first destination
can have it.

Sequential: outside ports are given out one after the other, from 20000 on.
"""

TYPES = ("none", "full", "restricted", "portrestricted", "symmetric")

#: Outside ports: the usual ones, and two ranges to go to at a rebind, where
#: no host has its own ports (Linux takes them from 32768 to 60999).
PORTS = ("20000-60000", "61000-63000", "63001-65000")

#: So many ports a sequential NAT has, before it begins anew.
COUNTED = 512

TABLE = """
table ip nat
delete table ip nat
table ip nat {
    map outside {
        type ipv4_addr . inet_service : ipv4_addr . inet_service
        flags dynamic, timeout; timeout %(lifetime)ds; size 65536
    }
    map inside {
        type inet_service : ipv4_addr . inet_service
        flags dynamic, timeout; timeout %(lifetime)ds; size 65536
    }
    set taken {
        type inet_service
        flags dynamic, timeout; timeout %(lifetime)ds; size 65536
    }
    set heard {
        type inet_service . ipv4_addr
        flags dynamic, timeout; timeout %(lifetime)ds; size 65536
    }
    set tried {
        type ipv4_addr . inet_service . ipv4_addr . inet_service
        flags dynamic, timeout; timeout %(lifetime)ds; size 65536
    }
    set tried_any {
        type ipv4_addr . inet_service
        flags dynamic, timeout; timeout %(lifetime)ds; size 65536
    }

    chain arrive {
        type nat hook prerouting priority dstnat
        iifname "wan" ct state related accept
        iifname "wan" meta l4proto udp jump admit
        iifname "wan" drop
        iifname "lan" ip daddr %(wan)s meta l4proto udp jump turn
    }
    chain admit {
        %(admit)s
    }
    chain turn {
        update @tried_any { ip saddr . udp sport }
        %(turn)s
        drop
    }
    chain hairpin {
        type filter hook forward priority filter
        iifname "lan" oifname "lan" ct state new jump judge
    }
    chain judge {
        update @tried { ip saddr . udp sport . ip daddr . udp dport }
        %(judge)s
        drop
    }
    chain leave {
        type nat hook postrouting priority srcnat
        oifname "wan" meta l4proto != udp masquerade
        oifname "lan" iifname "lan" snat ip to ip saddr . udp sport map @outside
        oifname "lan" iifname "lan" drop
        oifname "wan" jump choose
    }
    chain choose {
        %(choose)s
        meta l4proto udp snat ip to %(wan)s:%(ports)s
    }
    chain learn {
        type filter hook postrouting priority srcnat + 10
        oifname "wan" meta l4proto udp ct direction original jump learn_sent
        oifname "wan" meta l4proto udp ct direction reply jump learn_reply
    }
    chain learn_sent {
        meta l4proto udp update @inside { udp sport : ct original ip saddr . ct original proto-src }
        update @taken { udp sport }
        update @heard { udp sport . ip daddr }
        meta l4proto udp update @outside { ct original ip saddr . ct original proto-src : ip saddr . udp sport }
    }
    chain learn_reply {
        meta l4proto udp update @inside { udp sport : ct reply ip saddr . ct reply proto-src }
        update @taken { udp sport }
        update @heard { udp sport . ip daddr }
        meta l4proto udp update @outside { ct reply ip saddr . ct reply proto-src : ip saddr . udp sport }
    }
}
"""

FORWARD = "dnat ip to udp dport map @inside"
ADMIT = {
    "full": FORWARD,
    "restricted": "udp dport . ip saddr @heard " + FORWARD,
    "portrestricted": "",
    "symmetric": "",
}
JUDGE = {
    "full": "accept",
    "restricted": "ip daddr . udp dport @tried_any accept",
    "portrestricted":
        "ip daddr . udp dport . ip saddr . udp sport @tried accept",
    "symmetric": "",
}


def ruleset(kind, wan, hairpin=False, preserving=False, lifetime=120,
            ports=PORTS[0], sequential=False):
    """The nftables rules of one NAT with the outside address `wan`."""
    choose = []
    if kind != "symmetric":
        choose.append("snat ip to ip saddr . udp sport map @outside")
    if preserving:
        choose.append(f"udp sport != @taken snat ip to {wan}")
    if sequential:
        first = int(ports.split("-")[0])
        # By a map, as the number itself is not in the order of the network.
        ports = f"numgen inc mod {COUNTED} map {{ " + ", ".join(
            f"{n} : {first + n}" for n in range(COUNTED)) + " }"
    else:
        ports += " fully-random"
    return TABLE % {
        "wan": wan,
        "ports": ports,
        "lifetime": lifetime,
        "admit": ADMIT[kind],
        "turn": FORWARD if hairpin else "",
        "judge": JUDGE[kind],
        "choose": "\n        ".join(choose),
    }
