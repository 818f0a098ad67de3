# SPDX-License-Identifier: GPL-2.0-or-later
"""Without conntrack (conntrack = off): picket alone, against one stateful rule, which needs it."""
from stands import Stand, compare, named

MINUTES = 2
PROMISES = {"ack": 1.0, "psh": .98, "in": .93, "out": .88, "connect": .96}


def run(report):
    compare(report, [named("stateful"), named("no rules"), lambda: Stand("off", "none", "conntrack = off\n")],
            list(PROMISES), "stateful", {("off", mode): figure for mode, figure in PROMISES.items()})
