/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's state as one JSON object, by tables: a counter that is added to a struct is one line more here, and
 * `status`, `metrics` and `doctor` all read the same object.
 */
#include "json_view.h"

#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct counter {
	const char *name;
	size_t offset;
	uint8_t size; /* 4 or 8 bytes */
};

/* clang-format off */
#define COUNTER_AS(name, shape, field) { name, offsetof(struct shape, field), sizeof(((struct shape *)0)->field) }
/* clang-format on */
#define COUNTER(shape, field) COUNTER_AS(#field, shape, field)
#define COUNT(table)          (sizeof(table) / sizeof((table)[0]))

static const struct counter engine_counts[] = {
	COUNTER(engine_status, sources),
	COUNTER(engine_status, sources_max),
	COUNTER(engine_status, confirmed_sources),
	COUNTER(engine_status, blocks),
	COUNTER(engine_status, bans),
	COUNTER(engine_status, manuals),
	COUNTER(engine_status, blocks_max),
	COUNTER(engine_status, allow),
	COUNTER(engine_status, protected_count),
};

static const struct counter engine_totals[] = {
	COUNTER(engine_status, probes),
	COUNTER(engine_status, evidence_total),
	COUNTER(engine_status, duplicates),
	COUNTER(engine_status, alerts),
	COUNTER(engine_status, blocks_total),
	COUNTER(engine_status, bans_total),
	COUNTER(engine_status, expiries),
	COUNTER_AS("spared_allowed", engine_status, exempt_allowed),
	COUNTER_AS("spared_protected", engine_status, exempt_protected),
	COUNTER_AS("spared_storm", engine_status, exempt_storm),
	COUNTER_AS("spared_decoy", engine_status, exempt_decoy),
	COUNTER(engine_status, evicted),
	COUNTER_AS("turned_away", engine_status, dropped),
	COUNTER(engine_status, allow_full),
	COUNTER(engine_status, protect_full),
	COUNTER(engine_status, blocks_full),
};

static const struct counter queue_counts[] = {
	COUNTER(nfqueue_stats, packets), COUNTER(nfqueue_stats, accepted),  COUNTER(nfqueue_stats, dropped),
	COUNTER(nfqueue_stats, lost),    COUNTER(nfqueue_stats, malformed), COUNTER(nfqueue_stats, verdict_errors),
};

static const struct counter kernel_counts[] = {
	COUNTER(nft_counters, queued_closed),  COUNTER(nft_counters, queued_served),
	COUNTER(nft_counters, queued_trapped), COUNTER(nft_counters, over_newcomers),
	COUNTER(nft_counters, over_known),     COUNTER(nft_counters, dropped_hard),
	COUNTER(nft_counters, dropped_soft),   COUNTER(nft_counters, muted),
	COUNTER(nft_counters, trapped_tcp),    COUNTER(nft_counters, trapped_udp),
	COUNTER(nft_counters, way_back),
};

static const struct counter trap_counts[] = {
	COUNTER(trap_stats, accepted), COUNTER(trap_stats, datagrams), COUNTER(trap_stats, hits),
	COUNTER(trap_stats, induced),  COUNTER(trap_stats, unsaved),   COUNTER_AS("crowded", trap_stats, evicted),
	COUNTER(trap_stats, errors),   COUNTER(trap_stats, open),
};

static const struct counter hook_counts[] = {
	COUNTER(wire_hooks, started),
	COUNTER(wire_hooks, succeeded),
	COUNTER(wire_hooks, failed),
	COUNTER(wire_hooks, timed_out),
	COUNTER_AS("turned_away", wire_hooks, dropped),
	COUNTER(wire_hooks, running),
	COUNTER(wire_hooks, waiting),
};

static const struct counter control_counts[] = {
	COUNTER(control_stats, clients),  COUNTER(control_stats, accepted),
	COUNTER(control_stats, requests), COUNTER(control_stats, bad_requests),
	COUNTER(control_stats, too_long), COUNTER(control_stats, throttled),
	COUNTER(control_stats, refused),  COUNTER_AS("crowded", control_stats, evicted),
	COUNTER(control_stats, idle),
};

static json_t *counters(const struct counter *table, size_t count, const void *from)
{
	json_t *object = json_object();

	for (size_t i = 0; i < count; i++) {
		const void *place = (const char *)from + table[i].offset;
		uint64_t wide = 0;
		uint32_t narrow = 0;

		if (table[i].size == sizeof(wide)) {
			memcpy(&wide, place, sizeof(wide));
		} else {
			memcpy(&narrow, place, sizeof(narrow));
			wide = narrow;
		}
		json_object_set_new(object, table[i].name, json_integer((json_int_t)wide));
	}
	return object;
}

static json_t *by_kind(const struct engine_status *engine)
{
	json_t *object = json_object();

	for (int kind = EVIDENCE_NONE + 1; kind < EVIDENCE_KIND_COUNT; kind++)
		json_object_set_new(object, evidence_name((enum evidence_kind)kind),
				    json_integer((json_int_t)engine->evidence[kind]));
	return object;
}

static json_t *by_result(const struct wire_status *status)
{
	json_t *object = json_object();

	for (int result = PACKET_OK + 1; result < PACKET_RESULT_COUNT; result++)
		json_object_set_new(object, packet_result_name((enum packet_result)result),
				    json_integer((json_int_t)status->rejected[result]));
	return object;
}

static json_t *histogram(const struct latency *latency)
{
	json_t *bounds = json_object();

	for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
		char bound[16] = "inf";

		if (i < LATENCY_BUCKETS - 1)
			snprintf(bound, sizeof(bound), "%u", latency_bounds_us[i]);
		json_object_set_new(bounds, bound, json_integer((json_int_t)latency->buckets[i]));
	}
	return json_pack("{s:I, s:I, s:o}", "count", (json_int_t)latency->count, "sum_us",
			 (json_int_t)(latency->sum_ns / 1000), "buckets_us", bounds);
}

/* Where the memory lies, and whether it can be written. */
static json_t *state_of(const char *dir)
{
	struct statvfs space;
	bool known = dir && statvfs(dir, &space) == 0;

	return json_pack("{s:s?, s:o, s:o, s:b}", "dir", dir, "free_bytes",
			 known ? json_integer((json_int_t)((uint64_t)space.f_bavail * space.f_frsize)) : json_null(),
			 "free_inodes", known && space.f_files ? json_integer((json_int_t)space.f_favail) : json_null(),
			 "writable", dir && access(dir, W_OK | X_OK) == 0);
}

/* [[1,1],[100,104]] */
static json_t *ranges(const struct port_range *ports)
{
	json_t *array = json_array();

	for (size_t i = 0; i < WIRE_RANGES_MAX && ports[i].first; i++)
		json_array_append_new(array, json_pack("[i, i]", (int)ports[i].first, (int)ports[i].last));
	return array;
}

static json_t *sensors(const struct wire_status *status)
{
	json_t *interfaces = json_array();

	for (uint32_t i = 0; i < status->interface_count && i < NFT_INTERFACES_MAX; i++)
		json_array_append_new(interfaces, json_ascii(status->interfaces[i], sizeof(status->interfaces[i])));
	return json_pack("{s:o, s:o, s:o, s:I, s:I, s:b, s:s, s:o, s:I, s:I}", "trapped_tcp", ranges(status->trap_tcp),
			 "trapped_udp", ranges(status->trap_udp), "table",
			 json_ascii(status->table, sizeof(status->table)), "queue_number",
			 (json_int_t)status->queue_number, "probe_packets", (json_int_t)status->probe_packets,
			 "healing", status->healing != 0, "queue", status->native_queue ? "native" : "xt target",
			 "interfaces", interfaces, "trapped_tcp_ports", (json_int_t)status->traps_tcp,
			 "trapped_udp_ports", (json_int_t)status->traps_udp);
}

static const char *mode_name(uint32_t mode)
{
	return mode == NFT_PAUSED    ? "paused"
	       : mode == NFT_OBSERVE ? "observe"
	       : mode == NFT_BLOCK   ? "block"
				     : "unknown";
}

json_t *view_status(const struct wire_status *status, const struct status_extra *extra)
{
	json_t *object = json_pack("{s:s, s:s, s:o, s:I, s:o}", "version", PICKET_VERSION, "mode",
				   mode_name(status->mode), "since", json_time(status->started_ms), "uptime_s",
				   (json_int_t)((status->now_ms - status->started_ms) / 1000), "paused_for_s",
				   json_seconds_left(status->paused_until_ms, status->now_ms));
	json_t *queue = counters(queue_counts, COUNT(queue_counts), &status->queue);
	json_t *kernel = counters(kernel_counts, COUNT(kernel_counts), &status->kernel);

	if (!object) {
		json_decref(queue);
		json_decref(kernel);
		return NULL;
	}
	json_object_set_new(queue, "fail_open", json_integer((json_int_t)status->fail_open));
	json_object_set_new(kernel, "refused", json_integer((json_int_t)status->kernel_refused));
	json_object_set_new(object, "sensors", sensors(status));
	json_object_set_new(object, "latency",
			    json_pack("{s:o, s:o}", "judging", histogram(&status->judging), "deciding",
				      histogram(&status->deciding)));
	json_object_set_new(object, "state", state_of(extra->state_dir));
	json_object_set_new(object, "counts", counters(engine_counts, COUNT(engine_counts), &status->engine));
	json_object_set_new(object, "totals", counters(engine_totals, COUNT(engine_totals), &status->engine));
	json_object_set_new(object, "evidence_by_kind", by_kind(&status->engine));
	json_object_set_new(object, "queue", queue);
	json_object_set_new(object, "kernel", kernel);
	json_object_set_new(object, "traps", counters(trap_counts, COUNT(trap_counts), &status->trap));
	json_object_set_new(object, "rejected", by_result(status));
	json_object_set_new(object, "storm",
			    json_pack("{s:b, s:I}", "active", status->engine.storm_active != 0, "tokens",
				      (json_int_t)status->engine.storm_tokens));
	json_object_set_new(object, "hooks",
			    extra->hooks ? counters(hook_counts, COUNT(hook_counts), extra->hooks) : json_null());
	json_object_set_new(object, "control", counters(control_counts, COUNT(control_counts), &extra->control));
	json_object_set_new(object, "events",
			    json_pack("{s:I, s:I, s:I, s:I}", "lost", (json_int_t)status->events_lost, "kept",
				      (json_int_t)extra->history_rows, "log_left_out",
				      (json_int_t)extra->log_suppressed, "followers_lost",
				      (json_int_t)extra->followers_lost));
	json_object_set_new(object, "wire",
			    json_pack("{s:I, s:I}", "bad_messages", (json_int_t)extra->bad_messages, "late_answers",
				      (json_int_t)extra->late_answers));
	return object;
}
