# SPDX-License-Identifier: GPL-2.0-or-later
"""Seeds for what lives on from input to input: the engine, the sentry, the supervisor."""
import os
import re
import struct

from seedparts import (LAST, MULTI, OK, ROOT, TREE, V4, be32, leaf, nest, part, text, told)
from seeds_kernel import (address_of, element, expression, flow, link, listener, route, rule)


# ---- packets and the engine

def probe(source=0, flags=2, port=23, kind=0, shape=0x40, more=0, mark=0, payload=0):
    """FUZZ_PROBE bytes: see fuzz_probe.h."""
    return bytes([shape | kind << 1, source, flags, payload << 3 | more, port >> 8, port & 255, more, mark])


def item(what, number=0, packet=bytes(8)):
    return bytes([what, number]) + packet


PACKET = 0
CONTACT, VISIT = 5, 6
TIME, BLOCK, LIFT, ALLOWS, RESTORE, OTHERS, CONFIGURE, SHOW = range(8, 16)


def engine():
    ports = (21, 22, 23, 25, 80, 110, 111, 139, 443, 445, 1433, 3306, 3389, 5900, 8080, 33434, 40000)
    looks = item(SHOW, 1) + item(SHOW, 2) + item(SHOW, 0, probe()) + item(SHOW, 0, probe(5, shape=0x41))
    for shape, name in ((0x40, "v4"), (0x41, "v6")):
        yield f"syn-{name}", b"".join(item(PACKET, 0, probe(0, 2, port, shape=shape))
                                      for port in ports) + looks + item(TIME, 25)
        yield f"bare-{name}", b"".join(item(PACKET, 2, probe(1, 2, port, shape=shape & 1))
                                       for port in ports) + item(TIME, 30)
    yield "flags", b"".join(item(PACKET, 0, probe(2, flags, 22 + flags)) for flags in range(64))
    yield "kinds", b"".join(item(PACKET, 1 * (port % 3), probe(3, 8 + i, port, kind=i, shape=port & 1))
                            for i in range(8) for port in ports)
    yield "icmp", b"".join(item(PACKET, 0, probe(4, kind, 0, 2, shape, more)) for kind in (8, 13, 17, 128)
                           for shape in (0, 1) for more in range(8))
    yield "cut", b"".join(item(PACKET, 0, probe(5, 2, port, kind, 32 | shape)) for port in ports[:5]
                          for kind in range(4) for shape in (0, 1, 16))
    yield "marks", b"".join(item(PACKET, 0, probe(6 + i % 4, 2, port, mark=128 | i, shape=0x80 | i & 1)) for i,
                            port in enumerate(ports))
    yield "sums", b"".join(item(PACKET, 0x20, probe(7, 2, port, kind)) for port in ports for kind in (0, 1, 2))
    yield "kin", b"".join(item(PACKET, 0x10, probe(8, 2, port, kind=port & 1)) for port in ports * 2)
    yield "visits", b"".join(item(VISIT, number, probe(9, port=port)) for number in (0, 1, 2, 3, 0x40, 0x80)
                             for port in ports) + looks + item(TIME, 24) + item(TIME, 31)
    yield "net", b"".join(item(PACKET, 0, probe(source, 2, port)) for source in range(16)
                          for port in ports[:4]) + looks + item(TIME, 29)
    yield "net6", b"".join(item(PACKET, 0, probe(source, 2, port, shape=0x41)) for source in range(0, 256, 5)
                           for port in ports[:3]) + looks
    yield "shared", b"".join(item(PACKET | 0x10, 0, probe(source, 2, port)) for port in ports
                             for source in range(0, 256, 9))
    orders = [item(BLOCK, number, probe(10, more=more, flags=flags))
              for number in range(4) for more in range(8) for flags in (1, 40)]
    lifts = [item(LIFT, number, probe(10, more=more)) for number in range(8) for more in (0, 2)]
    yield "orders", b"".join(orders) + looks + b"".join(lifts) + looks + b"".join(orders) + (
        item(BLOCK, 4, probe(10)) + item(TIME, 31))
    yield "allow", b"".join(item(ALLOWS, number, probe(11, flags=flags, more=more))
                            for number in (*range(16), *range(3, 200, 16)) for flags in (1, 20) for more in (0, 2)) + (
        b"".join(item(PACKET, 0, probe(11, 2, port)) for port in ports)) + looks + item(TIME, 31)
    yield "exempt", b"".join(item(PACKET, 0, probe(source, 2, port)) for source in range(16) for port in ports[:6]) + (
        item(LIFT, 1, probe(3)) + item(SHOW, 0, probe(3)) + item(OTHERS, 2, probe(3)) + (
            item(RESTORE, 3, probe(4, flags=40))))
    yield "refused", b"".join(item(PACKET, 0, probe(12, 2, port)) for port in ports) + b"".join(
        item(OTHERS, number, probe(12)) for number in range(4)) + (
        item(BLOCK, 0, probe(13)) + item(LIFT, 1, probe(13)) + item(OTHERS, 1, probe(13)))
    yield "restore-blocks", b"".join(item(RESTORE, 0, bytes([shape, source, 1, 0, grade, 1, 20, until]))
                                     for shape in (0, 1) for source, grade in enumerate(range(7))
                                     for until in (0, 1, 200)) + looks
    yield "restore-sources", b"".join(item(RESTORE, 1 | net << 6, bytes([0, source, 30, 0, 3, 0, score, kind]))
                                      for net in (0, 1) for source in range(4) for score in (0, 3, 200)
                                      for kind in (0, 3, 24, 25)) + looks
    yield "restore-served", b"".join(item(RESTORE, 2, bytes([0, 0, 0, what, 9, 5, port >> 8, port & 255]))
                                     for what in (1, 2, 5, 6, 0) for port in ports) + item(SHOW, 0) + (
        b"".join(item(PACKET, 0, probe(14, 2, port)) for port in ports))
    yield "served", b"".join(item(OTHERS, 4, bytes([0, 9, port >> 8, port & 255, 0, 53, 0, 0])) + item(TIME, 22)
                             for port in ports) + item(OTHERS, 5, bytes([0, 6, 0, 80, 0, 0, 0, 0])) + looks
    yield "room", item(OTHERS, 6, bytes([0, 1, 1, 1, 1, 0, 0, 0])) + b"".join(
        item(PACKET, 0, probe(source, 2, port)) for source in range(0, 256, 16) for port in ports) + (
        item(OTHERS, 7) + looks)
    for shape in (0x40, 0x41):
        asked = [item(CONTACT, 0, probe(2, 2, port, shape=shape, more=more)) for port in ports for more in (0, 2)]
        yield f"contacts-silent-{shape}", b"".join(asked) + item(TIME, 12) + b"".join(asked) + item(TIME, 13) + looks
        yield f"contacts-answered-{shape}", b"".join(
            item(CONTACT, 0, probe(3, 2, port, shape=shape)) +
            item(CONTACT, 3 | 8, probe(3, flags, port, shape=shape)) +
            item(CONTACT, 0, probe(3, 16, port, shape=shape))
            for port in ports for flags in (18, 20, 17)) + item(TIME, 12) + looks
        yield f"contacts-unreachable-{shape}", b"".join(
            item(CONTACT, 0, probe(4, 2, port, kind, shape)) +
            item(CONTACT, 5 | code << 4, probe(4, 2, port, kind, shape))
            for port in ports for code, kind in ((0, 0), (1, 1), (3, 1), (9, 3), (13, 2))) + looks
        yield f"contacts-known-{shape}", b"".join(
            item(CONTACT, 7 | 16, probe(5, 2, port, kind, shape)) + item(CONTACT, 0, probe(5, 2, port, kind, shape))
            for port in ports for kind in (0, 1)) + item(CONTACT, 6, probe(5, shape=shape, more=3)) + (
            b"".join(item(CONTACT, 0, probe(source, 2, port, 1, shape, 3)) for source in range(40)
                     for port in ports)) + item(TIME, 20) + looks
    yield "observe", item(CONFIGURE, 0xff, bytes([16] * 8)) + b"".join(item(PACKET, 0, probe(15, 2, port))
                                                                       for port in ports) + b"".join(
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
    for name, data in sentry_steps():
        yield name, steps((ANEW, b"\0")) + data      # whatever was before


def sentry_steps():
    orders = ("BLOCK", "UNBLOCK", "ALLOW", "DISALLOW", "ASK_EXPLAIN", "PAUSE", "PROBE", "MODE")
    asks = [(KEEPER, said(kind)) for kind in TYPES if kind.startswith("ASK_")]
    ports = (21, 22, 23, 25, 80, 110, 443, 3389, 8080, 40000)
    scan = queued(*(bytes([0]) + probe(0, 2, port) for port in ports))
    yield "asks", steps(*asks)
    for kind in orders:
        yield "order-" + kind.lower(), steps(*((KEEPER, said(kind, variant)) for variant in range(0, 256, 21)), SECOND,
                                             *asks)
    yield "order-long", steps((KEEPER, said("BLOCK", 0, (32, b"x" * 96))),
                              (KEEPER, said("BLOCK", 0, (0, b"\xff" * 20))),
                              (KEEPER, said("BLOCK", 0, (24, b"\xff" * 8))),
                              (KEEPER, said("UNBLOCK", 0, (16, b"\xff"))))
    yield "may", steps(*((KEEPER, said(kind, 0, (32, struct.pack("<I", value)))) for kind in ("BLOCK", "ALLOW")
                         for value in (1, 1 << 20)))
    yield "unblock-all", steps(*((KEEPER, said("BLOCK", variant)) for variant in range(0, 64, 3)),
                               (KEEPER, said("UNBLOCK_ALL")), SECOND,
                               (KEEPER, said("BLOCK", 0)), kernel(decisions=b"\x86" * 3), (KEEPER, said("UNBLOCK_ALL")))
    yield "refused", steps(*(step for call in ("BLOCK", "UNBLOCK", "ALLOW", "MODE", "PAUSE", "RESUME") for step in (
        (KEEPER, said("BLOCK", 8)), kernel(decisions=b"\x86" * 40), (KEEPER, said(call, 9)), kernel(), SECOND)), HOURS)
    gateway = (SUPERVISOR, said("CONFIG", 0x82) + said("CONFIG_END"))
    answers = [queued(*(bytes([5]) + probe(2, flags, port, kind) for port in ports for kind in (0, 1, 2)),
                      decision=b"\0")
               for flags in (18, 20, 3)]
    asked = [queued(*(bytes([4]) + probe(2, 2, port, kind) for port in ports for kind in (0, 1)))]
    yield "gateway", steps(gateway, *asked, *answers, *asked, (PASS, b"\x0c"), SECOND, *asked, *asks, (
        SUPERVISOR, said("CONFIG", 2) + said("CONFIG_END")), *asked)
    yield "gateway-graded", steps(gateway, scan, (KEEPER, said("BLOCK", 16)), *asked, *answers, (PASS, b"\x0c"), SECOND,
                                  (KEEPER, said("MODE", 0)), *asked, *answers)
    yield "full", steps(kernel(decisions=b"\x83" * 40), scan, (KEEPER, said("BLOCK", 24)), kernel(), HOURS)
    yield "pause", steps((KEEPER, said("RESUME")), (KEEPER, said("PAUSE", 64)), (KEEPER, said("BLOCK", 8)),
                         (KEEPER, said("RESUME")), (
        KEEPER, said("PAUSE", 64)), MINUTES, SECOND, (KEEPER, said("PAUSE", 0)), (KEEPER, said("UNBLOCK", 8)),
                         (KEEPER, said("RESUME")))
    yield "modes", steps((KEEPER, said("MODE", 0)), scan, (KEEPER, said("BLOCK", 8)), (KEEPER, said("MODE", 1)), scan, (
        KEEPER, said("MODE", 1, (32, b"\7"))), *asks)
    yield "protect", steps(*((KEEPER, said("PROTECT", variant)) for variant in range(0, 256, 7)), scan, *asks)
    yield "protect-long", steps((KEEPER, said("PROTECT", 0, (12, b"\xff\xff"))), (KEEPER, said("PROTECT", 3)))
    yield "restore", steps(*((KEEPER, said(kind, variant)) for kind in ("SAVED_BLOCKS", "SAVED_SOURCES", "SAVED_SERVED",
                                                                        "SAVED_LEARNED")
                             for variant in (0, 7, 68, 130, 201)), (KEEPER, said("SAVED_END")), *asks, HOURS, SECOND)
    yield "restore-long", steps(*((KEEPER, said(kind, 0, (4, b"\xff\xff\xff\xff")))
                                  for kind in ("SAVED_BLOCKS", "SAVED_SOURCES", "SAVED_SERVED", "SAVED_LEARNED")))
    yield "restore-late", steps((PASS, b"\x0d"), SECOND, (KEEPER, said("SAVED_BLOCKS", 3)), (KEEPER, said("SAVED_END")),
                                (PASS, b"\x14"), SECOND, (
        KEEPER, said("KEEPS_BLOCKS", 1)), (PASS, b"\x14"), SECOND)
    yield "not-its-own", steps(*((KEEPER, said(kind)) for kind in TYPES))
    yield "raw", steps((RAW, b"\1\0\0\0"), (RAW, b"\xff" * 40), (RAW, b"x"))
    yield "scan", steps(scan, SECOND, scan, HOURS, *asks, (PASS, b"\x1d"))
    yield "scan-queues", steps(*(queued(*(bytes([queue | more]) + probe(1, flags, port, payload=3) for port in ports
                                          for flags in (2, 1, 16, 0)))
                                 for queue in range(6) for more in (0, 32, 192)))
    yield "scan-kinds", steps(*(queued(*(bytes([32]) + probe(2, 8 + kind, port, kind, shape) for kind in range(8)
                                         for port in ports[:3]))
                                for shape in (0, 1, 32, 33, 16)))
    yield "visits", steps(*((TRAP, bytes([kind, 16, port])) for kind in range(4) for port in (21, 23, 79, 111, 113)),
                          SECOND, *asks)
    yield "net", steps(*(queued(*(bytes([0]) + probe(source, 2, port) for port in ports[:4])) for source in range(16)),
                       SECOND, *asks)
    yield "probes", steps((KEEPER, said("PROBE", 9, (0, bytes(16)), (16, b"\0"))), scan, (TRAP, b"\0\0\x17"), MINUTES,
                          scan)
    yield "veiled", steps(scan, *(queued(*(bytes([1]) + probe(0, 2, 80) for _ in range(2)), decision=b"\0")
                                  for _ in range(3)), (PASS, b"\x0c"), (
        queued(bytes([1]) + probe(0, 2, 80))))
    yield "configs", steps(*((SUPERVISOR, said("CONFIG", variant) + said("CONFIG_ALLOW", variant) + said("CONFIG_END"))
                             for variant in (0, 0xff, 2, 6, 0x41, 0x80)), SECOND)
    yield "config-odd", steps((SUPERVISOR, said("CONFIG_END")), (SUPERVISOR,
                                                                 said("CONFIG", 2, (3000, b"\xff" * 30)) +
                                                                 said("CONFIG_END")), (
        kernel(decisions=b"\x86" * 60)), (SUPERVISOR, said("CONFIG", 8) + said("CONFIG_END")), kernel(), SECOND)
    yield "allowed", steps(scan, (KEEPER, said("BLOCK", 8)), (SUPERVISOR,
                                                              said("CONFIG", 2) + said("CONFIG_ALLOW", 9) +
                                                              said("CONFIG_ALLOW", 2) + said("CONFIG_END")), (
        SUPERVISOR, said("CONFIG", 2) + said("CONFIG_END")), scan)
    yield "allow-list", steps((KEEPER, said("BLOCK", 8)), (KEEPER, said("ALLOW", 8)), (KEEPER, said("ALLOW", 0x90)),
                              SECOND, (KEEPER, said("ALLOW", 72)), (
        KEEPER, said("DISALLOW", 8)), MINUTES, SECOND, *asks)
    lists = [s_part("set", text(2, name), flags=TREE | (LAST if name == "exempt4" else 0))
             for name in ("graded4", "alerted4", "exempt4")]
    found = [
        s_part(
            "elements", nest(
                3, element(
                    V4, 3, 9000)), flags=TREE | LAST), s_part(
            "elements", nest(
                3, element(
                    b"\1\2\3\4", None, 9000)), flags=TREE | LAST)]
    standing = (s_part("table", leaf(2, be32(0))), s_part("counter", text(2, "format_3"), leaf(3, be32(1)),
                                                          flags=TREE | LAST), s_part(
        "set", text(2, "allow4"), flags=TREE | LAST), s_part("elements", nest(3, element(V4[:3] + b"\0")),
                                                             flags=TREE | LAST))
    yield "taken-over", steps((ANEW, b"\1" + told(*standing)), kernel(*lists, *found), (PASS, b"\x0d"), SECOND, *asks)
    yield "taken-over-refused", steps((ANEW, b"\1" + told(*standing, decisions=OK * 3 + b"\x86" * 3)), SECOND)
    yield "not-begun", steps((ANEW, b"\0" + told(decisions=b"\x86" * 90)), (KEEPER, said("ASK_STATUS")), SECOND, scan)
    yield "rush", steps(*(queued(*(bytes([0]) + probe(i, 2, 80) for i in range(64)))
                          if i % 3 == 0 else (PASS, bytes([3 - i % 2 * 2])) for i in range(12)))
    yield "flood", steps(*(queued(*(bytes([0]) + probe(16 * (i % 16) + j, 2, 20 + j) for j in range(16)
                                    for port in ports)) for i in range(12)), SECOND, (PASS, b"\x11"), SECOND)
    yield "exempt", steps(*(queued(*(bytes([0]) + probe(source, 2, port) for port in ports[:4]))
                            for source in range(16)), (
        KEEPER, said("UNBLOCK", 0, (12, b"\xc6\x33\x64\2"))), (KEEPER, said("ASK_EXPLAIN", 0, (12, b"\xc6\x33\x64\2"))),
                          SECOND)
    yield "no-room", steps(scan, kernel(decisions=b"\x83" * 60), (KEEPER, said("SAVED_BLOCKS", 65)),
                           (KEEPER, said("SAVED_BLOCKS", 130)), (KEEPER, said("BLOCK", 24)), kernel(), HOURS)
    yield "removed", steps((KEEPER, said("BLOCK", 8)), *(step for _ in range(4)
                                                         for step in (kernel(s_part("gone-table")), (WATCHED, b""),
                                                                      SECOND)), HOURS, SECOND)
    yield "removed-refused", steps(kernel(s_part("gone-table"), decisions=b"\x86" * 30), (WATCHED, b""), SECOND, SECOND,
                                   kernel(), SECOND)
    yield "lost", steps(kernel(s_part("lost"), s_part("others-rule")), (WATCHED, b""), SECOND,
                        kernel(s_part("gone-route")), (ROUTES, b""), SECOND)
    yield "world", steps(kernel(s_part("socket", listener(2, V4, 22)),
                                s_part("socket", listener(2, b"\x7f\0\0\1", 25), flags=TREE | LAST), s_part(
        "address", address_of(2, 24, 2, leaf(1, V4), leaf(2, V4))), s_part("gone-route")), (ROUTES, b""), SECOND,
                         (PASS, b"\x0d"), SECOND)
    yield "world-routes", steps(kernel(s_part("address", address_of(2, 24, 2, leaf(1, V4))),
                                       s_part("route", route(2, 0, leaf(5, V4), leaf(4, struct.pack("<i", 2)))), s_part(
        "link", link(2, text(3, "eth0"))), s_part("link", link(3, text(3, "red"), nest(18, text(1, "vrf")))),
                                       s_part("gone-route")), (ROUTES, b""), SECOND, SECOND)
    learned = [s_part("elements", nest(3, element(V4 + be32(80 << 16), left=5000)), flags=TREE | LAST)]
    yield "learned", steps(kernel(*learned * 3), (PASS, b"\x0d"), SECOND, (PASS, b"\x14"), SECOND,
                           kernel(s_part("gone-table")), (WATCHED, b""), SECOND)
    flagged = [
        s_part(
            "rule", rule(
                "filter", expression(
                    "ct", leaf(
                        2, be32(3))))), s_part(
            "flow", flow(
                1 << 24)), s_part(
            "action", bytes(4), nest(
                1, leaf(
                    1, b"x")))]
    yield "flags", steps(SECOND, kernel(*flagged), (PASS, b"\x11"), SECOND, (PASS, b"\x11"), SECOND, (PASS, b"\x14"),
                         (KEEPER, said("BLOCK", 8)), SECOND, SECOND)
    yield "flag-refused", steps(kernel(decisions=b"\x86" * 9), SECOND, (PASS, b"\x11"), kernel(), SECOND,
                                (PASS, b"\x15"), SECOND)
    early = [s_part("elements", nest(3, element(b"eth0".ljust(16, b"\0"))), flags=TREE | LAST)]
    yield "early-none", steps((SUPERVISOR, said("CONFIG", 0x12) + said("CONFIG_END")), (ANEW, b"\0" + told(
        decisions=OK * 2)), kernel(decisions=b"\x84" * 30), (SUPERVISOR, said("CONFIG", 0x12) + said("CONFIG_END")),
                              SECOND)
    yield "early", steps((SUPERVISOR, said("CONFIG", 0x12) + said("CONFIG_END")), (KEEPER, said("BLOCK", 8)),
                         kernel(*early), SECOND, kernel(decisions=b"\x86" * 9), SECOND)


# ---- the supervisor

OF_SENTRY, OF_KEEPER, LATER, CONFIG_FILE, ALLOW_FILE, RAW_SENTRY, HUP, FORKS = range(8)
RAW_KEEPER, FRESH = 131, 8      # 131 % 9 is RAW_SENTRY


def supervisor():
    for name, data in supervisor_steps():
        yield name, steps((FRESH, b"")) + data


def supervisor_steps():
    ready, tick = (OF_SENTRY, said("BEAT") + said("READY")), (LATER, b"\x0a")
    answered = [(OF_SENTRY, said("RESULT", variant)) for variant in range(9)]
    reload = (OF_KEEPER, said("RELOAD", number=5))
    settled = (ready, (LATER, b"\x0f"), (CONFIG_FILE, b""), reload, answered[0])   # whatever was before
    yield "start", steps(ready, (OF_KEEPER, said("BEAT")), tick, (OF_SENTRY, said("READY")))
    yield "start-failed", steps((OF_SENTRY, said("RESULT", 6, (4, struct.pack("<i", 16)))), tick, (LATER, b"\x0f"))
    yield "start-failed-otherwise", steps((OF_SENTRY, said("RESULT", 6)), tick)
    yield "late", steps(ready, *((LATER, bytes([10, who])) for who in (1, 3, 4) * 4))
    yield "reload", steps(*settled, reload, reload, answered[0], tick, (HUP, b""), answered[0])
    yield "reload-early", steps(reload, (HUP, b""))
    yield "reload-refused", steps(*settled, reload, answered[6], reload, (LATER, b"\x0f"))
    yield "reload-mistakes", steps(*settled, (CONFIG_FILE, b'mode = "x"\nfoo = 1\ntable = 3'), reload, (HUP, b""))
    yield "reload-fixed", steps(*settled,
                                (CONFIG_FILE,
                                 b'table = "other"\nqueue = 90\nallow = { "192.0.2.0/24", "2001:db8::/32" }'), reload,
                                answered[0])
    yield "reload-gone", steps(*settled, (ALLOW_FILE, b"192.0.2.1\n"), reload, answered[0], (ALLOW_FILE, b"\xff"),
                               reload, (OF_KEEPER, said("ALLOW_SAVE", 8)))
    yield "allow", steps(*settled, *((OF_KEEPER, said("ALLOW_SAVE", variant, (32, struct.pack("<I", value))))
                                     for value in (1, 1, 0, 0, 2) for variant in (0, 8, 13)))
    yield "allow-none", steps(*settled, (CONFIG_FILE, b'allow_file = ""'), reload, answered[0],
                              (OF_KEEPER, said("ALLOW_SAVE", 8)))
    yield "hooks", steps(ready, (FORKS, b""), *((OF_SENTRY, said("EVENT", variant)) for variant in range(24)), tick,
                         (FORKS, b"x"), *(
        (OF_SENTRY, said("EVENT", variant)) for variant in range(24)), tick)
    yield "hooks-many", steps(ready, (FORKS, b""), *((OF_SENTRY, said("EVENT", kind) * 60)
                                                     for kind in (0, 1, 2, 6) * 2), tick)
    yield "hooks-observed", steps(ready, (OF_SENTRY, said("EVENT", 1, (36, b"\1"))),
                                  (OF_SENTRY, said("EVENT", 0, (36, b"\1"))))
    yield "exposure", steps(ready, (OF_KEEPER, said("EVENT", 10)), (OF_KEEPER, said("EVENT", 1)))
    yield "events-odd", steps(ready, *((OF_SENTRY, said("EVENT", 1, (where, b"\xff"))) for where in range(0, 48, 3)),
                              (LATER, b"\x11"), (OF_SENTRY, said("EVENT", 1, (36, b"\xff"))))
    yield "results-odd", steps(ready, (OF_SENTRY, said("RESULT", 0, (12, b"x" * 255), (200, b"x" * 70))))
    yield "not-theirs", steps(ready, *((who, said(kind)) for kind in TYPES for who in (OF_SENTRY, OF_KEEPER)))
    yield "raw", steps((RAW_SENTRY, b"\1\0\0\0"), (RAW_KEEPER, b"\xff" * 40), (RAW_KEEPER, b"x"))
    yield "many", steps(ready, (OF_KEEPER, said("BEAT") * 300), tick)
