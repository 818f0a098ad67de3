# SPDX-License-Identifier: GPL-2.0-or-later
"""The short form of `make chaos`: a few faults under load, the same each time."""
import chaos


def test_a_few_faults(lab):
    report = chaos.run(lab, 12, seed=3)
    print(report)
    assert report["kills"] > 5 and report["knocked"] > 50 and report["grades"] > 10 and report["requests"] > 100, report
