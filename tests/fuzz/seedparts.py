# SPDX-License-Identifier: GPL-2.0-or-later
"""What the inputs of the fuzzers are made of: parts of what the played kernel says (fuzz_kernel.h)."""
import os
import struct

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MULTI, INTERRUPTED, OTHER_SEQ, MORE, LAST, TREE, FOREIGN, CUT = (1 << bit for bit in range(8))
IP4, IP6 = 112, 168      # bytes of an entry's head in the older iptables
OK = b"\0"
V4, V6 = bytes([198, 51, 100, 7]), bytes.fromhex("20010db8000000000000000000000007")
REFUSED = {"ENOENT": 0x80, "EEXIST": 0x81, "EBUSY": 0x82, "ENFILE": 0x83, "EOPNOTSUPP": 0x84, "EINVAL": 0x85}


def leaf(kind, value):
    return bytes([kind, len(value)]) + value


def text(kind, value):
    return bytes([kind | 0x40, len(value)]) + value.encode()


def nest(kind, *inside):
    return bytes([0x80 | kind]) + b"".join(inside) + b"\xff"


def grown(attribute, by):
    """16 times `by` zero bytes longer."""
    return attribute + bytes([0xfd, by])


def be16(value):
    return struct.pack(">H", value)


def be32(value):
    return struct.pack(">I", value)


def be64(value):
    return struct.pack(">Q", value)


def part(kind, *body, flags=TREE | MULTI):
    body = b"".join(body)
    return struct.pack("<BBH", kind, flags, len(body)) + body


def told(*parts, decisions=b""):
    """What the played kernel says."""
    return bytes([len(decisions)]) + decisions + b"".join(parts)
