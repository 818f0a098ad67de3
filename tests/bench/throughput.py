#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What picket costs an honest client:  throughput.py [ROUNDS]

In one run, by turns, in a laboratory of network namespaces: with nothing, with a firewall of one stateful rule
(which brings connection tracking, as on nearly every server), with picket, and with picket while 10,000 forged SYNs
a second come in.  Prints the medians and their ratio to the stateful rule: bulk transfer (iperf3, one TCP stream)
and new connections (connect, request, answer, close: one after the other).  Compare ratios, not absolute figures:
they are this machine's.
"""
import json
import os
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from lab import Lab, VICTIM4, stop_process      # noqa: E402
from picket import Picket                       # noqa: E402

BULK_S = 3
CONNECT_S = 2


def bulk(lab):
    """Bits a second."""
    done = lab.client.run("iperf3", "-c", VICTIM4[0], "-p", "5201", "-t", str(BULK_S), "-J", timeout=BULK_S + 20)
    return json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"]


def connections(lab):
    """Requests a second, each over a new connection."""
    count, end = 0, time.monotonic() + CONNECT_S
    while time.monotonic() < end:
        assert lab.client.get(VICTIM4[0], 80), "an honest request failed"
        count += 1
    return count / CONNECT_S


def measure(lab, results, name):
    results.setdefault(name, []).append((bulk(lab), connections(lab)))


FIREWALL = """
table inet firewall {
    chain input {
        type filter hook input priority 0;
        ct state established,related accept
    }
}
"""


def flooded(lab, results):
    flood = lab.attacker.popen("hping3", "-q", "-S", "--rand-source", "-p", "++1", "-i", "u100", VICTIM4[0],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        measure(lab, results, "with picket, 10,000 forged SYNs a second")
    finally:
        stop_process(flood)


def report(results):
    base = [statistics.median(column) for column in zip(*results["one stateful rule"])]
    for name, rows in results.items():
        medians = [statistics.median(column) for column in zip(*rows)]
        print(f"{name:45} {medians[0] / 1e9:7.2f} Gbit/s (ratio {medians[0] / base[0]:.2f})   "
              f"{medians[1]:7.0f} connections/s (ratio {medians[1] / base[1]:.2f})")


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    lab = Lab("bench")
    results = {}
    try:
        lab.services()
        server = lab.victim.popen("iperf3", "-s", "-p", "5201", stdout=subprocess.DEVNULL)
        time.sleep(0.5)
        for _ in range(rounds):
            measure(lab, results, "nothing")
            lab.victim.nft(FIREWALL)
            measure(lab, results, "one stateful rule")
            lab.victim.run("nft", "delete", "table", "inet", "firewall")
            daemon = Picket(lab)
            try:
                daemon.start()
                measure(lab, results, "with picket")
                flooded(lab, results)
            finally:
                daemon.close()
        stop_process(server)
    finally:
        lab.close()
    report(results)


if __name__ == "__main__":
    main()
