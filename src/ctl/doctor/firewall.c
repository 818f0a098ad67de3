/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How this host's firewall is told to let ports in: ufw, firewalld, iptables or plain nft, whichever is at work, as a
 * line of shell to be pasted.
 */
#include <linux/netfilter.h>
#include <string.h>

#include "doctor.h"
#include "file.h"
#include "procfs.h"
#include "writer.h"

static bool ufw_is_on(void)
{
	char text[8192];

	return file_read("/etc/ufw/ufw.conf", text, sizeof(text)) > 0 &&
	       (strncmp(text, "ENABLED=yes", 11) == 0 || strstr(text, "\nENABLED=yes"));
}

/* The chain of somebody else that closes ports: the last one before the socket counts, any will do as a hint. */
static const struct hostnft_chain *closing_chain(const struct doctor *d)
{
	const struct hostnft_chain *found = NULL;

	for (size_t i = 0; d->host && i < d->host->count; i++) {
		const struct hostnft_chain *chain = &d->host->chains[i];
		bool ours =
			strcmp(chain->table, doctor_word(d, "sensors", "table")) == 0 && chain->family == NFPROTO_INET;

		if (ours || !chain->base || chain->hook != NF_INET_LOCAL_IN || chain->family == NFPROTO_IPV6)
			continue;
		if ((chain->policy_drop || chain->does & (HOSTNFT_DROPS | HOSTNFT_REJECTS)) &&
		    (!found || chain->policy_drop))
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
				      "$p -j "
				      "ACCEPT; done",
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
