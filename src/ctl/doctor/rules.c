/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rules of others: what comes before ours and takes packets away, what blinds conntrack, what proxies; our own
 * table; rulesets saved while picket was running; and how this host's firewall (ufw, firewalld, iptables or plain nft,
 * whichever is at work) is told to let ports in.
 */
#include "internal.h"

#include <linux/netfilter.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "writer.h"

#define PRIORITY_PRE (-90)
#define SAVED_MAX    (1024 * 1024)

static bool sees_ip(const struct hostnft_chain *chain)
{
	return chain->family == NFPROTO_INET || chain->family == NFPROTO_IPV4 || chain->family == NFPROTO_IPV6;
}

static bool is_ours(const struct doctor *d, const struct hostnft_chain *chain)
{
	return d->status && chain->family == NFPROTO_INET &&
	       strcmp(chain->table, doctor_word(d, "sensors", "table")) == 0;
}

static bool closes(const struct hostnft_chain *chain)
{
	return chain->policy_drop || chain->does & HOSTNFT_CLOSES;
}

static bool look_without_root(struct doctor *d)
{
	if (!d->host)
		doctor_note(d, NULL, "sudo picketctl doctor", "not looked at: reading the rules takes root");
	return !d->host;
}

/* ---- ours ---- */

void doctor_table(struct doctor *d)
{
	bool found = doctor_mode_is(d, "paused");

	if (json_flag(json_object_get(d->status, "sensors"), "healing"))
		doctor_problem(d, "somebody removed picket's rules, and the kernel does not take them again",
			       "journalctl -u picket -n 50", "the table is not complete");
	if (look_without_root(d))
		return;
	for (size_t i = 0; i < d->host->count; i++)
		found |= is_ours(d, &d->host->chains[i]) && d->host->chains[i].base &&
			 strcmp(d->host->chains[i].name, "pre") == 0;
	if (found)
		doctor_ok(d, "table inet %s is in place", doctor_word(d, "sensors", "table"));
	else
		doctor_problem(d,
			       "it is put back within a second of its removal, unless it was removed three times "
			       "within a minute, or you look from another network namespace",
			       "picketctl resume", "chain pre of table inet %s is not there",
			       doctor_word(d, "sensors", "table"));
}

/* ---- those of others ---- */

static void look_at(struct doctor *d, const struct hostnft_chain *chain)
{
	const char *family = hostnft_family(chain->family);

	if (chain->does & HOSTNFT_UNTRACKS && chain->hook != NF_INET_FORWARD)
		doctor_warning(
			d, "what it hides from conntrack is known by its sockets alone: see CONNTRACK in picketd(8)",
			"exempt only the flows you mean; list it: nft list ruleset",
			"chain %s %s %s switches conntrack off for some packets", family, chain->table, chain->name);
	if (chain->does & HOSTNFT_PROXIES && chain->hook == NF_INET_PRE_ROUTING)
		doctor_find(d, chain->priority <= PRIORITY_PRE ? SEVERITY_WARNING : SEVERITY_NOTE,
			    chain->priority <= PRIORITY_PRE
				    ? "it comes before picket's traps: connections it takes never reach a trap"
				    : "picket's traps come before it: do not trap the ports that it serves",
			    "leave its ports out of trap { tcp } in picket.conf",
			    "chain %s %s %s (priority %d) is a transparent proxy", family, chain->table, chain->name,
			    chain->priority);
	if (closes(chain) && chain->hook == NF_INET_PRE_ROUTING && chain->priority < PRIORITY_PRE)
		doctor_note(d,
			    "what it drops picket never sees, so scanning those ports tells nothing about the scanner",
			    "where that is too much, give its hook a priority above -90",
			    "chain %s %s %s drops packets before picket sees them (priority %d)", family, chain->table,
			    chain->name, chain->priority);
	if (chain->hook == NF_INET_PRE_ROUTING && chain->priority == PRIORITY_PRE)
		doctor_note(d, "which of the two comes first depends on which was loaded first", NULL,
			    "chain %s %s %s has picket's own priority, %d", family, chain->table, chain->name,
			    PRIORITY_PRE);
	if (chain->does & HOSTNFT_QUEUES && (chain->hook == NF_INET_LOCAL_IN || chain->hook == NF_INET_PRE_ROUTING))
		doctor_note(d, "a packet that it holds comes to picket later, or not at all", NULL,
			    "chain %s %s %s hands packets to another program", family, chain->table, chain->name);
}

void doctor_foreign(struct doctor *d)
{
	unsigned before = d->counts[SEVERITY_NOTE] + d->counts[SEVERITY_WARNING], looked = 0;

	if (look_without_root(d))
		return;
	for (size_t i = 0; i < d->host->count; i++) {
		const struct hostnft_chain *chain = &d->host->chains[i];

		if (!chain->base || is_ours(d, chain) || !sees_ip(chain))
			continue;
		looked++;
		look_at(d, chain);
	}
	if (d->host->dropped)
		doctor_note(d, NULL, NULL, "%llu chains and jumps were too many to be looked at",
			    (unsigned long long)d->host->dropped);
	if (before == d->counts[SEVERITY_NOTE] + d->counts[SEVERITY_WARNING])
		doctor_ok(d, "%u chains of others, none in picket's way", looked);
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
		doctor_note(d,
			    "they work beside picket, and what they do cannot be looked into here: a TPROXY or NOTRACK "
			    "among them matters",
			    "iptables-legacy-save | grep -E 'TPROXY|NOTRACK|--notrack'",
			    "iptables-legacy has tables (%s): %s", i ? "IPv6" : "IPv4", names);
	}
	if (!found && (read || geteuid() == 0))
		doctor_ok(d, "no tables of iptables-legacy");
	else if (!found)
		doctor_note(d, NULL, "sudo picketctl doctor", "not looked at: it takes root");
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
		 "systemctl stop picket; { echo '#!/usr/sbin/nft -f'; echo flush ruleset; nft list ruleset; } > %s; "
		 "systemctl start picket",
		 path);
	if (strstr(text, own) && would_not_load(text)) {
		*found = true;
		doctor_problem(d, "nft cannot load it again: at the next boot the host stands without ANY of its rules",
			       advice, "%s was saved while picket ran, and holds what nft can print but not read",
			       path);
	} else if (strstr(text, own)) {
		*found = true;
		doctor_warning(d, "at the next boot it brings back old bans and blocks until picket replaces them",
			       advice, "%s was saved while picket ran", path);
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
		doctor_ok(d, "no saved ruleset holds picket's table");
}

/* ---- opening a port ---- */

static bool ufw_is_on(void)
{
	char text[8192];

	return file_read("/etc/ufw/ufw.conf", text, sizeof(text)) > 0 &&
	       (strncmp(text, "ENABLED=yes", 11) == 0 || strstr(text, "\nENABLED=yes"));
}

/* A chain of others that closes ports; one with such a policy is preferred. */
static const struct hostnft_chain *closing_chain(const struct doctor *d)
{
	const struct hostnft_chain *found = NULL;

	for (size_t i = 0; d->host && i < d->host->count; i++) {
		const struct hostnft_chain *chain = &d->host->chains[i];

		if (is_ours(d, chain) || !chain->base || chain->hook != NF_INET_LOCAL_IN ||
		    chain->family == NFPROTO_IPV6)
			continue;
		if (closes(chain) && (!found || chain->policy_drop))
			found = chain;
	}
	return found;
}

static bool has_table(const struct doctor *d, const char *name)
{
	for (size_t i = 0; d->host && i < d->host->count; i++)
		if (strcmp(d->host->chains[i].table, name) == 0)
			return true;
	return false;
}

/* "23 79 101", or "23, 79, 101-104" */
static void write_ports(struct writer *w, const uint16_t *ports, size_t count, bool as_set)
{
	for (size_t i = 0; i < count; i++) {
		size_t last = i;

		while (as_set && last + 1 < count && ports[last + 1] == ports[last] + 1)
			last++;
		writer_format(w, "%s%u", i ? as_set ? ", " : " " : "", ports[i]);
		if (last > i)
			writer_format(w, "-%u", ports[last]);
		i = last;
	}
}

const char *doctor_open_ports(const struct doctor *d, const char *protocol, const uint16_t *ports, size_t count,
			      char out[FIREWALL_ADVICE_MAX])
{
	const struct hostnft_chain *chain = closing_chain(d);
	struct writer w = writer_over(out, FIREWALL_ADVICE_MAX);
	bool iptables = chain && chain->family != NFPROTO_INET && strcmp(chain->name, "INPUT") == 0;

	if (ufw_is_on() || has_table(d, "firewalld") || iptables) {
		writer_text(&w, "for p in ");
		write_ports(&w, ports, count, false);
		writer_text(&w, "; do ");
		if (ufw_is_on())
			writer_format(&w, "ufw allow $p/%s comment 'picket trap'; done", protocol);
		else if (has_table(d, "firewalld"))
			writer_format(&w, "firewall-cmd --permanent --add-port=$p/%s; done; firewall-cmd --reload",
				      protocol);
		else
			writer_format(&w,
				      "iptables -I INPUT -p %s --dport $p -j ACCEPT; ip6tables -I INPUT -p %s --dport "
				      "$p -j ACCEPT; done",
				      protocol, protocol);
		return out;
	}
	if (chain)
		writer_format(&w, "nft insert rule %s %s %s %s dport '{ ", hostnft_family(chain->family), chain->table,
			      chain->name, protocol);
	else
		writer_format(
			&w, "open these %s ports in the firewall (the provider's, if this host has none): ", protocol);
	write_ports(&w, ports, count, true);
	if (chain)
		writer_text(&w, " }' accept");
	return out;
}
