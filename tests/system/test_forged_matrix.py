# SPDX-License-Identifier: GPL-2.0-or-later
"""The forged: every name that matters, forged into every scan whose sender can be forged.

What runs goes on, what they used keeps working, however many packets come; a stranger is veiled at most, which delays
him once; and none of it hides the one who really scans.
"""
import contextlib
import itertools
import os
import shutil
import socket
import threading
import time

import pytest

import lab as laboratory
from conftest import needs
from lab import (ATTACKER4, CLIENT4, CLIENT6, CLIENT_GATEWAY4, CLIENT_GATEWAY6, GATEWAY4, GATEWAY6, VICTIM4, VICTIM6)
from picket import FIVE_FAMILIES, delayed, seconds_to_connect, visit_traps
from scanning import run_scan
from senders import SCANS, SYN, Forger, Person, explained, tcp

PACKETS = 250           # of each kind, in each name
RESOLVER4, RESOLVER6 = "198.51.100.53", "2001:db8:c11e::53"
NTP4, NTP6 = "198.51.100.123", "2001:db8:c11e::123"
STRANGER4, STRANGER6 = "192.0.2.200", "2001:db8:5000::200"
INTERNAL4 = "172.30.0.2"


class Asker:
    """A program of ours that uses somebody's service all the while: a question each 50 ms, every one must be
    answered."""

    def __init__(self, ask):
        self.asked, self.failed, self.ask = 0, [], ask
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.ending.wait(0.05):
            self.asked += 1
            try:
                if not self.ask():
                    self.failed.append(time.time())
            except FileNotFoundError:
                return              # the test is over and its namespaces are gone
            except OSError as error:
                self.failed.append(repr(error))

    def check(self, at_least=10):
        self.ending.set()
        self.thread.join()
        assert self.asked >= at_least and self.failed == [], (self.asked, self.failed)


@contextlib.contextmanager
def own_etc(host, **files):
    """Files below /etc that only this namespace sees (ip-netns(8)); where the machine has no such file there is
    nothing to lay over."""
    top = f"/etc/netns/{host.name}"
    os.makedirs(top)
    try:
        for name, text in files.items():
            path = os.path.join(top, name.replace("__", "/").replace("_", "."))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as f:
                f.write(text)
        yield
    finally:
        shutil.rmtree(top)
        with contextlib.suppress(OSError):
            os.rmdir("/etc/netns")


def answers(host, address, port):
    return lambda: host.datagram(address, port, b"q", 2.0) == b"answer:q"


def forge(lab, name, packets=PACKETS):
    """Every kind of scan in that name, to the end, whatever picket says to it."""
    with Forger(lab.attacker) as out:
        for kind in SCANS:
            out.scan(kind, name, packets, every=0)
            time.sleep(0.05)


@pytest.mark.skipif(not os.path.exists("/etc/resolv.conf") or not os.path.isdir("/etc/systemd"),
                    reason="no /etc/resolv.conf or /etc/systemd")
@pytest.mark.parametrize("v6", [False, True], ids=["IPv4", "IPv6"])
def test_names_that_matter(lab, picket, request, v6):
    """A client's, the gateways', a resolver's, a time server's, an internal, our own, an allowed one: each into
    every scan."""
    resolver, ntp = (RESOLVER6, NTP6) if v6 else (RESOLVER4, NTP4)
    client = CLIENT6 if v6 else CLIENT4
    victim = (VICTIM6 if v6 else VICTIM4)
    gateways = (GATEWAY6, CLIENT_GATEWAY6) if v6 else (GATEWAY4, CLIENT_GATEWAY4)
    for address in (resolver, ntp, gateways[1]):
        lab.client.add_address(address)
    lab.services("udp:53", f"bind:{resolver}", host=lab.client)
    lab.services("udp:123", f"bind:{ntp}", host=lab.client)
    inside = None if v6 else lab.add_container(INTERNAL4)
    friend = Person(lab)
    allowed = friend.v6 if v6 else friend.v4
    files = own_etc(lab.victim, resolv_conf=f"nameserver {resolver}\n", systemd__timesyncd_conf=f"[Time]\nNTP={ntp}\n")
    files.__enter__()
    request.addfinalizer(lambda: files.__exit__(None, None, None))
    daemon = picket(f'allow = {{ "{allowed}" }}')
    workers = [laboratory.Honest(lab.client, "--source", source, "--address", victim[0])
               for source in (client, gateways[1], allowed)]
    if inside:
        workers.append(laboratory.Honest(inside, "--address", victim[0]))
    askers = [Asker(answers(lab.victim, resolver, 53)), Asker(answers(lab.victim, ntp, 123)),
              Asker(lambda: lab.victim.get(victim[1], 80, source=victim[1]))]
    wanted = {"resolver": resolver, "ntp server": ntp, "gateway": gateways[0]}
    told = {why: daemon.ctl("explain", name, check=False).one["protected_why"] for why, name in wanted.items()}
    assert told == {why: why for why in wanted}, told
    time.sleep(0.5)
    names = [client, *gateways, resolver, ntp, victim[1], allowed] + ([INTERNAL4] if inside else [])
    for name in names:
        forge(lab, name)
    time.sleep(0.5)
    rows = daemon.graded()
    print(rows)
    assert {row["source"] for row in rows} <= {client, f"{client.rpartition('::')[0]}::/64"}, \
        "only the client's name may be under suspicion"
    assert all(row["grade"] == "veil" for row in rows), "never a ban"
    assert daemon.lines(r"\bban \S+ for ") == []
    for name in names:
        about = explained(daemon, name)
        if about:
            print(name, about["grade"], about["score"], about["protected_why"], about["allowed_by"])
            assert about["confirmed"] == 0
    for worker in workers:
        worker.check()
    for asker in askers:
        asker.check()
    for name in {resolver, ntp, *gateways}:     # told once, not a thousand times
        assert len(daemon.lines(rf"\b(alert|spared|protected)\b.*{name}\b")) <= 4, daemon.lines(name)


def keeps_asking(host, address, port):
    """One connection that stays open, a request on it each time."""
    with host.enter():
        kept = socket.create_connection((address, port), 2)

    def ask():
        kept.sendall(b"GET / HTTP/1.1\r\nConnection: keep-alive\r\n\r\n")
        data = b""
        while not data.endswith(b"at your service\n"):
            piece = kept.recv(4096)
            if not piece:
                return False
            data += piece
        return True
    return ask


@pytest.mark.parametrize("stranger", [STRANGER4, STRANGER6], ids=["IPv4", "IPv6"])
def test_a_strangers_name(lab, picket, honest, stranger):
    """Somebody who never used this host, but whose services we use: veiled, and our flows go on."""
    v6 = ":" in stranger
    lab.client.add_address(stranger)
    lab.victim.batch(f"route add 2001:db8:5000::/64 via {CLIENT_GATEWAY6}"
                     if v6 else f"route add {stranger}/32 via {CLIENT_GATEWAY4}")
    lab.services("tcp:8080:http", "tcp:443:http", "udp:53", f"bind:{stranger}", host=lab.client)
    daemon = picket()
    askers = [Asker(keeps_asking(lab.victim, stranger, 8080)), Asker(lambda: lab.victim.get(stranger, 443)),
              Asker(answers(lab.victim, stranger, 53))]
    with Forger(lab.attacker) as out:
        for turn, kind in itertools.product(range(2), SCANS):
            out.scan(kind, stranger, PACKETS, every=0)
    time.sleep(0.5)
    source = f"{stranger.rpartition('::')[0]}::/64" if v6 else stranger
    line = daemon.wait_graded(source, grade="veil")
    assert "suspected" in line and "confirmed" not in line
    row, = daemon.graded()
    assert row["source"] == source and row["grade"] == "veil" and 0 < row["expires_in_s"] <= 3600
    about = explained(daemon, stranger)
    assert about["confirmed"] == 0 and about["suspected"] >= 6.9 and about["grade"] == "veil"
    assert delayed(lab.client, (VICTIM6 if v6 else VICTIM4)[0], 80, source=stranger), "it is new here: once 1 s"
    assert seconds_to_connect(lab.client, (VICTIM6 if v6 else VICTIM4)[0], 80, source=stranger) < 0.5, "and never again"
    for asker in askers:
        asker.check()
    assert daemon.lines(r"\bban ") == []
    daemon.ctl("unblock", source)
    assert lab.client.get((VICTIM6 if v6 else VICTIM4)[0], source=stranger)


@needs("nmap")
def test_real_scanner_in_a_forged_crowd(lab, picket, honest, wire):
    """A hundred forged sources a second: the real one is veiled within 40 probes, sets are bounded, five families of
    traps are a ban."""
    daemon = picket()
    lab.attacker.add_address("203.0.113.67")
    ending = threading.Event()

    def crowd():
        numbers = itertools.count()
        with Forger(lab.attacker) as out:
            while not ending.wait(0.01):
                n = next(numbers)
                out.send([tcp(f"100.{64 + n // 60000 % 60}.{n // 250 % 240}.{n % 250 + 1}", VICTIM4[n % 4],
                              1024 + n % 60000,
                              (22, 23, 80, 445, 3389, 8080, 5900)[(n + k) % 7], SYN, n * 977) for k in range(6)], 0)
    thread = threading.Thread(target=crowd, daemon=True)
    thread.start()
    try:
        time.sleep(3)
        outcome = run_scan(lab, daemon, wire, "-sS", "-T4", "-p1-1000")
        assert outcome.deciding is not None and outcome.probes_until_decision() <= 40, outcome.line
        assert delayed(lab.attacker, VICTIM4[0], source=ATTACKER4)
        visit_traps(lab, *FIVE_FAMILIES, source="203.0.113.67")
        daemon.wait_graded("203.0.113.67", grade="ban")
        status = daemon.ctl("status").one
        counts = status["counts"]
        print(counts)
        assert counts["sources"] <= 65536
    finally:
        ending.set()
        thread.join()
    honest.check()
