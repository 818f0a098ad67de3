#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How strong a forger is, and what others gain:  figures.py [forger] [scan] [net] [crowd] [local]

forger  600, 10,000 and 40,000 forged packets a minute against a thousand strangers: requests that failed, the slowest
scan    a scan of 10 ports a second beside 0, 4,000 and 40,000 forged SYNs a second: probes until its veil
net     one /48, three ports from each /64: ports that it learned of 3,000
crowd   900 handshakes a second with traps from one /48: whether a scanner's five visits are a ban all the same
local   what a user who binds 8,000 ports gains, and FTP's passive ports, and port 20: ports that a scan learned
A minute or two each; compare with the same run of another version, not across machines.
"""
import contextlib
import os
import random
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
import test_hostile as hostile      # noqa: E402
import wire as w        # noqa: E402
from lab import PYTHON, VICTIM4, VICTIM6, Lab, Scan, stop_process      # noqa: E402
from matrix_send import frame, send     # noqa: E402
from picket import FIVE_FAMILIES, Picket, seconds_to_connect        # noqa: E402
from veiled import CLOSED, MSS, Flood, at_once      # noqa: E402

SCANNER = "203.0.113.67"


@contextlib.contextmanager
def town(config=""):
    lab = Lab("figures")
    daemon = Picket(lab, config)
    try:
        lab.services()
        daemon.start()
        yield lab, daemon
    finally:
        with open(os.devnull, "w") as quiet, contextlib.redirect_stdout(quiet):
            daemon.close()
        lab.close()


def forger(minutes=1.0):
    for per_minute in (600, 10000, 40000):
        with town() as (lab, daemon):
            names = [f"100.{64 + n // 250}.{n % 250}.9" for n in range(1000)]
            lab.attacker.batch(*(f"addr add {name}/32 dev eth0" for name in names))
            ending, took, failed = threading.Event(), [], []

            def forge():
                n, started = 0, time.monotonic()
                while not ending.is_set():
                    # Ten probes of one stranger, then the next: as many veils a minute as can be had.
                    source, port = names[n // 10 % 1000], CLOSED[n % 10]
                    send(lab, [frame(source, VICTIM4[0], 30000 + n % 30000, port, options=MSS)], 0)
                    n += 1
                    time.sleep(max(0.0, started + n * 60 / per_minute - time.monotonic()))

            def visit(part):
                for name in part:
                    seconds = seconds_to_connect(lab.attacker, VICTIM4[0], random.choice((22, 80, 777)), name, 10.0)
                    (failed if seconds == float("inf") else took).append(seconds)
                    time.sleep(random.random() * minutes * 60 * 20 / 1000)
            thread = threading.Thread(target=forge, daemon=True)
            thread.start()
            order = random.sample(names, len(names))
            at_once(*(lambda part=order[n::20]: visit(part) for n in range(20)))
            ending.set()
            thread.join()
            took.sort()
            print(f"forger, {per_minute:6} packets a minute: {len(took)} requests, {len(failed)} failed; median "
                  f"{took[len(took) // 2]:.2f}, 95 of 100 {took[int(len(took) * .95)]:.2f}, slowest {took[-1]:.2f} s; "
                  f"{len(daemon.graded(grade='veil'))} veiled", flush=True)


def scan():
    for rate in (0, 4000, 40000):
        with town() as (lab, daemon):
            flood = Flood(lab, "100.96.0.0", 200000, max(rate, 1), "1100-1500", each=8, seconds=120)
            time.sleep(3)
            answered, at = hostile.first_answers(lab, daemon, SCANNER, 10, range(2100, 2400), 25)
            stop_process(flood.process)
            print(f"own scan beside {rate:6} forged SYNs a second: veiled after {at} probes, "
                  f"{len(answered)} ports answered", flush=True)


def net():
    with town() as (lab, _daemon):
        seen = w.Wire(lab.victim, VICTIM6[0])
        ports = [22, 80, 777, 8080, *range(8100, 11100)]
        random.shuffle(ports)
        send(lab, [frame(f"2001:db8:f000:{n // 3:x}::1", VICTIM6[0], 30000 + n, port, options=MSS)
                   for n, port in enumerate(ports)], 0.0025)
        time.sleep(0.5)
        answered = {f.sport for f in seen.frames() if f.out and f.dst.startswith("2001:db8:f000:")}
        seen.close()
        served = answered & {22, 80, 777, 8080}
        print(f"one /48, 3 ports a /64: {len(answered)} of {len(ports)} ports learned, of 4 that are served "
              f"{len(served)}", flush=True)


def crowd():
    for rate in (0, 900):
        with town() as (lab, daemon):
            lab.attacker.run("ip", "-6", "route", "add", "local", "2001:db8:f000::/48", "dev", "lo")
            lab.attacker.add_address(SCANNER)
            people = lab.attacker.popen(PYTHON, "-c", hostile.CROWD, max(rate, 1), 14)
            time.sleep(4)
            kept = [lab.attacker.connect(VICTIM4[0], port, 1.5, SCANNER, keep=True) for port in FIVE_FAMILIES]
            time.sleep(2.6)
            opened = [s for s in kept if not isinstance(s, str)]
            for s in opened:
                s.close()
            time.sleep(2)
            told = daemon.ctl("explain", SCANNER).one
            print(f"crowd of {rate} handshakes a second: {len(opened)} of 5 visits received, confirmed "
                  f"{told['confirmed']}, grade {told['grade']}", flush=True)
            stop_process(people)


def local():
    with town() as (lab, daemon):
        user = lab.victim.popen(PYTHON, "-c", hostile.BINDER, stdout=subprocess.PIPE, text=True)
        user.stdout.readline()
        print("a user bound 8,000 ports: a scan of 100 of them learned",
              hostile.learned_by(lab, daemon, "203.0.113.71", range(2200, 2300)), flush=True)
        server = lab.victim.popen(PYTHON, "-c", hostile.PASV, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        ports = random.sample(range(33000, 60000), 300)
        for port in ports:
            server.stdin.write(f"{port}\n")
            server.stdin.flush()
            server.stdout.readline()
            time.sleep(0.04)
        stop_process(server)
        print("300 passive ports of FTP: a scan of 150 of them learned",
              hostile.learned_by(lab, daemon, "203.0.113.72", ports[:150]), flush=True)
    with town() as (lab, daemon):
        seen = w.Wire(lab.victim, "203.0.113.66")
        with lab.attacker.socket() as listener, lab.victim.socket() as control:
            listener.bind(("203.0.113.66", 21))
            listener.listen()
            control.connect(("203.0.113.66", 21))
            Scan(lab, "-sS", "-g", "20", "-T4", "-p1024-9000").wait(60)
        answered = {f.sport for f in seen.frames() if f.out and f.protocol == w.TCP and f.sport >= 1024}
        seen.close()
        print(f"nmap -g 20 after a call of ours: {len(answered)} of 7,977 ports answered", flush=True)


def main():
    parts = {"forger": forger, "scan": scan, "net": net, "crowd": crowd, "local": local}
    if set(sys.argv[1:]) - set(parts):
        sys.exit(__doc__)
    for name in sys.argv[1:] or parts:
        parts[name]()


if __name__ == "__main__":
    main()
