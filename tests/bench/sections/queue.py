# SPDX-License-Identifier: GPL-2.0-or-later
"""A queued packet in the sentry, by processor time, beside bare readers of the same queues behind the same table, which
accept what they read ("shares": one that waits half a millisecond before each read); how long a closed port's answer
takes beside that; from a decision to the kernel's acknowledgement."""
import random
import statistics
import time

from lab import PYTHON
from queues import PORT, reading
from stands import GATEWAY

MINUTES = 9
PROMISE = .85
RATES = (2000, 10000, 20000, 40000)
# Each knocks at the same closed port again and again: known, and never enough for a veil, nor is its net.
NAMES = "2000/256"
DECIDED_MS = 1
KNOCK = f"""
import socket, sys, time
took = []
for n in range(int(sys.argv[1])):
    s = socket.socket()
    s.settimeout(2)
    began = time.perf_counter()
    try:
        s.connect(("{GATEWAY}", {PORT}))
    except OSError:
        took.append((time.perf_counter() - began) * 1000)
    s.close()
    time.sleep(0.003)
took.sort()
print(*(took[int(len(took) * part)] for part in (.5, .9, .99)))
"""


def costs(report, stands):
    for rate in RATES:
        rows, came = {stand.name: [] for stand in stands}, []
        for _ in range(report.pairs):
            for stand in random.sample(stands, len(stands)):
                cost, reached = stand.cost(NAMES, rate, 0.6 if rate < 10000 else 0.3)
                rows[stand.name].append(cost)
                came.append(reached)
        report.note(f"  {rate} a second wanted, {statistics.median(came):.0f} came")
        for name in rows:
            if name != "bare":
                report.ratio(f"queued packet, {rate // 1000}k/s, CPU", name,
                             [bare / own for bare, own in zip(rows["bare"], rows[name])],
                             PROMISE if name == "picketd" else None, f"{statistics.median(rows[name]):.0f} ns")
        report.keep(str(rate), rows)


def waits(report, stands):
    for rate in (0, *RATES[1:3]):
        rows = {stand.name: [] for stand in stands}
        for _ in range(max(report.pairs // 2, 3)):
            for stand in random.sample(stands, len(stands)):
                with stand.sent(NAMES, max(rate, 1)):
                    time.sleep(0.3)
                    out = stand.attacker.run(PYTHON, "-c", KNOCK, 150).stdout
                rows[stand.name].append([float(word) for word in out.split()])
        for name, values in rows.items():
            for what, column in zip(("median", "90 of 100", "99 of 100"), zip(*values)):
                report.figure(f"answer beside {rate // 1000}k/s, {what}", name, statistics.median(column), "ms")
        report.keep(f"answers beside {rate}", rows)


def decisions(report):
    """The histogram's bounds are what can be told: the one that 99 of 100 stay below."""
    with reading(picketd=None) as (stand,):
        with stand.sent(200000, 4000, each=8, ports="1100-1500"):
            time.sleep(8)
        told = stand.daemon.ctl("status").one["latency"]["deciding"]
    below, bound = 0, "0"
    for bound, count in told["buckets_us"].items():
        below += count
        if below >= 0.99 * told["count"]:
            break
    report.figure("decision to acknowledgement, mean", "picketd", told["sum_us"] / max(told["count"], 1) / 1000, "ms")
    report.figure(f"99 of 100 of {told['count']} within", "picketd", float(bound) / 1000 if bound.isdigit() else 1e9,
                  "ms", DECIDED_MS)


def run(report):
    with reading(picketd=None, bare=(), shares=("500",)) as stands:
        costs(report, stands)
        waits(report, stands[:2])
    decisions(report)
