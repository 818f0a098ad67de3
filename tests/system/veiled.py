# SPDX-License-Identifier: GPL-2.0-or-later
"""People and forgers for the tests of the veil: strangers behind the attacker's gateway, with a round trip, each in a
net of his own; who is under suspicion is so because somebody forged his address."""
import itertools
import subprocess
import threading
import time

from lab import MAC, VICTIM4, VICTIM6, built, stop_process, wait_until
from matrix_send import frame, send

STACK = bytes.fromhex("020405b40402080a000000010000000001030307")      # the options of a SYN as Linux sends it
MSS = b"\2\4\5\xb4"
CLOSED = tuple(range(201, 281))     # low: a session excuses closed ports above 1023
EVIDENCE = 7            # forged probes that veil anybody


class Stranger:
    """An IPv4 address and an IPv6 network in the attacker's namespace, nobody else's within the same /24 or /48."""

    _numbers = {}

    def __init__(self, lab, n=None):
        counter = self._numbers.setdefault(lab.prefix, itertools.count(1))
        self.n = next(counter) if n is None else n
        self.lab, self.host = lab, lab.attacker
        self.v4, self.v6 = f"100.{64 + self.n // 250}.{self.n % 250}.7", f"2001:db8:{0x1000 + self.n:x}::7"
        for address in (self.v4, self.v6):
            lab.attacker.add_address(address)

    def address(self, family):
        return self.v4 if family == 4 else self.v6

    def connect_s(self, family, port=80, timeout=8.0, keep=False):
        """How long a connect takes; infinity where there is none.  keep: (seconds, the open socket)."""
        target = (VICTIM4 if family == 4 else VICTIM6)[0]
        started = time.monotonic()
        s = self.host.connect(target, port, timeout, self.address(family), keep=True)
        took = time.monotonic() - started
        if isinstance(s, str):
            return (float("inf"), None) if keep else float("inf")
        if keep:
            return took, s
        s.close()
        return took


def key(address):
    return address if ":" not in address else address.rpartition("::")[0] + "::/64"


def forge_suspicion(lab, *addresses, probes=EVIDENCE):
    """SYNs to closed ports in each of these names."""
    frames = [frame(address, (VICTIM6 if ":" in address else VICTIM4)[0], 30000 + n, CLOSED[n], options=MSS)
              for n in range(probes) for address in addresses]
    send(lab, frames, 0.0003)


def veil(lab, daemon, *addresses):
    """Has them veiled, and waits until the kernel knows."""
    forge_suspicion(lab, *addresses)
    for address in addresses:
        wait_until(lambda: daemon.kernel_grade(key(address)) == "veil", 5,
                   lambda: f"{address} is veiled: {daemon.graded()}\n{daemon.log_text()}", every=0.05)


def veiled_strangers(lab, daemon, count):
    people = [Stranger(lab) for _ in range(count)]
    veil(lab, daemon, *(address for one in people for address in (one.v4, one.v6)))
    return people


class Flood:
    """Forged SYNs at a steady rate, out of the attacker's interface; ended with `with`."""

    def __init__(self, lab, first, names, rate, ports, each=1, options="stack", seconds=120, target=None):
        target = target or (VICTIM6 if ":" in first else VICTIM4)[0]
        self.process = lab.attacker.popen(built("flood"), "eth0", MAC["victim"], target, first, names, each, rate,
                                          seconds, options, ports, stdout=subprocess.PIPE, text=True)

    def wait(self):
        return int(self.process.communicate()[0])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        stop_process(self.process)


def at_once(*calls):
    """Runs all of them side by side; their results."""
    results = [None] * len(calls)

    def run(n, call):
        try:
            results[n] = call()
        except Exception as error:      # told by whoever looks at the result
            results[n] = error
    threads = [threading.Thread(target=run, args=item, daemon=True) for item in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results
