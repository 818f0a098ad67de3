#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs as they were built carry what makes a fault in them hard to use, whatever the flags said that were meant
to bring it.  A program that is built without must be told as such, or this test would notice nothing."""
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
# What readelf must show.
MARKS = {
    "position-independent": r"^\s*Type:\s+DYN\b[\s\S]*\bFLAGS_1\).*\bPIE\b",
    "relocations read-only": r"^\s*GNU_RELRO\b",
    "bound at start": r"\(FLAGS\).*BIND_NOW|\(FLAGS_1\).*\bNOW\b",
    "stack canary": r"\bUND __stack_chk_fail\b",
    "checked string functions": r"\bUND __(?!stack)\w+_chk\b",
    "stack without code": r"^\s*GNU_STACK(?:\s+0x\w+){5}\s+RW\s",
}
X86_MARKS = {"branch targets": r"x86 feature:.*\bIBT\b", "shadow stack": r"x86 feature:.*\bSHSTK\b"}
UNWANTED = {"a search path of its own": r"\((?:RPATH|RUNPATH)\)"}


def findings(program):
    told = subprocess.run(["readelf", "-W", "-h", "-l", "-d", "-n", "--dyn-syms", program], text=True, check=True,
                          stdout=subprocess.PIPE, env={**os.environ, "LC_ALL": "C"}).stdout
    wanted = MARKS | (X86_MARKS if re.search(r"Machine:.*(X86-64|80386)", told) else {})
    found = [f"not {name}" for name, mark in wanted.items() if not re.search(mark, told, re.M)]
    return found + [name for name, mark in UNWANTED.items() if re.search(mark, told, re.M)], len(wanted)


def bare(folder):
    """A program with none of it."""
    source, program = os.path.join(folder, "bare.c"), os.path.join(folder, "bare")
    with open(source, "w") as f:
        f.write("int main(void)\n{\n\treturn 0;\n}\n")
    subprocess.run(["cc", "-fno-stack-protector", "-no-pie", "-Wl,-z,norelro,-z,lazy,-z,execstack,-rpath,/nowhere",
                    "-o", program, source], check=True, stderr=subprocess.DEVNULL)
    return program


def main():
    bad = False
    for name in ("picketd", "picketctl"):
        for finding in findings(os.path.join(BUILD, name))[0]:
            print(f"{name}: {finding}")
            bad = True
    with tempfile.TemporaryDirectory(prefix="picket-bare-") as folder:
        found, wanted = findings(bare(folder))
    if len(found) != wanted + len(UNWANTED):
        print(f"a program without any of it: {', '.join(found)}")
        bad = True
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
