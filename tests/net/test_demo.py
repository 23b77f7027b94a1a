# SPDX-License-Identifier: GPL-2.0-or-later
"""The demo does what it tells."""

import os
import subprocess
import sys

from lab.host import REPOSITORY


def test_demo_of_our_client():
    """Each step checks itself; the status tells.  All of them are there."""
    done = subprocess.run([sys.executable, "-m", "lab.demo"],
                          cwd=REPOSITORY, env=dict(os.environ, PYTHONUTF8="1"),
                          stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\n8. " in done.stdout
    assert "the same address" in done.stdout.splitlines()[-3]
