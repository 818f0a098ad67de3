/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nets: how much it takes to veil one, the wider the more; which are never veiled; whom their veil does not touch, and
 * for how long.
 */
#include "core.h"
#include "engine/internal.h"

static unsigned told(const struct core *core, enum action_type type)
{
	unsigned count = 0;

	for (size_t i = 0; i < core->actions->count; i++)
		count += core->actions->items[i].type == type;
	return count;
}

static void send_syn(struct core *core, const struct addr *source, uint16_t port)
{
	struct probe probe = core_syn(source, port);

	engine_probe(core->engine, &probe, core->now_ms, core->actions);
}

/* The n-th member of a scan in which each sends one SYN to a port below 1024, 1.4 nats. */
static void send_as_member(struct core *core, const struct addr *member, unsigned n)
{
	static const uint16_t ports[] = { 1,  7,  9,  11, 13,  15,  17,  19,  21,  22,  23,  37,  42,  43,  53,  69,
					  77, 79, 87, 95, 101, 102, 103, 104, 109, 111, 113, 115, 117, 119, 123, 135 };

	assert_true(n < sizeof(ports) / sizeof(ports[0]));
	send_syn(core, member, ports[n]);
}

static struct prefix standing(const struct core *core, const char *address)
{
	struct block_view block = core_explain(core, address).block;

	return block.grade == GRADE_NONE ? (struct prefix){ .len = 0 } : block.source;
}

/* How many members, each with the byte `differs` of its address its own, bring down a veil; *on says on what. */
static unsigned members_until_veil(const char *base, unsigned differs, struct prefix *on)
{
	struct core core = core_new(NULL);
	struct addr member = core_addr(base);
	unsigned n = 0;

	do {
		member.b[differs] = (uint8_t)(n + 1);
		send_as_member(&core, &member, n++);
	} while (core_status(&core).veils == 0 && n < 32);
	*on = standing(&core, base);
	core_free(&core);
	return n;
}

/* Thresholds 1.5 times higher from each level to the next: 10.3, 15.5 and 23.3 nats, at 1.4 a member. */
static void the_wider_a_net_the_more_it_takes(void **state)
{
	static const struct {
		const char *base;
		unsigned differs, members, len;
	} cases[] = {
		{ "198.51.100.0", 15, 8, 96 + 24 },
		{ "2001:db8:1:200::1", 7, 8, 56 },
		{ "2001:db8:1:2::1", 6, 12, 48 },
		{ "2001:db8:1:2::1", 5, 17, 40 },
	};
	struct prefix on;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(members_until_veil(cases[i].base, cases[i].differs, &on), cases[i].members);
		assert_int_equal(on.len, cases[i].len);
	}
	/* Neighbours with nothing in common: other /24s, and hosts behind a translator. */
	assert_int_equal(members_until_veil("198.51.100.7", 14, &on), 32);
	assert_int_equal(members_until_veil("64:ff9b::c633:6407", 15, &on), 32);
}

/* A /64 on a link is the net of hosts that are counted one by one. */
static void hosts_on_a_link_share_their_slash_64(void **state)
{
	struct core core = core_new(NULL);
	struct prefix link = core_prefix("2001:db8:1:2::/64");
	struct addr member = core_addr("2001:db8:1:2::1");

	(void)state;
	engine_protect(core.engine, &link, PROTECT_ONLINK, core.now_ms, core.actions);
	for (unsigned n = 0; n < 8; n++) {
		assert_int_equal(core_status(&core).veils, 0);
		member.b[15] = (uint8_t)(n + 1);
		send_as_member(&core, &member, n);
	}
	assert_int_equal(core_status(&core).veils, 1);
	assert_int_equal(standing(&core, "2001:db8:1:2::99").len, 64);
	core_free(&core);
}

static void scan_from_net(struct core *core, const char *base)
{
	struct addr member = core_addr(base);

	for (unsigned n = 0; n < 20; n++) {
		member.b[15] = (uint8_t)(n + 1);
		send_as_member(core, &member, n);
	}
}

/* What an admin allowed, or what is protected as a whole, has no veil around it. */
static void a_net_with_a_friend_is_never_veiled(void **state)
{
	static const struct {
		const char *friend;
		bool allow;
		unsigned veils;
	} cases[] = {
		{ "198.51.0.0/16", true, 0 },
		{ "198.51.100.0/24", false, 0 },
		{ "198.51.100.200", false, 1 }, /* it is exempt, its neighbours are not */
		{ "203.0.113.0/24", true, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct core core = core_new(NULL);
		struct prefix friend = core_prefix(cases[i].friend);

		if (cases[i].allow)
			engine_allow(core.engine, &friend, 0, ALLOW_ADMIN, core.now_ms, core.actions);
		else
			engine_protect(core.engine, &friend, PROTECT_RESOLVER, core.now_ms, core.actions);
		scan_from_net(&core, "198.51.100.0");
		assert_int_equal(core_status(&core).veils, cases[i].veils);
		core_free(&core);
	}
}

/* The kernel hears of the protected first, of sixteen at most; what is no single address it does not look up. */
static void the_kernel_spares_the_protected_of_a_net(void **state)
{
	struct core core = core_new(NULL);
	struct prefix some = core_prefix("198.51.100.224/27"), other = core_prefix("203.0.113.1");
	struct addr member = core_addr("198.51.100.0");

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		char text[32];
		struct prefix host;

		snprintf(text, sizeof(text), "198.51.100.%u", 100 + i);
		host = core_prefix(text);
		engine_protect(core.engine, &host, PROTECT_LOGIN, core.now_ms, core.actions);
	}
	engine_protect(core.engine, &some, PROTECT_NTP, core.now_ms, core.actions);
	engine_protect(core.engine, &other, PROTECT_NTP, core.now_ms, core.actions);
	for (unsigned n = 0; core_status(&core).veils == 0; n++) {
		member.b[15] = (uint8_t)(n + 1);
		send_as_member(&core, &member, n);
	}
	assert_int_equal(told(&core, ACTION_EXEMPT), 16);
	for (size_t i = 0; i < 16; i++) {
		assert_int_equal(core.actions->items[i].type, ACTION_EXEMPT);
		assert_int_equal(core.actions->items[i].source.len, 128);
		assert_int_equal(core.actions->items[i].duration_ms, DAY_MS);
	}
	assert_int_equal(core.actions->items[16].type, ACTION_ADD);
	core_free(&core);
}

/* Members go on: the veil lives as long as they do, and no second one begins, on it or inside a wider block. */
static void a_veiled_net_is_renewed_by_its_members(void **state)
{
	struct core core = core_new(NULL);
	struct prefix wide = core_prefix("198.51.0.0/16");
	struct addr member = core_addr("198.51.100.99");

	(void)state;
	scan_from_net(&core, "198.51.100.0");
	assert_int_equal(core_status(&core).veils_total, 1);
	core.now_ms += 1800000;
	send_syn(&core, &member, 500);
	assert_int_equal(core_explain(&core, "198.51.100.99").block.until_ms, core.now_ms + 3600000);
	assert_int_equal(core_status(&core).veils_total, 1);
	core_free(&core);

	core = core_new(NULL);
	assert_int_equal(engine_block(core.engine, &wide, 0, false, "", core.now_ms, core.actions), ENGINE_OK);
	scan_from_net(&core, "198.51.100.0");
	assert_int_equal(core_status(&core).veils, 0);
	core_free(&core);
}

/* What a net's members did is one scan: the veil, what is shown of the net, and a later veil within the hour say so. */
static void a_veiled_net_has_one_incident(void **state)
{
	struct core core = core_new(NULL);
	struct prefix net = core_prefix("198.51.100.0/24");
	struct addr member = core_addr("198.51.100.99");
	uint32_t incident;

	(void)state;
	scan_from_net(&core, "198.51.100.0");
	incident = core_explain(&core, "198.51.100.99").block.incident;
	assert_true(incident > 0);
	assert_int_equal(core_explain(&core, "198.51.100.0/24").source.incident, incident);
	engine_block_failed(core.engine, &net, core.now_ms); /* the kernel refused it */
	core.now_ms += 60000;
	send_syn(&core, &member, 500);
	assert_int_equal(core_status(&core).veils_total, 2);
	assert_int_equal(core_explain(&core, "198.51.100.99").block.incident, incident);
	core_free(&core);
}

static void who_is_freed_is_free_for_a_day(void **state)
{
	struct core core = core_new(NULL);
	struct prefix host = core_prefix("198.51.100.200"), stranger = core_prefix("203.0.113.1"),
		      half = core_prefix("198.51.100.128/25");

	(void)state;
	scan_from_net(&core, "198.51.100.0");
	assert_int_equal(engine_unblock(core.engine, &stranger, core.now_ms, core.actions), ENGINE_NOT_FOUND);
	assert_int_equal(engine_unblock(core.engine, &half, core.now_ms, core.actions), ENGINE_NOT_FOUND);
	assert_int_equal(engine_unblock(core.engine, &host, core.now_ms, core.actions), ENGINE_OK);
	assert_int_equal(core.actions->count, 2);
	assert_int_equal(core.actions->items[0].type, ACTION_EXEMPT);
	assert_int_equal(core.actions->items[0].duration_ms, DAY_MS);
	assert_int_equal(core.actions->items[1].event.type, EVENT_UNBLOCK);
	assert_int_equal(core.actions->items[1].event.grade, GRADE_VEIL);
	assert_string_equal(core.actions->items[1].event.text, "free of the veil of its net for a day");
	assert_int_equal(engine_verdict(core.engine, &host.addr), VERDICT_ACCEPT);
	/* What it does itself ends that, in the kernel as well. */
	core_scan(&core, "198.51.100.200");
	assert_int_equal(engine_verdict(core.engine, &host.addr), VERDICT_VEIL);
	assert_int_equal(engine_exempt_until(core.engine, &host), 0);
	core_free(&core);
}

/* No more than so many are free at a time; those whose day is over give their places. */
static void the_freed_are_bounded(void **state)
{
	struct core core = core_new(NULL);
	struct prefix host = core_prefix("198.51.100.200");

	(void)state;
	scan_from_net(&core, "198.51.100.0");
	for (unsigned i = 0; i < ENGINE_EXEMPT_MAX; i++) {
		const uint8_t b[4] = { 100, 64, (uint8_t)(i >> 8), (uint8_t)i };
		struct addr addr = addr_from_v4(b);
		struct prefix freed = prefix_host(&addr);

		engine_restore_exempt(core.engine, &freed, core.now_ms + (i < 3 ? 5000 : DAY_MS), core.now_ms);
	}
	assert_int_equal(core_status(&core).exempt, ENGINE_EXEMPT_MAX);
	core.now_ms += 4999;
	assert_int_equal(engine_unblock(core.engine, &host, core.now_ms, core.actions), ENGINE_FULL);
	assert_int_equal(core.actions->count, 0);
	core.now_ms += 1;
	assert_int_equal(engine_unblock(core.engine, &host, core.now_ms, core.actions), ENGINE_OK);
	assert_int_equal(core_status(&core).exempt, ENGINE_EXEMPT_MAX - 2);
	assert_int_equal(engine_exempt_until(core.engine, &host), core.now_ms + DAY_MS);
	core_free(&core);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_wider_a_net_the_more_it_takes),
		cmocka_unit_test(hosts_on_a_link_share_their_slash_64),
		cmocka_unit_test(a_net_with_a_friend_is_never_veiled),
		cmocka_unit_test(the_kernel_spares_the_protected_of_a_net),
		cmocka_unit_test(a_veiled_net_is_renewed_by_its_members),
		cmocka_unit_test(a_veiled_net_has_one_incident),
		cmocka_unit_test(who_is_freed_is_free_for_a_day),
		cmocka_unit_test(the_freed_are_bounded),
	};

	return cmocka_run_group_tests_name("nets", tests, NULL, NULL);
}
