/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Set elements on the wire: additions and deletions in messages of bounded size, and dumps.
 */
#ifndef PICKET_NFT_ELEMENTS_H
#define PICKET_NFT_ELEMENTS_H

#include "internal.h"

#define ELEMENT_KEY_MAX 24 /* customers6: address, protocol, port */

struct nftnl_set_elem;

struct element_writer {
	struct nft_batch *batch;
	const char *table, *set;
	uint16_t type, flags; /* of the messages */
	struct nlmsghdr *nlh; /* the message being filled, or NULL */
	struct nlattr *list;
	int count;
	struct nftnl_set_elem *element;
};

enum element_change {
	ELEMENT_NEW,    /* -EEXIST when it is there */
	ELEMENT_ENSURE, /* leaves alone what is there; since Linux 6.12 it renews the timeout */
	ELEMENT_DELETE  /* -ENOENT when it is not there */
};

void element_begin(struct element_writer *w, struct nft_batch *batch, const char *table, const char *set,
		   enum element_change change);
void element_put(struct element_writer *w, const void *key, size_t len, int64_t timeout_ms, uint32_t flags);
void element_end(struct element_writer *w);

/* One element of a dump.  left_ms 0: no timeout. */
typedef int element_fn(void *context, const uint8_t *key, size_t len, int64_t left_ms);
/* -EINTR as nft_dump(). */
int element_dump(struct nft *nft, const char *set, element_fn *fn, void *context);

/* nft_elements.c: counter objects. */
struct nft_counter_name {
	const char *name;
	size_t offset; /* in struct nft_counters */
};
extern const struct nft_counter_name nft_counters[];
extern const size_t nft_counter_count;
/* A counter that nothing counts with: a table that has it holds sets as this version makes and keys them. */
#define NFT_FORMAT_MARK "format_2"

#endif
