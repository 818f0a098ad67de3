/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long a reload's allow list takes while many blocks stand: 20,000 entries, 100,000 blocks.
 *     make build/bench/bench_allow && build/bench/bench_allow [LEN]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <picket/engine.h>

#define NOW_MS 1700000000000LL

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct prefix net(uint8_t first, uint32_t i, unsigned len)
{
	const uint8_t bytes[4] = { first, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i };
	struct addr addr = addr_from_v4(bytes);

	return prefix_of(&addr, 96 + len);
}

int main(int argc, char **argv)
{
	const struct hash_key key = { 1, 2 };
	unsigned len = argc > 1 ? (unsigned)atoi(argv[1]) : 32;
	struct actions *actions = calloc(1, sizeof(*actions));
	struct engine_config config;
	struct engine *engine;
	double begun;

	engine_config_defaults(&config);
	engine = engine_new(&config, &key, NOW_MS);
	if (!engine || !actions || len < 8 || len > 32)
		return 1;
	for (uint32_t i = 0; i < 100000; i++) {
		struct prefix what = net(45, i, 32);

		engine_block(engine, &what, 3600000, false, "bench", NOW_MS, actions);
	}
	begun = seconds();
	for (uint32_t i = 0; i < 20000; i++) {
		struct prefix what = net(46, i << (32 - len), len);

		engine_allow(engine, &what, 0, ALLOW_CONFIG, NOW_MS, actions);
	}
	printf("20,000 entries of /%u beside 100,000 blocks: %.3f s\n", len, seconds() - begun);
	engine_free(engine);
	free(actions);
	return 0;
}
