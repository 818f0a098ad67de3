# SPDX-License-Identifier: GPL-2.0-or-later
"""The honest, continued: what comes late, twice, or by the tools and protocols that everybody uses."""
import contextlib
import socket
import struct
import subprocess
import time

import pytest

from lab import PYTHON, VICTIM4, VICTIM6, stop_process
from senders import ACK, FIN, PSH, RST, SYN, Forger, conntrack_forgets, icmp, sysctls, tcp, udp
from town import ALERT, chain

# ---- late, lost and repeated packets


def test_late_packets_to_a_service(town):
    """FIN, RST, ACK and data of connections that conntrack forgot: to a port that is served, and to one that was."""
    who = town.person().work()
    service = town.lab.services("tcp:8092:silent")
    for source in (who.v4, who.v6):
        kept = [who.open(8092, source=source) for _ in range(20)]
        conntrack_forgets(town.lab.victim)
        for s in kept[:10]:
            s.sendall(b"late")
            s.close()
        chain(town.lab.victim, "crash", "output", "tcp sport 8092 drop")
        stop_process(service)
        town.lab.victim.run("nft", "delete", "table", "inet", "crash")
        conntrack_forgets(town.lab.victim)
        for s in kept[10:]:
            with contextlib.suppress(OSError):
                s.sendall(b"late")
            s.close()
        service = town.lab.services("tcp:8092:silent")
    with Forger(town.lab.client) as out:
        for source, target in ((who.v4, VICTIM4[0]), (who.v6, VICTIM6[0])):
            for flags in (FIN | ACK, RST, RST | ACK, ACK, PSH | ACK, FIN | PSH | ACK):
                out.send([tcp(source, target, 30000 + n, 80, flags, n, n, b"late" if flags & PSH else b"")
                          for n in range(20)])
    assert town.unharmed(who) == 0
    stop_process(service)


OPEN_MANY = """
import os, socket, sys
family, target, port, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
kept = []
for _ in range(count):
    s = socket.socket(family)
    s.connect((target, port))
    kept.append(s)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("port", [443, 8443])
def test_late_packets_of_servers_that_we_called(town, port):
    """A client program of ours dies without a word, conntrack forgets, and the server ends its hundred connections."""
    who = town.person().work()
    for family, source in ((socket.AF_INET, who.v4), (socket.AF_INET6, who.v6)):
        with town.lab.client.socket(family) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((source, port))
            listener.listen(200)
            program = town.lab.victim.popen(PYTHON, "-c", OPEN_MANY, str(int(family)), source, str(port), "60",
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            accepted = [listener.accept()[0] for _ in range(60)]
            assert program.stdout.readline() == "ready\n"
            chain(town.lab.victim, "crash", "output", f"tcp dport {port} tcp flags fin,rst drop")
            for s in accepted[:1]:      # RST instead of FIN, so that no socket of ours lingers
                s.sendall(b"unread")
            program.kill()
            program.wait()
            town.lab.victim.run("ss", "-K", "dst", source, "dport", "=", f":{port}", check=False)
            town.lab.victim.run("nft", "delete", "table", "inet", "crash")
            conntrack_forgets(town.lab.victim)
            with Forger(town.lab.client) as out:        # whatever became of our sockets: these find none
                out.send([tcp(source, (VICTIM6 if ":" in source else VICTIM4)[0], port, s.getpeername()[1] ^ 1, flags,
                              5, 5)
                          for s in accepted for flags in (FIN | ACK, ACK, PSH | ACK)])
            for s in accepted:
                s.close()
    time.sleep(0.3)
    town.unharmed(who, below=0.1)


def test_late_answers_to_datagrams(town):
    """Name and time servers that answer after conntrack forgot the question and the program is gone; low own ports
    as unbound's too."""
    who = town.person().work()
    sysctls(town.lab.victim, nf_conntrack_udp_timeout=1, nf_conntrack_udp_timeout_stream=1)
    try:
        for source, target in ((who.v4, VICTIM4[0]), (who.v6, VICTIM6[0])):
            family = socket.AF_INET6 if ":" in source else socket.AF_INET
            with contextlib.ExitStack() as stack:
                servers = []
                for port in (53, 123):
                    s = stack.enter_context(town.lab.client.socket(family, socket.SOCK_DGRAM))
                    s.bind((source, port))
                    s.settimeout(2)
                    servers.append(s)
                for n in range(80):
                    with town.lab.victim.socket(family, socket.SOCK_DGRAM) as s:
                        s.bind((target, 2000 + 31 * n if n % 2 else 0))
                        s.sendto(b"question", (source, (53, 123)[n // 2 % 2]))
                asked = [(s, s.recvfrom(100)[1]) for s in servers for _ in range(40)]
                conntrack_forgets(town.lab.victim)
                for s, address in asked:
                    s.sendto(b"late answer", address)
    finally:
        sysctls(town.lab.victim, nf_conntrack_udp_timeout=30, nf_conntrack_udp_timeout_stream=120)
    assert town.unharmed(who) == 0


def test_nat_rebinding(town):
    """A router forgets its translations: running connections come from new ports, and so do datagrams."""
    who = town.person().work()
    with Forger(town.lab.client) as out:
        for source, target in ((who.v4, VICTIM4[0]), (who.v6, VICTIM6[0])):
            out.send([tcp(source, target, 20000 + n, 8080, PSH | ACK, n, n, b"GET / HTTP/1.1\r\n\r\n")
                      for n in range(100)])
            out.send([tcp(source, target, 20000 + n, 22, ACK, n, n) for n in range(100)])
            for n in range(50):
                assert who.datagram(53, payload=b"r", timeout=2.0, source=source) == b"answer:r"
    assert town.unharmed(who) == 0


def test_wireguard_roaming(town):
    """One peer, whose datagrams come from ever new ports and then from another address."""
    first, second = town.person().work(), town.person()
    service = town.lab.services("udp:51820")
    for who in (first, second):
        for n in range(40):
            for source in (who.v4, who.v6):
                assert who.datagram(51820, payload=b"\x04\0\0\0", timeout=2.0, source=source) == b"answer:\x04\0\0\0"
    assert town.unharmed(first, second) == 0
    stop_process(service)


# ---- tools and protocols


@pytest.mark.parametrize("firewall", [False, True])
def test_traceroutes(town, firewall):
    """traceroute by datagrams, echo and SYN, and mtr, over ten hops and until hop 30; also where a firewall drops
    without a word."""
    people = [town.person().work() for _ in range(4)]
    if firewall:
        chain(town.lab.victim, "firewall", "input", "ct state established,related accept",
              "tcp dport { 22, 80, 777, 8080 } accept",
              "udp dport 53 accept", "icmpv6 type 133-137 accept", "drop")
    try:
        with Forger(town.lab.client) as out:
            for source, target in ((lambda p: p.v4, VICTIM4[0]), (lambda p: p.v6, VICTIM6[0])):
                by_datagram, by_echo, by_syn, mtr = (source(p) for p in people)
                kind = 128 if ":" in target else 8
                # sent with 11 to 30 and ten hops behind them
                arrived = [ttl for ttl in range(1, 21) for _ in range(3)]
                out.send([udp(by_datagram, target, 45000, 33434 + 30 + n, b"\x40" * 32, ttl) for n,
                          ttl in enumerate(arrived)])
                out.send([icmp(by_echo, target, kind, 0, struct.pack("!HH", 7, n) + b"x" * 28, ttl) for n,
                          ttl in enumerate(arrived)])
                out.send([tcp(by_syn, target, 45000 + n, 80, SYN, n, ttl=ttl) for n, ttl in enumerate(arrived)])
                out.send([udp(mtr, target, 45001, 33000 + n, b"\0" * 36, 1 + n % 6) for n in range(60)])
                out.send([tcp(mtr, target, 33000 + n, 80, SYN, n, ttl=1 + n % 6) for n in range(60)])
        assert town.unharmed(*people) == 0
    finally:
        if firewall:
            town.lab.victim.run("nft", "delete", "table", "inet", "firewall")


def test_path_mtu_and_unreachable(town):
    """ICMP errors of every code about connections that run and that never were."""
    who = town.person().work()
    with Forger(town.lab.client) as out:
        for n in range(60):
            quoted = tcp(VICTIM4[0], who.v4, 80, 30000 + n, ACK, n)[:28]
            out.send([icmp(who.v4, VICTIM4[0], kind, code, struct.pack("!HH", 0, 1400) + quoted)
                      for kind, code in ((3, n % 16), (11, n % 2), (12, 0), (4, 0), (5, 1))], 0)
            quoted = tcp(VICTIM6[0], who.v6, 80, 30000 + n, ACK, n)[:60]
            out.send([icmp(who.v6, VICTIM6[0], kind, 0, struct.pack("!I", 1400) + quoted) for kind in (1, 2, 3, 4)], 0)
    assert town.unharmed(who) == 0


def test_pings_of_three_addresses(town):
    who = town.person().work()
    with Forger(town.lab.client) as out:
        for n in range(20):
            out.send([icmp(who.v4, target, 8, 0, struct.pack("!HH", 9, n)) for target in VICTIM4[:3]]
                     + [icmp(who.v6, target, 128, 0, struct.pack("!HH", 9, n)) for target in VICTIM6[:3]], 0)
    town.unharmed(who, below=ALERT)


def test_backscatter(town):
    """What the victims of a flood forged in our name send: SYN+ACK, RST, ICMP errors, to any port."""
    who = town.person().work()
    with Forger(town.lab.client) as out:
        for source, target in ((who.v4, VICTIM4[0]), (who.v6, VICTIM6[0])):
            for flags in (SYN | ACK, RST, RST | ACK):
                out.send([tcp(source, target, 443, 1 + 13 * n, flags, n, n) for n in range(500)], 0)
    assert town.unharmed(who) == 0


def test_active_ftp(town):
    """We are the client: data comes from port 20 to ports we name, also when we have given a transfer or two up."""
    who = town.person().work()
    for source, target in ((who.v4, VICTIM4[0]), (who.v6, VICTIM6[0])):
        family = socket.AF_INET6 if ":" in source else socket.AF_INET
        with town.lab.client.socket(family) as server, town.lab.victim.socket(family) as control:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind((source, 21))
            server.listen()
            control.settimeout(2)
            control.connect((source, 21))
            with town.lab.victim.socket(family) as waiting:
                waiting.bind((target, 0))
                waiting.listen()
                waiting.settimeout(2)
                with town.lab.client.socket(family) as data:
                    data.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    data.bind((source, 20))
                    data.connect(waiting.getsockname()[:2])
                    data.sendall(b"file")
                    assert waiting.accept()[0].recv(10) == b"file"
            with Forger(town.lab.client) as out:
                out.send([tcp(source, target, 20, 40001 + 7 * n, SYN, n) for n in range(3)])
    assert town.unharmed(who) == 0


def test_ident_and_mail_call_backs(town):
    """A mail server that we deliver to asks who we are, and whether our side takes mail; on each of our addresses."""
    who = town.person().work()
    for source, targets in ((who.v4, VICTIM4), (who.v6, VICTIM6)):
        family = socket.AF_INET6 if ":" in source else socket.AF_INET
        with town.lab.client.socket(family) as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind((source, 25))
            server.listen()
            with town.lab.victim.socket(family) as mail:
                mail.settimeout(2)
                mail.connect((source, 25))
                for target in targets:
                    who.tcp(113, target, source=source)
                    who.tcp(25, target, source=source)
    time.sleep(2.2)
    assert town.unharmed(who) == 0


def test_ident_and_call_back_unasked(town):
    """The same from a server that we did not call: one look at each is no reason to cut it off."""
    ident, mail = town.person().work(), town.person().work()
    for _ in range(3):
        ident.tcp(113)
        mail.tcp(25)
        mail.tcp(25, source=mail.v6)
    time.sleep(2.2)
    town.unharmed(ident, mail)
