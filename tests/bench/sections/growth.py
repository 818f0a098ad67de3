# SPDX-License-Identifier: GPL-2.0-or-later
"""What grows with the number of blocks, customers, allow entries and sources, over three decades: a packet's way
through the kernel's sets, and a probe's through the engine."""
import ipaddress
import statistics

from engine import probe_costs
from stands import WORDS, Stand, by_turns, standing

MINUTES = 5
COUNTS = (60, 600, 6000, 60000)
MODES = ("ack", "out", "connect", "syn")
PAIRS = 4               # of twelve
FLAT = .95              # the ratio of the fewest to the most: what a cache that is too small for them costs
ENGINE = {"sources": ("grow-sources-1k", "grow-sources-10k", "grow-sources-100k"),
          "blocks": ("grow-blocks-100", "grow-blocks-1k", "grow-blocks-10k", "grow-blocks-100k"),
          "allow": ("grow-allow-60", "grow-allow-600", "grow-allow-6k", "grow-allow-60k")}
SETS = {"blocks": ("graded4", "{} timeout 1h : 0x4"), "customers": ("customers4", "{} . 9000 timeout 1h"),
        "allow": ("allow4", "{}")}


class Filled(Stand):
    """Its table, with so many elements in one of the sets, stands while picketd is away: nothing puts it in order."""

    def __init__(self, what, count):
        super().__init__(str(count), "mark", "keep_on_stop = true")
        self.daemon.stop()
        first = int(ipaddress.ip_address("100.64.0.0"))
        name, shape = SETS[what]
        for begin in range(0, count, 5000):
            elements = (shape.format(ipaddress.ip_address(first + n)) for n in range(begin, min(begin + 5000, count)))
            self.victim.nft(f"add element inet picket {name} {{ {', '.join(elements)} }}\n")


def kernel(report, what):
    rows = []
    for _ in range(max(report.pairs * PAIRS // 12, 1)):
        with standing(*(lambda count=count: Filled(what, count) for count in COUNTS)) as stands:
            rows.append({mode: by_turns(stands, mode) for mode in MODES})
    few, many, curves = str(COUNTS[0]), str(COUNTS[-1]), {}
    for mode in MODES:
        costs = [statistics.median(row[mode][str(count)] for row in rows) for count in COUNTS]
        report.ratio(WORDS[mode], f"{many} {what}", [row[mode][few] / row[mode][many] for row in rows], FLAT,
                     f"{costs[-1]:.0f} ns")
        curves[WORDS[mode]] = [(count, cost / costs[0]) for count, cost in zip(COUNTS, costs)]
    report.curve(f"growth-{what}", f"A packet through the kernel, by {what}", what, f"times what {few} cost", curves)
    report.keep(what, rows)


def number(case):
    return int(case.rpartition("-")[2].replace("k", "000"))


def run(report):
    report.note(f"  Here a ratio is that of {COUNTS[0]} elements to {COUNTS[-1]}.")
    for what in SETS:
        kernel(report, what)
    curves = {}
    for what, cases in ENGINE.items():
        runs = probe_costs(cases, max(report.pairs // 2, 2))
        report.ratio("a probe in the engine", f"{number(cases[-1])} {what}",
                     [few / many for few, many in zip(runs[cases[0]], runs[cases[-1]])], None,
                     f"{min(runs[cases[-1]]):.0f} ns")
        curves[what] = [(number(case), min(runs[case])) for case in cases]
        report.keep(f"engine, {what}", runs)
    report.curve("growth-engine", "A probe in the engine", "sources, blocks, allow entries", "ns", curves)
