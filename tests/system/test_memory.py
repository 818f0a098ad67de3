# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory: little where nothing happens, as much as there is to know, bounded; and what is done where there is none."""
import contextlib
import os
import re
import subprocess
import time

import pytest

from lab import wait_until
from picket import put_bans
from veiled import Stranger, veil

SANITIZED = "asan" in os.environ.get("PICKET_BUILD", "")


def memory(daemon):
    """MB of the three processes, what they share counted once."""
    return sum(daemon.memory_mb())


def veil_memory(daemon):
    return daemon.ctl("status").one["veil"]["memory_bytes"]


def test_at_rest(lab, picket):
    """A quarter of what the tables may take, and with a smaller one less: a small host has little to give."""
    for config, most in (("", 16), ("score { max_sources = 8192 }", 8)):
        daemon = picket(config)
        time.sleep(3)
        took = memory(daemon)
        print(took)
        assert took <= most or SANITIZED, daemon.memory_mb()
        assert veil_memory(daemon) == 0
        assert daemon.ctl("status").one["veil"]["memory_max_bytes"] == (41 << 16 if config else 41 << 19)
        assert "memory     veils have taken none of" in daemon.ctl("status", json_output=False).out
        daemon.stop()


def test_veils_take_their_memory(lab, picket):
    """With the first new connection of somebody veiled, and it is told apart."""
    daemon = picket()
    time.sleep(2)
    who, before = Stranger(lab), memory(daemon)
    veil(lab, daemon, who.v4)
    assert 0.8 < who.connect_s(4) < 3
    status = daemon.ctl("status").one["veil"]
    assert status["memory_bytes"] == status["memory_max_bytes"] and status["unremembered"] == 0
    assert "memory     veils have taken 20.5 MB" in daemon.ctl("status", json_output=False).out
    assert f"picket_veil_memory_bytes {status['memory_bytes']}" in daemon.ctl("metrics", json_output=False).out
    assert memory(daemon) - before < 2 or SANITIZED, "of a few connections"


def v4(n):
    return f"10.0.{n >> 8}.{n & 255}"


def v6(n):
    return f"2001:db8::{n:x}:0:0:1"


LEARNED = "flags dynamic,timeout; timeout 1h;"
LIMIT = "limit rate 1000/second burst 2000 packets"
ELEMENTS = (        # as docs/ruleset.md tells them: bytes, kind of set, an element of it
    (72, "set", f"type ipv4_addr; {LEARNED}", v4),
    (104, "set", f"type ipv6_addr; {LEARNED}", v6),
    (104, "map", "type ipv4_addr : mark; flags timeout;", lambda n: f"{v4(n)} timeout 1h : 0x2"),
    (104, "map", "type ipv6_addr : mark; flags timeout;", lambda n: f"{v6(n)} timeout 1h : 0x2"),
    (72 + 136, "set", f"type ipv4_addr; {LEARNED}", lambda n: f"{v4(n)} {LIMIT}"),
    (104 + 136, "set", f"type ipv6_addr; {LEARNED}", lambda n: f"{v6(n)} {LIMIT}"),
    (72, "set", f"type ipv4_addr . inet_service; {LEARNED}", lambda n: f"{v4(n)} . 80"),
    (104, "set", f"type ipv6_addr . inet_service . inet_service; {LEARNED}", lambda n: f"{v6(n)} . 80 . 81"),
)


@contextlib.contextmanager
def kernel_account():
    """A cgroup of our own: its name, and what the kernel's allocator has given to who is in it."""
    for root, count in (("/sys/fs/cgroup/memory", "memory.kmem.usage_in_bytes"), ("/sys/fs/cgroup", "memory.stat")):
        group = os.path.join(root, f"picket-test-{os.getpid()}")
        try:
            os.mkdir(group)
        except OSError:
            continue
        try:
            if os.path.exists(os.path.join(group, count)):
                yield group, lambda: kernel_bytes(os.path.join(group, count))
                return
        finally:
            os.rmdir(group)
    pytest.skip("no cgroup with an account of memory can be made here")


def kernel_bytes(path):
    with open(path) as f:
        text = f.read()
    return int(re.search(r"^slab (\d+)", text, re.M)[1]) if path.endswith("stat") else int(text)


def test_what_an_element_takes_in_the_kernel(lab):
    """Sizes of sets follow from it.  Kernels differ: less is well, and some more."""
    count = 32768
    with kernel_account() as (group, account):
        def join():
            with open(os.path.join(group, "cgroup.procs"), "w") as f:
                f.write(str(os.getpid()))

        def nft(text):
            lab.victim.run("nft", "-f", "-", input=text, preexec_fn=join)
        for told, kind, spec, element in ELEMENTS:
            nft(f"flush ruleset\ntable inet t {{\n {kind} s {{ {spec} size {count}; }}\n}}\n")
            time.sleep(0.5)
            before = account()
            nft(f"add element inet t s {{ {', '.join(map(element, range(count)))} }}\n")
            took = (account() - before) / count
            print(kind, spec, took)
            assert 16 < took < told * 1.15, spec
        nft("flush ruleset")


BANS = 30000


def test_many_bans(lab, picket):
    """120 bytes each, beside a megabyte; newcomers are judged beside them; and none is lost by a restart, not even if
    the file that held them is removed before."""
    def standing():
        return daemon.ctl("status").one["counts"]["bans"]
    daemon = picket("score { max_sources = 8192 }")
    time.sleep(2)
    bare = memory(daemon)
    daemon.stop()
    put_bans(daemon.state_dir, BANS)
    daemon.start()
    wait_until(lambda: standing() == BANS, 20, "all are restored", every=0.5)
    time.sleep(2)
    print(bare, daemon.memory_mb())
    assert memory(daemon) - bare < 1 + 1.5 + 120 * BANS / (1 << 20) or SANITIZED, daemon.memory_mb()
    assert len(daemon.graded()) == BANS
    who = Stranger(lab)
    veil(lab, daemon, who.v4)
    daemon.stop()
    daemon.start()
    assert standing() == BANS
    time.sleep(2.5)        # the sentry has been told that a save needs no blocks
    os.unlink(os.path.join(daemon.state_dir, "picket.db"))
    daemon.wait_line("picket.db was removed or replaced: begun anew")
    time.sleep(0.5)
    daemon.stop()
    daemon.start()
    assert standing() == BANS


def limit_address_space(daemon, limit=None):
    """Of the sentry, from now on (None: as it was); by its own user, since root may lack the capability."""
    pid = daemon.sentry()
    with open(f"/proc/{pid}/limits") as f:
        most = next(line for line in f if line.startswith("Max address space")).split()[-2]
    user = os.stat(f"/proc/{pid}")
    subprocess.run(["setpriv", f"--reuid={user.st_uid}", f"--regid={user.st_gid}", "--clear-groups", "prlimit",
                    f"--pid={pid}", f"--as={limit or most}:"], check=True)


def test_no_memory_for_veils(lab, picket):
    """Nobody waits who cannot be remembered: it is told and counted, and over when there is memory again."""
    daemon = picket()
    who = Stranger(lab)
    limit_address_space(daemon, 1 << 20)
    veil(lab, daemon, who.v4)
    assert who.connect_s(4) < 0.5
    daemon.wait_line("failed: no memory for veils, which take 21 MB: new connections of veiled sources pass at once")
    refused = daemon.ctl("status").one["veil"]
    assert refused["memory_bytes"] == 0 and refused["unremembered"] > 0
    assert "SYNs of veiled sources let in because there was no memory for veils" in \
        daemon.ctl("status", json_output=False).out
    assert daemon.kernel_grade(who.v4) == "veil"
    limit_address_space(daemon, 512 << 20)
    time.sleep(1)
    assert 0.8 < who.connect_s(4, 777) < 3, "of port 80 it is a customer now"
    daemon.wait_line(r"veils have their memory; \d+ new connections passed at once")
    wait_until(lambda: veil_memory(daemon) > 0, 2, "the memory is shown")
