# SPDX-License-Identifier: GPL-2.0-or-later
"""The control socket against clients that read nothing or ask too much: others are served, and it costs nothing."""
import json
import os
import socket
import time

import pytest

from lab import wait_until
from picket import put_bans

pytestmark = pytest.mark.core

BANS = 20000


class Client:
    def __init__(self, daemon):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(daemon.socket_path)
        self.lines = self.socket.makefile()

    def ask(self, *requests):
        self.socket.sendall(b"".join(json.dumps({"v": 1, **request}).encode() + b"\n" for request in requests))

    def rows(self):
        """Of one answer, with the line that ends it."""
        for line in self.lines:
            yield json.loads(line)
            if '"end":true' in line:
                return


def spent(pid):
    """Seconds of processor time."""
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_list_that_nobody_reads(lab, picket):
    daemon = picket()
    daemon.stop()
    put_bans(daemon.state_dir, BANS)
    daemon.start()
    wait_until(lambda: daemon.ctl("status").one["counts"]["bans"] == BANS, 20, "all are restored", every=0.2)
    first = daemon.graded()[0]["source"]
    keeper, before = daemon.keeper(), daemon.memory_mb()[1]
    idle = [Client(daemon) for _ in range(10)]
    for client in idle:
        client.ask({"cmd": "list"})
    time.sleep(1)
    grown, cpu = daemon.memory_mb()[1] - before, spent(keeper)
    assert grown < 10 * 0.6, f"{grown} MB for lists that wait"
    for command in (("unblock", first), ("pause",), ("resume",), ("status",)):
        began = time.monotonic()
        daemon.ctl(*command)
        assert time.monotonic() - began < 2, command
    time.sleep(2)
    assert spent(keeper) - cpu < 0.3
    rows = list(idle[0].rows())
    assert rows[-1] == {"end": True, "ok": True, "v": 1}
    assert len({row["source"] for row in rows[:-1]}) in (BANS - 1, BANS)


def test_requests_beyond_the_rate(lab, picket):
    """A hundred at once: 20 are answered now and 20 a second from then on, while nobody else waits."""
    daemon = picket()
    keeper, client = daemon.keeper(), Client(daemon)
    cpu, began = spent(keeper), time.monotonic()
    client.ask(*[{"cmd": "version"}] * 400)        # twice as many bytes as it takes in before they are their turn
    for _ in range(100):
        assert list(client.rows())[-1]["ok"]
    took = time.monotonic() - began
    assert 3 < took < 8, took
    assert spent(keeper) - cpu < 0.1 * took
    assert daemon.ctl("status").one["control"]["throttled"] >= 1


def listing(count):
    return "# many\n" + "".join(f"100.64.{n // 256}.{n % 256}  # {n}\n" for n in range(count))


def test_orders_about_many(lab, picket, tmp_path):
    """All, or an error for each line that stands in the way, and nothing."""
    daemon, path = picket(), tmp_path / "list"
    path.write_text(listing(10000))
    began = time.monotonic()
    assert len(daemon.ctl("block", "--file", str(path), "--for", "1h", timeout=60).rows) == 10000
    took = time.monotonic() - began
    assert took < 5 * max(1, os.getloadavg()[0] / os.cpu_count()), took
    assert {row["source"] for row in daemon.graded()} == {f"100.64.{n // 256}.{n % 256}" for n in range(10000)}
    assert daemon.kernel_grade("100.64.39.15") == "block"
    daemon.ctl("allow", "add", "192.0.2.7", "192.0.2.8")
    path.write_text(listing(3) + "198.51.100.1\n192.0.2.7\n0.0.0.0\nlocalhost\n")
    refused = daemon.ctl("block", "--file", str(path), check=False, json_output=False)
    assert refused.code == 2 and f"{path}:8: 'localhost'" in refused.err
    path.write_text(listing(3) + "198.51.100.1\n192.0.2.7\n0.0.0.0\n")
    refused = daemon.ctl("block", "--file", str(path), check=False, json_output=False)
    assert refused.code == 1 and "2 of 6 cannot be blocked: nothing was done" in refused.err
    assert f"{path}:6: 192.0.2.7: it is on the allow list" in refused.err
    assert f"{path}:7: 0.0.0.0: no host" in refused.err
    assert not daemon.graded("198.51.100.1") and daemon.graded("100.64.0.1")[0]["expires_in_s"]
    path.write_text(listing(10000) + "203.0.113.9\n")        # the last one does not stand: no objection
    assert len(daemon.ctl("unblock", "--file", str(path), timeout=60).rows) == 10000
    assert daemon.graded() == [] and daemon.kernel_grade("100.64.39.15") is None
    assert daemon.ctl("unblock", "--file", str(path), check=False, timeout=60).code == 1
    path.write_text(listing(16385))
    refused = daemon.ctl("block", "--file", str(path), check=False, json_output=False)
    assert refused.code == 2 and f"{path}:16386:" in refused.err and daemon.graded() == []


def test_many_allowed(lab, picket, tmp_path):
    daemon, path = picket(), tmp_path / "list"
    path.write_text(listing(1000))
    daemon.ctl("block", "100.64.0.9")
    daemon.ctl("allow", "add", "--file", str(path), "--for", "1h")
    assert daemon.graded() == [] and len(daemon.ctl("allow", "list").rows) == 1000
    assert "100.64.0.0" in lab.victim.run("nft", "list", "table", "inet", "picket").stdout
    daemon.ctl("allow", "del", "--file", str(path))
    assert daemon.ctl("allow", "list").rows == []
    assert daemon.ctl("allow", "add", "192.0.2.1", "192.0.2.2", "--save", check=False).code == 2
