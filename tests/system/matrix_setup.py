# SPDX-License-Identifier: GPL-2.0-or-later
"""What some rows of the matrix need beside a scanner: relays that scan for somebody else, SYN cookies, a visit
before."""
import os
import subprocess
import time

from lab import CLIENT4, HERE, MAC, PYTHON, VICTIM4

ZOMBIE = "198.51.100.77"


def _meet(lab):
    """Attacker and client reach each other, as both do on the internet."""
    for host, other, addresses in ((lab.attacker, "client", (CLIENT4, ZOMBIE)),
                                   (lab.client, "attacker", ("203.0.113.66",))):
        for address in addresses:
            host.batch(f"route replace {address}/32 dev eth0",
                       f"neigh replace {address} lladdr {MAC[other]} dev eth0 nud permanent")


def _relay(lab, *arguments):
    _meet(lab)
    process = lab.client.popen(PYTHON, os.path.join(HERE, "relays.py"), *arguments, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"


def zombie(lab):
    _relay(lab, "zombie", ZOMBIE)


def ftp_relay(lab):
    _relay(lab, "ftp", "2121")


def syn_cookies(lab):
    lab.victim.sysctl(net__ipv4__tcp_syncookies=2)


def visit_page(lab):
    pass


def visit_page_later(lab):
    """The scanner looks at the web page first, as any visitor."""
    for _ in range(3):
        assert lab.attacker.get(VICTIM4[0])
    time.sleep(0.2)
