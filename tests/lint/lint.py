# SPDX-License-Identifier: GPL-2.0-or-later
"""Judges the source without running it: lint.py TOOL [FILE...]

TOOL is one of gcc, clang-tidy, cppcheck, shellcheck, pyflakes; FILEs, if not
all that it is for.  Started in the root of the tree.  Prints what was found as
file:line, status 1 if anything was.

A finding that is right is a defect to mend.  For one that is wrong:
gcc          say it to the compiler (assert()), or #pragma GCC diagnostic
clang-tidy   // NOLINT(check): reason, or .clang-tidy if a check is no use here
cppcheck     cppcheck.txt in this folder, with the reason
shellcheck   # shellcheck disable=SC1234 # reason
"""

import concurrent.futures
import os
import pathlib
import subprocess
import sys

FLAGS = ["-std=gnu17", "-D_GNU_SOURCE", '-DMIREDO_VERSION="0"',
         "-DSANITIZED=0", "-DHAS_SECCOMP=1",
         *(f"-I{folder}" for folder in
           ("src/core", "src/sys", "tests/sim", "tests/unit", "fuzz"))]

# Not optimised, or the defect may be gone before it is seen; and as deep as it
# has to be so that it gives up on no function of today.
ANALYZER = ["-O0", "-fanalyzer", "-Werror", "-Wall", "-Wextra",
            "--param=analyzer-bb-explosion-factor=25",
            "-fdiagnostics-path-format=separate-events",
            "-fdiagnostics-color=never"]

# What is no defect in tests: commands of the shell, random numbers that repeat,
# recursion, loops over small constants, packets as strings, state compared as
# bytes, functions of a library in our words, names that --wrap asks for, last
# words in a signal handler.  The analyzer would take minutes over them; their
# leaks are found as they run, by AddressSanitizer and valgrind.
IN_TESTS = ("-clang-analyzer-*,-cert-env33-c,-cert-msc3*,-cert-msc5*,"
            "-misc-no-recursion,-bugprone-reserved-identifier,"
            "-cert-dcl37-c,-cert-dcl51-cpp,"
            "-bugprone-signal-handler,-cert-sig30-c,"
            "-bugprone-too-small-loop-variable,-bugprone-integer-division,"
            "-bugprone-suspicious-missing-comma,"
            "-bugprone-not-null-terminated-result,"
            "-bugprone-suspicious-memory-comparison,-cert-exp42-c,"
            "-cert-flp37-c,-readability-non-const-parameter,"
            "-readability-inconsistent-declaration-parameter-name")


def c_files(*folders):
    found = [path for folder in folders
             for path in pathlib.Path(folder).rglob("*.c")]
    return sorted(found, key=lambda path: -path.stat().st_size)


def scripts(word, ending):
    """Files with the ending, and those whose first line calls WORD."""
    for path in sorted(pathlib.Path(".").rglob("*")):
        if path.parts[0].startswith(("build", ".git")) or not path.is_file():
            continue
        if path.suffix == ending:
            yield path
        elif not path.suffix and "corpus" not in path.parts:
            first = path.read_bytes().partition(b"\n")[0]
            if first.startswith(b"#!") and word in first:
                yield path


def gcc(files):
    for path in files or c_files("src", "fuzz"):
        if path.name == "msan.c":
            continue  # for clang alone
        yield ["gcc", *FLAGS, *ANALYZER, "-c", "-o", "/dev/null", path]


def clang_tidy(files):
    for path in files or c_files("src", "fuzz", "tests", "bench"):
        ours = "src" in pathlib.Path(path).parts
        yield ["clang-tidy", "--quiet",
               *([] if ours else [f"--checks={IN_TESTS}"]),
               path, "--", *FLAGS]


def cppcheck(files):
    yield ["cppcheck", "-q", f"-j{os.cpu_count()}", "--std=c17",
           "--enable=warning,style,performance,portability",
           "--inline-suppr", "--error-exitcode=1",
           "--suppressions-list=tests/lint/cppcheck.txt",
           "--template={file}:{line}: {severity}: {message} [{id}]",
           *(flag for flag in FLAGS if not flag.startswith("-std")),
           *(files or ("src", "fuzz", "tests", "bench"))]


def shellcheck(files):
    for path in files or scripts(b"sh", ".sh"):
        yield ["shellcheck", "-f", "gcc", path]


def pyflakes(files):
    yield ["/usr/bin/python3", "-m", "pyflakes",
           *(files or scripts(b"python", ".py"))]


TOOLS = {"gcc": gcc, "clang-tidy": clang_tidy, "cppcheck": cppcheck,
         "shellcheck": shellcheck, "pyflakes": pyflakes}


def run(command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout


def main(tool, *files):
    files = [pathlib.Path(name) for name in files]
    status = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for returned, text in pool.map(run, TOOLS[tool](files)):
            if returned:
                print(text)
                status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
