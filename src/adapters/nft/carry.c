/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What stands in the lists of a table of ours: carried into a fresh one, or told when the table stays. Memory is
 * bounded by the
 * sets' own sizes.  A hash set that grows or shrinks while it is dumped can hide elements or tell them twice, and
 * gives no sign: it is read again until two readings agree in number, and everything told once is kept.
 */
#include "elements.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SETS_MAX  512 /* looked at; ours are at most some 40 and one a prefix length */
#define CARRY_MAX ((size_t)4 * 1024 * 1024)

struct carried_set {
	char name[NFT_NAME_MAX];
	size_t key_len;
	enum nft_list list;
	enum nft_family family;
	unsigned len;
};

struct carried_element {
	uint32_t set; /* its place in `sets` */
	uint8_t key[ELEMENT_KEY_MAX];
	int64_t left_ms;
};

struct nft_carried {
	size_t set_count, count, size;
	uint32_t reading; /* the set being read */
	size_t told;      /* in this reading */
	bool wanted[NFT_LIST_COUNT];
	struct nft_lengths *lengths;
	struct carried_set sets[SETS_MAX];
	struct carried_element *elements;
};

void nft_carry_free(struct nft_carried *carried)
{
	if (!carried)
		return;
	free(carried->elements);
	free(carried);
}

/* Which list, family and length a set's name stands for. */
static bool name_means(struct carried_set *set)
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
	struct nft_carried *carried = context;
	const struct nlattr *attr = nft_attr(nlh, NFTA_SET_NAME);
	struct carried_set *set = &carried->sets[carried->set_count];

	if (carried->set_count == SETS_MAX || !attr || mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0 ||
	    mnl_attr_get_payload_len(attr) > sizeof(set->name))
		return 0; /* not one of ours */
	memset(set, 0, sizeof(*set));
	memcpy(set->name, mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
	if (!name_means(set))
		return 0;
	set->key_len = set->family == NFT_V4 ? 4 : 16;
	carried->lengths->used[set->list][set->family][set->len] = true;
	if (carried->wanted[set->list])
		carried->set_count++;
	return 0;
}

static int read_element(void *context, const uint8_t *key, size_t len, int64_t left_ms)
{
	struct nft_carried *carried = context;
	struct carried_element *element;

	if (len != carried->sets[carried->reading].key_len)
		return 0;
	if (carried->count == carried->size) {
		size_t size = carried->size ? carried->size * 2 : 1024;
		struct carried_element *grown;

		if (carried->count >= CARRY_MAX)
			return -E2BIG;
		grown = realloc(carried->elements, size * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		carried->elements = grown;
		carried->size = size;
	}
	element = &carried->elements[carried->count++];
	memset(element, 0, sizeof(*element));
	element->set = carried->reading;
	memcpy(element->key, key, len);
	element->left_ms = left_ms;
	carried->told++;
	return 0;
}

/* Of one told twice, the later time left comes last. */
static int compare_elements(const void *a, const void *b)
{
	const struct carried_element *x = a, *y = b;
	int keys;

	if (x->set != y->set)
		return x->set < y->set ? -1 : 1;
	keys = memcmp(x->key, y->key, sizeof(x->key));
	return keys ? keys : (x->left_ms > y->left_ms) - (x->left_ms < y->left_ms);
}

/* Sorts what came since `from` and keeps each element once. */
static void keep_once(struct nft_carried *carried, size_t from)
{
	struct carried_element *elements = carried->elements;
	size_t kept = from;

	if (carried->count == from)
		return;
	qsort(elements + from, carried->count - from, sizeof(*elements), compare_elements);
	for (size_t i = from; i < carried->count; i++) {
		if (i + 1 == carried->count || elements[i].set != elements[i + 1].set ||
		    memcmp(elements[i].key, elements[i + 1].key, sizeof(elements[i].key)) != 0)
			elements[kept++] = elements[i];
	}
	carried->count = kept;
}

static int read_elements(struct nft *nft, struct nft_carried *carried, uint32_t set, int readings)
{
	const size_t from = carried->count;
	size_t before = SIZE_MAX;
	int result = -EINTR;

	carried->reading = set;
	carried->told = 0;
	for (int i = 0; i < NFT_CARRY_READINGS && (result == -EINTR || (i < readings && before != carried->told));
	     i++) {
		before = i ? carried->told : SIZE_MAX;
		carried->told = 0;
		result = element_dump(nft, carried->sets[set].name, read_element, carried);
		keep_once(carried, from);
		if (!result && !carried->told)
			break;
		if (result && result != -EINTR)
			break;
	}
	return result == -EINTR || result == -ENOENT ? 0 : result; /* ENOENT: gone since */
}

int nft_carry_read(struct nft *nft, const bool wanted[NFT_LIST_COUNT], int readings, struct nft_lengths *lengths,
		   struct nft_carried **out)
{
	struct nft_carried *carried = calloc(1, sizeof(*carried));
	int result;

	if (!carried)
		return -ENOMEM;
	memcpy(carried->wanted, wanted, sizeof(carried->wanted));
	carried->lengths = lengths;
	result = nft_dump(nft, NFT_MSG_GETSET, NULL, read_set, carried);
	if (result == -EINTR)
		result = 0;
	for (uint32_t i = 0; i < carried->set_count && !result; i++)
		result = read_elements(nft, carried, i, readings);
	if (result) {
		nft_carry_free(carried);
		return result;
	}
	*out = carried;
	return 0;
}

void nft_carry_write(const struct nft *nft, const struct nft_carried *carried, struct nft_batch *batch)
{
	size_t i = 0;

	while (i < carried->count) {
		const uint32_t set = carried->elements[i].set;
		struct element_writer w;

		element_begin(&w, batch, nft->table, carried->sets[set].name, ELEMENT_ENSURE);
		for (; i < carried->count && carried->elements[i].set == set; i++)
			element_put(&w, carried->elements[i].key, carried->sets[set].key_len,
				    carried->elements[i].left_ms, 0);
		element_end(&w);
	}
}

void nft_carry_tell(const struct nft_carried *carried, nft_element_fn *tell, void *context)
{
	for (size_t i = 0; i < carried->count; i++) {
		const struct carried_element *element = &carried->elements[i];
		const struct carried_set *set = &carried->sets[element->set];
		struct prefix source;
		struct addr addr;

		addr = set->family == NFT_V4 ? addr_from_v4(element->key) : addr_from_v6(element->key);
		source = prefix_of(&addr, set->family == NFT_V4 ? 96 + set->len : set->len);
		tell(context, set->list, &source, element->left_ms);
	}
}
