# SPDX-License-Identifier: GPL-2.0-or-later
"""`make vm`: the package on a real machine, from its installation to its purge.

Debian 12 with its own kernel and systemd in plain emulation. Every step is checked and printed with its time; the
first that fails ends the run (exit 1) with the daemon's journal. Where something needed is missing: "skipped", exit 77.

    run.py [--deb FILE] [--cache DIR] [--limit MINUTES] [--debian 11|12|13] [--upgrade] [--kernel VERSION|all]

--deb: this package instead of one built now. With --debian: another Debian, its kernel, systemd and libraries; the
package is built on it (builds.py). With --upgrade: from the first edition to this one and back (upgrade.py). With
--kernel: what depends on the kernel, in a machine with the one of Debian 11 (5.10), 12 (6.1) or 13 (6.12), or in all of
them, one after the other.
"""
import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/system"))
import builds                                           # noqa: E402
import image                                            # noqa: E402
from kernels import KERNEL_STEPS                        # noqa: E402
from machine import Wire                                # noqa: E402
from steps import HIGHER, STEPS, Failed, Run, expect    # noqa: E402
from upgrade import UPGRADE_STEPS, first_package        # noqa: E402

LIMIT_MINUTES = 30
NEEDED = {"qemu-system-x86_64": "qemu-system-x86 ipxe-qemu", "mmdebstrap": "mmdebstrap", "mke2fs": "e2fsprogs",
          "nmap": "nmap", "ssh": "openssh-client", "ip": "iproute2", "dpkg-deb": "dpkg"}
FAILURES = (Failed, RuntimeError, AssertionError, OSError, subprocess.SubprocessError, ValueError, LookupError)


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def higher(deb, to):
    """The same package with a higher version."""
    folder = f"{to}.d"
    subprocess.run(["dpkg-deb", "-R", deb, folder], check=True)
    control = os.path.join(folder, "DEBIAN/control")
    with open(control) as f:
        text = f.read()
    with open(control, "w") as f:
        f.write(re.sub(r"^Version: .*$", f"Version: {HIGHER}", text, flags=re.M))
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", folder, to], check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(folder)


def release_here():
    with open("/etc/os-release") as f:
        found = re.search(r'^VERSION_ID="?(\d+)', f.read(), re.M)
    return found and found[1]


def package(options):
    if options.deb:
        return options.deb
    if options.debian != release_here():
        deb = builds.package(options.cache, options.debian)
        expect(deb, f"no package for Debian {options.debian}")
        return deb
    objects, out = os.path.join(options.cache, "objects"), os.path.join(options.cache, "deb")
    os.makedirs(objects, exist_ok=True)
    done = subprocess.run([os.path.join(ROOT, "scripts/deb"), "-n", "-o", out, "-u", objects],
                          capture_output=True, text=True)
    if done.returncode == 77:
        skip(done.stderr.strip())
    expect(done.returncode == 0, f"scripts/deb: exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout.splitlines()[-1]


def diagnose(run):
    """What an engineer would ask for first."""
    with contextlib.suppress(Exception):
        print(run.machine.run("journalctl -u picket -o short-precise -n 40 --no-pager;"
                              "systemctl status picket --no-pager -n 0; nft list tables", 40))
    with contextlib.suppress(OSError):
        with open(run.machine.console, errors="replace") as f:
            print("console:", f.read()[-1500:])


def perform(run, options, deb, kernel):
    run.image = image.build(options.cache, options.debian, kernel or image.kernel_of(options.debian), run.say)
    signal.alarm(options.limit * 60)
    run.packages = os.path.join(run.folder, "packages.ext4")
    old, new = os.path.join(run.folder, "old.deb"), os.path.join(run.folder, "new.deb")
    shutil.copy(deb, old)
    higher(deb, new)
    packages = [old, new]
    if options.upgrade:
        packages.append(os.path.join(run.folder, "first.deb"))
        shutil.copy(options.first, packages[-1])
    image.packages_disk(run.packages, packages)
    run.wire = Wire()
    steps = UPGRADE_STEPS if options.upgrade else KERNEL_STEPS if kernel else STEPS
    for step in steps:
        started = time.monotonic()
        note = step(run)
        run.say(f"ok  {step.__name__[5:].replace('_', ' ')} ({time.monotonic() - started:.1f} s): {note}")
    run.say(f"all {len(steps)} steps passed")


def out_of_time(*_):
    raise Failed("not through in time (--limit)")


def in_one_machine(options, deb, kernel):
    """True when every step passed."""
    run, passed = Run(), False
    run.say(f"package {os.path.basename(deb)}" + (f", kernel {kernel}" if kernel else ""))
    run.folder = tempfile.mkdtemp(prefix="run-", dir=options.cache)
    try:
        perform(run, options, deb, kernel)
        passed = True
    except FAILURES as error:
        signal.alarm(0)
        run.say(f"FAILED: {type(error).__name__}: {error}")
        if run.machine:
            diagnose(run)
    finally:
        signal.alarm(0)
        if run.machine:
            run.machine.close()
        if run.wire:
            run.wire.close()
        shutil.rmtree(run.folder, ignore_errors=True)
    return passed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--deb")
    parser.add_argument("--cache", default=os.path.join(ROOT, "build/vm"))
    parser.add_argument("--limit", type=int, metavar="MINUTES", default=LIMIT_MINUTES)
    parser.add_argument("--debian", choices=list(image.RELEASES), default="12")
    parser.add_argument("--kernel", choices=[*image.KERNELS, "all"])
    parser.add_argument("--upgrade", action="store_true")
    options = parser.parse_args()
    options.cache = os.path.abspath(options.cache)
    if os.geteuid() != 0:
        skip("network namespaces need root")
    missing = [names for tool, names in NEEDED.items() if not shutil.which(tool)]
    if missing:
        skip(f"not installed: {' '.join(missing)} (scripts/install-deps vm)")
    signal.signal(signal.SIGALRM, out_of_time)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    os.makedirs(options.cache, exist_ok=True)
    deb = package(options)
    options.first = first_package(ROOT, options.cache) if options.upgrade else None
    if options.upgrade and not options.first:
        skip("the history of this clone does not reach back to the first edition")
    kernels = list(image.KERNELS) if options.kernel == "all" else [options.kernel]
    passed = [in_one_machine(options, deb, kernel) for kernel in kernels]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
