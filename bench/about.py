# SPDX-License-Identifier: GPL-2.0-or-later
"""What a bench measures, and where: build, commit, machine."""

import datetime
import json
import os
import pathlib
import platform
import subprocess
import sys

from lab.host import REPOSITORY, build_directory


def commit():
    """What the repository is at."""
    def git(*words):
        return subprocess.run(
            ["git", "-c", "safe.directory=*", *words], cwd=REPOSITORY,
            text=True, capture_output=True, check=False).stdout.strip()
    changed = git("status", "--porcelain", "--untracked-files=no", "--", "src")
    return (git("rev-parse", "--short=12", "HEAD") or "unknown") + (
        " with changes in src" if changed else "")


def build():
    """Install what is missing and build, as the owner of the tree."""
    lab = REPOSITORY / "lab"
    subprocess.run([lab / "install-packages"], check=True)
    done = subprocess.run([lab / "build", build_directory()], text=True,
                          capture_output=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}{sys.argv[0]}: the build failed")


def build_options():
    """How the daemons were built: options of meson by name."""
    file = build_directory() / "meson-info" / "intro-buildoptions.json"
    return {option["name"]: option["value"]
            for option in json.loads(file.read_text())}


def circumstances():
    """What a reader needs to judge the figures."""
    model = next((line.split(":", 1)[1].strip() for line in
                  pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    options = build_options()
    return {
        "date": f"{datetime.date.today()}",
        "kernel": platform.release(), "processor": model,
        "cores": len(os.sched_getaffinity(0)), "commit": commit(),
        "build": f"{options['buildtype']}, -O{options['optimization']}",
        "load before": f"{os.getloadavg()[0]:.2f}"}
