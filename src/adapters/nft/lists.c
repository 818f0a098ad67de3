/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sources into and out of the lists, each call one transaction.
 *
 * Renewal: kernels before 6.12 ignore the timeout of an addition to what is there already, without an error.  So
 * additions insist on being new; where one is not, each is added (if missing), deleted and added, in one
 * transaction: no packet sees a gap.  Deleting what is not there fails a transaction, so it is then added first.
 * Nothing here is newer than Linux 5.10.
 */
#include "elements.h"

#include <errno.h>
#include <libnftnl/set.h>
#include <stdlib.h>
#include <string.h>

/* In the kernel's terms; `order` keeps the last of several for one source. */
struct entry {
	enum nft_list list;
	enum nft_family family;
	unsigned len;
	uint8_t key[16];
	int64_t timeout_ms;
	size_t order;
};

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int keys;

	if (x->list != y->list)
		return x->list < y->list ? -1 : 1;
	if (x->family != y->family)
		return x->family < y->family ? -1 : 1;
	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	keys = memcmp(x->key, y->key, sizeof(x->key));
	return keys ? keys : (x->order > y->order) - (x->order < y->order);
}

static bool same_source(const struct entry *x, const struct entry *y)
{
	return x->list == y->list && x->family == y->family && x->len == y->len &&
	       memcmp(x->key, y->key, sizeof(x->key)) == 0;
}

/* Sorted by set, so that each set needs few messages; of several entries for one source the last counts. */
static int make_entries(const struct nft_element *elements, size_t count, struct entry **out, size_t *out_count)
{
	struct entry *entries = calloc(count ? count : 1, sizeof(*entries));
	size_t kept = 0;

	if (!entries)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const struct prefix *source = &elements[i].source;
		struct entry *entry = &entries[i];

		if (elements[i].list >= NFT_LIST_COUNT || !prefix_is_valid(source)) {
			free(entries);
			return -EINVAL;
		}
		entry->list = elements[i].list;
		entry->family = prefix_is_v4(source) ? NFT_V4 : NFT_V6;
		entry->len = prefix_family_len(source);
		if (entry->family == NFT_V4)
			memcpy(entry->key, addr_v4_bytes(&source->addr), 4);
		else
			memcpy(entry->key, source->addr.b, 16);
		entry->timeout_ms = elements[i].timeout_ms;
		entry->order = i;
	}
	qsort(entries, count, sizeof(*entries), compare_entries);
	for (size_t i = 0; i < count; i++) {
		if (i + 1 == count || !same_source(&entries[i], &entries[i + 1]))
			entries[kept++] = entries[i];
	}
	*out = entries;
	*out_count = kept;
	return 0;
}

static void write_entries(const struct nft *nft, struct nft_batch *batch, const struct nft_lengths *lengths,
			  enum element_change change, const struct entry *entries, size_t count)
{
	size_t i = 0;

	while (i < count) {
		const struct entry *first = &entries[i];
		const bool exists = lengths->used[first->list][first->family][first->len];
		struct element_writer w;
		char name[NFT_NAME_MAX];

		nft_set_name(first->list, first->family, first->len, name);
		element_begin(&w, batch, nft->table, name, change);
		for (; i < count && entries[i].list == first->list && entries[i].family == first->family &&
		       entries[i].len == first->len;
		     i++) {
			if (exists) /* else nothing can be in it */
				element_put(&w, entries[i].key, entries[i].family == NFT_V4 ? 4 : 16,
					    change == ELEMENT_DELETE ? 0 : entries[i].timeout_ms, 0);
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
		bool *used = &lengths->used[entries[i].list][entries[i].family][entries[i].len];

		if (*used)
			continue;
		*used = true;
		nft_list_set_write(nft, batch, entries[i].list, entries[i].family, entries[i].len);
		rules += nft_rules_write_length(nft, batch, entries[i].list, entries[i].family, entries[i].len);
		(*sets)++;
	}
	return rules;
}

static int add(struct nft *nft, enum element_change change, const struct nft_element *elements, size_t count)
{
	struct nft_lengths *lengths;
	struct nft_batch batch;
	struct entry *entries;
	unsigned rules, sets = 0;
	size_t n;
	int result;

	if (!nft->loaded)
		return -ENOENT;
	result = make_entries(elements, count, &entries, &n);
	if (result)
		return result;
	lengths = malloc(sizeof(*lengths));
	if (!lengths) {
		free(entries);
		return -ENOMEM;
	}
	*lengths = nft->lengths;
	nft_batch_init(&batch);
	rules = write_new_lengths(nft, &batch, lengths, &sets, entries, n);
	write_entries(nft, &batch, lengths, change, entries, n);
	result = nft_batch_run(nft, &batch);
	if (result == -EEXIST) { /* some are there */
		*lengths = nft->lengths;
		sets = 0;
		nft_batch_free(&batch);
		rules = write_new_lengths(nft, &batch, lengths, &sets, entries, n);
		write_entries(nft, &batch, lengths, ELEMENT_ENSURE, entries, n);
		write_entries(nft, &batch, lengths, ELEMENT_DELETE, entries, n);
		write_entries(nft, &batch, lengths, ELEMENT_NEW, entries, n);
		result = nft_batch_run(nft, &batch);
	}
	if (!result) {
		nft->lengths = *lengths;
		nft->rules += rules;
		nft->sets += sets;
	}
	nft_batch_free(&batch);
	free(lengths);
	free(entries);
	return result;
}

int nft_add(struct nft *nft, const struct nft_element *elements, size_t count)
{
	return add(nft, ELEMENT_NEW, elements, count);
}

int nft_ensure(struct nft *nft, const struct nft_element *elements, size_t count)
{
	return add(nft, ELEMENT_ENSURE, elements, count);
}

int nft_delete(struct nft *nft, const struct nft_element *elements, size_t count)
{
	struct nft_batch batch;
	struct entry *entries;
	size_t n;
	int result;

	if (!nft->loaded)
		return -ENOENT;
	result = make_entries(elements, count, &entries, &n);
	if (result)
		return result;
	nft_batch_init(&batch);
	write_entries(nft, &batch, &nft->lengths, ELEMENT_DELETE, entries, n);
	result = nft_batch_run(nft, &batch);
	nft_batch_free(&batch);
	if (result == -ENOENT) { /* some are not there, or no longer */
		write_entries(nft, &batch, &nft->lengths, ELEMENT_ENSURE, entries, n);
		write_entries(nft, &batch, &nft->lengths, ELEMENT_DELETE, entries, n);
		result = nft_batch_run(nft, &batch);
		nft_batch_free(&batch);
	}
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
