/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine, shown: each list page by page and each entry once, ports that were served lately, and what `explain` says
 * of an address whose net is veiled, protected or merely watched.
 */
#include "core.h"

#define DAY_MS  86400000LL
#define ENTRIES 8

/* A page of a list, from a cursor on: returns the next one, and how many entries there were. */
typedef uint32_t page_fn(struct core *core, uint32_t cursor, size_t max, size_t *count, uint16_t ids[ENTRIES]);

static uint32_t allow_page(struct core *core, uint32_t cursor, size_t max, size_t *count, uint16_t ids[ENTRIES])
{
	struct allow_view page[ENTRIES];

	cursor = engine_allows(core->engine, cursor, page, max, count);
	for (size_t i = 0; i < *count; i++)
		ids[i] = page[i].source.addr.b[15];
	return cursor;
}

static uint32_t protect_page(struct core *core, uint32_t cursor, size_t max, size_t *count, uint16_t ids[ENTRIES])
{
	struct protected_view page[ENTRIES];

	cursor = engine_protects(core->engine, cursor, page, max, count);
	for (size_t i = 0; i < *count; i++) {
		ids[i] = page[i].what.addr.b[15];
		assert_int_equal(page[i].why, PROTECT_NTP);
	}
	return cursor;
}

static uint32_t block_page(struct core *core, uint32_t cursor, size_t max, size_t *count, uint16_t ids[ENTRIES])
{
	struct block_view page[ENTRIES];

	cursor = engine_blocks(core->engine, cursor, page, max, count);
	for (size_t i = 0; i < *count; i++)
		ids[i] = page[i].source.addr.b[15];
	return cursor;
}

static uint32_t source_page(struct core *core, uint32_t cursor, size_t max, size_t *count, uint16_t ids[ENTRIES])
{
	struct source_view page[ENTRIES];

	cursor = engine_sources(core->engine, cursor, core->now_ms, page, max, count);
	for (size_t i = 0; i < *count; i++)
		ids[i] = page[i].source.addr.b[15]; /* of their common net: 0 */
	return cursor;
}

static uint32_t service_page(struct core *core, uint32_t cursor, size_t max, size_t *count, uint16_t ids[ENTRIES])
{
	struct served_view page[ENTRIES];

	cursor = engine_services(core->engine, cursor, page, max, count);
	for (size_t i = 0; i < *count; i++) {
		ids[i] = page[i].port;
		assert_int_equal(page[i].protocol, page[i].port == 5 ? PROTO_UDP : PROTO_TCP);
		assert_int_equal(page[i].last_ms, core->now_ms);
	}
	return cursor;
}

/* The bits of what was shown, in pages of so many; nothing is shown twice, and the last page is known as the last. */
static unsigned walk(struct core *core, page_fn *page, size_t max)
{
	unsigned seen = 0, calls = 0;
	uint32_t cursor = 0;
	uint16_t ids[ENTRIES];
	size_t count;

	do {
		cursor = page(core, cursor, max, &count, ids);
		assert_true(count <= max && calls++ < 20);
		for (size_t i = 0; i < count; i++) {
			assert_int_equal(seen & 1u << ids[i], 0);
			seen |= 1u << ids[i];
		}
	} while (cursor);
	return seen;
}

static void each_page_goes_on_where_the_last_ended(void **state)
{
	page_fn *const pages[] = { allow_page, protect_page, block_page, source_page, service_page };
	struct core core = core_new(NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		assert_int_equal(walk(&core, pages[i], 3), 0);
	for (uint8_t i = 1; i <= 5; i++) {
		const uint8_t allowed[4] = { 192, 0, 2, i }, protected[4] = { 192, 0, 3, i },
			      other[4] = { 100, 1, 1, i };
		struct addr a = addr_from_v4(allowed), p = addr_from_v4(protected), o = addr_from_v4(other);
		struct prefix to_allow = prefix_host(&a), to_protect = prefix_host(&p), to_block = prefix_host(&o);
		struct probe probe = core_syn(&o, i);

		engine_allow(core.engine, &to_allow, 0, ALLOW_CONFIG, core.now_ms, core.actions);
		engine_protect(core.engine, &to_protect, PROTECT_NTP, core.now_ms, core.actions);
		engine_block(core.engine, &to_block, 0, false, "", core.now_ms, core.actions);
		engine_served(core.engine, i == 5 ? PROTO_UDP : PROTO_TCP, i, core.now_ms);
		probe.packet.dport = 1000;
		engine_probe(core.engine, &probe, core.now_ms, core.actions);
	}
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		for (size_t max = 1; max <= ENTRIES; max++)
			assert_int_equal(walk(&core, pages[i], max) & ~1u, 0x3e);
	core_free(&core);
}

static unsigned lately(const struct core *core, uint8_t protocol, const uint16_t ports[], size_t count)
{
	static uint8_t bits[65536 / 8];
	unsigned set = 0;

	engine_lately(core->engine, protocol, core->now_ms, bits);
	for (size_t i = 0; i < count; i++)
		assert_true(bits[ports[i] / 8] >> ports[i] % 8 & 1);
	for (size_t i = 0; i < sizeof(bits); i++)
		set += (unsigned)__builtin_popcount(bits[i]);
	return set;
}

/* What the kernel is told of: ports that get no trap, for a day after their service has ended. */
static void ports_served_lately_are_told_by_protocol(void **state)
{
	static const uint16_t tcp[] = { 1, 22, 8080, 65535 }, udp[] = { 53 };
	struct core core = core_new(NULL);

	(void)state;
	for (size_t i = 0; i < 4; i++)
		engine_served(core.engine, PROTO_TCP, tcp[i], core.now_ms);
	engine_served(core.engine, PROTO_UDP, 53, core.now_ms);
	engine_served(core.engine, PROTO_ICMP, 9, core.now_ms); /* it has no ports */
	assert_int_equal(lately(&core, PROTO_TCP, tcp, 4), 4);
	assert_int_equal(lately(&core, PROTO_UDP, udp, 1), 1);
	assert_int_equal(lately(&core, PROTO_ICMP, NULL, 0), 0);
	core.now_ms += DAY_MS - 1000;
	assert_int_equal(lately(&core, PROTO_TCP, tcp, 4), 4);
	core.now_ms += 1000;
	assert_int_equal(lately(&core, PROTO_TCP, NULL, 0), 0);
	core_free(&core);
}

/* A service that stopped before picketd did: its clients are no scanners after the start either. */
static void ports_served_lately_come_back(void **state)
{
	struct core core = core_new(NULL);
	struct addr client = core_addr("198.51.100.7");
	struct probe probe = core_syn(&client, 8080);
	struct served_view served = { .protocol = PROTO_TCP, .port = 8080, .uid = SERVED_SYSTEM };
	static const uint16_t port[] = { 8080 };

	(void)state;
	assert_int_equal(engine_restore_served(core.engine, &served, core.now_ms), ENGINE_INVALID);
	served.last_ms = core.now_ms + DAY_MS; /* of a clock that was ahead */
	assert_int_equal(engine_restore_served(core.engine, &served, core.now_ms), ENGINE_OK);
	assert_int_equal(lately(&core, PROTO_TCP, port, 1), 1);
	engine_probe(core.engine, &probe, core.now_ms, core.actions);
	assert_int_equal(core_status(&core).sources, 0);
	core.now_ms += DAY_MS;
	assert_int_equal(lately(&core, PROTO_TCP, NULL, 0), 0);
	engine_probe(core.engine, &probe, core.now_ms, core.actions);
	assert_int_equal(core_status(&core).sources, 1);
	core_free(&core);
}

static void send_syn(struct core *core, const char *source, uint16_t port)
{
	struct addr addr = core_addr(source);
	struct probe probe = core_syn(&addr, port);

	engine_probe(core->engine, &probe, core->now_ms, core->actions);
}

/* One port of each of eight neighbours. */
static void veil_a_net(struct core *core)
{
	static const uint16_t ports[] = { 21, 22, 23, 79, 111, 113, 119, 135 };

	for (size_t i = 0; i < 8; i++) {
		char text[32];

		snprintf(text, sizeof(text), "198.51.100.%u", (unsigned)i + 1);
		send_syn(core, text, ports[i]);
	}
}

static void who_is_freed_from_its_nets_veil_is_told_until_when(void **state)
{
	struct core core = core_new(NULL);
	struct prefix freed = core_prefix("198.51.100.9");
	struct explain_view view;

	(void)state;
	veil_a_net(&core);
	view = core_explain(&core, "198.51.100.9");
	assert_int_equal(view.block.grade, GRADE_VEIL);
	assert_int_equal(view.block.source.len, 96 + 24);
	assert_int_equal(view.exempt_until_ms, 0);
	assert_int_equal(engine_unblock(core.engine, &freed, core.now_ms, core.actions), ENGINE_OK);
	assert_int_equal(core_status(&core).exempt, 1);
	view = core_explain(&core, "198.51.100.9");
	assert_int_equal(view.block.grade, GRADE_NONE);
	assert_int_equal(view.exempt_until_ms, core.now_ms + DAY_MS);
	assert_int_equal(view.exempt_from.len, 96 + 24);
	view = core_explain(&core, "198.51.100.10");
	assert_int_equal(view.block.grade, GRADE_VEIL);
	assert_int_equal(view.exempt_until_ms, 0);
	/* Without its net's veil there is nothing that it is exempt from. */
	freed = core_prefix("198.51.100.0/24");
	assert_int_equal(engine_unblock_exact(core.engine, &freed, core.now_ms, core.actions), ENGINE_OK);
	view = core_explain(&core, "198.51.100.9");
	assert_int_equal(view.exempt_until_ms, 0);
	assert_int_equal(view.exempt_from.len, 0);
	core_free(&core);
}

static void a_net_tells_of_its_protected_and_allowed_hosts(void **state)
{
	struct core core = core_new(NULL);
	struct prefix own = core_prefix("192.0.2.1"), allowed = core_prefix("203.0.113.0/24");
	struct explain_view view;

	(void)state;
	engine_protect(core.engine, &own, PROTECT_OWN, core.now_ms, core.actions);
	engine_allow(core.engine, &allowed, 0, ALLOW_ADMIN, core.now_ms, core.actions);
	view = core_explain(&core, "192.0.2.0/24");
	assert_int_equal(view.protect_why, PROTECT_OWN);
	assert_true(prefix_equal(&view.protected_by, &own));
	view = core_explain(&core, "192.0.2.2");
	assert_int_equal(view.protect_why, PROTECT_NONE);
	assert_int_equal(view.allowed, 0);
	view = core_explain(&core, "203.0.113.9");
	assert_int_equal(view.allowed, 1);
	assert_true(prefix_equal(&view.allowed_by, &allowed));
	assert_int_equal(core_explain(&core, "203.0.112.0/23").allowed, 0);
	core_free(&core);
}

/* Where nothing stands the grade shown is what the score says, a net's by its own, higher measure. */
static void a_grade_is_shown_by_the_score(void **state)
{
	struct engine_config config;
	struct core core = core_new(NULL);

	(void)state;
	send_syn(&core, "198.51.100.7", 21);
	assert_int_equal(core_explain(&core, "198.51.100.7").source.grade, GRADE_WATCH);
	send_syn(&core, "198.51.100.7", 22);
	send_syn(&core, "198.51.100.7", 23);
	assert_int_equal(core_explain(&core, "198.51.100.7").source.grade, GRADE_WATCH);
	send_syn(&core, "198.51.100.7", 79);
	assert_int_equal(core_explain(&core, "198.51.100.7").source.grade, GRADE_ALERT);
	/* its net was fed three times: below the 1.5-fold of an alert */
	assert_int_equal(core_explain(&core, "198.51.100.0/24").source.grade, GRADE_WATCH);
	send_syn(&core, "198.51.100.8", 111);
	assert_true(core_explain(&core, "198.51.100.0/24").source.suspected_mn > core_status(&core).alert_mn);
	assert_int_equal(core_explain(&core, "198.51.100.0/24").source.grade, GRADE_WATCH);
	send_syn(&core, "198.51.100.9", 113);
	assert_int_equal(core_explain(&core, "198.51.100.0/24").source.grade, GRADE_ALERT);
	/* In observe mode nothing stands, and no more than an alert is shown. */
	engine_config_defaults(&config);
	config.observe = 1;
	engine_configure(core.engine, &config);
	core_scan(&core, "203.0.113.7");
	assert_int_equal(core_explain(&core, "203.0.113.7").source.grade, GRADE_ALERT);
	core_free(&core);
}

static void status_says_what_it_holds_and_what_it_demands(void **state)
{
	struct core core = core_new(NULL);
	struct engine_status status;

	(void)state;
	veil_a_net(&core);
	core_scan(&core, "203.0.113.7");
	status = core_status(&core);
	assert_int_equal(status.sources, 9);
	assert_int_equal(status.nets, 2);
	assert_int_equal(status.sources_max, 65536);
	assert_int_equal(status.nets_max, 65536 / 4);
	assert_int_equal(status.veils, 2);
	assert_int_equal(status.veils_max, ENGINE_VEILS_MAX);
	assert_int_equal(status.blocks_max, ENGINE_BLOCKS_MAX);
	assert_int_equal(status.probes, 13);
	assert_int_equal(status.evidence[EVIDENCE_SYN], 13);
	assert_int_equal(status.evidence_total, 13);
	assert_int_equal(status.alert_mn, 4595);
	assert_int_equal(status.veil_mn, 6898);
	assert_int_equal(status.ban_mn, 9200);
	assert_int_equal(core_explain(&core, "203.0.113.7").alert_mn, 4595);
	assert_int_equal(core_explain(&core, "203.0.113.7").veil_mn, 6898);
	assert_int_equal(core_explain(&core, "203.0.113.7").ban_mn, 9200);
	assert_int_equal(core_explain(&core, "203.0.113.7").slow_half_life_ms, DAY_MS);
	core_free(&core);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_page_goes_on_where_the_last_ended),
		cmocka_unit_test(ports_served_lately_are_told_by_protocol),
		cmocka_unit_test(ports_served_lately_come_back),
		cmocka_unit_test(who_is_freed_from_its_nets_veil_is_told_until_when),
		cmocka_unit_test(a_net_tells_of_its_protected_and_allowed_hosts),
		cmocka_unit_test(a_grade_is_shown_by_the_score),
		cmocka_unit_test(status_says_what_it_holds_and_what_it_demands),
	};

	return cmocka_run_group_tests_name("views", tests, NULL, NULL);
}
