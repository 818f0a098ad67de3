/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tests of the core share: addresses from text, probes, an engine with its actions.
 */
#ifndef PICKET_TEST_CORE_H
#define PICKET_TEST_CORE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <picket/engine.h>

#include "seed.h"

#define CORE_EPOCH_MS 1700000000000LL

static const struct hash_key core_key = { 0x0123456789abcdef, 0xfedcba9876543210 };

static inline struct addr core_addr(const char *text)
{
	struct addr a = { { 0 } };

	if (!addr_parse(text, &a))
		fail_msg("not an address: %s", text);
	return a;
}

static inline struct prefix core_prefix(const char *text)
{
	struct prefix p = { .len = 0 };
	const char *error;

	if (!prefix_parse(text, &p, &error))
		fail_msg("%s: %s", text, error);
	return p;
}

/* A SYN as Linux sends it, to a closed port. */
static inline struct probe core_syn(const struct addr *source, uint16_t port)
{
	static const uint8_t local[4] = { 192, 0, 2, 1 };

	return (struct probe){ .packet = { .src = *source,
					   .dst = addr_from_v4(local),
					   .protocol = PROTO_TCP,
					   .ttl = 55,
					   .sport = 40000,
					   .dport = port,
					   .tcp_flags = TCP_SYN,
					   .window = 64240,
					   .seq = 1u + port * 7919u + source->b[15] * 104729u,
					   .mss = 1460,
					   .tcp_option_count = 4,
					   .dont_fragment = true } };
}

static inline struct probe core_trap(const struct addr *source, uint16_t port)
{
	struct probe probe = core_syn(source, port);

	probe.packet.tcp_flags = 0;
	probe.port_state = PROBE_PORT_TRAPPED;
	probe.trap = PROBE_TRAP_SILENT;
	return probe;
}

struct core {
	struct engine *engine;
	struct actions *actions;
	int64_t now_ms;
};

static inline struct core core_new(const struct engine_config *config)
{
	struct core core = { .now_ms = CORE_EPOCH_MS };
	struct engine_config defaults;

	engine_config_defaults(&defaults);
	core.engine = engine_new(config ? config : &defaults, &core_key, core.now_ms);
	core.actions = calloc(1, sizeof(*core.actions));
	assert_non_null(core.engine);
	assert_non_null(core.actions);
	return core;
}

static inline void core_free(struct core *core)
{
	engine_free(core->engine);
	free(core->actions);
}

/* Five closed ports: enough for a veil. */
static inline void core_scan(struct core *core, const char *source)
{
	static const uint16_t ports[] = { 21, 22, 23, 111, 113 };
	struct addr addr = core_addr(source);

	for (size_t i = 0; i < 5; i++) {
		struct probe probe = core_syn(&addr, ports[i]);

		engine_probe(core->engine, &probe, core->now_ms, core->actions);
	}
}

static inline struct engine_status core_status(const struct core *core)
{
	struct engine_status status;

	engine_status(core->engine, &status);
	return status;
}

static inline struct explain_view core_explain(const struct core *core, const char *source)
{
	struct prefix about = core_prefix(source);
	struct explain_view view;

	engine_explain(core->engine, &about, core->now_ms, &view);
	return view;
}

#endif
