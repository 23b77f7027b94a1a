# SPDX-License-Identifier: GPL-2.0-or-later
"""Samples of what the daemons' processes use."""

import collections
import contextlib
import threading
import time

#: Of one process at one moment; memory is RssAnon and RssShmem, in KiB.
Usage = collections.namedtuple("Usage", "memory descriptors threads")


def usage(process):
    """What a process uses, given its directory in /proc; None: no daemon."""
    status = dict(line.split(":", 1) for line in
                  (process / "status").read_text().splitlines())
    if not status["Name"].strip().startswith("miredo") \
            or "RssAnon" not in status:     # a zombie
        return None
    number = {name: int(status[name].split()[0])
              for name in ("RssAnon", "RssShmem", "Threads")}
    return Usage(number["RssAnon"] + number["RssShmem"],
                 sum(1 for _ in (process / "fd").iterdir()),
                 number["Threads"])


def look(host):
    """What the processes of our daemon on a host use, by number."""
    found = {}
    for process in host.path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, KeyError):    # it is ending
            used = usage(process)
            if used:
                found[int(process.name)] = used
    return found


class Watch(threading.Thread):
    """Looks at the daemons of some hosts every few seconds."""

    def __init__(self, hosts, every):
        super().__init__(daemon=True)
        self._hosts, self._every = hosts, every
        self._over = threading.Event()
        #: (seconds since some start, {host: {process: Usage}}).
        self.samples = []

    def run(self):
        while not self._over.wait(self._every):
            self.samples.append((time.monotonic(), {
                host.name: look(host) for host in self._hosts}))

    def stop(self):
        """Look no more."""
        self._over.set()
        self.join()

    def series(self, host, kind, begin, end, steadfast=False):
        """(when, sum over the processes of a host), in that time.

        steadfast: only over those that were there all the time.
        """
        these = [(when, of[host]) for when, of in self.samples
                 if begin <= when <= end]
        numbers = set.intersection(*(set(of) for _, of in these)) \
            if steadfast and these else None
        return [(when, sum(getattr(used, kind) for number, used in of.items()
                           if numbers is None or number in numbers))
                for when, of in these]
