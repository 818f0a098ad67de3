# SPDX-License-Identifier: GPL-2.0-or-later
"""The log's reader stalls, or what it is told is a flood: nothing else waits for it, and what counts is told."""
import os
import re
import signal
import socket
import time

import pytest

from lab import ATTACKER4, wait_until
from picket import FIVE_FAMILIES, visit_traps

JOURNAL = ("mount -t tmpfs none /run/systemd && mkdir /run/systemd/journal && touch /run/systemd/journal/socket && "
           "mount --bind {0} /run/systemd/journal/socket")
# A /dev of its own with nothing but what a daemon needs.
SYSLOG = ("mount -t tmpfs none /mnt && cp -a /dev/null /dev/zero /dev/urandom /dev/random /mnt && "
          "ln -s {0} /mnt/log && mount --move /mnt /dev && mount -t tmpfs none /run/systemd")
AS_A_SERVICE = "export JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2)"


class Reader:
    """A log's socket that takes one line, and then none until it is read."""

    def __init__(self, lab, path):
        lab.victim.sysctl(net__unix__max_dgram_qlen=1)
        self.socket = lab.victim.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        os.chmod(path, 0o666)
        self.socket.settimeout(8)

    def until(self, pattern):
        """The first line that is like that, and how many came before it."""
        for before in range(2000):
            line = self.socket.recv(1 << 16).decode()
            if re.search(pattern, line):
                return line, before
        raise AssertionError(f"no line like {pattern}")

    def close(self):
        self.socket.close()


def orders_are_carried_out(lab, daemon):
    """And in no more time than without a log."""
    started = time.monotonic()
    for order in (("status",), ("block", "203.0.113.9"), ("unblock", "203.0.113.9"), ("pause",), ("resume",)):
        daemon.ctl(*order)
    assert time.monotonic() - started < 3.0
    visit_traps(lab, *FIVE_FAMILIES)
    wait_until(lambda: daemon.kernel_grade(ATTACKER4) == "ban", 5, "the scanner is banned")


def end_in_time(daemon):
    started = time.monotonic()
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.process.wait(5.0) == 0 and time.monotonic() - started < 3.0


@pytest.mark.core
@pytest.mark.parametrize("kind", ["journal", "syslog"])
def test_a_reader_that_stalls(lab, picket, kind):
    daemon = picket.make()
    reader = Reader(lab, os.path.join(daemon.dir, "log.socket"))
    mounts = (JOURNAL if kind == "journal" else SYSLOG).format(os.path.join(daemon.dir, "log.socket"))
    daemon.spawn(before=f"{AS_A_SERVICE} && {mounts}")
    daemon.wait_ready()
    orders_are_carried_out(lab, daemon)
    assert daemon.ctl("status").rows[0]["events"]["log_waiting"] > 0
    line, before = reader.until(rf"ban {ATTACKER4} ")
    assert before < 8, "the ban is among the first that are told once somebody reads"
    if kind == "journal":
        assert re.search(rf"^PICKET_SOURCE={ATTACKER4}$", line, re.M) and "\nPICKET_GRADE=ban\n" in line
        assert re.search(r"^PRIORITY=4$", line, re.M) and re.search(r"^SYSLOG_IDENTIFIER=picketd$", line, re.M)
    else:
        assert re.match(r"<28>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d picketd\[\d+\]: ban ", line)
    end_in_time(daemon)
    reader.close()


@pytest.mark.core
def test_a_pipe_that_nobody_empties(lab, picket):
    daemon = picket.make()
    reads, writes = os.pipe()
    os.write(writes, b"x" * 65536)
    daemon.spawn(output=writes)
    os.close(writes)
    daemon.wait_ready()
    orders_are_carried_out(lab, daemon)
    end_in_time(daemon)
    os.close(reads)
