/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rows of JSON: what is written and what is taken for valid is what a library says, whatever the bytes are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "jsonrow.h"
#include "seed.h"

#define FLAGS (JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(6))

static bool reads(struct json_row *row, const char *text)
{
	return row_read(row, text, strlen(text));
}

/* Any bytes in a text: the row is what the library writes of the same text made printable. */
static void test_written(void **state)
{
	struct seed seed = seed_new("jsonrow");
	const uint16_t ports[] = { 0, 22, 65535, 0 };
	char line[2048], text[200], *again;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		struct writer w = writer_over(line, sizeof(line));
		size_t len = seed_below(&seed, sizeof(text));
		int64_t number = (int64_t)seed_next(&seed);
		json_t *object;
		json_error_t where;

		for (size_t i = 0; i < sizeof(text); i++)
			text[i] = i >= len ? '\0' : round % 2 ? (char)seed_next(&seed) : "\"\\/a"[seed_below(&seed, 4)];
		row_begin(&w);
		row_text(&w, "text", text, sizeof(text));
		row_number(&w, "number", number);
		row_null(&w, "null");
		row_time(&w, "time", 1700000000123 + number % 1000000000);
		row_ports(&w, "ports", ports, 4);
		row_end(&w);
		assert_false(w.truncated);
		assert_int_equal(line[w.len - 1], '\n');
		object = json_loadb(line, w.len, JSON_REJECT_DUPLICATES, &where);
		if (!object)
			fail_msg("%s: %s", line, where.text);
		for (size_t i = 0; text[i]; i++)
			if (text[i] < 0x20 || text[i] > 0x7e)
				text[i] = '?';
		assert_string_equal(json_string_value(json_object_get(object, "text")), text);
		assert_int_equal(json_integer_value(json_object_get(object, "number")), number);
		again = json_dumps(object, FLAGS);
		assert_int_equal(strlen(again), w.len - 1);
		assert_memory_equal(again, line, w.len - 1);
		free(again);
		json_decref(object);
	}
}

static void test_times(void **state)
{
	static const struct {
		int64_t ms;
		const char *row;
	} cases[] = {
		{ 1700000000007, "{\"t\":\"2023-11-14T22:13:20.007Z\"}\n" },
		{ 1, "{\"t\":\"1970-01-01T00:00:00.001Z\"}\n" },
		{ 0, "{\"t\":null}\n" },
		{ -5, "{\"t\":null}\n" },
		{ 951782400000, "{\"t\":\"2000-02-29T00:00:00.000Z\"}\n" },
		{ 253402300799999, "{\"t\":\"9999-12-31T23:59:59.999Z\"}\n" },
		{ 253402300800000, "{\"t\":null}\n" },
		{ INT64_MAX, "{\"t\":null}\n" },
	};
	struct seed seed = seed_new("jsonrow-times");
	char line[100];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct writer w = writer_over(line, sizeof(line));

		row_begin(&w);
		row_time(&w, "t", cases[i].ms);
		row_end(&w);
		assert_string_equal(line, cases[i].row);
	}
	for (int round = 0; round < 100000; round++) {
		time_t seconds = (time_t)(seed_next(&seed) % 253402300799) + 1;
		struct writer w = writer_over(line, sizeof(line));
		char wanted[100];
		struct tm when;

		row_time(&w, "t", (int64_t)seconds * 1000);
		strftime(wanted, sizeof(wanted), "\"t\":\"%Y-%m-%dT%H:%M:%S.000Z\"", gmtime_r(&seconds, &when));
		assert_string_equal(line, wanted);
	}
}

/* The library's string, as a terminal may see it: each byte that is not printable as '?'. */
static void assert_words(const struct json_row *row, const char *key, const char *value)
{
	char words[512], wanted[512];
	size_t len = 0;

	for (; value[len] && len < sizeof(wanted) - 1; len++)
		wanted[len] = value[len] >= 0x20 && value[len] < 0x7f ? value[len] : '?';
	wanted[len] = '\0';
	assert_string_equal(row_words(row, key, "none", words, sizeof(words)), wanted);
}

static void test_read(void **state)
{
	static const char line[] = " { \"s\" : \"a\\u00e4\\ud83d\\ude00\\u0041\\t\\/\\\"\\\\\xc3\xa4\" , "
				   "\"n\":-12,\"big\":99999999999999999999,"
				   "\"real\":1.5,\"yes\":true,\"no\":false,\"a\":[1,{\"b\":[]}],\"v\":1 } ";
	struct json_row row;
	json_t *object = json_loads(line, JSON_DECODE_INT_AS_REAL, NULL);
	char out[5];
	int64_t number;

	(void)state;
	assert_true(reads(&row, line));
	assert_false(row.plain);
	assert_words(&row, "s", json_string_value(json_object_get(object, "s")));
	json_decref(object);
	assert_string_equal(row_words(&row, "s", "none", out, sizeof(out)), "a???");
	assert_string_equal(row_words(&row, "n", "none", out, sizeof(out)), "none");
	assert_string_equal(row_words(&row, "x", "none", out, sizeof(out)), "none");
	assert_true(row_whole(&row, "n", &number) && number == -12);
	assert_false(row_whole(&row, "big", &number) || row_whole(&row, "real", &number) ||
		     row_whole(&row, "s", &number) || row_whole(&row, "yes", &number) || row_whole(&row, "x", &number));
	assert_true(row_flag(&row, "yes"));
	assert_false(row_flag(&row, "no") || row_flag(&row, "a") || row_flag(&row, "x"));
	assert_true(reads(&row, "{\"a\":\"b\\\"\\\\\",\"c\":[1,2],\"d\":null,\"v\":1}") && row.plain);
	assert_true(reads(&row, "{}") && row.plain && row.count == 0);
	for (size_t i = 0; i < 3; i++)
		assert_true(reads(&row, (const char *[]){ "{\"a\":1.0}", "{\"a\":-0}", "{\"a\":{}}" }[i]) &&
			    !row.plain);
}

static void test_refused(void **state)
{
	static const char *const lines[] = {
		"",
		"[]",
		"{",
		"}",
		"{\"a\"}",
		"{\"a\":}",
		"{\"a\":1,}",
		"{,}",
		"{\"a\":1}x",
		"{\"a\":01}",
		"{\"a\":-}",
		"{\"a\":1.}",
		"{\"a\":.5}",
		"{\"a\":1e}",
		"{\"a\":tru}",
		"{\"a\":\"b}",
		"{\"a\":\"\\x\"}",
		"{\"a\":\"\\u12\"}",
		"{\"a\":[}",
		"{\"a\":[1,]}",
		"{a:1}",
		"{\"a\":1 \"b\":2}",
		"{\"a\":\"\t\"}",
		"{\"a\":\"\\u0000\"}",
		"{\"a\":[1}",
		"{\"a\":1]",
		"{\"a\":1,\"a\":2}",
	};
	char many[ROW_FIELDS_MAX * 16];
	struct json_row row;
	size_t len = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (reads(&row, lines[i]))
			fail_msg("taken for good: %s", lines[i]);
	/* the limits, and one beyond */
	assert_true(reads(&row, "{\"a\":[[[1]]]}"));
	assert_false(reads(&row, "{\"a\":[[[[1]]]]}"));
	for (int i = 0; i < ROW_FIELDS_MAX; i++)
		len += (size_t)snprintf(many + len, sizeof(many) - len, "%s\"k%d\":%d", i ? "," : "{", i, i);
	strcpy(many + len, "}");
	assert_true(reads(&row, many));
	strcpy(many + len, ",\"x\":1}");
	assert_false(reads(&row, many));
}

/* Where the library sees more: numbers too large for it. */
static bool has_long_number(const char *text)
{
	size_t run = 0;

	for (; *text; text++) {
		run = isdigit((unsigned char)*text) || *text == '.' || *text == '-' ? run + 1 : 0;
		if (run > 15 || ((*text | 0x20) == 'e' && isdigit((unsigned char)text[1])))
			return true;
	}
	return false;
}

static void test_as_the_library(void **state)
{
	static const char good[] = "{\"source\":\"192.0.2.1\",\"grade\":\"b\\\"a\\\\n\",\"left\":-35,\"ports\":[1,22],"
				   "\"kind\":null,\"ok\":true,\"score\":1.25,\"v\":1}";
	static const char alphabet[] = "{}[],:\"\\ 019-.+truefalsnb/x";
	struct seed seed = seed_new("jsonrow-mutants");
	unsigned taken = 0;

	(void)state;
	for (int round = 0; round < 200000; round++) {
		char text[sizeof(good)];
		struct json_row row;
		const char *key;
		json_t *object, *value;
		bool mine;

		memcpy(text, good, sizeof(text));
		for (uint32_t i = 0, changes = 1 + seed_below(&seed, 3); i < changes; i++)
			text[seed_below(&seed, sizeof(text) - 1)] = alphabet[seed_below(&seed, sizeof(alphabet) - 1)];
		object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
		mine = reads(&row, text);
		if (mine != (object != NULL) && !has_long_number(text))
			fail_msg("%s: library %d, row %d", text, object != NULL, mine);
		if (!mine || !object) {
			json_decref(object);
			continue;
		}
		taken++;
		json_object_foreach(object, key, value)
		{
			int64_t number = 0;

			/* keys are compared as they are written */
			if (strspn(key, "abcdefghijklmnopqrstuvwxyz") != strlen(key))
				continue;
			if (json_is_string(value))
				assert_words(&row, key, json_string_value(value));
			assert_int_equal(row_whole(&row, key, &number), json_is_integer(value));
			assert_int_equal(number, json_integer_value(value));
		}
		if (row.plain) {
			char *again = json_dumps(object, FLAGS);

			assert_string_equal(again, text);
			free(again);
		}
		json_decref(object);
	}
	assert_true(taken > 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_written), cmocka_unit_test(test_times),          cmocka_unit_test(test_read),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_as_the_library),
	};

	return cmocka_run_group_tests_name("jsonrow", tests, NULL, NULL);
}
