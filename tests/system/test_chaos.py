# SPDX-License-Identifier: GPL-2.0-or-later
"""The short form of `make chaos`: a few faults under load, the same each time."""
import chaos


def test_a_few_faults(lab):
    report = chaos.run(lab, 8, seed=3)
    assert report["requests"] > 100 and report["blocks"] > 10, report
