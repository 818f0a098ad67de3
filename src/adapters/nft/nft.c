/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table as a whole: opened, taken over, loaded, replaced, checked, unloaded.
 *
 * A load is one transaction that takes the old table away and puts the new one in, with every live element of the old
 * one's lists, also where it is an earlier build's: there is no moment without blocks.
 */
#include "internal.h"

#include <errno.h>
#include <libnftnl/table.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "netlink.h"

#define RECEIVE_BUFFER (8 * 1024 * 1024)
#define TABLE_F_OWNER  0x2 /* NFT_TABLE_F_OWNER, since Linux 5.12 */

static bool table_name_is_valid(const char *table)
{
	size_t len = strlen(table);

	if (!len || len >= NFT_TABLE_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		const char c = table[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
		      c == '-'))
			return false;
	}
	return true;
}

int nft_open(const char *table, struct nft **out)
{
	struct sysinfo machine;
	int on = 1, result;
	struct nft *nft;

	if (!table_name_is_valid(table))
		return -EINVAL;
	nft = calloc(1, sizeof(*nft));
	if (!nft)
		return -ENOMEM;
	memcpy(nft->table, table, strlen(table) + 1);
	nft->seq = 1;
	if (sysinfo(&machine) == 0)
		nft->shift = nft_sets_shift((uint64_t)machine.totalram * machine.mem_unit);
	nft_lengths_fixed(&nft->lengths);
	result = netlink_open(NETLINK_NETFILTER, 0, RECEIVE_BUFFER, &nft->socket);
	/* NETLINK_CAP_ACK: an answer does not repeat the request, which may be 60 KiB long. */
	if (!result && mnl_socket_setsockopt(nft->socket, NETLINK_CAP_ACK, &on, sizeof(on)) < 0)
		result = -errno;
	if (!result) {
		nft->portid = mnl_socket_get_portid(nft->socket);
		result = nft_watch_open(nft);
	}
	if (result) {
		nft_close(nft);
		return result;
	}
	*out = nft;
	return 0;
}

void nft_close(struct nft *nft)
{
	if (!nft)
		return;
	if (nft->socket)
		mnl_socket_close(nft->socket);
	if (nft->watch)
		mnl_socket_close(nft->watch);
	free(nft);
}

const char *nft_table_name(const struct nft *nft)
{
	return nft->table;
}

bool nft_queue_is_native(const struct nft *nft)
{
	return nft->queue_native;
}

enum nft_conntrack nft_conntrack(const struct nft *nft)
{
	return !nft->untracked ? NFT_CONNTRACK_ON : nft->conntrack_absent ? NFT_CONNTRACK_ABSENT : NFT_CONNTRACK_OFF;
}

static void write_table(struct nft_batch *batch, const char *table, uint16_t type)
{
	struct nlmsghdr *nlh = nft_batch_open(batch, type, type == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0);

	if (!nlh)
		return;
	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, table);
	nft_batch_close(batch, nlh);
}

/* Only a trial tells: a table that comes and goes in one transaction. */
static int try_rule(struct nft *nft, nft_probe_fn *write, uint16_t family)
{
	char name[NFT_TABLE_NAME_MAX + 8];
	struct nft_batch batch;
	int result;

	snprintf(name, sizeof(name), "%s-probe", nft->table);
	nft_batch_init(&batch);
	batch.family = family;
	write_table(&batch, name, NFT_MSG_NEWTABLE);
	write(&batch, name);
	write_table(&batch, name, NFT_MSG_DELTABLE);
	result = nft_batch_run(nft, &batch);
	nft_batch_free(&batch);
	return result;
}

/* A rule that asks conntrack switches it on: it is not even tried where it is not to be asked.  Any other refusal than
 * that there is none is no sign: the table's own load will tell. */
static void probe_kernel(struct nft *nft, const struct nft_rules *rules)
{
	if (!nft->probed)
		nft->queue_native = try_rule(nft, nft_rules_probe_queue, NFPROTO_INET) == 0;
	/* Where the target is a module, the kernel loads it for a table of IPv4, and never for one of `inet`.  Whether
	 * that worked the table's own load will tell. */
	if (!nft->probed && !nft->queue_native)
		(void)!try_rule(nft, nft_rules_probe_target, NFPROTO_IPV4);
	nft->probed = true;
	/* where it is not wanted, the kernel may be one that should not even try */
	if (rules->early == EARLY_ON && !nft->ingress)
		nft->ingress = try_rule(nft, nft_rules_probe_ingress, NFPROTO_INET) == 0;
	if (rules->untracked || nft->conntrack_probed)
		return;
	switch (try_rule(nft, nft_rules_probe_conntrack, NFPROTO_INET)) {
	case -ENOENT:
	case -EOPNOTSUPP:
	case -EPROTONOSUPPORT: nft->conntrack_absent = true; break;
	default: break;
	}
	nft->conntrack_probed = true;
}

static int read_flags(void *context, const struct nlmsghdr *nlh)
{
	const struct nlattr *flags = nft_attr(nlh, NFTA_TABLE_FLAGS);

	if (flags && mnl_attr_get_payload_len(flags) >= sizeof(uint32_t))
		*(uint32_t *)context = ntohl(mnl_attr_get_u32(flags));
	return 0;
}

/* 1: stands, 0: there is none, -EBUSY: another process owns it. */
static int find_table(struct nft *nft)
{
	uint32_t flags = 0;
	int result = nft_ask(nft, NFT_MSG_GETTABLE, read_flags, &flags);

	if (result == -ENOENT)
		return 0;
	if (result)
		return result;
	return flags & TABLE_F_OWNER ? -EBUSY : 1;
}

/* Sets, chains and rules into a table that has no chains; the handle notes what stands once it has come true. */
static int write_and_run(struct nft *nft, struct nft_batch *batch, const struct nft_rules *rules,
			 const struct nft_lengths *lengths, const struct nft_saved *saved,
			 const struct nft_first *first)
{
	struct nft_written written;
	unsigned sets;
	int result;

	sets = nft_sets_write(nft, batch, lengths, rules);
	written = nft_rules_write(nft, batch, lengths, rules);
	if (saved)
		nft_saved_restore(nft, saved, batch);
	if (first)
		nft_first_restore(nft, first, batch);
	result = nft_batch_run(nft, batch);
	if (result)
		return result;
	nft->lengths = *lengths;
	nft->mode = rules->mode;
	nft->out = rules->out;
	nft->through = rules->gateway.outside_count > 0 && !nft_rules_are_untracked(nft, rules);
	nft->flag = rules->flag;
	nft->untracked = nft_rules_are_untracked(nft, rules);
	nft->sets = sets;
	nft->chains = written.chains;
	nft->rules = written.rules;
	nft->loaded = true;
	return 0;
}

static bool rules_are_valid(const struct nft_rules *rules)
{
	return rules->mode <= NFT_BLOCK && rules->queue <= 65536 - NFT_QUEUES &&
	       rules->interface_count <= NFT_INTERFACES_MAX && rules->vrf_count <= NFT_VRF_MAX &&
	       rules->gateway.outside_count <= NFT_LINKS_MAX && rules->gateway.inside_count <= NFT_LINKS_MAX &&
	       rules->gateway.guard_count <= NFT_GUARD_MAX && rules->early <= EARLY_NO_HOOK &&
	       rules->trap_tcp_count <= NFT_PORTS_MAX && rules->trap_udp_count <= NFT_PORTS_MAX &&
	       rules->public_count <= NFT_PORTS_MAX && rules->flag.kind <= FLOW_FLAG_LABEL &&
	       (rules->flag.value & ~rules->flag.mask) == 0 && rules->flag.bit < 128;
}

/* Leaves `first` alone when the table is of this version's format. */
static int read_first(struct nft *nft, struct nft_lengths *lengths, struct nft_first **first)
{
	int stands = nft_format_stands(nft);

	return stands == 0 ? nft_first_read(nft, lengths, first) : stands < 0 ? stands : 0;
}

int nft_load(struct nft *nft, const struct nft_rules *rules, nft_element_fn *tell, void *context)
{
	static const bool kept[NFT_LIST_COUNT] = { [NFT_GRADED] = true, [NFT_ALERTED] = true, [NFT_EXEMPT] = true };
	struct nft_saved *saved = NULL;
	struct nft_first *first = NULL;
	struct nft_lengths lengths;
	struct nft_batch batch;
	int result = rules_are_valid(rules) ? find_table(nft) : -EINVAL;
	bool stands = result == 1;

	if (result < 0)
		return result;
	probe_kernel(nft, rules);
	nft_lengths_fixed(&lengths);
	nft_batch_init(&batch);
	result = stands ? nft_saved_read(nft, kept, NFT_SAVED_READINGS, &lengths, &saved) : 0;
	if (!result && stands)
		result = read_first(nft, &lengths, &first);
	if (!result) {
		/* made if it is not there, so that deleting never fails */
		write_table(&batch, nft->table, NFT_MSG_NEWTABLE);
		write_table(&batch, nft->table, NFT_MSG_DELTABLE);
		write_table(&batch, nft->table, NFT_MSG_NEWTABLE);
		result = write_and_run(nft, &batch, rules, &lengths, saved, first);
	}
	nft_batch_free(&batch);
	if (!result && saved && tell)
		nft_saved_tell(saved, tell, context);
	nft_saved_free(saved);
	nft_first_free(first);
	return result;
}

/* One reading is enough: an element that it may hide stays in the kernel until its time is over. */
int nft_take_over(struct nft *nft, nft_element_fn *tell, void *context)
{
	static const bool wanted[NFT_LIST_COUNT] = { [NFT_ALLOW] = true };
	struct nft_saved *saved = NULL;
	struct nft_lengths lengths;
	struct nft_batch batch;
	int result = find_table(nft);

	if (result == 1)
		result = nft_format_stands(nft);
	if (result != 1)
		return result;
	nft_lengths_fixed(&lengths);
	nft_batch_init(&batch);
	result = nft_saved_read(nft, wanted, 1, &lengths, &saved);
	if (!result) {
		nft_sets_write_lasting(nft, &batch, &lengths);
		result = nft_batch_run(nft, &batch);
	}
	if (!result) {
		nft->lengths = lengths;
		nft->mode = NFT_PAUSED; /* which chains stand is not known */
		nft->loaded = true;
		nft_saved_tell(saved, tell, context);
	}
	nft_batch_free(&batch);
	nft_saved_free(saved);
	return result ? result : 1;
}

/* One reading, as in a take-over. */
int nft_read_blocks(struct nft *nft, nft_element_fn *tell, void *context)
{
	static const bool wanted[NFT_LIST_COUNT] = { [NFT_GRADED] = true, [NFT_ALERTED] = true, [NFT_EXEMPT] = true };
	struct nft_lengths lengths = { 0 };
	struct nft_saved *saved = NULL;
	int result = nft_saved_read(nft, wanted, 1, &lengths, &saved);

	if (!result)
		nft_saved_tell(saved, tell, context);
	nft_saved_free(saved);
	return result;
}

/* ---- replacing ---- */

struct clearing {
	struct nft_batch *batch;
	const char *table;
	uint16_t type;      /* of the deletion */
	uint16_t name_attr; /* in the dump and in the deletion */
	bool (*wanted)(const char *name);
};

static int clear_one(void *context, const struct nlmsghdr *dumped)
{
	const struct clearing *clearing = context;
	const struct nlattr *attr = nft_attr(dumped, clearing->name_attr);
	struct nlmsghdr *nlh;
	const char *name;

	if (!attr || mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0)
		return -EBADMSG;
	name = mnl_attr_get_str(attr);
	if (clearing->wanted && !clearing->wanted(name))
		return 0;
	nlh = nft_batch_open(clearing->batch, clearing->type, 0);
	if (!nlh)
		return clearing->batch->error;
	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, clearing->table);
	mnl_attr_put_strz(nlh, clearing->name_attr, name);
	nft_batch_close(clearing->batch, nlh);
	return 0;
}

/* All rules, all chains, and the sets that are made from the configuration. */
static int write_clearing(struct nft *nft, struct nft_batch *batch)
{
	struct clearing chains = { batch, nft->table, NFT_MSG_DELCHAIN, NFTA_CHAIN_NAME, NULL };
	struct clearing sets = { batch, nft->table, NFT_MSG_DELSET, NFTA_SET_NAME, nft_set_is_rebuilt };
	struct nlmsghdr *nlh = nft_batch_open(batch, NFT_MSG_DELRULE, 0);
	int result;

	if (!nlh)
		return batch->error;
	mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, nft->table);
	nft_batch_close(batch, nlh);
	result = nft_dump(nft, NFT_MSG_GETCHAIN, NULL, clear_one, &chains);
	return result ? result : nft_dump(nft, NFT_MSG_GETSET, NULL, clear_one, &sets);
}

/* What was dumped may be gone when the transaction comes, or another transaction may cross the dump: then once more. */
int nft_rules_replace(struct nft *nft, const struct nft_rules *rules)
{
	struct nft_lengths lengths;
	int result = rules_are_valid(rules) ? -EINTR : -EINVAL;

	lengths = nft->lengths;
	probe_kernel(nft, rules);
	for (int i = 0; i < NFT_DUMP_ATTEMPTS && (result == -EINTR || result == -ENOENT); i++) {
		struct nft_batch batch;

		nft_batch_init(&batch);
		write_table(&batch, nft->table, NFT_MSG_NEWTABLE);
		result = write_clearing(nft, &batch);
		if (!result)
			result = write_and_run(nft, &batch, rules, &lengths, NULL, NULL);
		nft_batch_free(&batch);
	}
	return result;
}

int nft_unload(struct nft *nft)
{
	struct nft_batch batch;
	int result;

	nft_batch_init(&batch);
	write_table(&batch, nft->table, NFT_MSG_NEWTABLE);
	write_table(&batch, nft->table, NFT_MSG_DELTABLE);
	result = nft_batch_run(nft, &batch);
	nft_batch_free(&batch);
	if (!result)
		nft->loaded = false;
	return result;
}

/* ---- checking ---- */

static int count_one(void *context, const struct nlmsghdr *nlh)
{
	(void)nlh;
	(*(unsigned *)context)++;
	return 0;
}

/* The kernel takes an ingress hook away together with its interface. */
static int count_chain(void *context, const struct nlmsghdr *nlh)
{
	*(unsigned *)context += !nft_is_early_chain(nft_attr(nlh, NFTA_CHAIN_NAME));
	return 0;
}

static int count_rule(void *context, const struct nlmsghdr *nlh)
{
	*(unsigned *)context += !nft_is_early_chain(nft_attr(nlh, NFTA_RULE_CHAIN));
	return 0;
}

/* How many of a kind stand; a crossed dump is taken again. */
static int count_all(struct nft *nft, uint16_t type, nft_dump_fn *fn, unsigned *count)
{
	int result = -EINTR;

	for (int i = 0; i < NFT_DUMP_ATTEMPTS && result == -EINTR; i++) {
		*count = 0;
		result = nft_dump(nft, type, NULL, fn, count);
	}
	return result;
}

int nft_check(struct nft *nft)
{
	unsigned chains, rules, sets;
	int result;

	if (!nft->loaded)
		return 0;
	result = find_table(nft);
	if (result <= 0)
		return result;
	result = count_all(nft, NFT_MSG_GETCHAIN, count_chain, &chains);
	if (!result)
		result = count_all(nft, NFT_MSG_GETRULE, count_rule, &rules);
	if (!result)
		result = count_all(nft, NFT_MSG_GETSET, count_one, &sets);
	if (result == -ENOENT)
		return 0; /* gone in between */
	return result ? result : chains == nft->chains && rules == nft->rules && sets == nft->sets;
}
