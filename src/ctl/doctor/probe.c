/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `doctor --probe`: one SYN from an unassigned address to a trapped or closed port, followed through the kernel
 * to the score.  It is judged like any other: one piece of evidence, far from any threshold, gone within days.
 */
#include "internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <picket/packet.h>
#include "clock.h"

#define PATIENCE_MS 2000
#define LOOK_MS     10
#define ANSWER_MS   300
#define CLOSED_PORT 1 /* tcpmux, out of use for decades */
#define ATTEMPTS    8

struct pursuit {
	const struct ctl_args *args;
	const struct prefix *net;
	struct inject_probe probe;
	char source[ADDR_TEXT_MAX];
	json_t *before;
	int64_t sent_ns;
	bool queued, read, scored;
};

__attribute__((format(printf, 4, 5))) static void step(const struct pursuit *pursuit, const char *name, int64_t at_ns,
						       const char *format, ...)
{
	double at_ms = at_ns ? (double)(at_ns - pursuit->sent_ns) / 1e6 : 0;
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (ctl_given(pursuit->args, CTL_OPTION_JSON))
		ctl_print_json(json_pack("{s:s, s:f, s:s}", "step", name, "at_ms", at_ms, "finding", text));
	else
		printf("%7.1f ms  %s\n", at_ms, text);
}

static json_t *explain(const struct pursuit *pursuit)
{
	json_t *row = NULL;

	ctl_fetch(pursuit->args, ctl_request("explain", pursuit->source), false, &row);
	return row;
}

/* An address of which nothing is known yet. */
static bool choose_source(struct pursuit *pursuit)
{
	unsigned n = (unsigned)(clock_ns(CLOCK_MONOTONIC) / 1000) % 250;

	for (int i = 0; i < ATTEMPTS; i++) {
		json_t *row;
		bool known;

		pursuit->probe.from = inject_source((n + (unsigned)i * 31) % 250 + 1, pursuit->net);
		addr_format(&pursuit->probe.from, pursuit->source);
		row = explain(pursuit);
		known = !row || json_array_size(json_object_get(row, "evidence")) > 0;
		json_decref(row);
		if (!known)
			return true;
	}
	return false;
}

static long long queued_packets(const json_t *status)
{
	return json_count(status, "kernel", "queued_judge") + json_count(status, "kernel", "queued_trap");
}

/* Tells of each step once, as soon as it is seen. */
static void tell_progress(struct pursuit *pursuit, const json_t *status, const json_t *row)
{
	const json_t *piece = json_array_get(json_object_get(row, "evidence"), 0);
	const json_t *thresholds = json_object_get(row, "thresholds");
	/* The source's own score is the proof; the counters may have been raised by others. */
	bool scored = piece != NULL;
	bool queued = scored || queued_packets(status) > queued_packets(pursuit->before);
	bool read = scored || json_count(status, "queue", "packets") > json_count(pursuit->before, "queue", "packets");
	int64_t at_ns = clock_ns(CLOCK_MONOTONIC);

	if (queued && !pursuit->queued)
		step(pursuit, "rule", at_ns, "picket's rule in the kernel queued it");
	if (read && !pursuit->read)
		step(pursuit, "queue", at_ns, "the sentry read it from the queue");
	if (scored && !pursuit->scored) {
		step(pursuit, "evidence", at_ns, "evidence: %s, port %lld, weight %.2f", json_words(piece, "what", "?"),
		     (long long)json_whole(piece, "port"), json_value(piece, "weight"));
		step(pursuit, "score", at_ns, "score of %s: %.2f (alert at %.1f, veil at %.1f)", pursuit->source,
		     json_value(row, "score"), json_value(thresholds, "alert"), json_value(thresholds, "veil"));
	}
	pursuit->queued |= queued;
	pursuit->read |= read;
	pursuit->scored |= scored;
}

static void look(struct pursuit *pursuit)
{
	json_t *status = NULL, *row = explain(pursuit);

	if (ctl_fetch(pursuit->args, ctl_request("status", NULL), true, &status) == CTL_DONE)
		tell_progress(pursuit, status, row);
	json_decref(status);
	json_decref(row);
}

static void tell_answer(const struct pursuit *pursuit, bool trapped, bool bridged)
{
	static const char *const words[] = {
		[INJECT_SILENCE] = "nothing came back: the host's firewall dropped it after picket saw it",
		[INJECT_ANSWERED] = "a SYN+ACK came back: the trap can be reached through the host's firewall",
		[INJECT_RESET] = "a reset came back, as from any closed port",
		[INJECT_UNREACHABLE] = "an ICMP error came back: the host's firewall rejects it",
	};
	enum inject_answer answer = pursuit->probe.answer;

	step(pursuit, "answer", pursuit->probe.answered_ns ? pursuit->probe.answered_ns : clock_ns(CLOCK_MONOTONIC),
	     "%s%s", words[answer],
	     trapped && answer != INJECT_ANSWERED ? " (picketctl doctor tells how to open it)"
	     : trapped && bridged ? ", but not from the ports of the bridge (picketctl doctor tells why)"
				  : "");
}

static enum ctl_exit conclude(const struct pursuit *pursuit)
{
	static const char *const reasons[] = {
		("no rule of picket's queued it: is it paused, is the interface guarded, does another rule drop it "
		 "first?"),
		"a rule queued it and nobody read it: the sentry hangs (systemctl restart picket)",
		"it was read and weighed nothing: the mode, the allow list or protect_auto say why (picketctl explain)",
	};

	if (pursuit->scored) {
		step(pursuit, "end", clock_ns(CLOCK_MONOTONIC), "the whole way works, from the wire to the score");
		return CTL_DONE;
	}
	step(pursuit, "end", clock_ns(CLOCK_MONOTONIC), "%s", reasons[pursuit->read ? 2 : pursuit->queued ? 1 : 0]);
	return CTL_FAILED;
}

static enum ctl_exit pursue(struct pursuit *pursuit, struct inject *inject, const char *interface, bool trapped)
{
	bool bridged = host_bridge_filters(interface, false), answered;
	char own[ADDR_TEXT_MAX];
	int error;

	pursuit->sent_ns = clock_ns(CLOCK_MONOTONIC);
	error = inject_send(inject, &pursuit->probe);
	if (error)
		return ctl_complain(CTL_FAILED, "the kernel did not take the packet: %s", strerror(-error));
	step(pursuit, "sent", 0, "SYN from %s to %s port %u (%s), as if %s had received it", pursuit->source,
	     addr_format(&pursuit->probe.to, own), pursuit->probe.port, trapped ? "trapped" : "closed", interface);
	answered = inject_collect(inject, &pursuit->probe, 1, LOOK_MS) == 1;
	if (answered)
		tell_answer(pursuit, trapped, bridged);
	for (int waited = 0; waited < PATIENCE_MS && !pursuit->scored; waited += LOOK_MS) {
		look(pursuit);
		if (!pursuit->scored)
			usleep(LOOK_MS * 1000);
	}
	if (!answered) {
		inject_collect(inject, &pursuit->probe, 1, ANSWER_MS);
		tell_answer(pursuit, trapped, bridged);
	}
	return conclude(pursuit);
}

enum ctl_exit doctor_probe(const struct ctl_args *args)
{
	struct pursuit pursuit = { .args = args, .probe = { .protocol = PROTO_TCP, .port = CLOSED_PORT } };
	struct inject *inject = NULL;
	char interface[16], net[PREFIX_TEXT_MAX];
	enum ctl_exit status = ctl_fetch(args, ctl_request("status", NULL), false, &pursuit.before);
	int error;

	if (status != CTL_DONE)
		return status;
	const json_t *range =
		json_array_get(json_object_get(json_object_get(pursuit.before, "sensors"), "trapped_tcp"), 0);
	int64_t trapped = json_integer_value(json_array_get(range, 0));

	if (trapped > 0 && trapped < 65536)
		pursuit.probe.port = (uint16_t)trapped;
	pursuit.probe.from_port = inject_port();
	pursuit.net = inject_net(false);
	error = pursuit.net ? inject_way(pursuit.net, &pursuit.probe.to, interface) : -EADDRINUSE;
	if (!error)
		error = inject_open(interface, pursuit.net, &inject);
	if (!pursuit.net)
		status = ctl_complain(CTL_FAILED, "this host is numbered from each IPv4 net that probes may come from");
	else if (error == -EPERM || error == -EACCES)
		status = ctl_complain(CTL_FAILED, "--probe takes root");
	else if (error)
		status = ctl_complain(CTL_FAILED, "the probe cannot be sent: %s",
				      error == -EOPNOTSUPP ? "this kernel cannot hand itself a packet (Linux 5.18)"
							   : strerror(-error));
	else if (!choose_source(&pursuit))
		status = ctl_complain(CTL_FAILED,
				      "no address of %s is left of which nothing is known: try again tomorrow",
				      prefix_format(pursuit.net, net));
	else {
		/* One that another doctor may have begun. */
		reach_end(args);
		status = pursue(&pursuit, inject, interface, trapped > 0);
	}
	inject_close(inject);
	json_decref(pursuit.before);
	return status;
}
