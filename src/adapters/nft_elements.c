/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Set elements on the wire.  A netlink attribute holds 64 KiB at most, so a long list becomes several messages of one
 * transaction.  What the kernel tells is copied only where its length is what the set's key must have.
 */
#include "nft_elements.h"

#include <errno.h>
#include <libnftnl/set.h>
#include <stdlib.h>
#include <string.h>

#define LIST_BYTES_MAX 60000            /* of 65,535; an element takes under 100 */
#define CARRIED_SETS   1024             /* sets looked at in a standing table */

void element_begin(struct element_writer *w, struct nft_batch *batch, const char *table, const char *set, uint16_t type)
{
	*w = (struct element_writer){ .batch = batch, .table = table, .set = set, .type = type };
	w->element = nftnl_set_elem_alloc();
	if (!w->element && !batch->error)
		batch->error = -ENOMEM;
}

static void close_list(struct element_writer *w)
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
		close_list(w);
	if (w->nlh)
		return true;
	w->nlh = nft_batch_open(w->batch, w->type, w->type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0);
	if (!w->nlh)
		return false;
	mnl_attr_put_strz(w->nlh, NFTA_SET_ELEM_LIST_TABLE, w->table);
	mnl_attr_put_strz(w->nlh, NFTA_SET_ELEM_LIST_SET, w->set);
	w->list = mnl_attr_nest_start(w->nlh, NFTA_SET_ELEM_LIST_ELEMENTS);
	w->count = 0;
	return true;
}

void element_put(struct element_writer *w, const void *key, size_t len, int64_t timeout_ms, uint32_t flags)
{
	if (!w->element || !open_list(w))
		return;
	nftnl_set_elem_set(w->element, NFTNL_SET_ELEM_KEY, key, (uint32_t)len);
	if (timeout_ms > 0)
		nftnl_set_elem_set_u64(w->element, NFTNL_SET_ELEM_TIMEOUT, (uint64_t)timeout_ms);
	else
		nftnl_set_elem_unset(w->element, NFTNL_SET_ELEM_TIMEOUT);
	if (flags)
		nftnl_set_elem_set_u32(w->element, NFTNL_SET_ELEM_FLAGS, flags);
	else
		nftnl_set_elem_unset(w->element, NFTNL_SET_ELEM_FLAGS);
	nftnl_set_elem_nlmsg_build(w->nlh, w->element, ++w->count);
	w->batch->elements++;
}

void element_end(struct element_writer *w)
{
	close_list(w);
	if (w->element)
		nftnl_set_elem_free(w->element);
	w->element = NULL;
}

/* ---- dumps ---- */

struct dump {
	element_fn *fn;
	void *context;
};

static int read_element(struct nftnl_set_elem *element, void *data)
{
	const struct dump *dump = data;
	uint8_t copy[ELEMENT_KEY_MAX];
	const void *key;
	uint32_t len = 0;
	int64_t left_ms = 0;

	key = nftnl_set_elem_get(element, NFTNL_SET_ELEM_KEY, &len);
	if (!key || !len || len > sizeof(copy))
		return 0;
	memcpy(copy, key, len);
	if (nftnl_set_elem_is_set(element, NFTNL_SET_ELEM_EXPIRATION)) {
		const uint64_t left = nftnl_set_elem_get_u64(element, NFTNL_SET_ELEM_EXPIRATION);

		if (!left || left > INT64_MAX)
			return 0;               /* over by now */
		left_ms = (int64_t)left;
	}
	return dump->fn(dump->context, copy, len, left_ms);
}

static int read_elements(void *context, const struct nlmsghdr *nlh)
{
	struct nftnl_set *set = nftnl_set_alloc();
	int result;

	if (!set)
		return -ENOMEM;
	result = nftnl_set_elems_nlmsg_parse(nlh, set) < 0 ? -EBADMSG : 0;
	if (!result)
		result = nftnl_set_elem_foreach(set, read_element, context);
	nftnl_set_free(set);
	return result < 0 ? result : 0;
}

int element_dump(struct nft *nft, const char *set, element_fn *fn, void *context)
{
	struct dump dump = { fn, context };

	return nft_dump(nft, NFT_MSG_GETSETELEM, set, read_elements, &dump);
}

/* ---- a standing table ---- */

struct names {
	size_t count;
	char items[CARRIED_SETS][NFT_NAME_MAX];
};

static int read_name(void *context, const struct nlmsghdr *nlh)
{
	struct names *names = context;
	const struct nlattr *attr = nft_attr(nlh, NFTA_SET_NAME);
	size_t len = attr ? mnl_attr_get_payload_len(attr) : 0;

	if (len < 2 || len > NFT_NAME_MAX || names->count == CARRIED_SETS)
		return 0;                       /* not one of ours */
	memcpy(names->items[names->count], mnl_attr_get_payload(attr), len);
	if (names->items[names->count][len - 1] == '\0')
		names->count++;
	return 0;
}

/* Which list, family and length a set's name stands for. */
static bool name_means(const char *name, enum nft_list *list, enum nft_family *family, unsigned *len)
{
	char candidate[NFT_NAME_MAX];

	for (unsigned l = 0; l < NFT_LIST_COUNT; l++) {
		for (unsigned f = 0; f < NFT_FAMILY_COUNT; f++) {
			for (unsigned n = 0; n <= (f == NFT_V4 ? 32U : 128U); n++) {
				nft_set_name(l, f, n, candidate);
				if (strcmp(candidate, name) != 0)
					continue;
				*list = l;
				*family = f;
				*len = n;
				return true;
			}
		}
	}
	return false;
}

struct carrier {
	struct element_writer writer;
	size_t key_len;
	size_t count;
};

static int carry(void *context, const uint8_t *key, size_t len, int64_t left_ms)
{
	struct carrier *carrier = context;

	if (len == carrier->key_len) {
		element_put(&carrier->writer, key, len, left_ms, 0);
		carrier->count++;
	}
	return 0;
}

/* A dump that another transaction crossed is taken again; an element told twice is added twice, which changes nothing. */
static int carry_set(struct nft *nft, struct nft_batch *elements, const char *name, size_t key_len, size_t *count)
{
	struct carrier carrier = { .key_len = key_len };
	int result = -EINTR;

	element_begin(&carrier.writer, elements, nft->table, name, NFT_MSG_NEWSETELEM);
	for (int i = 0; i < NFT_DUMP_ATTEMPTS && result == -EINTR; i++)
		result = element_dump(nft, name, carry, &carrier);
	element_end(&carrier.writer);
	*count = carrier.count;
	return result == -EINTR ? 0 : result;
}

int nft_sets_carry(struct nft *nft, struct nft_batch *elements, struct nft_lengths *lengths)
{
	struct names *names = calloc(1, sizeof(*names));
	int result;

	if (!names)
		return -ENOMEM;
	result = nft_dump(nft, NFT_MSG_GETSET, NULL, read_name, names);
	if (result == -EINTR)
		result = 0;
	for (size_t i = 0; i < names->count && !result; i++) {
		size_t key_len = nft_set_carried(names->items[i]), count = 0;
		enum nft_list list = NFT_ALLOW;
		enum nft_family family = NFT_V4;
		unsigned len = 0;
		bool is_list = name_means(names->items[i], &list, &family, &len) && list != NFT_ALLOW;

		if (is_list)
			key_len = family == NFT_V4 ? 4 : 16;
		if (!key_len)
			continue;
		result = carry_set(nft, elements, names->items[i], key_len, &count);
		if (result == -ENOENT)
			result = 0;             /* gone since */
		if (is_list && count)
			lengths->used[list][family][len] = true;
	}
	free(names);
	return result ? result : elements->error;
}

struct adopter {
	nft_adopt_fn *fn;
	void *context;
	enum nft_list list;
	enum nft_family family;
	unsigned len;
};

static int adopt_element(void *context, const uint8_t *key, size_t len, int64_t left_ms)
{
	const struct adopter *adopter = context;
	struct prefix source;
	struct addr addr;

	if (len != (adopter->family == NFT_V4 ? 4U : 16U))
		return 0;
	addr = adopter->family == NFT_V4 ? addr_from_v4(key) : addr_from_v6(key);
	source = prefix_of(&addr, adopter->family == NFT_V4 ? 96 + adopter->len : adopter->len);
	adopter->fn(adopter->context, adopter->list, &source, left_ms);
	return 0;
}

int nft_sets_adopt(struct nft *nft, nft_adopt_fn *adopt, void *context)
{
	static const enum nft_list lists[] = { NFT_SOFT, NFT_HARD };
	char name[NFT_NAME_MAX];
	int result = 0;

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		for (unsigned family = 0; family < NFT_FAMILY_COUNT; family++) {
			for (unsigned len = 0; len <= 128 && !result; len++) {
				struct adopter adopter = { adopt, context, lists[i], family, len };

				if (!nft->lengths.used[lists[i]][family][len])
					continue;
				nft_set_name(lists[i], family, len, name);
				result = element_dump(nft, name, adopt_element, &adopter);
				if (result == -EINTR)
					result = 0;
			}
		}
	}
	return result;
}

struct customers {
	struct addr *out;
	size_t count, max;
};

static int read_customer(void *context, const uint8_t *key, size_t len, int64_t left_ms)
{
	struct customers *customers = context;

	(void)left_ms;
	if (len == ELEMENT_KEY_MAX && customers->count < customers->max)
		customers->out[customers->count++] = addr_from_v6(key);
	return 0;
}

int nft_read_customers6(struct nft *nft, struct addr *out, size_t max)
{
	struct customers customers = { out, 0, max < INT32_MAX ? max : INT32_MAX };
	int result = element_dump(nft, "customers6", read_customer, &customers);

	return result && result != -EINTR ? result : (int)customers.count;
}
