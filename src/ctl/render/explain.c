/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `explain` for people: the verdict, then the evidence as an account that adds up, then the safeguards that apply and
 * what would happen next.  Rounding is carried from row to row, so that the hundredths shown add up to the score shown.
 */
#include "internal.h"

#include <math.h>
#include <string.h>

#include "addr.h"
#include "duration.h"

/* Shows a running sum in hundredths: each row is the difference of two rounded sums. */
struct account {
	double sum;
	long long shown; /* hundredths shown so far */
};

static const char *account_words(struct account *account, double part, char out[24])
{
	long long upto;

	account->sum += part;
	upto = llround(account->sum * 100);
	snprintf(out, 24, "%.2f", (double)(upto - account->shown) / 100);
	account->shown = upto;
	return out;
}

/* A net is never banned. */
static bool is_net(const json_t *object)
{
	return json_is_null(json_object_get(json_object_get(object, "thresholds"), "ban"));
}

static void show_header(FILE *out, const json_t *object)
{
	const json_t *block = json_object_get(object, "block");
	const char *grade = json_words(object, "grade", NULL), *tool = json_words(object, "tool", NULL);
	char text[32], left[32], last[32];

	fprintf(out, "%s: %s", json_words(object, "source", "?"), grade ? grade : "nothing counted against it");
	if (grade)
		fprintf(out, ", score %.2f (confirmed %.2f, suspected %.2f)", json_value(object, "score"),
			json_value(object, "confirmed"), json_value(object, "suspected"));
	fputc('\n', out);
	if (json_is_object(block)) {
		fprintf(out, "  in the kernel as %s", json_words(block, "grade", "?"));
		if (strcmp(json_words(block, "source", "?"), json_words(object, "source", "?")) != 0)
			fprintf(out, ", with all of %s,", json_words(block, "source", "?"));
		fprintf(out, " since %s, ", time_words(block, "since", text));
		if (json_is_integer(json_object_get(block, "expires_in_s")))
			fprintf(out, "for %s more at most\n", left_words(block, "expires_in_s", "", left));
		else
			fputs("until it is unblocked\n", out);
		if (*json_words(block, "reason", ""))
			fprintf(out, "  because: %s\n", json_words(block, "reason", ""));
		if (json_words(block, "passes", NULL))
			fprintf(out, "  what still passes: %s\n", json_words(block, "passes", ""));
	}
	if (!grade)
		return;
	fprintf(out, "  first seen %s, last %s, %lld probe%s", time_words(object, "since", text),
		time_words(object, "last_seen", last), (long long)json_whole(object, "probes"),
		json_whole(object, "probes") == 1 ? "" : "s");
	if (tool)
		fprintf(out, ", looks like %s", tool);
	if (json_whole(object, "incident") > 0)
		fprintf(out, ", incident %lld", (long long)json_whole(object, "incident"));
	fputc('\n', out);
}

static void what_words(const json_t *piece, char *out, size_t size)
{
	const char *service = json_words(piece, "service", NULL), *protocol = json_words(piece, "protocol", NULL);
	int len = snprintf(out, size, "%s", json_words(piece, "what", "?"));

	if (len < 0 || (size_t)len >= size)
		return;
	if (json_whole(piece, "port") > 0)
		snprintf(out + len, size - (size_t)len, ": port %lld%s%s%s%s", (long long)json_whole(piece, "port"),
			 protocol ? "/" : "", protocol ? protocol : "", service ? " " : "", service ? service : "");
	else if (json_is_integer(json_object_get(piece, "ip_protocol")))
		snprintf(out + len, size - (size_t)len, ": IP protocol %lld",
			 (long long)json_whole(piece, "ip_protocol"));
}

static void show_evidence(FILE *out, const json_t *object)
{
	static const char *const columns[] = { ">  AGE", ">WEIGHT", ">NOW", "CLASS", "WHAT", NULL };
	const json_t *pieces = json_object_get(object, "evidence"), *older = json_object_get(object, "older");
	struct table *table = table_new(out, columns);
	struct account account = { 0 };
	char age[32], weight[24], now[24], what[96];
	double adjustment = json_value(object, "adjustment");

	fputs("\nEvidence, newest first, in nats:\n", out);
	for (size_t i = 0; i < json_array_size(pieces); i++) {
		const json_t *piece = json_array_get(pieces, i);

		what_words(piece, what, sizeof(what));
		snprintf(weight, sizeof(weight), "%.2f", json_value(piece, "weight"));
		table_row(table, (const char *const[]){ left_words(piece, "age_s", "?", age), weight,
							account_words(&account, json_value(piece, "now"), now),
							json_words(piece, "class", "?"), what });
	}
	for (size_t i = 0; i < json_array_size(older); i++) {
		const json_t *sum = json_array_get(older, i);
		long long count = (long long)json_whole(sum, "count");

		snprintf(what, sizeof(what), "%lld%s older: %s", count, count >= 255 ? " or more" : "",
			 json_words(sum, "what", "?"));
		table_row(table,
			  (const char *const[]){ "older", "", account_words(&account, json_value(sum, "now"), now),
						 json_words(sum, "class", "?"), what });
	}
	if (llround(adjustment * 100) != 0)
		table_row(table, (const char *const[]){ "", "", account_words(&account, adjustment, now), "",
							adjustment < 0 ? "forgiven, or leaked away"
								       : "evidence before that" });
	else
		account.sum += adjustment;
	snprintf(now, sizeof(now), "%.2f", json_value(object, "score"));
	table_row(table, (const char *const[]){ "", "sum", now, "", "the score" });
	table_free(table);
}

static void show_thresholds(FILE *out, const json_t *object)
{
	static const char *const grades[] = { "alert", "veil", "ban" };
	const json_t *thresholds = json_object_get(object, "thresholds");
	char half_life[DURATION_TEXT_MAX], confirmed[DURATION_TEXT_MAX];
	int64_t life_ms = json_whole(object, "half_life_s") * 1000;

	fputs("\nThresholds:\n", out);
	for (size_t i = 0; i < sizeof(grades) / sizeof(grades[0]) - is_net(object); i++) {
		bool ban = i == 2;
		double threshold = json_value(thresholds, grades[i]);
		double distance = threshold - json_value(object, ban ? "confirmed" : "score");

		fprintf(out, "  %-5s  %5.2f  ", grades[i], threshold);
		if (distance <= 0)
			fputs("passed\n", out);
		else
			fprintf(out, "%.2f missing%s\n", distance, ban ? " (confirmed evidence alone counts)" : "");
	}
	fprintf(out, "  Suspicion halves every %s, confirmation every %s; what is called fast leaks 0.28 a second.\n",
		duration_format(life_ms, half_life), duration_format(life_ms, confirmed));
}

/* What is explained is a prefix, and what is protected an address or a smaller prefix inside it. */
static bool holds_protected(const json_t *object)
{
	struct prefix source, protected_by;
	const char *ignored;

	return prefix_parse(json_words(object, "source", ""), &source, &ignored) &&
	       prefix_parse(json_words(object, "protected_by", ""), &protected_by, &ignored) &&
	       source.len < protected_by.len;
}

static void show_safeguards(FILE *out, const json_t *object)
{
	const char *allowed = json_words(object, "allowed_by", NULL), *why = json_words(object, "protected_why", NULL);
	char left[32];

	fputs("\nSafeguards:\n", out);
	if (allowed)
		fprintf(out, "  allowed by %s: nothing it does weighs, and a block of it is refused\n", allowed);
	if (why && strcmp(why, "no-source") == 0)
		fputs("  no host can send from it: it is never judged, and a block of it is refused\n", out);
	else if (why && holds_protected(object))
		fprintf(out, "  holds %s (%s), which is never cut off; a block of it needs --force\n",
			json_words(object, "protected_by", "?"), why);
	else if (why)
		fprintf(out, "  protected by %s (%s): never cut off without --force\n",
			json_words(object, "protected_by", "?"), why);
	if (json_words(object, "exempt_from", NULL))
		fprintf(out, "  an admin freed it from the veil of %s, for %s more\n",
			json_words(object, "exempt_from", "?"), left_words(object, "exempt_for_s", "", left));
	else if (!allowed && !why)
		fputs("  none: neither allowed nor protected\n", out);
}

static void show_veils_end(FILE *out, const json_t *object)
{
	const char *source = json_words(object, "source", "?");
	const char *veiled = json_words(json_object_get(object, "block"), "source", "?");

	if (strcmp(source, veiled) == 0)
		fputs("  The veil ends when the score has fallen below its threshold, or an hour after the last "
		      "evidence.\n",
		      out);
	else
		fprintf(out,
			"  It is veiled with its net: \"picketctl unblock %s\" frees this address for a day,\n"
			"  \"picketctl unblock %s\" ends the veil of the net.\n",
			source, veiled);
}

static void show_next(FILE *out, const json_t *object)
{
	const char *next = json_words(object, "next", NULL);
	bool exempt = json_words(object, "allowed_by", NULL) ||
		      (json_words(object, "protected_why", NULL) && !holds_protected(object));
	const char *grade = json_words(json_object_get(object, "block"), "grade", "");
	const json_t *thresholds = json_object_get(object, "thresholds");
	double distance = json_value(object, "distance");

	fputs("\nNext:\n", out);
	if (strcmp(grade, "ban") == 0)
		fputs("  When its time is up it is let in; the next ban lasts twice as long, up to the maximum.\n",
		      out);
	else if (strcmp(grade, "veil") == 0)
		show_veils_end(out, object);
	else if (!*grade && !exempt && json_value(object, "score") >= json_value(thresholds, "veil"))
		fputs("  Its score is enough for a veil: in observe mode that is told alone, else it begins with the "
		      "next evidence.\n",
		      out);
	if (exempt)
		fputs("  Whatever it does is told at most.\n", out);
	else if (!next)
		fputs(is_net(object) ? "  Nothing above this: a net is never banned.\n"
				     : "  Nothing above this: it is banned.\n",
		      out);
	else if (strcmp(next, "ban") == 0)
		fprintf(out,
			"  %.0f more silent visit%s to traps below 1024, each of another family (2.25 each), would ban "
			"it; nothing that can be forged does.\n",
			ceil(distance / 2.25), ceil(distance / 2.25) > 1 ? "s" : "");
	else
		fprintf(out, "  %s in %.2f: about %.0f more SYNs to closed ports below 1024 (1.4 each).\n", next,
			distance, ceil(distance / 1.4));
}

static bool is_known(const json_t *object)
{
	return json_words(object, "grade", NULL) || json_is_object(json_object_get(object, "block")) ||
	       json_words(object, "allowed_by", NULL) || json_words(object, "protected_why", NULL) ||
	       json_words(object, "exempt_from", NULL);
}

static void explain_row(struct ctl_view *view, const json_t *object)
{
	show_header(view->out, object);
	if (json_words(object, "grade", NULL)) {
		show_evidence(view->out, object);
		show_thresholds(view->out, object);
	}
	show_safeguards(view->out, object);
	if (json_words(object, "grade", NULL) || json_is_object(json_object_get(object, "block")))
		show_next(view->out, object);
}

static enum ctl_exit explain_status(const json_t *object)
{
	return is_known(object) ? CTL_DONE : CTL_FAILED;
}

const struct ctl_shape shape_explain = { .object = explain_row, .exit_status = explain_status };
