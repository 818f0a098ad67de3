/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine alone, from a packet in memory to its verdict: how many nanoseconds one probe takes.
 *     bench_engine                      the names of the cases
 *     bench_engine CASE                 runs it; then one block of probes for each line on standard input
 * Answers each line with "NS RSS_KB": nanoseconds a probe, and the memory of the process.  tests/bench/engine.py asks,
 * two builds in turn.
 *
 * Packets are made outside of the measured time, 64 at a time, and are in the cache when they are judged, as those that
 * were just read from the queue are.  What the engine does by the clock (its tick) is measured with the probes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <picket/engine.h>
#include <picket/veil.h>

#define START_MS        1700000000000LL
#define BATCH           64
#define BLOCK           (BATCH * 2048) /* probes in one answer */
#define PACKET_MAX      96             /* an IPv6 SYN with Linux's options has 80 */
#define TICK_MS         500
#define NEWCOMER_PROBES 10     /* that veil anybody */
#define PER_SECOND      200000 /* probes, in the engine's time: a flood */

/* SENTRY: a probe, and what the veil says of it, as daemon/sentry asks.  SERVED: what a veiled source sends to a port
 * that is served: no evidence, but it has its price.  NEWCOMER: the table of veils is full and each of them was renewed
 * just now; the slowest of a newcomer's probes until a veil gives way to its own. */
enum work { WORK_PARSE, WORK_PROBE, WORK_SENTRY, WORK_SERVED, WORK_NEWCOMER };

static const struct bench {
	const char *name;
	enum work work;
	uint32_t sources; /* 0: each probe from another */
	uint32_t max_sources;
	uint32_t blocks, allow; /* of others, which are in the way of each look-up */
	uint32_t ports;         /* that each source tries; few: mostly what it tried before */
	bool v6;
} benches[] = {
	{ "parse", WORK_PARSE, 1000, 1024, 0, 0, 60000, false },
	{ "known", WORK_PROBE, 1000, 65536, 0, 0, 4, false },
	{ "sources-1k", WORK_PROBE, 1000, 65536, 0, 0, 60000, false },
	{ "sources-1k-v6", WORK_PROBE, 1000, 65536, 0, 0, 60000, true },
	{ "sources-1m", WORK_PROBE, 1000000, 65536, 0, 0, 60000, false },
	{ "sources-1m-2m", WORK_PROBE, 1000000, 2000000, 0, 0, 60000, false },
	{ "forged", WORK_PROBE, 0, 65536, 0, 0, 60000, false },
	{ "sentry-1k", WORK_SENTRY, 1000, 65536, 0, 0, 60000, false },
	{ "served-1k", WORK_SERVED, 1000, 65536, 0, 0, 60000, false },
	{ "veils-slowest", WORK_NEWCOMER, ENGINE_VEILS_MAX, 262144, 0, 0, 60000, false },
	{ "grow-sources-1k", WORK_PROBE, 1000, 2000000, 0, 0, 60000, false },
	{ "grow-sources-10k", WORK_PROBE, 10000, 2000000, 0, 0, 60000, false },
	{ "grow-sources-100k", WORK_PROBE, 100000, 2000000, 0, 0, 60000, false },
	{ "grow-blocks-100", WORK_PROBE, 1000, 65536, 100, 0, 60000, false },
	{ "grow-blocks-1k", WORK_PROBE, 1000, 65536, 1000, 0, 60000, false },
	{ "grow-blocks-10k", WORK_PROBE, 1000, 65536, 10000, 0, 60000, false },
	{ "grow-blocks-100k", WORK_PROBE, 1000, 65536, 100000, 0, 60000, false },
	{ "grow-allow-60", WORK_PROBE, 1000, 65536, 0, 60, 60000, false },
	{ "grow-allow-600", WORK_PROBE, 1000, 65536, 0, 600, 60000, false },
	{ "grow-allow-6k", WORK_PROBE, 1000, 65536, 0, 6000, 60000, false },
	{ "grow-allow-60k", WORK_PROBE, 1000, 65536, 0, 60000, 60000, false },
};

struct state {
	const struct bench *bench;
	struct engine *engine;
	struct veil *veil;
	struct actions *actions;
	uint64_t random, made, probes;
	int64_t ticked_ms;
	uint8_t packets[BATCH][PACKET_MAX];
	size_t lens[BATCH];
	uint64_t sum; /* of what was found, so that nothing is optimised away */
};

static uint64_t random_next(struct state *state)
{
	state->random ^= state->random << 13;
	state->random ^= state->random >> 7;
	state->random ^= state->random << 17;
	return state->random * 0x2545f4914f6cdd1dULL;
}

/* ---- packets ---- */

static void put16(uint8_t *p, unsigned value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static void put32(uint8_t *p, uint32_t value)
{
	put16(p, value >> 16);
	put16(p + 2, value & 0xffff);
}

static uint32_t sum16(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	return sum;
}

static unsigned folded(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

/* Three of four: nmap's SYN; one of eight each: Linux's SYN, a datagram.  Returns its length. */
static size_t make_transport(uint8_t *t, uint8_t *protocol, uint64_t random, unsigned port)
{
	static const uint8_t mss[4] = { 2, 4, 0x05, 0xb4 };
	static const uint8_t linux_options[20] = { 2, 4, 0x05, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7 };
	size_t options = random & 7 ? 4 : 20;

	put16(t, 32768 | (random >> 8 & 0x7fff));
	put16(t + 2, port);
	if ((random & 7) == 1) {
		*protocol = PROTO_UDP;
		put16(t + 4, 16);
		memset(t + 8, 0x5a, 8);
		return 16;
	}
	*protocol = PROTO_TCP;
	put32(t + 4, (uint32_t)(random >> 32));
	t[12] = (uint8_t)((20 + options) / 4 << 4);
	t[13] = TCP_SYN;
	put16(t + 14, options == 4 ? 1024 : 64240);
	memcpy(t + 20, options == 4 ? mss : linux_options, options);
	return 20 + options;
}

static size_t make_packet(uint8_t *p, bool v6, uint32_t source, uint64_t random, unsigned port)
{
	size_t header = v6 ? 40 : 20, len;
	uint8_t protocol;

	memset(p, 0, PACKET_MAX + 40);
	len = make_transport(p + header, &protocol, random, port);
	if (v6) {
		p[0] = 0x60;
		put16(p + 4, (unsigned)len);
		p[6] = protocol;
		p[7] = 55;
		put32(p + 8, 0x20010db8); /* one source a /48, each packet from another of its addresses */
		put32(p + 12, source << 16);
		put32(p + 20, (uint32_t)(random >> 16));
		put32(p + 24, 0x20010db9);
		p[39] = 1;
		put16(p + header + (protocol == PROTO_UDP ? 6 : 16),
		      folded(sum16((uint32_t)len + protocol, p + 8, 32 + len)));
		return header + len;
	}
	p[0] = 0x45;
	put16(p + 2, (unsigned)(header + len));
	put16(p + 4, random >> 20 & 0xffff);
	p[6] = len == 40 ? 0x40 : 0;
	p[8] = 55;
	p[9] = protocol;
	put32(p + 12, 0x14000000 + (uint32_t)((uint64_t)source * 2654435761u % 3000000000u));
	put32(p + 16, 0x0a090101);
	put16(p + header + (protocol == PROTO_UDP ? 6 : 16), folded(sum16((uint32_t)len + protocol, p + 12, 8 + len)));
	return header + len;
}

static void make_batch(struct state *state)
{
	const struct bench *bench = state->bench;
	uint8_t packet[PACKET_MAX + 80];

	for (int i = 0; i < BATCH; i++) {
		uint64_t random = random_next(state), other = random_next(state);
		uint32_t source = bench->sources ? (uint32_t)(other % bench->sources) : (uint32_t)state->made++;

		state->lens[i] = make_packet(packet, bench->v6, source, random,
					     1 + (unsigned)((other >> 32) * 7919 % bench->ports));
		memcpy(state->packets[i], packet, state->lens[i]);
	}
}

/* ---- work ---- */

static void judge(struct state *state, int i, int64_t now_ms)
{
	struct probe probe = { .port_state = PROBE_PORT_CLOSED };
	enum verdict verdict = VERDICT_ACCEPT;

	probe.packet_result = (uint8_t)packet_parse(state->packets[i], state->lens[i], true, &probe.packet);
	state->sum += probe.packet.dport;
	if (state->bench->work == WORK_PARSE)
		return;
	if (state->bench->work == WORK_SERVED)
		verdict = engine_verdict(state->engine, &probe.packet.src);
	else
		verdict = engine_probe(state->engine, &probe, now_ms, state->actions);
	if (state->bench->work != WORK_PROBE && verdict == VERDICT_VEIL && veil_is_syn(&probe.packet)) {
		struct veil_syn syn = veil_syn_of(&probe.packet, VEIL_CLOSED);

		state->sum += veil_judge(state->veil, &syn, now_ms);
	}
}

/* One batch, as it would be judged between two reads of the queue. */
static void judge_batch(struct state *state, int64_t now_ms)
{
	for (int i = 0; i < BATCH; i++)
		judge(state, i, now_ms);
	state->probes += BATCH;
}

static void tick(struct state *state, int64_t now_ms)
{
	if (now_ms - state->ticked_ms < TICK_MS)
		return;
	state->ticked_ms = now_ms;
	do {
		engine_tick(state->engine, now_ms, state->actions);
	} while (state->actions->count == ENGINE_ACTIONS_MAX);
	veil_tick(state->veil, now_ms);
}

static int64_t clock_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

	return left < right ? -1 : left > right;
}

/* The median of its batches: whatever else runs on this machine interrupts some of them.  Ticks are too few for that
 * and are added as they are. */
static double block_ns(struct state *state)
{
	static int64_t batches[BLOCK / BATCH];
	int64_t ticks_ns = 0;

	for (int i = 0; i < BLOCK / BATCH; i++) {
		int64_t now_ms = START_MS + (int64_t)(state->probes * 1000 / PER_SECOND), begun, judged;

		make_batch(state);
		begun = clock_now_ns();
		judge_batch(state, now_ms);
		judged = clock_now_ns();
		tick(state, now_ms);
		ticks_ns += clock_now_ns() - judged;
		batches[i] = judged - begun;
	}
	qsort(batches, BLOCK / BATCH, sizeof(batches[0]), compare);
	return (double)batches[BLOCK / BATCH / 2] / BATCH + (double)ticks_ns / BLOCK;
}

/* ---- the slowest probe of all: in a full table of veils ---- */

/* A SYN of the source to its n-th port; returns what it took, in ns. */
static double probe_once(struct state *state, uint32_t source, unsigned n, int64_t now_ms)
{
	uint8_t packet[PACKET_MAX + 80];
	struct timespec begun, done;

	state->lens[0] = make_packet(packet, false, source, 2 + n * 8, 2000 + n * 37 % 50000);
	memcpy(state->packets[0], packet, state->lens[0]);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begun);
	judge(state, 0, now_ms);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &done);
	return (double)(done.tv_sec - begun.tv_sec) * 1e9 + (double)(done.tv_nsec - begun.tv_nsec);
}

static uint32_t veils(const struct state *state)
{
	struct engine_status status;

	engine_status(state->engine, &status);
	return status.veils;
}

/* Fills the table, renews every veil, and lets one come for which another must give way. */
static double slowest_ns(struct state *state)
{
	uint32_t sources = 0;
	double slowest = 0;

	while (veils(state) < ENGINE_VEILS_MAX && sources < 2 * ENGINE_VEILS_MAX) {
		for (unsigned n = 0; n < NEWCOMER_PROBES; n++)
			probe_once(state, sources, n, START_MS);
		sources++;
	}
	for (uint32_t source = 0; source < sources; source++)
		probe_once(state, source, NEWCOMER_PROBES, START_MS);
	for (unsigned n = 0; n < 2 * NEWCOMER_PROBES; n++) {
		double took = probe_once(state, sources, n, START_MS);

		slowest = took > slowest ? took : slowest;
	}
	return slowest;
}

static long rss_kb(void)
{
	long pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	if (!file)
		return 0;
	if (fscanf(file, "%*s %ld", &pages) != 1)
		pages = 0;
	fclose(file);
	return pages * 4;
}

/* ---- set-up ---- */

/* Lengths of an allow list as people write them. */
static struct prefix other(uint8_t first, uint32_t i, unsigned len)
{
	const uint8_t bytes[4] = { first, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i };
	struct addr addr = addr_from_v4(bytes);

	return prefix_of(&addr, 96 + len);
}

static bool fill(struct state *state)
{
	static const uint8_t lens[] = { 32, 32, 32, 32, 32, 32, 28, 24 };
	struct addr own = addr_from_v4((const uint8_t[4]){ 10, 9, 1, 1 });
	struct prefix what = prefix_host(&own);
	bool done = engine_protect(state->engine, &what, PROTECT_OWN, START_MS, state->actions) == ENGINE_OK;

	what = other(10, 0x090100, 24);
	done &= engine_protect(state->engine, &what, PROTECT_ONLINK, START_MS, state->actions) == ENGINE_OK;
	for (uint32_t i = 0; i < state->bench->blocks; i++) {
		what = other(11, i, 32);
		done &= engine_block(state->engine, &what, 0, false, "bench", START_MS, state->actions) == ENGINE_OK;
	}
	for (uint32_t i = 0; i < state->bench->allow; i++) {
		what = other(12, i << 8, lens[i % sizeof(lens)]);
		done &= engine_allow(state->engine, &what, 0, ALLOW_CONFIG, START_MS, state->actions) == ENGINE_OK;
	}
	return done;
}

static void end(struct state *state)
{
	engine_free(state->engine);
	veil_free(state->veil);
	free(state->actions);
}

static bool begin(struct state *state, const struct bench *bench)
{
	const struct hash_key key = { 0x9b0c27fe31d8a456, 0x5e1f7ac8046db329 };
	struct engine_config config;

	engine_config_defaults(&config);
	config.max_sources = bench->max_sources;
	*state = (struct state){ .bench = bench, .random = 88172645463325252ULL, .ticked_ms = START_MS };
	state->engine = engine_new(&config, &key, START_MS);
	state->veil = veil_new(&key, config.max_sources, START_MS);
	state->actions = calloc(1, sizeof(*state->actions));
	if (!state->engine || !state->veil || !state->actions || !fill(state))
		return false; /* the program ends */
	if (bench->work == WORK_NEWCOMER)
		return true;
	if (bench->work == WORK_SERVED) { /* its sources are graded first */
		struct bench probing = *bench;

		probing.work = WORK_PROBE;
		state->bench = &probing;
		block_ns(state);
		state->bench = bench;
	}
	for (uint32_t i = 0; i < 2 * bench->sources + BLOCK; i += BLOCK)
		block_ns(state);
	return true;
}

int main(int argc, char **argv)
{
	static struct state state;
	char line[16];

	for (size_t i = 0; i < sizeof(benches) / sizeof(benches[0]); i++) {
		if (argc < 2)
			puts(benches[i].name);
		else if (strcmp(argv[1], benches[i].name) == 0 && !begin(&state, &benches[i]))
			return 1;
	}
	if (argc < 2)
		return 0;
	if (!state.bench)
		return 2;
	while (fgets(line, sizeof(line), stdin)) {
		const struct bench *bench = state.bench;
		double ns = bench->work == WORK_NEWCOMER ? slowest_ns(&state) : block_ns(&state);

		printf("%.1f %ld\n", ns, rss_kb());
		fflush(stdout);
		if (bench->work != WORK_NEWCOMER)
			continue;
		end(&state);
		if (!begin(&state, bench))
			return 1;
	}
	end(&state);
	return 0;
}
