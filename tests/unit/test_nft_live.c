/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rules and the queue against the real kernel, in a network namespace that each test makes for itself and that ends
 * with its process.  Packets come in through a tun device, so that no other host and no other test is touched.
 * Where namespaces are not permitted the tests say "skipped".
 */
#include "live.h"

static void modes(void)
{
	struct nft *nft = open_loaded(NFT_BLOCK);
	struct nft_rules *rules = rules_of(NFT_OBSERVE);
	struct nft_element e = element(NFT_GRADE_VEIL, "203.0.113.0/28", 60000);
	const struct flow_flag flag = { .kind = FLOW_FLAG_MARK, .mask = 0xff000000, .value = 0x01000000 };
	unsigned asking;

	CHECK(nft_check(nft) == 1 && nft_rules_replace(nft, rules) == 0 && nft_check(nft) == 1);
	CHECK(nft_add(nft, &e, 1) == 0 && nft_check(nft) == 1); /* a new length: a set, no rule yet */
	rules->mode = NFT_PAUSED;
	CHECK(nft_rules_replace(nft, rules) == 0 && nft_check(nft) == 1);
	rules->mode = NFT_BLOCK;
	rules->trap_port_v4 = rules->trap_port_v6 = 4000;
	rules->trap_tcp[0] = (struct port_range){ 20, 30 }; /* overlapping, and up to the end */
	rules->trap_tcp[1] = (struct port_range){ 25, 65535 };
	rules->trap_tcp_count = 2;
	CHECK(nft_rules_replace(nft, rules) == 0 && nft_check(nft) == 1);
	asking = nft->rules;
	rules->untracked = true; /* no rule asks conntrack, and none comes of a flag */
	CHECK(nft_rules_replace(nft, rules) == 0 && nft->rules < asking);
	CHECK(nft_flag_set(nft, &flag) == 0 && nft_check(nft) == 1);
	CHECK(standing().count == 1);
	CHECK(nft_unload(nft) == 0 && nft_check(nft) == 0);
	CHECK(nft_unload(nft) == 0);
	nft_close(nft);
}

static void lists(void)
{
	struct nft *nft = open_loaded(NFT_BLOCK);
	struct nft_element two[] = { element(NFT_GRADE_BAN, "198.51.100.7", 60000),
				     element(NFT_GRADE_BAN, "198.51.100.7", 9000) };
	struct nft_element wide = element(NFT_GRADE_NONE, "10.0.0.0/8", 0),
			   narrow = element(NFT_GRADE_NONE, "10.1.0.0/16", 0);
	struct nft_element gone = element(NFT_GRADE_VEIL, "203.0.113.9", 0);
	struct told told;

	CHECK(nft_add(nft, two, 1) == 0);
	CHECK(nft_add(nft, two, 2) == 0); /* again and twice: the last time counts */
	told = standing();
	CHECK(told.count == 1 && told.last.timeout_ms > 5000 && told.last.timeout_ms <= 9000);
	CHECK(nft_add(nft, two, 1) == 0);
	told = standing();
	CHECK(told.last.timeout_ms > 50000);
	CHECK(nft_add(nft, &wide, 1) == 0 && nft_add(nft, &narrow, 1) == 0); /* overlapping */
	CHECK(nft_delete(nft, &narrow, 1) == 0);
	CHECK(nft_delete(nft, &gone, 1) == 0 && nft_delete(nft, &two[0], 1) == 0 && nft_delete(nft, two, 2) == 0);
	CHECK(standing().count == 0);
	nft_close(nft);
}

/* One address after the other. */
static struct nft_element *veiled_addresses(size_t count)
{
	struct nft_element *many = calloc(count, sizeof(*many));

	CHECK(many);
	for (size_t i = 0; i < count; i++) {
		const uint8_t v4[4] = { 11, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i };
		const struct addr addr = addr_from_v4(v4);

		many[i] = (struct nft_element){ NFT_GRADED, NFT_GRADE_VEIL, prefix_host(&addr), 600000 };
	}
	return many;
}

static void full(void)
{
	const size_t count = 140000, fits = 20000;
	struct nft *nft = open_loaded(NFT_BLOCK);
	struct nft_element *many = veiled_addresses(count);

	CHECK(nft_add(nft, many, count) == -ENFILE);
	CHECK(standing().count == 0);
	CHECK(nft_add(nft, many, fits) == 0);
	CHECK(nft_watch_read(nft) != NFT_CHANGE_LOST);
	CHECK(standing().count == fits);
	CHECK(nft_delete(nft, many, fits) == 0 && nft_delete(nft, many, fits) == 0);
	CHECK(standing().count == 0);
	free(many);
	nft_close(nft);
}

/* All of it full, the table takes a twentieth of a small machine's memory, and it still works. */
static void small_machine(void)
{
	const uint64_t small = 512ULL << 20;
	const unsigned shift = nft_sets_shift(small);
	const size_t fits = 132096 >> (shift - 1);
	struct nft *nft = open_sized(NFT_BLOCK, shift);
	struct nft_element *many = veiled_addresses(fits + 1);

	CHECK(nft_sets_full_bytes(shift) <= small / 20 && nft_sets_shift(8ULL << 30) == 0);
	for (uint64_t memory = small; memory <= 4ULL << 30; memory *= 2)
		CHECK(nft_sets_full_bytes(nft_sets_shift(memory)) <= memory / 20);
	CHECK(fits > 10000 && nft_add(nft, many, fits) == 0 && nft_add(nft, &many[fits], 1) == -ENFILE);
	CHECK(nft_check(nft) == 1);
	free(many);
	nft_close(nft);
}

/* A full map does not hold back the deletion of its own elements, nor a change of their grade. */
static void delete_while_full(void)
{
	const size_t size = 132096, some = 20000;
	struct nft *nft = open_loaded(NFT_BLOCK);
	struct nft_element *many = veiled_addresses(size);
	struct nft_element missing = element(NFT_GRADE_VEIL, "203.0.113.9", 0);
	struct nft_element both[] = { missing, many[some] }, banned = many[some];

	banned.grade = NFT_GRADE_BAN;
	CHECK(nft_add(nft, many, size) == 0);
	CHECK(nft_watch_read(nft) != NFT_CHANGE_LOST);
	CHECK(nft_add(nft, &missing, 1) == -ENFILE);
	CHECK(nft_add(nft, &banned, 1) == 0 && standing().count == size);
	CHECK(nft_delete(nft, &missing, 1) == 0 && standing().count == size);
	CHECK(nft_delete(nft, both, 2) == 0);
	CHECK(nft_add(nft, &missing, 1) == 0 && nft_add(nft, &many[some], 1) == -ENFILE); /* full again */
	CHECK(nft_delete(nft, many, some + 1) == 0 && standing().count == size - some);
	CHECK(nft_check(nft) == 1);
	CHECK(nft_unload(nft) == 0 && nft_delete(nft, both, 2) == -ENOENT);
	free(many);
	nft_close(nft);
}

/* Each change of grade is one element's, whatever stood before. */
static void grades(void)
{
	struct nft *nft = open_loaded(NFT_BLOCK);

	for (int i = 0; i < 2; i++) {
		for (enum nft_grade grade = NFT_GRADE_VEIL; grade < NFT_GRADE_COUNT; grade++) {
			struct nft_element e = element(grade, "198.51.100.7", 60000);
			struct told told;

			CHECK((i == 0 ? nft_add : nft_ensure)(nft, &e, 1) == 0);
			told = standing();
			CHECK(told.count == 1 && told.last.grade == grade && told.last.timeout_ms > 50000);
		}
	}
	nft_close(nft);
}

static void learned(void)
{
	static const struct {
		const char *addr, *kept_as;
		int64_t left_ms, kept_ms;
		uint16_t port, own_port;
		uint8_t kind;
	} rows[] = {
		/* as they are told: kind by kind, IPv4 first */
		{ "198.51.100.7", "198.51.100.7", 60000, 60000, 22, 0, NFT_LEARNED_CUSTOMER },
		{ "2001:db8:1:2::7", "2001:db8:1:2::", 50000, 50000, 443, 0, NFT_LEARNED_LATE },
		{ "198.51.100.8", "198.51.100.8", 1LL << 40, 86400000, 25, 0,
		  NFT_LEARNED_CALLED }, /* of a wrong clock */
		{ "2001:db8:1:2::8", "2001:db8:1:2::", 60000, 60000, 25, 0, NFT_LEARNED_CALLED },
		{ "198.51.100.9", "198.51.100.9", 60000, 60000, 0, 0, NFT_LEARNED_KIN },
		{ "2001:db8:1:2::9", "2001:db8:1:2::", 86400000, 3600000, 0, 0, NFT_LEARNED_KIN },
		{ "198.51.100.10", "198.51.100.10", 60000, 60000, 53, 40000, NFT_LEARNED_ASKED },
		{ "2001:db8:1:2::10", "2001:db8:1:2::10", 86400000, 120000, 53, 40001, NFT_LEARNED_ASKED },
	};
	enum { COUNT = sizeof(rows) / sizeof(rows[0]) };
	const struct port_range ports[] = { { 25, 25 }, { 8000, 8003 } };
	struct nft *nft = open_loaded(NFT_BLOCK);
	struct nft_learned put[COUNT], read[COUNT + 1];

	for (int i = 0; i < COUNT; i++)
		put[i] = (struct nft_learned){
			.addr = element(NFT_GRADE_NONE, rows[i].addr, 0).source.addr,
			.left_ms = rows[i].left_ms,
			.port = rows[i].port,
			.own_port = rows[i].own_port,
			.kind = rows[i].kind,
		};
	CHECK(nft_add_learned(nft, put, COUNT) == 0 && nft_read_learned(nft, read, COUNT + 1) == COUNT);
	for (int i = 0; i < COUNT; i++) {
		const struct addr kept_as = element(NFT_GRADE_NONE, rows[i].kept_as, 0).source.addr;

		CHECK(read[i].kind == rows[i].kind && addr_equal(&read[i].addr, &kept_as));
		CHECK(read[i].port == rows[i].port && read[i].own_port == rows[i].own_port);
		CHECK(read[i].left_ms <= rows[i].kept_ms && read[i].left_ms > rows[i].kept_ms - 10000);
	}
	CHECK(nft_read_learned(nft, read, 3) == 3 && read[2].kind == NFT_LEARNED_CALLED);
	CHECK(nft_set_lately(nft, IPPROTO_TCP, ports, 2) == 0 && nft_set_lately(nft, IPPROTO_TCP, ports, 1) == 0);
	CHECK(nft_set_lately(nft, IPPROTO_UDP, NULL, 0) == 0);
	CHECK(nft_check(nft) == 1);
	nft_close(nft);
}

static void foreigners(void)
{
	struct nft *nft = open_loaded(NFT_BLOCK), *other = NULL, *same = NULL;
	struct nft_rules *rules = rules_of(NFT_BLOCK);
	struct nft_element e = element(NFT_GRADE_VEIL, "203.0.113.9", 60000);

	CHECK(nft_add(nft, &e, 1) == 0);
	CHECK(nft_watch_read(nft) == NFT_CHANGE_NONE);
	CHECK(nft_open("another", &other) == 0 && nft_load(other, rules, NULL, NULL) == 0 && nft_unload(other) == 0);
	CHECK(nft_watch_read(nft) == NFT_CHANGE_NONE);
	CHECK(nft_open("picket", &same) == 0 && nft_unload(same) == 0);
	CHECK(nft_watch_read(nft) == NFT_CHANGE_FOREIGN && nft_watch_read(nft) == NFT_CHANGE_NONE);
	CHECK(nft_check(nft) == 0 && nft_add(nft, &e, 1) == -ENOENT && nft_delete(nft, &e, 1) == -ENOENT);
	nft_close(same);
	nft_close(other);
	nft_close(nft);
	free(rules);
}

static void packets(void)
{
	struct nft_element veiled = element(NFT_GRADE_VEIL, "192.0.2.9", 60000);
	struct nft_element banned = element(NFT_GRADE_BAN, "192.0.2.10", 60000);
	struct seen seen = { .drop_port = 99 };
	struct nft_counters counters;
	struct nfqueue *queue = NULL, *second = NULL;
	struct nft *nft = open_loaded(NFT_BLOCK);
	int tun = tun_up();

	listen_on(80);
	send_tcp(tun, 7, 81, SYN); /* nobody reads the queue: passes */
	CHECK(answer(tun, 2000) == (RST | ACK));
	CHECK(nfqueue_open(QUEUE, settings, NFT_QUEUES, &queue) == 0);
	CHECK(nfqueue_open(QUEUE + 2, settings, 1, &second) == -EBUSY);
	send_tcp(tun, 8, 80, SYN); /* served, and not in `seen`: never queued */
	CHECK(answer(tun, 2000) == (SYN | ACK));
	send_tcp(tun, 9, 98, SYN);
	send_tcp(tun, 9, 80, 0); /* no flags at all: suspicious everywhere */
	send_tcp(tun, 9, 99, SYN);
	send_tcp(tun, 9, 97, RST); /* weighs nothing */
	read_queue(queue, &seen, 3);
	CHECK(seen.count == 3 && seen.classes[0] == 0 && seen.classes[1] == 0 && seen.classes[2] == 0);
	CHECK(answer(tun, 500) == (RST | ACK) && answer(tun, 200) == -1); /* 98 alone was answered */
	CHECK(nft_add(nft, &veiled, 1) == 0 && nft_add(nft, &banned, 1) == 0);
	send_tcp(tun, 9, 81, SYN);
	send_tcp(tun, 10, 81, SYN);
	CHECK(answer(tun, 300) == -1);
	CHECK(nft_delete(nft, &banned, 1) == 0);
	send_tcp(tun, 10, 80, SYN); /* free again */
	CHECK(answer(tun, 2000) == (SYN | ACK));
	CHECK(nft_read_counters(nft, &counters) == 0);
	CHECK(counters.dropped_ban == 1 && counters.queued_judge == 5);
	nfqueue_close(queue);
	nft_close(nft);
}

/* What comes by a VRF's interface is neither evidence nor priced; a ban holds. */
static void vrf(void)
{
	struct nft_element veiled = element(NFT_GRADE_VEIL, "192.0.2.9", 60000);
	struct nft_element banned = element(NFT_GRADE_BAN, "192.0.2.10", 60000);
	struct nft_rules *rules = rules_of(NFT_BLOCK);
	struct nft *nft = open_loaded(NFT_BLOCK);
	struct nft_counters counters;
	struct nfqueue *queue = NULL;
	int tun = tun_up();

	strcpy(rules->vrf[0], "scan0");
	rules->vrf_count = 1;
	rules->trap_port_v4 = rules->trap_port_v6 = 4000;
	rules->trap_tcp[0] = (struct port_range){ 23, 23 };
	rules->trap_tcp_count = 1;
	CHECK(nft_rules_replace(nft, rules) == 0 && nft_check(nft) == 1);
	CHECK(nfqueue_open(QUEUE, settings, NFT_QUEUES, &queue) == 0);
	CHECK(nft_add(nft, &veiled, 1) == 0 && nft_add(nft, &banned, 1) == 0);
	listen_on(80);
	for (int host = 8; host <= 9; host++) {
		send_tcp(tun, (uint8_t)host, 80, SYN);
		CHECK(answer(tun, 2000) == (SYN | ACK));
		send_tcp(tun, (uint8_t)host, 23, SYN);
		CHECK(answer(tun, 2000) == (RST | ACK));
		send_tcp(tun, (uint8_t)host, 81, SYN);
		CHECK(answer(tun, 2000) == (RST | ACK));
	}
	send_tcp(tun, 10, 80, SYN);
	CHECK(answer(tun, 300) == -1);
	CHECK(nft_read_counters(nft, &counters) == 0);
	CHECK(counters.dropped_ban == 1 && counters.queued_judge + counters.queued_veil + counters.trapped_tcp == 0);
	nfqueue_close(queue);
	nft_close(nft);
	free(rules);
}

static bool hold(void *context, const struct nfqueue_packet *packet)
{
	volatile unsigned *held = context;

	(void)packet;
	if (++*held == 20)
		pause();
	return true;
}

static void reader_killed(void)
{
	const struct timespec tick = { 0, 10 * 1000 * 1000 };
	struct nfqueue *queue = NULL;
	struct nft *nft = open_loaded(NFT_BLOCK);
	int tun = tun_up(), answers = 0;
	unsigned *held = mmap(NULL, sizeof(*held), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t reader;

	CHECK(held != MAP_FAILED && nfqueue_open(QUEUE, settings, NFT_QUEUES, &queue) == 0);
	for (int i = 0; i < 20; i++)
		send_tcp(tun, 9, (uint16_t)(1000 + i), SYN);
	reader = fork();
	CHECK(reader >= 0);
	if (!reader)
		_exit(nfqueue_read(queue, 64, hold, held) < 0);
	for (int i = 0; i < 500 && *(volatile unsigned *)held < 20; i++)
		nanosleep(&tick, NULL);
	CHECK(*(volatile unsigned *)held == 20);
	CHECK(kill(reader, SIGKILL) == 0 && waitpid(reader, NULL, 0) == reader);
	send_tcp(tun, 9, 999, SYN); /* and one that nobody has read */
	CHECK(answer(tun, 100) == -1);
	CHECK(nfqueue_accept_all(queue) == 0);
	while (answer(tun, 500) == (RST | ACK))
		answers++;
	CHECK(answers == 21);
	send_tcp(tun, 9, 998, SYN); /* from now on everything passes */
	CHECK(answer(tun, 1000) == (RST | ACK));
	nfqueue_close(queue);
	nft_close(nft);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIVE(modes),   LIVE(lists),      LIVE(small_machine), LIVE(full), LIVE(delete_while_full), LIVE(grades),
		LIVE(learned), LIVE(foreigners), LIVE(packets),       LIVE(vrf),  LIVE(reader_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
