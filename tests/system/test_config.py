# SPDX-License-Identifier: GPL-2.0-or-later
"""The configuration as the daemon reads it: every mistake told in one run, nothing touched."""
import glob
import os
import re
import subprocess

import pytest

from lab import ATTACKER4
from picket import FIVE_FAMILIES, PICKETD, visit_traps


@pytest.fixture
def check(tmp_path):
    """check(text) runs `picketd -t`: (exit status, its lines).  No namespace is needed, since nothing is touched."""
    def run(text, *arguments, name="picket.conf"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        done = subprocess.run([PICKETD, "-t", "-c", str(path), *arguments], capture_output=True, text=True, timeout=10)
        return done.returncode, (done.stdout + done.stderr).replace(str(path), "FILE").splitlines()
    return run


@pytest.mark.core
def test_empty_file_is_good(check):
    assert check("")[0] == 0
    assert check("# nothing but a comment\n")[0] == 0


@pytest.mark.core
def test_every_mistake_is_told_at_once(check):
    code, lines = check('mode = "maybe"\n'                          # 1
                        'queue = 70000\n'                           # 2
                        'no_such_thing = 1\n'                       # 3
                        'allow = { "192.0.2.1/24", "nonsense" }\n'  # 4
                        'trap { tcp = { "99999" } }\n'              # 5
                        'ban { first = "10" }\n'                    # 6
                        'score {\n'
                        '    max_sources = 5\n'                     # 8
                        '    veil = 2.0\n'                          # 9
                        '}\n'
                        'hook mail { on = { "sometimes" } }\n')     # 11
    assert code == 2, lines
    told = {int(m[1]) for line in lines if (m := re.match(r"FILE:(\d+): ", line))}
    assert told >= {1, 2, 3, 4, 5, 6, 8, 9, 11}, lines
    for line in lines:
        assert re.match(r"FILE:\d+: ", line), line
    assert sum("expected" in line for line in lines) >= 8, lines


@pytest.mark.parametrize("text, words", [
    ('mode = "maybe"', ["mode", "observe", "block"]),
    ('queue = -1', ["queue"]),
    ('allow = { "10.0.0.1/8" }', ["10.0.0.1/8"]),
    ('table = "no blanks"', ["table"]),
    ('run_dir = "relative"', ["run_dir"]),
    ('score { alert = 0 }', ["alert"]),
    ('score { veil = "x" }', ["veil"]),
    ('veil { max = "x" }', ["max"]),
    ('ban { first = "2h" max = "1h" }', ["first"]),
    ('ban { cut_running = "perhaps" }', ["cut_running"]),
    ('hook x { on = { "block" } }', ["command"]),
    ('hook x { on = { "block" } command = { "relative" } }', ["command"]),
    ('hook x { on = { "block" } command = { "/bin/true" } user = "no-such-user" }', ["no-such-user"]),
    ('hook x { on = { "block" } command = { "/bin/true", "%{nonsense}" } }', ["nonsense"]),
    ('mode = "block"\nmode = "observe', [""]),
    ('trap {', [""]),
])
def test_a_bad_value_is_named(check, text, words):
    code, lines = check(text + "\n")
    assert code == 2, lines
    assert all(re.match(r"FILE:\d+: ", line) for line in lines) and lines
    for word in words:
        assert any(word in line for line in lines), (word, lines)


@pytest.mark.parametrize("noise", [b"\0" * 100, b"\xff" * 1000, b"{" * 5000, b'"' * 999, b"a" * 200000, b"= = =\n",
                                   b"mode\n"],
                         ids=["zeros", "high", "braces", "quotes", "long", "signs", "word"])
def test_noise_is_refused_politely(check, noise):
    code, lines = check(noise)
    assert code == 2 and lines, lines[:3]


def test_what_others_can_write_is_refused(tmp_path):
    """A single line, and picketd does not start: who can write its orders gives orders to root."""
    path = tmp_path / "picket.conf"
    path.write_text("")
    path.chmod(0o664)
    for arguments in (["-t"], ["-f"]):
        done = subprocess.run([PICKETD, *arguments, "-c", str(path)], capture_output=True, text=True, timeout=10)
        assert done.returncode == 2
        assert done.stderr.splitlines() == [f"{path}: {path} can be written by others than root, "
                                            "expected that root alone can change what picketd obeys"]
    path.chmod(0o644)
    done = subprocess.run([PICKETD, "-t", "-c", str(path)], capture_output=True, text=True, timeout=10)
    assert done.returncode == 0 or "by others" not in done.stderr


def test_missing_named_file(tmp_path):
    done = subprocess.run([PICKETD, "-t", "-c", str(tmp_path / "nowhere")], capture_output=True, text=True, timeout=10)
    assert done.returncode == 2 and "nowhere" in done.stderr


@pytest.mark.core
def test_the_shipped_file_is_good(check):
    from picket import ROOT
    with open(os.path.join(ROOT, "conf", "picket.conf")) as f:
        shipped = f.read()
    # The accounts it names belong to an installed picket.
    shipped = re.sub(r'"picket(-hook)?"(?=\s*(#|$))', '"nobody"', shipped, flags=re.M)
    code, lines = check(shipped)
    assert code == 0, lines


def test_what_the_doctor_says_to_write_is_good(check):
    from picket import ROOT
    advised = [found for path in glob.glob(os.path.join(ROOT, "src/ctl/doctor/*.c"))
               for found in re.findall(r"(\w+ = \w+) in picket\.conf", open(path).read())]
    assert len(advised) >= 4 and any("reverse_path" in line for line in advised), advised
    for line in advised:
        code, lines = check(line + "\n")
        assert code == 0, (line, lines)


def test_a_bad_file_touches_nothing(lab, picket):
    daemon = picket.make("bogus = 1").spawn()
    assert daemon.process.wait(10) == 2
    assert daemon.tables() == [] and not os.path.exists(daemon.run_dir)
    assert re.search(rf"{daemon.conf}:\d+: .*bogus", daemon.log_text())


def test_conf_d_is_read_in_order(lab, picket):
    daemon = picket.make()
    os.mkdir(os.path.join(daemon.dir, "conf.d"))
    for name, text in (("10-a.conf", 'ban { first = "7m" }'), ("20-b.conf", 'ban { first = "9m" }'),
                       ("skipped.txt", "bogus = 1")):
        with open(os.path.join(daemon.dir, "conf.d", name), "w") as f:
            f.write(text + "\n")
    daemon.start()
    visit_traps(lab, *FIVE_FAMILIES)
    assert " for 9m: " in daemon.wait_graded(ATTACKER4, grade="ban")


def test_an_allow_file_that_vanished_loses_nothing(picket):
    daemon = picket.make()
    daemon.start()
    assert daemon.reload().code == 0                                             # not there yet: an empty one
    daemon.ctl("allow", "add", "198.51.100.0/24", "--save")
    assert daemon.reload().code == 0
    os.rename(daemon.allow_file, daemon.allow_file + ".away")
    refused = daemon.reload()
    assert refused.code == 1 and daemon.allow_file in refused.out + refused.err, (refused.out, refused.err)
    assert "is not there, expected" in daemon.log_text() and "not reloaded" in daemon.log_text()
    assert daemon.ctl("allow", "check", "198.51.100.7").code == 0
    unsaved = daemon.ctl("allow", "add", "203.0.113.0/24", "--save", check=False)
    assert "is gone" in unsaved.out + unsaved.err and not os.path.exists(daemon.allow_file), (unsaved.out, unsaved.err)
    os.rename(daemon.allow_file + ".away", daemon.allow_file)
    assert daemon.reload().code == 0
    daemon.stop()
    daemon.start()                                              # from the file alone
    assert daemon.ctl("allow", "check", "198.51.100.7").code == 0
    os.unlink(daemon.allow_file)
    assert daemon.reload().code == 1
    assert daemon.ctl("allow", "check", "198.51.100.7").code == 0
    open(daemon.allow_file, "w").close()                        # emptied on purpose
    assert daemon.reload().code == 0
    assert daemon.ctl("allow", "check", "198.51.100.7", check=False).code == 1


def test_version_and_usage():
    assert re.fullmatch(r"picketd \d+\.\d+\.\d+\n", subprocess.run([PICKETD, "-V"], capture_output=True,
                                                                   text=True).stdout)
    assert subprocess.run([PICKETD, "--nonsense"], capture_output=True).returncode == 2
