/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One row of a long list as a line of JSON, an object with few fields, without a heap: written into a buffer, and read
 * where it stands.  For lists of a hundred thousand rows; whatever is short is made and read by a library.
 */
#ifndef PICKET_JSONROW_H
#define PICKET_JSONROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "writer.h"

#define ROW_FIELDS_MAX 24
#define ROW_DEPTH_MAX  4 /* of arrays and objects in each other */

/* ---- writing: row_begin(), fields, row_end().  Keys are plain words. ---- */

void row_begin(struct writer *w);
/* At most max bytes up to a NUL, each that is not printable ASCII as '?'. */
void row_text(struct writer *w, const char *key, const char *text, size_t max);
void row_number(struct writer *w, const char *key, int64_t number);
void row_null(struct writer *w, const char *key);
/* RFC 3339, in UTC, with milliseconds; 0 or less, or too late for four digits of a year: null. */
void row_time(struct writer *w, const char *key, int64_t ms);
/* Those that are not 0. */
void row_ports(struct writer *w, const char *key, const uint16_t *ports, size_t count);
/* The newline too. */
void row_end(struct writer *w);

/* ---- reading ---- */

/* Points into the line. */
struct json_row {
	const char *text;
	size_t len;
	bool plain; /* written as the functions above write: there is no other way to write the same */
	size_t count;
	struct {
		const char *key, *value;
		size_t key_len, value_len;
	} fields[ROW_FIELDS_MAX];
};

/* False: it is not an object of JSON, a key stands twice, or it is larger than the limits above. */
bool row_read(struct json_row *row, const char *text, size_t len);
/* The string of a field with what is not printable ASCII as '?', cut to size; otherwise, when there is none. */
const char *row_words(const struct json_row *row, const char *key, const char *otherwise, char *out, size_t size);
bool row_whole(const struct json_row *row, const char *key, int64_t *out); /* false: there is no whole number */
bool row_flag(const struct json_row *row, const char *key);                /* true stands there */

#endif
