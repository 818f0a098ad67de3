/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Values of an answer's object in words.  Strings of answers are printable: client.c sees to it.
 */
#include "ctl.h"

#include <string.h>
#include <time.h>

#include "duration.h"

const char *json_words(const json_t *object, const char *key, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : otherwise;
}

double json_value(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

int64_t json_whole(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

const char *time_words(const json_t *object, const char *key, char out[32])
{
	const char *text = json_words(object, key, "");
	struct tm utc = { 0 }, local;
	time_t when;

	if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &utc.tm_year, &utc.tm_mon, &utc.tm_mday, &utc.tm_hour, &utc.tm_min,
		   &utc.tm_sec) != 6) {
		strcpy(out, "-");
		return out;
	}
	utc.tm_year -= 1900;
	utc.tm_mon -= 1;
	when = timegm(&utc);
	if (!localtime_r(&when, &local) || strftime(out, 32, "%Y-%m-%d %H:%M:%S", &local) == 0)
		strcpy(out, "-");
	return out;
}

const char *left_words(const json_t *object, const char *key, const char *otherwise, char out[32])
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_integer(value)) {
		snprintf(out, 32, "%s", otherwise);
		return out;
	}
	char text[DURATION_TEXT_MAX];
	json_int_t seconds = json_integer_value(value);

	if (seconds < 0 || seconds > DURATION_MAX_MS / 1000)
		seconds = seconds < 0 ? 0 : DURATION_MAX_MS / 1000;
	snprintf(out, 32, "%s", duration_format(seconds * 1000, text));
	return out;
}

void print_clean(FILE *out, const char *text)
{
	for (; *text; text++)
		fputc(*text >= 0x20 && *text < 0x7f ? *text : '?', out);
}
