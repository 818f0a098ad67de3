# SPDX-License-Identifier: GPL-2.0-or-later
"""Two programs with tables of their own: an allow list read beside 100,000 blocks, and a history of BENCH_ROWS rows (a
million)."""
import os
import subprocess

MINUTES = 2


def run(report):
    for program, *arguments in (("bench_allow",), ("bench_store", os.environ.get("BENCH_ROWS", "1000000"))):
        done = subprocess.run([os.path.join(report.build, "bench", program), *arguments], stdout=subprocess.PIPE,
                              text=True, check=True)
        report.note(done.stdout.rstrip())
        report.keep(program, done.stdout.splitlines())
