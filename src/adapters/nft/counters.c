/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The counters: named objects in the table, so that they outlive the rules that use them.
 */
#include "elements.h"

#include <errno.h>
#include <libnftnl/object.h>
#include <stddef.h>
#include <string.h>

/* clang-format off */
#define COUNTER(name) { #name, offsetof(struct nft_counters, name) }
/* clang-format on */

const struct nft_counter_name nft_counters[] = {
	COUNTER(queued_closed), COUNTER(queued_served), COUNTER(queued_trapped), COUNTER(over_newcomers),
	COUNTER(over_known),    COUNTER(dropped_hard),  COUNTER(dropped_soft),   COUNTER(muted),
	COUNTER(trapped_tcp),   COUNTER(trapped_udp),   COUNTER(way_back),
};
const size_t nft_counter_count = sizeof(nft_counters) / sizeof(nft_counters[0]);

static int read_counter(void *context, const struct nlmsghdr *nlh)
{
	struct nftnl_obj *obj = nftnl_obj_alloc();
	const char *name;

	if (!obj)
		return -ENOMEM;
	if (nftnl_obj_nlmsg_parse(nlh, obj) == 0 && nftnl_obj_is_set(obj, NFTNL_OBJ_NAME) &&
	    nftnl_obj_is_set(obj, NFTNL_OBJ_TYPE) && nftnl_obj_get_u32(obj, NFTNL_OBJ_TYPE) == NFT_OBJECT_COUNTER &&
	    nftnl_obj_is_set(obj, NFTNL_OBJ_CTR_PKTS)) {
		name = nftnl_obj_get_str(obj, NFTNL_OBJ_NAME);
		for (size_t i = 0; i < nft_counter_count; i++) {
			const uint64_t packets = nftnl_obj_get_u64(obj, NFTNL_OBJ_CTR_PKTS);

			if (strcmp(name, nft_counters[i].name) == 0)
				memcpy((uint8_t *)context + nft_counters[i].offset, &packets, sizeof(packets));
		}
	}
	nftnl_obj_free(obj);
	return 0;
}

int nft_read_counters(struct nft *nft, struct nft_counters *out)
{
	struct nft_counters counters = { 0 };
	int result;

	if (!nft->loaded)
		return -ENOENT;
	result = nft_dump(nft, NFT_MSG_GETOBJ, NULL, read_counter, &counters);
	if (result && result != -EINTR)
		return result;
	*out = counters;
	return 0;
}

static int find_mark(void *context, const struct nlmsghdr *nlh)
{
	if (nft_attr_is(nft_attr(nlh, NFTA_OBJ_NAME), NFT_FORMAT_MARK))
		*(bool *)context = true;
	return 0;
}

int nft_format_stands(struct nft *nft)
{
	bool found = false;
	int result = nft_dump(nft, NFT_MSG_GETOBJ, NULL, find_mark, &found);

	return result && result != -EINTR ? result : found;
}
