/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The elements of the lists, saved from a standing table: restored into a fresh one, or told to the caller.
 *
 * Memory is bounded by the sizes of the sets.  A hash set that grows or shrinks while it is dumped can hide elements or
 * tell them twice, and gives no sign: each set is read again until two readings agree in number, and every element that
 * was told once is kept.
 */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SETS_MAX  512 /* looked at; ours are some 40 and one a prefix length */
#define SAVED_MAX ((size_t)4 * 1024 * 1024)

struct saved_set {
	char name[NFT_NAME_MAX];
	size_t key_len;
	enum nft_list list;
	enum nft_family family;
	unsigned len;
};

struct saved_element {
	uint32_t set; /* its place in `sets` */
	uint8_t key[ELEMENT_KEY_MAX];
	uint32_t grade;
	int64_t left_ms;
};

struct nft_saved {
	size_t set_count, count, size;
	uint32_t reading; /* the set being read */
	size_t told;      /* in this reading */
	bool wanted[NFT_LIST_COUNT];
	struct nft_lengths *lengths;
	struct saved_set sets[SETS_MAX];
	struct saved_element *elements;
};

void nft_saved_free(struct nft_saved *saved)
{
	if (!saved)
		return;
	free(saved->elements);
	free(saved);
}

/* Which list, family and length a set's name stands for. */
static bool name_means(struct saved_set *set)
{
	char candidate[NFT_NAME_MAX];

	for (unsigned list = 0; list < NFT_LIST_COUNT; list++) {
		for (unsigned family = 0; family < NFT_FAMILY_COUNT; family++) {
			for (unsigned len = 0; len <= (family == NFT_V4 ? 32U : 128U); len++) {
				nft_set_name(list, family, len, candidate);
				if (strcmp(candidate, set->name) != 0)
					continue;
				set->list = list;
				set->family = family;
				set->len = len;
				return true;
			}
		}
	}
	return false;
}

static int read_set(void *context, const struct nlmsghdr *nlh)
{
	struct nft_saved *saved = context;
	const struct nlattr *attr = nft_attr(nlh, NFTA_SET_NAME);
	struct saved_set *set = &saved->sets[saved->set_count];

	if (saved->set_count == SETS_MAX || !attr || mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0 ||
	    mnl_attr_get_payload_len(attr) > sizeof(set->name))
		return 0; /* not one of ours */
	memset(set, 0, sizeof(*set));
	memcpy(set->name, mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
	if (!name_means(set))
		return 0;
	set->key_len = set->family == NFT_V4 ? 4 : 16;
	saved->lengths->used[set->list][set->family][set->len] = true;
	if (saved->wanted[set->list])
		saved->set_count++;
	return 0;
}

static int read_element(void *context, const uint8_t *key, size_t len, uint32_t grade, int64_t left_ms)
{
	struct nft_saved *saved = context;
	struct saved_element *element;

	if (len != saved->sets[saved->reading].key_len)
		return 0;
	if (saved->count == saved->size) {
		size_t size = saved->size ? saved->size * 2 : 1024;
		struct saved_element *grown;

		if (saved->count >= SAVED_MAX)
			return -E2BIG;
		grown = realloc(saved->elements, size * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		saved->elements = grown;
		saved->size = size;
	}
	element = &saved->elements[saved->count++];
	memset(element, 0, sizeof(*element));
	element->set = saved->reading;
	memcpy(element->key, key, len);
	element->grade = grade;
	element->left_ms = left_ms;
	saved->told++;
	return 0;
}

/* Of an element that was told twice, the longer time left comes last. */
static int compare_elements(const void *a, const void *b)
{
	const struct saved_element *x = a, *y = b;
	int keys;

	if (x->set != y->set)
		return x->set < y->set ? -1 : 1;
	keys = memcmp(x->key, y->key, sizeof(x->key));
	return keys ? keys : (x->left_ms > y->left_ms) - (x->left_ms < y->left_ms);
}

/* Sorts what came since `from` and keeps each element once. */
static void keep_once(struct nft_saved *saved, size_t from)
{
	struct saved_element *elements = saved->elements;
	size_t kept = from;

	if (saved->count == from)
		return;
	qsort(elements + from, saved->count - from, sizeof(*elements), compare_elements);
	for (size_t i = from; i < saved->count; i++) {
		if (i + 1 == saved->count || elements[i].set != elements[i + 1].set ||
		    memcmp(elements[i].key, elements[i + 1].key, sizeof(elements[i].key)) != 0)
			elements[kept++] = elements[i];
	}
	saved->count = kept;
}

static int read_elements(struct nft *nft, struct nft_saved *saved, uint32_t set, int readings)
{
	const size_t from = saved->count;
	size_t before = SIZE_MAX;
	int result = -EINTR;

	saved->reading = set;
	saved->told = 0;
	for (int i = 0; i < NFT_SAVED_READINGS && (result == -EINTR || (i < readings && before != saved->told)); i++) {
		before = i ? saved->told : SIZE_MAX;
		saved->told = 0;
		result = element_dump(nft, saved->sets[set].name, read_element, saved);
		keep_once(saved, from);
		if (!result && !saved->told)
			break;
		if (result && result != -EINTR)
			break;
	}
	return result == -EINTR || result == -ENOENT ? 0 : result; /* ENOENT: gone since */
}

int nft_saved_read(struct nft *nft, const bool wanted[NFT_LIST_COUNT], int readings, struct nft_lengths *lengths,
		   struct nft_saved **out)
{
	struct nft_saved *saved = calloc(1, sizeof(*saved));
	int result;

	if (!saved)
		return -ENOMEM;
	memcpy(saved->wanted, wanted, sizeof(saved->wanted));
	saved->lengths = lengths;
	result = nft_dump(nft, NFT_MSG_GETSET, NULL, read_set, saved);
	if (result == -EINTR)
		result = 0;
	for (uint32_t i = 0; i < saved->set_count && !result; i++)
		result = read_elements(nft, saved, i, readings);
	if (result) {
		nft_saved_free(saved);
		return result;
	}
	*out = saved;
	return 0;
}

void nft_saved_restore(const struct nft *nft, const struct nft_saved *saved, struct nft_batch *batch)
{
	size_t i = 0;

	while (i < saved->count) {
		const uint32_t set = saved->elements[i].set;
		struct element_writer w;

		element_begin(&w, batch, nft->table, saved->sets[set].name, ELEMENT_ENSURE);
		for (; i < saved->count && saved->elements[i].set == set; i++)
			element_put(&w, saved->elements[i].key, saved->sets[set].key_len, saved->elements[i].left_ms,
				    saved->elements[i].grade);
		element_end(&w);
	}
}

void nft_saved_tell(const struct nft_saved *saved, nft_element_fn *tell, void *context)
{
	for (size_t i = 0; i < saved->count; i++) {
		const struct saved_element *element = &saved->elements[i];
		const struct saved_set *set = &saved->sets[element->set];
		struct nft_element told = { .list = set->list, .timeout_ms = element->left_ms };
		struct addr addr;

		if (element->grade >= NFT_GRADE_COUNT)
			continue;
		told.grade = (enum nft_grade)element->grade;
		addr = set->family == NFT_V4 ? addr_from_v4(element->key) : addr_from_v6(element->key);
		told.source = prefix_of(&addr, set->family == NFT_V4 ? 96 + set->len : set->len);
		tell(context, &told);
	}
}
