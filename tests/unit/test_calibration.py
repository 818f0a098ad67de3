#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of honest senders in docs/calibration.md is what `make calibrate` finds.  With --write it is made so."""
import collections
import glob
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PLAYER = os.path.join(ROOT, os.environ.get("BUILD", "build"), "replay-run")
PAGE = os.path.join(ROOT, "docs", "calibration.md")
BEGIN, END = "<!-- honest -->\n", "<!-- /honest -->\n"
HEAD = "| scenario | sources | highest grade | score | to a veil | to a ban |\n|---|---|---|---|---|---|\n"
GRADES = ("none", "watch", "alert", "veil", "ban", "block")


def told(scenario):
    """What a scenario plays: the first words of its first line."""
    with open(os.path.join(ROOT, "tests", "replay", scenario + ".txt")) as f:
        line = f.readline().lstrip("# ").strip()
    words = re.match(r".{20,}?(?=;|: | \(|\.  |$)", line)
    return words[0] if words else line


def table():
    """A row a scenario, of its sources those that came nearest; the report has the nearest to a veil first."""
    report = subprocess.run([PLAYER, "--report", *sorted(glob.glob(os.path.join(ROOT, "tests", "replay", "*.txt")))],
                            capture_output=True, text=True, check=True).stdout
    rows = collections.OrderedDict()
    for line in report.splitlines():
        found = re.match(r"(honest-\S+) +\S+ +(?:x(\d+) +)?(\w+) +\d+ +\S+ +(\S+) +\S+ +(\S+) +(\S+)$", line)
        if found:
            rows.setdefault(found[1], []).append(
                (int(found[2] or 1), found[3], float(found[4]), float(found[5]), float(found[6])))
    text = HEAD
    for name, sources in rows.items():
        grade = max((row[1] for row in sources), key=GRADES.index)
        score, veil, ban = (max(row[column] for row in sources) for column in (2, 3, 4))
        text += (f"| `{name}`: {told(name)} | {sum(row[0] for row in sources)} | {grade} | {score:.1f} | "
                 f"{'passed' if grade == 'veil' else f'{-veil:.1f}'} | {-ban:.1f} |\n")
    return text


def main():
    if not os.path.exists(PLAYER):
        sys.exit(77)
    with open(PAGE) as f:
        page = f.read()
    before, _, rest = page.partition(BEGIN)
    shown, _, after = rest.partition(END)
    if sys.argv[1:] == ["--write"]:
        with open(PAGE, "w") as f:
            f.write(before + BEGIN + table() + END + after)
        return
    if shown != table():
        sys.exit("docs/calibration.md is not what the scenarios come to: tests/unit/test_calibration.py --write")


main()
