# SPDX-License-Identifier: GPL-2.0-or-later
"""What somebody else takes out of picket's table is back within a second, told in one line; an admin in a panic
wins."""
import re
import time

import pytest

from lab import VICTIM4, wait_until
from picket import shut_out

OTHER = "203.0.113.99"
PUT_BACK = r"were changed by somebody else: put back"


@pytest.fixture
def guarded(lab, picket):
    lab.attacker.add_address(OTHER)
    daemon = picket()
    daemon.ctl("block", OTHER, "--for", "1h")
    assert shut_out(lab.attacker, VICTIM4[0], source=OTHER)
    return daemon


def element_left(lab):
    found = re.search(re.escape(OTHER) + r"\S* timeout .*?expires (\S+)",
                      lab.victim.run("nft", "list", "map", "inet", "picket", "graded4").stdout)
    return found and found.group(1)


@pytest.mark.core
@pytest.mark.parametrize("command", ["delete element inet picket graded4 { %s : 4 }" % OTHER,
                                     "flush chain inet picket graded", "flush ruleset", "delete table inet picket"])
def test_put_back_within_a_second(lab, guarded, command):
    lab.victim.run("nft", *command.split())
    time.sleep(1.0)
    assert len(guarded.lines(PUT_BACK)) == 1, guarded.log_text()
    assert shut_out(lab.attacker, VICTIM4[0], source=OTHER)
    assert element_left(lab).startswith("59m"), "with what was left of its time"
    assert lab.client.get(VICTIM4[0])


def test_an_admin_in_a_panic_wins(lab, guarded):
    """Removed three times within a minute, picket stays out, says so, and comes back when told."""
    for times in (1, 2):
        lab.victim.run("nft", "delete", "table", "inet", "picket")
        wait_until(lambda: len(guarded.lines(PUT_BACK)) == times, 2, f"put back {times} times")
    lab.victim.run("nft", "delete", "table", "inet", "picket")
    guarded.wait_line("removed the rules of picket 3 times within a minute: staying out for 10m")
    time.sleep(1.0)
    assert not guarded.table_present()
    assert lab.attacker.connect(VICTIM4[0], 80, 1.0, source=OTHER) == "open"
    assert guarded.ctl("status").one["mode"] == "paused"
    guarded.ctl("resume")
    assert shut_out(lab.attacker, VICTIM4[0], source=OTHER), "its grades come back with it"
