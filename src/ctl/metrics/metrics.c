/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `metrics`: the daemon's counters in Prometheus' text format 0.0.4, to stdout, or into a file for node_exporter's
 * textfile collector, which must never see half of one: it is written beside its place and renamed.
 */
#include "metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl.h"

static long long number(const json_t *value)
{
	return json_is_true(value) ? 1 : (long long)json_integer_value(value);
}

static void print_metric(FILE *out, const struct metric *metric, const json_t *status)
{
	json_t *section = json_object_get(status, metric->section);
	const char *name;
	json_t *value;

	if (metric->key && !metric->label) {
		fprintf(out, "%s %lld\n", metric->name, number(json_object_get(section, metric->key)));
	} else if (metric->key) {
		fprintf(out, "%s{%s=\"%s\"} %lld\n", metric->name, metric->label, metric->value,
			number(json_object_get(section, metric->key)));
	} else {
		json_object_foreach(section, name, value)
			/* Names are our own words; another's could end the label. */
			if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == strlen(name))
				fprintf(out, "%s{%s=\"%s\"} %lld\n", metric->name, metric->label, name, number(value));
	}
}

static void print_head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Prometheus wants each bucket to hold all below it as well, and seconds. */
static void print_histogram(FILE *out, const char *name, const char *help, const json_t *histogram)
{
	json_t *buckets = json_object_get(histogram, "buckets_us"), *value;
	long long below = 0;
	const char *bound;

	print_head(out, name, "histogram", help);
	json_object_foreach(buckets, bound, value)
	{
		char *end;
		unsigned long us = strtoul(bound, &end, 10);

		if (*end || end == bound)
			continue; /* the one without a bound comes last */
		below += number(value);
		fprintf(out, "%s_bucket{le=\"%g\"} %lld\n", name, (double)us / 1e6, below);
	}
	fprintf(out, "%s_bucket{le=\"+Inf\"} %lld\n", name, (long long)json_whole(histogram, "count"));
	fprintf(out, "%s_sum %.6f\n", name, (double)json_whole(histogram, "sum_us") / 1e6);
	fprintf(out, "%s_count %lld\n", name, (long long)json_whole(histogram, "count"));
}

static void print_mode(FILE *out, const json_t *status)
{
	static const char *const modes[] = { "paused", "observe", "block" };

	print_head(out, "picket_info", "gauge", "Version of picketd.");
	fprintf(out, "picket_info{version=\"%s\",queue=\"%s\"} 1\n", json_words(status, "version", "?"),
		strcmp(json_words(json_object_get(status, "sensors"), "queue", "?"), "native") == 0 ? "native" : "xt");
	print_head(out, "picket_uptime_seconds", "gauge", "Seconds since the start.");
	fprintf(out, "picket_uptime_seconds %lld\n", (long long)json_whole(status, "uptime_s"));
	print_head(out, "picket_mode", "gauge", "1 for the mode in force.");
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		fprintf(out, "picket_mode{mode=\"%s\"} %d\n", modes[i],
			strcmp(modes[i], json_words(status, "mode", "")) == 0);
}

void metrics_print(FILE *out, const json_t *status)
{
	const json_t *latency = json_object_get(status, "latency");

	print_mode(out, status);
	for (size_t i = 0; i < metric_count; i++) {
		if (metrics[i].help)
			print_head(out, metrics[i].name, metrics[i].type, metrics[i].help);
		print_metric(out, &metrics[i], status);
	}
	print_histogram(out, "picket_judging_seconds", "From a packet read from the queue to its verdict.",
			json_object_get(latency, "judging"));
	print_histogram(out, "picket_deciding_seconds",
			"From the packet that tips a score to the kernel's acknowledgement of the block.",
			json_object_get(latency, "deciding"));
}

static enum ctl_exit cannot_write(const char *path, int error)
{
	return ctl_complain(CTL_FAILED, "cannot write %s: %s", path, strerror(error));
}

static enum ctl_exit write_textfile(const char *path, const json_t *status)
{
	char *beside;
	FILE *out;
	int fd, error = 0;

	if (asprintf(&beside, "%s.XXXXXX", path) < 0)
		return cannot_write(path, ENOMEM);
	fd = mkostemp(beside, O_CLOEXEC);
	out = fd < 0 ? NULL : fdopen(fd, "w");
	if (!out) {
		error = errno;
	} else {
		metrics_print(out, status);
		errno = EIO;
		/* node_exporter is somebody else. */
		if (ferror(out) || fflush(out) != 0 || fchmod(fd, 0644) < 0 || fsync(fd) < 0)
			error = errno;
		if (fclose(out) != 0 && !error)
			error = errno;
		if (!error && rename(beside, path) < 0)
			error = errno;
		if (error)
			unlink(beside);
	}
	free(beside);
	return error ? cannot_write(path, error) : CTL_DONE;
}

enum ctl_exit run_metrics(const struct ctl_args *args)
{
	json_t *status = NULL;
	enum ctl_exit result;

	if (ctl_given(args, CTL_OPTION_JSON))
		return ctl_complain(CTL_USAGE, "metrics takes no --json: status --json shows the same numbers");
	result = ctl_fetch(args, "status", false, &status);
	if (result != CTL_DONE)
		return result;
	if (ctl_given(args, CTL_OPTION_TEXTFILE)) {
		result = write_textfile(args->values[CTL_OPTION_TEXTFILE], status);
	} else {
		metrics_print(stdout, status);
		if (fflush(stdout) != 0 || ferror(stdout))
			result = ctl_complain(CTL_FAILED, "cannot write: %s", strerror(errno));
	}
	json_decref(status);
	return result;
}
