#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Do the tests notice a wrong program?  mutate.py [-n COUNT] [-s SEED] [-j JOBS] [-t SECONDS] FOLDER-OR-FILE...

Makes COUNT random changes of one token each to the C files there, in a copy of the tree, and runs the unit tests and
the scenarios that reach the changed line, the fastest first, until one fails.  What does not compile, and what compiles
to the same code as before, is drawn again and not counted.  Prints each change: killed and by what, or survived, with
its diff.  The same seed and the same tree make the same changes.  tests/mutation/README.md tells more.
"""
import argparse
import concurrent.futures
import difflib
import hashlib
import json
import os
import queue
import random
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import changes

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LIBRARY = "build/libmutants.so"
SCENARIOS = "scenarios"                         # all of them, where it is told what reaches a line
MAKE = ["make", "-s", "BUILD=build", f"STACK={LIBRARY}", f"CORE={LIBRARY}", "LDFLAGS="]
CODE = "CFLAGS=-O2 -g0 -fPIC"                   # no lines are noted, so the same code is the same object file
COVERED = "CFLAGS=-O1 -g -fPIC --coverage"
MEMORY = 4 << 30                                # bytes, what a test of a changed program may take


def environment(**more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return {**kept, "CMOCKA_MESSAGE_OUTPUT": "TAP", "CCACHE_NOHASHDIR": "1", **more}


def build(tree, flags, *targets):
    compiler = ["CC=ccache cc"] if shutil.which("ccache") else []
    done = subprocess.run([*MAKE, *compiler, flags, f"-j{os.cpu_count()}", *targets], cwd=tree, text=True,
                          env=environment(CCACHE_BASEDIR=tree), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        sys.exit("mutate: the unchanged program does not build:\n" + done.stdout)
    return done.stdout


def copy_tree(to):
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                            stdout=subprocess.PIPE, text=True, check=True).stdout
    for path in filter(None, listed.split("\0")):
        if os.path.isfile(os.path.join(ROOT, path)):
            os.makedirs(os.path.dirname(os.path.join(to, path)), exist_ok=True)
            shutil.copy(os.path.join(ROOT, path), os.path.join(to, path))


def tests_of(tree, files):
    """{name: argv} of the unit tests, and of each scenario where it links one of the files."""
    units = sorted(name[:-2] for name in os.listdir(f"{tree}/tests/unit") if name.startswith("test_")
                   and name.endswith(".c"))
    found = {name: [f"build/unit/{name}"] for name in units}
    for name in sorted(os.listdir(f"{tree}/tests/replay")):
        if name.endswith(".txt") and any(path.startswith(("src/base", "src/core")) for path in files):
            found[name[:-4]] = ["build/replay-run", f"tests/replay/{name}"]
    return found


def sleeps(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "R"
    except OSError:
        return False


def watch(child, ended, most):
    """Ends a child that has slept for so many seconds; one that only waits for a processor has not."""
    slept = 0
    while not ended.wait(1):
        slept += sleeps(child.pid)
        if slept > most:
            child.kill()
            return


def run_test(tree, argv, seconds, **more):
    """(None when it passed, else how it failed; the processor seconds that it took).  The limit is of processor time,
    for the machine may be busy; one that sleeps for ever is ended as well."""
    def limits():
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 1))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    child = subprocess.Popen(argv, cwd=tree, env=environment(**more), preexec_fn=limits, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ended = threading.Event()
    threading.Thread(target=watch, args=(child, ended, 10 * seconds + 20), daemon=True).start()
    _, status, usage = os.wait4(child.pid, 0)
    ended.set()
    child.returncode = os.waitstatus_to_exitcode(status)
    failed = None if status == 0 else "failed" if os.WIFEXITED(status) else f"signal {os.WTERMSIG(status)}"
    return failed, usage.ru_utime + usage.ru_stime


def walk(tree, folder):
    for there, _, names in os.walk(os.path.join(tree, folder)):
        for name in names:
            yield os.path.relpath(os.path.join(there, name), tree)


def object_of(path):
    return "build/" + path[len("src/"):-len(".c")] + ".o"


class Reach:
    """Which tests execute which line, as gcov counted it.  What is known of an unchanged program and test is kept."""

    def __init__(self, tree, files, kept):
        self.tree, self.files, self.kept, self.known = tree, files, kept, {}
        self.lines = {path: {} for path in files}
        try:
            with open(kept) as f:
                self.old = json.load(f)
        except (OSError, ValueError):
            self.old = {}
        self.common = self.digest(path for folder in ("src", "include", "tests/unit", "tests/replay")
                                  for path in walk(tree, folder)
                                  if path.endswith(".h") or not path.startswith("tests/unit/test_")
                                  and not path.endswith(".txt"))

    def digest(self, paths):
        total = hashlib.sha256()
        for path in sorted(paths):
            with open(os.path.join(self.tree, path), "rb") as f:
                total.update(path.encode() + b"\0" + f.read() + b"\0")
        return total.hexdigest()

    def key(self, argv):
        own = argv[1:] or ["tests/" + argv[0][len("build/"):] + ".c"]
        return self.common[:32] + self.digest(own)[:32]

    def is_known(self, name, argv):
        key = self.key(argv)
        if self.old.get(name, {}).get("key") != key or set(self.files) - set(self.old[name]["lines"]):
            return False
        self.known[name] = self.old[name]
        return True

    def measure(self, name, argv):
        """What it reaches is written below a folder of its own, so that several can run at a time."""
        prefix = f"{self.tree}/reach/{name}"
        for path in self.files:
            note = f"{self.tree}/{object_of(path)[:-2]}.gcno"
            os.makedirs(os.path.dirname(prefix + note), exist_ok=True)
            os.symlink(note, prefix + note)
        run_test(self.tree, argv, 100, GCOV_PREFIX=prefix)
        data = [whole for path in self.files
                if os.path.exists(whole := f"{prefix}{self.tree}/{object_of(path)[:-2]}.gcda")]
        lines = {path: {} for path in self.files}
        told = subprocess.run(["gcov", "--json-format", "--stdout", *data], cwd=self.tree, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True).stdout if data else ""
        for document in told.splitlines():
            for file in json.loads(document)["files"]:
                for line in file["lines"] if file["file"] in lines else ():
                    known = lines[file["file"]]
                    known[str(line["line_number"])] = known.get(str(line["line_number"]), 0) or int(line["count"] > 0)
        shutil.rmtree(prefix)
        self.known[name] = {"key": self.key(argv), "lines": lines}

    def close(self):
        for name, found in self.known.items():
            for path in self.files:
                for number, count in found["lines"][path].items():
                    reached = self.lines[path].setdefault(int(number), set())
                    if count:
                        reached.add(name)
        os.makedirs(os.path.dirname(self.kept), exist_ok=True)
        with open(self.kept, "w") as f:
            json.dump(self.known, f)

    def tests(self, path, number):
        """Of a line without code of its own (a continued statement) those of the line before; of a table all."""
        known = self.lines[path]
        before = [line for line in known if line <= number]
        return known[max(before)] if before else set().union(*known.values())


def measure_reach(tree, tests, files, jobs):
    """Runs the tests once, slowly, and leaves the tree without what that took.  The scenarios count as one: they are
    quick, and most of them reach the same."""
    scenarios = [argv[1] for argv in tests.values() if len(argv) > 1]
    tests = {name: argv for name, argv in tests.items() if len(argv) == 1}
    if scenarios:
        tests[SCENARIOS] = ["build/replay-run", *scenarios]
    place = "-".join(files)
    kept = f"{ROOT}/build/mutants/reach-{hashlib.sha256(place.encode()).hexdigest()[:16]}.json"
    reach = Reach(tree, files, kept)
    left = {name: argv for name, argv in tests.items() if not reach.is_known(name, argv)}
    if left:
        shutil.copytree(f"{tree}/build", f"{tree}/kept")
        for path in files:      # these alone are built anew; the programs take them from the library
            os.remove(os.path.join(tree, object_of(path)))
        build(tree, COVERED, LIBRARY)
        with concurrent.futures.ThreadPoolExecutor(jobs) as workers:
            list(workers.map(lambda item: reach.measure(*item), left.items()))
        shutil.rmtree(f"{tree}/build")
        shutil.move(f"{tree}/kept", f"{tree}/build")
    reach.close()
    return reach


def time_tests(tree, tests, most, jobs):
    """{name: processor seconds}; what fails in an unchanged program, or takes too long, is left out, with a line."""
    with concurrent.futures.ThreadPoolExecutor(jobs) as workers:
        results = dict(zip(tests, workers.map(lambda argv: run_test(tree, argv, most), tests.values())))
    for name, (failed, _) in results.items():
        if failed:
            print(f"not used: {name}, which takes too long or fails without a change ({failed})")
    return {name: seconds for name, (failed, seconds) in results.items() if not failed}


def compilers(tree, files):
    """{path: the command line that compiles it}."""
    told = subprocess.run([*MAKE, CODE, "-Bn", "Q=", *map(object_of, files)], cwd=tree, env=environment(),
                          stdout=subprocess.PIPE, text=True, check=True).stdout
    lines = [shlex.split(line) for line in told.splitlines() if " -MMD " in line]
    return {argv[-1]: [word for word in argv if word not in ("-MMD", "-MP")] for argv in lines}


class Place:
    """A copy of the built tree in which one change at a time is tried."""

    def __init__(self, tree, commands, link):
        self.tree, self.commands, self.link = tree, commands, link

    def call(self, argv):
        return subprocess.run(argv, cwd=self.tree, env=environment(), stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode == 0

    def read(self, path):
        with open(os.path.join(self.tree, path), "rb") as f:
            return f.read()

    def write(self, path, data):
        with open(os.path.join(self.tree, path), "wb") as f:
            f.write(data)

    def attempt(self, path, source, plan):
        """("void" | "same" | "killed" | "survived", by whom).  plan: (name, argv, seconds) in the order to run."""
        original, binary = self.read(path), self.read(object_of(path))
        try:
            self.write(path, source.encode())
            if not self.call(self.commands[path]):
                return "void", None
            if self.read(object_of(path)) == binary:
                return "same", None
            if not self.call(self.link):
                return "void", None
            for name, argv, seconds in plan:
                failed, _ = run_test(self.tree, argv, seconds)
                if failed:
                    return "killed", f"{name}, {failed}"
            return "survived", None
        finally:
            self.write(path, original)
            self.write(object_of(path), binary)


class Trial:
    def __init__(self, options, files):
        self.options, self.files = options, files
        self.random = random.Random(options.seed)
        self.sources = {}
        self.pool = {kind: [] for kind in changes.KINDS}
        for path in files:
            with open(os.path.join(ROOT, path)) as f:
                self.sources[path] = f.read()
            for change in changes.changes(self.sources[path]):
                self.pool[change.kind].append((path, change))
        for kind in changes.KINDS:
            self.random.shuffle(self.pool[kind])

    def draw(self):
        """The next change; each kind has the same share while there are any of it."""
        kinds = [kind for kind in changes.KINDS if self.pool[kind]]
        return self.pool[self.random.choice(kinds)].pop() if kinds else None

    def prepare(self, folder):
        first = os.path.join(folder, "0")
        copy_tree(first)
        tests = tests_of(first, self.files)
        build(first, CODE, LIBRARY, "build/replay-run", *(argv[0] for argv in tests.values() if len(argv) == 1))
        self.times, self.tests = time_tests(first, tests, self.options.seconds / 3,
                                            self.options.jobs), tests
        self.reach = measure_reach(first, {name: tests[name] for name in self.times}, self.files,
                                   self.options.jobs)
        commands = compilers(first, self.files)
        link = ["cc", "-shared", "-o", LIBRARY, *sorted(self.objects(first))]
        link += subprocess.run([*MAKE, "libraries"], cwd=first, env=environment(), text=True, check=True,
                               stdout=subprocess.PIPE).stdout.split()
        self.places = queue.Queue()
        for number in range(self.options.jobs):
            tree = os.path.join(folder, str(number))
            if number:
                shutil.copytree(first, tree, symlinks=True)
            self.places.put(Place(tree, commands, link))

    @staticmethod
    def objects(tree):
        for folder, _, names in os.walk(f"{tree}/build"):
            for name in names:
                path = os.path.relpath(os.path.join(folder, name), tree)
                if name.endswith(".o") and name != "main.o" and not path.startswith("build/tests/"):
                    yield path

    def plan(self, path, change):
        """The tests that reach the change, the fastest first, as many as the time allows."""
        reached = self.reach.tests(path, change.line(self.sources[path]))
        budget, chosen = self.options.seconds, []
        if SCENARIOS in reached:
            reached = reached | {name for name, argv in self.tests.items() if len(argv) > 1}
        for name in sorted(reached & set(self.times), key=self.times.get):
            budget -= self.times[name]
            if budget < 0:
                break
            chosen.append((name, self.tests[name], 10 * self.times[name] + 2))
        return chosen

    def one(self, path, change):
        place = self.places.get()
        try:
            plan = self.plan(path, change)
            return (path, change, len(plan), *place.attempt(path, change.apply(self.sources[path]), plan))
        finally:
            self.places.put(place)

    def tell(self, path, change, tests, verdict, by):
        source = self.sources[path]
        where = f"{path}:{change.line(source)}"
        if verdict == "killed":
            was, now = source[change.offset:change.offset + change.length], change.text
            print(f"killed    {where}: {change.kind} {shown(was)} to {shown(now)}  ({by})", flush=True)
            return
        print(f"SURVIVED  {where}: {change.kind}, " + (f"{tests} tests reach it" if tests else "no test reaches it"))
        diff = difflib.unified_diff(source.splitlines(), change.apply(source).splitlines(), n=2, lineterm="")
        print(*list(diff)[2:], sep="\n", flush=True)

    def run(self):
        counts = {"void": 0, "same": 0, "killed": 0, "survived": 0}
        with concurrent.futures.ThreadPoolExecutor(self.options.jobs) as workers:
            running = set()
            while True:
                decided = counts["killed"] + counts["survived"]
                while len(running) < min(self.options.jobs, self.options.count - decided):
                    drawn = self.draw()
                    if not drawn:
                        break
                    running.add(workers.submit(self.one, *drawn))
                if not running:
                    return counts
                done, running = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
                for future in done:
                    path, change, tests, verdict, by = future.result()
                    counts[verdict] += 1
                    if verdict in ("killed", "survived"):
                        self.tell(path, change, tests, verdict, by)


def shown(text):
    text = " ".join(text.split())
    return f"'{text}'" if len(text) <= 40 else f"'{text[:37]}...'"


def sources(places):
    for place in places:
        whole = os.path.join(ROOT, place)
        if os.path.isfile(whole):
            yield os.path.relpath(whole, ROOT)
        for folder, _, names in os.walk(whole):
            for name in names:
                if name.endswith(".c") and name != "main.c":
                    yield os.path.relpath(os.path.join(folder, name), ROOT)


def apart():
    """Starts this program again with processes, network and /proc of its own: a changed program that signals every
    process reaches none of this machine, and what it leaves behind ends with it."""
    if "PICKET_MUTANTS" in os.environ:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return
    if os.geteuid() != 0:
        print("mutate: it takes root, for a changed program must run where it can harm nothing")
        sys.exit(77)
    os.environ["PICKET_MUTANTS"] = "1"
    os.execvp("unshare", ["unshare", "--fork", "--kill-child", "--pid", "--mount-proc", "--net", "--ipc",
                          sys.executable, "-B", *sys.argv])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", dest="count", type=int, default=200, help="how many changes (200)")
    parser.add_argument("-s", dest="seed", type=int, default=None, help="of the random choice; printed at the end")
    parser.add_argument("-j", dest="jobs", type=int, default=os.cpu_count(), help="how many at a time")
    parser.add_argument("-t", dest="seconds", type=float, default=30, help="of tests for each change (30)")
    parser.add_argument("places", nargs="+", metavar="FOLDER-OR-FILE")
    options = parser.parse_args()
    apart()
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1 << 32)
    files = sorted(set(sources(options.places)))
    if not files:
        sys.exit("mutate: no C file there")
    began = time.monotonic()
    trial = Trial(options, files)
    with tempfile.TemporaryDirectory(prefix="picket-mutants-") as folder:
        trial.prepare(folder)
        print(f"{len(trial.times)} tests, prepared in {time.monotonic() - began:.0f} s", flush=True)
        counts = trial.run()
    decided = counts["killed"] + counts["survived"]
    print(f"{' '.join(options.places)}: {counts['killed']} of {decided} noticed"
          f" ({100 * counts['killed'] // max(decided, 1)} %), seed {options.seed}; not counted: {counts['same']} of the"
          f" same code, {counts['void']} that do not compile; {time.monotonic() - began:.0f} s")
    return 0 if decided else 1


if __name__ == "__main__":
    sys.exit(main())
