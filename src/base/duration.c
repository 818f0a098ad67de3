/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Durations as admins write them.  Strict on the way in (each unit once, the largest first, no blanks, no sign, a
 * stated maximum), so that a typing error never becomes a block of another length.
 */
#include "duration.h"

#include <string.h>

#include "writer.h"

struct unit {
	const char *name;
	int64_t ms;
};

/* Largest first.  Names are compared whole, so "ms" is never taken for "m". */
static const struct unit units[] = {
	{ "w", 7 * 24 * 3600 * 1000LL },
	{ "d", 24 * 3600 * 1000LL },
	{ "h", 3600 * 1000LL },
	{ "m", 60 * 1000LL },
	{ "s", 1000LL },
	{ "ms", 1LL },
};

#define UNIT_COUNT         (sizeof(units) / sizeof(units[0]))
#define UNIT_LARGEST_SHOWN 1 /* days: the contract writes 7d, not 1w */

/* Reads digits; -1 when there are none or the number is beyond any use. */
static int64_t parse_number(const char **text)
{
	const char *p = *text;
	int64_t value = 0;

	if (*p < '0' || *p > '9')
		return -1;
	for (; *p >= '0' && *p <= '9'; p++) {
		value = value * 10 + (*p - '0');
		if (value > DURATION_MAX_MS)
			return -1;
	}
	*text = p;
	return value;
}

/* The unit whose name is the letters at *text, from index `from` on; UNIT_COUNT when there is none. */
static size_t parse_unit(const char **text, size_t from)
{
	size_t len = strspn(*text, "abcdefghijklmnopqrstuvwxyz");

	for (size_t i = from; i < UNIT_COUNT; i++) {
		if (strlen(units[i].name) == len && memcmp(units[i].name, *text, len) == 0) {
			*text += len;
			return i;
		}
	}
	return UNIT_COUNT;
}

bool duration_parse(const char *text, int64_t *out_ms)
{
	int64_t total = 0;
	size_t next = 0;

	do {
		int64_t number = parse_number(&text);

		if (number < 0)
			return false;
		next = parse_unit(&text, next);
		if (next == UNIT_COUNT || number > (DURATION_MAX_MS - total) / units[next].ms)
			return false;
		total += number * units[next].ms;
		next++;
	} while (*text);
	if (total == 0)
		return false;
	*out_ms = total;
	return true;
}

const char *duration_format(int64_t ms, char out[DURATION_TEXT_MAX])
{
	struct writer w = writer_over(out, DURATION_TEXT_MAX);
	size_t i = UNIT_LARGEST_SHOWN;
	int64_t second = 0;

	if (ms <= 0) {
		writer_text(&w, "0s");
		return out;
	}
	while (ms < units[i].ms)
		i++;
	/* Milliseconds are told only where there is nothing larger. */
	if (i + 2 < UNIT_COUNT)
		second = ms % units[i].ms / units[i + 1].ms;
	writer_number(&w, ms / units[i].ms, 1);
	writer_text(&w, units[i].name);
	if (second > 0) {
		writer_number(&w, second, 1);
		writer_text(&w, units[i + 1].name);
	}
	return out;
}
