# SPDX-License-Identifier: GPL-2.0-or-later
"""The demo: a client behind a NAT meets the IPv6 internet.  See ./demo."""

import argparse
import ipaddress
import os
import re
import signal
import sys

from lab import Internet, LabError, foreign, nat, teredo, web
from lab.ladder import Ladder

PAGE = "<p>A web page, fetched through Teredo.</p>\n" * 1500
COLOUR = sys.stdout.isatty()
TEXT = {
    "none": "no NAT at all",
    "full": "a full cone NAT: open ports take packets from anybody",
    "restricted": "a restricted NAT: packets come in only from addresses "
                  "that were sent to",
    "portrestricted": "a port-restricted NAT: packets come in only from "
                      "where exactly something was sent to",
    "symmetric": "a symmetric NAT: another outside port for each destination",
}


def say(text=""):
    """Print a line now."""
    try:
        print(text, flush=True)
    except BrokenPipeError:             # ./demo | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def title(text):
    """Print a heading."""
    say()
    say(f"\033[1m{text}\033[0m" if COLOUR else text)


def options():
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="./demo", description=__doc__)
    parser.add_argument("--nat", choices=nat.TYPES, default="portrestricted",
                        help="the client's NAT (default: %(default)s)")
    parser.add_argument("--keep", action="store_true",
                        help="leave the lab up until Enter; how to step in")
    parser.add_argument("--no-build", action="store_true",
                        help="take what is built already")
    for role in ("server", "relay"):
        parser.add_argument(f"--{role}", choices=teredo.IMPLEMENTATIONS,
                            default="ours", help=f"which {role} to run")
    return parser.parse_args()


class Demo:
    """The steps of the demo, and what they found."""

    def __init__(self, net, chosen):
        self.net, self.chosen = net, chosen
        self.ladder = Ladder(net, net.c1)
        self.capture = net.capture(net.server, net.relay, net.v6, net.nat1,
                                   (net.c1, "eth0"))

    def show(self):
        """Print what has passed since the last time."""
        for line in self.ladder.lines(self.capture.take()):
            say(line.rstrip())

    def run(self):
        """All steps, in order."""
        net = self.net
        self.start_services()
        title("1. The client starts, and asks for an address")
        self.client = foreign.client(net.c1)
        self.address = teredo.wait_address(net.c1)
        self.show()

        title(f"2. The client pings the web host, {net.v6.ip6}")
        self.out_times = self.ping(net.c1, net.v6.ip6)
        self.show()

        title("3. The client fetches a web page from it")
        web.serve(net.v6, PAGE)
        self.fetched = self.fetch(net.c1, net.v6.ip6)
        self.show()

        title("4. The web host fetches a page from the client: "
              "in through the NAT")
        web.serve(net.c1, PAGE)
        self.was_fetched = self.fetch(net.v6, self.address)
        self.show()
        self.summary()

    def start_services(self):
        net, chosen = self.net, self.chosen
        say(f"The lab is up: a client ({net.c1.ip4}) behind {TEXT[chosen.nat]};"
            f"\na Teredo server ({net.server.ip4} and "
            f"{net.server.addresses4[1]}); a Teredo relay ({net.relay.ip4}, "
            f"{net.relay.ip6});\na web host that knows IPv6 only "
            f"({net.v6.ip6}).")
        for start, whose in ((teredo.start_server, chosen.server),
                             (teredo.start_relay, chosen.relay)):
            daemon = start(net, whose)
            say(f"Started {daemon}, process {daemon.pid} there.")

    @staticmethod
    def ping(host, address):
        """Ping three times; return the times in ms."""
        shown = host.run(["ping", "-6", "-n", "-c", "3", "-i", ".2",
                          "-W", "5", address], check=False)
        times = [float(time)
                 for time in re.findall(r"time=([\d.]+)", shown.stdout)]
        if len(times) < 3:
            raise LabError(f"{host.name}: only {len(times)} of 3 pings to "
                           f"{address} were answered\n{shown.stdout}")
        return times

    @staticmethod
    def fetch(host, address):
        """Fetch the page; return its size."""
        page = web.fetch(host, address)
        if page != PAGE:
            raise LabError(f"{host.name}: the page from {address} is not the "
                           f"one that was served: {len(page)} bytes")
        return len(page)

    def summary(self):
        """What came of it."""
        net, said = self.net, teredo.explain(self.address)
        groups = ipaddress.IPv6Address(self.address).exploded.split(":")
        outside = "its own" if net.site1.nat == "none" else "the NAT's"
        title("Summary")
        say(f"The client's address:  {self.address}")
        say(f"  {':'.join(groups[0:2])}  Teredo")
        say(f"  {':'.join(groups[2:4])}  its server, {said.server}")
        say(f"  {groups[4]}       random bits, against guessing"
            + (", and the mark of a cone NAT" if said.flags & 0x8000 else ""))
        say(f"  {groups[5]}       its outside port, {said.port}, inverted")
        say(f"  {':'.join(groups[6:8])}  its outside address, {said.ip4}, "
            f"{outside}, inverted")
        say("Pings to the web host:  "
            + ", ".join(f"{time:g} ms" for time in self.out_times)
            + "  (the first one finds the way)")
        say(f"Web pages:  {self.fetched:,} bytes fetched, "
            f"{self.was_fetched:,} bytes given")


def keep(net):
    """Wait for Enter, after telling how to use the lab."""
    title("The lab stays up until you press Enter or Ctrl-C")
    say("Step into a host from another terminal, as root:")
    for host in net.hosts.values():
        addresses = ", ".join(host.addresses4[:2] + host.addresses6)
        say(f"  {host.enter_command():34} # {host.name} {addresses}")
    say(f"Try in c1:  ping -6 {net.v6.ip6}    curl -g http://[{net.v6.ip6}]/"
        "    ip -6 address show dev teredo")
    if not sys.stdin.readline():
        say("(standard input is closed; waiting for a signal)")
        signal.pause()


def main():
    """Run the demo; returns the exit status."""
    chosen = options()
    if sys.stdin is None:               # closed; number 0 is no lab socket's
        sys.stdin = open(os.devnull)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        foreign.fetch()
        with Internet(nat1=chosen.nat) as net:
            demo = Demo(net, chosen)
            try:
                demo.run()
            except (LabError, OSError) as problem:
                blame(net, demo, problem)
                if chosen.keep:
                    keep(net)
                return 1
            if chosen.keep:
                keep(net)
        say("\nThe lab is gone; nothing of it is left on this machine.")
        return 0
    except (LabError, OSError) as problem:
        say(f"demo: {problem}")
        return 1
    except KeyboardInterrupt:
        say("\nStopped; the lab is gone.")
        return 130


def blame(net, demo, problem):
    """Say what went wrong, and what there is to read about it."""
    title("That did not work")
    say(str(problem))
    demo.show()
    for host in net.hosts.values():
        if host.log:
            say(f"-- log of {host.name}")
            for line in host.log[-15:]:
                say(f"   {line.text}")
    say(f"-- NAT type {net.site1.nat}; to look around: ./demo --keep")


if __name__ == "__main__":
    sys.exit(main())
