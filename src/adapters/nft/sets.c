/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sets and counters of the table: their definitions, and what goes into them when the table is made.
 *
 * A new set is a row of `sets`, and its use in a chain.  Every list is a group of hash sets, one a prefix length: the
 * kernel's interval sets take 72 additions a second at 100,000 ranges and refuse overlaps.  Sizes bound the kernel's
 * memory, whatever an attacker makes it add; a small machine has smaller sets.
 */
#include "internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/object.h>
#include <libnftnl/set.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netlink.h"

/* A counter that no rule counts with: a table that has it holds sets as this version makes and keys them. */
#define FORMAT_MARK "format_3"

/* Data types by nft's numbers: they make `nft list` readable and have no other use. */
#define TYPE_IPV4       7
#define TYPE_IPV6       8
#define TYPE_PROTOCOL   12
#define TYPE_PORT       13
#define TYPE_ICMP       14
#define TYPE_FLAGS      15
#define TYPE_MARK       19 /* of a map's values: a number, the highest byte first */
#define TYPE_IFINDEX    20
#define TYPE_ICMPV6     29
#define TYPE_IFNAME     41
#define PAIR(a, b)      ((a) << 6 | (b))
#define CONCAT(a, b, c) ((a) << 12 | (b) << 6 | (c))

enum key {
	KEY_ADDRESS,
	KEY_CUSTOMER,
	KEY_PATH,
	KEY_SERVICE,
	KEY_CONVERSATION,
	KEY_PORT,
	KEY_TRANSPORT,
	KEY_LINK_PORT,
	KEY_INTERFACE,
	KEY_ICMP4,
	KEY_ICMP6,
	KEY_TCP_FLAGS
};

/* Type and length; a key with an IPv6 form makes a pair of sets, "seen4" and "seen6".  Each part of a concatenation is
 * filled up to four bytes. */
static const struct {
	uint32_t type[NFT_FAMILY_COUNT], len[NFT_FAMILY_COUNT];
} keys[] = {
	[KEY_ADDRESS] = { { TYPE_IPV4, TYPE_IPV6 }, { 4, 16 } },
	[KEY_CUSTOMER] = { { PAIR(TYPE_IPV4, TYPE_PORT), PAIR(TYPE_IPV6, TYPE_PORT) }, { 8, 20 } },
	[KEY_PATH] = { { CONCAT(TYPE_IPV4, TYPE_IPV4, TYPE_IFINDEX), CONCAT(TYPE_IPV6, TYPE_IPV6, TYPE_IFINDEX) },
		       { 12, 36 } },
	[KEY_SERVICE] = { { CONCAT(TYPE_IPV4, TYPE_PROTOCOL, TYPE_PORT), CONCAT(TYPE_IPV6, TYPE_PROTOCOL, TYPE_PORT) },
			  { 12, 24 } },
	[KEY_CONVERSATION] = { { CONCAT(TYPE_IPV4, TYPE_PORT, TYPE_PORT), CONCAT(TYPE_IPV6, TYPE_PORT, TYPE_PORT) },
			       { 12, 24 } },
	[KEY_PORT] = { { TYPE_PORT }, { 2 } },
	[KEY_TRANSPORT] = { { PAIR(TYPE_PROTOCOL, TYPE_PORT) }, { 8 } },
	[KEY_LINK_PORT] = { { PAIR(TYPE_PORT, TYPE_IFINDEX) }, { 8 } },
	[KEY_INTERFACE] = { { TYPE_IFNAME }, { 16 } },
	[KEY_ICMP4] = { { TYPE_ICMP }, { 1 } },
	[KEY_ICMP6] = { { TYPE_ICMPV6 }, { 1 } },
	[KEY_TCP_FLAGS] = { { TYPE_FLAGS }, { 1 } },
};

static void fail(struct nft_batch *batch)
{
	if (!batch->error)
		batch->error = -ENOMEM;
}

/* ---- what is filled from the configuration ---- */

#define BITMAP_MAX 2048 /* ports */

/*
 * Each port by itself: the kernel then keeps a bitmap, which is looked up faster than intervals.  It walks all that is
 * in it for each that is added (65,535 of them take it minutes), so many of them go into a hash table: what a set is
 * whose elements may have a time-out.
 */
static void put_ports(struct element_writer *w, const struct port_range *ranges, size_t count)
{
	uint8_t done[65536 / 8] = { 0 };

	for (size_t i = 0; i < count; i++) {
		for (uint32_t port = ranges[i].first; port <= ranges[i].last; port++) {
			const uint16_t wire_port = htons((uint16_t)port);

			if (done[port / 8] & (1u << port % 8))
				continue;
			done[port / 8] |= (uint8_t)(1u << port % 8);
			element_put(w, &wire_port, sizeof(wire_port), 0, 0);
		}
	}
}

static uint32_t ports_in(const struct port_range *ranges, size_t count)
{
	uint32_t ports = 0;

	for (size_t i = 0; i < count; i++)
		ports += ranges[i].last - ranges[i].first + 1u;
	return ports;
}

static void fill_trap_tcp(struct element_writer *w, const struct nft_rules *rules)
{
	put_ports(w, rules->trap_tcp, rules->trap_tcp_count);
}

static void fill_trap_udp(struct element_writer *w, const struct nft_rules *rules)
{
	put_ports(w, rules->trap_udp, rules->trap_udp_count);
}

static void fill_public(struct element_writer *w, const struct nft_rules *rules)
{
	put_ports(w, rules->public_ports, rules->public_count);
}

static void fill_self_tried(struct element_writer *w, const struct nft_rules *rules)
{
	static const struct port_range ports[] = { { 80, 80 }, { 113, 113 }, { 443, 443 }, { 853, 853 } };

	(void)rules;
	put_ports(w, ports, sizeof(ports) / sizeof(ports[0]));
}

static void put_interfaces(struct element_writer *w, const char names[][16], size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char name[16] = "";

		memcpy(name, names[i], strnlen(names[i], sizeof(name) - 1));
		element_put(w, name, sizeof(name), 0, 0);
	}
}

static void fill_guarded(struct element_writer *w, const struct nft_rules *rules)
{
	put_interfaces(w, rules->interfaces, rules->interface_count);
}

static void fill_vrf(struct element_writer *w, const struct nft_rules *rules)
{
	put_interfaces(w, rules->vrf, rules->vrf_count);
}

/* ---- the sets ---- */

struct set {
	const char *name;
	enum key key;
	uint32_t flags, size;
	uint64_t timeout_ms;
	bool metered;       /* each element has a limit of its own */
	uint8_t values[16]; /* of a constant set of bytes */
	size_t value_count;
	/* made from the configuration, and made afresh with every new one */
	void (*fill)(struct element_writer *w, const struct nft_rules *rules);
};

#define LEARNED .flags = NFT_SET_EVAL | NFT_SET_TIMEOUT /* filled by rules */
#define DAY_MS  (24 * 3600 * 1000)
#define HOUR_MS (3600 * 1000)

/* clang-format off */
static const struct set sets[] = {
	/* 20,000 newcomers a second, 3 s each, with room */
	{ "seen", KEY_ADDRESS, LEARNED, .size = 131072, .timeout_ms = 3000 },
	/* newcomers in a flood of them; who finds no room is judged at once, within a limit */
	{ "once", KEY_ADDRESS, LEARNED, .size = 98304, .timeout_ms = 10000 },
	/* limits: after so long a rest they begin anew as they would have been */
	{ "meter", KEY_ADDRESS, LEARNED, .size = 131072, .timeout_ms = 3000, .metered = true },
	{ "ackrate", KEY_ADDRESS, LEARNED, .size = 32768, .timeout_ms = 3000, .metered = true },
	/* Each took a whole handshake.  A full set refuses, and no net can fill it: see `newcomers`. */
	{ "customers", KEY_CUSTOMER, LEARNED, .size = 65536, .timeout_ms = DAY_MS },
	{ "late", KEY_CUSTOMER, LEARNED, .size = 32768, .timeout_ms = DAY_MS },
	/* nets, and how fast they bring new customers */
	{ "newcomers", KEY_ADDRESS, LEARNED, .size = 16384, .timeout_ms = DAY_MS, .metered = true },
	/* of banned and blocked sources: how fast each comes */
	{ "pace", KEY_ADDRESS, LEARNED, .size = 4096, .timeout_ms = 3000, .metered = true },
	/* too fast: the source, where it sends to, and by which interface; then by which interfaces any of them come */
	{ "loud", KEY_PATH, LEARNED, .size = 4096, .timeout_ms = 10000 },
	{ "loud_links", KEY_INTERFACE, LEARNED, .size = NFT_EARLY_MAX, .timeout_ms = 15000 },
	/* who has a running session with this host */
	{ "kin", KEY_ADDRESS, LEARNED, .size = 65536, .timeout_ms = HOUR_MS },
	/* with whom this host exchanges datagrams, at which port or the one beside it; longer than a flag lasts */
	{ "calls", KEY_CUSTOMER, LEARNED, .size = 16384, .timeout_ms = 20 * 60 * 1000 },
	/* what this host sent first; conntrack forgets a question after 30 s */
	{ "asked", KEY_CONVERSATION, LEARNED, .size = 131072, .timeout_ms = 120000 },
	{ "called", KEY_SERVICE, LEARNED, .size = 131072, .timeout_ms = DAY_MS },
	/* questions to a whole link, by their port: any host of it may answer */
	{ "asked_link", KEY_LINK_PORT, LEARNED, .size = 16384, .timeout_ms = 120000 },
	/* ports behind destination NAT, as their clients name them */
	{ "published", KEY_TRANSPORT, LEARNED, .size = 16384, .timeout_ms = DAY_MS },
	/* what hosts behind this one serve, as they answered */
	{ "behind", KEY_SERVICE, LEARNED, .size = 16384, .timeout_ms = DAY_MS },
	/* neighbour discovery, multicast listeners */
	{ "icmp6_lifelines", KEY_ICMP6, .values = { 130, 131, 132, 133, 134, 135, 136, 137, 143 }, .value_count = 9 },
	/* errors and answers: no scan uses them */
	{ "icmp6_answers", KEY_ICMP6, .values = { 1, 2, 3, 4, 129 }, .value_count = 5 },
	{ "icmp4_answers", KEY_ICMP4, .values = { 0, 3, 4, 5, 11, 12, 14, 16, 18 }, .value_count = 9 },
	/* of FIN 1, SYN 2, RST 4, ACK 16, URG 32: answers to what others forged in this host's name */
	{ "backscatter", KEY_TCP_FLAGS, .values = { 0x04, 0x14, 0x12 }, .value_count = 3 },
	/* what RFC 9293 allows; no honest stack sends anything else */
	{ "possible_flags", KEY_TCP_FLAGS, .values = { 0x02, 0x12, 0x04, 0x14, 0x10, 0x30, 0x11, 0x31 },
	  .value_count = 8 },

	/* not learned by rules: nft_set_lately() */
	{ "lately_tcp", KEY_PORT, .flags = 0 },
	{ "lately_udp", KEY_PORT, .flags = 0 },

	{ "trap_tcp_ports", KEY_PORT, .fill = fill_trap_tcp },
	{ "trap_udp_ports", KEY_PORT, .fill = fill_trap_udp },
	{ "public_ports", KEY_PORT, .fill = fill_public },
	/* what clients try by themselves before another port: closed, it answers at once */
	{ "self_tried", KEY_PORT, .fill = fill_self_tried },
	{ "guarded", KEY_INTERFACE, .fill = fill_guarded },
	{ "vrf", KEY_INTERFACE, .fill = fill_vrf },
};
/* clang-format on */

#define SETS        (sizeof(sets) / sizeof(sets[0]))
#define IS_PAIR(s)  (keys[(s)->key].len[NFT_V6] != 0)
#define BLOCKS_SIZE 132096 /* what the engine keeps (131,072) and some that the kernel has not yet cleared away */
#define ALERTS_SIZE 65536  /* one that finds no room is an alert all the same, but its source may earn more */
#define ALERTS_RARE 4096
#define ALLOW_SIZE  66560
#define RARE_SIZE   16384 /* for other lengths than an address and a /64 */

static const struct {
	const char *name;
	uint32_t size, rare_size;
} lists[NFT_LIST_COUNT] = {
	[NFT_GRADED] = { "graded", BLOCKS_SIZE, RARE_SIZE },
	[NFT_ALERTED] = { "alerted", ALERTS_SIZE, ALERTS_RARE },
	[NFT_ALLOW] = { "allow", ALLOW_SIZE, ALLOW_SIZE },
	[NFT_EXEMPT] = { "exempt", RARE_SIZE, RARE_SIZE },
};

/* ---- sizes ---- */

#define SHIFT_MAX   5
#define MEMORY_PART 18 /* a twentieth of what is built in: the kernel has taken a tenth of that already */

/* Grades give way last: they are what protects.  The admin's own list is as long as ever. */
static unsigned list_shift(enum nft_list list, unsigned shift)
{
	if (list == NFT_ALLOW)
		return 0;
	return list == NFT_ALERTED || !shift ? shift : shift - 1;
}

/* What an element is to the kernel's allocator, which has pieces of 64, 96 and 128 bytes and notes in eight more whose
 * each is; and its part of the hash table, which is made for the full size at once.  Measured on Linux 6.18. */
static uint64_t element_bytes(enum key key, enum nft_family family, bool map, bool metered)
{
	const uint64_t note = 8, hash_table = 16, limit = 128;
	const uint32_t size = 56 + ((keys[key].len[family] + 7) & ~7u) + (map ? 16 : 0);
	const uint64_t piece = size <= 64 ? 64 : size <= 96 ? 96 : 128;

	return hash_table + piece + note + (metered ? limit + note : 0);
}

/* The lengths that always have a set, and those of nets: /24, and /56, /48, /40. */
static uint64_t list_full_bytes(enum nft_list list)
{
	static const uint64_t usual[NFT_FAMILY_COUNT] = { 1, 2 }, nets[NFT_FAMILY_COUNT] = { 1, 3 };
	uint64_t bytes = 0;

	for (unsigned family = 0; family < NFT_FAMILY_COUNT; family++)
		bytes += (usual[family] * lists[list].size + nets[family] * lists[list].rare_size) *
			 element_bytes(KEY_ADDRESS, family, list == NFT_GRADED, false);
	return bytes;
}

uint64_t nft_sets_full_bytes(unsigned shift)
{
	uint64_t bytes = 0;

	for (unsigned list = 0; list < NFT_LIST_COUNT; list++)
		if (list != NFT_ALLOW)
			bytes += list_full_bytes(list) >> list_shift(list, shift);
	for (size_t i = 0; i < SETS; i++)
		for (unsigned family = 0; family < (IS_PAIR(&sets[i]) ? NFT_FAMILY_COUNT : 1u); family++)
			bytes += (sets[i].size * element_bytes(sets[i].key, family, false, sets[i].metered)) >> shift;
	return bytes;
}

unsigned nft_sets_shift(uint64_t memory)
{
	unsigned shift = 0;

	while (shift < SHIFT_MAX && nft_sets_full_bytes(shift) > memory / MEMORY_PART)
		shift++;
	return shift;
}

/* ---- names ---- */

void nft_set_name(enum nft_list list, enum nft_family family, unsigned len, char out[NFT_NAME_MAX])
{
	const char *name = lists[list].name;

	if (family == NFT_V4 && len == 32)
		snprintf(out, NFT_NAME_MAX, "%s4", name);
	else if (family == NFT_V4)
		snprintf(out, NFT_NAME_MAX, "%s4_%u", name, len);
	else if (len == 128)
		snprintf(out, NFT_NAME_MAX, "%s6", name);
	else if (len == 64)
		snprintf(out, NFT_NAME_MAX, "%s%u", name, len);
	else
		snprintf(out, NFT_NAME_MAX, "%s6_%u", name, len);
}

void nft_lengths_fixed(struct nft_lengths *lengths)
{
	static const uint8_t v6[] = { 128, 64 };

	memset(lengths, 0, sizeof(*lengths));
	for (unsigned list = 0; list < NFT_LIST_COUNT; list++) {
		lengths->used[list][NFT_V4][32] = true;
		for (size_t i = 0; i < sizeof(v6); i++)
			lengths->used[list][NFT_V6][v6[i]] = true;
	}
}

static const struct set *find_set(const char *name)
{
	for (size_t i = 0; i < SETS; i++)
		if (strcmp(sets[i].name, name) == 0)
			return &sets[i];
	return NULL;
}

void nft_pair_name(const char *pair, enum nft_family family, char out[NFT_NAME_MAX])
{
	snprintf(out, NFT_NAME_MAX, "%s%c", pair, family == NFT_V4 ? '4' : '6');
}

uint64_t nft_set_timeout_ms(const char *name)
{
	const struct set *set = find_set(name);

	return set ? set->timeout_ms : 0;
}

bool nft_set_is_rebuilt(const char *name)
{
	const struct set *set = find_set(name);

	return set && set->fill;
}

/* ---- writing sets ---- */

static void write_set(const struct nft *nft, struct nft_batch *batch, const struct set *set, const char *name,
		      enum nft_family family)
{
	struct nftnl_set *s = nftnl_set_alloc();
	struct nlmsghdr *nlh;

	if (!s || nftnl_set_set_str(s, NFTNL_SET_TABLE, nft->table) < 0 ||
	    nftnl_set_set_str(s, NFTNL_SET_NAME, name) < 0) {
		fail(batch);
	} else {
		nftnl_set_set_u32(s, NFTNL_SET_FAMILY, NFPROTO_INET);
		nftnl_set_set_u32(s, NFTNL_SET_KEY_TYPE, keys[set->key].type[family]);
		nftnl_set_set_u32(s, NFTNL_SET_KEY_LEN, keys[set->key].len[family]);
		nftnl_set_set_u32(s, NFTNL_SET_FLAGS, set->flags);
		nftnl_set_set_u32(s, NFTNL_SET_ID, 1 + batch->messages);
		if (set->size)
			nftnl_set_set_u32(s, NFTNL_SET_DESC_SIZE, set->size);
		if (set->timeout_ms)
			nftnl_set_set_u64(s, NFTNL_SET_TIMEOUT, set->timeout_ms);
		if (set->flags & NFT_SET_MAP) {
			nftnl_set_set_u32(s, NFTNL_SET_DATA_TYPE, TYPE_MARK);
			nftnl_set_set_u32(s, NFTNL_SET_DATA_LEN, sizeof(uint32_t));
		}
		nlh = nft_batch_open(batch, NFT_MSG_NEWSET, NLM_F_CREATE);
		if (nlh) {
			nftnl_set_nlmsg_build_payload(nlh, s);
			nft_batch_close(batch, nlh);
		}
	}
	if (s)
		nftnl_set_free(s);
}

uint32_t nft_room(const struct nft *nft, enum nft_list list, bool rare)
{
	return (rare ? lists[list].rare_size : lists[list].size) >> list_shift(list, nft->shift);
}

uint32_t nft_list_size(const struct nft *nft, enum nft_list list, enum nft_family family, unsigned len)
{
	return nft_room(nft, list, !(len == (family == NFT_V4 ? 32 : 128) || (family == NFT_V6 && len == 64)));
}

uint32_t nft_pair_size(const struct nft *nft, const char *pair)
{
	const struct set *set = find_set(pair);

	return set ? set->size >> nft->shift : 0;
}

void nft_list_set_write(const struct nft *nft, struct nft_batch *batch, enum nft_list list, enum nft_family family,
			unsigned len)
{
	const struct set set = {
		.key = KEY_ADDRESS,
		.flags = NFT_SET_TIMEOUT | (list == NFT_GRADED ? NFT_SET_MAP : 0),
		.size = nft_list_size(nft, list, family, len),
	};
	char name[NFT_NAME_MAX];

	nft_set_name(list, family, len, name);
	write_set(nft, batch, &set, name, family);
}

/* The set or the pair of it, and the values of a constant one.  Returns how many. */
static unsigned write_row(const struct nft *nft, struct nft_batch *batch, const struct set *set)
{
	struct element_writer w;

	struct set scaled = *set;

	scaled.size >>= nft->shift;
	if (IS_PAIR(set)) {
		for (unsigned family = 0; family < NFT_FAMILY_COUNT; family++) {
			char name[NFT_NAME_MAX];

			nft_pair_name(set->name, family, name);
			write_set(nft, batch, &scaled, name, family);
		}
		return NFT_FAMILY_COUNT;
	}
	write_set(nft, batch, &scaled, set->name, NFT_V4);
	element_begin(&w, batch, nft->table, set->name, ELEMENT_ENSURE);
	for (size_t i = 0; i < set->value_count; i++)
		element_put(&w, &set->values[i], 1, 0, 0);
	element_end(&w);
	return 1;
}

/* ---- counters: named objects, so that they outlive the rules that use them ---- */

/* clang-format off */
#define COUNTER(name) { #name, offsetof(struct nft_counters, name) }
/* clang-format on */

static const struct {
	const char *name;
	size_t offset;
} counters[] = {
	COUNTER(queued_judge),  COUNTER(queued_veil),   COUNTER(queued_trap),    COUNTER(queued_kin),
	COUNTER(queued_ask),    COUNTER(queued_told),   COUNTER(noted_once),     COUNTER(over_newcomers),
	COUNTER(over_known),    COUNTER(over_veil),     COUNTER(over_customers), COUNTER(dropped_ban),
	COUNTER(dropped_block), COUNTER(cut),           COUNTER(trapped_tcp),    COUNTER(trapped_udp),
	COUNTER(way_back),      COUNTER(dropped_early), COUNTER(early_refused),  COUNTER(untracked),
};

#define COUNTERS (sizeof(counters) / sizeof(counters[0]))

static void write_counter(const struct nft *nft, struct nft_batch *batch, const char *name)
{
	struct nftnl_obj *obj = nftnl_obj_alloc();
	struct nlmsghdr *nlh;

	if (!obj) {
		fail(batch);
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

static int read_counter(void *context, const struct nlmsghdr *nlh)
{
	const char *name = netlink_text(nft_attr(nlh, NFTA_OBJ_NAME));
	uint32_t type;
	uint64_t packets;

	if (!name || !netlink_be32(nft_attr(nlh, NFTA_OBJ_TYPE), &type) || type != NFT_OBJECT_COUNTER ||
	    !netlink_be64(netlink_nested(nft_attr(nlh, NFTA_OBJ_DATA), NFTA_COUNTER_PACKETS), &packets))
		return 0;
	for (size_t i = 0; i < COUNTERS; i++)
		if (strcmp(name, counters[i].name) == 0)
			memcpy((uint8_t *)context + counters[i].offset, &packets, sizeof(packets));
	return 0;
}

int nft_read_counters(struct nft *nft, struct nft_counters *out)
{
	struct nft_counters read = { 0 };
	int result;

	if (!nft->loaded)
		return -ENOENT;
	result = nft_dump(nft, NFT_MSG_GETOBJ, NULL, read_counter, &read);
	if (result && result != -EINTR)
		return result;
	*out = read;
	return 0;
}

static int find_mark(void *context, const struct nlmsghdr *nlh)
{
	if (nft_attr_is(nft_attr(nlh, NFTA_OBJ_NAME), FORMAT_MARK))
		*(bool *)context = true;
	return 0;
}

int nft_format_stands(struct nft *nft)
{
	bool found = false;
	int result = nft_dump(nft, NFT_MSG_GETOBJ, NULL, find_mark, &found);

	return result && result != -EINTR ? result : found;
}

/* ---- all of them ---- */

unsigned nft_sets_write_lasting(const struct nft *nft, struct nft_batch *batch, const struct nft_lengths *lengths)
{
	unsigned count = 0;

	write_counter(nft, batch, FORMAT_MARK);
	for (size_t i = 0; i < COUNTERS; i++)
		write_counter(nft, batch, counters[i].name);
	for (size_t i = 0; i < SETS; i++)
		if (!sets[i].fill)
			count += write_row(nft, batch, &sets[i]);
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
	const bool many = ports_in(rules->trap_tcp, rules->trap_tcp_count) > BITMAP_MAX ||
			  ports_in(rules->trap_udp, rules->trap_udp_count) > BITMAP_MAX ||
			  ports_in(rules->public_ports, rules->public_count) > BITMAP_MAX;

	for (size_t i = 0; i < SETS; i++) {
		struct set set = sets[i];

		if (!set.fill)
			continue;
		if (set.key == KEY_PORT && many)
			set.flags |= NFT_SET_TIMEOUT;
		count += write_row(nft, batch, &set);
	}
	for (size_t i = 0; i < SETS; i++) {
		struct element_writer w;

		if (!sets[i].fill)
			continue;
		element_begin(&w, batch, nft->table, sets[i].name, ELEMENT_ENSURE);
		sets[i].fill(&w, rules);
		element_end(&w);
	}
	return count;
}
