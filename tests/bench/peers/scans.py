# SPDX-License-Identifier: GPL-2.0-or-later
"""What strangers do to a guarded host, and what becomes of them: each scan from an address of its own, by nmap; forged
packets by hping3."""
import contextlib
import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "system"))
import wire as w        # noqa: E402
from lab import CLIENT4, REAL_TCP, VICTIM4, Lab        # noqa: E402
from picket import seconds_to_connect       # noqa: E402
from veiled import at_once      # noqa: E402

TARGET = VICTIM4[0]
NMAP = ("nmap", "-n", "-Pn", "--disable-arp-ping", "--max-retries", "1", "--host-timeout", "20s")
COMMON = "21,22,23,25,53,79,80,110,111,113,135,139,143,443,445,993,995,1723,3306,3389"
PORTS = "1-196,777,8080"
TWELVE = "21,22,23,25,80,110,111,139,143,443,445,3389"
FAST = {
    "connect": ("-sT", "-T4", f"-p{PORTS}"),
    "SYN": ("-sS", "-T4", f"-p{PORTS}"), "FIN": ("-sF", "-T4", f"-p{PORTS}"),
    "NULL": ("-sN", "-T4", f"-p{PORTS}"), "Xmas": ("-sX", "-T4", f"-p{PORTS}"), "UDP": ("-sU", "-T4", "-p1-100"),
}
SLOW = {"5 s apart": ("-sS", "--scan-delay", "5s", "--max-retries", "0", "--host-timeout", "0", f"-p{COMMON}"),
        "T1": ("-sS", "-T1", "--max-retries", "0", "--host-timeout", "0", f"-p{TWELVE}")}
CROWD = 64              # addresses of one /24, four ports each
REGULAR, NEWCOMER = CLIENT4, "198.51.100.121"


def address(n):
    return f"100.{70 + n}.7.9"


class Watch(threading.Thread):
    """When each source was told of and stopped, looked at ten times a second."""

    def __init__(self, guard):
        super().__init__(daemon=True)
        self.guard, self.told, self.stopped = guard, {}, {}
        self.sources, self.ending = set(), threading.Event()

    def look(self):
        now, rules = time.time(), self.guard.rules()
        for source in self.sources - set(self.stopped):
            if self.guard.stops(source, rules):
                self.stopped[source] = now
        for source in self.sources - set(self.told):
            if self.guard.told(source):
                self.told[source] = now

    def run(self):
        while not self.ending.wait(0.1):
            with contextlib.suppress(Exception):    # the namespace goes, the log is written: looked at again
                self.look()

    def end(self):
        self.ending.set()
        self.join()


def access(host, source, port=80):
    """What a new connection to a real service meets."""
    took = seconds_to_connect(host, TARGET, port, source, wait=4.5)
    return "shut" if took > 4.5 else "late" if took > 0.7 else "open"


def answers(frames, sources):
    """(ports asked, ports that answered, services learned)"""
    out = {(f.src, f.dport, f.protocol) for f in frames if f.out and f.src in sources and f.protocol in (w.TCP, w.UDP)}
    back, served = set(), set()
    for f in frames:
        if f.out or f.dst not in sources:
            continue
        if f.protocol in (w.TCP, w.UDP):
            back.add((f.dst, f.sport))
        elif f.quoted:
            back.add((f.dst, f.quoted.dport))
        if f.is_synack and f.sport in REAL_TCP:
            served.add(f.sport)
    return len(out), len(back), len(served)


OWN_SCANNER = "100.98.7.9"


def beside_the_flood(stand):
    """nmap over 40 ports, ten a second, while forged packets rain."""
    stand.attacker.add_address(OWN_SCANNER)
    seen = w.Wire(stand.attacker, OWN_SCANNER)
    stand.attacker.run(*NMAP, "-S", OWN_SCANNER, "-e", "eth0", "-sS", "--scan-delay", "100ms", "--max-scan-delay",
                       "100ms", "--max-retries", "0", "-p", "201-240", "10.9.0.1", check=False, timeout=60)
    asked, answered, _served = answers(seen.frames(), {OWN_SCANNER})
    seen.close()
    return {"asked": asked, "answered": answered}


class Town:
    """One lab with one guard in it, and its watch."""

    def __init__(self, make, unpacked):
        self.lab = Lab("peers")
        self.guard = None
        try:
            self.lab.services()
            self.lab.client.add_address(NEWCOMER)
            self.guard = make(self.lab, unpacked)
            self.watch = Watch(self.guard)
            self.watch.start()
        except BaseException:
            self.close()
            raise

    def scan(self, source, *arguments):
        self.lab.attacker.add_address(source)
        seen = w.Wire(self.lab.attacker, source)
        self.watch.sources.add(source)
        way = ("-S", source, "-e", "eth0")
        if "-sT" in arguments:          # nmap cannot bind a connect scan: the route tells its address
            way = ()
            self.lab.attacker.run("ip", "route", "replace", "10.77.0.0/24", "dev", "eth0", "src", source)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.lab.attacker.run(*NMAP, *way, *arguments, TARGET, check=False, timeout=400)
        return self.outcome(source, seen)

    def outcome(self, source, seen):
        time.sleep(8)           # so long some of them look only every few seconds
        frames = seen.frames()
        seen.close()
        asked, answered, served = answers(frames, {source})
        first = min((f.at for f in frames if f.out), default=time.time())

        def after(times):
            return round(max(0.0, times[source] - first), 2) if source in times else None
        stopped = self.watch.stopped.get(source, float("inf"))
        known = answers([f for f in frames if f.at <= stopped], {source})[1]
        return {"probes": asked, "answered": answered, "served": served, "told_s": after(self.watch.told),
                "stopped_s": after(self.watch.stopped), "answered_before_the_stop": known,
                "then": access(self.lab.attacker, source)}

    def crowd(self):
        sources = [f"100.99.7.{n}" for n in range(1, CROWD + 1)]
        for source in sources:
            self.lab.attacker.add_address(source)
        seen = w.Wire(self.lab.attacker, TARGET)
        self.watch.sources.update(sources)

        def some(part):
            for n in part:
                ports = ",".join(map(str, (*range(100 + n * 3, 103 + n * 3), sorted(REAL_TCP)[n % len(REAL_TCP)])))
                self.lab.attacker.run(*NMAP, "-S", sources[n], "-e", "eth0", "-sS", "-T4", f"-p{ports}", TARGET,
                                      check=False, timeout=100)
        at_once(*(lambda part=range(k, CROWD, 4): some(part) for k in range(4)))
        time.sleep(8)
        asked, answered, served = answers(seen.frames(), set(sources))
        seen.close()
        return {"probes": asked, "answered": answered, "served": served,
                "told": len(self.watch.told.keys() & set(sources)),
                "stopped": len(self.watch.stopped.keys() & set(sources))}

    def forged(self):
        """A scan in the names of a regular visitor and of one who comes for the first time."""
        kept = self.lab.client.connect(TARGET, 22, 2.0, REGULAR, keep=True)
        kept.recv(64)
        assert access(self.lab.client, REGULAR) == "open"
        for name in (REGULAR, NEWCOMER):
            self.lab.attacker.run("hping3", "-q", "-S", "-a", name, "-p", "++1", "-c", "600", "-i", "u2000", TARGET,
                                  check=False, timeout=60)
        time.sleep(8)
        return {"runs_on": self._runs(kept), "regular": access(self.lab.client, REGULAR),
                "newcomer": access(self.lab.client, NEWCOMER)}

    def _runs(self, kept):
        """Whether the connection that stands still takes what is sent: its segment is acknowledged."""
        with kept:
            kept.sendall(b"x\n")
            time.sleep(1.5)
            info = kept.getsockopt(6, 11, 104)      # TCP_INFO: unacked
            return int.from_bytes(info[24:28], "little") == 0

    def lasting(self, source):
        """Whether the source is let in while the guard is stopped, and after a reboot."""
        found = {"before": access(self.lab.attacker, source)}
        self.guard.halt()
        found["stopped"] = access(self.lab.attacker, source)
        self.guard.reboot()
        time.sleep(8)
        found["rebooted"] = access(self.lab.attacker, source)
        return found

    def close(self):
        if self.guard:
            self.watch.end()
            self.guard.close()
        self.lab.close()


def everything(make, unpacked):
    """All scans against one guard; the slow ones go on beside the others."""
    town = Town(make, unpacked)
    try:
        slow = {}

        def crawl(name, n):
            slow[name] = town.scan(address(n), *SLOW[name])
        crawling = [threading.Thread(target=crawl, args=(name, 20 + n), daemon=True) for n, name in enumerate(SLOW)]
        for thread in crawling:
            thread.start()
        found = {name: town.scan(address(n), *arguments) for n, (name, arguments) in enumerate(FAST.items())}
        found["crowd"] = town.crowd()
        found["forged"] = town.forged()
        why = town.guard.why(address(0))
        for thread in crawling:
            thread.join()
        return {"scans": found | slow, "why": why, "restart": town.lasting(address(0)), "as_it_is": make.as_it_is}
    finally:
        town.close()
