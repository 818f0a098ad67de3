# SPDX-License-Identifier: GPL-2.0-or-later
"""Traps stand where nobody serves, and step aside for whoever does."""
import contextlib
import errno
import socket
import subprocess
import time

import pytest

from lab import ATTACKER4, CLIENT4, PYTHON, REAL_TCP, VICTIM4, VICTIM6, stop_process, wait_until

TRAPS = 'trap { tcp = { "23", "2323", "5900-5910" } udp = { "161" } }'
VISITORS = [f"203.0.113.{n}" for n in range(70, 80)]


@pytest.fixture
def visitors(lab):
    """Addresses of the attacker's to visit from, each once: nobody of them meets two traps."""
    for address in VISITORS:
        lab.attacker.add_address(address)
    return iter(VISITORS)


def serve(host, port, address="0.0.0.0", reuse=False, wait=3.0):
    """Starts a real TCP service on the port, as one without SO_REUSEADDR would: again and again until it may.
    (socket, seconds)"""
    started = time.monotonic()
    while True:
        s = host.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        if reuse:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind((address, port))
            s.listen(16)
            return s, time.monotonic() - started
        except OSError as error:
            s.close()
            assert error.errno == errno.EADDRINUSE, error
            assert time.monotonic() - started < wait, f"port {port} is not free after {wait} s"
            time.sleep(0.05)


def reached(host, service, address, port, source=None):
    """Whether a connect is accepted by this very service."""
    service.settimeout(1.0)
    s = host.connect(address, port, 1.0, source=source, keep=True)
    if isinstance(s, str):
        return False
    with s, contextlib.suppress(TimeoutError):
        accepted, _ = service.accept()
        accepted.close()
        return True
    return False


@pytest.mark.core
@pytest.mark.parametrize("reuse", [False, True])
@pytest.mark.parametrize("address, bind", [(VICTIM4[0], "0.0.0.0"), (VICTIM6[0], "::"), (VICTIM4[1], VICTIM4[1])])
def test_real_service_wins(lab, picket, visitors, address, bind, reuse):
    """A service that starts on a trapped port gets it within 3 s of a visit to the trap."""
    picket(TRAPS)
    six = ":" in address
    visitor = None if six else next(visitors)
    assert lab.attacker.connect(address, 2323, 1.0, source=visitor) == "open", "the trap answers"
    service, took = serve(lab.victim, 2323, bind, reuse)
    print(f"bound after {took:.2f} s")
    for _ in range(3):
        assert reached(lab.client, service, address, 2323)
    service.close()


LISTENERS_ARE_LOOKED_AT_S = 6
LISTEN_AS = """
import os, socket, sys
os.setgroups([]), os.setgid(int(sys.argv[1])), os.setuid(int(sys.argv[1]))
held = []
for port in map(int, sys.argv[2:]):
    held.append(socket.create_server(("", port)))
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("config, ports", [("", [6667, 2049, 554]), ('trap { tcp = { "all" } }', [80, 8080, 3000])],
                         ids=["default", "all"])
def test_no_trap_in_place_of_a_service_that_stopped(lab, picket, config, ports):
    """A health check must see that it is down, when picket is restarted or its table is rebuilt, too."""
    lab.attacker.add_address(VISITORS[0])
    lab.services(*(f"tcp:{port}:banner" for port in ports if port not in REAL_TCP))
    daemon = picket(config)
    time.sleep(LISTENERS_ARE_LOOKED_AT_S)
    assert [lab.client.connect(VICTIM4[0], port) for port in ports] == ["open"] * len(ports)
    for process in lab.victim.processes:
        if "services.py" in " ".join(map(str, process.args)):
            stop_process(process)
    assert [lab.client.connect(VICTIM4[0], port) for port in ports] == ["refused"] * len(ports)
    daemon.stop()
    daemon.start()
    assert [lab.client.connect(VICTIM4[0], port) for port in ports] == ["refused"] * len(ports)
    lab.victim.run("nft", "flush", "ruleset")
    wait_until(lambda: lab.attacker.connect(VICTIM4[0], 79, source=VISITORS[0]) == "open", 5,
               "a trap, for comparison", every=0.01)
    assert [lab.client.connect(VICTIM4[0], port) for port in ports] == ["refused"] * len(ports)


def test_a_users_listener_unmakes_no_trap(lab, picket):
    """Whoever may log in may listen: that whitens nothing."""
    daemon = picket(TRAPS)
    user = lab.victim.popen(PYTHON, "-c", LISTEN_AS, "65534", "2323", "5905", stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)
    assert user.stdout.readline() == "ready\n"
    time.sleep(LISTENERS_ARE_LOOKED_AT_S)
    stop_process(user)
    for port in (2323, 5905):
        assert lab.attacker.connect(VICTIM4[0], port) == "open", "the trap is back at once"
    wait_until(lambda: daemon.ctl("explain", ATTACKER4).one["score"] > 4.5, 5,
               lambda: f"both visits count: {daemon.ctl('explain', ATTACKER4).out}")


CROWD = """
import os, resource, socket, sys, time
resource.setrlimit(resource.RLIMIT_NOFILE, (8000, 8000))
os.setgroups([]), os.setgid(65534), os.setuid(65534)
held = [socket.create_server(("", port)) for port in range(10000, 16000)]
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_service_among_a_users_thousands(lab, picket):
    """A local user's listeners, which are told first, hide none of the system's."""
    user = lab.victim.popen(PYTHON, "-c", CROWD, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert user.stdout.readline() == "ready\n"
    with lab.victim.socket(socket.AF_INET6) as service:
        service.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        service.bind(("::", 6667))
        service.listen()
        picket()
        time.sleep(LISTENERS_ARE_LOOKED_AT_S)
        assert lab.client.connect(VICTIM6[0], 6667) == "open"
    assert lab.client.connect(VICTIM6[0], 6667) == "refused", "a trap in its place"
    stop_process(user)


@pytest.mark.core
def test_only_free_ports_are_trapped(lab, picket, wire):
    """Real services keep their ports even with every port trapped; an untrapped free port refuses as ever."""
    daemon = picket('trap { tcp = { "all" } }')
    for port in (80, 777, 8080):
        assert lab.client.get(VICTIM4[0], port) and lab.client.get(VICTIM6[0], port)
    assert lab.attacker.connect(VICTIM4[0], 12345, 1.0) == "open"
    daemon.write_config(TRAPS)
    assert daemon.reload().code == 0
    assert lab.attacker.connect(VICTIM4[0], 12346, 1.0) == "refused"


@pytest.mark.core
def test_trap_closes_and_says_its_banner(lab, picket):
    picket('trap { tcp = { "23" } banner = "login: " }')
    s = lab.attacker.connect(VICTIM4[0], 23, 1.0, keep=True)
    s.settimeout(1.0)
    assert s.recv(100) == b"login: "
    s.settimeout(4.0)
    with contextlib.suppress(ConnectionResetError):
        assert s.recv(100) == b"", "it closes by itself within 3 s"
    s.close()


@pytest.mark.parametrize("stays_s", [0.1, 1.5, 3.3])
def test_silent_trap_visit_counts(lab, picket, visitors, stays_s):
    """Without a word, whether the visitor goes at once or waits until the trap closes."""
    daemon = picket(TRAPS)
    visitor = next(visitors)
    s = lab.attacker.connect(VICTIM4[0], 23, 1.0, source=visitor, keep=True)
    time.sleep(stays_s)
    s.close()
    time.sleep(0.3)
    explained = daemon.ctl("explain", visitor).one
    assert 2.2 < explained["confirmed"] < 2.3, explained
    assert explained["score"] > 2.2, explained


def test_public_ports_are_none(lab, picket, visitors):
    """What is served by something that has no socket here is named in public_ports: no trap, no evidence."""
    ports = [7, 23, 79, 8443, 9000, 9001, 9002, 9003, 30080]
    daemon = picket(f"public_ports = {{ {', '.join(map(str, ports))} }}")
    visitor = next(visitors)
    assert {lab.attacker.connect(VICTIM4[0], port, 1.0, source=visitor) for port in ports} == {"refused"}
    for port in ports:
        lab.attacker.datagram(VICTIM4[0], port, timeout=0.05, source=visitor)
    assert daemon.ctl("explain", visitor, check=False).one["grade"] is None


def test_udp_trap_never_sends(lab, picket, wire):
    daemon = picket(TRAPS)
    seen = wire(lab.victim, ATTACKER4)
    assert lab.attacker.datagram(VICTIM4[0], 161, b"hello") is None
    assert seen.answers() == []
    assert lab.attacker.datagram(VICTIM4[0], 162, b"hello") == "refused", "an untrapped port answers as ever"
    assert lab.client.datagram(VICTIM4[0], 53, b"q") == b"answer:q"
    explained = daemon.ctl("explain", ATTACKER4).one
    assert explained["confirmed"] == 0 and explained["suspected"] > 0, "a datagram can be forged"


def test_trap_own_port_is_not_exposed(lab, picket):
    """The trap's listener itself cannot be reached from outside."""
    picket(TRAPS)
    listing = lab.victim.run("ss", "-Hltn").stdout
    ports = [int(line.split()[3].rpartition(":")[2]) for line in listing.splitlines()
             if line.split()[3].startswith(("127.0.0.1", "[::1]"))]
    assert ports, listing
    for port in ports:
        assert lab.attacker.connect(VICTIM4[0], port, 0.5) != "open"
        assert lab.attacker.connect(VICTIM6[0], port, 0.5) != "open"


NAT = """
table ip nat {
    chain prerouting {
        type nat hook prerouting priority -100;
        tcp dport 5901 dnat to 172.30.0.2:80
        tcp dport 5902 redirect to :8080
    }
}
"""


@pytest.mark.core
def test_published_redirected_and_forwarded_ports(lab, picket, wire):
    """Trapped numbers that are published, redirected or forwarded belong to whoever they lead to."""
    inside = lab.add_container()
    lab.services("tcp:80:http", "tcp:5903:http", host=inside)
    lab.victim.nft(NAT)
    daemon = picket(TRAPS)
    assert lab.client.get(VICTIM4[0], 5901), "published container port"
    assert lab.client.get(VICTIM4[0], 5902), "redirect"
    assert lab.client.get("172.30.0.2", 5903), "forwarded, number trapped here"
    assert lab.client.connect("172.30.0.2", 5904, 1.0) == "refused", "the container itself refuses"
    assert lab.client.connect(VICTIM4[0], 5904, 1.0) == "open", "the trap, for comparison"
    rows = daemon.ctl("explain", CLIENT4).one
    assert {e["port"] for e in rows["evidence"] if e.get("port")} <= {5904}, rows


def test_block_covers_published_ports(lab, picket):
    """A block holds for containers too."""
    inside = lab.add_container()
    lab.services("tcp:80:http", "tcp:5903:http", host=inside)
    lab.victim.nft(NAT)
    daemon = picket(TRAPS)
    daemon.ctl("block", ATTACKER4, "--for", "1h")
    assert lab.attacker.connect(VICTIM4[0], 5901, 0.4) == "timeout"
    assert lab.attacker.connect("172.30.0.2", 5903, 0.4) == "timeout"
    assert lab.client.get(VICTIM4[0], 5901)


@pytest.mark.core
def test_crowded_trap(lab, picket):
    """Fifteen hundred silent connections to a trap are bounded, and cost the service nothing."""
    daemon = picket(TRAPS)
    opened = []
    with lab.attacker.enter():
        for n in range(1500):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex((VICTIM4[0], 5900 + n % 11))
            opened.append(s)
    time.sleep(0.5)
    assert lab.client.get(VICTIM4[0])
    for s in opened:
        s.close()
    wait_until(lambda: daemon.ctl("explain", ATTACKER4).one["score"] > 2.2, 5, "its visits count all the same")
