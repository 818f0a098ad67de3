/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The use of the configuration: this is the one place where its values are translated for sentry, kernel and hooks, and
 * sent, at the start and at each reload.  A file with a mistake changes nothing.  What cannot change while we run keeps
 * its old value, and the log says so.  The allow file is edited here, since only root may write it.
 */
#include "internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "kernel.h"

/* Options that take effect only at the next start. */
#define PLACE(field) offsetof(struct config, field), sizeof(((struct config *)0)->field)
static const struct {
	const char *name;
	size_t offset, size;
	bool text;
} fixed[] = {
	{ "run_dir", PLACE(run_dir), true },
	{ "state_dir", PLACE(state_dir), true },
	{ "history_max", PLACE(history_max), false },
	{ "log_rate", PLACE(log_rate), false },
	{ "table", PLACE(table), true },
	{ "queue", PLACE(queue), false },
	{ "user", PLACE(user), true },
	{ "sentry_user", PLACE(sentry_user), true },
	{ "sandbox", PLACE(sandbox), false },
	{ "max_sources", PLACE(engine.max_sources), false },
};
#undef PLACE

static void translate_ports(const struct config_ports *from, struct port_range *to, size_t *count)
{
	_Static_assert(NFT_PORTS_MAX == CONFIG_PORTS_MAX, "all of them");
	memcpy(to, from->ranges, from->count * sizeof(*to));
	*count = from->count;
}

static enum early_drop early_for(const struct config *config)
{
	if (config->early_drop != EARLY_AUTO)
		return (enum early_drop)config->early_drop;
	return kernel_here_releases_ingress() ? EARLY_ON : EARLY_OLD_KERNEL;
}

void supervisor_rules_of(const struct config *config, struct nft_rules *out)
{
	_Static_assert(sizeof(out->interfaces) == sizeof(config->interfaces), "all of them");
	memset(out, 0, sizeof(*out)); /* padding too: it goes over the wire */
	out->mode = config->engine.observe ? NFT_OBSERVE : NFT_BLOCK;
	out->queue = config->queue;
	out->reverse_path = config->reverse_path;
	out->untracked = !config->conntrack;
	out->cut_running = config->cut_running;
	out->early = early_for(config);
	out->interface_count = config->interface_count;
	memcpy(out->interfaces, config->interfaces, sizeof(out->interfaces));
	_Static_assert(sizeof(out->gateway.outside) == sizeof(config->outside) &&
			       sizeof(out->gateway.guard) == sizeof(config->guard),
		       "all of them");
	memcpy(out->gateway.outside, config->outside, sizeof(config->outside));
	memcpy(out->gateway.inside, config->inside, sizeof(config->inside));
	memcpy(out->gateway.guard, config->guard, sizeof(config->guard));
	out->gateway.outside_count = config->outside_count;
	out->gateway.inside_count = config->inside_count;
	out->gateway.guard_count = config->guard_count;
	translate_ports(&config->trap_tcp, out->trap_tcp, &out->trap_tcp_count);
	translate_ports(&config->trap_udp, out->trap_udp, &out->trap_udp_count);
	translate_ports(&config->public_ports, out->public_ports, &out->public_count);
}

void supervisor_hook_of(const struct config_hook *hook, struct hook_spec *out)
{
	_Static_assert(sizeof(out->name) == sizeof(hook->name) && sizeof(out->args) == sizeof(hook->args),
		       "one size of each text");
	memcpy(out->name, hook->name, sizeof(out->name));
	memcpy(out->args, hook->args, sizeof(out->args));
	out->arg_count = hook->arg_count;
	out->uid = hook->uid;
	out->gid = hook->gid;
	out->timeout_ms = hook->timeout_ms;
}

static uint32_t wanted_events(const struct config *config)
{
	uint32_t wanted = 0;

	for (size_t i = 0; i < config->hook_count; i++)
		wanted |= config->hooks[i].on;
	return wanted;
}

int supervisor_config_send(struct supervisor *s, const struct config *config, uint32_t id)
{
	struct wire_config *settings = &s->message.body.config;
	struct wire_prefixes *batch = &s->message.body.prefixes;
	int result;

	_Static_assert(sizeof(settings->table) == CONFIG_TABLE_MAX && sizeof(settings->banner) == CONFIG_BANNER_MAX,
		       "one size of each text");
	memset(settings, 0, sizeof(*settings));
	settings->engine = config->engine;
	supervisor_rules_of(config, &settings->rules);
	settings->flow_flag = config->flow_flag;
	settings->flow_mark_bits = config->flow_mark_bits;
	memcpy(settings->table, config->table, sizeof(settings->table));
	memcpy(settings->banner, config->banner, sizeof(settings->banner));
	settings->hook_events = wanted_events(config);
	result = wire_send(s->sentry.fd, WIRE_CONFIG, id, settings);
	for (size_t done = 0; result == 0 && done < config->allow_count; done += batch->count) {
		size_t left = config->allow_count - done;

		memset(batch, 0, sizeof(*batch));
		batch->count = left < WIRE_ALLOW_BATCH ? (uint32_t)left : WIRE_ALLOW_BATCH;
		memcpy(batch->items, config->allow + done, batch->count * sizeof(batch->items[0]));
		result = wire_send(s->sentry.fd, WIRE_CONFIG_ALLOW, id, batch);
	}
	if (result == 0)
		result = wire_send(s->sentry.fd, WIRE_CONFIG_END, id, &(struct wire_empty){ 0 });
	return result;
}

/* ---- answers to the keeper, which may have ended ---- */

static void answer(struct supervisor *s, uint32_t id, enum engine_result code, int error, uint32_t count,
		   const char *text)
{
	struct wire_result result = { .result = code, .error = error, .count = count };
	struct writer w = writer_over(result.text, sizeof(result.text));

	if (id == 0 || s->keeper.fd < 0)
		return;
	writer_text(&w, text);
	wire_send(s->keeper.fd, WIRE_RESULT, id, &result);
}

struct telling {
	struct supervisor *supervisor;
	uint32_t id, count;
};

static void tell_mistake(void *context, const char *text)
{
	struct telling *telling = context;
	struct supervisor *s = telling->supervisor;
	struct wire_text message;
	struct writer w = writer_over(message.text, sizeof(message.text));

	telling->count++;
	journal_log(s->journal, LOG_ERR, "%s", text);
	memset(&message, 0, sizeof(message));
	writer_text(&w, text);
	if (telling->id && s->keeper.fd >= 0)
		wire_send(s->keeper.fd, WIRE_TEXT, telling->id, &message);
}

/* ---- reload ---- */

/* Keeps the old values of the fixed options; writes the names of those that were to change. */
static void keep_fixed(struct config *new, const struct config *old, struct writer *changed)
{
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		char *to = (char *)new + fixed[i].offset;
		const char *from = (const char *)old + fixed[i].offset;

		if (fixed[i].text ? strcmp(to, from) == 0 : memcmp(to, from, fixed[i].size) == 0)
			continue;
		writer_format(changed, "%s%s", changed->len ? ", " : "", fixed[i].name);
		memcpy(to, from, fixed[i].size);
	}
	if (changed->len)
		writer_text(changed, ": takes effect at the next start");
}

static void reload_end(struct supervisor *s)
{
	config_free(s->reload.config);
	s->reload = (struct reload){ .config = NULL };
}

void supervisor_reload(struct supervisor *s, uint32_t asked_by)
{
	struct telling telling = { .supervisor = s, .id = asked_by };
	struct config *config;
	int result;

	if (s->stage != STAGE_SERVING || s->reload.config) {
		answer(s, asked_by, ENGINE_INVALID, 0, 0,
		       s->reload.config ? "another reload is under way" : "picketd is starting or ending");
		return;
	}
	config = config_reread(s->config, s->options->file, options_demands(s->options), tell_mistake, &telling);
	if (!config) {
		journal_log(s->journal, LOG_ERR, "not reloaded: %u mistakes, the configuration in force is as before",
			    telling.count);
		answer(s, asked_by, ENGINE_INVALID, 0, telling.count,
		       "the configuration has mistakes, the one in force is as before");
		return;
	}
	if (s->options->observe)
		config->engine.observe = 1;
	s->reload = (struct reload){ .config = config,
				     .id = ++s->last_id,
				     .asked_by = asked_by,
				     .deadline_ms = clock_ms(CLOCK_MONOTONIC) + SUPERVISOR_RELOAD_S * 1000 };
	char changed[WIRE_TEXT_MAX];
	struct writer w = writer_over(changed, sizeof(changed));
	keep_fixed(config, s->config, &w);
	if (w.len)
		journal_log(s->journal, LOG_WARNING, "%s", changed);
	memcpy(s->reload.note, changed, sizeof(changed));
	supervisor_tick_soon(s);
	result = supervisor_config_send(s, config, s->reload.id);
	if (result < 0) {
		journal_log_errno(s->journal, LOG_ERR, result,
				  "not reloaded: the sentry does not take the configuration");
		answer(s, asked_by, ENGINE_INVALID, -result, 0, "the sentry is too busy to take the configuration");
		reload_end(s);
	}
}

/* Before the answer, after which the keeper looks who is logged in. */
static void tell_admins(struct supervisor *s)
{
	supervisor_find_admins(s, s->config, SUPERVISOR_ADMINS_RELOAD_MS);
	if (wire_send(s->keeper.fd, WIRE_ADMINS, 0, &s->admins) < 0)
		journal_log(s->journal, LOG_WARNING, "the keeper does not take the new list of admins: reload again");
}

static void reload_answered(struct supervisor *s, const struct wire_result *result)
{
	struct reload *reload = &s->reload;
	struct config *old = s->config;

	if (result->result != ENGINE_OK) {
		journal_log(s->journal, LOG_ERR, "not reloaded: %s", result->text);
		answer(s, reload->asked_by, ENGINE_INVALID, result->error, 0, result->text);
		reload_end(s);
		return;
	}
	s->config = reload->config;
	reload->config = old;
	tell_admins(s);
	journal_log(s->journal, LOG_NOTICE, "configuration read anew from %s", s->options->file);
	answer(s, reload->asked_by, ENGINE_OK, 0, 0, reload->note);
	reload_end(s);
}

void supervisor_config_answered(struct supervisor *s, uint32_t id, const struct wire_result *result)
{
	if (s->reload.config && id == s->reload.id) {
		reload_answered(s, result);
		return;
	}
	if (s->stage != STAGE_STARTING || result->result == ENGINE_OK)
		return;
	/* The sentry could not start, and ends. */
	journal_log(s->journal, LOG_ERR, "cannot start: %s%s%s", result->text,
		    result->error == EBUSY ? ": table inet " : "", result->error == EBUSY ? s->config->table : "");
	if (result->error == EBUSY)
		journal_log(s->journal, LOG_ERR,
			    "that table is in use by another program (another picketd?): set table = another name");
	supervisor_end(s, SUPERVISOR_NOT_STARTED);
}

void supervisor_config_tick(struct supervisor *s)
{
	if (!s->reload.config || clock_ms(CLOCK_MONOTONIC) < s->reload.deadline_ms)
		return;
	/* Which configuration the sentry has is not known; the next reload settles it. */
	journal_log(s->journal, LOG_ERR, "the sentry did not answer the reload within %d s", SUPERVISOR_RELOAD_S);
	answer(s, s->reload.asked_by, ENGINE_INVALID, ETIMEDOUT, 0, "the sentry does not answer");
	reload_end(s);
}

/* ---- the allow file ---- */

void supervisor_allow_save(struct supervisor *s, uint32_t id, const struct wire_order *order)
{
	const char *path = s->config->allow_file;
	bool add = order->value == 1;
	char text[WIRE_TEXT_MAX], printed[PREFIX_TEXT_MAX];
	struct writer w = writer_over(text, sizeof(text));
	int result;

	if (!path[0]) {
		answer(s, id, ENGINE_INVALID, 0, 0,
		       "no allow_file is configured: set one to save allowed addresses in");
		return;
	}
	/* A new file with this one entry would pass for the old one, and the next reload would forget the rest. */
	if (s->config->allow_file_was_there && access(path, F_OK) < 0 && errno == ENOENT) {
		writer_format(&w, "%s is gone: put it back, or an empty one", path);
		answer(s, id, ENGINE_INVALID, ENOENT, 0, text);
		return;
	}
	result = config_allow_file_edit(path, &order->source, add);
	prefix_format(&order->source, printed);
	if (result == 0 || result == -EEXIST)
		s->config->allow_file_was_there = true;
	if (result == 0)
		journal_log(s->journal, LOG_NOTICE, "%s %s %s", printed, add ? "added to" : "removed from", path);
	if (result == -EEXIST || (result == -ENOENT && !add)) {
		writer_format(&w, "%s is %s in %s", printed, add ? "already" : "not", path);
		result = 0;
	} else if (result < 0) {
		journal_log_errno(s->journal, LOG_ERR, result, "cannot save %s in %s", printed, path);
		writer_format(&w, "cannot save it in %s: %s", path, strerror(-result));
	}
	answer(s, id, result < 0 ? ENGINE_INVALID : ENGINE_OK, -result, result == 0, text);
}
