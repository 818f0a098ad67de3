/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Things that hold whatever is sent: random probes from random senders, mixed with orders.  Scores are never negative
 * and add up, tables stay within their limits, what the engine says of itself agrees; and the promise about random
 * ports, in numbers.
 */
#include <math.h>

#include "core.h"
#include "prefixset.h"

static struct probe random_probe(struct seed *seed)
{
	struct probe probe = { .port_state = (uint8_t)seed_below(seed, PROBE_PORT_COUNT) };
	struct packet *p = &probe.packet;
	static const uint8_t protocols[] = { PROTO_TCP,    PROTO_TCP,  PROTO_TCP, PROTO_UDP, PROTO_ICMP,
					     PROTO_ICMPV6, PROTO_SCTP, 3,         4,         99 };
	bool v6 = seed_below(seed, 3) == 0;

	for (int i = 0; i < 16; i++)
		p->dst.b[i] = p->src.b[i] = (uint8_t)(v6 ? 0x20 : i == 10 || i == 11 ? 0xff : 0);
	for (int i = v6 ? 5 : 14; i < 16; i++)
		p->src.b[i] = (uint8_t)seed_below(seed, v6 ? 3 : 40);
	p->dst.b[15] = (uint8_t)seed_below(seed, 4);
	p->src.b[12] = v6 ? 0 : 100;
	p->protocol = protocols[seed_below(seed, sizeof(protocols))];
	p->sport = (uint16_t)seed_next(seed);
	p->dport = (uint16_t)(seed_below(seed, 2) ? seed_below(seed, 64) : seed_next(seed));
	p->seq = seed_below(seed, 4);
	p->tcp_flags = (uint8_t)seed_next(seed);
	p->window = (uint16_t)(seed_below(seed, 5) * 1024);
	p->mss = 1460;
	p->tcp_option_count = (uint8_t)seed_below(seed, 3);
	p->icmp_type = (uint8_t)seed_below(seed, 130);
	p->sctp_chunk = (uint8_t)seed_below(seed, 12);
	p->ttl = (uint8_t)seed_next(seed);
	p->checksum = (uint8_t)(seed_below(seed, 20) ? PACKET_CHECKSUM_GOOD : PACKET_CHECKSUM_BAD);
	probe.packet_result = (uint8_t)(seed_below(seed, 20) ? PACKET_OK : seed_below(seed, PACKET_RESULT_COUNT));
	if (seed_below(seed, 8) == 0) {
		probe.trap = (uint8_t)seed_below(seed, PROBE_TRAP_COUNT);
		probe.port_state = PROBE_PORT_TRAPPED;
	}
	return probe;
}

static void check_view(const struct source_view *view, int64_t half_life_ms)
{
	double sum = 0;

	assert_true(view->confirmed_mn >= 0 && view->suspected_mn >= 0 && view->fast_mn >= 0);
	assert_true(prefix_is_valid(&view->source));
	for (int i = 0; i < view->piece_count; i++) {
		const struct evidence *piece = &view->pieces[i];
		double lives = (double)(view->at_ms / 1000 - piece->at_s) * 1000 / (double)half_life_ms;

		assert_true(i == 0 || piece->at_s <= view->pieces[i - 1].at_s);
		if (evidence_class(piece->kind) == EVIDENCE_FAST)
			continue;
		sum += piece->weight / (double)EVIDENCE_NAT * exp2(-lives);
	}
	for (int i = 0; i < 4; i++)
		if (evidence_class(view->older[i].kind) != EVIDENCE_FAST)
			sum += view->older[i].weight_mn / 1000.0;
	if (fabs(sum - (view->confirmed_mn + view->suspected_mn) / 1000.0) > 0.02)
		fail_msg("pieces say %.3f, the score %d mn", sum, view->confirmed_mn + view->suspected_mn);
}

static void check_all(const struct core *core, const struct engine_config *config)
{
	struct engine_status status = core_status(core);
	struct source_view view;
	uint32_t cursor = 0, seen = 0;
	size_t count;

	assert_true(status.sources <= status.sources_max);
	assert_true(status.alerted + status.veils <= ENGINE_VEILS_MAX);
	do {
		cursor = engine_sources(core->engine, cursor, core->now_ms, &view, 1, &count);
		if (count) {
			check_view(&view, config->slow_half_life_ms);
			seen++;
		}
	} while (cursor);
	assert_int_equal(seen, status.sources + status.nets);
}

static void random_order(struct core *core, struct seed *seed)
{
	struct probe probe = random_probe(seed);
	struct prefix what = prefix_of(&probe.packet.src, 96 + seed_below(seed, 33));

	switch (seed_below(seed, 8)) {
	case 0:
		engine_block(core->engine, &what, seed_below(seed, 100000), seed_below(seed, 2), "r", core->now_ms,
			     core->actions);
		break;
	case 1: engine_unblock(core->engine, &what, core->now_ms, core->actions); break;
	case 2:
		engine_allow(core->engine, &what, core->now_ms + 60000, ALLOW_ADMIN, core->now_ms, core->actions);
		break;
	case 3: engine_disallow(core->engine, &what); break;
	case 4:
		engine_protect(core->engine, &what, 1 + seed_below(seed, PROTECT_WHY_COUNT - 1), core->now_ms,
			       core->actions);
		break;
	case 5: engine_protect_clear(core->engine, 1 + seed_below(seed, PROTECT_WHY_COUNT - 1)); break;
	case 6: engine_fresh_start(core->engine, core->now_ms); break;
	default: engine_block_failed(core->engine, &what, core->now_ms);
	}
}

static void whatever_is_sent(void **state)
{
	struct seed seed = seed_new("whatever_is_sent");
	struct engine_config config;

	(void)state;
	engine_config_defaults(&config);
	config.max_sources = 1024;
	struct core core = core_new(&config);
	for (int i = 0; i < 200000; i++) {
		struct probe probe = random_probe(&seed);

		core.now_ms += seed_below(&seed, 100) == 0 ? seed_below(&seed, 600000) : seed_below(&seed, 50);
		engine_probe(core.engine, &probe, core.now_ms, core.actions);
		assert_true(core.actions->count <= ENGINE_ACTIONS_MAX);
		for (size_t n = 0; n < core.actions->count; n++)
			assert_true(core.actions->items[n].type != ACTION_EVENT ||
				    event_is_valid(&core.actions->items[n].event));
		if (i % 50 == 0)
			random_order(&core, &seed);
		if (i % 20 == 0)
			engine_tick(core.engine, core.now_ms, core.actions);
		if (i % 5000 == 0)
			check_all(&core, &config);
	}
	check_all(&core, &config);
	core_free(&core);
}

/* What the kernel would hold after the orders so far, by prefix. */
#define KERNEL_MAX 4096
struct kernel {
	struct prefixset *sources;
	struct {
		uint8_t grade;
		int64_t until_ms; /* 0: for good */
	} elements[KERNEL_MAX];
};

static void carry_out(struct kernel *kernel, const struct core *core)
{
	for (size_t i = 0; i < core->actions->count; i++) {
		const struct action *action = &core->actions->items[i];
		uint32_t slot;

		if (action->type == ACTION_EVENT || action->type == ACTION_EXEMPT)
			continue;
		slot = prefixset_add(kernel->sources, &action->source);
		assert_int_not_equal(slot, PREFIXSET_NONE);
		if (action->type == ACTION_ADD) {
			assert_in_range(action->grade, GRADE_ALERT, GRADE_BLOCK);
			kernel->elements[slot].grade = (uint8_t)action->grade;
			kernel->elements[slot].until_ms = action->duration_ms ? core->now_ms + action->duration_ms : 0;
		} else if (action->type == ACTION_DELETE) {
			assert_int_equal(kernel->elements[slot].grade, action->grade);
			prefixset_remove(kernel->sources, slot);
		}
	}
}

static bool stands(const struct kernel *kernel, uint32_t slot, int64_t now_ms)
{
	return kernel->elements[slot].until_ms == 0 || kernel->elements[slot].until_ms > now_ms;
}

static void compare_with_kernel(struct kernel *kernel, const struct core *core)
{
	uint32_t cursor = 0, blocks = 0, elements = 0, slot;
	struct block_view view;
	size_t count;

	do {
		cursor = engine_blocks(core->engine, cursor, &view, 1, &count);
		if (!count)
			continue;
		slot = prefixset_find(kernel->sources, &view.source);
		assert_int_not_equal(slot, PREFIXSET_NONE);
		assert_int_equal(kernel->elements[slot].grade, view.grade);
		assert_true(stands(kernel, slot, core->now_ms));
		blocks++;
	} while (cursor);
	for (slot = prefixset_next(kernel->sources, 0, NULL); slot != PREFIXSET_NONE;
	     slot = prefixset_next(kernel->sources, slot + 1, NULL))
		elements += stands(kernel, slot, core->now_ms);
	assert_int_equal(elements, blocks);
}

/* As the daemon does: nothing is judged before what is over has ended. */
static void pass_time(struct kernel *kernel, struct core *core, int64_t ms)
{
	for (int64_t end_ms = core->now_ms + ms; core->now_ms < end_ms;) {
		core->now_ms += end_ms - core->now_ms < 30000 ? end_ms - core->now_ms : 30000;
		do {
			engine_tick(core->engine, core->now_ms, core->actions);
			carry_out(kernel, core);
		} while (core->actions->count == ENGINE_ACTIONS_MAX);
	}
}

/* Orders to the kernel and the engine's own table never part: nothing is left standing that nobody would ever lift. */
static void the_kernel_holds_what_the_engine_says(void **state)
{
	struct seed seed = seed_new("the_kernel_holds_what_the_engine_says");
	struct core core = core_new(NULL);
	struct kernel *kernel = calloc(1, sizeof(*kernel));

	(void)state;
	assert_non_null(kernel);
	kernel->sources = prefixset_new(KERNEL_MAX, &core_key);
	for (int i = 0; i < 60000; i++) {
		struct probe probe = random_probe(&seed);

		pass_time(kernel, &core,
			  seed_below(&seed, 100) == 0 ? seed_below(&seed, 3000000) : seed_below(&seed, 50));
		engine_probe(core.engine, &probe, core.now_ms, core.actions);
		carry_out(kernel, &core);
		if (i % 50 == 0) {
			struct prefix what = prefix_host(&probe.packet.src);

			if (seed_below(&seed, 2))
				engine_unblock(core.engine, &what, core.now_ms, core.actions);
			else
				engine_block(core.engine, &what, seed_below(&seed, 100000), false, "r", core.now_ms,
					     core.actions);
			carry_out(kernel, &core);
		}
		if (i % 500 == 0)
			compare_with_kernel(kernel, &core);
	}
	compare_with_kernel(kernel, &core);
	prefixset_free(kernel->sources);
	free(kernel);
	core_free(&core);
}

static int compare_int(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* SYN scans of random ports: a median of 10 and 14 at worst. */
static void random_ports_are_caught_in_time(void **state)
{
	struct seed seed = seed_new("random_ports_are_caught_in_time");
	int probes[400];

	(void)state;
	struct core core = core_new(NULL);
	for (int run = 0; run < 400; run++) {
		const uint8_t b[4] = { 100, (uint8_t)(run / 200), (uint8_t)(run % 200), 7 }; /* a net each */
		struct addr addr = addr_from_v4(b);
		uint16_t used[64];
		int n = 0;

		core.now_ms += 2000;
		engine_tick(core.engine, core.now_ms, core.actions);
		for (enum verdict verdict = VERDICT_ACCEPT; verdict == VERDICT_ACCEPT && n < 64;) {
			uint16_t port = (uint16_t)seed_next(&seed);
			bool again = false;

			for (int i = 0; i < n; i++)
				again |= used[i] == port;
			if (again)
				continue;
			used[n++] = port;
			struct probe probe = core_syn(&addr, port);
			verdict = engine_probe(core.engine, &probe, core.now_ms, core.actions);
		}
		probes[run] = n;
	}
	qsort(probes, 400, sizeof(probes[0]), compare_int);
	assert_true(probes[200] <= 10);
	assert_true(probes[399] <= 14);
	core_free(&core);
}

static void a_forged_flood_does_not_flush_out_a_confirmed_source(void **state)
{
	struct seed seed = seed_new("a_forged_flood_does_not_flush_out_a_confirmed_source");
	struct engine_config config;
	struct addr scanner = core_addr("203.0.113.9");

	(void)state;
	engine_config_defaults(&config);
	config.max_sources = 4096;
	struct core core = core_new(&config);
	static const uint16_t families[] = { 23, 79, 111, 179 };
	struct probe trap;

	for (int i = 0; i < 4; i++) {
		trap = core_trap(&scanner, families[i]);
		engine_probe(core.engine, &trap, core.now_ms, core.actions);
	}
	for (int i = 0; i < 100000; i++) {
		uint32_t v4 = (uint32_t)seed_next(&seed);
		const uint8_t b[4] = { 100, (uint8_t)(v4 >> 16), (uint8_t)(v4 >> 8), (uint8_t)v4 };
		struct addr addr = addr_from_v4(b);
		struct probe probe = core_syn(&addr, (uint16_t)seed_below(&seed, 1000));

		core.now_ms += i % 40 == 0;
		engine_probe(core.engine, &probe, core.now_ms, core.actions);
	}
	assert_int_equal(core_explain(&core, "203.0.113.9").source.piece_count, 4);
	trap = core_trap(&scanner, 513);
	assert_int_equal(engine_probe(core.engine, &trap, core.now_ms, core.actions), VERDICT_DROP);
	assert_int_equal(core_explain(&core, "203.0.113.9").block.grade, GRADE_BAN);
	core_free(&core);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_is_sent),
		cmocka_unit_test(the_kernel_holds_what_the_engine_says),
		cmocka_unit_test(random_ports_are_caught_in_time),
		cmocka_unit_test(a_forged_flood_does_not_flush_out_a_confirmed_source),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
