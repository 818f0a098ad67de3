# SPDX-License-Identifier: GPL-2.0-or-later
"""The honest: whatever they do by mistake, out of habit or too late, nobody cuts them off and no request of theirs is lost.

Every test is a line of the table in picketd(8), "Forged sources": a person with an address of his own does what the line says,
works all the while (a request every 50 ms, each counted), and what `explain` has against him afterwards adds up.  Tests share a
laboratory with a daemon in its default configuration, as people share a server; those that change the host have one of their own.
What takes hours is in tests/replay/honest_*.txt.
"""
import contextlib
import resource
import socket
import ssl
import struct
import subprocess
import threading
import time

import pytest

import lab as laboratory
import picket as daemon_module
from lab import CLIENT_GATEWAY4, GATEWAY4, MAC, ONLINK_ATTACKER6, PYTHON, VICTIM4, VICTIM6, stop_process, wait_until
from senders import (ACK, FIN, PSH, RST, SYN, Forger, Person, conntrack_forgets, explained, icmp, ip, probe, sysctls, tcp, udp)

ALERT, BLOCK = 4.6, 6.9


class Town:
    """A laboratory, its services, a daemon; and people who come to it."""

    def __init__(self, worker, config=""):
        self.lab = laboratory.Lab(worker)
        self.daemon = None
        try:
            self.lab.services()
            self.daemon = daemon_module.Picket(self.lab, config).start()
        except BaseException:
            self.close()
            raise

    def person(self):
        return Person(self.lab)

    def close(self):
        try:
            if self.daemon:
                self.daemon.close()
        finally:
            self.lab.close()

    def unharmed(self, *people, below=BLOCK, at_least=5):
        """Nobody is blocked nor ever was; those who work lost nothing; sums add up.  The highest score among them."""
        time.sleep(0.1)
        assert self.daemon.blocked() == [], self.daemon.blocked()
        assert self.daemon.lines(r"\b(block|ban) \S+ for ") == [], self.daemon.lines(r"\b(block|ban) ")
        highest = 0.0
        for person in people:
            for address in (person.v4, person.v6) if isinstance(person, Person) else (person,):
                told = explained(self.daemon, address)
                if told:
                    print(address, told["grade"], told["score"], told["kind"], [(p["what"], p.get("port"), p["weight"])
                                                                              for p in told["evidence"]])
                    highest = max(highest, told["score"])
            if isinstance(person, Person):
                if person.steady:
                    person.steady.check(at_least)
                person.served()
        assert highest < below, highest
        return highest


@pytest.fixture(scope="module")
def shared(worker_id):
    made = Town(worker_id)
    yield made
    made.close()


@pytest.fixture
def town(shared):
    """The shared one, with whatever an earlier test left undone put right."""
    yield shared
    shared.daemon.ctl("unblock", "--all", check=False)
    open(shared.daemon.log_path, "r+").truncate(0)


@pytest.fixture
def own_town(worker_id):
    """own_town(config): one for this test alone."""
    made = []

    def start(config=""):
        made.append(Town(worker_id, config))
        return made[-1]
    yield start
    for one in made:
        one.close()


def chain(host, table, hook, *rules):
    """A firewall of the host's own: one chain in a table of its own."""
    host.nft("\n".join([f"table inet {table} {{", f"chain only {{ type filter hook {hook} priority 0;", *rules, "}", "}"]))


# ---- clients that try what is not there


def test_retransmitted_syns(town):
    """The same SYN to a dead port, again and again, as behind a firewall that drops; in both families."""
    who = town.person().work()
    with Forger(town.lab.client) as out:
        for n in range(8):
            out.send([tcp(who.v4, VICTIM4[0], 40000, 26, SYN, seq=77), tcp(who.v6, VICTIM6[0], 40000, 26, SYN, seq=77)], 0)
            time.sleep(0.1)
    assert town.unharmed(who, below=1.5) > 0, "the first one counts, and only that"


def test_removed_service(town):
    """A client that comes back to a service that was removed."""
    who = town.person().work()
    for _ in range(60):
        assert who.tcp(8081) == "refused"
        assert who.tcp(8081, source=who.v6) == "refused"
    town.unharmed(who, below=1.5)


def test_mail_program_guesses(town):
    """Encrypted and plain mail ports one after the other, greeting awaited, then the web server that tells the right ones."""
    who = town.person().work()
    for source, target in ((who.v4, VICTIM4[0]), (who.v6, VICTIM6[0])):
        for port in (993, 143, 995, 110, 465, 587, 25):
            s = town.lab.client.connect(target, port, 1.0, source, keep=True)
            if isinstance(s, str):
                continue
            with s, contextlib.suppress(OSError):
                s.settimeout(0.3)
                if port in (993, 995, 465):
                    wire = ssl.MemoryBIO()
                    hello = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), wire, server_hostname="mail.example.org")
                    with contextlib.suppress(ssl.SSLWantReadError):
                        hello.do_handshake()
                    s.sendall(wire.read())
                s.recv(200)
        who.tcp(443, target, source=source)
    town.unharmed(who)


def test_happy_eyeballs(town):
    """A name with eight addresses: each is tried, on a dead port or on one that is trapped."""
    people = [(443, town.person().work()), (6667, town.person().work())]
    for port, who in people:
        for a4, a6 in zip(VICTIM4, VICTIM6):
            who.tcp(port, a6, source=who.v6)
            who.tcp(port, a4)
    time.sleep(2.5)
    town.unharmed(*(who for _, who in people))


def test_everything_trapped(own_town):
    """The same where every unused port is a trap: handshakes weigh more, but a guess, a name's other addresses and an answer do not."""
    town = own_town('trap { tcp = { "all" }  udp = { "all" } }')
    mail, eyes, web, asked = (town.person().work() for _ in range(4))
    for port in (993, 143, 995, 110, 465, 587, 25):
        for source in (mail.v4, mail.v6):
            mail.tcp(port, source=source)
    for a4, a6 in zip(VICTIM4, VICTIM6):
        eyes.tcp(5222, a4)
        eyes.tcp(5222, a6, source=eyes.v6)
        web.datagram(443, a4, b"\xc0" + b"\0" * 1199, 0.02)
        with contextlib.suppress(OSError), web.open(443, a4) as s:
            s.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500)
            s.settimeout(0.2)
            s.recv(100)
    with town.lab.client.socket(kind=socket.SOCK_DGRAM) as server:
        server.bind((asked.v4, 53))
        server.settimeout(2)
        for _ in range(30):
            with town.lab.victim.socket(kind=socket.SOCK_DGRAM) as s:
                s.sendto(b"question", (asked.v4, 53))
        questions = [server.recvfrom(100)[1] for _ in range(30)]
        conntrack_forgets(town.lab.victim)
        for address in questions:
            server.sendto(b"late", address)
    time.sleep(2.5)
    town.unharmed(mail, eyes, web, asked)
    assert explained(town.daemon, asked.v4) is None


def test_http3_attempts(town):
    who = town.person().work()
    for _ in range(5):
        for a4, a6 in zip(VICTIM4, VICTIM6):
            who.datagram(443, a4, b"\xc0" + b"\0" * 1199, 0.02)
            who.datagram(443, a6, b"\xc0" + b"\0" * 1199, 0.02, who.v6)
    town.unharmed(who, below=ALERT)


def test_torrent_leftovers(town):
    """Three hundred sources keep trying one dead port, by TCP and by datagrams."""
    who = town.person().work()
    with Forger(town.lab.client) as out:
        for turn in range(3):
            for n in range(300):
                source = f"100.64.{n // 200}.{n % 200 + 1}"
                out.send([tcp(source, VICTIM4[0], 50000, 51413, SYN, seq=n),
                          udp(source, VICTIM4[0], 51413, 51413, b"d1:ad2:id20:")], 0.0001)
    town.unharmed(who, "100.64.0.1", "100.64.1.99", below=1.5)
    assert all(row["score"] < 1.5 for row in town.daemon.ctl("sources").rows if row["source"].startswith("100.64.")), "a crowd"


def test_nat_of_a_hundred(town):
    """A hundred users behind one address work at once, and each has some program that tries something dead."""
    who = town.person().work()
    strays = [lambda: who.tcp(443), lambda: who.tcp(993), lambda: who.datagram(443), lambda: who.tcp(8443), lambda: who.tcp(5228)]
    failed = []

    def user(n):
        for turn in range(5):
            if not town.lab.client.get(VICTIM4[0], (80, 777, 8080)[(n + turn) % 3], 3.0, who.v4):
                failed.append(n)
            strays[n % len(strays)]()
    threads = [threading.Thread(target=user, args=(n,)) for n in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    town.unharmed(who)


def test_one_trap(town):
    """A web page, a crawler, a server-side request, a torrent client: led to a trap by somebody else."""
    visits = {"page": (2049, b"GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: Mozilla/5.0\r\n\r\n"),
              "crawler": (4045, b"GET /robots.txt HTTP/1.1\r\nHost: x\r\nUser-Agent: bot\r\n\r\n"),
              "request": (6566, b"POST /hook HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"),
              "torrent": (6667, b"\x13BitTorrent protocol" + b"\0" * 48),
              "silent": (3659, b"")}
    people = {name: town.person().work() for name in visits}
    for name, (port, words) in visits.items():
        for source in (people[name].v4, people[name].v6):
            s = town.lab.client.connect((VICTIM6 if ":" in source else VICTIM4)[0], port, 1.0, source, keep=True)
            if not isinstance(s, str):
                with s, contextlib.suppress(OSError):
                    s.sendall(words)
                    s.settimeout(0.2)
                    s.recv(100)
    time.sleep(2.2)
    town.unharmed(*people.values())


def test_checks_from_an_allowed_net(town):
    """A load balancer and a monitor, allowed by CIDR, check closed and trapped ports as well."""
    people = [town.person().work() for _ in range(2)]
    for address in (people[0].v4, people[1].v4, people[0].net6 + "/64", people[1].net6 + "/64"):
        town.daemon.ctl("allow", "add", address)
    for who in people:
        for source in (who.v4, who.v6):
            for port in (*range(81, 110), 23, 5900, 3306, 5432, 9100):
                who.tcp(port, source=source)
    assert town.unharmed(*people) == 0, "nothing is counted against them"
    for address in (people[0].v4, people[1].v4, people[0].net6 + "/64", people[1].net6 + "/64"):
        town.daemon.ctl("allow", "del", address)


def test_prometheus_scrapes(town):
    """Scrapes of a living exporter and of two dead ones, again and again."""
    who = town.person().work()
    for _ in range(40):
        assert town.lab.client.get(VICTIM4[0], 8080, source=who.v4)
        assert who.tcp(9100) == "refused" and who.tcp(9113) == "refused"
    town.unharmed(who, below=ALERT)


def test_ssh_brute_force(town):
    """Not our job: the real port answers to everybody."""
    who = town.person().work()
    for n in range(300):
        with who.open(22, source=(who.v4, who.v6)[n % 2]) as s:
            assert s.recv(64).startswith(b"SSH-2.0")
    assert town.unharmed(who) == 0


# ---- services that come and go


def test_service_restarted_under_load(town):
    """While the service is away its clients are refused; they are not taken for scanners, and at once served again."""
    who = town.person().work()
    service = town.lab.services("tcp:8090:http", "tcp:8091:http")
    for port in (8090, 8091):
        assert town.lab.client.get(VICTIM4[0], port, source=who.v4)
    stop_process(service)
    for _ in range(40):
        for port in (8090, 8091):
            assert who.tcp(port) == "refused"
    service = town.lab.services("tcp:8090:http", "tcp:8091:http")
    for _ in range(20):
        assert town.lab.client.get(VICTIM4[0], 8090, source=who.v4)
    town.unharmed(who)
    stop_process(service)


DIRECTORY = (88, 135, 464, 3268, 5985, 9389, 49152, 49153)      # as the clients of a domain controller use


def test_multi_port_service_down(own_town):
    """A service with eight ports that was served, stops for a while, and is tried on all of them."""
    town = own_town()
    who = town.person().work()
    service = town.lab.services(*(f"tcp:{port}:silent" for port in DIRECTORY))
    time.sleep(6.2)             # the listeners are looked at every 5 s
    stop_process(service)
    for _ in range(3):
        for port in DIRECTORY:
            assert who.tcp(port) == "refused", port
    assert town.unharmed(who) == 0


def test_multi_port_service_after_a_restart_of_the_host(own_town):
    """picket is up before the service is: what was served before the restart is remembered."""
    town = own_town()
    who = town.person()
    service = town.lab.services(*(f"tcp:{port}:silent" for port in DIRECTORY))
    time.sleep(6.2)
    town.daemon.stop()
    stop_process(service)
    town.daemon.start()
    time.sleep(0.5)             # memory is read back while packets pass already
    for port in DIRECTORY:
        assert who.tcp(port) == "refused", port
    service = town.lab.services(*(f"tcp:{port}:silent" for port in DIRECTORY))
    for port in DIRECTORY:
        assert who.tcp(port) == "open", port
    assert town.unharmed(who) == 0


def test_multi_port_service_after_a_failover(own_town):
    """An address moves here; its service, never seen here, starts a little later than its clients come.

    They look like a scan until it does: then what was held against them is taken back, blocks included."""
    town = own_town()
    who, moved = town.person(), "10.77.0.9"
    town.lab.client.batch(f"neigh replace {moved} lladdr {MAC['victim']} dev eth0 nud permanent")
    town.lab.victim.batch(f"addr add {moved}/24 dev eth0")
    for port in DIRECTORY[:4]:
        who.tcp(port, moved)
    town.lab.services(*(f"tcp:{port}:silent" for port in DIRECTORY))
    wait_until(lambda: all(who.tcp(port, moved) == "open" for port in DIRECTORY), 7.0, "all ports of the service answer")
    wait_until(lambda: explained(town.daemon, who.v4) is None or explained(town.daemon, who.v4)["score"] == 0, 7.0,
               lambda: f"taken back: {explained(town.daemon, who.v4)}")
    town.unharmed(who)


def test_what_was_held_against_a_blocked_one_is_taken_back(own_town):
    """Eight dead ports are a scan; a service that then starts on them frees who was blocked for them."""
    town = own_town()
    who = town.person()
    for port in DIRECTORY:
        who.tcp(port, timeout=0.2)
    town.daemon.wait_blocked(who.v4)
    town.lab.services(*(f"tcp:{port}:silent" for port in DIRECTORY))
    town.daemon.wait_line(rf"\bunblock {who.v4}: .*served", 8.0)
    assert all(who.tcp(port) == "open" for port in DIRECTORY)


# ---- late, lost and repeated packets


FORGET = {"nf_conntrack_tcp_timeout_established": 2, "nf_conntrack_tcp_timeout_fin_wait": 1, "nf_conntrack_tcp_timeout_close_wait": 1,
          "nf_conntrack_tcp_timeout_time_wait": 1, "nf_conntrack_tcp_timeout_last_ack": 1, "nf_conntrack_tcp_timeout_close": 1,
          "nf_conntrack_udp_timeout": 1, "nf_conntrack_udp_timeout_stream": 1}


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
                out.send([tcp(source, target, 30000 + n, 80, flags, n, n, b"late" if flags & PSH else b"") for n in range(20)])
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
                out.send([tcp(source, (VICTIM6 if ":" in source else VICTIM4)[0], port, s.getpeername()[1] ^ 1, flags, 5, 5)
                          for s in accepted for flags in (FIN | ACK, ACK, PSH | ACK)])
            for s in accepted:
                s.close()
    time.sleep(0.3)
    town.unharmed(who, below=0.1)


def test_late_answers_to_datagrams(town):
    """Name and time servers that answer after conntrack forgot the question and the program is gone; low own ports as unbound's too."""
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
            out.send([tcp(source, target, 20000 + n, 8080, PSH | ACK, n, n, b"GET / HTTP/1.1\r\n\r\n") for n in range(100)])
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
    """traceroute by datagrams, echo and SYN, and mtr, over ten hops and until hop 30; also where a firewall drops without a word."""
    people = [town.person().work() for _ in range(4)]
    if firewall:
        chain(town.lab.victim, "firewall", "input", "ct state established,related accept", "tcp dport { 22, 80, 777, 8080 } accept",
              "udp dport 53 accept", "icmpv6 type 133-137 accept", "drop")
    try:
        with Forger(town.lab.client) as out:
            for source, target in ((lambda p: p.v4, VICTIM4[0]), (lambda p: p.v6, VICTIM6[0])):
                by_datagram, by_echo, by_syn, mtr = (source(p) for p in people)
                kind = 128 if ":" in target else 8
                arrived = [ttl for ttl in range(1, 21) for _ in range(3)]       # sent with 11 to 30 and ten hops behind them
                out.send([udp(by_datagram, target, 45000, 33434 + 30 + n, b"\x40" * 32, ttl) for n, ttl in enumerate(arrived)])
                out.send([icmp(by_echo, target, kind, 0, struct.pack("!HH", 7, n) + b"x" * 28, ttl) for n, ttl in enumerate(arrived)])
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
    """We are the client: data comes from port 20 to ports we name, also when we have given the transfer up."""
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
                out.send([tcp(source, target, 20, 40001 + 7 * n, SYN, n) for n in range(40)])
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
    """DHCP, mDNS, NetBIOS, SSDP, LLMNR, web service discovery, printers' SNMP: to all, to groups, and answers to us alone."""
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
                                             (67, 68, "255.255.255.255", everybody), (68, 67, "255.255.255.255", everybody)):
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
    assert [row for row in town.daemon.ctl("sources").rows if row["source"].startswith("10.77.0.") and row["score"] >= ALERT] == []


def test_neighbour_discovery_under_attack(own_town):
    """One host of the link scans over IPv6 and is blocked: by its own address, and neither it nor its neighbours lose neighbour discovery."""
    town = own_town()
    who = town.person().work()
    good = "2001:db8:77::70"
    town.lab.client.batch(f"addr add {good}/128 dev eth0 nodad")
    town.lab.victim.batch(f"neigh replace {good} lladdr {MAC['client']} dev eth0 nud permanent")
    with neighbours(town) as send:
        for n in range(200):
            send(tcp(ONLINK_ATTACKER6, VICTIM6[0], 40000, 1 + n, SYN, n))
            time.sleep(0.0005)
        line = town.daemon.wait_blocked(ONLINK_ATTACKER6)
        assert f"{ONLINK_ATTACKER6} " in line and "/64" not in line
        for source in (ONLINK_ATTACKER6, "fe80::66", "fe80::77"):
            for n in range(20):
                target = socket.inet_pton(socket.AF_INET6, VICTIM6[0])
                send(icmp(source, VICTIM6[0], 135, 0, b"\0" * 4 + target, ttl=255))
                send(icmp(source, VICTIM6[0], 136, 0, b"\x40\0\0\0" + target, ttl=255))
                send(icmp(source, "ff02::1", 134, 0, b"\x40\0\0\0" + b"\0" * 8, ttl=255), "33:33:00:00:00:01")
                send(icmp(source, "ff02::16", 143, 0, b"\0\0\0\0", ttl=1), "33:33:00:00:00:16")
    # a solicitation of the blocked one is answered: hard or soft, a block never takes the link away
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
    assert [row["source"] for row in town.daemon.blocked()] == [ONLINK_ATTACKER6]
    assert explained(town.daemon, good) is None
    who.steady.check()


def test_router_redundancy(town):
    """VRRP advertisements to the group and, as keepalived can, to us alone; OSPF, PIM; an address that comes and goes."""
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
        chain pre { type nat hook prerouting priority dstnat; iifname "eth0" tcp dport { 5900, 8088 } dnat to 172.30.0.2:80;
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
    with town.lab.client.socket(kind=socket.SOCK_DGRAM) as server:      # late answers to what containers asked, after NAT
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
    town.lab.client.batch("route add 10.77.0.0/24 dev eth1 table 100", *(f"neigh replace {a} lladdr {mac} dev eth1 nud permanent"
                                                                        for a in VICTIM4))
    for host in (town.lab.victim, town.lab.client):
        host.sysctl(net__ipv4__conf__eth1__rp_filter=2)
        host.offloads_off("eth1")
    who.steady = laboratory.Honest(town.lab.client, "--source", who.v4, "--address", VICTIM4[0])
    for port in range(26, 80):
        who.tcp(port, timeout=0.2) if port not in (37, 42, 43, 53, 77, 79) else None
    time.sleep(0.6)
    who.steady.check()
    assert town.daemon.blocked() == [] and explained(town.daemon, who.v4) is None


def test_conntrack_full(own_town):
    """A table full of running connections refuses new ones whoever watches; nobody is blocked for it, and when there is room all is well.

    The limit is the machine's, so the table of this host alone is filled."""
    with open("/proc/sys/net/netfilter/nf_conntrack_max") as f:
        most = int(f.read())
    if most > 300000:
        pytest.skip(f"nf_conntrack_max is {most}: too many to fill")
    town = own_town()
    who = town.person()
    lines = [f"-I -p tcp -s 192.0.2.{n % 250 + 1} -d 10.77.0.1 --sport {1024 + n // 250 % 60000} --dport {80 + n // 15000000} "
             "--state ESTABLISHED --timeout 600 -u SEEN_REPLY,ASSURED" for n in range(most)]
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
            assert town.daemon.blocked() == []
            town.daemon.stop()
            chain(town.lab.victim, "usual", "input", "ct state established accept")
    print(results)
    assert results["guarded"].count("open") >= results["alone"].count("open"), "no worse than any firewall that looks at states"
    town.daemon.start()
    conntrack_forgets(town.lab.victim)
    for _ in range(10):
        assert who.host.get(VICTIM4[0], source=who.v4)
    assert town.daemon.blocked() == []


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
    many = lab.client.popen(PYTHON, "-c", MANY, who.v4, who.v6, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

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
        assert daemon.blocked() == []
        assert explained(daemon, who.v4) is None and explained(daemon, who.v6) is None
        daemon.stop()
    next_turn()
    all_answer()
    many.kill()
