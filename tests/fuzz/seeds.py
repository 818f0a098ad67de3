#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the seeds of the fuzzers whose input is made of parts:  seeds.py [DIRECTORY]   (tests/fuzz/seeds)

They are what a kernel or a process of ours says in ordinary times, and the edges of it: from there the fuzzer goes on.
What an input looks like is said at the head of fuzz_kernel.h and of each program.
"""
import os
import re
import struct
import sys

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


# ---- the queue

def packet(number, payload, *more):
    return leaf(1, be32(number) + be16(0x0800) + b"\0") + leaf(10, payload) + b"".join(more)


def original(address, port):
    return nest(11, nest(1, nest(1, leaf(2 if len(address) == 4 else 4, address)), nest(2, leaf(3, be16(port)))))


def queue():
    syn = bytes.fromhex("45000028000040004006000a") + V4 + bytes([192, 0, 2, 1]) + b"\0" * 20
    odd = bytes.fromhex("6000000000003b40")
    in_order = [part(0, packet(i, syn if i % 3 else odd)) for i in range(1, 8)]
    yield "in-order", b"\0" + told(*in_order)
    yield "gaps", b"\0" + told(*(part(i % 2, packet(i * i, syn, leaf(14, be32(3)), leaf(5, be32(2)))) for i in range(9)))
    yield "original", b"\0" + told(part(0, packet(1, syn, original(V4, 80))), part(1, packet(1, syn, original(V6, 443))))
    yield "together", b"\0" + told(*(part(i % 2, packet(i, odd), flags=TREE | MORE) for i in range(5)), part(4))
    yield "no-number", b"\0" + told(part(0, leaf(10, syn)), part(2, be32(0), packet(1, syn)), part(0, leaf(1, b"1")))
    yield "denied", b"\5" + told(decisions=b"\x86")
    yield "not-sent", b"\6" + told(part(0, packet(1, syn)), part(1, packet(5, syn)), decisions=b"\x86" * 40)
    yield "drops", b"\0" + told(*(part(0, packet(i, syn + bytes([i % 2]))) for i in (*range(10), *range(20, 30))))
    yield "errors", b"\0" + told(part(3, struct.pack("<i", -2) + b"\0" * 16, flags=0),
                                 part(3, struct.pack("<i", -1) + b"\0" * 16, flags=OTHER_SEQ), part(3, flags=0))
    yield "sender", b"\0" + told(part(0, packet(1, syn), flags=TREE | FOREIGN), part(0, flags=0))
    yield "open-busy", b"\1" + told(decisions=b"\0\0" + bytes([0x86]))
    yield "open-old", b"\1" + told(decisions=b"\0\0\0\0" + bytes([REFUSED["EOPNOTSUPP"]]))
    yield "lost", b"\0" + told(part(5), part(0, packet(1, syn)), part(5))
    yield "let-go", b"\2" + told(part(0, packet(1, syn)), decisions=bytes([REFUSED["ENOENT"]]))


# ---- the host

def listener(family, address, port, peer=0, uid=0):
    return (bytes([family, 10, 0, 0]) + be16(port) + be16(peer) + address.ljust(16, b"\0") + b"\0" * 16 + b"\0" * 12 +
            b"\0" * 12 + struct.pack("<II", uid, 4711))


def address_of(family, length, link, *attributes):
    return struct.pack("<BBBBI", family, length, 0, 0, link) + b"".join(attributes)


def route(family, length, *attributes, kind=1, flags=0):
    return struct.pack("<BBBBBBBBI", family, length, 0, 0, 254, 3, 0, kind, flags) + b"".join(attributes)


def link(index, *attributes):
    return struct.pack("<BxHiII", 0, 1, index, 0, 0) + b"".join(attributes)


def hop(index, *attributes):
    """Within RTA_MULTIPATH: raw attributes behind a head."""
    inside = b"".join(struct.pack("<HH", 4 + len(value), kind) + value for kind, value in attributes)
    return struct.pack("<HBBi", 8 + len(inside), 0, 0, index) + inside


def host():
    sockets = [part(0, listener(2, V4, 22)), part(0, listener(10, V6, 443), flags=TREE | MULTI | LAST),
               part(0, listener(10, b"\0" * 16, 80, uid=33), flags=TREE | LAST), part(0, listener(2, V4, 53, peer=9)),
               part(0, listener(1, V4, 5)), part(0, listener(2, b"\x7f\0\0\1", 631)), part(0, b"short")]
    yield "listeners", b"\0" + told(*sockets)
    yield "listeners-some", b"\x21" + told(*sockets)
    for nth in range(6):
        yield f"denied-{nth}", bytes([4]) + told(decisions=OK * nth + b"\x86")
    yield "route-denied", b"\7" + told(decisions=OK * 13 + b"\x86")
    yield "listeners-none", b"\1" + told(*(part(5, struct.pack("<i", -2) + b"\0" * 16, flags=0) for _ in range(4)))
    yield "drain", b"\2" + told(part(8), part(7, flags=0), part(7, flags=0))
    index = [leaf(4, struct.pack("<i", 2))]
    nexthops = [part(4, struct.pack("<BBBBI", 2, 0, 0, 0, 0), leaf(1, struct.pack("<I", 7)), leaf(6, V4), leaf(5, b"\2\0\0\0")),
                part(4, struct.pack("<BBBBI", 0, 0, 0, 0, 0), leaf(1, struct.pack("<I", 8)),
                     leaf(2, struct.pack("<IBBH", 7, 0, 0, 0)), flags=TREE | LAST)]
    whole = [
        part(1, address_of(2, 24, 2, leaf(1, V4), leaf(2, V4))), part(1, address_of(2, 8, 1, leaf(1, b"\x7f\0\0\1"))),
        part(1, address_of(10, 64, 2, leaf(1, V6))), part(1, address_of(7, 1, 1)),
        part(2, route(2, 0, leaf(5, V4), *index), flags=TREE | LAST),
        part(2, route(10, 0, leaf(5, V6), *index, leaf(30, struct.pack("<I", 8)))),
        part(2, route(2, 0, leaf(18, struct.pack("<H", 10) + V6))), part(2, route(2, 0, kind=6)),
        part(2, route(2, 0, leaf(9, hop(2, (5, V4)) + hop(3, (18, struct.pack("<H", 2) + V4)) + b"\4\0"))),
        *nexthops, *nexthops,
        part(3, link(2, text(3, "eth0"))), part(3, link(3, text(3, "red"), nest(18, text(1, "vrf")))),
        part(3, link(4, text(3, "eth1"), nest(18, text(4, "vrf")))), part(3, link(5, leaf(3, b"no-nul"))), part(3, b"12"),
    ]
    yield "routes", b"\3" + told(*whole)
    yield "routes-changed", b"\3" + told(*whole[:2], part(1, address_of(2, 24, 3, leaf(1, V4)), flags=TREE | INTERRUPTED))
    yield "routes-refused", b"\3" + told(part(5, struct.pack("<i", -95) + b"\0" * 16, flags=0))
    yield "routes-no-ipv6", b"\3" + told(whole[0], part(6, flags=0), part(6, flags=0),
                                         part(5, struct.pack("<i", -97) + b"\0" * 16, flags=0))
    yield "routes-many", b"\3" + told(*(part(1, address_of(2, 24, 2, leaf(1, bytes([10, i, 0, 1])))) for i in range(200)))
    yield "routes-defaults", b"\3" + told(*(part(2, route(2, 0, leaf(4, struct.pack("<i", 2 + i)))) for i in range(100)),
                                          *(part(3, link(2 + i, text(3, f"eth{i}"))) for i in range(100)))


# ---- flows and who else marks them

def flow(mark=None, label=None, zone=None):
    return (nest(1, nest(1, leaf(1, V4), leaf(2, V4)), nest(2, leaf(1, b"\6"), leaf(2, be16(9)), leaf(3, be16(80)))) +
            (leaf(8, be32(mark)) if mark is not None else b"") + (leaf(22, label) if label else b"") +
            (zone or b""))


def expression(name, *data):
    return nest(1, text(1, name), nest(2, *data))


def rule(table, *expressions):
    return text(1, table) + text(2, "chain") + nest(4, *expressions)


def iptables(entry_size, *names, target=None, after=None):
    """An entry with these matches and, last, its target; its head ends with where both of these are."""
    extensions = [struct.pack("<H", 32) + name.encode().ljust(29, b"\0") + b"\0" for name in names]
    target = entry_size + 32 * (len(names) - 1) if target is None else target
    after = entry_size + 32 * len(names) if after is None else after
    offsets = struct.pack("<HH", target, after)
    return bytes(entry_size - 24) + offsets + bytes(20) + b"".join(extensions)


def conntrack():
    bit101 = bytes(12) + bytes([1 << 5]) + bytes(3)
    yield "mark", b"\0" + told(part(0, flow(0x15000000)), part(0, flow(0x16000000, zone=leaf(18, b"\0\1"))), part(0, flow()))
    yield "mark-zone", b"\0" + told(part(0, flow(0x15000000, zone=leaf(18, b"\0\1"))), *(part(0, flow(0x15000000, zone=grown(leaf(18, b"\0\1"), 120))) for _ in range(9)))
    yield "all-values", b"\2" + told(part(0, flow(1 << 24)), part(0, flow(1)))
    yield "label", b"\1" + told(part(0, flow(label=bit101)), part(0, flow(label=b"\1")), part(0, flow(label=bytes(16))))
    yield "many", b"\0" + told(*(part(0, flow(0x15000000), flags=TREE | MORE) for _ in range(150)))
    yield "error", b"\0" + told(part(3, struct.pack("<i", -12) + b"\0" * 16, flags=0))
    yield "lost", b"\0" + told(part(0, flow(0x15000000)), part(5))
    yield "done", b"\0" + told(part(0, flow(0x15000000), flags=TREE | MORE), part(4, struct.pack("<i", 0), flags=0))
    mark, label = expression("ct", leaf(2, be32(3))), expression("ct", leaf(2, be32(15)))
    yield "users", b"\x80" + told(part(1, rule("filter", mark, label)), part(1, rule("picket", mark)),
                                  part(1, rule("x", expression("match", text(1, "connmark")))),
                                  part(1, rule("x", expression("target", text(1, "CONNMARK")), expression("counter"))),
                                  part(1, rule("x", nest(1, leaf(1, b"ct"))), text(9, "x")))
    yield "users-odd", b"\x80" + told(part(1, rule("filter", expression("ct", leaf(2, b"x")), nest(1, leaf(1, b"ct"), leaf(2, b"y"))), leaf(9, b"z")))
    yield "traffic", b"\x80" + told(part(2, b"\0" * 4, nest(1, nest(1, text(1, "connmark"))), flags=TREE | LAST),
                                    part(2, b"\0" * 4, flags=TREE | LAST), part(2, b"\0" * 4, nest(1, leaf(1, b"x"))))
    yield "traffic-none", b"\x80" + told(part(4, flags=0), part(3, struct.pack("<i", -95) + b"\0" * 16, flags=0))
    yield "iptables", b"\xc0" + iptables(IP4, "connmark", "CONNMARK") + iptables(IP4, "ACCEPT")
    yield "iptables-end", b"\xc0" + iptables(IP4, "x", target=0) + bytes(9)
    yield "iptables-long", b"\xc0" + iptables(IP4, "x", "y", after=60000)
    yield "iptables-short", b"\xc0" + iptables(IP4, "x", "y", target=IP4 + 8)
    yield "ip6tables", b"\xc0" + iptables(IP6, "connlabel", "DROP")
    yield "refused", b"\4" + told(decisions=b"\x86")
    yield "dump-refused", b"\4" + told(decisions=OK * 3 + b"\x86")
    yield "users-refused", b"\x84" + told(decisions=b"\x86") + bytes(20)


# ---- nftables

TABLE, CHAIN, RULE, SET, ELEMENTS, COUNTER, GENERATION, ERROR, DONE = range(9)
OTHERS_RULE, DEL_RULE, DEL_CHAIN, NEW_GENERATION, DEL_TABLE, NO_NFT, LOST = range(9, 16)
(LOAD, TAKE_OVER, REPLACE, CHECK, READ_BLOCKS, COUNTERS, EARLY, WATCH, LEARNED, PUBLISHED, FLAG, LATELY, UNLOAD, MANY,
 ASK, CHANGED, ADD, ENSURE, DELETE, FLUSH) = range(20)
STANDS = 0x80       # in the first step: there is a table


def step(call, number=0, *parts, decisions=b""):
    said = told(*parts, decisions=decisions) if parts or decisions else b""
    return bytes([call, number]) + struct.pack("<H", len(said)) + said


def element(key, grade=None, left=None, flags=b""):
    return (nest(1, nest(1, leaf(1, key)), leaf(5, be64(left)) if left is not None else b"",
                 nest(2, leaf(1, be32(grade))) if grade is not None else b"", flags))


def elements(*items, flags=TREE | MULTI | LAST):
    return part(ELEMENTS, text(2, "set"), nest(3, *items), flags=flags)


def sets(*names, flags=TREE | MULTI):
    return [part(SET, text(2, name), flags=flags | (LAST if name == names[-1] else 0)) for name in names]


def counter(name, packets, flags=TREE | MULTI):
    return part(COUNTER, text(2, name), leaf(3, be32(1)), nest(4, leaf(1, be64(5)), leaf(2, be64(packets))), flags=flags)


def nft():
    format_mark = counter("format_3", 0, TREE | LAST)
    answer = part(TABLE, leaf(2, be32(0)))
    lists = sets("graded4", "graded6", "graded64", "graded4_24", "alerted4", "exempt4", "allow4", "seen4", "allow6")
    graded = [elements(element(V4, 2, 5000), element(V4, 3, 9000), element(b"\1\2\3\4", 99), element(V4, 4, 0)),
              elements(element(V6, 3)), elements(element(V6[:8] + bytes(8), 4, 1)), elements(element(V4)),
              elements(element(V4, left=7000)), elements(element(V4, left=1 << 63))]
    allow = [elements(element(V4), element(b"short")), elements(element(V6))]
    yield "fresh", step(LOAD, 2) + step(CHECK) + step(REPLACE, 0xff) + step(UNLOAD) + step(CHECK)
    yield "fresh-refused", (step(LOAD, 2, decisions=OK + b"\x84" * 6) + step(LOAD, 0x46, decisions=b"\x80" * 5 + b"\x83") +
                            step(ASK, 0x80) + step(ASK, 3) + step(CHANGED))
    yield "standing", step(LOAD | STANDS, 2, answer, *lists, *graded, format_mark) + step(READ_BLOCKS, 0, *lists, *graded)
    yield "standing-changes", step(LOAD | STANDS, 2, answer, *lists, *(
        elements(element(V4, 2, 5000), flags=TREE | LAST | INTERRUPTED) for _ in range(12)), format_mark)
    yield "owned", step(LOAD | STANDS, 2, part(TABLE, leaf(2, be32(2))))
    yield "take-over", (step(TAKE_OVER | STANDS, 0, answer, format_mark, *lists[:3], *lists[-3:], *allow) +
                        step(REPLACE, 2, part(CHAIN, text(3, "pre")), part(CHAIN, text(3, "early_on_eth0"), flags=TREE | LAST),
                             *sets("trap_tcp_ports", "graded4")) + step(TAKE_OVER, 0, answer))
    yield "replace-crossed", step(LOAD, 2) + step(REPLACE, 2, part(CHAIN, text(3, "pre"), flags=TREE | INTERRUPTED | LAST),
                                                  part(CHAIN, leaf(3, b"x")))
    first = sets("soft4", "soft4_24", "hard6", "hard64", "hard6_40", "customers4", "hard4", "softx", "hard4_99")
    yield "earlier-build", step(LOAD | STANDS, 2, answer, part(SET, text(2, "soft4"), flags=TREE | LAST), part(
        COUNTER, text(2, "other"), flags=TREE | LAST), *first, elements(element(V4, left=5000)), elements(
        element(V4, left=5000)), elements(element(V6), element(V6, left=3)), elements(element(V6, left=5)), elements(
        element(V6)), elements(element(V4 + b"\6\0\0\0" + b"\0\x50\0\0", left=9), element(V4, left=9)), elements(
        element(V4, left=8)))
    odd = nest(1, nest(1, leaf(1, V4)), leaf(5, b"odd"))
    yield "odd-lengths", step(LOAD | STANDS, 2, answer, *sets("graded4"), elements(odd, element(V4, 3, 500)), format_mark) + step(
        COUNTERS, 0, part(COUNTER, text(2, "queued_judge"), leaf(3, b"x"), nest(4, leaf(2, b"y")))) + step(ADD, 0x30, elements(odd), decisions=b"\x81")
    yield "check", step(LOAD, 2) + step(CHECK, 0, answer, part(CHAIN, text(3, "pre")), part(
        CHAIN, text(3, "early_on_lo"), flags=TREE | LAST), part(RULE, text(2, "pre")), part(
        RULE, text(2, "early_on_lo"), flags=TREE | LAST | INTERRUPTED), *sets("a", "b"))
    yield "check-gone", step(LOAD, 2) + step(CHECK, 0, answer, part(ERROR, struct.pack("<i", -2) + bytes(16), flags=0))
    yield "counters", step(LOAD, 2) + step(COUNTERS, 0, counter("queued_judge", 7), counter("queued_veil", 1 << 60), part(
        COUNTER, text(2, "dropped_ban"), leaf(3, be32(2))), part(COUNTER, leaf(2, b"no-nul"), leaf(3, be32(1))))
    yield "early", step(LOAD, 6) + step(EARLY, 0, elements(element(b"eth0".ljust(16, b"\0")), element(
        b"wl/n!0".ljust(16, b"\0")), element(b"x" * 16)), part(CHAIN, text(3, "early_on_eth0")), part(
        CHAIN, text(3, "early_on_eth9")), part(CHAIN, text(3, "pre"))) + step(EARLY) + step(EARLY)
    yield "early-refused", step(LOAD, 6) + step(EARLY, 0, elements(element(b"eth0".ljust(16, b"\0")), element(
        b"eth1".ljust(16, b"\0"))), part(CHAIN, leaf(3, b"early_on_eth")), decisions=b"\x86") + step(EARLY, 0, elements(
            element(b"eth0".ljust(16, b"\0")), element(b"eth1".ljust(16, b"\0"))), decisions=b"\x86\x8b")
    yield "watch", step(LOAD, 2) + step(WATCH, 0, part(NEW_GENERATION, leaf(1, be32(7))), part(OTHERS_RULE, text(1, "nat"))) + (
        step(CHANGED)) + step(WATCH, 0, part(DEL_RULE, text(2, "early_on_lo"), flags=TREE | OTHER_SEQ), part(DEL_CHAIN, text(3, "pre"))) + (
        step(WATCH, 0, part(LOST), part(LOST), part(DEL_TABLE), part(NO_NFT), part(DEL_TABLE, flags=TREE | CUT), part(DEL_TABLE, flags=TREE | FOREIGN)))
    keys4, keys6 = V4 + be32(80 << 16), V6 + be32(80 << 16)
    yield "learned", step(LOAD, 2) + step(LEARNED, 1, elements(element(keys4, left=5000), element(V4, left=5000)), elements(
        element(keys6, left=6000)), elements(element(keys4, left=5000)), elements(), elements(
        element(V4 + b"\6\0\0\0" + be32(80 << 16), left=100), element(V4 + b"\x11\0\0\0" + be32(80 << 16), left=9)), elements(),
        elements(element(V4, left=5)), elements(element(V6, left=5)), elements(
        element(V4 + be32(53 << 16) + be32(40000 << 16), left=7)), elements(element(V6[:12] + be32(1) + be32(2) * 2, left=3)))
    yield "learned-many", step(LOAD, 2) + step(LEARNED, 0, elements(*(element(V4 + be32(i), left=5000) for i in range(40))),
                                               elements(*(element(V6 + be32(i), left=5000) for i in range(40))))
    yield "published", step(PUBLISHED) + step(LOAD, 2) + step(PUBLISHED, 0, elements(element(b"\6\0\0\0\0\x50\0\0"), element(V4)))
    tagged = [part(RULE, text(2, "pre"), leaf(3, be64(7)), leaf(7, bytes([0, 2, tag, 0]))) for tag in b"psx"]
    yield "flag", step(LOAD, 10) + step(FLAG, 0, *tagged) + step(FLAG, 1, *tagged) + step(FLAG, 2, *tagged)
    yield "lately", step(LATELY) + step(LOAD, 2) + step(LATELY, 1) + step(LATELY, 0)
    standing = [part(ELEMENTS, nest(3, element(V4, 2)), flags=TREE | LAST), part(ELEMENTS, nest(3, element(V6, 2)), flags=TREE)]
    yield "add", step(ADD) + step(LOAD, 2) + step(ADD, 0x30) + step(ADD, 0x20, decisions=b"\x81" + OK + b"\x80") + (
        step(ADD, 0x30, answer, *standing, decisions=b"\x81")) + step(ADD, 1) + step(ADD, 2) + step(ADD, 0x30, decisions=b"\x83")
    yield "add-gone", step(LOAD, 2) + step(UNLOAD) + step(ADD, 0x30, decisions=b"\x80")
    yield "ensure", step(LOAD, 3) + step(ENSURE, 0x10) + step(ENSURE, 0x22)
    yield "delete", step(LOAD, 2) + step(DELETE, 0x30) + step(DELETE, 0x30, *standing, decisions=b"\x80") + (
        step(DELETE, 0x30, *standing)) + step(DELETE, 0x30, decisions=b"\x86") + step(DELETE, 0x30, *standing * 3, decisions=b"\x80" * 9)
    yield "flush", step(FLUSH) + step(LOAD, 2) + step(FLUSH, 0) + step(FLUSH, 1) + step(FLUSH, 2, decisions=b"\x80")
    yield "many", step(LOAD, 2) + step(MANY, 0, part(GENERATION, leaf(1, be32(7))), part(GENERATION, leaf(1, be32(9)))) + (
        step(WATCH)) + step(MANY, 0, part(GENERATION, leaf(1, b"x")))
    yield "answers", step(LOAD, 2) + step(UNLOAD, 0, decisions=b"\x8f") + step(ADD, 0x30, part(ERROR, b"\0", flags=OTHER_SEQ)) + (
        step(READ_BLOCKS, 0, part(SET, text(2, "graded4"), flags=TREE | FOREIGN), part(SET, flags=TREE | CUT), part(DONE)))


# ---- packets and the engine

def probe(source=0, flags=2, port=23, kind=0, shape=0x40, more=0, mark=0, payload=0):
    """FUZZ_PROBE bytes: see fuzz_probe.h."""
    return bytes([shape | kind << 1, source, flags, payload << 3 | more, port >> 8, port & 255, more, mark])


def item(what, number=0, packet=bytes(8)):
    return bytes([what, number]) + packet


PACKET, VISIT, TIME, BLOCK, LIFT, ALLOWS, RESTORE, OTHERS, CONFIGURE, SHOW = 0, 6, 8, 9, 10, 11, 12, 13, 14, 15


def engine():
    ports = (21, 22, 23, 25, 80, 110, 111, 139, 443, 445, 1433, 3306, 3389, 5900, 8080, 33434, 40000)
    looks = item(SHOW, 1) + item(SHOW, 2) + item(SHOW, 0, probe()) + item(SHOW, 0, probe(5, shape=0x41))
    for shape, name in ((0x40, "v4"), (0x41, "v6")):
        yield f"syn-{name}", b"".join(item(PACKET, 0, probe(0, 2, port, shape=shape)) for port in ports) + looks + item(TIME, 25)
        yield f"bare-{name}", b"".join(item(PACKET, 2, probe(1, 2, port, shape=shape & 1)) for port in ports) + item(TIME, 30)
    yield "flags", b"".join(item(PACKET, 0, probe(2, flags, 22 + flags)) for flags in range(64))
    yield "kinds", b"".join(item(PACKET, 1 * (port % 3), probe(3, 8 + i, port, kind=i, shape=port & 1)) for i in range(8) for port in ports)
    yield "icmp", b"".join(item(PACKET, 0, probe(4, kind, 0, 2, shape, more)) for kind in (8, 13, 17, 128) for shape in (0, 1) for more in range(8))
    yield "cut", b"".join(item(PACKET, 0, probe(5, 2, port, kind, 32 | shape)) for port in ports[:5] for kind in range(4) for shape in (0, 1, 16))
    yield "marks", b"".join(item(PACKET, 0, probe(6 + i % 4, 2, port, mark=128 | i, shape=0x80 | i & 1)) for i, port in enumerate(ports))
    yield "sums", b"".join(item(PACKET, 0x20, probe(7, 2, port, kind)) for port in ports for kind in (0, 1, 2))
    yield "kin", b"".join(item(PACKET, 0x10, probe(8, 2, port, kind=port & 1)) for port in ports * 2)
    yield "visits", b"".join(item(VISIT, number, probe(9, port=port)) for number in (0, 1, 2, 3, 0x40, 0x80) for port in ports) + looks + item(TIME, 24) + item(TIME, 31)
    yield "net", b"".join(item(PACKET, 0, probe(source, 2, port)) for source in range(16) for port in ports[:4]) + looks + item(TIME, 29)
    yield "net6", b"".join(item(PACKET, 0, probe(source, 2, port, shape=0x41)) for source in range(0, 256, 5) for port in ports[:3]) + looks
    yield "shared", b"".join(item(PACKET | 0x10, 0, probe(source, 2, port)) for port in ports for source in range(0, 256, 9))
    orders = [item(BLOCK, number, probe(10, more=more, flags=flags)) for number in range(4) for more in range(8) for flags in (1, 40)]
    lifts = [item(LIFT, number, probe(10, more=more)) for number in range(8) for more in (0, 2)]
    yield "orders", b"".join(orders) + looks + b"".join(lifts) + looks + b"".join(orders) + item(BLOCK, 4, probe(10)) + item(TIME, 31)
    yield "allow", b"".join(item(ALLOWS, number, probe(11, flags=flags, more=more)) for number in (*range(16), *range(3, 200, 16)) for flags in (1, 20) for more in (0, 2)) + (
        b"".join(item(PACKET, 0, probe(11, 2, port)) for port in ports)) + looks + item(TIME, 31)
    yield "exempt", b"".join(item(PACKET, 0, probe(source, 2, port)) for source in range(16) for port in ports[:6]) + (
        item(LIFT, 1, probe(3)) + item(SHOW, 0, probe(3)) + item(OTHERS, 2, probe(3)) + item(RESTORE, 3, probe(4, flags=40)))
    yield "refused", b"".join(item(PACKET, 0, probe(12, 2, port)) for port in ports) + b"".join(
        item(OTHERS, number, probe(12)) for number in range(4)) + item(BLOCK, 0, probe(13)) + item(LIFT, 1, probe(13)) + item(OTHERS, 1, probe(13))
    yield "restore-blocks", b"".join(item(RESTORE, 0, bytes([shape, source, 1, 0, grade, 1, 20, until])) for shape in (0, 1) for source, grade in enumerate(range(7)) for until in (0, 1, 200)) + looks
    yield "restore-sources", b"".join(item(RESTORE, 1 | net << 6, bytes([0, source, 30, 0, 3, 0, score, kind])) for net in (0, 1) for source in range(4) for score in (0, 3, 200) for kind in (0, 3, 24, 25)) + looks
    yield "restore-served", b"".join(item(RESTORE, 2, bytes([0, 0, 0, what, 9, 5, port >> 8, port & 255])) for what in (1, 2, 5, 6, 0) for port in ports) + item(SHOW, 0) + (
        b"".join(item(PACKET, 0, probe(14, 2, port)) for port in ports))
    yield "served", b"".join(item(OTHERS, 4, bytes([0, 9, port >> 8, port & 255, 0, 53, 0, 0])) + item(TIME, 22) for port in ports) + item(OTHERS, 5, bytes([0, 6, 0, 80, 0, 0, 0, 0])) + looks
    yield "room", item(OTHERS, 6, bytes([0, 1, 1, 1, 1, 0, 0, 0])) + b"".join(item(PACKET, 0, probe(source, 2, port)) for source in range(0, 256, 16) for port in ports) + item(OTHERS, 7) + looks
    yield "observe", item(CONFIGURE, 0xff, bytes([16] * 8)) + b"".join(item(PACKET, 0, probe(15, 2, port)) for port in ports) + b"".join(
        item(VISIT, 0, probe(15, port=port)) for port in ports) + looks + item(CONFIGURE, 7, bytes([0, 60] + [0] * 6))


# ---- messages between the processes

TYPES = re.findall(r"\tX\((\w+),", open(os.path.join(ROOT, "src", "daemon", "wire", "wire.h"), encoding="utf-8").read())


def said(kind, variant=0, *changes, number=1):
    """A message, and (where, bytes) that are laid upon it: see fuzz_wire.h."""
    return bytes([1 + TYPES.index(kind), variant & 255, len(changes) | number << 3]) + b"".join(
        struct.pack(">HB", where, len(value)) + value for where, value in changes)


def steps(*pairs):
    return b"".join(struct.pack("<BH", what, len(data)) + data for what, data in pairs)


KEEPER, SUPERVISOR, PASS, QUEUED, KERNEL, TRAP, ROUTES, WATCHED, RAW, ANEW = range(10)
SECOND, MINUTES, HOURS = (PASS, b"\x0a"), (PASS, b"\x14"), (PASS, b"\x18")
SENTRY_TYPES = ("q0 q1 q2 q3 table chain rule set elements counter socket address route link flow action error done"
                " gone-table others-rule gone-route lost").split()


def kernel(*parts, decisions=b""):
    return (KERNEL, told(*parts, decisions=decisions))


def s_part(kind, *body, flags=TREE | MULTI):
    return part(SENTRY_TYPES.index(kind), *body, flags=flags)


def queued(*packets, decision=b"\0"):
    return (QUEUED, decision + b"".join(packets))


def sentry():
    orders = ("BLOCK", "UNBLOCK", "ALLOW", "DISALLOW", "ASK_EXPLAIN", "PAUSE", "PROBE", "MODE")
    asks = [(KEEPER, said(kind)) for kind in TYPES if kind.startswith("ASK_")]
    ports = (21, 22, 23, 25, 80, 110, 443, 3389, 8080, 40000)
    scan = queued(*(bytes([0]) + probe(0, 2, port) for port in ports))
    yield "asks", steps(*asks)
    for kind in orders:
        yield "order-" + kind.lower(), steps(*((KEEPER, said(kind, variant)) for variant in range(0, 256, 21)), SECOND, *asks)
    yield "order-long", steps((KEEPER, said("BLOCK", 0, (32, b"x" * 96))), (KEEPER, said("BLOCK", 0, (0, b"\xff" * 20))),
                              (KEEPER, said("BLOCK", 0, (24, b"\xff" * 8))), (KEEPER, said("UNBLOCK", 0, (16, b"\xff"))))
    yield "may", steps(*((KEEPER, said(kind, 0, (32, struct.pack("<I", value)))) for kind in ("BLOCK", "ALLOW") for value in (1, 1 << 20)))
    yield "unblock-all", steps(*((KEEPER, said("BLOCK", variant)) for variant in range(0, 64, 3)), (KEEPER, said("UNBLOCK_ALL")), SECOND,
                               (KEEPER, said("BLOCK", 0)), kernel(decisions=b"\x86" * 3), (KEEPER, said("UNBLOCK_ALL")))
    yield "refused", steps(*(step for call in ("BLOCK", "UNBLOCK", "ALLOW", "MODE", "PAUSE", "RESUME") for step in (
        (KEEPER, said("BLOCK", 8)), kernel(decisions=b"\x86" * 40), (KEEPER, said(call, 9)), kernel(), SECOND)), HOURS)
    yield "full", steps(kernel(decisions=b"\x83" * 40), scan, (KEEPER, said("BLOCK", 24)), kernel(), HOURS)
    yield "pause", steps((KEEPER, said("RESUME")), (KEEPER, said("PAUSE", 64)), (KEEPER, said("BLOCK", 8)), (KEEPER, said("RESUME")), (
        KEEPER, said("PAUSE", 64)), MINUTES, SECOND, (KEEPER, said("PAUSE", 0)), (KEEPER, said("UNBLOCK", 8)), (KEEPER, said("RESUME")))
    yield "modes", steps((KEEPER, said("MODE", 0)), scan, (KEEPER, said("BLOCK", 8)), (KEEPER, said("MODE", 1)), scan, (
        KEEPER, said("MODE", 1, (32, b"\7"))), *asks)
    yield "protect", steps(*((KEEPER, said("PROTECT", variant)) for variant in range(0, 256, 7)), scan, *asks)
    yield "protect-long", steps((KEEPER, said("PROTECT", 0, (12, b"\xff\xff"))), (KEEPER, said("PROTECT", 3)))
    yield "restore", steps(*((KEEPER, said(kind, variant)) for kind in ("SAVED_BLOCKS", "SAVED_SOURCES", "SAVED_SERVED", "SAVED_LEARNED")
                             for variant in (0, 7, 68, 130, 201)), (KEEPER, said("SAVED_END")), *asks, HOURS, SECOND)
    yield "restore-long", steps(*((KEEPER, said(kind, 0, (4, b"\xff\xff\xff\xff"))) for kind in ("SAVED_BLOCKS", "SAVED_SOURCES", "SAVED_SERVED", "SAVED_LEARNED")))
    yield "restore-late", steps((PASS, b"\x0d"), SECOND, (KEEPER, said("SAVED_BLOCKS", 3)), (KEEPER, said("SAVED_END")), (PASS, b"\x14"), SECOND, (
        KEEPER, said("KEEPS_BLOCKS", 1)), (PASS, b"\x14"), SECOND)
    yield "not-its-own", steps(*((KEEPER, said(kind)) for kind in TYPES))
    yield "raw", steps((RAW, b"\1\0\0\0"), (RAW, b"\xff" * 40), (RAW, b"x"))
    yield "scan", steps(scan, SECOND, scan, HOURS, *asks, (PASS, b"\x1d"))
    yield "scan-queues", steps(*(queued(*(bytes([queue | more]) + probe(1, flags, port, payload=3) for port in ports for flags in (2, 1, 16, 0)))
                                 for queue in range(4) for more in (0, 4, 192)))
    yield "scan-kinds", steps(*(queued(*(bytes([4]) + probe(2, 8 + kind, port, kind, shape) for kind in range(8) for port in ports[:3]))
                                for shape in (0, 1, 32, 33, 16)))
    yield "visits", steps(*((TRAP, bytes([kind, 16, port])) for kind in range(4) for port in (21, 23, 79, 111, 113)), SECOND, *asks)
    yield "net", steps(*(queued(*(bytes([0]) + probe(source, 2, port) for port in ports[:4])) for source in range(16)), SECOND, *asks)
    yield "probes", steps((KEEPER, said("PROBE", 9, (0, bytes(16)), (16, b"\0"))), scan, (TRAP, b"\0\0\x17"), MINUTES, scan)
    yield "veiled", steps(scan, *(queued(*(bytes([1]) + probe(0, 2, 80) for _ in range(2)), decision=b"\0") for _ in range(3)), (PASS, b"\x0c"), (
        queued(bytes([1]) + probe(0, 2, 80))))
    yield "configs", steps(*((SUPERVISOR, said("CONFIG", variant) + said("CONFIG_ALLOW", variant) + said("CONFIG_END"))
                             for variant in (0, 0xff, 2, 6, 0x41, 0x80)), SECOND)
    yield "config-odd", steps((SUPERVISOR, said("CONFIG_END")), (SUPERVISOR, said("CONFIG", 2, (3000, b"\xff" * 30)) + said("CONFIG_END")), (
        kernel(decisions=b"\x86" * 60)), (SUPERVISOR, said("CONFIG", 8) + said("CONFIG_END")), kernel(), SECOND)
    yield "allowed", steps(scan, (KEEPER, said("BLOCK", 8)), (SUPERVISOR, said("CONFIG", 2) + said("CONFIG_ALLOW", 9) + said("CONFIG_ALLOW", 2) + said("CONFIG_END")), (
        SUPERVISOR, said("CONFIG", 2) + said("CONFIG_END")), scan)
    yield "allow-list", steps((KEEPER, said("BLOCK", 8)), (KEEPER, said("ALLOW", 8)), (KEEPER, said("ALLOW", 0x90)), SECOND, (KEEPER, said("ALLOW", 72)), (
        KEEPER, said("DISALLOW", 8)), MINUTES, SECOND, *asks)
    lists = [s_part("set", text(2, name), flags=TREE | (LAST if name == "exempt4" else 0)) for name in ("graded4", "alerted4", "exempt4")]
    found = [s_part("elements", nest(3, element(V4, 3, 9000)), flags=TREE | LAST), s_part("elements", nest(3, element(b"\1\2\3\4", None, 9000)), flags=TREE | LAST)]
    standing = (s_part("table", leaf(2, be32(0))), s_part("counter", text(2, "format_3"), leaf(3, be32(1)), flags=TREE | LAST),
                s_part("set", text(2, "allow4"), flags=TREE | LAST), s_part("elements", nest(3, element(V4[:3] + b"\0")), flags=TREE | LAST))
    yield "taken-over", steps((ANEW, b"\1" + told(*standing)), kernel(*lists, *found), (PASS, b"\x0d"), SECOND, *asks)
    yield "taken-over-refused", steps((ANEW, b"\1" + told(*standing, decisions=OK * 3 + b"\x86" * 3)), SECOND)
    yield "not-begun", steps((ANEW, b"\0" + told(decisions=b"\x86" * 90)), (KEEPER, said("ASK_STATUS")), SECOND, scan)
    yield "rush", steps(*(queued(*(bytes([0]) + probe(i, 2, 80) for i in range(64))) if i % 3 == 0 else (PASS, bytes([3 - i % 2 * 2])) for i in range(12)))
    yield "flood", steps(*(queued(*(bytes([0]) + probe(16 * (i % 16) + j, 2, 20 + j) for j in range(16) for port in ports)) for i in range(12)), SECOND, (PASS, b"\x11"), SECOND)
    yield "exempt", steps(*(queued(*(bytes([0]) + probe(source, 2, port) for port in ports[:4])) for source in range(16)), (
        KEEPER, said("UNBLOCK", 0, (12, b"\xc6\x33\x64\2"))), (KEEPER, said("ASK_EXPLAIN", 0, (12, b"\xc6\x33\x64\2"))), SECOND)
    yield "no-room", steps(scan, kernel(decisions=b"\x83" * 60), (KEEPER, said("SAVED_BLOCKS", 65)), (KEEPER, said("SAVED_BLOCKS", 130)), (KEEPER, said("BLOCK", 24)), kernel(), HOURS)
    yield "removed", steps((KEEPER, said("BLOCK", 8)), *(step for _ in range(4) for step in (kernel(s_part("gone-table")), (WATCHED, b""), SECOND)), HOURS, SECOND)
    yield "removed-refused", steps(kernel(s_part("gone-table"), decisions=b"\x86" * 30), (WATCHED, b""), SECOND, SECOND, kernel(), SECOND)
    yield "lost", steps(kernel(s_part("lost"), s_part("others-rule")), (WATCHED, b""), SECOND, kernel(s_part("gone-route")), (ROUTES, b""), SECOND)
    yield "world", steps(kernel(s_part("socket", listener(2, V4, 22)), s_part("socket", listener(2, b"\x7f\0\0\1", 25), flags=TREE | LAST), s_part(
        "address", address_of(2, 24, 2, leaf(1, V4), leaf(2, V4))), s_part("gone-route")), (ROUTES, b""), SECOND, (PASS, b"\x0d"), SECOND)
    yield "world-routes", steps(kernel(s_part("address", address_of(2, 24, 2, leaf(1, V4))), s_part("route", route(2, 0, leaf(5, V4), leaf(4, struct.pack("<i", 2)))), s_part(
        "link", link(2, text(3, "eth0"))), s_part("link", link(3, text(3, "red"), nest(18, text(1, "vrf")))), s_part("gone-route")), (ROUTES, b""), SECOND, SECOND)
    learned = [s_part("elements", nest(3, element(V4 + be32(80 << 16), left=5000)), flags=TREE | LAST)]
    yield "learned", steps(kernel(*learned * 3), (PASS, b"\x0d"), SECOND, (PASS, b"\x14"), SECOND, kernel(s_part("gone-table")), (WATCHED, b""), SECOND)
    flagged = [s_part("rule", rule("filter", expression("ct", leaf(2, be32(3))))), s_part("flow", flow(1 << 24)), s_part("action", bytes(4), nest(1, leaf(1, b"x")))]
    yield "flags", steps(SECOND, kernel(*flagged), (PASS, b"\x11"), SECOND, (PASS, b"\x11"), SECOND, (PASS, b"\x14"), (KEEPER, said("BLOCK", 8)), SECOND, SECOND)
    yield "flag-refused", steps(kernel(decisions=b"\x86" * 9), SECOND, (PASS, b"\x11"), kernel(), SECOND, (PASS, b"\x15"), SECOND)
    early = [s_part("elements", nest(3, element(b"eth0".ljust(16, b"\0"))), flags=TREE | LAST)]
    yield "early", steps((SUPERVISOR, said("CONFIG", 0x12) + said("CONFIG_END")), (KEEPER, said("BLOCK", 8)), kernel(*early), SECOND, kernel(decisions=b"\x86" * 9), SECOND)


# ---- the supervisor

OF_SENTRY, OF_KEEPER, LATER, CONFIG_FILE, ALLOW_FILE, RAW_SENTRY, HUP, FORKS = range(8)
RAW_KEEPER = RAW_SENTRY | 8


def supervisor():
    ready, tick = (OF_SENTRY, said("BEAT") + said("READY")), (LATER, b"\x0a")
    answered = [(OF_SENTRY, said("RESULT", variant)) for variant in range(9)]
    reload = (OF_KEEPER, said("RELOAD", number=5))
    yield "start", steps(ready, (OF_KEEPER, said("BEAT")), tick, (OF_SENTRY, said("READY")))
    yield "start-failed", steps((OF_SENTRY, said("RESULT", 6, (4, struct.pack("<i", 16)))), tick, (LATER, b"\x0f"))
    yield "start-failed-otherwise", steps((OF_SENTRY, said("RESULT", 6)), tick)
    yield "late", steps(ready, *((LATER, bytes([10, who])) for who in (1, 3, 4) * 4))
    yield "reload", steps(ready, reload, reload, answered[0], tick, (HUP, b""), answered[0])
    yield "reload-early", steps(reload, (HUP, b""))
    yield "reload-refused", steps(ready, reload, answered[6], reload, (LATER, b"\x0f"))
    yield "reload-mistakes", steps(ready, (CONFIG_FILE, b'mode = "x"\nfoo = 1\ntable = 3'), reload, (HUP, b""))
    yield "reload-fixed", steps(ready, (CONFIG_FILE, b'table = "other"\nqueue = 9\nallow = { "192.0.2.0/24", "2001:db8::/32" }'), reload, answered[0])
    yield "reload-gone", steps(ready, (ALLOW_FILE, b"192.0.2.1\n"), reload, answered[0], (ALLOW_FILE, b"\xff"), reload, (OF_KEEPER, said("ALLOW_SAVE", 8)))
    yield "allow", steps(ready, *((OF_KEEPER, said("ALLOW_SAVE", variant, (32, struct.pack("<I", value)))) for value in (1, 1, 0, 0, 2) for variant in (0, 8, 13)))
    yield "allow-none", steps(ready, (CONFIG_FILE, b'allow_file = ""'), reload, answered[0], (OF_KEEPER, said("ALLOW_SAVE", 8)))
    yield "hooks", steps(ready, (FORKS, b""), *((OF_SENTRY, said("EVENT", variant)) for variant in range(24)), tick, (FORKS, b"x"), *(
        (OF_SENTRY, said("EVENT", variant)) for variant in range(24)), tick)
    yield "hooks-many", steps(ready, (FORKS, b""), *((OF_SENTRY, said("EVENT", kind) * 60) for kind in (0, 1, 2, 6) * 2), tick)
    yield "hooks-observed", steps(ready, (OF_SENTRY, said("EVENT", 1, (36, b"\1"))), (OF_SENTRY, said("EVENT", 0, (36, b"\1"))))
    yield "exposure", steps(ready, (OF_KEEPER, said("EVENT", 10)), (OF_KEEPER, said("EVENT", 1)))
    yield "events-odd", steps(ready, *((OF_SENTRY, said("EVENT", 1, (where, b"\xff"))) for where in range(0, 48, 3)), (LATER, b"\x11"), (OF_SENTRY, said("EVENT", 1, (36, b"\xff"))))
    yield "results-odd", steps(ready, (OF_SENTRY, said("RESULT", 0, (12, b"x" * 255), (200, b"x" * 70))))
    yield "not-theirs", steps(ready, *((who, said(kind)) for kind in TYPES for who in (OF_SENTRY, OF_KEEPER)))
    yield "raw", steps((RAW_SENTRY, b"\1\0\0\0"), (RAW_KEEPER, b"\xff" * 40), (RAW_KEEPER, b"x"))
    yield "many", steps(ready, (OF_KEEPER, said("BEAT") * 300), tick)


FUZZERS = {"fuzz_queue": queue, "fuzz_host": host, "fuzz_conntrack": conntrack, "fuzz_nft": nft, "fuzz_engine": engine,
           "fuzz_sentry": sentry,
           "fuzz_supervisor": supervisor}


def main():
    top = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "seeds")
    for fuzzer, seeds in FUZZERS.items():
        os.makedirs(os.path.join(top, fuzzer), exist_ok=True)
        for name, data in seeds():
            with open(os.path.join(top, fuzzer, name), "wb") as file:
                file.write(data)


if __name__ == "__main__":
    main()
