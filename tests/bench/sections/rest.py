# SPDX-License-Identifier: GPL-2.0-or-later
"""Where nothing happens: wake-ups, memory, start, stop, what 100,000 bans add, a replay (`make bench-rest` alone)."""
import rest

MINUTES = 3
# what -> (in words, unit, at most)
PROMISES = {
    "wakeups_a_second": ("wake-ups of the three processes", "a second", 2),
    "memory_mb": ("memory (PSS), nothing veiled", "MB", 16),
    "start_s": ("start until it answers", "s", None),
    "stop_s": ("stop", "s", .3),
    "bans_memory_mb": ("100,000 bans: memory", "MB more", 12),
    "bans_start_s": ("100,000 bans: start", "s", None),
    "bans_stop_s": ("100,000 bans: stop", "s", None),
    "list_text_s": ("100,000 bans: list", "s", .3),
    "list_json_s": ("100,000 bans: list --json", "s", .3),
    "replay_million_s": ("replay of a million packets, processor time", "s", 1),
}


def run(report):
    told = {}
    for part in rest.PARTS.values():
        told |= part()
    for key, value in told.items():
        if key in PROMISES:
            words, unit, most = PROMISES[key]
            report.figure(words, "", value, unit, most)
    report.keep("figures", told)
