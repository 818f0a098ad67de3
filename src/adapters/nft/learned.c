/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel's rules have learned, read and put back, so that it outlives a restart or a table that another
 * program flushed: customers, whom this host called and asked, kin, published ports; and the ports served lately,
 * which the sentry has learned for it.
 *
 * A key that the kernel tells is used only where its length is what the set's key must have.  Each part of a key is
 * filled up to four bytes.
 */
#include "internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#define PART  4 /* bytes of a key that a protocol or a port takes */
#define DAY_S 86400

/* The parts of a key, in this order: address, protocol, port, this host's port. */
static const struct learned_set {
	const char *pair;
	uint32_t lasts_s;
	uint8_t protocol; /* 0: no part of the key */
	bool port, own_port, whole;
} learned_sets[NFT_LEARNED_KINDS] = {
	[NFT_LEARNED_CUSTOMER] = { .pair = "customers", .lasts_s = DAY_S, .port = true },
	[NFT_LEARNED_LATE] = { .pair = "late", .lasts_s = DAY_S, .port = true },
	[NFT_LEARNED_CALLED] = { .pair = "called", .lasts_s = DAY_S, .protocol = IPPROTO_TCP, .port = true },
	[NFT_LEARNED_KIN] = { .pair = "kin", .lasts_s = 3600 },
	[NFT_LEARNED_ASKED] = { .pair = "asked", .lasts_s = 120, .port = true, .own_port = true, .whole = true },
};

static size_t address_len(enum nft_family family)
{
	return family == NFT_V4 ? 4 : 16;
}

static size_t key_len(const struct learned_set *set, enum nft_family family)
{
	return address_len(family) + PART * ((set->protocol != 0) + set->port + set->own_port);
}

struct reading {
	struct nft_learned *out;
	size_t count, max;
	enum nft_learned_kind kind;
	enum nft_family family;
};

static uint16_t take_port(const uint8_t **key, bool present)
{
	uint16_t port = 0;

	if (!present)
		return 0;
	memcpy(&port, *key, sizeof(port));
	*key += PART;
	return ntohs(port);
}

static int read_learned(void *context, const uint8_t *key, size_t len, uint32_t grade, int64_t left_ms)
{
	struct reading *reading = context;
	const struct learned_set *set = &learned_sets[reading->kind];
	struct nft_learned *learned = &reading->out[reading->count];

	(void)grade;
	if (len != key_len(set, reading->family) || reading->count == reading->max)
		return 0;
	*learned = (struct nft_learned){
		.addr = reading->family == NFT_V4 ? addr_from_v4(key) : addr_from_v6(key),
		.left_ms = left_ms,
		.kind = (uint8_t)reading->kind,
	};
	key += address_len(reading->family);
	if (set->protocol) {
		if (*key != set->protocol)
			return 0;
		key += PART;
	}
	learned->port = take_port(&key, set->port);
	learned->own_port = take_port(&key, set->own_port);
	reading->count++;
	return 0;
}

int nft_read_learned(struct nft *nft, struct nft_learned *out, size_t max)
{
	struct reading reading = { .out = out, .max = max < INT32_MAX ? max : INT32_MAX };

	for (unsigned kind = 0; kind < NFT_LEARNED_KINDS; kind++) {
		for (unsigned family = 0; family < NFT_FAMILY_COUNT && reading.count < reading.max; family++) {
			char name[NFT_NAME_MAX];
			int result;

			reading.kind = kind;
			reading.family = family;
			nft_pair_name(learned_sets[kind].pair, family, name);
			result = element_dump(nft, name, read_learned, &reading);
			if (result && result != -EINTR) /* changed in the meantime: what came is true all the same */
				return result;
		}
	}
	return (int)reading.count;
}

static uint8_t *put_port(uint8_t *key, bool present, uint16_t port)
{
	const uint16_t wire_port = htons(port);

	if (!present)
		return key;
	memcpy(key, &wire_port, sizeof(wire_port));
	return key + PART;
}

static void put_learned(struct element_writer *w, enum nft_family family, const struct nft_learned *learned)
{
	const struct learned_set *set = &learned_sets[learned->kind];
	int64_t left_ms = learned->left_ms < set->lasts_s * 1000LL ? learned->left_ms : set->lasts_s * 1000LL;
	uint8_t key[ELEMENT_KEY_MAX] = { 0 }, *at = key + address_len(family);

	if (family == NFT_V4)
		memcpy(key, addr_v4_bytes(&learned->addr), 4);
	else
		memcpy(key, learned->addr.b, set->whole ? 16 : NFT_SOURCE_LEN_V6 / 8);
	if (set->protocol) {
		*at = set->protocol;
		at += PART;
	}
	at = put_port(at, set->port, learned->port);
	put_port(at, set->own_port, learned->own_port);
	element_put(w, key, key_len(set, family), left_ms, 0);
}

int nft_add_learned(struct nft *nft, const struct nft_learned *learned, size_t count)
{
	struct nft_batch batch;
	int result;

	if (!nft->loaded)
		return -ENOENT;
	nft_batch_init(&batch);
	for (unsigned i = 0; i < NFT_LEARNED_KINDS * NFT_FAMILY_COUNT; i++) {
		enum nft_family family = i % NFT_FAMILY_COUNT;
		unsigned kind = i / NFT_FAMILY_COUNT;
		struct element_writer w;
		char name[NFT_NAME_MAX];

		nft_pair_name(learned_sets[kind].pair, family, name);
		element_begin(&w, &batch, nft->table, name, ELEMENT_ENSURE);
		for (size_t n = 0; n < count; n++)
			if (learned[n].left_ms > 0 && learned[n].kind == kind &&
			    addr_is_v4(&learned[n].addr) == (family == NFT_V4))
				put_learned(&w, family, &learned[n]);
		element_end(&w);
	}
	result = nft_batch_run(nft, &batch);
	nft_batch_free(&batch);
	return result;
}

/* ---- ports ---- */

struct published_reading {
	struct nft_published *out;
	size_t count, max;
};

static int read_published(void *context, const uint8_t *key, size_t len, uint32_t grade, int64_t left_ms)
{
	struct published_reading *reading = context;
	uint16_t port;

	(void)grade;
	(void)left_ms;
	if (len != 8 || reading->count == reading->max)
		return 0;
	memcpy(&port, key + 4, sizeof(port));
	reading->out[reading->count++] = (struct nft_published){ .protocol = key[0], .port = ntohs(port) };
	return 0;
}

int nft_read_published(struct nft *nft, struct nft_published *out, size_t max)
{
	struct published_reading reading = { .out = out, .max = max < INT32_MAX ? max : INT32_MAX };
	int result;

	if (!nft->loaded)
		return -ENOENT;
	result = element_dump(nft, "published", read_published, &reading);
	return result && result != -EINTR ? result : (int)reading.count;
}

int nft_set_lately(struct nft *nft, uint8_t protocol, const struct port_range *ports, size_t count)
{
	const char *set = protocol == IPPROTO_TCP ? "lately_tcp" : "lately_udp";
	struct element_writer w;
	struct nft_batch batch;
	struct nlmsghdr *nlh;
	int result;

	if (!nft->loaded)
		return -ENOENT;
	nft_batch_init(&batch);
	nlh = nft_batch_open(&batch, NFT_MSG_DELSETELEM, 0);
	if (nlh) {
		mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, nft->table);
		mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, set);
		nft_batch_close(&batch, nlh);
	}
	element_begin(&w, &batch, nft->table, set, ELEMENT_ENSURE);
	for (size_t i = 0; i < count; i++) {
		for (uint32_t port = ports[i].first; port <= ports[i].last; port++) {
			const uint16_t wire_port = htons((uint16_t)port);

			element_put(&w, &wire_port, sizeof(wire_port), 0, 0);
		}
	}
	element_end(&w);
	result = nft_batch_run(nft, &batch);
	nft_batch_free(&batch);
	return result;
}
