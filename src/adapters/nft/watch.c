/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Notifications: did another program change our table?  The kernel stamps each message with the netlink port that
 * caused it, which tells changes of our own apart; expiry and updates of sets by rules are not notified.  Lost
 * messages are told as lost, never as no change.
 */
#include "internal.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "netlink.h"

#define RECEIVE_BUFFER (32 * 1024 * 1024)
#define DATAGRAM_MAX   (64 * 1024)
#define DATAGRAMS_MAX  65536 /* of one call */

static int join(struct nft *nft, int option)
{
	const int group = NFNLGRP_NFTABLES;

	return setsockopt(mnl_socket_get_fd(nft->watch), SOL_NETLINK, option, &group, sizeof(group)) < 0 ? -errno : 0;
}

int nft_watch_open(struct nft *nft)
{
	int result = netlink_open(NETLINK_NETFILTER, SOCK_NONBLOCK, RECEIVE_BUFFER, &nft->watch);

	return result ? result : join(nft, NETLINK_ADD_MEMBERSHIP);
}

static int read_generation(void *context, const struct nlmsghdr *nlh)
{
	uint32_t *generation = context;
	const struct nlattr *id = nft_attr(nlh, NFTA_GEN_ID);

	if (!id || mnl_attr_get_payload_len(id) < sizeof(*generation))
		return -EBADMSG;
	*generation = ntohl(mnl_attr_get_u32(id));
	return 0;
}

int nft_watch_suspend(struct nft *nft, uint32_t *generation)
{
	int result = nft_ask(nft, NFT_MSG_GETGEN, read_generation, generation);

	return result ? result : join(nft, NETLINK_DROP_MEMBERSHIP);
}

/* Each transaction, by whatever program, adds one to the generation: if more than ours was added, one was missed. */
int nft_watch_resume(struct nft *nft, uint32_t generation)
{
	uint32_t now = 0;
	int result = join(nft, NETLINK_ADD_MEMBERSHIP);

	if (!result)
		result = nft_ask(nft, NFT_MSG_GETGEN, read_generation, &now);
	if (result || (now != generation && now != generation + 1))
		nft->pending = NFT_CHANGE_LOST;
	return result;
}

int nft_watch_fd(const struct nft *nft)
{
	return mnl_socket_get_fd(nft->watch);
}

static bool is_of_early_chain(const struct nlmsghdr *nlh)
{
	switch (NFNL_MSG_TYPE(nlh->nlmsg_type)) {
	case NFT_MSG_NEWCHAIN:
	case NFT_MSG_DELCHAIN: return nft_is_early_chain(nft_attr(nlh, NFTA_CHAIN_NAME));
	case NFT_MSG_NEWRULE:
	case NFT_MSG_DELRULE: return nft_is_early_chain(nft_attr(nlh, NFTA_RULE_CHAIN));
	default: return false;
	}
}

static bool is_foreign(const struct nft *nft, const struct nlmsghdr *nlh)
{
	if (NFNL_SUBSYS_ID(nlh->nlmsg_type) != NFNL_SUBSYS_NFTABLES || nlh->nlmsg_pid == nft->portid)
		return false;
	if (nlh->nlmsg_pid == 0 && is_of_early_chain(nlh))
		return false; /* the kernel itself: the interface has gone */
	switch (NFNL_MSG_TYPE(nlh->nlmsg_type)) {
	case NFT_MSG_NEWGEN: /* its first attribute is no name */
	case NFT_MSG_TRACE: return false;
	default: return nft_is_ours(nft, nlh);
	}
}

static bool is_others_rule(const struct nft *nft, const struct nlmsghdr *nlh)
{
	const uint16_t type = NFNL_MSG_TYPE(nlh->nlmsg_type);

	return NFNL_SUBSYS_ID(nlh->nlmsg_type) == NFNL_SUBSYS_NFTABLES && !nft_is_ours(nft, nlh) &&
	       (type == NFT_MSG_NEWRULE || type == NFT_MSG_DELRULE);
}

bool nft_others_changed(struct nft *nft)
{
	bool changed = nft->others_changed;

	nft->others_changed = false;
	return changed;
}

static enum nft_change worse(enum nft_change a, enum nft_change b)
{
	return a > b ? a : b;
}

enum nft_change nft_watch_read(struct nft *nft)
{
	enum nft_change change = nft->pending;
	uint8_t *buf = malloc(DATAGRAM_MAX);

	nft->pending = NFT_CHANGE_NONE;
	if (!buf)
		return NFT_CHANGE_LOST;
	for (int i = 0; i < DATAGRAMS_MAX; i++) {
		ssize_t got = nft_receive(nft->watch, buf, DATAGRAM_MAX);
		const struct nlmsghdr *nlh = (const void *)buf;
		int left = (int)got;

		if (!got)
			break;
		if (got < 0) {
			change = NFT_CHANGE_LOST;
			nft->others_changed = true;
			if (got != -ENOBUFS && got != -EMSGSIZE)
				break;
			continue;
		}
		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
			if (is_foreign(nft, nlh))
				change = worse(change, NFT_CHANGE_FOREIGN);
			nft->others_changed |= is_others_rule(nft, nlh);
		}
	}
	free(buf);
	return change;
}
