#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What picket costs:  bench.py [-p PAIRS] [-o DIRECTORY] [SECTION ...]

Ratios compare with one stateful rule, as on nearly every server, and under a flood with the same rule under the same
flood: the median over the pairs, with its 95 per cent interval.  A line holds when its interval reaches the figure that
is promised.  Compare ratios, not nanoseconds: they are this machine's.  The last table has every line with a promise;
-o writes it all to bench.json and, with gnuplot, to pictures.
"""
import argparse
import importlib
import os
import platform
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from report import Report       # noqa: E402

# Each is a file of sections/ with `run(report)` and the MINUTES that it takes with 12 pairs.
SECTIONS = ("path", "firewall", "untracked", "flood", "early", "growth", "wall", "queue", "rush", "engine", "rest",
            "store")


def load(names):
    return {name: importlib.import_module(f"sections.{name}") for name in names}


def main():
    modules = load(SECTIONS)
    told = "\n".join(f"  {name:9} {module.MINUTES:3} min  {' '.join(module.__doc__.split())}"
                     for name, module in modules.items())
    parser = argparse.ArgumentParser(
        description=f"{__doc__}\nsections, and the time that each takes with 12 pairs (on a busy machine twice that):\n"
                    f"{told}\n  all       "
                    f"{sum(module.MINUTES for module in modules.values()):3} min",
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-p", dest="pairs", type=int, default=12)
    parser.add_argument("-o", dest="directory")
    parser.add_argument("sections", nargs="*", metavar="SECTION")
    options = parser.parse_args()
    unknown = set(options.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no section {', '.join(sorted(unknown))}, expected {', '.join(SECTIONS)}")
    report = Report(options.pairs, os.environ.get("PICKET_BUILD", "build"), options.directory)
    started = time.monotonic()
    for name in options.sections or SECTIONS:
        report.begin(name)
        begun = time.monotonic()
        modules[name].run(report)
        report.note(f"  {time.monotonic() - begun:.0f} s; load of the machine {os.getloadavg()[0]:.1f} on "
                    f"{os.cpu_count()} processors")
        report.save(pairs=options.pairs, kernel=platform.release(), load=os.getloadavg())
    report.table()
    print(f"\n{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
