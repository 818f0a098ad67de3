# SPDX-License-Identifier: GPL-2.0-or-later
"""make install and uninstall, below a directory of the test's own."""
import os
import subprocess

from picket import BUILD, ROOT


def make(target, destdir, *settings):
    subprocess.run(["make", "-s", f"BUILD={os.path.relpath(BUILD, ROOT)}", f"DESTDIR={destdir}", *settings, target],
                   cwd=ROOT,
                   check=True, capture_output=True, text=True)


def files(top):
    return {os.path.relpath(os.path.join(where, name), top) for where, _, names in os.walk(top) for name in names}


def test_install_and_uninstall(tmp_path):
    make("install", tmp_path)
    there = files(tmp_path)
    assert {"usr/sbin/picketd", "usr/sbin/picketctl", "etc/picket/picket.conf", "usr/lib/systemd/system/picket.service",
            "usr/share/man/man8/picketd.8", "usr/share/man/man8/picketctl.8", "usr/share/man/man5/picket.conf.5",
            "usr/share/man/man7/picket-protocol.7"} <= there, there
    conf = tmp_path / "etc/picket/picket.conf"
    conf.write_text("# the admin's own\n")
    make("install", tmp_path)
    assert conf.read_text() == "# the admin's own\n", "a configuration is never overwritten"
    make("uninstall", tmp_path)
    assert files(tmp_path) == {"etc/picket/picket.conf"}


def test_another_prefix(tmp_path):
    make("install", tmp_path, "PREFIX=/opt/picket")
    assert {"opt/picket/sbin/picketd", "opt/picket/share/man/man8/picketd.8"} <= files(tmp_path)
    unit = next(path for path in files(tmp_path) if path.endswith("picket.service"))
    assert "/opt/picket/sbin/picketd" in (tmp_path / unit).read_text()
