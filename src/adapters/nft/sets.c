/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sets: their definitions, and what goes into them when the table is made.  Every list is hash sets, one a prefix
 * length: the kernel's interval sets take 72 additions a second at 100,000 ranges and refuse overlaps.
 * Sizes bound the kernel's memory, whatever an attacker makes us add.
 */
#include "elements.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/object.h>
#include <libnftnl/set.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Data types by nft's numbers: they make `nft list` readable and matter to nobody else. */
#define TYPE_IPV4       7
#define TYPE_IPV6       8
#define TYPE_PROTOCOL   12
#define TYPE_PORT       13
#define TYPE_ICMP       14
#define TYPE_FLAGS      15
#define TYPE_ICMPV6     29
#define TYPE_IFNAME     41
#define CONCAT(a, b, c) ((a) << 12 | (b) << 6 | (c))

#define DYNAMIC (NFT_SET_EVAL | NFT_SET_TIMEOUT)

#define SEEN_MAX     262144 /* 40,000 newcomers a second, 3 s each, with room */
#define CUSTOMER_MAX 131072 /* each took a whole connection with data */
#define ANSWERED_MAX                                                                                                   \
	16384 /* forged datagrams fill it and no more: what is beyond gets its answer, and has no claim once blocked */
#define SPOKEN_MAX 131072
#define BLOCKS_MAX 132096 /* what the engine keeps (131,072) and some that the kernel has not yet cleared away */
#define ALLOW_MAX  66560
#define RARE_MAX   16384 /* other lengths than an address and a /64 */

struct set {
	const char *name;
	uint32_t type, key_len, flags, size;
	uint64_t timeout_ms;
	uint8_t values[16]; /* of a constant set of bytes */
	size_t value_count;
};

static const struct set sets[] = {
	{ .name = "seen4", .type = TYPE_IPV4, .key_len = 4, .flags = DYNAMIC, .size = SEEN_MAX, .timeout_ms = 3000 },
	{ .name = "seen6", .type = TYPE_IPV6, .key_len = 16, .flags = DYNAMIC, .size = SEEN_MAX, .timeout_ms = 3000 },
	{ .name = "meter4", .type = TYPE_IPV4, .key_len = 4, .flags = DYNAMIC, .size = SEEN_MAX, .timeout_ms = 10000 },
	{ .name = "meter6", .type = TYPE_IPV6, .key_len = 16, .flags = DYNAMIC, .size = SEEN_MAX, .timeout_ms = 10000 },
	{ .name = "customers4",
	  .type = CONCAT(TYPE_IPV4, TYPE_PROTOCOL, TYPE_PORT),
	  .key_len = 12,
	  .flags = DYNAMIC,
	  .size = CUSTOMER_MAX,
	  .timeout_ms = 24 * 3600 * 1000 },
	{ .name = "customers6",
	  .type = CONCAT(TYPE_IPV6, TYPE_PROTOCOL, TYPE_PORT),
	  .key_len = 24,
	  .flags = DYNAMIC,
	  .size = CUSTOMER_MAX,
	  .timeout_ms = 24 * 3600 * 1000 },
	/* sets of their own: whoever forges senders of datagrams can fill them, and must not crowd out the others */
	{ .name = "answered4",
	  .type = CONCAT(TYPE_IPV4, TYPE_PROTOCOL, TYPE_PORT),
	  .key_len = 12,
	  .flags = DYNAMIC,
	  .size = ANSWERED_MAX,
	  .timeout_ms = 24 * 3600 * 1000 },
	{ .name = "answered6",
	  .type = CONCAT(TYPE_IPV6, TYPE_PROTOCOL, TYPE_PORT),
	  .key_len = 24,
	  .flags = DYNAMIC,
	  .size = ANSWERED_MAX,
	  .timeout_ms = 24 * 3600 * 1000 },
	/* what we sent first */
	{ .name = "asked4",
	  .type = CONCAT(TYPE_IPV4, TYPE_PORT, TYPE_PORT),
	  .key_len = 12,
	  .flags = DYNAMIC,
	  .size = SPOKEN_MAX,
	  .timeout_ms = 120000 },
	{ .name = "asked6",
	  .type = CONCAT(TYPE_IPV6, TYPE_PORT, TYPE_PORT),
	  .key_len = 24,
	  .flags = DYNAMIC,
	  .size = SPOKEN_MAX,
	  .timeout_ms = 120000 },
	{ .name = "called4",
	  .type = CONCAT(TYPE_IPV4, TYPE_PROTOCOL, TYPE_PORT),
	  .key_len = 12,
	  .flags = DYNAMIC,
	  .size = SPOKEN_MAX,
	  .timeout_ms = 24 * 3600 * 1000 },
	{ .name = "called6",
	  .type = CONCAT(TYPE_IPV6, TYPE_PROTOCOL, TYPE_PORT),
	  .key_len = 24,
	  .flags = DYNAMIC,
	  .size = SPOKEN_MAX,
	  .timeout_ms = 24 * 3600 * 1000 },
	/* neighbour discovery, multicast listeners */
	{ .name = "icmp6_lifelines",
	  .type = TYPE_ICMPV6,
	  .key_len = 1,
	  .values = { 130, 131, 132, 133, 134, 135, 136, 137, 143 },
	  .value_count = 9 },
	/* errors and answers: nobody scans with them */
	{ .name = "icmp6_answers", .type = TYPE_ICMPV6, .key_len = 1, .values = { 1, 2, 3, 4, 129 }, .value_count = 5 },
	{ .name = "icmp4_answers",
	  .type = TYPE_ICMP,
	  .key_len = 1,
	  .values = { 0, 3, 4, 5, 11, 12, 14, 16, 18 },
	  .value_count = 9 },
	/* of FIN 1, SYN 2, RST 4, ACK 16, URG 32: answers to what others forged in our name */
	{ .name = "backscatter", .type = TYPE_FLAGS, .key_len = 1, .values = { 0x04, 0x14, 0x12 }, .value_count = 3 },
	/* what RFC 9293 allows; all else no honest stack sends */
	{ .name = "possible_flags",
	  .type = TYPE_FLAGS,
	  .key_len = 1,
	  .values = { 0x02, 0x12, 0x04, 0x14, 0x10, 0x30, 0x11, 0x31 },
	  .value_count = 8 },
};

/* Made from the configuration, and made afresh with every new one. */
static const struct set rebuilt[] = {
	{ .name = "trap_tcp_ports", .type = TYPE_PORT, .key_len = 2, .flags = NFT_SET_INTERVAL },
	{ .name = "trap_udp_ports", .type = TYPE_PORT, .key_len = 2, .flags = NFT_SET_INTERVAL },
	{ .name = "public_ports", .type = TYPE_PORT, .key_len = 2, .flags = NFT_SET_INTERVAL },
	{ .name = "guarded", .type = TYPE_IFNAME, .key_len = 16 },
};
enum { REBUILT_TRAP_TCP, REBUILT_TRAP_UDP, REBUILT_PUBLIC, REBUILT_GUARDED, REBUILT_COUNT };

#define SETS (sizeof(sets) / sizeof(sets[0]))

void nft_set_name(enum nft_list list, enum nft_family family, unsigned len, char out[NFT_NAME_MAX])
{
	static const char *const names[NFT_LIST_COUNT] = { "soft", "hard", "allow" };

	if (family == NFT_V4 && len == 32)
		snprintf(out, NFT_NAME_MAX, "%s4", names[list]);
	else if (family == NFT_V4)
		snprintf(out, NFT_NAME_MAX, "%s4_%u", names[list], len);
	else if (len == 128)
		snprintf(out, NFT_NAME_MAX, "%s6", names[list]);
	else if (len == 64 || len == 56 || len == 48)
		snprintf(out, NFT_NAME_MAX, "%s%u", names[list], len);
	else
		snprintf(out, NFT_NAME_MAX, "%s6_%u", names[list], len);
}

void nft_lengths_fixed(struct nft_lengths *lengths)
{
	static const uint8_t v6[] = { 128, 64, 56, 48 };

	memset(lengths, 0, sizeof(*lengths));
	for (unsigned list = 0; list < NFT_LIST_COUNT; list++) {
		lengths->used[list][NFT_V4][32] = true;
		for (size_t i = 0; i < sizeof(v6); i++)
			lengths->used[list][NFT_V6][v6[i]] = true;
	}
}

bool nft_set_is_rebuilt(const char *name)
{
	for (size_t i = 0; i < REBUILT_COUNT; i++) {
		if (strcmp(rebuilt[i].name, name) == 0)
			return true;
	}
	return false;
}

static void write_set(const struct nft *nft, struct nft_batch *batch, const struct set *set)
{
	static uint32_t const first_id = 1;
	struct nftnl_set *s = nftnl_set_alloc();
	struct nlmsghdr *nlh;

	if (!s || nftnl_set_set_str(s, NFTNL_SET_TABLE, nft->table) < 0 ||
	    nftnl_set_set_str(s, NFTNL_SET_NAME, set->name) < 0) {
		if (!batch->error)
			batch->error = -ENOMEM;
	} else {
		nftnl_set_set_u32(s, NFTNL_SET_FAMILY, NFPROTO_INET);
		nftnl_set_set_u32(s, NFTNL_SET_KEY_TYPE, set->type);
		nftnl_set_set_u32(s, NFTNL_SET_KEY_LEN, set->key_len);
		nftnl_set_set_u32(s, NFTNL_SET_FLAGS, set->flags);
		nftnl_set_set_u32(s, NFTNL_SET_ID, first_id + batch->messages);
		if (set->size)
			nftnl_set_set_u32(s, NFTNL_SET_DESC_SIZE, set->size);
		if (set->timeout_ms)
			nftnl_set_set_u64(s, NFTNL_SET_TIMEOUT, set->timeout_ms);
		nlh = nft_batch_open(batch, NFT_MSG_NEWSET, NLM_F_CREATE);
		if (nlh) {
			nftnl_set_nlmsg_build_payload(nlh, s);
			nft_batch_close(batch, nlh);
		}
	}
	if (s)
		nftnl_set_free(s);
}

void nft_list_set_write(const struct nft *nft, struct nft_batch *batch, enum nft_list list, enum nft_family family,
			unsigned len)
{
	char name[NFT_NAME_MAX];
	const bool usual = len == (family == NFT_V4 ? 32 : 128) || (family == NFT_V6 && len == 64);
	const struct set set = {
		.name = name,
		.type = family == NFT_V4 ? TYPE_IPV4 : TYPE_IPV6,
		.key_len = family == NFT_V4 ? 4 : 16,
		.flags = NFT_SET_TIMEOUT,
		.size = list == NFT_ALLOW ? ALLOW_MAX
			: usual           ? BLOCKS_MAX
					  : RARE_MAX,
	};

	nft_set_name(list, family, len, name);
	write_set(nft, batch, &set);
}

static void write_values(const struct nft *nft, struct nft_batch *batch, const struct set *set)
{
	struct element_writer w;

	element_begin(&w, batch, nft->table, set->name, ELEMENT_ENSURE);
	for (size_t i = 0; i < set->value_count; i++)
		element_put(&w, &set->values[i], 1, 0, 0);
	element_end(&w);
}

/* An interval is its first value and, marked, the one after its last; ranges that touch or overlap must be one. */
static void write_ports(const struct nft *nft, struct nft_batch *batch, const struct set *set,
			const struct port_range *ranges, size_t count)
{
	struct port_range *sorted;
	struct element_writer w;

	if (!count)
		return;
	sorted = calloc(count, sizeof(*sorted));
	if (!sorted) {
		if (!batch->error)
			batch->error = -ENOMEM;
		return;
	}
	memcpy(sorted, ranges, count * sizeof(*sorted));
	count = ports_merge(sorted, count);
	element_begin(&w, batch, nft->table, set->name, ELEMENT_ENSURE);
	for (size_t i = 0; i < count; i++) {
		const uint16_t first = htons(sorted[i].first);
		uint16_t after;

		element_put(&w, &first, sizeof(first), 0, 0);
		if (sorted[i].last == 65535) /* open to the end */
			continue;
		after = htons(sorted[i].last + 1);
		element_put(&w, &after, sizeof(after), 0, NFT_SET_ELEM_INTERVAL_END);
	}
	element_end(&w);
	free(sorted);
}

static void write_rebuilt(const struct nft *nft, struct nft_batch *batch, const struct nft_rules *rules)
{
	struct element_writer w;

	for (size_t i = 0; i < REBUILT_COUNT; i++)
		write_set(nft, batch, &rebuilt[i]);
	write_ports(nft, batch, &rebuilt[REBUILT_TRAP_TCP], rules->trap_tcp, rules->trap_tcp_count);
	write_ports(nft, batch, &rebuilt[REBUILT_TRAP_UDP], rules->trap_udp, rules->trap_udp_count);
	write_ports(nft, batch, &rebuilt[REBUILT_PUBLIC], rules->public_ports, rules->public_count);
	element_begin(&w, batch, nft->table, rebuilt[REBUILT_GUARDED].name, ELEMENT_ENSURE);
	for (size_t i = 0; i < rules->interface_count; i++) {
		char name[16] = "";

		memcpy(name, rules->interfaces[i], strnlen(rules->interfaces[i], sizeof(name) - 1));
		element_put(&w, name, sizeof(name), 0, 0);
	}
	element_end(&w);
}

static void write_counter(const struct nft *nft, struct nft_batch *batch, const char *name)
{
	struct nftnl_obj *obj = nftnl_obj_alloc();
	struct nlmsghdr *nlh;

	if (!obj) {
		if (!batch->error)
			batch->error = -ENOMEM;
		return;
	}
	nftnl_obj_set_str(obj, NFTNL_OBJ_TABLE, nft->table);
	nftnl_obj_set_str(obj, NFTNL_OBJ_NAME, name);
	nftnl_obj_set_u32(obj, NFTNL_OBJ_TYPE, NFT_OBJECT_COUNTER);
	nftnl_obj_set_u64(obj, NFTNL_OBJ_CTR_PKTS, 0);
	nftnl_obj_set_u64(obj, NFTNL_OBJ_CTR_BYTES, 0);
	nlh = nft_batch_open(batch, NFT_MSG_NEWOBJ, NLM_F_CREATE);
	if (nlh) {
		nftnl_obj_nlmsg_build_payload(nlh, obj);
		nft_batch_close(batch, nlh);
	}
	nftnl_obj_free(obj);
}

unsigned nft_sets_write_lasting(const struct nft *nft, struct nft_batch *batch, const struct nft_lengths *lengths)
{
	unsigned count = SETS;

	write_counter(nft, batch, NFT_FORMAT_MARK);
	for (size_t i = 0; i < nft_counter_count; i++)
		write_counter(nft, batch, nft_counters[i].name);
	for (size_t i = 0; i < SETS; i++) {
		write_set(nft, batch, &sets[i]);
		write_values(nft, batch, &sets[i]);
	}
	for (unsigned list = 0; list < NFT_LIST_COUNT; list++) {
		for (unsigned family = 0; family < NFT_FAMILY_COUNT; family++) {
			for (unsigned len = 0; len <= 128; len++) {
				if (!lengths->used[list][family][len])
					continue;
				nft_list_set_write(nft, batch, list, family, len);
				count++;
			}
		}
	}
	return count;
}

unsigned nft_sets_write(const struct nft *nft, struct nft_batch *batch, const struct nft_lengths *lengths,
			const struct nft_rules *rules)
{
	unsigned count = nft_sets_write_lasting(nft, batch, lengths);

	write_rebuilt(nft, batch, rules);
	return count + REBUILT_COUNT;
}
