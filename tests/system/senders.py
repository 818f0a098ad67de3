# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets written by hand, and people: senders with an address of their own behind the client's gateway.

Whoever forges writes any source address, so a packet here is bytes and a way out: `Forger` sends from a packet
socket on a host's eth0.
"""
import itertools
import socket
import struct
import time

from lab import CLIENT_GATEWAY4, CLIENT_GATEWAY6, MAC, VICTIM4, VICTIM6, Honest

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
SCANS = ("syn", "fin", "null", "xmas", "synfin", "ack", "maimon", "udp", "icmp", "sctp", "protocol")
_FLAGS = {"syn": SYN, "fin": FIN, "null": 0, "xmas": FIN | PSH | URG, "synfin": SYN | FIN, "ack": ACK,
          "maimon": FIN | ACK,
          "rst": RST, "rstack": RST | ACK, "synack": SYN | ACK, "pshack": PSH | ACK}
_PROTOCOLS = [n for n in range(3, 250) if n not in (4, 6, 17, 41, 43, 44, 47, 50, 51, 58, 59, 60, 89, 103, 112, 132,
                                                    135, 139, 140)]


def internet_checksum(data):
    """RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def _crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def _pseudo(src, dst, protocol, length):
    return src + dst + (struct.pack("!II", length, protocol)
                        if len(src) == 16 else struct.pack("!BBH", 0, protocol, length))


def _raw(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def ip(source, target, protocol, body, ttl=60):
    src, dst = _raw(source), _raw(target)
    if len(src) == 16:
        return struct.pack("!IHBB", 6 << 28, len(body), protocol, ttl) + src + dst + body

    def head(checksum):
        return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, ttl, protocol, checksum) + src + dst

    return head(internet_checksum(head(0))) + body


def tcp(source, target, sport, dport, flags, seq=1, ack=0, payload=b"", ttl=60):
    def segment(checksum):
        return struct.pack("!HHIIBBHHH", sport, dport, seq, ack, 0x50, flags, 1024, checksum, 0) + payload
    plain = segment(0)
    return ip(source, target, 6, segment(internet_checksum(_pseudo(_raw(source), _raw(target), 6, len(plain)) + plain)),
              ttl)


def udp(source, target, sport, dport, payload=b"x", ttl=60):
    def datagram(checksum):
        return struct.pack("!HHHH", sport, dport, 8 + len(payload), checksum) + payload
    plain = datagram(0)
    return ip(source, target, 17, datagram(internet_checksum(_pseudo(_raw(source), _raw(target), 17, len(plain))
                                                             + plain) or 0xffff), ttl)


def icmp(source, target, kind, code=0, body=b"\0\1\0\1picket", ttl=60):
    v6 = ":" in source
    plain = struct.pack("!BBH", kind, code, 0) + body
    checksum = internet_checksum((_pseudo(_raw(source), _raw(target), 58, len(plain)) if v6 else b"") + plain)
    return ip(source, target, 58 if v6 else 1, plain[:2] + struct.pack("!H", checksum) + body, ttl)


def sctp_init(source, target, sport, dport):
    chunk = struct.pack("!BBHIIHHI", 1, 0, 20, 0x1234, 65535, 10, 10, 1)
    head = struct.pack("!HHI", sport, dport, 0)
    return ip(source, target, 132, head + struct.pack("<I", _crc32c(head + b"\0\0\0\0" + chunk)) + chunk)


def probe(kind, source, target, n):
    """The n-th packet of a scan of that kind: ports from 1 on, IP protocols, one of our addresses after the other."""
    v6 = ":" in source
    sport, dport = 2000 + n % 50000, 1 + n
    if kind in _FLAGS:
        return tcp(source, target, sport, dport, _FLAGS[kind], seq=n * 7919 & 0xffffffff,
                   ack=n * 31 if _FLAGS[kind] & ACK else 0)
    if kind == "udp":
        return udp(source, target, sport, dport)
    if kind == "icmp":
        targets = VICTIM6 if v6 else VICTIM4
        return icmp(source, targets[n % len(targets)], 128 if v6 else (8, 13, 17)[n // len(targets) % 3])
    if kind == "sctp":
        return sctp_init(source, target, sport, dport)
    assert kind == "protocol", kind
    return ip(source, target, _PROTOCOLS[n % len(_PROTOCOLS)], b"\0" * 24)


class Forger:
    """Sends IP packets as they are, out of a host's eth0 to the victim."""

    def __init__(self, host):
        self.mac = {v6: bytes.fromhex(MAC["victim"].replace(":", "")) + bytes.fromhex(host.mac.replace(":", ""))
                    + (b"\x86\xdd" if v6 else b"\x08\x00") for v6 in (False, True)}
        self.socket = host.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.bind(("eth0", 0))

    def send(self, packets, every=0.0002):
        for packet in packets:
            self.socket.send(self.mac[packet[0] >> 4 == 6] + packet)
            if every:
                time.sleep(every)

    def scan(self, kind, source, count, every=0.0002, target=None):
        target = target or (VICTIM6 if ":" in source else VICTIM4)[0]
        self.send((probe(kind, source, target, n) for n in range(count)), every)

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Person:
    """An honest sender in the client's namespace, with real sockets, in an IPv4 and an IPv6 network of its own: what
    others do is held against nobody's network but theirs."""

    _numbers = {}

    def __init__(self, lab):
        numbers = self._numbers.setdefault(lab.prefix, itertools.count(30))
        self.n = next(numbers)
        self.lab, self.host = lab, lab.client
        self.v4, self.net6 = f"198.19.{self.n}.7", f"2001:db8:{0x1000 + self.n:x}::"
        self.v6 = self.net6 + "1"
        lab.client.batch(f"addr add {self.v4}/32 dev eth0", f"addr add {self.v6}/128 dev eth0 nodad")
        lab.victim.batch(f"route replace {self.v4}/32 via {CLIENT_GATEWAY4}",
                         f"route replace {self.net6}/64 via {CLIENT_GATEWAY6}")
        self.steady = None

    def work(self):
        """A request every 50 ms from now on, in both families, from these addresses."""
        self.steady = Honest(self.host, "--source", self.v4, "--source", self.v6)
        return self

    def tcp(self, port, target=None, timeout=0.5, source=None):
        source = source or self.v4
        target = target or (VICTIM6 if ":" in source else VICTIM4)[0]
        return self.host.connect(target, port, timeout, source)

    def open(self, port, target=None, timeout=2.0, source=None):
        source = source or self.v4
        s = self.host.connect(target or (VICTIM6 if ":" in source else VICTIM4)[0], port, timeout, source, keep=True)
        assert not isinstance(s, str), (source, port, s)
        return s

    def datagram(self, port, target=None, payload=b"x", timeout=0.05, source=None):
        source = source or self.v4
        return self.host.datagram(target or (VICTIM6 if ":" in source else VICTIM4)[0], port, payload, timeout, source)

    def served(self):
        """Every service answers, over both families."""
        for source, target in ((self.v4, VICTIM4[0]), (self.v6, VICTIM6[0])):
            assert self.host.get(target, source=source), f"{source}: no web page"
            assert self.host.connect(target, 22, 2.0, source) == "open", f"{source}: no ssh"
            assert self.host.datagram(target, 53, b"q", 2.0,
                                      source) == b"answer:q", f"{source}: no answer to a datagram"


def explained(daemon, address):
    """What `explain` tells of an address, checked: every class adds up to its sum, and all of it to the score.
    None: nothing known."""
    answer = daemon.ctl("explain", address, check=False)
    if answer.code != 0 or answer.one["grade"] is None:
        return None
    told = answer.one
    parts = [*told["evidence"], *told["older"]]
    total = sum(part["now"] for part in parts) + told["adjustment"]
    near = 0.005 + told["score"] * 1e-5
    assert abs(total - told["score"]) < near, (total, told)
    assert abs(told["confirmed"] + told["suspected"] - told["score"]) < near, told
    slow = {"confirmed": told["confirmed"], "suspected": told["suspected"] - told["fast"]}
    for name, value in slow.items():
        told_now = sum(part["now"] for part in parts if part["class"] == name)
        assert abs(told_now - value) < near + 0.001 * len(parts), (name, told_now, value, told)
    for piece in told["evidence"]:
        assert piece["what"] and piece["age_s"] >= 0 and piece["now"] <= piece["weight"] + 0.001, piece
    return told


def sysctls(host, **values):
    host.sysctl(**{f"net__netfilter__{key}": value for key, value in values.items()})


def conntrack_forgets(host):
    """Every entry of that host's namespace, and no other's."""
    host.run("conntrack", "-F", check=False)
