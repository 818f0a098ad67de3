/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An IPv6 net with a customer in it: one source like any other net, but never banned as a whole.
 */
#include "core.h"

static void one_request_does_not_hide_a_scan(void **state)
{
	struct core core = core_new(NULL);
	struct addr addr = core_addr("2001:db8:1:1::1");
	unsigned sent = 0;

	(void)state;
	engine_customer(core.engine, &addr, core.now_ms);
	for (enum verdict verdict = VERDICT_ACCEPT; verdict == VERDICT_ACCEPT && sent < 501; sent++) {
		struct probe probe;

		addr.b[14] = (uint8_t)(1 + sent / 256);
		addr.b[15] = (uint8_t)sent;
		probe = core_syn(&addr, (uint16_t)(100 + sent));
		verdict = engine_probe(core.engine, &probe, core.now_ms += 10, core.actions);
	}
	assert_in_range(sent, 2, 10);
	assert_int_equal(core_explain(&core, "2001:db8:1:1:ffff::1").block.grade, GRADE_VEIL);
	core_free(&core);
}

static void a_ban_is_for_the_address_alone(void **state)
{
	struct core core = core_new(NULL);
	struct addr customer = core_addr("2001:db8:1:1::c"), guilty = core_addr("2001:db8:1:1::bad");
	struct prefix host = prefix_host(&guilty);
	static const uint16_t ports[] = { 23, 5900 };
	struct probe probe;

	(void)state;
	engine_customer(core.engine, &customer, core.now_ms);
	for (size_t i = 0; i < 2; i++) {
		probe = core_trap(&guilty, ports[i]);
		engine_probe(core.engine, &probe, core.now_ms, core.actions);
	}
	assert_int_equal(core_status(&core).bans, 1);
	assert_int_equal(core_explain(&core, "2001:db8:1:1::bad").block.grade, GRADE_BAN);
	assert_int_equal(core_explain(&core, "2001:db8:1:1::bad").block.source.len, 128);
	assert_non_null(strstr(core.actions->items[core.actions->count - 1].event.text, "the address alone"));
	assert_int_equal(core_explain(&core, "2001:db8:1:1::c").block.grade, GRADE_VEIL);
	/* Forged in the customer's name: no handshake, no ban. */
	for (uint16_t port = 1; port < 40; port++) {
		probe = core_syn(&customer, port);
		engine_probe(core.engine, &probe, core.now_ms, core.actions);
	}
	assert_int_equal(core_status(&core).bans, 1);
	/* One word of an admin frees the address, whatever it was in. */
	assert_int_equal(engine_unblock(core.engine, &host, core.now_ms, core.actions), ENGINE_OK);
	assert_int_equal(core_explain(&core, "2001:db8:1:1::bad").block.grade, GRADE_NONE);
	core_free(&core);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_request_does_not_hide_a_scan),
		cmocka_unit_test(a_ban_is_for_the_address_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
