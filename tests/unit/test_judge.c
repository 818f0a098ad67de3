/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a single probe proves: every combination of TCP flags, every protocol, the marks and their near misses.
 */
#include "core.h"
#include "evidence/evidence.h"

static struct probe tcp(uint8_t flags)
{
	struct addr source = core_addr("198.51.100.7");
	struct probe probe = core_syn(&source, 22);

	probe.packet.tcp_flags = flags;
	return probe;
}

static void flags_are_named(void **state)
{
	static const struct {
		uint8_t flags, kind;
	} cases[] = {
		{ TCP_SYN, EVIDENCE_SYN },
		{ TCP_SYN | TCP_ECE | TCP_CWR, EVIDENCE_SYN },
		{ 0, EVIDENCE_NULL },
		{ TCP_ECE, EVIDENCE_NULL },
		{ TCP_FIN, EVIDENCE_FIN },
		{ TCP_FIN | TCP_PSH | TCP_URG, EVIDENCE_XMAS },
		{ TCP_SYN | TCP_FIN, EVIDENCE_SYNFIN },
		{ TCP_SYN | TCP_FIN | TCP_ACK, EVIDENCE_SYNFIN },
		{ TCP_SYN | TCP_RST, EVIDENCE_SYNRST },
		{ TCP_PSH, EVIDENCE_FLAGS },
		{ TCP_URG, EVIDENCE_FLAGS },
		{ TCP_URG | TCP_PSH, EVIDENCE_FLAGS },
		{ TCP_FIN | TCP_URG, EVIDENCE_FLAGS },
		{ TCP_SYN | TCP_URG, EVIDENCE_FLAGS },
		{ TCP_RST | TCP_FIN, EVIDENCE_FLAGS },
		{ 0x3f, EVIDENCE_FLAGS },
		{ TCP_ACK, EVIDENCE_ACK },
		{ TCP_ACK | TCP_PSH, EVIDENCE_ACK },
		{ TCP_ACK | TCP_URG, EVIDENCE_ACK },
		{ TCP_FIN | TCP_ACK, EVIDENCE_MAIMON },
		{ TCP_FIN | TCP_PSH | TCP_ACK, EVIDENCE_MAIMON },
		{ TCP_SYN | TCP_ACK, EVIDENCE_NONE },
		{ TCP_RST, EVIDENCE_NONE },
		{ TCP_RST | TCP_ACK, EVIDENCE_NONE },
		{ TCP_RST | TCP_ACK | TCP_PSH, EVIDENCE_NONE },
		{ TCP_SYN | TCP_ACK | TCP_ECE, EVIDENCE_NONE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct probe probe = tcp(cases[i].flags);

		if (judge_probe(&probe).kind != cases[i].kind)
			fail_msg("flags 0x%02x: %s, expected %s", cases[i].flags,
				 evidence_name(judge_probe(&probe).kind), evidence_name(cases[i].kind));
	}
}

/* An FTP server that was told to connect here is not the one who scans (RFC 2577). */
static void ftp_data_connections_confirm_nothing(void **state)
{
	struct probe probe = tcp(0);

	(void)state;
	probe.packet.dport = 23;
	probe.trap = PROBE_TRAP_SILENT;
	assert_int_equal(judge_probe(&probe).kind, EVIDENCE_TRAP);
	probe.packet.sport = 20;
	assert_int_equal(judge_probe(&probe).kind, EVIDENCE_TRAP_WEAK);
}

static void empty_pings_are_nmaps(void **state)
{
	static const struct {
		uint8_t protocol, type;
		uint16_t payload_len;
		bool dont_fragment, marked;
	} cases[] = {
		{ PROTO_ICMP, 8, 0, false, true },       { PROTO_ICMP, 8, 56, false, false },
		{ PROTO_ICMP, 8, 0, true, false },       { PROTO_ICMP, 13, 12, false, false },
		{ PROTO_ICMP, 0, 0, false, false },      { PROTO_ICMPV6, 128, 4, false, true },
		{ PROTO_ICMPV6, 128, 60, false, false }, { PROTO_ICMPV6, 135, 4, false, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct probe probe = tcp(0);

		probe.packet.protocol = cases[i].protocol;
		probe.packet.icmp_type = cases[i].type;
		probe.packet.payload_len = cases[i].payload_len;
		probe.packet.dont_fragment = cases[i].dont_fragment;
		assert_int_equal(judge_mark(&probe.packet), cases[i].marked ? TOOL_NMAP : TOOL_NONE);
	}
}

static void syn_weights_follow_the_port(void **state)
{
	(void)state;
	assert_int_equal(judge_syn_weight(0), WEIGHT_SYN_LOW);
	assert_int_equal(judge_syn_weight(1023), WEIGHT_SYN_LOW);
	assert_int_equal(judge_syn_weight(1024), WEIGHT_SYN_MIDDLE);
	assert_int_equal(judge_syn_weight(32767), WEIGHT_SYN_MIDDLE);
	assert_int_equal(judge_syn_weight(32768), WEIGHT_SYN_HIGH);
	assert_int_equal(judge_syn_weight(65535), WEIGHT_SYN_HIGH);
}

static void protocols_are_judged(void **state)
{
	static const struct {
		uint8_t protocol, type, kind, payload_len;
		bool v6;
	} cases[] = {
		{ PROTO_ICMP, 8, EVIDENCE_ICMP_ECHO, 56, false },
		{ PROTO_ICMP, 0, EVIDENCE_NONE, 56, false },
		{ PROTO_ICMP, 3, EVIDENCE_NONE, 28, false },
		{ PROTO_ICMP, 11, EVIDENCE_NONE, 28, false },
		{ PROTO_ICMP, 13, EVIDENCE_ICMP_TIMESTAMP, 12, false },
		{ PROTO_ICMP, 14, EVIDENCE_NONE, 12, false },
		{ PROTO_ICMP, 17, EVIDENCE_ICMP_MASK, 4, false },
		{ PROTO_ICMP, 8, EVIDENCE_PROTOCOL, 56, true },
		{ PROTO_ICMPV6, 128, EVIDENCE_ICMP_ECHO, 60, true },
		{ PROTO_ICMPV6, 2, EVIDENCE_NONE, 60, true },
		{ PROTO_ICMPV6, 135, EVIDENCE_NONE, 20, true },
		{ PROTO_ICMPV6, 128, EVIDENCE_PROTOCOL, 60, false },
		{ 3, 0, EVIDENCE_PROTOCOL, 20, false },
		{ 33, 0, EVIDENCE_PROTOCOL, 20, false },
		{ 255, 0, EVIDENCE_PROTOCOL, 20, false },
		{ 59, 0, EVIDENCE_NONE, 0, true },
		{ 2, 0, EVIDENCE_NONE, 8, false },
		{ 2, 0, EVIDENCE_PROTOCOL, 8, true },
		/* tunnels and routing: spoken here, but never without a word */
		{ 4, 0, EVIDENCE_NONE, 20, false },
		{ 4, 0, EVIDENCE_PROTOCOL, 0, false },
		{ 41, 0, EVIDENCE_NONE, 20, false },
		{ 41, 0, EVIDENCE_PROTOCOL, 0, false },
		{ 47, 0, EVIDENCE_NONE, 20, false },
		{ 47, 0, EVIDENCE_PROTOCOL, 0, false },
		{ 50, 0, EVIDENCE_NONE, 20, false },
		{ 50, 0, EVIDENCE_PROTOCOL, 0, false },
		{ 51, 0, EVIDENCE_NONE, 20, false },
		{ 51, 0, EVIDENCE_PROTOCOL, 0, false },
		{ 89, 0, EVIDENCE_NONE, 20, false },
		{ 89, 0, EVIDENCE_PROTOCOL, 0, false },
		{ 103, 0, EVIDENCE_NONE, 20, false },
		{ 103, 0, EVIDENCE_PROTOCOL, 0, false },
		{ 112, 0, EVIDENCE_NONE, 20, false },
		{ 112, 0, EVIDENCE_PROTOCOL, 0, false },
		{ PROTO_SCTP, 1, EVIDENCE_SCTP_INIT, 4, false },
		{ PROTO_SCTP, 10, EVIDENCE_SCTP_COOKIE, 4, false },
		{ PROTO_SCTP, 6, EVIDENCE_NONE, 0, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct probe probe = tcp(0);

		probe.packet.protocol = cases[i].protocol;
		probe.packet.payload_len = cases[i].payload_len;
		if (cases[i].v6)
			assert_true(addr_parse("2001:db8::1", &probe.packet.src));
		probe.packet.icmp_type = cases[i].type;
		probe.packet.sctp_chunk = cases[i].type;
		if (judge_probe(&probe).kind != cases[i].kind)
			fail_msg("protocol %u type %u: %s", cases[i].protocol, cases[i].type,
				 evidence_name(judge_probe(&probe).kind));
	}
}

static void datagrams_are_judged(void **state)
{
	static const struct {
		uint16_t sport, dport;
		uint8_t ttl, weight;
	} cases[] = {
		{ 40000, 161, 55, WEIGHT_UDP },
		{ 53, 161, 55, WEIGHT_UDP },
		{ 53, 40000, 55, WEIGHT_UDP_ANSWER },
		{ 40000, 40000, 55, WEIGHT_UDP },
		{ 40000, 33434, 1, 0 },
		{ 40000, 33534, 30, 0 },
		{ 40000, 33434, 31, WEIGHT_UDP },
		{ 40000, 33535, 11, WEIGHT_UDP },
		{ 40000, 161, 1, WEIGHT_UDP },
		{ 40000, 33433, 10, 0 }, /* mtr */
		{ 40000, 33000, 10, 0 },
		{ 40000, 33433, 11, WEIGHT_UDP },
		{ 40000, 32999, 10, WEIGHT_UDP },
		{ 40000, 443, 55, WEIGHT_UDP_ANSWER }, /* a browser tries HTTP/3 */
		{ 1023, 32768, 55, WEIGHT_UDP_ANSWER },
		{ 1, 32768, 55, WEIGHT_UDP_ANSWER },
		{ 0, 32768, 55, WEIGHT_UDP },
		{ 1024, 32768, 55, WEIGHT_UDP },
		{ 1023, 32767, 55, WEIGHT_UDP },
		{ 67, 68, 55, 0 },
		{ 547, 546, 55, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct probe probe = tcp(0);

		probe.packet.protocol = PROTO_UDP;
		probe.packet.sport = cases[i].sport;
		probe.packet.dport = cases[i].dport;
		probe.packet.ttl = cases[i].ttl;
		if (judge_probe(&probe).weight != cases[i].weight)
			fail_msg("%u to %u, ttl %u: %u", cases[i].sport, cases[i].dport, cases[i].ttl,
				 judge_probe(&probe).weight);
	}
}

/* Which datagrams and late packets may be an honest program's, so that a dozen of them weigh nothing. */
static void what_honest_hosts_send_too_is_plausible(void **state)
{
	static const struct {
		uint8_t protocol, ttl;
		uint16_t sport, dport;
		bool plausible;
	} cases[] = {
		{ PROTO_UDP, 10, 40000, 33535, true }, /* a long run of mtr */
		{ PROTO_UDP, 11, 40000, 33535, false }, { PROTO_UDP, 10, 40000, 32999, false },
		{ PROTO_TCP, 55, 443, 40000, true }, /* a service's last word */
		{ PROTO_TCP, 55, 1023, 32768, true },   { PROTO_TCP, 55, 1024, 32768, false },
		{ PROTO_TCP, 55, 1023, 32767, false },  { PROTO_TCP, 55, 0, 32768, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct probe probe = tcp(TCP_ACK);

		probe.packet.protocol = cases[i].protocol;
		probe.packet.ttl = cases[i].ttl;
		probe.packet.sport = cases[i].sport;
		probe.packet.dport = cases[i].dport;
		assert_int_equal(judge_probe(&probe).plausible, cases[i].plausible);
	}
}

/* Of a service's port a probe proves nothing, an impossible packet does; a real stack's SYN is known by its options. */
static void where_a_service_is_it_matters(void **state)
{
	struct probe probe = tcp(TCP_SYN);

	(void)state;
	assert_true(judge_probe(&probe).service && judge_probe(&probe).stack);
	probe.packet.tcp_option_count = 1;
	assert_false(judge_probe(&probe).stack);
	probe.packet.tcp_option_count = 2;
	assert_true(judge_probe(&probe).stack);
	probe.packet.mss = 0;
	assert_false(judge_probe(&probe).stack);
	probe.packet.tcp_flags = TCP_FIN;
	assert_false(judge_probe(&probe).service);
	assert_int_equal(judge_probe(&probe).flags, TCP_FIN);
	probe.packet.tcp_flags = TCP_ACK;
	assert_true(judge_probe(&probe).service);
	probe.trap = PROBE_TRAP_SILENT;
	assert_true(judge_probe(&probe).service);
}

/* ZMap's pings bear its IP id, and a TTL that began at 255. */
static void pings_of_zmap_are_known(void **state)
{
	struct packet p = tcp(0).packet;

	(void)state;
	p.protocol = PROTO_ICMP;
	p.icmp_type = 8;
	p.payload_len = 8;
	p.ip_id = 54321;
	p.ttl = 129;
	assert_int_equal(judge_mark(&p), TOOL_ZMAP);
	p.ttl = 128;
	assert_int_equal(judge_mark(&p), TOOL_NONE);
	p.ttl = 240;
	p.ip_id = 54320;
	assert_int_equal(judge_mark(&p), TOOL_NONE);
	p.ip_id = 54321;
	p.dst = core_addr("2001:db8::1"); /* IPv6 has no id */
	assert_int_equal(judge_mark(&p), TOOL_NONE);
}

/* nmap's raw packets: a window of one to four times 1,024, and MSS 1460 as a SYN's one option. */
static void raw_packets_of_nmap_are_known(void **state)
{
	static const struct {
		uint8_t flags, options;
		uint16_t window, mss;
		bool marked;
	} cases[] = {
		{ TCP_SYN, 1, 1024, 1460, true },  { TCP_SYN, 1, 4096, 1460, true },  { TCP_SYN, 1, 5120, 1460, false },
		{ TCP_SYN, 1, 0, 1460, false },    { TCP_SYN, 1, 1023, 1460, false }, { TCP_SYN, 0, 1024, 0, false },
		{ TCP_SYN, 2, 1024, 1460, false }, { TCP_SYN, 1, 1024, 1459, false }, { TCP_FIN, 0, 1024, 0, true },
		{ TCP_ACK, 0, 2048, 0, true },     { TCP_ACK, 1, 2048, 1460, true },  { TCP_ACK, 1, 2048, 1400, false },
		{ TCP_ACK, 2, 2048, 1460, false }, { 0, 0, 3072, 0, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct packet p = tcp(cases[i].flags).packet;

		p.tcp_option_count = cases[i].options;
		p.window = cases[i].window;
		p.mss = cases[i].mss;
		p.dont_fragment = false;
		if (judge_mark(&p) != (cases[i].marked ? TOOL_NMAP : TOOL_NONE))
			fail_msg("case %zu: %s", i, evidence_tool_name(judge_mark(&p)));
		p.dont_fragment = true;
		assert_int_equal(judge_mark(&p), TOOL_NONE);
	}
}

static void marks_need_two_features(void **state)
{
	struct packet p = tcp(TCP_SYN).packet;
	struct packet bare = p;

	(void)state;
	assert_int_equal(judge_mark(&p), TOOL_NONE);
	bare.dont_fragment = false;
	bare.window = 1024;
	bare.tcp_option_count = 1;
	assert_int_equal(judge_mark(&bare), TOOL_NMAP);
	bare.window = 4097;
	assert_int_equal(judge_mark(&bare), TOOL_NONE);
	bare.window = 2048;
	bare.mss = 1400;
	assert_int_equal(judge_mark(&bare), TOOL_NONE);
	bare.mss = 1460;
	bare.dont_fragment = true;
	assert_int_equal(judge_mark(&bare), TOOL_NONE);
	p.ip_id = 54321; /* one feature alone */
	assert_int_equal(judge_mark(&p), TOOL_NONE);
	p.window = 65535;
	p.tcp_option_count = 0;
	assert_int_equal(judge_mark(&p), TOOL_ZMAP);
	p.seq = 0xc0000201; /* 192.0.2.1 */
	assert_int_equal(judge_mark(&p), TOOL_MIRAI);
	p.seq = 0x12345678;
	p.ip_id = (uint16_t)(0xc0000201u ^ 22 ^ 0x12345678u);
	assert_int_equal(judge_mark(&p), TOOL_NONE);
	p.window = 1024;
	p.dont_fragment = false;
	assert_int_equal(judge_mark(&p), TOOL_MASSCAN);
}

static void damage_is_judged_by_who_did_it(void **state)
{
	struct probe probe = tcp(TCP_SYN);

	(void)state;
	probe.packet_result = PACKET_EXTENSION_LIMIT;
	assert_int_equal(judge_probe(&probe).weight, WEIGHT_HIDDEN);
	probe.packet_result = PACKET_SHORT_TRANSPORT;
	assert_int_equal(judge_probe(&probe).kind, EVIDENCE_TRUNCATED);
	probe.packet.first_fragment = true;
	assert_int_equal(judge_probe(&probe).kind, EVIDENCE_FRAGMENT);
	probe.packet_result = PACKET_LATER_FRAGMENT;
	assert_int_equal(judge_probe(&probe).kind, EVIDENCE_NONE);
	probe.packet_result = PACKET_OK;
	probe.packet.checksum = PACKET_CHECKSUM_BAD;
	assert_int_equal(judge_probe(&probe).kind, EVIDENCE_CHECKSUM);
	probe = tcp(0);
	probe.packet.dst = core_addr("224.0.0.251");
	assert_int_equal(judge_probe(&probe).kind, EVIDENCE_NONE);
}

static void every_kind_has_a_group(void **state)
{
	(void)state;
	assert_int_equal(judge_group(EVIDENCE_NONE), GROUP_NONE);
	for (int kind = EVIDENCE_NONE + 1; kind < EVIDENCE_KIND_COUNT; kind++)
		assert_int_not_equal(judge_group((enum evidence_kind)kind), GROUP_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flags_are_named),
		cmocka_unit_test(syn_weights_follow_the_port),
		cmocka_unit_test(ftp_data_connections_confirm_nothing),
		cmocka_unit_test(empty_pings_are_nmaps),
		cmocka_unit_test(protocols_are_judged),
		cmocka_unit_test(datagrams_are_judged),
		cmocka_unit_test(what_honest_hosts_send_too_is_plausible),
		cmocka_unit_test(where_a_service_is_it_matters),
		cmocka_unit_test(pings_of_zmap_are_known),
		cmocka_unit_test(raw_packets_of_nmap_are_known),
		cmocka_unit_test(marks_need_two_features),
		cmocka_unit_test(damage_is_judged_by_who_did_it),
		cmocka_unit_test(every_kind_has_a_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
