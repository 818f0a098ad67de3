# SPDX-License-Identifier: GPL-2.0-or-later
"""What each process has kept of what it was started with: accounts, terminal, environment, limits, capabilities."""
import contextlib
import errno
import os
import pty
import re
import signal
import subprocess

import pytest

from lab import built, wait_until
from picket import PICKETD, daemon_user, sentry_user

OTHER = "198.51.100.77"
SECRET = "PICKET_TEST_SECRET=hunter2"
ROOT_KEEPS = sum(1 << cap for cap in (0, 5, 6, 7, 8, 12))    # CHOWN KILL SETGID SETUID SETPCAP NET_ADMIN


def status_of(pid):
    with open(f"/proc/{pid}/status") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def limits_of(pid):
    """Name of a limit: the soft and the hard one."""
    with open(f"/proc/{pid}/limits") as f:
        rows = [re.split(r"\s{2,}", line.strip()) for line in f]
    return {row[0]: (row[1], row[2]) for row in rows[1:]}


def session_and_terminal(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rpartition(")")[2].split()
    return int(fields[3]), int(fields[4])


@contextlib.contextmanager
def on_a_terminal(daemon):
    """picketd -f as a shell starts it: with a controlling terminal.  What it prints there, by a function."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp("ip", ["ip", "netns", "exec", daemon.host.name, PICKETD, "-c", daemon.conf, "-f"])
    os.set_blocking(terminal, False)
    shown = [b""]

    def text():
        with contextlib.suppress(BlockingIOError, OSError):
            shown[0] += os.read(terminal, 65536)
        return shown[0].decode()
    try:
        wait_until(lambda: "is on guard" in text(), 20, text)
        yield pid, text
    finally:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
        os.close(terminal)


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return [int(child) for child in f.read().split()]


def test_no_child_has_the_terminal(lab, picket):
    """Neither as its controlling one nor by a descriptor that can be read; its lines are shown there all the same."""
    daemon = picket.make()
    with on_a_terminal(daemon) as (pid, text):
        children = children_of(pid)
        assert len(children) == 2
        for child in children:
            assert session_and_terminal(child) == (child, 0)
            for fd in os.listdir(f"/proc/{child}/fd"):
                where = os.readlink(f"/proc/{child}/fd/{fd}")
                assert int(fd) > 2 or where == "/dev/null", (fd, where)
                with open(f"/proc/{child}/fdinfo/{fd}") as f:
                    flags = int(re.search(r"^flags:\s*(\d+)", f.read(), re.M)[1], 8)
                assert not where.startswith("/dev/pts") or flags & os.O_ACCMODE == os.O_WRONLY, (fd, where)
        daemon.ctl("block", OTHER, "--for", "1h")
        wait_until(lambda: f"block {OTHER} for 1h" in text(), 5, text)


def test_no_child_has_the_environment(lab, picket, monkeypatch):
    monkeypatch.setenv(*SECRET.split("="))
    daemon = picket()
    for pid in (daemon.sentry(), daemon.keeper()):
        with open(f"/proc/{pid}/environ", "rb") as f:
            assert SECRET.split("=")[1].encode() not in f.read()


@pytest.mark.core
def test_limits_of_the_processes(lab, picket):
    daemon = picket()
    for pid, descriptors in ((daemon.sentry(), "4096"), (daemon.keeper(), "512")):
        limits = limits_of(pid)
        assert limits["Max open files"] == (descriptors, descriptors)
        assert limits["Max core file size"] == ("0", "0")
        if "asan" not in PICKETD:
            assert limits["Max processes"] == ("0", "0")
            assert int(limits["Max address space"][1]) < 1 << 30
            assert int(status_of(pid)["VmPeak"].split()[0]) * 1024 < int(limits["Max address space"][0]) / 3


def test_each_process_has_an_account_of_its_own(lab, picket):
    daemon = picket()
    uids = [status_of(pid)["Uid"].split()[0] for pid in (daemon.process.pid, daemon.sentry(), daemon.keeper())]
    assert len(set(uids)) == 3
    daemon.stop()
    assert os.stat(daemon.state_dir).st_uid == int(uids[2])


@pytest.mark.parametrize("options, told", [
    ({"sentry_user": daemon_user()}, "are one account"),
    ({"sentry_user": "root"}, "is root or of root's group"),
    ({"user": "root"}, "is root or of root's group"),
    ({"sentry_user": "nobody-at-all"}, "does not exist")])
def test_accounts_that_are_refused(lab, picket, options, told):
    daemon = picket.make(**options)
    daemon.spawn()
    assert daemon.process.wait(20) != 0 and told in daemon.log_text()


def with_accounts(tmp_path, kind, line):
    """A shell command that puts another /etc/passwd or /etc/group over this one, with that line for its name."""
    name = line.split(":")[0]
    with open(f"/etc/{kind}") as f:
        others = [one for one in f if one.split(":")[0] != name]
    (tmp_path / kind).write_text("".join(others) + line + "\n")
    return f"mount --bind {tmp_path / kind} /etc/{kind}"


def test_an_account_of_roots_group(lab, picket, tmp_path):
    daemon = picket.make(sentry_user="picket-half-root")
    daemon.spawn(before=with_accounts(tmp_path, "passwd", "picket-half-root:x:64242:0::/:/bin/false"))
    assert daemon.process.wait(20) != 0 and "of root's group" in daemon.log_text()


@pytest.mark.parametrize("admins, mode, gid", [
    ("picket-nobody:x:64242:", 0o600, 0), ("picket-admin:x:0:", 0o600, 0), ("picket-admin:x:64243:", 0o660, 64243)])
def test_a_missing_group_is_not_roots(lab, picket, tmp_path, admins, mode, gid):
    """The control socket without the group of its users, with one that is root's, and with one of its own."""
    with open("/etc/group") as f:
        if "picket-admin:" in f.read() and "nobody" in admins:
            pytest.skip("this machine has the group")
    daemon = picket.make()
    daemon.spawn(before=with_accounts(tmp_path, "group", admins)).wait_ready()
    info = os.stat(daemon.socket_path)
    assert (info.st_mode & 0o777, info.st_uid, info.st_gid) == (mode, 0, gid)


def test_what_the_supervisor_keeps_of_root(lab, picket):
    """As started by hand, without a service manager."""
    daemon = picket()
    status = status_of(daemon.process.pid)
    assert all(int(status[which], 16) & ~ROOT_KEEPS == 0 for which in ("CapPrm", "CapEff", "CapBnd")), status
    assert int(status["CapInh"], 16) == int(status["CapAmb"], 16) == 0
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"


def test_in_the_background_too(lab, picket, monkeypatch):
    """The guardian and what it starts, a second time as well."""
    monkeypatch.setenv("ASAN_OPTIONS", "detect_leaks=0")
    daemon = picket.make()
    lab.victim.run(PICKETD, "-c", daemon.conf)
    with open(os.path.join(daemon.run_dir, "picketd.pid")) as f:
        supervisor = int(f.read())
    guardian = int(status_of(supervisor)["PPid"])
    try:
        for pid in (guardian, supervisor):
            status = status_of(pid)
            assert int(status["CapBnd"], 16) & ~ROOT_KEEPS == 0 and status["Seccomp"] == "2"
            assert os.readlink(f"/proc/{pid}/fd/0") == os.readlink(f"/proc/{pid}/fd/2") == "/dev/null"
        assert len(children_of(supervisor)) == 2
        os.kill(children_of(supervisor)[0], signal.SIGKILL)
        wait_until(lambda: os.path.exists(daemon.socket_path) and supervisor not in children_of(guardian) and
                   daemon.ctl("status", check=False).code == 0, 20, "it is started again")
    finally:
        os.kill(guardian, signal.SIGTERM)
        wait_until(lambda: not os.path.exists(f"/proc/{guardian}"), 20, "the guardian ends")


STEPS = ["capset", "seccomp", "setgroups", *(f"prctl 0={number}" for number in (47, 23, 24, 38))]
CHILDS_STEPS = ["setsid", "prlimit64", "close_range", "setresgid", "setresuid", "landlock_add_rule",
                "landlock_restrict_self", *(f"prctl 0={number}" for number in (8, 15, 4))]


@pytest.mark.parametrize("step, service", [(step, False) for step in STEPS] + [(step, True)
                                                                               for step in STEPS + CHILDS_STEPS])
def test_a_failed_step_ends_the_program(lab, picket, monkeypatch, step, service):
    """Whatever part of the set-up the kernel refuses, nothing goes on with more rights than it should have.  Under a
    service manager the supervisor leaves its own confinement to it, so the step is its children's."""
    if service:
        monkeypatch.setenv("NOTIFY_SOCKET", "/nonexistent")
    daemon = picket.make()
    daemon.spawn(before=f'exec {built("refuse")} {step} "$0" "$@"')
    status = daemon.process.wait(30)
    if status == 77:
        pytest.skip("root may not load a filter here")
    assert status not in (0, None) and "is on guard" not in daemon.log_text(), daemon.log_text()
    assert re.search(r"cannot (give up|be set up|join)|give up its privileges|cannot confine", daemon.log_text()), \
        daemon.log_text()
    assert not os.path.exists(daemon.socket_path)
    assert not [pid for pid in filter(str.isdigit, os.listdir("/proc")) if daemon.conf in command_of(pid)]


def test_without_landlock(lab, picket):
    """As on Linux 5.10: one line says so, and everything else stands."""
    daemon = picket.make()
    daemon.spawn(before=f'exec {built("refuse")} landlock_create_ruleset:{errno.ENOSYS} "$0" "$@"').wait_ready()
    assert len(daemon.lines("this kernel has no Landlock")) == 1
    assert status_of(daemon.keeper())["Seccomp"] == "2"


def command_of(pid):
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/cmdline") as f:
            return f.read()
    return ""


def test_sandbox_off_is_for_debugging(lab, picket, monkeypatch):
    monkeypatch.setenv(*SECRET.split("="))
    daemon = picket(sandbox=False)
    for pid in (daemon.process.pid, daemon.sentry(), daemon.keeper()):
        assert status_of(pid)["Seccomp"] == "0"
    for pid in (daemon.sentry(), daemon.keeper()):
        assert session_and_terminal(pid) == (pid, 0)
        assert status_of(pid)["Uid"].split()[0] != "0"
    assert {sentry_user(), daemon_user()} == {
        subprocess.run(["id", "-nu", status_of(pid)["Uid"].split()[0]], capture_output=True, text=True).stdout.strip()
        for pid in (daemon.sentry(), daemon.keeper())}
