#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What picket costs each packet:  path.py [-p PAIRS] [-o DIRECTORY] [SECTION ...]

Sections: path, firewall, flood, growth; all by default.

Two namespaces and one veth between them, no offloads, static neighbours; both ends are one process whose own clock
holds the whole way of a packet (bench_path.c), read by a yardstick, since machines change their speed.  Each pair
alternates every variant in random order and keeps the least of several blocks of each; printed is the median over the
pairs of the ratio to the baseline, with its 95 per cent interval (order statistics).  The baseline is one stateful
rule, as on nearly every server, and under a flood the same rule under the same flood.  A line holds when its interval
reaches the figure that is promised.
Compare ratios, not nanoseconds: they are this machine's.  -o also writes path.json and, with gnuplot, growth.png.
"""
import argparse
import contextlib
import ipaddress
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
import lab as laboratory        # noqa: E402
from picket import Picket       # noqa: E402

PROGRAM = os.path.join(os.path.abspath(os.environ.get("PICKET_BUILD", "build")), "bench", "bench_path")
CLIENT, SERVER, STRANGER, GATEWAY = "10.9.0.2", "10.9.0.1", "10.9.1.2", "10.9.1.1"
MACS = {"client": "02:00:00:00:01:0c", "victim": "02:00:00:00:01:0b", "attacker": "02:00:00:00:02:0a",
        "other": "02:00:00:00:02:0b"}
BLOCKS = 4
COUNTS = {"ack": 20000, "psh": 20000, "in": 30000, "out": 30000, "syn": 10000, "connect": 600, "ask": 2000,
          "bulk": 40000}
WORDS = {"ack": "segment in", "psh": "segment in, PSH", "in": "datagram in", "out": "datagram out",
         "syn": "forged SYN, served port", "connect": "connect, request, answer, close", "ask": "question and answer",
         "bulk": "bulk, one stream"}
STATEFUL = """table inet firewall {{
    chain input {{
        type filter hook input priority 0; policy accept;
        ct state established,related accept
        {more}
    }}
}}
"""
# What each mode promises, as a ratio to the baseline.
PROMISED = {
    "mark": {"ack": .99, "psh": .99, "in": .99, "out": .95, "connect": .96, "bulk": .98},
    "label": {"ack": .98, "psh": .98, "in": .98, "out": .93, "connect": .94, "bulk": .97},
    "beside": {"ack": .96, "psh": .96, "in": .96, "out": .93},
}


class Pair:
    """A client, a server and somebody who floods, each on a link of its own with the server."""

    def __init__(self):
        prefix = f"pk-{os.getpid()}-path"
        self.namespaces = []
        try:
            self.client, self.victim, self.attacker = (self._add(prefix, role) for role in MACS if role != "other")
            self._build()
        except BaseException:
            self.close()
            raise

    def _add(self, prefix, role):
        ns = laboratory.Host(f"{prefix}-{role}", MACS[role])
        self.namespaces.append(ns)
        return ns

    def _build(self):
        self.victim.batch(
            f"link add eth0 address {MACS['victim']} type veth peer name eth0 address {MACS['client']} "
            f"netns {self.client.name}",
            f"link add eth1 address {MACS['other']} type veth peer name eth0 address {MACS['attacker']} "
            f"netns {self.attacker.name}")
        for host, device, address in ((self.victim, "eth0", SERVER), (self.victim, "eth1", GATEWAY),
                                      (self.client, "eth0", CLIENT), (self.attacker, "eth0", STRANGER)):
            host.sysctl(net__ipv4__conf__all__rp_filter=0, net__ipv4__conf__default__rp_filter=0,
                        net__ipv4__tcp_timestamps=0, **{f"net__ipv4__conf__{device}__rp_filter": 0})
            host.offloads_off(device)
            host.batch("link set lo up", f"link set {device} up", f"addr add {address}/24 dev {device}")
        self.victim.batch(f"neigh replace {CLIENT} lladdr {MACS['client']} dev eth0 nud permanent",
                          f"neigh replace {STRANGER} lladdr {MACS['attacker']} dev eth1 nud permanent",
                          f"route add default via {STRANGER}")
        self.client.batch(f"neigh replace {SERVER} lladdr {MACS['victim']} dev eth0 nud permanent",
                          f"route add default via {SERVER}")
        self.attacker.batch(f"neigh replace {GATEWAY} lladdr {MACS['other']} dev eth0 nud permanent",
                            f"route add default via {GATEWAY}")

    def close(self):
        for ns in reversed(self.namespaces):
            ns.close()
        self.namespaces = []


class Blast:
    """The program that measures."""

    def __init__(self, pair):
        self.process = subprocess.Popen(
            ["taskset", "-c", str(max(os.sched_getaffinity(0))), PROGRAM, pair.client.name, pair.victim.name, "eth0",
             MACS["victim"], CLIENT, SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"
        self.yard = None

    def ask(self, mode, count):
        self.process.stdin.write(f"{mode} {count}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"bench_path ended in mode {mode}")
        return [float(word) for word in line.split()]

    def least(self, mode):
        """Processor time by the yardstick, at the speed that it was first measured at."""
        costs = []
        for _ in range(BLOCKS):
            cpu, _wall, yard = self.ask(mode, COUNTS[mode] // BLOCKS)
            self.yard = self.yard or yard
            costs.append(cpu / yard * self.yard)
        return min(costs)

    def fastest(self, mode):
        """By the clock on the wall: what is left of the machine beside everything else."""
        return statistics.median(self.ask(mode, COUNTS[mode] // BLOCKS)[1] for _ in range(BLOCKS))

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


# ---- variants: what stands in the server's namespace while it is measured

@contextlib.contextmanager
def firewall(pair, more=""):
    pair.victim.nft(STATEFUL.format(more=more))
    yield
    pair.victim.run("nft", "delete", "table", "inet", "firewall")


@contextlib.contextmanager
def picket(pair, flag, config=""):
    daemon = Picket(pair, f'flow_flag = {flag}\ninterfaces = {{ "eth0", "eth1" }}\n{config}')
    try:
        daemon.start()
        if flag != "none":
            laboratory.wait_until(lambda: daemon.ctl("status").one["sensors"]["flow_flag"] == flag, 5,
                                  "flows are flagged")
        yield daemon
    finally:
        with open(os.devnull, "w") as quiet, contextlib.redirect_stdout(quiet):
            daemon.close()


@contextlib.contextmanager
def both(pair, flag):
    with firewall(pair), picket(pair, flag):
        yield


@contextlib.contextmanager
def nothing(_pair):
    yield


VARIANTS = {
    "no rules": nothing,
    "stateful": firewall,
    "mark": lambda pair: picket(pair, "mark"),
    "label": lambda pair: picket(pair, "label"),
    "none": lambda pair: picket(pair, "none"),
    "beside": lambda pair: both(pair, "mark"),
}


# ---- pairs and their ratios

def interval(values):
    """The median and the 95 per cent interval of it, by order statistics."""
    ordered, n = sorted(values), len(values)
    skip = 0
    for k in range(1, n // 2 + 1):      # P(fewer than k of n on one side), twice
        tail = sum(_choose(n, j) for j in range(k)) / 2 ** n
        if 2 * tail > 0.05:
            break
        skip = k
    low, high = (ordered[skip - 1], ordered[n - skip]) if skip else (ordered[0], ordered[-1])
    return statistics.median(ordered), low, high


def _choose(n, k):
    result = 1
    for i in range(k):
        result = result * (n - i) // (i + 1)
    return result


def measure(pair, names, modes, pairs, how=Blast.least):
    blast, rows = Blast(pair), {(name, mode): [] for name in names for mode in modes}
    try:
        for _ in range(pairs):
            for name in random.sample(names, len(names)):
                pair.victim.run("conntrack", "-F", check=False)
                with VARIANTS[name](pair):
                    blast.ask("settle", 0)
                    for mode in modes:
                        rows[name, mode].append(how(blast, mode))
                        if mode == "syn":
                            pair.victim.run("conntrack", "-F", check=False)
                            blast.ask("settle", 0)
    finally:
        blast.close()
    return rows


def table(title, rows, names, modes, base="stateful"):
    """Prints a table; returns it as rows of plain values."""
    told = []
    print(f"\n{title} (ratio to \"{base}\", median and its 95 % interval)")
    for mode in modes:
        for name in names:
            ratio, low, high = interval([b / v for v, b in zip(rows[name, mode], rows[base, mode])])
            promise = PROMISED.get(name, {}).get(mode)
            verdict = "" if promise is None else f"  promised {promise:.2f}: {'holds' if high >= promise else 'MISSED'}"
            cost = statistics.median(rows[name, mode])
            print(f"  {WORDS[mode]:32} {name:10} {cost:9.0f} ns  {ratio:6.3f}  [{low:.3f} {high:.3f}]{verdict}")
            told.append({"mode": mode, "variant": name, "ns": cost, "ratio": ratio, "low": low, "high": high,
                         "promised": promise})
    return told


def path(pair, pairs):
    names, modes = ["no rules", "stateful", "mark", "label", "none"], list(COUNTS)
    return table("A packet's whole way", measure(pair, names, modes, pairs), names, modes)


def beside(pair, pairs):
    names, modes = ["stateful", "beside"], ["ack", "psh", "in", "out", "connect"]
    return table("Beside an admin's own stateful firewall", measure(pair, names, modes, pairs), names, modes)


def flood(pair, pairs):
    """Both variants under the same flood; by the wall's clock, since the flood takes processor time from all."""
    told, names, modes = [], ["stateful", "mark"], ["bulk", "connect"]
    for rate, promise in ((10000, .92), (50000, .88)):
        process = pair.attacker.popen(PROGRAM, "flood", pair.attacker.name, "eth0", MACS["other"], SERVER, str(rate),
                                      "100000", stdout=subprocess.DEVNULL)
        try:
            rows = measure(pair, names, modes, pairs, Blast.fastest)
        finally:
            laboratory.stop_process(process)
        PROMISED["mark"].update({mode: promise for mode in modes})
        told += [dict(row, rate=rate) for row in
                 table(f"Under {rate} forged SYNs a second to closed ports", rows, names, modes)]
    return told


# ---- growth

def fill(pair, what, count):
    """So many elements into a set of the table that stands."""
    first = int(ipaddress.ip_address("100.64.0.0"))
    for begin in range(0, count, 5000):
        names = [str(ipaddress.ip_address(first + n)) for n in range(begin, min(begin + 5000, count))]
        elements = {"blocks": [f"{name} timeout 1h : 0x4" for name in names],
                    "customers": [f"{name} . 9000 timeout 1h" for name in names],
                    "allow": names}[what]
        target = {"blocks": "graded4", "customers": "customers4", "allow": "allow4"}[what]
        pair.victim.nft(f"add element inet picket {target} {{ {', '.join(elements)} }}\n")


def growth(pair, pairs):
    """The table alone, as it stands while picketd is away: what its elements cost each packet."""
    told, modes = [], ("ack", "out", "syn", "connect")
    print("\nGrowth of the sets: ns a packet")
    for what in ("blocks", "customers", "allow"):
        for count in (0, 600, 6000, 60000):
            with picket(pair, "mark", "keep_on_stop = true"):
                pass
            fill(pair, what, count)
            blast = Blast(pair)
            blast.ask("settle", 0)
            row = {"what": what, "count": count}
            for mode in modes:
                row[mode] = min(blast.least(mode) for _ in range(max(pairs // 4, 2)))
            blast.close()
            pair.victim.run("nft", "delete", "table", "inet", "picket")
            pair.victim.run("conntrack", "-F", check=False)
            print(f"  {count:6} {what:10}" + "".join(f"  {WORDS[mode]} {row[mode]:.0f}" for mode in modes))
            told.append(row)
    return told


PLOT = """set terminal pngcairo size 900,600
set output '{out}'
set title 'What a packet costs, by what the sets hold'
set xlabel 'elements'
set ylabel 'ns'
set logscale x
set xrange [300:100000]
set yrange [0:*]
set key left top
plot {lines}
"""


def plot(rows, directory):
    if not shutil.which("gnuplot"):
        print("no gnuplot: no picture")
        return
    lines = []
    for what in sorted({row["what"] for row in rows}):
        for mode in ("ack", "syn"):
            name = os.path.join(directory, f"growth-{what}-{mode}.dat")
            with open(name, "w") as f:
                f.writelines(f"{row['count']} {row[mode]}\n" for row in rows if row["what"] == what and row["count"])
            lines.append(f"'{name}' with linespoints title '{what}: {WORDS[mode]}'")
    subprocess.run(["gnuplot"], input=PLOT.format(out=os.path.join(directory, "growth.png"), lines=", ".join(lines)),
                   text=True, check=True)


SECTIONS = {"path": path, "firewall": beside, "flood": flood, "growth": growth}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-p", dest="pairs", type=int, default=12)
    parser.add_argument("-o", dest="directory")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    options = parser.parse_args()
    results, started = {}, time.monotonic()
    for name in options.sections or SECTIONS:
        if name not in SECTIONS:
            parser.error(f"no section {name}, expected {', '.join(SECTIONS)}")
        pair = Pair()
        try:
            results[name] = SECTIONS[name](pair, options.pairs)
        finally:
            pair.close()
    print(f"\n{time.monotonic() - started:.0f} s")
    if options.directory:
        os.makedirs(options.directory, exist_ok=True)
        with open(os.path.join(options.directory, "path.json"), "w") as f:
            json.dump(results, f, indent=1)
        if "growth" in results:
            plot(results["growth"], options.directory)


if __name__ == "__main__":
    main()
