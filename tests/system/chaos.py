# SPDX-License-Identifier: GPL-2.0-or-later
"""Random faults under load: chaos.py [-n ROUNDS] [-s SEED] [-r ROUND[-LAST]].  faults.py has them; what must hold
after each round is in Chaos.check(), what must hold all the while in Chaos.no_hole() and run().

A service manager's part is played here: a picketd that ends is started again.  Each round does one to three things to
it, its table, its state, its clients, its log or its interfaces, while an honest client works, a scanner scans and
forged SYNs come in.  A round depends on the seed and on its number alone, so that -r repeats one.
"""
import argparse
import contextlib
import fcntl
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import faults       # noqa: E402
from lab import VICTIM4, Lab, built, wait_until      # noqa: E402
from picket import FIVE_FAMILIES, Picket, visit_traps       # noqa: E402
from veiled import Flood        # noqa: E402

GROWTH_KB = 12 * 1024       # of all processes' own memory, while none of them is started anew
GROWTH_FILES = 40           # of their descriptors: as many clients as may come at once
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
SHUT_OUT = "203.0.113.77"       # blocked all the while
TOLD = r"put back|stopping|on guard|carry on|cannot|could not|is in use|failed"


def own_memory(pids):
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/smaps_rollup") as f:
                total += int(re.search(r"^Pss:\s+(\d+)", f.read(), re.M)[1])
    return total


def plan(seed, rounds):
    """Which faults each round plays: each of the table in turn, in a random order.  In every fifth twenty rounds
    nothing is killed or broken, so that what grows shows."""
    generator, deck, rows = random.Random(seed), [], []
    for n in range(rounds):
        chosen = []
        for _ in range(generator.choice((1, 1, 1, 2, 2, 3))):
            if not deck:
                deck = list(faults.TABLE)
                generator.shuffle(deck)
            chosen.append(deck.pop())
        if n // 20 % 5 == 4:
            chosen = [fault for fault in chosen if fault not in faults.BREAK] or [faults.clients]
        rows.append(chosen)
    return rows


class LogReader(threading.Thread):
    """Reads picketd's log from a pipe into a file, unless it is told to pause."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.reads = path, threading.Event()
        self.fd, self.end = os.pipe()
        fcntl.fcntl(self.fd, fcntl.F_SETPIPE_SZ, 4096)
        self.pause, self.go_on = self.reads.clear, self.reads.set
        self.reads.set()
        self.start()

    def run(self):
        with open(self.path, "ab", buffering=0) as out:
            while True:
                self.reads.wait()
                out.write(os.read(self.fd, 65536))


class Prober(threading.Thread):
    """Somebody blocked who knocks at a service all the while: when he is let in, it is noted."""

    def __init__(self, lab):
        super().__init__(daemon=True)
        self.lab, self.let_in, self.tries, self.ended = lab, [], 0, False

    def run(self):
        while not self.ended:
            self.tries += 1
            if self.lab.attacker.connect(VICTIM4[0], 80, 0.25, SHUT_OUT) == "open":
                self.let_in.append(time.monotonic())
                time.sleep(0.1)


class Chaos:
    shut_out = SHUT_OUT

    def __init__(self, lab, log=print):
        self.lab, self.log = lab, log
        self.network_before = self.network()
        self.picket = Picket(lab, faults.HOOK.format(faults.HOOKS[-1]))
        self.give_small_disk()
        self.faulty = faults.Faulty(os.path.join(self.picket.dir, "orders"))
        self.shim = built("faulty", "-shared", "-fPIC")
        self.log_reader = LogReader(self.picket.log_path)
        self.lab.attacker.batch(f"addr add {SHUT_OUT}/32 dev eth0", "route add local 198.19.0.0/16 dev lo")
        self.expected = {}          # address: when it was told, until when it must stand, how exactly that is known
        self.serial = self.log_seen = self.restarts = self.kills = self.forgiven = self.grown_kb = self.refused = 0
        self.excused = []           # from when until when the kernel itself refuses
        self.played = []            # of this round
        self.began = self.risk_from = float("inf")
        self.status = None
        self.generation = None      # pids, their memory and descriptors when first seen
        self.last_start = 0

    def say(self, text):
        self.log(text, end="", flush=True)

    def give_small_disk(self):
        os.mkdir(self.picket.state_dir)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=755", "picket-chaos", self.picket.state_dir],
                       check=True)

    def network(self):
        """What picketd may leave changed in no case."""
        return [self.lab.victim.run("ip", *what.split(), check=False).stdout
                for what in ("rule show", "-6 rule show", "route show table all", "-6 route show table all")]

    # ---- the service manager

    def start(self):
        self.picket.seen_pids += self.picket.children() if self.picket.process else []
        self.picket.spawn(before=f"export LD_PRELOAD={self.shim} FAULTY={self.faulty.path}", output=self.log_reader.end)
        self.last_start = time.monotonic()
        self.restarts += 1

    def manage(self):
        """Starts it again where it has ended."""
        if self.picket.process is None or self.picket.process.poll() is not None:
            if time.monotonic() - self.last_start > 0.3:
                self.start()

    def hold(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.manage()
            time.sleep(min(0.05, seconds))

    def answers(self):
        self.manage()
        rows = self.ask("status")
        self.status = rows[0] if rows else None
        return self.status is not None

    def ask(self, command, **fields):
        """What picketd answers, or None: without picketctl, which takes longer to start than the answer."""
        data = b""
        with contextlib.suppress(OSError, ValueError):
            with self.picket.raw() as s:
                s.sendall(json.dumps({"v": 1, "cmd": command, **fields}).encode() + b"\n")
                while b'"end":true' not in data[-4096:]:
                    more = s.recv(1 << 20)
                    if not more:
                        return None
                    data += more
            rows = [json.loads(line) for line in data.splitlines()]
            return rows[:-1] if rows[-1]["ok"] else None
        return None

    def up(self):
        wait_until(self.answers, 40, lambda: f"picketd does not come back; its log:\n{self.picket.log_text()[-6000:]}",
                   every=0.1)
        self.picket.seen_pids += self.picket.children()

    def pids(self):
        """supervisor, sentry, keeper; fewer where one has ended."""
        names = {}
        for pid in self.picket.children():
            with contextlib.suppress(OSError), open(f"/proc/{pid}/comm") as f:
                names[f.read().strip()] = pid
        found = [names[name] for name in ("picket-sentry", "picket-keeper") if name in names]
        return ([self.picket.process.pid] if self.picket.process.poll() is None else []) + found

    def shoot(self, pid, number):
        self.kills += number in faults.KILLS
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    def limit(self, pid, what, value):
        """By its own user, since root may lack the capability.  None: as it was."""
        with contextlib.suppress(OSError, StopIteration, subprocess.CalledProcessError):
            names = {"nofile": "Max open files", "as": "Max address space"}
            with open(f"/proc/{pid}/limits") as f:
                most = next(line for line in f if line.startswith(names[what])).split()[-2]
            user = os.stat(f"/proc/{pid}")
            subprocess.run(["setpriv", f"--reuid={user.st_uid}", f"--regid={user.st_gid}", "--clear-groups", "prlimit",
                            f"--pid={pid}", f"--{what}={most if value is None else value}:"], check=True,
                           capture_output=True)

    # ---- load

    def address(self, net):
        self.serial += 1
        return f"{net}.{self.serial % 250}.{self.serial // 250 % 250 + 1}"

    def expect(self, address, seconds, slack):
        now = time.monotonic()
        told, until, _ = self.expected.get(address, (now, 0, 0))
        self.expected[address] = told, max(until, now + seconds), slack

    def block(self, address=None):
        """An admin's order: once it is acknowledged, it must stand."""
        address = address or self.address("198.18")
        if self.ask("block", source=address, for_s=86400):
            self.expect(address, 86400, 10)

    def scan(self):
        """A host that scans by its own hand: its ban must stand once it was told."""
        address = self.address("198.19")
        with contextlib.suppress(AssertionError, OSError):
            visit_traps(self.lab, *FIVE_FAMILIES, source=address)

    def excuse(self):
        """From now until the returned function is called the kernel itself refuses new connections."""
        window = [time.time(), float("inf")]
        self.excused.append(window)

        def end():
            window[1] = time.time() + 3.5       # as patient as the honest client is
        return end

    # ---- what must hold

    def new_log(self):
        text = self.picket.log_text()
        new, self.log_seen = text[self.log_seen:], len(text)
        return new

    def note_bans(self, new):
        for address, number, unit in re.findall(r"^picketd: ban (\S+) for (\d+)([smhd]):", new, re.M):
            self.expect(address, int(number) * UNITS[unit], 60)

    def forgive(self, lost):
        """What was told less than the second before it that the disk needs, when the table was emptied and the process
        that knew it ended or could not write, is known to nobody."""
        played = set(self.played)
        if not (played & faults.OPEN and (played & faults.KILL or played & faults.BREAK)):
            return
        for address in [a for a in lost if self.expected[a][0] > self.began - 1.5]:
            del self.expected[address]
            self.forgiven += 1

    def standing(self):
        """Whether all stands that must, and as long as it must."""
        now = time.monotonic()
        rows = {row["source"]: row for row in self.ask("list") or ()}
        due = {a for a, (_, until, slack) in self.expected.items() if until - slack > now}
        self.forgive(due - set(rows))
        self.lost = {a for a in due & set(self.expected) if a not in rows or rows[a]["grade"] not in ("ban", "block")}
        both = [(a, rows[a]["expires_in_s"], until - now, slack) for a, (_, until, slack) in self.expected.items()
                if a in due and a in rows]
        self.wrong = {a: (left, should) for a, left, should, slack in both if abs(left - should) > slack}
        return not self.lost and not self.wrong

    def stands(self):
        return self.answers() and self.standing()

    def stands_in_the_kernel(self, address):
        if self.answers():
            self.take_part_again()
        return self.picket.kernel_grade(address) in ("ban", "block")

    def nothing_left(self):
        """No process of an earlier run: all are descendants of the one that runs."""
        here, parents, names = os.stat(f"/run/netns/{self.lab.victim.name}").st_ino, {}, {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                if os.stat(f"/proc/{pid}/ns/net").st_ino != here:
                    continue
                with open(f"/proc/{pid}/stat") as f:
                    parents[pid] = f.read().rpartition(")")[2].split()[1]
                with open(f"/proc/{pid}/cmdline") as f:
                    names[pid] = f.read().replace("\0", " ")
        self.left = {}
        for pid, name in names.items():
            above = pid
            while above in parents and above != str(self.picket.process.pid):
                above = parents[above]
            if above != str(self.picket.process.pid) and name and "services.py" not in name:
                self.left[pid] = name
        return not self.left

    def not_grown(self):
        pids, veils = self.pids(), self.status["veil"]["memory_bytes"] // 1024
        took = own_memory(pids) - veils
        files = sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)
        if self.generation is None or self.generation[0] != pids:
            self.generation = pids, took, files
        self.grown_kb = max(self.grown_kb, took - self.generation[1])
        assert self.grown_kb < GROWTH_KB, f"memory grew by {self.grown_kb} KB"
        assert files - self.generation[2] < GROWTH_FILES, f"descriptors grew by {files - self.generation[2]}"

    def no_hole(self, let_in, new):
        """Who is blocked is let in only while the table is gone, and then a line says so."""
        early = [at for at in let_in if at < self.began]
        assert not early, f"let in {self.began - early[0]:.2f} s before the round's faults"
        if let_in:
            after_s = let_in[0] - self.began
            assert set(self.played) & faults.OPEN or "staying out" in new, f"let in {after_s:.2f} s after them"
            assert re.search(TOLD, new), f"let in, and no line says why:\n{new}"

    def take_part_again(self):
        """It stays out when its table is emptied for the third time within a minute, and says so."""
        if self.status["paused_for_s"] is not None:
            assert self.picket.lines("staying out"), self.status
            self.say("(stays out: resumed) ")
            self.ask("resume")

    def check(self):
        self.up()
        self.take_part_again()
        new = self.new_log()
        self.note_bans(new)
        wait_until(self.stands, 30, every=0.2, what=lambda: f"lost: {self.lost}; other times: {self.wrong}\n"
                   f"{self.picket.log_text()[-4000:]}")
        address = self.random.choice(sorted(self.expected))
        wait_until(lambda: self.stands_in_the_kernel(address), 20, f"the kernel has {address}")
        assert self.status["mode"] == "block", self.status["mode"]
        wait_until(self.nothing_left, 8, lambda: f"left: {self.left}")
        self.not_grown()
        return new + self.new_log()

    def round(self, chosen, number, seed, prober):
        self.random, self.played = random.Random(f"{seed}/{number}"), chosen
        let_in = len(prober.let_in)
        self.block()
        scanner = threading.Thread(target=self.scan)
        scanner.start()
        time.sleep(self.random.random())
        self.began = time.monotonic()
        with contextlib.ExitStack() as afterwards:
            for fault in chosen:
                self.say(f"{fault.__name__} ")
                self.manage()
                undo = fault(self)
                if callable(undo):
                    afterwards.callback(undo)
        scanner.join()
        new = self.check()
        if set(chosen) & {faults.disk_full, faults.lock_state, faults.lose_state, faults.refuse_calls}:
            time.sleep(1.5)         # it is written again
        self.no_hole(prober.let_in[let_in:], new)

    def end(self):
        """A clean stop leaves nothing behind, where what stands could be saved."""
        self.up()
        time.sleep(8)       # a disk that was full a moment ago is tried again
        own = set(self.picket.children())
        assert self.picket.stop() == 0
        assert not self.picket.table_present()
        assert self.network() == self.network_before
        wait_until(self.nothing_left, 8, lambda: f"left: {self.left}")
        assert not own & {int(pid) for pid in os.listdir("/proc") if pid.isdigit()}

    def close(self):
        self.log_reader.go_on()
        if self.picket.process and self.picket.process.poll() is None:
            self.picket.stop()
        subprocess.run(["umount", "-l", self.picket.state_dir], check=False)
        self.picket.close()


class Work:
    """The honest client: each request is answered, unless the kernel itself refuses."""

    def __init__(self, lab, chaos):
        self.lab, self.chaos, self.client = lab, chaos, lab.honest()
        self.requests = self.unserved = 0

    def check(self, again=True):
        report = self.client.stop()
        self.requests += report["requests"]

        def excused(failure):
            return failure["what"] != "keep" and any(a <= failure["at"] <= b for a, b in self.chaos.excused)
        failed = [failure for failure in report["failed"] if not excused(failure)]
        self.unserved += len(report["failed"]) - len(failed)
        assert not failed, failed
        if again:
            self.client = self.lab.honest()


def run(lab, rounds, seed, log=print, only=None, stop=None):
    """Raises AssertionError; returns what was played and seen.  stop: an event after which no further round begins."""
    chaos, prober, played = Chaos(lab, log), Prober(lab), 0
    try:
        chaos.up()
        chaos.block(SHUT_OUT)
        prober.start()
        work = Work(lab, chaos)
        for number, chosen in enumerate(plan(seed, rounds), 1):
            if stop and stop.is_set():
                break
            if only and not only[0] <= number <= only[-1]:
                continue
            played += 1
            chaos.say(f"{number}/{rounds} {time.strftime('%X')} ")
            started = time.monotonic()
            with Flood(lab, "100.96.0.0", 2000, 2000, "1100-1500", each=1, seconds=1):
                chaos.round(chosen, number, seed, prober)
            if number % 10 == 0:
                work.check()
            chaos.say(f"{time.monotonic() - started:.1f} s\n")
        prober.ended = True
        prober.join()
        work.check(again=False)
        chaos.end()
    finally:
        prober.ended = True
        chaos.close()
    return {"rounds": played, "kills": chaos.kills, "starts": chaos.restarts, "grades": len(chaos.expected),
            "knocked": prober.tries, "let_in": len(prober.let_in), "forgiven": chaos.forgiven,
            "calls_refused": chaos.refused,
            "grown_kb": chaos.grown_kb,
            "requests": work.requests, "unserved_by_the_kernel": work.unserved}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-n", type=int, default=1000, help="rounds (%(default)s)")
    parser.add_argument("-s", type=int, default=int(time.time()), help="seed (the time)")
    parser.add_argument("-r", help="of them this round alone, or these: FIRST-LAST")
    args = parser.parse_args()
    print(f"seed {args.s}", flush=True)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    lab = Lab("chaos")
    try:
        lab.services()
        print(json.dumps(run(lab, args.n, args.s, only=args.r and [int(n) for n in args.r.split("-")],
                             stop=stop)))
    finally:
        lab.close()


if __name__ == "__main__":
    main()
