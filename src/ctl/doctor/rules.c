/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everybody else's rules: what comes before ours and takes packets away, what blinds conntrack, what proxies; our own
 * table; and rulesets saved while picket was running.
 */
#include <linux/netfilter.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"
#include "file.h"
#include "procfs.h"

#define PRIORITY_TRAP  (-90)
#define PRIORITY_WATCH (-10)
#define SAVED_MAX      (1024 * 1024)

static bool sees_ip(const struct hostnft_chain *chain)
{
	return chain->family == NFPROTO_INET || chain->family == NFPROTO_IPV4 || chain->family == NFPROTO_IPV6;
}

static bool is_ours(const struct doctor *d, const struct hostnft_chain *chain)
{
	return d->status && chain->family == NFPROTO_INET &&
	       strcmp(chain->table, doctor_word(d, "sensors", "table")) == 0;
}

/* ---- ours ---- */

void doctor_table(struct doctor *d)
{
	static const char *const chains[] = { "watch", "hard", "soft" };
	bool blocks = strcmp(json_words(d->status, "mode", ""), "block") == 0;
	size_t missing = 0, wanted = strcmp(json_words(d->status, "mode", ""), "paused") == 0 ? 0 : blocks ? 3 : 1;

	if (json_is_true(json_object_get(json_object_get(d->status, "sensors"), "healing")))
		doctor_find(d, SEVERITY_PROBLEM,
			    "somebody removed picket's rules, and the kernel does not take them again",
			    "journalctl -u picket -n 50", "the table is not complete");
	if (!d->host) {
		doctor_find(d, SEVERITY_NOTE, NULL, "sudo picketctl doctor",
			    "not looked at: reading the rules takes root");
		return;
	}
	for (size_t i = 0; i < wanted; i++) {
		bool found = false;

		for (size_t j = 0; j < d->host->count; j++)
			found |= is_ours(d, &d->host->chains[j]) && d->host->chains[j].base &&
				 strcmp(d->host->chains[j].name, chains[i]) == 0;
		missing += !found;
		if (!found)
			doctor_find(d, SEVERITY_PROBLEM,
				    "it is put back within a second of its removal, unless it was removed three "
				    "times within a minute, or you look from another network namespace",
				    "picketctl resume", "chain %s of table inet %s is not there", chains[i],
				    doctor_word(d, "sensors", "table"));
	}
	if (missing == 0)
		doctor_find(d, SEVERITY_OK, NULL, NULL, "table inet %s is in place",
			    doctor_word(d, "sensors", "table"));
}

/* ---- others' ---- */

static bool is_before_watch(const struct hostnft_chain *chain)
{
	return chain->hook == NF_INET_PRE_ROUTING ||
	       (chain->hook == NF_INET_LOCAL_IN && chain->priority < PRIORITY_WATCH);
}

static void look_at(struct doctor *d, const struct hostnft_chain *chain)
{
	const char *family = hostnft_family(chain->family);
	bool closes = chain->policy_drop || chain->does & (HOSTNFT_DROPS | HOSTNFT_REJECTS);

	if (chain->does & HOSTNFT_UNTRACKS && chain->hook != NF_INET_FORWARD)
		doctor_find(d, SEVERITY_WARNING,
			    "what it hides from conntrack is neither new nor established: answers to it may "
			    "look like a scan",
			    "exempt only the flows you mean; list it: nft list ruleset",
			    "chain %s %s %s switches conntrack off for some packets", family, chain->table,
			    chain->name);
	if (chain->does & HOSTNFT_PROXIES && chain->hook == NF_INET_PRE_ROUTING)
		doctor_find(d, chain->priority <= PRIORITY_TRAP ? SEVERITY_WARNING : SEVERITY_NOTE,
			    chain->priority <= PRIORITY_TRAP
				    ? "it comes before picket's traps: connections it takes never reach a trap"
				    : "picket's traps come before it: do not trap the ports that it serves",
			    "leave its ports out of trap { tcp } in picket.conf",
			    "chain %s %s %s (priority %d) is a transparent proxy", family, chain->table, chain->name,
			    chain->priority);
	if (closes && is_before_watch(chain))
		doctor_find(d, SEVERITY_NOTE,
			    "what it drops picket never sees, so scanning those ports tells nothing about the "
			    "scanner",
			    "where that is too much, give its hook a priority above -10",
			    "chain %s %s %s drops packets before picket sees them (priority %d)", family, chain->table,
			    chain->name, chain->priority);
	if (chain->hook == NF_INET_LOCAL_IN && chain->priority == PRIORITY_WATCH)
		doctor_find(d, SEVERITY_NOTE, "which of the two comes first depends on which was loaded first", NULL,
			    "chain %s %s %s has picket's own priority, %d", family, chain->table, chain->name,
			    PRIORITY_WATCH);
	if (chain->does & HOSTNFT_QUEUES && (chain->hook == NF_INET_LOCAL_IN || chain->hook == NF_INET_PRE_ROUTING))
		doctor_find(d, SEVERITY_NOTE, "a packet that it holds comes to picket later, or not at all", NULL,
			    "chain %s %s %s hands packets to another program", family, chain->table, chain->name);
}

void doctor_foreign(struct doctor *d)
{
	unsigned before = d->counts[SEVERITY_NOTE] + d->counts[SEVERITY_WARNING], looked = 0;

	if (!d->host) {
		doctor_find(d, SEVERITY_NOTE, NULL, "sudo picketctl doctor",
			    "not looked at: reading the rules takes root");
		return;
	}
	for (size_t i = 0; i < d->host->count; i++) {
		const struct hostnft_chain *chain = &d->host->chains[i];

		if (!chain->base || is_ours(d, chain) || !sees_ip(chain))
			continue;
		looked++;
		look_at(d, chain);
	}
	if (d->host->dropped)
		doctor_find(d, SEVERITY_NOTE, NULL, NULL, "%llu chains and jumps were too many to be looked at",
			    (unsigned long long)d->host->dropped);
	if (before == d->counts[SEVERITY_NOTE] + d->counts[SEVERITY_WARNING])
		doctor_find(d, SEVERITY_OK, NULL, NULL, "%u chains of others, none in picket's way", looked);
}

void doctor_legacy(struct doctor *d)
{
	static const char *const files[] = { "/proc/net/ip_tables_names", "/proc/net/ip6_tables_names" };
	char names[256];
	bool found = false, read = false;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		ssize_t len = file_read(files[i], names, sizeof(names));

		read |= len >= 0;
		for (char *at = names; len > 0 && *at; at++)
			if (*at == '\n')
				*at = at[1] ? ' ' : '\0';
		if (len <= 0)
			continue;
		found = true;
		doctor_find(d, SEVERITY_NOTE,
			    "they work beside picket, and what they do cannot be looked into here: a TPROXY or "
			    "NOTRACK among them matters",
			    "iptables-legacy-save | grep -E 'TPROXY|NOTRACK|--notrack'",
			    "iptables-legacy has tables (%s): %s", i ? "IPv6" : "IPv4", names);
	}
	if (!found && (read || geteuid() == 0))
		doctor_find(d, SEVERITY_OK, NULL, NULL, "no tables of iptables-legacy");
	else if (!found)
		doctor_find(d, SEVERITY_NOTE, NULL, "sudo picketctl doctor", "not looked at: it takes root");
}

/* ---- saved ---- */

/* An xt target, which nft can't make; or a key of raw bytes, for whose type its language has no word. */
static bool would_not_load(const char *text)
{
	return strstr(text, "xt target ") || strstr(text, "[invalid type]");
}

static void look_at_file(struct doctor *d, const char *path, char *text, bool *found)
{
	const char *table = d->status ? doctor_word(d, "sensors", "table") : "picket";
	char own[80], advice[256];
	ssize_t len = file_read(path, text, SAVED_MAX);

	if (len <= 0)
		return;
	snprintf(own, sizeof(own), "table inet %s {", table);
	snprintf(advice, sizeof(advice),
		 "systemctl stop picket; { echo '#!/usr/sbin/nft -f'; echo flush ruleset; nft list "
		 "ruleset; } > %s; systemctl start picket",
		 path);
	if (strstr(text, own) && would_not_load(text)) {
		*found = true;
		doctor_find(d, SEVERITY_PROBLEM,
			    "nft cannot load it again: at the next boot the host stands without ANY of its rules",
			    advice, "%s was saved while picket ran, and holds what nft can print but not read", path);
	} else if (strstr(text, own)) {
		*found = true;
		doctor_find(d, SEVERITY_WARNING,
			    "at the next boot it brings back old blocks until picket replaces them", advice,
			    "%s was saved while picket ran", path);
	}
}

void doctor_saved(struct doctor *d)
{
	static const char *const files[] = {
		"/etc/nftables.conf",     "/etc/nftables.rules",       "/etc/sysconfig/nftables.conf",
		"/etc/nftables/main.nft", "/etc/nftables/ruleset.nft", "/var/lib/nftables/rules-save",
		"/etc/iptables/rules.v4", "/etc/iptables/rules.v6",
	};
	char *text = malloc(SAVED_MAX);
	bool found = false;

	for (size_t i = 0; text && i < sizeof(files) / sizeof(files[0]); i++)
		look_at_file(d, files[i], text, &found);
	free(text);
	if (!found)
		doctor_find(d, SEVERITY_OK, NULL, NULL, "no saved ruleset holds picket's table");
}
