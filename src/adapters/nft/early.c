/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The early drop: packets that a ban or a block would drop anyway are dropped at the ingress hook of their interface,
 * before conntrack makes an entry for each, while one source sends more than 2,000 of them a second.
 *
 * Anybody can send packets in anybody's name, so being loud decides nothing: it only takes a packet to the chain
 * `early4` or `early6`, which asks again for all that spares a packet further on (the allow list, what a link lives
 * by, customers, public ports, kin) and for the grade as it is now.  Without conntrack it cannot tell what runs: of a
 * banned source it drops pure SYNs alone, which no running flow needs; of a blocked one everything, as `block` does.
 *
 * Which frames belong to this host?  At ingress one also sees what is for a container behind the same card (macvlan,
 * ipvlan), or tagged for a VLAN.  So a source is loud for one destination on one interface: a packet with both has come
 * through this host's own rules, and was dropped there.  Interfaces are those that the rules see, never the ports of
 * a bridge or the links of a bond.
 *
 * The hook costs every packet of its interface a look-up.  So it stands only while somebody is loud there: the
 * rules note the interface in a set, and nft_early_sync() makes and removes one base chain for each name in it.
 */
#include "expr.h"

#include <errno.h>
#include <libnftnl/chain.h>
#include <linux/if_packet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <string.h>

#define CHAIN_PREFIX   "early_on_" /* and the interface's name */
#define LOUD_A_SECOND  2000
#define LOUD_BURST     2000
#define PRIORITY_EARLY 0
#define NAME_LEN       16

/* ---- who is loud: in the chains of the grades, before they drop ---- */

static void write_mark(struct rule_writer *w)
{
	rule_chain(w, "loud_mark");
	rule_begin(w, "loud_mark");
	rule_add_interface(w, "loud_links");
	rule_end(w);
	rule_begin(w, "loud_mark"); /* no room */
	rule_interface_in(w, RULE_IS_NOT, "loud_links");
	rule_count(w, "early_refused");
	rule_return(w);
	for (EACH_FAMILY(f)) { /* destination NAT comes later there than here */
		rule_begin(w, "loud_mark");
		rule_add_path(w, f, true, "loud");
		rule_return(w);
	}
	for (EACH_FAMILY(f)) {
		rule_begin(w, "loud_mark");
		rule_ct_state(w, NF_CT_STATE_INVALID_BIT | NF_CT_STATE_UNTRACKED_BIT);
		rule_add_path(w, f, false, "loud");
		rule_return(w);
	}
	rule_begin(w, "loud_mark"); /* no room */
	rule_count(w, "early_refused");
	rule_end(w);
}

/* Of a banned source's SYNs: the hook would spare kin. */
static void write_syn_mark(struct rule_writer *w)
{
	rule_chain(w, "loud_syn_mark");
	for (EACH_FAMILY(f)) {
		rule_begin(w, "loud_syn_mark");
		rule_source(w, f, RULE_SOURCE, RULE_IS, "kin");
		rule_return(w);
	}
	rule_begin(w, "loud_syn_mark");
	rule_goto(w, "loud_mark");
}

static void write_loud(struct rule_writer *w, const char *chain, const char *mark)
{
	rule_chain(w, chain);
	rule_begin(w, chain);
	rule_interface_type_is_not(w, ARPHRD_ETHER);
	rule_return(w);
	for (EACH_FAMILY(f)) {
		rule_begin(w, chain);
		rule_over_each(w, f, "pace", LOUD_A_SECOND, LOUD_BURST);
		rule_goto(w, mark);
	}
	for (EACH_FAMILY(f)) { /* no room to measure it; a look-up that finds an element would run its limit again */
		rule_begin(w, chain);
		rule_source(w, f, RULE_SOURCE, RULE_IS_NOT, "pace");
		rule_count(w, "early_refused");
		rule_end(w);
	}
}

/* ---- what is dropped early ---- */

/* Whoever is blocked may be a customer, too: further on that is dropped as well. */
static void write_early_syn(struct rule_writer *w, enum nft_family family, bool public_ports)
{
	char chain[NFT_NAME_MAX], allowed[NFT_NAME_MAX], banned[NFT_NAME_MAX];

	nft_pair_name("early_syn", family, chain);
	nft_pair_name("early_allowed", family, allowed);
	nft_pair_name("early_banned", family, banned);
	rule_chain(w, chain);
	rule_begin(w, chain);
	rule_jump(w, allowed);
	if (public_ports) {
		rule_begin(w, chain);
		rule_port(w, RULE_DESTINATION, RULE_IS, "public_ports");
		rule_accept(w);
	}
	rule_begin(w, chain); /* it may be what a running session expects: conntrack knows */
	rule_source(w, family, RULE_SOURCE, RULE_IS, "kin");
	rule_accept(w);
	rule_begin(w, chain);
	rule_customer(w, family, false, "customers");
	rule_accept(w);
	rule_begin(w, chain);
	rule_goto(w, banned);
}

static void write_early(struct rule_writer *w, enum nft_family family, bool public_ports)
{
	char chain[NFT_NAME_MAX], syn[NFT_NAME_MAX], blocked[NFT_NAME_MAX];

	nft_pair_name("early", family, chain);
	nft_pair_name("early_syn", family, syn);
	nft_pair_name("early_blocked", family, blocked);
	write_early_syn(w, family, public_ports);
	rule_chain(w, chain);
	rule_begin(w, chain);
	rule_tcp_flags(w, FIN | SYN | RST | ACK, SYN);
	rule_goto(w, syn);
	rule_begin(w, chain);
	rule_jump(w, "exempt");
	rule_begin(w, chain);
	rule_goto(w, blocked);
}

void chains_early(struct rule_writer *w, const struct nft_rules *rules)
{
	write_mark(w);
	write_syn_mark(w);
	write_loud(w, "loud", "loud_mark");
	write_loud(w, "loud_syn", "loud_syn_mark");
	rule_chain(w, "early_drop");
	chain_drop(w, "early_drop", "dropped_early");
	for (EACH_FAMILY(f))
		write_early(w, f, rules->public_count > 0);
}

/* Whole packets in plain frames for this host: a tagged frame's interface is another one, and the parts of a packet
 * are told by their whole alone. */
static void write_hook(struct rule_writer *w, const char *chain, const char *device, bool blocks)
{
	static const uint16_t types[NFT_FAMILY_COUNT] = { ETHERTYPE_IP, ETHERTYPE_IPV6 };

	rule_ingress_chain(w, chain, device, PRIORITY_EARLY);
	if (!blocks) { /* nothing else is dropped: everybody's other packets are spared the look-up */
		rule_begin(w, chain);
		rule_protocol_is_not(w, IPPROTO_TCP);
		rule_accept(w);
		rule_begin(w, chain);
		rule_tcp_flags_are_not(w, FIN | SYN | RST | ACK, SYN);
		rule_accept(w);
	}
	for (EACH_FAMILY(f)) {
		char early[NFT_NAME_MAX];

		nft_pair_name("early", f, early);
		rule_begin(w, chain);
		rule_path(w, f, "loud");
		rule_frame_type(w, types[f]);
		rule_pkttype_is(w, PACKET_HOST);
		rule_is_whole(w, f);
		rule_goto(w, early);
	}
}

/* ---- the hooks ---- */

static void chain_for(const char *device, char out[NFT_NAME_MAX])
{
	size_t len = strlen(CHAIN_PREFIX);

	memcpy(out, CHAIN_PREFIX, len);
	for (; *device && len < NFT_NAME_MAX - 1; device++) {
		const char c = *device;
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
			     c == '-';

		out[len++] = plain ? c : '_'; /* or nft could not list it */
	}
	out[len] = '\0';
}

bool nft_is_early_chain(const struct nlattr *name)
{
	return name && mnl_attr_get_payload_len(name) > strlen(CHAIN_PREFIX) &&
	       memcmp(mnl_attr_get_payload(name), CHAIN_PREFIX, strlen(CHAIN_PREFIX)) == 0;
}

struct hooks {
	struct nft *nft;
	char names[NFT_EARLY_MAX][NAME_LEN]; /* of interfaces where somebody is loud */
	size_t count;
	bool stands[NFT_EARLY_MAX];
	struct nft_batch removal; /* of the others */
};

static int take_name(void *context, const uint8_t *key, size_t len, uint32_t grade, int64_t left_ms)
{
	struct hooks *hooks = context;

	(void)grade, (void)left_ms;
	if (len != NAME_LEN || key[0] == 0 || key[NAME_LEN - 1] != 0 || hooks->count == NFT_EARLY_MAX)
		return 0;
	memcpy(hooks->names[hooks->count++], key, NAME_LEN);
	return 0;
}

static int compare_chain(void *context, const struct nlmsghdr *dumped)
{
	const struct nlattr *name = nft_attr(dumped, NFTA_CHAIN_NAME);
	struct hooks *hooks = context;
	struct nlmsghdr *nlh;

	if (!nft_is_early_chain(name))
		return 0;
	if (mnl_attr_validate(name, MNL_TYPE_NUL_STRING) < 0)
		return -EBADMSG;
	for (size_t i = 0; i < hooks->count; i++) {
		char chain[NFT_NAME_MAX];

		chain_for(hooks->names[i], chain);
		if (strcmp(chain, mnl_attr_get_str(name)) == 0) {
			hooks->stands[i] = true;
			return 0;
		}
	}
	nlh = nft_batch_open(&hooks->removal, NFT_MSG_DELCHAIN, 0);
	if (!nlh)
		return hooks->removal.error;
	mnl_attr_put_strz(nlh, NFTA_CHAIN_TABLE, hooks->nft->table);
	mnl_attr_put_strz(nlh, NFTA_CHAIN_NAME, mnl_attr_get_str(name));
	nft_batch_close(&hooks->removal, nlh);
	return 0;
}

/* One transaction a hook: an interface that has gone does not keep the others without theirs. */
static int make_hook(struct nft *nft, const char *device)
{
	char chain[NFT_NAME_MAX];
	struct nft_batch batch;
	struct rule_writer w = { .batch = &batch, .table = nft->table, .shift = nft->shift };
	int result;

	chain_for(device, chain);
	nft_batch_init(&batch);
	write_hook(&w, chain, device, nft->out);
	result = nft_batch_run(nft, &batch);
	nft_batch_free(&batch);
	return result;
}

static int remove_others(struct hooks *hooks)
{
	int result;

	nft_batch_init(&hooks->removal);
	result = nft_dump(hooks->nft, NFT_MSG_GETCHAIN, NULL, compare_chain, hooks);
	if (!result)
		result = nft_batch_run(hooks->nft, &hooks->removal);
	nft_batch_free(&hooks->removal);
	return result;
}

int nft_early_sync(struct nft *nft)
{
	struct hooks hooks = { .nft = nft };
	int result = element_dump(nft, "loud_links", take_name, &hooks);
	unsigned standing = 0;

	if (result && result != -EINTR)
		return result;
	if (hooks.count == 0 && nft->early_hooks == 0)
		return 0;
	result = remove_others(&hooks);
	if (result)
		return result == -EINTR || result == -ENOENT ? (int)nft->early_hooks : result; /* at the next look */
	for (size_t i = 0; i < hooks.count; i++) {
		int error = hooks.stands[i] ? 0 : make_hook(nft, hooks.names[i]);

		standing += error == 0;
		if (error && error != -ENOENT && error != -ENODEV) /* else the interface has gone */
			result = error;
	}
	nft->early_hooks = standing;
	return result ? result : (int)standing;
}

bool nft_early_is_possible(const struct nft *nft)
{
	return nft->ingress;
}

void nft_rules_probe_ingress(struct nft_batch *batch, const char *table)
{
	struct rule_writer w = { .batch = batch, .table = table };

	rule_ingress_chain(&w, "probe", "lo", PRIORITY_EARLY);
}
