# SPDX-License-Identifier: GPL-2.0-or-later
"""A flood of names that were never seen before: they are noted first and judged when they come again, and the scan
beside them is veiled."""
import time

from lab import VICTIM4
from matrix_send import frame, send
from test_hostile import first_answers
from veiled import CLOSED, MSS, Flood

SCANNER = "203.0.113.67"
# Of many nets, none of which comes to a veil by what its members share.
FRESH = dict(names="4000000/61", rate=8000, ports="1100-1500", seconds=60)


def known(daemon, names):
    """Those of them that were judged."""
    return [name for name in names if daemon.ctl("explain", name, check=False).code == 0]


def kernel(daemon):
    return daemon.ctl("status").one["kernel"]


def test_the_second_packet_is_judged(lab, picket):
    daemon = picket()
    names = [f"198.51.{n}.9" for n in range(60)]
    with Flood(lab, "100.96.0.0", **FRESH):
        time.sleep(3)
        first = known_after(lab, daemon, names, CLOSED[0])
        second = known_after(lab, daemon, names, CLOSED[1])
    assert kernel(daemon)["noted_once"] > 0
    assert len(first) < len(names) and len(second) >= 55, (first, second)


def known_after(lab, daemon, names, port):
    send(lab, [frame(name, VICTIM4[0], 30000, port, options=MSS) for name in names], 0.002)
    time.sleep(0.3)
    return known(daemon, names)


def received(host):
    with host.enter(), open("/proc/thread-self/net/dev") as f:
        return int(next(line for line in f if line.lstrip().startswith("eth0:")).split()[2])


def test_few_are_judged_and_all_are_counted(lab, picket):
    daemon, came = picket(), received(lab.victim)
    with Flood(lab, "100.96.0.0", **dict(FRESH, seconds=6)) as flood:
        time.sleep(3)
        before = kernel(daemon)
        time.sleep(2)
        after = kernel(daemon)
        flood.wait()
    time.sleep(0.5)
    came, told = received(lab.victim) - came, daemon.ctl("status").one
    assert (after["queued_judge"] - before["queued_judge"]) / 2 < 5600 and after["noted_once"] > 0
    counts = told["kernel"]
    assert came - 200 < counts["queued_judge"] + counts["noted_once"] + counts["over_newcomers"] <= came
    assert told["queue"]["lost"] == told["queue"]["verdict_errors"] == told["queue"]["malformed"] == 0


def test_the_scan_beside_it_is_veiled(lab, picket):
    daemon = picket()
    with Flood(lab, "100.96.0.0", **FRESH):
        time.sleep(3)
        answered, veiled_at = first_answers(lab, daemon, SCANNER, 10, range(2100, 2400), 20)
    assert veiled_at is not None and veiled_at <= 20, (veiled_at, answered)


def test_whoever_is_noted_is_answered(lab, picket):
    """Noted is not dropped: closed ports refuse, served ones let in."""
    picket()
    sources = [f"203.0.113.{n}" for n in range(101, 121)]
    lab.attacker.batch(*(f"addr add {source}/32 dev eth0" for source in sources))
    with Flood(lab, "100.96.0.0", **FRESH):
        time.sleep(3)
        assert [lab.attacker.connect(VICTIM4[0], 2100, 2.0, source) for source in sources] == ["refused"] * 20
        assert [lab.attacker.connect(VICTIM4[0], 80, 4.0, source) for source in sources] == ["open"] * 20
