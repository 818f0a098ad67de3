#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Each rule of scripts/lint finds what it is there for, at its line, and lets good code pass."""
import importlib.machinery
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("lint", os.path.join(ROOT, "scripts", "lint"))
lint = importlib.util.module_from_spec(importlib.util.spec_from_loader("lint", loader))
loader.exec_module(lint)

TAG = "/* SPDX-License-Identifier: GPL-2.0-or-later */\n"
UNFINISHED = "TO" + "DO"

# rule: what is wrong (path -> text), and the beginnings of the findings that must come, no others.
BAD = {
    "text": [
        ({"src/a.c": "int f(void);\n"}, ["src/a.c:1: no licence tag"]),
        ({"scripts/a": "#!/bin/sh\nexit 0\n"}, ["scripts/a:1: no licence tag"]),
        ({"src/a.c": TAG + "int f(void); \n"}, ["src/a.c:2: blanks at the end"]),
        ({"src/a.c": TAG + f"/* {UNFINISHED}: more */\n"}, ["src/a.c:2: unfinished"]),
        ({"src/a.c": TAG + "/* " + "x" * 115 + " */\n"}, ["src/a.c:2: 121 columns"]),
        ({"src/a.c": TAG + "\t" * 13 + "x = 123456789012345;\n"}, ["src/a.c:2: 124 columns"]),
        ({"src/a.c": TAG + "        return 0;\n"}, ["src/a.c:2: indented with blanks"]),
        ({"a.sh": "#!/bin/sh\n# SPDX-License-Identifier: GPL-2.0-or-later\n# " + "x" * 160}, ["a.sh:3: 162 columns"]),
    ],
    "size": [
        ({"src/a.c": TAG + "\n" * 600}, ["src/a.c:601: a file of 601 lines"]),
        ({"src/a.c": TAG + "int f(void)\n{\n" + "\tg();\n" * 61 + "}\n"}, ["src/a.c:3: a function of 61 lines"]),
    ],
    "globals": [
        ({"src/a.c": "static int count;\n"}, ["src/a.c:1"]),
        ({"src/a.c": "int count = 3;\n"}, ["src/a.c:1"]),
        ({"src/a.c": "/* of\n * two lines */\nstatic const char *name = \"a const char *name\";\n"}, ["src/a.c:3"]),
        ({"src/a.c": "struct a {\n\tint b;\n} c;\n"}, ["src/a.c:3"]),
        ({"src/a.c": "static struct a rows[] = {\n\t{ 1 },\n};\n"}, ["src/a.c:3"]),
        ({"src/a.c": "static void (*hook)(int);\n"}, ["src/a.c:1"]),
        ({"src/a.c": "int f(void)\n{\n\tstatic int calls;\n\treturn ++calls;\n}\n"}, ["src/a.c:3"]),
        ({"src/a.c": "static _Thread_local char text[9];\n"}, ["src/a.c:1"]),
        ({"src/a.c": "int f(void)\n{\n}\n\nint count;\n"}, ["src/a.c:5"]),
    ],
    "includes": [
        ({"src/adapters/nft/a.c": '#include "store/internal.h"\n', "src/adapters/store/internal.h": ""},
         ["src/adapters/nft/a.c:1: src/adapters/store/internal.h is private",
          "src/adapters/nft/a.c:1: no adapter includes another"]),
        ({"src/daemon/sentry/a.c": '#include "keeper/internal.h"\n', "src/daemon/keeper/internal.h": ""},
         ["src/daemon/sentry/a.c:1: src/daemon/keeper/internal.h is private"]),
        ({"src/adapters/nft/a.c": '\n#include "trap/trap.h"\n', "src/adapters/trap/trap.h": ""},
         ["src/adapters/nft/a.c:2: no adapter includes another"]),
        ({"src/config/config.h": '#include "nft/nft.h"\n', "src/adapters/nft/nft.h": ""},
         ["src/config/config.h:1: src/config must not include src/adapters"]),
        ({"src/core/engine/a.c": '#include "clock.h"\n', "src/os/clock.h": ""},
         ["src/core/engine/a.c:1: src/core must not include src/os"]),
        ({"src/base/a.c": "#include <picket/engine.h>\n", "include/picket/engine.h": ""},
         ["src/base/a.c:1: src/base must not include include/picket"]),
        ({"src/daemon/a.c": '#include "source/score.h"\n', "src/core/source/score.h": ""},
         ["src/daemon/a.c:1: src/daemon must not include src/core"]),
    ],
    "circles": [
        ({"src/core/a/a.c": '#include "b/b.h"\n', "src/core/b/b.h": '#include "c/c.h"\n',
          "src/core/c/c.h": '#include "a/a.h"\n', "src/core/a/a.h": ""},
         ["src/core/a/a.c:1: a circle of includes: src/core/a -> src/core/b -> src/core/c -> src/core/a"]),
    ],
    "wrap": [
        ({"src/a.c": "/* What the sentry keeps\n * and the keeper saves. */\n"}, ["src/a.c:1"]),
        ({"src/a.c": "/*\n * The store.  It saves\n * every block.\n */\n"}, ["src/a.c:2"]),
        ({"src/a.h": "struct a {\n\tint b; /* the first,\n\t\t* not the last */\n};\n"}, ["src/a.h:2"]),
    ],
    "claims": [
        ({"SECURITY.md": "Nobody is cut (`test_one`,\n`forged-one`, `forged-two`, `fuzz_one`, `fuzz_two`, `make`).\n",
          "tests/system/test_a.py": "def test_one():", "tests/replay/forged-one.txt": "", "tests/fuzz/fuzz_one.c": ""},
         ["SECURITY.md:2: forged-two", "SECURITY.md:2: fuzz_two"]),
        ({"docs/veil.md": "`test_two`\n", "tests/system/test_a.py": "def test_two_more():"},
         ["docs/veil.md:1: test_two"]),
    ],
    "limits": [
        ({"docs/limits.md": "| rows | `ROW_MAX` 16 | `rows_max` | `totals.rows` | `test_a` |\n| `OLD_MAX` |\n",
          "src/a.c": "#define HALF 4\n#define ROW_MAX (2 * HALF) /* of them */\n",
          "src/b.h": "#define A_SECOND 3\n#define B_RATE 3\n", "src/ctl/c.h": "#define C_MAX 3\n",
          "src/config/options.c": '{ NULL, "rows",', "src/daemon/keeper/json_status.c": 'NUMBER("totals", "row",'},
         ["docs/limits.md:1: ROW_MAX is not 16", "docs/limits.md:1: there is no option rows_max",
          "docs/limits.md:1: status has no totals.rows", "src/b.h:1: A_SECOND", "src/b.h:2: B_RATE"]),
        ({"docs/limits.md": "| rows | `ROW_MAX` 8,192 | `rows` | `totals.row` | `test_a` |\n",
          "src/a.c": "#define ROW_MAX (8 * 1024u)\n",
          "src/config/options.c": '"rows"', "src/daemon/keeper/json_status.c": '"totals", "row"'}, []),
    ],
    "version": [
        ({"Makefile": "VERSION   := 0.2.0\n", "debian/changelog": "picket (0.1.0) unstable\n",
          "CHANGELOG.md": "# Changelog\n\n## 0.2.0\n\n## 0.1.0\n"}, ["debian/changelog:1: version 0.1.0"]),
        ({"Makefile": "VERSION := 0.2.0\n", "debian/changelog": "picket (0.2.0) unstable\n",
          "CHANGELOG.md": "# Changelog\n\n## 0.1.0 (unreleased)\n"}, ["CHANGELOG.md:1: version 0.1.0"]),
    ],
}

# What none of the rules may complain about.
GOOD = {
    "Makefile": "VERSION := 0.2.0\n",
    "debian/changelog": "picket (0.2.0) unstable; urgency=medium\n",
    "CHANGELOG.md": "# Changelog  \n\n## 0.2.0 (unreleased)\n",
    "include/picket/a.h": TAG + '#include "addr.h"\nstruct a;\nextern int shared;\n',
    "src/base/addr.h": TAG + "struct addr {\n\tint b[4];\n} __attribute__((packed));\n",
    "src/core/engine/internal.h": TAG + "typedef void done_fn(int);\ndone_fn one, two,\n\tthree;\n",
    "src/core/engine/engine.c": TAG + """\
/*
 * A sentence that ends early.
 * Another one, in the same comment, that goes on for so long that its last word has to stand on the line after the
 * first.  A table:
 *   one   1
 *   two   2
 */
#include <picket/a.h>
#include "internal.h"

#define SIZE \\
    4
static const int table[] = { 1, 2, SIZE };
static const char *const names[] = { "static int count;", "a" };
static void (*const steps[])(int) = { one, two };
enum kind { A, B };

static int f(const char *text)
{
    static const struct {
        const char *name;
    } rows[] = { { "a" } };
    int local = 3;

    return local + rows[0].name[0] + text[0];
}
""".replace("    ", "\t"),
    "src/daemon/main.c": TAG + '#include "sentry/sentry.h"\n',
    "src/daemon/options.h": TAG,
    "src/daemon/sentry/sentry.h": TAG + '#include "options.h"\n',
}


def check(failures):
    for name in (name for name in lint.CHECKS if name in BAD):
        for tree, expected in BAD[name]:
            found = list(lint.CHECKS[name](tree))
            if len(found) != len(expected) or not all(line.startswith(start) for line, start in zip(found, expected)):
                failures.append(f"{name}: {tree}\n    expected {expected}\n    found {found}")
        found = list(lint.CHECKS[name](GOOD))
        if found:
            failures.append(f"{name}: complains about good code: {found}")


def check_tools(failures):
    """The tools are started with options under which they do find something."""
    bad = {"clang_format": ("a.c", "int  f( void );\n"), "shellcheck": ("a.sh", "#!/bin/sh\nrm $1\n"),
           "pyflakes": ("a.py", "import os\n"), "pycodestyle": ("a.py", "x = 1\n" + "# " + "x " * 60 + "x\n"),
           "cppcheck": ("src/a.c", "int f(void)\n{\n\tint a[2];\n\n\ta[2] = 0;\n\treturn a[2];\n}\n")}
    with tempfile.TemporaryDirectory(prefix="picket-lint-") as folder:
        shutil.copy(os.path.join(ROOT, ".clang-format"), folder)
        os.mkdir(os.path.join(folder, "src"))
        lint.ROOT = folder
        for name, (path, text) in bad.items():
            with open(os.path.join(folder, path), "w") as f:
                f.write(text)
            try:
                if not list(lint.CHECKS[name]({path: text})):
                    failures.append(f"{name}: finds nothing in {text!r}")
            except lint.Skipped as reason:
                print(f"{name}: {reason}")


def main():
    failures = []
    untested = [name for name, rule in lint.CHECKS.items() if rule.__name__.startswith("rule_") and name not in BAD]
    if untested:
        failures.append(f"rules without a sample that they refuse: {untested}")
    check(failures)
    check_tools(failures)
    done = subprocess.run([os.path.join(ROOT, "scripts", "lint"), "no-such-check"], capture_output=True, text=True)
    if done.returncode == 0 or "the checks are" not in done.stderr:
        failures.append("an unknown check is taken")
    print(*failures, sep="\n")
    return 1 if failures else 0


sys.exit(main())
