# SPDX-License-Identifier: GPL-2.0-or-later
"""A small internet on one machine, for tests, benches and the demo."""

from lab.host import Daemon, Host, LabError, Process, wait_for
from lab.internet import Internet, Site
from lab.wire import Wire

__all__ = ["Daemon", "Host", "Internet", "LabError", "Process", "Site",
           "Wire", "wait_for"]
