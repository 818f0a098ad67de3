/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text into a buffer of known size.  What does not fit is cut, never written past the end, and `truncated` stays
 * set; after a cut nothing more is appended, so that a line never has a hole in its middle.  writer_escaped() is
 * the only way for text from outside into a log line: no byte of it can end the line, close a quotation or drive a
 * terminal.
 */
#include "writer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct writer writer_over(char *buf, size_t size)
{
	buf[0] = '\0';
	return (struct writer){ .buf = buf, .size = size };
}

/* Appends all of it, or nothing more than fits. */
static void append(struct writer *w, const char *text, size_t len)
{
	size_t room = w->size - 1 - w->len;

	if (w->truncated)
		return;
	if (len > room) {
		w->truncated = true;
		len = room;
	}
	memcpy(w->buf + w->len, text, len);
	w->len += len;
	w->buf[w->len] = '\0';
}

void writer_text(struct writer *w, const char *text)
{
	append(w, text, strlen(text));
}

void writer_bytes(struct writer *w, const char *text, size_t len)
{
	append(w, text, len);
}

void writer_char(struct writer *w, char c)
{
	if (w->truncated || w->len + 1 >= w->size) {
		w->truncated = true;
		return;
	}
	w->buf[w->len++] = c;
	w->buf[w->len] = '\0';
}

void writer_number(struct writer *w, int64_t number, unsigned digits)
{
	uint64_t left = number < 0 ? -(uint64_t)number : (uint64_t)number;
	char text[21], *first = text + sizeof(text);

	do {
		*--first = (char)('0' + left % 10);
		left /= 10;
	} while (left > 0 || (size_t)(text + sizeof(text) - first) < digits);
	if (number < 0)
		writer_char(w, '-');
	append(w, first, (size_t)(text + sizeof(text) - first));
}

void writer_format(struct writer *w, const char *format, ...)
{
	size_t room = w->size - w->len;
	va_list args;
	int wanted;

	if (w->truncated)
		return;
	va_start(args, format);
	wanted = vsnprintf(w->buf + w->len, room, format, args);
	va_end(args);
	if (wanted < 0) { /* an encoding error: leave what stood there */
		w->buf[w->len] = '\0';
		w->truncated = true;
	} else if ((size_t)wanted >= room) {
		w->len = w->size - 1;
		w->truncated = true;
	} else {
		w->len += (size_t)wanted;
	}
}

static void put_two(char *out, int value)
{
	out[0] = (char)('0' + value / 10 % 10);
	out[1] = (char)('0' + value % 10);
}

void writer_date(struct writer *w, const struct tm *when, char separator)
{
	char text[] = "0000-00-00 00:00:00";

	put_two(text, (when->tm_year + 1900) / 100);
	put_two(text + 2, (when->tm_year + 1900) % 100);
	put_two(text + 5, when->tm_mon + 1);
	put_two(text + 8, when->tm_mday);
	text[10] = separator;
	put_two(text + 11, when->tm_hour);
	put_two(text + 14, when->tm_min);
	put_two(text + 17, when->tm_sec);
	append(w, text, sizeof(text) - 1);
}

void writer_escaped(struct writer *w, const char *text, size_t len)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < len && !w->truncated; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < 0x20 || c > 0x7e || c == '"' || c == '\'' || c == '\\') {
			char escape[4] = { '\\', 'x', hex[c >> 4], hex[c & 15] };

			/* An escape goes in whole or not at all. */
			if (w->size - 1 - w->len < sizeof(escape)) {
				w->truncated = true;
				return;
			}
			append(w, escape, sizeof(escape));
		} else {
			append(w, &text[i], 1);
		}
	}
}

bool text_is_printable(const char *text, size_t size)
{
	size_t len = strnlen(text, size);

	for (size_t i = 0; i < len; i++) {
		if (text[i] < 0x20 || text[i] > 0x7e)
			return false;
	}
	return len < size;
}
