# SPDX-License-Identifier: GPL-2.0-or-later
"""The laboratory: four network namespaces, a bridge, a delay line, real services.

    attacker eth0 --- at0 [delay line] at1 --- at2 \
                                                    br0 (in the switch) --- vi0 --- eth0 victim
    client   eth0 ------------------------------ cl0 /

Attacker and client stand in networks of their own; to the victim each is behind a gateway, as on the internet.
Every neighbour entry is permanent, so that no forged or blocked packet can spoil ARP or ND and look like a block.
All names carry the process id and the worker's name: laboratories run side by side, and each removes what it made
and nothing else.
"""
import contextlib
import ctypes
import fcntl
import functools
import itertools
import json
import os
import re
import signal
import socket
import struct
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"
DELAY_US = 10_000               # each way: a round trip of 20 ms

VICTIM4 = [f"10.77.0.{n}" for n in range(1, 5)]
VICTIM6 = [f"2001:db8:77::{n}" for n in range(1, 5)]
ATTACKER4, ATTACKER6 = "203.0.113.66", "2001:db8:bad::66"
CLIENT4, CLIENT6 = "198.51.100.20", "2001:db8:c11e::20"
GATEWAY4, GATEWAY6 = "10.77.0.254", "2001:db8:77::254"                  # the attacker's machine stands behind it
CLIENT_GATEWAY4, CLIENT_GATEWAY6 = "10.77.0.253", "2001:db8:77::253"    # and the client's behind this one
ONLINK_ATTACKER4, ONLINK_ATTACKER6 = "10.77.0.66", "2001:db8:77::66"
REAL_TCP = {22, 80, 777, 8080}
REAL_UDP = {53}
MAC = {"attacker": "02:00:00:00:00:0a", "victim": "02:00:00:00:00:0b", "client": "02:00:00:00:00:0c"}

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_serial = itertools.count()


def wait_until(condition, timeout, what, every=0.02):
    """Returns condition()'s first true value; fails with `what` when there is none in time."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout} s: {what() if callable(what) else what}")
        time.sleep(every)


def stop_process(process, grace=5.0):
    """Ends one process of ours: SIGTERM, then SIGKILL.  Returns its exit status."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return process.returncode


class Namespace:
    def __init__(self, name, mac=None):
        self.name, self.mac = name, mac
        self.processes = []
        subprocess.run(["ip", "netns", "add", name], check=True)

    def run(self, *argv, check=True, timeout=30, **options):
        options.setdefault("capture_output", True)
        options.setdefault("text", True)
        done = subprocess.run(["ip", "netns", "exec", self.name, *map(str, argv)], timeout=timeout, **options)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, argv))}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def popen(self, *argv, **options):
        """`ip netns exec` becomes the program, so the pid is the program's own."""
        process = subprocess.Popen(["ip", "netns", "exec", self.name, *map(str, argv)], **options)
        self.processes.append(process)
        return process

    def batch(self, *lines):
        done = subprocess.run(["ip", "-n", self.name, "-batch", "-"], input="\n".join(lines) + "\n",
                              text=True, capture_output=True)
        if done.returncode != 0:
            raise AssertionError(f"ip -batch in {self.name}: {done.stderr}")

    def nft(self, ruleset):
        self.run("nft", "-f", "-", input=ruleset)

    @contextlib.contextmanager
    def enter(self):
        """This thread works inside the namespace; sockets made there stay there."""
        there = os.open(f"/run/netns/{self.name}", os.O_RDONLY | os.O_CLOEXEC)      # fails once it is removed
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            if _libc.setns(there, CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), f"setns {self.name}")
            yield self
        finally:
            if _libc.setns(home, CLONE_NEWNET) != 0:
                os._exit(70)    # nothing more may run in the wrong namespace
            os.close(there)
            os.close(home)

    def sysctl(self, **values):
        with self.enter():
            for key, value in values.items():
                with open("/proc/sys/" + key.replace("__", "/"), "w") as f:
                    f.write(str(value))

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM, protocol=0):
        with self.enter():
            return socket.socket(family, kind | socket.SOCK_CLOEXEC, protocol)

    def offloads_off(self, device):
        """Checksums, scatter-gather, TSO, GSO and GRO off (ETHTOOL_S*): the delay line and captures want whole,
        final packets."""
        with self.socket(kind=socket.SOCK_DGRAM) as s:
            for command in (0x17, 0x15, 0x1f, 0x23, 0x2c, 0x19):
                value = (ctypes.c_uint32 * 2)(command, 0)
                request = struct.pack("16sP16x", device.encode(), ctypes.addressof(value))
                with contextlib.suppress(OSError):      # a feature that the device lacks is off
                    fcntl.ioctl(s, 0x8946, request)

    def close(self):
        for process in self.processes:
            stop_process(process, 1.0)
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe:
                    pipe.close()
        left = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True).stdout.split()
        for pid in left:        # grandchildren of ours: nobody else lives in this namespace
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        subprocess.run(["ip", "netns", "del", self.name], check=False)


def _family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


class Host(Namespace):
    """A namespace with one interface, eth0."""

    def connect(self, address, port, timeout=0.5, source=None, keep=False):
        """One TCP connect: "open", "refused", "timeout" or the error's name; with keep the open socket itself."""
        s = self.socket(_family(address))
        s.settimeout(timeout)
        try:
            if source:
                s.bind((source, 0))
            s.connect((address, port))
            if keep:
                kept, s = s, None
                return kept
            return "open"
        except ConnectionRefusedError:
            return "refused"
        except TimeoutError:
            return "timeout"
        except OSError as error:
            return str(error)
        finally:
            if s:
                s.close()

    def datagram(self, address, port, payload=b"x", timeout=0.5, source=None):
        """One datagram: the answer, None, or "refused"."""
        with self.socket(_family(address), socket.SOCK_DGRAM) as s:
            s.settimeout(timeout)
            if source:
                s.bind((source, 0))
            s.connect((address, port))
            try:
                s.send(payload)
                return s.recv(2048)
            except ConnectionRefusedError:
                return "refused"
            except TimeoutError:
                return None

    def get(self, address, port=80, timeout=2.0, source=None):
        """One HTTP request: the body, or None."""
        s = self.connect(address, port, timeout, source, keep=True)
        if isinstance(s, str):
            return None
        with s:
            try:
                s.sendall(b"GET / HTTP/1.0\r\n\r\n")
                data = b""
                while chunk := s.recv(4096):
                    data += chunk
            except OSError:
                return None
        return data.partition(b"\r\n\r\n")[2] or None

    def add_address(self, address):
        self.run("ip", "addr", "add", f"{address}/{128 if ':' in address else 32}", "dev", "eth0",
                 *(["nodad"] if ":" in address else []))


class Honest:
    """The honest client, a process of its own: a request every 50 ms all the while, every failure counted."""

    def __init__(self, host, *options):
        self.process = host.popen(PYTHON, os.path.join(HERE, "honest.py"), *options, stdout=subprocess.PIPE, text=True)
        self.report = None
        assert self.process.stdout.readline() == "ready\n"

    def stop(self):
        if self.report is None:
            self.process.send_signal(signal.SIGTERM)
            out, _ = self.process.communicate(timeout=10)
            self.report = json.loads(out)
        return self.report

    def check(self, at_least=10):
        """Stops it; every request must have been answered, and no SYN may have had to be sent twice."""
        report = self.stop()
        assert report["requests"] >= at_least, report
        assert report["failed"] == [], report
        assert report["syn_retransmits"] == 0, report
        return report


class Lab:
    def __init__(self, worker="main", delay_us=DELAY_US, delayline=None):
        self.prefix = f"pk-{os.getpid()}-{worker}-{next(_serial)}"
        self.namespaces = []
        self.delay, self.delay_us = None, delay_us
        try:
            self._build(delayline, delay_us)
        except BaseException:
            self.close()
            raise

    def _add(self, role, kind=Host):
        ns = kind(f"{self.prefix}-{role}", MAC.get(role))
        self.namespaces.append(ns)
        return ns

    def _build(self, delayline, delay_us):
        self.switch = self._add("switch", Namespace)
        self.attacker, self.victim, self.client = (self._add(role) for role in ("attacker", "victim", "client"))
        self.switch.sysctl(net__ipv6__conf__default__disable_ipv6=1, net__ipv6__conf__all__disable_ipv6=1)
        self.switch.batch(
            "link add br0 type bridge forward_delay 0 mcast_snooping 0",
            f"link add at0 type veth peer name eth0 address {MAC['attacker']} netns {self.attacker.name}",
            f"link add vi0 type veth peer name eth0 address {MAC['victim']} netns {self.victim.name}",
            f"link add cl0 type veth peer name eth0 address {MAC['client']} netns {self.client.name}",
            "link add at1 type veth peer name at2",
            *(f"link set {port} master br0" for port in ("vi0", "cl0", "at2")),
            *(f"link set {port} up" for port in ("br0", "at0", "at1", "at2", "vi0", "cl0")))
        for host in (self.attacker, self.victim, self.client):
            host.sysctl(net__ipv6__conf__all__accept_dad=0, net__ipv6__conf__default__accept_dad=0,
                        net__ipv6__conf__all__accept_ra=0, net__ipv6__conf__default__accept_ra=0,
                        net__ipv6__conf__eth0__accept_dad=0,
                        net__ipv4__conf__all__rp_filter=2, net__ipv4__conf__default__rp_filter=2,   # as on Debian 12
                        net__ipv4__conf__eth0__rp_filter=2, net__ipv4__tcp_syncookies=1)
            host.offloads_off("eth0")
            host.batch("link set lo up", "link set eth0 up")
        for end in ("at0", "at1", "at2", "vi0", "cl0"):
            self.switch.offloads_off(end)
        self._addresses()
        self.delay = self.switch.popen(delayline or built("delayline"), "at0", "at1", delay_us,
                                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.delay.stdout.readline() == "ready\n"

    def _addresses(self):
        def remote(host, v4, v6):
            mac = MAC["victim"]
            host.batch(f"addr add {v4}/32 dev eth0", f"addr add {v6}/64 dev eth0 nodad",
                       f"route add 10.77.0.0/24 dev eth0 src {v4}", f"route add 2001:db8:77::/64 dev eth0 src {v6}",
                       *(f"neigh replace {a} lladdr {mac} dev eth0 nud permanent" for a in VICTIM4 + VICTIM6))
        remote(self.attacker, ATTACKER4, ATTACKER6)
        remote(self.client, CLIENT4, CLIENT6)
        at, cl = MAC["attacker"], MAC["client"]
        self.victim.batch(
            *(f"addr add {a}/24 dev eth0" for a in VICTIM4), *(f"addr add {a}/64 dev eth0 nodad" for a in VICTIM6),
            *(f"neigh replace {a} lladdr {at} dev eth0 nud permanent"
              for a in (GATEWAY4, GATEWAY6, ONLINK_ATTACKER4, ONLINK_ATTACKER6)),
            *(f"neigh replace {a} lladdr {cl} dev eth0 nud permanent" for a in (CLIENT_GATEWAY4, CLIENT_GATEWAY6)),
            f"route add default via {GATEWAY4}", f"route add default via {GATEWAY6}",
            f"route add 198.51.100.0/24 via {CLIENT_GATEWAY4}", f"route add 2001:db8:c11e::/64 via {CLIENT_GATEWAY6}")

    def services(self, *specs, host=None):
        """Real services; by default 22 (a banner), 80, 777, 8080 (HTTP) and 53/udp on every address."""
        process = (host or self.victim).popen(PYTHON, os.path.join(HERE, "services.py"), *specs, stdout=subprocess.PIPE,
                                              text=True)
        assert process.stdout.readline() == "ready\n"
        return process

    def honest(self, *options):
        return Honest(self.client, *options)

    def add_container(self, address="172.30.0.2", gateway="172.30.0.1"):
        """A fifth namespace behind the victim, as a container is behind its host: the victim routes."""
        inside = self._add("container")
        self.victim.batch(f"link add c0 type veth peer name eth0 netns {inside.name}", f"addr add {gateway}/24 dev c0",
                          "link set c0 up")
        inside.batch("link set lo up", f"addr add {address}/24 dev eth0", "link set eth0 up",
                     f"route add default via {gateway}")
        self.victim.sysctl(net__ipv4__ip_forward=1)
        for host in (self.client, self.attacker):
            host.batch(f"route add 172.30.0.0/24 via {VICTIM4[0]} dev eth0 onlink")
        return inside

    def close(self):
        for ns in reversed(self.namespaces):
            ns.close()
        self.namespaces = []


@functools.cache
def built(name, *options):
    """Compiles a helper program of this folder; once a process."""
    out = os.path.join(os.environ.get("PICKET_LAB_DIR") or _scratch(), f"{name}-{os.getpid()}")
    subprocess.run(["cc", "-std=c11", "-D_GNU_SOURCE", "-O2", *options, "-o", out, os.path.join(HERE, f"{name}.c")],
                   check=True)
    return out


@functools.cache
def _scratch():
    import atexit
    import shutil
    import tempfile
    path = tempfile.mkdtemp(prefix="picket-lab-")
    owner = os.getpid()
    atexit.register(lambda: os.getpid() == owner and shutil.rmtree(path, ignore_errors=True))
    return path


class Scan:
    """One run of a scanner in the attacker's namespace."""

    NMAP = ("nmap", "-n", "-Pn", "--disable-arp-ping", "--host-timeout", "15s", "--max-retries", "1")

    def __init__(self, lab, *arguments, target=VICTIM4[0], tool=NMAP):
        self.process = lab.attacker.popen(*tool, *arguments, *([target] if isinstance(target, str) else target or []),
                                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def wait(self, timeout=30):
        out, _ = self.process.communicate(timeout=timeout)
        return out

    def stop(self):
        stop_process(self.process, 2.0)
        return self.process.stdout.read() if self.process.stdout and not self.process.stdout.closed else ""


def sweep():
    """Whatever of this very process is left after a failure; never anybody else's."""
    listing = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout
    for name in re.findall(rf"^(pk-{os.getpid()}-\S+)", listing, re.M):
        for pid in subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True).stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        subprocess.run(["ip", "netns", "del", name], check=False)
