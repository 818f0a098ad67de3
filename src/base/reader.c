/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bounds-checked cursor.  Each read goes through reader_take(), which alone compares lengths, in a way that no sum
 * can overflow.  After a failure the cursor stays where it was and each read yields zero.
 */
#include "reader.h"

struct reader reader_over(const void *data, size_t len)
{
	return (struct reader){ .data = data, .len = len };
}

/* The next len bytes, or NULL (and `failed`). */
static const uint8_t *reader_take(struct reader *r, size_t len)
{
	const uint8_t *at;

	if (r->failed || len > r->len - r->pos) {
		r->failed = true;
		return NULL;
	}
	at = r->data + r->pos;
	r->pos += len;
	return at;
}

uint8_t reader_u8(struct reader *r)
{
	const uint8_t *p = reader_take(r, 1);

	return p ? p[0] : 0;
}

uint16_t reader_be16(struct reader *r)
{
	const uint8_t *p = reader_take(r, 2);

	return p ? (uint16_t)(p[0] << 8 | p[1]) : 0;
}

uint32_t reader_be32(struct reader *r)
{
	const uint8_t *p = reader_take(r, 4);

	return p ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3] : 0;
}

void reader_skip(struct reader *r, size_t len)
{
	if (len > 0)
		reader_take(r, len);
}

size_t reader_left(const struct reader *r)
{
	return r->failed ? 0 : r->len - r->pos;
}
