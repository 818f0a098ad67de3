# SPDX-License-Identifier: GPL-2.0-or-later
"""The honest, continued: the local network, and hosts that are more than a server."""
import contextlib
import resource
import socket
import struct
import subprocess
import time

import pytest

import lab as laboratory
from lab import GATEWAY4, MAC, ONLINK_ATTACKER6, PYTHON, VICTIM4, VICTIM6
from senders import SYN, Person, conntrack_forgets, explained, icmp, ip, tcp, udp
from town import ALERT, chain

# ---- the local network


def ethernet(destination, source, packet):
    return (bytes.fromhex(destination.replace(":", "")) + bytes.fromhex(source.replace(":", ""))
            + (b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\x00") + packet)


@contextlib.contextmanager
def neighbours(town):
    """A way to put whole frames onto the victim's own network, in the name of hosts that are on it."""
    with town.lab.client.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as s:
        s.bind(("eth0", 0))
        yield lambda packet, to=MAC["victim"]: s.send(ethernet(to, MAC["client"], packet))


def test_busy_local_network(town):
    """DHCP, mDNS, NetBIOS, SSDP, LLMNR, web service discovery, printers' SNMP: to all, to groups, and answers to us
    alone."""
    who = town.person().work()
    everybody = "ff:ff:ff:ff:ff:ff"
    with neighbours(town) as send:
        for n in range(40):
            host = f"10.77.0.{100 + n % 10}"
            for sport, dport, group, mac in ((5353, 5353, "224.0.0.251", "01:00:5e:00:00:fb"),
                                             (1900, 1900, "239.255.255.250", "01:00:5e:7f:ff:fa"),
                                             (50000, 5355, "224.0.0.252", "01:00:5e:00:00:fc"),
                                             (50000, 3702, "239.255.255.250", "01:00:5e:7f:ff:fa"),
                                             (137, 137, "10.77.0.255", everybody), (138, 138, "10.77.0.255", everybody),
                                             (67, 68, "255.255.255.255", everybody),
                                             (68, 67, "255.255.255.255", everybody)):
                send(udp(host, group, sport, dport, b"\0" * 60), mac)
            for sport, dport in ((67, 68), (5353, 5353), (137, 137), (1900, 1900)):     # answers and unicast questions
                send(udp(host, VICTIM4[0], sport, dport, b"\0" * 60))
            send(ip(host, "224.0.0.251", 2, b"\x16\0\x08\x04\xe0\0\0\xfb"), "01:00:5e:00:00:fb")    # IGMP
            send(udp("fe80::77", "ff02::fb", 5353, 5353, b"\0" * 60), "33:33:00:00:00:fb")
            send(udp("fe80::77", VICTIM6[0], 547, 546, b"\0" * 60))
        one = "10.77.0.120"     # a desktop computer that looks round: shares, printers, itself
        for port in (139, 445):
            send(tcp(one, VICTIM4[0], 50000 + port, port, SYN))
        for port in (137, 5355, 3702):
            send(udp(one, VICTIM4[0], 50000, port, b"\0" * 40))
    town.unharmed(who, "10.77.0.100", "10.77.0.120")
    assert [row for row in town.daemon.ctl("sources").rows if row["source"].startswith("10.77.0.")
            and row["score"] >= ALERT] == []


def test_neighbour_discovery_under_attack(own_town):
    """One host of the link scans over IPv6 and is veiled: by its own address, and neither it nor its neighbours
    lose neighbour discovery."""
    town = own_town()
    who = town.person().work()
    good = "2001:db8:77::70"
    town.lab.client.batch(f"addr add {good}/128 dev eth0 nodad")
    town.lab.victim.batch(f"neigh replace {good} lladdr {MAC['client']} dev eth0 nud permanent")
    with neighbours(town) as send:
        for n in range(200):
            send(tcp(ONLINK_ATTACKER6, VICTIM6[0], 40000, 1 + n, SYN, n))
            time.sleep(0.0005)
        line = town.daemon.wait_graded(ONLINK_ATTACKER6)
        assert f"{ONLINK_ATTACKER6}: " in line and "/64" not in line
        for source in (ONLINK_ATTACKER6, "fe80::66", "fe80::77"):
            for n in range(20):
                target = socket.inet_pton(socket.AF_INET6, VICTIM6[0])
                send(icmp(source, VICTIM6[0], 135, 0, b"\0" * 4 + target, ttl=255))
                send(icmp(source, VICTIM6[0], 136, 0, b"\x40\0\0\0" + target, ttl=255))
                send(icmp(source, "ff02::1", 134, 0, b"\x40\0\0\0" + b"\0" * 8, ttl=255), "33:33:00:00:00:01")
                send(icmp(source, "ff02::16", 143, 0, b"\0\0\0\0", ttl=1), "33:33:00:00:00:16")
    # a solicitation of a blocked one is answered: no grade takes the link away
    town.daemon.ctl("block", ONLINK_ATTACKER6, "--for", "1h")
    with town.lab.client.socket(socket.AF_PACKET, socket.SOCK_RAW, 0x86dd) as s:
        s.bind(("eth0", 0x86dd))
        s.settimeout(2)
        target = socket.inet_pton(socket.AF_INET6, VICTIM6[0])
        body = b"\0" * 4 + target + b"\x01\x01" + bytes.fromhex(MAC["client"].replace(":", ""))
        town.lab.victim.batch(f"neigh replace {ONLINK_ATTACKER6} lladdr {MAC['client']} dev eth0 nud permanent")
        s.send(ethernet(MAC["victim"], MAC["client"], icmp(ONLINK_ATTACKER6, VICTIM6[0], 135, 0, body, ttl=255)))
        end = time.monotonic() + 2
        while time.monotonic() < end:
            frame = s.recv(2000)
            if frame[20] == 58 and frame[54] == 136:
                break
        else:
            raise AssertionError("no advertisement")
    for _ in range(10):
        assert town.lab.client.get(VICTIM6[0], source=good)
    assert [row["source"] for row in town.daemon.graded()] == [ONLINK_ATTACKER6]
    assert explained(town.daemon, good) is None
    who.steady.check()


def test_router_redundancy(town):
    """VRRP advertisements to the group and, as keepalived can, to us alone; OSPF, PIM; an address that comes and
    goes."""
    who = town.person().work()
    with neighbours(town) as send:
        for n in range(60):
            vrrp = struct.pack("!BBBBHH", 0x31, 51, 100, 1, 100, 0) + socket.inet_aton("10.77.0.9")
            send(ip("10.77.0.2" if n % 2 else GATEWAY4, "224.0.0.18", 112, vrrp, 255), "01:00:5e:00:00:12")
            send(ip("10.77.0.250", VICTIM4[0], 112, vrrp, 255))
            send(ip("10.77.0.250", "224.0.0.5", 89, b"\x02\x01" + b"\0" * 42, 1), "01:00:5e:00:00:05")
            send(ip("10.77.0.250", VICTIM4[0], 103, b"\x20\0" + b"\0" * 10))
            send(ip("10.77.0.250", VICTIM4[0], 51, b"\0" * 24))
    town.lab.victim.batch("addr add 10.77.0.10/24 dev eth0")
    town.lab.client.batch(f"neigh replace 10.77.0.10 lladdr {MAC['victim']} dev eth0 nud permanent")
    assert who.host.get("10.77.0.10", source=who.v4)
    town.lab.victim.batch("addr del 10.77.0.10/24 dev eth0")
    assert town.unharmed(who, "10.77.0.250", "10.77.0.2") == 0


# ---- hosts that are more than a server


def test_containers_and_router(own_town):
    """Published ports of a container behind a bridge, and plain forwarding: neither trapped, nor sensed, nor cut."""
    town = own_town('trap { tcp = { "all" } }')
    who = town.person().work()
    inside = town.lab.add_container()
    town.lab.client.batch("route replace 172.30.0.0/24 via 10.77.0.1 dev eth0 onlink")
    town.lab.services("tcp:80:http", "tcp:23:http", "udp:53", "bind:172.30.0.2", host=inside)
    town.lab.victim.nft("""table ip published {
        chain pre { type nat hook prerouting priority dstnat;
            iifname "eth0" tcp dport { 5900, 8088 } dnat to 172.30.0.2:80;
            iifname "eth0" udp dport 5300 dnat to 172.30.0.2:53; }
        chain post { type nat hook postrouting priority srcnat; oifname "eth0" ip saddr 172.30.0.0/24 masquerade; }
        }""")
    for port in (5900, 8088):
        for _ in range(10):
            assert who.host.get(VICTIM4[0], port, source=who.v4), "published"
    assert who.datagram(5300, payload=b"q", timeout=2.0) == b"answer:q"
    for port in (80, 23):
        assert who.host.get("172.30.0.2", port, source=who.v4), "forwarded, also to a port that is trapped here"
    for port in range(100, 130):
        assert who.tcp(port, "172.30.0.2", 0.3) == "refused", "what it refuses itself is not ours to judge"
    # late answers to what containers asked, after NAT
    with town.lab.client.socket(kind=socket.SOCK_DGRAM) as server:
        server.bind((who.v4, 53))
        server.settimeout(2)
        for _ in range(40):
            with inside.socket(kind=socket.SOCK_DGRAM) as s:
                s.sendto(b"question", (who.v4, 53))
        asked = [server.recvfrom(100)[1] for _ in range(40)]
        conntrack_forgets(town.lab.victim)
        for address in asked:
            server.sendto(b"late", address)
    assert inside.get(VICTIM4[0]), "the container's own requests"
    assert town.unharmed(who, "172.30.0.2") == 0


def test_asymmetric_route(own_town):
    """Packets come in by one interface, the way back leads through another: no evidence, and all is served."""
    town = own_town('interfaces = { "eth0", "eth1" }')
    who = town.person()
    town.lab.client.batch("link add eth1 type veth peer name eth1 netns " + town.lab.victim.name, "link set eth1 up",
                          f"rule add from {who.v4} lookup 100")
    town.lab.victim.batch("addr add 10.88.0.1/24 dev eth1", "link set eth1 up")
    mac = town.lab.victim.run("cat", "/sys/class/net/eth1/address").stdout.strip()
    town.lab.client.batch("route add 10.77.0.0/24 dev eth1 table 100",
                          *(f"neigh replace {a} lladdr {mac} dev eth1 nud permanent" for a in VICTIM4))
    for host in (town.lab.victim, town.lab.client):
        host.sysctl(net__ipv4__conf__eth1__rp_filter=2)
        host.offloads_off("eth1")
    who.steady = laboratory.Honest(town.lab.client, "--source", who.v4, "--address", VICTIM4[0])
    for port in range(26, 80):
        who.tcp(port, timeout=0.2) if port not in (37, 42, 43, 53, 77, 79) else None
    time.sleep(0.6)
    who.steady.check()
    assert town.daemon.graded() == [] and explained(town.daemon, who.v4) is None


def test_conntrack_full(own_town):
    """A table full of running connections refuses new ones whoever watches; nobody is blocked for it, and when there
    is room all is well.

    The limit is the machine's, so the table of this host alone is filled."""
    with open("/proc/sys/net/netfilter/nf_conntrack_max") as f:
        most = int(f.read())
    if most > 300000:
        pytest.skip(f"nf_conntrack_max is {most}: too many to fill")
    town = own_town()
    who = town.person()
    lines = [f"-I -p tcp -s 192.0.2.{n % 250 + 1} -d 10.77.0.1 --sport {1024 + n // 250 % 60000} "
             f"--dport {80 + n // 15000000} --state ESTABLISHED --timeout 600 -u SEEN_REPLY,ASSURED"
             for n in range(most)]
    town.lab.victim.run("conntrack", "-R", "-", input="\n".join(lines) + "\n", check=False, timeout=60)

    def held():
        return int(town.lab.victim.run("cat", "/proc/sys/net/netfilter/nf_conntrack_count").stdout)

    print("entries", held(), "of", most)
    assert held() >= most - 50
    results = {}
    for name in ("guarded", "alone"):
        results[name] = [who.tcp(80, timeout=0.15) for _ in range(10)]
        if name == "guarded":
            for port in (81, 82, 83, 443):
                who.tcp(port, timeout=0.1)
            assert town.daemon.graded() == []
            town.daemon.stop()
            chain(town.lab.victim, "usual", "input", "ct state established accept")
    print(results)
    assert results["guarded"].count("open") >= results["alone"].count("open"), \
        "no worse than any firewall that looks at states"
    town.daemon.start()
    conntrack_forgets(town.lab.victim)
    for _ in range(10):
        assert who.host.get(VICTIM4[0], source=who.v4)
    assert town.daemon.graded() == []


MANY = """
import asyncio, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
REQUEST = b"GET / HTTP/1.1\\r\\nConnection: keep-alive\\r\\n\\r\\n"

async def ask(reader, writer):
    writer.write(REQUEST)
    head = await asyncio.wait_for(reader.readuntil(b"\\r\\n\\r\\n"), 10)
    await reader.readexactly(16)
    return head.startswith(b"HTTP/1.1 200")

async def main():
    kept = []
    for n in range(1000):
        target, source = ("2001:db8:77::1", sys.argv[2]) if n % 2 else ("10.77.0.1", sys.argv[1])
        kept.append(await asyncio.open_connection(target, 8080, local_addr=(source, 0)))
    while True:
        done = await asyncio.gather(*(ask(*one) for one in kept), return_exceptions=True)
        print(sum(one is True for one in done), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)

asyncio.run(main())
"""


def test_started_among_a_thousand_connections(lab, picket, worker_id):
    """picket is started, stopped and started while a thousand connections run: each goes on, nobody is suspected."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[0]),) * 2)
    who = Person(lab)
    many = lab.client.popen(PYTHON, "-c", MANY, who.v4, who.v6, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            text=True)

    def all_answer():
        assert many.stdout.readline() == "1000\n"

    def next_turn():
        many.stdin.write("\n")
        many.stdin.flush()
    all_answer()
    daemon = picket.make()
    for _ in range(2):
        daemon.start()
        for forget in (False, True):
            if forget:
                conntrack_forgets(lab.victim)
            next_turn()
            all_answer()
        assert daemon.graded() == []
        assert explained(daemon, who.v4) is None and explained(daemon, who.v6) is None
        daemon.stop()
    next_turn()
    all_answer()
    many.kill()
