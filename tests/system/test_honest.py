# SPDX-License-Identifier: GPL-2.0-or-later
"""The honest: whatever they do by mistake, out of habit or too late, nobody cuts them off and no request of theirs
is lost.

Every test is a line of the table in picketd(8), "Forged sources": a person with an address of his own does what the
line says, works all the while (a request every 50 ms, each counted), and what `explain` has against him afterwards
adds up.  Tests share a laboratory with a daemon in its default configuration, as people share a server; those that
change the host have one of their own. What takes hours is in tests/replay/honest_*.txt.
"""
import contextlib
import socket
import ssl
import threading
import time

from lab import MAC, VICTIM4, VICTIM6, stop_process, wait_until
from senders import SYN, Forger, conntrack_forgets, explained, tcp, udp
from town import ALERT

# ---- clients that try what is not there


def test_retransmitted_syns(town):
    """The same SYN to a dead port, again and again, as behind a firewall that drops; in both families."""
    who = town.person().work()
    with Forger(town.lab.client) as out:
        for n in range(8):
            out.send([tcp(who.v4, VICTIM4[0], 40000, 26, SYN, seq=77), tcp(who.v6, VICTIM6[0], 40000, 26, SYN, seq=77)],
                     0)
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
    """Encrypted and plain mail ports one after the other, greeting awaited, then the web server that tells the right
    ones."""
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
                    hello = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), wire,
                                                                  server_hostname="mail.example.org")
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
    """The same where every unused port is a trap: handshakes weigh more, but a guess, a name's other addresses and
    an answer do not."""
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
    assert all(row["score"] < 1.5 for row in town.daemon.ctl("sources").rows
               if row["source"].startswith("100.64.")), "a crowd"


def test_nat_of_a_hundred(town):
    """A hundred users behind one address work at once, and each has some program that tries something dead."""
    who = town.person().work()
    strays = [lambda: who.tcp(443), lambda: who.tcp(993), lambda: who.datagram(443), lambda: who.tcp(8443),
              lambda: who.tcp(5228)]
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
# The last two are ports that any program may be given: whoever listens there for less than an hour excuses nobody.


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
    town.unharmed(who, below=ALERT)


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
    town.unharmed(who, below=ALERT)


def test_multi_port_service_after_a_failover(own_town):
    """An address moves here; its service, never seen here, starts a little later than its clients come: they are
    served at once as soon as it does."""
    town = own_town()
    who, moved = town.person(), "10.77.0.9"
    town.lab.client.batch(f"neigh replace {moved} lladdr {MAC['victim']} dev eth0 nud permanent")
    town.lab.victim.batch(f"addr add {moved}/24 dev eth0")
    for port in DIRECTORY[:4]:
        who.tcp(port, moved)
    town.lab.services(*(f"tcp:{port}:silent" for port in DIRECTORY))
    wait_until(lambda: all(who.tcp(port, moved) == "open" for port in DIRECTORY), 7.0,
               "all ports of the service answer")
    town.unharmed(who)
