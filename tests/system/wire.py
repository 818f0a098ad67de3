# SPDX-License-Identifier: GPL-2.0-or-later
"""What went over one interface, in the order in which it went.

A packet socket sees what comes in before any firewall and what goes out after it, with the kernel's own time stamps.
Nobody reads while the test runs: the kernel keeps the packets in the socket's buffer, so that the recorder needs no
thread, takes no CPU from what is observed, and loses nothing (and if it ever does, it says so).
"""
import collections
import ctypes
import ipaddress
import socket
import struct
from dataclasses import dataclass, field

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
TCP, UDP, ICMP, ICMPV6, SCTP = 6, 17, 1, 58, 132
SNAP = 320             # with 200 bytes of IPv6 options the ports are still in it
_NAMES = {TCP: "tcp", UDP: "udp", ICMP: "icmp", ICMPV6: "icmp6", SCTP: "sctp"}
_EXTENSIONS = {0, 43, 44, 60}


@dataclass
class Frame:
    index: int
    at: float
    out: bool                   # leaving the recorded host
    src: str
    dst: str
    protocol: int
    sport: int = 0
    dport: int = 0
    flags: int = 0
    seq: int = 0
    icmp_type: int = -1
    icmp_code: int = -1
    payload_len: int = 0
    stack: bool = False         # of a SYN: options beyond MSS, as every real stack but the smallest sends
    quoted: "Frame" = field(default=None, repr=False)     # inside an ICMP error

    def flow(self):
        """The same for both directions: (protocol, host's address, its port, the other's address, its port)."""
        if self.protocol in (TCP, UDP, SCTP):
            here, there = (self.src, self.sport), (self.dst, self.dport)
        else:
            here, there = (self.src, 0), (self.dst, 0)
        return (self.protocol, *here, *there) if self.out else (self.protocol, *there, *here)

    def answered_flow(self):
        """The flow that this outgoing packet answers: its own, or the one that an ICMP error quotes."""
        if self.quoted:
            q = self.quoted
            return (q.protocol, q.dst, q.dport, q.src, q.sport)
        return self.flow()

    @property
    def is_synack(self):
        return self.protocol == TCP and self.flags & (SYN | ACK) == SYN | ACK

    @property
    def is_syn(self):
        return self.protocol == TCP and self.flags & (SYN | ACK | RST | FIN) == SYN

    def __str__(self):
        flags = "".join(c for bit, c in zip((1, 2, 4, 8, 16, 32), "FSRPAU") if self.flags & bit)
        return (f"#{self.index} {self.at:.6f} {'out' if self.out else 'in '} "
                f"{_NAMES.get(self.protocol, self.protocol)} "
                f"{self.src}:{self.sport} > {self.dst}:{self.dport} [{flags}]"
                + (f" type {self.icmp_type} code {self.icmp_code}" if self.icmp_type >= 0 else ""))


def _option_kinds(options):
    kinds, at = set(), 0
    while at < len(options) and options[at] != 0:
        if options[at] == 1:
            at += 1
            continue
        kinds.add(options[at])
        at += max(options[at + 1], 2) if at + 1 < len(options) else 2
    return kinds


def _parse(data, index, at, out):
    """An IP packet (cut at SNAP bytes) as a Frame, or None."""
    try:
        if data[0] >> 4 == 4:
            header = (data[0] & 15) * 4
            src, dst = socket.inet_ntop(socket.AF_INET, data[12:16]), socket.inet_ntop(socket.AF_INET, data[16:20])
            protocol, length = data[9], struct.unpack_from("!H", data, 2)[0]
            fragment = struct.unpack_from("!H", data, 6)[0] & 0x1fff
        else:
            src, dst = socket.inet_ntop(socket.AF_INET6, data[8:24]), socket.inet_ntop(socket.AF_INET6, data[24:40])
            protocol, length, header, fragment = data[6], 40 + struct.unpack_from("!H", data, 4)[0], 40, 0
            while protocol in _EXTENSIONS:
                if protocol == 44:
                    fragment = struct.unpack_from("!H", data, header + 2)[0] >> 3
                protocol, size = data[header], 8 if protocol == 44 else (data[header + 1] + 1) * 8
                header += size
    except (IndexError, struct.error, ValueError):
        return None
    f = Frame(index, at, out, src, dst, protocol)
    body = data[header:]
    if fragment:
        return f
    try:
        if protocol == TCP:
            f.sport, f.dport, f.seq = struct.unpack_from("!HHI", body)
            if len(body) >= 14:
                f.flags = body[13]
                f.payload_len = length - header - (body[12] >> 4) * 4
                f.stack = bool(_option_kinds(body[20:(body[12] >> 4) * 4]) - {2})
        elif protocol in (UDP, SCTP):
            f.sport, f.dport = struct.unpack_from("!HH", body)
        elif protocol in (ICMP, ICMPV6):
            f.icmp_type, f.icmp_code = body[0], body[1]
            if (protocol, body[0]) in {(ICMP, 3), (ICMP, 11), (ICMPV6, 1), (ICMPV6, 3)}:
                f.quoted = _parse(body[8:], index, at, not out)
    except (IndexError, struct.error):
        pass
    return f


def _filter(addresses):
    """Classic BPF: frames from or to one of the addresses, SNAP bytes of each."""
    code = []
    for address in addresses:
        packed = ipaddress.ip_address(address).packed
        words = struct.unpack(f"!{len(packed) // 4}I", packed)
        ethertype, offsets = (0x800, (26, 30)) if len(words) == 1 else (0x86dd, (22, 38))
        block = []
        for offset in offsets:
            tests = []
            for n, word in enumerate(words):
                left = 2 * (len(words) - n - 1) + 1       # instructions from after this pair to after the accept
                tests += [(0x20, 0, 0, offset + 4 * n), (0x15, 0, left, word)]
            block += tests + [(0x06, 0, 0, SNAP)]
        code += [(0x28, 0, 0, 12), (0x15, 0, len(block), ethertype)] + block
    return code + [(0x06, 0, 0, 0)]


class Wire:
    """Records what the host's eth0 carries from and to `addresses`, from now on."""

    BUFFER = 256 << 20

    def __init__(self, host, *addresses, device="eth0"):
        self.socket = host.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        code = b"".join(struct.pack("HBBI", *i) for i in _filter(addresses))
        self._code = ctypes.create_string_buffer(code, len(code))
        program = struct.pack("HL", len(code) // 8, ctypes.addressof(self._code))
        self.socket.setsockopt(socket.SOL_SOCKET, 26, program)          # SO_ATTACH_FILTER
        self.socket.setsockopt(socket.SOL_SOCKET, 33, self.BUFFER)      # SO_RCVBUFFORCE
        self.socket.setsockopt(socket.SOL_SOCKET, 35, 1)                # SO_TIMESTAMPNS
        self.socket.bind((device, 3))                                   # ETH_P_ALL
        self.socket.setblocking(False)
        self._frames = []

    def frames(self):
        """Everything so far, in order."""
        while True:
            try:
                data, extra, _, where = self.socket.recvmsg(SNAP, 64)
            except BlockingIOError:
                break
            seconds, nanoseconds = struct.unpack("qq", extra[0][2][:16])
            f = _parse(data[14:], len(self._frames), seconds + nanoseconds / 1e9, where[2] == 4)
            if f:
                self._frames.append(f)
        _, lost = struct.unpack("II", self.socket.getsockopt(263, 6, 8))        # SOL_PACKET, PACKET_STATISTICS
        assert lost == 0, f"the recorder lost {lost} packets"
        return self._frames

    def close(self):
        self.socket.close()

    def probes(self):
        return [f for f in self.frames() if not f.out]

    def answers(self):
        return [f for f in self.frames() if f.out]


def _is_answer(f):
    """A packet by which a scanner learns: SYN+ACK, RST, an ICMP error, a UDP or SCTP packet, an echo or timestamp
    reply."""
    if f.protocol == TCP:
        return f.is_synack or bool(f.flags & RST)
    if f.protocol in (ICMP, ICMPV6):
        return f.quoted is not None or (f.protocol, f.icmp_type) in {(ICMP, 0), (ICMP, 14), (ICMP, 18), (ICMPV6, 129)}
    return f.protocol in (UDP, SCTP)


def deciding_index(frames, ports, protocols=(TCP, UDP, SCTP)):
    """The frame that tipped the score: of the ports that the decision names, the one first touched last.

    A decision counts each port once, by the first probe of it, so the latest of those first probes is the deciding
    packet.
    """
    first = {}
    for f in frames:
        if not f.out and f.protocol in protocols and f.dport in ports:
            first.setdefault(f.dport, f.index)
    missing = set(ports) - set(first)
    assert not missing, f"the decision names ports that were never probed: {sorted(missing)}"
    return max(first.values())


TRIED_PORTS = {80, 113, 443, 853}       # clients try these by themselves before another: closed, they answer at once
QUICK_S, REFUSE_S, FORGET_S = 0.79, 5.99, 12.0


class _Teller:
    """Goes through the frames in order and says of each answer after the decision whether it tells anything new.

    The rule, for each flow: a probe that came in before the deciding packet may be answered once, even if the answer
    leaves later.  What runs by then goes on, a handshake that was answered is finished, and its SYN+ACK said again
    tells nothing.  Whoever finished a handshake with a served port is its customer there.
    """

    def __init__(self, deciding, grade, tcp, udp):
        self.greeted = set()        # flows that were answered
        self.deciding, self.veiled, self.tcp, self.udp = deciding, grade == "veil", tcp, udp
        self.decided_at = float("inf")
        self.credit, self.begun, self.running, self.customer = collections.Counter(), set(), set(), set()
        self.sights = {}            # (flow, sequence number) -> when it was first seen
        self.syns = {}              # flow -> its latest SYN, and how old its first sight was by then

    def take_in(self, f):
        flow = f.flow()
        if f.index == self.deciding:
            self.decided_at = f.at
        if f.index < self.deciding:
            self.credit[flow] += 1
        if f.protocol != TCP:
            return
        if f.is_syn:
            first = self.sights.get((flow, f.seq))
            if first is None or f.at - first > FORGET_S:
                first = self.sights[flow, f.seq] = f.at
            self.syns[flow] = f, f.at - first
        elif flow in self.begun and f.flags & ACK:
            self.running.add(flow)
            if self.veiled or f.index < self.deciding:
                self.customer.add((f.dst, f.dport))

    def _priced(self, f):
        """Under a veil: what the price list lets out."""
        if f.protocol in (ICMP, ICMPV6):
            return f.quoted is None and (f.protocol, f.icmp_type) in {(ICMP, 0), (ICMPV6, 129)}
        if f.protocol == UDP:
            return f.sport in self.udp
        if f.protocol != TCP:
            return False
        syn, age = self.syns.get(f.flow(), (None, 0.0))     # None: its flags were in a later fragment
        if f.is_synack:
            return age >= QUICK_S if f.sport in self.tcp else syn is not None and syn.stack
        return f.sport not in self.tcp and (f.sport in TRIED_PORTS or age >= REFUSE_S)

    def may_leave(self, f):
        flow = f.answered_flow()
        if flow in self.greeted and not f.is_synack:
            return True     # of a handshake that was answered: what follows tells nothing new
        if f.is_synack:
            self.greeted.add(flow)
        if not _is_answer(f):
            return f.index <= self.deciding or f.protocol != TCP or flow in self.running | self.begun
        if f.protocol == TCP and 0 <= f.at - self.decided_at < 0.02 and (
                f.flags & RST and flow not in self.syns or f.is_synack and f.sport not in self.tcp):
            return True     # in the same burst: to an ACK, which open and closed ports answer alike; of a trap
        if f.index > self.deciding and self.credit[flow] <= 0 and flow not in self.begun and \
                (f.src, f.sport) not in self.customer and not (self.veiled and self._priced(f)):
            return False
        self.credit[flow] -= 1
        if f.is_synack:
            self.begun.add(flow)
        return True


def answered_after(frames, deciding, grade="veil", tcp=(), udp=()):
    """Answers that the decision should have prevented: none in a good run.  tcp, udp: the ports that are served.

    A ban lets nothing new in.  Under a veil leaves, beside what a ban leaves: what a trap says to a real stack, the
    RST of ports that clients try by themselves, a served port's answer to a SYN that was repeated as a stack does
    it, a closed port's to one repeated for six seconds, datagrams of served ports, echo replies.
    """
    teller, wrong = _Teller(deciding, grade, tcp, udp), []
    for f in frames:
        if not f.out:
            teller.take_in(f)
        elif not teller.may_leave(f):
            wrong.append(f)
    return wrong


def served_ports_touched(frames, deciding, served):
    """Real ports that a probe reached before the decision: all that the scanner may know."""
    return {f.dport for f in frames if not f.out and f.index < deciding and f.protocol == TCP and f.dport in served}


def open_ports_learned(frames, victims):
    """From the scanner's own side: TCP ports that answered SYN+ACK."""
    return {f.sport for f in frames if not f.out and f.is_synack and f.src in victims}
