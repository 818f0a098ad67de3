# SPDX-License-Identifier: GPL-2.0-or-later
"""Forged senders: an attacker must not be able to make picket cut off somebody else, nor to delay him twice."""
import struct
import socket
import time

import pytest

from conftest import needs
from lab import ATTACKER4, CLIENT4, CLIENT6, GATEWAY4, MAC, VICTIM4, VICTIM6, Scan
from picket import FIVE_FAMILIES, delayed, seconds_to_connect, shut_out, visit_traps
from senders import internet_checksum

pytestmark = pytest.mark.core


def forged_syn6(source, target, sport, dport, sequence):
    """A whole Ethernet frame with a TCP SYN over IPv6."""
    src, dst = socket.inet_pton(socket.AF_INET6, source), socket.inet_pton(socket.AF_INET6, target)

    def tcp(checksum):
        return struct.pack("!HHIIBBHHH", sport, dport, sequence, 0, 0x50, 2, 1024, checksum, 0)

    checksum = internet_checksum(src + dst + struct.pack("!II", 20, 6) + tcp(0))
    mac = [bytes.fromhex(MAC[who].replace(":", "")) for who in ("victim", "attacker")]
    return mac[0] + mac[1] + b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, 20, 6, 60) + src + dst + tcp(checksum)


def send_frames(lab, frames, every=0.0005):
    with lab.attacker.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as s:
        s.bind(("eth0", 0))
        for frame in frames:
            s.send(frame)
            time.sleep(every)


@needs("hping3")
def test_forged_in_a_working_clients_name(lab, picket, honest):
    """A thousand SYNs to a thousand ports in the name of the client, while it works: it loses nothing."""
    daemon = picket()
    time.sleep(0.5)             # the client is a customer by now
    lab.attacker.run("hping3", "-q", "-S", "-a", CLIENT4, "-s", "2000", "-p", "++1", "-c", "1000", "-i", "u500",
                     VICTIM4[0],
                     check=False, timeout=30)
    time.sleep(1.0)
    report = honest.check(at_least=30)
    print(report, daemon.graded())
    assert all(row["grade"] == "veil" for row in daemon.graded()), "never a ban"


def test_forged_in_a_working_clients_name_v6(lab, picket, honest):
    daemon = picket()
    time.sleep(0.5)
    send_frames(lab, [forged_syn6(CLIENT6, VICTIM6[0], 2000 + n, 1 + n, n * 7919) for n in range(1000)])
    time.sleep(1.0)
    honest.check(at_least=30)
    assert all(row["grade"] == "veil" for row in daemon.graded())


@needs("hping3")
def test_forged_stranger_never_escalates(lab, picket, honest):
    """However often an address is forged, it is veiled at most, and said to be suspected."""
    daemon = picket()
    lab.attacker.run("hping3", "-q", "-S", "-a", "192.0.2.200", "-s", "2000", "-p", "++1", "-c", "600", "-i", "u500",
                     VICTIM4[0],
                     check=False, timeout=30)
    line = daemon.wait_graded("192.0.2.200", grade="veil")
    assert "suspected" in line
    assert [row["grade"] for row in daemon.graded("192.0.2.200")] == ["veil"]
    assert 0 < daemon.graded("192.0.2.200")[0]["expires_in_s"] <= 3600
    honest.check()


@needs("hping3")
@pytest.mark.parametrize("name", [GATEWAY4, VICTIM4[1]])
def test_forged_in_a_protected_name(lab, picket, honest, name):
    """Gateways and our own addresses are never cut off."""
    daemon = picket()
    lab.attacker.run("hping3", "-q", "-S", "-a", name, "-s", "2000", "-p", "++1", "-c", "200", "-i", "u500", VICTIM4[0],
                     check=False, timeout=30)
    time.sleep(0.5)
    assert daemon.graded() == []
    honest.check()


@needs("hping3")
def test_scanner_behind_a_forged_crowd(lab, picket, honest):
    """A few thousand forged sources do not hide the one who really scans."""
    daemon = picket()
    crowd = lab.attacker.popen("hping3", "-q", "-S", "--rand-source", "-p", "++1", "-c", "3000", "-i", "u300",
                               VICTIM4[0])
    time.sleep(0.3)
    scan = Scan(lab, "-sS", "-T4", "-p1-1000")
    daemon.wait_graded(ATTACKER4)
    scan.stop()
    crowd.terminate()
    assert delayed(lab.attacker, VICTIM4[0])
    honest.check()


def test_open_ssh_connection_is_no_shield(lab, picket, honest):
    """Whoever keeps an unauthenticated connection to port 22 is no admin: veiled all the same, and it goes on."""
    daemon = picket()
    ssh = lab.attacker.connect(VICTIM4[0], 22, 1.0, keep=True)
    assert ssh.recv(100).startswith(b"SSH-2.0")
    scan = Scan(lab, "-sS", "-T4", "-p1-1000")
    daemon.wait_graded(ATTACKER4)
    scan.stop()
    assert delayed(lab.attacker, VICTIM4[0])
    ssh.sendall(b"SSH-2.0-x\r\n")
    ssh.close()
    honest.check()


def test_a_scanner_that_is_a_customer(lab, picket):
    """Having used a service keeps that service for the day, through a veil and a ban; other ports are veiled, then
    shut."""
    daemon = picket()
    for _ in range(3):
        assert lab.attacker.get(VICTIM4[0])
    time.sleep(0.2)
    scan = Scan(lab, "-sS", "-T4", "-p81-700")
    daemon.wait_graded(ATTACKER4, grade="veil")
    scan.stop()
    assert seconds_to_connect(lab.attacker, VICTIM4[0], 80) < 0.5, "its address may have been forged"
    assert delayed(lab.attacker, VICTIM4[0], 8080)
    visit_traps(lab, *FIVE_FAMILIES)
    daemon.wait_graded(ATTACKER4, grade="ban")
    assert lab.attacker.get(VICTIM4[0]), "earned before it stood at alert"
    assert shut_out(lab.attacker, VICTIM4[0], 8080), "earned under the veil"
    assert shut_out(lab.attacker, VICTIM4[0], 777)
