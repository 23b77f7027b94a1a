# SPDX-License-Identifier: GPL-2.0-or-later
"""The Debian packages of Miredo 1.2.6, as foreign peers.

They are downloaded and unpacked into build/foreign, never installed:
installing starts a daemon on the machine.  They are programs to talk to, not
to read.  What they need at absolute paths is copied into the host's own file
system.
"""

import functools
import pathlib
import shutil
import subprocess
import sys
import tempfile

from lab.host import REPOSITORY, LabError

PACKAGES = ("miredo", "miredo-server")
ROOT = REPOSITORY / "build" / "foreign"
HOOK = "/etc/miredo/client-hook"
PROGRAMS = ("usr/sbin/miredo", "usr/sbin/miredo-server",
            "usr/libexec/miredo/miredo-privproc", HOOK[1:])


def fetch():
    """Have the packages unpacked in ROOT; download what is missing."""
    problem = _fetch()
    if problem:
        raise LabError(problem)
    return ROOT


@functools.cache
def _fetch():
    """Try it once, and remember what went wrong: None, or a text."""
    if all((ROOT / program).exists() for program in PROGRAMS):
        return None
    ROOT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as where:
        command = ["apt-get", "-q", "-o", "APT::Sandbox::User=root",
                   "download", *PACKAGES]
        done = subprocess.run(command, cwd=where, capture_output=True,
                              text=True, stdin=subprocess.DEVNULL)
        if done.returncode:
            subprocess.run(["apt-get", "-q", "update"], check=False,
                           capture_output=True, stdin=subprocess.DEVNULL)
            done = subprocess.run(command, cwd=where, capture_output=True,
                                  text=True, stdin=subprocess.DEVNULL)
        if done.returncode:
            return (f"cannot download {' '.join(PACKAGES)}:\n"
                    f"{done.stdout}{done.stderr}")
        for package in pathlib.Path(where).glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, ROOT], check=False)
    for program in PROGRAMS:
        if not (ROOT / program).exists():
            return f"the Debian packages have no {program}"
    return None


def server(host, address="9.0.0.2", **options):
    """Start the foreign server; returns a Daemon."""
    host.write("/etc/miredo-server.conf", f"ServerBindAddress {address}\n")
    return host.daemon([fetch() / "usr/sbin/miredo-server", "-u", "miredo",
                        "-c", "/etc/miredo-server.conf"], **options)


def relay(host, config="RelayType cone\nBindPort 3545\n", **options):
    """Start the foreign relay with interface teredo; returns a Daemon."""
    return _miredo(host, config, options)


def client(host, server="9.0.0.2", config="", **options):
    """Start the foreign client with interface teredo; returns a Daemon.

    It has no address yet: see lab.teredo.wait_address().
    """
    shutil.copytree(fetch() / "usr/libexec/miredo",
                    host.path("/usr/libexec/miredo"), dirs_exist_ok=True)
    hook(host)
    return _miredo(host, f"ServerAddress {server}\n{config}", options)


def hook(host):
    """Install the script by which the foreign client sets its interface."""
    to = host.path(HOOK)
    to.parent.mkdir(exist_ok=True)
    shutil.copy(fetch() / HOOK[1:], to)


def _miredo(host, config, options):
    host.write("/etc/miredo/miredo.conf", f"InterfaceName teredo\n{config}")
    return host.daemon([fetch() / "usr/sbin/miredo", "-u", "miredo",
                        "-c", "/etc/miredo/miredo.conf"], **options)


if __name__ == "__main__":
    try:
        print(fetch())
    except LabError as problem:
        sys.exit(str(problem))
