# SPDX-License-Identifier: GPL-2.0-or-later
"""Senders of the matrix that no tool offers: connects that say what an honest program would, and packets made by
hand."""
import contextlib
import itertools
import socket
import struct
import time
import zlib

from lab import ATTACKER4, ATTACKER6, MAC
from senders import internet_checksum

TRAPS = (23, 42, 43, 77, 79, 87, 95, 101, 102, 103)
SAYINGS = {"ssh": b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
           "browser": b"GET / HTTP/1.1\r\nHost: example.net\r\nConnection: close\r\n\r\n"}
CLOSED = (21, 23, 25, 110, 113, 139, 143, 161, 179, 199, 389, 443, 445, 465, 512, 513)


def connect(lab, row, targets, saying):
    """One connect after the other, to traps, until nobody answers any more."""
    refused = 0
    for port in TRAPS[:1] if saying == "one" else TRAPS:
        s = lab.attacker.connect(targets[0], port, 0.4, keep=True)
        if isinstance(s, str):
            refused += 1
            if refused == 2:
                return
            continue
        with s, contextlib.suppress(OSError):
            s.settimeout(0.3)
            if saying != "one":
                s.sendall(SAYINGS[saying])
                s.recv(100)
    if saying == "one":
        time.sleep(0.2)


# ---- packets by hand

def tcp(source, target, sport, dport, flags=2, seq=None, window=64240, options=b"\2\4\5\xb4"):
    """A TCP header with a right sum; source and target packed.  A sequence number of each source's own: alike ones
    would be decoys."""
    length = 20 + len(options)

    def build(value):
        return struct.pack("!HHIIBBHHH", sport, dport, seq, 0, length // 4 << 4, flags, window, value, 0) + options

    seq = zlib.crc32(source) + dport * 7919 & 0xffffffff if seq is None else seq
    pseudo = source + target + (struct.pack("!BBH", 0, 6, length) if len(source) == 4 else
                                struct.pack("!II", length, 6))
    return build(internet_checksum(pseudo + build(0)))


def frame(source, target, sport, dport, extension=b"", **more):
    """An Ethernet frame from the attacker's side to the victim, IPv4 or IPv6; extension: destination options."""
    six = ":" in source
    src, dst = (socket.inet_pton(socket.AF_INET6 if six else socket.AF_INET, a) for a in (source, target))
    body = tcp(src, dst, sport, dport, **more)
    mac = b"".join(bytes.fromhex(MAC[who].replace(":", "")) for who in ("victim", "attacker"))
    if six:
        head = struct.pack("!IHBB", 6 << 28, len(extension) + len(body), 60 if extension else 6, 60) + src + dst
        return mac + b"\x86\xdd" + head + extension + body
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), sport ^ dport, 0x4000, 60, 6, 0, src, dst)
    return mac + b"\x08\x00" + head[:10] + struct.pack("!H", internet_checksum(head)) + head[12:] + body


def send(lab, frames, every=0.01):
    with lab.attacker.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as s:
        s.bind(("eth0", 0))
        for one in frames:
            s.send(one)
            time.sleep(every)


def syns(source, target, ports, **more):
    return [frame(source, target, 40000 + n, port, **more) for n, port in enumerate(ports)]


def destination_options(lab, row, targets):
    """200 bytes of destination options (PadN) before each SYN."""
    extension = b"\6\x18" + b"\1\xc4" + bytes(196)
    send(lab, syns(ATTACKER6, targets[0], CLOSED, extension=extension))


def mirai(lab, row, targets):
    """Sequence number = destination address; 23 and 2323, then ports of other devices."""
    mark = struct.unpack("!I", socket.inet_aton(targets[0]))[0]
    send(lab, syns(ATTACKER4, targets[0], (23, 2323, 81, 5555, 7547, 37215, 52869, 60001), seq=mark))


def shared(lab, sources, target, ports, every=0.002):
    """One scan shared by many: port by port in turn."""
    turns = zip(itertools.cycle(sources), ports)
    send(lab, [frame(source, target, 40000 + n, port) for n, (source, port) in enumerate(turns)], every)
