# SPDX-License-Identifier: GPL-2.0-or-later
"""The flag by which judged flows pass: who gets it, what it must never let pass, and how it shares the ct mark."""
import contextlib
import re
import shutil
import socket
import struct
import time

import pytest

from lab import ATTACKER4, CLIENT4, VICTIM4, VICTIM6, wait_until
from matrix_send import frame, send
from picket import seconds_to_connect
from senders import ACK, PSH, SYN, conntrack_forgets
from test_grades import still_answers
from veiled import veil

BITS = 0xff000000


def flows(host, *wanted):
    """The lines of conntrack that hold all these words."""
    told = host.run("conntrack", "-L", *(("-f", "ipv6") if any(":" in w for w in wanted) else ()), check=False).stdout
    return [line for line in told.splitlines() if all(word in line for word in wanted)]


def mark_of(host, *wanted):
    found = flows(host, *wanted)
    return int(re.search(r"mark=(\d+)", found[0])[1]) if found else None


def epoch(host):
    """The value that the first rule of the chain looks for, or None."""
    rules = host.run("nft", "list", "chain", "inet", "picket", "pre").stdout
    found = re.search(r"ct mark (?:& 0x\w+ == )?(0x\w+)(?:/\d+)? accept", rules)
    return int(found[1], 16) if found else None


def flagged(daemon, *wanted):
    value = epoch(daemon.host)
    return value is not None and (mark_of(daemon.host, *wanted) or 0) & BITS == value


def ready(picket, config=""):
    daemon = picket(config)
    wait_until(lambda: daemon.ctl("status").one["sensors"]["flow_flag"] != "none", 3, "there is a value for the flag")
    return daemon


@contextlib.contextmanager
def exchange(host, address, port=80, source=None):
    """A connection on which both sides have spoken."""
    with host.connect(address, port, 1.0, source, keep=True) as running:
        running.sendall(b"GET / HTTP/1.1\r\nConnection: keep-alive\r\n\r\n")
        running.settimeout(2)
        assert running.recv(4096).startswith(b"HTTP/1.1 200")
        yield running


@pytest.mark.core
@pytest.mark.parametrize("address", [VICTIM4[0], VICTIM6[0]])
def test_a_judged_flow_is_flagged_once(lab, picket, address):
    daemon = ready(picket)
    with exchange(lab.client, address, 8080) as running:
        port = running.getsockname()[1]
        assert flagged(daemon, f"sport={port} ", "dport=8080")
        before = daemon.ctl("status").one["sensors"]["flow_values"]
        assert still_answers(running)
        assert daemon.ctl("status").one["sensors"]["flow_values"] == before


@pytest.mark.core
def test_a_block_cuts_a_flagged_flow_and_no_other(lab, picket):
    """At the next packet; and the other one is flagged anew within two seconds, with another value."""
    daemon = ready(picket)
    with exchange(lab.attacker, VICTIM4[0], 8080) as cut, exchange(lab.client, VICTIM4[0], 8080) as other:
        had = epoch(daemon.host)
        assert flagged(daemon, f"sport={cut.getsockname()[1]} ") and flagged(daemon, f"sport={other.getsockname()[1]} ")
        daemon.ctl("block", ATTACKER4, "--for", "10m")
        assert not still_answers(cut)
        assert still_answers(other)
        wait_until(lambda: epoch(daemon.host) not in (None, had), 3, "another value")
        assert still_answers(other)
        assert flagged(daemon, f"sport={other.getsockname()[1]} ")
        assert not flagged(daemon, f"sport={cut.getsockname()[1]} ")
        assert not still_answers(cut)


def test_blocks_one_after_the_other_all_cut(lab, picket):
    """Twenty a second: each takes effect at once, though there is a value a second at most."""
    daemon = ready(picket)
    names = [f"203.0.113.{100 + n}" for n in range(20)]
    lab.attacker.batch(*(f"addr add {name}/32 dev eth0" for name in names))
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(exchange(lab.attacker, VICTIM4[0], 8080, name)) for name in names]
        first = daemon.ctl("status").one["sensors"]["flow_values"]
        started = time.monotonic()
        for name, connection in zip(names, running):
            daemon.ctl("block", name, "--for", "10m")
            connection.settimeout(0.1)
            with pytest.raises(OSError):
                connection.sendall(b"GET / HTTP/1.1\r\nConnection: keep-alive\r\n\r\n")
                connection.recv(100)
        took = time.monotonic() - started
        assert daemon.ctl("status").one["sensors"]["flow_values"] - first <= took + 1


def test_a_ban_that_cuts_voids_flags(lab, picket):
    daemon = ready(picket, "ban { cut_running = true }")
    with exchange(lab.attacker, VICTIM4[0], 8080) as running:
        assert flagged(daemon, f"sport={running.getsockname()[1]} ")
        for port in (7, 23, 79, 111, 513):
            lab.attacker.connect(VICTIM4[0], port)
        daemon.wait_graded(ATTACKER4, grade="ban")
        assert not still_answers(running)


def test_a_new_syn_on_a_flagged_flow_passes_no_block(lab, picket):
    """The flow's sockets are gone and conntrack still calls it established: the same ports once more."""
    daemon = ready(picket)
    with exchange(lab.attacker, VICTIM4[0], 8080) as running:
        port = running.getsockname()[1]
        lab.victim.nft("table inet hole { chain in { type filter hook prerouting priority -300; "
                       f"tcp sport {port} tcp flags & (fin | rst) != 0 drop\n}}\n}}\n")
        running.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert flagged(daemon, f"sport={port} ", "ESTABLISHED")
    daemon.ctl("block", ATTACKER4, "--for", "10m")
    with lab.attacker.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind((ATTACKER4, port))
        again.settimeout(1.5)
        with pytest.raises(OSError):
            again.connect((VICTIM4[0], 8080))


@pytest.mark.core
def test_nothing_forged_earns_a_flag(lab, picket):
    """A SYN, data with a made-up number, datagrams without an answer."""
    daemon = ready(picket)
    for n, flags in enumerate((SYN, PSH | ACK, ACK)):
        send(lab, [frame("198.51.100.9", VICTIM4[0], 40000 + n, 80, flags=flags)] * 5, 0.01)
    with lab.attacker.socket(kind=socket.SOCK_DGRAM) as s:
        for _ in range(5):
            s.sendto(b"x", (VICTIM4[0], 5353))
            time.sleep(0.6)
    assert not any(flagged(daemon, f"sport={40000 + n} ") for n in range(3))
    assert not flagged(daemon, "dport=5353")


def test_a_graded_source_gets_no_flag(lab, picket):
    daemon = ready(picket)
    veil(lab, daemon, ATTACKER4)
    assert seconds_to_connect(lab.attacker, VICTIM4[0], 8080) < 8
    with lab.attacker.connect(VICTIM4[0], 8080, 8.0, keep=True) as running:
        assert still_answers(running)
        assert not flagged(daemon, f"sport={running.getsockname()[1]} ")


@pytest.mark.core
def test_other_bits_of_the_mark_are_left_alone(lab, picket):
    """An admin's own rule writes the low bits: ours come and go beside them (mark is asked for by name)."""
    lab.victim.nft("table inet admin { chain pre { type filter hook prerouting priority -140; "
                   "ct mark set ct mark & 0xffff0000 | 0x77\n}\n}\n")
    daemon = ready(picket, "flow_flag = mark")
    with exchange(lab.client, VICTIM4[0], 8080) as running:
        mark = mark_of(daemon.host, f"sport={running.getsockname()[1]} ")
        assert mark & 0xffff == 0x77 and mark & BITS == epoch(daemon.host)
        daemon.ctl("block", ATTACKER4, "--for", "10m")
        assert still_answers(running)
        assert mark_of(daemon.host, f"sport={running.getsockname()[1]} ") & 0xffff == 0x77


@pytest.mark.core
def test_where_others_use_the_mark_a_label_is_taken(lab, picket):
    """At once when their rules come, and no bit of ours stays in a mark; and back to the mark when they go."""
    daemon = ready(picket)
    with exchange(lab.client, VICTIM4[0], 8080) as running:
        port = running.getsockname()[1]
        assert flagged(daemon, f"sport={port} ")
        lab.victim.nft("table ip wg { chain pre { type filter hook prerouting priority -150; "
                       "meta l4proto udp meta mark set ct mark\n}\n}\n")
        daemon.wait_line("flow_flag is label now", timeout=8)
        wait_until(lambda: daemon.ctl("status").one["sensors"]["flow_flag"] == "label", 4, "the label is in force")
        assert mark_of(daemon.host, f"sport={port} ") == 0
        with exchange(lab.client, VICTIM4[0], 8080) as another:
            assert flows(daemon.host, f"sport={another.getsockname()[1]} ")
            assert mark_of(daemon.host, f"sport={another.getsockname()[1]} ") == 0
            daemon.ctl("block", CLIENT4, "--force", "--for", "2s", check=False)
        lab.victim.run("nft", "delete", "table", "ip", "wg")
        daemon.wait_line("flow_flag is mark now", timeout=8)


def test_a_label_is_void_after_a_block_too(lab, picket):
    daemon = ready(picket, "flow_flag = label")
    assert daemon.ctl("status").one["sensors"]["flow_flag"] == "label"
    with exchange(lab.attacker, VICTIM4[0], 8080) as cut, exchange(lab.client, VICTIM4[0], 8080) as other:
        daemon.ctl("block", ATTACKER4, "--for", "10m")
        assert not still_answers(cut)
        assert still_answers(other)
        time.sleep(1.5)
        assert still_answers(other) and not still_answers(cut)


def test_foreign_writes_and_lost_tables_only_make_flows_slow(lab, picket):
    """A full write of the mark, conntrack emptied, the ruleset flushed: everything goes on, and is flagged again."""
    daemon = ready(picket, "flow_flag = mark")
    with exchange(lab.client, VICTIM4[0], 8080) as running:
        wanted = f"sport={running.getsockname()[1]} "
        lab.victim.nft("table inet admin { chain out { type filter hook output priority 0; ct mark set 0x77\n}\n}\n")
        assert still_answers(running)
        assert mark_of(daemon.host, wanted) & ~BITS == 0x77     # perhaps flagged anew since
        lab.victim.run("nft", "delete", "table", "inet", "admin")
        assert still_answers(running) and flagged(daemon, wanted)
        conntrack_forgets(lab.victim)
        assert still_answers(running) and still_answers(running) and flagged(daemon, wanted)
        lab.victim.run("nft", "flush", "ruleset")
        daemon.wait_line("put back, with all")
        wait_until(lambda: epoch(daemon.host), 3, "a value after the table came back")
        assert still_answers(running) and flagged(daemon, wanted)


def test_what_a_helper_follows_has_no_flag(lab, picket):
    """The flow that it expects would inherit the mark."""
    daemon = ready(picket)
    lab.victim.nft('table inet admin { ct helper ftp { type "ftp" protocol tcp\n}\n'
                   'chain pre { type filter hook prerouting priority -150; tcp dport 8080 ct helper set "ftp"\n}\n}\n')
    with exchange(lab.client, VICTIM4[0], 8080) as running, exchange(lab.client, VICTIM4[0], 80) as plain:
        assert not flagged(daemon, f"sport={running.getsockname()[1]} ")
        assert flagged(daemon, f"sport={plain.getsockname()[1]} ")


def test_untracked_flows_go_the_whole_way(lab, picket):
    daemon = ready(picket)
    lab.victim.nft("table inet admin { "
                   "chain pre { type filter hook prerouting priority -300; tcp dport 8080 notrack\n}\n"
                   "chain out { type filter hook output priority -300; tcp sport 8080 notrack\n}\n}\n")
    with exchange(lab.attacker, VICTIM4[0], 8080) as running:
        assert flows(daemon.host, f"sport={running.getsockname()[1]} ") == []
        daemon.ctl("block", ATTACKER4, "--for", "10m")
        assert not still_answers(running)


def test_without_a_flag_all_is_as_before(lab, picket):
    daemon = picket("flow_flag = none")
    with exchange(lab.attacker, VICTIM4[0], 8080) as running:
        time.sleep(1.2)
        assert epoch(daemon.host) is None and still_answers(running)
        assert daemon.ctl("status").one["sensors"]["flow_flag"] == "none"
        daemon.ctl("block", ATTACKER4, "--for", "10m")
        assert not still_answers(running)


def test_a_look_at_others_makes_no_table_of_theirs(lab, picket):
    """The kernel makes a table of the older iptables for who asks about it, and every packet pays for its hooks."""
    daemon = ready(picket)
    for family in ("ip", "ip6"):
        names = daemon.host.run("cat", f"/proc/net/{family}_tables_names", check=False)
        assert names.stdout == "", names.stdout


def test_an_expected_flow_passes_no_block(lab, picket):
    """A helper expects a flow: related to what runs, it passes a ban; it has no flag, and a block drops it."""
    daemon = ready(picket)
    lab.victim.nft('table inet admin { ct helper ftp { type "ftp" protocol tcp\n}\n'
                   'chain pre { type filter hook prerouting priority -150; tcp dport 2121 ct helper set "ftp"\n}\n}\n')
    control, data = lab.victim.socket(), lab.victim.socket()
    with contextlib.closing(control), contextlib.closing(data):
        for listener, port in ((control, 2121), (data, 0)):
            listener.bind((VICTIM4[0], port))
            listener.listen()
        high, low = divmod(data.getsockname()[1], 256)
        words = f"227 Entering Passive Mode ({VICTIM4[0].replace('.', ',')},{high},{low})\r\n".encode()
        with lab.attacker.connect(VICTIM4[0], 2121, 1.0, keep=True) as client, control.accept()[0] as server:

            def passive(wait):
                client.sendall(b"PASV\r\n")
                assert server.recv(100) == b"PASV\r\n"
                server.sendall(words)
                assert client.recv(200) == words
                return lab.attacker.connect(VICTIM4[0], high * 256 + low, wait, keep=True)
            with passive(1.0):
                assert not flagged(daemon, "sport=", f"dport={high * 256 + low} "), "nothing is inherited"
            server.sendall(words)
            client.recv(200)
            daemon.ctl("block", ATTACKER4, "--for", "10m")
            assert lab.attacker.connect(VICTIM4[0], high * 256 + low, 1.5) == "timeout"


def test_a_containers_answer_proves_nothing(lab, picket):
    """Behind destination NAT a forged SYN is answered by the container: before that answer's own NAT, here."""
    inside = lab.add_container()
    lab.services("tcp:80:http", host=inside)
    lab.victim.nft("table ip published { chain pre { type nat hook prerouting priority -100; "
                   "iifname eth0 tcp dport 8088 dnat to 172.30.0.2:80; }; }")
    daemon = ready(picket)
    send(lab, [frame("198.18.5.5", VICTIM4[0], 40000 + n, 8088) for n in range(5)], 0.01)
    wait_until(lambda: len(flows(daemon.host, "src=198.18.5.5", "SYN_RECV")) == 5, 3, "the container answers")
    for name in ("customers4", "late4", "kin4"):
        assert "198.18.5.5" not in daemon.host.run("nft", "list", "set", "inet", "picket", name).stdout
    assert not any(flagged(daemon, f"sport={40000 + n} ") for n in range(5))


def test_a_flow_older_than_the_labels_is_only_slow(lab, picket):
    """Its entry has no room for one."""
    lab.victim.nft("table inet admin { chain in { type filter hook input priority 0; "
                   "ct state established accept\n}\n}\n")
    with exchange(lab.attacker, VICTIM4[0], 8080) as older, exchange(lab.client, VICTIM4[0], 8080) as other:
        daemon = ready(picket, "flow_flag = label")
        assert still_answers(older) and still_answers(other)
        daemon.ctl("block", ATTACKER4, "--for", "10m")
        assert not still_answers(older) and still_answers(other)


def test_the_way_out_is_watched_while_somebody_is_blocked(lab, picket):
    """A chain exists where its work exists: a veil and a ban mute nothing."""
    daemon = ready(picket)

    def chains():
        told = daemon.host.run("nft", "list", "table", "inet", "picket").stdout
        return set(re.findall(r"chain (out\w*) ", told))
    veil(lab, daemon, "198.18.7.7")
    assert chains() == set()
    daemon.ctl("block", ATTACKER4, "--for", "10m")
    assert chains() == {"out", "out_forward"}
    daemon.ctl("unblock", ATTACKER4)
    wait_until(lambda: chains() == set(), 3, "the chains go with the last block")


@pytest.mark.parametrize("program", ["iptables", "iptables-legacy"])
def test_connmark_of_iptables_is_found(lab, picket, program):
    """CONNMARK --restore-mark without a mask would put our bits into the packet's mark."""
    if not shutil.which(program):
        pytest.skip(f"there is no {program}")
    done = lab.victim.run(program, "-t", "mangle", "-A", "PREROUTING", "-p", "udp", "-j", "CONNMARK", "--restore-mark",
                          check=False)
    if done.returncode:
        pytest.skip(f"{program}: {done.stderr.strip()}")
    daemon = picket()
    wait_until(lambda: daemon.ctl("status").one["sensors"]["flow_flag"] == "label", 4, "the label is taken")
