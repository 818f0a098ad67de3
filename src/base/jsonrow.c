/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A row of JSON (RFC 8259).  Promises: what is written is valid and printable ASCII whatever the values hold, unless
 * the writer says that it was cut; what is read was checked from its first byte to its last, so that the functions
 * that take a value out of it need not check anything.
 * Defends against a daemon that is not ours: nothing that is read can drive a terminal.
 */
#include "jsonrow.h"

#include <string.h>
#include <time.h>

#define TIME_MAX_MS 253402300799999 /* the end of the year 9999 */

static bool is_printable(char c)
{
	return c >= 0x20 && c < 0x7f;
}

/* ---- writing ---- */

void row_begin(struct writer *w)
{
	writer_char(w, '{');
}

static void put_key(struct writer *w, const char *key)
{
	writer_text(w, w->len > 0 && w->buf[w->len - 1] != '{' ? ",\"" : "\"");
	writer_text(w, key);
	writer_text(w, "\":");
}

void row_text(struct writer *w, const char *key, const char *text, size_t max)
{
	size_t from = 0, at = 0;

	put_key(w, key);
	writer_char(w, '"');
	for (; at < max && text[at]; at++) {
		if (is_printable(text[at]) && text[at] != '"' && text[at] != '\\')
			continue;
		writer_bytes(w, text + from, at - from);
		from = at + 1;
		if (is_printable(text[at]))
			writer_char(w, '\\');
		writer_char(w, is_printable(text[at]) ? text[at] : '?');
	}
	writer_bytes(w, text + from, at - from);
	writer_char(w, '"');
}

void row_number(struct writer *w, const char *key, int64_t number)
{
	put_key(w, key);
	writer_number(w, number, 1);
}

void row_null(struct writer *w, const char *key)
{
	put_key(w, key);
	writer_text(w, "null");
}

/* Seconds since 1970, not negative, as a date in UTC.  Counted from 1 March of the year 0: a leap day is the last of
 * its year then, and each 400 years have as many days. */
static struct tm date_of(int64_t seconds)
{
	const int64_t days = seconds / 86400 + 719468, of_era = days % 146097;
	const int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	const int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	const int64_t march_based = (5 * of_year + 2) / 153;
	const int64_t month = march_based < 10 ? march_based + 2 : march_based - 10;
	const int64_t year = days / 146097 * 400 + year_of_era + (month < 2);

	return (struct tm){
		.tm_year = (int)(year - 1900),
		.tm_mon = (int)month,
		.tm_mday = (int)(of_year - (153 * march_based + 2) / 5 + 1),
		.tm_hour = (int)(seconds / 3600 % 24),
		.tm_min = (int)(seconds / 60 % 60),
		.tm_sec = (int)(seconds % 60),
	};
}

void row_time(struct writer *w, const char *key, int64_t ms)
{
	struct tm when;

	if (ms <= 0 || ms > TIME_MAX_MS) {
		row_null(w, key);
		return;
	}
	when = date_of(ms / 1000);
	put_key(w, key);
	writer_char(w, '"');
	writer_date(w, &when, 'T');
	writer_char(w, '.');
	writer_number(w, ms % 1000, 3);
	writer_text(w, "Z\"");
}

void row_ports(struct writer *w, const char *key, const uint16_t *ports, size_t count)
{
	const char *separator = "";

	put_key(w, key);
	writer_char(w, '[');
	for (size_t i = 0; i < count; i++) {
		if (!ports[i])
			continue;
		writer_text(w, separator);
		writer_number(w, ports[i], 1);
		separator = ",";
	}
	writer_char(w, ']');
}

void row_end(struct writer *w)
{
	writer_text(w, "}\n");
}

/* ---- reading: each takes what stands at *at, before end, and moves *at behind it ---- */

static void skip_blanks(const char **at, const char *end, bool *plain)
{
	while (*at < end && (**at == ' ' || **at == '\t' || **at == '\r')) {
		*plain = false;
		++*at;
	}
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Behind the backslash. */
static bool scan_escape(const char **at, const char *end, bool *plain)
{
	char c = *at < end ? *(*at)++ : '\0';
	int value = 0;

	if (c == '"' || c == '\\')
		return true;
	*plain = false;
	if (c != 'u')
		return c && strchr("/bfnrt", c);
	if (end - *at < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		if (hex_value((*at)[i]) < 0)
			return false;
		value = value * 16 + hex_value((*at)[i]);
	}
	*at += 4;
	return value != 0;
}

static bool scan_string(const char **at, const char *end, bool *plain)
{
	if (*at == end || *(*at)++ != '"')
		return false;
	while (*at < end) {
		char c = *(*at)++;

		if (c == '"')
			return true;
		if (c == '\\') {
			if (!scan_escape(at, end, plain))
				return false;
		} else if (!is_printable(c)) {
			if ((unsigned char)c < 0x20)
				return false;
			*plain = false;
		}
	}
	return false;
}

static bool scan_digits(const char **at, const char *end)
{
	const char *start = *at;

	while (*at < end && is_digit(**at))
		++*at;
	return *at > start;
}

static bool scan_number(const char **at, const char *end, bool *plain)
{
	bool negative = **at == '-';
	const char *start;

	*at += negative;
	start = *at;
	if (!scan_digits(at, end) || (*start == '0' && *at - start > 1))
		return false;
	*plain &= !(negative && *start == '0');
	if (*at < end && **at == '.') {
		*plain = false;
		++*at;
		if (!scan_digits(at, end))
			return false;
	}
	if (*at < end && (**at == 'e' || **at == 'E')) {
		*plain = false;
		++*at;
		*at += *at < end && (**at == '+' || **at == '-');
		return scan_digits(at, end);
	}
	return true;
}

static bool scan_word(const char **at, const char *end, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(end - *at) < len || memcmp(*at, word, len) != 0)
		return false;
	*at += len;
	return true;
}

static bool scan_value(const char **at, const char *end, int depth, bool *plain);

/* What stands between two brackets. */
static bool scan_items(const char **at, const char *end, int depth, bool *plain)
{
	bool object = *(*at)++ == '{';
	const char close = object ? '}' : ']';

	if (depth == ROW_DEPTH_MAX)
		return false;
	*plain &= !object; /* whether a key stands twice in it is not looked at */
	skip_blanks(at, end, plain);
	if (*at < end && **at == close) {
		++*at;
		return true;
	}
	for (;;) {
		skip_blanks(at, end, plain);
		if (object) {
			if (!scan_string(at, end, plain))
				return false;
			skip_blanks(at, end, plain);
			if (*at == end || *(*at)++ != ':')
				return false;
			skip_blanks(at, end, plain);
		}
		if (!scan_value(at, end, depth + 1, plain))
			return false;
		skip_blanks(at, end, plain);
		if (*at == end)
			return false;
		if (**at == close) {
			++*at;
			return true;
		}
		if (*(*at)++ != ',')
			return false;
	}
}

static bool scan_value(const char **at, const char *end, int depth, bool *plain)
{
	if (*at == end)
		return false;
	switch (**at) {
	case '"': return scan_string(at, end, plain);
	case '{':
	case '[': return scan_items(at, end, depth, plain);
	case 't': return scan_word(at, end, "true");
	case 'f': return scan_word(at, end, "false");
	case 'n': return scan_word(at, end, "null");
	default: return scan_number(at, end, plain);
	}
}

static bool stands_already(const struct json_row *row, const char *key, size_t len)
{
	for (size_t i = 0; i < row->count; i++)
		if (row->fields[i].key_len == len && memcmp(row->fields[i].key, key, len) == 0)
			return true;
	return false;
}

/* "key":value */
static bool read_field(struct json_row *row, const char **at, const char *end)
{
	const char *key = *at + 1, *value;
	size_t key_len;

	if (row->count == ROW_FIELDS_MAX || !scan_string(at, end, &row->plain))
		return false;
	key_len = (size_t)(*at - 1 - key);
	row->plain &= !memchr(key, '\\', key_len); /* keys are compared as they are written */
	skip_blanks(at, end, &row->plain);
	if (*at == end || *(*at)++ != ':')
		return false;
	skip_blanks(at, end, &row->plain);
	value = *at;
	if (stands_already(row, key, key_len) || !scan_value(at, end, 1, &row->plain))
		return false;
	row->fields[row->count].key = key;
	row->fields[row->count].key_len = key_len;
	row->fields[row->count].value = value;
	row->fields[row->count++].value_len = (size_t)(*at - value);
	skip_blanks(at, end, &row->plain);
	return true;
}

bool row_read(struct json_row *row, const char *text, size_t len)
{
	const char *at = text, *end = text + len;
	char next;

	row->text = text;
	row->len = len;
	row->plain = true;
	row->count = 0;
	skip_blanks(&at, end, &row->plain);
	if (at == end || *at++ != '{')
		return false;
	skip_blanks(&at, end, &row->plain);
	if (at < end && *at == '}') {
		at++;
	} else {
		do {
			skip_blanks(&at, end, &row->plain);
			if (!read_field(row, &at, end) || at == end)
				return false;
			next = *at++;
		} while (next == ',');
		if (next != '}')
			return false;
	}
	skip_blanks(&at, end, &row->plain);
	return at == end;
}

/* The number of the field, or row->count. */
static size_t find(const struct json_row *row, const char *key)
{
	size_t len = strlen(key), i = 0;

	while (i < row->count && (row->fields[i].key_len != len || memcmp(row->fields[i].key, key, len) != 0))
		i++;
	return i;
}

/* How many bytes of UTF-8 a \uXXXX is, each of which is shown: half of a pair is two. */
static size_t utf8_len(int value)
{
	return value < 0x80 ? 1 : value < 0x800 || (value >= 0xd800 && value < 0xe000) ? 2 : 3;
}

/* Behind the backslash: moves *at behind the escape and says how often *out stands there. */
static size_t decode(const char **at, char *out)
{
	char c = *(*at)++;
	int value = 0;

	*out = c == '"' || c == '\\' || c == '/' ? c : '?';
	if (c != 'u')
		return 1;
	for (int i = 0; i < 4; i++)
		value = value * 16 + hex_value(*(*at)++);
	if (value < 0x80 && is_printable((char)value))
		*out = (char)value;
	return utf8_len(value);
}

const char *row_words(const struct json_row *row, const char *key, const char *otherwise, char *out, size_t size)
{
	size_t field = find(row, key), len = 0;
	const char *at, *end;

	if (field == row->count || row->fields[field].value[0] != '"')
		return otherwise;
	at = row->fields[field].value + 1;
	end = row->fields[field].value + row->fields[field].value_len - 1;
	while (at < end) {
		char c = *at++;
		size_t times = 1;

		if (c == '\\')
			times = decode(&at, &c);
		else if (!is_printable(c))
			c = '?';
		for (; times > 0 && len < size - 1; times--)
			out[len++] = c;
	}
	out[len] = '\0';
	return out;
}

bool row_whole(const struct json_row *row, const char *key, int64_t *out)
{
	size_t field = find(row, key);
	const char *at, *end;
	bool negative;
	int64_t value = 0;

	if (field == row->count)
		return false;
	at = row->fields[field].value;
	end = at + row->fields[field].value_len;
	negative = *at == '-';
	at += negative;
	for (; at < end; at++)
		if (!is_digit(*at) || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, *at - '0', &value))
			return false;
	*out = negative ? -value : value;
	return true;
}

bool row_flag(const struct json_row *row, const char *key)
{
	size_t field = find(row, key);

	return field < row->count && row->fields[field].value[0] == 't';
}
