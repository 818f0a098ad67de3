/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an event tells of its source, and what the table, the history and `list` then hold of it: ports and hosts each
 * once, the first four ports, and a reason that never ends in half a number.
 */
#include "core.h"

#include <picket/describe.h>

#include "engine/internal.h"

static const char *const one = "198.51.100.7";

static void probe_port(struct core *core, uint16_t port, const char *to)
{
	struct addr addr = core_addr(one);
	struct probe probe = core_syn(&addr, port);

	probe.packet.dst = core_addr(to);
	engine_probe(core->engine, &probe, core->now_ms, core->actions);
}

static const struct event *told(const struct core *core, enum event_type type)
{
	for (size_t i = 0; i < core->actions->count; i++)
		if (core->actions->items[i].type == ACTION_EVENT && core->actions->items[i].event.type == type)
			return &core->actions->items[i].event;
	return NULL;
}

static void ports_and_hosts_are_counted_once_each(void **state)
{
	struct core core = core_new(NULL);
	const struct event *event;

	(void)state;
	probe_port(&core, 2001, "192.0.2.1");
	probe_port(&core, 2001, "192.0.2.2");
	probe_port(&core, 2002, "192.0.2.2");
	probe_port(&core, 2003, "192.0.2.3");
	probe_port(&core, 2001, "192.0.2.3");
	event = told(&core, EVENT_ALERT);
	assert_non_null(event);
	assert_int_equal(event->ports, 3);
	assert_int_equal(event->hosts, 3);
	assert_int_equal(event->piece_count, 5);
	assert_int_equal(event->probes, 5);
	assert_int_equal(event->kinds, 1u << EVIDENCE_SYN);
	assert_int_equal(event->suspected_mn, 5000);
	assert_int_equal(event->threshold_mn, 4595);
	assert_int_equal(event->grade, GRADE_ALERT);
	assert_int_equal(event->at_ms, core.now_ms);
	assert_int_equal(event->pieces[0].port, 2001); /* the newest first */
	assert_int_equal(event->pieces[4].port, 2001);
	core_free(&core);
}

/* A net's threshold is its own; a mark, or a ping, is of no port. */
static void what_has_no_port_counts_as_none(void **state)
{
	struct core core = core_new(NULL);
	struct addr addr = core_addr(one);
	const struct event *event;

	(void)state;
	for (uint8_t i = 1; i <= 6; i++) {
		struct probe ping = core_syn(&addr, 0);

		ping.packet.protocol = PROTO_ICMP;
		ping.packet.icmp_type = 8;
		ping.packet.payload_len = 0;
		ping.packet.dont_fragment = false;
		ping.packet.dst.b[15] = i;
		engine_probe(core.engine, &ping, core.now_ms, core.actions);
		event = told(&core, EVENT_ALERT);
		if (event)
			break;
	}
	assert_non_null(event);
	assert_int_equal(event->tool, TOOL_NMAP);
	assert_int_equal(event->ports, 0);
	assert_int_equal(event->hosts, event->piece_count - 1); /* without the mark */
	core_free(&core);
}

static struct event veil_of(unsigned ports)
{
	struct event event = { .at_ms = CORE_EPOCH_MS,
			       .duration_ms = 5000,
			       .source = core_prefix(one),
			       .type = EVENT_VEIL,
			       .grade = GRADE_VEIL,
			       .tool = TOOL_NMAP,
			       .times = 3,
			       .incident = 42,
			       .kinds = 1u << EVIDENCE_SYN,
			       .suspected_mn = 7000,
			       .sources = 1,
			       .hosts = 1,
			       .ports = (uint16_t)ports };

	for (unsigned i = 0; i < ports; i++)
		event.pieces[i] =
			(struct evidence){ .port = (uint16_t)(10000 + ports - i), .weight = 28, .kind = EVIDENCE_SYN };
	event.piece_count = (uint8_t)ports;
	return event;
}

static void a_block_holds_what_its_event_told(void **state)
{
	struct event event = veil_of(6);
	struct block_view block;

	(void)state;
	event.pieces[4].port = event.pieces[5].port; /* tried twice */
	event.pieces[3].port = 0;
	event_block(&event, &block);
	assert_true(prefix_equal(&block.source, &event.source));
	assert_true(block.grade == GRADE_VEIL && block.times == 3 && block.tool == TOOL_NMAP && block.incident == 42);
	assert_int_equal(block.kinds, event.kinds);
	assert_int_equal(block.since_ms, CORE_EPOCH_MS);
	assert_int_equal(block.until_ms, CORE_EPOCH_MS + 5000);
	/* the first ones first, each once */
	assert_int_equal(block.ports[0], 10001);
	assert_int_equal(block.ports[1], 10004);
	assert_int_equal(block.ports[2], 10005);
	assert_int_equal(block.ports[3], 10006);
	event.duration_ms = 0;
	event_block(&event, &block);
	assert_int_equal(block.until_ms, 0); /* for good */
	event = veil_of(9);
	event_block(&event, &block);
	assert_int_equal(block.ports[3], 10004);
	/* An admin's word stands for itself. */
	event.grade = GRADE_BLOCK;
	strcpy(event.text, "enough, of this");
	event_block(&event, &block);
	assert_string_equal(block.reason, "enough, of this");
	assert_int_equal(block.ports[0], 0);
}

/* However much there is to say: it ends at a whole item, and says that there was more. */
static void a_reason_ends_in_no_half_number(void **state)
{
	unsigned cut = 0;

	(void)state;
	for (unsigned ports = 1; ports <= EVENT_PIECES_MAX; ports++) {
		struct event event = veil_of(ports);
		struct block_view block;
		char whole[512];
		struct writer w = writer_over(whole, sizeof(whole));
		size_t len;

		event_block(&event, &block);
		describe_reason(&w, &event, NULL);
		len = strlen(block.reason);
		if (strlen(whole) < ENGINE_REASON_MAX) {
			assert_string_equal(block.reason, whole);
			continue;
		}
		cut++;
		assert_true(len > ENGINE_REASON_MAX / 2 && len < ENGINE_REASON_MAX);
		assert_string_equal(block.reason + len - 3, "...");
		assert_memory_equal(block.reason, whole, len - 3);
		assert_int_equal(whole[len - 3], ',');
	}
	assert_true(cut > 0);
}

static void nats_are_rounded_and_bounded(void **state)
{
	(void)state;
	assert_int_equal(engine_millinats(0), 0);
	assert_int_equal(engine_millinats(0.0004), 0);
	assert_int_equal(engine_millinats(0.0006), 1);
	assert_int_equal(engine_millinats(1.4), 1400);
	assert_int_equal(engine_millinats(-3), 0);
	assert_int_equal(engine_millinats(1e12), INT32_MAX);
}

/* What finds no room among the actions of a call is not begun. */
static void actions_are_bounded(void **state)
{
	struct actions *actions = calloc(1, sizeof(*actions));
	struct event event = veil_of(1);

	(void)state;
	assert_non_null(actions);
	actions->count = ENGINE_ACTIONS_MAX - 1;
	assert_true(engine_has_room(actions, 1));
	assert_false(engine_has_room(actions, 2));
	engine_tell(actions, &event);
	assert_int_equal(actions->count, ENGINE_ACTIONS_MAX);
	assert_int_equal(actions->items[ENGINE_ACTIONS_MAX - 1].grade, GRADE_VEIL);
	assert_true(prefix_equal(&actions->items[ENGINE_ACTIONS_MAX - 1].source, &event.source));
	engine_tell(actions, &event);
	engine_order(actions, ACTION_ADD, GRADE_BAN, &event.source, 5);
	assert_int_equal(actions->count, ENGINE_ACTIONS_MAX);
	free(actions);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_and_hosts_are_counted_once_each),
		cmocka_unit_test(what_has_no_port_counts_as_none),
		cmocka_unit_test(a_block_holds_what_its_event_told),
		cmocka_unit_test(a_reason_ends_in_no_half_number),
		cmocka_unit_test(nats_are_rounded_and_bounded),
		cmocka_unit_test(actions_are_bounded),
	};

	return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
