# SPDX-License-Identifier: GPL-2.0-or-later
"""Under 10,000 and 50,000 forged SYNs a second to closed ports, with the real engine, against one stateful rule under
the same flood.  "wall" is what a client sees while the flood, the engine and it share this machine's processors; "CPU"
is the client's and the server's own packets alone."""
import os
import random
import signal
import statistics
import time

from report import interval
from stands import WORDS, Stand, standing

MINUTES = 6
PROMISES = {10000: .92, 50000: .88}
# A block takes a tenth of a second or so.
COUNTS = {"in": 40000, "out": 40000, "connect": 1200, "bulk": 50000}
BLOCKS = 3
SETTLED_S = 0.1


def received(stand):
    with stand.victim.enter():
        with open("/proc/thread-self/net/dev") as f:
            return int(next(line for line in f if line.lstrip().startswith("eth1:")).split()[2])


def under(stand, flood, mode):
    """(processor time, the wall's time) of a unit, and the flood's rate meanwhile."""
    os.kill(flood.pid, signal.SIGCONT)
    try:
        time.sleep(SETTLED_S)
        before, began = received(stand), time.monotonic()
        cpu, wall = stand.ask(mode, stand.counts[mode])
        return cpu, wall, (received(stand) - before) / (time.monotonic() - began)
    finally:
        os.kill(flood.pid, signal.SIGSTOP)
        time.sleep(SETTLED_S / 2)


def one_pair(rate):
    """{mode: {name: (cpu, wall)}}, and the rates that were reached."""
    rows, rates = {}, []
    with standing(lambda: Stand("stateful", counts=COUNTS), lambda: Stand("mark", counts=COUNTS)) as stands:
        floods = {stand.name: stand.flood(rate, 3600) for stand in stands}
        for flood in floods.values():
            os.kill(flood.pid, signal.SIGSTOP)
        for mode in COUNTS:
            found = {stand.name: [] for stand in stands}
            for _ in range(BLOCKS):
                for stand in random.sample(stands, len(stands)):
                    found[stand.name].append(under(stand, floods[stand.name], mode))
            rates += [reached for blocks in found.values() for _cpu, _wall, reached in blocks]
            rows[mode] = {name: (min(block[0] for block in blocks), statistics.median(block[1] for block in blocks))
                          for name, blocks in found.items()}
        for flood in floods.values():
            os.kill(flood.pid, signal.SIGCONT)      # so that it can be ended
    return rows, rates


def run(report):
    for rate, promise in PROMISES.items():
        pairs = [one_pair(rate) for _ in range(report.pairs)]
        reached = interval([one for _rows, rates in pairs for one in rates])
        report.note(f"  {rate} SYNs a second wanted; reached {reached[0]:.0f} (95 of 100: {reached[1]:.0f} and more)")
        for n, clock in enumerate(("CPU", "wall")):
            for mode in COUNTS:
                report.ratio(f"{WORDS[mode]}, {rate // 1000}k SYN/s, {clock}", "mark",
                             [rows[mode]["stateful"][n] / rows[mode]["mark"][n] for rows, _rates in pairs], promise,
                             f"{statistics.median(rows[mode]['mark'][n] for rows, _rates in pairs):.0f} ns")
        report.keep(str(rate), [{"rows": rows, "rates": rates} for rows, rates in pairs])
