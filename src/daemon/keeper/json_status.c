/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's state as one JSON object, by one table: another field in `status` is a field in the struct that it
 * comes from and one row here.  `status`, `metrics` and `doctor` all read the same object.
 */
#include "internal.h"

#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "clamp.h"

/* ---- values: each is made from its place in struct status ---- */

static json_t *number32(const void *place)
{
	return json_integer((json_int_t) * (const uint32_t *)place);
}

static json_t *number64(const void *place)
{
	return json_integer((json_int_t) * (const uint64_t *)place);
}

static json_t *flag(const void *place)
{
	return json_boolean(*(const uint32_t *)place != 0);
}

static json_t *moment(const void *place)
{
	return json_time(*(const int64_t *)place);
}

static json_t *mode(const void *place)
{
	uint32_t value = *(const uint32_t *)place;

	return json_string(value == NFT_PAUSED    ? "paused"
			   : value == NFT_OBSERVE ? "observe"
			   : value == NFT_BLOCK   ? "block"
						  : "unknown");
}

static json_t *queue_kind(const void *place)
{
	return json_string(*(const uint32_t *)place ? "native" : "xt target");
}

static json_t *conntrack(const void *place)
{
	static const char *const words[] = {
		[NFT_CONNTRACK_ON] = "on", [NFT_CONNTRACK_OFF] = "off", [NFT_CONNTRACK_ABSENT] = "absent"
	};
	uint32_t kind = *(const uint32_t *)place;

	return json_string(words[kind <= NFT_CONNTRACK_ABSENT ? kind : NFT_CONNTRACK_ON]);
}

static json_t *flow_flag(const void *place)
{
	uint32_t kind = *(const uint32_t *)place;

	return json_string(flow_flag_name(kind < FLOW_FLAG_AUTO ? kind : FLOW_FLAG_NONE));
}

static json_t *early_drop(const void *place)
{
	const char *name = early_drop_name(*(const uint32_t *)place);

	return json_string(name ? name : "unknown");
}

static json_t *table_name(const void *place)
{
	return json_ascii(place, NFT_TABLE_NAME_MAX);
}

/* [[1,1],[100,104]] */
static json_t *ranges(const void *place)
{
	const struct port_range *ports = place;
	json_t *array = json_array();

	for (size_t i = 0; i < WIRE_RANGES_MAX && ports[i].first; i++)
		json_array_append_new(array, json_pack("[i, i]", (int)ports[i].first, (int)ports[i].last));
	return array;
}

static json_t *histogram(const void *place)
{
	const struct latency *latency = place;
	json_t *bounds = json_object();

	for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
		char bound[16] = "inf";

		if (i < LATENCY_BUCKETS - 1)
			snprintf(bound, sizeof(bound), "%u", latency_bounds_us[i]);
		json_object_set_new(bounds, bound, number64(&latency->buckets[i]));
	}
	return json_pack("{s:I, s:I, s:o}", "count", (json_int_t)latency->count, "sum_us",
			 (json_int_t)(latency->sum_ns / 1000), "buckets_us", bounds);
}

static json_t *by_kind(const void *place)
{
	const uint64_t *counts = place;
	json_t *object = json_object();

	for (int kind = EVIDENCE_NONE + 1; kind < EVIDENCE_KIND_COUNT; kind++)
		json_object_set_new(object, evidence_name((enum evidence_kind)kind), number64(&counts[kind]));
	return object;
}

static json_t *by_result(const void *place)
{
	const uint64_t *counts = place;
	json_t *object = json_object();

	for (int result = PACKET_OK + 1; result < PACKET_RESULT_COUNT; result++)
		json_object_set_new(object, packet_result_name((enum packet_result)result), number64(&counts[result]));
	return object;
}

/* ---- values that are made from the whole ---- */

static json_t *version(const void *place)
{
	(void)place;
	return json_string(PICKET_VERSION);
}

static json_t *uptime(const void *place)
{
	const struct status *status = place;

	return json_integer(clamped_difference(status->sentry.now_ms, status->sentry.started_ms) / 1000);
}

static json_t *paused_for(const void *place)
{
	const struct status *status = place;

	return json_seconds_left(status->sentry.paused_until_ms, status->sentry.now_ms);
}

static json_t *interfaces(const void *place)
{
	const struct wire_status *sentry = &((const struct status *)place)->sentry;
	json_t *array = json_array();

	for (uint32_t i = 0; i < sentry->interface_count && i < NFT_INTERFACES_MAX; i++)
		json_array_append_new(array, json_ascii(sentry->interfaces[i], sizeof(sentry->interfaces[i])));
	return array;
}

static json_t *vrf(const void *place)
{
	const struct wire_status *sentry = &((const struct status *)place)->sentry;
	json_t *array = json_array();

	for (uint32_t i = 0; i < sentry->vrf_count && i < NFT_VRF_MAX; i++)
		json_array_append_new(array, json_ascii(sentry->vrf[i], sizeof(sentry->vrf[i])));
	return array;
}

static json_t *state_dir(const void *place)
{
	return json_string(((const struct status *)place)->state_dir);
}

static json_t *free_bytes(const void *place)
{
	struct statvfs space;

	return statvfs(((const struct status *)place)->state_dir, &space) == 0
		       ? json_integer((json_int_t)((uint64_t)space.f_bavail * space.f_frsize))
		       : json_null();
}

/* Null, too, for a file system that makes inodes as they are needed. */
static json_t *free_inodes(const void *place)
{
	struct statvfs space;

	return statvfs(((const struct status *)place)->state_dir, &space) == 0 && space.f_files
		       ? json_integer((json_int_t)space.f_favail)
		       : json_null();
}

static json_t *writable(const void *place)
{
	return json_boolean(access(((const struct status *)place)->state_dir, W_OK | X_OK) == 0);
}

/* Null before the supervisor has sent its counters; their rows add nothing then. */
static json_t *hooks(const void *place)
{
	return ((const struct status *)place)->hooks_known ? json_object() : json_null();
}

/* ---- the table ---- */

struct row {
	const char *group; /* NULL: a field of the object itself */
	const char *name;
	json_t *(*make)(const void *place);
	size_t offset; /* of the place */
};

/* clang-format off */
#define ROW(group, name, make, field) { group, name, make, offsetof(struct status, field) }
#define WHOLE(group, name, make)      { group, name, make, 0 }
#define NUMBER(group, name, field) \
	ROW(group, name, _Generic(((struct status *)0)->field, uint32_t : number32, uint64_t : number64), field)

static const struct row rows[] = {
	WHOLE(NULL, "version", version),
	ROW(NULL, "mode", mode, sentry.mode),
	ROW(NULL, "since", moment, sentry.started_ms),
	WHOLE(NULL, "uptime_s", uptime),
	WHOLE(NULL, "paused_for_s", paused_for),

	ROW("sensors", "trapped_tcp", ranges, sentry.trap_tcp),
	ROW("sensors", "trapped_udp", ranges, sentry.trap_udp),
	ROW("sensors", "table", table_name, sentry.table),
	NUMBER("sensors", "queue_number", sentry.queue_number),
	NUMBER("sensors", "probe_packets", sentry.probe_packets),
	ROW("sensors", "healing", flag, sentry.reconciling),
	ROW("sensors", "queue", queue_kind, sentry.native_queue),
	ROW("sensors", "conntrack", conntrack, sentry.conntrack),
	ROW("sensors", "flow_flag", flow_flag, sentry.flow_flag),
	NUMBER("sensors", "flow_values", sentry.flow_values),
	ROW("sensors", "early_drop", early_drop, sentry.early_drop),
	NUMBER("sensors", "early_links", sentry.early_links),
	WHOLE("sensors", "interfaces", interfaces),
	WHOLE("sensors", "vrf", vrf),
	NUMBER("sensors", "trapped_tcp_ports", sentry.traps_tcp),
	NUMBER("sensors", "trapped_udp_ports", sentry.traps_udp),

	ROW("latency", "judging", histogram, sentry.judging),
	ROW("latency", "deciding", histogram, sentry.deciding),

	WHOLE("state", "dir", state_dir),
	WHOLE("state", "free_bytes", free_bytes),
	WHOLE("state", "free_inodes", free_inodes),
	WHOLE("state", "writable", writable),

	NUMBER("counts", "sources", sentry.engine.sources),
	NUMBER("counts", "sources_max", sentry.engine.sources_max),
	NUMBER("counts", "confirmed_sources", sentry.engine.confirmed_sources),
	NUMBER("counts", "alerted", sentry.engine.alerted),
	NUMBER("counts", "veils", sentry.engine.veils),
	NUMBER("counts", "bans", sentry.engine.bans),
	NUMBER("counts", "blocks", sentry.engine.blocks),
	NUMBER("counts", "veils_max", sentry.engine.veils_max),
	NUMBER("counts", "blocks_max", sentry.engine.blocks_max),
	NUMBER("counts", "nets", sentry.engine.nets),
	NUMBER("counts", "nets_max", sentry.engine.nets_max),
	NUMBER("counts", "nets_exempt", sentry.engine.exempt),
	NUMBER("counts", "allow", sentry.engine.allow),
	NUMBER("counts", "protected_count", sentry.engine.protected_count),

	NUMBER("totals", "probes", sentry.engine.probes),
	NUMBER("totals", "evidence_total", sentry.engine.evidence_total),
	NUMBER("totals", "duplicates", sentry.engine.duplicates),
	NUMBER("totals", "alerts", sentry.engine.alerts),
	NUMBER("totals", "veils_total", sentry.engine.veils_total),
	NUMBER("totals", "bans_total", sentry.engine.bans_total),
	NUMBER("totals", "blocks_total", sentry.engine.blocks_total),
	NUMBER("totals", "expiries", sentry.engine.expiries),
	NUMBER("totals", "spared_allowed", sentry.engine.exempt_allowed),
	NUMBER("totals", "spared_protected", sentry.engine.exempt_protected),
	NUMBER("totals", "decoys", sentry.engine.decoys),
	NUMBER("totals", "gave_way", sentry.engine.gave_way),
	NUMBER("totals", "veils_refused", sentry.engine.veils_refused),
	NUMBER("totals", "evicted", sentry.engine.evicted),
	NUMBER("totals", "turned_away", sentry.engine.dropped),
	NUMBER("totals", "allow_full", sentry.engine.allow_full),
	NUMBER("totals", "protect_full", sentry.engine.protect_full),
	NUMBER("totals", "blocks_full", sentry.engine.blocks_full),
	NUMBER("totals", "served_refused", sentry.engine.served_refused),
	NUMBER("totals", "untold", sentry.untold),

	ROW(NULL, "evidence_by_kind", by_kind, sentry.engine.evidence),

	NUMBER("queue", "packets", sentry.queue.packets),
	NUMBER("queue", "accepted", sentry.queue.accepted),
	NUMBER("queue", "dropped", sentry.queue.dropped),
	NUMBER("queue", "lost", sentry.queue.lost),
	NUMBER("queue", "malformed", sentry.queue.malformed),
	NUMBER("queue", "verdict_errors", sentry.queue.verdict_errors),
	NUMBER("queue", "fail_open", sentry.fail_open),

	NUMBER("veil", "syns", sentry.veil.syns),
	NUMBER("veil", "first_sights", sentry.veil.first_sights),
	NUMBER("veil", "early", sentry.veil.early),
	NUMBER("veil", "repeats", sentry.veil.repeats),
	NUMBER("veil", "attempts", sentry.veil.attempts),
	NUMBER("veil", "again", sentry.veil.again),
	NUMBER("veil", "trapped", sentry.veil.trapped),
	NUMBER("veil", "refused", sentry.veil.refused),
	NUMBER("veil", "raw", sentry.veil.raw),
	NUMBER("veil", "quick_taken", sentry.veil.quick_taken),
	NUMBER("veil", "gave_way", sentry.veil.evicted),
	NUMBER("veil", "crowded", sentry.veil.crowded),
	NUMBER("veil", "unremembered", sentry.veil.unremembered),
	NUMBER("veil", "memory_bytes", sentry.veil.memory),
	NUMBER("veil", "memory_max_bytes", sentry.veil.memory_max),

	NUMBER("behind", "asked", sentry.behind.asked),
	NUMBER("behind", "answered", sentry.behind.answered),
	NUMBER("behind", "proven", sentry.behind.proven),
	NUMBER("behind", "refused", sentry.behind.refused),
	NUMBER("behind", "silent", sentry.behind.silent),
	NUMBER("behind", "dark", sentry.behind.at_dark),
	NUMBER("behind", "worth_nothing", sentry.behind.worth_nothing),
	NUMBER("behind", "waited", sentry.behind.waited),
	NUMBER("behind", "displaced", sentry.behind.displaced),
	NUMBER("behind", "turned_away", sentry.behind.turned_away),
	NUMBER("behind", "forgotten", sentry.behind.forgotten),
	NUMBER("behind", "contacts", sentry.behind.pending),
	NUMBER("behind", "sources", sentry.behind.sources),
	NUMBER("behind", "hosts", sentry.behind.hosts),
	NUMBER("behind", "dark_hosts", sentry.behind.dark),
	NUMBER("behind", "services", sentry.behind.services),
	NUMBER("behind", "one_sided", sentry.behind.one_sided),

	NUMBER("kernel", "queued_judge", sentry.kernel.queued_judge),
	NUMBER("kernel", "queued_veil", sentry.kernel.queued_veil),
	NUMBER("kernel", "queued_trap", sentry.kernel.queued_trap),
	NUMBER("kernel", "queued_kin", sentry.kernel.queued_kin),
	NUMBER("kernel", "queued_ask", sentry.kernel.queued_ask),
	NUMBER("kernel", "queued_told", sentry.kernel.queued_told),
	NUMBER("kernel", "noted_once", sentry.kernel.noted_once),
	NUMBER("kernel", "over_newcomers", sentry.kernel.over_newcomers),
	NUMBER("kernel", "over_known", sentry.kernel.over_known),
	NUMBER("kernel", "over_veil", sentry.kernel.over_veil),
	NUMBER("kernel", "over_customers", sentry.kernel.over_customers),
	NUMBER("kernel", "dropped_ban", sentry.kernel.dropped_ban),
	NUMBER("kernel", "dropped_block", sentry.kernel.dropped_block),
	NUMBER("kernel", "dropped_early", sentry.kernel.dropped_early),
	NUMBER("kernel", "early_refused", sentry.kernel.early_refused),
	NUMBER("kernel", "cut", sentry.kernel.cut),
	NUMBER("kernel", "trapped_tcp", sentry.kernel.trapped_tcp),
	NUMBER("kernel", "trapped_udp", sentry.kernel.trapped_udp),
	NUMBER("kernel", "way_back", sentry.kernel.way_back),
	NUMBER("kernel", "untracked", sentry.kernel.untracked),
	NUMBER("kernel", "refused", sentry.kernel_refused),

	NUMBER("traps", "accepted", sentry.trap.accepted),
	NUMBER("traps", "datagrams", sentry.trap.datagrams),
	NUMBER("traps", "hits", sentry.trap.hits),
	NUMBER("traps", "induced", sentry.trap.induced),
	NUMBER("traps", "unsaved", sentry.trap.unsaved),
	NUMBER("traps", "crowded", sentry.trap.evicted),
	NUMBER("traps", "errors", sentry.trap.errors),
	NUMBER("traps", "open", sentry.trap.open),

	ROW(NULL, "rejected", by_result, sentry.rejected),

	WHOLE(NULL, "hooks", hooks),
	NUMBER("hooks", "started", hooks.started),
	NUMBER("hooks", "succeeded", hooks.succeeded),
	NUMBER("hooks", "failed", hooks.failed),
	NUMBER("hooks", "timed_out", hooks.timed_out),
	NUMBER("hooks", "turned_away", hooks.dropped),
	NUMBER("hooks", "running", hooks.running),
	NUMBER("hooks", "waiting", hooks.waiting),

	NUMBER("control", "clients", control.clients),
	NUMBER("control", "accepted", control.accepted),
	NUMBER("control", "requests", control.requests),
	NUMBER("control", "bad_requests", control.bad_requests),
	NUMBER("control", "too_long", control.too_long),
	NUMBER("control", "throttled", control.throttled),
	NUMBER("control", "refused", control.refused),
	NUMBER("control", "crowded", control.evicted),
	NUMBER("control", "user_full", control.user_full),
	NUMBER("control", "idle", control.idle),
	NUMBER("control", "busy", control.busy),

	NUMBER("events", "lost", sentry.events_lost),
	NUMBER("events", "kept", history_rows),
	NUMBER("events", "log_left_out", log.left_out),
	NUMBER("events", "log_waiting", log.waiting),
	NUMBER("events", "followers_lost", followers_lost),

	NUMBER("history", "rows", kept.rows),
	NUMBER("history", "bytes", kept.bytes),
	NUMBER("history", "bytes_max", kept.bytes_max),
	NUMBER("history", "trimmed", kept.trimmed),
	NUMBER("history", "left_out", kept.left_out),
	NUMBER("history", "dropped", kept.dropped),

	NUMBER("wire", "bad_messages", bad_messages),
	NUMBER("wire", "late_answers", late_answers),
};
/* clang-format on */

json_t *view_status(const struct status *status)
{
	json_t *object = json_object();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *group = object;

		if (rows[i].group) {
			group = json_object_get(object, rows[i].group);
			if (!group) {
				json_object_set_new(object, rows[i].group, json_object());
				group = json_object_get(object, rows[i].group);
			}
		}
		json_object_set_new(group, rows[i].name, rows[i].make((const char *)status + rows[i].offset));
	}
	return object;
}
