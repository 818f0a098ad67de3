/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libFuzzer over what the kernel says of nftables: answers to transactions, lists of sets, elements, chains, rules and
 * counters, and notifications.  Whatever it says, what is handed on is within its range, and the program goes on.
 *
 * The input is a row of steps on one table: which call, a number for it, and what the kernel says meanwhile, with the
 * length of that (16 bits).
 */
#include "fuzz_kernel.h"
#include "nft/nft.h"

#define STEPS_MAX   24
#define LEARNED_MAX 64

#define NFT(type) (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_##type)
#define OURS(name)                                                                                                     \
	{                                                                                                              \
		NFT(NEW##name), NFT(GET##name), ours, sizeof(ours), 0                                                  \
	}

/* The family inet, and the table's name as the first attribute. */
static const uint8_t ours[] = { 1, 0, 0, 0, 11, 0, 1, 0, 'p', 'i', 'c', 'k', 'e', 't', 0, 0 };
static const struct fuzz_type types[] = {
	OURS(TABLE),
	OURS(CHAIN),
	OURS(RULE),
	OURS(SET),
	OURS(SETELEM),
	OURS(OBJ),
	{ NFT(NEWGEN), NFT(GETGEN), ours, 4, 0 },
	{ .answer = NLMSG_ERROR },
	{ .answer = NLMSG_DONE },
	/* notifications, which nobody asks for; the first ones are of other tables */
	{ NFT(NEWRULE), FUZZ_UNASKED, ours, 4, 0 },
	{ NFT(DELRULE), FUZZ_UNASKED, ours, sizeof(ours), 0 },
	{ NFT(DELCHAIN), FUZZ_UNASKED, ours, sizeof(ours), 0 },
	{ NFT(NEWGEN), FUZZ_UNASKED, ours, 4, 0 },
	{ NFT(DELTABLE), FUZZ_UNASKED, ours, sizeof(ours), 0 },
	{ NFNL_SUBSYS_QUEUE << 8, FUZZ_UNASKED, NULL, 0, 0 },
	{ .answer = NLMSG_OVERRUN },
};

static void look(void *context, const struct nft_element *element)
{
	(void)context;
	require(element->list < NFT_LIST_COUNT && element->grade < NFT_GRADE_COUNT && element->timeout_ms >= 0);
	require(prefix_is_valid(&element->source));
}

static void fill_rules(struct nft_rules *rules, uint8_t number)
{
	*rules = (struct nft_rules){
		.mode = number % 3,
		.queue = 4711,
		.early = number & 4 ? EARLY_ON : EARLY_OFF,
		.out = number & 8,
		.untracked = number & 16,
		.cut_running = number & 32,
		.reverse_path = number & 64,
		.trap_port_v4 = 4001,
		.trap_port_v6 = 4002,
		.trap_tcp = { { 21, 23 }, { 7, 7 } },
		.trap_tcp_count = 2,
		.public_ports = { { 80, 80 } },
		.public_count = number & 128 ? 1 : 0,
	};
	if (number & 1)
		rules->flag = (struct flow_flag){ .kind = FLOW_FLAG_MARK, .mask = 0xff000000, .value = 0x15000000 };
	if (number & 128)
		memcpy(rules->interfaces[rules->interface_count++], "eth0", 5);
}

/* Two sources of a list, of which one is of a length that has no set yet. */
static void fill_elements(struct nft_element out[2], uint8_t number)
{
	const uint8_t v4[4] = { 198, 51, 100, number }, v6[16] = { 0x20, 1, 0xd, 0xb8, number };
	const struct addr addresses[2] = { addr_from_v4(v4), addr_from_v6(v6) };

	for (size_t i = 0; i < 2; i++)
		out[i] = (struct nft_element){ .list = number % NFT_LIST_COUNT,
					       .grade = number % NFT_LIST_COUNT == NFT_GRADED ? NFT_GRADE_BAN : 0,
					       .source = prefix_of(&addresses[i], number & 16 ? 128 : 120 - 8 * i),
					       .timeout_ms = number & 32 ? 60000 : 0 };
}

static void learned(struct nft *nft, bool adds)
{
	static struct nft_learned items[LEARNED_MAX];
	int count = nft_read_learned(nft, items, LEARNED_MAX);

	require(count <= LEARNED_MAX);
	for (int i = 0; i < count; i++)
		require(items[i].kind < NFT_LEARNED_KINDS && items[i].left_ms >= 0);
	if (count > 0 && adds)
		require(nft_add_learned(nft, items, (size_t)count) <= 0);
}

static void published(struct nft *nft)
{
	struct nft_published items[LEARNED_MAX];

	require(nft_read_published(nft, items, LEARNED_MAX) <= LEARNED_MAX);
}

static void flag(struct nft *nft, uint8_t number)
{
	const struct flow_flag flags[] = { { .kind = FLOW_FLAG_MARK, .mask = 0xff000000, .value = 0x15000000 },
					   { .kind = FLOW_FLAG_LABEL, .bit = 101 } };

	require(number & 2 ? nft_flag_void(nft) <= 0 : nft_flag_set(nft, &flags[number & 1]) <= 0);
}

static void many(struct nft *nft)
{
	static struct nft_element items[5000]; /* so many that notifications are suspended */

	for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
		const uint8_t v4[4] = { 10, 0, (uint8_t)(i >> 8), (uint8_t)i };
		const struct addr addr = addr_from_v4(v4);

		items[i] = (struct nft_element){ .list = NFT_ALLOW, .source = prefix_of(&addr, 128) };
	}
	require(nft_ensure(nft, items, sizeof(items) / sizeof(items[0])) <= 0);
}

static void elements(struct nft *nft, uint8_t call, uint8_t number)
{
	struct nft_element items[2];

	fill_elements(items, number);
	switch (call) {
	case 0: require(nft_add(nft, items, 2) <= 0); break;
	case 1: require(nft_ensure(nft, items, 2) <= 0); break;
	case 2: require(nft_delete(nft, items, 2) <= 0); break;
	default: require(nft_flush(nft, items[0].list) <= 0); break;
	}
}

static void step(struct nft *nft, uint8_t call, uint8_t number)
{
	const struct port_range lately[] = { { 80, 80 }, { 8000, 8003 } };
	struct nft_counters counters;
	struct nft_rules rules;

	fill_rules(&rules, number);
	switch (call % 20) {
	case 0: require(nft_load(nft, &rules, look, NULL) <= 0); break;
	case 1: require(nft_take_over(nft, look, NULL) <= 1); break;
	case 2: require(nft_rules_replace(nft, &rules) <= 0); break;
	case 3: require(nft_check(nft) <= 1); break;
	case 4: require(nft_read_blocks(nft, look, NULL) <= 0); break;
	case 5: require(nft_read_counters(nft, &counters) <= 0); break;
	case 6: require(nft_early_sync(nft) <= NFT_EARLY_MAX); break;
	case 7: require(nft_watch_read(nft) <= NFT_CHANGE_LOST); break;
	case 8: learned(nft, number & 1); break;
	case 9: published(nft); break;
	case 10: flag(nft, number); break;
	case 11: require(nft_set_lately(nft, number & 1 ? IPPROTO_TCP : IPPROTO_UDP, lately, 2) <= 0); break;
	case 12: require(nft_unload(nft) <= 0); break;
	case 13: many(nft); break;
	case 14:
		require(nft_room(nft, number % NFT_LIST_COUNT, number & 128) > 0);
		require(nft_watch_fd(nft) >= 0 && nft_table_name(nft)[0] && nft_conntrack(nft) <= NFT_CONNTRACK_ABSENT);
		break;
	case 15: (void)nft_others_changed(nft); break;
	default: elements(nft, call % 4, number); break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nft *nft;

	fuzz_kernel.types = types;
	fuzz_kernel.type_count = sizeof(types) / sizeof(types[0]);
	fuzz_kernel.table_stands = size > 0 && data[0] & 0x80;
	fuzz_kernel_begin((const uint8_t *)"", 0);
	require(nft_open("picket", &nft) == 0);
	for (int i = 0; i < STEPS_MAX && size >= 4; i++) {
		size_t len = data[2] | (size_t)data[3] << 8;

		len = len < size - 4 ? len : size - 4;
		fuzz_kernel_begin(data + 4, len);
		step(nft, data[0] & 0x7f, data[1]);
		data += 4 + len;
		size -= 4 + len;
	}
	nft_close(nft);
	return 0;
}
