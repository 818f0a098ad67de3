#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What `make check` does not run must start all the same: each Python program of tests/ finds what it imports, and the
Makefile has one recipe for each target, and `make help` one line."""
import collections
import glob
import importlib.util
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# As `python3 PROGRAM` does it, but for what stands below `if __name__ == "__main__"`.
START = """
import os, runpy, sys
sys.path[0] = os.path.dirname(sys.argv[1])
runpy.run_path(sys.argv[1], run_name="started")
"""


def programs():
    for path in sorted(glob.glob(os.path.join(ROOT, "tests/*/*.py"))):
        with open(path) as f:
            if os.path.dirname(path) != os.path.dirname(os.path.abspath(__file__)) and '== "__main__"' in f.read():
                yield path


def main():
    if not importlib.util.find_spec("pytest"):
        return 77
    wrong = []
    for path in programs():
        done = subprocess.run([sys.executable, "-B", "-c", START, path], capture_output=True, text=True, timeout=60)
        if done.returncode:
            wrong.append(f"{os.path.relpath(path, ROOT)} does not start:\n{done.stderr}")
    made = subprocess.run(["make", "-C", ROOT, "-s", "help"], capture_output=True, text=True, timeout=60)
    counts = collections.Counter(re.findall(r"^([a-z_.-]+)", made.stdout, re.M))
    wrong += [f"make help lists {target} {count} times" for target, count in counts.items() if count > 1]
    if made.returncode or made.stderr or not counts:
        wrong.append(f"make help: exit {made.returncode}\n{made.stderr}")
    print(*wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
