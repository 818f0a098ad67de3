# SPDX-License-Identifier: GPL-2.0-or-later
"""Random faults under load: chaos.py [-n ROUNDS] [-s SEED].  What must hold after each is in Chaos.check().

A service manager's part is played here: a picketd that ends is started again.  Each round does one thing, or two at
once, to it, its table, its state, its clients or its interfaces, while an honest client works, a scanner scans and
forged SYNs come in.
"""
import argparse
import contextlib
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lab import Lab, wait_until      # noqa: E402
from picket import FIVE_FAMILIES, Picket, visit_traps       # noqa: E402
from veiled import Flood        # noqa: E402

HOOK = """hook chaos {{
on = {{ "ban", "veil" }}
command = {{ "/bin/sh", "-c", "{}" }}
user = "nobody"
timeout = "1s"
}}
"""
HOOKS = ("exec sleep 60", "while :; do sleep 9 & done", "yes", "setsid sleep 60 & exit 3", "exit 0")
INJECTED = ("write,pwrite64,fsync,fdatasync:error=ENOSPC", "sendto,sendmsg:error=ENOBUFS", "sendto,sendmsg:error=EINTR",
            "recvfrom,recvmsg,read:error=EINTR", "openat,socket,accept4:error=EMFILE", "mmap,brk:error=ENOMEM",
            "sendmsg,sendto:error=ENOMEM")
GROWTH_KB = 12 * 1024       # of all processes' own memory, over a run


def own_memory(pids):
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/smaps_rollup") as f:
                total += int(re.search(r"^Pss:\s+(\d+)", f.read(), re.M)[1])
    return total


class Chaos:
    def __init__(self, lab, seed, log=print):
        self.lab, self.random, self.say = lab, random.Random(seed), log
        self.network_before = self.network()
        hooks = HOOK.format(self.random.choice(HOOKS))
        self.picket = Picket(lab, hooks)
        self.expected = {}          # address: the monotonic time at which its block was acknowledged
        self.serial = 0
        self.traced, self.left = [], []
        self.restarts = 0

    def network(self):
        """What picketd may leave changed in no case."""
        return [self.lab.victim.run("ip", *what.split(), check=False).stdout
                for what in ("rule show", "-6 rule show", "route show table all", "-6 route show table all")]

    # ---- the service manager

    def start(self):
        self.picket.spawn()
        self.restarts += 1

    def up(self):
        """picketd answers, started again as often as it takes."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if self.picket.process is None or self.picket.process.poll() is not None:
                self.start()
            if os.path.exists(self.picket.socket_path):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    if self.picket.ctl("status", check=False, timeout=3).code == 0:
                        self.picket.seen_pids += self.picket.children()
                        return
            time.sleep(0.1)
        raise AssertionError(f"picketd does not come back; its log:\n{self.picket.log_text()[-4000:]}")

    def pids(self):
        """supervisor, sentry, keeper; fewer where one has ended."""
        found = [self.picket.process.pid] if self.picket.process.poll() is None else []
        for child in (self.picket.sentry, self.picket.keeper):
            with contextlib.suppress(AssertionError):
                found.append(child())
        return found

    def shoot(self, pid, number):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    # ---- faults

    def kill_one(self):
        pids = self.pids()
        if pids:
            self.shoot(self.random.choice(pids), self.random.choice((signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT)))

    def stop_and_kill(self):
        """Killed while it stops."""
        self.shoot(self.picket.process.pid, signal.SIGTERM)
        time.sleep(self.random.random() * 0.1)
        self.kill_one()

    def start_and_kill(self):
        """Killed while it starts."""
        self.shoot(self.picket.process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.picket.process.wait(10)
        self.start()
        time.sleep(self.random.random() * 0.3)
        self.kill_one()

    def flush(self):
        self.lab.victim.run("nft", "flush", "ruleset")

    def flush_and_kill(self):
        """Killed while it heals."""
        self.flush()
        time.sleep(self.random.random() * 1.5)
        self.kill_one()

    def freeze_one(self):
        pids = self.pids()
        if pids:
            pid = self.random.choice(pids)
            self.shoot(pid, signal.SIGSTOP)
            time.sleep(self.random.random() * 2)
            self.shoot(pid, signal.SIGCONT)

    def inject(self):
        """A system call of one process fails, each fifth time, for a second."""
        pids = self.pids()
        if not pids:
            return
        fault = self.random.choice(INJECTED)
        tracer = subprocess.Popen(["strace", "-f", "-o", "/dev/null", "-p", str(self.random.choice(pids)), "-e",
                                   f"inject={fault}:when=3+5"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(1)
        tracer.send_signal(signal.SIGINT)
        tracer.wait(10)

    def links(self):
        name = f"chaos{self.serial}"
        self.lab.victim.run("ip", "link", "add", name, "type", "dummy", check=False)
        self.lab.victim.run("ip", "addr", "add", "10.99.0.1/24", "dev", name, check=False)
        self.lab.victim.run("ip", "link", "set", name, "up", check=False)
        time.sleep(self.random.random() * 0.3)
        self.lab.victim.run("ip", "link", "del", name, check=False)

    def clients(self):
        """Clients that say nothing, say nonsense, or ask without reading."""
        for _ in range(self.random.randrange(1, 30)):
            with contextlib.suppress(OSError):
                s = self.picket.raw()
                s.setblocking(False)
                s.send(self.random.choice((b"", b"{" * 5000, b'{"command":"list"}\n' * 200, b"\xff\x00\n" * 300)))
                self.left.append(s)

    def lock_state(self):
        """Another program holds the database for two seconds."""
        with contextlib.suppress(sqlite3.Error):
            other = sqlite3.connect(os.path.join(self.picket.state_dir, "picket.db"), isolation_level=None, timeout=1)
            other.execute("BEGIN IMMEDIATE")
            time.sleep(2)
            other.close()

    def reload(self):
        self.picket.write_config(HOOK.format(self.random.choice(HOOKS)))
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.picket.ctl("reload", check=False)

    FAULTS = (kill_one, kill_one, stop_and_kill, start_and_kill, flush, flush_and_kill, freeze_one, inject, inject,
              links, clients, lock_state, reload)

    # ---- load

    def block(self):
        """An admin's order: once it is acknowledged, it must stand."""
        self.serial += 1
        address = f"198.18.{self.serial // 250}.{self.serial % 250 + 1}"
        with contextlib.suppress(subprocess.TimeoutExpired):
            if self.picket.ctl("block", address, "--for", "1h", check=False, timeout=5).code == 0:
                self.expected[address] = time.monotonic()

    def scan(self):
        """A host that scans by its own hand: its ban must stand once it was told."""
        self.serial += 1
        address = f"203.0.113.{100 + self.serial % 150}"
        with contextlib.suppress(AssertionError):
            self.lab.attacker.add_address(address)
        with contextlib.suppress(AssertionError):
            visit_traps(self.lab, *FIVE_FAMILIES, source=address)

    # ---- what must hold

    def note_bans(self):
        """What the log says is banned."""
        for line in self.picket.lines(r"^picketd: ban "):
            self.expected.setdefault(line.split()[2], time.monotonic())

    def check(self):
        self.note_bans()
        self.up()
        wait_until(self.picket.table_present, 10, "the table is there")
        # What was acknowledged within the second before a fault may not have reached the disk yet.
        due = {a for a, at in self.expected.items() if time.monotonic() - at > 2.5}
        wait_until(lambda: due <= {r["source"] for r in self.picket.graded()}, 10,
                   lambda: f"lost: {due - {r['source'] for r in self.picket.graded()}}")
        for address in self.random.sample(sorted(due), min(3, len(due))):
            assert self.picket.kernel_grade(address) in ("ban", "block"), address
        status = self.picket.ctl("status").one
        assert status["mode"] == "block", status["mode"]

    def round(self):
        self.block()
        self.scan()
        faults = self.random.sample(self.FAULTS, 2 if self.random.random() < 0.3 else 1)
        self.say(" + ".join(fault.__name__ for fault in faults), flush=True)
        for fault in faults:
            if self.picket.process.poll() is not None:
                self.up()
            fault(self)
        for s in self.left:
            s.close()
        self.left = []
        self.check()

    def end(self):
        """A clean stop leaves nothing behind."""
        self.up()
        own = set(self.picket.children())
        assert self.picket.stop() == 0
        assert not self.picket.table_present()
        assert self.network() == self.network_before
        time.sleep(1.5)         # a hook has a second
        inside = self.lab.victim.run("ip", "netns", "pids", self.lab.victim.name, check=False).stdout.split()
        names = {}
        for pid in inside:
            with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline") as f:
                names[pid] = f.read().replace("\0", " ")       # "" of one that has ended
        assert not own & set(map(int, names)), names
        left = {pid: name for pid, name in names.items() if name and "services.py" not in name}
        assert not left, left


def run(lab, rounds, seed, log=print):
    """Raises AssertionError; returns what the honest client says."""
    chaos = Chaos(lab, seed, log)
    honest = lab.honest()
    try:
        chaos.up()
        for _ in range(3):
            chaos.block()
        time.sleep(3)
        before = own_memory(chaos.pids())
        for i in range(rounds):
            log(f"{i + 1}/{rounds}: ", end="")
            with Flood(lab, "100.96.0.0", 2000, 2000, "1100-1500", each=1, seconds=1):
                chaos.round()
        time.sleep(3)
        grown = own_memory(chaos.pids()) - before
        assert grown < GROWTH_KB, f"memory grew by {grown} KB"
        chaos.end()
    finally:
        chaos.picket.close()
    report = honest.stop()
    assert report["failed"] == [], report
    return {"rounds": rounds, "restarts": chaos.restarts, "blocks": len(chaos.expected), "grown_kb": grown, **report}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-n", type=int, default=1000, help="rounds (%(default)s)")
    parser.add_argument("-s", type=int, default=int(time.time()), help="seed (the time)")
    args = parser.parse_args()
    print(f"seed {args.s}")
    lab = Lab("chaos")
    try:
        lab.services()
        print(json.dumps(run(lab, args.n, args.s)))
    finally:
        lab.close()


if __name__ == "__main__":
    main()
