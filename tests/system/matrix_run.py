# SPDX-License-Identifier: GPL-2.0-or-later
"""Plays one row of the matrix against the daemon and says what came of it, from the daemon's own history and from
the wire."""
import os
import re
import subprocess
import time
from dataclasses import dataclass, field

import matrix_send
import matrix_setup
import wire as w
from lab import ATTACKER4, ATTACKER6, MAC, REAL_TCP, REAL_UDP, VICTIM4, VICTIM6, Scan
from picket import graded_line
from scanning import key_of

DECOYS = {4: "100.71.0.1,100.72.0.1,100.73.0.1", 6: "2001:db8:4171::1,2001:db8:4272::1,2001:db8:4373::1"}
QUESTIONS = {(w.ICMP, 8), (w.ICMP, 13), (w.ICMP, 17), (w.ICMPV6, 128)}
SFR = w.SYN | w.FIN | w.RST


def _flags(test):
    return lambda f, port: f.protocol == w.TCP and f.dport == port and test(f.flags & 63)


def _ports(*protocols):
    return lambda f, port: f.protocol in protocols and f.dport == port


def _icmp(*kinds):
    return lambda f, _port: (f.protocol, f.icmp_type) in kinds


# Which packet a piece of evidence of this kind can come from.
MATCH = {
    "syn": _flags(lambda x: x & (SFR | w.ACK) in (w.SYN, 0)),          # 0: the flags are in the next fragment
    "trap": _flags(lambda x: x & (w.SYN | w.RST) == 0), "trap_weak": _flags(lambda x: x & (w.SYN | w.RST) == 0),
    "fin": _flags(lambda x: x == w.FIN), "null": _flags(lambda x: x == 0),
    "xmas": _flags(lambda x: x == w.FIN | w.PSH | w.URG),
    "synfin": _flags(lambda x: x & SFR == w.SYN | w.FIN), "synrst": _flags(lambda x: x & SFR == w.SYN | w.RST),
    "flags": _flags(lambda x: True), "maimon": _flags(lambda x: x & (SFR | w.ACK) == w.FIN | w.ACK),
    "ack": _flags(lambda x: x & (SFR | w.ACK) == w.ACK),
    "udp": _ports(w.UDP), "udp_trap": _ports(w.UDP), "sctp_init": _ports(w.SCTP), "sctp_cookie": _ports(w.SCTP),
    "protocol": lambda f, port: f.protocol == port,
    "icmp_echo": _icmp((w.ICMP, 8), (w.ICMPV6, 128)), "icmp_timestamp": _icmp((w.ICMP, 13)),
    "icmp_mask": _icmp((w.ICMP, 17)),
    "checksum": _ports(w.TCP, w.UDP, w.SCTP), "fragment": _ports(w.TCP), "truncated": _ports(w.TCP, w.UDP),
}


@dataclass
class Result:
    row: object
    source: str
    targets: list               # our addresses that are scanned
    event: dict = None          # the decision, as history tells it
    line: str = None
    victim: list = field(default_factory=list)
    scanner: list = field(default_factory=list)
    deciding: int = None
    grade: str = "none"         # of the source in the end, where there was no decision
    output: str = ""

    @property
    def probes(self):
        return None if self.deciding is None else count_probes(self.victim, self.deciding, self.targets)

    @property
    def wrong(self):
        if self.deciding is None:
            return []
        return w.answered_after(self.victim, self.deciding, self.event["event"], REAL_TCP, REAL_UDP)

    @property
    def learned(self):
        return sorted(w.open_ports_learned(self.scanner, {*VICTIM4, *VICTIM6}) & REAL_TCP)

    @property
    def touched(self):
        return w.served_ports_touched(self.victim, self.deciding, REAL_TCP) if self.deciding is not None else set()

    def text(self):
        said = self.event["event"] if self.event else self.grade
        probes, learned = "-" if self.probes is None else self.probes, ",".join(map(str, self.learned)) or "-"
        return (f"{str(self.row):30} {said:6} probes {probes:>3}  answers {len(self.wrong)}  learned {learned:12} "
                + re.sub(r"^.*? for ", "", self.line or "")[:150])


def is_probe(f, opened):
    """Whether a frame is one more question, not the rest of a conversation or what a service is there for."""
    if f.out or (f.protocol in (w.TCP, w.UDP, w.SCTP) and f.dport == 0):
        return False                                    # a later fragment
    if f.protocol == w.TCP:
        if f.flags & SFR == w.SYN and not f.flags & w.ACK:
            opened.add(f.flow())
            return f.dport not in REAL_TCP
        if f.flow() in opened or f.flags & SFR == w.RST:
            return False
        return f.dport not in REAL_TCP or not f.flags & w.ACK
    if f.protocol == (w.ICMPV6 if ":" in f.src else w.ICMP):
        return (f.protocol, f.icmp_type) in QUESTIONS
    return f.protocol != w.UDP or f.dport not in REAL_UDP


def count_probes(frames, deciding, addresses):
    """Questions to our addresses up to the deciding one; one that was sent again is the same question."""
    opened = set()
    probes = [f for f in frames if f.index <= deciding and f.dst in addresses and is_probe(f, opened)]
    return len({(f.protocol, f.dst, f.dport, f.flags, f.icmp_type) for f in probes})


def find_deciding(frames, evidence, addresses, nth_host=None):
    """The packet behind the newest piece of evidence: its first probe of that port, on the n-th of our addresses
    that was tried there."""
    pieces = [p for p in evidence if p["kind"] != "mark"]
    newest = pieces[0]
    port = newest.get("ip_protocol", newest.get("port", 0))
    hosts = {p["host"] for p in pieces if p["kind"] == newest["kind"]
             and p.get("ip_protocol", p.get("port", 0)) == port}
    found = {}
    for f in frames:
        if not f.out and f.dst in addresses and MATCH[newest["kind"]](f, port):
            if newest["kind"].startswith("trap") and not f.payload_len and not f.flags & w.FIN:
                continue        # a handshake is told when it was followed by something
            found.setdefault(f.dst, f.index)
    order = sorted(found.values())
    if len(order) < len(hosts):
        resets = [f.index for f in frames if not f.out and f.protocol == w.TCP and f.dport == port and f.flags & w.RST]
        assert newest["kind"].startswith("trap") and resets, f"no frame for {newest}"
        return resets[0]
    return order[(nth_host or len(hosts)) - 1]


def fill(row, target, targets):
    source = ATTACKER4 if row.family == 4 else ATTACKER6
    between = "-" if row.command[0] == "masscan" else ":"
    words = {"target": target, "source": source, "mac": MAC["victim"].replace(":", between),
             "decoys": DECOYS[row.family], "blocklist": os.devnull}
    argv = []
    for word in row.command:
        argv += targets if word == "{targets}" else [word.format(**words)]
    return argv


def our_addresses(lab, row):
    """As many addresses as the row wants, made where the laboratory has fewer."""
    mine = VICTIM4 if row.family == 4 else VICTIM6
    stem = "10.77.0." if row.family == 4 else "2001:db8:77::"
    wanted = [f"{stem}{n if row.family == 4 else format(n, 'x')}" for n in range(1, row.hosts + 1)]
    for address in set(wanted) - set(mine):
        lab.victim.run("ip", "addr", "add", f"{address}/{24 if row.family == 4 else 64}", "dev", "eth0",
                       *(["nodad"] if row.family == 6 else []))
        for host in (lab.attacker, lab.client):
            host.run("ip", "neigh", "replace", address, "lladdr", MAC["victim"], "dev", "eth0", "nud", "permanent")
    return wanted


def check_explained(daemon, source):
    """What `explain` lists adds up to the score that it shows."""
    told = daemon.ctl("explain", source).one
    parts = sum(piece["now"] for piece in told["evidence"] + told["older"])
    assert abs(parts + told["adjustment"] - told["score"]) < 0.01 and abs(told["adjustment"]) < 0.1, told


def decisions(daemon, source, events):
    history = daemon.ctl("history", source, check=False)
    return sorted((r for r in (history.rows if history.code == 0 else [])
                   if r["event"] in events and r["source"] == source),
                  key=lambda r: r["at"])


def play_row(lab, picket, wire, row):
    targets = our_addresses(lab, row)
    source = row.source or (ATTACKER4 if row.family == 4 else ATTACKER6)
    key = key_of(source)
    for name in row.setup:
        getattr(matrix_setup, name)(lab)
    daemon = picket(**row.options)
    if "keep_on_stop" in row.options:
        daemon.settled()
    for name in row.setup:
        getattr(matrix_setup, f"{name}_later", lambda _lab: None)(lab)
    relayed = source.startswith("198.51.100.")
    at_victim, at_scanner = wire(lab.victim, source), wire(lab.client if relayed else lab.attacker, source)
    result = Result(row, source, targets)
    pattern = graded_line(key, "ban" if row.grade == "ban" else "(?:veil|ban)")
    if hasattr(matrix_send, row.command[0]):
        getattr(matrix_send, row.command[0])(lab, row, targets, *row.command[1:])
        time.sleep(row.linger)
    else:
        scan = Scan(lab, target=(), tool=tuple(fill(row, targets[0], targets)))
        end = time.monotonic() + row.patience
        while not daemon.lines(pattern) and scan.process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        time.sleep(row.linger)
        result.output = scan.stop()
    wanted = (graded_line(key, row.grade), pattern, graded_line(key, "alert"))
    result.line = next((lines[0] for lines in map(daemon.lines, wanted) if lines), None)
    for events in (("veil", "ban"), ("alert",)):
        told = decisions(daemon, key, events)
        if told:
            result.event = ([e for e in told if e["event"] == row.grade] or told)[0]
            break
    result.victim, result.scanner = at_victim.frames(), at_scanner.frames()
    if result.event:
        result.deciding = find_deciding(result.victim, result.event["evidence"], targets, row.nth_host)
        check_explained(daemon, source)
    else:
        known = [r["grade"] for r in daemon.ctl("sources", check=False).rows if r["source"] == key]
        result.grade = known[0] if known else "none"
    return result


def kernel_can(row):
    """A reason to skip, or None."""
    program = row.command[0]
    if hasattr(matrix_send, program):
        return None
    found = subprocess.run(["sh", "-c", f"command -v {program}"], capture_output=True).returncode == 0
    return None if found else f"{program} is not installed"
