/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whom the engine must leave alone, and as what an address is counted.  The sets behind it are held against a plain
 * list that is searched from its start to its end.
 */
#include "core.h"

#include <picket/evidence.h>

#include "prefixset.h"
#include "safeguard/safeguard.h"

#define MODEL_MAX 96

struct model {
	struct prefix items[MODEL_MAX];
	size_t count;
};

/* Few bits, so that prefixes hold and meet each other. */
static struct prefix some_prefix(struct seed *seed)
{
	static const uint8_t lengths[] = { 0, 8, 32, 48, 63, 64, 65, 96, 104, 120, 127, 128 };
	struct prefix p = { .len = lengths[seed_next(seed) % sizeof(lengths)] };

	p.addr.b[0] = 0x20;
	for (size_t i = 0; i < 16; i += 5)
		p.addr.b[i] |= (uint8_t)(seed_next(seed) % 3);
	if (seed_next(seed) % 3 == 0)
		p.addr = addr_from_v4((uint8_t[]){ 198, 51, 100, (uint8_t)(seed_next(seed) % 8) });
	return prefix_of(&p.addr, p.len);
}

/* IPv4 lies within none of IPv6's nets, though it is written as ::ffff:0:0/96. */
static bool holds(const struct prefix *outer, const struct prefix *inner)
{
	struct prefix masked = prefix_of(&inner->addr, outer->len);

	return outer->len <= inner->len && (prefix_is_v4(outer) || !prefix_is_v4(inner)) &&
	       prefix_equal(&masked, outer);
}

static size_t model_find(const struct model *model, const struct prefix *p)
{
	for (size_t i = 0; i < model->count; i++)
		if (prefix_equal(&model->items[i], p))
			return i;
	return MODEL_MAX;
}

/* The longest of at most max_len that holds p; -1: none. */
static int model_cover(const struct model *model, const struct prefix *p, int max_len)
{
	int longest = -1;

	for (size_t i = 0; i < model->count; i++)
		if (model->items[i].len <= max_len && holds(&model->items[i], p) && model->items[i].len > longest)
			longest = model->items[i].len;
	return longest;
}

static void compare(const struct prefixset *set, const struct model *model, const struct prefix *p, int max_len)
{
	uint32_t slot = prefixset_find(set, p), cover = prefixset_cover(set, p, max_len), entries[129];
	int expected = model_cover(model, p, max_len);
	struct prefix_hashes hashes;
	size_t inside = 0, walked = 0;
	int len = 128;

	assert_int_equal(prefixset_count(set), model->count);
	assert_int_equal(slot != PREFIXSET_NONE, model_find(model, p) < MODEL_MAX);
	if (slot != PREFIXSET_NONE)
		assert_true(prefix_equal(prefixset_at(set, slot), p));
	assert_int_equal(cover == PREFIXSET_NONE ? -1 : (int)prefixset_at(set, cover)->len, expected);
	for (size_t i = 0; i < model->count; i++)
		inside += holds(p, &model->items[i]);
	for (slot = prefixset_next(set, 0, p); slot != PREFIXSET_NONE;
	     slot = prefixset_next(set, slot + 1, p), walked++)
		assert_true(holds(p, prefixset_at(set, slot)));
	assert_int_equal(walked, inside);
	assert_false(prefixset_none_inside(set, p) && inside > 0);
	prefix_hashes_begin(&hashes, &core_key, &p->addr);
	unsigned count = prefixset_holders(set, &hashes, entries);
	struct prefix host = prefix_host(&p->addr);
	for (unsigned i = 0; i < count; i++) {
		len = model_cover(model, &host, len);
		assert_int_equal(prefixset_at(set, entries[i])->len, len);
		assert_true(holds(prefixset_at(set, entries[i]), &host));
		len--;
	}
	assert_int_equal(len < 0 ? -1 : model_cover(model, &host, len), -1);
}

static void sets_answer_like_a_plain_list(void **state)
{
	struct seed seed = seed_new("prefix sets");

	(void)state;
	for (int round = 0; round < 20; round++) {
		struct prefixset *set = prefixset_new(MODEL_MAX, &core_key);
		struct model model = { .count = 0 };

		assert_non_null(set);
		for (int step = 0; step < 300; step++) {
			struct prefix p = some_prefix(&seed);
			size_t at = model_find(&model, &p);

			if (at < MODEL_MAX && seed_next(&seed) % 2) {
				prefixset_remove(set, prefixset_find(set, &p));
				model.items[at] = model.items[--model.count];
			} else if (at == MODEL_MAX && model.count == MODEL_MAX) {
				assert_int_equal(prefixset_add(set, &p), PREFIXSET_NONE);
			} else {
				assert_int_not_equal(prefixset_add(set, &p), PREFIXSET_NONE);
				if (at == MODEL_MAX)
					model.items[model.count++] = p;
			}
			p = some_prefix(&seed);
			compare(set, &model, &p, (int)(seed_next(&seed) % 130) - 1);
		}
		prefixset_free(set);
	}
}

static int arrange(void **state)
{
	*state = safeguard_new(&core_key, 64);
	return *state ? 0 : -1;
}

static int clear(void **state)
{
	safeguard_free(*state);
	return 0;
}

static bool allowed(const struct safeguard *s, const char *text)
{
	struct prefix p = core_prefix(text);
	struct prefix_hashes hashes;
	bool whole = safeguard_allowed(s, &p) != NULL;

	prefix_hashes_begin(&hashes, &core_key, &p.addr);
	if (p.len == 128)
		assert_int_equal(safeguard_allows(s, &hashes), whole);
	return whole;
}

static enum engine_result allow(struct safeguard *s, const char *text, int64_t until_ms, enum allow_origin origin)
{
	struct prefix p = core_prefix(text);

	return safeguard_allow(s, &p, until_ms, origin);
}

static void each_origin_ends_by_itself(void **state)
{
	struct safeguard *s = *state;
	struct allow_view view;
	struct prefix p = core_prefix("192.0.2.0/24");

	assert_int_equal(allow(s, "192.0.2.0/24", 1000, ALLOW_ADMIN), ENGINE_OK);
	assert_int_equal(allow(s, "192.0.2.7", 500, ALLOW_ADMIN), ENGINE_OK);
	assert_int_equal(allow(s, "198.51.100.1", 0, ALLOW_CONFIG), ENGINE_OK);
	assert_int_equal(allow(s, "198.51.100.1", 700, ALLOW_ADMIN), ENGINE_OK);
	assert_int_equal(safeguard_allow_count(s), 3);
	assert_true(allowed(s, "192.0.2.7") && allowed(s, "192.0.2.128/25") && !allowed(s, "192.0.2.0/23"));
	assert_false(allowed(s, "192.0.3.0"));
	safeguard_expire(s, 499);
	assert_int_equal(safeguard_allow_count(s), 3);
	safeguard_expire(s, 500);
	assert_int_equal(safeguard_allow_count(s), 2);
	safeguard_expire(s, 700);
	assert_true(allowed(s, "198.51.100.1") && allowed(s, "192.0.2.7"));
	safeguard_expire(s, 999);
	assert_true(allowed(s, "192.0.2.7"));
	safeguard_expire(s, 1000);
	assert_false(allowed(s, "192.0.2.7"));
	assert_int_equal(safeguard_allow_view(s, 0, &view) != PREFIXSET_NONE, 1);
	assert_true(view.origin == ALLOW_CONFIG && view.until_ms == 0);
	assert_int_equal(safeguard_disallow(s, &p), ENGINE_NOT_FOUND);
	/* An end that comes sooner than the one waited for. */
	assert_int_equal(allow(s, "192.0.2.1", 5000, ALLOW_ADMIN), ENGINE_OK);
	assert_int_equal(allow(s, "192.0.2.2", 4000, ALLOW_ADMIN), ENGINE_OK);
	safeguard_expire(s, 4000);
	assert_true(allowed(s, "192.0.2.1") && !allowed(s, "192.0.2.2"));
	assert_int_equal(safeguard_allow_view(s, 0, &view) != PREFIXSET_NONE, 1);
	assert_int_equal(safeguard_allow_count(s), 2);
}

static void the_allow_list_is_bounded(void **state)
{
	struct safeguard *s = *state;
	struct prefix p = core_prefix("100.64.0.0");

	for (unsigned i = 0; i < ENGINE_ALLOW_MAX; i++) {
		p.addr.b[13] = (uint8_t)(64 + (i >> 16));
		p.addr.b[14] = (uint8_t)(i >> 8);
		p.addr.b[15] = (uint8_t)i;
		assert_int_equal(safeguard_allow(s, &p, 0, ALLOW_CONFIG), ENGINE_OK);
	}
	assert_int_equal(allow(s, "192.0.2.1", 0, ALLOW_ADMIN), ENGINE_FULL);
	assert_int_equal(safeguard_allow(s, &p, 0, ALLOW_ADMIN), ENGINE_OK);
	assert_int_equal(safeguard_allow_count(s), ENGINE_ALLOW_MAX);
	assert_int_equal(safeguard_disallow(s, &p), ENGINE_OK);
	assert_int_equal(allow(s, "192.0.2.1", 0, ALLOW_ADMIN), ENGINE_OK);
}

static void the_protected_set_is_bounded(void **state)
{
	struct safeguard *s = *state;
	struct prefix p = core_prefix("100.64.0.0");

	for (unsigned i = 0; i < ENGINE_PROTECTED_MAX; i++) {
		p.addr.b[14] = (uint8_t)(i >> 8);
		p.addr.b[15] = (uint8_t)i;
		assert_int_equal(safeguard_protect(s, &p, PROTECT_RESOLVER), ENGINE_OK);
	}
	assert_int_equal(safeguard_protect(s, &p, PROTECT_NTP), ENGINE_OK);
	p = core_prefix("192.0.2.1");
	assert_int_equal(safeguard_protect(s, &p, PROTECT_RESOLVER), ENGINE_FULL);
	assert_int_equal(safeguard_protected(s, &p, NULL), PROTECT_NONE);
}

static enum protect_why protect_of(const struct safeguard *s, const char *text, const char *by_text)
{
	struct prefix p = core_prefix(text), by = { .len = 0 };
	enum protect_why why = safeguard_protected(s, &p, &by);
	struct prefix_hashes hashes;

	assert_int_equal(safeguard_protected(s, &p, NULL), why);
	if (by_text) {
		struct prefix expected = core_prefix(by_text);
		assert_true(prefix_equal(&by, &expected));
	}
	if (p.len == 128) {
		prefix_hashes_begin(&hashes, &core_key, &p.addr);
		assert_int_equal(safeguard_protects(s, &hashes).why, why);
	}
	return why;
}

static void protect(struct safeguard *s, const char *text, enum protect_why why)
{
	struct prefix p = core_prefix(text);

	assert_int_equal(safeguard_protect(s, &p, why), ENGINE_OK);
}

static struct safeguard_word word_of(const struct safeguard *s, const char *text)
{
	struct addr addr = core_addr(text);
	struct prefix_hashes hashes;

	prefix_hashes_begin(&hashes, &core_key, &addr);
	return safeguard_protects(s, &hashes);
}

static void each_reason_protects(void **state)
{
	struct safeguard *s = *state;
	struct prefix net = core_prefix("192.0.2.0/24"), out;
	struct protected_view view;

	protect(s, "192.0.2.1", PROTECT_OWN);
	protect(s, "192.0.2.1", PROTECT_LOGIN);
	protect(s, "192.0.2.0/24", PROTECT_ONLINK);
	protect(s, "203.0.113.0/24", PROTECT_RESOLVER);
	protect(s, "203.0.113.9", PROTECT_NTP);
	assert_int_equal(safeguard_protect_count(s), 4);
	assert_int_equal(protect_of(s, "192.0.2.1", "192.0.2.1"), PROTECT_OWN);
	assert_int_equal(protect_of(s, "192.0.2.2", NULL), PROTECT_NONE);
	assert_int_equal(protect_of(s, "203.0.113.9", "203.0.113.9"), PROTECT_NTP);
	assert_int_equal(protect_of(s, "203.0.113.8", "203.0.113.0/24"), PROTECT_RESOLVER);
	assert_int_equal(protect_of(s, "203.0.112.0/23", NULL), PROTECT_NONE);
	assert_true(word_of(s, "192.0.2.1").own && word_of(s, "192.0.2.1").onlink);
	assert_true(!word_of(s, "192.0.2.2").own && word_of(s, "192.0.2.2").onlink);
	assert_true(!word_of(s, "203.0.113.9").own && !word_of(s, "203.0.113.9").onlink);
	assert_int_equal(safeguard_protected_inside(s, &net), PROTECT_OWN);
	assert_int_not_equal(safeguard_protected_next(s, 0, &net, &out), PREFIXSET_NONE);
	assert_int_equal(out.len, 128);
	assert_int_equal(safeguard_protected_next(s, safeguard_protected_next(s, 0, &net, &out), &net, &out),
			 PREFIXSET_NONE);
	safeguard_protect_clear(s, PROTECT_OWN);
	assert_int_equal(protect_of(s, "192.0.2.1", "192.0.2.1"), PROTECT_LOGIN);
	assert_false(word_of(s, "192.0.2.1").own);
	safeguard_protect_clear(s, PROTECT_LOGIN);
	assert_int_equal(protect_of(s, "192.0.2.1", NULL), PROTECT_NONE);
	assert_int_equal(safeguard_protected_inside(s, &net), PROTECT_NONE);
	assert_int_equal(safeguard_protect_count(s), 3);
	safeguard_protect_clear(s, PROTECT_RESOLVER);
	safeguard_protect_clear(s, PROTECT_NTP);
	assert_int_not_equal(safeguard_protect_view(s, 0, &view), PREFIXSET_NONE);
	assert_true(view.why == PROTECT_ONLINK && prefix_equal(&view.what, &net));
	assert_string_equal(safeguard_why_text(PROTECT_GATEWAY), "gateway");
	assert_string_equal(safeguard_why_text(PROTECT_WHY_COUNT), "not protected");
}

static void some_are_protected_by_nature(void **state)
{
	static const struct {
		const char *text;
		enum protect_why why;
	} rows[] = {
		{ "127.0.0.1", PROTECT_LOCAL },
		{ "127.0.0.0/8", PROTECT_LOCAL },
		{ "126.0.0.0/7", PROTECT_NONE },
		{ "128.0.0.1", PROTECT_NONE },
		{ "169.254.0.0/16", PROTECT_LOCAL },
		{ "169.254.169.254", PROTECT_LOCAL },
		{ "169.254.0.0/15", PROTECT_NONE },
		{ "::1", PROTECT_LOCAL },
		{ "fe80::/10", PROTECT_LOCAL },
		{ "fe80::1", PROTECT_LOCAL },
		{ "fe80::/9", PROTECT_NONE },
		{ "fd00:ec2::254", PROTECT_LOCAL },
		{ "fd00:ec2::255", PROTECT_NONE },
		{ "fd00:ec2::254/127", PROTECT_NONE },
		{ "0.0.0.0", PROTECT_NO_SOURCE },
		{ "224.0.0.1", PROTECT_NO_SOURCE },
		{ "255.255.255.255", PROTECT_NO_SOURCE },
		{ "ff02::1", PROTECT_NO_SOURCE },
		{ "2001:db8::1", PROTECT_NONE },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (protect_of(*state, rows[i].text, rows[i].why ? rows[i].text : NULL) != rows[i].why)
			fail_msg("%s", rows[i].text);
}

static void assert_key(const struct safeguard *s, const char *address, const char *key)
{
	struct addr addr = core_addr(address);
	struct prefix got = safeguard_key(s, &addr), expected = core_prefix(key);

	if (!prefix_equal(&got, &expected))
		fail_msg("%s is not counted as %s", address, key);
}

static void what_an_address_is_counted_as(void **state)
{
	struct safeguard *s = *state;
	struct prefix host = core_prefix("2001:db8:1:2::5");

	assert_key(s, "198.51.100.7", "198.51.100.7");
	assert_key(s, "2001:db8:1:2::9", "2001:db8:1:2::/64");
	assert_key(s, "fe80::9", "fe80::9");
	assert_key(s, "64:ff9b::198.51.100.7", "64:ff9b::198.51.100.7");
	/* A neighbour of who must not be cut off stands for itself, as long as that one is there. */
	assert_int_equal(allow(s, "2001:db8:1:2::5", 0, ALLOW_CONFIG), ENGINE_OK);
	protect(s, "2001:db8:1:2::6", PROTECT_GATEWAY);
	assert_key(s, "2001:db8:1:2::9", "2001:db8:1:2::9");
	assert_key(s, "2001:db8:1:3::9", "2001:db8:1:3::/64");
	assert_int_equal(safeguard_disallow(s, &host), ENGINE_OK);
	assert_key(s, "2001:db8:1:2::9", "2001:db8:1:2::9");
	safeguard_protect_clear(s, PROTECT_GATEWAY);
	assert_key(s, "2001:db8:1:2::9", "2001:db8:1:2::/64");
	/* What holds the whole net, or is no IPv6, says nothing about neighbours. */
	assert_int_equal(allow(s, "2001:db8:1:2::/64", 0, ALLOW_CONFIG), ENGINE_OK);
	assert_key(s, "2001:db8:1:2::9", "2001:db8:1:2::/64");
	protect(s, "2001:db8:7::/48", PROTECT_ONLINK);
	assert_key(s, "2001:db8:7:1::9", "2001:db8:7:1::9");
	/* Another length: the neighbourhoods are others. */
	assert_int_equal(allow(s, "2001:db8:9:2::5", 0, ALLOW_CONFIG), ENGINE_OK);
	safeguard_set_ipv6_prefix(s, 56);
	assert_key(s, "2001:db8:9:3::9", "2001:db8:9:3::9");
	assert_key(s, "2001:db8:9:103::9", "2001:db8:9:100::/56");
	assert_key(s, "2001:db8:1:3::9", "2001:db8:1:3::9");
	safeguard_set_ipv6_prefix(s, 64);
	assert_key(s, "2001:db8:9:3::9", "2001:db8:9:3::/64");
	assert_key(s, "2001:db8:9:2::9", "2001:db8:9:2::9");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, arrange, clear)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_answer_like_a_plain_list),
		CASE(each_origin_ends_by_itself),
		CASE(the_protected_set_is_bounded),
		CASE(the_allow_list_is_bounded),
		CASE(each_reason_protects),
		CASE(some_are_protected_by_nature),
		CASE(what_an_address_is_counted_as),
	};

	return cmocka_run_group_tests_name("safeguard", tests, NULL, NULL);
}
