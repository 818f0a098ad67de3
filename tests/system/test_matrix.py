# SPDX-License-Identifier: GPL-2.0-or-later
"""The matrix of scans: every row of matrix_rows.py with real tools against the real daemon in its default
configuration.

PICKET_MATRIX_REPORT=FILE appends a line of what was measured for each row.
"""
import contextlib
import os
import re
import time

import pytest

import wire as w
from conftest import needs
from lab import ATTACKER4, VICTIM4, VICTIM6, wait_until
from matrix_rows import ROWS
from matrix_run import count_probes, decisions, find_deciding, kernel_can, play_row
from matrix_send import CLOSED, frame, send, shared, syns
from picket import delayed


CLOSED_MANY = [port for port in range(1100, 2000) if port not in (1719, 1720, 1723)]


def note(text):
    print(text)
    if "PICKET_MATRIX_REPORT" in os.environ:
        with open(os.environ["PICKET_MATRIX_REPORT"], "a") as f:
            f.write(text + "\n")


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_scan(lab, picket, wire, row):
    """It comes out as its row says."""
    reason = kernel_can(row)
    if reason:
        pytest.skip(reason)
    result = play_row(lab, picket, wire, row)
    note(result.text())
    print(result.output)
    print(result.event and result.event["evidence"])
    assert (result.event["event"] if result.event else result.grade) == row.grade
    for words in row.kinds if result.event else ():
        assert re.search(words, result.line), result.line
    if result.event and row.tool:
        assert f"looks like {row.tool}" in result.line, result.line
    if row.grade in ("veil", "ban"):
        assert row.probes is None or result.probes <= row.probes
        assert result.wrong == [], "answered after the decision: " + "; ".join(map(str, result.wrong))
        assert len(set(result.learned) - result.touched) <= (1 if row.connects else 0)
        assert row.over or any(not f.out for f in result.victim[result.deciding
                                                                + 1:]), "nothing came after it: nothing is proved"


def check_one_of_many(daemon, frames, source, key, target):
    """One source among several that scan at once: veiled within six probes, nothing answered afterwards.  Returns
    the probes."""
    own = [f for f in frames if source in (f.src, f.dst)]
    event = wait_until(lambda: (decisions(daemon, key, ("veil", "ban")) or [None])[0], 5,
                       lambda: f"a veil of {key}\n{daemon.log_text()}")
    deciding = find_deciding(own, event["evidence"], [target])
    assert event["event"] == "veil" and "SYN scan" in event["reason"], event["reason"]
    assert w.answered_after(own, deciding) == []
    probes = count_probes(own, deciding, [target])
    assert probes <= 6, probes
    return probes


@needs("hping3")
def test_two_sources_share_a_scan(lab, picket, wire):
    """Odd ports from one, even ones from the other."""
    sources = ["203.0.113.101", "203.0.113.102"]
    daemon, record = picket(), wire(lab.victim, *sources)
    scans = [lab.attacker.popen("hping3", "-q", "-S", "-a", source, "-p", f"++{81 + 300 * n}", "-c", "100", "-i",
                                "u10000", VICTIM4[0])
             for n, source in enumerate(sources)]
    for scan in scans:
        scan.wait(10)
    note("shared-by-2                  " + str([check_one_of_many(daemon, record.frames(), s, s, VICTIM4[0])
                                                for s in sources]))


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("count", [10, 50])
def test_many_sources_share_a_scan(lab, picket, wire, count, family):
    """Port by port in turn; each of them is caught by its own share, all of them at once."""
    sources = [f"100.{70 + n}.0.5" if family == 4 else f"2001:db8:{0xb00 + 0x100 * n:x}::5" for n in range(count)]
    target = (VICTIM4 if family == 4 else VICTIM6)[0]
    daemon, record = picket(), wire(lab.victim, *sources)
    shared(lab, sources, target, [port for port in range(81, 81 + 12 * count) if port != 777])
    keys = [source if family == 4 else source.replace("::5", "::/64") for source in sources]
    probes = [check_one_of_many(daemon, record.frames(), s, k, target) for s, k in zip(sources, keys)]
    note(f"shared-by-{count}-v{family}              probes {min(probes)} to {max(probes)}")


def test_thousand_addresses_of_one_net(lab, picket, wire):
    """A fresh address of the same /64 for every probe: the /64 is one source."""
    daemon, record = picket(), wire(lab.victim, VICTIM6[0])
    frames = [frame(f"2001:db8:bad::{0x1000 + n:x}", VICTIM6[0], 40000 + n, 81 + n % 600) for n in range(1000)]
    send(lab, frames, 0.001)
    event = wait_until(lambda: decisions(daemon, "2001:db8:bad::/64", ("veil",)), 5, daemon.log_text)[0]
    deciding = find_deciding(record.frames(), event["evidence"], VICTIM6)
    probes = count_probes(record.frames(), deciding, VICTIM6)
    note(f"one-64                       veil  probes {probes}  {event['reason']}")
    assert probes <= 6
    assert w.answered_after(record.frames(), deciding) == []
    assert [row["source"] for row in daemon.graded()] == ["2001:db8:bad::/64"]


@pytest.mark.parametrize("key, step, ports", [("2001:db8:5::/48", 0x111, 3), ("2001:db8:5:100::/56", 1, 8)],
                         ids=["a-48", "a-56"])
def test_rotating_through_the_nets_of_a_net(lab, picket, wire, key, step, ports):
    """A few ports from each /64 of a larger net, which is a source like any: veiled, and no other /64 of it learns
    anything from then on."""
    daemon, record = picket(), wire(lab.victim, VICTIM6[0])
    nets = [f"2001:db8:5:{0x100 + n * step:x}" for n in range(60)]
    probes = [(net, port) for turn, net in enumerate(nets) for port in CLOSED_MANY[turn * ports:][:ports]]
    send(lab, [frame(f"{net}::7", VICTIM6[0], 40000 + n % 20000, port) for n, (net, port) in enumerate(probes)], 0.005)
    wait_until(lambda: decisions(daemon, key, ("veil",)), 5, daemon.log_text)
    time.sleep(0.3)
    frames = record.frames()
    answered = [f for f in frames if f.out and f.dst.startswith("2001:db8:5:")]
    note(f"one-{key}     veil   answered {len(answered)} of {len(probes)}")
    assert len(answered) <= 30, "ports that it learned before it stood veiled"
    last = max((nets.index(f.dst.removesuffix("::7")) for f in answered), default=0)
    assert last < 12, "the nets that come after it learn nothing"


def test_a_net_of_ipv4(lab, picket, wire):
    """Two ports from each address of a /24."""
    daemon, record = picket(), wire(lab.victim, VICTIM4[0])
    probes = [(f"203.0.113.{n}", port) for n in range(1, 101) for port in CLOSED_MANY[2 * n:2 * n + 2]]
    send(lab, [frame(source, VICTIM4[0], 40000 + n, port) for n, (source, port) in enumerate(probes)], 0.005)
    wait_until(lambda: decisions(daemon, "203.0.113.0/24", ("veil",)), 5, daemon.log_text)
    answered = [f for f in record.frames() if f.out and f.dst.startswith("203.0.113.")]
    assert len(answered) <= 12, len(answered)
    assert delayed(lab.attacker, VICTIM4[0]), "who lives there is served as anybody who is veiled"


@pytest.mark.parametrize("cookies", [1, 2], ids=["", "syn-cookies"])
@pytest.mark.parametrize("port", [22, 26], ids=["any-address", "one-address"])
def test_handshake_that_a_decision_interrupts(lab, picket, wire, port, cookies):
    """A handshake that was begun before the veil is finished without a delay: nothing is muted, it tells nothing
    new."""
    lab.victim.sysctl(net__ipv4__tcp_syncookies=cookies)
    lab.services("tcp:26:banner", f"bind:{VICTIM4[0]}")
    daemon, record = picket(), wire(lab.victim, ATTACKER4)
    with lab.attacker.socket() as s:
        s.setblocking(False)
        s.connect_ex((VICTIM4[0], port))
        time.sleep(0.005)
        send(lab, syns(ATTACKER4, VICTIM4[0], CLOSED[:6]), 0)
        daemon.wait_graded(ATTACKER4, grade="veil")
        time.sleep(0.3)
        with contextlib.suppress(BlockingIOError, ConnectionError):
            s.recv(100)
    banners = [f for f in record.frames() if f.out and f.payload_len]
    assert any(f.is_synack and f.sport == port for f in record.frames())
    assert banners and not any(f.is_syn for f in record.frames() if f.dport == port and f.at > banners[0].at)
