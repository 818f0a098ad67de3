# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets that quote others: ICMP errors, whole and broken."""
import struct

PORTS = struct.pack("!HHI", 40000, 23, 1)
SOURCE, TARGET = bytes((198, 51, 100, 7)), bytes((203, 0, 113, 9))


def v4(protocol, body, options=b"", fragment=0):
    words = 5 + len(options) // 4
    return struct.pack("!BBHHHBBH4s4s", 0x40 | words, 0, words * 4 + len(body), 1, fragment, 64, protocol, 0, SOURCE,
                       TARGET) + options + body


def v6(protocol, body):
    return struct.pack("!IHBB16s16s", 6 << 28, len(body), protocol, 64, bytes(15) + b"\1", bytes(15) + b"\2") + body


def error(kind, code, quote):
    return struct.pack("!BBHI", kind, code, 0, 0) + quote


def packet():
    for name, data in (
            ("tcp", v4(1, error(3, 1, v4(6, PORTS)))),
            ("udp-options", v4(1, error(3, 3, v4(17, PORTS, b"\1" * 8)), b"\1" * 4)),
            ("sctp6", v6(58, error(1, 4, v6(132, PORTS)))),
            ("icmp", v4(1, error(3, 3, v4(1, PORTS)))),
            ("fragment", v4(1, error(3, 3, v4(6, PORTS, fragment=100)))),
            ("fragment-itself", v4(1, error(3, 3, v4(6, PORTS)), fragment=100)),
            ("mixed", v4(1, error(3, 3, v6(6, PORTS)))),
            ("short-header", v4(1, error(3, 3, b"\x41" + v4(6, PORTS)[1:]))),
            ("cut", v4(1, error(3, 3, v4(6, PORTS)[:22]))),
            ("none6", v6(58, error(1, 4, b""))),
            ("echo", v4(1, error(8, 0, v4(6, PORTS))))):
        yield f"quote-{name}", b"\0" + data
