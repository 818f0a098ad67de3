#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""picket beside others that stop port scans, in one run:  bench_peers.py [-o DIRECTORY] [-j JOBS] [NAME ...]

portsentry, psad, scanlogd and fail2ban come from Debian's packages, unpacked into rooms of their own (peers/room.py):
nothing is installed.  Each is set up as its package comes or as its documentation recommends (peers/guards.py), with
blocking switched on.  All are scanned by nmap, and forged to by hping3 (peers/scans.py), over a round trip of 20 ms;
then each stands 10,000 and 50,000 forged SYNs a second, with a scanner among them.  A table, peers.json, peers.md.  A
quarter of an hour.

A cell of a scan: seconds from its first probe until the kernel holds something against its source ("told": a log line
alone; "–": nothing) / ports that answered / services that it learned, of 4, then what a new connection of that source
to a real service meets afterwards.
"""
import argparse
import concurrent.futures
import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
import lab as laboratory            # noqa: E402
from peers import guards, scans     # noqa: E402
from peers.room import unpacked     # noqa: E402
from stands import Stand            # noqa: E402

RATES = (10000, 50000)
FLOOD_S = 15


def flooded(make, packages):
    """{rate: processor time, memory, how many innocents it holds something against}"""
    told = {}
    for rate in RATES:
        stand = Stand("no rules")
        guard = None
        try:
            guard = make(stand, packages)
            time.sleep(2)
            rested = guard.usage()
            began = time.monotonic()
            flood = stand.flood(rate, FLOOD_S, 100, 900)
            time.sleep(FLOOD_S / 2)
            learned = scans.beside_the_flood(stand)
            sent = int(flood.communicate(timeout=FLOOD_S + 60)[0])
            took, used = time.monotonic() - began, guard.usage()
            stopped = guard.stops(scans.OWN_SCANNER)
            spent = sum(cpu for cpu, _ in used.values()) - sum(cpu for cpu, _ in rested.values())
            told[rate] = {"sent_a_second": sent / took, "cores": spent / took,
                          "mb_before": sum(mb for _, mb in rested.values()),
                          "mb": sum(mb for _, mb in used.values()), "held": guard.count() - stopped, **learned,
                          "scanner_stopped": stopped}
        finally:
            if guard:
                guard.close()
            stand.close()
    return told


# ---- the table

def shown(value):
    return "–" if value is None else f"{value:.1f}" if isinstance(value, float) else str(value)


def cell(scan):
    """seconds to the stop / answered / services learned, then what a connection meets"""
    stop = shown(scan["stopped_s"]) if scan["stopped_s"] is not None else "told" if scan["told_s"] is not None else "–"
    return f"{stop} / {scan['answered']} / {scan['served']}, {scan['then']}"


def table(results):
    """Rows of cells, the first of them the head."""
    names = list(results)
    rows = [["", *names]]

    def row(title, value):
        rows.append([title, *(value(results[name]) for name in names)])
    for scan in (*scans.FAST, *scans.SLOW):
        row(scan, lambda found, scan=scan: cell(found["scans"][scan]))
    row(f"{scans.CROWD} addresses of a /24, 4 ports each",
        lambda found: "{stopped} stopped / {answered} / {served}".format(**found["scans"]["crowd"]))
    row("forged: a regular visitor", lambda found: found["scans"]["forged"]["regular"])
    row("forged: a new visitor", lambda found: found["scans"]["forged"]["newcomer"])
    row("forged: his running connection", lambda found: "runs" if found["scans"]["forged"]["runs_on"] else "cut")
    row("the connect scanner: stopped, rebooted", lambda found: "{stopped}, {rebooted}".format(**found["restart"]))
    for rate in RATES:
        row(f"{rate // 1000},000 forged SYNs a second: cores",
            lambda found, rate=rate: f"{found['flood'][rate]['cores']:.2f}")
        row(f"{rate // 1000},000: innocents held", lambda found, rate=rate: str(found["flood"][rate]["held"]))
        row(f"{rate // 1000},000: memory, before and after (MB)", lambda found, rate=rate:
            f"{found['flood'][rate]['mb_before']:.1f}, {found['flood'][rate]['mb']:.1f}")
        row(f"{rate // 1000},000: a scanner's 40 ports, 10 a second", lambda found, rate=rate:
            f"{found['flood'][rate]['answered']} answered, "
            f"{'stopped' if found['flood'][rate]['scanner_stopped'] else 'not stopped'}")
    row("can say why", lambda found: found["tells"])
    return rows


def as_text(rows):
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    return "\n".join("  ".join(value.ljust(width) for value, width in zip(row, widths)).rstrip() for row in rows)


def as_markdown(rows):
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", dest="directory", default="build/bench/out")
    parser.add_argument("-j", dest="jobs", type=int, default=6, help="how many are scanned side by side (6)")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(guards.GUARDS))
    options = parser.parse_args()
    names = options.names or list(guards.GUARDS)
    if set(names) - set(guards.GUARDS):
        parser.error(f"the names are {', '.join(guards.GUARDS)}")
    directory = os.path.abspath(options.directory)
    packages = os.path.join(directory, "peers")
    versions = unpacked(packages)
    laboratory.built("delayline")       # once, before they all want it
    results = {}
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        running = {name: pool.submit(scans.everything, guards.GUARDS[name], packages) for name in names}
        for name, future in running.items():
            try:
                results[name] = future.result()
            except Exception as error:      # the others are told all the same
                print(f"{name} FAILED: {error}")
    for name in results:
        results[name]["flood"] = flooded(guards.GUARDS[name], packages)
        results[name]["tells"] = guards.GUARDS[name].tells
        results[name]["versions"] = {package: versions[package] for package in guards.GUARDS[name].packages}
    rows = table(results)
    print(as_text(rows))
    for name, found in results.items():
        print(f"\n{name} {' '.join(found['versions'].values())}: {found['as_it_is']}\n  says: {found['why'][:300]}")
    with open(os.path.join(directory, "peers.json"), "w") as f:
        json.dump({"load": os.getloadavg(), "results": results}, f, indent=1)
    with open(os.path.join(directory, "peers.md"), "w") as f:
        f.write(as_markdown(rows))


if __name__ == "__main__":
    main()
