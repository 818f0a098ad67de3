# SPDX-License-Identifier: GPL-2.0-or-later
"""Everyday programs that look like scanners: each is the real one where Debian has it.

Whatever it comes to, its owner is never banned, what runs goes on, what was used is served at once, and what is new
is delayed once at most.  Those that have no reason to be suspected at all are not.
"""
import contextlib
import os
import pty
import random
import socket
import subprocess
import time

import pytest

from conftest import needs
from lab import CLIENT_GATEWAY4, MAC, PYTHON, VICTIM4, stop_process
from picket import seconds_to_connect
from senders import Forger, conntrack_forgets, udp

V = VICTIM4[0]
FURTHER = 3.4


class Visitor:
    """A person with a connection that runs and a service that he uses, before anything else happens."""

    def __init__(self, town):
        self.town, self.person = town, town.person()
        self.host, self.v4 = self.person.host, self.person.v4
        self.running = self.person.open(8080)
        assert self.host.get(V, 80, source=self.v4)
        time.sleep(0.1)

    def run(self, *argv, timeout=30):
        return self.host.run(*argv, check=False, timeout=timeout)

    def still_fine(self):
        """His connection answers, his service does at once, any other after a moment; he is not banned."""
        time.sleep(0.3)
        assert self.town.daemon.graded(self.v4, ("ban", "block")) == []
        self.running.settimeout(1)
        self.running.sendall(b"GET / HTTP/1.1\r\nConnection: keep-alive\r\n\r\n")
        assert self.running.recv(4096).startswith(b"HTTP/1.1 200"), "what runs"
        assert seconds_to_connect(self.host, V, 80, self.v4) < 0.5, "what he used"
        assert seconds_to_connect(self.host, V, 777, self.v4) < FURTHER, "what is new"
        self.running.close()


@pytest.fixture
def visitor(town):
    return Visitor(town)


# ---- who is led to traps


@needs("curl")
@pytest.mark.parametrize("ports", [(1723, 2049), (1719, 1720, 1723, 2049, 3659, 4045, 6566, 6667, 10080),
                                   (7, 23, 111, 513)], ids=["two", "all", "four-below-1024"])
def test_ftp_addresses(town, visitor, ports):
    """A fetcher of whatever a stranger gives it, or sends it on to: it waits for a greeting in silence."""
    runs = [visitor.host.popen("curl", "-s", "-m", "5", "--interface", visitor.v4, f"ftp://{V}:{port}/",
                               stdout=subprocess.DEVNULL) for port in ports]
    for run in runs:
        run.wait(10)
    visitor.still_fine()
    if len(ports) == 2:
        assert town.daemon.graded(visitor.v4) == [], "not even a veil"


@needs("curl")
def test_web_addresses_of_traps(visitor):
    """A link checker, with all the ports that it may ask above 1023."""
    for port in (1720, 1723, 2049, 3659, 4045, 6566, 6667, 10080):
        visitor.run("curl", "-s", "-m", "1", "--interface", visitor.v4, f"http://{V}:{port}/")
    visitor.still_fine()


@needs("wget")
def test_a_mirror_that_a_page_leads_to_traps(visitor):
    visitor.run("wget", "-q", "-T", "1", "-t", "1", "-O", "/dev/null", f"--bind-address={visitor.v4}",
                *(f"http://{V}:{port}/" for port in (2049, 4045, 6566, 10080)))
    visitor.still_fine()


@needs("irssi")
def test_an_irc_program(town, visitor, tmp_path):
    """It walks through its list of ports at a host that once had an IRC server."""
    for port in (6667, 6668, 6669):
        pid, terminal = pty.fork()
        if pid == 0:
            os.execvp("ip", ["ip", "netns", "exec", visitor.host.name, "env", "TERM=vt100", "irssi",
                             f"--home={tmp_path}", "-h", visitor.v4, "-c", V, "-p", str(port), "-n", "guest"])
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                os.set_blocking(terminal, False)
                os.read(terminal, 65536)
            time.sleep(0.05)
        os.kill(pid, 15)
        os.waitpid(pid, 0)
        os.close(terminal)
    told = town.daemon.ctl("explain", visitor.v4).one
    assert any("trap" in piece["kind"] for piece in told["evidence"]), "it was in a trap"
    assert told["confirmed"] < 2.3 and town.daemon.graded(visitor.v4) == []
    visitor.still_fine()


@needs("showmount")
def test_showmount_and_mount(town, visitor):
    """RPC and then NFS: two ports of one service."""
    for port in (111, 2049):
        with contextlib.suppress(OSError), visitor.person.open(port) as s:
            s.settimeout(0.3)
            s.recv(10)
    visitor.host.run("ip", "route", "replace", f"{V}/32", "dev", "eth0", "src", visitor.v4)
    try:
        visitor.run("timeout", "2", "showmount", "-e", V)
    finally:
        visitor.host.run("ip", "route", "del", f"{V}/32", check=False)
    told = town.daemon.ctl("explain", visitor.v4).one
    assert told["confirmed"] < 2.3 and town.daemon.graded(visitor.v4) == [], told
    visitor.still_fine()


TRACKER = """
import http.server, socket, struct, sys
peers = b"".join(socket.inet_aton(sys.argv[2]) + struct.pack("!H", int(port)) for port in sys.argv[3:])
body = b"d8:intervali600e5:peers%d:%se" % (len(peers), peers)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
server = http.server.HTTPServer((sys.argv[1], 6969), Handler)
print("ready", flush=True)
server.serve_forever()
"""


@needs("aria2c")
@pytest.mark.parametrize("crypto", [False, True], ids=["plain", "encrypted"])
def test_a_torrent_client(town, visitor, tmp_path, crypto):
    """A tracker gives our address for its peers', with nine ports of traps."""
    ports = ("1720", "1723", "2049", "3659", "4045", "6566", "6667", "10080", "51413")
    tracker = visitor.host.popen(PYTHON, "-c", TRACKER, visitor.v4, V, *ports, stdout=subprocess.PIPE, text=True)
    assert tracker.stdout.readline() == "ready\n"
    announce = f"http://{visitor.v4}:6969/announce".encode()
    piece = b"x" * 20
    (tmp_path / "file.torrent").write_bytes(
        b"d8:announce%d:%s4:infod6:lengthi16384e4:name4:file12:piece lengthi16384e6:pieces20:%see"
        % (len(announce), announce, piece))
    try:
        visitor.run("timeout", "8", "aria2c", "-q", "--dir", str(tmp_path), f"--interface={visitor.v4}", "--no-conf",
                    "--enable-dht=false", "--bt-enable-lpd=false", f"--bt-require-crypto={str(crypto).lower()}",
                    "--bt-stop-timeout=6", str(tmp_path / "file.torrent"))
    finally:
        stop_process(tracker)
    told = town.daemon.ctl("explain", visitor.v4).one
    assert told["grade"] is not None and told["confirmed"] < 2.3, told
    visitor.still_fine()


@needs("curl")
def test_five_pictures_in_a_page(visitor):
    """On ports 81 to 85, as no browser refuses them."""
    visitor.run("curl", "-s", "-m", "2", "--parallel", "--interface", visitor.v4,
                *(f"http://{V}:{port}/i.png" for port in range(81, 86)))
    visitor.still_fine()


@needs("curl")
def test_five_pictures_and_who_was_never_here(town):
    """Who comes by that page for the first time waits for a moment, once."""
    who = town.person()
    who.host.run("curl", "-s", "-m", "2", "--parallel", "--interface", who.v4,
                 *(f"http://{V}:{port}/i.png" for port in range(81, 88)), check=False)
    time.sleep(0.3)
    assert seconds_to_connect(who.host, V, 80, who.v4) < 1.3
    assert seconds_to_connect(who.host, V, 80, who.v4) < 0.5


def test_a_dead_443_at_five_addresses(own_town):
    """A browser that tries https first, at sites that have none."""
    town = own_town()
    more = [f"10.77.0.{n}" for n in range(5, 9)]
    town.lab.victim.batch(*(f"addr add {address}/24 dev eth0" for address in more))
    town.lab.client.batch(*(f"neigh replace {address} lladdr {MAC['victim']} dev eth0 nud permanent"
                            for address in more))
    who = town.person()
    for address in (*VICTIM4, *more):
        assert who.tcp(443, address) == "refused"
        assert who.host.get(address, source=who.v4), address
    town.unharmed(who)


# ---- whose packets come where nobody listens


@needs("sipp")
def test_a_telephone_exchange(town):
    """Real calls by SIP to our exchange, and one to a port where it is no more."""
    who = town.person()
    exchange = town.lab.victim.popen("sipp", "-sn", "uas", "-i", V, "-p", "5060", "-nostdin", stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    try:
        for port, calls in ((5060, "20"), (5070, "1")):
            done = who.host.run("timeout", "6", "sipp", "-sn", "uac", "-i", who.v4, "-nostdin", "-m", calls, "-r", "20",
                                "-recv_timeout", "1000", f"{V}:{port}", check=False, cwd="/tmp")
            assert done.returncode == 0 or port == 5070, done.stdout[-2000:]
    finally:
        stop_process(exchange)
    town.unharmed(who)


def endpoint(host, address, port):
    s = host.socket(kind=socket.SOCK_DGRAM)
    s.bind((address, port))
    s.settimeout(0.6)
    return s


def test_rtcp_that_nobody_reads(town):
    """A media gateway sends reports to the port above each of forty calls'."""
    who = town.person()
    sip, gateway = endpoint(town.lab.victim, V, 5060), endpoint(who.host, who.v4, 5060)
    ports = random.Random(1)
    for call in range(40):
        gateway.sendto(b"INVITE", (V, 5060))
        sip.recvfrom(99)
        sip.sendto(b"200 OK", (who.v4, 5060))
        gateway.recvfrom(99)
        port = 10000 + 2 * ports.randrange(5000)
        ours, theirs = endpoint(town.lab.victim, V, port), endpoint(who.host, who.v4, 20000 + 2 * call)
        reports = endpoint(who.host, who.v4, 20001 + 2 * call)
        for turn in range(4):
            theirs.sendto(b"\x80\0rtp", (V, port))
            ours.recvfrom(99)
            ours.sendto(b"\x80\0rtp", (who.v4, 20000 + 2 * call))
            theirs.recvfrom(99)
            if turn == 2:
                reports.sendto(b"\x80\xc8rtcp", (V, port + 1))
        for s in (ours, theirs, reports):
            s.close()
    sip.close()
    gateway.close()
    town.unharmed(who)


def test_rtcp_while_the_other_side_is_silent(town):
    """Our exchange plays announcements; the gateway sends nothing but its reports, twelve calls in a row."""
    who = town.person()
    ports = random.Random(2)
    for call in range(12):
        port = 10000 + 2 * ports.randrange(5000)
        ours, theirs = endpoint(town.lab.victim, V, port), endpoint(who.host, who.v4, 20000 + 2 * call)
        reports = endpoint(who.host, who.v4, 20001 + 2 * call)
        for _ in range(3):
            ours.sendto(b"\x80\0rtp", (who.v4, 20000 + 2 * call))
            theirs.recvfrom(99)
            reports.sendto(b"\x80\xc8rtcp", (V, port + 1))
        for s in (ours, theirs, reports):
            s.close()
    town.unharmed(who)


def test_late_answers_to_a_multicast_question(town):
    """Our host looks for devices now and then; one answers after the program has stopped listening."""
    device = "10.77.0.66"
    town.lab.victim.run("ip", "route", "replace", "239.255.255.250", "dev", "eth0")
    with Forger(town.lab.attacker) as out:
        for _ in range(14):
            with town.lab.victim.socket(kind=socket.SOCK_DGRAM) as question:
                question.sendto(b"M-SEARCH * HTTP/1.1\r\n\r\n", ("239.255.255.250", 1900))
                port = question.getsockname()[1]
            time.sleep(0.05)
            out.send([udp(device, V, 1900, port, b"HTTP/1.1 200 OK\r\n\r\n")])
            time.sleep(0.05)
    town.unharmed(device)


def test_announcements_in_unicast_frames(town):
    """To the subnet's broadcast address, as wireless bridges hand them on."""
    with Forger(town.lab.attacker) as out:
        out.send([udp("10.77.0.67", "10.77.0.255", 40000, port)
                  for port in (137, 138, 17500, 27036, 57621, 10001, 5678, 32412, 32414, 1947, 9999, 3289)], 0.01)
    assert town.unharmed("10.77.0.67") == 0


def test_answers_from_another_address(town):
    """A server with two addresses answers from the one that was not asked."""
    who, other = town.person(), town.person()
    with endpoint(who.host, who.v4, 5353) as asked, endpoint(who.host, other.v4, 5353) as answers:
        for _ in range(14):
            with town.lab.victim.socket(kind=socket.SOCK_DGRAM) as question:
                question.sendto(b"question", (who.v4, 5353))
                address = asked.recvfrom(100)[1]
                answers.sendto(b"answer", address)
            time.sleep(0.02)
    town.unharmed(who, other)


# ---- hosts that are more than a server


PROXY = """
import socket, sys, threading
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.setsockopt(socket.IPPROTO_IP, 19, 1)
s.bind(("0.0.0.0", 15001))
s.listen(50)
print("ready", flush=True)
def answer(client):
    client.recv(100)
    client.send(b"HTTP/1.0 200 OK\\r\\n\\r\\nok")
    client.close()
while True:
    threading.Thread(target=answer, args=(s.accept()[0],), daemon=True).start()
"""


def test_another_transparent_proxy(own_town):
    """Of nine ports: its clients are no scanners, its sockets no traps."""
    ports = [443, 8443, 9090, 5000, 7000, 9443, 3000, 79, 6667]
    town = own_town()
    who = town.person()
    proxy = town.lab.victim.popen(PYTHON, "-c", PROXY, stdout=subprocess.PIPE, text=True)
    assert proxy.stdout.readline() == "ready\n"
    town.lab.victim.nft("table inet mesh { chain pre { type filter hook prerouting priority -150; "
                        f"ip daddr {V} tcp dport {{ {', '.join(map(str, ports))} }} tproxy ip to :15001 accept; }}; }}")
    for _ in range(3):
        assert [who.host.get(V, port, 1, who.v4) for port in ports] == [b"ok"] * len(ports)
    assert town.unharmed(who) == 0


@pytest.mark.parametrize("restart", [False, True], ids=["alone", "with-picket"])
def test_published_ports_go_down(own_town, restart):
    """Ports published by DNAT alone; the stack is taken down for a moment under the dashboard that asks it."""
    ports = [7878, 8989, 9696, 8096, 5055, 6767, 8191, 9000]
    town = own_town()
    who = town.person()
    inside = town.lab.add_container()
    town.lab.services("tcp:80:http", *(f"tcp:{port}:http" for port in ports), host=inside)
    to = {port: f"dnat to 172.30.0.2:{port}" for port in ports}
    to.update({23: "dnat to 172.30.0.2:80", 8889: "dnat to 172.30.0.2:80", 8444: "redirect to :8080"})
    ports += [23, 8889, 8444]       # under numbers that this host serves as well, one of them a trap's
    town.lab.victim.nft("table ip published { chain pre { type nat hook prerouting priority -100; %s; }; }" % "; ".join(
        f"ip daddr {V} tcp dport {port} {how}" for port, how in to.items()))
    for _ in range(2):
        assert all(who.host.get(V, port, source=who.v4) for port in ports)
        time.sleep(6)
    town.lab.victim.nft("delete table ip published")
    if restart:
        town.daemon.stop()
        town.daemon.start()
    for _ in range(2):
        assert {port: who.tcp(port) for port in ports} == dict.fromkeys(ports, "refused")
    town.unharmed(who, below=1)


def test_late_packets_after_a_restart_of_picket(own_town):
    """What conntrack forgot while picket was away: the end of forty connections, of clients that come every day."""
    town = own_town()
    who = town.person()
    service = town.lab.services("tcp:8092:silent", "tcp:8093:silent")
    kept = [who.open(port) for port in (8092, 8093) for _ in range(10)]
    town.daemon.stop()
    stop_process(service, 0.5)
    conntrack_forgets(town.lab.victim)
    town.daemon.start()
    for s in kept:
        with contextlib.suppress(OSError):
            s.sendall(b"late")
        s.close()
    town.unharmed(who)


def test_a_rate_that_monitors_have(town):
    """A monitor that a stranger registers at our host, with a port of his choice, every second."""
    who = Visitor(town)
    for _ in range(10):
        for port in (2049, 6667):
            who.person.tcp(port, timeout=0.3)
        time.sleep(0.1)
    who.still_fine()


def test_neighbours_of_a_scanner(town):
    """The same /24: who lives beside a scanner is delayed once at most."""
    neighbours = [f"192.0.2.{n}" for n in (11, 12)]
    for address in neighbours:
        town.lab.client.add_address(address)
    town.lab.victim.run("ip", "route", "replace", "192.0.2.0/24", "via", CLIENT_GATEWAY4)
    with Forger(town.lab.client) as out:
        for n in range(100, 160):
            out.scan("syn", f"192.0.2.{n}", 8)
    time.sleep(0.3)
    for address in neighbours:
        assert seconds_to_connect(town.lab.client, V, 80, address) < 1.4
        assert seconds_to_connect(town.lab.client, V, 80, address) < 0.5
