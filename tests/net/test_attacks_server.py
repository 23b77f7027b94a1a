# SPDX-License-Identifier: GPL-2.0-or-later
"""Attacks on a server over the wire; what is not in test_hostile_server.py.

Rows are those of doc/attacks.md.
"""

import time

import pytest

import packets as t
import tap

#: Bytes of an Ethernet header, which also cross the wire.
ETHERNET = 14


@pytest.fixture
def server(lab):
    with tap.server(lab) as tapped:
        yield tapped


def test_reflector(server):
    """Row 15: solicitations and pings in the name of all of a victim's /24.

    The server sends its advertisements to whom it believes to have asked
    (4380 7.4). So much a second to a /24, and never above 1.63 times what was
    asked.
    """
    began = time.monotonic()
    sizes = []
    for port in range(1000, 1040):
        asked = []
        for host in range(1, 255):
            at = (f"15.5.5.{host}", port)
            asked.append(server.say(at, t.solicitation(t.link_local(at))
                                    if host % 4 else t.echo(
                                        server.address(at),
                                        server.link_local, data=b"x" * 40)))
        got = server.ask(*asked)
        assert {p.dst[1] for p in got} <= {port}
        sizes += [(len(p.raw) + ETHERNET, p.inner.kind) for p in got]
    took = time.monotonic() - began
    assert 1900 <= len(sizes) <= 2000 + 1000 * took + 1
    asked = {t.ADVERTISEMENT: 90, t.ECHO_REPLY: 14 + 28 + 48 + 40}
    assert {kind for _, kind in sizes} == set(asked)
    assert all(size <= 1.63 * asked[kind] for size, kind in sizes)
    # Somebody else is served meanwhile.
    at = ("15.5.6.1", 1000)
    assert server.one(at, t.solicitation(t.link_local(at))).dst == at


def test_reflector_rate_is_set(lab):
    """Row 15: NetworkReplyRate; zero is no limit."""
    for rate, least, most in ("10", 20, 60), ("0", 2032, 2032):
        with tap.server(lab, "ReplyRate 0\n"
                        f"NetworkReplyRate {rate}\n") as server:
            ats = [(f"15.5.5.{host}", port) for host in range(1, 255)
                   for port in range(1000, 1008)]
            got = []
            for n in range(0, len(ats), 254):
                got += server.ask(*(server.say(at, t.solicitation(
                    t.link_local(at))) for at in ats[n:n + 254]))
            assert least <= len(got) <= most
