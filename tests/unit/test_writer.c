/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bounded writer and the bounds-checked reader.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "reader.h"
#include "seed.h"
#include "writer.h"

static void text_from_outside_is_escaped(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		const char *escaped;
	} cases[] = {
		{ "plain text, 1.2/3:", 18, "plain text, 1.2/3:" },
		{ "line\nbreak", 10, "line\\x0abreak" },
		{ "a\0b", 3, "a\\x00b" },
		{ "\"quoted\"", 8, "\\x22quoted\\x22" },
		{ "it's", 4, "it\\x27s" },
		{ "back\\slash", 10, "back\\x5cslash" },
		{ "\033[31mred", 8, "\\x1b[31mred" },
		{ "\xc3\xa9\x7f", 3, "\\xc3\\xa9\\x7f" },
		{ "", 0, "" },
	};
	char buf[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct writer w = writer_over(buf, sizeof(buf));

		writer_escaped(&w, cases[i].text, cases[i].len);
		assert_string_equal(buf, cases[i].escaped);
		assert_false(w.truncated);
	}
}

static void what_does_not_fit_is_cut(void **state)
{
	char buf[9];
	struct writer w = writer_over(buf, sizeof(buf));

	(void)state;
	writer_text(&w, "12345");
	writer_format(&w, "%d", 678);
	assert_string_equal(buf, "12345678");
	assert_false(w.truncated);
	writer_text(&w, "");
	assert_false(w.truncated);
	writer_format(&w, "%s", "9");
	assert_true(w.truncated);
	assert_string_equal(buf, "12345678");

	w = writer_over(buf, sizeof(buf));
	writer_format(&w, "%s", "123456789abcdef");
	assert_true(w.truncated);
	assert_string_equal(buf, "12345678");
	assert_int_equal(w.len, 8);

	/* An escape goes in whole or not at all, and nothing follows a cut. */
	w = writer_over(buf, sizeof(buf));
	writer_text(&w, "12345");
	writer_escaped(&w, "\n", 1);
	assert_true(w.truncated);
	writer_text(&w, "6");
	assert_string_equal(buf, "12345");

	w = writer_over(buf, 1);
	writer_text(&w, "x");
	assert_true(w.truncated);
	assert_string_equal(buf, "");
}

static void random_writes_stay_inside(void **state)
{
	struct seed seed = seed_new("random_writes_stay_inside");

	(void)state;
	for (int round = 0; round < 5000; round++) {
		uint8_t guarded[80];
		size_t size = 1 + seed_below(&seed, 64);
		struct writer w;

		memset(guarded, 0xa5, sizeof(guarded));
		w = writer_over((char *)guarded, size);
		for (int i = 0; i < 10; i++) {
			uint64_t noise[2] = { seed_next(&seed), seed_next(&seed) };

			switch (seed_below(&seed, 3)) {
			case 0: writer_text(&w, &"hello world"[seed_below(&seed, 12)]); break;
			case 1: writer_format(&w, "%u", (unsigned)noise[0]); break;
			default: writer_escaped(&w, (char *)noise, seed_below(&seed, sizeof(noise))); break;
			}
			assert_true(w.len < size);
			assert_int_equal(strlen((char *)guarded), w.len);
		}
		for (size_t i = size; i < sizeof(guarded); i++)
			assert_int_equal(guarded[i], 0xa5);
	}
}

static void reads_past_the_end_fail_for_good(void **state)
{
	static const uint8_t data[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	struct reader r = reader_over(data, sizeof(data));

	(void)state;
	assert_int_equal(reader_u8(&r), 1);
	assert_int_equal(reader_be16(&r), 0x0203);
	assert_int_equal(reader_be32(&r), 0x04050607);
	assert_int_equal(reader_left(&r), 1);
	assert_false(r.failed);
	assert_int_equal(reader_be16(&r), 0);
	assert_true(r.failed);
	assert_int_equal(reader_u8(&r), 0);
	assert_int_equal(reader_left(&r), 0);

	r = reader_over(data, sizeof(data));
	reader_skip(&r, 4);
	reader_skip(&r, SIZE_MAX - 1);
	assert_true(r.failed);

	r = reader_over(NULL, 0);
	assert_int_equal(reader_be32(&r), 0);
	assert_true(r.failed);
}

static void text_from_a_message_is_checked(void **state)
{
	const char open_end[4] = { 'a', 'b', 'c', 'd' };

	(void)state;
	assert_true(text_is_printable("", 1));
	assert_true(text_is_printable("a ~", 4));
	assert_false(text_is_printable("a\n", 3));
	assert_false(text_is_printable("a\x7f", 3));
	assert_false(text_is_printable("\xc3\xa4", 3));
	assert_false(text_is_printable(open_end, sizeof(open_end)));
	assert_true(text_is_printable("ab\0\n", 5)); /* what stands behind the end is not text */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_from_a_message_is_checked),   cmocka_unit_test(text_from_outside_is_escaped),
		cmocka_unit_test(what_does_not_fit_is_cut),         cmocka_unit_test(random_writes_stay_inside),
		cmocka_unit_test(reads_past_the_end_fail_for_good),
	};

	return cmocka_run_group_tests_name("writer", tests, NULL, NULL);
}
