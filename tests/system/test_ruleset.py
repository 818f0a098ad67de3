# SPDX-License-Identifier: GPL-2.0-or-later
"""The table as docs/ruleset.md tells it; what is taken over from an earlier build's; services on a trap's port."""
import json
import os
import re
import socket
import struct
import time
from collections import Counter

import pytest

from lab import VICTIM4, wait_until
from picket import ROOT

HEADING = re.compile(r"^### (\w+) \((?:(\w+), (-?\d+), )?(\d+) rules?\)$", re.M)
ROW = re.compile(r"^\| ([a-z0-9_ ]+) \|[^|]*\|[^|]*\|$", re.M)

FIRST_EDITION = """
table inet picket {
    counter format_2 { }
    set soft4 { type ipv4_addr; size 132096; flags timeout; elements = { 203.0.113.1 timeout 1h, 203.0.113.2 timeout 1h,
                203.0.113.6 timeout 1h } }
    set hard4 { type ipv4_addr; size 132096; flags timeout; elements = { 203.0.113.2 timeout 2h, 203.0.113.3 } }
    set hard4_24 { type ipv4_addr; size 16384; flags timeout; elements = { 198.18.7.0 timeout 1h } }
    set soft56 { type ipv6_addr; size 132096; flags timeout; elements = { 2001:db8:77:100:: timeout 1h } }
    set hard64 { type ipv6_addr; size 132096; flags timeout; elements = { 2001:db8:77:5:: timeout 1h } }
    set customers4 { type ipv4_addr . inet_proto . inet_service; size 131072; flags dynamic,timeout; timeout 1d;
                     elements = { 203.0.113.6 . tcp . 80 timeout 5h, 203.0.113.6 . udp . 53 timeout 5h } }
    chain trap { type filter hook prerouting priority -90; }
}
"""


SIZES = re.compile(r"^\| \d+ [MG]B[a-z ]* \| ([\d,]+) \| ([\d,]+) \| [\d,]+ \| (\d+) MiB \|$", re.M)


def table(host):
    return json.loads(host.run("nft", "-j", "list", "table", "inet", "picket").stdout)["nftables"]


@pytest.mark.core
def test_the_page_tells_the_loaded_table(lab, picket):
    daemon = picket()
    daemon.ctl("block", "203.0.113.99", "--for", "1h")
    wait_until(lambda: daemon.ctl("status").one["sensors"]["flow_flag"] == "mark", 4, "the flag has a value")
    loaded = table(lab.victim)
    with open(os.path.join(ROOT, "docs", "ruleset.md")) as f:
        page = f.read()
    rules = Counter(entry["rule"]["chain"] for entry in loaded if "rule" in entry)
    chains = {c["name"]: (c.get("hook", ""), str(c.get("prio", "")), rules[c["name"]])
              for c in (entry["chain"] for entry in loaded if "chain" in entry)}
    assert {name: (hook, priority, int(count)) for name, hook, priority, count in HEADING.findall(page)} == chains
    sets = [entry[kind]["name"] for entry in loaded for kind in ("set", "map") if kind in entry]
    assert sorted(name for row in ROW.findall(page) if row != "sets" for name in row.split()) == sorted(sets)


def test_no_set_is_of_intervals(lab, picket):
    """Every running segment would be looked up in a tree; and such sets refuse what overlaps."""
    daemon = picket('trap { tcp = { "all" } } allow = { 192.0.2.0/24 } public_ports = { "5000-6000" }')
    daemon.ctl("block", "198.18.0.0/24", "--for", "1h")
    sets = [entry[kind] for entry in table(lab.victim) for kind in ("set", "map") if kind in entry]
    assert len(sets) > 40 and not [one["name"] for one in sets if "interval" in one.get("flags", [])]


def test_the_page_tells_how_large_the_sets_are(lab, picket):
    """By the memory of this machine, a twentieth of which they may take: the largest row that does not take more."""
    picket()
    sizes = {entry[kind]["name"]: entry[kind].get("size") for entry in table(lab.victim) for kind in ("set", "map")
             if kind in entry}
    with open(os.path.join(ROOT, "docs", "ruleset.md")) as f:
        rows = [[int(n.replace(",", "")) for n in row] for row in SIZES.findall(f.read())]
    with open("/proc/meminfo") as f:
        memory = int(re.search(r"MemTotal:\s+(\d+)", f.read())[1]) / 1024
    assert len(rows) == 5
    fitting = [row[:2] for row in rows if row[2] <= memory / 18] or [[size // 2 for size in rows[0][:2]]]
    assert fitting[-1] == [sizes["graded4"], sizes["customers4"]]


def test_every_listing_of_the_table_ends_well(lab, picket):
    daemon = picket()
    for source in ("203.0.113.99", "198.18.0.0/24", "2001:db8:79::/48", "2001:db8:7a::1"):
        daemon.ctl("block", source, "--for", "1h")
    for options in ((), ("-a",), ("-j",)):
        assert lab.victim.run("nft", *options, "list", "ruleset").stdout


def test_the_first_edition_is_taken_over(lab, picket):
    lab.victim.nft(FIRST_EDITION)
    daemon = picket()
    grades = {row["source"]: row["grade"] for row in daemon.ctl("--json", "list").rows}
    assert grades == {"203.0.113.1": "veil", "203.0.113.2": "ban", "203.0.113.3": "block", "203.0.113.6": "veil",
                      "198.18.7.0/24": "block", "2001:db8:77:100::/56": "veil", "2001:db8:77:5::/64": "ban"}
    names = [entry[kind]["name"] for entry in table(lab.victim) for kind in ("set", "counter") if kind in entry]
    assert not [name for name in names if name.startswith(("soft", "hard")) or name == "format_2"]
    customers = lab.victim.run("nft", "list", "set", "inet", "picket", "customers4").stdout
    assert re.findall(r"[\d.]+ \. \w+(?= timeout)", customers) == ["203.0.113.6 . 80"], customers
    assert not daemon.lines("cannot|refused")


def test_a_service_on_a_traps_port_is_not_slowed(lab, picket):
    """It started after picket, on a port of the trap list; its client's segments are no ACKs to a trap."""
    picket('trap { tcp = { "8123" } }')
    lab.services("tcp:8123:silent")
    with lab.client.connect(VICTIM4[0], 8123, keep=True) as stream:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(300):
            stream.send(b"x")
            time.sleep(0.001)
        info = stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    assert struct.unpack_from("I", info, 100)[0] == 0, "segments that were sent again"
