# SPDX-License-Identifier: GPL-2.0-or-later
"""10 s of 50,000 and 200,000 forged SYNs a second, each in a new name: processor time and memory of picket's processes,
what was lost, an own scan of 10 ports a second beside it, connections of an honest client."""
import socket
import threading
import time

from queues import reading, spent_ns
from stands import GATEWAY, SERVER

MINUTES = 1
SECONDS = 10
SETTLE_S = 12       # it has met all of its limits, and the tables that are taken as they come are full
RATES = (50000, 200000)
NAMES = "2000000/61"
SERVED = 9000
SCANNER = "203.0.113.67"
PROBES, CORES, GROWN_MB = 20, .25, 1


class Scan(threading.Thread):
    """One SYN a port, ten a second; how many had been sent when it was veiled."""

    def __init__(self, stand):
        super().__init__(daemon=True)
        self.stand, self.veiled_at, self.ending = stand, None, threading.Event()
        stand.attacker.batch(f"addr add {SCANNER}/32 dev eth0")
        self.start()

    def run(self):
        began = time.monotonic()
        for sent, port in enumerate(range(2100, 2400), 1):
            with self.stand.attacker.socket() as s:
                s.setblocking(False)
                s.bind((SCANNER, 0))
                s.connect_ex((GATEWAY, port))
            told = self.stand.daemon.ctl("explain", SCANNER, check=False)
            if told.code == 0 and told.one["grade"] == "veil":
                self.veiled_at = sent
            if self.veiled_at or self.ending.is_set():
                return
            time.sleep(max(0.0, began + sent / 10 - time.monotonic()))

    def ended(self):
        self.ending.set()
        self.join()
        return self.veiled_at


def visits(stand):
    """Of an honest client, to a served port: how many, and how many failed."""
    end, tried, failed = time.monotonic() + SECONDS, 0, 0
    while time.monotonic() < end:
        tried += 1
        failed += stand.client.connect(SERVER, SERVED, 3.0) != "open"
        time.sleep(0.1)
    return tried, failed


def counted(stand):
    """Packets, by what became of them; and what is lost without having been meant to."""
    status = stand.daemon.ctl("status").one
    kernel, queue = status["kernel"], status["queue"]
    return {"judged": queue["packets"], "noted": kernel["noted_once"],
            "passed": kernel["over_newcomers"] + kernel["over_known"],
            "unjudged": queue["fail_open"],
            "errors": queue["lost"] + queue["verdict_errors"] + queue["malformed"]}


def measure(stand, rate):
    with stand.victim.enter():
        server = socket.create_server((SERVER, SERVED), backlog=1024)
    at_rest = stand.memory_mb()
    with server, stand.sent(NAMES, rate, ports="10000-20000", seconds=SETTLE_S + SECONDS + 3):
        time.sleep(SETTLE_S)
        scan, before, held, pids = Scan(stand), counted(stand), stand.memory_mb(), stand.processes()
        spent, began = sum(map(spent_ns, pids)), time.monotonic()
        tried, failed = visits(stand)
        took = time.monotonic() - began
        cores = (sum(map(spent_ns, pids)) - spent) / 1e9 / took
        after, grown, probes = counted(stand), stand.memory_mb() - held, scan.ended()
    rates = {key: (after[key] - before[key]) / took for key in after}
    return {"cores": cores, "filled_mb": held - at_rest, "grown_mb": grown, "probes": probes, "tried": tried,
            "failed": failed, "errors": after["errors"],
            **{key: round(rates[key]) for key in ("judged", "noted", "passed", "unjudged")}}


def run(report):
    for rate in RATES:
        with reading(picketd=None) as (stand,):
            row = measure(stand, rate)
        came = row["judged"] + row["noted"] + row["passed"]
        what = f"{rate // 1000}k/s"
        report.note(f"  {rate} a second wanted, {came} came: {row['judged']} judged, "
                    f"{row['noted']} noted, {row['passed']} passed above the limits, {row['unjudged']} since the queue "
                    f"was full")
        report.figure(f"{what}: picket's processes", "picketd", row["cores"], "cores",
                      CORES if rate == RATES[0] else None)
        report.figure(f"{what}: their tables fill, by", "picketd", row["filled_mb"], "MB")
        report.figure(f"{what}: their memory grows by", "picketd", row["grown_mb"], "MB", GROWN_MB)
        report.figure(f"{what}: own scan veiled after", "picketd", row["probes"] or 1e9, "probes",
                      PROBES if rate == RATES[0] else None)
        report.figure(f"{what}: errors of the queue", "picketd", row["errors"], "", 0)
        report.figure(f"{what}: of {row['tried']} visits failed", "picketd", row["failed"], "", 0)
        report.figure(f"{what}: single probes judged", "picketd", 100 * row["judged"] / max(came, 1), "of 100")
        report.keep(str(rate), row)
