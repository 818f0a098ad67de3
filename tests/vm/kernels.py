# SPDX-License-Identifier: GPL-2.0-or-later
"""What depends on the kernel, for a machine with another Debian's: the table in each mode, the flag of flows by mark
and by label, traps and queues in one hook, renewal, the xt target, no conntrack at all."""
import contextlib
import re
import subprocess
import threading
import time

from lab import built
from machine import CLIENT, MACHINE
from steps import (FAMILIES, LOUD, expect, graded, name, probe, seconds, step_ban, step_boot, step_doctor, step_install,
                   step_native_queue, step_scan, visit_traps)

ECHO = 7777
CUT, CUT_UNTRACKED, VISITOR_UNTRACKED = (f"203.0.113.{n}" for n in range(72, 75))
CROWD = [f"203.0.113.{n}" for n in range(100, 116)]
FLOODER, BEHIND = "203.0.113.95", "10.77.0.9"
# Shows which rule lets a flow's packets pass.
TRACE = """
table inet look { chain pre {
    type filter hook prerouting priority -190
    iifname eth0 tcp dport 7777 tcp flags & (syn | ack) == ack meta nftrace set 1
}
}
"""
COMPLAINTS = r"BUG|WARNING|refcount|use-after-free|Oops|general protection|nf_conntrack: table full"


def configure(run, text):
    run.run(f"printf '%s\\n' '{text}' > /etc/picket/conf.d/kernel.conf && picketctl reload")


def says(connection):
    """Does what is sent come back?"""
    connection.settimeout(4.0)
    try:
        connection.sendall(b"still there?")
        return connection.recv(100) != b""
    except OSError:
        return False


@contextlib.contextmanager
def talk(host, source):
    connection = host.connect(MACHINE, ECHO, 10.0, source, keep=True)
    expect(not isinstance(connection, str), f"{source} to port {ECHO}: {connection}")
    with connection:
        expect(says(connection), f"{source} gets no answer at port {ECHO}")
        yield connection


def wait_flag(run, kind, timeout=40):
    run.eventually(f"picketctl --json status | grep -E '\"flow_flag\": ?\"{kind}\"'", timeout, f"the flag is {kind}")


def sensor(run, key):
    return run.ctl("status")[0]["sensors"][key]


def step_modes(run):
    """Each loads, and none leaves rules of another one."""
    counts = {}
    for command, has, has_not in (("mode observe", "watch", "veil"), ("pause", None, "watch"),
                                  ("resume", "watch", "veil"), ("mode block", "veil", None)):
        run.run(f"picketctl {command}")
        chains = re.findall(r"^\tchain (\w+)", run.run("nft list table inet picket"), re.M)
        expect((has is None or has in chains) and has_not not in chains, f"{command}: {chains}")
        counts[command] = len(chains)
    return ", ".join(f"{command}: {count} chains" for command, count in counts.items())


def passes_by_flag(run, connection, words):
    """Sends until a packet is let through by the first rule."""
    run.run(f"printf '{TRACE}' | nft -f -")
    run.run("(timeout 60 nft monitor trace > /tmp/trace 2>&1 & )")
    try:
        for _ in range(8):
            time.sleep(1)
            expect(says(connection), "a running connection is cut")
            told = run.machine.run(f"grep -a -E 'inet picket pre rule {words}.*accept' /tmp/trace | head -n 1").out
            if told:
                return re.sub(r".*rule ", "", told)
    finally:
        run.run("nft delete table inet look")
    raise AssertionError(f"no packet passed by '{words}':\n" + run.machine.run("tail -n 30 /tmp/trace").out)


def flag_works(run, kind, words):
    configure(run, f"flow_flag = {kind}")
    wait_flag(run, kind)
    name(run, CUT)
    with talk(run.wire.client, CLIENT) as other, talk(run.wire.attacker, CUT) as cut:
        rule = passes_by_flag(run, other, words)
        run.run(f"picketctl block {CUT} --for 10m")
        expect(not says(cut), "a block does not cut a flagged flow")
        expect(says(other), "a block cuts another one's flow")
        wait_flag(run, kind)
        expect(says(other) and not says(cut), "with the next value the cut flow runs again")
    run.run(f"picketctl unblock {CUT}")
    run.wire.attacker.batch(f"addr del {CUT}/32 dev eth0")
    return rule


def step_flag_by_mark(run):
    return flag_works(run, "mark", "ct mark")


def step_flag_by_label(run):
    return flag_works(run, "label", "ct label")


def step_flag_shared(run):
    """Others' use of the mark is found: a rule of theirs at once, traffic control's at the next look."""
    configure(run, "flow_flag = auto")
    wait_flag(run, "mark", 70)
    run.run("nft add table ip other && nft add chain ip other pre '{ type filter hook prerouting priority -150; }' && "
            "nft add rule ip other pre meta l4proto udp meta mark set ct mark")
    wait_flag(run, "label", 20)
    run.run("nft delete table ip other")
    wait_flag(run, "mark", 20)
    run.run("tc qdisc add dev eth0 clsact && tc filter add dev eth0 ingress matchall action connmark")
    wait_flag(run, "label", 90)
    run.run("tc qdisc del dev eth0 clsact")
    wait_flag(run, "mark", 90)
    return "mark, label beside another's rule, mark, label beside traffic control's connmark, mark"


def step_traps_vanish(run):
    """Packets with the socket of a trap wait in the queue while the traps' process ends, again and again."""
    name(run, *CROWD)
    run.run("sysctl -qw net.netfilter.nf_conntrack_max=65536")      # the crowd's, not the traps', on a slow machine
    over = threading.Event()

    def knock(source):
        while not over.is_set():
            for port in FAMILIES[:3]:
                run.wire.attacker.connect(MACHINE, port, 0.3, source)
    crowd = [threading.Thread(target=knock, args=(source,), daemon=True) for source in CROWD]
    for one in crowd:
        one.start()
    try:
        for signal in ("TERM", "KILL", "STOP"):     # stopped, its queue fills until the supervisor ends it
            run.run(f"kill -{signal} $(pgrep -x picket-sentry)")
            time.sleep(12 if signal == "STOP" else 3)
            run.on_guard()
    finally:
        over.set()
        for one in crowd:
            one.join()
    return complaints(run)


def complaints(run):
    told = run.machine.run(f"dmesg | grep -E '{COMPLAINTS}' | head -n 20").out
    expect(not told, f"the kernel complains: {told}")
    return "the kernel complains of nothing"


def step_renewal(run):
    """Before 6.12 the kernel keeps the old time of an element that is added again."""
    notes = []
    for grade, command in (("block", "picketctl block 203.0.113.90 --for {}"),
                           ("allow", "picketctl allow add 203.0.113.91 --for {}")):
        for given, least, most in (("5m", 200, 300), ("1h", 3500, 3600), ("5m", 200, 300)):
            run.run(command.format(given))
            address = command.split()[-3]
            table = run.run("nft list table inet picket")
            kernel = re.search(rf"{re.escape(address)} [^,}}]*expires ([0-9dhms]+)", table)
            if grade == "allow" and not kernel:     # the daemon's clock ends it
                break
            expect(kernel and least <= seconds(kernel[1]) <= most, f"{command} for {given}: {kernel and kernel[1]}")
            notes.append(f"{grade} {given}: {kernel[1]}")
    run.run("picketctl unblock 203.0.113.90")
    return ", ".join(notes)


def step_xt_queue(run):
    """Where the native expression is missing the xt target stands in."""
    run.run("echo 'install nft_queue /bin/false' > /etc/modprobe.d/kernel.conf; systemctl stop picket; "
            "modprobe -r nft_queue")
    run.run("systemctl start picket")
    run.on_guard()
    kind = sensor(run, "queue")
    expect(kind != "native", kind)
    name(run, LOUD)
    probe(run, LOUD)
    row = graded(run, LOUD, "veil")
    run.run("rm /etc/modprobe.d/kernel.conf; systemctl restart picket")
    run.on_guard()
    expect(sensor(run, "queue") == "native", "the native queue is not back")
    return f"queue: {kind}; {row['reason']}"


def step_no_conntrack(run):
    """A kernel that has none: what proves, veils, bans and cuts there."""
    run.run("echo 'install nf_conntrack /bin/false' > /etc/modprobe.d/kernel.conf; systemctl stop picket; "
            "nft flush ruleset")
    # The kernel lets go of the rules' modules a little later; what earlier steps needed of it goes, too.
    run.eventually("modprobe -r $(ls /sys/module/nf_conntrack/holders) nf_conntrack", 30,
                   "conntrack is unloaded")
    run.run("systemctl start picket")
    run.on_guard()
    expect(sensor(run, "conntrack") == "absent", run.ctl("status")[0]["sensors"])
    name(run, VISITOR_UNTRACKED, CUT_UNTRACKED)
    with talk(run.wire.attacker, VISITOR_UNTRACKED):
        pass        # a customer from now on
    with talk(run.wire.client, CLIENT) as other, talk(run.wire.attacker, CUT_UNTRACKED) as cut:
        run.run(f"picketctl block {CUT_UNTRACKED} --for 10m")
        expect(not says(cut) and says(other), "a block cuts a flow, and no other")
        with talk(run.wire.attacker, VISITOR_UNTRACKED) as running:
            probe(run, VISITOR_UNTRACKED)
            row = graded(run, VISITOR_UNTRACKED, "veil")
            visit_traps(run, VISITOR_UNTRACKED)
            graded(run, VISITOR_UNTRACKED, "ban")
            expect(says(running), "a ban cuts what runs")
    shut = run.wire.attacker.connect(MACHINE, 22, 4.0, VISITOR_UNTRACKED)
    kept = run.wire.attacker.connect(MACHINE, ECHO, 4.0, VISITOR_UNTRACKED)
    expect(shut == "timeout" and kept == "open", f"banned: {shut} where it was no customer, {kept} where it was one")
    doctor = run.machine.run("picketctl doctor", 120).out
    expect("no conntrack" in doctor, doctor)
    run.run("rm /etc/modprobe.d/kernel.conf; systemctl restart picket")
    run.on_guard()
    expect(sensor(run, "conntrack") == "on", "conntrack is not found again")
    return f"conntrack: absent; {row['reason']}, then banned; what ran went on"


@contextlib.contextmanager
def flood(run, mac):
    """SYNs to closed ports, more than 2,000 a second."""
    process = run.wire.attacker.popen(built("flood"), "eth0", mac, BEHIND, FLOODER, 1, 10 ** 9, 4000, 120, "stack",
                                      "1000-2000", stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def dropped_early(run):
    return run.ctl("status")[0]["kernel"]["dropped_early"]


def step_early_drop(run):
    """Interfaces go away, again and again, while a loud source has a hook on them."""
    if sensor(run, "early_drop") != "on":
        return f"early_drop: {sensor(run, 'early_drop')}"
    run.run(f"picketctl block {FLOODER} --for 10m")
    began = run.run("date '+%F %T'")
    for _ in range(3):
        run.run(f"ip link add mv0 link eth0 type macvlan mode bridge && ip addr add {BEHIND}/24 dev mv0 && "
                "ip link set mv0 up")
        with flood(run, run.run("cat /sys/class/net/mv0/address")):
            run.eventually("nft list chains inet | grep -q 'chain early_on_mv0'", 30, "a hook on mv0 stands")
            before = dropped_early(run)
            time.sleep(2)
            expect(dropped_early(run) > before, "nothing is dropped early")
            run.run("ip link del mv0")
            time.sleep(2)
    run.run("picketctl unblock " + FLOODER)
    time.sleep(20)      # what stands without its interface goes with its time
    expect("hook ingress" not in run.run("nft list chains inet"), "a hook is left")
    told = run.machine.run(f"journalctl -u picket --since '{began}' | grep -E 'changed by|refused|cannot'").out
    expect(not told, told)
    return f"{dropped_early(run)} packets; {complaints(run)}"


def step_quiet(run):
    return complaints(run)


KERNEL_STEPS = [step_boot, step_install, step_native_queue, step_modes, step_flag_by_mark, step_flag_by_label,
                step_flag_shared, step_scan, step_ban, step_renewal, step_traps_vanish, step_xt_queue,
                step_early_drop, step_no_conntrack, step_doctor, step_quiet]
