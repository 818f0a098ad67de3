# SPDX-License-Identifier: GPL-2.0-or-later
"""Ways to look past a guard that once worked, or could."""
import socket
import struct
import time

import pytest

from lab import ATTACKER6, MAC, REAL_TCP, VICTIM6
from senders import internet_checksum
from test_forged import send_frames

pytestmark = pytest.mark.core


def syn_behind_headers(headers, dport):
    """An Ethernet frame with a SYN behind that many empty destination options headers."""
    src, dst = socket.inet_pton(socket.AF_INET6, ATTACKER6), socket.inet_pton(socket.AF_INET6, VICTIM6[0])

    def tcp(checksum):
        return struct.pack("!HHIIBBHHH", 40000 + dport, dport, 7 * dport, 0, 0x50, 2, 1024, checksum, 0)
    segment = tcp(internet_checksum(src + dst + struct.pack("!II", 20, 6) + tcp(0)))
    chain = b"".join(bytes([60 if left else 6, 0, 1, 4, 0, 0, 0, 0]) for left in range(headers - 1, -1, -1))
    mac = [bytes.fromhex(MAC[who].replace(":", "")) for who in ("victim", "attacker")]
    return (mac[0] + mac[1] + b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, len(chain) + 20, 60 if headers else 6, 60)
            + src + dst +
            chain + segment)


@pytest.mark.parametrize("headers, answered", [(3, True), (17, False), (20, False)])
def test_scan_behind_extension_headers(lab, picket, wire, headers, answered):
    """A few extension headers hide nothing; more than any honest stack sends are dropped, unanswered, and counted."""
    daemon = picket()
    seen = wire(lab.victim, ATTACKER6)
    send_frames(lab, [syn_behind_headers(headers, port) for port in (81, 82, 83, 84, 85, 86, 87, 80, 22)], every=0.02)
    time.sleep(0.5)
    assert seen.probes(), "the probes arrived"
    if answered:
        daemon.wait_graded(ATTACKER6.rsplit(":", 1)[0] + ":/64", timeout=3, grade="veil")
    else:
        assert {f.sport for f in seen.answers()} <= REAL_TCP, "nothing but what is served"
        assert daemon.ctl("sources").rows, "and it is not forgotten"
