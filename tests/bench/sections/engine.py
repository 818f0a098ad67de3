# SPDX-License-Identifier: GPL-2.0-or-later
"""A probe in the engine alone, from memory to verdict; with PICKET_BASE beside another checkout (`make bench-engine`
has all cases)."""
import statistics

import engine

MINUTES = 1
CASES = ("parse", "known", "sources-1k", "sources-1m", "sources-1m-2m", "forged", "sentry-1k")


def run(report):
    slowest = engine.measure("veils-slowest", report.pairs)[-1]
    report.figure("the slowest probe, in a full table of veils", "", statistics.median(slowest.blocks) / 1e6, "ms")
    for case in CASES:
        runs = engine.measure(case, report.pairs)
        here = runs[-1]
        report.figure("probes, best of the blocks", case, 1000 / here.best, f"M/s, {here.rss_kb / 1024:.0f} MB")
        if len(runs) > 1:
            report.ratio("probes, beside the other checkout", case,
                         [base / own for base, own in zip(runs[0].blocks, here.blocks)], None, f"{here.best:.0f} ns")
        report.keep(case, {"ns": here.blocks, "rss_kb": here.rss_kb})
