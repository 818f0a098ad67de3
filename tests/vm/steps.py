# SPDX-License-Identifier: GPL-2.0-or-later
"""The steps in their order, from installation to purge. Each returns what is worth printing, or raises Failed."""
import json
import re
import subprocess
import threading
import time

from lab import stop_process
from machine import ATTACKER, CLIENT, MACHINE, Machine

VISITOR, LOUD = "203.0.113.70", "203.0.113.71"
BY_HAND, BY_HAND6, BEFORE_THE_CUT = "203.0.113.77", "2001:db8:bad::/64", "203.0.113.99"
UNDER_CLOCK = (f"203.0.113.{n}" for n in range(120, 130))
FAMILIES = (7, 23, 79, 111, 513)        # traps, each of another service
HIGHER = "0.2.0+vm1"
# What dpkg, apt, systemd and the makers of accounts keep for themselves, and what the machine itself writes.
BOOKKEEPING = re.compile(r"^/(var/lib/(dpkg|apt|systemd)|var/log|var/cache|var/tmp|root)(/|$)|^/tmp/systemd-private-"
                         r"|^/etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$"
                         r"|^/etc/\.pwd\.lock$|^/(etc|var)/\.updated$")
FILES = "find / -xdev \\( -path /proc -o -path /sys -o -path /run -o -path /dev \\) -prune -o -print"
PROCESSES = """for p in $(cat /sys/fs/cgroup/system.slice/picket.service/cgroup.procs); do
    echo $(stat -c %U /proc/$p) $(sed -n 's/^CapEff:\\t/capabilities /p;s/^Seccomp:\\t/seccomp /p' /proc/$p/status)
done"""
INDENT = "\n" + " " * 10


class Failed(Exception):
    pass


def expect(condition, what):
    if not condition:
        raise Failed(what)


def seconds(text):
    """59m58s600ms, as nft writes it."""
    units = {"d": 86400, "h": 3600, "m": 60, "s": 1, "ms": 0.001}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)(ms|[dhms])", text))


class Honest(threading.Thread):
    """A request ten times a second from another address; every failure counted."""

    def __init__(self, wire):
        super().__init__(daemon=True)
        self.wire, self.requests, self.failed, self.over = wire, 0, [], threading.Event()
        self.start()

    def run(self):
        while not self.over.wait(0.1):
            self.requests += 1
            if self.wire.client.get(MACHINE, 80, timeout=3.0) is None:
                self.failed.append(time.strftime("%H:%M:%S"))

    def check(self, at_least=10):
        self.over.set()
        self.join()
        expect(self.requests >= at_least and not self.failed,
               f"the honest client: {len(self.failed)} of {self.requests} requests failed, at {self.failed[:5]}")
        return f"the honest client: {self.requests} requests, none failed"


class Run:
    """The machine, the wire, and what the steps remember of each other."""

    def __init__(self):
        self.started = time.monotonic()
        self.image = self.folder = self.packages = self.wire = self.machine = self.login = None
        self.manual_until, self.before = {}, set()

    def say(self, text):
        print(f"{time.monotonic() - self.started:6.1f} s  {text}", flush=True)

    def run(self, command, timeout=90, status=0):
        """One shell command in the machine; what it printed."""
        answer = self.machine.run(command, timeout)
        expect(answer.status == status, str(answer))
        return answer.out

    def ctl(self, *words):
        """The objects that picketctl gives."""
        out = self.run(f"picketctl --json {' '.join(words)}")
        return [json.loads(line) for line in out.splitlines() if line.startswith("{")]

    def eventually(self, command, timeout, what):
        """Until the command succeeds; what it printed then."""
        end = time.monotonic() + timeout
        while True:
            answer = self.machine.run(command)
            if answer.status == 0:
                return answer.out
            expect(time.monotonic() < end, f"{what}: not within {timeout} s\n{answer}")
            time.sleep(0.3)

    def files(self):
        return {name for name in self.run(FILES, 120).splitlines() if not BOOKKEEPING.search(name)}

    def on_guard(self):
        self.eventually("systemctl is-active picket && picketctl version", 150, "picket.service is active")

    def block(self, source):
        self.run(f"picketctl block {source} --for 1h --reason 'by hand'")
        self.manual_until[source] = time.monotonic() + 3600

    def check_manual(self, when, away=0.0):
        """The blocks made by hand, and the time each has left: as the daemon says and as the kernel says.  away: the
        seconds since before a reboot, which may count or not: no clock can be trusted over one."""
        blocks, notes = {row["source"]: row for row in self.ctl("list")}, []
        table = self.run("nft list table inet picket")
        for source, until in self.manual_until.items():
            row = blocks.get(source)
            expect(row is not None and row["grade"] == "block", f"{source} is not blocked {when}: {blocks}")
            left = until - time.monotonic()
            expect(-8 < row["expires_in_s"] - left < 8 + away,
                   f"{source} has {row['expires_in_s']} s left {when}, not {left:.0f}")
            kernel = re.search(rf"{re.escape(source.partition('/')[0])} [^,}}]*expires ([0-9dhms]+)", table)
            expect(kernel, f"{source} is not in the kernel's sets {when}:\n{table}")
            expect(abs(seconds(kernel[1]) - row["expires_in_s"]) < 10,
                   f"{source} expires in {kernel[1]} in the kernel {when}, not {row['expires_in_s']} s")
            if away:
                self.manual_until[source] = time.monotonic() + row["expires_in_s"]
            notes.append(f"{source} {row['expires_in_s']} s left of {left:.0f} due, {kernel[1]} in the kernel")
        return INDENT + INDENT.join(notes)


def name(run, *addresses):
    for address in addresses:
        run.wire.attacker.add_address(address)


def probe(run, source):
    """Connects to closed ports."""
    for port in range(201, 211):
        run.wire.attacker.connect(MACHINE, port, 0.2, source)


def visit_traps(run, source):
    """Silent visits."""
    return [run.wire.attacker.connect(MACHINE, port, 3.0, source) for port in FAMILIES]


def graded(run, source, grade, timeout=40):
    return json.loads(run.eventually(f"picketctl --json list | grep '\"{source}\"' | grep '\"{grade}\"'", timeout,
                                     f"{source} has the grade {grade}"))


def step_boot(run):
    run.machine = Machine(run.wire, run.image, run.packages, run.folder)
    state = run.machine.wait_boot()
    kernel = run.run("uname -r; systemctl --version | head -n 1")
    run.before = run.files()
    return f"Debian's kernel {', '.join(kernel.splitlines())}; system {state}"


def step_install(run):
    run.run("apt-get install -q -y /packages/old.deb", 240)
    run.on_guard()
    enabled = run.run("systemctl is-enabled picket")
    kind = run.run("systemctl show -p Type,NRestarts,StatusText,WatchdogUSec picket")
    expect("Type=notify" in kind and "NRestarts=0" in kind, kind)
    processes = run.run(PROCESSES).splitlines()
    expect(len(processes) == 3, processes)
    return f"{enabled}, active; {', '.join(kind.splitlines())}{INDENT}{INDENT.join(processes)}"


def step_rating(run):
    out = run.run("systemd-analyze security --no-pager picket.service | tail -n 1", 120)
    rating = float(re.search(r"(\d+\.\d+)", out)[1])
    expect(rating <= 2.5, out)
    return f"systemd-analyze security: {rating}"


def step_native_queue(run):
    sensors = run.ctl("status")[0]["sensors"]
    expect(sensors["queue"] == "native", sensors)
    rules = run.run("nft list table inet picket")
    expect(re.search(r"queue .*bypass", rules) and "NFQUEUE" not in rules, rules)
    ports, interfaces = sensors["trapped_tcp_ports"], ", ".join(sensors["interfaces"])
    return f"queue: {sensors['queue']}; {ports} TCP ports trapped on {interfaces}"


def step_login(run):
    """Who is logged in is protected: sshd, PAM, logind and utmp as they are."""
    run.login = run.wire.client.popen(
        "ssh", "-tt", "-i", run.image.key, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
        "-o", "ConnectTimeout=60", f"root@{MACHINE}", "echo in; exec sleep 600",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    expect(run.login.stdout.readline().strip() == "in", "ssh did not get in")
    return run.eventually(f"picketctl --json status | grep -o '\"source\": *\"{CLIENT}\"[^}}]*'", 90,
                          f"{CLIENT}, logged in over ssh, is protected")


def step_scan(run):
    honest = Honest(run.wire)
    time.sleep(1)
    started = time.monotonic()
    scan = run.wire.attacker.popen(
        "nmap", "-n", "-Pn", "-sS", "-T4", "-p1-1000", "--max-retries", "1", "--host-timeout", "60s", "--open", MACHINE,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        row = json.loads(run.eventually(f"picketctl --json list | grep {ATTACKER}", 60, "the scanner is veiled"))
        took = time.monotonic() - started
        time.sleep(2)
        reached = run.wire.attacker.connect(MACHINE, 80, timeout=5.0, source=ATTACKER)
    finally:
        stop_process(scan, 2.0)
    expect(row["grade"] == "veil" and reached == "open", f"a veil delays and refuses nothing: {row}, {reached}")
    line = run.run(f"journalctl -u picket -o cat | grep -m1 'veil {ATTACKER}'")
    learned = re.findall(r"^(\d+)/tcp +open", scan.stdout.read(), re.M)
    return (f"nmap -sS of 1,000 ports: in the list after {took:.1f} s ({row['grade']}); {honest.check()}"
            f"{INDENT}{line}{INDENT}open ports that nmap told of: {', '.join(learned) or 'none'}")


def step_ban(run):
    """Traps by tproxy, and the queue behind them in the same hook: silent visits to five families."""
    name(run, VISITOR)
    visits = visit_traps(run, VISITOR)
    row = graded(run, VISITOR, "ban")
    shut = run.wire.attacker.connect(MACHINE, 80, 4.0, VISITOR)
    expect(shut == "timeout", f"a banned source gets {shut}; visits {visits}")
    counters = run.ctl("status")[0]["kernel"]
    return f"{counters['trapped_tcp']} SYNs trapped, {counters['queued_trap']} queued there; {row['reason']}"


def step_by_hand(run):
    for source in (BY_HAND, BY_HAND6):
        run.block(source)
    return run.check_manual("at once")


def told_since(run, moment_ns):
    """What picket wrote to the journal since then: (when in ns, message)."""
    out = run.run(f"journalctl -u picket -o json --since @{moment_ns // 10**9}")
    rows = [row for row in map(json.loads, out.splitlines()) if "_SOURCE_REALTIME_TIMESTAMP" in row]
    told = [(int(row["_SOURCE_REALTIME_TIMESTAMP"]) * 1000, row["MESSAGE"]) for row in rows]
    return [(at, message) for at, message in told if at >= moment_ns]


def step_flush(run):
    """It comes back with its blocks; who removes it again and again within a minute has won."""
    took, note, out = [], "", []
    for number in range(1, 5):
        before, after = [int(word) for word in run.run("date +%s%N; nft flush ruleset; date +%s%N").split()]
        time.sleep(2)
        told = told_since(run, before)
        out = [message for _, message in told if "staying out" in message]
        if out:
            break
        back = [at for at, message in told if "put back" in message]
        expect(len(back) == 1, f"lines after flush {number}: {told}")
        took.append(max(0, back[0] - after) // 10**6)
        expect(took[-1] < 1000, f"put back {took} ms after nft was through")
        if number == 1:
            note = run.check_manual("after nft flush ruleset")
    expect(out and number > 2, f"removed {number} times: {told}")
    status = run.ctl("status")[0]
    pause = status.get("paused_for_s") or 0
    expect(status["mode"] == "paused" and 500 < pause <= 600, f"staying out: {status['mode']}, {pause}")
    absent = run.machine.run("nft list table inet picket").status != 0
    expect(absent, "the table is back while picket stays out")
    run.run("picketctl resume")
    run.eventually(f"nft list table inet picket | grep {BY_HAND}", 10, "back after resume")
    return (f"back {', '.join(map(str, took))} ms after nft was through:{note}"
            f"{INDENT}removal {number}: {out[0]}; {pause} s left; resumed")


def step_reboot(run):
    """With nftables.service enabled, whose start flushes the ruleset."""
    run.run("systemctl enable nftables.service")
    stop_process(run.login, 2.0)
    known, began = {row["source"] for row in run.ctl("history")}, time.monotonic()
    run.machine.reboot()
    state = run.machine.wait_boot()
    run.on_guard()
    note = run.check_manual("after the reboot", time.monotonic() - began)
    order = run.run("systemctl show -p ActiveEnterTimestampMonotonic --value nftables picket;"
                    "systemctl show -p NRestarts --value picket; systemctl is-active nftables.service")
    first, second, restarts, active = order.split()
    expect(int(first) < int(second) and restarts == "0" and active == "active", order)
    tables = run.run("nft list tables")
    expect("inet filter" in tables and "inet picket" in tables, tables)
    blocked = {row["source"]: row for row in run.ctl("list")}
    expect(ATTACKER in blocked, f"the scanner's veil is gone: {blocked}")
    expect(blocked.get(VISITOR, {}).get("grade") == "ban", f"the visitor's ban is gone: {blocked}")
    lost = known - {row["source"] for row in run.ctl("history")}
    expect(not lost, f"history lost {lost}")
    later = (int(second) - int(first)) / 1e6
    return (f"system {state}; the scanner has {blocked[ATTACKER]['expires_in_s']} s left; history kept; "
            f"picket {later:.1f} s after nftables.service{note}")


def step_nftables_restart(run):
    """Its stop and its start flush, one after the other."""
    run.run("systemctl restart nftables.service")
    run.eventually(f"nft list table inet picket | grep -q {BY_HAND}", 5, "back after a restart of nftables.service")
    tables = run.run("nft list tables")
    expect("inet filter" in tables, tables)
    return f"both tables are there{run.check_manual('after a restart of nftables.service')}"


def step_doctor(run):
    answer = run.machine.run("picketctl doctor", 120)
    expect(answer.status == 0, str(answer))
    bad = [line for line in answer.out.splitlines() if not line.startswith("ok ")]
    return INDENT + INDENT.join(bad)


VRF = """
modprobe vrf && ip link add vrf0 type vrf table 10 && ip link set vrf0 up && sysctl -qw net.ipv4.tcp_l3mdev_accept=1 &&
ip netns add outside && ip link add in0 type veth peer name out0 netns outside && ip link set in0 master vrf0 up &&
ip addr add 10.99.0.1/24 dev in0 && ip -n outside addr add 10.99.0.2/24 dev out0 && ip -n outside link set out0 up &&
printf 'interfaces = { "in0", "vrf0" }\n' > /etc/picket/conf.d/vrf.conf && systemctl restart picket
"""
AWAY = "ip netns del outside; ip link del vrf0; rm /etc/picket/conf.d/vrf.conf; systemctl restart picket"


def step_vrf(run):
    """In a VRF a packet's first pass shows the lower interface.  Guarded or not, what is served is never judged
    closed there."""
    run.run(VRF)
    run.on_guard()

    def knock(port):
        return run.machine.run(f"ip netns exec outside timeout 3 bash -c 'exec 3<>/dev/tcp/10.99.0.1/{port}'").status
    served = [knock(22) for _ in range(5)]
    closed = [knock(port) for port in (8101, 8102, 8103)]
    expect(served == [0] * 5 and 0 not in closed, f"{served}, {closed}")
    told = run.machine.run("picketctl --json explain 10.99.0.2")
    ports = sorted({int(port) for port in re.findall(r'"port": ?(\d+)', told.out)})
    doctor = run.machine.run("picketctl doctor", 120).out
    expect(22 not in ports, f"a served port is evidence: {told}")
    expect(ports or "VRF" in doctor, f"what comes over a VRF is not seen, and the doctor does not say so:\n{doctor}")
    run.run(AWAY)
    run.on_guard()
    return f"evidence of ports {ports or 'none'}" + ("" if ports else "; the doctor says that it is not guarded")


def step_upgrade(run):
    run.run("apt-get install -q -y /packages/new.deb", 240)
    run.on_guard()
    version = run.run("dpkg-query -W -f '${Version}' picket")
    expect(version == HIGHER, version)
    return f"{version}{run.check_manual('after the upgrade')}"


def step_power_cut(run):
    """No stop, no sync: what the machine had not written yet is lost."""
    run.block(BEFORE_THE_CUT)
    time.sleep(2)
    began = time.monotonic()
    run.machine.power_cut()
    run.machine.wait_boot()
    run.on_guard()
    return f"the last block was 2 s old{run.check_manual('after the power cut', time.monotonic() - began)}"


def left_of(run):
    """What each source has left: by the daemon, and a block by the kernel as well."""
    rows, table = run.ctl("list"), run.run("nft list table inet picket")
    left = {}
    for row in rows:
        left[row["source"], row["grade"]] = row["expires_in_s"]
        kernel = re.search(rf"{re.escape(row['source'].partition('/')[0])} [^,}}]*expires ([0-9dhms]+)", table)
        if row["grade"] == "block" and kernel:
            left[row["source"], "block in the kernel"] = seconds(kernel[1])
    return left


def restart_at(run, clock):
    """Off, and on again with the hardware clock at that time (None: the right one).  Nobody can tell a wrong clock from
    time that went by, so the time without picket may count or not; no more than that."""
    before, began = left_of(run), time.monotonic()
    run.machine.power_off()
    run.machine = Machine(run.wire, run.image, run.packages, run.folder, clock)
    run.machine.wait_boot()
    run.on_guard()
    after, gone, wrong = left_of(run), time.monotonic() - began, []
    for (source, grade), left in before.items():
        now = after.get((source, grade))
        if left - gone > 8 and (now is None or not left - gone - 8 <= now <= left + 8):
            wrong.append(f"{source}, {grade}: {left:.0f} s before, {now} after {gone:.0f} s")
    return [f"{run.run('date -u +%F')}: {line}" for line in wrong]


def step_hardware_clock(run):
    """Wrong at a start, and wrong at the start before: nothing that stands is lost or lengthened by it."""
    name(run, LOUD)
    probe(run, LOUD)
    graded(run, LOUD, "veil")
    wrong = []
    for clock in ("2036-07-01T00:00:00", None, "2001-01-01T00:00:00", None):
        run.block(next(UNDER_CLOCK))        # by the clock of this start
        wrong += restart_at(run, clock)
    expect(not wrong, "\n".join(wrong))
    return "2036, right, 2001, right; standing: " + ", ".join(" ".join(key) for key in left_of(run))


def step_remove(run):
    run.run("apt-get remove -q -y picket", 240)
    expect(run.machine.run("nft list table inet picket").status != 0, "the table is still there")
    left = run.run("ls /etc/picket /var/lib/picket; systemctl is-active picket || true")
    expect("picket.conf" in left and "inactive" in left, left)
    return "no rule left; configuration and memory kept"


def step_purge(run):
    run.run("apt-get purge -q -y picket; systemctl daemon-reload; systemctl disable nftables.service", 240)
    left = sorted(run.files() - run.before)
    expect(not left, f"left behind: {left}")
    units = run.run("systemctl list-units --all --no-legend 'picket*'; ls -d /run/picket 2>/dev/null || true")
    expect(not units.strip(), units)
    return "no file left behind; the accounts stay, as is the custom"


STEPS = [step_boot, step_install, step_rating, step_native_queue, step_login, step_scan, step_ban, step_by_hand,
         step_flush, step_reboot, step_nftables_restart, step_doctor, step_vrf, step_upgrade, step_power_cut,
         step_hardware_clock, step_remove, step_purge]
