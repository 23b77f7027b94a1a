# SPDX-License-Identifier: GPL-2.0-or-later
"""Takes packets from a tun device, and gives them back some time later.

    python3 slow.py DEVICE SECONDS [MORE]

With MORE, each waits so many seconds more at most, so they lose their order.

Core runs it for Internet.delay(), which routes what is on its way from host
to host into the device; what comes back goes on by the usual routes.  (Linux
would do it by itself with netem, or fq, but few kernels have both and this
lab needs neither.)  Being routed twice, a packet would lose two hops: it gets
one back.  SIGTERM makes it give everything back at once, and end.
"""

import contextlib
import fcntl
import heapq
import os
import random
import select
import signal
import struct
import sys
import time

# From linux/if_tun.h.
TUNSETIFF = 0x400454ca
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000

#: Packets that wait at most; others are lost, as on any full link.
WAITING = 20000


def open_tun(device):
    """Attach to the device."""
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, TUNSETIFF,
                struct.pack("16sH22x", device.encode(), IFF_TUN | IFF_NO_PI))
    return tun


def give_back(tun, packet):
    """Have the kernel route a packet on, one hop richer."""
    if packet[0] >> 4 == 6:
        packet[7] += 1
    else:
        packet[8] += 1
        checksum = (packet[10] << 8 | packet[11]) - 0x100   # RFC 1624
        if checksum < 0:
            checksum += 0xffff
        packet[10:12] = checksum.to_bytes(2, "big")
    with contextlib.suppress(OSError):      # a link that is down
        os.write(tun, packet)


def serve(tun, delay, more, waiting):
    """Queue what comes, give back what is due; for ever."""
    number = 0
    while True:
        left = None
        while waiting and left is None:
            left = waiting[0][0] - time.monotonic()
            if left <= 0:
                give_back(tun, heapq.heappop(waiting)[2])
                left = None
        if select.select([tun], [], [], left)[0]:
            packet = bytearray(os.read(tun, 65535))
            due = time.monotonic() + delay + more * random.random()
            number += 1         # those due at one moment stay in order
            if len(waiting) < WAITING:
                heapq.heappush(waiting, (due, number, packet))


def main(device, delay, more=0.0):
    """See above."""
    # Others on this machine must not make it late.
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    tun, waiting = open_tun(device), []
    print("ready", flush=True)
    try:
        serve(tun, delay, more, waiting)
    finally:
        for _, _, packet in sorted(waiting):
            give_back(tun, packet)


if __name__ == "__main__":
    main(sys.argv[1], *map(float, sys.argv[2:]))
