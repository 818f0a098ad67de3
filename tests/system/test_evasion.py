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


FRAGMENT = 1400


def syn_behind_headers(headers, dport):
    """Ethernet frames with a SYN behind that many empty destination options headers, in fragments where they are too
    many for one frame."""
    src, dst = socket.inet_pton(socket.AF_INET6, ATTACKER6), socket.inet_pton(socket.AF_INET6, VICTIM6[0])

    def tcp(checksum):
        return struct.pack("!HHIIBBHHH", 40000 + dport, dport, 7 * dport, 0, 0x50, 2, 1024, checksum, 0)
    segment = tcp(internet_checksum(src + dst + struct.pack("!II", 20, 6) + tcp(0)))
    body = b"".join(bytes([60 if left else 6, 0, 1, 4, 0, 0, 0, 0]) for left in range(headers - 1, -1, -1)) + segment
    mac = b"".join(bytes.fromhex(MAC[who].replace(":", "")) for who in ("victim", "attacker"))

    def frame(following, payload):
        return mac + b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, len(payload), following, 60) + src + dst + payload
    if len(body) <= FRAGMENT:
        return [frame(60, body)]
    return [frame(44, struct.pack("!BBHI", 60, 0, at | (at + FRAGMENT < len(body)), dport) + body[at:at + FRAGMENT])
            for at in range(0, len(body), FRAGMENT)]


@pytest.mark.parametrize("headers", [3, 17, 170, 300])
def test_scan_behind_extension_headers(lab, picket, wire, headers):
    """Extension headers hide nothing: their sender is veiled, by the first packet where they are so many that the port
    behind them is not looked for, and what is served does not answer then."""
    daemon = picket()
    seen = wire(lab.victim, ATTACKER6)
    frames = [frame for port in (81, 82, 83, 84, 85, 86, 87, 80, 22) for frame in syn_behind_headers(headers, port)]
    send_frames(lab, frames, every=0.02)
    daemon.wait_graded(ATTACKER6.rsplit(":", 1)[0] + ":/64", timeout=3, grade="veil")
    time.sleep(0.3)
    assert not {f.sport for f in seen.answers()} & REAL_TCP
