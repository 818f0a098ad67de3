/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a hook is told of an event: the placeholders that its arguments may hold, and its environment.  The
 * configuration checks arguments against the placeholders; the hook adapter fills them in.
 */
#ifndef PICKET_HOOK_VALUES_H
#define PICKET_HOOK_VALUES_H

#include <stdbool.h>
#include <stddef.h>

#include <picket/describe.h>

/* The values of the placeholders: no control bytes, and no '-' at the beginning. */
struct hook_values {
	char source[64], event[16], grade[16], reason[256], ports[128], duration[24], incident[16];
};

#define HOOK_PLACEHOLDER_MAX 32 /* size of the text that tells an unknown one */

/* The placeholders that an argument may hold. */
#define HOOK_PLACEHOLDERS "%{source} %{grade} %{reason} %{ports} %{duration} %{incident}"
/* False when text holds %{...} of another kind; its name, made printable and cut, is written to unknown. */
bool hook_argument_check(const char *text, char unknown[HOOK_PLACEHOLDER_MAX]);
/* Fills text's placeholders in.  False, with *out cut, when it did not fit. */
bool hook_argument_fill(const char *text, const struct hook_values *values, char *out, size_t size);
/* Makes a value safe: printable ASCII alone, never beginning with '-'. */
void hook_value_set(char *out, size_t size, const char *text);
/* What a hook is told of an event; names may be NULL. */
void hook_values_fill(struct hook_values *out, const struct event *event, const struct service_names *names);
/* The clean environment as NAME=VALUE strings in one buffer, pointers to them in envp, NULL last. */
#define HOOK_ENV_MAX  10
#define HOOK_ENV_SIZE 1024
void hook_environment(const struct hook_values *values, char buffer[HOOK_ENV_SIZE], char *envp[HOOK_ENV_MAX]);

#endif
