# SPDX-License-Identifier: GPL-2.0-or-later
"""A packet's whole way, beside one stateful rule: processor time of established packets, datagrams, connections, bulk
and forged SYNs.  "control" is one stateful rule again: what the bench itself cannot tell apart."""
from stands import COUNTS, compare, named

MINUTES = 3
PROMISES = {
    "mark": {"ack": .99, "psh": .99, "in": .99, "out": .95, "connect": .96, "bulk": .98},
    "label": {"ack": .98, "psh": .98, "in": .98, "out": .93, "connect": .94, "bulk": .97},
}


def run(report):
    names = ("no rules", "stateful", "control", "mark", "label", "none")
    compare(report, [named(name) for name in names], list(COUNTS), "stateful",
            {(name, mode): figure for name, modes in PROMISES.items() for mode, figure in modes.items()})
