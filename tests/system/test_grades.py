# SPDX-License-Identifier: GPL-2.0-or-later
"""What the three answers are: how a veil, a ban and a block end, who may lift them, what they leave alone."""
import json
import re
import time

import pytest

from lab import ATTACKER4, CLIENT4, GATEWAY4, VICTIM4, VICTIM6, Scan, wait_until
from matrix_send import frame, send
from picket import FIVE_FAMILIES, delayed, event_text, seconds_to_connect, shut_out, visit_traps, wait_open
from veiled import MSS, key, veil

KEEP_ALIVE = b"GET / HTTP/1.1\r\nConnection: keep-alive\r\n\r\n"


def scan_until_veiled(lab, daemon, *arguments, count=1):
    """A SYN scan from the attacker until the daemon has told of its count-th veil."""
    scan = Scan(lab, *(arguments or ("-sS", "-T4", "-p1-1000")))
    try:
        return daemon.wait_graded(ATTACKER4, grade="veil", count=count)
    finally:
        scan.stop()


def ban(lab, daemon, address=VICTIM4[0], source=ATTACKER4, grade="ban", **options):
    """Five silent visits; the line of the ban."""
    visit_traps(lab, *FIVE_FAMILIES, address=address, **options)
    return event_text(daemon.wait_graded(source, grade=grade))


def still_answers(running):
    """Whether a connection that is open goes on: one more request on it."""
    running.settimeout(2)
    try:
        running.sendall(KEEP_ALIVE)
        return running.recv(4096).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


@pytest.mark.core
def test_a_ban_ends_by_itself(lab, picket, honest):
    """A ban of 3 s is over after 3 s, the admin is told within 1 s of it, and the source gets in again."""
    daemon = picket('ban { first = "3s" }')
    line = ban(lab, daemon)
    assert " for 3s: " in line
    started = time.monotonic()
    assert shut_out(lab.attacker, VICTIM4[0], wait=1.3)
    daemon.wait_line(rf"\bunblock {ATTACKER4}: expired", timeout=4.0)
    assert time.monotonic() - started < 4.0
    assert daemon.graded(grade="ban") == []
    assert seconds_to_connect(lab.attacker, VICTIM4[0]) < 2


def test_a_block_holds_until_its_end(lab, picket):
    """Not a moment of it is given away: tried every 20 ms, nothing gets in for the whole time."""
    daemon = picket()
    daemon.ctl("block", ATTACKER4, "--for", "4s")
    started = time.monotonic()
    while time.monotonic() - started < 2.5:
        assert lab.attacker.connect(VICTIM4[0], 80, timeout=0.1) != "open"
        time.sleep(0.02)


def test_a_ban_doubles_on_return(lab, picket):
    daemon = picket('ban { first = "2s" max = "10s" }')
    assert " for 2s: " in ban(lab, daemon)
    daemon.wait_line(rf"\bunblock {ATTACKER4}: expired", timeout=5)
    # The kernel counts from the moment it took the ban, so the first knocks may still meet the old one.
    wait_until(lambda: lab.attacker.connect(VICTIM4[0], 9) and daemon.graded(ATTACKER4, "ban"), 10, "banned again")
    assert " for 4s: " in daemon.wait_graded(ATTACKER4, grade="ban", count=2)
    assert daemon.graded(ATTACKER4, "ban")[0]["times"] == 2


@pytest.mark.core
@pytest.mark.parametrize("family", [4, 6])
def test_what_a_veil_costs(lab, picket, family):
    """The quick port one repeat, others two, what was used nothing; and nothing is ever refused."""
    victim, source, kind = (VICTIM4[0], ATTACKER4, ()) if family == 4 else (VICTIM6[0], "2001:db8:bad::/64", ("-6",))
    daemon = picket()
    running = lab.attacker.connect(victim, 8080, 1.0, keep=True)
    scan = Scan(lab, *kind, "-sS", "-T4", "-p81-700", target=victim)
    daemon.wait_graded(source, grade="veil")
    scan.stop()
    assert daemon.kernel_grade(source) == "veil"
    assert still_answers(running), "what runs is untouched"
    running.close()
    assert seconds_to_connect(lab.attacker, victim, 8080) < 0.5, "what it used is served at once"
    assert 0.95 < seconds_to_connect(lab.attacker, victim, 80) < 1.4, "its quick port"
    assert seconds_to_connect(lab.attacker, victim, 80) < 0.5, "and never again"
    assert 2.9 < seconds_to_connect(lab.attacker, victim, 777) < 3.5, "another one"
    assert seconds_to_connect(lab.attacker, victim, 777) < 0.5
    assert lab.attacker.datagram(victim, 53, b"q") == b"answer:q"
    assert lab.attacker.connect(victim, 443) == "refused", "clients try it by themselves"
    assert lab.attacker.connect(victim, 999, 2.0) == "timeout"
    assert lab.attacker.connect(victim, 42, 1.0) == "open", "a trap receives it: there it may prove itself"


def test_a_veil_refuses_a_patient_client(lab, picket):
    """Whoever falls back from a closed port waits for seconds, not for two minutes."""
    daemon = picket()
    scan_until_veiled(lab, daemon, "-sS", "-T4", "-p81-700")
    started = time.monotonic()
    assert lab.attacker.connect(VICTIM4[0], 999, 10.0) == "refused"
    assert 5.9 < time.monotonic() - started < 8.0


@pytest.mark.core
def test_unblock_acts_at_once(lab, picket):
    daemon = picket()
    scan_until_veiled(lab, daemon)
    daemon.ctl("unblock", ATTACKER4)
    assert seconds_to_connect(lab.attacker, VICTIM4[0], 80) < 0.5
    daemon.wait_line(rf"\bunblock {ATTACKER4}\b")
    assert daemon.ctl("unblock", ATTACKER4, check=False).code == 1


def test_unblock_all(lab, picket):
    daemon = picket()
    for n in range(1, 41):
        daemon.ctl("block", f"192.0.2.{n}", "--for", "1h")
    assert len(daemon.graded()) == 40
    daemon.ctl("unblock", "--all")
    assert daemon.graded() == []


NET = {4: ("203.0.113.0/24", "203.0.113.{}", "203.0.113.16/28"),
       6: ("2001:db8:4242::/48", "2001:db8:4242:{}00::7", "2001:db8:4242:1000::/60")}


@pytest.mark.parametrize("family", [4, 6])
def test_unblock_in_a_veiled_net(lab, picket, family):
    """An address is freed of its net's veil for a day; its own is lifted with it; a net's word ends all inside."""
    daemon = picket()
    net, member, part = NET[family]
    members, target = [member.format(n) for n in range(10, 26)], (VICTIM4 if family == 4 else VICTIM6)[0]
    send(lab, [frame(m, target, 30000, 201 + n, options=MSS) for n, m in enumerate(members)], 0.001)
    daemon.wait_graded(net, grade="veil")
    first, second, third = members[:3]
    for address in members[:3]:
        lab.attacker.add_address(address)
    told = daemon.ctl("explain", first).one
    assert told["block"]["source"] == net and told["grade"] == "veil" and told["exempt_from"] is None
    text = daemon.ctl("explain", first, json_output=False).out
    assert f'"picketctl unblock {told["source"]}" frees this address' in text and f'"picketctl unblock {net}"' in text
    own = daemon.ctl("explain", net).one
    assert own["source"] == net and own["score"] > 10 and own["evidence"] and own["thresholds"]["ban"] is None

    answer = daemon.ctl("unblock", first, json_output=False).out
    assert f"it is free of the veil of {net} for a day" in answer
    assert not delayed(lab.attacker, target, source=first) and delayed(lab.attacker, target, source=second)
    told = daemon.ctl("explain", first).one
    assert told["exempt_from"] == net and 86000 < told["exempt_for_s"] <= 86400
    assert told["block"] is None and told["grade"] == "watch"

    part_of = daemon.ctl("unblock", part, check=False)
    assert part_of.code == 1 and f"it lies in {net}, which stands at veil" in part_of.err, part_of
    veil(lab, daemon, second, third)        # by themselves, too
    assert daemon.ctl("unblock", second).one["unblocked"] == 2
    assert not delayed(lab.attacker, target, source=second)
    answer = daemon.ctl("unblock", net).one
    assert answer["unblocked"] >= 2
    if family == 6:                         # the /40 around it was veiled meanwhile, and is named
        around = re.search(r"it still lies in (\S+), which stands at veil", answer["note"])[1]
        assert daemon.ctl("unblock", around).code == 0
    assert not [row for row in daemon.graded() if row["source"] in (net, key(third))]
    assert not delayed(lab.attacker, target, source=third)


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
    listed = lab.victim.run("nft", "list", "map", "inet", "picket", "graded4").stdout
    return set(re.findall(r"198\.18\.\d+\.\d+|192\.0\.2\.\d+", listed))


@pytest.mark.core
def test_unblock_a_network_lifts_all_inside(lab, picket):
    """More blocks than one call lifts, and fewer than one turn does; what lies outside stays."""
    daemon = picket()
    block_many(daemon, [f"198.18.0.{n}" for n in range(1, 131)] + ["192.0.2.1"])
    assert len(kernel_blocks(lab)) == 131
    answer = daemon.ctl("unblock", "198.18.0.0/16").one
    assert answer["unblocked"] == 130 and "note" not in answer
    assert [row["source"] for row in daemon.graded()] == ["192.0.2.1"]
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
    wait_until(lambda: len(daemon.graded()) == 1, 5, "all are lifted")
    assert kernel_blocks(lab) == {"192.0.2.1"}


@pytest.mark.core
def test_allow_frees_and_lasts(lab, picket):
    """An allowed source is free at once, and may scan as it likes from then on."""
    daemon = picket()
    scan_until_veiled(lab, daemon)
    daemon.ctl("allow", "add", ATTACKER4)
    assert seconds_to_connect(lab.attacker, VICTIM4[0], 80) < 0.5
    assert daemon.graded() == []
    out = Scan(lab, "-sT", "-T4", "-p1-1000").wait()
    assert "777/tcp" in out
    assert daemon.graded() == []
    assert lab.attacker.connect(VICTIM4[0], 23, timeout=1.0) == "refused", "an allowed source bypasses the traps too"
    daemon.ctl("allow", "del", ATTACKER4)
    scan_until_veiled(lab, daemon, count=2)


def test_allow_from_the_configuration(lab, picket):
    daemon = picket('allow = { "203.0.113.0/24", "2001:db8:bad::/48" }')
    Scan(lab, "-sS", "-T4", "-p1-1000").wait()
    assert daemon.graded() == []
    rows = daemon.ctl("allow", "list").rows
    assert {row["source"] for row in rows} == {"203.0.113.0/24", "2001:db8:bad::/48"}
    assert daemon.ctl("allow", "check", ATTACKER4).code == 0
    assert daemon.ctl("allow", "check", CLIENT4, check=False).code == 1


def test_one_allowed_address_too_many(lab, picket):
    """At the limit it works; one beyond it is refused with a reason, and nothing ends."""
    def write(count):
        with open(daemon.allow_file, "w") as f:
            f.writelines(f"100.{64 + i // 65536}.{i // 256 % 256}.{i % 256}\n" for i in range(count))

    daemon = picket.make()
    write(65535)
    daemon.start(timeout=60)
    daemon.ctl("allow", "add", ATTACKER4)
    refused = daemon.ctl("allow", "add", CLIENT4, check=False)
    assert refused.code == 1 and refused.err.strip(), refused
    for count, reason in ((65536, "more than 65536 allowed addresses"), (65537, "too many allowed addresses")):
        write(count)
        refused = daemon.ctl("reload", check=False)
        assert refused.code == 1 and reason in refused.out + refused.err, refused
    assert daemon.ctl("allow", "check", ATTACKER4).code == 0
    assert daemon.ctl("allow", "check", "100.64.255.254").code == 0
    write(65530)
    daemon.ctl("reload")
    daemon.ctl("allow", "add", CLIENT4)
    assert daemon.process.poll() is None


@pytest.mark.core
def test_pause_and_resume(lab, picket):
    """The emergency brake: within a second nothing of picket is in any packet's way."""
    daemon = picket()
    daemon.ctl("block", ATTACKER4, "--for", "1h")
    daemon.ctl("pause")
    assert wait_open(lab.attacker, VICTIM4[0], 80, 1.0) < 1.0
    ruleset = lab.victim.run("nft", "list", "ruleset", check=False).stdout
    assert " hook " not in ruleset, ruleset
    assert Scan(lab, "-sS", "-T4", "-p1-200").wait().count("/tcp") >= 2
    daemon.ctl("resume")
    wait_until(lambda: shut_out(lab.attacker, VICTIM4[0]), 3, "the block stands again after the pause")


def test_pause_ends_by_itself(lab, picket):
    daemon = picket()
    daemon.ctl("block", ATTACKER4, "--for", "1h")
    daemon.ctl("pause", "--for", "2s")
    wait_open(lab.attacker, VICTIM4[0], 80, 1.0)
    wait_until(lambda: shut_out(lab.attacker, VICTIM4[0]), 5, "the pause is over")


@pytest.mark.core
@pytest.mark.parametrize("address, source", [(VICTIM4[0], ATTACKER4), (VICTIM6[0], "2001:db8:bad::/64")])
def test_five_families_are_a_ban(lab, picket, honest, address, source):
    """A connect scan that visits traps of five families in silence is banned: nothing new gets in, what runs goes
    on."""
    daemon = picket()
    running = lab.attacker.connect(address, 8080, 1.0, keep=True)
    assert still_answers(running)
    visit_traps(lab, *FIVE_FAMILIES[:4], address=address)
    time.sleep(0.3)
    assert daemon.graded(grade="ban") == [], "four are no ban"
    visit_traps(lab, FIVE_FAMILIES[4], address=address)
    line = event_text(daemon.wait_graded(source, grade="ban"))
    assert re.match(rf"ban {re.escape(source)} for 1h: confirmed 11\.\d, (silent visits to 5|handshakes with) traps ",
                    line), line
    assert all(f"{port} " in line for port in FIVE_FAMILIES), line
    assert daemon.kernel_grade(source) == "ban"
    assert shut_out(lab.attacker, address, 80), "nothing new"
    assert still_answers(running), "nothing that picket decides by itself cuts what runs"
    assert seconds_to_connect(lab.attacker, address, 8080) < 0.5, "a customer before it stood at alert"
    assert lab.attacker.connect(address, 42, 0.5) == "timeout", "no trap any more"
    assert lab.attacker.datagram(address, 53, b"q", 0.5) is None
    running.close()
    honest.check()


def test_ports_of_one_service_are_one_proof(lab, picket):
    """An IRC program's list, RPC and then NFS, the remote shell's three ports, again and again: two families below
    1024, so two proofs."""
    daemon = picket()
    for _ in range(3):
        visit_traps(lab, 6665, 6666, 6667, 6668, 6669, 111, 2049, 512, 513, 514)
    time.sleep(0.3)
    assert daemon.graded(grade="ban") == []
    assert 4.4 < daemon.ctl("explain", ATTACKER4).one["confirmed"] < 4.6


def test_a_ban_that_cuts_what_runs(lab, picket):
    """Only where the admin wants it."""
    daemon = picket("ban { cut_running = true }")
    running = lab.attacker.connect(VICTIM4[0], 8080, 1.0, keep=True)
    assert still_answers(running)
    ban(lab, daemon)
    assert not still_answers(running)
    running.close()


def test_a_block_cuts_what_runs(lab, picket, honest):
    """The admin's own word: both directions, customers' ports too."""
    daemon = picket()
    running = lab.attacker.connect(VICTIM4[0], 8080, 1.0, keep=True)
    assert still_answers(running)
    daemon.ctl("block", ATTACKER4, "--for", "1h")
    assert daemon.kernel_grade(ATTACKER4) == "block"
    assert not still_answers(running)
    assert shut_out(lab.attacker, VICTIM4[0], 8080)
    running.close()
    honest.check()


@pytest.mark.parametrize("higher, lower", [("block", "ban"), ("ban", "veil"), ("block", "veil")])
def test_the_higher_grade_wins(lab, picket, higher, lower):
    """At every length of prefix: an address and its net."""
    daemon = picket()
    (ban if lower == "ban" else scan_until_veiled)(lab, daemon)
    if higher == "ban":
        ban(lab, daemon)
    else:
        daemon.ctl("block", "203.0.113.0/24", "--for", "1h")
    assert shut_out(lab.attacker, VICTIM4[0], 80, wait=3.5)


def test_nmap_connect_scan_of_the_traps(lab, picket):
    daemon = picket()
    Scan(lab, "-sT", "-T4", "-p7,9,13,23,37,79,111,513").wait()
    daemon.wait_graded(ATTACKER4, grade="ban", timeout=5)


def test_our_own_flows_to_a_banned_address_go_on(lab, picket):
    """What we open ourselves to a banned address gets its answers; to a blocked one it does not."""
    lab.services("tcp:9000:http", host=lab.attacker)
    daemon = picket()
    ban(lab, daemon)
    assert lab.victim.get(ATTACKER4, 9000)
    daemon.ctl("block", ATTACKER4, "--for", "1h")
    assert not lab.victim.get(ATTACKER4, 9000, 0.5)


@pytest.mark.parametrize("grade", ["veil", "ban"])
def test_public_ports_stay_reachable(lab, picket, grade):
    daemon = picket('public_ports = { "80" }')
    (ban if grade == "ban" else scan_until_veiled)(lab, daemon)
    assert seconds_to_connect(lab.attacker, VICTIM4[0], 80) < 0.5
    assert shut_out(lab.attacker, VICTIM4[0], 8080, wait=0.5)


@pytest.mark.core
def test_block_by_hand(lab, picket):
    daemon = picket()
    daemon.ctl("block", ATTACKER4, "--for", "2s", "--reason", "because I say so")
    assert shut_out(lab.attacker, VICTIM4[0])
    row = daemon.graded(ATTACKER4)[0]
    assert row["grade"] == "block" and "because I say so" in row["reason"] and 0 < row["expires_in_s"] <= 2
    wait_open(lab.attacker, VICTIM4[0], 80, 4)


@pytest.mark.core
@pytest.mark.parametrize("target", [VICTIM4[0], VICTIM6[1], GATEWAY4, "127.0.0.1", "0.0.0.0/0", "10.0.0.0/7",
                                    "2001::/16", "10.77.0.0/24"])
def test_block_refuses(lab, picket, target):
    """Own and protected addresses, prefixes that hold them, and prefixes that are too short: not without --force."""
    daemon = picket()
    refused = daemon.ctl("block", target, "--for", "5s", check=False)
    assert refused.code == 1, refused.out + refused.err
    assert daemon.graded() == []
    assert lab.attacker.connect(VICTIM4[0], 80, 1.0) == "open"


def test_block_of_a_network(lab, picket):
    daemon = picket()
    daemon.ctl("block", "203.0.113.0/24", "--for", "1h")
    assert shut_out(lab.attacker, VICTIM4[0])
    assert not shut_out(lab.client, VICTIM4[0], wait=1.0)
    daemon.ctl("unblock", "203.0.113.0/24")
    assert not shut_out(lab.attacker, VICTIM4[0], wait=1.0)


def test_forced_block_of_a_protected_address(lab, picket):
    daemon = picket()
    daemon.ctl("block", GATEWAY4, "--for", "5s", "--force")
    assert daemon.graded(GATEWAY4)[0]["grade"] == "block"
