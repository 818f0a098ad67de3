/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is never blocked: an allow list so wide that it leaves nothing to block, a protected set that lacks what the
 * host lives on, and the address that the admin is logged in from.
 */
#include "internal.h"

#include <string.h>

#include "file.h"

/* Tells of an entry that covers a large part of the internet, or all of it. */
static void look_at_entry(struct doctor *d, const char *source, unsigned *wide)
{
	struct prefix prefix;
	const char *why;
	char advice[128];
	unsigned len;

	if (!prefix_parse(source, &prefix, &why))
		return;
	len = prefix_family_len(&prefix);
	if (len > (prefix_is_v4(&prefix) ? 7u : 15u))
		return;
	++*wide;
	snprintf(advice, sizeof(advice), "picketctl allow del %s --save", source);
	if (len == 0)
		doctor_problem(d, "nobody of this family is ever judged, veiled, banned or trapped", advice,
			       "%s is allowed: that is everybody", source);
	else
		doctor_warning(d, "a large part of the internet is never judged", advice,
			       "%s is allowed, which is very wide", source);
}

void doctor_allow(struct doctor *d)
{
	json_t *list = NULL;
	unsigned wide = 0;

	if (ctl_collect(d->args, ctl_request("allow-list", NULL), &list) != CTL_DONE) {
		doctor_warning(d, NULL, NULL, "the allow list could not be read");
		return;
	}
	for (size_t i = 0; i < json_array_size(list); i++)
		look_at_entry(d, json_words(json_array_get(list, i), "source", ""), &wide);
	if (wide == 0)
		doctor_ok(d, "%zu entries, none of them too wide", json_array_size(list));
	json_decref(list);
}

static size_t count_why(const struct doctor *d, const char *why)
{
	const json_t *list = json_object_get(d->status, "protected");
	size_t count = 0;

	for (size_t i = 0; i < json_array_size(list); i++)
		count += strcmp(json_words(json_array_get(list, i), "why", ""), why) == 0;
	return count;
}

static bool has_default_route(void)
{
	char text[16384];
	const char *line = text;

	if (file_read("/proc/net/route", text, sizeof(text)) < 0)
		return false;
	while ((line = strchr(line, '\n')) && *++line) {
		char destination[16], gateway[16], mask[16];
		unsigned flags;

		if (sscanf(line, "%*s %15s %15s %x %*s %*s %*s %15s", destination, gateway, &flags, mask) == 4 &&
		    strcmp(destination, "00000000") == 0 && strcmp(mask, "00000000") == 0 && flags & 2)
			return true;
	}
	return false;
}

void doctor_protected(struct doctor *d)
{
	size_t count = json_array_size(json_object_get(d->status, "protected"));
	size_t own = count_why(d, "own address"), gateways = count_why(d, "gateway"),
	       resolvers = count_why(d, "resolver");

	if (count == 0 || own == 0) {
		doctor_problem(d, "even the gateway and you yourself could be cut off by forged packets",
			       "set protect_auto = true in picket.conf, then: picketctl reload", "nobody is protected");
		return;
	}
	if (gateways == 0 && has_default_route())
		doctor_warning(d, "packets forged in its name could cut this host off",
			       "picketctl allow add GATEWAY --save",
			       "there is a default route, and its gateway is not protected");
	if (resolvers == 0)
		doctor_note(d, "answers of resolvers to our own questions pass in any case", NULL,
			    "no resolver is known but perhaps one on this host itself");
	doctor_ok(d, "%zu addresses are protected: %zu our own, %zu gateways, %zu resolvers, %zu of logged in admins",
		  count, own, gateways, resolvers, count_why(d, "login"));
}

void doctor_you(struct doctor *d)
{
	char caller[64], advice[128];
	json_t *row = NULL;

	if (!ctl_caller(caller)) {
		doctor_ok(d, "you are logged in at this machine, not over SSH");
		return;
	}
	if (ctl_fetch(d->args, ctl_request("allow-check", caller), false, &row) != CTL_DONE) {
		doctor_warning(d, NULL, NULL,
			       "whether %s, where you are logged in from, is protected could not be found out", caller);
		return;
	}
	if (json_flag(row, "allowed"))
		doctor_ok(d, "%s, where you are logged in from, is allowed", caller);
	else if (json_is_string(json_object_get(row, "protected_why")))
		doctor_ok(d, "%s, where you are logged in from, is protected (%s)", caller,
			  json_words(row, "protected_why", "?"));
	else {
		snprintf(advice, sizeof(advice), "picketctl allow add %.50s --save", caller);
		doctor_warning(d,
			       "nobody is protected for an open connection to sshd alone: only a login that logind or "
			       "utmp knows counts",
			       advice, "%s, where you are logged in from, is neither allowed nor protected", caller);
	}
	json_decref(row);
}
