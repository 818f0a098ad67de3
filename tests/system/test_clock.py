# SPDX-License-Identifier: GPL-2.0-or-later
"""The clock on the wall is set, or was never right: nothing that lasts is lost, or lasts longer than what was left. The
clock is libfaketime's; another boot of the host is one whose number differs, and whose kernel has no table."""
import contextlib
import glob
import os
import tempfile
import time
import uuid

import pytest

from lab import ATTACKER4, wait_until
from picket import FIVE_FAMILIES, visit_traps

OTHER = "203.0.113.7"
FAKETIME = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
DAY = 86400
pytestmark = pytest.mark.skipif(not FAKETIME, reason="no libfaketime")


class Clock:
    """The clock on the wall of the programs that are started while it is `worn`: by a file, so that it can be set."""

    def __init__(self, directory, monkeypatch):
        self.path, self.monkeypatch = os.path.join(directory, "clock"), monkeypatch

    def set(self, to):
        with open(self.path, "w") as f:
            f.write(f"{to}\n")

    @contextlib.contextmanager
    def worn(self, at):
        self.set(at)
        with self.monkeypatch.context() as faked:
            for key, value in {"LD_PRELOAD": FAKETIME[0], "FAKETIME_TIMESTAMP_FILE": self.path,
                               "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                               "NO_FAKE_STAT": "1"}.items():
                faked.setenv(key, value)
            yield


@pytest.fixture
def clock(monkeypatch):
    """Its file must be readable for the accounts of keeper and sentry, as pytest's own folders are not."""
    with tempfile.TemporaryDirectory(prefix="picket-clock-") as directory:
        os.chmod(directory, 0o755)
        yield Clock(directory, monkeypatch)


def boot_again(daemon):
    """Another boot of the host, as far as picketd sees: the number is another, and nothing is left in the kernel."""
    number = os.path.join(daemon.dir, "boot_id")
    with open(number, "w") as f:
        f.write(f"{uuid.uuid4()}\n")
    daemon.host.run("nft", "flush", "ruleset")
    daemon.spawn(before=f"mount --make-rprivate / && mount --bind {number} /proc/sys/kernel/random/boot_id")
    daemon.wait_ready()


def left(daemon):
    return {row["source"]: row["expires_in_s"] for row in daemon.ctl("list").rows}


def assert_left(daemon, expected):
    """What is left of each, to a minute."""
    found = left(daemon)
    assert found.keys() == expected.keys(), found
    for source, seconds in expected.items():
        assert (found[source] is None) if seconds is None else seconds - 60 < found[source] <= seconds + 1, found


@pytest.mark.parametrize("wrong", ["-2h", "+2h", "-20000d"])
def test_the_clock_is_set(lab, picket, clock, wrong):
    """By a time server, a while after the start: what stands stands as long as it should, over a restart too, and
    whatever shows a time shows the true one."""
    with clock.worn(wrong):
        daemon = picket("", sandbox=False)
        daemon.ctl("block", OTHER, "--for", "1h")
        assert_left(daemon, {OTHER: 3600})
        visit_traps(lab, FIVE_FAMILIES[0])
        wait_until(lambda: daemon.ctl("explain", ATTACKER4).one["evidence"], 5.0, "the visit counts")
        uptime = daemon.ctl("status").one["uptime_s"]
        clock.set("+0")
        daemon.wait_line("the clock was set")
        daemon.ctl("block", "203.0.113.8", "--for", "1h")
        assert_left(daemon, {OTHER: 3600, "203.0.113.8": 3600})
        rows = daemon.ctl("history", "--since", "5m").rows
        assert {OTHER, "203.0.113.8"} <= {row["source"] for row in rows}, "what happened before, too"
        assert all(abs(row["age_s"]) < 60 for row in daemon.ctl("explain", ATTACKER4).one["evidence"])
        assert uptime <= daemon.ctl("status").one["uptime_s"] < uptime + 60
        assert "picket_uptime_seconds" in daemon.ctl("metrics", json_output=False).out
        daemon.stop()
    daemon.start()
    assert_left(daemon, {OTHER: 3600, "203.0.113.8": 3600})


@pytest.mark.parametrize("wrong", ["-10h", "+10h"])
def test_the_clock_is_set_between_runs(lab, picket, clock, wrong):
    """Wrong at the first start, right at the second: what stands stands as long as it should."""
    with clock.worn(wrong):
        daemon = picket("")
        daemon.ctl("block", OTHER, "--for", "2h")
        daemon.stop()
    daemon.start()
    assert_left(daemon, {OTHER: 7200})


@pytest.mark.parametrize("first, second", [("-10h", "+0"), ("+10h", "+0"), ("+0", "-10h"), ("+0", "+10h"),
                                           ("-20000d", "+0"), ("+0", "-20000d"), ("+0", "+400d"), ("+40000d", "+0")])
def test_a_wrong_clock_over_a_reboot(lab, picket, clock, first, second):
    """Wrong before the host was restarted, or after it until a time server sets it: nothing is lost or lengthened."""
    with clock.worn(first):
        daemon = picket("", sandbox=False)
        daemon.ctl("block", OTHER, "--for", "2h")
        daemon.ctl("block", "203.0.113.8")
        visit_traps(lab, *FIVE_FAMILIES)
        daemon.wait_line(f"ban {ATTACKER4}")
        time.sleep(1.5)     # what is written each second
        children = daemon.children()
        daemon.process.kill()
        daemon.process.wait()
        wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in children), 5.0, "all of it is gone")
    expected = {OTHER: 7200, "203.0.113.8": None, ATTACKER4: 3600}
    with clock.worn(second):
        boot_again(daemon)
        assert_left(daemon, expected)
        clock.set("+0")
        if second != "+0":
            daemon.wait_line("the clock was set")
        assert_left(daemon, expected)
        daemon.stop()
    boot_again(daemon)
    assert_left(daemon, expected)


def test_admins_addresses_over_a_reboot(lab, picket, clock):
    """Whence an admin came in the last 30 days stays protected, though the clock says that it was years ago."""
    daemon = picket("")
    daemon.stop()
    with open(os.path.join(daemon.state_dir, "admin-logins"), "w") as f:
        f.write(f"203.0.113.9 {int(time.time()) - DAY}\n")
    with clock.worn("+400d"):
        daemon.options["sandbox"] = False
        daemon.write_config("")
        boot_again(daemon)
        assert "203.0.113.9" in [row["source"] for row in daemon.ctl("status").one["protected"]]
        daemon.stop()
    boot_again(daemon)
    assert "203.0.113.9" in [row["source"] for row in daemon.ctl("status").one["protected"]]
