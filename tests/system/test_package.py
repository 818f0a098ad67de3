# SPDX-License-Identifier: GPL-2.0-or-later
"""The Debian package: built, judged by lintian, installed, upgraded, removed, purged, by the real dpkg.

dpkg works on this machine's own system as the lower half of an overlay, in a mount namespace of its own: nothing of it
reaches the machine. No service manager runs there, so whether the service starts is a matter of the virtual
machine's test.
"""
import os
import re
import shutil
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("PICKET_BUILD", "build")
# What dpkg and the makers of accounts keep for themselves.
BOOKKEEPING = re.compile(r"/(var/lib/dpkg|var/log|var/cache|run|dev|proc)(/|$)"
                         r"|/etc/(passwd|group|shadow|gshadow|subuid|subgid|\.pwd\.lock)-?$"
                         r"|/var/lib/systemd(/deb-systemd-helper-(en|un)?(abled|masked))?$")


class Machine:
    """An overlay over this machine's root file system."""

    def __init__(self, folder):
        self.folder = str(folder)
        script = ('mount -t tmpfs tmpfs "$1" && mkdir "$1/upper" "$1/work" "$1/root" && '
                  'mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root" && '
                  'mount -t proc proc "$1/root/proc" && mount --rbind /dev "$1/root/dev" && '
                  'echo ready && exec sleep 300')
        self.holder = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "--propagation", "private",
             "sh", "-c", script, "sh", self.folder], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.holder.stdout.readline() != "ready\n":
            reason = self.holder.stderr.read().strip().splitlines()
            self.close()
            pytest.skip(f"no overlay over / here: {reason[-1] if reason else 'unshare failed'}")
        with open(f"/proc/{self.holder.pid}/task/{self.holder.pid}/children") as f:
            self.pid = int(f.read().split()[0])

    def close(self):
        self.holder.kill()
        self.holder.communicate()

    def path(self, name):
        return f"/proc/{self.pid}/root{self.folder}/root{name}"

    def exists(self, name):
        return os.path.lexists(self.path(name))

    def read(self, name):
        with open(self.path(name)) as f:
            return f.read()

    def append(self, name, text):
        with open(self.path(name), "a") as f:
            f.write(text)

    def run(self, *argv, status=0):
        enter = ["nsenter", f"--target={self.pid}", "--mount", "--pid", "--net", "chroot", f"{self.folder}/root"]
        clean = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(enter + list(argv), capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
                              env=clean)
        assert done.returncode == status, f"{argv}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def left(self):
        """What is there now and was not there before, the bookkeeping apart."""
        upper = f"/proc/{self.pid}/root{self.folder}/upper"
        found = []
        for folder, folders, files in os.walk(upper):
            for name in folders + files:
                path = os.path.join(folder, name)[len(upper):]
                if not BOOKKEEPING.search(path) and not os.path.lexists(path) and self.exists(path):
                    found.append(path)
        return sorted(found)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("package")
    objects = ["-u", BUILD] if os.path.exists(os.path.join(ROOT, BUILD, "picketd")) else []
    done = subprocess.run([os.path.join(ROOT, "scripts", "deb"), "-n", "-o", str(folder), *objects],
                          capture_output=True, text=True, timeout=240)
    if done.returncode == 77:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    yield done.stdout.split()[-1]
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def machine(tmp_path):
    made = Machine(tmp_path)
    try:
        yield made
    finally:
        made.close()


def copy_in(machine, package, name):
    shutil.copy(package, machine.path(f"/run/{name}"))
    return f"/run/{name}"


def package_version(package):
    return subprocess.run(["dpkg-deb", "-f", package, "Version"], capture_output=True, text=True,
                          check=True).stdout.strip()


def as_version(package, folder, version, program=None):
    """The same package with another version, and another picketd."""
    tree = os.path.join(folder, "tree")
    subprocess.run(["dpkg-deb", "-R", package, tree], check=True)
    control = os.path.join(tree, "DEBIAN", "control")
    with open(control) as f:
        text = f.read()
    with open(control, "w") as f:
        f.write(re.sub(r"(?m)^Version: .*$", f"Version: {version}", text))
    if program:
        with open(os.path.join(tree, "usr/sbin/picketd"), "w") as f:
            f.write(program)
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, tree + ".deb"], check=True, stdout=subprocess.DEVNULL)
    return tree + ".deb"


@pytest.fixture
def fresh(machine):
    """The machine without a picket of its own."""
    status = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status}", "picket"], capture_output=True,
                            text=True).stdout
    if status == "installed":
        pytest.skip("picket is installed on this machine")
    machine.run("rm", "-rf", "/etc/picket", "/var/lib/picket")
    return machine


def test_installs_upgrades_removes_purges_and_installs_again(fresh, package, tmp_path_factory):
    machine = fresh
    machine.run("dpkg", "-i", copy_in(machine, package, "picket.deb"))
    for name in ("/usr/sbin/picketd", "/usr/sbin/picketctl", "/usr/sbin/picket-from-portsentry",
                 "/lib/systemd/system/picket.service", "/etc/picket/picket.conf", "/etc/picket/conf.d",
                 "/etc/picket/allow", "/usr/share/man/man8/picketd.8.gz",
                 "/usr/share/bash-completion/completions/picketctl", "/etc/fail2ban/filter.d/picket.conf",
                 "/etc/systemd/system/multi-user.target.wants/picket.service"):
        assert machine.exists(name), name
    for user in ("picket", "picket-sentry", "picket-hook"):
        machine.run("getent", "passwd", user)
    machine.run("getent", "group", "picket-admin")
    assert machine.run("stat", "-c", "%U:%G %a", "/var/lib/picket") == "picket:picket 750\n"
    machine.run("picketd", "-t")
    version = package_version(package)
    assert machine.run("picketd", "-V") == f"picketd {version}\n"

    # What the admin and the daemon wrote stays over an upgrade.
    machine.append("/etc/picket/picket.conf", "\n# the admin was here\n")
    machine.append("/etc/picket/allow", "192.0.2.0/24\n")
    machine.append("/etc/picket/conf.d/own.conf", 'mode = "observe"\n')
    machine.append("/var/lib/picket/memory", "x\n")
    following = as_version(package, tmp_path_factory.mktemp("newer"), f"{version}+upgrade")
    machine.run("dpkg", "-i", copy_in(machine, following, "newer.deb"))
    assert "+upgrade" in machine.run("dpkg-query", "-W", "-f", "${Version}", "picket")

    def kept():
        return ("the admin was here" in machine.read("/etc/picket/picket.conf") and
                "192.0.2.0/24" in machine.read("/etc/picket/allow") and
                machine.exists("/etc/picket/conf.d/own.conf") and machine.exists("/var/lib/picket/memory"))
    assert kept()
    machine.run("picketd", "-t")

    machine.run("dpkg", "-r", "picket")
    assert not machine.exists("/usr/sbin/picketd") and not machine.exists("/lib/systemd/system/picket.service")
    assert kept()

    machine.run("dpkg", "-P", "picket")
    assert machine.left() == []

    # The accounts stay after a purge; nothing trips over them.
    machine.run("dpkg", "-i", "/run/picket.deb")
    machine.run("picketd", "-t")


def test_an_upgrade_that_refuses_the_configuration_says_so_and_is_gone_on_with_later(fresh, package, tmp_path_factory):
    fresh.run("dpkg", "-i", copy_in(fresh, package, "picket.deb"))
    fresh.append("/etc/picket/conf.d/own.conf", "nonsense = 1\n")
    following = as_version(package, tmp_path_factory.mktemp("newer"), f"{package_version(package)}+upgrade")
    said = fresh.run("dpkg", "-i", copy_in(fresh, following, "newer.deb"), status=1)
    assert "/etc/picket/conf.d/own.conf:1: unknown option 'nonsense'" in said
    assert "this version refuses the configuration" in said
    fresh.run("rm", "/etc/picket/conf.d/own.conf")
    fresh.run("dpkg", "--configure", "picket")


# The first edition as far as its package needs it here: it refuses what it does not know.
FIRST = r"""#!/bin/sh
status=0
for file in /etc/picket/conf.d/*.conf; do
    for name in veil reverse_path cut_running history_max; do
        for line in $(grep -n "^[^#]*\\b$name\\b" "$file" | cut -d: -f1); do
            echo "$file:$line: unknown option '$name', expected another" >&2
            status=2
        done
    done
done
exit $status
"""
NEW_OPTIONS = """allow = { "192.0.2.0/24" }   reverse_path = "off"
veil {      # "}
    max = "2h"
}
ban { first = "2h" cut_running
  = true }
history_max = "300M"
"""


def test_goes_back_to_the_first_edition_without_what_that_does_not_know(fresh, package, tmp_path_factory):
    fresh.run("dpkg", "-i", copy_in(fresh, package, "picket.deb"))
    fresh.append("/etc/picket/conf.d/own.conf", NEW_OPTIONS)
    first = as_version(package, tmp_path_factory.mktemp("first"), "0.1.0", FIRST)
    said = fresh.run("dpkg", "-i", copy_in(fresh, first, "first.deb"))
    assert "/var/lib/picket: rewritten in format 1" in said
    for line, name in ((1, "reverse_path"), (2, "veil"), (5, "cut_running"), (7, "history_max")):
        assert f"picket: /etc/picket/conf.d/own.conf:{line}: {name} is blanked out" in said
    left = fresh.read("/etc/picket/conf.d/own.conf")
    assert left.split() == 'allow = { "192.0.2.0/24" } ban { first = "2h" }'.split(), left
    assert left.count("\n") == NEW_OPTIONS.count("\n")
    assert fresh.read("/etc/picket/conf.d/own.conf.newer") == NEW_OPTIONS
    fresh.run("dpkg", "-i", "/run/picket.deb")
    fresh.run("picketd", "-t")
