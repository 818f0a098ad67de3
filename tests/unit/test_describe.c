/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Log lines, reasons, service names, and the check of events from elsewhere.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <picket/describe.h>
#include <picket/packet.h>

#include "duration.h"
#include "seed.h"

static const char services_text[] =
	"# services(5)\n"
	"ftp\t\t21/tcp\n"
	"ssh\t\t22/tcp\t\t# SSH Remote Login Protocol\n"
	"telnet\t\t23/tcp\n"
	"smtp  25/tcp mail\r\n"
	"domain\t53/tcp\n"
	"domain\t53/udp\n"
	"  http 80/tcp www\n"
	"snmp 161/udp\n"
	"first 700/tcp\nsecond 700/tcp\nftps 990/tcp\n"
	"sctpd 7/sctp\n"
	"bad\033name 1/tcp\nnoport\nnoproto 2\nbig 65536/tcp\nneg -3/tcp\ndccp 3/dccp\nempty /tcp\nlong 4/tcpx\n"
	"#commented 5/tcp\n"
	"last 65535/tcp";

static struct prefix source(const char *text)
{
	const char *error;
	struct prefix p;

	assert_true(prefix_parse(text, &p, &error));
	return p;
}

static struct event event_of(enum event_type type, enum grade grade)
{
	return (struct event){
		.type = (uint8_t)type,
		.grade = (uint8_t)grade,
		.source = source("198.51.100.7"),
		.at_ms = 1700000000000,
		.sources = 1,
		.hosts = 1,
	};
}

/* A piece of evidence of one nat, the newest. */
static void add(struct event *event, enum evidence_kind kind, uint16_t port)
{
	struct evidence *e = &event->pieces[event->piece_count++];

	*e = (struct evidence){ .kind = (uint8_t)kind, .port = port, .weight = EVIDENCE_NAT };
	event->kinds |= 1u << kind;
}

static struct event syn_scan(enum event_type type, enum grade grade)
{
	static const uint16_t ports[] = { 80, 22, 25, 21, 23 };
	struct event event = event_of(type, grade);

	for (size_t i = 0; i < 5; i++)
		add(&event, EVIDENCE_SYN, ports[i]);
	event.ports = 5;
	event.suspected_mn = 7150;
	event.threshold_mn = 6898;
	return event;
}

static void expect_line(const struct event *event, const char *line)
{
	struct service_names *names = service_names_new(services_text, sizeof(services_text) - 1);
	char buf[1024];
	struct writer w = writer_over(buf, sizeof(buf));

	assert_non_null(names);
	describe_event(&w, event, names);
	service_names_free(names);
	assert_string_equal(buf, line);
	assert_true(event_is_valid(event));
}

static void veil_lines_keep_their_contract(void **state)
{
	struct event event = syn_scan(EVENT_VEIL, GRADE_VEIL);

	(void)state;
	event.tool = TOOL_NMAP;
	event.kinds |= 1u << EVIDENCE_MARK;
	event.incident = 42;
	expect_line(&event, "veil 198.51.100.7: suspected 7.2 of 6.9, SYN scan, 5 closed ports (21 ftp, "
			    "22 ssh, 23 telnet, 25 smtp, 80 http), looks like nmap [incident 42]");
	event.observed = 1;
	event.tool = TOOL_NONE;
	event.incident = 0;
	expect_line(&event, "would veil 198.51.100.7: suspected 7.2 of 6.9, SYN scan, 5 closed ports (21 ftp, "
			    "22 ssh, 23 telnet, 25 smtp, 80 http)");
	event.observed = 0;
	event.source = source("2001:db8:1:2::/64");
	event.ports = 9;
	event.hosts = 3;
	event.sources = 4;
	event.confirmed_mn = 4700;
	expect_line(&event, "veil 2001:db8:1:2::/64: confirmed 4.7 and suspected 7.2 of 6.9, SYN scan, "
			    "9 closed ports (21 ftp, 22 ssh, 23 telnet, 25 smtp, 80 http, and 4 more), 3 hosts, "
			    "together with 3 other sources");
}

static void ban_lines_keep_their_contract(void **state)
{
	struct event event = event_of(EVENT_BAN, GRADE_BAN);

	(void)state;
	add(&event, EVIDENCE_TRAP, 5900);
	add(&event, EVIDENCE_TRAP, 23);
	event.ports = 2;
	event.confirmed_mn = 9300;
	event.threshold_mn = 9200;
	event.duration_ms = 3600000;
	event.incident = 42;
	expect_line(&event, "ban 198.51.100.7 for 1h: confirmed 9.3, silent visits to 2 traps (23 telnet, 5900) "
			    "[incident 42]");
	event.observed = 1;
	add(&event, EVIDENCE_SYN, 22);
	event.ports = 3;
	event.suspected_mn = 1400;
	expect_line(&event, "would ban 198.51.100.7 for 1h: confirmed 9.3, silent visits to 2 traps (23 telnet, 5900), "
			    "SYN scan, 1 closed port (22 ssh) [incident 42]");
}

static void other_lines_are_stable(void **state)
{
	struct event event = syn_scan(EVENT_ALERT, GRADE_ALERT);

	(void)state;
	event.suspected_mn = 4650;
	event.threshold_mn = 4595;
	event.observed = 1; /* an alert does nothing anyway */
	expect_line(&event, "alert 198.51.100.7: suspected 4.7 of 4.6, SYN scan, 5 closed ports (21 ftp, 22 ssh, "
			    "23 telnet, 25 smtp, 80 http)");

	event = event_of(EVENT_ALERT, GRADE_ALERT);
	add(&event, EVIDENCE_TRAP, 23);
	event.confirmed_mn = 4700;
	event.threshold_mn = 4595;
	expect_line(&event, "alert 198.51.100.7: confirmed 4.7 of 4.6, silent visit to 1 trap (23 telnet)");

	event = event_of(EVENT_EXPIRE, GRADE_VEIL);
	event.incident = 42;
	expect_line(&event, "unblock 198.51.100.7: expired");
	event = event_of(EVENT_UNBLOCK, GRADE_VEIL);
	expect_line(&event, "unblock 198.51.100.7: by an admin");
	strcpy(event.text, "allowed by an admin");
	expect_line(&event, "unblock 198.51.100.7: allowed by an admin");

	event = event_of(EVENT_BLOCK, GRADE_BLOCK);
	event.duration_ms = 3600000;
	expect_line(&event, "block 198.51.100.7 for 1h: by an admin");
	event.duration_ms = 0;
	strcpy(event.text, "noisy \"neighbour\"");
	expect_line(&event, "block 198.51.100.7: by an admin, noisy \\x22neighbour\\x22");

	event = syn_scan(EVENT_EXEMPT, GRADE_VEIL);
	strcpy(event.text, "a gateway");
	expect_line(&event, "spared 198.51.100.7: a gateway; suspected 7.2 of 6.9, SYN scan, 5 closed ports (21 ftp, "
			    "22 ssh, 23 telnet, 25 smtp, 80 http)");

	event = event_of(EVENT_FAILED, GRADE_BAN);
	strcpy(event.text, "the set is full");
	expect_line(&event, "failed to ban 198.51.100.7: the set is full");
	event = event_of(EVENT_FAILED, GRADE_VEIL);
	expect_line(&event, "failed to veil 198.51.100.7: the kernel refused it");
	event = event_of(EVENT_FAILED, GRADE_NONE);
	strcpy(event.text, "the kernel keeps it");
	expect_line(&event, "failed to unblock 198.51.100.7: the kernel keeps it");
	memset(&event.source, 0, sizeof(event.source));
	expect_line(&event, "failed: the kernel keeps it");

	event = event_of(EVENT_NOTICE, GRADE_NONE);
	memset(&event.source, 0, sizeof(event.source));
	strcpy(event.text, "the table was restored");
	expect_line(&event, "the table was restored");
	event.source = source("198.51.100.7");
	expect_line(&event, "notice 198.51.100.7: the table was restored");
}

static void sweeps_and_protocols_are_told(void **state)
{
	struct event event = event_of(EVENT_ALERT, GRADE_ALERT);

	(void)state;
	event.suspected_mn = 4800;
	event.threshold_mn = 4595;
	for (uint16_t host = 0; host < 4; host++) {
		add(&event, EVIDENCE_ICMP_ECHO, 0);
		event.pieces[host].host_tag = host;
	}
	event.hosts = 4;
	expect_line(&event, "alert 198.51.100.7: suspected 4.8 of 4.6, ICMP sweep of 4 hosts");

	event = event_of(EVENT_ALERT, GRADE_ALERT);
	event.suspected_mn = 5000;
	for (uint16_t i = 5; i > 0; i--)
		add(&event, EVIDENCE_PROTOCOL, (uint16_t)(i * 10));
	event.ports = 5;
	expect_line(&event, "alert 198.51.100.7: suspected 5.0, IP protocol scan, 5 protocols (10, 20, 30, 40, 50)");

	event = event_of(EVENT_DISTRIBUTED, GRADE_NONE);
	memset(&event.source, 0, sizeof(event.source));
	event.sources = 50;
	event.incident = 7;
	add(&event, EVIDENCE_SYN, 22);
	add(&event, EVIDENCE_SYN, 21);
	event.ports = 2;
	expect_line(&event, "distributed scan: 50 sources, SYN scan, 2 closed ports (21 ftp, 22 ssh) [incident 7]");
}

static void every_scan_is_named(void **state)
{
	static const struct {
		enum evidence_kind kind;
		const char *words;
	} cases[] = {
		{ EVIDENCE_TRAP_WEAK, "possible connect scan, 1 closed port (53 domain)" },
		{ EVIDENCE_SYN, "SYN scan, 1 closed port (53 domain)" },
		{ EVIDENCE_FIN, "FIN scan, 1 port (53 domain)" },
		{ EVIDENCE_NULL, "NULL scan, 1 port (53 domain)" },
		{ EVIDENCE_XMAS, "Xmas scan, 1 port (53 domain)" },
		{ EVIDENCE_SYNFIN, "SYN+FIN scan, 1 port (53 domain)" },
		{ EVIDENCE_SYNRST, "SYN+RST scan, 1 port (53 domain)" },
		{ EVIDENCE_FLAGS, "impossible-flags scan, 1 port (53 domain)" },
		{ EVIDENCE_MAIMON, "Maimon scan, 1 closed port (53 domain)" },
		{ EVIDENCE_ACK, "ACK scan, 1 closed port (53 domain)" },
		{ EVIDENCE_UDP, "UDP scan, 1 closed port (53 domain)" },
		{ EVIDENCE_UDP_TRAP, "UDP scan, 1 closed port (53 domain)" },
		{ EVIDENCE_SCTP_INIT, "SCTP INIT scan, 1 closed port (53)" },
		{ EVIDENCE_SCTP_COOKIE, "SCTP COOKIE-ECHO scan, 1 port (53)" },
		{ EVIDENCE_PROTOCOL, "IP protocol scan, 1 protocol (53)" },
		{ EVIDENCE_ICMP_ECHO, "ICMP sweep" },
		{ EVIDENCE_ICMP_TIMESTAMP, "ICMP timestamp probe" },
		{ EVIDENCE_ICMP_MASK, "ICMP mask probe" },
		{ EVIDENCE_FRAGMENT, "tiny fragments" },
		{ EVIDENCE_TRUNCATED, "truncated headers" },
		{ EVIDENCE_CHECKSUM, "bad checksums" },
		{ EVIDENCE_MARK, "scanner mark" },
	};
	struct service_names *names = service_names_new(services_text, sizeof(services_text) - 1);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct event event = event_of(EVENT_ALERT, GRADE_ALERT);
		char buf[256], expected[256];
		struct writer w = writer_over(buf, sizeof(buf)), e = writer_over(expected, sizeof(expected));

		add(&event, cases[i].kind, 53);
		event.suspected_mn = 5000;
		writer_format(&e, "suspected 5.0, %s", cases[i].words);
		describe_reason(&w, &event, names);
		assert_string_equal(buf, expected);
	}
	service_names_free(names);
}

static void kinds_and_ports_stand_alone(void **state)
{
	struct event event = event_of(EVENT_VEIL, GRADE_VEIL);
	char buf[128];
	struct writer w = writer_over(buf, sizeof(buf));

	(void)state;
	add(&event, EVIDENCE_SYN, 443);
	add(&event, EVIDENCE_UDP, 53);
	add(&event, EVIDENCE_UDP_TRAP, 161);
	add(&event, EVIDENCE_SYN, 53);
	add(&event, EVIDENCE_XMAS, 7);
	add(&event, EVIDENCE_MARK, 9);
	add(&event, EVIDENCE_TRAP, 23);
	event.pieces[4].weight = 50;
	event.kinds |= 1u << EVIDENCE_ACK; /* known from older pieces alone */
	describe_kinds(&w, &event);
	assert_string_equal(buf, "Xmas scan, SYN scan, UDP scan, connect scan, ACK scan");
	w = writer_over(buf, sizeof(buf));
	describe_ports(&w, &event);
	assert_string_equal(buf, "7,23,53,161,443");

	/* One of two ports is known to be closed: neither claim is made for both. */
	w = writer_over(buf, sizeof(buf));
	event.piece_count = 0;
	event.kinds = 0;
	add(&event, EVIDENCE_SYN, 443);
	add(&event, EVIDENCE_XMAS, 22);
	describe_reason(&w, &event, NULL);
	assert_string_equal(buf, "suspected 0.0, SYN scan, Xmas scan, 2 ports (22, 443)");
	w = writer_over(buf, sizeof(buf));
	add(&event, EVIDENCE_SYN, 22);
	describe_reason(&w, &event, NULL);
	assert_string_equal(buf, "suspected 0.0, SYN scan, Xmas scan, 2 closed ports (22, 443)");
}

/* What `list` and `explain` say that a source may still do. */
static void from_a_veil_on_something_is_kept_from_a_source(void **state)
{
	(void)state;
	for (enum grade grade = GRADE_NONE; grade < GRADE_VEIL; grade++)
		assert_null(grade_passes(grade));
	assert_non_null(strstr(grade_passes(GRADE_VEIL), "what runs, ports it is a customer of"));
	assert_non_null(strstr(grade_passes(GRADE_BAN), "nothing new"));
	assert_string_equal(grade_passes(GRADE_BLOCK), "nothing");
}

/* Whose telling must never be crowded out, and what anybody can bring about with forged packets. */
static void bans_are_worth_more_than_what_can_be_forged(void **state)
{
	static const struct {
		uint8_t type, grade, worth;
		bool beginning;
	} cases[] = {
		{ EVENT_ALERT, GRADE_ALERT, EVENT_WORTH_FORGEABLE, false },
		{ EVENT_VEIL, GRADE_VEIL, EVENT_WORTH_FORGEABLE, true },
		{ EVENT_EXPIRE, GRADE_VEIL, EVENT_WORTH_FORGEABLE, false },
		{ EVENT_EXPIRE, GRADE_BAN, EVENT_WORTH_OTHER, false },
		{ EVENT_UNBLOCK, GRADE_VEIL, EVENT_WORTH_OTHER, false },
		{ EVENT_NOTICE, GRADE_NONE, EVENT_WORTH_OTHER, false },
		{ EVENT_BAN, GRADE_BAN, EVENT_WORTH_BAN, true },
		{ EVENT_BLOCK, GRADE_BLOCK, EVENT_WORTH_BAN, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct event event = event_of((enum event_type)cases[i].type, (enum grade)cases[i].grade);

		assert_int_equal(event_worth(&event), cases[i].worth);
		assert_int_equal(event_is_beginning(&event), cases[i].beginning);
	}
}

static void services_are_looked_up(void **state)
{
	static const struct {
		uint8_t protocol;
		uint16_t port;
		const char *name;
	} cases[] = {
		{ PROTO_TCP, 21, "ftp" },     { PROTO_TCP, 25, "smtp" },   { PROTO_TCP, 80, "http" },
		{ PROTO_UDP, 53, "domain" },  { PROTO_TCP, 700, "first" }, { PROTO_SCTP, 7, "sctpd" },
		{ PROTO_TCP, 65535, "last" }, { PROTO_UDP, 21, NULL },     { PROTO_TCP, 161, NULL },
		{ PROTO_TCP, 0, NULL },       { PROTO_TCP, 1, NULL },      { PROTO_TCP, 2, NULL },
		{ PROTO_TCP, 3, NULL },       { PROTO_TCP, 4, NULL },      { PROTO_TCP, 5, NULL },
		{ PROTO_ICMP, 21, NULL },     { PROTO_TCP, 990, "ftps" },
	};
	struct service_names *names = service_names_new(services_text, sizeof(services_text) - 1);
	struct service_names *none = service_names_new("", 0);

	(void)state;
	assert_non_null(none);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *name = service_name(names, cases[i].protocol, cases[i].port);

		assert_null(service_name(none, cases[i].protocol, cases[i].port));
		assert_null(service_name(NULL, cases[i].protocol, cases[i].port));
		if (cases[i].name) {
			assert_non_null(name);
			assert_string_equal(name, cases[i].name);
		} else {
			assert_null(name);
		}
	}
	service_names_free(names);
	service_names_free(none);
	service_names_free(NULL);
}

static void service_names_are_bounded(void **state)
{
	static const char line[] = "a 1/tcp\n";
	const size_t count = 70000, len = sizeof(line) - 1;
	char *text = malloc(count * len);
	struct service_names *names;

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < count; i++)
		memcpy(text + i * len, line, len);
	memcpy(text + (count - 1) * len, "b 2/tcp\n", len); /* beyond the limit */
	names = service_names_new(text, count * len);
	assert_non_null(names);
	assert_string_equal(service_name(names, PROTO_TCP, 1), "a");
	assert_null(service_name(names, PROTO_TCP, 2));
	service_names_free(names);
	free(text);
}

static void foreign_events_are_checked(void **state)
{
	struct event good = syn_scan(EVENT_VEIL, GRADE_VEIL), bad;

	(void)state;
	assert_true(event_is_valid(&good));
/* clang-format off */
#define REFUSED(change) do { bad = good; change; assert_false(event_is_valid(&bad)); } while (0)
	/* clang-format on */
	REFUSED(bad.type = EVENT_NONE);
	REFUSED(bad.type = EVENT_TYPE_COUNT);
	REFUSED(bad.grade = GRADE_COUNT);
	REFUSED(bad.tool = TOOL_COUNT);
	REFUSED(bad.observed = 2);
	REFUSED(bad.piece_count = EVENT_PIECES_MAX + 1);
	REFUSED(bad.pieces[4].kind = EVIDENCE_KIND_COUNT);
	REFUSED(bad.kinds = 1u << EVIDENCE_KIND_COUNT);
	REFUSED(bad.source.len = 129);
	REFUSED(bad.source.len = 64);
	REFUSED(bad.at_ms = EVENT_LATEST_MS + 1);
	REFUSED(bad.at_ms = -1);
	REFUSED(bad.duration_ms = -1);
	REFUSED(bad.duration_ms = DURATION_MAX_MS + 1);
	REFUSED(memset(bad.text, 'x', sizeof(bad.text)));
	REFUSED(strcpy(bad.text, "two\nlines"));
	REFUSED(strcpy(bad.text, "\xc3\xa9"));
#undef REFUSED
}

/* Whatever is in an event, its line is bounded, printable and terminated. */
static void random_events_make_printable_lines(void **state)
{
	struct seed seed = seed_new("random_events_make_printable_lines");
	struct service_names *names = service_names_new(services_text, sizeof(services_text) - 1);

	(void)state;
	for (int round = 0; round < 20000; round++) {
		size_t size = 1 + seed_below(&seed, 1200);
		struct event event;
		char buf[1200];
		struct writer w = writer_over(buf, size);

		for (size_t i = 0; i < sizeof(event); i++)
			((uint8_t *)&event)[i] = (uint8_t)seed_next(&seed);
		if (round % 4) {
			event.type %= EVENT_TYPE_COUNT;
			event.piece_count %= EVENT_PIECES_MAX + 1;
			for (size_t i = 0; i < EVENT_PIECES_MAX; i++)
				event.pieces[i].kind %= EVIDENCE_KIND_COUNT;
		}
		describe_event(&w, &event, names);
		describe_ports(&w, &event);
		describe_kinds(&w, &event);
		assert_int_equal(strlen(buf), w.len);
		assert_true(w.len < size);
		for (size_t i = 0; i < w.len; i++)
			assert_true(buf[i] >= 0x20 && buf[i] <= 0x7e);
	}
	service_names_free(names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(veil_lines_keep_their_contract),
		cmocka_unit_test(ban_lines_keep_their_contract),
		cmocka_unit_test(other_lines_are_stable),
		cmocka_unit_test(sweeps_and_protocols_are_told),
		cmocka_unit_test(every_scan_is_named),
		cmocka_unit_test(kinds_and_ports_stand_alone),
		cmocka_unit_test(from_a_veil_on_something_is_kept_from_a_source),
		cmocka_unit_test(bans_are_worth_more_than_what_can_be_forged),
		cmocka_unit_test(services_are_looked_up),
		cmocka_unit_test(service_names_are_bounded),
		cmocka_unit_test(foreign_events_are_checked),
		cmocka_unit_test(random_events_make_printable_lines),
	};

	return cmocka_run_group_tests_name("describe", tests, NULL, NULL);
}
