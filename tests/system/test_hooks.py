# SPDX-License-Identifier: GPL-2.0-or-later
"""The admin's hooks: what they are given, and that a bad one harms nothing."""
import contextlib
import glob
import os
import signal
import time

import pytest

from lab import ATTACKER4, VICTIM4, Scan, wait_until
from matrix_send import frame, send
from picket import BUILD, FIVE_FAMILIES, ROOT, shut_out, visit_traps
from veiled import forge_suspicion


@pytest.fixture
def hooked(picket):
    """hooked(body, on=…, …) starts the daemon with one hook, a script that writes into the file this returns."""
    def start(body, on=("ban",), config="", arguments=("%{source}", "%{grade}", "%{reason}", "%{ports}",
                                                       "%{duration}", "%{incident}"), **options):
        daemon = picket.make()
        place = os.path.join(daemon.dir, "hook")
        os.mkdir(place)
        os.chmod(place, 0o777)
        script, out = os.path.join(daemon.dir, "hook.sh"), os.path.join(place, "out")
        with open(script, "w") as f:
            f.write(f"#!/bin/sh\nOUT={out}\n{body}\n")
        os.chmod(script, 0o755)
        options = {"user": "nobody", "timeout": "2s", **options}
        settings = "\n".join(f'{key} = "{value}"' for key, value in options.items())

        def quoted(items):
            return "{ " + ", ".join(f'"{i}"' for i in items) + " }"

        daemon.write_config(f"hook test {{\non = {quoted(on)}\ncommand = {quoted((script, *arguments))}\n{settings}\n"
                            f"}}\n{config}")
        daemon.start()

        def written(lines=1, timeout=5):
            def read():
                try:
                    with open(out) as f:
                        text = f.read()
                except FileNotFoundError:
                    return None
                return text if text.count("\n") >= lines else None
            return wait_until(read, timeout, lambda: f"the hook wrote {lines} lines; the log:\n{daemon.log_text()}")
        daemon.written = written
        return daemon
    return start


def scan(lab, daemon):
    """Silent visits to traps of five services; the line of the ban."""
    visit_traps(lab, *FIVE_FAMILIES)
    return daemon.wait_graded(ATTACKER4, grade="ban")


@pytest.mark.core
def test_what_a_hook_is_given(lab, hooked):
    """Each value one argument, the same in a clean environment, as the hook's user, stdin empty, no shell in
    between."""
    daemon = hooked('{ for a in "$@"; do echo "arg=$a"; done; env; echo "id=$(id -un)"; echo "in=$(wc -c)"; '
                    'echo end; } > $OUT.tmp\n'
                    'mv $OUT.tmp $OUT')
    scan(lab, daemon)
    lines = daemon.written(8).splitlines()
    arguments = [line[4:] for line in lines if line.startswith("arg=")]
    assert len(arguments) == 6
    assert arguments[0] == ATTACKER4 and arguments[1] == "ban"
    assert "confirmed" in arguments[2] and "23 telnet" in arguments[2]
    assert all(port.isdigit() for port in arguments[3].split(","))
    assert arguments[4] == "1h" and arguments[5].isdigit()
    environment = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("arg="))
    assert environment["PICKET_SOURCE"] == ATTACKER4 and environment["PICKET_REASON"] == arguments[2]
    assert environment["PICKET_GRADE"] == "ban" and environment["PICKET_PORTS"] == arguments[3]
    assert environment["id"] == "nobody" and environment["in"] == "0"
    harmless = {"PATH", "id", "in", "PWD", "OLDPWD", "SHLVL", "_", "HOME", "USER", "LOGNAME", "SHELL", "LANG"}
    foreign = {name for name in environment if not name.startswith("PICKET_")} - harmless
    assert foreign == set(), foreign


@pytest.mark.core
def test_expiry_and_unblock_have_their_own_calls(lab, hooked):
    daemon = hooked('echo "$PICKET_EVENT $1" >> $OUT', on=("block", "expire", "unblock", "ban"),
                    config='ban { first = "2s" }')
    scan(lab, daemon)
    assert daemon.written(2, timeout=6).splitlines()[:2] == [f"ban {ATTACKER4}", f"expire {ATTACKER4}"]
    daemon.ctl("block", "192.0.2.5", "--for", "1h")
    daemon.ctl("unblock", "192.0.2.5")
    assert daemon.written(4).splitlines()[2:4] == ["block 192.0.2.5", "unblock 192.0.2.5"]


def test_a_veil_has_its_own_call(lab, hooked):
    """And a hook on bans is not called for it: a veil can be forged."""
    daemon = hooked('echo "$PICKET_EVENT $1 $2" >> $OUT', on=("veil",))
    running = Scan(lab, "-sS", "-T4", "-p1-1000")
    daemon.wait_graded(ATTACKER4, grade="veil")
    running.stop()
    assert daemon.written() == f"veil {ATTACKER4} veil\n"


@pytest.mark.core
def test_a_hook_that_hangs(lab, hooked, honest):
    """It is ended with all it started, and reported; meanwhile the guard goes on."""
    daemon = hooked('echo $$ > $OUT; sleep 300 & sleep 300', timeout="1s")
    scan(lab, daemon)
    group = int(daemon.written())
    assert shut_out(lab.attacker, VICTIM4[0])
    daemon.wait_line(r"hook test.*timed out", timeout=5)

    def empty():
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/stat") as f:
                    fields = f.read().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == group and fields[0] != "Z":
                return False
        return True
    wait_until(empty, 3, "the hook's whole process group is gone")
    honest.check()


@pytest.mark.parametrize("body, told", [
    ("echo it went wrong >&2; exit 3", r"hook test.*exit status 3.*it went wrong"),
    ("kill -9 $$", r"hook test.*signal 9"),
    ("yes flood; exit 4", r"hook test"),
    ("head -c 50000000 /dev/zero; exit 5", r"hook test"),
])
def test_a_hook_that_fails_or_floods(lab, hooked, honest, body, told):
    daemon = hooked(body, timeout="2s")
    scan(lab, daemon)
    line = daemon.wait_line(told, timeout=6)
    assert len(line) < 1000 and "\0" not in line
    assert shut_out(lab.attacker, VICTIM4[0])
    assert daemon.ctl("status").code == 0
    honest.check()


def test_a_hook_that_is_not_there(lab, hooked):
    daemon = hooked("true")
    os.remove(os.path.join(daemon.dir, "hook.sh"))
    scan(lab, daemon)
    daemon.wait_line(r"hook test", timeout=5)
    assert daemon.process.poll() is None


def test_many_at_once_are_bounded(lab, hooked):
    """Eighty events at once: a limited number runs, the rest waits."""
    daemon = hooked('echo x >> $OUT; sleep 5', timeout="1s")
    for n in range(80):
        daemon.ctl("block", f"192.0.2.{n + 1}", "--for", "1h")
    time.sleep(0.5)
    hooks = daemon.ctl("status").one["hooks"]
    assert hooks["running"] <= 16, hooks
    assert lab.attacker.connect(VICTIM4[0], 80) == "open"


def test_the_example_that_blocks_who_is_veiled(lab, hooked):
    """As conf/hooks has it: a source is blocked, a net that is veiled is not."""
    with_socket = 'set -- 10m -s "${0%/*}/run/picket.sock"'
    script = os.path.join(ROOT, "conf", "hooks", "block-veiled.sh")
    daemon = hooked(f'PATH={BUILD}:$PATH\n{with_socket}\n. {script}', on=("veil",), user="root")
    send(lab, [frame(f"100.70.9.{n // 2 + 1}", VICTIM4[0], 40000 + n, 1100 + n) for n in range(60)], 0.005)
    daemon.wait_graded("100.70.9.0/24", grade="veil")
    forge_suspicion(lab, ATTACKER4, "2001:db8:bad::66")
    for source in (ATTACKER4, "2001:db8:bad::/64"):
        daemon.wait_line(rf"\bblock {source} for 10m: by an admin, veiled, blocked by a hook")
    assert {row["source"] for row in daemon.graded(grade="block")} == {ATTACKER4, "2001:db8:bad::/64"}
    assert daemon.graded("100.70.9.0/24", "veil")


def commands():
    """The command lines of all processes."""
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            with open(path) as f:
                yield f.read().replace("\0", " ").strip()


@pytest.mark.core
@pytest.mark.parametrize("body", [
    "setsid sleep {0} > /dev/null 2>&1 & sleep 0.2; echo done > $OUT",
    '( setsid sh -c "sleep {0} & exec sleep {0}" & ) ; sleep 0.2; echo done > $OUT',
    'setsid sh -c "sleep {0}" & echo done > $OUT; sleep {0}'], ids=["session", "orphans", "out of time"])
def test_what_a_hook_leaves_behind(lab, hooked, body):
    """Ends with it, in a session of its own as well."""
    seconds = f"4{os.getpid()}"
    daemon = hooked(body.format(seconds), timeout="2s")
    scan(lab, daemon)
    daemon.written()
    wait_until(lambda: f"sleep {seconds}" not in commands(), 4, "what the hook started is ended")
    assert daemon.ctl("status").code == 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_no_hook_outlives_the_daemon(lab, hooked, how):
    seconds = f"5{os.getpid()}"
    daemon = hooked(f"setsid sleep {seconds} & echo done > $OUT; sleep {seconds}", timeout="50s")
    scan(lab, daemon)
    daemon.written()
    daemon.process.send_signal(how)
    daemon.process.wait(10)
    wait_until(lambda: f"sleep {seconds}" not in commands(), 3, "the hook and what it started are ended")
