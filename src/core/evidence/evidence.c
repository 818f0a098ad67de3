/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What each kind of evidence is called, and what its port is: one row a kind.  The words are the contract's: logs,
 * hooks, JSON and metrics are matched against them, so a row's text changes only with an entry in the changelog.
 */
#include <picket/evidence.h>
#include <picket/packet.h>

#include <stddef.h>

struct kind_row {
	const char *name; /* JSON, metrics label */
	const char *scan; /* log line */
	uint8_t protocol; /* of its port; 0: the port says nothing */
	bool closed;      /* the port was closed, or trapped */
};

static const struct kind_row kinds[EVIDENCE_KIND_COUNT] = {
	[EVIDENCE_NONE] = { "none", "nothing", 0, false },
	[EVIDENCE_TRAP] = { "trap", "connect scan", PROTO_TCP, true },
	[EVIDENCE_TRAP_WEAK] = { "trap_weak", "possible connect scan", PROTO_TCP, true },
	[EVIDENCE_SYN] = { "syn", "SYN scan", PROTO_TCP, true },
	[EVIDENCE_FIN] = { "fin", "FIN scan", PROTO_TCP, false },
	[EVIDENCE_NULL] = { "null", "NULL scan", PROTO_TCP, false },
	[EVIDENCE_XMAS] = { "xmas", "Xmas scan", PROTO_TCP, false },
	[EVIDENCE_SYNFIN] = { "synfin", "SYN+FIN scan", PROTO_TCP, false },
	[EVIDENCE_SYNRST] = { "synrst", "SYN+RST scan", PROTO_TCP, false },
	[EVIDENCE_FLAGS] = { "flags", "impossible-flags scan", PROTO_TCP, false },
	[EVIDENCE_MAIMON] = { "maimon", "Maimon scan", PROTO_TCP, true },
	[EVIDENCE_ACK] = { "ack", "ACK scan", PROTO_TCP, true },
	[EVIDENCE_UDP] = { "udp", "UDP scan", PROTO_UDP, true },
	[EVIDENCE_UDP_TRAP] = { "udp_trap", "UDP scan", PROTO_UDP, true },
	[EVIDENCE_SCTP_INIT] = { "sctp_init", "SCTP INIT scan", PROTO_SCTP, true },
	[EVIDENCE_SCTP_COOKIE] = { "sctp_cookie", "SCTP COOKIE-ECHO scan", PROTO_SCTP, false },
	[EVIDENCE_PROTOCOL] = { "protocol", "IP protocol scan", 0, false },
	[EVIDENCE_ICMP_ECHO] = { "icmp_echo", "ICMP sweep", 0, false },
	[EVIDENCE_ICMP_TIMESTAMP] = { "icmp_timestamp", "ICMP timestamp probe", 0, false },
	[EVIDENCE_ICMP_MASK] = { "icmp_mask", "ICMP mask probe", 0, false },
	[EVIDENCE_FRAGMENT] = { "fragment", "tiny fragments", 0, false },
	[EVIDENCE_TRUNCATED] = { "truncated", "truncated headers", 0, false },
	[EVIDENCE_CHECKSUM] = { "checksum", "bad checksums", 0, false },
	[EVIDENCE_MARK] = { "mark", "scanner mark", 0, false },
};

static const char *const tools[TOOL_COUNT] = {
	[TOOL_NONE] = "",     [TOOL_NMAP] = "nmap",   [TOOL_MASSCAN] = "masscan",
	[TOOL_ZMAP] = "ZMap", [TOOL_MIRAI] = "Mirai",
};

static const struct kind_row *row_of(enum evidence_kind kind)
{
	return &kinds[(size_t)kind < EVIDENCE_KIND_COUNT ? kind : EVIDENCE_NONE];
}

const char *evidence_name(enum evidence_kind kind)
{
	return row_of(kind)->name;
}

const char *evidence_scan_name(enum evidence_kind kind)
{
	return row_of(kind)->scan;
}

uint8_t evidence_protocol(enum evidence_kind kind)
{
	return row_of(kind)->protocol;
}

bool evidence_is_closed_port(enum evidence_kind kind)
{
	return row_of(kind)->closed;
}

const char *evidence_tool_name(enum evidence_tool tool)
{
	return tools[(size_t)tool < TOOL_COUNT ? tool : TOOL_NONE];
}

bool evidence_same_host(const struct evidence *a, const struct evidence *b)
{
	return (a->host_tag & ~EVIDENCE_FLAG_BITS) == (b->host_tag & ~EVIDENCE_FLAG_BITS);
}
