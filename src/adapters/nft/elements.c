/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Set elements on the wire.  A netlink attribute holds 64 KiB at most, so a long list becomes several messages of one
 * transaction.  What the kernel tells is copied only where its length is what the set's key must have.
 */
#include "elements.h"

#include <errno.h>
#include <libnftnl/set.h>
#include <stdlib.h>
#include <string.h>

#define LIST_BYTES_MAX 60000 /* of 65,535; an element takes under 100 */

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
	w->nlh = nft_batch_open(w->batch, w->type, w->flags);
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
			return 0; /* over by now */
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
