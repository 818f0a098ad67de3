# SPDX-License-Identifier: GPL-2.0-or-later
"""Stands whose queues somebody reads: picketd, or a bare reader (bench_queue.c) in its place, behind the same table."""
import contextlib
import os
import re
import subprocess
import time

import stands
from lab import built, stop_process
from stands import GATEWAY, MACS, Stand

READER = os.path.join(os.path.dirname(stands.PROGRAM), "bench_queue")
QUEUE, QUEUES = 4711, 4
PORT = 7777


def text_of(name):
    with open(name) as f:
        return f.read()


def spent_ns(pid):
    """Processor time of a process so far."""
    return int(text_of(f"/proc/{pid}/schedstat").split()[0])


class Read(Stand):
    """`bare`: options of the bare reader, None: picketd reads."""

    def __init__(self, name, bare=None):
        self.reader = None
        super().__init__(name, "none", "keep_on_stop = true")
        self.pid = self.daemon.sentry()
        if bare is not None:
            self.daemon.stop()
            self._read(bare)

    def _read(self, options):
        # In a session of its own, as picketd's processes are: the kernel shares processors by sessions.
        self.reader = subprocess.Popen([READER, self.victim.name, str(QUEUE), str(QUEUES), *options],
                                       stdout=subprocess.PIPE, text=True, start_new_session=True)
        assert self.reader.stdout.readline() == "ready\n"
        self.pid = self.reader.pid

    def queued(self):
        """So far, as the kernel says."""
        with self.victim.enter(), open("/proc/net/netfilter/nfnetlink_queue") as f:
            return sum(int(line.split()[7]) for line in f)

    @contextlib.contextmanager
    def sent(self, names, rate, each=1, ports=PORT, seconds=60):
        """Forged SYNs, evenly in time, as far as the machine keeps up."""
        process = self.attacker.popen(built("flood"), "eth0", MACS["other"], GATEWAY, "11.0.0.0", names, each, rate,
                                      seconds, "mss", ports, min(32, max(1, rate // 10000)), stdout=subprocess.DEVNULL)
        try:
            yield
        finally:
            stop_process(process)

    def cost(self, names, rate, settle, seconds=1.0):
        """The reader's processor time for each packet in ns, and packets a second."""
        with self.sent(names, rate):
            time.sleep(settle)
            packets, spent, began = self.queued(), spent_ns(self.pid), time.monotonic()
            time.sleep(seconds)
            packets, spent = self.queued() - packets, spent_ns(self.pid) - spent
            return spent / packets, packets / (time.monotonic() - began)

    def processes(self):
        return [self.daemon.process.pid, *self.daemon.children()]

    def memory_mb(self):
        return sum(int(re.search(r"^Pss:\s+(\d+)", text_of(f"/proc/{pid}/smaps_rollup"), re.M)[1])
                   for pid in self.processes()) / 1024

    def close(self):
        if self.reader:
            stop_process(self.reader)
            self.reader.stdout.close()
        super().close()


@contextlib.contextmanager
def reading(**readers):
    """{name: options of a bare reader, or None}"""
    made = []
    with contextlib.ExitStack() as stack:
        for name, bare in readers.items():
            made.append(Read(name, bare))
            stack.callback(made[-1].close)
        yield made
