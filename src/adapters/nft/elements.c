/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Elements of sets, written and read: sources on the lists.  Each call is one transaction.
 *
 * A netlink attribute holds 64 KiB at most, so many elements become several messages of one transaction.  A key that
 * the kernel tells is copied only where its length is what the set's key must have.
 *
 * Renewal: kernels before 6.12 ignore the timeout of an addition to what is there already, without an error.  So
 * additions insist on being new; where one is not, each is added (if missing), deleted and added, in one transaction:
 * no packet sees a gap.
 *
 * Deletion: deleting what is not there fails a transaction, and a failed transaction takes 14 ms where a question takes
 * 6 us.  So the kernel is asked for each element, and those that stand are deleted.  Adding the missing ones first
 * would do as well, but a full set refuses them: whoever fills a map would keep a block from being lifted.
 *
 * Nothing here is newer than Linux 5.10.
 */
#include "internal.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <libnftnl/set.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "netlink.h"

#define LIST_BYTES_MAX   60000 /* of 65,535; an element takes under 100 */
#define REPLACE_ATTEMPTS 3
#define DELETE_ATTEMPTS  3 /* elements can end between the questions and the transaction */

static const size_t address_lens[NFT_FAMILY_COUNT] = { [NFT_V4] = 4, [NFT_V6] = 16 };

void element_begin(struct element_writer *w, struct nft_batch *batch, const char *table, const char *set,
		   enum element_change change)
{
	static const struct {
		uint16_t type, flags;
	} changes[] = {
		[ELEMENT_NEW] = { NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL },
		[ELEMENT_ENSURE] = { NFT_MSG_NEWSETELEM, NLM_F_CREATE },
		[ELEMENT_DELETE] = { NFT_MSG_DELSETELEM, 0 },
	};

	*w = (struct element_writer){
		.batch = batch, .table = table, .set = set, .type = changes[change].type, .flags = changes[change].flags
	};
}

void element_end(struct element_writer *w)
{
	if (!w->nlh)
		return;
	mnl_attr_nest_end(w->nlh, w->list);
	nft_batch_close(w->batch, w->nlh);
	w->nlh = NULL;
}

static bool open_list(struct element_writer *w)
{
	if (w->nlh && w->nlh->nlmsg_len > LIST_BYTES_MAX)
		element_end(w);
	if (w->nlh)
		return true;
	w->nlh = nft_batch_open(w->batch, w->type, w->flags);
	if (!w->nlh)
		return false;
	mnl_attr_put_strz(w->nlh, NFTA_SET_ELEM_LIST_TABLE, w->table);
	mnl_attr_put_strz(w->nlh, NFTA_SET_ELEM_LIST_SET, w->set);
	w->list = mnl_attr_nest_start(w->nlh, NFTA_SET_ELEM_LIST_ELEMENTS);
	return true;
}

static void put_value(struct nlmsghdr *nlh, uint16_t type, const void *value, size_t len)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, type);

	mnl_attr_put(nlh, NFTA_DATA_VALUE, len, value);
	mnl_attr_nest_end(nlh, nest);
}

/* By hand: libnftnl 1.1.9 (Debian 11) exports nothing that writes one element. */
void element_put(struct element_writer *w, const void *key, size_t len, int64_t timeout_ms, uint32_t grade)
{
	const uint32_t value = htonl(grade); /* as nft shows it */
	struct nlattr *element;

	if (!open_list(w))
		return;
	element = mnl_attr_nest_start(w->nlh, NFTA_LIST_ELEM);
	if (timeout_ms > 0)
		mnl_attr_put_u64(w->nlh, NFTA_SET_ELEM_TIMEOUT, htobe64((uint64_t)timeout_ms));
	put_value(w->nlh, NFTA_SET_ELEM_KEY, key, len);
	if (grade)
		put_value(w->nlh, NFTA_SET_ELEM_DATA, &value, sizeof(value));
	mnl_attr_nest_end(w->nlh, element);
	w->batch->elements++;
}

/* ---- dumps ---- */

struct dump {
	element_fn *fn;
	void *context;
};

/* In a map; else 0. */
static uint32_t grade_of(const struct nlattr *element)
{
	uint32_t grade = 0;

	return netlink_be32(netlink_nested(netlink_nested(element, NFTA_SET_ELEM_DATA), NFTA_DATA_VALUE), &grade)
		       ? grade
		       : 0;
}

/* False: its time is over by now. */
static bool time_left(const struct nlattr *element, int64_t *left_ms)
{
	const struct nlattr *attr = netlink_nested(element, NFTA_SET_ELEM_EXPIRATION);
	uint64_t left = 0;

	*left_ms = 0;
	if (!attr)
		return true;
	if (!netlink_be64(attr, &left) || !left || left > INT64_MAX)
		return false;
	*left_ms = (int64_t)left;
	return true;
}

static int read_element(const struct nlattr *element, const struct dump *dump)
{
	const struct nlattr *key = netlink_nested(netlink_nested(element, NFTA_SET_ELEM_KEY), NFTA_DATA_VALUE);
	const size_t len = key ? mnl_attr_get_payload_len(key) : 0;
	uint8_t copy[ELEMENT_KEY_MAX];
	int64_t left_ms;

	if (!len || len > sizeof(copy) || !time_left(element, &left_ms))
		return 0;
	memcpy(copy, mnl_attr_get_payload(key), len);
	return dump->fn(dump->context, copy, len, grade_of(element), left_ms);
}

static int read_elements(void *context, const struct nlmsghdr *nlh)
{
	const struct nlattr *list = nft_attr(nlh, NFTA_SET_ELEM_LIST_ELEMENTS), *element;
	int result = 0;

	if (!list)
		return 0;
	mnl_attr_for_each_nested(element, list)
	{
		result = read_element(element, context);
		if (result < 0)
			break;
	}
	return result;
}

static int read_answer(void *context, const struct nlmsghdr *nlh)
{
	*(uint32_t *)context = grade_of(netlink_nested(nft_attr(nlh, NFTA_SET_ELEM_LIST_ELEMENTS), NFTA_LIST_ELEM));
	return 0;
}

int element_dump(struct nft *nft, const char *set, element_fn *fn, void *context)
{
	struct dump dump = { fn, context };

	return nft_dump(nft, NFT_MSG_GETSETELEM, set, read_elements, &dump);
}

/* ---- sources on the lists ---- */

/* A source in the kernel's terms, bytes alone: compared whole. */
struct place {
	uint8_t list, family, len;
	uint8_t key[16];
};

struct entry {
	struct place place;
	int64_t timeout_ms;
	uint32_t grade, standing; /* of a map: what is wanted, and what is there */
	size_t order;             /* keeps the last of several for one source */
};

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int places = memcmp(&x->place, &y->place, sizeof(x->place));

	return places ? places : (x->order > y->order) - (x->order < y->order);
}

static bool same_set(const struct place *x, const struct place *y)
{
	return memcmp(x, y, offsetof(struct place, key)) == 0;
}

/* Sorted by set, so that each set needs few messages; of several entries for one source the last counts. */
static int make_entries(const struct nft *nft, const struct nft_element *elements, size_t count, struct entry **out,
			size_t *out_count)
{
	struct entry *entries;
	size_t kept = 0;

	if (!nft->loaded)
		return -ENOENT;
	entries = calloc(count ? count : 1, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const struct prefix *source = &elements[i].source;
		struct entry *entry = &entries[i];

		if (elements[i].list >= NFT_LIST_COUNT || !prefix_is_valid(source) ||
		    elements[i].grade >= NFT_GRADE_COUNT) {
			free(entries);
			return -EINVAL;
		}
		entry->place.list = (uint8_t)elements[i].list;
		entry->place.family = prefix_is_v4(source) ? NFT_V4 : NFT_V6;
		entry->place.len = (uint8_t)prefix_family_len(source);
		if (entry->place.family == NFT_V4)
			memcpy(entry->place.key, addr_v4_bytes(&source->addr), 4);
		else
			memcpy(entry->place.key, source->addr.b, 16);
		entry->timeout_ms = elements[i].timeout_ms;
		entry->grade = elements[i].list == NFT_GRADED ? elements[i].grade : 0;
		entry->standing = entry->grade;
		entry->order = i;
	}
	qsort(entries, count, sizeof(*entries), compare_entries);
	for (size_t i = 0; i < count; i++) {
		if (i + 1 == count || memcmp(&entries[i].place, &entries[i + 1].place, sizeof(entries[i].place)) != 0)
			entries[kept++] = entries[i];
	}
	*out = entries;
	*out_count = kept;
	return 0;
}

/* A deletion names the key alone; an addition that must find what is there names the value that is there. */
static uint32_t value_of(const struct entry *entry, enum element_change change)
{
	if (change == ELEMENT_DELETE)
		return 0;
	return change == ELEMENT_ENSURE ? entry->standing : entry->grade;
}

static void write_entries(const struct nft *nft, struct nft_batch *batch, const struct nft_lengths *lengths,
			  enum element_change change, const struct entry *entries, size_t count)
{
	size_t i = 0;

	while (i < count) {
		const struct place *first = &entries[i].place;
		const bool exists = lengths->used[first->list][first->family][first->len];
		struct element_writer w;
		char name[NFT_NAME_MAX];

		nft_set_name(first->list, first->family, first->len, name);
		element_begin(&w, batch, nft->table, name, change);
		for (; i < count && same_set(&entries[i].place, first); i++) {
			if (exists) /* else nothing can be in it */
				element_put(&w, entries[i].place.key, address_lens[first->family],
					    change == ELEMENT_DELETE ? 0 : entries[i].timeout_ms,
					    value_of(&entries[i], change));
		}
		element_end(&w);
	}
}

/* A length that was never used before gets its set and its rules in the same transaction.  Returns how many rules. */
static unsigned write_new_lengths(const struct nft *nft, struct nft_batch *batch, struct nft_lengths *lengths,
				  unsigned *sets, const struct entry *entries, size_t count)
{
	unsigned rules = 0;

	for (size_t i = 0; i < count; i++) {
		const struct place *place = &entries[i].place;
		bool *used = &lengths->used[place->list][place->family][place->len];

		if (*used)
			continue;
		*used = true;
		nft_list_set_write(nft, batch, place->list, place->family, place->len);
		rules += nft_rules_write_length(nft, batch, place->list, place->family, place->len);
		(*sets)++;
	}
	return rules;
}

/* Does the source stand in its list, and in a map at which grade (else 0)?  0, -ENOENT, or another -errno. */
static int ask(struct nft *nft, const struct place *place, uint32_t *grade)
{
	char name[NFT_NAME_MAX];

	*grade = 0;
	nft_set_name(place->list, place->family, place->len, name);
	return nft_ask_element(nft, name, place->key, address_lens[place->family], read_answer, grade);
}

/* What each entry's source stands at now, where it stands in a map. */
static int read_standing(struct nft *nft, struct entry *entries, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct place *place = &entries[i].place;
		uint32_t standing;
		int result;

		if (place->list != NFT_GRADED)
			continue;
		result = ask(nft, place, &standing);
		if (result && result != -ENOENT)
			return result;
		entries[i].standing = standing ? standing : entries[i].grade;
	}
	return 0;
}

static size_t drop_where_stricter_stands(struct entry *entries, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (entries[i].standing <= entries[i].grade)
			entries[kept++] = entries[i];
	return kept;
}

/* One transaction: the entries as they are believed to stand are added if they miss, all are deleted, and added
 * anew. */
static int replace(struct nft *nft, struct entry *entries, size_t count, bool keep_stricter, struct nft_batch *batch,
		   struct nft_lengths *lengths, unsigned *sets, unsigned *rules)
{
	int result = read_standing(nft, entries, count);

	if (result)
		return result;
	if (keep_stricter)
		count = drop_where_stricter_stands(entries, count);
	*lengths = nft->lengths;
	*sets = 0;
	nft_batch_free(batch);
	*rules = write_new_lengths(nft, batch, lengths, sets, entries, count);
	write_entries(nft, batch, lengths, ELEMENT_ENSURE, entries, count);
	write_entries(nft, batch, lengths, ELEMENT_DELETE, entries, count);
	write_entries(nft, batch, lengths, ELEMENT_NEW, entries, count);
	return nft_batch_run(nft, batch);
}

static int add(struct nft *nft, enum element_change change, const struct nft_element *elements, size_t count,
	       bool keep_stricter)
{
	struct nft_lengths lengths = nft->lengths;
	struct nft_batch batch;
	struct entry *entries;
	unsigned rules, sets = 0;
	size_t n;
	int result;

	result = make_entries(nft, elements, count, &entries, &n);
	if (result)
		return result;
	nft_batch_init(&batch);
	rules = write_new_lengths(nft, &batch, &lengths, &sets, entries, n);
	write_entries(nft, &batch, &lengths, change, entries, n);
	result = nft_batch_run(nft, &batch);
	/* Some are there.  An element that ends, or another's change, between the question and the transaction fails
	 * it. */
	for (int i = 0; i < REPLACE_ATTEMPTS && (result == -EEXIST || result == -ENOENT || result == -EBUSY); i++) {
		if (nft_ask(nft, NFT_MSG_GETTABLE, NULL, NULL) == -ENOENT)
			break;
		result = replace(nft, entries, n, keep_stricter, &batch, &lengths, &sets, &rules);
	}
	if (!result) {
		nft->lengths = lengths;
		nft->rules += rules;
		nft->sets += sets;
	}
	if (!result && rules &&
	    nft->flag.kind) /* the flag's rule belongs before the look-ups, and works behind them, too */
		result = nft_flag_set(nft, &nft->flag);
	nft_batch_free(&batch);
	free(entries);
	return result;
}

int nft_add(struct nft *nft, const struct nft_element *elements, size_t count)
{
	return add(nft, ELEMENT_NEW, elements, count, false);
}

int nft_ensure(struct nft *nft, const struct nft_element *elements, size_t count)
{
	return add(nft, ELEMENT_ENSURE, elements, count, false);
}

int nft_ensure_least(struct nft *nft, const struct nft_element *elements, size_t count)
{
	return add(nft, ELEMENT_ENSURE, elements, count, true);
}

static int delete_entries(struct nft *nft, const struct entry *entries, size_t count)
{
	struct nft_batch batch;
	int result;

	nft_batch_init(&batch);
	write_entries(nft, &batch, &nft->lengths, ELEMENT_DELETE, entries, count);
	result = nft_batch_run(nft, &batch);
	nft_batch_free(&batch);
	return result;
}

/* Keeps the entries that stand in the kernel, in their order. */
static int keep_standing(struct nft *nft, struct entry *entries, size_t *count)
{
	size_t kept = 0;

	for (size_t i = 0; i < *count; i++) {
		uint32_t standing;
		int result = ask(nft, &entries[i].place, &standing);

		if (!result)
			entries[kept++] = entries[i];
		else if (result != -ENOENT)
			return result;
	}
	*count = kept;
	return 0;
}

/* No element of the allow list has a timeout. */
static bool stay(const struct entry *entries, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (entries[i].place.list != NFT_ALLOW)
			return false;
	return count > 0;
}

int nft_delete(struct nft *nft, const struct nft_element *elements, size_t count)
{
	struct entry *entries;
	size_t n;
	int result;

	result = make_entries(nft, elements, count, &entries, &n);
	if (result)
		return result;
	/* What never ends by itself is there, unless others took it.  Asking for each takes longer than all else. */
	result = stay(entries, n) ? delete_entries(nft, entries, n) : -EAGAIN;
	for (int i = 0; i < DELETE_ATTEMPTS && (result == -EAGAIN || result == -ENOENT); i++) {
		result = keep_standing(nft, entries, &n);
		if (result || !n)
			break;
		result = delete_entries(nft, entries, n);
		if (result == -ENOENT)
			result = -EAGAIN;
	}
	if (!result && !n)
		result = nft_ask(nft, NFT_MSG_GETTABLE, NULL, NULL);
	free(entries);
	return result;
}

int nft_flush(struct nft *nft, enum nft_list list)
{
	struct nft_batch batch;
	char name[NFT_NAME_MAX];
	int result;

	if (!nft->loaded)
		return -ENOENT;
	if (list >= NFT_LIST_COUNT)
		return -EINVAL;
	nft_batch_init(&batch);
	for (unsigned family = 0; family < NFT_FAMILY_COUNT; family++) {
		for (unsigned len = 0; len <= 128; len++) {
			struct nlmsghdr *nlh;

			if (!nft->lengths.used[list][family][len])
				continue;
			nft_set_name(list, family, len, name);
			nlh = nft_batch_open(&batch, NFT_MSG_DELSETELEM, 0);
			if (!nlh)
				break;
			mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, nft->table);
			mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, name);
			nft_batch_close(&batch, nlh);
		}
	}
	result = nft_batch_run(nft, &batch);
	nft_batch_free(&batch);
	return result;
}
