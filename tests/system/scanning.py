# SPDX-License-Identifier: GPL-2.0-or-later
"""One scan against one daemon, recorded on both sides, and what must hold whichever scan it was."""
import re
import time
from dataclasses import dataclass

import wire as w
from lab import ATTACKER4, ATTACKER6, REAL_TCP, REAL_UDP, VICTIM4, VICTIM6, Scan

SOURCE6 = ATTACKER6.replace("::66", "::/64")       # a remote IPv6 source is its /64


def key_of(address):
    return SOURCE6 if address == ATTACKER6 else address


@dataclass
class Outcome:
    line: str               # the log line of the decision
    ports: list             # that it names
    victim: list            # frames as the victim's interface saw them
    attacker: list          # and as the scanner's did
    deciding: int = None    # index of the packet that tipped the score, where the line names ports

    @property
    def grade(self):
        return re.search(r"\b(veil|ban|block) ", self.line)[1]

    def wrong_answers(self):
        return w.answered_after(self.victim, self.deciding, self.grade, REAL_TCP, REAL_UDP)

    def probes_until_decision(self):
        return sum(1 for f in self.victim[:self.deciding + 1] if not f.out)


def ports_of_decision(daemon, source, line):
    """The event's own evidence where history keeps it, else the ports that the log line spells out."""
    history = daemon.ctl("history", source, check=False)
    decisions = [row for row in (history.rows if history.code == 0 else [])
                 if row["event"] in ("veil", "ban") and row["line"] in line]
    if decisions:
        evidence = max(decisions, key=lambda row: row["at"])["evidence"]
        ports = {piece["port"] for piece in evidence if piece.get("port")}
        if ports:
            return sorted(ports)
    return daemon.decision_ports(line)


def run_scan(lab, daemon, wire, *arguments, source=ATTACKER4, target=VICTIM4[0], linger=1.3, timeout=15,
             protocols=(w.TCP, w.UDP)):
    """Scans until the daemon tells of a decision, listens on for `linger` (a SYN, or a SYN+ACK, is repeated after
    1 s), stops the scanner."""
    at_victim, at_attacker = wire(lab.victim, source), wire(lab.attacker, source)
    scan = Scan(lab, *arguments, target=target)
    try:
        line = daemon.wait_graded(key_of(source), timeout)
        time.sleep(linger)
    finally:
        output = scan.stop()
        print(output)
    outcome = Outcome(line, ports_of_decision(daemon, key_of(source), line), at_victim.frames(), at_attacker.frames())
    if outcome.ports:
        outcome.deciding = w.deciding_index(outcome.victim, outcome.ports, protocols)
        print(f"decided by {outcome.victim[outcome.deciding]}, probe {outcome.probes_until_decision()}")
    print(line)
    return outcome


def check_outcome(outcome, victims=(*VICTIM4, *VICTIM6), more=0):
    """Nothing true was said after the deciding packet but what is said to everybody's stack: the scanner knows what it
    had touched by then, and `more` (one port for a scanner that connects: its quick port)."""
    assert outcome.deciding is not None, outcome.line
    wrong = outcome.wrong_answers()
    assert wrong == [], "answered after the decision: " + "; ".join(map(str, wrong))
    later = [f for f in outcome.victim[outcome.deciding + 1:] if not f.out]
    assert later, "the scan was over before it could be stopped: nothing is proved"
    touched = w.served_ports_touched(outcome.victim, outcome.deciding, REAL_TCP)
    learned = w.open_ports_learned(outcome.attacker, victims) & REAL_TCP
    assert len(learned - touched) <= more, (learned, touched)


def scan_named(line, name):
    assert re.search(rf"\b{name}\b", line, re.I), f"{name!r} is not in: {line}"
