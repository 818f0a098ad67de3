# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts where conntrack says nothing: it is not to be asked, or every packet goes past it (NOTRACK)."""
import contextlib
import re
import time

import pytest

from lab import ATTACKER4, CLIENT4, VICTIM4, VICTIM6, Scan, wait_until
from matrix_send import frame, send
from picket import FIVE_FAMILIES, delayed, seconds_to_connect, shut_out, visit_traps
from senders import ACK, FIN, PSH, RST, SYN, Forger, explained, icmp
from test_flow_flag import exchange
from test_grades import still_answers
from veiled import Stranger, veil

NOTRACK = """
table inet raw {
    chain pre { type filter hook prerouting priority -300; notrack; }
    chain out { type filter hook output priority -300; notrack; }
}
"""


@pytest.fixture(params=["off", "notrack"])
def without(request, lab, picket):
    """Starts picket without conntrack's help."""
    def start(config=""):
        if request.param == "notrack":
            lab.victim.nft(NOTRACK)
            return picket(config)
        return picket(config + "\nconntrack = off")
    return start


def customers(host, name="customers4"):
    return set(re.findall(r"([\d.]+) \. (\d+)", host.run("nft", "list", "set", "inet", "picket", name).stdout))


@pytest.mark.core
def test_the_honest_notice_nothing(lab, without, honest):
    """While others scan, and with connections that are older than the daemon."""
    with exchange(lab.client, VICTIM4[0], 8080) as older:
        daemon = without()
        scan = Scan(lab, "-sS", "-T4", "-p1-1000")
        daemon.wait_graded(ATTACKER4, grade="veil")
        scan.stop()
        assert still_answers(older)
    honest.check()
    assert explained(daemon, CLIENT4) is None, "nothing is held against it"
    assert seconds_to_connect(lab.attacker, VICTIM4[0], 80) < 1.5, "a veil refuses nothing"


def test_nothing_of_conntrack_is_asked(lab, picket):
    """Not even its hooks are there: it counts no flow, and status says so."""
    lab.victim.run("nft", "flush", "ruleset")
    daemon = picket("conntrack = off")
    for _ in range(3):
        assert lab.client.get(VICTIM4[0], 80)
    rules = lab.victim.run("nft", "list", "table", "inet", "picket").stdout
    assert not re.search(r"\bct (state|status|mark|label|direction|original)", rules)
    assert int(lab.victim.run("cat", "/proc/sys/net/netfilter/nf_conntrack_count").stdout) == 0
    status = daemon.ctl("status").one
    assert status["sensors"]["conntrack"] == "off" and status["sensors"]["flow_flag"] == "none"
    assert "conntrack  off" in daemon.ctl("status", json_output=False).out
    assert "conntrack is not asked" in daemon.ctl("doctor", json_output=False, check=False, timeout=30).out
    for word, flag in (("auto", "mark"), ("off", "none")):
        daemon.write_config(f"conntrack = {word}")
        assert daemon.reload().code == 0
        wait_until(lambda: daemon.ctl("status").one["sensors"]["flow_flag"] == flag, 4, f"conntrack = {word}")


def test_it_is_said_that_packets_came_past(lab, picket):
    lab.victim.nft(NOTRACK)
    daemon = picket()
    assert lab.client.get(VICTIM4[0], 80)
    status = daemon.ctl("status").one
    assert status["sensors"]["conntrack"] == "on" and status["kernel"]["untracked"] > 0
    assert "came past it (NOTRACK)" in daemon.ctl("status", json_output=False).out
    assert "came past conntrack" in daemon.ctl("doctor", json_output=False, check=False, timeout=30).out


@pytest.mark.core
def test_proof_bans_and_what_runs_goes_on(lab, without, honest):
    daemon = without()
    with exchange(lab.attacker, VICTIM4[0], 8080) as running:
        visit_traps(lab, *FIVE_FAMILIES)
        daemon.wait_graded(ATTACKER4, grade="ban")
        assert shut_out(lab.attacker, VICTIM4[0], 80)
        assert still_answers(running)
    honest.check()


@pytest.mark.core
def test_a_block_cuts(lab, without):
    daemon = without()
    with exchange(lab.attacker, VICTIM4[0], 8080) as cut, exchange(lab.client, VICTIM4[0], 8080) as other:
        daemon.ctl("block", ATTACKER4, "--for", "10m")
        assert not still_answers(cut) and still_answers(other)
        assert shut_out(lab.attacker, VICTIM4[0], 80)


@pytest.mark.core
def test_customers_keep_their_ports(lab, without):
    """Under a veil at once, and under a ban; others wait, or are shut out."""
    daemon = without()
    who = Stranger(lab)
    for address, source in ((VICTIM4[0], who.v4), (VICTIM6[0], who.v6)):
        assert who.host.get(address, 80, source=source)
    wait_until(lambda: (who.v4, "80") in customers(lab.victim), 3, lambda: customers(lab.victim))
    veil(lab, daemon, who.v4, who.v6)
    for address, source in ((VICTIM4[0], who.v4), (VICTIM6[0], who.v6)):
        assert seconds_to_connect(who.host, address, 80, source) < 0.5
        assert delayed(who.host, address, 777, source)
    visit_traps(lab, *FIVE_FAMILIES, source=who.v4)
    daemon.wait_graded(who.v4, grade="ban")
    assert who.host.get(VICTIM4[0], 80, source=who.v4)
    assert shut_out(who.host, VICTIM4[0], 777, who.v4)


def test_what_is_earned_late_a_ban_does_not_spare(lab, without):
    daemon = without()
    who = Stranger(lab)
    veil(lab, daemon, who.v4)
    assert who.host.get(VICTIM4[0], 80, timeout=8, source=who.v4)
    wait_until(lambda: (who.v4, "80") in customers(lab.victim, "late4"), 3, "a late customer")
    assert (who.v4, "80") not in customers(lab.victim)


def test_nothing_forged_makes_a_customer(lab, without):
    """Single packets in others' names, to what listens on every address and on one; nor does whom this host calls."""
    lab.services("tcp:26:banner", f"bind:{VICTIM4[0]}")
    daemon = without()
    for n, flags in enumerate((SYN, ACK, PSH | ACK, FIN | ACK, RST)):
        send(lab, [frame(f"198.18.{n}.9", VICTIM4[0], 40000, port, flags=flags) for port in (26, 80)] * 3, 0.002)
    server = lab.client.socket()
    server.bind((CLIENT4, 4000))
    server.listen()
    with contextlib.closing(server):
        called = lab.victim.connect(CLIENT4, 4000, 1.0, keep=True)
        called.close()
        time.sleep(0.3)
    assert daemon.ctl("status").code == 0
    assert customers(lab.victim) == set()


def test_a_visit_to_a_trap_makes_no_customer(lab, without):
    daemon = without()
    visit_traps(lab, 23, 79)
    wait_until(lambda: daemon.ctl("explain", ATTACKER4).one["evidence"], 3, "the visits are evidence")
    assert customers(lab.victim) == set()


def test_errors_of_a_veiled_router_are_heard(lab, without):
    """Path MTU: what runs would stall without them.  They belong to no state that conntrack knows."""
    daemon, router = without(), "198.18.0.1"
    veil(lab, daemon, router)
    with exchange(lab.client, VICTIM4[0], 8080) as running:
        port = running.getsockname()[1]
        victim, client = ([int(b) for b in a.split(".")] for a in (VICTIM4[0], CLIENT4))
        inner = bytes([0x45, 0, 2, 0, 0, 1, 0x40, 0, 64, 6, 0, 0, *victim, *client])
        inner += (8080).to_bytes(2, "big") + port.to_bytes(2, "big") + bytes(4)
        body = (0).to_bytes(2, "big") + (1200).to_bytes(2, "big") + inner
        with Forger(lab.attacker) as out:
            out.send([icmp(router, VICTIM4[0], 3, 4, body)] * 2)
        wait_until(lambda: re.search(r"IcmpInDestUnreachs\s+[1-9]",
                                     lab.victim.run("nstat", "-az", "IcmpInDestUnreachs").stdout), 2, "it is heard")
        assert still_answers(running)
