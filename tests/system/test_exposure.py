# SPDX-License-Identifier: GPL-2.0-or-later
"""picketctl exposure: what listens, who may reach it, and what is new."""
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from lab import VICTIM4, VICTIM6, wait_until
from picket import PICKETCTL, daemon_user

pytestmark = pytest.mark.core

CLOSING = """
table inet fw {
    chain in {
        type filter hook input priority 0;
        iifname "eth0" tcp dport 8080 drop
        iifname "eth0" tcp dport 777 reject with tcp reset
    }
}
"""


def ports(rows, **wanted):
    return {row["port"] for row in rows if all(row[key] == value for key, value in wanted.items())}


def test_what_listens(lab, picket):
    daemon = picket()
    loopback = lab.services("tcp:9000:silent", "bind:127.0.0.1")
    rows = daemon.ctl("exposure").rows
    assert loopback.poll() is None
    assert ports(rows, protocol="tcp", address="0.0.0.0") == {22, 80, 777, 8080}
    assert ports(rows, protocol="tcp", address="::") == {22, 80, 777, 8080}
    assert {row["address"] for row in rows if row["protocol"] == "udp"} == set(VICTIM4 + VICTIM6)
    row = next(row for row in rows if row["port"] == 22)
    assert row["service"] == "ssh" and row["user"] == "root" and row["program"].startswith("python3") and row["pid"]
    text = daemon.ctl("exposure", json_output=False).out
    assert "0.0.0.0:22" in text and "[::]:22" in text and "domain" in text


def test_firewall_column(lab, picket):
    """Each port is tried through the rules as if from outside: `iifname` counts, and nobody is suspected for it."""
    lab.victim.nft(CLOSING)
    daemon = picket()
    rows = daemon.ctl("exposure").rows
    assert ports(rows, protocol="tcp", firewall="open") == {22, 80}
    assert ports(rows, firewall="drops") == {8080}
    assert ports(rows, firewall="rejects") == {777}
    assert ports(rows, protocol="udp", firewall="open") == {53}
    assert daemon.ctl("sources").rows == []
    assert len({(row["port"], row["firewall"]) for row in rows
                if row["protocol"] == "tcp"}) == 4, "IPv6 differs from IPv4"


@pytest.fixture
def anybodys_dir():
    path = tempfile.mkdtemp(prefix="picket-exposure-")
    os.chmod(path, 0o777)
    yield pathlib.Path(path)
    shutil.rmtree(path)


def test_new_ports_are_told_and_accepted(lab, picket, anybodys_dir):
    note = anybodys_dir / "told"
    daemon = picket('hook told { on = { "exposure" } command = { "/bin/sh", "-c", '
                    '"echo \\"$PICKET_EVENT [$PICKET_SOURCE] $PICKET_REASON\\" >> %s" } '
                    'user = "%s" }' % (note, daemon_user()))
    assert all(row["new"] for row in daemon.ctl("exposure").rows)
    assert daemon.lines("exposed:") == [], "what was there before picket is no news"
    assert all(row["accepted"] for row in daemon.ctl("exposure", "--accept").rows)
    assert not any(row["new"] for row in daemon.ctl("exposure").rows)

    late = lab.services("tcp:3306:silent", "bind:10.77.0.2")
    fresh = [row for row in daemon.ctl("exposure").rows if row["new"]]
    assert late.poll() is None and len(fresh) == 1
    assert (fresh[0]["address"], fresh[0]["port"], fresh[0]["service"]) == ("10.77.0.2", 3306, "mysql")
    assert daemon.wait_line("exposed:").endswith("exposed: tcp 10.77.0.2:3306 mysql, uid 0")
    wait_until(lambda: note.exists() and note.read_text() == "exposure [] tcp 10.77.0.2:3306 mysql, uid 0\n", 5,
               "the hook is told")
    assert [row["event"] for row in daemon.ctl("history").rows] == ["exposure"]
    daemon.ctl("exposure")
    assert len(daemon.lines("exposed:")) == 1, "told once"


def test_accepted_over_a_restart(lab, picket):
    daemon = picket()
    daemon.ctl("exposure", "--accept")
    path = os.path.join(daemon.state_dir, "exposure")
    with open(path) as f:
        assert "accepted tcp 0.0.0.0 22\n" in f.read()
    assert os.stat(path).st_mode & 0o777 == 0o640
    daemon.stop()
    late = lab.services("tcp:3306:silent", "bind:10.77.0.2")
    daemon.start()
    assert late.poll() is None
    daemon.wait_line("exposed: tcp 10.77.0.2:3306", timeout=5)
    assert [row["port"] for row in daemon.ctl("exposure").rows if row["new"]] == [3306]


def test_a_damaged_file(lab, picket):
    daemon = picket.make()
    os.makedirs(daemon.state_dir)
    with open(os.path.join(daemon.state_dir, "exposure"), "wb") as f:
        f.write(b"accepted tcp 0.0.0.0 22\n" + bytes(range(256)) * 2000)
    shutil.chown(daemon.state_dir, daemon_user())
    os.chmod(os.path.join(daemon.state_dir, "exposure"), 0o644)
    daemon.start()
    rows = daemon.ctl("exposure").rows
    assert not next(row for row in rows if row["port"] == 22 and row["address"] == "0.0.0.0")["new"]
    daemon.wait_line("lines made no sense", timeout=5)


def test_usage(picket, tmp_path):
    assert picket().ctl("exposure", "extra", check=False).code == 2
    done = subprocess.run([PICKETCTL, "-s", str(tmp_path / "none.sock"), "exposure"], capture_output=True)
    assert done.returncode == 3
