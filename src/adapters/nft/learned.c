/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel's rules have learned, read and put back, so that it outlives a reboot or a table that another program
 * flushed: customers and published ports; and the ports served lately, which the sentry has learned for it.
 *
 * A key that the kernel tells is used only where its length is what the set's key must have.  Each part of a key is
 * filled up to four bytes.
 */
#include "internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

static const struct customer_set {
	const char *pair;
	enum nft_family family;
	bool late;
} customer_sets[] = {
	{ "customers", NFT_V4, false },
	{ "customers", NFT_V6, false },
	{ "late", NFT_V4, true },
	{ "late", NFT_V6, true },
};

#define CUSTOMER_SETS (sizeof(customer_sets) / sizeof(customer_sets[0]))

static size_t address_len(enum nft_family family)
{
	return family == NFT_V4 ? 4 : 16;
}

struct reading {
	const struct customer_set *set;
	struct nft_customer *out;
	size_t count, max;
};

static int read_customer(void *context, const uint8_t *key, size_t len, uint32_t grade, int64_t left_ms)
{
	struct reading *reading = context;
	const size_t bytes = address_len(reading->set->family);
	uint16_t port;

	(void)grade;
	if (len != bytes + 4 || reading->count == reading->max)
		return 0;
	memcpy(&port, key + bytes, sizeof(port));
	reading->out[reading->count++] = (struct nft_customer){
		.addr = bytes == 4 ? addr_from_v4(key) : addr_from_v6(key),
		.late = reading->set->late,
		.port = ntohs(port),
		.left_ms = left_ms,
	};
	return 0;
}

int nft_read_customers(struct nft *nft, struct nft_customer *out, size_t max)
{
	struct reading reading = { .out = out, .max = max < INT32_MAX ? max : INT32_MAX };

	for (size_t i = 0; i < CUSTOMER_SETS && reading.count < reading.max; i++) {
		char name[NFT_NAME_MAX];
		int result;

		reading.set = &customer_sets[i];
		nft_pair_name(customer_sets[i].pair, customer_sets[i].family, name);
		result = element_dump(nft, name, read_customer, &reading);
		if (result && result != -EINTR) /* changed in the meantime: what came is true all the same */
			return result;
	}
	return (int)reading.count;
}

static void put_customer(struct element_writer *w, enum nft_family family, const struct nft_customer *customer)
{
	const uint16_t port = htons(customer->port);
	const size_t bytes = address_len(family);
	uint8_t key[ELEMENT_KEY_MAX] = { 0 };

	memcpy(key, family == NFT_V4 ? addr_v4_bytes(&customer->addr) : customer->addr.b,
	       family == NFT_V4 ? bytes : NFT_SOURCE_LEN_V6 / 8);
	memcpy(key + bytes, &port, sizeof(port));
	element_put(w, key, bytes + 4, customer->left_ms, 0);
}

int nft_add_customers(struct nft *nft, const struct nft_customer *customers, size_t count)
{
	struct nft_batch batch;
	int result;

	if (!nft->loaded)
		return -ENOENT;
	nft_batch_init(&batch);
	for (size_t i = 0; i < CUSTOMER_SETS; i++) {
		const struct customer_set *set = &customer_sets[i];
		struct element_writer w;
		char name[NFT_NAME_MAX];

		nft_pair_name(set->pair, set->family, name);
		element_begin(&w, &batch, nft->table, name, ELEMENT_ENSURE);
		for (size_t n = 0; n < count; n++)
			if (customers[n].left_ms > 0 && (customers[n].late != 0) == set->late &&
			    addr_is_v4(&customers[n].addr) == (set->family == NFT_V4))
				put_customer(&w, set->family, &customers[n]);
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
