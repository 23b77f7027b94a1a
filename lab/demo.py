# SPDX-License-Identifier: GPL-2.0-or-later
"""The demo: a client behind a NAT meets the IPv6 internet.  See ./demo."""

import argparse
import ipaddress
import os
import re
import signal
import sys
import time

from lab import Internet, LabError, foreign, nat, teredo, web
from lab.host import wait_for
from lab.ladder import CLIENTS, COLUMNS, Ladder

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
#: Behind a symmetric NAT, ports are not where the address says; only a NAT
#: that looks at addresses alone lets their packets in.
OTHER_NAT = {"symmetric": "restricted"}


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
    for role in ("server", "relay", "client"):
        parser.add_argument(f"--{role}", choices=teredo.IMPLEMENTATIONS,
                            default="ours", help=f"which {role} to run: ours, "
                            "or the Debian package's, Miredo 1.2.6")
    return parser.parse_args()


class Pings:
    """A ping that goes on, twenty a second."""

    def __init__(self, host, address):
        self._process = host.popen(["ping", "-6", "-n", "-D", "-i", ".05",
                                    address])
        self.more()

    def answers(self):
        """(when, number) of each one that was answered so far."""
        return [(float(when), int(number)) for when, number in re.findall(
            r"^\[([\d.]+)\] \d+ bytes .*icmp_seq=(\d+) .*time=",
            self._process.out, re.MULTILINE)]

    def more(self, timeout=15.0):
        """Wait until ten more are answered."""
        before = len(self.answers())
        wait_for(lambda: len(self.answers()) >= before + 10,
                 f"answers to {self._process}", timeout)

    def stop(self):
        """End it; returns how many were answered, how many between these
        were not, and the longest time without an answer.
        """
        self._process.stop(signal.SIGINT)
        times, numbers = zip(*sorted(self.answers()))
        gaps = (after - before for before, after in zip(times, times[1:]))
        between = max(numbers) - min(numbers) + 1
        return len(numbers), between - len(numbers), max(gaps)


class Demo:
    """The steps of the demo, and what they found."""

    def __init__(self, net, chosen):
        self.net, self.chosen = net, chosen
        self.ours = chosen.client == "ours"
        self.ladder = Ladder(net)
        self.capture = net.capture(net.server, net.relay, net.v6, net.nat1,
                                   net.nat2, (net.c1, "eth0"),
                                   (net.c2, "eth0"))
        self.steps, self.found, self.said = 0, [], 0

    def step(self, text):
        """Begin a step."""
        self.steps += 1
        title(f"{self.steps}. {text}")

    def show(self, columns=COLUMNS):
        """Print what has passed since the last time."""
        for line in self.ladder.lines(self.capture.take(), columns):
            say(line.rstrip())

    def log(self):
        """Print what the client has logged since the last time."""
        lines, self.said = self.net.c1.log[self.said:], len(self.net.c1.log)
        for line in lines:
            if self.ours:
                say("   its log:  " + re.sub(r"^\w+\[\d+\]: ", "", line.text))

    def run(self):
        """All steps, in order."""
        self.services()
        self.begin()
        self.web_host()
        self.inward()
        self.neighbour()
        if self.ours:
            if self.net.site1.nat != "none":
                self.move()
            self.silence()
            self.restart()
        self.summary()

    def services(self):
        """Say who is there; start what others run for the client."""
        net, chosen = self.net, self.chosen
        say(f"The lab is up: a client ({net.c1.ip4}) behind "
            f"{TEXT[chosen.nat]};\na Teredo server ({net.server.ip4} and "
            f"{net.server.addresses4[1]}); a Teredo relay ({net.relay.ip4}, "
            f"{net.relay.ip6});\na web host that knows IPv6 only "
            f"({net.v6.ip6}).")
        for start, whose in ((teredo.start_server, chosen.server),
                             (teredo.start_relay, chosen.relay)):
            daemon = start(net, whose)
            say(f"Started {daemon}, process {daemon.pid} there.")

    def start(self, host):
        """Start a client, by a command of a few letters if it is ours."""
        if not self.ours:
            return foreign.client(host)
        return host.daemon(["miredo", self.net.server.ip4])

    # -- what Teredo is for ---------------------------------------------

    def begin(self):
        """The client gets its address."""
        net = self.net
        self.step("The client starts, and asks for an address")
        began = time.time()
        self.daemon = self.start(net.c1)
        self.address = teredo.wait_address(net.c1)
        took = time.time() - began
        if self.ours:
            took = net.c1.wait_log("qualified: ").time - began
        self.show()
        say(f"Started {self.daemon}: its address came {took * 1000:.0f} ms "
            "after the command.")
        self.log()
        self.explain()
        self.found.append(f"an address {took * 1000:.0f} ms after the start")

    def explain(self):
        """What an address says."""
        said = teredo.explain(self.address)
        groups = ipaddress.IPv6Address(self.address).exploded.split(":")
        outside = "its own" if self.net.site1.nat == "none" else "the NAT's"
        say(f"   {self.address} means")
        say(f"   {':'.join(groups[0:2])}  Teredo")
        say(f"   {':'.join(groups[2:4])}  its server, {said.server}")
        say(f"   {groups[4]}       random bits, against guessing"
            + (", and the mark of a cone NAT" if said.flags & 0x8000 else ""))
        say(f"   {groups[5]}       its outside port, {said.port}, inverted")
        say(f"   {':'.join(groups[6:8])}  its outside address, {said.ip4}, "
            f"{outside}, inverted")

    def web_host(self):
        """Out to the native internet."""
        net = self.net
        self.step(f"The client pings the web host, {net.v6.ip6}")
        times = self.ping(net.c1, net.v6.ip6)
        self.show()
        self.found.append("pings to the web host: "
                          + ", ".join(f"{time:g} ms" for time in times)
                          + " (the first one finds the way)")

        self.step("The client fetches a web page from it")
        web.serve(net.v6, PAGE)
        self.fetch(net.c1, net.v6.ip6)
        self.show()

    def inward(self):
        """In from the native internet."""
        net = self.net
        self.step("The web host fetches a page from the client: "
                  "in through the NAT")
        web.serve(net.c1, PAGE)
        self.fetch(net.v6, self.address)
        self.show()
        self.found.append(f"web pages of {len(PAGE):,} bytes, in both "
                          "directions")

    def neighbour(self):
        """From one client to another, without a relay."""
        net = self.net
        kind = net.site2.nat.replace("port", "port-")
        self.step(f"A second client starts behind another NAT ({kind}), and "
                  "is reached without a relay")
        self.start(net.c2)
        self.other = teredo.wait_address(net.c2)
        self.capture.take()
        times = self.ping(net.c1, self.other)
        self.fetch(net.c2, self.address)
        self.show(CLIENTS)
        self.found.append("pings to the other client, directly: "
                          + ", ".join(f"{time:g} ms" for time in times))

    # -- what becomes of it when things change --------------------------

    def move(self):
        """The NAT gives the client another address and port."""
        net, old = self.net, self.address
        self.step("The NAT gets another address and forgets everything, "
                  "in the midst of pings")
        pings = Pings(net.c1, net.v6.ip6)
        net.site1.rebind("9.0.10.3")
        self.ladder.names[net.site1.wan] = "client"
        self.address = teredo.wait_address(net.c1, other_than=old)
        pings.more()
        _, _, gap = pings.stop()
        self.show()
        self.log()
        say(f"Pings were unanswered for {gap:.1f} s: after one second of "
            "silence the client asked its server,")
        say(f"and has the address {self.address} now.")
        self.found.append(f"another mapping of the NAT: back after {gap:.1f} "
                          "s, with another address")

    def silence(self):
        """The server goes away, and comes back."""
        net = self.net
        self.step("The server vanishes for some seconds, and the client is "
                  "told to ask it (SIGHUP)")
        both = {"web host": Pings(net.c1, net.v6.ip6),
                "other client": Pings(net.c1, self.other)}
        seen, began = len(net.c1.log), time.monotonic()
        with net.away(net.server):
            net.c1.kill(self.daemon.pid, signal.SIGHUP)
            net.c1.wait_log("server-silent", since=seen)
            for pings in both.values():
                pings.more()
            self.fetch(net.c2, self.address)
            took = time.monotonic() - began
        net.c1.wait_log("qualified: ", since=seen)
        self.log()
        lost = 0
        for whom, pings in both.items():
            answered, unanswered, _ = pings.stop()
            lost += unanswered
            say(f"Pings to the {whom}: {answered} answered, {unanswered} "
                "lost.")
        if teredo.address_of(net.c1) != self.address:
            raise LabError("c1: its address has changed")
        say("A page went from client to client meanwhile. The address is the "
            "same.")
        self.found.append(f"{took:.0f} s without the server: {lost} pings "
                          "lost, the same address")

    def restart(self):
        """The client is killed, and started again."""
        net = self.net
        self.step("The client is killed, and started again")
        self.daemon.kill()
        self.said = len(net.c1.log)
        self.daemon = self.start(net.c1)
        address = teredo.wait_address(net.c1)
        self.log()
        if address != self.address:
            raise LabError(f"c1: its address was {self.address}, and is "
                           f"{address} now")
        say("The address is the same: its port and random bits are in "
            "/var/lib/miredo.")
        self.fetch(net.v6, self.address)
        self.found.append("a new start: the same address")

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
        """Fetch the page."""
        page = web.fetch(host, address)
        if page != PAGE:
            raise LabError(f"{host.name}: the page from {address} is not the "
                           f"one that was served: {len(page)} bytes")

    def summary(self):
        """What came of it."""
        title("Summary")
        for line in self.found:
            say(f" - {line}")
        if not self.ours:
            say("What follows with our client is not shown with that of 1.2.6:"
                "\nchanges of the NAT, a server that vanishes, a new start.")


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
        if "debian" in (chosen.server, chosen.relay, chosen.client):
            foreign.fetch()
        other = OTHER_NAT.get(chosen.nat, "portrestricted")
        with Internet(nat1=chosen.nat, nat2=other) as net:
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
