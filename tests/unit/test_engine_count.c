/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A probe, counted: once whatever it became, with what was forgiven before when grace is over, in one incident with
 * those who sent the same, and not at all where a running session or a service explains it.
 */
#include "core.h"

#define MINUTE_MS 60000LL

static const char *const one = "198.51.100.7";

static void send_probe(struct core *core, const struct probe *probe)
{
	engine_probe(core->engine, probe, core->now_ms, core->actions);
}

static struct probe syn_from(const char *source, uint16_t port)
{
	struct addr addr = core_addr(source);

	return core_syn(&addr, port);
}

static struct source_view source_of(const struct core *core, const char *source)
{
	return core_explain(core, source).source;
}

/* The SYN and the visit that it began are one probe. */
static void a_visit_stands_in_for_its_syn(void **state)
{
	struct core core = core_new(NULL);
	struct probe syn = syn_from(one, 23), other = syn_from(one, 79);
	struct addr addr = core_addr(one);
	struct probe visit = core_trap(&addr, 23);

	(void)state;
	syn.port_state = PROBE_PORT_TRAPPED;
	send_probe(&core, &syn);
	assert_int_equal(source_of(&core, one).kinds, 1u << EVIDENCE_SYN);
	assert_int_equal(source_of(&core, one).suspected_mn, 1400);
	send_probe(&core, &visit);
	assert_int_equal(source_of(&core, one).kinds, 1u << EVIDENCE_TRAP);
	assert_int_equal(source_of(&core, one).piece_count, 1);
	assert_int_equal(source_of(&core, one).probes, 1);
	assert_int_equal(source_of(&core, one).suspected_mn, 0);
	assert_int_equal(source_of(&core, one).confirmed_mn, 2250);
	/* That other SYNs were sent is still so. */
	send_probe(&core, &other);
	visit = core_trap(&addr, 111);
	syn = syn_from(one, 111);
	send_probe(&core, &syn);
	send_probe(&core, &visit);
	assert_int_equal(source_of(&core, one).kinds, 1u << EVIDENCE_TRAP | 1u << EVIDENCE_SYN);
	assert_int_equal(source_of(&core, one).probes, 3);
	/* And the same again is nothing new. */
	send_probe(&core, &visit);
	send_probe(&core, &other);
	assert_int_equal(core_status(&core).duplicates, 2);
	assert_int_equal(source_of(&core, one).probes, 3);
	core_free(&core);
}

/* A mail program's ports are forgiven until their sender shows what no mail program would. */
static void what_was_forgiven_counts_when_grace_is_over(void **state)
{
	static const uint16_t mail[] = { 25, 110, 143, 465 };
	struct core core = core_new(NULL);
	struct probe probe;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		probe = syn_from(one, mail[i]);
		send_probe(&core, &probe);
	}
	assert_int_equal(source_of(&core, one).suspected_mn, 1400);
	assert_int_equal(source_of(&core, one).probes, 1);
	assert_int_equal(core_status(&core).evidence[EVIDENCE_SYN], 1);
	probe = syn_from(one, 22);
	send_probe(&core, &probe);
	assert_int_equal(source_of(&core, one).suspected_mn, 7000);
	assert_int_equal(source_of(&core, one).probes, 5);
	assert_int_equal(core_status(&core).evidence[EVIDENCE_SYN], 5);
	assert_int_equal(core_status(&core).evidence_total, 5);
	assert_int_equal(core_explain(&core, one).block.grade, GRADE_VEIL);
	core_free(&core);
}

/* Who has sent more than can be counted: the number stays at its end and never begins anew. */
static void the_number_of_probes_stays_at_its_end(void **state)
{
	struct core core = core_new(NULL);
	struct probe probe = syn_from(one, 22);
	struct source_view view = { .source = core_prefix(one), .probes = UINT16_MAX - 1, .piece_count = 3 };
	static const uint16_t mail[] = { 143, 110, 25 };

	(void)state;
	view.first_ms = view.last_ms = view.at_ms = core.now_ms;
	for (size_t i = 0; i < 3; i++)
		view.pieces[i] = (struct evidence){ .at_s = (uint32_t)(core.now_ms / 1000),
						    .port = mail[i],
						    .weight = i == 2 ? 28 : 0,
						    .kind = EVIDENCE_SYN };
	assert_int_equal(engine_restore_source(core.engine, &view, core.now_ms), ENGINE_OK);
	send_probe(&core, &probe); /* and two more that were forgiven */
	assert_int_equal(source_of(&core, one).probes, UINT16_MAX);
	assert_int_equal(source_of(&core, one).suspected_mn, 4 * 1400);
	probe = syn_from(one, 23);
	send_probe(&core, &probe);
	assert_int_equal(source_of(&core, one).probes, UINT16_MAX);
	core_free(&core);
}

/* The probe that is one too many hears it itself: it gets no answer. */
static void the_probe_that_brings_a_grade_down_feels_it(void **state)
{
	static const uint16_t ports[] = { 21, 22, 23, 111, 113 };
	static const uint16_t traps[] = { 7, 23, 79, 111, 513 };
	struct core core = core_new(NULL);
	struct addr addr = core_addr("203.0.113.9");

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		struct probe probe = syn_from(one, ports[i]);

		assert_int_equal(engine_probe(core.engine, &probe, core.now_ms, core.actions),
				 i < 4 ? VERDICT_ACCEPT : VERDICT_VEIL);
	}
	for (size_t i = 0; i < 5; i++) {
		struct probe visit = core_trap(&addr, traps[i]);
		enum verdict verdict = engine_probe(core.engine, &visit, core.now_ms, core.actions);

		assert_int_equal(verdict, i < 3 ? VERDICT_ACCEPT : i < 4 ? VERDICT_VEIL : VERDICT_DROP);
	}
	core_free(&core);
}

/* A mark counts once, beside what weighs something, and is no probe. */
static void a_tools_mark_counts_once(void **state)
{
	struct core core = core_new(NULL);

	(void)state;
	for (uint16_t port = 100; port < 103; port++) {
		struct probe probe = syn_from(one, port);

		probe.packet.window = 1024;
		probe.packet.tcp_option_count = 1;
		probe.packet.dont_fragment = false;
		send_probe(&core, &probe);
	}
	assert_int_equal(source_of(&core, one).tool, TOOL_NMAP);
	assert_int_equal(source_of(&core, one).piece_count, 4);
	assert_int_equal(source_of(&core, one).probes, 3);
	assert_int_equal(source_of(&core, one).suspected_mn, 3 * 1400 + 1500);
	assert_int_equal(core_status(&core).evidence[EVIDENCE_MARK], 1);
	core_free(&core);
}

/* An FTP server's data connection comes from a running session; a port below 1024, or a trap's report, is no such. */
static void a_running_session_excuses_high_ports_alone(void **state)
{
	static const struct {
		uint16_t port;
		uint8_t flags;
		bool trap, excused;
	} cases[] = {
		{ 1024, TCP_SYN, false, true },
		{ 1023, TCP_SYN, false, false },
		{ 2049, 0, true, false },
		{ 1024, TCP_FIN, false, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct core core = core_new(NULL);
		struct addr addr = core_addr(one);
		struct probe probe = cases[i].trap ? core_trap(&addr, cases[i].port) : syn_from(one, cases[i].port);

		if (!cases[i].trap)
			probe.packet.tcp_flags = cases[i].flags;
		probe.kin = 1;
		send_probe(&core, &probe);
		assert_int_equal(source_of(&core, one).piece_count, 1);
		assert_int_equal(core_status(&core).evidence_total, !cases[i].excused);
		core_free(&core);
	}
}

/* Three a minute and twelve a day, datagrams and connections together. */
static void so_many_are_excused_in_a_minute_and_in_a_day(void **state)
{
	struct core core = core_new(NULL);
	unsigned excused = 0;

	(void)state;
	for (uint16_t i = 0; i < 8; i++) { /* in one minute */
		struct probe probe = syn_from(one, (uint16_t)(20000 + i));

		probe.packet.protocol = i % 2 ? PROTO_UDP : PROTO_TCP;
		probe.kin = 1;
		send_probe(&core, &probe);
		core.now_ms += 7000;
	}
	assert_int_equal(core_status(&core).evidence_total, 5);
	core_free(&core);

	core = core_new(NULL);
	for (uint16_t i = 0; i < 20; i++) {
		struct probe probe = syn_from(one, (uint16_t)(20000 + i));
		uint64_t before = core_status(&core).evidence_total;

		probe.kin = 1;
		send_probe(&core, &probe);
		excused += core_status(&core).evidence_total == before;
		core.now_ms += MINUTE_MS;
	}
	assert_int_equal(excused, 12);
	core_free(&core);
}

/* The same probe in four names within a second: one incident of four. */
static void who_sends_the_same_is_one_incident(void **state)
{
	struct core core = core_new(NULL);
	uint32_t incident = 0;

	(void)state;
	for (unsigned i = 1; i <= 4; i++) {
		char text[32];
		struct probe probe;

		snprintf(text, sizeof(text), "198.51.%u.7", i);
		probe = syn_from(text, 22);
		probe.packet.seq = 77;
		send_probe(&core, &probe);
		if (i == 2)
			incident = source_of(&core, text).incident;
		if (i >= 2)
			assert_int_equal(source_of(&core, text).incident, incident);
	}
	assert_true(incident > 0);
	assert_int_equal(source_of(&core, "198.51.1.7").incident, incident);
	assert_int_equal(core_status(&core).decoys, 3);
	core_scan(&core, "198.51.1.7"); /* and it is told with the veil */
	for (size_t i = 0; i < core.actions->count; i++)
		if (core.actions->items[i].type == ACTION_EVENT)
			assert_int_equal(core.actions->items[i].event.sources, 4);
	/* Somebody else's probe is another incident. */
	core_scan(&core, "203.0.113.8");
	assert_int_not_equal(source_of(&core, "203.0.113.8").incident, incident);
	core_free(&core);
}

static unsigned distributed(struct core *core)
{
	unsigned count = 0;

	engine_tick(core->engine, core->now_ms, core->actions);
	for (size_t i = 0; i < core->actions->count; i++)
		count += core->actions->items[i].type == ACTION_EVENT &&
			 core->actions->items[i].event.type == EVENT_DISTRIBUTED;
	return count;
}

/* A port or two of each of many: told as one scan, unless they are late packets of a crowd of clients. */
static void who_tries_little_may_be_part_of_a_scan(void **state)
{
	static const struct {
		uint8_t protocol, flags;
		unsigned each, told;
	} cases[] = {
		{ PROTO_TCP, TCP_SYN, 1, 1 }, { PROTO_TCP, TCP_SYN, 2, 1 }, { PROTO_UDP, 0, 2, 1 },
		{ PROTO_TCP, TCP_FIN, 1, 1 }, { PROTO_TCP, TCP_ACK, 1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct core core = core_new(NULL);

		for (unsigned n = 0; n < 24; n++) {
			char text[32];
			struct probe probe;

			snprintf(text, sizeof(text), "198.%u.1.7", 1 + n / cases[i].each);
			probe = syn_from(text, (uint16_t)(20001 + n));
			probe.packet.protocol = cases[i].protocol;
			probe.packet.tcp_flags = cases[i].flags;
			send_probe(&core, &probe);
		}
		assert_int_equal(distributed(&core), cases[i].told);
		core_free(&core);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_visit_stands_in_for_its_syn),
		cmocka_unit_test(what_was_forgiven_counts_when_grace_is_over),
		cmocka_unit_test(the_number_of_probes_stays_at_its_end),
		cmocka_unit_test(the_probe_that_brings_a_grade_down_feels_it),
		cmocka_unit_test(a_tools_mark_counts_once),
		cmocka_unit_test(a_running_session_excuses_high_ports_alone),
		cmocka_unit_test(so_many_are_excused_in_a_minute_and_in_a_day),
		cmocka_unit_test(who_sends_the_same_is_one_incident),
		cmocka_unit_test(who_tries_little_may_be_part_of_a_scan),
	};

	return cmocka_run_group_tests_name("counting", tests, NULL, NULL);
}
