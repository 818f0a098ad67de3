# SPDX-License-Identifier: GPL-2.0-or-later
"""The early drop: what of a loud banned or blocked source goes at the ingress hook, and what must pass it as ever."""
import contextlib
import json
import re
import socket
import struct
import subprocess
import time

import pytest

from lab import ATTACKER4, ATTACKER6, MAC, ONLINK_ATTACKER6, VICTIM4, VICTIM6, Host, built, wait_until
from matrix_send import frame
from picket import FIVE_FAMILIES, shut_out, visit_traps
from test_flow_flag import exchange
from test_grades import ban, still_answers

OTHER = "203.0.113.99"
NEIGHBOUR_MAC, GUEST_MAC = "02:00:00:00:07:0a", "02:00:00:00:07:0b"
PORTS = "1000-2000"     # closed


@contextlib.contextmanager
def flooding(host, source, target=VICTIM4[0], mac=MAC["victim"], rate=6000, device="eth0"):
    """SYNs in that name, from wherever."""
    process = host.popen(built("flood"), device, mac, target, source, 1, 10 ** 9, rate, 60, "stack", PORTS,
                         stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def early(daemon):
    return daemon.ctl("status").one["kernel"]["dropped_early"]


def hooks(host):
    """Where our table is hooked at ingress, as the kernel tells."""
    return set(re.findall(r'hook ingress device "?([^" ]+)', host.run("nft", "list", "chains", "inet").stdout))


def wait_hook(daemon, *devices, timeout=4):
    wait_until(lambda: hooks(daemon.host) == set(devices), timeout, lambda: f"hooks on {devices}: {hooks(daemon.host)}")
    assert daemon.ctl("status").one["sensors"]["early_links"] == len(devices)


def quiet(daemon):
    """Nothing that came or went was taken for somebody else's change, and nothing was refused."""
    assert not daemon.lines("changed by somebody|refused|cannot"), daemon.log_text()


def from_client(*frames):
    """The same frames by the client's link: the delay line would untag them, and learn wrong places."""
    own = bytes.fromhex(MAC["client"].replace(":", ""))
    return [one[:6] + own + one[12:] for one in frames]


def send(host, frames, device="eth0"):
    with host.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as s:
        s.bind((device, 0))
        for n, one in enumerate(frames):
            s.send(one)
            if n % 50 == 49:
                time.sleep(0.01)


def counting(host, source):
    """Counts what comes from that source into this namespace."""
    host.nft("table inet counting { counter seen { }\nchain in { type filter hook prerouting priority -400; "
             f"ip saddr {source} counter name seen\n}}\n}}\n")


def counted(host):
    return int(re.search(r"packets (\d+)", host.run("nft", "list", "counter", "inet", "counting", "seen").stdout)[1])


@pytest.mark.core
@pytest.mark.parametrize("family", [4, 6])
def test_a_loud_banned_source_meets_the_hook(lab, picket, honest, family):
    """Made within two seconds, gone within twenty of its end; there is none before it."""
    source, victim = (ATTACKER4, VICTIM4[0]) if family == 4 else (ATTACKER6, VICTIM6[0])
    daemon = picket()
    ban(lab, daemon, address=victim, source=source if family == 4 else "2001:db8:bad::/64")
    assert hooks(lab.victim) == set()
    with flooding(lab.attacker, source, victim):
        wait_hook(daemon, "eth0")
        before = daemon.ctl("status").one["kernel"]
        time.sleep(2)
        after = daemon.ctl("status").one["kernel"]
    assert after["dropped_early"] - before["dropped_early"] > 4000
    assert after["dropped_ban"] == before["dropped_ban"], "none of them comes so far any more"
    assert after["early_refused"] == 0
    wait_hook(daemon, timeout=20)
    quiet(daemon)


@pytest.mark.core
def test_who_has_a_session_here_is_never_loud(lab, picket):
    """Whoever floods in its name: its sessions run on, in both directions, and it keeps what the ban leaves it."""
    daemon = picket()
    lab.services("tcp:9999:http", host=lab.attacker)
    with exchange(lab.attacker, VICTIM4[0], 8080) as running, exchange(lab.victim, ATTACKER4, 9999) as called:
        ban(lab, daemon)
        with flooding(lab.client, ATTACKER4):
            for _ in range(5):
                assert still_answers(running) and still_answers(called)
                assert lab.attacker.connect(VICTIM4[0], 8080, 1.0) == "open", "its customer's port"
                assert shut_out(lab.attacker, VICTIM4[0], 80, wait=0.5)
            assert hooks(lab.victim) == set() and early(daemon) == 0


@pytest.mark.core
def test_a_customers_port_passes_the_hook(lab, picket):
    """Its sessions long over, somebody else loud, then somebody loud in its name."""
    daemon = picket(keep_on_stop=True)
    lab.attacker.add_address(OTHER)
    assert lab.attacker.get(VICTIM4[0], 8080)
    ban(lab, daemon)
    visit_traps(lab, *FIVE_FAMILIES, source=OTHER)
    daemon.wait_graded(OTHER, grade="ban")
    with flooding(lab.client, OTHER):
        wait_hook(daemon, "eth0")
    daemon.stop()
    lab.victim.run("nft", "flush", "set", "inet", "picket", "kin4")
    with flooding(lab.client, ATTACKER4):
        wait_until(lambda: ATTACKER4 in lab.victim.run("nft", "list", "set", "inet", "picket", "loud4").stdout, 4,
                   "it is loud")
        assert shut_out(lab.attacker, VICTIM4[0], 80, wait=0.5)
        assert lab.attacker.connect(VICTIM4[0], 8080, 1.0) == "open"


def test_a_ban_that_ends_is_over_at_once(lab, picket):
    daemon = picket()
    ban(lab, daemon)
    with flooding(lab.client, ATTACKER4):
        wait_hook(daemon, "eth0")
        daemon.ctl("unblock", ATTACKER4)
        assert lab.attacker.connect(VICTIM4[0], 80, 6.0) == "open", "loud or not: what is forged veils it, no more"
        assert hooks(lab.victim) == {"eth0"}


def test_public_ports_stay_public(lab, picket):
    daemon = picket('public_ports = { "80" }')
    ban(lab, daemon)
    with flooding(lab.client, ATTACKER4):
        wait_hook(daemon, "eth0")
        assert lab.attacker.get(VICTIM4[0], 80)
        assert shut_out(lab.attacker, VICTIM4[0], 8080, wait=0.5)


def test_what_is_allowed_passes_the_hook(lab, picket):
    """Inside of a blocked net, and from the moment on that it is allowed."""
    daemon = picket()
    daemon.ctl("block", "203.0.113.0/24", "--for", "10m", "--force")
    with flooding(lab.client, ATTACKER4):
        wait_hook(daemon, "eth0")
        assert shut_out(lab.attacker, VICTIM4[0], wait=0.5)
        daemon.ctl("allow", "add", ATTACKER4)
        assert lab.attacker.get(VICTIM4[0])
        assert hooks(lab.victim) == {"eth0"}
        daemon.ctl("allow", "del", ATTACKER4)
        assert shut_out(lab.attacker, VICTIM4[0], wait=0.5)


def test_a_block_drops_datagrams_early_as_well(lab, picket):
    daemon = picket()
    daemon.ctl("block", ATTACKER4, "--for", "10m")
    hping = lab.attacker.popen("hping3", "-2", "-q", "-i", "u150", "-p", "53", VICTIM4[0], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    try:
        wait_hook(daemon, "eth0", timeout=8)
        before = early(daemon)
        wait_until(lambda: early(daemon) > before + 1000, 4, "datagrams are dropped early")
    finally:
        hping.kill()
        hping.wait()


def test_a_blocked_neighbour_still_finds_this_host(lab, picket):
    """Neighbour discovery passes the hook: what it is for goes on being its own."""
    daemon = picket()
    lab.attacker.batch(f"addr add {ONLINK_ATTACKER6}/64 dev eth0 nodad")
    daemon.ctl("block", ONLINK_ATTACKER6, "--for", "10m", "--force")
    with flooding(lab.attacker, ONLINK_ATTACKER6, VICTIM6[0]):
        wait_hook(daemon, "eth0")
        before = early(daemon)
        lab.attacker.batch(f"neigh del {VICTIM6[0]} dev eth0")
        lab.attacker.datagram(VICTIM6[0], 5353, timeout=0.2, source=ONLINK_ATTACKER6)
        wait_until(lambda: MAC["victim"] in lab.attacker.run("ip", "-6", "neigh", "show", VICTIM6[0]).stdout, 3,
                   "the neighbour is found")
        wait_until(lambda: early(daemon) > before, 3, "it was loud all the while")


@pytest.mark.core
def test_the_hook_minds_whole_untagged_frames_alone(lab, picket):
    """A tagged frame is of another link; parts of a packet are told by their whole."""
    daemon = picket()
    daemon.ctl("block", ATTACKER4, "--for", "10m")
    with flooding(lab.client, ATTACKER4):
        wait_hook(daemon, "eth0")
    plain = from_client(*(frame(ATTACKER4, VICTIM4[0], 40000 + n, 4000) for n in range(300)))
    before = early(daemon)
    send(lab.client, [one[:12] + struct.pack("!HH", 0x8100, 7) + one[12:] for one in plain])
    send(lab.client, [one[:20] + b"\x20\x00" + one[22:] for one in plain])      # more fragments
    send(lab.client, [one[:20] + b"\x00\x20" + one[22:] for one in plain])      # not the first
    assert early(daemon) == before
    send(lab.client, plain)
    assert early(daemon) == before + 300
    quiet(daemon)


def test_what_is_for_a_guest_behind_the_same_card_passes(lab, picket):
    """A container's macvlan, of the very address that the loud source sends to here."""
    daemon = picket()
    ban(lab, daemon)
    guest = lab._add("guest", Host)
    lab.victim.batch(f"link add mv0 link eth0 address {GUEST_MAC} netns {guest.name} type macvlan mode bridge")
    guest.batch("link set lo up", "link set mv0 up", f"addr add {VICTIM4[0]}/32 dev mv0")
    counting(guest, ATTACKER4)
    with flooding(lab.client, ATTACKER4):
        wait_hook(daemon, "eth0")
    to_guest = bytes.fromhex(GUEST_MAC.replace(":", ""))
    frames = from_client(*(frame(ATTACKER4, VICTIM4[0], 40000 + n, 4000) for n in range(300)))
    send(lab.client, [to_guest + one[6:] for one in frames])
    wait_until(lambda: counted(guest) == 300, 2, lambda: f"all arrive: {counted(guest)}")


def neighbour(lab, device="w0", address="192.168.7.1"):
    """Another namespace, on a link of its own with the victim."""
    host = lab._add("neighbour", Host)
    lab.victim.batch(f"link add {device} type veth peer name eth0 address {NEIGHBOUR_MAC} netns {host.name}",
                     f"link set {device} up")
    if address:
        lab.victim.batch(f"addr add {address}/24 dev {device}")
    host.batch("link set lo up", "link set eth0 up")
    return host


def mac_of(host, device):
    return json.loads(host.run("ip", "-j", "link", "show", device).stdout)[0]["address"]


def test_what_a_bridge_passes_on_is_no_ones_business(lab, picket):
    """The hook is the bridge's, where frames for this host come; not its port's, which sees its neighbours' as well."""
    lab.victim.batch("link add lan type bridge forward_delay 0 mcast_snooping 0", "addr add 192.168.7.1/24 dev lan",
                     "link set lan up")
    with contextlib.suppress(OSError), lab.victim.enter(), \
            open("/proc/sys/net/bridge/bridge-nf-call-iptables", "w") as f:
        f.write("0")
    one = neighbour(lab, "w0", None)
    other = lab._add("other", Host)
    lab.victim.batch(f"link add w1 type veth peer name eth0 address {GUEST_MAC} netns {other.name}",
                     *(f"link set {port} up master lan" for port in ("w0", "w1")))
    other.batch("link set lo up", "link set eth0 up")
    counting(other, ATTACKER4)
    daemon = picket()
    ban(lab, daemon)
    with flooding(one, ATTACKER4, "192.168.7.1", mac_of(lab.victim, "lan")):
        wait_hook(daemon, "lan")
    to_other, own = (bytes.fromhex(mac.replace(":", "")) for mac in (GUEST_MAC, NEIGHBOUR_MAC))
    frames = [frame(ATTACKER4, "192.168.7.1", 40000 + n, 4000) for n in range(300)]
    send(one, [to_other + own + one_frame[12:] for one_frame in frames])
    wait_until(lambda: counted(other) == 300, 2, lambda: f"all arrive: {counted(other)}")


@pytest.mark.core
def test_interfaces_come_and_go_while_the_hook_stands(lab, picket):
    """Removed, made anew, renamed, moved away: nobody changed the rules, and the next flood meets a hook again."""
    daemon = picket()
    ban(lab, daemon)
    lab.victim.batch("link add w0 type veth peer name p0", "link del w0")
    host = neighbour(lab)
    with flooding(host, ATTACKER4, "192.168.7.1", mac_of(lab.victim, "w0")):
        wait_hook(daemon, "w0")
    lab.victim.batch("link del w0")
    time.sleep(1.2)
    assert daemon.ctl("status").one["sensors"]["healing"] is False
    assert shut_out(lab.attacker, VICTIM4[0], wait=0.5)
    assert lab.client.get(VICTIM4[0])
    lab.victim.batch(f"link add w0 type veth peer name eth0 address {NEIGHBOUR_MAC} netns {host.name}",
                     "link set w0 up", "addr add 192.168.7.1/24 dev w0")
    host.batch("link set eth0 up")
    with flooding(host, ATTACKER4, "192.168.7.1", mac_of(lab.victim, "w0")):
        before = early(daemon)
        wait_until(lambda: early(daemon) > before + 2000, 6, "dropped early on the new one")
        lab.victim.batch("link set w0 down", "link set w0 name w9", "link set w9 up")
        before = early(daemon)
        wait_until(lambda: early(daemon) > before + 2000, 6, "dropped early under its new name")
        lab.victim.batch(f"link set w9 netns {lab.switch.name}")
        time.sleep(1.2)
    wait_hook(daemon, timeout=20)
    assert lab.client.get(VICTIM4[0])
    quiet(daemon)


def test_a_lost_table_comes_back_with_its_hook(lab, picket):
    daemon = picket()
    ban(lab, daemon)
    with flooding(lab.client, ATTACKER4):
        wait_hook(daemon, "eth0")
        lab.victim.run("nft", "flush", "ruleset")
        daemon.wait_line("put back, with all grades")
        wait_hook(daemon, "eth0")
        daemon.ctl("pause", "--for", "10m")
        assert hooks(lab.victim) == set()
        daemon.ctl("resume")
        wait_hook(daemon, "eth0", timeout=6)
        assert len(daemon.lines("changed by somebody")) == 1


def test_the_hook_works_on_while_the_daemon_is_away(lab, picket):
    """And the next one takes it over."""
    daemon = picket(keep_on_stop=True)
    ban(lab, daemon)
    with flooding(lab.client, ATTACKER4):
        wait_hook(daemon, "eth0")
        daemon.stop()
        assert hooks(lab.victim) == {"eth0"}
        assert shut_out(lab.attacker, VICTIM4[0], wait=0.5)
        assert lab.client.get(VICTIM4[0])
        daemon.start()
        wait_hook(daemon, "eth0", timeout=6)


@pytest.mark.parametrize("name, element", [
    ("pace4", lambda n: f"10.1.{n // 256}.{n % 256}"),
    ("loud4", lambda n: f"10.1.{n // 256}.{n % 256} . 10.77.0.1 . lo"),
    ("loud_links", lambda n: f'"full{n}"')])
def test_what_a_full_set_turns_away_is_counted(lab, picket, name, element):
    """And dropped as it was before: one place is enough, none is too few."""
    daemon = picket(keep_on_stop=True)
    ban(lab, daemon)
    daemon.stop()
    size = int(re.search(r"size (\d+)", lab.victim.run("nft", "list", "set", "inet", "picket", name).stdout)[1])

    def refused():
        listed = lab.victim.run("nft", "list", "counter", "inet", "picket", "early_refused").stdout
        return int(re.search(r"packets (\d+)", listed)[1])

    def fill(first, last):
        elements = ", ".join(f"{element(n)} timeout 1h" for n in range(first, last))
        lab.victim.nft(f"add element inet picket {name} {{ {elements} }}\n")
    fill(0, size - 1)
    with flooding(lab.client, ATTACKER4):
        time.sleep(2)
        assert refused() == 0
    wait_until(lambda: ATTACKER4 not in lab.victim.run("nft", "list", "set", "inet", "picket", "pace4").stdout, 6,
               "it is forgotten")
    lab.victim.run("nft", "flush", "set", "inet", "picket", name)
    fill(0, size)
    with flooding(lab.client, ATTACKER4):
        wait_until(lambda: refused() > 500, 6, "what is turned away is counted")
        assert shut_out(lab.attacker, VICTIM4[0], wait=0.5)
        assert lab.client.get(VICTIM4[0])


def test_without_it_all_is_as_before(lab, picket):
    daemon = picket("early_drop = off")
    ban(lab, daemon)
    assert daemon.ctl("status").one["sensors"]["early_drop"] == "off"
    with flooding(lab.client, ATTACKER4):
        time.sleep(2.5)
        assert hooks(lab.victim) == set() and early(daemon) == 0
        assert shut_out(lab.attacker, VICTIM4[0], wait=0.5)
        daemon.write_config("early_drop = on")
        assert daemon.reload().code == 0
        wait_hook(daemon, "eth0", timeout=6)
        daemon.write_config("early_drop = off")
        assert daemon.reload().code == 0
        assert hooks(lab.victim) == set()
        time.sleep(1.5)
        assert hooks(lab.victim) == set()
        assert lab.client.get(VICTIM4[0])
