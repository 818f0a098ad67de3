# SPDX-License-Identifier: GPL-2.0-or-later
"""A loud banned or blocked source: the price of each of its dropped SYNs with the early drop and without, and of
everybody else's packets while the hook stands."""
import statistics

import lab as laboratory
from picket import FIVE_FAMILIES
from stands import GATEWAY, VARIANTS, WORDS, Stand, by_turns, named, standing

MINUTES = 6
LOUD = "203.0.113.7"    # bench_path.c sends in its name
COUNTS = {"graded": 4000, "ack": 4000, "in": 5000}
VARIANTS["by hand"] = (False, None)


class LoudStand(Stand):
    def __init__(self, grade, early):
        super().__init__(f"{grade}, early_drop {early}", "mark", f"early_drop = {early}", COUNTS)
        self.attacker.add_address(LOUD)
        if grade == "block":
            self.daemon.ctl("block", LOUD, "--for", "1h")
        else:
            for port in FIVE_FAMILIES:
                self.attacker.connect(GATEWAY, port, 1.0, LOUD)
            self.daemon.wait_graded(LOUD, grade="ban")
        self.hooks = 1 if early == "on" else 0

    def measured(self):
        super().measured()
        laboratory.wait_until(self._stands, 10, "the hook stands", every=0.5)
        return self

    def _stands(self):
        self.ask("graded", 6000)
        return self.daemon.ctl("status").one["sensors"]["early_links"] == self.hooks


def by_hand():
    """The cheapest drop that nft has: what is left is nearly all the sender's own."""
    stand = Stand("by hand", counts=COUNTS)
    stand.victim.nft("table netdev hand { chain in { type filter hook ingress device eth0 priority 0; "
                     f"ip saddr {LOUD} drop\n}}\n}}\n")
    return stand


def loud(stand, mode):
    """It has to be loud at that moment: what it sends first makes it so again."""
    stand.ask("graded", 6000)
    return stand.cpu(mode)


def run(report):
    makers = [by_hand, named("no rules")] + [lambda g=grade, e=early: LoudStand(g, e)
                                             for grade in ("ban", "block") for early in ("off", "on")]
    rows = []
    for _ in range(report.pairs):
        with standing(*makers) as stands:
            for stand in stands:
                stand.counts = COUNTS
            graded = [stand for stand in stands if stand.name != "no rules"]
            rows.append({"graded": by_turns(graded, "graded", how=loud),
                         **{mode: by_turns(stands, mode, how=loud) for mode in ("ack", "in")}})
    words = {**WORDS, "graded": "SYN of one loud source"}
    for mode in COUNTS:
        for name in rows[0][mode]:
            cost = statistics.median(row[mode][name] for row in rows)
            report.ratio(words[mode], name, [row[mode]["ban, early_drop off"] / row[mode][name] for row in rows], None,
                         f"{cost:.0f} ns")
    report.keep("ns", rows)
