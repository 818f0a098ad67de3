#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a veil tells a scanner, and what it costs a stranger:  veil.py [-4] [-6] [-r MS] [-n ROUNDS] [WORD ...]

Each scanner starts veiled (somebody forged its address) and scans a host with six services, at a round trip of 20 and
200 ms.  A line tells, run by run, how many of the six it learned after that; when it had touched a fourth family of
traps and when its ban came, in seconds after its start; "-": never.  Then the honest: seconds of the first connection
and of the second.  WORD: only rows whose name holds it.  Waiting takes most of the time: an hour for all of it.
"""
import argparse
import contextlib
import datetime
import os
import re
import socket
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
import lab as laboratory        # noqa: E402
import veiled                   # noqa: E402
import wire as w                # noqa: E402
from lab import ATTACKER4, ATTACKER6, VICTIM4, VICTIM6, Lab, Scan      # noqa: E402
from matrix_send import frame, send     # noqa: E402
from picket import Picket       # noqa: E402
from veiled import Stranger, at_once, key     # noqa: E402

SERVED = (22, 25, 80, 443, 777, 8080)
SERVICES = ("tcp:22:banner", "tcp:25:banner", "tcp:80:http", "tcp:443:http", "tcp:777:http", "tcp:8080:http", "udp:53")
TRAPS = (7, 9, 13, 23, 37, 79, 111, 119, 161, 179, 427, 513, 514, 548, 554, 1720, 1723, 2049, 6667, 10080)
TWELVE = ",".join(map(str, (*SERVED, 23, 79, 111, 81, 110, 143)))
NMAP = ("nmap", "-n", "-Pn", "--disable-arp-ping", "--host-timeout", "180s")


def top_hundred():
    """nmap's own list, and 777."""
    said = subprocess.run(["nmap", "-v", "-oG", "-", "--top-ports", "100"], capture_output=True, text=True).stdout
    return re.search(r"TCP\(\d+;([\d,-]+)\)", said)[1] + ",777"


def nmap(*arguments):
    def run(lab, _source, target):
        six = ("-6",) if ":" in target else ()
        Scan(lab, *six, *arguments, target=target, tool=NMAP).wait(200)
    return run


def connects(timeout, ports):
    """A scanner of its own that waits that long for each connect, a hundred at once."""
    def run(lab, _source, target):
        sockets = []
        with lab.attacker.enter():
            for port in ports:
                s = socket.socket(socket.AF_INET6 if ":" in target else socket.AF_INET)
                s.setblocking(False)
                s.connect_ex((target, port))
                sockets.append(s)
        time.sleep(timeout)
        for s in sockets:
            s.close()
    return run


def raw(*ages):
    """The same SYN, with a stack's options, at those ages."""
    def run(lab, source, target):
        frames = [frame(source, target, 41000 + port, port, seq=port, options=veiled.STACK) for port in SERVED]
        started = time.monotonic()
        for age in ages:
            time.sleep(max(0.0, started + age - time.monotonic()))
            send(lab, frames, 0)
        time.sleep(0.5)
    return run


def careful(lab, source, target):
    """Every port: one SYN as Linux sends it, its repeats after 1 and 2.6 s; RST by the scanner's own kernel."""
    for first in range(1, 65536, 8192):
        frames = [frame(source, target, 1024 + port % 60000, port, seq=port, options=veiled.STACK)
                  for port in range(first, min(first + 8192, 65536))]
        started = time.monotonic()
        for age in (0.0, 1.02, 2.62):
            time.sleep(max(0.0, started + age - time.monotonic()))
            send(lab, frames, 0)
        time.sleep(0.3)


def program(*argv):
    def run(lab, source, target):
        words = {"target": target, "source": source, "mac": laboratory.MAC["victim"].replace(":", "-")}
        with contextlib.suppress(Exception):
            lab.attacker.run(*(word.format(**words) for word in argv), check=False, timeout=60)
    return run


def scanners():
    hundred = top_hundred()
    wide = [int(p) for part in hundred.split(",") for lo, _, hi in [part.partition("-")]
            for p in range(int(lo), int(hi or lo) + 1)]
    rows = {f"-sT {speed} {name}": nmap("-sT", f"-{speed}", f"-p{ports}")
            for name, ports in (("12", TWELVE), ("101", hundred), ("1000", "1-1000")) for speed in ("T3", "T4", "T5")}
    rows |= {f"-sT {speed} 12": nmap("-sT", f"-{speed}", f"-p{TWELVE}") for speed in ("T1", "T2")}
    rows |= {"-sT -sV T4 12": nmap("-sT", "-sV", "-T4", f"-p{TWELVE}"),
             "-sT rtt 2s 101": nmap("-sT", "--initial-rtt-timeout", "2s", "--min-rtt-timeout", "2s", f"-p{hundred}"),
             "-sT rtt 4s 101": nmap("-sT", "--initial-rtt-timeout", "4s", "--min-rtt-timeout", "4s",
                                    "--max-rtt-timeout", "5s", f"-p{hundred}")}
    rows |= {f"-sS {speed} 101": nmap("-sS", f"-{speed}", f"-p{hundred}") for speed in ("T3", "T4", "T5")}
    rows |= {f"connect() {s} s 101": connects(s, wide) for s in (1, 2, 3, 4)}
    rows |= {f"connect() {s} s the 6": connects(s, SERVED) for s in (1, 2, 3)}
    rows |= {"raw 0 1 2": raw(0, 1.02, 2.02), "raw 0 1 2.6": raw(0, 1.02, 2.62),
             "careful, all ports": careful}
    rows["masscan"] = program("masscan", "{target}", f"-p{hundred}", "--rate", "200", "--adapter", "eth0",
                              "--source-ip", "{source}", "--router-mac", "{mac}", "--wait", "4", "--retries", "3")
    rows["zmap -P 3"] = program("zmap", "-p", "80", "-P", "3", "-i", "eth0", "-S", "{source}", "-G",
                                laboratory.MAC["victim"], "-b", os.devnull, "-r", "10", "-c", "3", "-q", "-o", "-",
                                "{target}/32")
    rows["hping3 -S"] = program("hping3", "-q", "-S", "-p", "++20", "-c", "100", "-i", "u20000", "{target}")
    return rows


def scan_once(scan, family, rtt_ms):
    """(ports learned after the veil, seconds to the fourth trap, seconds to the ban)"""
    lab = Lab("bench", delay_us=rtt_ms * 500)
    daemon = Picket(lab)
    source, target = ((ATTACKER4, VICTIM4) if family == 4 else (ATTACKER6, VICTIM6))
    target = target[0]
    try:
        lab.services(*SERVICES)
        daemon.start()
        veiled.veil(lab, daemon, source)
        seen = w.Wire(lab.attacker, target)
        started = time.time()
        scan(lab, source, target)
        time.sleep(0.5)
        frames = seen.frames()
        seen.close()
        answered = [f for f in frames if not f.out and f.is_synack]
        learned = {f.sport for f in answered} & set(SERVED)
        families = {}
        for f in answered:
            if f.sport in TRAPS:
                families.setdefault(f.sport, f.at - started)
        visits = sorted(families.values())
        bans = [row["at"] for row in daemon.ctl("history", key(source), check=False).rows if row["event"] == "ban"]
        return len(learned), visits[3] if len(visits) > 3 else None, seconds_of(bans[0]) - started if bans else None
    finally:
        with open(os.devnull, "w") as quiet, contextlib.redirect_stdout(quiet):
            daemon.close()
        lab.close()


def seconds_of(at):
    """A time as picketctl tells it, since the epoch."""
    return at / 1000 if isinstance(at, (int, float)) else datetime.datetime.fromisoformat(
        at.replace("Z", "+00:00")).timestamp()


def shown(value):
    return "-" if value is None else f"{value:.2f}"


def table_of_scanners(options):
    print(f"{'scan':20} {'':4} {'rtt':>4}   learned of {len(SERVED)} after the veil; 4th trap, ban at (s)")
    for name, scan in scanners().items():
        if options.words and not any(word in name for word in options.words):
            continue
        for family in options.families:
            if family == 6 and name.split()[0] in ("zmap", "hping3", "masscan"):
                continue
            for rtt in options.rtt:
                runs = [scan_once(scan, family, rtt) for _ in range(options.rounds)]
                print(f"{name:20} IPv{family} {rtt:4}   {' '.join(str(run[0]) for run in runs):8} "
                      f"{' '.join(f'{shown(run[1])}/{shown(run[2])}' for run in runs)}", flush=True)


def honest_rows(family):
    """name -> what one stranger does; the seconds of his first connection, and of the same again."""
    def several(ports):
        return lambda who: max(at_once(*(lambda port=port: who.connect_s(family, port) for port in ports)))

    def in_turn(who):
        return max(who.connect_s(family, port) for port in SERVED[:5])
    return {"one connection": lambda who: who.connect_s(family, 80), "20 parallel": several([443] * 20),
            "browser, 6 + 6": several([443, 80] * 6), "five ports in turn": in_turn}


def table_of_the_honest(options):
    print(f"\n{'client':20} {'':4} {'rtt':>4}   first, then again (s; ratio to the round trip)")
    for family in options.families:
        for rtt in options.rtt:
            lab = Lab("bench", delay_us=rtt * 500)
            daemon = Picket(lab)
            try:
                lab.services(*SERVICES)
                daemon.start()
                for name, do in honest_rows(family).items():
                    if options.words and not any(word in name for word in options.words):
                        continue
                    people = veiled.veiled_strangers(lab, daemon, options.rounds)
                    first, again = ([do(who) for who in people] for _ in range(2))
                    one, two = statistics.median(first), statistics.median(again)
                    print(f"{name:20} IPv{family} {rtt:4}   {one:.2f}, {two:.2f}   ({two * 1000 / rtt:.2f})",
                          flush=True)
                unveiled = Stranger(lab)
                print(f"{'not veiled':20} IPv{family} {rtt:4}   {unveiled.connect_s(family, 80):.2f}", flush=True)
            finally:
                with open(os.devnull, "w") as quiet, contextlib.redirect_stdout(quiet):
                    daemon.close()
                lab.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("-4", dest="families", action="append_const", const=4)
    parser.add_argument("-6", dest="families", action="append_const", const=6)
    parser.add_argument("-r", dest="rtt", type=int, action="append")
    parser.add_argument("-n", dest="rounds", type=int, default=3)
    parser.add_argument("words", nargs="*")
    options = parser.parse_args()
    options.families, options.rtt = options.families or [4, 6], options.rtt or [20, 200]
    table_of_scanners(options)
    table_of_the_honest(options)


if __name__ == "__main__":
    main()
