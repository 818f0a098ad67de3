#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the seeds of the fuzzers whose input is made of parts:  seeds.py [DIRECTORY]   (tests/fuzz/seeds)

They are what a kernel or a process of ours says in ordinary times, and the edges of it: from there the fuzzer goes on.
What an input looks like is said at the head of fuzz_kernel.h and of each program.
"""
import os
import sys

from seeds_daemon import engine, sentry, supervisor
from seeds_kernel import conntrack, host, nft, queue
from seeds_packet import packet

FUZZERS = {"fuzz_queue": queue, "fuzz_host": host, "fuzz_conntrack": conntrack, "fuzz_nft": nft, "fuzz_engine": engine,
           "fuzz_sentry": sentry, "fuzz_supervisor": supervisor, "fuzz_packet": packet}


def main():
    top = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "seeds")
    for fuzzer, seeds in FUZZERS.items():
        os.makedirs(os.path.join(top, fuzzer), exist_ok=True)
        for name, data in seeds():
            with open(os.path.join(top, fuzzer, name), "wb") as file:
                file.write(data)


if __name__ == "__main__":
    main()
