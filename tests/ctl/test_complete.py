# SPDX-License-Identifier: GPL-2.0-or-later
"""What the shells complete, by the shells themselves."""
import fcntl
import functools
import os
import pathlib
import pty
import re
import select
import struct
import subprocess
import tempfile
import termios
import time

import pytest

CTL = pathlib.Path(os.environ["MIREDOCTL"])
MADE = pathlib.Path(os.environ["COMPLETIONS"])

BASH = r"""
source "$1"
COMP_WORDS=("${@:2}") COMP_CWORD=$(($# - 2))
"_${2//-/_}" 2>&1
printf '%s\n' "${COMPREPLY[@]}"
"""

# ^D lists what there is; ^U forgets the line.
ZSHRC = r"""
unsetopt prompt_cr
LISTMAX=10000 PS1=READY'> ' fpath=(%s $fpath)
bindkey -e
autoload -Uz compinit && compinit -u -D
"""


def bash(*words):
    """Its last word is being written."""
    words = [part for word in words for part in re.split(r"(?<=^--)?(=)", word) if part] \
        + ([""] if words[-1] == "" else [])
    got = subprocess.run(["bash", "-c", BASH, "bash", MADE / words[0], *words], text=True,
                         capture_output=True, check=True, timeout=60)
    assert got.stderr == ""
    return set(got.stdout.split())


def type_to_zsh(fd, words):
    """What it writes when it is asked what could follow."""
    def until(word):
        text = ""
        end = time.monotonic() + 60
        while word not in text:
            assert time.monotonic() < end, text
            if select.select([fd], [], [], 1)[0]:
                text += os.read(fd, 65536).decode(errors="replace")
        return text
    until("READY>")
    os.write(fd, " ".join(words).encode() + b"\x04\x15print DO''NE\n")
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", " ", until("DONE"))
    return set(re.split(r"[\s\x07]+", text))


@functools.cache
def zsh(*words):
    fd, inner = pty.openpty()
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 500, 2000, 0, 0))
    with tempfile.TemporaryDirectory() as home:
        pathlib.Path(home, ".zshrc").write_text(ZSHRC % MADE)
        process = subprocess.Popen(["zsh", "-d", "-i"], stdin=inner, stdout=inner,
                                   stderr=inner, start_new_session=True,
                                   preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY),
                                   env={"PATH": os.environ["PATH"], "HOME": home,
                                        "TERM": "dumb"})
        try:
            return type_to_zsh(fd, words)
        finally:
            process.kill()
            process.wait()
            os.close(fd)
            os.close(inner)


def fish(*words):
    program = words[0]
    with tempfile.TemporaryDirectory() as home:
        got = subprocess.run(
            ["fish", "--no-config", "-c",
             f"source {MADE}/{program}.fish; complete -C '{' '.join(words)}'"],
            text=True, capture_output=True, check=True, timeout=60,
            env={"PATH": os.environ["PATH"], "HOME": home, "XDG_CONFIG_HOME": home,
                 "XDG_DATA_HOME": home, "TERM": "dumb"})
    assert got.stderr == ""
    return {line.split("\t")[0] for line in got.stdout.splitlines()}


def verbs():
    text = subprocess.run([CTL, "--help"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^  ([a-z]+) ", text, re.M))


def options(program, *verb):
    text = subprocess.run([program, *verb, "--help"], capture_output=True, text=True,
                          check=True).stdout
    return set(re.findall(r"^ .*?(--[a-z0-9-]+)", text, re.M))


SHELLS = pytest.mark.parametrize("shell", [bash, zsh, fish])


@SHELLS
def test_verbs(shell):
    assert verbs() <= shell("miredoctl", "")


@SHELLS
@pytest.mark.parametrize("verb", sorted(verbs()))
def test_options_of_each_verb(shell, verb):
    got = shell("miredoctl", verb, "--")
    wanted = options(CTL, verb)
    assert wanted <= {re.sub("=.*", "", word) for word in got}
    others = set().union(*(options(CTL, other) for other in verbs())) - wanted
    assert not others & {re.sub("=.*", "", word) for word in got}


@SHELLS
@pytest.mark.parametrize("program", ["miredo", "miredo-server"])
def test_options_of_the_daemons(shell, program):
    got = {re.sub("=.*", "", word) for word in shell(program, "--")}
    # --chrootdir is another name, which the help leaves out.
    assert options(CTL.parent / program) | {"--chrootdir"} <= got


@SHELLS
def test_values(shell):
    assert {"rate", "age", "address"} <= shell("miredoctl", "peers", "--sort", "")
    assert {"auto", "always", "never"} <= shell("miredoctl", "--color", "")
    assert {"client", "relay", "server", "auto"} <= shell("miredo", "--role", "")


def test_values_behind_a_sign_of_equality():
    assert bash("miredoctl", "peers", "--sort=") == {"rate", "age", "address"}
    assert bash("miredoctl", "peers", "--sort=r") == {"rate"}
    assert bash("miredoctl", "peers", "--watch=") == set()
    assert bash("miredoctl", "check", "--color", "a") == {"auto", "always"}


@SHELLS
def test_reasons(shell):
    assert {"server-silent", "rate-peer", "queue-full"} <= shell("miredoctl", "explain", "")


@pytest.mark.parametrize("shell", [bash, fish])
def test_files(shell, tmp_path):
    (tmp_path / "some.conf").write_text("")
    (tmp_path / "sub").mkdir()
    start = f"{tmp_path}/s"
    for words in ["miredoctl", "check", start], ["miredo", "--config", start]:
        got = {word.rstrip("/") for word in shell(*words)}
        assert got == {f"{tmp_path}/some.conf", f"{tmp_path}/sub"}
    got = {word.rstrip("/") for word in shell("miredo", "--state", start)}
    assert got == {f"{tmp_path}/sub"}
