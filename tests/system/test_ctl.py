# SPDX-License-Identifier: GPL-2.0-or-later
"""picketctl as an admin types it: every command, its JSON, its exit status."""
import json
import re
import subprocess
import time

import pytest

from lab import ATTACKER4, CLIENT4, GATEWAY4, VICTIM4, Scan, wait_until
from picket import PICKETCTL

pytestmark = pytest.mark.core


@pytest.fixture
def veiled(lab, picket):
    """A daemon that has just veiled the attacker."""
    daemon = picket()
    scan = Scan(lab, "-sS", "-T4", "-p1-1000")
    daemon.wait_graded(ATTACKER4, grade="veil")
    scan.stop()
    return daemon


def test_exit_codes(lab, picket, tmp_path):
    daemon = picket()
    assert daemon.ctl("status").code == 0
    assert daemon.ctl("unblock", "192.0.2.77", check=False).code == 1
    for usage in (["block"], ["block", "nonsense"], ["block", "192.0.2.1/33"], ["block", "192.0.2.1", "--for", "10"],
                  ["nonsense"], [],
                  ["sources", "--all", "--limit", "3"],
                  ["mode"], ["mode", "maybe"], ["allow"], ["allow", "add"], ["unblock"], ["status", "extra"]):
        answer = daemon.ctl(*usage, check=False)
        assert answer.code == 2, (usage, answer.out, answer.err)
    nobody = subprocess.run([PICKETCTL, "-s", str(tmp_path / "none.sock"), "status"], capture_output=True, text=True)
    assert nobody.returncode == 3 and nobody.stderr


@pytest.mark.parametrize("what, is_a", [("0.0.0.0", "network"), ("::", "unspecified"), ("224.0.0.0/4", "multicast"),
                                        ("ff02::1", "multicast"), ("255.255.255.255", "broadcast"),
                                        ("240.0.0.0/4", "reserved")])
def test_what_no_host_can_send_from(picket, what, is_a):
    daemon = picket()
    for force in ([], ["--force"]):
        refused = daemon.ctl("block", what, *force, check=False)
        assert refused.code == 1 and not refused.out
        assert what in refused.err and is_a in refused.err and "expected" in refused.err, refused.err
        assert len(refused.err.splitlines()) == 1
    assert not daemon.ctl("list").rows
    assert daemon.ctl("unblock", what, check=False).code == 1
    if "/" not in what:
        assert daemon.ctl("explain", what).one["protected_why"] == "no-source"
        assert "never judged" in daemon.ctl("explain", what, json_output=False).out
        checked = daemon.ctl("allow", "check", what, check=False, json_output=False)
        assert checked.code == 1 and "not allowed, and no host can send" in checked.out
    assert "no host can send" in daemon.ctl("allow", "add", what).one["note"]


def test_help_and_version(lab, picket):
    for arguments in (["--help"], ["help"]):
        done = subprocess.run([PICKETCTL, *arguments], capture_output=True, text=True)
        assert done.returncode == 0
        for command in ("status", "list", "sources", "explain", "block", "unblock", "allow", "mode", "pause", "resume",
                        "reload"):
            assert command in done.stdout
    assert re.search(r"\d+\.\d+\.\d+", picket().ctl("version", json_output=False).out)


def test_status(veiled):
    status = veiled.ctl("status").one
    assert status["mode"] == "block" and status["version"]
    assert status["sensors"]["trapped_tcp_ports"] > 0
    assert status["sensors"]["queue"] in ("native", "xt target")
    assert status["queue"]["lost"] == 0 and status["queue"]["fail_open"] == 0
    text = veiled.ctl("status", json_output=False).out
    assert "block" in text and len(text.splitlines()) > 4


def test_list(veiled):
    row, = veiled.graded()
    assert row["source"] == ATTACKER4 and row["grade"] == "veil"
    assert 0 < row["expires_in_s"] <= 3600
    assert "suspected" in row["reason"] and row["ports"] and "syn" in row["kind"]
    text = veiled.ctl("list", json_output=False).out
    assert ATTACKER4 in text


def test_sources(lab, picket):
    daemon = picket()
    lab.attacker.connect(VICTIM4[0], 999)
    row = wait_until(lambda: (daemon.ctl("sources").rows or [None])[0], 3, "a source is watched")
    assert row["source"] == ATTACKER4 and row["grade"] == "watch" and row["ports"] == [999]
    assert row["suspected"] == pytest.approx(1.39, abs=0.06) and row["confirmed"] == 0
    assert row["next"] == "alert" and row["distance"] > 3
    assert ATTACKER4 in daemon.ctl("sources", json_output=False).out


def test_explain_adds_up(veiled):
    told = veiled.ctl("explain", ATTACKER4).one
    assert told["source"] == ATTACKER4 and told["grade"] == "veil"
    parts = sum(piece["now"] for piece in told["evidence"]) + sum(piece["now"] for piece in told.get("older", []))
    assert parts + told.get("adjustment", 0) == pytest.approx(told["score"], abs=0.01)
    text = veiled.ctl("explain", ATTACKER4, json_output=False).out
    assert "SYN" in text and "suspected" in text.lower()


def test_explain_safeguards(picket):
    daemon = picket('allow = { "198.51.100.0/24" }')
    assert daemon.ctl("explain", CLIENT4).one["allowed_by"] == "198.51.100.0/24"
    assert daemon.ctl("explain", GATEWAY4).one["protected_why"] == "gateway"
    assert daemon.ctl("explain", VICTIM4[0]).one["protected_why"] == "own address"


def test_explain_of_what_holds_protected_addresses(picket):
    """What `block` refuses, `explain` gives the reason for."""
    daemon = picket('allow = { "198.51.100.0/25" }')
    for what in ("127.0.0.1", "10.0.0.0/8"):
        assert "explain" in daemon.ctl("block", what, check=False).err
        told = daemon.ctl("explain", what)
        assert told.one["protected_why"] == "own address"
    assert "a block of it needs --force" in daemon.ctl("explain", "10.0.0.0/8", json_output=False).out
    assert daemon.ctl("allow", "check", "198.51.100.0/25").code == 0
    assert daemon.ctl("allow", "check", "198.51.100.0/24", check=False).code == 1
    daemon.ctl("block", "198.51.100.0/24")
    assert daemon.ctl("explain", "198.51.100.7").one["block"] is None       # what is allowed passes all the same
    assert daemon.ctl("explain", "198.51.100.200").one["block"]["source"] == "198.51.100.0/24"


@pytest.mark.parametrize("how", [("mode", "observe"), ("pause",)], ids=["observe", "pause"])
def test_what_stands_while_nothing_is_touched(lab, picket, how):
    """list and explain do not claim that anybody is kept out."""
    daemon = picket()
    daemon.ctl("block", ATTACKER4)
    assert daemon.ctl("status").one["totals"]["blocks_total"] == 1
    assert daemon.ctl("list").one["passes"] == "nothing"
    daemon.ctl(*how)
    assert daemon.ctl("list").one["passes"].startswith("everything")
    assert "still passes: everything" in daemon.ctl("explain", ATTACKER4, json_output=False).out
    assert lab.attacker.connect(VICTIM4[0], 80) == "open"


def test_a_score_that_observe_mode_let_be(lab, picket):
    daemon = picket("mode = observe")
    Scan(lab, "-sS", "-T4", "-p1-40").wait()
    daemon.wait_line(f"would veil {ATTACKER4}")
    assert "enough for a veil" in daemon.ctl("explain", ATTACKER4, json_output=False).out


def test_allow(picket):
    daemon = picket()
    daemon.ctl("allow", "add", "192.0.2.0/24")
    daemon.ctl("allow", "add", "192.0.3.1", "--for", "2s")
    rows = {row["source"]: row for row in daemon.ctl("allow", "list").rows}
    assert set(rows) == {"192.0.2.0/24", "192.0.3.1"}
    assert daemon.ctl("allow", "check", "192.0.2.9").code == 0
    assert daemon.ctl("allow", "check", "192.0.9.9", check=False).code == 1
    assert daemon.ctl("block", "192.0.2.9", "--for", "1h", check=False).code == 1
    wait_until(lambda: daemon.ctl("allow", "check", "192.0.3.1", check=False).code == 1, 5, "the allowed time is over")
    daemon.ctl("allow", "del", "192.0.2.0/24")
    assert daemon.ctl("allow", "del", "192.0.2.0/24", check=False).code == 1
    daemon.ctl("allow", "add", "2001:db8:5::/48", "--save")
    with open(daemon.allow_file) as f:
        assert "2001:db8:5::/48" in f.read()
    daemon.reload()
    assert daemon.ctl("allow", "check", "2001:db8:5::1").code == 0


def test_mode(lab, picket):
    daemon = picket()
    daemon.ctl("mode", "observe")
    assert daemon.ctl("status").one["mode"] == "observe"
    out = Scan(lab, "-sS", "-T4", "-p1-100").wait()
    assert "80/tcp" in out
    daemon.ctl("mode", "block")
    assert daemon.ctl("status").one["mode"] == "block"


def test_history_and_events(lab, veiled):
    follow = lab.victim.popen(PICKETCTL, "-s", veiled.socket_path, "--json", "events", "--follow",
                              stdout=subprocess.PIPE, text=True)
    time.sleep(0.5)
    veiled.ctl("unblock", ATTACKER4)
    wait_until(lambda: {row["event"] for row in veiled.ctl("history", ATTACKER4).rows} >= {"veil", "unblock"}, 3,
               "both are in history")
    assert veiled.ctl("block", "192.0.2.44", "--for", "1h").one["grade"] == "block"
    time.sleep(0.5)
    follow.terminate()
    live = [json.loads(line) for line in follow.communicate(timeout=5)[0].splitlines()]
    assert {"unblock", "block"} <= {row["event"] for row in live}
    row = next(row for row in veiled.ctl("history").rows if row["event"] == "veil" and row["source"] == ATTACKER4)
    for field in ("at", "source", "grade", "score", "confirmed", "suspected", "reason", "ports", "kind", "tool",
                  "evidence", "incident"):
        assert field in row
    assert row["line"] in veiled.log_text()


def test_log_line_of_the_contract(veiled):
    line = veiled.wait_graded(ATTACKER4)
    assert re.search(rf"veil {ATTACKER4}: suspected \d+\.\d of 6\.9, SYN scan, \d+ closed ports "
                     r"\(\d+ .*\).*\[incident \d+\]$", line), line


def test_status_does_not_change_state(lab, veiled):
    before = veiled.ctl("explain", ATTACKER4).one
    for _ in range(5):
        veiled.ctl("status")
        veiled.ctl("list")
        veiled.ctl("sources")
    after = veiled.ctl("explain", ATTACKER4).one
    assert before["evidence"][0]["weight"] == after["evidence"][0]["weight"]
    assert abs(before["score"] - after["score"]) < 0.01


def test_metrics_and_replay_are_known():
    """Commands that need no daemon or stand beside it are in the table."""
    done = subprocess.run([PICKETCTL, "replay", "/nonexistent.pcap"], capture_output=True, text=True)
    assert done.returncode == 1 and "/nonexistent.pcap" in done.stderr
