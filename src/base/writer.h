/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes text into a buffer of known size, always NUL-terminated and never past the end.  Text that does not fit is
 * cut, and `truncated` is set.
 */
#ifndef PICKET_WRITER_H
#define PICKET_WRITER_H

#include <stdbool.h>
#include <stddef.h>

struct writer {
	char *buf;
	size_t size;
	size_t len; /* without the NUL; < size */
	bool truncated;
};

struct writer writer_over(char *buf, size_t size); /* size >= 1 */
void writer_text(struct writer *w, const char *text);
void writer_format(struct writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Text from outside: control bytes, quotes, backslash and non-ASCII as \xNN. */
void writer_escaped(struct writer *w, const char *text, size_t len);
/* From an untrusted message: is the text terminated within size bytes, and is it printable ASCII alone? */
bool text_is_printable(const char *text, size_t size);

#endif
