# SPDX-License-Identifier: GPL-2.0-or-later
"""Real scans by nmap, in a laboratory with a 20 ms round trip, while an honest client works."""
import pytest

from lab import ATTACKER4, ATTACKER6, VICTIM4, VICTIM6, ONLINK_ATTACKER4, ONLINK_ATTACKER6, Scan
from picket import delayed, graded_line
from scanning import check_outcome, run_scan, scan_named

DEFAULT_DROP = """
table inet filter {
    chain input {
        type filter hook input priority 0; policy drop;
        ct state established,related accept
        iif lo accept
        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept
        tcp dport { 22, 80, 777, 8080 } accept
        udp dport 53 accept
    }
}
"""
FAMILIES = pytest.mark.parametrize("family", [4, 6])


def addresses(family):
    """(scanner's address, target, nmap's option)"""
    return (ATTACKER4, VICTIM4[0], ()) if family == 4 else (ATTACKER6, VICTIM6[0], ("-6",))


@pytest.mark.core
@FAMILIES
@pytest.mark.parametrize("kind", ["-sS", "-sT"])
@pytest.mark.parametrize("firewall", ["open", "default-drop"])
def test_thousand_ports(lab, picket, wire, honest, family, kind, firewall):
    """nmap -sS and -sT over 1-1000 at -T4: veiled; nothing answered after the decision; nobody else notices."""
    source, target, option = addresses(family)
    if firewall == "default-drop":
        lab.victim.nft(DEFAULT_DROP)
    daemon = picket()
    outcome = run_scan(lab, daemon, wire, *option, kind, "-T4", "-p1-1000", source=source, target=target)
    check_outcome(outcome, more=int(kind == "-sT"))
    scan_named(outcome.line, "SYN scan")
    assert "veil " in outcome.line
    assert lab.client.connect(target, 80) == "open"
    assert honest.check()["requests"] > 20


def test_synack_is_repeated_and_tells_nothing_new(lab, picket, wire):
    """A scanner that swallows its own kernel's resets leaves half-open connections behind: nothing is muted, and no
    port says SYN+ACK that had not said it before."""
    lab.attacker.nft("table inet quiet {\n chain out {\n type filter hook output priority 0;\n "
                     "tcp flags rst drop\n }\n}")
    daemon = picket()
    outcome = run_scan(lab, daemon, wire, "-sS", "-T4", "-r", "-p80-200", linger=3.5)
    check_outcome(outcome)
    synacks = [f.sport for f in outcome.victim if f.is_synack]
    assert set(synacks) == {80} and len(synacks) > 1, synacks


@pytest.mark.parametrize("option, name, ports", [
    ("-sF", "FIN scan", "1-1000"), ("-sN", "NULL scan", "1-1000"), ("-sX", "Xmas scan", "1-1000"),
    ("-sA", "ACK scan", "1-1000"), ("-sM", "Maimon scan", "1-1000"), ("-sU", "UDP scan", "1-200")])
@FAMILIES
def test_kinds_are_named(lab, picket, wire, honest, family, option, name, ports):
    """The other scans are veiled too, and the log line names each."""
    source, target, six = addresses(family)
    daemon = picket()
    outcome = run_scan(lab, daemon, wire, *six, option, "-T4", f"-p{ports}", source=source, target=target)
    scan_named(outcome.line, name)
    check_outcome(outcome)
    assert delayed(lab.attacker, target)
    honest.check()


@FAMILIES
def test_neighbour_on_the_link(lab, picket, wire, family):
    """A scanner in our own network is veiled alone: over IPv6 by its /128, not with the whole /64."""
    source, target, six = (ONLINK_ATTACKER4, VICTIM4[0], ()) if family == 4 else (ONLINK_ATTACKER6, VICTIM6[0], ("-6",))
    lab.attacker.add_address(source)
    lab.attacker.run("ip", "route", "replace", f"{target}/{32 if family == 4 else 128}", "dev", "eth0", "src", source)
    daemon = picket()
    outcome = run_scan(lab, daemon, wire, *six, "-sS", "-T4", "-p1-1000", source=source, target=target)
    check_outcome(outcome)
    assert [row["source"] for row in daemon.graded()] == [source]


def test_observe_mode_only_tells(lab, picket, wire, honest):
    """In observe mode the line says "would veil" and no packet is held back."""
    daemon = picket(mode="observe")
    out = Scan(lab, "-sS", "-T4", "-p1-1000").wait()
    daemon.wait_line(rf"\bwould veil {ATTACKER4}: ")
    assert "80/tcp" in out and "777/tcp" in out and "22/tcp" in out
    assert lab.attacker.connect(VICTIM4[0], 80) == "open"
    assert daemon.lines(graded_line(ATTACKER4)) == [] and daemon.kernel_grade(ATTACKER4) is None


def test_slow_scan_in_real_time(lab, picket, wire):
    """One probe in two seconds is caught by its score, not by its rate."""
    daemon = picket()
    outcome = run_scan(lab, daemon, wire, "-sS", "-T4", "-p81-90", "--scan-delay", "2s", timeout=25, linger=6)
    assert outcome.probes_until_decision() <= 6
    check_outcome(outcome)
