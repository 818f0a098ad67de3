/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A table of an earlier build, taken over once: what stood there goes on under its new name, and the table is replaced
 * in the same transaction.  Its soft blocks, on suspicion, are veils.  Its hard ones are bans, but those that only an
 * admin's word could make, without an end or wider than a source, are blocks.  Its customers of TCP stay customers.
 *
 * Where a source stood in both of its lists, the strictest counts.  What the new sets have no room for is left out, the
 * mildest grade first: a full set would fail the load, and picket with it.
 */
#include "internal.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_MAX ((size_t)1024 * 1024)

enum kind { KIND_SOFT, KIND_HARD, KIND_CUSTOMER };

struct first_set {
	char name[NFT_NAME_MAX];
	enum kind kind;
	enum nft_family family;
	unsigned len;
};

/* Bytes alone up to the grade: compared whole. */
struct first_element {
	uint8_t family, len, key[ELEMENT_KEY_MAX];
	uint8_t grade; /* 0: a customer */
	int64_t left_ms;
};

struct nft_first {
	struct first_set sets[256];
	size_t set_count;
	const struct first_set *reading;
	struct first_element *elements;
	size_t count, size;
};

void nft_first_free(struct nft_first *first)
{
	if (first)
		free(first->elements);
	free(first);
}

/* soft4 (/32), soft4_24, soft6 (/128), soft64, soft6_40: its family and length. */
static bool lengths_of(const char *rest, struct first_set *set)
{
	char family = 0;

	if (sscanf(rest, "%c_%u", &family, &set->len) == 2 && (family == '4' || family == '6'))
		set->family = family == '4' ? NFT_V4 : NFT_V6;
	else if (strcmp(rest, "4") == 0)
		*set = (struct first_set){ .kind = set->kind, .family = NFT_V4, .len = 32 };
	else if (strcmp(rest, "6") == 0)
		*set = (struct first_set){ .kind = set->kind, .family = NFT_V6, .len = 128 };
	else if (sscanf(rest, "%u", &set->len) == 1)
		set->family = NFT_V6;
	else
		return false;
	return set->len <= (set->family == NFT_V4 ? 32U : 128U);
}

static bool name_means(const char *name, struct first_set *set)
{
	static const struct {
		const char *name;
		enum kind kind;
	} kinds[] = { { "soft", KIND_SOFT }, { "hard", KIND_HARD }, { "customers", KIND_CUSTOMER } };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const size_t len = strlen(kinds[i].name);

		set->kind = kinds[i].kind;
		if (strncmp(name, kinds[i].name, len) != 0 || !lengths_of(name + len, set))
			continue;
		memcpy(set->name, name, strlen(name) + 1);
		return true;
	}
	return false;
}

static int read_set(void *context, const struct nlmsghdr *nlh)
{
	struct nft_first *first = context;
	const struct nlattr *attr = nft_attr(nlh, NFTA_SET_NAME);

	if (first->set_count == sizeof(first->sets) / sizeof(first->sets[0]) || !attr ||
	    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0 || mnl_attr_get_payload_len(attr) > NFT_NAME_MAX)
		return 0;
	if (name_means(mnl_attr_get_str(attr), &first->sets[first->set_count]))
		first->set_count++;
	return 0;
}

static uint8_t grade_of(const struct first_set *set, int64_t left_ms)
{
	if (set->kind == KIND_SOFT)
		return NFT_GRADE_VEIL;
	return left_ms == 0 || set->len < (set->family == NFT_V4 ? 32U : 64U) ? NFT_GRADE_BLOCK : NFT_GRADE_BAN;
}

static int read_element(void *context, const uint8_t *key, size_t len, uint32_t value, int64_t left_ms)
{
	struct nft_first *first = context;
	const struct first_set *set = first->reading;
	const size_t address = set->family == NFT_V4 ? 4 : 16;
	struct first_element *element;

	(void)value;
	/* A customer's key has the protocol between address and port. */
	if (len != address + (set->kind == KIND_CUSTOMER ? 8 : 0) ||
	    (set->kind == KIND_CUSTOMER && (key[address] != IPPROTO_TCP || !left_ms)))
		return 0;
	if (first->count == first->size) {
		const size_t size = first->size ? first->size * 2 : 1024;
		struct first_element *grown =
			size <= FIRST_MAX ? realloc(first->elements, size * sizeof(*grown)) : NULL;

		if (!grown)
			return -ENOMEM;
		first->elements = grown;
		first->size = size;
	}
	element = &first->elements[first->count++];
	memset(element, 0, sizeof(*element));
	element->family = (uint8_t)set->family;
	element->len = (uint8_t)set->len;
	memcpy(element->key, key, address);
	if (set->kind == KIND_CUSTOMER)
		memcpy(element->key + address, key + address + 4, sizeof(uint16_t));
	else
		element->grade = grade_of(set, left_ms);
	element->left_ms = left_ms;
	return 0;
}

/* Customers by themselves; of one source's grades the strictest comes first. */
static int compare_elements(const void *a, const void *b)
{
	const struct first_element *x = a, *y = b;
	int places;

	if (!x->grade != !y->grade)
		return !x->grade ? -1 : 1;
	places = memcmp(x, y, offsetof(struct first_element, grade));
	return places ? places : y->grade - x->grade;
}

static void keep_strictest(struct nft_first *first)
{
	size_t kept = 0;

	if (first->count)
		qsort(first->elements, first->count, sizeof(*first->elements), compare_elements);
	for (size_t i = 0; i < first->count; i++) {
		const struct first_element *last = kept ? &first->elements[kept - 1] : NULL, *now = &first->elements[i];

		if (!last || !last->grade != !now->grade ||
		    memcmp(last, now, offsetof(struct first_element, grade)) != 0)
			first->elements[kept++] = *now;
	}
	first->count = kept;
}

int nft_first_read(struct nft *nft, struct nft_lengths *lengths, struct nft_first **out)
{
	struct nft_first *first = calloc(1, sizeof(*first));
	int result;

	if (!first)
		return -ENOMEM;
	result = nft_dump(nft, NFT_MSG_GETSET, NULL, read_set, first);
	for (size_t i = 0; i < first->set_count && (!result || result == -EINTR || result == -ENOENT); i++) {
		first->reading = &first->sets[i];
		result = element_dump(nft, first->sets[i].name, read_element, first);
	}
	if (result && result != -EINTR && result != -ENOENT) {
		nft_first_free(first);
		return result;
	}
	keep_strictest(first);
	for (size_t i = 0; i < first->count; i++)
		if (first->elements[i].grade)
			lengths->used[NFT_GRADED][first->elements[i].family][first->elements[i].len] = true;
	*out = first;
	return 0;
}

/* Those of a grade, as many as there is room for; they stand sorted by set. */
static void restore_grade(const struct nft *nft, const struct nft_first *first, uint8_t grade,
			  uint32_t filled[NFT_FAMILY_COUNT][129], struct nft_batch *batch)
{
	for (size_t i = 0; i < first->count;) {
		const struct first_element *begin = &first->elements[i];
		uint32_t *places = &filled[begin->family][begin->len];
		struct element_writer w;
		char name[NFT_NAME_MAX];
		uint32_t size;

		if (begin->grade) {
			nft_set_name(NFT_GRADED, begin->family, begin->len, name);
			size = nft_list_size(nft, NFT_GRADED, begin->family, begin->len);
		} else {
			nft_pair_name("customers", begin->family, name);
			size = nft_pair_size(nft, "customers");
		}
		element_begin(&w, batch, nft->table, name, ELEMENT_ENSURE);
		for (; i < first->count && !first->elements[i].grade == !begin->grade &&
		       memcmp(&first->elements[i], begin, offsetof(struct first_element, key)) == 0;
		     i++) {
			const struct first_element *element = &first->elements[i];
			const size_t address = element->family == NFT_V4 ? 4 : 16;

			if (element->grade != grade || *places >= size)
				continue;
			(*places)++;
			element_put(&w, element->key, grade ? address : address + 4, element->left_ms, grade);
		}
		element_end(&w);
	}
}

void nft_first_restore(const struct nft *nft, const struct nft_first *first, struct nft_batch *batch)
{
	uint32_t filled[NFT_FAMILY_COUNT][129] = { 0 }, customers[NFT_FAMILY_COUNT][129] = { 0 };

	for (uint8_t grade = NFT_GRADE_BLOCK; grade > NFT_GRADE_NONE; grade--)
		restore_grade(nft, first, grade, filled, batch);
	restore_grade(nft, first, NFT_GRADE_NONE, customers, batch);
}
