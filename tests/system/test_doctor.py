# SPDX-License-Identifier: GPL-2.0-or-later
"""picketctl doctor: what is wrong is found, what is right is not complained of, and looking harms nothing."""
import json
import os
import re
import subprocess

import pytest

from lab import GATEWAY4, MAC, VICTIM4, wait_until
from picket import PICKETCTL, Answer

pytestmark = pytest.mark.core

DEFAULT_DROP = """
table inet fw {
    chain in {
        type filter hook input priority 0; policy drop;
        ct state established,related accept
        iif lo accept
        meta l4proto { icmp, icmpv6 } accept
        tcp dport { 22, 80 } accept
        %s
    }
}
"""
OTHERS = """
table inet other {
    chain helper { udp dport 5353 notrack; }
    chain raw { type filter hook prerouting priority -300; jump helper; }
    chain proxy { type filter hook prerouting priority -150; tcp dport 8888 tproxy ip to 127.0.0.1:9999; }
    chain early { type filter hook prerouting priority -120; tcp dport 4444 drop; }
}
"""


class Findings:
    def __init__(self, answer):
        self.code, self.rows = answer.code, answer.rows

    def of(self, check, severity=None):
        return [row for row in self.rows if row["check"] == check and severity in (None, row["severity"])]

    def bad(self):
        """Without the clock, whose state is the machine's that runs the test."""
        return [row for row in self.rows if row["severity"] in ("warning", "problem") and row["check"] != "clock"]


def doctor(daemon):
    findings = Findings(daemon.ctl("doctor", check=False, timeout=30))
    for row in findings.rows:
        assert set(row) == {"check", "severity", "finding", "meaning", "advice"}
        assert row["severity"] in ("ok", "note", "warning", "problem") and row["finding"]
        assert row["severity"] not in ("warning", "problem") or row["meaning"] or row["advice"], row
    assert (findings.code == 1) == any(row["severity"] == "problem" for row in findings.rows)
    return findings


def test_a_healthy_host(lab, picket, honest):
    daemon = picket()
    found = doctor(daemon)
    assert found.bad() == [] and found.code == 0
    tried = found.of("traps", "ok")
    assert any("54 TCP traps were tried, of 54: all answer" in row["finding"] for row in tried), tried
    assert any("reader is alive" in row["finding"] for row in tried)
    sandbox = " ".join(row["finding"] for row in found.of("sandbox", "ok"))
    assert "CAP_NET_ADMIN alone" in sandbox and "no capability" in sandbox
    # Whoever looks after a host is no scanner of it.
    assert daemon.ctl("sources").rows == [] and daemon.ctl("list").rows == []
    assert daemon.lines(": (alert|block|distributed)") == []
    honest.check(at_least=3)


def test_text_is_for_people(picket):
    answer = picket().ctl("doctor", json_output=False, timeout=30)
    assert answer.code == 0 and "picketd" in answer.out and "problems: 0" in answer.out


def test_closed_firewall(lab, picket):
    """All traps closed is a problem; the line that opens them does."""
    lab.victim.nft(DEFAULT_DROP % "")
    daemon = picket()
    found = doctor(daemon)
    closed = found.of("traps", "problem")
    assert found.code == 1 and len(closed) == 1 and "closes 54 of 54" in closed[0]["finding"]
    assert "inet fw in" in closed[0]["advice"]
    lab.victim.run("sh", "-c", closed[0]["advice"])
    found = doctor(daemon)
    assert found.code == 0 and not found.of("traps", "problem") and not found.of("traps", "warning")


def test_partly_closed_firewall(lab, picket):
    lab.victim.nft(DEFAULT_DROP % "tcp dport 79 accept; tcp dport 7 reject with tcp reset")
    warning = doctor(picket()).of("traps", "warning")
    assert len(warning) == 1 and "closes 53 of 54" in warning[0]["finding"] and "1 rejected" in warning[0]["finding"]
    assert " 79" not in warning[0]["advice"]


def test_rules_of_others(lab, picket):
    lab.victim.nft(OTHERS)
    rows = doctor(picket()).of("other rules")
    text = " ".join(row["finding"] for row in rows)
    assert "inet other raw switches conntrack off" in text, "through its jump"
    assert "inet other proxy (priority -150) is a transparent proxy" in text
    assert "inet other early drops packets before picket" in text


def test_paused_and_observing(picket):
    daemon = picket()
    daemon.ctl("mode", "observe")
    assert doctor(daemon).of("mode", "warning")
    daemon.ctl("pause")
    found = doctor(daemon)
    assert found.code == 1 and found.of("mode", "problem") and found.of("traps", "note")


@pytest.mark.parametrize("entry,severity", [("0.0.0.0/0", "problem"), ("::/0", "problem"), ("128.0.0.0/2", "warning")])
def test_allow_list_too_wide(picket, entry, severity):
    daemon = picket()
    daemon.ctl("allow", "add", entry)
    rows = doctor(daemon).of("allow list", severity)
    assert len(rows) == 1 and entry in rows[0]["finding"] and entry in rows[0]["advice"]


def test_without_traps(picket):
    found = doctor(picket('trap { tcp = { } }'))
    assert found.of("traps", "warning") and any("reader is alive" in row["finding"] for row in found.of("traps", "ok"))


def test_no_sandbox(picket):
    assert len(doctor(picket("sandbox = false")).of("sandbox", "warning")) == 2


def test_udp_traps(lab, picket):
    daemon = picket('trap { udp = { "161", "1900" } }')
    assert any("2 UDP traps were tried" in row["finding"] for row in doctor(daemon).of("traps", "ok"))
    lab.victim.nft(DEFAULT_DROP % "")
    assert any("none of 2 UDP traps" in row["finding"] for row in doctor(daemon).of("traps", "warning"))


def doctor_with(daemon, before):
    """The doctor in a mount namespace of its own (`ip netns exec` makes one), where /etc may be played with."""
    done = daemon.host.run("sh", "-c", f"{before} && exec {PICKETCTL} -s {daemon.socket_path} --json doctor",
                           check=False)
    assert done.returncode in (0, 1), done.stderr
    return Findings(Answer(done))


def test_saved_rulesets(lab, picket, tmp_path):
    """What an admin saves by `nft list ruleset > /etc/nftables.conf` while picket runs."""
    daemon = picket()
    saved = tmp_path / "saved"
    saved.write_text(lab.victim.run("nft", "list", "ruleset").stdout)
    loads = lab.victim.run("nft", "-c", "-f", saved, check=False).returncode == 0
    found = doctor_with(daemon, f"mount --bind {saved} /etc/nftables.conf").of("saved ruleset")
    assert [row["severity"] for row in found] == ["warning" if loads else "problem"], found
    assert "/etc/nftables.conf" in found[0]["finding"] and "systemctl stop picket" in found[0]["advice"]
    saved.write_text('table inet picket {\n\tchain closed {\n\t\txt target "NFQUEUE"\n\t}\n}\n')
    assert doctor_with(daemon, f"mount --bind {saved} /etc/nftables.conf").of("saved ruleset", "problem")
    saved.write_text("table inet mine {\n}\n")
    assert doctor_with(daemon, f"mount --bind {saved} /etc/nftables.conf").of("saved ruleset", "ok")


def test_advice_for_ufw(lab, picket, tmp_path):
    lab.victim.nft(DEFAULT_DROP % "tcp dport != 79 accept")
    (tmp_path / "ufw.conf").write_text("# /etc/ufw/ufw.conf\nENABLED=yes\nLOGLEVEL=low\n")
    rows = doctor_with(picket(), f"mount -t tmpfs none /etc/ufw && cp {tmp_path}/ufw.conf /etc/ufw/").of("traps",
                                                                                                         "warning")
    assert rows[0]["advice"] == "for p in 79; do ufw allow $p/tcp comment 'picket trap'; done"


def test_advice_for_iptables(lab, picket):
    """iptables-nft keeps its rules in tables of these names."""
    lab.victim.nft("table ip filter { chain INPUT { type filter hook input priority 0; "
                   "tcp dport 79 drop; tcp dport 23 reject; }; }")
    rows = doctor(picket()).of("traps", "warning")
    assert "closes 2 of 54" in rows[0]["finding"] and "1 dropped, 1 rejected" in rows[0]["finding"]
    assert rows[0]["advice"].startswith("for p in 23 79; do iptables -I INPUT -p tcp --dport $p -j ACCEPT")


def test_no_daemon(tmp_path):
    done = subprocess.run([PICKETCTL, "-s", str(tmp_path / "none.sock"), "doctor"], capture_output=True, text=True)
    assert done.returncode == 3 and "problem" in done.stdout


def test_probe_is_followed_to_the_score(lab, picket):
    daemon = picket()
    steps = daemon.ctl("doctor", "--probe").rows
    assert {"sent", "answer", "rule", "queue", "evidence", "score", "end"} == {step["step"] for step in steps}
    assert all(0 <= step["at_ms"] < 3000 for step in steps)
    assert any("SYN+ACK came back" in step["finding"] for step in steps)
    row = daemon.ctl("sources").one
    assert row["source"].startswith("192.0.2.") and row["grade"] == "watch"
    assert any(row["source"] in step["finding"] for step in steps)
    # Right after the doctor, whose own packets are not judged.
    doctor(daemon)
    assert daemon.ctl("doctor", "--probe").code == 0
    assert len(daemon.ctl("sources").rows) == 2


def test_a_host_of_the_probes_own_net(lab, picket):
    """What is on its link must not be taken for a probe: another net is chosen."""
    lab.victim.run("ip", "addr", "add", "192.0.2.1/24", "dev", "eth0")
    daemon = picket()
    lab.victim.nft("table inet watch { chain pre { type filter hook prerouting priority -400; "
                   "ip saddr 192.0.2.0/24 tcp flags syn counter; ip saddr 198.51.100.0/24 tcp flags syn counter; }; }")
    found = doctor(daemon)
    assert any("54 TCP traps were tried, of 54: all answer" in row["finding"] for row in found.of("traps", "ok"))
    counted = [int(n) for n in re.findall(r"counter packets (\d+)",
                                          lab.victim.run("nft", "list", "table", "inet", "watch").stdout)]
    assert counted[0] == 0 and counted[1] >= 54, counted
    assert daemon.ctl("sources").rows == [] and daemon.ctl("list").rows == []
    row = daemon.ctl("doctor", "--probe").rows[0]
    assert "198.51.100." in row["finding"], row
    for net in ("198.51.100.1/24", "203.0.113.1/24"):
        lab.victim.run("ip", "addr", "add", net, "dev", "eth0")
    found = doctor(daemon)
    assert any("numbered from each IPv4 net" in row["finding"] for row in found.of("traps", "note")), found.of("traps")


def test_a_bridge_that_undoes_traps(lab, picket):
    """br_netfilter hands a bridge's packets to the rules too early for tproxy; a probe from above does not show it."""
    setting = "/proc/sys/net/bridge/bridge-nf-call-iptables"
    if not os.path.exists(setting):
        pytest.skip("br_netfilter is not loaded")
    victim = lab.victim
    victim.batch("link add br0 type bridge forward_delay 0 mcast_snooping 0", f"link set br0 address {MAC['victim']}",
                 "addr flush dev eth0", "link set eth0 master br0", "link set br0 up",
                 *(f"addr add {address}/24 dev br0" for address in VICTIM4),
                 f"neigh replace {GATEWAY4} lladdr {MAC['attacker']} dev br0 nud permanent",
                 f"route replace default via {GATEWAY4}")
    daemon = picket()
    for on in (0, 1):
        for path, value in ((setting, on), (setting.replace("iptables", "ip6tables"), 0)):
            with victim.enter(), open(path, "w") as f:
                f.write(str(value))
        assert (lab.attacker.connect(VICTIM4[0], 23) == "open") == (not on)
        found = doctor(daemon)
        told = [row for row in found.of("traps", "problem") if "do not work on the bridge br0" in row["finding"]]
        answers = [row for row in found.of("traps", "ok") if "all answer" in row["finding"]]
        assert (len(told), len(answers)) == ((1, 0) if on else (0, 1)), found.of("traps")
    assert "bridge-nf-call-iptables=0" in told[0]["advice"]
    assert any("not from the ports of the bridge" in step["finding"] for step in daemon.ctl("doctor", "--probe").rows)


def test_a_probe_window_is_for_its_nets_alone(picket):
    daemon = picket()
    with daemon.raw() as s:
        s.sendall(b'{"v":1,"cmd":"probe","for_s":2,"source":"10.77.0.0/24"}\n'
                  b'{"v":1,"cmd":"probe","for_s":2,"source":"192.0.2.0/25"}\n'
                  b'{"v":1,"cmd":"probe","for_s":2,"source":"203.0.113.0/24"}\n{"v":1,"cmd":"probe"}\n')
        answers = b""
        while answers.count(b'"end"') < 4:
            answers += s.recv(4096)
    lines = [json.loads(line) for line in answers.splitlines()]
    assert [line["code"] for line in lines if line.get("end") and not line["ok"]] == [2, 2]
    assert [line["source"] for line in lines if "source" in line] == ["203.0.113.0/24", "192.0.2.0/24"]


def test_probe_that_gets_nowhere(lab, picket):
    lab.victim.nft("table inet fw { chain pre { type filter hook prerouting priority -200; "
                   "ip saddr 192.0.2.0/24 drop; }; }")
    daemon = picket()
    answer = daemon.ctl("doctor", "--probe", check=False)
    assert answer.code == 1 and "no rule of picket's queued it" in answer.rows[-1]["finding"]
    found = doctor(daemon)
    assert found.code == 1 and any("saw none" in row["finding"] for row in found.of("traps", "problem"))


def test_probes_end_by_themselves(lab, picket):
    """The window is bounded, ends with the doctor, and covers nobody else meanwhile."""
    daemon = picket()
    with daemon.raw() as s:
        s.sendall(b'{"v":1,"cmd":"probe","for_s":31}\n{"v":1,"cmd":"probe","for_s":2}\n')
        answers = b""
        while answers.count(b'"end"') < 2:
            answers += s.recv(4096)
    assert answers.startswith(b'{"end":true,"ok":false,"code":2')
    lab.attacker.connect(VICTIM4[0], 999)
    wait_until(lambda: daemon.ctl("sources").rows, 3, "a stranger is judged all the same")
    lab.attacker.add_address("192.0.2.9")
    lab.attacker.connect(VICTIM4[0], 998, source="192.0.2.9")
    assert len(daemon.ctl("sources").rows) == 1
    wait_until(lambda: lab.attacker.connect(VICTIM4[0], 997, source="192.0.2.9", timeout=0.2) and
               len(daemon.ctl("sources").rows) == 2, 5, "judged again", every=0.3)
