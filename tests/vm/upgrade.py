# SPDX-License-Identifier: GPL-2.0-or-later
"""From the first edition to this one by the package, and back: what an admin has set, what is blocked, who is on guard.

The first edition is built from the commit at which it ended, once, by its own scripts; a clone without that commit
skips.
"""
import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time

from machine import MACHINE
from steps import BY_HAND, BY_HAND6, INDENT, PROCESSES, Honest, expect, seconds, step_boot

FIRST_COMMIT = "8a349c935ff3"
BY_HAND_NET, SINCE = "203.0.114.0/24", "203.0.113.90"
VISITOR, PROBER = "203.0.113.70", "203.0.113.71"
KEEP = "-o Dpkg::Options::=--force-confold -q -y"
# Every option that the first edition had.
CONFIGURATION = """
mode = "block"
run_dir = "/run/picket"
state_dir = "/var/lib/picket"
table = "picket"
queue = 65533
user = "picket"
allow = { "192.0.2.0/24", "2001:db8:a110::/48" }
allow_file = "/etc/picket/allow"
protect_auto = true
public_ports = { 8443 }
interfaces = { "eth0" }
way_back = "strict"
keep_on_stop = false
sandbox = true
trap { tcp = { 7, 23, 79, 111, 513, "5900-5910" } udp = { 161 } banner = "" }
score {
    alert = 1e-2
    block = 1e-3
    ban = 1e-4
    slow_half_life = "24h"
    max_sources = 65536
    ipv6_prefix = 64
}
block {
    first = "10m"
    max = "1h"
    storm_rate = 60
    storm_live = 4096
}
ban { first = "2h" max = "7d" }
hook note { on = { "block", "ban" } command = { "/usr/bin/logger", "-t", "note", "%{source}" } user = "picket-hook" }
"""
GONE = ["score { block } is now score { veil }", "block { first } is ignored", "block { max } is now veil { max }",
        "block { storm_rate } is ignored", "block { storm_live } is ignored", "queue 65533 leaves no room"]


def first_package(root, cache):
    """The first edition's package, built once; None where the history does not reach so far."""
    kept = os.path.join(cache, f"first-{FIRST_COMMIT}.deb")
    if os.path.exists(kept):
        return kept
    if subprocess.run(["git", "-C", root, "cat-file", "-e", f"{FIRST_COMMIT}^{{commit}}"], capture_output=True,
                      check=False).returncode:
        return None
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        tree = os.path.join(folder, "first")
        subprocess.run(["git", "clone", "-q", "--shared", "--no-checkout", root, tree], check=True)
        subprocess.run(["git", "-C", tree, "checkout", "-q", FIRST_COMMIT], check=True)
        done = subprocess.run(["scripts/deb", "-n"], cwd=tree, capture_output=True, text=True, check=False)
        expect(done.returncode == 0, f"the first edition: exit {done.returncode}\n{done.stdout}{done.stderr}")
        shutil.copy(os.path.join(tree, done.stdout.splitlines()[-1]), kept)
    return kept


def install(run, package, status=0):
    return run.run(f"apt-get install {KEEP} --allow-downgrades /packages/{package} 2>&1", 240, status)


def check(run, grades, when):
    """What stands, with the time that it has left: as the daemon says and as the kernel says."""
    blocks, notes = {row["source"]: row for row in run.ctl("list")}, []
    table = run.run("nft list table inet picket")
    for source, until in run.manual_until.items():
        row, left = blocks.get(source), until - time.monotonic()
        expect(row and row["grade"] == grades[source], f"{source} is not at {grades[source]} {when}: {blocks}")
        expect(abs(row["expires_in_s"] - left) < 15, f"{source} has {row['expires_in_s']} s {when}, not {left:.0f}")
        # The first edition had a ban in two sets, as what it was before in the other.
        kernel = re.findall(rf"{re.escape(source.partition('/')[0])} [^,}}]*expires ([0-9dhms]+)", table)
        expect(any(abs(seconds(one) - left) < 20 for one in kernel), f"{source} in the kernel {when}: {kernel}")
        notes.append(f"{source} {row['grade']}, {row['expires_in_s']} s left of {left:.0f}, {kernel[-1]} in the kernel")
    return INDENT + INDENT.join(notes)


def unguarded(run, word):
    """Seconds between the end of one daemon and the guard of the next, by the journal."""
    out = run.run("journalctl -u picket -o json -n 200")
    rows = [json.loads(line) for line in out.splitlines()]
    told = [(int(row["__REALTIME_TIMESTAMP"]) / 1e6, str(row.get("MESSAGE"))) for row in rows]
    ends = [at for at, text in told if "stopping on" in text]
    stands = [at for at, text in told if f"picketd {word}" in text and "is on guard" in text]
    expect(ends and stands and stands[-1] > ends[-1], told[-20:])
    return f"{stands[-1] - ends[-1]:.1f} s from the old daemon's end to the new one's guard"


def version(run):
    return run.run("dpkg-query -W -f '${Version}' picket")


def step_first_edition(run):
    run.run("apt-get install -q -y /packages/first.deb", 240)
    run.run(f"cat > /etc/picket/picket.conf <<'TEXT'\n{CONFIGURATION}TEXT\n picketd -t && systemctl restart picket")
    run.on_guard()
    for source in (BY_HAND, BY_HAND6, BY_HAND_NET):
        run.block(source)
    run.run("picketctl allow add 198.18.7.7 --save")
    for source in (VISITOR, PROBER):
        run.wire.attacker.add_address(source)
    for port in (7, 23, 79):
        run.wire.attacker.connect(MACHINE, port, 3.0, VISITOR)
    for port in range(8101, 8113):
        run.wire.attacker.connect(MACHINE, port, 0.3, PROBER)
    run.eventually(f"picketctl --json list | grep '\"{VISITOR}\"' | grep '\"ban\"'", 30, f"{VISITOR} is banned")
    run.eventually(f"picketctl --json list | grep '\"{PROBER}\"' | grep '\"block\"'", 30, f"{PROBER} is blocked")
    row = [row for row in run.ctl("list") if row["source"] == VISITOR][0]
    run.manual_until[VISITOR] = time.monotonic() + row["expires_in_s"]
    run.first = {**dict.fromkeys((BY_HAND, BY_HAND6, BY_HAND_NET, SINCE), "manual"), VISITOR: "ban"}
    run.now = {**dict.fromkeys((BY_HAND, BY_HAND6, BY_HAND_NET, SINCE), "block"), VISITOR: "ban"}
    return f"{version(run)}{check(run, run.first, 'in the first edition')}"


@contextlib.contextmanager
def honest_all_the_while(run, notes):
    honest, talk = Honest(run.wire), run.wire.client.connect(MACHINE, 7777, 10.0, keep=True)
    expect(not isinstance(talk, str), f"a connection to port 7777: {talk}")
    with talk:
        yield
        talk.settimeout(10.0)
        talk.sendall(b"still there?")
        expect(talk.recv(100), "what ran was cut")
    notes.append(f"{honest.check()}; what ran goes on")


def step_up(run):
    history, notes = len(run.ctl("history")), []
    with honest_all_the_while(run, notes):
        said = install(run, "old.deb")
        run.on_guard()
    missing = [text for text in GONE if text not in said]
    expect(not missing, f"not told: {missing}\n{said}")
    journal = run.run("journalctl -u picket -o cat -n 100")
    expect(all(text in journal for text in GONE), f"not in the journal:\n{journal}")
    notes.append(check(run, run.now, "after the upgrade"))
    rows = {row["source"]: row["grade"] for row in run.ctl("list")}
    expect(rows.get(PROBER) == "veil", f"{PROBER}: {rows}")
    expect(run.machine.run("picketctl allow check 198.18.7.7").status == 0, "the allow file is lost")
    expect(run.machine.run("picketctl allow check 192.0.2.5").status == 0, "the list of picket.conf is lost")
    expect(len(run.ctl("history")) >= history, "history is lost")
    expect(run.run("stat -c %U:%G:%a /var/lib/picket /var/lib/picket/picket.db").split() ==
           ["picket:picket:750", "picket:picket:600"], "the owners of the state")
    users = sorted(line.split()[0] for line in run.run(PROCESSES).splitlines())
    expect(users == ["picket", "picket-sentry", "root"], users)
    expect(run.run("systemctl show -p NRestarts --value picket") == "0", "it did not start at once")
    status = run.ctl("status")[0]
    expect(status["mode"] == "block", status)
    return f"{version(run)}, {unguarded(run, version(run))}; " + "; ".join(notes)


def step_back(run):
    run.block(SINCE)
    run.run("printf 'reverse_path = \"strict\"\\nveil {\\n  max = \"30m\"\\n}\\nban { cut_running = true }\\n' "
            "> /etc/picket/conf.d/newer.conf && picketctl reload")
    notes = []
    with honest_all_the_while(run, notes):
        said = install(run, "first.deb")
        run.on_guard()
    expect(version(run) == "0.1.0" and run.run("picketctl version | tail -n 1") == "picketd 0.1.0", said)
    expect("rewritten in format 1" in said, said)
    for name in ("reverse_path", "veil", "cut_running"):
        expect(f"{name} is blanked out" in said, said)
    notes.append(check(run, run.first, "after the way back"))
    problem = run.run("journalctl -u picket -o cat -n 20")
    expect("newer picket" not in problem, problem)
    return f"{version(run)}, {unguarded(run, '0.1.0')}; " + "; ".join(notes)


def step_refused(run):
    """A configuration that this edition refuses: the first one guards on until that is mended."""
    run.run("chgrp games /etc/picket && chmod g+w /etc/picket")
    said = install(run, "old.deb", 100)
    expect("this version refuses the configuration" in said and "/etc/picket can be written by others" in said, said)
    daemon = run.run("picketctl version | tail -n 1; systemctl is-active picket").split("\n")
    expect(daemon == ["picketd 0.1.0", "active"], daemon)
    note = check(run, run.first, "while the configuration is refused")
    run.run("chmod g-w /etc/picket && dpkg --configure picket", 240)
    run.on_guard()
    expect(run.run("picketctl version | tail -n 1") == f"picketd {version(run)}", "the new one is not on guard")
    return f"the first edition's daemon went on:{note}{INDENT}mended:{check(run, run.now, 'after all')}"


def step_reboot(run):
    run.machine.reboot()
    run.machine.wait_boot()
    run.on_guard()
    return check(run, run.now, "after a reboot")


UPGRADE_STEPS = [step_boot, step_first_edition, step_up, step_back, step_refused, step_reboot]
