# SPDX-License-Identifier: GPL-2.0-or-later
"""The real daemon inside the victim's namespace, and picketctl as an admin would type it."""
import contextlib
import itertools
import json
import os
import pwd
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time

from lab import stop_process, wait_until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("PICKET_BUILD", "build"))
PICKETD, PICKETCTL = os.path.join(BUILD, "picketd"), os.path.join(BUILD, "picketctl")
STANDING = ("veil", "ban", "block")      # the grades that change what the kernel does
_serial = itertools.count()


def daemon_user():
    """The account that the daemon drops to: its own where it is installed, else nobody."""
    with contextlib.suppress(KeyError):
        return pwd.getpwnam("picket").pw_name
    return "nobody"


def sentry_user():
    """The sentry's: another one."""
    with contextlib.suppress(KeyError):
        return pwd.getpwnam("picket-sentry").pw_name
    return "daemon"


def put_bans(state_dir, count, alike=True):
    """Bans of 100.90.0.0 and on, for a day and longer, into the file of a stopped daemon.  alike: for one reason."""
    now = int(time.time() * 1000)

    def row(n):
        v4 = bytes((100, 90 + n // 65536, n // 256 % 256, n % 256))
        reason = "silent visits to 5 families" if alike else f"confirmed 11.2, silent visits to 5 traps (7, 23, {n})"
        return (".".join(map(str, v4)), bytes(10) + b"\xff\xff" + v4, now - 1000 * n, now + 86400000 + 1000 * n, reason)
    db = sqlite3.connect(os.path.join(state_dir, "picket.db"))
    with db:
        db.executemany("INSERT OR REPLACE INTO block VALUES (?, ?, 128, 'ban', 1, '', 0, 0, ?, ?, '', ?)",
                       map(row, range(count)))
    db.close()


class Answer:
    """What one picketctl call gave."""

    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def rows(self):
        return [json.loads(line) for line in self.out.splitlines() if line.strip()]

    @property
    def one(self):
        rows = self.rows
        assert len(rows) == 1, self.out
        return rows[0]


def event_text(line):
    """The event in a log line, from its verb on."""
    return line[re.search(r"\b(would )?(alert|veil|block|ban|unblock)\b", line).start():]


class Picket:
    def __init__(self, lab, config="", host=None, **options):
        """`config` is added to what every instance needs; options go before it as KEY = VALUE lines."""
        self.lab, self.host = lab, host or lab.victim
        self.dir = tempfile.mkdtemp(prefix="picket-test-")
        os.chmod(self.dir, 0o755)
        self.run_dir, self.state_dir = os.path.join(self.dir, "run"), os.path.join(self.dir, "state")
        self.conf, self.log_path = os.path.join(self.dir, "picket.conf"), os.path.join(self.dir, "log")
        self.allow_file = os.path.join(self.dir, "allow")
        self.socket_path = os.path.join(self.run_dir, "picket.sock")
        self.options = {"run_dir": self.run_dir, "state_dir": self.state_dir, "user": daemon_user(),
                        "sentry_user": sentry_user(),
                        "allow_file": self.allow_file, **options}
        self.process, self.seen_pids = None, []
        self.write_config(config)

    # ---- the daemon

    def write_config(self, config):
        def value(v):
            return str(v) if isinstance(v, (int, float)) and not isinstance(v, bool) else json.dumps(v)
        lines = [f"{key} = {value(v)}" for key, v in self.options.items()]
        with open(self.conf, "w") as f:
            f.write("\n".join(lines) + "\n" + config + "\n")

    def spawn(self, *arguments, before=":", output=None):
        """Starts picketd without waiting for it to be ready; `before`: a shell command in its own mount namespace;
        `output`: a descriptor in place of the log's file."""
        self.log = open(self.log_path, "a")
        environment = dict(os.environ)
        environment.setdefault("ASAN_OPTIONS", "detect_leaks=0")
        environment.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
        self.process = self.host.popen("sh", "-c", f'{before} && exec "$0" "$@"', PICKETD, "-c", self.conf, "-f",
                                       *arguments, stdin=subprocess.DEVNULL, stdout=output or self.log,
                                       stderr=output or self.log, env=environment, cwd="/")
        return self

    def start(self, *arguments, timeout=20):
        self.spawn(*arguments)
        return self.wait_ready(timeout)

    def wait_ready(self, timeout=20):
        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"picketd ended with {self.process.returncode}:\n{self.log_text()}")
            return os.path.exists(self.socket_path) and self.ctl("status", check=False).code == 0
        wait_until(ready, timeout, lambda: f"picketd answers; its log:\n{self.log_text()}", every=0.05)
        self.seen_pids += self.children()
        return self

    def settled(self):
        """Once more, with its table standing: late packets of forgotten connections are no longer excused as they are
        after a start without one.  The option keep_on_stop is needed for it."""
        self.stop()
        return self.start()

    def stop(self):
        """A clean stop: SIGTERM.  The exit status."""
        self.seen_pids += self.children() if self.process.poll() is None else []
        return stop_process(self.process, 10.0)

    def children(self):
        """Pids of the supervisor's children."""
        pid, found = self.process.pid, []
        for entry in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError, ValueError, IndexError):
                with open(f"/proc/{entry}/stat") as f:
                    if int(f.read().rpartition(")")[2].split()[1]) == pid:
                        found.append(int(entry))
        return found

    def _child(self, capable):
        for pid in self.children():
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/status") as f:
                    status = f.read()
                effective = int(re.search(r"^CapEff:\s*(\w+)", status, re.M)[1], 16)
                if bool(effective & (1 << 12)) == capable and re.search(r"^Name:\s*(picket|sentry|keeper)", status,
                                                                        re.M):
                    return pid
        raise AssertionError(f"no {'sentry' if capable else 'keeper'} among {self.children()}; log:\n{self.log_text()}")

    def sentry(self):
        """The child that holds CAP_NET_ADMIN."""
        return self._child(True)

    def keeper(self):
        return self._child(False)

    def memory_mb(self):
        """Of supervisor, keeper and sentry; what they share is counted once."""
        def pss(pid):
            with open(f"/proc/{pid}/smaps_rollup") as f:
                return int(re.search(r"^Pss:\s+(\d+)", f.read(), re.M)[1]) / 1024
        return [pss(pid) for pid in (self.process.pid, self.keeper(), self.sentry())]

    def reload(self):
        return self.ctl("reload", check=False)

    def close(self):
        """Ends whatever of this instance still runs, and removes its files."""
        if self.process:
            if self.process.poll() is None:
                self.stop()
            for pid in set(self.seen_pids):
                with contextlib.suppress(OSError):
                    with open(f"/proc/{pid}/comm") as f:        # a pid that was used again is not ours
                        if f.read().startswith(("picket", "sentry", "keeper")):
                            os.kill(pid, signal.SIGKILL)
            self.log.close()
        text = self.log_text()
        print(f"---- log of {self.dir}\n{text}")
        shutil.rmtree(self.dir, ignore_errors=True)
        assert "AddressSanitizer" not in text and "runtime error:" not in text, "a sanitizer complains"

    # ---- the log

    def log_text(self):
        try:
            with open(self.log_path) as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def lines(self, pattern="."):
        return [line for line in self.log_text().splitlines() if re.search(pattern, line)]

    def wait_line(self, pattern, timeout=5.0, count=1):
        """The count-th log line that matches."""
        return wait_until(lambda: (self.lines(pattern)[count - 1:] or [None])[0], timeout,
                          lambda: f"a log line like {pattern!r}; the log:\n{self.log_text()}")

    def wait_graded(self, source, timeout=15.0, grade="(?:veil|ban|block)", count=1):
        """The line that tells of the count-th veil, ban or block of `source`."""
        return self.wait_line(graded_line(source, grade), timeout, count)

    def decision_ports(self, line):
        """The ports that a decision's line names."""
        return [int(n) for group in re.findall(r"\(([^)]*)\)", line) for n in re.findall(r"(?:^|, )(\d+)", group)]

    # ---- picketctl

    def ctl(self, *arguments, check=True, json_output=True, timeout=10):
        done = self.host.run(PICKETCTL, "-s", self.socket_path, *(["--json"] if json_output else []), *arguments,
                             check=False, timeout=timeout)
        answer = Answer(done)
        if check and answer.code != 0:
            raise AssertionError(f"picketctl {' '.join(arguments)}: exit {answer.code}\n{answer.out}{answer.err}\n"
                                 f"{self.log_text()}")
        return answer

    def graded(self, source=None, grade=STANDING):
        """Who is veiled, banned or blocked."""
        rows = [r for r in self.ctl("list").rows if r["grade"] in grade]
        return rows if source is None else [r for r in rows if r["source"] in (source, f"{source}/64")]

    def blocked(self, source=None):
        """The name that programs beside these tests know graded() by."""
        return self.graded(source)

    def kernel_grade(self, source):
        """What the kernel holds of that source, at its family and length: "alert", "veil", "ban", "block" or None."""
        address, _, length = source.partition("/")
        family = 6 if ":" in address else 4
        suffix = "64" if length == "64" else f"{family}" + (f"_{length}" if length else "")
        table = self.options.get("table", "picket")

        def get(kind):
            return self.host.run("nft", "get", "element", "inet", table, f"{kind}{suffix}", f"{{ {address} }}",
                                 check=False)

        got = get("graded")
        found = re.search(r": 0x(\w+) }", got.stdout) if got.returncode == 0 else None
        if not found:
            return "alert" if get("alerted").returncode == 0 else None
        value = int(found[1], 16)
        return {2: "veil", 3: "ban", 4: "block"}[value]

    def raw(self):
        """A connection to the control socket, without picketctl."""
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        s.settimeout(5)
        s.connect(self.socket_path)
        return s

    # ---- what of it is in the kernel

    def tables(self):
        return re.findall(r"^table (\S+ \S+)", self.host.run("nft", "list", "tables").stdout, re.M)

    def table_present(self):
        return f"inet {self.options.get('table', 'picket')}" in self.tables()


# Traps whose five services no program tries together: a silent visit to each is a ban.
FIVE_FAMILIES = (7, 23, 79, 111, 513)


def visit_traps(lab, *ports, address="10.77.0.1", source=None):
    """Finishes a handshake with each and closes it without a word."""
    for port in ports:
        assert lab.attacker.connect(address, port, timeout=2.5, source=source) == "open", port
        time.sleep(0.1)


def graded_line(source, grade="(?:veil|ban|block)"):
    """What a log line of that decision is like: a veil has no length of time."""
    return rf"(?<!would )\b{grade} {re.escape(source)}(/\d+)?(?: for \w+)?: "


def shut_out(host, address, port=80, source=None, wait=1.5):
    """Whether a fresh TCP connect to a real service fails now, repeated SYN and all: a ban or a block."""
    return host.connect(address, port, timeout=wait, source=source) != "open"


def seconds_to_connect(host, address, port=80, source=None, wait=6.0):
    """How long a fresh TCP connect takes; infinity where there is none within `wait`."""
    started = time.monotonic()
    done = host.connect(address, port, timeout=wait, source=source)
    return time.monotonic() - started if done == "open" else float("inf")


def delayed(host, address, port=80, source=None, at_most=1.5):
    """Whether a fresh connect is veiled: not at its first SYN, but as soon as a stack repeats it (the quick port)."""
    return 0.7 < seconds_to_connect(host, address, port, source) <= at_most


def wait_open(host, address, port, timeout, source=None, what="a connect succeeds"):
    """Seconds until a connect to a real service succeeds, tried every 20 ms."""
    started = time.monotonic()
    wait_until(lambda: host.connect(address, port, timeout=0.2, source=source) == "open", timeout, what)
    return time.monotonic() - started
