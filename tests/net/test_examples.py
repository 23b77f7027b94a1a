# SPDX-License-Identifier: GPL-2.0-or-later
"""The examples: each command in README.md and the manual pages is run, and what
the page shows behind it is what comes.

A block is what is indented in README.md, .Bd -literal or .Dl in a manual page.  Lines
that begin with "# " or "$ " are commands, those behind them their output.  Numbers,
times and addresses in outputs may be others.  A block without commands is a
configuration file, a script or rules for nftables, and is checked by whom they are
for; in teredo(7) it is a picture.  "# cat FILE" shows a file that the example needs: it is written first.

What cannot be run is in EXCUSED, with the reason.
"""

import contextlib
import pathlib
import re
import shlex

import pytest

from lab import control, gateway, teredo
from lab.host import wait_for

TREE = pathlib.Path(__file__).resolve().parents[2]
PAGES = ["README.md", *sorted(f"doc/{page.name}" for page in (TREE / "doc").glob("*.[1-8]"))]

# How a command begins, and why it is not run here.
EXCUSED = {
    "sudo ./": "test_demo.py runs the demo; the other is what runs this",
    "meson ": "test_install.py builds and installs",
    "adduser ": "this machine keeps its users; the lab has user miredo",
    "systemctl ": "a host of the lab has no systemd: test_units.py",
    "journalctl ": "a host of the lab has no journal",
    "dmesg ": "the kernel's log is not the lab's",
}

# Addresses of examples are nobody's; those of the lab answer.
ADDRESSES = {"192.0.2.": "9.0.5.",
             "2001:0:c000:201:0:f226:3fff:fdfe": "2001:0:900:502:0:f226:f6ff:fafd"}


def blocks(page):
    """The text of each block."""
    text = (TREE / page).read_text()
    if page.endswith(".md"):
        return [re.sub(r"^    ", "", block, flags=re.M).strip("\n") for block in
                re.findall(r"(?:^\n)((?:^    .*\n|^\n(?=    ))+)", text, re.M)]
    return [re.sub(r"\\&", "", re.sub(r"\\e", r"\\", block)) for block in
            re.findall(r"^\.Bd -literal.*?\n(.*?)\n\.Ed", text, re.M | re.S) +
            re.findall(r"^\.Dl ([#$] .*)$", text, re.M)]


def commands(block):
    """[(command, output), ...]; [] if it shows a file."""
    found = []
    if block.startswith("#!"):
        return found
    for line in block.splitlines():
        if re.match(r"[#$] ", line) or (re.match(r"(sudo|meson) ", line)):
            found.append((re.sub(r"^[#$] ", "", line), []))
        elif found:
            found[-1][1].append(line)
    return found


def loose(text):
    """Numbers, times and addresses are the same as others; a line that a terminal
    has broken is one."""
    text = re.sub(r",\n {12}(?=\S)", ", ", text)
    text = re.sub(r"\b[0-9a-f]{1,4}(:[0-9a-f]{0,4}){2,7}\b", "IPV6", text)
    text = re.sub(r"\d+\.\d+\.\d+\.\d+", "IPV4", text)
    text = re.sub(r"\d\d:\d\d:\d\d", "CLOCK", text)
    text = re.sub(r"[\d.]+ (d|h|min|s|ms)\b( \d+ (h|min|s)\b)?", "TIME", text)
    text = re.sub(r"one thread|\d+ threads", "THREADS", text)
    text = re.sub(r"0x[0-9a-f]+|\d[\d.]*", "N", text)
    text = text.replace("→", "->")
    return [re.sub(r"\s+", " ", line).strip() for line in text.splitlines() if line.strip()]


def excuse(command):
    return next((why for start, why in EXCUSED.items() if command.startswith(start)), None)


def examples():
    """Each block that can be run, or be checked."""
    for page in PAGES:
        for number, block in enumerate(blocks(page), 1):
            if not all(excuse(command) for command, _ in commands(block)) or \
                    (not commands(block) and not page.endswith(".7")):
                yield pytest.param(block, id=f"{page.removeprefix('doc/')}-{number}")


@pytest.fixture(scope="module")
def extra(lab):
    """A host for servers of examples."""
    return lab.join("extra", "9.0.5", "2001:db8:5")


@contextlib.contextmanager
def firewall(host):
    """That of doc/examples."""
    host.nft((TREE / "doc/examples/client.nft").read_text())
    try:
        yield
    finally:
        host.nft("delete table ip6 teredo_client\n")


def be_client(net, silent, inbound):
    """c1 has a client, perhaps of a server that does not answer."""
    net.relay.daemon(["miredo"])
    teredo.forget(net.c1)
    if silent:
        teredo.start_client(net.c1, server="teredo.example.org")
        control.wait_reason(net.c1, "server-silent")
        wait_for(lambda: control.status(net.c1)["client"]["requests"] > 1, "a second question",
                 timeout=60)
    else:
        teredo.start_client(net.c1, server="teredo.example.net")
        teredo.wait_address(net.c1)
        wait_for(lambda: control.status(net.c1)["client"]["inbound"] == inbound, inbound)


def be_server(extra, text):
    """It has the addresses, if the example does not add them."""
    extra.run(["sh", "-c", "ip address flush dev eth0 to 9.0.5.220/30"])
    extra.write("/etc/miredo/miredo-server.conf", "ServerBindAddress 9.0.5.221\n")
    if "ip address add" not in text:
        extra.ip("address add 9.0.5.221/24 dev eth0", "address add 9.0.5.222/24 dev eth0")
    return extra


@pytest.fixture
def place(net, extra, block):
    """The host where this block is run."""
    text = "\n".join(command for command, _ in commands(block))
    net.dns.names.update({"teredo.example.net": "9.0.0.2", "teredo.example.org": "9.0.5.2"})
    net.site1.configure("portrestricted", hairpin="hairpin: yes" in block,
                        preserving="preserves ports: no" not in block)
    net.c1.resolver(net.dns)
    net.server.daemon(["miredo", "-s", "9.0.0.2"])
    with net.block(extra) if "server-silent]" in block else contextlib.nullcontext():
        if re.search(r"miredo -s|miredo-server", text):
            yield be_server(extra, text)
        elif text == "teredo-mire":
            yield extra
        elif re.search(r"^miredo$|host.conf", text, re.M):
            yield net.relay
        elif re.search("miredoctl|ping", text) and not re.search(r"^miredo ", text, re.M):
            if "ping" in text:
                run_mire(extra)
            guarded = "but for pings" in block
            if "mapping by" in block:
                gateway.start(net.nat1, "pcp")
            with firewall(net.c1) if guarded else contextlib.nullcontext():
                be_client(net, "NOT qualified" in block, "echo" if guarded else "open")
                if "mapping by" in block:
                    wait_for(lambda: control.status(net.c1)["client"]["port_mapping"]["method"],
                             "a port mapping")
                yield net.c1
        else:
            yield net.c1


def run_mire(host):
    host.popen(["teredo-mire"])
    wait_for(lambda: host.run(["ss", "-lunH", "sport", "=", ":3545"]).stdout,
             "teredo-mire to be there")


def run_daemon(host, command):
    """One that goes into the background, or with -f stays until the test ends."""
    argv = shlex.split(command)
    if "-f" not in argv:
        host.daemon(argv)
        return
    host.popen(argv)
    wait_for(lambda: host.run(["miredoctl", "status", "-q"], check=False).returncode != 3,
             f"{command} to be there")


def write_file(host, command, output):
    host.write(command.split()[1], "\n".join(output) + "\n")


def real(text):
    for example, address in ADDRESSES.items():
        text = text.replace(example, address)
    return text


def run_command(host, command, output):
    command, output = real(command), [real(line) for line in output]
    command = re.sub(" && systemctl .*", "", command)
    if excuse(command):
        return
    if re.match(r"miredo(-server)?( |$)", command):
        run_daemon(host, command)
        return
    if command == "teredo-mire":
        run_mire(host)
        return
    if re.fullmatch(r"cat \S+", command):
        write_file(host, command, output)
    for path in re.findall(r">\s*(/\S+)/", command):
        host.path(path).mkdir(parents=True, exist_ok=True)
    # The status is part of the output, if there is one: what is wrong is said.
    got = host.run(["sh", "-c", command], check=not output)
    if output:
        assert loose(got.stdout) == loose("\n".join(output))


def check_file(host, block):
    """What shows no commands is for somebody who can tell whether it is right."""
    host.write("/run/example", real(block) + "\n")
    host.write("/etc/miredo/secrets", "")
    host.path("/etc/miredo/secrets").chmod(0o600)
    if block.startswith("#!/bin/sh"):
        host.run(["sh", "-n", "/run/example"])
    elif block.startswith("table "):
        host.run(["nft", "-c", "-f", "/run/example"])
    elif block.startswith("scrape_configs:"):
        host.run(["promtool", "check", "config", "/run/example"])
    else:
        host.run(["miredoctl", "check", "/run/example"])


@pytest.mark.parametrize("block", examples())
def test_example(place, block):
    for command, output in commands(block):
        run_command(place, command, output)
    if not commands(block):
        check_file(place, block)


def test_examples_are_found():
    """A page without any block would be one that this file cannot read."""
    assert len(blocks("README.md")) >= 8
    for page in PAGES:
        text = (TREE / page).read_text()
        assert blocks(page) or ".Sh EXAMPLES" not in text, page
    assert ("miredo -s 192.0.2.221", []) in [
        it for block in blocks("README.md") for it in commands(block)]


def test_outputs_are_compared():
    assert loose("a 1.5 s 2001:db8::1 9.0.0.2:3544") == loose("a 3 h 2 min  2001::5 1.1.1.1:9")
    assert loose("a 5") != loose("b 5") and loose("a\nb") != loose("a")
