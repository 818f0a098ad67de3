/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bounds-checked cursor over bytes from outside.  A read past the end yields zero and sets `failed`, which stays set:
 * callers check once, at the end.
 */
#ifndef PICKET_READER_H
#define PICKET_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
	const uint8_t *data;
	size_t len;
	size_t pos; /* always <= len */
	bool failed;
};

struct reader reader_over(const void *data, size_t len);
uint8_t reader_u8(struct reader *r);
uint16_t reader_be16(struct reader *r);
uint32_t reader_be32(struct reader *r);
void reader_skip(struct reader *r, size_t len);
size_t reader_left(const struct reader *r);

#endif
