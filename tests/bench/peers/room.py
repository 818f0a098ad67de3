# SPDX-License-Identifier: GPL-2.0-or-later
"""A room for another program's daemon: a view of this host's files over which Debian packages are laid, writable and
forgotten at the end, with processes, /dev, /run and network of its own.  Nothing is installed: packages are fetched and
unpacked, and no script of theirs runs on this host.
"""
import contextlib
import glob
import os
import re
import shutil
import subprocess
import sys
import textwrap

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "system"))
from lab import stop_process, wait_until        # noqa: E402

PACKAGES = (
    "portsentry", "scanlogd", "fail2ban", "python3-pyinotify", "psad", "net-tools", "psmisc", "whois",
    "libunix-syslog-perl", "libnet-ip-perl", "libdate-calc-perl", "libcarp-clan-perl", "libbit-vector-perl",
    "libiptables-parse-perl", "libiptables-chainmgr-perl", "iptables", "libip4tc2", "libip6tc2", "libxtables12",
    "rsyslog", "libestr0", "libfastjson4", "liblognorm5", "ulogd2", "libnetfilter-log1", "libnetfilter-acct1")
# What update-alternatives would make.
LINKS = {f"{name}{end}": "xtables-nft-multi" for name in ("iptables", "ip6tables") for end in ("", "-save", "-restore")}

# Makes the view and becomes the first of its processes: it waits for whoever ends, so that their time is counted.
# Names are looked up in files alone: no resolver can be reached, and whoever asks one waits for 20 s.
SETUP = textwrap.dedent("""\
    set -e
    mount --make-rprivate /
    mount -t tmpfs -o mode=755 tmpfs {here}
    mkdir {here}/work {here}/root
    cp -a {packages} {here}/upper
    mount -t overlay overlay -o lowerdir=/,upperdir={here}/upper,workdir={here}/work {here}/root
    cd {here}/root
    mount -t proc proc proc
    mount -t tmpfs -o mode=755 tmpfs dev
    mount -t tmpfs -o mode=755 tmpfs run
    mount -t tmpfs -o mode=1777 tmpfs tmp
    for name in null zero full random urandom tty; do touch dev/$name; mount --bind /dev/$name dev/$name; done
    mkdir dev/shm run/lock
    sed -i 's/^hosts:.*/hosts: files/' etc/nsswitch.conf
    echo 127.0.0.1 localhost $(hostname) > etc/hosts
    exec chroot . /usr/bin/python3 -c '{first}'
""")
FIRST = textwrap.dedent("""\
    import os, time
    print("ready", flush=True)
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            time.sleep(0.05)
""")


def unpacked(directory):
    """The packages under `directory`, fetched once; {package: version}."""
    debs, root = os.path.join(directory, "debs"), os.path.join(directory, "root")
    os.makedirs(debs, exist_ok=True)
    lacking = [name for name in PACKAGES if not glob.glob(os.path.join(debs, f"{name}_*.deb"))]
    if lacking:
        subprocess.run(["apt-get", "download", "-q", *lacking], cwd=debs, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
    shutil.rmtree(root, ignore_errors=True)
    files = sorted(glob.glob(os.path.join(debs, "*.deb")))
    for deb in files:
        subprocess.run(["dpkg", "-x", deb, root], check=True)
    for old in ("bin", "sbin", "lib"):      # links into /usr on the host: a folder laid over one would hide it
        if os.path.isdir(os.path.join(root, old)):
            shutil.copytree(os.path.join(root, old), os.path.join(root, "usr", old), symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(os.path.join(root, old))
    for name, target in LINKS.items():
        with contextlib.suppress(FileExistsError):
            os.symlink(target, os.path.join(root, "usr", "sbin", name))
    return {name: version.replace("%3a", ":") for name, version, _ in
            (os.path.basename(deb).rsplit("_", 2) for deb in files)}


class Room:
    def __init__(self, namespace, packages):
        """`namespace`: where its network is; `packages`: the folder of unpacked()."""
        here = os.path.join(packages, "here")       # each covers it with a file system that no other sees
        os.makedirs(here, exist_ok=True)
        script = SETUP.format(here=here, packages=os.path.join(packages, "root"), first=FIRST)
        self.process = namespace.popen("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script,
                                       stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise AssertionError("no room for a peer: an overlay mount failed")
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as f:
            self.first = int(f.read().split()[0])

    def run(self, *argv, timeout=60, check=True, text=None):
        done = subprocess.run(["nsenter", "-t", str(self.first), "-m", "-p", "-n", "-r", "-w", *argv], timeout=timeout,
                              input=text, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout}")
        return done.stdout

    def spawn(self, *argv):
        """In the background, with its words in /tmp/words."""
        line = " ".join(argv)
        self.run("sh", "-c", f"setsid {line} </dev/null >>/tmp/words 2>&1 &")

    def path(self, path):
        return f"/proc/{self.first}/root{path}"

    def read(self, path):
        try:
            with open(self.path(path), errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def write(self, path, text):
        os.makedirs(os.path.dirname(self.path(path)), exist_ok=True)
        with open(self.path(path), "w") as f:
            f.write(text)

    def edit(self, path, **values):
        """Sets KEY="value" or KEY value; lines of a packaged configuration."""
        text = self.read(path)
        for key, value in values.items():
            text, count = re.subn(rf"^{key}(\s*=\s*|\s+).*$", lambda found: f"{key}{found[1]}{value}", text, count=1,
                                  flags=re.M)
            if not count:
                text += f"{key}={value}\n"
        self.write(path, text)

    def pids(self):
        there = os.readlink(f"/proc/{self.first}/ns/pid")
        found = []
        for entry in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{entry}/ns/pid") == there:
                    found.append(int(entry))
        return found

    def end(self, *names):
        """Ends its processes of these names, and waits until they are gone."""
        def left():
            found = self.run("sh", "-c", "cat /proc/[0-9]*/stat 2>/dev/null; true")
            return [int(pid) for pid, name in re.findall(r"^(\d+) \((.*?)\)", found, re.M)
                    if any(name.startswith(one[:15]) for one in names)]
        self.run("kill", *map(str, left()), check=False)
        wait_until(lambda: not left() or self.run("kill", "-9", *map(str, left()), check=False) is None, 15,
                   f"{names} end", every=0.3)

    def close(self):
        stop_process(self.process, 1.0)
        self.process.stdout.close()


def usage(pids):
    """{name: (seconds of processor time, MB)}, with what its ended children took."""
    told, tick = {}, os.sysconf("SC_CLK_TCK")
    for pid in pids:
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/stat") as f:
                head, _, tail = f.read().rpartition(")")
            with open(f"/proc/{pid}/smaps_rollup") as f:
                pss = int(re.search(r"^Pss:\s+(\d+)", f.read(), re.M)[1]) / 1024
            name = head.partition("(")[2]
            spent, size = told.get(name, (0.0, 0.0))
            told[name] = spent + sum(map(int, tail.split()[11:15])) / tick, size + pss
    return told
