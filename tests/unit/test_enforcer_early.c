/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The early drop, over a fake kernel: when the kernel is asked, what is told; and the versions of kernels that take it.
 */
#include "fake_kernel.h"

#include "kernel.h"

static struct guard *guard_early(enum early_drop early, bool ingress)
{
	struct guard *guard = guard_new(NFT_BLOCK);

	guard->kernel.ingress = ingress;
	guard->rules.early = early;
	enforcer_configure(guard->enforcer, &guard->rules);
	assert_int_equal(enforcer_load(guard->enforcer, guard->core.now_ms), 0);
	return guard;
}

static void nobody_asks_while_nobody_is_cut_off(void **state)
{
	struct guard *guard = guard_early(EARLY_ON, true);

	(void)state;
	for (int i = 0; i < 10; i++)
		tick(guard, 1000);
	assert_int_equal(guard->kernel.early_looks, 0);
	block(guard, "198.51.100.7", 60000);
	for (int i = 0; i < 10; i++)
		tick(guard, 100);
	assert_in_range(guard->kernel.early_looks, 1, 2);
	guard_free(guard);
}

static void what_stands_is_looked_after_to_its_end(void **state)
{
	struct guard *guard = guard_early(EARLY_ON, true);

	(void)state;
	block(guard, "198.51.100.7", 0);
	guard->kernel.loud_links = 2;
	tick(guard, 1000);
	assert_int_equal(status_of(guard).early_links, 2);
	assert_int_equal(status_of(guard).early, EARLY_ON);
	unblock(guard, "198.51.100.7");
	guard->kernel.loud_links = 0;
	tick(guard, 1000);
	assert_int_equal(status_of(guard).early_links, 0);
	unsigned looks = guard->kernel.early_looks;
	tick(guard, 1000);
	assert_int_equal(guard->kernel.early_looks, looks);
	guard_free(guard);
}

static void a_pause_has_none(void **state)
{
	struct guard *guard = guard_early(EARLY_ON, true);

	(void)state;
	block(guard, "198.51.100.7", 0);
	guard->kernel.loud_links = 1;
	tick(guard, 1000);
	assert_int_equal(enforcer_pause(guard->enforcer, 0, guard->core.now_ms), 0);
	tick(guard, 1000);
	assert_int_equal(status_of(guard).early_links, 0);
	guard_free(guard);
}

static void a_refusal_is_told_once(void **state)
{
	struct guard *guard = guard_early(EARLY_ON, true);

	(void)state;
	block(guard, "198.51.100.7", 0);
	guard->kernel.loud_links = -ENOMEM;
	for (int i = 0; i < 5; i++)
		tick(guard, 1000);
	assert_true(was_told(guard, "refused an ingress hook"));
	assert_int_equal(guard->notice_count, 1);
	guard->kernel.loud_links = 1;
	tick(guard, 1000);
	guard->kernel.loud_links = -ENOMEM;
	tick(guard, 1000);
	assert_int_equal(guard->notice_count, 2);
	guard_free(guard);
}

static void its_absence_is_told_once(void **state)
{
	static const struct {
		enum early_drop wanted, in_force;
		const char *told;
	} cases[] = {
		{ EARLY_ON, EARLY_NO_HOOK, "no ingress hook" },
		{ EARLY_OLD_KERNEL, EARLY_OLD_KERNEL, "CVE-2024-26808" },
		{ EARLY_OFF, EARLY_OFF, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct guard *guard = guard_early(cases[i].wanted, false);

		block(guard, "198.51.100.7", 0);
		tick(guard, 1000);
		tick(guard, 1000);
		assert_int_equal(status_of(guard).early, cases[i].in_force);
		assert_int_equal(guard->notice_count, cases[i].told ? 1 : 0);
		if (cases[i].told)
			assert_true(was_told(guard, cases[i].told));
		assert_int_equal(guard->kernel.early_looks, 0);
		guard_free(guard);
	}
}

static void kernels_are_told_apart(void **state)
{
	static const struct {
		const char *release, *version;
		bool is_number, releases;
	} cases[] = {
		{ "5.10.0-28-amd64", "#1 SMP Debian 5.10.209-2 (2024-01-31)", true, false },
		{ "5.10.0-29-amd64", "#1 SMP Debian 5.10.216-1 (2024-05-03)", true, true },
		{ "6.1.0-17-cloud-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.69-1 (2023-12-30)", true, false },
		{ "6.1.0-18-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.76-1 (2024-02-01)", true, true },
		{ "6.12.48+deb13-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.12.48-1 (2025-09-20)", true, true },
		{ "6.5.0-0.deb12.4-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.5.10-1~bpo12+1", true, false },
		{ "6.8", "", true, true },
		{ "6.7.3", "", true, true },
		{ "6.7.2", "#1 SMP", true, false },
		{ "5.15.0-101-generic", "#111-Ubuntu SMP Tue Mar 5 20:16:58 UTC 2024", true, false },
		{ "6.1.0-18-amd64", "#1 SMP Debian 6.12.76-1", true, false }, /* another one's number */
		{ "7.0.1", "", true, true },
		{ "4.19.0", "", true, false },
		{ "next", "Debian 6.1.76", false, false },
		{ "", "", false, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct kernel_version version = { 0, 0, 0 };

		assert_int_equal(kernel_version_parse(cases[i].release, cases[i].version, &version),
				 cases[i].is_number);
		if (kernel_releases_ingress(&version) != cases[i].releases)
			fail_msg("%s, %s", cases[i].release, cases[i].version);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_asks_while_nobody_is_cut_off),
		cmocka_unit_test(what_stands_is_looked_after_to_its_end),
		cmocka_unit_test(a_pause_has_none),
		cmocka_unit_test(a_refusal_is_told_once),
		cmocka_unit_test(its_absence_is_told_once),
		cmocka_unit_test(kernels_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
