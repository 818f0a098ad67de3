/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The words of a probe become probes: what real senders and real tools put into their packets, so that a scenario
 * need not spell it out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script.h"

struct kind_word {
	const char *word;
	uint8_t protocol;
	uint8_t flags;  /* TCP */
	uint8_t type;   /* ICMP type, SCTP chunk */
	uint8_t trap;   /* enum probe_trap */
	uint8_t result; /* enum packet_result */
	bool ports;     /* the next word is a list of ports */
};

static const struct kind_word kinds[] = {
	{ "syn", PROTO_TCP, TCP_SYN, 0, 0, 0, true },
	{ "fin", PROTO_TCP, TCP_FIN, 0, 0, 0, true },
	{ "null", PROTO_TCP, 0, 0, 0, 0, true },
	{ "xmas", PROTO_TCP, TCP_FIN | TCP_PSH | TCP_URG, 0, 0, 0, true },
	{ "synfin", PROTO_TCP, TCP_SYN | TCP_FIN, 0, 0, 0, true },
	{ "synrst", PROTO_TCP, TCP_SYN | TCP_RST, 0, 0, 0, true },
	{ "urgpsh", PROTO_TCP, TCP_URG | TCP_PSH, 0, 0, 0, true },
	{ "allflags", PROTO_TCP, 0x3f, 0, 0, 0, true },
	{ "ack", PROTO_TCP, TCP_ACK, 0, 0, 0, true },
	{ "maimon", PROTO_TCP, TCP_FIN | TCP_ACK, 0, 0, 0, true },
	{ "finack", PROTO_TCP, TCP_FIN | TCP_ACK, 0, 0, 0, true },
	{ "pshack", PROTO_TCP, TCP_PSH | TCP_ACK, 0, 0, 0, true },
	{ "synack", PROTO_TCP, TCP_SYN | TCP_ACK, 0, 0, 0, true },
	{ "rst", PROTO_TCP, TCP_RST, 0, 0, 0, true },
	{ "rstack", PROTO_TCP, TCP_RST | TCP_ACK, 0, 0, 0, true },
	{ "completed", PROTO_TCP, 0, 0, PROBE_TRAP_SILENT, 0, true },
	{ "spoke", PROTO_TCP, 0, 0, PROBE_TRAP_SPOKE, 0, true },
	{ "induced", PROTO_TCP, 0, 0, PROBE_TRAP_INDUCED, 0, true },
	{ "unsaved", PROTO_TCP, 0, 0, PROBE_TRAP_UNSAVED, 0, true },
	{ "udp", PROTO_UDP, 0, 0, 0, 0, true },
	{ "sctp-init", PROTO_SCTP, 0, 1, 0, 0, true },
	{ "sctp-cookie", PROTO_SCTP, 0, 10, 0, 0, true },
	{ "protocol", 0, 0, 0, 0, 0, true },
	{ "ping", PROTO_ICMP, 0, 8, 0, 0, false },
	{ "ping6", PROTO_ICMPV6, 0, 128, 0, 0, false },
	{ "timestamp", PROTO_ICMP, 0, 13, 0, 0, false },
	{ "mask", PROTO_ICMP, 0, 17, 0, 0, false },
	{ "unreachable", PROTO_ICMP, 0, 3, 0, 0, false },
	{ "neighbour", PROTO_ICMPV6, 0, 135, 0, 0, false },
	{ "fragment", PROTO_TCP, TCP_SYN, 0, 0, PACKET_SHORT_TRANSPORT, true },
	{ "later-fragment", PROTO_TCP, 0, 0, 0, PACKET_LATER_FRAGMENT, false },
	{ "truncated", PROTO_TCP, 0, 0, 0, PACKET_BAD_TRANSPORT, true },
};

#define REPEATS_MAX 16

/* When stacks repeat a SYN that nobody answers, in ms after the first (docs/veil.md tells who is which). */
static const struct schedule_word {
	const char *word;
	int64_t at_ms[REPEATS_MAX];
} schedules[] = {
	{ "linux", { 1000, 2000, 3000, 4000, 5000, 7000, 11000, 19000, 35000, 67000 } },
	{ "linux-6.4", { 1000, 3000, 7000, 15000, 31000, 63000 } },
	{ "windows", { 1000, 3000, 7000, 15000 } },
	{ "bsd", { 1000, 2000, 3000, 4000, 5000, 7000, 11000, 19000 } },
	{ "lwip", { 3000, 9000, 21000, 45000 } },
};

/* What a line says of all its probes. */
struct manner {
	const struct kind_word *kind;
	struct addr to;
	unsigned to_count, to_len;
	int64_t gap_ms;
	const char *mark;
	unsigned ttl, sport, seq, port_state, repeat;
	unsigned flags; /* in place of the kind's */
	const char *shape;
	int64_t repeats_ms[REPEATS_MAX]; /* of an unanswered SYN, 0-ended */
	bool has_seq, bad_checksum, retransmit, published, kin, completes;
};

bool source_read(const char *text, struct addr *first, unsigned *count, unsigned *len)
{
	char copy[80], *plus, *slash;

	snprintf(copy, sizeof(copy), "%s", text);
	plus = strchr(copy, '+');
	slash = plus ? strchr(plus, '/') : NULL;
	*count = 1;
	*len = 128;
	if (slash) {
		*len = (unsigned)strtoul(slash + 1, NULL, 10);
		*slash = 0;
	}
	if (plus) {
		*count = (unsigned)strtoul(plus + 1, NULL, 10);
		*plus = 0;
	}
	if (!addr_parse(copy, first) || *count == 0 || *count > 1000000)
		return false;
	if (slash && addr_is_v4(first))
		*len += 96;
	return *len > 0 && *len <= 128;
}

/* Counts up at the bit that ends a prefix of this length. */
struct addr source_next(const struct addr *first, unsigned i, unsigned len)
{
	struct addr addr = *first;
	uint64_t carry = (uint64_t)i << (8 - (len - 1) % 8 - 1);

	for (int at = (int)(len - 1) / 8; at >= 0 && carry; at--) {
		carry += addr.b[at];
		addr.b[at] = (uint8_t)carry;
		carry >>= 8;
	}
	return addr;
}

static bool add_port(uint16_t *ports, size_t *count, unsigned long port)
{
	if (*count >= SCRIPT_PORTS_MAX || port > 65535)
		return false;
	ports[(*count)++] = (uint16_t)port;
	return true;
}

static bool has_port(const uint16_t *ports, size_t count, unsigned port)
{
	for (size_t i = 0; i < count; i++) {
		if (ports[i] == port)
			return true;
	}
	return false;
}

/* Distinct ones, where there are enough to choose from. */
static bool random_ports(struct script *script, unsigned n, unsigned low, unsigned high, uint16_t *ports, size_t *count)
{
	unsigned span = high - low + 1;

	if (low > high || high > 65535 || n == 0)
		return false;
	for (unsigned i = 0; i < n; i++) {
		unsigned port = low + script_random(script) % span;

		while (n < span / 2 && has_port(ports, *count, port))
			port = low + script_random(script) % span;
		if (!add_port(ports, count, port))
			return false;
	}
	return true;
}

/* "21,22,5900-5910" or "random:20" or "random:20:1-1023". */
static bool read_ports(struct script *script, const char *text, uint16_t *ports, size_t *count)
{
	unsigned n, low = 1, high = 65535;
	char *end;

	*count = 0;
	if (sscanf(text, "random:%u:%u-%u", &n, &low, &high) >= 1)
		return random_ports(script, n, low, high, ports, count);
	for (; *text; text = *end == ',' ? end + 1 : end) {
		unsigned long from = strtoul(text, &end, 10), to = from;

		if (end == text)
			return false;
		if (*end == '-')
			to = strtoul(end + 1, &end, 10);
		if (*end != ',' && *end != 0)
			return false;
		for (unsigned long port = from; port <= to; port++) {
			if (!add_port(ports, count, port))
				return false;
		}
	}
	return *count > 0;
}

/* A stack's name, or a list of times. */
static bool read_schedule(struct script *script, const char *value, struct manner *manner)
{
	char copy[120], *rest = NULL;
	size_t count = 0;

	manner->retransmit = true;
	for (size_t i = 0; i < sizeof(schedules) / sizeof(schedules[0]); i++) {
		if (strcmp(value, schedules[i].word) == 0) {
			memcpy(manner->repeats_ms, schedules[i].at_ms, sizeof(manner->repeats_ms));
			return true;
		}
	}
	snprintf(copy, sizeof(copy), "%s", value);
	for (char *time = strtok_r(copy, ",", &rest); time; time = strtok_r(NULL, ",", &rest)) {
		if (count + 1 >= REPEATS_MAX || !script_time(time, &manner->repeats_ms[count]))
			return script_fail(script, "not a schedule of repeats: %s", value);
		count++;
	}
	return true;
}

static bool read_state(struct script *script, const char *value, struct manner *manner)
{
	static const char *const states[] = { "closed", "served", "trapped" };

	manner->published = strcmp(value, "published") == 0;
	if (manner->published)
		return true;
	for (unsigned i = 0; i < PROBE_PORT_COUNT; i++) {
		if (strcmp(value, states[i]) == 0) {
			manner->port_state = i;
			return true;
		}
	}
	return script_fail(script, "on=closed, served, trapped or published, not %s", value);
}

static bool read_value(struct script *script, const char *name, const char *value, struct manner *manner)
{
	const struct {
		const char *name;
		unsigned *number;
	} numbers[] = {
		{ "ttl", &manner->ttl }, { "sport", &manner->sport }, { "repeat", &manner->repeat },
		{ "seq", &manner->seq }, { "flags", &manner->flags },
	};

	manner->has_seq |= strcmp(name, "seq") == 0;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (strcmp(name, numbers[i].name) == 0) {
			*numbers[i].number = (unsigned)strtoul(value, NULL, 0);
			return true;
		}
	}
	if (strcmp(name, "to") == 0)
		return source_read(value, &manner->to, &manner->to_count, &manner->to_len) ||
		       script_fail(script, "not an address: %s", value);
	if (strcmp(name, "gap") == 0)
		return script_time(value, &manner->gap_ms) || script_fail(script, "not a time: %s", value);
	if (strcmp(name, "retransmit") == 0)
		return read_schedule(script, value, manner);
	if (strcmp(name, "on") == 0)
		return read_state(script, value, manner);
	if (strcmp(name, "mark") == 0)
		manner->mark = value;
	else if (strcmp(name, "shape") == 0)
		manner->shape = value;
	else if (strcmp(name, "checksum") == 0)
		manner->bad_checksum = strcmp(value, "bad") == 0;
	else
		return script_fail(script, "unknown option: %s", name);
	return true;
}

static bool read_option(struct script *script, char *word, struct manner *manner)
{
	char *value = strchr(word, '=');

	if (value) {
		*value++ = 0;
		return read_value(script, word, value, manner);
	}
	if (strcmp(word, "retransmit") == 0)
		return read_schedule(script, schedules[0].word, manner);
	manner->kin |= strcmp(word, "kin") == 0;
	manner->completes |= strcmp(word, "completes") == 0;
	if (strcmp(word, "kin") == 0 || strcmp(word, "completes") == 0)
		return true;
	return script_fail(script, "unknown option: %s", word);
}

/* What a SYN's options tell of its sender. */
static bool set_shape(const char *shape, struct packet *p)
{
	static const struct {
		const char *word;
		uint16_t mss;
		uint8_t options;
	} shapes[] = { { "stack", 1460, 4 }, { "mss", 1460, 1 }, { "none", 0, 0 } };

	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		if (strcmp(shape, shapes[i].word) == 0) {
			p->mss = shapes[i].mss;
			p->tcp_option_count = shapes[i].options;
			return true;
		}
	}
	return false;
}

static bool set_mark(const char *mark, struct packet *p)
{
	const uint8_t *b = addr_v4_bytes(&p->dst);
	uint32_t dst = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];

	p->dont_fragment = false;
	p->payload_len = 0;
	if (strcmp(mark, "nmap") == 0) {
		p->window = 1024;
		p->tcp_option_count = p->tcp_flags == TCP_SYN;
		p->mss = p->tcp_flags == TCP_SYN ? 1460 : 0;
	} else if (strcmp(mark, "masscan") == 0) {
		p->window = 1024;
		p->tcp_option_count = 0;
		p->mss = 0;
		p->ip_id = (uint16_t)(dst ^ p->dport ^ p->seq);
	} else if (strcmp(mark, "zmap") == 0) {
		p->window = 65535;
		p->tcp_option_count = 0;
		p->ip_id = 54321;
		p->ttl = 240;
	} else if (strcmp(mark, "mirai") == 0) {
		p->seq = dst;
	} else {
		return false;
	}
	return true;
}

/* The packet of an honest Linux sender, changed as the line says. */
static struct probe make_probe(struct script *script, const struct manner *manner, uint16_t port)
{
	const struct kind_word *kind = manner->kind;
	struct packet p = {
		.dst = manner->to,
		.protocol = kind->protocol,
		.ttl = (uint8_t)manner->ttl,
		.ip_id = (uint16_t)script_random(script),
		.dont_fragment = true,
		.sport = (uint16_t)(manner->sport ? manner->sport : 32768 + script_random(script) % 28000),
		.dport = port,
		.checksum = manner->bad_checksum ? PACKET_CHECKSUM_BAD : PACKET_CHECKSUM_GOOD,
		.tcp_flags = manner->flags ? (uint8_t)manner->flags : kind->flags,
		.seq = manner->has_seq ? manner->seq : script_random(script),
		.window = 64240,
		.payload_len = kind->flags ? 0 : 56,
		.mss = 1460,
		.tcp_option_count = 4,
		.icmp_type = kind->protocol == PROTO_ICMP || kind->protocol == PROTO_ICMPV6 ? kind->type : 0,
		.sctp_chunk = kind->protocol == PROTO_SCTP ? kind->type : 0,
		.first_fragment = strcmp(kind->word, "fragment") == 0,
	};

	if (kind->protocol == 0) {
		p.protocol = (uint8_t)port;
		p.dport = p.sport = 0;
	}
	return (struct probe){ .packet = p,
			       .trap = kind->trap,
			       .kin = manner->kin,
			       .packet_result = kind->result,
			       .port_state = (uint8_t)(kind->trap ? PROBE_PORT_TRAPPED : manner->port_state) };
}

/* The packet, as often as the line says, and the stack's repeats of it. */
static bool add_copies(struct script *script, const struct manner *manner, struct step *step, int64_t at_ms)
{
	step->at_ms = at_ms;
	step->train = TRAIN_NONE;
	if (manner->retransmit) {
		step->train = script_add_train(script, &step->probe.packet, at_ms);
		if (step->train == TRAIN_NONE)
			return script_fail(script, "out of memory");
	}
	for (unsigned n = 0; n < manner->repeat; n++) {
		if (!script_add(script, step))
			return false;
	}
	for (size_t i = 0; manner->retransmit && manner->repeats_ms[i] > 0; i++) {
		step->at_ms = at_ms + manner->repeats_ms[i];
		if (!script_add(script, step))
			return false;
	}
	return true;
}

static bool send(struct script *script, const struct manner *manner, const char *source, uint16_t port, int64_t at_ms,
		 unsigned line)
{
	struct step step = {
		.type = STEP_PROBE, .line = line, .published = manner->published, .completes = manner->completes
	};
	struct addr first;
	unsigned count = 1, len = 128;
	bool random = strcmp(source, "random") == 0;

	if (!random && !source_read(source, &first, &count, &len))
		return script_fail(script, "not a source: %s", source);
	for (unsigned i = 0; i < count * manner->to_count; i++) {
		struct manner one = *manner;
		uint32_t v4 = script_random(script) | 0x01000000;

		one.to = source_next(&manner->to, i / count, manner->to_len);
		step.probe = make_probe(script, &one, port);
		if (random)
			first = addr_from_v4((uint8_t[4]){ (uint8_t)(v4 >> 24) % 99 + 100, v4 >> 16 & 255,
							   v4 >> 8 & 255, v4 & 255 });
		step.probe.packet.src = random ? first : source_next(&first, i % count, len);
		step.tracked = !random;
		if (manner->mark && !set_mark(manner->mark, &step.probe.packet))
			return script_fail(script, "no such mark: %s", manner->mark);
		if (manner->shape && !set_shape(manner->shape, &step.probe.packet))
			return script_fail(script, "shape=stack, mss or none, not %s", manner->shape);
		if (!add_copies(script, manner, &step, at_ms))
			return false;
	}
	return true;
}

static const struct kind_word *kind_of(const char *word)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(word, kinds[i].word) == 0)
			return &kinds[i];
	}
	return NULL;
}

static bool send_all(struct script *script, const struct manner *manner, const char *source, const uint16_t *ports,
		     size_t port_count, size_t steps, int64_t at_ms, unsigned line, int64_t *last_ms)
{
	for (size_t i = 0; i < (steps ? steps : port_count); i++, at_ms += manner->gap_ms) {
		if (!send(script, manner, source, ports[i % port_count], at_ms, line))
			return false;
		*last_ms = at_ms;
	}
	return true;
}

bool probes_read(struct script *script, char **words, size_t count, int64_t from_ms, int64_t gap_ms, size_t steps,
		 unsigned line, int64_t *last_ms)
{
	struct manner manner = { .kind = kind_of(words[1]),
				 .to = script->local,
				 .to_count = 1,
				 .to_len = 128,
				 .ttl = 55,
				 .repeat = 1,
				 .gap_ms = gap_ms };
	size_t next = 2, port_count = 1;
	uint16_t *ports;
	bool ok = true;

	if (!manner.kind)
		return script_fail(script, "no such probe: %s", words[1]);
	ports = calloc(SCRIPT_PORTS_MAX, sizeof(*ports));
	if (!ports)
		return script_fail(script, "out of memory");
	if (manner.kind->ports && (count < 3 || !read_ports(script, words[next++], ports, &port_count)))
		ok = script_fail(script, "expected ports after %s", words[1]);
	for (; ok && next < count; next++)
		ok = read_option(script, words[next], &manner);
	ok = ok && send_all(script, &manner, words[0], ports, port_count, steps, from_ms, line, last_ms);
	free(ports);
	return ok;
}
