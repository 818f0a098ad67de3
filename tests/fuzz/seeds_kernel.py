# SPDX-License-Identifier: GPL-2.0-or-later
"""Seeds for what the kernel says: the queue, the host, flows, nftables."""
import struct

from seedparts import (CUT, FOREIGN, INTERRUPTED, IP4, IP6, LAST, MORE, MULTI, OK, OTHER_SEQ, REFUSED, TREE, V4, V6,
                       be16, be32, be64, grown, leaf, nest, part, text, told)


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
    yield "gaps", b"\0" + told(*(part(i % 2, packet(i * i, syn, leaf(14, be32(3)), leaf(5, be32(2))))
                                 for i in range(9)))
    yield "original", b"\0" + told(part(0, packet(1, syn, original(V4, 80))),
                                   part(1, packet(1, syn, original(V6, 443))))
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
    nexthops = [
        part(
            4, struct.pack(
                "<BBBBI", 2, 0, 0, 0, 0), leaf(
                1, struct.pack(
                    "<I", 7)), leaf(
                        6, V4), leaf(
                            5, b"\2\0\0\0")), part(
                                4, struct.pack(
                                    "<BBBBI", 0, 0, 0, 0, 0), leaf(
                                        1, struct.pack(
                                            "<I", 8)), leaf(
                                                2, struct.pack(
                                                    "<IBBH", 7, 0, 0, 0)), flags=TREE | LAST)]
    whole = [
        part(1, address_of(2, 24, 2, leaf(1, V4), leaf(2, V4))), part(1, address_of(2, 8, 1, leaf(1, b"\x7f\0\0\1"))),
        part(1, address_of(10, 64, 2, leaf(1, V6))), part(1, address_of(7, 1, 1)),
        part(2, route(2, 0, leaf(5, V4), *index), flags=TREE | LAST),
        part(2, route(10, 0, leaf(5, V6), *index, leaf(30, struct.pack("<I", 8)))),
        part(2, route(2, 0, leaf(18, struct.pack("<H", 10) + V6))), part(2, route(2, 0, kind=6)),
        part(2, route(2, 0, leaf(9, hop(2, (5, V4)) + hop(3, (18, struct.pack("<H", 2) + V4)) + b"\4\0"))),
        *nexthops, *nexthops,
        part(3, link(2, text(3, "eth0"))), part(3, link(3, text(3, "red"), nest(18, text(1, "vrf")))),
        part(3, link(4, text(3, "eth1"), nest(18, text(4, "vrf")))), part(3, link(5, leaf(3, b"no-nul"))),
        part(3, b"12"),
    ]
    yield "routes", b"\3" + told(*whole)
    yield "routes-changed", b"\3" + told(*whole[:2], part(1, address_of(2, 24, 3, leaf(1, V4)),
                                                          flags=TREE | INTERRUPTED))
    yield "routes-refused", b"\3" + told(part(5, struct.pack("<i", -95) + b"\0" * 16, flags=0))
    yield "routes-no-ipv6", b"\3" + told(whole[0], part(6, flags=0), part(6, flags=0),
                                         part(5, struct.pack("<i", -97) + b"\0" * 16, flags=0))
    yield "routes-many", b"\3" + told(*(part(1, address_of(2, 24, 2, leaf(1, bytes([10, i, 0, 1]))))
                                        for i in range(200)))
    yield "routes-defaults", b"\3" + told(*(part(2, route(2, 0, leaf(4, struct.pack("<i", 2 + i))))
                                            for i in range(100)),
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
    yield "mark", b"\0" + told(part(0, flow(0x15000000)), part(0, flow(0x16000000, zone=leaf(18, b"\0\1"))),
                               part(0, flow()))
    yield "mark-zone", b"\0" + told(part(0, flow(0x15000000, zone=leaf(18, b"\0\1"))),
                                    *(part(0, flow(0x15000000, zone=grown(leaf(18, b"\0\1"), 255)),
                                           flags=TREE | MORE) for _ in range(6)))
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
    yield "users-odd", b"\x80" + told(part(1, rule("filter", expression("ct", leaf(2, b"x")),
                                                   nest(1, leaf(1, b"ct"), leaf(2, b"y"))), leaf(9, b"z")))
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
    return part(
        COUNTER, text(
            2, name), leaf(
            3, be32(1)), nest(
                4, leaf(
                    1, be64(5)), leaf(
                        2, be64(packets))), flags=flags)


def nft():
    format_mark = counter("format_3", 0, TREE | LAST)
    answer = part(TABLE, leaf(2, be32(0)))
    lists = sets("graded4", "graded6", "graded64", "graded4_24", "alerted4", "exempt4", "allow4", "seen4", "allow6")
    graded = [elements(element(V4, 2, 5000), element(V4, 3, 9000), element(b"\1\2\3\4", 99), element(V4, 4, 0)),
              elements(element(V6, 3)), elements(element(V6[:8] + bytes(8), 4, 1)), elements(element(V4)),
              elements(element(V4, left=7000)), elements(element(V4, left=1 << 63))]
    allow = [elements(element(V4), element(b"short")), elements(element(V6))]
    yield "fresh", step(LOAD, 2) + step(CHECK) + step(REPLACE, 0xff) + step(UNLOAD) + step(CHECK)
    yield "fresh-refused", (step(LOAD, 2, decisions=OK + b"\x84" * 6) +
                            step(LOAD, 0x46, decisions=b"\x80" * 5 + b"\x83") +
                            step(ASK, 0x80) + step(ASK, 3) + step(CHANGED))
    yield "standing", step(LOAD | STANDS, 2, answer, *lists, *graded, format_mark) + step(READ_BLOCKS, 0, *lists,
                                                                                          *graded)
    yield "standing-changes", step(LOAD | STANDS, 2, answer, *lists, *(
        elements(element(V4, 2, 5000), flags=TREE | LAST | INTERRUPTED) for _ in range(12)), format_mark)
    yield "owned", step(LOAD | STANDS, 2, part(TABLE, leaf(2, be32(2))))
    yield "take-over", (step(TAKE_OVER | STANDS, 0, answer, format_mark, *lists[:3], *lists[-3:], *allow) +
                        step(REPLACE, 2, part(CHAIN, text(3, "pre")),
                             part(CHAIN, text(3, "early_on_eth0"), flags=TREE | LAST),
                             *sets("trap_tcp_ports", "graded4")) + step(TAKE_OVER, 0, answer))
    yield "replace-crossed", step(LOAD, 2) + step(REPLACE, 2, part(CHAIN, text(3, "pre"),
                                                                   flags=TREE | INTERRUPTED | LAST),
                                                  part(CHAIN, leaf(3, b"x")))
    first = sets("soft4", "soft4_24", "hard6", "hard64", "hard6_40", "customers4", "hard4", "softx", "hard4_99")
    yield "earlier-build", step(LOAD | STANDS, 2, answer, part(SET, text(2, "soft4"), flags=TREE | LAST), part(
        COUNTER, text(2, "other"), flags=TREE | LAST), *first, elements(element(V4, left=5000)), elements(
        element(V4, left=5000)), elements(element(V6), element(V6, left=3)), elements(element(V6, left=5)), elements(
        element(V6)), elements(element(V4 + b"\6\0\0\0" + b"\0\x50\0\0", left=9), element(V4, left=9)), elements(
        element(V4, left=8)))
    odd = nest(1, nest(1, leaf(1, V4)), leaf(5, b"odd"))
    yield "odd-lengths", step(LOAD | STANDS, 2, answer, *sets("graded4"), elements(odd, element(V4, 3, 500)),
                              format_mark) + step(
        COUNTERS, 0, part(COUNTER, text(2, "queued_judge"), leaf(3, b"x"), nest(4, leaf(2, b"y")))) + (
        step(ADD, 0x30, elements(odd), decisions=b"\x81"))
    yield "check", step(LOAD, 2) + step(CHECK, 0, answer, part(CHAIN, text(3, "pre")), part(
        CHAIN, text(3, "early_on_lo"), flags=TREE | LAST), part(RULE, text(2, "pre")), part(
        RULE, text(2, "early_on_lo"), flags=TREE | LAST | INTERRUPTED), *sets("a", "b"))
    yield "check-gone", step(LOAD, 2) + step(CHECK, 0, answer, part(ERROR, struct.pack("<i", -2) + bytes(16), flags=0))
    yield "counters", step(LOAD, 2) + step(COUNTERS, 0, counter("queued_judge", 7), counter("queued_veil", 1 << 60),
                                           part(
        COUNTER, text(2, "dropped_ban"), leaf(3, be32(2))), part(COUNTER, leaf(2, b"no-nul"), leaf(3, be32(1))))
    yield "early", step(LOAD, 6) + step(EARLY, 0, elements(element(b"eth0".ljust(16, b"\0")), element(
        b"wl/n!0".ljust(16, b"\0")), element(b"x" * 16)), part(CHAIN, text(3, "early_on_eth0")), part(
        CHAIN, text(3, "early_on_eth9")), part(CHAIN, text(3, "pre"))) + step(EARLY) + step(EARLY)
    yield "early-refused", step(LOAD, 6) + step(EARLY, 0, elements(element(b"eth0".ljust(16, b"\0")), element(
        b"eth1".ljust(16, b"\0"))), part(CHAIN, leaf(3, b"early_on_eth")), decisions=b"\x86") + step(EARLY, 0, elements(
            element(b"eth0".ljust(16, b"\0")), element(b"eth1".ljust(16, b"\0"))), decisions=b"\x86\x8b")
    yield "watch", step(LOAD, 2) + step(WATCH, 0, part(NEW_GENERATION, leaf(1, be32(7))),
                                        part(OTHERS_RULE, text(1, "nat"))) + (
        step(CHANGED)) + step(WATCH, 0, part(DEL_RULE, text(2, "early_on_lo"), flags=TREE | OTHER_SEQ),
                              part(DEL_CHAIN, text(3, "pre"))) + (
        step(WATCH, 0, part(LOST), part(LOST), part(DEL_TABLE), part(NO_NFT), part(DEL_TABLE, flags=TREE | CUT),
             part(DEL_TABLE, flags=TREE | FOREIGN)))
    keys4, keys6 = V4 + be32(80 << 16), V6 + be32(80 << 16)
    learned = [
        elements(element(keys4, left=5000), element(V4, left=5000)), elements(element(keys6, left=6000)),
        elements(element(keys4, left=5000)), elements(),
        elements(element(V4 + b"\6\0\0\0" + be32(80 << 16), left=100),
                 element(V4 + b"\x11\0\0\0" + be32(80 << 16), left=9)),
        elements(), elements(element(V4, left=5)), elements(element(V6, left=5)),
        elements(element(V4 + be32(53 << 16) + be32(40000 << 16), left=7)),
        elements(element(V6[:12] + be32(1) + be32(2) * 2, left=3)),
    ]
    yield "learned", step(LOAD, 2) + step(LEARNED, 1, *learned)
    yield "learned-many", step(LOAD, 2) + step(LEARNED, 0, elements(*(element(V4 + be32(i), left=5000)
                                                                      for i in range(40))),
                                               elements(*(element(V6 + be32(i), left=5000) for i in range(40))))
    yield "published", step(PUBLISHED) + step(LOAD, 2) + step(PUBLISHED, 0,
                                                              elements(element(b"\6\0\0\0\0\x50\0\0"), element(V4)))
    tagged = [part(RULE, text(2, "pre"), leaf(3, be64(7)), leaf(7, bytes([0, 2, tag, 0]))) for tag in b"psx"]
    yield "flag", step(LOAD, 10) + step(FLAG, 0, *tagged) + step(FLAG, 1, *tagged) + step(FLAG, 2, *tagged)
    yield "lately", step(LATELY) + step(LOAD, 2) + step(LATELY, 1) + step(LATELY, 0)
    standing = [
        part(
            ELEMENTS, nest(
                3, element(
                    V4, 2)), flags=TREE | LAST), part(
            ELEMENTS, nest(
                3, element(
                    V6, 2)), flags=TREE)]
    yield "add", step(ADD) + step(LOAD, 2) + step(ADD, 0x30) + step(ADD, 0x20, decisions=b"\x81" + OK + b"\x80") + (
        step(ADD, 0x30, answer, *standing, decisions=b"\x81")) + step(ADD, 1) + step(ADD, 2) + step(ADD, 0x30,
                                                                                                    decisions=b"\x83")
    yield "add-gone", step(LOAD, 2) + step(UNLOAD) + step(ADD, 0x30, decisions=b"\x80")
    yield "ensure", step(LOAD, 3) + step(ENSURE, 0x10) + step(ENSURE, 0x22)
    yield "delete", step(LOAD, 2) + step(DELETE, 0x30) + step(DELETE, 0x30, *standing, decisions=b"\x80") + (
        step(DELETE, 0x30, *standing)) + step(DELETE, 0x30, decisions=b"\x86") + step(DELETE, 0x30, *standing * 3,
                                                                                      decisions=b"\x80" * 9)
    yield "flush", step(FLUSH) + step(LOAD, 2) + step(FLUSH, 0) + step(FLUSH, 1) + step(FLUSH, 2, decisions=b"\x80")
    yield "many", step(LOAD, 2) + step(MANY, 0, part(GENERATION, leaf(1, be32(7))),
                                       part(GENERATION, leaf(1, be32(9)))) + (
        step(WATCH)) + step(MANY, 0, part(GENERATION, leaf(1, b"x")))
    yield "answers", step(LOAD, 2) + step(UNLOAD, 0, decisions=b"\x8f") + step(ADD, 0x30,
                                                                               part(ERROR, b"\0", flags=OTHER_SEQ)) + (
        step(READ_BLOCKS, 0, part(SET, text(2, "graded4"), flags=TREE | FOREIGN), part(SET, flags=TREE | CUT),
             part(DONE)))
