#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What one probe costs the engine, from a packet in memory to its verdict:  engine.py [--blocks N] [CASE]...

Runs the cases of bench_engine.c, all of them where none is named, and prints for each the nanoseconds a probe, the
millions of probes a second and the memory of the process.  With PICKET_BASE=DIR, another checkout of picket whose
library is built, the same program over that library runs beside it: a block of probes by turns, so that whatever else
the machine does hits both; then the ratio is printed, too.  Of all blocks the best counts.
"""
import argparse
import os
import subprocess
import sys

BUILD = os.environ.get("PICKET_BUILD", "build")
HERE = os.path.join(BUILD, "bench", "bench_engine")
BASE = os.path.join(BUILD, "bench", "base_engine")


class Run:
    """One build at one case: it is warm when it has answered for the first time."""

    def __init__(self, program, case):
        self.blocks, self.rss_kb = [], 0
        self.process = subprocess.Popen([program, case], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def block(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        ns, rss_kb = self.process.stdout.readline().split()
        self.blocks.append(float(ns))
        self.rss_kb = int(rss_kb)

    @property
    def best(self):
        return min(self.blocks)

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def by_turns(runs, blocks):
    for turn in range(blocks):
        for run in runs if turn % 2 == 0 else reversed(runs):
            run.block()
    for run in runs:
        run.end()
    return runs


def programs():
    return [BASE, HERE] if os.environ.get("PICKET_BASE") else [HERE]


def cases_known():
    return subprocess.run([HERE], capture_output=True, text=True, check=True).stdout.split()


def measure(case, blocks):
    """A run for each of programs()."""
    return by_turns([Run(program, case) for program in programs()], blocks)


def probe_costs(cases, blocks):
    """{case: the ns of each block}, of this build, the cases by turns."""
    runs = by_turns([Run(HERE, case) for case in cases], blocks)
    return {case: run.blocks for case, run in zip(cases, runs)}


def line(case, runs):
    shown = f"{case:<18}"
    for run in runs:
        shown += f"{run.best:10.0f} ns {1000 / run.best:7.2f} M/s {run.rss_kb / 1024:7.1f} MB"
    return shown + (f"   x {runs[0].best / runs[1].best:.2f}" if len(runs) > 1 else "")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--blocks", type=int, default=12)
    parser.add_argument("cases", nargs="*")
    args = parser.parse_args()
    known = cases_known()
    unknown = set(args.cases) - set(known)
    if unknown:
        sys.exit(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    print("case".ljust(18), *(name.rjust(33) for name in ["base", "here"][-len(programs()):]), sep="")
    for case in args.cases or known:
        print(line(case, measure(case, args.blocks)), flush=True)


if __name__ == "__main__":
    main()
