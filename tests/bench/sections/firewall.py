# SPDX-License-Identifier: GPL-2.0-or-later
"""Beside an admin's own stateful firewall: his rule and picket, against his rule alone."""
from stands import compare, named

MINUTES = 2
PROMISES = {"mark": {"ack": .96, "psh": .96, "in": .96, "out": .93}}


def run(report):
    modes = ["ack", "psh", "in", "out", "connect"]
    compare(report, [named("stateful"), named("beside")], modes, "stateful",
            {("beside", mode): figure for mode, figure in PROMISES["mark"].items()})
