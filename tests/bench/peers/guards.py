# SPDX-License-Identifier: GPL-2.0-or-later
"""picket and the others, each as its package comes or as its own documentation recommends, with blocking switched on
where it is off: the same questions are asked of all."""
import contextlib
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "system"))
from lab import wait_until       # noqa: E402
from picket import Picket        # noqa: E402
from peers.room import Room, usage      # noqa: E402

SERVED = "22, 80, 777, 8080"
RSYSLOG = """module(load="imuxsock")
module(load="builtin:omfile" fileOwner="root" fileGroup="root")
*.* /var/log/syslog
"""


class Guard:
    """One of them, in the namespace of `lab.victim`."""

    name, as_it_is, packages = "", "", ()
    tells = ""              # of why, in a word or two
    log, processes = "/var/log/syslog", ()
    logging = True

    def __init__(self, lab, unpacked):
        self.lab, self.host = lab, lab.victim
        self.room = Room(self.host, unpacked)
        try:
            if self.logging:
                self.room.write("/etc/rsyslog.conf", RSYSLOG)
                self.room.spawn("rsyslogd", "-n", "-i", "NONE")
                wait_until(lambda: os.path.exists(self.room.path("/dev/log")), 5, "rsyslogd listens")
            self.set_up()
            self.begin()
        except BaseException:
            self.close()
            raise

    def set_up(self):
        pass

    def begin(self):
        """Starts it, as its init script or unit does."""

    def halt(self):
        self.room.end(*self.processes)

    def told(self, source):
        """The last log line that names the source, or ""."""
        return ([line for line in self.room.read(self.log).splitlines() if re.search(rf"\b{re.escape(source)}\b", line)]
                or [""])[-1]

    def rules(self):
        return self.host.run("nft", "list", "ruleset", check=False).stdout

    def stops(self, source, rules=None):
        """Whether the kernel holds something against the source."""
        return re.search(rf"ip saddr {re.escape(source)}\b.*(drop|reject)", rules or self.rules(), re.I) is not None

    def count(self):
        """How many sources the kernel holds something against."""
        return len(set(re.findall(r"ip saddr ([\d.]+) .*(?:drop|reject)", self.rules(), re.I)))

    def why(self, source):
        return self.told(source)

    def usage(self):
        return {name: used for name, used in usage(self.room.pids()).items()
                if any(name.startswith(one[:15]) for one in self.processes)}

    def reboot(self):
        """What a reboot leaves: its files."""
        self.halt()
        self.host.run("nft", "flush", "ruleset")
        self.begin()

    def close(self):
        self.room.close()


class Own(Guard):
    name, as_it_is = "picket", "an empty picket.conf; no firewall beside it"
    tells = "every piece of evidence, its weight and age"

    def __init__(self, lab, _unpacked):
        self.lab, self.host = lab, lab.victim
        self.daemon = Picket(lab, "keep_on_stop = false")
        self.daemon.start()

    def told(self, source):
        return ([*self.daemon.lines(rf"\b{re.escape(source)}\b")] or [""])[-1]

    def stops(self, source, rules=None):
        held = re.findall(r"map graded4(?:_24)? \{.*?\n\t\}", rules or self.rules(), re.S)
        net = source.rpartition(".")[0] + ".0"
        return any(f"{source} " in one for one in held[:1]) or any(f"{net} " in one for one in held[1:])

    def count(self):
        return len(self.daemon.graded())

    def why(self, source):
        return self.daemon.ctl("explain", source, json_output=False, check=False).out

    def halt(self):
        self.daemon.stop()

    def begin(self):
        self.daemon.start()

    def usage(self):
        return usage([self.daemon.process.pid, *self.daemon.children()])

    def close(self):
        with open(os.devnull, "w") as quiet, contextlib.redirect_stdout(quiet):
            self.daemon.close()


class Recipe(Guard):
    name = "nft recipe"
    tells = "no"
    as_it_is = "policy drop; who tries more than five closed ports a minute is dropped for an hour"
    logging = False
    RULES = f"""table inet recipe {{
        set tries {{ type ipv4_addr; flags dynamic,timeout; timeout 1m; size 65535; }}
        set scanners {{ type ipv4_addr; flags dynamic,timeout; timeout 1h; size 65535; }}
        chain input {{
            type filter hook input priority 0; policy drop;
            iif lo accept
            ip saddr @scanners drop
            ct state established,related accept
            ct state new tcp dport {{ {SERVED}, 9000 }} accept
            udp dport 53 accept
            icmp type echo-request accept
            ip version 4 update @tries {{ ip saddr limit rate over 5/minute }} add @scanners {{ ip saddr }}
        }}
    }}
    """

    def begin(self):
        self.host.nft(self.RULES)

    def halt(self):
        pass        # nothing of it runs

    def told(self, source):
        return ""

    def stops(self, source, rules=None):
        return f"{source} " in (rules or self.rules()).partition("set scanners")[2].partition("chain")[0]

    def count(self):
        return (self.rules().partition("set scanners")[2].partition("chain")[0]).count(" expires ")

    def usage(self):
        return {"nft": (0.0, 0.0)}


class Portsentry(Guard):
    name, packages = "portsentry", ("portsentry",)
    tells = "a port"
    as_it_is = "-atcp and -audp, BLOCK_TCP and BLOCK_UDP = 1, its configuration's iptables line; no firewall beside it"
    processes = ("portsentry",)

    def set_up(self):
        self.room.edit("/etc/portsentry/portsentry.conf", BLOCK_TCP='"1"', BLOCK_UDP='"1"',
                       KILL_ROUTE='"/sbin/iptables -I INPUT -s $TARGET$ -j DROP"')
        self.room.run("/usr/lib/portsentry/portsentry-build-ignore-file", check=False)

    def begin(self):
        self.room.run("/usr/sbin/portsentry", "-atcp")
        self.room.run("/usr/sbin/portsentry", "-audp")
        wait_until(lambda: self.room.read(self.log).count("is now active and listening") >= 2, 15,
                   lambda: "portsentry listens:\n" + self.room.read(self.log))


class Scanlogd(Guard):
    name, packages, as_it_is = "scanlogd", ("scanlogd",), "as its package comes: it tells, and blocks nobody"
    tells = "some ports, flags"
    processes = ("scanlogd",)

    def begin(self):
        self.room.run("sh", "-c", "grep -q ^scanlogd: /etc/passwd || echo scanlogd:x:990:990::/:/bin/false "
                      ">> /etc/passwd; mkdir -p /run/scanlogd/empty && /usr/sbin/scanlogd")
        wait_until(lambda: any("scanlogd" in name for name in usage(self.room.pids())), 5, "scanlogd runs")


class Fail2ban(Scanlogd):
    name, packages = "fail2ban", ("fail2ban", "scanlogd")
    tells = "scanlogd's line"
    as_it_is = "its jail scanlogd, maxretry = 1, on scanlogd's log; no firewall beside it"
    processes = ("scanlogd", "fail2ban-server")
    JAIL = "[sshd]\nenabled = false\n[scanlogd]\nenabled = true\nmaxretry = 1\nlogpath = /var/log/syslog\n"

    def begin(self):
        super().begin()
        self.room.write("/etc/fail2ban/jail.d/zz.local", self.JAIL)
        self.room.run("mkdir", "-p", "/run/fail2ban", "/var/lib/fail2ban")
        self.room.run("sh", "-c", "touch /var/log/syslog")
        self.room.run("fail2ban-client", "start")

    def halt(self):
        self.room.run("fail2ban-client", "stop", check=False)
        super().halt()


class Psad(Guard):
    name, packages = "psad", ("psad",)
    tells = "ports, flags, packets, signature"
    as_it_is = ("ENABLE_AUTO_IDS = Y from danger level 3 (15 packets are level 2, 150 are 3; its 5 takes 10,000), its "
                "documentation's rules, which log and drop what is not served")
    processes = ("psad", "psadwatchd")
    ULOGD = """[global]
logfile="/var/log/ulogd.log"
stack=log1:NFLOG,base1:BASE,ifi1:IFINDEX,ip2str1:IP2STR,print1:PRINTPKT,emu1:LOGEMU
plugin="{0}/ulogd_inppkt_NFLOG.so"
plugin="{0}/ulogd_raw2packet_BASE.so"
plugin="{0}/ulogd_filter_IFINDEX.so"
plugin="{0}/ulogd_filter_IP2STR.so"
plugin="{0}/ulogd_filter_PRINTPKT.so"
plugin="{0}/ulogd_output_LOGEMU.so"
[log1]
group=1
[emu1]
file="/var/log/psad/ulogd.log"
sync=1
"""

    def set_up(self):
        self.room.write("/etc/ulogd.conf", self.ULOGD.format("/usr/lib/x86_64-linux-gnu/ulogd"))
        self.room.run("mkdir", "-p", "/var/log/psad", "/var/lib/psad", "/run/psad")
        self.room.edit("/etc/psad/psad.conf", HOSTNAME="victim;", ALERTING_METHODS="noemail;", ENABLE_AUTO_IDS="Y;",
                       AUTO_IDS_DANGER_LEVEL="3;", SYSLOG_DAEMON="ulogd;", ENABLE_SYSLOG_FILE="N;",
                       ENABLE_WHOIS_LOOKUPS="N;", ENABLE_DNS_LOOKUPS="N;")

    def begin(self):
        lines = ["-A INPUT -i lo -j ACCEPT", "-A INPUT -m state --state ESTABLISHED,RELATED -j ACCEPT",
                 *(f"-A INPUT -p tcp --dport {port} --syn -j ACCEPT" for port in SERVED.split(", ") + ["9000"]),
                 "-A INPUT -p udp --dport 53 -j ACCEPT", "-A INPUT -j NFLOG --nflog-group 1 --nflog-prefix \"DROP \"",
                 "-A INPUT -j DROP"]
        self.room.run("iptables-restore", text="*filter\n" + "\n".join(lines) + "\nCOMMIT\n")
        self.room.spawn("ulogd")
        self.room.run("sh", "-c", "touch /var/log/psad/ulogd.log /var/log/psad/fwdata")
        self.room.spawn("psad")
        time.sleep(3)

    def halt(self):
        self.room.run("psad", "-K", check=False)
        self.room.end("psad", "ulogd")


GUARDS = {guard.name: guard for guard in (Own, Recipe, Portsentry, Psad, Scanlogd, Fail2ban)}
