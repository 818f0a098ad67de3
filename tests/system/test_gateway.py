# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts behind this one: first contacts are judged by what comes of them, and a grade covers them, too."""
import time

import pytest

from conftest import needs
from lab import ATTACKER4, CLIENT4, Scan, wait_until

INSIDE = "172.30.0.2"
GATEWAY = 'gateway { outside = { "eth0" } }'


@pytest.fixture
def inside(lab):
    """A host behind the victim that serves three ports."""
    host = lab.add_container()
    lab.services("tcp:22:banner", "tcp:80:http", "tcp:443:http", "bind:" + INSIDE, host=host)
    return host


def behind(daemon):
    return daemon.ctl("status").one["behind"]


@needs("nmap")
@pytest.mark.parametrize("kind", ["-sS", "-sT", "-sF", "-sU"])
def test_a_scan_of_a_host_behind_is_veiled(lab, picket, inside, kind):
    daemon = picket(GATEWAY)
    assert lab.client.get(INSIDE, 80, source=CLIENT4)
    scan = Scan(lab, kind, "-p", "1-400", target=INSIDE)
    try:
        wait_until(lambda: daemon.graded(ATTACKER4), 15, lambda: f"no veil: {behind(daemon)}")
    finally:
        scan.stop()
    told = behind(daemon)
    assert told["refused"] <= 14, told
    assert lab.client.get(INSIDE, 80, source=CLIENT4), "an honest client's way is free"
    assert not daemon.graded(CLIENT4)


def test_honest_contacts_leave_no_trace(lab, picket, inside):
    daemon = picket(GATEWAY)
    for _ in range(20):
        for port in (80, 443):
            assert lab.client.get(INSIDE, port, source=CLIENT4)
    told = behind(daemon)
    assert told["refused"] == told["silent"] == told["dark"] == 0, told
    assert 1 <= told["asked"] <= 4, "what is served is asked about once"
    assert daemon.ctl("explain", CLIENT4, check=False).one["score"] == 0


def test_silent_and_absent_hosts(lab, picket, inside):
    daemon = picket(GATEWAY)
    inside.nft("""table inet silent { chain in { type filter hook input priority 0;
        tcp dport != { 22, 80, 443 } drop; }
        }""")
    assert lab.client.get(INSIDE, 80, source=CLIENT4)
    scan = Scan(lab, "-sS", "-p", "1-100", target=INSIDE)
    try:
        wait_until(lambda: daemon.graded(ATTACKER4), 12, lambda: f"no veil: {behind(daemon)}")
    finally:
        scan.stop()
    told = behind(daemon)
    assert told["silent"] >= 5 and told["waited"] > 0, told


def test_under_a_veil_nothing_is_refused_any_more(lab, picket, inside):
    daemon = picket(GATEWAY)
    assert lab.client.get(INSIDE, 80, source=CLIENT4)
    scan = Scan(lab, "-sS", "-p", "100-200", target=INSIDE)
    try:
        wait_until(lambda: daemon.graded(ATTACKER4), 12, "no veil")
    finally:
        scan.stop()
    out = Scan(lab, "-sS", "-p", "22,80,443,600-640", target=INSIDE).wait()
    assert "open" not in out.replace("open|filtered", "") and "closed" not in out, out
    # who repeats as a stack does gets in to what is served
    assert lab.attacker.get(INSIDE, 80, timeout=8), "a veil refuses nobody"


def test_what_is_between_two_inner_hosts_is_not_judged(lab, picket, inside):
    daemon = picket(GATEWAY)
    before = behind(daemon)["asked"]
    for port in range(1000, 1040):
        inside.connect(CLIENT4, port, 0.2)     # outward
    time.sleep(.5)
    assert behind(daemon)["asked"] == before
