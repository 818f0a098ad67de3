/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads a scenario: lines, words, times.  What is wrong is told with its line; nothing is guessed.
 */
#include "script.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duration.h"

#define STEPS_MAX 4000000

bool script_fail(struct script *script, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(script->error, sizeof(script->error), format, arguments);
	va_end(arguments);
	return false;
}

/* splitmix64 (Steele, Lea and Flood 2014): the same numbers on every machine. */
uint32_t script_random(struct script *script)
{
	uint64_t z = script->seed += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (uint32_t)((z ^ (z >> 31)) >> 32);
}

size_t script_words(char *text, char *words[SCRIPT_WORDS_MAX])
{
	size_t count = 0;
	char *rest = NULL;

	for (char *word = strtok_r(text, " \t\r\n", &rest); word && count < SCRIPT_WORDS_MAX;
	     word = strtok_r(NULL, " \t\r\n", &rest))
		words[count++] = word;
	return count;
}

bool script_time(const char *text, int64_t *out_ms)
{
	if (strcmp(text, "0s") == 0) {
		*out_ms = 0;
		return true;
	}
	return duration_parse(text, out_ms);
}

bool script_add(struct script *script, const struct step *step)
{
	if (script->count == script->capacity) {
		size_t capacity = script->capacity ? script->capacity * 2 : 256;
		struct step *grown = capacity <= STEPS_MAX ? realloc(script->steps, capacity * sizeof(*grown)) : NULL;

		if (!grown)
			return script_fail(script, "too many probes for one scenario");
		script->steps = grown;
		script->capacity = capacity;
	}
	script->steps[script->count] = *step;
	script->steps[script->count].order = script->count;
	script->count++;
	return true;
}

size_t script_add_train(struct script *script, const struct packet *syn, int64_t at_ms)
{
	if (script->train_count == script->train_capacity) {
		size_t capacity = script->train_capacity ? script->train_capacity * 2 : 256;
		struct train *grown = realloc(script->trains, capacity * sizeof(*grown));

		if (!grown)
			return TRAIN_NONE;
		script->trains = grown;
		script->train_capacity = capacity;
	}
	script->trains[script->train_count] =
		(struct train){ .src = syn->src, .dport = syn->dport, .began_ms = at_ms, .answered_ms = -1 };
	return script->train_count++;
}

/* at TIME|+TIME SOURCE PROBE... */
static bool read_at(struct script *script, char **words, size_t count, unsigned line, bool meanwhile)
{
	int64_t offset = 0, last_ms;
	bool relative = count > 1 && words[1][0] == '+';

	if (count < 4 || !script_time(words[1] + relative, &offset))
		return script_fail(script, "expected: at TIME SOURCE PROBE...");
	offset += relative ? script->cursor_ms : 0;
	if (!probes_read(script, words + 2, count - 2, offset, 0, 0, line, &last_ms))
		return false;
	if (!meanwhile)
		script->cursor_ms = last_ms;
	return true;
}

/* every TIME xN SOURCE PROBE... */
static bool read_every(struct script *script, char **words, size_t count, unsigned line, bool meanwhile)
{
	int64_t gap_ms, last_ms;
	unsigned long steps = count > 2 && words[2][0] == 'x' ? strtoul(words[2] + 1, NULL, 10) : 0;

	if (count < 5 || !script_time(words[1], &gap_ms) || steps == 0)
		return script_fail(script, "expected: every TIME xCOUNT SOURCE PROBE...");
	if (!probes_read(script, words + 3, count - 3, script->cursor_ms, gap_ms, steps, line, &last_ms))
		return false;
	if (!meanwhile)
		script->cursor_ms = last_ms;
	return true;
}

static bool read_line(struct script *script, const char *text, unsigned line)
{
	char copy[4096], *words[SCRIPT_WORDS_MAX];
	struct step step = { .type = STEP_LINE, .line = line };
	size_t count;
	bool meanwhile;

	snprintf(copy, sizeof(copy), "%s", text);
	count = script_words(copy, words);
	if (count == 0)
		return true;
	meanwhile = strcmp(words[0], "meanwhile") == 0;
	if (count > (size_t)meanwhile && strcmp(words[meanwhile], "at") == 0)
		return read_at(script, words + meanwhile, count - meanwhile, line, meanwhile);
	if (count > (size_t)meanwhile && strcmp(words[meanwhile], "every") == 0)
		return read_every(script, words + meanwhile, count - meanwhile, line, meanwhile);
	if (strcmp(words[0], "wait") == 0) {
		int64_t ms;

		if (count != 2 || !script_time(words[1], &ms))
			return script_fail(script, "expected: wait TIME");
		script->cursor_ms += ms;
	} else if (strcmp(words[0], "seed") == 0 && count == 2) {
		script->seed = strtoull(words[1], NULL, 0);
	} else if (strcmp(words[0], "local") == 0 && count == 2) {
		if (!addr_parse(words[1], &script->local))
			return script_fail(script, "not an address: %s", words[1]);
	}
	step.at_ms = script->cursor_ms;
	step.text = strdup(text);
	return step.text && script_add(script, &step);
}

static int compare_steps(const void *a, const void *b)
{
	const struct step *x = a, *y = b;

	if (x->at_ms != y->at_ms)
		return x->at_ms < y->at_ms ? -1 : 1;
	return (x->order > y->order) - (x->order < y->order);
}

bool script_read(struct script *script, const char *path)
{
	static const uint8_t local[4] = { 192, 0, 2, 1 };
	FILE *file = fopen(path, "re");
	char text[4096];
	bool ok = true;

	*script = (struct script){ .path = path, .seed = 1, .local = addr_from_v4(local) };
	if (!file)
		return script_fail(script, "%s", strerror(errno));
	while (ok && fgets(text, sizeof(text), file)) {
		script->error_line++;
		text[strcspn(text, "#\n")] = 0;
		ok = read_line(script, text, script->error_line);
	}
	fclose(file);
	if (ok && script->count > 0)
		qsort(script->steps, script->count, sizeof(*script->steps), compare_steps);
	return ok;
}

void script_free(struct script *script)
{
	for (size_t i = 0; i < script->count; i++)
		free(script->steps[i].text);
	free(script->steps);
	free(script->trains);
	script->steps = NULL;
	script->trains = NULL;
	script->count = script->capacity = script->train_count = script->train_capacity = 0;
}
