#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What picket costs where nothing happens, and what its tools cost:  rest.py [start] [wake] [memory] [bans] [replay]

start   seconds until it answers, and until a stop is over
wake    wake-ups a second of the three processes, nothing happening, over 60 s
memory  of the three processes, with the usual table of sources and a small one
bans    100,000 bans: memory, start, stop, `picketctl list` as text and JSON (seconds, memory); memory again where each
        ban has a reason of its own
replay  `picketctl replay` of a capture of half a million packets: processor time for a million
Compare with the same run of another version, not across machines.
"""
import contextlib
import os
import random
import re
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from lab import Host        # noqa: E402
from picket import PICKETCTL, Picket, put_bans        # noqa: E402

BANS = 100000
REPLAY_PACKETS = 500000
WAKE_S = 60


class Quiet:
    """A namespace with one interface on which nothing ever comes."""

    def __init__(self):
        self.victim = Host(f"pk-{os.getpid()}-rest")
        self.victim.batch("link set lo up", "link add eth0 type veth peer name eth1", "addr add 10.77.0.1/24 dev eth0",
                          "link set eth0 up", "link set eth1 up")

    def close(self):
        self.victim.close()


@contextlib.contextmanager
def quiet(config=""):
    lab = Quiet()
    daemon = Picket(lab, config)
    try:
        yield daemon
    finally:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            daemon.close()
        lab.close()


def processes(daemon):
    return [daemon.process.pid, daemon.keeper(), daemon.sentry()]


def read(pid, name):
    with open(f"/proc/{pid}/{name}") as f:
        return f.read()


def shown(parts):
    return f"{sum(parts):.1f} MB ({' + '.join(f'{part:.1f}' for part in parts)})"


def timed(action):
    began = time.monotonic()
    action()
    return time.monotonic() - began


def start():
    begun, stopped = [], []
    with quiet() as daemon:
        for _ in range(5):
            daemon.spawn()
            begun.append(timed(lambda: daemon.wait_line("is on guard")))
            daemon.wait_ready()
            time.sleep(3)
            stopped.append(timed(daemon.stop))
            os.truncate(daemon.log_path, 0)
    print(f"start {min(begun) * 1000:.0f} ms, stop {min(stopped):.2f} to {max(stopped):.2f} s")
    return {"start_s": min(begun), "stop_s": min(stopped), "slowest_stop_s": max(stopped)}


def switches(pid):
    return sum(int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", read(pid, f"task/{task}/status"), re.M)[1])
               for task in os.listdir(f"/proc/{pid}/task"))


def wake():
    with quiet() as daemon:
        daemon.start()
        time.sleep(12)
        pids = processes(daemon)
        before = [switches(pid) for pid in pids]
        time.sleep(WAKE_S)
        rates = [(switches(pid) - was) / WAKE_S for pid, was in zip(pids, before)]
        print(f"wake-ups {sum(rates):.2f} a second (supervisor, keeper, sentry: "
              f"{', '.join(f'{rate:.2f}' for rate in rates)})")
        return {"wakeups_a_second": sum(rates)}


def memory():
    told = {}
    for name, config in (("memory_mb", ""), ("memory_small_mb", "score { max_sources = 8192 }")):
        with quiet(config) as daemon:
            daemon.start()
            time.sleep(12)
            bare = daemon.memory_mb()
            told[name] = sum(bare)
            print(f"memory at rest {shown(bare)}{'; ' if config else ''}{config}")
    return told


def ended(*argv):
    """Seconds and greatest memory (MB) of a process that writes to nowhere."""
    began = time.monotonic()
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, argv
    return time.monotonic() - began, used.ru_maxrss / 1024, used.ru_utime + used.ru_stime


def cpu(pid):
    fields = read(pid, "stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def bans():
    with quiet() as daemon:
        daemon.start()
        time.sleep(3)
        bare = daemon.memory_mb()
        daemon.stop()
        put_bans(daemon.state_dir, BANS)
        daemon.spawn()
        began = timed(lambda: daemon.wait_line("is on guard", 60, 2))
        daemon.wait_ready()
        time.sleep(3)
        full = daemon.memory_mb()
        print(f"{BANS} bans: start {began:.2f} s, memory {shown(full)}, {sum(full) - sum(bare):+.1f} MB")
        told = {"bans_start_s": began, "bans_memory_mb": sum(full) - sum(bare)}
        for form in ((), ("--json",)):
            spent, before = cpu(daemon.keeper()), daemon.memory_mb()
            runs = [ended(PICKETCTL, "-s", daemon.socket_path, *form, "list") for _ in range(5)]
            told[f"list_{'json' if form else 'text'}_s"] = min(run[0] for run in runs)
            print(f"list {' '.join(form) or 'as text'}: {min(run[0] for run in runs):.2f} s (CPU: picketctl "
                  f"{min(run[2] for run in runs):.2f}, keeper {(cpu(daemon.keeper()) - spent) / 5:.2f}), picketctl "
                  f"{max(run[1] for run in runs):.1f} MB, keeper {daemon.memory_mb()[1] - before[1]:+.1f} MB")
        stops = []
        for _ in range(5):
            stops.append(timed(daemon.stop))
            daemon.start()
            time.sleep(3)
        assert daemon.ctl("status").one["counts"]["bans"] == BANS
        daemon.stop()
        told["bans_stop_s"] = min(stops)
        print(f"stop {min(stops):.2f} to {max(stops):.2f} s; all of them stand after five restarts")
        put_bans(daemon.state_dir, BANS, alike=False)
        daemon.start()
        time.sleep(3)
        full = daemon.memory_mb()
        print(f"with a reason each: memory {shown(full)}, {sum(full) - sum(bare):+.1f} MB")
        return told


def put_capture(path):
    """Sixty scanners that are refused, among two thousand clients of one service.  Without sums, as a network card
    fills them in later."""
    chance = random.Random(7)
    us, when, written = bytes((192, 0, 2, 10)), 1700000000.0, 0
    with open(path, "wb") as out:
        def packet(source, target, sport, dport, flags, payload=0):
            tcp = struct.pack("!HHIIBBHHH", sport, dport, 1, 1, 0x50, flags, 1024, 0, 0) + bytes(payload)
            ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 1, 0, 64, 6, 0, source, target)
            frame = bytes(12) + b"\x08\x00" + ip + tcp
            out.write(struct.pack("<IIII", int(when), int(when % 1 * 1e6), len(frame), len(frame)) + frame)

        out.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        while written < REPLAY_PACKETS:
            when += .0005
            if chance.random() < .3:
                client, port = bytes((203, 0, 113, chance.randrange(1, 255))), chance.randrange(1024, 65536)
                for back, flags, payload in ((0, 2, 0), (1, 18, 0), (0, 16, 0), (0, 24, 100), (1, 24, 300), (0, 17, 0),
                                             (1, 17, 0), (0, 16, 0)):
                    packet(*((us, client, 443, port) if back else (client, us, port, 443)), flags, payload)
                written += 8
            else:
                scanner, port = bytes((198, 51, 100, chance.randrange(1, 61))), chance.randrange(1, 65536)
                packet(scanner, us, 40000, port, 2)
                packet(us, scanner, port, 40000, 20)
                written += 2
    return written


def replay():
    with tempfile.NamedTemporaryFile(suffix=".pcap") as capture:
        packets = put_capture(capture.name)
        runs = [ended(PICKETCTL, "replay", capture.name) for _ in range(5)]
    spent = min(run[2] for run in runs) * 1e6 / packets
    print(f"replay: {spent:.2f} s of processor time for a million packets, {max(run[1] for run in runs):.1f} MB")
    return {"replay_million_s": spent}


PARTS = {"start": start, "wake": wake, "memory": memory, "bans": bans, "replay": replay}


def main():
    if set(sys.argv[1:]) - set(PARTS):
        sys.exit(__doc__)
    for name in sys.argv[1:] or PARTS:
        PARTS[name]()
        sys.stdout.flush()


if __name__ == "__main__":
    main()
