# SPDX-License-Identifier: GPL-2.0-or-later
"""By the clock on the wall, for those who distrust nanoseconds: iperf3 and connections a second.  On a machine with
other work these say little."""
import json
import random
import statistics
import subprocess
import time

from stands import SERVER, named, standing

MINUTES = 6
IPERF_PORT = 5201
SECONDS = 1
CONNECTIONS = 4000


def iperf(stand):
    """Bits a second, one TCP stream into the server."""
    done = stand.client.run("iperf3", "-c", SERVER, "-p", IPERF_PORT, "-t", SECONDS, "-J", timeout=SECONDS + 20)
    return json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"]


def connections(stand):
    """A second: connect, request, answer, close, one after the other."""
    return 1e9 / stand.ask("connect", CONNECTIONS)[1]


WAYS = {"iperf3, one stream": (iperf, 1e9, "Gbit/s"), "connections, one after the other": (connections, 1, "a second")}


def run(report):
    names = ("no rules", "stateful", "control", "mark", "label")
    rows = {what: [] for what in WAYS}
    with standing(*map(named, names)) as stands:
        for stand in stands:
            stand.victim.popen("iperf3", "-s", "-p", IPERF_PORT, stdout=subprocess.DEVNULL)
        time.sleep(1)
        for _ in range(report.pairs):
            for what, (how, _unit, _word) in WAYS.items():
                rows[what].append({stand.name: how(stand) for stand in random.sample(stands, len(stands))})
    for what, (_how, unit, word) in WAYS.items():
        for name in names:
            told = statistics.median(row[name] for row in rows[what]) / unit
            report.ratio(f"{what}, wall", name, [row[name] / row["stateful"] for row in rows[what]], None,
                         f"{told:.4g} {word}")
        report.keep(what, rows[what])
