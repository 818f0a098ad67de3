# SPDX-License-Identifier: GPL-2.0-or-later
"""What chaos.py does to picketd, one function a fault, and the table of them.

A fault draws from chaos.random alone, says what it drew, and returns what undoes it, or None.  Undone it is when the
round's other faults have been played: so they meet a full disk, a refusing kernel, a wrong clock.
"""
import contextlib
import errno
import mmap
import os
import re
import signal
import sqlite3
import struct
import subprocess
import time

from picket import PICKETD
from veiled import Flood

HOOK = """hook chaos {{
on = {{ "ban", "veil" }}
command = {{ "/bin/sh", "-c", "{}" }}
user = "nobody"
timeout = "1s"
}}
"""
HOOKS = ("exec sleep 60", "while :; do sleep 9 & done", "yes", "setsid sleep 60 & exit 3", "exit 0")
KILLS = (signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT)


class Faulty:
    """The orders to faulty.c."""
    WRITE, SYNC, OPEN, SEND, RECV, WAIT, MEMORY, BATCH, OVERRUN = (1 << n for n in range(9))
    # Kinds of calls, the error (0: half is written), and each how many-th call.
    REFUSALS = {
        "ENOSPC": (WRITE | SYNC, errno.ENOSPC, (1, 2)),
        "EIO": (SYNC, errno.EIO, (1, 2)),
        "short writes": (WRITE, 0, (1, 2, 5)),
        "EMFILE": (OPEN, errno.EMFILE, (1, 2, 5)),
        "ENOMEM": (MEMORY, errno.ENOMEM, (2, 20, 200, 2000)),
        "EINTR": (WRITE | SEND | RECV | WAIT, errno.EINTR, (2, 3, 7)),
        "no buffers to send": (SEND, errno.ENOBUFS, (1, 2, 5)),
        "netlink overrun": (OVERRUN, errno.ENOBUFS, (1, 2, 5)),
        "netlink ENOMEM": (BATCH, errno.ENOMEM, (1, 2, 5)),
        "netlink EBUSY": (BATCH, errno.EBUSY, (1, 2, 5)),
        "netlink ENFILE": (BATCH, errno.ENFILE, (1, 2)),
        "netlink ENOENT": (BATCH, errno.ENOENT, (1, 2)),
    }

    def __init__(self, path):
        self.path = path
        with open(path, "w+b") as f:
            f.truncate(mmap.PAGESIZE)
            self.orders = mmap.mmap(f.fileno(), mmap.PAGESIZE)

    def set_clock(self, wrong_ms):
        struct.pack_into("q", self.orders, 0, wrong_ms)

    def refuse(self, pid, kinds, error, each):
        struct.pack_into("IIIiII", self.orders, 8, pid, 0, each, error, 0, 0)
        struct.pack_into("I", self.orders, 12, kinds)

    def stop(self):
        """How many calls failed."""
        struct.pack_into("I", self.orders, 12, 0)
        return struct.unpack_from("I", self.orders, 28)[0]


# ---- processes

def kill_one(chaos):
    number = chaos.random.choice(KILLS)
    pids = chaos.pids()
    if pids:
        chaos.shoot(chaos.random.choice(pids), number)


def kill_again_and_again(chaos):
    """While it comes up, too."""
    for _ in range(chaos.random.randrange(2, 5)):
        kill_one(chaos)
        chaos.hold(chaos.random.random() * 0.6)


def stop_and_kill(chaos):
    """Killed while it stops."""
    chaos.shoot(chaos.picket.process.pid, signal.SIGTERM)
    time.sleep(chaos.random.random() * 0.1)
    kill_one(chaos)


def start_and_kill(chaos):
    """Killed while it starts."""
    chaos.shoot(chaos.picket.process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        chaos.picket.process.wait(10)
    chaos.start()
    time.sleep(chaos.random.random() * 0.3)
    kill_one(chaos)


def freeze_one(chaos):
    seconds = chaos.random.random() * 2
    pids = chaos.pids()
    if pids:
        pid = chaos.random.choice(pids)
        chaos.shoot(pid, signal.SIGSTOP)
        chaos.hold(seconds)
        chaos.shoot(pid, signal.SIGCONT)


# ---- the table in the kernel

def flush(chaos):
    chaos.lab.victim.run("nft", "flush", "ruleset")


def flush_and_kill(chaos):
    """Killed while it heals."""
    flush(chaos)
    time.sleep(chaos.random.random() * 1.5)
    kill_one(chaos)


def break_table(chaos):
    """Somebody else takes parts of it away."""
    what = chaos.random.choice(("flush chain inet picket pre", "delete chain inet picket pre",
                                "flush map inet picket graded4", "flush chain inet picket graded",
                                "flush table inet picket"))
    chaos.say(f"({what}) ")
    chaos.lab.victim.run("nft", *what.split(), check=False)


FILLED = {"customers4": "{} . 80", "late4": "{} . 80", "seen4": "{}", "graded4": "{} timeout 8s : 0x2",
          "alerted4": "{} timeout 8s", "exempt4": "{} timeout 8s"}
FILLED_S = 8


def fill_set(chaos):
    """By somebody else, to its last place."""
    name = chaos.random.choice(sorted(FILLED))
    listed = chaos.lab.victim.run("nft", "list", "set" if name != "graded4" else "map", "inet", "picket", name,
                                  check=False).stdout
    found = re.search(r"size (\d+)", listed)
    chaos.say(f"({name} {found and found[1]}) ")
    if not found:
        return None

    def nft(word, count):
        elements = ", ".join(FILLED[name].format(f"11.{n >> 16}.{n >> 8 & 255}.{n & 255}") for n in range(count))
        return chaos.lab.victim.run("nft", "-f", "-", check=False,
                                    input=f"{word} element inet picket {name} {{ {elements} }}\n").returncode == 0
    count = int(found[1]) - listed.count("expires")
    while not nft("add", count) and count > 1000:       # more came meanwhile
        count -= 500
    chaos.hold(1)
    if "timeout" in FILLED[name]:
        return lambda: chaos.hold(FILLED_S)
    return lambda: nft("delete", count)


# ---- what the kernel refuses

def refuse_calls(chaos):
    """Some calls of one process, or of all while picketd is started anew as often as it ends."""
    name = chaos.random.choice(sorted(Faulty.REFUSALS))
    kinds, error, each = Faulty.REFUSALS[name]
    each, whom = chaos.random.choice(each), chaos.random.choice(("all", 0, 1, 2))
    pids = chaos.pids()
    pid = 0 if whom == "all" or len(pids) < 3 else pids[whom]
    who = "all" if pid == 0 else ("supervisor", "sentry", "keeper")[whom]
    chaos.say(f"({name} of {who}, each {each}) ")
    chaos.faulty.refuse(pid, kinds, error, each)
    for _ in range(3):
        chaos.hold(chaos.random.random() * 0.6)
        chaos.block()

    def stop():
        failed = chaos.faulty.stop()
        chaos.refused += failed
        chaos.say(f"({failed} calls failed) ")
    return stop


def limit_one(chaos):
    """No further descriptor, or no further memory, for one process."""
    what, whom = chaos.random.choice(("nofile", "as")), chaos.random.randrange(3)
    pids = chaos.pids()
    if len(pids) < 3:
        return None
    pid = pids[whom]
    chaos.say(f"({what} of {('supervisor', 'sentry', 'keeper')[whom]}) ")
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        have = len(os.listdir(f"/proc/{pid}/fd"))
        chaos.limit(pid, what, have if what == "nofile" else 1 << 20)
    chaos.hold(1)
    return lambda: chaos.limit(pid, what, None)


def disk_full(chaos):
    path = os.path.join(chaos.picket.state_dir, "somebody else's")
    with contextlib.suppress(OSError), open(path, "wb", buffering=0) as f:
        while True:
            f.write(bytes(65536))
    chaos.hold(1.5)
    return lambda: os.unlink(path)


def lock_state(chaos):
    """Another program holds the database for two seconds."""
    with contextlib.suppress(sqlite3.Error):
        other = sqlite3.connect(os.path.join(chaos.picket.state_dir, "picket.db"), isolation_level=None, timeout=1)
        other.execute("BEGIN IMMEDIATE")
        chaos.hold(2)
        other.close()


def lose_state(chaos):
    for name in ("picket.db", "picket.db-wal", "picket.db-shm"):
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(chaos.picket.state_dir, name))
    chaos.hold(chaos.random.random() * 1.5)


def set_clock(chaos):
    """It stays wrong, over restarts, until it is set again."""
    wrong_s = chaos.random.choice((0, 1, 60, 3600, 86400, 400 * 86400)) * chaos.random.choice((-1, 1))
    chaos.say(f"({wrong_s:+} s) ")
    chaos.faulty.set_clock(wrong_s * 1000)


# ---- the network

def _ip(chaos, *lines):
    for line in lines:
        chaos.lab.victim.run("ip", *line.split(), check=False)
        time.sleep(chaos.random.random() * 0.1)


def interface_comes_and_goes(chaos):
    _ip(chaos, "link add chaos0 type dummy", "addr add 10.99.0.1/24 dev chaos0", "link set chaos0 up",
        "link del chaos0")


def uplink_comes_and_goes(chaos):
    """A second default route: the interface is guarded.  It is renamed, too."""
    _ip(chaos, "link add chaos1 type dummy", "addr add 10.98.0.1/24 dev chaos1", "link set chaos1 up",
        "route add default via 10.98.0.254 dev chaos1 metric 500", "link set chaos1 down",
        "link set chaos1 name chaos2", "link set chaos2 up", "route add default via 10.98.0.254 dev chaos2 metric 500")
    chaos.hold(chaos.random.random())
    return lambda: _ip(chaos, "link del chaos1", "link del chaos2")


def uplink_goes_under_an_early_drop(chaos):
    """A second uplink, and somebody blocked who floods."""
    _ip(chaos, "link add chaos3 type dummy", "addr add 10.97.0.1/24 dev chaos3", "link set chaos3 up",
        "route add default via 10.97.0.254 dev chaos3 metric 500")
    with Flood(chaos.lab, chaos.shut_out, 1, 6000, "1100-1500", seconds=2) as flood:
        flood.process.wait()
        _ip(chaos, "link del chaos3")


def address_comes_and_goes(chaos):
    _ip(chaos, "addr add 10.77.0.9/24 dev eth0", "addr add 2001:db8:77::9/64 dev eth0 nodad",
        "addr del 10.77.0.9/24 dev eth0", "addr del 2001:db8:77::9/64 dev eth0")


def _tuple(number, source, target, sport, dport):
    def part(kind, data):
        return struct.pack("HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)
    return part(0x8000 | number, part(0x8001, part(1, source) + part(2, target)) +
                part(0x8002, part(1, b"\x11") + part(2, sport) + part(3, dport)))


def conntrack_full(chaos):
    """Of running connections, which do not give way.  New ones are refused by the kernel then, whoever watches."""
    with open("/proc/sys/net/netfilter/nf_conntrack_max") as f:
        most = int(f.read())
    if most > 300000:
        return chaos.say(f"(nf_conntrack_max is {most}: left out) ")
    host, port, name, dns = bytes((10, 77, 0, 1)), b"\0\0", bytes((192, 0, 2, 0)), struct.pack("!H", 53)
    body = (struct.pack("BBH", 2, 0, 0) + _tuple(1, name, host, port, dns) + _tuple(2, host, name, dns, port) +
            struct.pack("HH", 8, 3) + struct.pack("!I", 0xe) +
            struct.pack("HH", 8, 7) + struct.pack("!I", 60))
    message = struct.pack("IHHII", 16 + len(body), 0x100, 0x601, 0, 0) + body
    # Where the stranger's address and port stand, in both directions.
    first, second = message.index(name), message.rindex(name)
    first_port, second_port = message.index(dns) - 8, message.rindex(dns) + 8
    excuse = chaos.excuse()
    with chaos.lab.victim.socket(16, 3, 12) as s:        # AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER
        one = bytearray(message)
        for n in range(0, most + 256, 256):
            several = bytearray()
            for k in range(n, n + 256):
                one[first:first + 4] = one[second:second + 4] = bytes((192, 0, 2, k % 251))
                one[first_port:first_port + 2] = one[second_port:second_port + 2] = struct.pack("!H", 1024 + k // 251)
                several += one
            s.send(several)
    held = chaos.lab.victim.run("cat", "/proc/sys/net/netfilter/nf_conntrack_count").stdout.strip()
    chaos.say(f"({held} connections) ")
    chaos.hold(1)

    def empty():
        chaos.lab.victim.run("conntrack", "-F", check=False)
        excuse()
    return empty


def conntrack_forgets(chaos):
    chaos.lab.victim.run("conntrack", "-F", check=False)


def forged_storm(chaos):
    """Seven closed ports in each of thousands of names: a veil each."""
    with Flood(chaos.lab, "100.80.0.0", "2000/256", 20000, "200-290", each=7, seconds=2) as flood:
        flood.process.wait()


# ---- who talks to it

def clients(chaos):
    """They say nothing, say nonsense, or ask without reading."""
    said = (b"", b"{" * 5000, b'{"v":1,"cmd":"list"}\n' * 200, b"\xff\x00\n" * 300,
            b'{"v":1,"cmd":"events","follow":true}\n', b'{"v":1,"cmd":"history"}\n' * 50)
    left = []
    for _ in range(chaos.random.randrange(1, 30)):
        what = chaos.random.choice(said)
        with contextlib.suppress(OSError):
            s = chaos.picket.raw()
            s.setblocking(False)
            s.send(what)
            left.append(s)
    return lambda: [s.close() for s in left]


def log_stalls(chaos):
    """Nobody reads the log."""
    chaos.log_reader.pause()
    chaos.hold(chaos.random.random() * 4)
    return chaos.log_reader.go_on


def reload(chaos):
    chaos.picket.write_config(HOOK.format(chaos.random.choice(HOOKS)))
    with contextlib.suppress(subprocess.TimeoutExpired):
        chaos.picket.ctl("reload", check=False)


def bad_reload(chaos):
    chaos.picket.write_config("no_such_option = 1")
    with contextlib.suppress(subprocess.TimeoutExpired):
        chaos.picket.ctl("reload", check=False)
    return lambda: chaos.picket.write_config(HOOK.format(HOOKS[-1]))


def a_second_one(chaos):
    """Of the same configuration: refused, and the first does not notice."""
    second = chaos.lab.victim.popen(PICKETD, "-c", chaos.picket.conf, "-f", stdout=subprocess.DEVNULL,
                                    stderr=subprocess.DEVNULL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        second.wait(3)
    second.terminate()
    second.wait(10)


# As often as a fault stands here, so often it has its turn.
TABLE = (kill_one, kill_one, kill_one, kill_again_and_again, kill_again_and_again, kill_again_and_again, stop_and_kill,
         start_and_kill, start_and_kill, freeze_one, flush, flush_and_kill, break_table, fill_set, refuse_calls,
         refuse_calls, refuse_calls, limit_one, disk_full, lock_state, lose_state, set_clock, set_clock,
         interface_comes_and_goes, uplink_comes_and_goes, uplink_goes_under_an_early_drop, address_comes_and_goes,
         conntrack_full, conntrack_forgets, forged_storm, clients, log_stalls, reload, bad_reload, a_second_one)
KILL = {kill_one, kill_again_and_again, stop_and_kill, start_and_kill, flush_and_kill}
# The table is gone for a while, was emptied, or changed for the third time within a minute.
OPEN = {flush, flush_and_kill, break_table, fill_set, stop_and_kill, a_second_one}
# By them a process may end as well.
BREAK = KILL | {freeze_one, refuse_calls, limit_one, lock_state, disk_full, lose_state, bad_reload, forged_storm,
                fill_set}
