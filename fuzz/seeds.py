#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Write first inputs for the fuzz targets: seeds.py DIRECTORY.

Packets for the parsers, and scripts (machine.c) in which packets meet: a
client is called, answers, talks, falls silent. What libFuzzer makes of them is
merged into corpus/ (see README.md).
"""
import pathlib
import random
import struct
import sys

RAW4, RAW6, CLIENT, STRANGER, SOLICIT, TUNNEL, FLOOD, NONCE, AGAIN, TIME, HOST = range(11)
DATA, PING, PONG, ICMP, LONG, EXT, HOPS, BUBBLE = range(8)
PRIMARY, SERVICE = 0, 0x40  # doors
SUPER, TRAIN = 0xfe, 0xff  # many at once
UNLIKE, SHORT_END = 1, 2
FOREIGN = 0x40  # a client of another server


def call(c, n=0, kind=DATA):
    return bytes([TUNNEL, kind, c, n])


def answer(c, n=0, kind=BUBBLE, how=SERVICE):
    return bytes([CLIENT, kind, how, c, n])


def wait(step):
    return bytes([TIME, step])


def super_packet(c, n=0, tcp=1, payload=5000, step=160):
    return bytes([SUPER, tcp, payload >> 8, payload & 255, step, c, n])


def stories():
    yield call(1) + answer(1) + call(1) + answer(1, kind=DATA)
    yield call(1) * 12 + answer(1) + wait(10) + call(1)
    yield call(1) + (wait(7) + call(1)) * 5 + wait(10) + call(1)
    yield call(1) + bytes([NONCE, 1]) + call(1) + bytes([NONCE, 0x41])
    yield call(1, kind=PONG) + answer(1, kind=DATA) + wait(13) + wait(14)
    yield b''.join(call(c) + answer(c) for c in range(32)) + wait(10) + call(3)
    yield b''.join(call(c) + answer(c) for c in range(32)) + \
        b''.join(call(c | 0x40) + answer(c | 0x40) for c in range(32))
    yield bytes([FLOOD, 80, 0, 0]) + (wait(7) + bytes([FLOOD, 80, 1, 0])) * 4 + call(1)
    yield call(1) + answer(1) + bytes([FLOOD, 99, 0, 0]) * 3 + call(1)
    yield call(1) + bytes([HOST, 0x09]) + answer(1) + call(1) + bytes([HOST, 2]) + call(1)
    yield call(1) + bytes([HOST, 0]) + wait(6) + wait(6) + bytes([HOST, 0]) + wait(6)
    yield b''.join(call(0x38 | c) for c in range(8))
    yield b''.join(call(1, n << 4) for n in range(8))
    yield call(1, kind=LONG) + b'\5\0' + call(1, kind=EXT) + b'\0\x2b\1' + answer(1)
    yield bytes([SOLICIT, 0, 0, 1, SOLICIT, 2, 0, 0x81, SOLICIT, 0x80, 0, 1,
                 SOLICIT, 0x81, 0, 2, SOLICIT, 0xc0, 0, 3])
    yield bytes([STRANGER, BUBBLE, 0, 1, 0, STRANGER, BUBBLE, 4, 1, 0, 4, 1, 2, 3, 4,
                 STRANGER, PING, 0, 1, 0, STRANGER, BUBBLE, 8, 1, 0x30])
    yield answer(1, 0, PING, 0) + answer(1, 0x60, PING, 0) + answer(1, 1, PONG, 0) + \
        bytes([CLIENT, BUBBLE, 0x80, 1, 2, CLIENT, PING, 0x80, 1, 0x42])
    yield bytes([CLIENT, HOPS, 0, 1, 0, 1, 3, AGAIN, 0, AGAIN, 0x81, 5, 1])
    yield call(2) + answer(2, 0, PING, 0) + call(2) + answer(2, 0, DATA, 0)
    for c in 1, FOREIGN | 1:
        for door in PRIMARY, SERVICE:
            yield from many_at_once(c, door)


def many_at_once(c, door):
    def train(c, cars=b'\3' * 9, kind=DATA, how=UNLIKE | SHORT_END):
        # For each car: 0 is a changed byte, 1 a bubble, 2 and 3 a plain one.
        return bytes([TRAIN, kind, how | door, len(cars), c, 0]) + cars + bytes([50])

    known = call(c) + answer(c, how=door)
    yield known + (train(c) + super_packet(c)) * 2 + wait(10) + super_packet(c)
    yield call(c) * 3 + train(c) + train(c, b'\3\1\3\0\x17\3\3\0\x07\1\3') + super_packet(c, tcp=0)
    yield known + train(c, b'\3' * 31) * 3 + train(c, b'\3' * 5, kind=DATA | 0xc0)
    yield known + b''.join(super_packet(c, n << 4) + super_packet(c, n) for n in range(8))
    yield known + b''.join(super_packet(c, step=step) for step in (0, 160, 204, 205, 255))
    yield known + bytes([HOST, 0x11]) + super_packet(c) + train(c) + bytes([HOST, 0x11, HOST, 2]) + \
        super_packet(c) + train(c)
    yield known + super_packet(c ^ FOREIGN) + super_packet(0x38) + super_packet(c, payload=7999, step=0)
    yield train(c, how=UNLIKE) + answer(c, kind=DATA, how=door) + bytes([AGAIN, 0]) * 5 + bytes([AGAIN, 1, 6, 2])
    yield known + answer(c, kind=DATA, how=door) + bytes([AGAIN, 0]) * 9 + super_packet(c + 1)


def machines(directory):
    rng = random.Random(1)
    for i, story in enumerate(stories()):
        for k, conf in enumerate([(0, 0, 4), (8, 16, 4), (12, 0x36, 0),
                                  tuple(rng.randbytes(3))]):
            (directory / f'story-{i}-{k}').write_bytes(bytes(conf) + story)


(C_RAW4, C_RAW6, C_ADVERTISE, C_CLIENT, C_BY_SERVER, C_RELAY, C_PONG, C_ANSWER, C_HOST, C_FLOOD,
 C_DISCOVERY, C_AGAIN, C_TIME, C_NETWORK, C_SERVER, C_WANT, C_RULES, C_DOOR) = range(18)
QUALIFY = bytes([C_ADVERTISE, 0, 0, 0]) * 2  # both addresses of the server, the same mapping
TO_NATIVE, TO_CLIENT = bytes([C_HOST, 0x80, 1]), bytes([C_HOST, 0, 1])
PONG_BACK = bytes([C_PONG, 0, 0])
READY = bytes([C_WANT, 4])  # the host has the address


def later(step):
    return bytes([C_TIME, step])


def client_stories():
    yield QUALIFY + TO_NATIVE + PONG_BACK + TO_NATIVE + bytes([C_RELAY, 0, 0, 0, 1]) + later(11)
    yield QUALIFY + TO_CLIENT + bytes([C_ANSWER, 1]) + TO_CLIENT + bytes([C_CLIENT, 0, 0, 1])
    yield QUALIFY + TO_CLIENT + (later(8) + TO_CLIENT) * 6 + later(14) + TO_CLIENT
    yield QUALIFY + bytes([C_BY_SERVER, 0, 0, 1, 0, 7]) + bytes([C_ANSWER, 0x21]) + TO_CLIENT
    yield QUALIFY + bytes([C_BY_SERVER, 0, 0x80, 1, 0, 7]) + (later(6) + TO_NATIVE) * 6
    yield QUALIFY + later(11) + bytes([C_ADVERTISE, 0, 0, 1]) * 2 + TO_NATIVE
    yield QUALIFY + later(11) + (later(5) + TO_NATIVE) * 12 + QUALIFY
    yield bytes([C_ADVERTISE, 0, 0, 0, C_ADVERTISE, 0, 0, 1]) + TO_CLIENT + bytes([C_ANSWER, 3])
    yield QUALIFY + bytes([C_NETWORK, 3]) + later(11) + bytes([C_NETWORK, 1]) + QUALIFY
    yield QUALIFY + bytes([C_WANT, 0]) + later(3) + bytes([C_WANT, 1]) + QUALIFY
    yield QUALIFY + bytes([C_SERVER, 2, C_SERVER, 3]) + later(11) + later(9) + QUALIFY
    yield QUALIFY + bytes([C_DISCOVERY, 9, 1]) + TO_CLIENT + bytes([C_CLIENT, 7, 0x20, 1, 9, 0])
    yield QUALIFY + bytes([C_FLOOD, 63, 1]) + TO_NATIVE + PONG_BACK + bytes([C_FLOOD, 63, 2])
    yield QUALIFY + (later(12) + QUALIFY + bytes([C_CLIENT, 0x40, 0x40, 1])) * 4
    for n in range(8):  # knocks: answers, refusals, silence; later, and wrong
        yield QUALIFY + READY + bytes([C_DOOR, n, C_DOOR, n ^ 1]) + (later(11) + QUALIFY) * 24 + \
            bytes([C_DOOR, n])
    yield QUALIFY + READY + later(6) + bytes([C_DOOR, 0]) + later(6) + later(6) + bytes([C_WANT, 2])
    yield QUALIFY + READY + bytes([C_DOOR, 0x88, 43, 1, C_DOOR, 0x8d, 60, 1, C_DOOR, 3])


def client_train(how, who, cars=b'\3' * 9, kind=DATA):
    where = bytes([who]) + (bytes([0]) if how & 0x80 else b'')
    return bytes([TRAIN, kind, how | UNLIKE | SHORT_END, len(cars)]) + where + cars + bytes([50])


def client_super(kind, who, payload=5000, step=160):
    return bytes([SUPER, kind, payload >> 8, payload & 255, step, who])


def trains():
    native, client = client_train(0x80, 1), client_train(0, 1)
    super_native, super_client = client_super(0x81, 1), client_super(1, 1)
    mixed = b'\3\1\3\0\x17\3\3\0\x07\1\3\2\1\3\2\2\3'
    yield QUALIFY + TO_NATIVE + PONG_BACK + (native + super_native) * 2 + later(11) + super_native
    yield QUALIFY + TO_NATIVE * 3 + native + PONG_BACK + client_train(0x80, 1, mixed)
    yield QUALIFY + TO_CLIENT + client + super_client + client_train(0, 1, mixed)
    yield QUALIFY + native + client + super_native + (later(3) + super_native) * 9
    yield QUALIFY + TO_CLIENT + bytes([C_ANSWER, 1]) + (super_client + later(5)) * 5
    yield QUALIFY + bytes([C_RELAY, 0, 0, 0, 1]) + bytes([C_AGAIN, 0]) * 9
    yield QUALIFY + TO_NATIVE + PONG_BACK + b''.join(
        client_super(0x81 ^ tcp, 1, step=step) for step in (0, 160, 204, 205, 255) for tcp in (0, 1))
    yield QUALIFY + TO_NATIVE + PONG_BACK + b''.join(
        bytes([SUPER, 0xa1, 20, 0, 160, n << 4, 1]) + client_super(0x81, n << 4) for n in range(8))
    yield QUALIFY + TO_NATIVE + PONG_BACK + bytes([C_RULES, 1]) + super_native + native + \
        bytes([C_WANT, 0]) + super_native
    yield QUALIFY + bytes([C_DISCOVERY, 9, 1]) + TO_CLIENT + bytes([C_CLIENT, 7, 0x20, 1, 9]) + super_client
    yield client + native + super_client + QUALIFY + client_train(0x80, 1, b'\3' * 31, DATA | 0xc0)


def clients(directory):
    rng = random.Random(3)
    for i, story in enumerate([*client_stories(), *trains()]):
        for k, conf in enumerate([(1, 0), (7, 2), (0x90, 6), (0x21, 0x1a),
                                  tuple(rng.randbytes(2))]):
            (directory / f'client-{i}-{k}').write_bytes(bytes(conf) + story)


def header(length, following, hops=64):
    src = bytes.fromhex('20010000090000020000f05ff3fffffe')
    dst = bytes.fromhex('2a000001000000000000000000000001')
    return struct.pack('>IHBB', 6 << 28, length, following, hops) + src + dst


def frames(directory):
    auth = bytes.fromhex('00010514616c696365') + bytes(20 + 9)
    plain_auth = bytes.fromhex('000100000102030405060708') + b'\0'
    origin = bytes.fromhex('0000efff3ffffdfe')
    nonce = bytes.fromhex('0104a1b2c3d4')
    others = bytes.fromhex('030e0000c0a80105c3500a000007c3500502c34f')
    bubble = header(0, 59)
    ping = header(16, 58) + bytes([128, 0]) + bytes(14)
    chain = header(40, 0) + bytes([60, 0]) + bytes(6) + bytes([44, 0]) + bytes(6) + \
        bytes([43, 0]) + bytes(6) + bytes([58, 0]) + bytes(6) + bytes([1]) + bytes(7)
    inner = [bubble, bubble + nonce, bubble + others, bubble + b'\x55\1\0' + nonce,
             bubble + b'\x41\0', ping, chain, header(8, 43) + bytes(8)]
    blocks = [b'', origin, plain_auth, auth, auth + origin, origin + auth]
    for i, b in enumerate(blocks):
        for k, p in enumerate(inner):
            (directory / f'frame-{i}-{k}').write_bytes(b + p)


def tables(directory):
    rng = random.Random(2)
    for i in range(12):
        (directory / f'table-{i}').write_bytes(rng.randbytes(40 << i % 4))


def transport(proto, payload, flags=0x10, options=b''):
    """TCP or UDP behind the IPv6 header; fuzz_super.c mends the checksum."""
    ports = struct.pack('>HH', 1000, 2000)
    if proto == 17:
        return ports + struct.pack('>HH', 8 + payload, 0) + bytes(payload)
    return ports + struct.pack('>IIBBHHH', 5000, 77, 80 + len(options) * 4, flags, 500, 0, 0) + \
        options + bytes(payload)


def supers(directory):
    vnet = struct.Struct('=BBHHHH')
    options = bytes.fromhex('0101080a0000000100000002')
    behind = {6: 16, 17: 6}
    chains = {60: bytes.fromhex('00010400000000'), 43: bytes([2, 0, 1]) + bytes(20),
              44: bytes(7), 51: bytes([1]) + bytes(10), 0: bytes([23]) + bytes(190)}
    inputs = []
    for proto, gso in (6, 4), (6, 0x84), (17, 5), (6, 0), (17, 0), (17, 4):
        for more in 0, 250, 3000:
            for seg in 1, 33, 100, 1208:
                body = transport(proto, 20, 0x99, options if seg == 33 else b'')
                inputs.append((more, vnet.pack(1, gso, 60, seg, 40, behind[proto]) +
                               header(0, proto) + body))
    for first, chain in chains.items():
        body = bytes([6]) + chain + transport(6, 100, 0x19)
        inputs.append((500, vnet.pack(1, 4, 0, 100, 41 + len(chain), 16) +
                       header(0, first) + body))
    whole, short = header(0, 6) + transport(6, 300), header(0, 17) + transport(17, 0)[:7]
    bad = [(0, 4, 60, 100, 40, 16), (1, 4, 60, 0, 40, 16), (1, 4, 60, 100, 48, 16),
           (1, 5, 60, 100, 40, 6), (1, 0, 0, 0, 38, 2), (1, 0, 0, 0, 40, 319),
           (1, 0, 0, 0, 40, 318)]
    inputs += [(0, vnet.pack(*v) + whole) for v in bad]
    inputs += [(0, vnet.pack(1, 4, 60, 100, 40, 16) + whole[:52] + bytes([b]) + whole[53:])
               for b in (0x40, 0xf0)]
    inputs += [(0, vnet.pack(1, 4, 60, 1, 40, 16) + whole[:52] + b'\xf0' + whole[53:70]),
               (0, vnet.pack(1, 5, 60, 1, 40, 6) + short),
               (0, vnet.pack(1, 5, 60, 100, 40, 6) + header(0, 6) + whole[40:]),
               (0, vnet.pack(1, 4, 60, 100, 40, 16) + header(0, 17) + whole[40:])]
    for i, (more, p) in enumerate(inputs):
        (directory / f'super-{i}').write_bytes(struct.pack('>BH', 3, more) + p)
    (directory / 'super-raw').write_bytes(struct.pack('>BH', 0, 300) + inputs[1][1])


def odd_packets(flow):
    """Each way of fuzz_merge.c for a packet to be odd, and what it reads."""
    places = [struct.pack('>HB', at, 1) for at in (1, 5, 7, 20, 45, 47, 48, 54, 58, 59, 63)]
    arguments = {8: [b'\1', b'\xff', b'\x18'], 9: [bytes([1 << k]) for k in range(8)],
                 10: [b'\1', b'\4'], 11: places,
                 12: places + [struct.pack('>HB', 52, 0x10), struct.pack('>HB', 0, 0x20)],
                 13: [b'\0', b'\1'], 14: [b'\0\1', b'\0\x13', b'\0\x10'],
                 15: [bytes([n]) for n in (6, 17, 44, 58, 60)]}
    for kind, values in arguments.items():
        for value in values:
            yield bytes([flow, kind << 4]) + value


def merges(directory):
    tcp, udp = bytes([0, 0]), bytes([5, 0])
    inputs = [tcp * 5, udp * 5, bytes([0x20, 0, 70]), bytes([0x21, 0, 70]),
              bytes([0x38, 0, 60]) * 2,
              b''.join(bytes([f, 0]) for f in range(32)) * 3,
              b''.join(bytes([f | how, 0]) for how in (0, 0x40, 0x80) for f in range(4)) * 2,
              bytes([0xc0, 0, 33]) * 3 + bytes([0xc1, 0, 45]) * 3,
              bytes([0, 0xa0, 1, 0, 0xa0, 12]), bytes([0, 0xa0, 1, 0, 0xa0, 2])]
    for ripe, flow in (tcp, 0), (udp, 5):
        inputs += [ripe * 2 + bytes([flow, size, 9]) + ripe * 2 for size in (12, 13, 14)]
        inputs += [ripe * 2 + o * 2 + ripe * 2 for o in odd_packets(flow)]
    for i, p in enumerate(inputs):
        (directory / f'merge-{i}').write_bytes(b'\7' + p)
    for allow in 0, 1, 4:
        (directory / f'merge-allow-{allow}').write_bytes(bytes([allow]) + inputs[5] +
                                                         bytes([0, 0x90, 0x80, 0, 0]))


CONFS = [
    b'RelayType relay\nInterfaceName teredo\nSyslogFacility user\n',
    b'# server\nServerBindAddress 9.0.0.2\nServerBindAddress2 9.0.0.3\nPrefix 2001:0::\n',
    b'RelayType cone\nBindPort 3545\nBindAddress 9.0.0.20\nInterfaceMTU 1280\n',
    b'DenyIPv4 10.0.0.0/8\nAllowIPv4 192.168.0.0/16\nServe 2a00::/16\nPublicOnly no\n',
]
SECRETS = [
    b'# id algorithm secret\nalice hmac-sha256 hex:6f2c9a\nbob hmac-sha1 word renew\n',
    b'alice hmac-sha1 a\nalice hmac-sha1 b\n', b'carol md5 x\n', b'x hmac-sha1 hex:0\n',
]


def write_all(directory, name, inputs):
    for i, value in enumerate(inputs):
        (directory / f'{name}-{i}').write_bytes(value)


def auths(directory):
    bubble, origin = header(0, 59), bytes.fromhex('0000efff3ffffdfe')
    one = bytes([0, 0x0c, 4, 7, 9])  # one secret: how, length and bytes of the name, of the key
    two = bytes([1, 0x0c, 4, 7, 9, 0x15, 4, 8, 9])
    write_all(directory, 'auth', [secrets + bytes([which]) + struct.pack('>H', bit) + rest
                                  for secrets, which in ((one, 0), (two, 0), (two, 1))
                                  for bit in (0, 77, 8 * 24 + 3)
                                  for rest in (bubble, origin + bubble,
                                               bytes.fromhex('0001000000010203040506070800') + bubble)])


def echoes(directory):
    write_all(directory, 'echo', [b'\0\0', b'\xff\0', b'\1\0', b'\0\x07\1', b'\0\x08\1', b'\0\x28\1',
                                  b'\0\x2c\1', b'\0\x30\1', b'\0\x3f\x80', b'\x08\0', b'\0\x06\1'])


def routers(directory):
    prefix = bytes.fromhex('03044040ffffffffffffffff0000000020010000090000020000000000000000')
    options = [b'', prefix, prefix + prefix, prefix + bytes.fromhex('0501000000000500'), prefix[:16],
               bytes.fromhex('0102') + bytes(14) + prefix, bytes(8), bytes.fromhex('0101000000000000')]
    straight = bytes(2)
    inputs = [bytes([conf]) + straight * 2 for conf in range(32)]
    for conf in 0, 1, 4:
        for how in 4, 5, 7:
            bent = [bytes([how, 0, len(o)]) + o for o in options]
            inputs += [bytes([conf]) + straight + b for b in bent]
            inputs += [bytes([conf]) + b + straight for b in bent]
        inputs += [bytes([conf, 3, 1, at, 1]) + bytes([3, 1, at, 1]) for at in (7, 20, 30, 47, 60, 70)]
    write_all(directory, 'router', inputs)


def trailers(directory):
    nonce, others = bytes.fromhex('0104a1b2c3d4'), bytes.fromhex('030e0000c0a80105c3500a000007c3500502c34f')
    write_all(directory, 'trailers', [nonce, others, nonce + others, others + nonce, b'\x55\1\0' + nonce,
                                      nonce + b'\x41\0', b'\x81\0' + nonce, b'\1\3abc' + nonce,
                                      nonce[:5], b'\1\4\0\0\0\0' + nonce,
                                      others[:10] + b'\4\4\1\0\0\0\2\2\1\1' + others,
                                      b'\3\x1a' + bytes(range(26)) + b'\4\4\0\xff\xff\xff\5\2\0\1' + nonce,
                                      b'\3\x20' + bytes(32) + b'\4\3\0\0\0\4\4\2\0\0\0'])


def names(directory):
    ask, wait = bytes([6]), bytes([2, 0xff, 0xff])
    good = bytes([8, 3]) + bytes([0, 9, 10, 11]) + bytes([8, 1, 1, 12, 8, 1, 2, 13, 8, 2, 3, 14, 15, 8, 1, 5, 16])
    raw = bytes([8, 0x80]) + struct.pack('=IiI8I', 0, 0, 8, *range(0x09000001, 0x09000009))
    write_all(directory, 'names', [b'\x09' + ask * 20, b'\x09' + good + ask * 5, b'\x0d' + good + bytes([5] * 4),
                                   b'\x0b' + raw + ask * 3 + good, b'\x09' + (ask + wait) * 5 + bytes([4]) + ask * 9,
                                   b'\x09' + good + bytes([3, 11, 3]) + ask * 4 + wait + bytes([4])])


def portmaps(directory):
    wish, off, hurry, wait = b'\0\2\4', b'\0\2\0', b'\1', b'\3\x3f\xff'
    good, silent = b'\0\0\0\0\0\0\0', b'\0\0\1\0'
    write_all(directory, 'portmap', [b'\0' + wish + (wait + good) * 4 + off + wait, b'\1' + wish + (wait + silent) * 9,
                                     b'\1' + off + wait + good + wish + hurry + wait + good + hurry * 3 + wait,
                                     b'\0' + wish + wait + b'\1\x82\3\0' + good + (wait + b'\0\1' + silent) * 5])


def netlinks(directory):
    def attribute(kind, value):
        return struct.pack('=HH', 4 + len(value), kind) + value + bytes(-len(value) % 4)

    def number(kind, value):
        return attribute(kind, struct.pack('=I', value))

    def message(kind, payload, how=1):
        return bytes([kind, how, len(payload)]) + payload + bytes(0)

    ADDR, ROUTE, RULE, LINK = range(4)
    native, any6 = bytes.fromhex('2a000001000000000000000000000001'), bytes(16)
    ip4 = message(ADDR, struct.pack('=BBBBI', 2, 24, 0x80, 0, 2) + attribute(2, bytes([11, 0, 0, 1])))
    ip6 = message(ADDR, struct.pack('=BBBBI', 10, 64, 0x80, 0, 2) + attribute(1, native) + number(8, 0x80))
    link = message(LINK, struct.pack('=BBHiII', 0, 0, 1, 5, 0x51, 0) + number(4, 1280) + attribute(7, bytes(96)))
    way = message(ROUTE, struct.pack('=BBBBBBBBI', 2, 32, 0, 0, 254, 0, 0, 1, 0x200) + number(4, 2) +
                  attribute(7, bytes([11, 0, 0, 1])) + attribute(5, bytes([11, 0, 0, 254])), 0)
    default = message(ROUTE, struct.pack('=BBBBBBBBI', 10, 0, 0, 0, 254, 3, 0, 1, 0) + number(4, 2))
    several = message(ROUTE, struct.pack('=BBBBBBBBI', 10, 0, 0, 0, 254, 3, 0, 1, 0) + attribute(
        9, struct.pack('=HBBi', 8, 0, 0, 5) + struct.pack('=HBBi', 8, 0, 0, 2)))
    ours = message(ROUTE, struct.pack('=BBBBBBBBI', 10, 0, 0, 0, 254, 0x54, 0, 1, 0) + number(4, 5) +
                   number(6, 1029) + number(15, 7))
    rule = message(RULE, struct.pack('=BBBBBBBBI', 10, 0, 128, 0, 7, 0, 0, 1, 0) + attribute(2, native) +
                   number(6, 32765) + number(15, 7) + attribute(21, b'\x54'))
    inputs = [bytes([0, 1]) + ip4 + ip6, bytes([1, 0]) + link, bytes([2, 0]) + ip6 + bytes([0]) + ours + bytes([0]) + rule,
              bytes([3, 3]) + link + ip6 + ours + rule, bytes([4, 3]) + link + ip4 + default + way, bytes([5, 0, 0]) + way,
              bytes([5, 3, 0]) + way + bytes([0]) + way, bytes([6, 1]) + default + several, bytes([7, 0]) + ip4,
              bytes([3, 0xff, 4, 0xff]), bytes([6, 0]) + message(8, struct.pack('=i', -22)),
              bytes([0, 0]) + message(ADDR, any6, 0x11) * 6, bytes([0, 7]) + ip6 * 8 + bytes([7]) + ip4 * 8,
              bytes([8, 0]) + message(LINK, struct.pack('=BBHiII', 0, 0, 1, 5, 0x51, 0) + attribute(3, b'teredo\0\0')),
              bytes([0, 0xfe, 1]) + ip4 + bytes([1]) + ip6, bytes([1, 0xfd])]
    write_all(directory, 'netlink', inputs)


def batches(directory):
    def gro(length, segment):
        return bytes([1]) + struct.pack('>H', length) + bytes([0]) + struct.pack('>H', segment)

    plain = bytes([0, 0, 100, 0])
    write_all(directory, 'udp', [b'\0' + plain * 3, b'\0\0\x0f\xff\0', b'\1' + gro(5000, 1280) + gro(1280, 1280),
                                 b'\1' + gro(65535, 1) + gro(9, 0) + gro(65535, 2049), b'\1' + gro(0, 5),
                                 b'\0\0\0\x50\x20' + struct.pack('=QII', 20, 0, 1) + bytes([2]) + bytes(15)])


def plans(directory):
    write_all(directory, 'plan', [bytes([role, 8, 20, 3]) + text for text in CONFS for role in range(5)])
    write_all(directory, 'client', [bytes([1, 8, 20, 3]) + b'ServerAddress a.test\nServerAddress 9.0.0.2\n' + line for line in (
        b'', b'MaxPeers 64\n', b'NewPeersPerSecond 0\n', b'InterfaceMTU 99\n', b'ServerAddress2 9.0.0.2\n', b'Threads 4\n')])


STATES = [
    b'port 50000\nflags 1234\nmapped 11.0.0.5:4096\nserver 9.0.0.2\nhost a.test\n',
    b'port 1\n', b'port 65535\nflags 3cff\nsomething new\n', b'port 0\n', b'flags 8000\nport 9\n',
    b'port 5\nmapped 1.2.3.4:0\n', b'port 5\nserver 1.2.3\n', b'port 5',
]
VALUES = [
    b'yes', b'OFF', b'70000', b'9.0.0.2', b'10.0.0.0/8', b'10.0.0.1/8', b'0.0.0.0/0', b'2001::/32', b'2a00:1::/48',
    b'::/0', b'2001:0::', b'a.test', b'9.2', b'2031-12-31', b'2031-02-30', b'2031-12-31T23:59:59Z', b'tso uso gso gro',
    b'ReplyRate\0RelayType', b'1.2.3.4/33', b'fe80::/64',
]


def wishes(directory):
    address = bytes.fromhex('20010000090000022847' '7fe3f6fff5fd')
    state = struct.pack('=H?xHxxIHxxI254s2x', 50000, True, 0x1234, 0x0b000005, 4096, 0x09000002, b'a.test')

    def wish(up=True, n=1, reason=b'ok'):
        return struct.pack('=I????I', 1, False, up, False, False, n) + address + bytes(16) + state + \
            struct.pack('=24s16s24s24s', reason, b'9.0.0.2', b'restricted', b'11.0.0.5:4096')

    write_all(directory, 'wish', [wish(), wish(up=False, n=0), wish(n=2), wish(reason=b'$(id)'), wish(reason=b'-n'), b''])


def netchecks(directory):
    def say(which, bends=0, rest=b''):
        return bytes([5, which, bends]) + rest

    good = b''.join(say(i) for i in range(4)) * 2
    write_all(directory, 'netcheck', [
        b'\0' + good, b'\0' + good + (b'\3' + say(0) + say(1) + say(2)) * 12,
        b'\1' + good + (b'\3' + good) * 12, b'\0' + say(0, 1, b'\x0d\1') + say(1, 1, b'\5\1'),
        b'\0' + say(0, 0x40, b'\x20') + say(1, 2, b'\x11\xff\x12\1'),
        b'\0\1\0\0\3\x09\0\0\2\1\0\2\x0d\x0b\0\0\1\4\1' + b'\3' * 9,
        b'\0\0\0\0\x28' + header(0, 59) + b'\0\2\5\0'])


def reloads(directory):
    """What runs, what is read then, a request."""
    pairs = [*zip(CONFS, CONFS[1:] + CONFS[:1])]
    more = [(b'ServerAddress a.test\n', b'ServerAddress b.test\nRefreshInterval 9\n'),
            (b'ReplyRate 1\n', b'ReplyRate 2\nBindPort 3\n'),
            (b'ServerAddress 9.0.0.2\n', b'DenyIPv4 9.0.0.0/8\nServerAddress 11.0.0.2\n'),
            (b'RelayType server\nServerBindAddress 9.0.0.2\n',
             b'RelayType server\nServerBindAddress 9.0.0.4\nDenyIPv4 9.0.0.2\nSunset 2020-01-01\n')]
    for n, end in enumerate((b'', b'\0' * 8, b'\1' + b'\0' * 7, b'\0' * 4 + b'\x3c\0\0\0x')):
        write_all(directory, f'reload{n}', [a + b'\0' + b + b'\0' + end
                                                        for a, b in [*pairs, *more]])


def texts(values):
    def write(directory):
        for i, value in enumerate(values):
            (directory / f'text-{i}').write_bytes(value)
    return write


def main():
    root = pathlib.Path(sys.argv[1])
    for name, write in {'frame': frames, 'server': machines, 'relay': machines,
                        'node': machines, 'client': clients,
                        'peers': tables, 'held': tables,
                        'super': supers, 'merge': merges,
                        'conf': texts(CONFS), 'secrets': texts(SECRETS),
                        'state': texts(STATES), 'value': texts(VALUES),
                        'auth': auths, 'echo': echoes, 'router': routers,
                        'trailers': trailers, 'names': names, 'portmap': portmaps, 'netlink': netlinks,
                        'udp': batches, 'plan': plans, 'reload': reloads, 'wish': wishes, 'netcheck': netchecks}.items():
        directory = root / name
        directory.mkdir(parents=True, exist_ok=True)
        write(directory)


main()
