/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IP packets written by hand for the tests of the parser: headers are appended one by one, lengths and checksums come
 * last.  Checksums are computed the slow way, apart from the code under test.
 */
#ifndef PICKET_TEST_PACKET_BUILD_H
#define PICKET_TEST_PACKET_BUILD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <picket/packet.h>

struct build {
	uint8_t b[2048];
	size_t len;
	size_t transport; /* offset */
};

static inline void put(struct build *p, const void *bytes, size_t len)
{
	assert_true(p->len + len <= sizeof(p->b));
	memcpy(p->b + p->len, bytes, len);
	p->len += len;
}

static inline void put16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline struct build v4(uint8_t protocol)
{
	static const uint8_t header[20] = {
		0x45, 0, 0, 0, 0x12, 0x34, 0x40, 0, 57, 0, 0, 0, 198, 51, 100, 7, 192, 0, 2, 1,
	};
	struct build p = { .len = 0 };

	put(&p, header, sizeof(header));
	p.b[9] = protocol;
	p.transport = p.len;
	return p;
}

static inline struct build v6(uint8_t next)
{
	static const uint8_t header[40] = {
		0x60, 0, 0, 0, 0,    0,    0,    57,   0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0,
		0,    0, 0, 7, 0x20, 0x01, 0x0d, 0xb8, 0,    1,    0,    0,    0, 0, 0, 0, 0, 0, 0, 1,
	};
	struct build p = { .len = 0 };

	put(&p, header, sizeof(header));
	p.b[6] = next;
	p.transport = p.len;
	return p;
}

/* An extension header of len bytes (a multiple of 8) that leads on to `next`. */
static inline void put_extension(struct build *p, uint8_t next, size_t len)
{
	uint8_t bytes[2048] = { next, (uint8_t)(len / 8 - 1) };

	put(p, bytes, len);
	p->transport = p->len;
}

static inline void put_tcp(struct build *p, uint8_t flags)
{
	static const uint8_t header[24] = {
		0xc3, 0x50, 0, 22, 1, 2, 3, 4, 5, 6, 7, 8, 0x60, 0, 4, 0, 0, 0, 0, 0, 2, 4, 5, 0xb4,
	};

	put(p, header, sizeof(header));
	p->b[p->transport + 13] = flags;
}

/* Writes the IP length. */
static inline void finish(struct build *p)
{
	if (p->b[0] >> 4 == 4)
		put16(p->b + 2, p->len);
	else
		put16(p->b + 4, p->len - 40);
}

/* The checksum the slow way: over a copy of pseudo-header and transport. */
static inline void put_sum(struct build *p, uint8_t protocol, size_t at, bool pseudo)
{
	uint8_t bytes[2200] = { 0 };
	size_t len = p->len - p->transport, n = 0;
	uint64_t sum = 0;

	if (pseudo) {
		bool four = p->b[0] >> 4 == 4;

		memcpy(bytes, p->b + (four ? 12 : 8), four ? 8 : 32);
		n = four ? 8 : 32;
		put16(bytes + n, 0);
		bytes[n + 3] = protocol;
		n += 4;
		put16(bytes + n, len);
		n += 2;
	}
	put16(p->b + p->transport + at, 0);
	memcpy(bytes + n, p->b + p->transport, len);
	for (size_t i = 0; i < n + len + 1; i += 2)
		sum += (uint64_t)(bytes[i] << 8 | bytes[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	put16(p->b + p->transport + at, (uint16_t)~sum);
}

#endif
