# SPDX-License-Identifier: GPL-2.0-or-later
"""A router that forwards ports on request: miniupnpd, by UPnP, NAT-PMP and PCP.

The Debian package is downloaded and unpacked into build/foreign, never installed:
installing starts a daemon on the machine.

    daemon = gateway.start(net.nat1, "pcp")     # or "natpmp", "upnp", or several
    gateway.forwards(net.nat1)                  # {(outside port, address, port)}
"""

import pathlib
import re
import subprocess
import tempfile

from lab.host import REPOSITORY, LabError, wait_for

PACKAGE = "miniupnpd-nftables"
ROOT = REPOSITORY / "build" / "foreign"
PROGRAM = ROOT / "usr/sbin/miniupnpd"

# Before the chains of lab/nat.py, which drop what they know nothing of.
TABLE = """
table inet upnp
delete table inet upnp
table inet upnp {
    chain forward { }
    chain arrive { type nat hook prerouting priority dstnat - 5; jump forwarded; }
    chain forwarded { }
    chain leaving { }
}
"""

CONFIG = """
ext_ifname=wan
listening_ip=lan
port=5000
enable_upnp=%(upnp)s
enable_natpmp=%(natpmp)s
min_lifetime=120
max_lifetime=86400
secure_mode=yes
uuid=00000000-0000-4000-8000-000000000001
upnp_table_name=upnp
upnp_nat_table_name=upnp
upnp_forward_chain=forward
upnp_nat_chain=forwarded
upnp_nat_postrouting_chain=leaving
lease_file=
allow 1024-65535 0.0.0.0/0 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
"""


def fetch():
    """Have the package unpacked in ROOT; the program."""
    if PROGRAM.exists():
        return PROGRAM
    ROOT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as where:
        command = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download",
                   PACKAGE]
        for _ in range(2):
            done = subprocess.run(command, cwd=where, capture_output=True, text=True,
                                  stdin=subprocess.DEVNULL)
            if done.returncode == 0:
                break
            subprocess.run(["apt-get", "-q", "update"], check=False,
                           capture_output=True, stdin=subprocess.DEVNULL)
        for package in pathlib.Path(where).glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, ROOT], check=False)
    if not PROGRAM.exists():
        raise LabError(f"cannot download {PACKAGE}:\n{done.stdout}{done.stderr}")
    return PROGRAM


def start(router, *protocols):
    """Start it on a router of the lab; a Process that is ready."""
    def word(*names):
        return "yes" if set(names) & set(protocols) else "no"

    router.nft(TABLE)
    router.write("/etc/miniupnpd.conf", CONFIG % {
        "upnp": word("upnp"), "natpmp": word("natpmp", "pcp")})
    process = router.popen([fetch(), "-d", "-f", "/etc/miniupnpd.conf", "-P",
                            "/run/miniupnpd.pid"])
    wait_for(lambda: "Listening for NAT-PMP" in process.err or
             "HTTP listening" in process.err or process.poll() is not None,
             "the router")
    if process.poll() is not None:
        raise LabError(process.err)
    return process


def settled(host):
    """Wait until a client has its answer, or none: who asked for it has ended."""
    wait_for(lambda: "gateway-asked" not in host.run(
        ["miredoctl", "--json", "status"], check=False).stdout,
        f"an answer of the router of {host.name}", 30)


def forwards(router):
    """What it forwards now."""
    rules = router.run(["nft", "list", "chain", "inet", "upnp", "forwarded"]).stdout
    return {(int(outside), address, int(port)) for outside, address, port in re.findall(
        r"dport (\d+) .*dnat ip to ([\d.]+):(\d+)", rules)}
