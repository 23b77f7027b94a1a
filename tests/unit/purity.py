# SPDX-License-Identifier: GPL-2.0-or-later
"""The core is pure, and has one way out: purity.py LIBCORE SOURCES.

Its object files need nothing from outside but what is listed here: no system
call, no clock, no malloc, no log. And no file but outbox.c makes a datagram
(Z1), so that nothing passes the gate by.
"""

import pathlib
import re
import subprocess
import sys

ALLOWED = re.compile("|".join((
    "mem(cpy|set|cmp|move)", "bcmp", "__mem(cpy|set|move)_chk",
    "__stack_chk_fail", "__assert_fail", "_GLOBAL_OFFSET_TABLE_",
    "nettle_hmac_sha(1|256)_(set_key|update|digest)", "nettle_memeql_sec",
    "crypto_shorthash",
    # What sanitizers and coverage add.
    "__(asan|ubsan|sanitizer|gcov|llvm|sancov)_.*", "_?_?start___sanc.*",
    "_?_?stop___sanc.*")))
OUT_UDP = re.compile(r"\bOUT_(UDP|GROUP)\b")
MAY_NAME_OUT_UDP = {"outbox.c", "outbox.h"}
NEIGHBOUR = re.compile(r"\boutbox_neighbour\b")
MAY_SEND_TO_NEIGHBOURS = {"outbox.c", "outbox.h", "contact.c", "bubble.c"}


def symbols(library, option):
    shown = subprocess.run(["nm", "-P", option, library], check=True,
                           capture_output=True, text=True).stdout
    return {line.split()[0] for line in shown.splitlines()
            if len(line.split()) > 1}


def impure(library):
    """Undefined symbols that neither the core itself nor the list has."""
    outside = symbols(library, "--undefined-only") \
        - symbols(library, "--defined-only")
    return sorted(s for s in outside if not ALLOWED.fullmatch(s))


def bypasses(sources):
    """Files of the core, other than the outbox, that name OUT_UDP."""
    core = pathlib.Path(sources, "src", "core")
    found = {p.name for p in core.glob("*.[ch]")
             if OUT_UDP.search(p.read_text())}
    writers = {p.name for p in core.glob("*.c") if p.name != "outbox.c"
               and re.search(r"\b(out|o)->(v\b|n\s*(\+\+|\+=|=[^=]))",
                             p.read_text())}
    nearby = {p.name for p in core.glob("*.[ch]")
              if NEIGHBOUR.search(p.read_text())}
    return sorted((found - MAY_NAME_OUT_UDP) | writers |
                  (nearby - MAY_SEND_TO_NEIGHBOURS))


def main(library, sources):
    problems = [f"the core needs {s}" for s in impure(library)]
    problems += [f"{name} makes datagrams by itself"
                 for name in bypasses(sources)]
    if not symbols(library, "--defined-only"):
        problems.append(f"{library} has no symbols: nothing was checked")
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
