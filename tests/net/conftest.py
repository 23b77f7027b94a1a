# SPDX-License-Identifier: GPL-2.0-or-later
"""What the namespace tests share: labs, wires, captures.

    def test_server_answers(net):             # one lab for the module
        net.server.daemon(["miredo", "-s", "9.0.0.2"])
        wire = net.wire(net.server)           # both ends of it are yours
        wire.send(IP(src="9.9.9.9", dst="9.0.0.2") / UDP(...) / Raw(...))
        answer = wire.recv(lambda p: UDP in p)

net.wire(net.relay) does the same for native IPv6.  Rather than prove silence by
waiting, send something that must be answered after what must not be.

To run a daemon without a device, with other rights, or as somebody else:

    net.relay.run(["unshare", "-m", "sh", "-c",
                   "mount -t tmpfs none /dev/net && exec miredo"], check=False)
    net.relay.run(["setpriv", "--reuid", "1000", "miredo"], check=False)

Daemons that a test starts with `net.<host>.daemon()` are stopped at its end,
unless a fixture of the module started them, and the test fails if one ended
badly and nobody asked; NAT types and accounts stay as they are set.  Settings
of the lab for a module: `LAB = {"nat1": "full"}`, the arguments of Internet().
See lab/README.md.
"""

import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from lab import Internet  # noqa: E402


def pytest_collection_modifyitems(items):
    """Fail at once, and say so, rather than skip: these tests need root."""
    if items and os.geteuid():
        raise pytest.UsageError("tests/net needs root: it makes namespaces")


@pytest.fixture(scope="module")
def make_lab():
    """A function making further labs; they end with the module."""
    labs = []

    def make(**options):
        labs.append(Internet(**options))
        return labs[-1]

    yield make
    for lab in labs:
        lab.close()


@pytest.fixture(scope="module")
def lab(request, make_lab):
    """The lab of this module, for fixtures of module scope."""
    return make_lab(**getattr(request.module, "LAB", {}))


@pytest.fixture(scope="module")
def plain(request, make_lab):
    """A lab with the programs as they are released, to measure memory.

    AddressSanitizer takes memory of its own while a program runs.  MIREDO_PLAIN
    names the build directory; ./check makes it.
    """
    with pytest.MonkeyPatch.context() as patch:
        if "MIREDO_PLAIN" in os.environ:
            patch.setenv("MIREDO_BUILD", os.environ["MIREDO_PLAIN"])
        return make_lab(**getattr(request.module, "LAB", {}))


@pytest.fixture
def net(lab):
    """The lab of this module; what the test starts and opens ends with it."""
    with lab.tidy():
        yield lab
