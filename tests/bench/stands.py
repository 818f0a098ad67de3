# SPDX-License-Identifier: GPL-2.0-or-later
"""Several servers, each behind another guard, that stand side by side and are measured by turns.

A stand is a client, a server and a stranger in namespaces of their own, one veth from the server to each of the others,
no offloads, static neighbours; and bench_path, one process that is client and server, whose own clock holds the whole
way of a packet.  All stands of a pair stand at the same time and answer in short blocks, by turns in random order, so
that whatever else the machine does hits all of them; of a variant's blocks the least counts.  The next pair is made of
new namespaces, since where things lie in memory is a difference, too.
"""
import contextlib
import itertools
import os
import random
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
import lab as laboratory        # noqa: E402
from picket import Picket       # noqa: E402
from veiled import at_once      # noqa: E402

PROGRAM = os.path.join(os.path.abspath(os.environ.get("PICKET_BUILD", "build")), "bench", "bench_path")
CLIENT, SERVER, STRANGER, GATEWAY = "10.9.0.2", "10.9.0.1", "10.9.1.2", "10.9.1.1"
MACS = {"client": "02:00:00:00:01:0c", "victim": "02:00:00:00:01:0b", "attacker": "02:00:00:00:02:0a",
        "other": "02:00:00:00:02:0b"}
CPUS = sorted(os.sched_getaffinity(0))
BLOCKS = 16
# Units in a block.  SYNs come last: they fill the connection table.
COUNTS = {"ack": 4000, "psh": 4000, "in": 5000, "out": 5000, "connect": 120, "ask": 400, "bulk": 6000, "syn": 1500}
WORDS = {"ack": "established, segment in", "psh": "established, segment in, PSH", "in": "established, datagram in",
         "out": "datagram out", "syn": "forged SYN, served port", "connect": "connect, request, answer, close",
         "ask": "question and answer", "bulk": "bulk, one stream"}
STATEFUL = """table inet firewall {
    chain input {
        type filter hook input priority 0; policy accept;
        ct state established,related accept
    }
}
"""
# name -> (the admin's stateful rule, picket's flow_flag or None)
VARIANTS = {"no rules": (False, None), "stateful": (True, None), "mark": (False, "mark"), "label": (False, "label"),
            "none": (False, "none"), "beside": (True, "mark"),
            "control": (True, None)}
_serial = itertools.count()


class Stand:
    def __init__(self, name, variant=None, config="", counts=None):
        """`variant`: the row of VARIANTS, where the name is not one."""
        self.name, self.counts = name, counts or COUNTS
        self.namespaces, self.daemon, self.process = [], None, None
        self.rules, self.flag = VARIANTS[variant or name]
        try:
            prefix = f"pk-{os.getpid()}-{next(_serial)}"
            self.client, self.victim, self.attacker = (self._add(prefix, role) for role in MACS if role != "other")
            self._connect()
            if self.rules:
                self.victim.nft(STATEFUL)
            if self.flag:
                self._guard(config)
        except BaseException:
            self.close()
            raise

    def _add(self, prefix, role):
        ns = laboratory.Host(f"{prefix}-{role}", MACS[role])
        self.namespaces.append(ns)
        return ns

    def _connect(self):
        self.victim.batch(
            f"link add eth0 address {MACS['victim']} type veth peer name eth0 address {MACS['client']} "
            f"netns {self.client.name}",
            f"link add eth1 address {MACS['other']} type veth peer name eth0 address {MACS['attacker']} "
            f"netns {self.attacker.name}")
        for host, device, address in ((self.victim, "eth0", SERVER), (self.victim, "eth1", GATEWAY),
                                      (self.client, "eth0", CLIENT), (self.attacker, "eth0", STRANGER)):
            host.sysctl(net__ipv4__conf__all__rp_filter=0, net__ipv4__conf__default__rp_filter=0,
                        net__ipv4__tcp_timestamps=0, **{f"net__ipv4__conf__{device}__rp_filter": 0})
            host.offloads_off(device)
            host.batch("link set lo up", f"link set {device} up", f"addr add {address}/24 dev {device}")
        self.victim.batch(f"neigh replace {CLIENT} lladdr {MACS['client']} dev eth0 nud permanent",
                          f"neigh replace {STRANGER} lladdr {MACS['attacker']} dev eth1 nud permanent",
                          f"route add default via {STRANGER}")
        self.client.batch(f"neigh replace {SERVER} lladdr {MACS['victim']} dev eth0 nud permanent",
                          f"route add default via {SERVER}")
        self.attacker.batch(f"neigh replace {GATEWAY} lladdr {MACS['other']} dev eth0 nud permanent",
                            f"route add default via {GATEWAY}")

    def _guard(self, config):
        self.daemon = Picket(self, f'flow_flag = {self.flag}\ninterfaces = {{ "eth0", "eth1" }}\n{config}')
        self.daemon.start()
        if self.flag != "none":
            laboratory.wait_until(lambda: self.daemon.ctl("status").one["sensors"]["flow_flag"] == self.flag, 5,
                                  "flows are flagged")

    def measured(self):
        """Starts the program that measures, and lets conntrack see its flows long enough."""
        self.process = subprocess.Popen(
            ["taskset", "-c", str(CPUS[-1]), PROGRAM, self.client.name, self.victim.name, "eth0", MACS["victim"],
             CLIENT, SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"
        self.ask("settle", 0)
        return self

    def ask(self, mode, count):
        self.process.stdin.write(f"{mode} {count}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"bench_path ended in mode {mode}")
        return [float(word) for word in line.split()]

    def cpu(self, mode):
        """Processor time of a unit, in ns."""
        return self.ask(mode, self.counts[mode])[0]

    def wall(self, mode):
        """The wall's time of a unit, in ns: what is left of the machine beside everything else."""
        return self.ask(mode, self.counts[mode])[1]

    def flood(self, rate, seconds, *ports):
        """Forged SYNs from the stranger's side, to closed ports.  `ports`: the first, how many."""
        return self.attacker.popen("taskset", "-c", CPUS[0], PROGRAM, "flood", self.attacker.name, "eth0",
                                   MACS["other"], SERVER, rate, seconds, *ports, stdout=subprocess.PIPE, text=True)

    def close(self):
        if self.process:
            self.process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
            self.process.stdout.close()
        if self.daemon:
            with open(os.devnull, "w") as quiet, contextlib.redirect_stdout(quiet):
                self.daemon.close()
        for ns in reversed(self.namespaces):
            ns.close()
        self.namespaces = []


@contextlib.contextmanager
def standing(*makers):
    """Stands, made one after the other and settled together."""
    stands = []
    try:
        for make in makers:
            stands.append(make())
        at_once(*(stand.measured for stand in stands))
        yield stands
    finally:
        for stand in stands:
            stand.close()


def named(name):
    return lambda: Stand(name)


def by_turns(stands, mode, blocks=BLOCKS, how=Stand.cpu):
    """{name: the least of its blocks}"""
    costs = {stand.name: [] for stand in stands}
    for _ in range(blocks):
        for stand in random.sample(stands, len(stands)):
            costs[stand.name].append(how(stand, mode))
    return {name: min(found) for name, found in costs.items()}


def compare(report, makers, modes, base, promises, blocks=BLOCKS):
    """A line for each mode and variant: its ratio to `base`.  promises: {(variant, mode): figure}."""
    rows = []
    for _ in range(report.pairs):
        with standing(*makers) as stands:
            rows.append({mode: by_turns(stands, mode, blocks) for mode in modes})
            names = [stand.name for stand in stands]
    for mode in modes:
        for name in names:
            cost = statistics.median(row[mode][name] for row in rows)
            report.ratio(WORDS[mode], name, [row[mode][base] / row[mode][name] for row in rows],
                         promises.get((name, mode)), f"{cost:.0f} ns")
    report.keep("ns", rows)
    return rows
