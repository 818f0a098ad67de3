# SPDX-License-Identifier: GPL-2.0-or-later
"""What dies, is stopped, started twice or shouted at must not cost a packet, a block or the network."""
import contextlib
import errno
import os
import re
import signal
import socket
import sqlite3
import subprocess
import time

import pytest

import wire as w
from lab import ATTACKER4, CLIENT4, VICTIM4, Scan, wait_until
from picket import FIVE_FAMILIES, PICKETCTL, delayed, put_bans, shut_out, visit_traps

OTHER = "203.0.113.99"


def ended(daemon, timeout=10):
    return wait_until(lambda: daemon.process.poll() is not None, timeout, "picketd ends") and daemon.process.returncode


def closed_ports(lab, ports):
    """Starts connects to closed ports without waiting for them."""
    sockets = []
    with lab.attacker.enter():
        for port in ports:
            s = socket.socket()
            s.setblocking(False)
            assert s.connect_ex((VICTIM4[0], port)) == errno.EINPROGRESS
            sockets.append(s)
    return sockets


@pytest.mark.core
def test_sentry_killed_while_it_holds_packets(lab, picket, wire, honest):
    """SIGKILL while packets wait for the verdict: every one of them passes, blocks stand, and a new start carries
    on."""
    lab.attacker.add_address(OTHER)
    daemon = picket()
    daemon.ctl("block", OTHER, "--for", "1h")
    seen = wire(lab.victim, ATTACKER4)
    sentry = daemon.sentry()
    os.kill(sentry, signal.SIGSTOP)
    sockets = closed_ports(lab, range(40001, 40021))
    wait_until(lambda: len(seen.probes()) == 20, 2, "the SYNs arrive")
    assert seen.answers() == [], "they are held"
    os.kill(sentry, signal.SIGKILL)
    wait_until(lambda: len(seen.answers()) >= 20, 3, lambda: f"all are answered: {len(seen.answers())} of 20")
    frames = seen.frames()
    answered = {f.dport for f in frames if not f.out} & {f.sport for f in frames if f.out and f.flags & w.RST}
    assert len(answered) == 20
    assert sum(f.is_syn for f in frames) == 20, "held ones passed: none had to be sent again"
    for s in sockets:
        s.close()
    assert ended(daemon) != 0, "the service manager must see a failure"
    assert daemon.table_present(), "the kernel keeps blocking"
    assert lab.attacker.connect(VICTIM4[0], 80, 1.0) == "open"
    assert shut_out(lab.attacker, VICTIM4[0], source=OTHER)
    before = len(daemon.log_text())
    daemon.start()
    assert shut_out(lab.attacker, VICTIM4[0], source=OTHER)
    row = daemon.graded(OTHER)[0]
    assert 3500 < row["expires_in_s"] <= 3600
    assert "error" not in daemon.log_text()[before:].lower()
    Scan(lab, "-sS", "-T4", "-p1-200").stop()
    honest.check()


def test_sentry_that_hangs(lab, picket, wire):
    """A sentry that stands still holds packets that wait for its verdict: it is ended like one that died, and they
    pass."""
    daemon = picket()
    seen = wire(lab.victim, ATTACKER4)
    os.kill(daemon.sentry(), signal.SIGSTOP)
    sockets = closed_ports(lab, range(40001, 40006))
    wait_until(lambda: len(seen.probes()) == 5, 2, "the SYNs arrive")
    assert ended(daemon, 12) != 0
    wait_until(lambda: len(seen.answers()) >= 5, 2, "what was held is answered")
    assert "has not moved" in daemon.log_text()
    assert lab.attacker.connect(VICTIM4[0], 80, 1.0) == "open"
    for s in sockets:
        s.close()


@pytest.mark.core
@pytest.mark.parametrize("victim", ["keeper", "supervisor"])
def test_any_process_killed(lab, picket, honest, victim):
    """If any of the three dies, all end; the network works, the grades stand, a new start carries on with them."""
    daemon = picket()
    lab.attacker.add_address(OTHER)
    visit_traps(lab, *FIVE_FAMILIES)
    daemon.wait_graded(ATTACKER4, grade="ban")
    lab.attacker.run("hping3", "-q", "-S", "-a", OTHER, "-p", "++81", "-c", "8", "-i", "u2000", VICTIM4[0], check=False)
    daemon.wait_graded(OTHER, grade="veil")
    time.sleep(1.2)             # it is written down every second
    children = daemon.children()
    assert len(children) >= 2
    os.kill(daemon.keeper() if victim == "keeper" else daemon.process.pid, signal.SIGKILL)
    ended(daemon)

    def gone(pid):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/stat") as f:
                return f.read().rpartition(")")[2].split()[0] in "ZX"
        return True
    wait_until(lambda: all(map(gone, children)), 5, "its children end too")
    assert shut_out(lab.attacker, VICTIM4[0])
    assert lab.client.connect(VICTIM4[0], 80) == "open"
    daemon.start()
    assert {row["source"]: row["grade"] for row in daemon.graded()} == {ATTACKER4: "ban", OTHER: "veil"}
    assert 3500 < daemon.graded(ATTACKER4)[0]["expires_in_s"] <= 3600
    assert shut_out(lab.attacker, VICTIM4[0])
    assert delayed(lab.attacker, VICTIM4[0], source=OTHER)
    daemon.ctl("unblock", ATTACKER4)
    assert lab.attacker.connect(VICTIM4[0], 80, 1.0) == "open"
    honest.check()


def test_adopted_block_ends_in_time(lab, picket):
    """A block found in the kernel after a crash keeps the rest of its time, and its end is told."""
    daemon = picket()
    daemon.ctl("block", ATTACKER4, "--for", "6s")
    os.kill(daemon.process.pid, signal.SIGKILL)
    ended(daemon)
    daemon.start()
    assert 0 < daemon.graded(ATTACKER4)[0]["expires_in_s"] <= 6
    daemon.wait_line(rf"\bunblock {ATTACKER4}: expired", timeout=8)
    assert lab.attacker.connect(VICTIM4[0], 80, 1.0) == "open"


@pytest.mark.core
def test_a_stop_that_cannot_save(lab, picket):
    """Another program holds the database while a ban comes and picketd is stopped: the table stays, and the next start
    has the ban from there."""
    daemon = picket()
    other = sqlite3.connect(os.path.join(daemon.state_dir, "picket.db"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    visit_traps(lab, *FIVE_FAMILIES)
    daemon.wait_graded(ATTACKER4, grade="ban")
    assert daemon.stop() == 0
    assert "could not be saved" in daemon.log_text()
    assert shut_out(lab.attacker, VICTIM4[0])
    other.close()
    daemon.start()
    assert daemon.graded(ATTACKER4, "ban")
    assert daemon.stop() == 0
    assert not daemon.table_present()
    daemon.start()
    assert daemon.graded(ATTACKER4, "ban"), "this time it was saved"


def test_what_a_crash_left_in_the_kernel_is_written_down(lab, picket):
    """A block that no disk has seen outlives the crash in the kernel's table; soon it no longer needs that."""
    daemon = picket()
    other = sqlite3.connect(os.path.join(daemon.state_dir, "picket.db"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    daemon.ctl("block", ATTACKER4, "--for", "1h")
    os.kill(daemon.keeper(), signal.SIGKILL)
    ended(daemon)
    other.close()
    daemon.start()
    daemon.wait_line("1 veils, bans and blocks found in the kernel carry on")
    time.sleep(4)
    os.kill(daemon.sentry(), signal.SIGKILL)
    ended(daemon)
    lab.victim.run("nft", "flush", "ruleset")
    daemon.start()
    assert daemon.graded(ATTACKER4, "block")


def test_a_ban_that_the_disk_has_as_a_veil(lab, picket):
    """The crash comes before the ban is on the disk, where its source is under suspicion: the kernel knows better."""
    daemon = picket()
    visit_traps(lab, *FIVE_FAMILIES[:4])
    daemon.wait_graded(ATTACKER4, grade="veil")
    time.sleep(1.5)
    other = sqlite3.connect(os.path.join(daemon.state_dir, "picket.db"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    visit_traps(lab, *FIVE_FAMILIES[4:])
    daemon.wait_graded(ATTACKER4, grade="ban")
    os.kill(daemon.keeper(), signal.SIGKILL)
    ended(daemon)
    other.close()
    daemon.start()
    assert daemon.kernel_grade(ATTACKER4) == "ban" and daemon.graded(ATTACKER4, "ban")


def test_a_stop_in_the_middle_of_a_save(lab, picket):
    """After a crash all that stands is written down anew; a stop meanwhile begins again, and does not leave half."""
    daemon = picket("score { max_sources = 8192 }")
    daemon.stop()
    put_bans(daemon.state_dir, 15000)
    for moment in (0.8, 1.1, 1.4, 1.8):
        daemon.start()
        os.kill(daemon.keeper(), signal.SIGKILL)
        ended(daemon)
        daemon.start()
        time.sleep(moment)
        daemon.stop()
        daemon.start()
        assert daemon.ctl("status").one["counts"]["bans"] == 15000
        daemon.stop()


@pytest.mark.parametrize("room", ["before", "after"])
def test_a_crash_on_a_full_disk(lab, picket, room):
    """The file could not be told that it is in use again: what only the kernel holds is written down all the same."""
    daemon = picket.make()
    os.mkdir(daemon.state_dir)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=755", "picket-test", daemon.state_dir], check=True)
    full = os.path.join(daemon.state_dir, "full")
    try:
        daemon.start()
        assert daemon.stop() == 0
        with contextlib.suppress(OSError), open(full, "wb", buffering=0) as f:
            while True:
                f.write(bytes(4096))
        daemon.start()
        daemon.ctl("block", ATTACKER4, "--for", "1h")
        os.kill(daemon.keeper(), signal.SIGKILL)
        ended(daemon)
        if room == "before":
            os.unlink(full)
        daemon.start()
        if room == "after":
            time.sleep(2)
            os.unlink(full)
        time.sleep(4 if room == "before" else 10)
        os.kill(daemon.sentry(), signal.SIGKILL)
        ended(daemon)
        lab.victim.run("nft", "flush", "ruleset")
        daemon.start()
        assert daemon.graded(ATTACKER4, "block")
    finally:
        daemon.stop()
        subprocess.run(["umount", "-l", daemon.state_dir], check=True)


def test_a_new_file_is_filled_at_once(lab, picket):
    """Somebody removes the database; then the power fails."""
    daemon = picket()
    daemon.ctl("block", ATTACKER4, "--for", "1h")
    time.sleep(1.5)
    os.unlink(os.path.join(daemon.state_dir, "picket.db"))
    daemon.wait_line("picket.db was removed or replaced: begun anew")
    time.sleep(4)
    os.kill(daemon.sentry(), signal.SIGKILL)
    ended(daemon)
    lab.victim.run("nft", "flush", "ruleset")
    daemon.start()
    assert daemon.graded(ATTACKER4, "block")


@pytest.mark.core
def test_what_stands_outlives_a_reboot(lab, picket):
    """A veil, a ban and a block, without the table that a clean stop takes along."""
    daemon = picket()
    lab.attacker.add_address(OTHER)
    lab.attacker.run("hping3", "-q", "-S", "-a", OTHER, "-p", "++81", "-c", "8", "-i", "u2000", VICTIM4[0], check=False)
    daemon.wait_graded(OTHER, grade="veil")
    visit_traps(lab, *FIVE_FAMILIES)
    daemon.wait_graded(ATTACKER4, grade="ban")
    daemon.ctl("block", "192.0.2.77", "--for", "1h")
    stand = {row["source"]: (row["grade"], row["passes"]) for row in daemon.graded()}
    assert len(stand) == 3 and stand["192.0.2.77"] == ("block", "nothing")
    assert daemon.stop() == 0
    daemon.start()
    assert {row["source"]: (row["grade"], row["passes"]) for row in daemon.graded()} == stand
    assert shut_out(lab.attacker, VICTIM4[0]) and delayed(lab.attacker, VICTIM4[0], source=OTHER)


@pytest.mark.core
def test_clean_stop_leaves_no_rule(lab, picket, honest):
    lab.victim.nft("table inet other {\n chain c {\n type filter hook input priority 5;\n tcp dport 9 counter\n }\n}")
    before = lab.victim.run("nft", "list", "ruleset").stdout
    daemon = picket()
    daemon.ctl("block", ATTACKER4, "--for", "1h")
    assert daemon.table_present()
    assert daemon.stop() == 0
    assert lab.victim.run("nft", "list", "ruleset").stdout == before, "nobody else's table is touched"
    assert daemon.children() == []
    assert lab.attacker.connect(VICTIM4[0], 80, 1.0) == "open"
    assert lab.attacker.connect(VICTIM4[0], 23, 1.0) == "refused", "no trap is left"
    assert not os.path.exists(daemon.socket_path)
    honest.check()


def test_keep_on_stop(lab, picket):
    daemon = picket("keep_on_stop = true")
    daemon.ctl("block", ATTACKER4, "--for", "1h")
    assert daemon.stop() == 0
    assert daemon.table_present() and shut_out(lab.attacker, VICTIM4[0])
    daemon.start()
    assert daemon.graded(ATTACKER4)


@pytest.mark.core
@pytest.mark.parametrize("shared", ["run_dir", "queue", "table"])
def test_second_instance_is_refused(lab, picket, shared):
    """On the same run directory, the same queue or the same table; the first one does not notice."""
    first = picket()
    first.ctl("block", ATTACKER4, "--for", "1h")
    options = {"queue": 5000, "table": "second"}
    if shared == "run_dir":
        options["run_dir"] = first.run_dir
    else:
        options[shared] = {"queue": 4711, "table": "picket"}[shared]
    second = picket.make(**options).spawn()
    assert ended(second) not in (0, None)
    assert any(word in second.log_text() for word in ("already", "in use", "another", "busy")), second.log_text()
    assert first.ctl("status").code == 0
    assert first.tables() == ["inet picket"]
    assert shut_out(lab.attacker, VICTIM4[0])


LOCKER = """
import fcntl, os, sys
os.setgroups([]), os.setresgid(65534, 65534, 65534), os.setresuid(65534, 65534, 65534)
for name in os.listdir(sys.argv[1]):
    try:
        fd = os.open(os.path.join(sys.argv[1], name), os.O_RDONLY | os.O_NONBLOCK)
        fcntl.flock(fd, fcntl.LOCK_EX)
    except OSError:
        continue
print("tried", flush=True)
sys.stdin.read()
"""


def test_no_user_locks_the_next_start_out(lab, picket):
    """Who may read a file may lock it, and wait for the lock that a daemon gives up when it ends."""
    daemon = picket()
    daemon.stop()
    user = lab.victim.popen("/usr/bin/python3", "-c", LOCKER, daemon.run_dir, stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)
    try:
        assert user.stdout.readline() == "tried\n"
        daemon.start()
    finally:
        user.communicate("")


@pytest.mark.parametrize("option", ["run_dir", "state_dir"])
def test_folders_above_that_others_can_write(picket, option):
    """Who can rename one of them can put another in its place: a socket that picketctl talks to, blocks of his own."""
    daemon = picket.make()
    above = os.path.join(daemon.dir, "above")
    os.mkdir(above)
    os.chmod(above, 0o777)
    daemon.options[option] = os.path.join(above, "dir")
    daemon.write_config("")
    daemon.spawn()
    assert ended(daemon) == 1
    assert daemon.lines(f"{option} {above}/dir: {above} can be written by others than root"), daemon.log_text()
    os.chmod(above, 0o1777)
    daemon.run_dir = daemon.options["run_dir"]
    daemon.socket_path = os.path.join(daemon.run_dir, "picket.sock")
    daemon.start()


def test_a_state_directory_that_a_user_made(picket):
    """Of others' folders none becomes the keeper's: what its maker opened in it he keeps open."""
    daemon = picket.make()
    os.mkdir(daemon.state_dir)
    os.chown(daemon.state_dir, 12345, 12345)
    daemon.spawn()
    assert ended(daemon) == 1 and "belongs to another user" in daemon.log_text()
    os.chown(daemon.state_dir, 0, 0)
    daemon.start()


SQUATTER = """
import os, socket, sys
os.setgroups([]), os.setresgid(65534, 65534, 65534), os.setresuid(65534, 65534, 65534)
kept = []
def take(name):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    kept.append(s)
    try:
        s.bind(name), s.listen(1)
    except OSError:
        s.setblocking(False), s.connect_ex(name)
name = "\\0picket/table/inet/picket"
for i in range(400):
    take(name), take(f"{name}/{i}"), take(f"{name}/{sys.argv[1]}/{i:016x}")
for text in open("/proc/net/unix"):         # whatever picketd listens on
    if "@picket" in text:
        take("\\0" + text.split("@")[1].strip())
print("ready", flush=True), sys.stdin.read()
"""


@pytest.mark.core
@pytest.mark.parametrize("when", ["before", "after"])
def test_no_user_fills_the_guard_against_a_second_instance(lab, picket, when):
    """Whatever names a local user takes, and whomever he connects to: the first starts, the second is refused."""
    def squat(pid):
        user = lab.victim.popen("/usr/bin/python3", "-c", SQUATTER, str(pid), stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, text=True)
        assert user.stdout.readline() == "ready\n"
    if when == "before":
        squat(0)
    first = picket()
    if when == "after":
        squat(first.process.pid)
    second = picket.make(queue=5000).spawn()
    assert ended(second) not in (0, None)
    assert f"is in use by another picketd (pid {first.process.pid})" in second.log_text()
    assert first.ctl("status").code == 0 and first.stop() == 0
    assert picket().stop() == 0, "the name ends with its holder"


def test_two_instances_side_by_side(lab, picket):
    """Everything is an option, so two can guard one host."""
    first, second = picket(), picket(queue=5000, table="second")
    first.ctl("block", ATTACKER4, "--for", "1h")
    assert second.graded() == []
    assert second.stop() == 0 and first.table_present()
    assert shut_out(lab.attacker, VICTIM4[0])


@pytest.mark.core
def test_control_socket_under_abuse(lab, picket, honest):
    """Garbage, endless lines, half-sent requests and a hundred silent clients; meanwhile a scan is seen as ever."""
    daemon = picket()
    crowd = []
    for _ in range(100):
        with contextlib.suppress(OSError):
            crowd.append(daemon.raw())
    assert daemon.ctl("status").code == 0
    for s in crowd[:10]:
        with contextlib.suppress(OSError):
            s.sendall(b'{"v":1,"cmd":"stat')
    for garbage in (b"\0" * 4096 + b"\n", b"\xff\xfe\n" * 500, b"[" * 100000 + b"\n", b'{"v":1,"cmd":"list"',
                    b"\n" * 5000,
                    b'{"v":1,"cmd":"block","source":"%s"}\n' % (b"9" * 3000), b'{"v":99}\n', b'"x"\n',
                    b"x" * (4 << 20)):
        with contextlib.suppress(OSError), daemon.raw() as s:
            s.sendall(garbage)
            s.settimeout(0.3)
            s.recv(65536)
    assert daemon.ctl("status").code == 0
    scan = Scan(lab, "-sS", "-T4", "-p1-1000")
    daemon.wait_graded(ATTACKER4)
    scan.stop()
    assert daemon.process.poll() is None
    for s in crowd:
        s.close()
    assert daemon.graded(ATTACKER4)
    honest.check()


def test_a_reader_that_never_reads(lab, picket):
    """A client that asks for everything and reads nothing is dropped, not waited for."""
    daemon = picket()
    with daemon.raw() as s:
        s.setblocking(False)
        with contextlib.suppress(OSError):
            for _ in range(2000):
                s.send(b'{"v":1,"cmd":"status"}\n')
        started = time.monotonic()
        assert daemon.ctl("status").code == 0
        assert time.monotonic() - started < 5


@pytest.mark.core
def test_socket_answers_root_and_group_alone(lab, picket):
    daemon = picket()
    mode = os.stat(daemon.socket_path).st_mode & 0o777
    assert mode & 0o007 == 0, oct(mode)
    stranger = lab.victim.run("setpriv", "--reuid=54321", "--regid=54321", "--clear-groups", PICKETCTL, "-s",
                              daemon.socket_path,
                              "status", check=False)
    assert stranger.returncode != 0 and stranger.stdout == ""


CROWD = """
import os, socket, sys
os.setgroups([]), os.setgid(int(sys.argv[2])), os.setuid(int(sys.argv[1]))
count, request, held = int(sys.argv[4]), sys.argv[5].encode(), []
for _ in range(count):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[3]), held.append(s)
    try:
        s.sendall(request)
    except OSError:
        pass
print("here", flush=True)
sys.stdin.read()
"""
FOLLOW = '{"v":1,"cmd":"events","follow":true}\n'


def as_admin(daemon, uid, gid=4343):
    return daemon.host.run("setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", PICKETCTL, "-s",
                           daemon.socket_path, "status", check=False)


@pytest.mark.parametrize("request_line", ["", FOLLOW], ids=["silent", "busy"])
def test_no_user_fills_the_control_socket(lab, picket, tmp_path, request_line):
    """A user's share of places is its own: neither one user nor four keep another admin, or root, out."""
    group, crowds = tmp_path / "group", []
    with open("/etc/group") as have:
        group.write_text(re.sub("^picket-admin:.*\n", "", have.read(), flags=re.M) + "picket-admin:x:4343:\n")
    daemon = picket.make()
    daemon.spawn(before=f"mount --bind {group} /etc/group")
    daemon.wait_ready()

    def come(uid, count):
        crowds.append(daemon.host.popen("python3", "-c", CROWD, str(uid), "4343", daemon.socket_path, str(count),
                                        request_line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        assert crowds[-1].stdout.readline() == "here\n"
    try:
        come(54321, 100)
        control = daemon.ctl("status").one["control"]
        assert control["clients"] <= 17 and control["user_full"] >= 84 and control["crowded"] == 0
        own = as_admin(daemon, 54321)       # its own doing, whose idle clients give way to it
        assert own.returncode == (1 if request_line else 0), own
        if request_line:
            assert own.stderr.count("\n") == 1 and "this user" in own.stderr
        for uid in (54322, 54323, 54324):
            come(uid, 16)
        assert daemon.ctl("status").one["control"]["clients"] >= 56
        assert as_admin(daemon, 54399).returncode == 0
        assert daemon.ctl("status").one["control"]["crowded"] > 0
        assert as_admin(daemon, 54399, gid=54399).returncode != 0
    finally:
        for crowd in crowds:
            crowd.communicate()


@pytest.mark.core
def test_privileges_are_dropped(lab, picket):
    """The sentry holds CAP_NET_ADMIN alone, the keeper nothing, neither is root, and neither can gain anything."""
    daemon = picket()
    for pid, capabilities in ((daemon.sentry(), 1 << 12), (daemon.keeper(), 0)):
        with open(f"/proc/{pid}/status") as f:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
        assert set(status["Uid"].split()) & {"0"} == set()
        for which in ("CapEff", "CapPrm", "CapBnd", "CapAmb", "CapInh"):
            assert int(status[which], 16) & ~capabilities == 0, (which, status[which])
        assert int(status["CapEff"], 16) == capabilities
        assert status["NoNewPrivs"] == "1"


def test_table_removed_by_somebody(lab, picket):
    """`nft flush ruleset` by hand does not end the daemon, nor the network."""
    daemon = picket()
    lab.victim.run("nft", "flush", "ruleset")
    time.sleep(1.5)
    assert daemon.process.poll() is None
    assert lab.client.connect(VICTIM4[0], 80, 1.0) == "open"
    assert daemon.stop() == 0


def test_reload_keeps_blocks(lab, picket):
    daemon = picket()
    daemon.ctl("block", ATTACKER4, "--for", "1h")
    daemon.write_config('allow = { "198.51.100.0/24" }')
    assert daemon.reload().code == 0
    assert daemon.graded(ATTACKER4) and shut_out(lab.attacker, VICTIM4[0])
    assert daemon.ctl("allow", "check", CLIENT4).code == 0
    daemon.write_config("no_such_option = 1")
    bad = daemon.reload()
    assert bad.code == 1 and "no_such_option" in bad.out + bad.err
    assert daemon.ctl("allow", "check", CLIENT4).code == 0, "the old configuration runs on"


def test_at_rest(lab, picket):
    """Where nothing happens the three processes sleep; what comes then is judged, told and undone as ever."""
    daemon = picket()
    time.sleep(8)
    pids = [daemon.process.pid, daemon.keeper(), daemon.sentry()]
    before = sum(switches(pid) for pid in pids)
    time.sleep(8)
    assert sum(switches(pid) for pid in pids) - before < 8 * 5, "a fixed tick of 100 ms alone is 80"
    lab.victim.run("nft", "flush", "ruleset")
    wait_until(daemon.table_present, 1.0, "the rules are put back at once")
    daemon.ctl("block", OTHER, "--for", "6s")
    time.sleep(4)
    assert daemon.graded(OTHER)
    wait_until(lambda: not daemon.graded(OTHER), 3.0, "the block ends when it should")


def switches(pid):
    """How often it went to sleep."""
    with open(f"/proc/{pid}/status") as f:
        return int(next(line for line in f if line.startswith("voluntary_ctxt_switches")).split()[1])
