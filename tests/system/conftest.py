# SPDX-License-Identifier: GPL-2.0-or-later
import os
import shutil
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import lab as laboratory        # noqa: E402
import picket as daemon         # noqa: E402
import wire as recorder         # noqa: E402
from town import own_town, shared, town     # noqa: E402

__all__ = ["own_town", "shared", "town"]    # fixtures

sys.dont_write_bytecode = True


def pytest_sessionstart(session):
    if os.geteuid() != 0:
        pytest.exit("the system tests make network namespaces: run them as root", returncode=3)
    for program in (daemon.PICKETD, daemon.PICKETCTL):
        if not os.access(program, os.X_OK):
            pytest.exit(f"{program} is not built", returncode=3)


def pytest_sessionfinish(session, exitstatus):
    laboratory.sweep()


@pytest.fixture
def lab(worker_id, request):
    """A laboratory of its own, real services running.  Its parameter is the round trip to the attacker, in ms."""
    made = laboratory.Lab(worker_id, delay_us=getattr(request, "param", 20) * 500)
    try:
        made.services()
        yield made
    finally:
        made.close()


@pytest.fixture
def picket(lab):
    """picket(config, option=value, ...) starts the daemon in the victim's namespace; ended and removed afterwards."""
    started = []

    def start(config="", *arguments, **options):
        instance = daemon.Picket(lab, config, **options)
        started.append(instance)
        return instance.start(*arguments)
    start.make = lambda config="", **options: started.append(daemon.Picket(lab, config, **options)) or started[-1]
    yield start
    problems = []
    for instance in reversed(started):
        try:
            instance.close()
        except AssertionError as error:
            problems.append(str(error))
    assert not problems, problems


@pytest.fixture
def honest(lab):
    """The honest client works during the whole test; its report is checked at the end unless the test did so."""
    client = lab.honest()
    yield client
    if client.report is None:
        client.check()


@pytest.fixture
def wire(lab):
    """wire(host, address, ...) records what that host's eth0 carries."""
    opened = []

    def start(host, *addresses):
        opened.append(recorder.Wire(host, *addresses))
        return opened[-1]
    yield start
    for one in opened:
        one.close()


def needs(tool):
    return pytest.mark.skipif(shutil.which(tool) is None, reason=f"{tool} is not installed")


def pytest_configure(config):
    config.addinivalue_line("markers", "core: also run with the sanitizer build")
    config.addinivalue_line("markers", "long: takes minutes of waiting or all of the machine; PICKET_LONG=1 runs it")


def pytest_collection_modifyitems(items):
    if not os.environ.get("PICKET_LONG"):
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="long: PICKET_LONG=1 runs it"))
