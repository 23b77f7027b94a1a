# SPDX-License-Identifier: GPL-2.0-or-later
"""`meson install`: everything in place, DESTDIR honoured, and it runs."""

import json
import os
import pathlib
import re
import subprocess

import pytest

from lab.host import build_directory

#: Below DESTDIR, with the prefix of the build directory in the place of @.
INSTALLED = """
@/sbin/miredo
@/sbin/miredo-checkconf
@/sbin/miredo-exporter
@/sbin/miredo-server
@/lib/systemd/catalog/miredo.catalog
@/lib/systemd/network/10-miredo.network
@/lib/systemd/system/miredo.service
@/lib/systemd/system/miredo-exporter.service
@/lib/systemd/system/miredo-exporter.socket
@/lib/systemd/system/miredo@.service
@/lib/systemd/system/miredo-server.service
@/lib/sysusers.d/miredo.conf
@/lib/tmpfiles.d/miredo.conf
@/lib/udev/rules.d/85-miredo.rules
@/share/doc/miredo/examples/client.nft
@/share/doc/miredo/examples/relay.nft
@/share/doc/miredo/examples/server.nft
@/share/man/man5/miredo-server.conf.5
@/share/man/man5/miredo.conf.5
@/share/man/man7/teredo.7
@/share/man/man8/miredo-checkconf.8
@/share/man/man8/miredo.8
@/share/man/man8/miredo-exporter.8
@/share/man/man8/miredo-server.8
""".split()


def install(to):
    """Into a directory, without building anything."""
    subprocess.run(["meson", "install", "--no-rebuild", "--quiet",
                    "-C", build_directory()], check=True,
                   env=dict(os.environ, DESTDIR=str(to)))


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Where it is installed."""
    to = tmp_path_factory.mktemp("installed")
    install(to)
    return to


@pytest.fixture(scope="module")
def prefix():
    """Of the build directory."""
    return option("prefix")


@pytest.fixture(scope="module")
def samples(tree, prefix):
    """Where the samples are."""
    return pathlib.Path(str(tree) + os.path.join(
        prefix, option("sysconfdir"), "miredo"))


def option(name):
    """An option of the build directory."""
    shown = subprocess.run(
        ["meson", "introspect", "--buildoptions", build_directory()],
        stdout=subprocess.PIPE, text=True, check=True).stdout
    (found,) = [option["value"] for option in json.loads(shown)
                if option["name"] == name]
    return found


def test_all_is_in_place(tree, prefix, samples):
    """Each file, and both samples."""
    there = {"/" + str(file.relative_to(tree))
             for file in tree.rglob("*") if not file.is_dir()}
    missing = {name.replace("@/", prefix + "/", 1)
               for name in INSTALLED} - there
    assert not missing, there
    assert sorted(file.name for file in samples.iterdir()) == \
        ["miredo-server.conf", "miredo.conf"]


def test_units_name_what_is_installed(tree, prefix):
    """Their programs are there."""
    for unit in (tree / prefix[1:] / "lib/systemd/system").iterdir():
        for program in re.findall(r"^Exec\w+=(/\S+)", unit.read_text(), re.M):
            assert os.access(tree / program[1:], os.X_OK), program


def test_own_configuration_survives(tree, samples):
    """Another installation leaves alone what somebody wrote."""
    file = samples / "miredo.conf"
    sample = file.read_text()
    file.write_text("BindPort 3545\n")
    install(tree)
    assert file.read_text() == "BindPort 3545\n"
    file.write_text(sample)


def test_accounts_and_directories(tree, prefix, tmp_path):
    """systemd-sysusers and systemd-tmpfiles know what these files say."""
    below = prefix[1:]
    (tmp_path / "etc").mkdir()
    done = subprocess.run(
        ["systemd-sysusers", f"--root={tmp_path}",
         tree / below / "lib/sysusers.d/miredo.conf"],
        check=True, stderr=subprocess.PIPE, text=True)
    assert "miredo" in done.stderr
    (user,) = re.findall(r"^miredo:x:(\d+):(\d+):", (
        tmp_path / "etc/passwd").read_text(), re.M)
    assert user[1] == "65534"
    subprocess.run(["systemd-tmpfiles", "--create", f"--root={tmp_path}",
                    tree / below / "lib/tmpfiles.d/miredo.conf"], check=True)
    for name in "miredo", "miredo-server":
        made = (tmp_path / "run" / name).stat()
        assert (made.st_uid, made.st_mode & 0o7777) == (int(user[0]), 0o755)


def test_rule_of_udev(tree, prefix):
    """The rule is one, and marks our interface and no other."""
    rule = (tree / prefix[1:] / "lib/udev/rules.d/85-miredo.rules").read_text()
    (line,) = [line for line in rule.splitlines() if line[0] != "#"]
    assert re.fullmatch(r'(\w+(\{\w+\})?(==|!=|=)"[^"]*"(, )?)+', line)
    assert 'ENV{NM_UNMANAGED}="1"' in line and 'KERNEL=="teredo*"' in line


@pytest.mark.parametrize("role", ["client", "server", "relay"])
def test_rules_of_nftables(net, tree, prefix, role):
    """They load, twice as well, and say what they are for."""
    rules = tree / prefix[1:] / f"share/doc/miredo/examples/{role}.nft"
    host = net.hosts.get("rules") or net.add_host("rules")
    for _ in range(2):
        host.run(["nft", "-f", rules])
    table = host.run(["nft", "list", "ruleset"]).stdout
    assert table.count(f"teredo_{role} {{") == 1


def test_it_runs(net, tree, prefix, samples):
    """The installed daemon with the installed samples: a relay."""
    host = net.relay
    for name in "miredo.conf", "miredo-server.conf":
        host.write(f"/etc/miredo/{name}",
                   (samples / name).read_text())
    sbin = pathlib.Path(f"{tree}{prefix}/sbin")
    assert host.run([sbin / "miredo-checkconf"]).stdout == ""
    relay = host.daemon([str(sbin / "miredo")])
    relay.wait_log("relay on")
    route = host.run(["ip", "-6", "route", "show", "2001::/32"]).stdout
    assert "teredo" in route
    assert relay.stop() == 0
    done = host.run([sbin / "miredo-server"], check=False)
    assert done.returncode == 1 and "ServerBindAddress" in done.stderr
