#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""`make builds`: picket with the compiler, the headers and the libraries of other Debian releases.

    builds.py [--cache DIR] [RELEASE...]        RELEASE: 11, 12 or 13 (all of them)

For each release a folder with its build tools, by mmdebstrap from the mirror that apt is set up with (kept in
build/vm). In it, without network: compiled with warnings as errors, the unit tests and the scenarios, `make deb`, the
package installed, and both programs started. What fails is told with the end of its log; exit 1. Where something
needed is missing: "skipped", exit 77.
"""
import argparse
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import image

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LIMIT_S = 30 * 60
NEEDED = {"mmdebstrap": "mmdebstrap", "unshare": "util-linux"}
MORE = ["libcmocka-dev", "git", "iproute2", "nftables", "python3", "systemd"]      # for the tests, and for Depends
SOURCES = "/picket"
# Each runs as root in SOURCES; the last but one finds what its Depends ask for among the build tools.
STAGES = {
    "compile": "make -j$(nproc) CI=1 all build/replay-run "
               "$(ls tests/unit/test_*.c | sed 's#^tests/#build/#; s#\\.c$##')",
    "unit tests, scenarios": "scripts/check unit replay",
    "package": "scripts/deb -n",
    "install": "apt-get install -y ./build/deb/picket_*.deb",
    "start": "picketd -V && picketd -t && picketctl version; [ $? -le 3 ]",
}


def build_tools():
    """What scripts/install-deps knows as needed to build picket and its package."""
    with open(os.path.join(ROOT, "scripts/install-deps")) as f:
        text = f.read()
    lists = [re.search(rf'^{name}="([^"]*)"', text, re.M)[1].split() for name in ("build", "deb")]
    return sorted({*lists[0], *lists[1], *MORE})


def tools(cache, suite):
    """The folder with that Debian's build tools, made once."""
    wanted = build_tools()
    mark = hashlib.sha256(repr((wanted, image.mirror(suite), image.LEAN)).encode()).hexdigest()[:12]
    folder = os.path.join(cache, f"builds-{suite}-{mark}")
    if not os.path.isdir(folder):
        work = f"{folder}.new.{os.getpid()}"
        try:
            with open(os.path.join(cache, f"builds-{suite}.log"), "w") as log:
                subprocess.run(["unshare", "--mount", "mmdebstrap", "--mode=root", "--variant=minbase",
                                "--format=directory", *image.LEAN, f"--include={','.join(wanted)}", suite, work,
                                *image.mirror(suite)], check=True, stdout=log, stderr=subprocess.STDOUT)
            os.rename(work, folder)
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
    return folder


def copy_sources(root):
    """What git knows or would.  What was compiled there before stays, for make to judge by the times."""
    to = root + SOURCES
    os.makedirs(to, exist_ok=True)
    for entry in os.scandir(to):
        if entry.name == "build":
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)
    names = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                           capture_output=True, text=True, check=True).stdout.split("\0")
    for name in names:
        path = os.path.join(ROOT, name)
        if name and os.path.isfile(path):
            os.makedirs(os.path.dirname(os.path.join(to, name)), exist_ok=True)
            shutil.copy2(path, os.path.join(to, name))


def inside(root, command, log):
    """One stage in namespaces of its own; its processes end with it."""
    script = (f"mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devpts devpts /dev/pts; "
              f"ip link set lo up; cd {SOURCES}; {command}")
    return subprocess.run(["unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child",
                           "chroot", root, "sh", "-ec", script], stdin=subprocess.DEVNULL, stdout=log,
                          stderr=subprocess.STDOUT, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
                                                         "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"})


def build(cache, release):
    """True when each stage passed; the package then lies in the cache."""
    suite = image.RELEASES[release]
    print(f"Debian {release} ({suite})", flush=True)
    root = tools(cache, suite)
    copy_sources(root)
    shutil.rmtree(os.path.join(root, "etc/picket"), ignore_errors=True)
    for stage, command in STAGES.items():
        started, path = time.monotonic(), os.path.join(cache, f"builds-{suite}-stage.log")
        with open(path, "w") as log:
            status = inside(root, command, log).returncode
        with open(path, errors="replace") as log:
            lines = log.read().splitlines()
        if status:
            print(f"FAILED: {stage}: exit {status}", *lines[-60:], sep="\n    ", flush=True)
            return False
        print(f"    ok  {stage} ({time.monotonic() - started:.0f} s): {lines[-1] if lines else ''}", flush=True)
    return True


def package(cache, release):
    """The package that was built for it, built now if there is none from this source."""
    if not build(cache, release):
        return None
    folder = os.path.join(tools(cache, image.RELEASES[release]) + SOURCES, "build/deb")
    return next(os.path.join(folder, name) for name in sorted(os.listdir(folder))
                if re.fullmatch(r"picket_.*\.deb", name))


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def out_of_time(*_):
    print(f"FAILED: not through within {LIMIT_S // 60} minutes")
    sys.exit(1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cache", default=os.path.join(ROOT, "build/vm"))
    parser.add_argument("releases", nargs="*", metavar="RELEASE", help=" ".join(image.RELEASES))
    options = parser.parse_args()
    unknown = [release for release in options.releases if release not in image.RELEASES]
    if unknown:
        parser.error(f"no such release: {' '.join(unknown)}")
    if os.geteuid() != 0:
        skip("a folder with another Debian needs root")
    missing = [names for tool, names in NEEDED.items() if not shutil.which(tool)]
    if missing:
        skip(f"not installed: {' '.join(missing)} (scripts/install-deps vm)")
    signal.signal(signal.SIGALRM, out_of_time)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    os.makedirs(options.cache, exist_ok=True)
    passed = []
    for release in options.releases or image.RELEASES:
        signal.alarm(LIMIT_S)
        passed.append(build(os.path.abspath(options.cache), release))
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
