# SPDX-License-Identifier: GPL-2.0-or-later
"""A server that people share: a laboratory, its services, a daemon in its default configuration, and the fixtures
for them."""
import time

import pytest

import lab as laboratory
import picket as daemon_module
from senders import Person, explained

ALERT, VEIL = 4.6, 6.9


class Town:
    """A laboratory, its services, a daemon; and people who come to it."""

    def __init__(self, worker, config=""):
        self.lab = laboratory.Lab(worker)
        self.daemon = None
        try:
            self.lab.services()
            self.daemon = daemon_module.Picket(self.lab, config).start()
        except BaseException:
            self.close()
            raise

    def person(self):
        return Person(self.lab)

    def close(self):
        try:
            if self.daemon:
                self.daemon.close()
        finally:
            self.lab.close()

    def unharmed(self, *people, below=VEIL, at_least=5):
        """Nobody is veiled nor ever was; those who work lost nothing; sums add up.  The highest score among them."""
        time.sleep(0.1)
        assert self.daemon.graded() == [], self.daemon.graded()
        told = self.daemon.lines(r"\b(veil|ban|block) \S+(?: for \w+)?: ")
        assert told == [], told
        highest = 0.0
        for person in people:
            for address in (person.v4, person.v6) if isinstance(person, Person) else (person,):
                told = explained(self.daemon, address)
                if told:
                    print(address, told["grade"], told["score"], told["kind"],
                          [(p["what"], p.get("port"), p["weight"]) for p in told["evidence"]])
                    highest = max(highest, told["score"])
            if isinstance(person, Person):
                if person.steady:
                    person.steady.check(at_least)
                person.served()
        assert highest < below, highest
        return highest


@pytest.fixture(scope="module")
def shared(worker_id):
    made = Town(worker_id)
    yield made
    made.close()


@pytest.fixture
def town(shared):
    """The shared one, with whatever an earlier test left undone put right."""
    yield shared
    shared.daemon.ctl("unblock", "--all", check=False)
    open(shared.daemon.log_path, "r+").truncate(0)


@pytest.fixture
def own_town(worker_id):
    """own_town(config): one for this test alone."""
    made = []

    def start(config=""):
        made.append(Town(worker_id, config))
        return made[-1]
    yield start
    for one in made:
        one.close()


def chain(host, table, hook, *rules):
    """A firewall of the host's own: one chain in a table of its own."""
    host.nft("\n".join([f"table inet {table} {{", f"chain only {{ type filter hook {hook} priority 0;", *rules, "}",
                        "}"]))
