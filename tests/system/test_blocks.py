# SPDX-License-Identifier: GPL-2.0-or-later
"""What a block is: how it ends, who may lift it, what it leaves alone."""
import json
import re
import time

import pytest

from lab import ATTACKER4, CLIENT4, GATEWAY4, VICTIM4, VICTIM6, Scan, wait_until
from picket import blocked_for, event_text, wait_open

TRAPS = 'trap { tcp = { "23", "5900-5910" } }'


def scan_until_blocked(lab, daemon, *arguments, count=1):
    """A SYN scan from the attacker until the daemon has told of its count-th block."""
    scan = Scan(lab, *(arguments or ("-sS", "-T4", "-p1-1000")))
    try:
        return daemon.wait_line(rf"\bblock {ATTACKER4} for ", timeout=15, count=count)
    finally:
        scan.stop()


def visit_traps(lab, *ports, address=VICTIM4[0]):
    for port in ports:
        assert lab.attacker.connect(address, port, timeout=1.0) == "open"
        time.sleep(0.3)         # the trap counts what was closed without a word


@pytest.mark.core
def test_block_ends_by_itself(lab, picket, honest):
    """A block of 3 s is over after 3 s, the admin is told within 1 s of it, and the source gets in again."""
    daemon = picket('block { first = "3s" }')
    line = scan_until_blocked(lab, daemon)
    assert " for 3s: " in line
    assert blocked_for(lab.attacker, VICTIM4[0])
    started = time.monotonic()
    wait_open(lab.attacker, VICTIM4[0], 80, 5)
    took = time.monotonic() - started
    told = daemon.wait_line(rf"\bunblock {ATTACKER4}: expired", timeout=2.0)
    assert took < 4.0 and told
    assert daemon.blocked() == []


def test_block_holds_until_its_end(lab, picket):
    """Not a moment of it is given away: tried every 20 ms, nothing gets in for the whole time."""
    daemon = picket('block { first = "4s" }')
    scan_until_blocked(lab, daemon)
    started = time.monotonic()
    while time.monotonic() - started < 2.5:
        assert lab.attacker.connect(VICTIM4[0], 80, timeout=0.1) != "open"
        time.sleep(0.02)


def test_time_doubles_on_return(lab, picket):
    daemon = picket('block { first = "2s" max = "10s" }')
    assert " for 2s: " in scan_until_blocked(lab, daemon)
    daemon.wait_line(rf"\bunblock {ATTACKER4}: expired", timeout=5)
    assert " for 4s: " in scan_until_blocked(lab, daemon, "-sS", "-T4", "-p1001-2000", count=2)
    assert daemon.blocked(ATTACKER4)[0]["times"] == 2


@pytest.mark.core
def test_unblock_acts_at_once(lab, picket):
    daemon = picket()
    scan_until_blocked(lab, daemon)
    assert blocked_for(lab.attacker, VICTIM4[0])
    daemon.ctl("unblock", ATTACKER4)
    assert lab.attacker.connect(VICTIM4[0], 80, timeout=1.0) == "open"
    daemon.wait_line(rf"\bunblock {ATTACKER4}\b")
    assert daemon.ctl("unblock", ATTACKER4, check=False).code == 1


def test_unblock_all(lab, picket):
    daemon = picket()
    for n in range(1, 41):
        daemon.ctl("block", f"192.0.2.{n}", "--for", "1h")
    assert len(daemon.blocked()) == 40
    daemon.ctl("unblock", "--all")
    assert daemon.blocked() == []


def block_many(daemon, sources):
    """Blocks them all without picketctl, over connections that stay below the rate limit of each."""
    for at in range(0, len(sources), 15):
        with daemon.raw() as s, s.makefile("rw") as control:
            for source in sources[at:at + 15]:
                print(json.dumps({"v": 1, "cmd": "block", "source": source, "for_s": 3600}), file=control, flush=True)
                while not (answer := json.loads(control.readline())).get("end"):
                    pass
                assert answer["ok"], answer


def kernel_blocks(lab):
    listed = "".join(lab.victim.run("nft", "list", "set", "inet", "picket", name).stdout for name in ("hard4", "soft4"))
    return set(re.findall(r"198\.18\.\d+\.\d+|192\.0\.2\.\d+", listed))


@pytest.mark.core
def test_unblock_a_network_lifts_all_inside(lab, picket):
    """More blocks than one call lifts, and fewer than one turn does; what lies outside stays."""
    daemon = picket()
    block_many(daemon, [f"198.18.0.{n}" for n in range(1, 131)] + ["192.0.2.1"])
    assert len(kernel_blocks(lab)) == 131
    answer = daemon.ctl("unblock", "198.18.0.0/16").one
    assert answer["unblocked"] == 130 and "note" not in answer
    assert [row["source"] for row in daemon.blocked()] == ["192.0.2.1"]
    assert kernel_blocks(lab) == {"192.0.2.1"}
    daemon.wait_line(r"\bunblock 198\.18\.0\.\d+: by an admin")
    assert daemon.ctl("unblock", "198.18.0.0/16", check=False).code == 1


@pytest.mark.parametrize("command", [("unblock", "198.18.0.0/16"), ("allow", "add", "198.18.0.0/16"),
                                     ("unblock", "--all")])
def test_more_blocks_than_one_turn_lifts(lab, picket, command):
    """The count is of all of them from the beginning, the rest follows; what is blocked meanwhile outside stays."""
    daemon = picket()
    block_many(daemon, [f"198.18.{n // 250}.{n % 250 + 1}" for n in range(1300)])
    answer = daemon.ctl(*command).one
    assert answer["unblocked"] == 1300
    daemon.ctl("block", "192.0.2.1", "--for", "1h")
    wait_until(lambda: len(daemon.blocked()) == 1, 5, "all are lifted")
    assert kernel_blocks(lab) == {"192.0.2.1"}


@pytest.mark.core
def test_allow_frees_and_lasts(lab, picket):
    """An allowed source is free at once, and may scan as it likes from then on."""
    daemon = picket()
    scan_until_blocked(lab, daemon)
    daemon.ctl("allow", "add", ATTACKER4)
    assert lab.attacker.connect(VICTIM4[0], 80, timeout=1.0) == "open"
    assert daemon.blocked() == []
    out = Scan(lab, "-sT", "-T4", "-p1-1000").wait()
    assert "777/tcp" in out
    assert daemon.blocked() == []
    assert lab.attacker.connect(VICTIM4[0], 23, timeout=1.0) == "refused", "an allowed source bypasses the traps too"
    daemon.ctl("allow", "del", ATTACKER4)
    scan_until_blocked(lab, daemon, count=2)


def test_allow_from_the_configuration(lab, picket):
    daemon = picket('allow = { "203.0.113.0/24", "2001:db8:bad::/48" }')
    Scan(lab, "-sS", "-T4", "-p1-1000").wait()
    assert daemon.blocked() == []
    rows = daemon.ctl("allow", "list").rows
    assert {row["source"] for row in rows} == {"203.0.113.0/24", "2001:db8:bad::/48"}
    assert daemon.ctl("allow", "check", ATTACKER4).code == 0
    assert daemon.ctl("allow", "check", CLIENT4, check=False).code == 1


@pytest.mark.core
def test_pause_and_resume(lab, picket):
    """The emergency brake: within a second nothing of picket is in any packet's way."""
    daemon = picket()
    scan_until_blocked(lab, daemon)
    daemon.ctl("pause")
    assert wait_open(lab.attacker, VICTIM4[0], 80, 1.0) < 1.0
    ruleset = lab.victim.run("nft", "list", "ruleset", check=False).stdout
    assert " hook " not in ruleset, ruleset
    assert Scan(lab, "-sS", "-T4", "-p1-200").wait().count("/tcp") >= 2
    daemon.ctl("resume")
    wait_until(lambda: blocked_for(lab.attacker, VICTIM4[0]), 3, "the block stands again after the pause")


def test_pause_ends_by_itself(lab, picket):
    daemon = picket()
    daemon.ctl("block", ATTACKER4, "--for", "1h")
    daemon.ctl("pause", "--for", "2s")
    wait_open(lab.attacker, VICTIM4[0], 80, 1.0)
    wait_until(lambda: blocked_for(lab.attacker, VICTIM4[0]), 5, "the pause is over")


@pytest.mark.core
@pytest.mark.parametrize("address, source", [(VICTIM4[0], ATTACKER4), (VICTIM6[0], "2001:db8:bad::/64")])
def test_two_traps_are_a_ban(lab, picket, honest, address, source):
    """A connect scan that finishes handshakes with two traps is banned: even what runs is cut."""
    daemon = picket(TRAPS)
    running = lab.attacker.connect(address, 8080, 1.0, keep=True)
    running.sendall(b"GET / HTTP/1.1\r\nConnection: keep-alive\r\n\r\n")
    assert running.recv(4096)
    visit_traps(lab, 23, address=address)
    assert daemon.blocked() == [], "one handshake is not a ban"
    visit_traps(lab, 5900, address=address)
    line = event_text(daemon.wait_blocked(source, grade="ban"))
    assert re.match(rf"ban {re.escape(source)} for 1h: confirmed 9\.\d", line), line
    assert "23" in line and "5900" in line
    running.sendall(b"GET / HTTP/1.1\r\nConnection: keep-alive\r\n\r\n")
    running.settimeout(0.7)
    with pytest.raises(TimeoutError):
        running.recv(4096)
    running.close()
    assert daemon.blocked(source)[0]["grade"] == "ban"
    honest.check()


def test_nmap_connect_scan_of_two_traps(lab, picket):
    daemon = picket(TRAPS)
    Scan(lab, "-sT", "-T4", "-p23,5901", "--scan-delay", "500ms").wait()
    daemon.wait_blocked(ATTACKER4, grade="ban", timeout=5)


@pytest.mark.core
def test_soft_block_cuts_nothing_that_runs(lab, picket):
    """The address of a SYN scan may be forged: what is established goes on, what is new does not start."""
    daemon = picket()
    running = lab.attacker.connect(VICTIM4[0], 8080, 1.0, keep=True)
    scan_until_blocked(lab, daemon)
    assert blocked_for(lab.attacker, VICTIM4[0])
    running.settimeout(2)
    running.sendall(b"GET / HTTP/1.1\r\nConnection: keep-alive\r\n\r\n")
    assert running.recv(4096).startswith(b"HTTP/1.1 200")
    running.close()


def test_our_own_flows_to_a_blocked_address_go_on(lab, picket):
    """What we opened ourselves to a softly blocked address gets its answers."""
    lab.services("tcp:9000:http", host=lab.attacker)
    daemon = picket()
    scan_until_blocked(lab, daemon)
    assert lab.victim.get(ATTACKER4, 9000)


def test_public_ports_stay_reachable(lab, picket):
    daemon = picket('public_ports = { "80" }')
    scan_until_blocked(lab, daemon)
    assert not blocked_for(lab.attacker, VICTIM4[0], 80, wait=1.0)
    assert blocked_for(lab.attacker, VICTIM4[0], 8080)


@pytest.mark.core
def test_manual_block(lab, picket):
    daemon = picket()
    daemon.ctl("block", ATTACKER4, "--for", "2s", "--reason", "because I say so")
    assert blocked_for(lab.attacker, VICTIM4[0])
    row = daemon.blocked(ATTACKER4)[0]
    assert row["grade"] == "manual" and "because I say so" in row["reason"] and 0 < row["expires_in_s"] <= 2
    wait_open(lab.attacker, VICTIM4[0], 80, 4)


@pytest.mark.core
@pytest.mark.parametrize("target", [VICTIM4[0], VICTIM6[1], GATEWAY4, "127.0.0.1", "0.0.0.0/0", "10.0.0.0/7",
                                    "2001::/16", "10.77.0.0/24"])
def test_manual_block_refuses(lab, picket, target):
    """Own and protected addresses, prefixes that hold them, and prefixes that are too short: not without --force."""
    daemon = picket()
    refused = daemon.ctl("block", target, "--for", "5s", check=False)
    assert refused.code == 1, refused.out + refused.err
    assert daemon.blocked() == []
    assert lab.attacker.connect(VICTIM4[0], 80, 1.0) == "open"


def test_manual_block_of_a_network(lab, picket):
    daemon = picket()
    daemon.ctl("block", "203.0.113.0/24", "--for", "1h")
    assert blocked_for(lab.attacker, VICTIM4[0])
    assert not blocked_for(lab.client, VICTIM4[0], wait=1.0)
    daemon.ctl("unblock", "203.0.113.0/24")
    assert not blocked_for(lab.attacker, VICTIM4[0], wait=1.0)


def test_forced_block_of_a_protected_address(lab, picket):
    daemon = picket()
    daemon.ctl("block", GATEWAY4, "--for", "5s", "--force")
    assert daemon.blocked(GATEWAY4)[0]["grade"] == "manual"
