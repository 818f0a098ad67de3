# SPDX-License-Identifier: GPL-2.0-or-later
"""picketctl replay: the engine over real captures (where they are) and over captures made here, in every format."""
import json
import os
import random
import struct
import subprocess

import pytest

from picket import BUILD, ROOT

scapy = pytest.importorskip("scapy.all")

DATA = os.environ.get("PICKET_DATA", os.path.join(ROOT, "..", "shared", "captures"))
CTL = os.path.join(BUILD, "picketctl")

SCANNER, CLIENT, OURS = "198.51.100.7", "198.51.100.99", "192.0.2.10"
SCANNER6, OURS6 = "2001:db8:7::7", "2001:db8:1::1"
PORTS = [21, 22, 23, 25, 53, 80, 110, 135, 139, 143, 443, 445, 993, 995, 1723, 3306, 3389, 5900, 8080, 111]


def replay(path, *arguments, status=0):
    done = subprocess.run([CTL, "replay", str(path), *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    return done


def sources(path, *arguments, status=0):
    """The objects of a JSON replay by source."""
    done = replay(path, *arguments, "--json", status=status)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len({row["source"] for row in rows}) == len(rows)
    return {row["source"]: row for row in rows}


def real(name):
    path = os.path.join(DATA, name)
    if not os.path.exists(path):
        pytest.skip(f"no capture {path}: set PICKET_DATA")
    return path


# ---- real captures ----

def test_nmap_syn_scan():
    found = sources(real("nmap-syn-2011.pcap"))
    assert list(found) == ["172.16.0.8"]
    row = found["172.16.0.8"]
    assert row["grade"] == "veil" and row["tool"] == "nmap" and row["kind"] == "syn"
    assert row["to_veil"] < 0 and row["to_ban"] > 9       # passed; nothing confirmed, so no ban is near
    assert row["hosts"] == ["64.13.134.52"] and row["deciding_probes"] <= 10 and row["deciding_packet"] <= 20
    # ports that answered are not asked again once they are known, so a little less than nmap's thousand
    assert 900 < row["port_count"] <= 1000 and row["dropped"] > 900
    assert sources(real("nmap-syn-2011.pcap"), "--local", "64.13.134.52/32")["172.16.0.8"]["grade"] == "veil"


def test_connect_scan_of_ten_ports():
    found = sources(real("port_scan.pcap"))
    assert list(found) == ["192.168.2.154"]
    row = found["192.168.2.154"]
    assert row["grade"] == "veil" and row["deciding_probes"] <= 6 and row["tool"] is None
    assert row["first_packet"] == 1


def test_few_ports_on_many_hosts():
    found = sources(real("multiport_scan.pcap"))
    assert list(found) == ["125.27.226.209"]
    row = found["125.27.226.209"]
    # veiled on the way: closed ports 80 and 443 are left alone then, as clients try them by themselves
    assert row["grade"] == "veil" and row["host_count"] >= 6
    assert {"10.10.13.28", "192.168.228.35"} <= set(row["hosts"]) and row["ports"] == [80, 88, 8080]
    # this file runs backwards
    assert row["since"] == "2017-09-10T16:04:54Z" and row["first_packet"] == 16
    assert "10.10.9.115" in replay(real("multiport_scan.pcap")).stdout


def test_backscatter_is_no_scan():
    assert sources(real("backscatter.pcap")) == {}
    assert "No source with any evidence" in replay(real("backscatter.pcap")).stdout


def test_version_scan_on_one_wire():
    for arguments in ([], ["--local", "192.168.1.0/24"]):
        found = sources(real("nmap-version-scan.pcap"), *arguments)
        assert list(found) == ["192.168.1.71"], arguments
        assert found["192.168.1.71"]["score"] > 0


# ---- captures made here ----

def ip(source=SCANNER, destination=OURS):
    return scapy.IPv6(src=source, dst=destination) if ":" in source else scapy.IP(src=source, dst=destination)


def timed(packets, start=1_700_000_000.0, step=0.1):
    for number, packet in enumerate(packets):
        packet.time = start + number * step
    return packets


def syn_scan(ports=PORTS, source=SCANNER, destination=OURS):
    return [ip(source, destination) / scapy.TCP(sport=40000 + port % 7, dport=port, flags="S", seq=port * 7919,
                                                window=64240, options=[("MSS", 1460)]) for port in ports]


def connection(port, source=CLIENT, destination=OURS, sport=50000, payload=b"hello\n", close=True):
    """A whole connection: handshake, data both ways, close."""
    def to(flags, **more):
        return ip(source, destination) / scapy.TCP(sport=sport, dport=port, flags=flags, **more)

    def fro(flags, **more):
        return ip(destination, source) / scapy.TCP(sport=port, dport=sport, flags=flags, **more)

    options = [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (1, 0)), ("WScale", 7)]
    packets = [to("S", seq=100, options=options), fro("SA", seq=500, ack=101), to("A", seq=101, ack=501)]
    if payload:
        packets += [to("PA", seq=101, ack=501) / payload, fro("PA", seq=501, ack=101 + len(payload)) / b"welcome\n"]
    if close:
        packets += [to("FA", seq=101 + len(payload), ack=509), fro("FA", seq=509, ack=102 + len(payload)),
                    to("A", seq=102 + len(payload), ack=510)]
    return packets


def expect_veil(path, source=SCANNER, *arguments):
    found = sources(path, *arguments)
    assert list(found) == [source]
    assert found[source]["grade"] == "veil" and found[source]["deciding_probes"] <= 6
    return found[source]


ETHER = scapy.Ether(src="02:00:00:00:00:02", dst="02:00:00:00:00:01")

LINKS = {
    "ethernet": lambda p: ETHER / p,
    "vlan": lambda p: ETHER / scapy.Dot1Q(vlan=7) / p,
    "qinq": lambda p: scapy.Ether(src=ETHER.src, dst=ETHER.dst, type=0x88a8) / scapy.Dot1Q(vlan=9) /
    scapy.Dot1Q(vlan=7) / p,
    "sll": lambda p: scapy.CookedLinux(pkttype=0, proto=0x86dd if p.version == 6 else 0x800) / p,
    "raw": lambda p: p,
    "loop": lambda p: scapy.Loopback(type=30 if p.version == 6 else 2) / p,
}


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("link", LINKS)
def test_link_types(tmp_path, link, family):
    addresses = (SCANNER, OURS) if family == 4 else (SCANNER6, OURS6)
    path = str(tmp_path / f"{link}.pcap")
    scapy.wrpcap(path, timed([LINKS[link](p) for p in syn_scan(PORTS, *addresses)]))
    row = expect_veil(path, SCANNER if family == 4 else "2001:db8:7::/64")
    assert row["hosts"] == [addresses[1]] and row["kind"] == "syn"


def test_pcapng(tmp_path):
    path = str(tmp_path / "scan.pcapng")
    writer = scapy.PcapNgWriter(path) if hasattr(scapy, "PcapNgWriter") else None
    if writer is None:
        pytest.skip("this scapy does not write pcapng")
    for packet in timed([ETHER / p for p in syn_scan()]):
        writer.write(packet)
    writer.close()
    expect_veil(path)


def test_a_client_of_a_service_is_no_source(tmp_path):
    path = str(tmp_path / "clients.pcap")
    packets = []
    for number in range(30):
        packets += connection(80, f"203.0.113.{number + 1}", sport=50000 + number)
    scapy.wrpcap(path, timed([ETHER / p for p in packets]))
    assert sources(path) == {}


def test_scan_among_clients(tmp_path):
    """The client goes on; the scanner is veiled, and what is served gets no answer for it but at the repeat."""
    path = str(tmp_path / "mixed.pcap")
    scan, packets = syn_scan(), connection(443)
    for number, probe in enumerate(scan):
        packets.append(probe)
        packets += connection(22, CLIENT, sport=51000 + number)
    packets = timed([ETHER / p for p in packets], step=0.01)
    again = timed([ETHER / p for p in scan if p.dport == 22], start=packets[-1].time + 2.6)
    scapy.wrpcap(path, packets + again)
    row = expect_veil(path)
    assert 22 not in row["ports"]                # served: no probe, whoever asks
    closed = len(scan) - 1 - row["deciding_probes"]
    assert closed - 4 <= row["dropped"] <= closed + 4
    assert row["deciding_packet"] < len(packets) / 2
    told = replay(path).stdout
    assert " 2 of them held up by a veil until their repeat" in told, told    # 443, and 22 at its second time


def test_open_and_local_given(tmp_path):
    path = str(tmp_path / "scan.pcap")
    scapy.wrpcap(path, timed([ETHER / p for p in syn_scan()]))
    every = ",".join(str(port) for port in PORTS)
    assert sources(path, "--open", every) == {}
    assert sources(path, "--open", "1-65535/tcp") == {}
    assert sources(path, "--local", "203.0.113.0/24") == {}
    expect_veil(path, SCANNER, "--local", f"{OURS}/32", "--open", "none")


def test_reset_stays_evidence(tmp_path):
    path = str(tmp_path / "closed.pcap")
    packets = []
    for probe in syn_scan():
        tcp = probe[scapy.TCP]
        packets += [probe, ip(OURS, SCANNER) / scapy.TCP(sport=tcp.dport, dport=tcp.sport, flags="RA", ack=tcp.seq + 1)]
    scapy.wrpcap(path, timed([ETHER / p for p in packets]))
    expect_veil(path)


TRAPS = [7, 23, 79, 111, 513]    # of five families


def trap_visits(ports, payload=b"", close=True):
    return [packet for number, port in enumerate(ports)
            for packet in connection(port, SCANNER, sport=50001 + number, payload=payload, close=close)]


def test_visits_to_traps(tmp_path):
    """A listener that --open leaves out is a trap: silent visits to five families are a ban, whether the visitor goes
    or waits until the trap closes.  Without --open it is a service."""
    path = str(tmp_path / "honeypot.pcap")
    scapy.wrpcap(path, timed([ETHER / p for p in trap_visits(TRAPS)]))
    assert sources(path) == {}
    row = sources(path, "--open", "22")[SCANNER]
    assert row["grade"] == "ban" and row["confirmed"] > 9 and row["ports"] == TRAPS and row["to_ban"] < 0
    scapy.wrpcap(path, timed([ETHER / p for p in trap_visits(TRAPS, close=False)]))
    row = sources(path, "--open", "22")[SCANNER]
    assert row["grade"] == "ban" and row["confirmed"] > 9


@pytest.mark.parametrize("said, grade", [(b"somebody\r\n", "veil"), (b"NICK somebody\r\n", "alert")])
def test_a_visitor_that_speaks_proves_nothing(tmp_path, said, grade):
    """A third party can make an honest program connect here, and then it speaks; what a link can make it say weighs
    less than half."""
    path = str(tmp_path / "spoken.pcap")
    scapy.wrpcap(path, timed([ETHER / p for p in trap_visits(TRAPS, payload=said)]))
    row = sources(path, "--open", "22")[SCANNER]
    assert row["grade"] == grade and row["confirmed"] == 0 and row["to_ban"] > 9


def test_what_a_banned_source_uses_goes_on(tmp_path):
    """It was a customer before anything was held against it, and stays one; nothing else is admitted."""
    path = str(tmp_path / "customer.pcap")
    packets = connection(443, SCANNER, sport=40001, close=False) + trap_visits(TRAPS)
    packets = timed([ETHER / p for p in packets])
    late = connection(443, SCANNER, sport=40002)[:1] + connection(22, SCANNER, sport=40003)[:1]
    scapy.wrpcap(path, packets + timed([ETHER / p for p in late], start=packets[-1].time + 10))
    row = sources(path, "--open", "22,443")[SCANNER]
    assert row["grade"] == "ban" and row["dropped"] == 1


def test_configuration_counts(tmp_path):
    path, conf = str(tmp_path / "scan.pcap"), tmp_path / "picket.conf"
    scapy.wrpcap(path, timed([ETHER / p for p in syn_scan()]))
    conf.write_text(f'mode = observe\nallow = {{ "{SCANNER}" }}\n')
    assert all(row["grade"] == "watch" for row in sources(path, "-c", str(conf)).values())
    conf.write_text("mode = observe\n")
    expect_veil(path, SCANNER, "-c", str(conf))
    conf.write_text("nonsense = 1\n")
    done = replay(path, "-c", str(conf), status=1)
    assert "picket.conf:1" in done.stderr and done.stdout == ""


def test_out_of_order(tmp_path):
    path = str(tmp_path / "shuffled.pcap")
    packets = timed([ETHER / p for p in syn_scan()], step=3.0)
    random.Random(7).shuffle(packets)
    scapy.wrpcap(path, packets)
    assert expect_veil(path)["since"] == "2023-11-14T22:13:20Z"
    assert "out of order" in replay(path).stdout


def test_slow_scan_takes_no_time(tmp_path):
    """One port an hour, in virtual time."""
    path = str(tmp_path / "slow.pcap")
    scapy.wrpcap(path, timed([ETHER / p for p in syn_scan([p for p in PORTS if p < 1024])], step=3600.0))
    expect_veil(path)


def test_broadcast_and_arp_are_nobodys_probes(tmp_path):
    path = str(tmp_path / "lan.pcap")
    # every address is given: scapy would ask the network for those that are left out
    everybody = scapy.Ether(src=ETHER.src, dst="ff:ff:ff:ff:ff:ff")
    packets = [everybody / scapy.IP(src=CLIENT, dst="192.0.2.255") / scapy.UDP(sport=137, dport=137 + n)
               for n in range(20)]
    packets += [everybody / scapy.ARP(hwsrc=ETHER.src, psrc=CLIENT, pdst=f"192.0.2.{n}") for n in range(20)]
    packets += [scapy.Ether(src=ETHER.src, dst="01:00:5e:00:00:fb") / scapy.IP(src=CLIENT, dst="224.0.0.251") /
                scapy.UDP(sport=5353, dport=5353)]
    scapy.wrpcap(path, timed(packets))
    assert sources(path) == {} and sources(path, "--local", "192.0.2.0/24") == {}


def test_answers_to_our_own_questions(tmp_path):
    """A host that asks ten resolvers and web servers, some of which answer late or never."""
    path = str(tmp_path / "outbound.pcap")
    packets = connection(22, CLIENT)
    for number in range(1, 11):
        server = f"203.0.113.{number}"
        query = ip(OURS, server) / scapy.UDP(sport=30000 + number, dport=53) / b"question"
        answer = ip(server, OURS) / scapy.UDP(sport=53, dport=30000 + number) / b"answer"
        packets += [query, answer] + connection(443, OURS, server, sport=31000 + number)
        packets += [ip(OURS, server) / scapy.TCP(sport=32000 + number, dport=81, flags="S")]
        packets += [ip(server, OURS) / scapy.TCP(sport=81, dport=32000 + number, flags="RA")]
        packets += [ip(server, OURS) / scapy.ICMP(type=3, code=3) / bytes(28)]
    scapy.wrpcap(path, timed([ETHER / p for p in packets], step=0.05))
    assert sources(path) == {}
    assert f"Local (learned): {OURS}\n" in replay(path).stdout


# ---- files that are wrong, and usage ----

def one_line(done):
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_truncated(tmp_path):
    whole, cut = tmp_path / "whole.pcap", tmp_path / "cut.pcap"
    scapy.wrpcap(str(whole), timed([ETHER / p for p in syn_scan()]))
    cut.write_bytes(whole.read_bytes()[:-20])
    done = replay(cut, "--json", status=1)
    assert "truncated after packet 19" in one_line(done)
    assert json.loads(done.stdout)["grade"] == "veil"          # what came before counts


@pytest.mark.parametrize("content, words", [
    (b"", "empty file"),
    (b"#!/bin/sh\necho no capture\n", "not a capture file"),
    (b"\x1f\x8b\x08\x00garbage", "compressed"),
    (b"\xd4\xc3\xb2\xa1\x02\x00", "truncated"),
    (struct.pack("<IHHIIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 105), "unsupported link type"),
])
def test_foreign_files(tmp_path, content, words):
    path = tmp_path / "file"
    path.write_bytes(content)
    done = replay(path, status=1)
    assert words in one_line(done) and done.stdout == ""


def test_no_file_no_packets(tmp_path):
    assert "No such file" in one_line(replay(tmp_path / "absent.pcap", status=1))
    assert "not a regular file" in one_line(replay(tmp_path, status=1))
    path = tmp_path / "header.pcap"
    path.write_bytes(struct.pack("<IHHIIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
    assert "No source" in replay(path).stdout
    assert sources(path) == {}


def test_garbage_in_good_clothes(tmp_path):
    """Random bytes as packets of every link type: no crash, no verdict on anybody that isn't there."""
    draw = random.Random(11)
    for link_type in (1, 113, 276, 101, 228, 229, 0, 108):
        content = struct.pack("<IHHIIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, link_type)
        for number in range(300):
            packet = bytearray(draw.randbytes(draw.randrange(0, 90)))
            if len(packet) > 24:
                packet[draw.choice((0, 4, 14, 16, 20))] = draw.choice((0x45, 0x4f, 0x60))
            content += struct.pack("<IIII", draw.choice((number, 2**32 - 1)), 0, len(packet), len(packet)) + packet
        path = tmp_path / f"garbage-{link_type}.pcap"
        path.write_bytes(content)
        replay(path)
        replay(path, "--json", "--local", "0.0.0.0/0", "--local", "::/0")


@pytest.mark.parametrize("arguments", [
    [], ["a", "b"], ["a", "--speed", "warp"], ["a", "--local", "192.0.2.1/24"], ["a", "--open", "0"],
    ["a", "--open", "22,"],
    ["a", "--open"], ["a", "--frobnicate"], ["a", "--open", "70000/tcp"], ["a", "--open", "9-1"],
])
def test_usage(arguments):
    done = subprocess.run([CTL, "replay", *arguments], capture_output=True, text=True, timeout=10)
    assert done.returncode == 2 and "usage" in done.stderr and done.stdout == ""


def test_real_speed(tmp_path):
    path = str(tmp_path / "scan.pcap")
    scapy.wrpcap(path, timed([ETHER / p for p in syn_scan()], step=0.05))
    done = replay(path, "--speed", "real")
    assert SCANNER in done.stderr and "veil " in done.stderr
