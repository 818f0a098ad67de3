# SPDX-License-Identifier: GPL-2.0-or-later
"""picketctl metrics: Prometheus' text format 0.0.4, read by a strict parser of our own, and by promtool where it is
there."""
import os
import re
import shutil
import stat
import subprocess

import pytest

from lab import ATTACKER4, VICTIM4, Scan
from picket import PICKETCTL

pytestmark = pytest.mark.core

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf'({NAME})(?:\{{((?:[a-zA-Z_]\w*="[^"\\\n]*",?)*)\}})? (-?[0-9.e+-]+|\+Inf)$')
PARTS = {"histogram": ("_bucket", "_sum", "_count")}


def parse(text):
    """{(name, labels): value} and {name: type}; every rule of the format that we could break is checked."""
    assert text.endswith("\n") and text.isascii()
    samples, types, helped, current = {}, {}, set(), None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name, _, words = line[7:].partition(" ")
            assert name not in helped and words, line
            helped.add(name)
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            assert name not in types and kind in ("counter", "gauge", "histogram") and name in helped, line
            types[name], current = kind, name
        else:
            match = SAMPLE.match(line)
            assert match, line
            name, labels, value = match.groups()
            assert name in {current + part for part in PARTS.get(types[current],
                                                                 ("",))}, f"{line} stands under {current}"
            key = (name, tuple(sorted(re.findall(r'(\w+)="([^"]*)"', labels or ""))))
            assert key not in samples, f"twice: {line}"
            samples[key] = float(value.replace("+Inf", "inf"))
    for name, kind in types.items():
        assert kind != "counter" or name.endswith("_total"), name
        if kind == "histogram":
            buckets = sorted((float(dict(labels)["le"].replace("+Inf", "inf")), value)
                             for (sample, labels), value in samples.items() if sample == name + "_bucket")
            assert [v for _, v in buckets] == sorted(v for _, v in buckets) and buckets[-1][0] == float("inf")
            assert buckets[-1][1] == samples[name + "_count", ()]
    return samples, types


def promtool(text):
    tool = shutil.which("promtool") or os.environ.get("PROMTOOL")
    if not tool:
        pytest.skip("promtool is not installed (Debian's package prometheus)")
    done = subprocess.run([tool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and not done.stderr.strip(), done.stderr


@pytest.fixture
def scanned(lab, picket):
    daemon = picket('hook told { on = { "veil" } command = { "/bin/true" } user = "nobody" }')
    scan = Scan(lab, "-sS", "-T4", "-p1-200")
    daemon.wait_graded(ATTACKER4, grade="veil")
    scan.stop()
    return daemon


def test_every_family_is_there(scanned):
    samples, types = parse(scanned.ctl("metrics", json_output=False).out)
    status = scanned.ctl("status").one
    for family in ("picket_info", "picket_mode", "picket_uptime_seconds", "picket_sources", "picket_blocked",
                   "picket_probes_total",
                   "picket_evidence_total", "picket_decisions_total", "picket_evicted_total",
                   "picket_queue_packets_total",
                   "picket_queue_overflows_total", "picket_queue_fail_open_total", "picket_packets_rejected_total",
                   "picket_kernel_packets_total", "picket_kernel_refused_total", "picket_trap_hits_total",
                   "picket_hooks_total",
                   "picket_events_lost_total", "picket_log_lines_left_out_total", "picket_control_requests_total",
                   "picket_judging_seconds", "picket_deciding_seconds"):
        assert family in types, family
    assert samples["picket_mode", (("mode", "block"),)] == 1
    assert samples["picket_blocked", (("grade", "veil"),)] == 1
    assert samples["picket_decisions_total", (("grade", "veil"),)] == 1
    assert samples["picket_evidence_total", (("kind", "syn"),)] >= 3
    assert {dict(labels)["kind"] for name, labels in samples
            if name == "picket_evidence_total"} == set(status["evidence_by_kind"])
    assert {dict(labels)["reason"] for name, labels in samples
            if name == "picket_packets_rejected_total"} == set(status["rejected"])
    assert samples["picket_deciding_seconds_count", ()] >= 1
    assert 0 < samples["picket_deciding_seconds_sum", ()] < 5
    assert samples["picket_judging_seconds_count", ()] >= 1


def test_counters_only_grow(lab, scanned):
    before, types = parse(scanned.ctl("metrics", json_output=False).out)
    lab.attacker.connect(VICTIM4[0], 999)
    after, _ = parse(scanned.ctl("metrics", json_output=False).out)
    assert set(before) == set(after)
    for key, value in before.items():
        if types.get(key[0]) == "counter":
            assert after[key] >= value, key


def test_promtool_agrees(scanned):
    promtool(scanned.ctl("metrics", json_output=False).out)


def test_textfile(scanned, tmp_path):
    path = tmp_path / "picket.prom"
    scanned.ctl("metrics", "--textfile", str(path), json_output=False)
    first = path.stat().st_ino
    parse(path.read_text())
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    scanned.ctl("metrics", "--textfile", str(path), json_output=False)
    assert path.stat().st_ino != first, "a reader could see half of it"
    assert [entry.name for entry in tmp_path.iterdir()] == ["picket.prom"]
    answer = scanned.ctl("metrics", "--textfile", str(tmp_path / "no" / "such"), json_output=False, check=False)
    assert answer.code == 1 and "no/such" in answer.err


def test_nobody_answers(tmp_path):
    path = tmp_path / "picket.prom"
    path.write_text("old\n")
    done = subprocess.run([PICKETCTL, "-s", str(tmp_path / "none.sock"), "metrics", "--textfile", str(path)],
                          capture_output=True)
    assert done.returncode == 3
    assert path.read_text() == "old\n", "a file of a daemon that is gone must not look fresh"
