# SPDX-License-Identifier: GPL-2.0-or-later
"""The packet helpers themselves, against vectors worked out by hand."""

import packets as t

SERVER, NONCE = "203.0.113.120", bytes(range(1, 9))
HOST = ("192.168.1.5", 50000)
CLIENT = ("192.0.2.1", 4096)
RS = bytes.fromhex(
    "60000000 00083aff fe800000 00000000 14673caf 3f57fefa"
    "ff020000 00000000 00000000 00000002 8500edce 00000000")
RA = bytes.fromhex(
    "0000efff 3ffffdfe"
    "60000000 00383aff fe800000 00000000 8000f227 34ff8e87"
    "fe800000 00000000 14673caf 3f57fefa 86000db4 00000000"
    "00000000 00000000 03044040 ffffffff ffffffff 00000000"
    "20010000 cb007178 00000000 00000000 05010000 00000500")
SECRET = b"correct horse battery staple"


def test_addresses():
    assert t.text6(t.address(SERVER, CLIENT)) \
        == "2001:0:cb00:7178:0:efff:3fff:fdfe"
    assert t.text6(t.address("198.51.100.118", ("192.0.2.10", 8192))) \
        == "2001:0:c633:6476:0:dfff:3fff:fdf5"
    assert t.text6(t.address(SERVER, ("198.51.100.118", 4095))) \
        == "2001:0:cb00:7178:0:f000:39cc:9b89"
    assert t.text6(t.link_local((SERVER, 3544), t.CONE)) \
        == "fe80::8000:f227:34ff:8e87"
    assert t.text6(t.link_local(HOST, 0x1467)) == "fe80::1467:3caf:3f57:fefa"
    assert t.mapped(t.address(SERVER, CLIENT, 0x1467)) == CLIENT
    assert t.origin(("1.2.3.4", 337)).hex() == "0000feaefefdfcfb"


def test_solicitation_and_signature():
    assert t.solicitation(t.link_local(HOST, 0x1467)) == RS
    assert t.auth(NONCE).hex() == "00010000010203040506070800"
    assert t.signed(SECRET, b"alice", NONCE, RS).hex().startswith(
        "00010514616c696365b59ca4c260aedc3677070b0333763c036ac5d9ec"
        "010203040506070800")
    assert t.signature(SECRET, NONCE, 0, RA).hex() \
        == "05e4498a8f088a115c72bce8cddb9bd71126c165"


def test_taking_apart():
    answer = t.parse(t.udp4((SERVER, 3544), CLIENT, t.auth(NONCE) + RA))
    assert answer.good and not answer.df and not answer.tos
    assert answer.auth == (b"", b"", NONCE, 0)
    assert answer.origin == CLIENT
    assert answer.inner.raw == RA[8:] and answer.inner.good
    assert [kind for kind, _ in t.options(answer.inner.payload[16:])] == [3, 5]


def test_bubble_with_trailers():
    packet = t.bubble(
        t.address(SERVER, CLIENT, 0x1467),
        t.address("198.51.100.118", ("192.0.2.10", 8192), 0x2c31),
        trailers=t.nonce_trailer(bytes.fromhex("a1b2c3d4"))
        + t.trailer(t.ALTERNATE, bytes.fromhex("0000c0a80105c3500a000007c350"))
        + t.trailer(t.RANDOM_PORT, bytes.fromhex("c34f")))
    assert packet == bytes.fromhex(
        "60000000 00003b40 20010000 cb007178 1467efff 3ffffdfe"
        "20010000 c6336476 2c31dfff 3ffffdf5"
        "0104a1b2c3d4 030e0000 c0a80105c350 0a000007c350 0502c34f")
    assert t.Packet6(packet).is_bubble
    assert len(t.Packet6(packet).tail) == 26


def test_scapy_agrees():
    """Checksums and layout by another implementation."""
    from scapy.layers.inet import IP, UDP
    from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6, ICMPv6ND_RS
    packet = t.echo("2001:db8::1", "2001:db8::2", 7, 8, b"odd")
    assert bytes(IPv6(src="2001:db8::1", dst="2001:db8::2", hlim=64)
                 / ICMPv6EchoRequest(id=7, seq=8, data=b"odd")) == packet
    source = t.text6(t.link_local(HOST, 0x1467))
    assert bytes(IPv6(src=source, dst="ff02::2", hlim=255)
                 / ICMPv6ND_RS()) == RS
    assert bytes(IP(src="9.9.9.9", dst="9.0.0.2", id=1)
                 / UDP(sport=7, dport=3544) / RS) \
        == t.udp4(("9.9.9.9", 7), ("9.0.0.2", 3544), RS)
