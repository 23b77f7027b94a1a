# SPDX-License-Identifier: GPL-2.0-or-later
"""A web page on a host of the lab, over IPv6."""

from lab.host import wait_for


def serve(host, page):
    """Start a web server, port 80, with this page."""
    host.write("/run/www/index.html", page)
    host.popen(["python3", "-m", "http.server", "--bind", "::",
                "--directory", "/run/www", "80"])
    wait_for(lambda: ":80 " in host.run(["ss", "-ltn"]).stdout,
             f"the web server on {host.name}")


def fetch(host, address):
    """Fetch that page from another host; returns its text."""
    return host.run(["curl", "-gsS", "-m", "20",
                     f"http://[{address}]/"]).stdout
