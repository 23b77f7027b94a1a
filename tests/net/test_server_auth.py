# SPDX-License-Identifier: GPL-2.0-or-later
"""Secure qualification (4380 §5.2.2), offered and required."""

import contextlib
import hmac
import os

import pytest

import packets as t
import tap

FILE = """\
# identifier  algorithm  secret
alice  hmac-sha1    correct-horse-battery-staple
bob    hmac-sha256  hex:00ff10203040506070
carol  hmac-sha1    hex:63617220616e642064726976650a  renew
dave   hmac-sha256  another-secret  renew
ALICE  hmac-sha1    somebody-else
"""
ALICE, BOB = b"correct-horse-battery-staple", bytes.fromhex(
    "00ff10203040506070")
CAROL, DAVE = b"car and drive\n", b"another-secret"
ME = t.link_local(("192.168.1.5", 50000), 0x1467)
RS = t.solicitation(ME)


@contextlib.contextmanager
def guarded(lab, required):
    """A server with that file of secrets."""
    lab.server.write("/run/secrets", FILE)
    os.chmod(lab.server.path("/run/secrets"), 0o640)
    with tap.running(lab, Guarded, ["-s", "9.0.0.2"],
                     f"Secret /run/secrets\nRequireSecret {required}\n") as it:
        yield it


class Guarded(tap.Server):
    """A server whose probes are signed."""

    def settle(self):
        """See there."""
        self.sign = lambda rs: t.signed(ALICE, b"alice", b"its nonc", rs)
        return super().settle()


@pytest.fixture(scope="module")
def required(lab):
    with guarded(lab, "yes") as server:
        yield server


@pytest.fixture(scope="module")
def offered(make_lab):
    with guarded(make_lab(), "no") as server:
        yield server


def fresh():
    """A nonce."""
    return os.urandom(8)


def flip(data, at):
    """The same with one bit turned."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


def wrong(key, ident, algorithm="sha1"):
    """Solicitations that claim an identifier and do not prove it."""
    nonce = fresh()
    good = t.signed(key, ident, nonce, RS, algorithm)
    start = 4 + len(ident)
    size = good[3]
    value = good[start:start + size]

    def block(value, ident=ident, confirm=0):
        return t.auth(nonce, ident, value, confirm) + RS

    bad = {
        "no value": block(b""), "value of zeros": block(bytes(size)),
        "value cut by one": block(value[:-1]),
        "value cut to one": block(value[:1]),
        "value longer by one": block(value + b"\0"),
        "value of 255 bytes": block(value + bytes(255 - size)),
        "value shifted left": block(value[1:] + b"\0"),
        "value shifted right": block(b"\0" + value[:-1]),
        "nonce changed": flip(good, start + size),
        "last byte of the nonce changed": flip(good, start + size + 7),
        "confirmation byte changed": flip(good, start + size + 8),
        "packet changed": good[:-1] + b"\1",
        "signed without the nonce": block(t.signature(key, b"", 0, RS,
                                                      algorithm)),
        "signed without the packet": block(t.signature(key, nonce, 0, b"",
                                                       algorithm)),
        "signed with another key": t.signed(b"guess", ident, nonce, RS,
                                            algorithm),
        "signed with no key": t.signed(b"", ident, nonce, RS, algorithm),
        "other algorithm": t.signed(
            key, ident, nonce, RS,
            "sha256" if algorithm == "sha1" else "sha1"),
        "somebody else's identifier": block(value, b"ALICE"),
    }
    bad.update({f"byte {n} of the value changed": flip(good, start + n)
                for n in range(size)})
    return bad


def stimuli(server, cases):
    """Each from a client of its own, so that no rate limit hides a fault."""
    return {name: server.say(server.client(), data)
            for name, data in cases.items()}


def test_required_drops_unproven(required):
    """S7, Z11: no block, no value, wrong ones, unknown identifiers."""
    nonce = fresh()
    required.nothing(stimuli(required, {
        "no block": RS, "nonce only": t.auth(nonce) + RS,
        "identifier only": t.auth(nonce, b"alice") + RS,
        "unknown identifier": t.signed(ALICE, b"mallory", nonce, RS),
        "unknown identifier, no key": t.signed(b"", b"mallory", nonce, RS),
        "empty identifier": t.signed(ALICE, b"", nonce, RS),
        "empty identifier and key": t.signed(b"", b"", nonce, RS),
        "shorter identifier": t.signed(ALICE, b"alic", nonce, RS),
        "longer identifier": t.signed(ALICE, b"alice\0", nonce, RS),
        "identifier of 255 bytes": t.signed(ALICE, b"a" * 255, nonce, RS),
    }))
    for name, key, algorithm in ((b"alice", ALICE, "sha1"),
                                 (b"bob", BOB, "sha256")):
        required.nothing(stimuli(required, wrong(key, name, algorithm)))


@pytest.mark.parametrize("name, key, algorithm, confirm", [
    (b"alice", ALICE, "sha1", False), (b"bob", BOB, "sha256", False),
    (b"carol", CAROL, "sha1", True), (b"dave", DAVE, "sha256", True)])
@pytest.mark.parametrize("which", ["required", "offered"])
def test_answer_is_signed(request, which, name, key, algorithm, confirm):
    """S33, S34, S35: by the client's own secret, over all that follows."""
    server = request.getfixturevalue(which)
    values = set()
    for to in server.at, server.at2:
        at, nonce = server.client(), fresh()
        out = server.one(at, t.signed(key, name, nonce, RS, algorithm), to)
        assert out.auth.ident == name and out.auth.nonce == nonce
        assert bool(out.auth.confirm) == confirm
        assert out.auth.value == hmac.new(
            key, out.covered, algorithm).digest()
        assert out.covered[9:17] == t.origin(at) and out.origin == at
        assert out.inner.kind == t.ADVERTISEMENT and out.inner.good
        for other in {ALICE, BOB, CAROL, DAVE} - {key}:
            assert out.auth.value != hmac.new(
                other, out.covered, algorithm).digest()
        values.add(out.auth.value)
    assert len(values) == 2


def test_tail_is_not_signed(required):
    """S7: what follows the packet counts neither way."""
    signed = t.signed(ALICE, b"alice", fresh(), RS)
    assert required.one(required.client(), signed + b"tail").auth.value
    nonce = fresh()
    value = t.signature(ALICE, nonce, 0, RS + b"tail")
    required.nothing(stimuli(required, {"signed with its tail": t.auth(
        nonce, b"alice", value) + RS + b"tail"}))


def test_signature_helps_no_invalid_solicitation(required):
    """S8, S9, S20: the other checks are made as well."""
    at = required.client()
    cases = {"hop limit": t.solicitation(ME, hops=254),
             "checksum": t.solicitation(ME, wrong=1),
             "source": t.solicitation("2001:db8::1"),
             "destination": t.solicitation(ME, "ff02::1"),
             "origin": t.origin(at) + RS,
             "bubble": t.bubble(required.address(at), required.address(
                 ("11.90.0.1", 99))),
             "echo": t.echo(required.address(at), required.link_local)}
    required.nothing({name: required.say(at, t.signed(
        ALICE, b"alice", fresh(), packet)) for name, packet in cases.items()})


def test_bubbles_need_no_secret(required):
    """S20, S12: secrets concern solicitations only."""
    a, b = required.client(), required.client()
    out = required.one(a, t.bubble(required.address(a), required.address(b)))
    assert out.dst == b


def test_offered_serves_strangers_too(offered):
    """S33, S34: unsigned answers, with nonce and identifier as received."""
    out = offered.one(offered.client(), RS)
    assert out.auth is None
    nonce = fresh()
    out = offered.one(offered.client(), t.auth(nonce) + RS)
    assert out.auth == (b"", b"", nonce, 0)
    nonce = fresh()
    out = offered.one(offered.client(),
                      t.signed(b"guess", b"mallory", nonce, RS))
    assert out.auth.ident == b"mallory" and out.auth.nonce == nonce
    assert out.auth.value == b""


def test_offered_holds_known_clients_to_it(offered):
    """Z11: who claims a known identifier must prove it."""
    offered.nothing(stimuli(offered, wrong(ALICE, b"alice")))
    offered.nothing(stimuli(offered, wrong(BOB, b"bob", "sha256")))


def test_forged_solicitations_take_no_tokens(required):
    """Z4, Z11: a flood in somebody's name does not keep him out."""
    at = required.client()
    bad = required.say(at, t.signed(b"guess", b"alice", fresh(), RS))
    assert not required.ask(*[bad] * 500)
    assert required.one(at, t.signed(ALICE, b"alice", fresh(), RS)).auth
