/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A fake kernel for the tests of the enforcer, and the enforcer over it.  The nft_* functions below take the place of
 * the adapter's, so that no privilege is needed: one program may include this once.
 */
#ifndef PICKET_TEST_FAKE_KERNEL_H
#define PICKET_TEST_FAKE_KERNEL_H

#include "core.h"

#include <errno.h>
#include <stdio.h>

#include "enforcer/internal.h"

#define ELEMENTS_MAX 2048
#define NOTICES_MAX  16

/* The kernel as the enforcer sees it. */
struct nft {
	bool present; /* the table stands */
	struct nft_rules rules;
	struct nft_element elements[ELEMENTS_MAX];
	size_t count;
	/* what it refuses, as -errno; 0: nothing */
	int add_error, delete_error, flush_error, rules_error, load_error, unload_error;
	struct prefix stuck; /* a transaction that deletes it is refused; len 0: none */
	enum nft_change change;
	int check;
	struct flow_flag flag; /* in force */
	struct conntrack_users users;
	int clear_error;
	unsigned flag_sets;
	bool others_changed;
	bool ingress;
	int loud_links; /* or -errno */
	unsigned early_looks;
	size_t graded_max;                            /* of the list of grades; 0: no limit */
	unsigned loads, replaced, deletions, changed; /* `changed`: elements that came or went by nft_add, nft_delete */
	enum nft_mode loaded_mode;
};

/* The address of the fake is its table's name. */
int nft_open(const char *table, struct nft **out)
{
	void *fake = NULL;

	if (sscanf(table, "%p", &fake) != 1)
		return -EINVAL;
	*out = fake;
	return 0;
}

void nft_close(struct nft *nft)
{
	(void)nft;
}

const char *nft_table_name(const struct nft *nft)
{
	static char name[NFT_TABLE_NAME_MAX];

	snprintf(name, sizeof(name), "%p", (const void *)nft);
	return name;
}

/* ---- the early drop ---- */

bool nft_early_is_possible(const struct nft *nft)
{
	return nft->ingress;
}

int nft_early_sync(struct nft *nft)
{
	nft->early_looks++;
	return nft->present ? nft->loud_links : -ENOENT;
}

/* ---- the flag of flows ---- */

int nft_flag_set(struct nft *nft, const struct flow_flag *flag)
{
	if (!nft->present)
		return -ENOENT;
	nft->flag = *flag;
	nft->flag_sets++;
	return 0;
}

int nft_flag_void(struct nft *nft)
{
	if (!nft->present)
		return -ENOENT;
	nft->flag = (struct flow_flag){ .kind = FLOW_FLAG_NONE };
	return 0;
}

bool nft_others_changed(struct nft *nft)
{
	bool changed = nft->others_changed;

	nft->others_changed = false;
	return changed;
}

/* Its flows are cleared at once; or it refuses to. */
static const int *fake_clear_error;
struct conntrack {
	int unused;
};

int conntrack_open(struct conntrack **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

void conntrack_close(struct conntrack *conntrack)
{
	free(conntrack);
}

int conntrack_clear(struct conntrack *conntrack, const struct flow_flag *flag, bool all_values)
{
	(void)conntrack;
	(void)flag;
	(void)all_values;
	return fake_clear_error ? *fake_clear_error : 0;
}

int conntrack_clear_step(struct conntrack *conntrack)
{
	(void)conntrack;
	return 1;
}

int conntrack_users_look(const char *own_table, const struct conntrack_names *names, struct conntrack_users *out)
{
	void *fake = NULL;

	(void)names;
	if (sscanf(own_table, "%p", &fake) != 1)
		return -EINVAL;
	*out = ((struct nft *)fake)->users;
	return 0;
}

static size_t place_of(const struct nft *nft, enum nft_list list, const struct prefix *source)
{
	size_t i = 0;

	while (i < nft->count && (nft->elements[i].list != list || !prefix_equal(&nft->elements[i].source, source)))
		i++;
	return i;
}

uint32_t nft_room(const struct nft *nft, enum nft_list list, bool rare)
{
	(void)list;
	return rare ? 64 : nft->graded_max ? (uint32_t)nft->graded_max : ELEMENTS_MAX;
}

/* A transaction happens whole or not at all. */
static bool finds_room(const struct nft *nft, const struct nft_element *elements, size_t count)
{
	size_t graded = 0;

	for (size_t i = 0; i < nft->count; i++)
		graded += nft->elements[i].list == NFT_GRADED;
	for (size_t i = 0; i < count; i++)
		graded +=
			elements[i].list == NFT_GRADED && place_of(nft, NFT_GRADED, &elements[i].source) == nft->count;
	return !nft->graded_max || graded <= nft->graded_max;
}

static int put(struct nft *nft, const struct nft_element *elements, size_t count, bool renew)
{
	if (!nft->present)
		return -ENOENT;
	if (nft->add_error)
		return nft->add_error;
	if (!finds_room(nft, elements, count))
		return -ENFILE;
	for (size_t i = 0; i < count; i++) {
		size_t at = place_of(nft, elements[i].list, &elements[i].source);

		if (at < nft->count && !renew)
			continue;
		nft->elements[at] = elements[i];
		nft->count += at == nft->count;
		assert_true(nft->count < ELEMENTS_MAX);
	}
	return 0;
}

int nft_add(struct nft *nft, const struct nft_element *elements, size_t count)
{
	nft->changed += (unsigned)count;
	return put(nft, elements, count, true);
}

int nft_ensure(struct nft *nft, const struct nft_element *elements, size_t count)
{
	return put(nft, elements, count, false);
}

int nft_ensure_least(struct nft *nft, const struct nft_element *elements, size_t count)
{
	return put(nft, elements, count, false);
}

int nft_delete(struct nft *nft, const struct nft_element *elements, size_t count)
{
	nft->deletions++;
	nft->changed += (unsigned)count;
	if (!nft->present)
		return -ENOENT;
	if (nft->delete_error)
		return nft->delete_error;
	for (size_t i = 0; i < count; i++)
		if (nft->stuck.len && prefix_equal(&nft->stuck, &elements[i].source))
			return -EBUSY;
	for (size_t i = 0; i < count; i++) {
		size_t at = place_of(nft, elements[i].list, &elements[i].source);

		if (at < nft->count)
			nft->elements[at] = nft->elements[--nft->count];
	}
	return 0;
}

int nft_flush(struct nft *nft, enum nft_list list)
{
	if (!nft->present)
		return -ENOENT;
	if (list == NFT_GRADED && nft->flush_error)
		return nft->flush_error;
	for (size_t i = nft->count; i-- > 0;)
		if (nft->elements[i].list == list)
			nft->elements[i] = nft->elements[--nft->count];
	return 0;
}

static void tell_elements(struct nft *nft, bool allow, nft_element_fn *tell, void *context)
{
	for (size_t i = 0; i < nft->count; i++)
		if ((nft->elements[i].list == NFT_ALLOW) == allow)
			tell(context, &nft->elements[i]);
}

int nft_take_over(struct nft *nft, nft_element_fn *tell, void *context)
{
	if (!nft->present)
		return 0;
	tell_elements(nft, true, tell, context);
	return 1;
}

int nft_read_blocks(struct nft *nft, nft_element_fn *tell, void *context)
{
	if (!nft->present)
		return -ENOENT;
	tell_elements(nft, false, tell, context);
	return 0;
}

int nft_load(struct nft *nft, const struct nft_rules *rules, nft_element_fn *tell, void *context)
{
	(void)tell, (void)context;
	if (nft->load_error)
		return nft->load_error;
	nft->loads++;
	nft->loaded_mode = rules->mode;
	(void)!nft_flush(nft, NFT_ALLOW); /* no table: nothing to flush */
	nft->present = true;
	nft->rules = *rules;
	return 0;
}

int nft_rules_replace(struct nft *nft, const struct nft_rules *rules)
{
	if (!nft->present || nft->rules_error)
		return nft->present ? nft->rules_error : -ENOENT;
	nft->replaced++;
	nft->rules = *rules;
	return 0;
}

int nft_unload(struct nft *nft)
{
	if (!nft->unload_error) {
		nft->present = false;
		nft->count = 0;
	}
	return nft->unload_error;
}

bool nft_queue_is_native(const struct nft *nft)
{
	(void)nft;
	return true;
}

enum nft_conntrack nft_conntrack(const struct nft *nft)
{
	return nft->rules.untracked ? NFT_CONNTRACK_OFF : NFT_CONNTRACK_ON;
}

int nft_read_counters(struct nft *nft, struct nft_counters *out)
{
	*out = (struct nft_counters){ .queued_judge = 7 };
	return nft->present ? 0 : -ENOENT;
}

int nft_read_learned(struct nft *nft, struct nft_learned *out, size_t max)
{
	(void)nft, (void)out, (void)max;
	return 0;
}

int nft_add_learned(struct nft *nft, const struct nft_learned *learned, size_t count)
{
	(void)nft, (void)learned, (void)count;
	return 0;
}

int nft_set_lately(struct nft *nft, uint8_t protocol, const struct port_range *ports, size_t count)
{
	(void)nft, (void)protocol, (void)ports, (void)count;
	return 0;
}

int nft_read_published(struct nft *nft, struct nft_published *out, size_t max)
{
	(void)nft, (void)out, (void)max;
	return 0;
}

int nft_watch_fd(const struct nft *nft)
{
	(void)nft;
	return -1;
}

enum nft_change nft_watch_read(struct nft *nft)
{
	enum nft_change change = nft->change;

	nft->change = NFT_CHANGE_NONE;
	return change;
}

int nft_check(struct nft *nft)
{
	return nft->check;
}

/* ---- the enforcer with its engine, and what it said ---- */

struct guard {
	struct core core;
	struct enforcer *enforcer;
	struct nft kernel;
	struct nft_rules rules;
	int errors[ENGINE_ACTIONS_MAX];
	char notices[NOTICES_MAX][EVENT_TEXT_MAX];
	unsigned notice_count, failures, loaded;
	struct prefix freed;
	unsigned freed_count;
};

static void on_notice(void *context, enum event_type type, const char *text)
{
	struct guard *guard = context;

	assert_true(guard->notice_count < NOTICES_MAX);
	snprintf(guard->notices[guard->notice_count++], EVENT_TEXT_MAX, "%s", text);
	guard->failures += type == EVENT_FAILED;
}

static void on_loaded(void *context)
{
	struct guard *guard = context;

	guard->loaded++;
}

static void on_freed(void *context, const struct prefix *source)
{
	struct guard *guard = context;

	guard->freed = *source;
	guard->freed_count++;
}

static void open_enforcer(struct guard *guard)
{
	struct enforcer_listener listener = { guard, on_notice, on_loaded, on_freed };
	char name[NFT_TABLE_NAME_MAX];

	snprintf(name, sizeof(name), "%p", (void *)&guard->kernel);
	assert_int_equal(enforcer_open(name, guard->core.engine, &listener, &guard->enforcer), 0);
	enforcer_configure(guard->enforcer, &guard->rules);
}

/* Not loaded yet. */
static struct guard *guard_new(enum nft_mode mode)
{
	struct guard *guard = calloc(1, sizeof(*guard));

	assert_non_null(guard);
	guard->core = core_new(NULL);
	guard->rules.mode = mode;
	guard->rules.queue = 100;
	open_enforcer(guard);
	return guard;
}

static inline struct guard *guard_loaded(void)
{
	struct guard *guard = guard_new(NFT_BLOCK);

	assert_int_equal(enforcer_load(guard->enforcer, guard->core.now_ms), 0);
	enforcer_tick(guard->enforcer, guard->core.now_ms);
	guard->kernel.changed = guard->kernel.deletions = 0;
	return guard;
}

static void guard_free(struct guard *guard)
{
	enforcer_close(guard->enforcer);
	core_free(&guard->core);
	free(guard);
}

static void act(struct guard *guard)
{
	enforcer_act(guard->enforcer, guard->core.actions, guard->core.now_ms, guard->errors);
}

static void block(struct guard *guard, const char *source, int64_t duration_ms)
{
	struct prefix prefix = core_prefix(source);

	assert_int_equal(engine_block(guard->core.engine, &prefix, duration_ms, true, "", guard->core.now_ms,
				      guard->core.actions),
			 ENGINE_OK);
	act(guard);
}

static inline void unblock(struct guard *guard, const char *source)
{
	struct prefix prefix = core_prefix(source);

	assert_int_equal(engine_unblock(guard->core.engine, &prefix, guard->core.now_ms, guard->core.actions),
			 ENGINE_OK);
	act(guard);
}

static inline void allow(struct guard *guard, const char *source, int64_t until_ms)
{
	struct prefix prefix = core_prefix(source);

	assert_int_equal(engine_allow(guard->core.engine, &prefix, until_ms, ALLOW_ADMIN, guard->core.now_ms,
				      guard->core.actions),
			 ENGINE_OK);
}

static inline const struct nft_element *element(const struct guard *guard, enum nft_list list, const char *source)
{
	struct prefix prefix = core_prefix(source);
	size_t at = place_of(&guard->kernel, list, &prefix);

	return at < guard->kernel.count ? &guard->kernel.elements[at] : NULL;
}

static void tick(struct guard *guard, int64_t after_ms)
{
	guard->core.now_ms += after_ms;
	enforcer_tick(guard->enforcer, guard->core.now_ms);
}

/* Another program took the table away, and the kernel said so. */
static inline void remove_table(struct guard *guard)
{
	guard->kernel.present = false;
	guard->kernel.count = 0;
	guard->kernel.change = NFT_CHANGE_FOREIGN;
	enforcer_watch(guard->enforcer);
}

static bool was_told(const struct guard *guard, const char *words)
{
	return guard->notice_count && strstr(guard->notices[guard->notice_count - 1], words);
}

static struct enforcer_status status_of(struct guard *guard)
{
	struct enforcer_status status;

	enforcer_read_status(guard->enforcer, &status);
	return status;
}

static inline size_t undeleted_of(const struct guard *guard)
{
	return guard->enforcer->undeleted_count;
}

#endif
