/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The book of customers, read and written from outside the packet path: what must outlive the kernel's memory.
 * A key is address, protocol and port, each filled up to four bytes (nf_tables concatenation).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "elements.h"

#include <netinet/in.h>

static const struct book {
	const char *set;
	size_t address_len;
	uint8_t protocol; /* whose additions go here; 0: the other book of the family takes them */
} books[] = {
	{ "customers6", 16, IPPROTO_TCP },
	{ "customers4", 4, IPPROTO_TCP },
	{ "answered6", 16, IPPROTO_UDP },
	{ "answered4", 4, IPPROTO_UDP },
};

#define BOOKS (sizeof(books) / sizeof(books[0]))

struct reading {
	const struct book *book;
	struct nft_customer *out;
	size_t count, max;
};

static int read_customer(void *context, const uint8_t *key, size_t len, int64_t left_ms)
{
	struct reading *reading = context;
	size_t address_len = reading->book->address_len;
	uint16_t port;

	if (len != address_len + 8 || reading->count == reading->max)
		return 0;
	memcpy(&port, key + address_len + 4, sizeof(port));
	reading->out[reading->count++] = (struct nft_customer){
		.addr = address_len == 4 ? addr_from_v4(key) : addr_from_v6(key),
		.protocol = key[address_len],
		.port = ntohs(port),
		.left_ms = left_ms,
	};
	return 0;
}

static int read_books(struct nft *nft, size_t count, struct nft_customer *out, size_t max)
{
	struct reading reading = { .out = out, .max = max < INT32_MAX ? max : INT32_MAX };

	for (size_t i = 0; i < count && reading.count < reading.max; i++) {
		reading.book = &books[i];
		int result = element_dump(nft, books[i].set, read_customer, &reading);

		if (result && result != -EINTR) /* changed under us: what came is true all the same */
			return result;
	}
	return (int)reading.count;
}

int nft_read_customers(struct nft *nft, struct nft_customer *out, size_t max)
{
	return read_books(nft, BOOKS, out, max);
}

int nft_read_customers_v6(struct nft *nft, struct nft_customer *out, size_t max)
{
	return read_books(nft, 1, out, max);
}

static void put_customer(struct element_writer *w, const struct book *book, const struct nft_customer *customer)
{
	const uint16_t port = htons(customer->port);
	uint8_t key[ELEMENT_KEY_MAX] = { 0 };

	memcpy(key, book->address_len == 4 ? addr_v4_bytes(&customer->addr) : customer->addr.b,
	       book->address_len == 4 ? 4 : NFT_CALLER_LEN / 8);
	key[book->address_len] = customer->protocol;
	memcpy(key + book->address_len + 4, &port, sizeof(port));
	element_put(w, key, book->address_len + 8, customer->left_ms, 0);
}

int nft_add_customers(struct nft *nft, const struct nft_customer *customers, size_t count)
{
	struct nft_batch batch;
	int result;

	if (!nft->loaded)
		return -ENOENT;
	nft_batch_init(&batch);
	for (size_t i = 0; i < BOOKS; i++) {
		struct element_writer w;

		element_begin(&w, &batch, nft->table, books[i].set, ELEMENT_ENSURE);
		for (size_t n = 0; n < count; n++)
			if (customers[n].left_ms > 0 && customers[n].protocol == books[i].protocol &&
			    addr_is_v4(&customers[n].addr) == (books[i].address_len == 4))
				put_customer(&w, &books[i], &customers[n]);
		element_end(&w);
	}
	result = nft_batch_run(nft, &batch);
	nft_batch_free(&batch);
	return result;
}
