/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes text into a buffer of known size, always NUL-terminated and never past the end.  Text that does not fit is
 * cut, and `truncated` is set.
 */
#ifndef PICKET_WRITER_H
#define PICKET_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tm;

struct writer {
	char *buf;
	size_t size;
	size_t len; /* without the NUL; < size */
	bool truncated;
};

struct writer writer_over(char *buf, size_t size); /* size >= 1 */
void writer_text(struct writer *w, const char *text);
void writer_bytes(struct writer *w, const char *text, size_t len); /* without a NUL */
void writer_char(struct writer *w, char c);
/* In decimal, with zeros in front up to so many digits (at most 20). */
void writer_number(struct writer *w, int64_t number, unsigned digits);
void writer_format(struct writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* 2026-11-25, the separator, 21:29:15. */
void writer_date(struct writer *w, const struct tm *when, char separator);
/* Text from outside: control bytes, quotes, backslash and non-ASCII as \xNN. */
void writer_escaped(struct writer *w, const char *text, size_t len);
/* From an untrusted message: is the text terminated within size bytes, and is it printable ASCII alone? */
bool text_is_printable(const char *text, size_t size);

#endif
