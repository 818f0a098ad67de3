# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of scans: who sends what, and what must come of it with the default configuration.

A row's command is a program with its arguments, or the name of a function in matrix_send.py.  {target} and {targets}
(one address, all of them), {source}, {mac} (the next hop's) and {blocklist} are filled in.  `probes` counts what
reached ports that nobody serves (and whatever is evidence everywhere), the deciding one included, one that is sent
again once; None: not promised.
"""
from dataclasses import dataclass, field

NMAP = ("nmap", "-n", "--disable-arp-ping", "--host-timeout", "15s", "--max-retries", "1")


@dataclass(frozen=True)
class Row:
    name: str
    command: tuple
    kinds: tuple = ("SYN scan",)    # words that the log line must hold
    probes: int = 6
    grade: str = "veil"             # veil, ban, alert, or watch: noted, no line; none: no evidence at all
    why: str = ""                   # where it is not veiled, the reason
    family: int = 4
    hosts: int = 1                  # of our addresses that are scanned
    nth_host: int = None            # that tips the score, where more count than an event has room to tell
    tool: str = None                # "looks like ..."
    source: str = None              # who answers for it; None: the attacker
    setup: tuple = ()               # functions of matrix_setup.py
    over: bool = False              # the scan may be at its end when it is decided about
    patience: float = 15.0
    linger: float = 0.7             # seconds to listen on after the decision
    options: dict = field(default_factory=dict)

    def __str__(self):
        return f"{self.name}-v{self.family}"

    @property
    def connects(self):
        """A connect scan: a stack repeats its SYNs, so that its quick port may answer."""
        return "-sT" in self.command or "-b" in self.command


def nmap(name, arguments, kinds=("SYN scan",), probes=6, tool="nmap", family=4, up=True, **more):
    options = (("-Pn",) if up else ()) + (("-6",) if family == 6 else ())
    command = NMAP + options + tuple(arguments.split()) + ("{targets}",)
    return Row(name, command, kinds, probes, tool=tool, family=family, **more)


def both(*arguments, **more):
    """The same over IPv4 and IPv6."""
    return [nmap(*arguments, family=family, **more) for family in (4, 6)]


def discovery(name, option, kinds, **more):
    """Which of our ten addresses are up?"""
    return nmap(f"sn{name}", f"-sn {option} --min-parallelism 1", kinds, up=False,
                **{"hosts": 10, "over": True, **more})


def program(name, command, *arguments, **more):
    return Row(name, tuple(command.split()), *arguments, **more)


PORTS = "-T4 -p1-1000"
KEPT = {"keep_on_stop": True}           # started twice, so that the second start is not a fresh one

KINDS = [
    *both("sT", f"-sT {PORTS}", tool=None),
    *both("sS", f"-sS {PORTS}"),
    *both("sF", f"-sF {PORTS}", ("FIN scan",)),
    *both("sN", f"-sN {PORTS}", ("NULL scan",)),
    *both("sX", f"-sX {PORTS}", ("Xmas scan",)),
    *both("sA", f"-sA {PORTS}", ("ACK scan",), 16, options=KEPT),
    *both("sA-fresh", f"-sA {PORTS}", ("ACK scan",), 36, why="twenty late packets are excused after a fresh start"),
    *both("sW", f"-sW {PORTS}", ("ACK scan",), 16, options=KEPT),
    *both("sM", f"-sM {PORTS}", ("Maimon scan",), 16, options=KEPT),
    *both("sU", "-sU -T4 -p1-200", ("UDP scan",), 12, tool=None),
    *both("sU-T3", "-sU -T3 -p1-200", ("UDP scan",), 12, tool=None),
    *both("sY", f"-sY {PORTS}", ("SCTP INIT scan",), tool=None),
    *both("sZ", f"-sZ {PORTS}", ("SCTP COOKIE-ECHO scan",), tool=None),
    *both("sO", "-sO -T4", ("IP protocol scan",), tool=None),
    *both("sO-ascending", "-sO -T4 -r", ("IP protocol scan",), tool=None),
]

FLAGS = [
    *both("synfin", f"-sS --scanflags SYNFIN {PORTS}", ("SYN\\+FIN scan",)),
    *both("synrst", f"-sS --scanflags SYNRST {PORTS}", ("SYN\\+RST scan",)),
    *both("urgpsh", f"-sS --scanflags URGPSH {PORTS}", ("impossible-flags scan",)),
    nmap("all-flags", f"-sS --scanflags 255 {PORTS}", ("impossible-flags scan",)),
    nmap("no-flags", f"-sS --scanflags 0 {PORTS}", ("NULL scan",)),
]

DISCOVERY = [
    discovery("PE", "-PE", ("ICMP sweep",), probes=7),
    discovery("PE", "-PE", ("ICMP sweep",), probes=7, family=6),
    discovery("PE-four", "-PE", ("ICMP sweep",), hosts=4, grade="alert", why="honest monitors ping several addresses"),
    discovery("PP", "-PP", ("ICMP timestamp probe",), probes=10, tool=None),
    discovery("PM", "-PM", ("ICMP mask probe",), probes=10, tool=None),
    discovery("PS-closed", "-PS443", ("SYN scan",)),
    discovery("PS-closed", "-PS443", ("SYN scan",), family=6),
    discovery("PS-served", "-PS80", (), grade="none", tool=None, why="a port that is served may be asked by everybody"),
    discovery("PA-closed", "-PA443", ("ACK scan",), hosts=18, nth_host=13, probes=16, options=KEPT),
    discovery("PA-closed", "-PA443", ("ACK scan",), hosts=18, nth_host=13, probes=16, family=6, options=KEPT),
    discovery("PA-served", "-PA80", (), grade="none", tool=None, why="late packets of connections look like it"),
    discovery("PU", "-PU40125", ("UDP scan",), probes=12, tool=None),
    discovery("PU", "-PU40125", ("UDP scan",), probes=12, tool=None, family=6),
    discovery("PY", "-PY80", ("SCTP INIT scan",), tool=None),
    discovery("PY", "-PY80", ("SCTP INIT scan",), tool=None, family=6),
    discovery("PO", "-PO1,2,4", ("IP protocol scan|ICMP sweep",), probes=12),
    discovery("PO-others", "-PO9,88", ("IP protocol scan",), probes=6, tool=None),
    discovery("PO-others", "-PO9,88", ("IP protocol scan",), probes=6, tool=None, family=6),
    discovery("as-root", "", ("ICMP|SYN scan|ACK scan",), probes=None),
]

PROGRAMS = [
    nmap("O", "-O -T4 -p22,81", ("impossible-flags scan|NULL scan|SYN\\+FIN scan",), probes=None, over=True),
    nmap("O", "-O -T4 -p22,81", ("scan",), probes=None, family=6, over=True),
    *both("sV", f"-sV {PORTS}"),
    nmap("sV-served", "-sV -T4 -p22,777", (), grade="none", tool=None, why="probes of served ports alone", patience=30),
    *both("A", f"-A {PORTS}"),
    nmap("f", f"-sS -f {PORTS}"),
    nmap("ff", f"-sS -ff {PORTS}"),
    nmap("mtu8", f"-sS --mtu 8 {PORTS}"),
    nmap("mtu16", f"-sS --mtu 16 {PORTS}"),
    *both("D", f"-sS -D {{decoys}},ME {PORTS}", ("SYN scan", "together with")),
    *both("g53", f"-sS -g 53 {PORTS}"),
    *both("g20", f"-sS -g 20 {PORTS}"),
    nmap("sU-g53", "-sU -g 53 -T4 -p1-200", ("UDP scan",), 12, tool=None),
    nmap("data-length", f"-sS --data-length 25 {PORTS}"),
    nmap("badsum", f"-sS --badsum {PORTS}", ("bad checksums",), probes=30),
    nmap("ttl", f"-sS --ttl 3 {PORTS}"),
    nmap("ip-options", f"-sS --ip-options R {PORTS}"),
    *both("F", "-sS -T4 -F", probes=9),
    nmap("top-ports", "-sS -T4 --top-ports 50", probes=9),
    *both("ascending", f"-sS -r {PORTS}"),
    *both("all-ports", "-sS -T4 -p-", probes=14),
    nmap("T2", "-sS -T2 -p81-90", linger=2.5),
    nmap("T3", "-sS -T3 -p1-1000"),
    nmap("T5", "-sS -T5 -p1-1000"),
    nmap("5s-apart", "-sS --scan-delay 5s --max-scan-delay 5s --host-timeout 60s -p81-90", patience=45, linger=7),
    nmap("syn-cookies", f"-sS {PORTS}", setup=("syn_cookies",)),
    nmap("sT-syn-cookies", f"-sT {PORTS}", tool=None, setup=("syn_cookies",)),
    *both("sT-served-between", "-sT -r -T4 -p21-40", tool=None),
    *both("sT-served-between-syn-cookies", "-sT -r -T4 -p21-40", tool=None, setup=("syn_cookies",)),
    nmap("after-a-visit", "-sS -T4 -p81-1000", setup=("visit_page",)),
]

RELAYS = [
    nmap("sI", "-sI 198.51.100.77:80 -T4 -p1-300", tool=None, setup=("zombie",), source="198.51.100.77", patience=25,
         why="the scanner behind the idle host cannot be seen"),
    nmap("b", "-b relay:x@198.51.100.20:2121 -T4 -p81-300", tool=None, setup=("ftp_relay",), source="198.51.100.20",
         linger=1.7,
         why="the scanner behind the FTP server cannot be seen"),
]

FAMILIES = "7,23,79,111,513"            # echo, telnet, finger, RPC, login: no two belong together
SILENT = f"-sT -r --max-parallelism 1 -T4 -p{FAMILIES},15,17,77,87,95"

TRAPS = [
    *both("five-families", SILENT, (r"silent visits to \d traps .*23 telnet",), 7, tool=None,
          grade="ban", linger=1.4),
    *both("four-families", "-sT -r --max-parallelism 1 -T4 -p7,23,79,111", (r"traps \(7 echo",), 4, tool=None,
          over=True, why="four families prove nothing"),
    *both("one-family", "-sT -r --max-parallelism 1 -T4 -p6665,6666,6667,6668,6669", (), grade="watch", tool=None,
          over=True, why="the ports of one program"),
    Row("like-ssh", ("connect", "ssh"), ("possible connect scan",), 4),
    Row("like-ssh", ("connect", "ssh"), ("possible connect scan",), 4, family=6),
    Row("like-a-browser", ("connect", "browser"), ("possible connect scan",), 9),
    Row("one-trap", ("connect", "one"), (), grade="watch", why="one port of one host"),
    nmap("five-families-syn-cookies", SILENT, ("(possible connect|SYN) scan",), 8, tool=None, setup=("syn_cookies",),
         why="under SYN cookies a visit proves nothing"),
]

OTHERS = [
    program("masscan", "masscan {target} -p1-65535 --rate 10000 --adapter eth0 --source-ip {source} --router-mac {mac} "
            "--wait 0", probes=14, tool="masscan"),
    program("masscan", "masscan {target} -p1-65535 --rate 10000 --adapter eth0 --source-ip {source} --router-mac {mac} "
            "--wait 0", probes=14, family=6),
    program("zmap", "zmap -p 443 -i eth0 -S {source} -G {mac} -b {blocklist} -r 100 --cooldown-time=1 -q -o - "
            "10.77.0.0/28", hosts=10, tool="ZMap", over=True),
    program("hping-syn", "hping3 -q -S -p ++1 -c 60 -i u20000 {target}"),
    program("hping-fin", "hping3 -q -F -p ++1 -c 60 -i u20000 {target}", ("FIN scan",)),
    program("hping-xmas", "hping3 -q -F -P -U -p ++1 -c 60 -i u20000 {target}", ("Xmas scan",)),
    program("hping-null", "hping3 -q -p ++1 -c 60 -i u20000 {target}", ("NULL scan",)),
    program("hping-synfin", "hping3 -q -S -F -p ++1 -c 60 -i u20000 {target}", ("SYN\\+FIN scan",)),
    program("hping-ack", "hping3 -q -A -p ++1 -c 60 -i u20000 {target}", ("ACK scan",), 16, options=KEPT),
    program("hping-udp", "hping3 -q --udp -p ++1 -c 60 -i u20000 {target}", ("UDP scan",), 12),
    program("hping-rst", "hping3 -q -R -p ++1 -c 60 -i u10000 {target}", (), grade="none",
            why="backscatter looks like it"),
    program("hping-synack", "hping3 -q -S -A -p ++1 -c 60 -i u10000 {target}", (), grade="none",
            why="backscatter looks like it"),
    Row("destination-options", ("destination_options",), family=6),
    Row("mirai", ("mirai",), tool="Mirai"),
]

ROWS = KINDS + FLAGS + DISCOVERY + PROGRAMS + RELAYS + TRAPS + OTHERS
assert len({str(row) for row in ROWS}) == len(ROWS)
