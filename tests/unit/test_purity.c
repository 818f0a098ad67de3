/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The core is pure: its archive needs nothing from outside but memory, arithmetic and text.  Reads the undefined
 * symbols of libpicket.a, which lies beside the folder that this program was built into.
 */
#include <stdio.h>
#include <unistd.h>

#include "core.h"

/* What may be needed.  Whatever is not here, a socket, a clock, a file, a log, fails the test. */
static const char *const allowed[] = {
	"calloc",
	"free",
	"malloc",
	"memchr",
	"memcmp",
	"memcpy",
	"memmove",
	"memset",
	"strchr",
	"strcmp",
	"strlen",
	"strncmp",
	"strnlen",
	"strspn",
	"strcspn",
	"strtoul",
	"strtoull",
	"snprintf",
	"vsnprintf",
	"qsort",
	"bsearch",
	"inet_ntop",
	"inet_pton",
	"exp2",
	"fmax",
	"fmin",
	"floor",
	"log",
	"log2",
	"isfinite",
	"memmem",
	"__ctype_b_loc",
	"__errno_location",
	"__isoc99_sscanf",
	"__popcountdi2",
	"_GLOBAL_OFFSET_TABLE_",
};

/* Compilers add these: the stack guard, fortified forms of what is allowed, sanitizers, coverage. */
static const char *const added[] = { "__stack_chk_", "__asan_", "__ubsan_", "__tsan_",
				     "__sanitizer_", "__gcov_", "__llvm_" };

static bool may_be_needed(const char *symbol)
{
	char plain[300];
	size_t len;

	for (size_t i = 0; i < sizeof(added) / sizeof(added[0]); i++) {
		if (strncmp(symbol, added[i], strlen(added[i])) == 0)
			return true;
	}
	/* __memcpy_chk is memcpy. */
	snprintf(plain, sizeof(plain), "%s",
		 strncmp(symbol, "__", 2) == 0 && strstr(symbol, "_chk") ? symbol + 2 : symbol);
	len = strlen(plain);
	if (plain != symbol && len > 4 && strcmp(plain + len - 4, "_chk") == 0)
		plain[len - 4] = 0;
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
		if (strcmp(plain, allowed[i]) == 0)
			return true;
	}
	return false;
}

static void the_core_needs_nothing_from_outside(void **state)
{
	char program[1024], command[4096], symbol[256];
	ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);
	unsigned foreign = 0, looked_at = 0;
	FILE *names;

	(void)state;
	assert_true(len > 0);
	program[len] = 0;
	for (int up = 0; up < 2 && strrchr(program, '/'); up++)
		*strrchr(program, '/') = 0;
	/* Undefined in some member and defined in none. */
	snprintf(command, sizeof(command),
		 "nm -u '%s/libpicket.a' | awk '$1 == \"U\" {print $2}' | sort -u | "
		 "grep -vxF -f <(nm --defined-only '%s/libpicket.a' | awk 'NF == 3 {print $3}')",
		 program, program);
	assert_int_equal(setenv("PICKET_NM", command, 1), 0);
	names = popen("command -v nm >/dev/null && exec bash -c \"$PICKET_NM\"", "r");
	assert_non_null(names);
	while (fscanf(names, "%255s", symbol) == 1) {
		looked_at++;
		if (!may_be_needed(symbol)) {
			print_error("the core needs %s\n", symbol);
			foreign++;
		}
	}
	pclose(names);
	if (looked_at == 0)
		skip();
	assert_int_equal(foreign, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(the_core_needs_nothing_from_outside) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
