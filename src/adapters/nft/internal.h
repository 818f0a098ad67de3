/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parts of the nftables adapter share: the handle, transactions, sets by name.
 * Nobody else includes it.
 */
#ifndef PICKET_NFT_INTERNAL_H
#define PICKET_NFT_INTERNAL_H

#include <netinet/in.h> /* before the kernel's headers, which then leave it alone */

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "nft.h"

#define NFT_NAME_MAX 32 /* of a set or chain of ours, with the NUL */

#define NFT_CALLER_LEN 64 /* of an IPv6 address in the books of customers, answered, called */

enum nft_family { NFT_V4, NFT_V6, NFT_FAMILY_COUNT };

/* Which prefix lengths of a list have a set: [list][family][length as people write it]. */
struct nft_lengths {
	bool used[NFT_LIST_COUNT][NFT_FAMILY_COUNT][129];
};

struct nft {
	char table[NFT_TABLE_NAME_MAX];
	struct mnl_socket *socket;
	uint32_t portid; /* of `socket`: marks our own changes in notifications */
	uint32_t seq;
	int send_buffer; /* as far as it was forced up */
	struct mnl_socket *watch;
	enum nft_change pending; /* seen before, to be told at the next nft_watch_read() */
	bool queue_probed, queue_native;
	bool loaded;
	enum nft_mode mode;
	struct nft_lengths lengths;
	unsigned chains, rules, sets; /* as loaded, for nft_check() */
};

/* ---- nft_batch.c: transactions and dumps ---- */

/* A transaction being written.  The first failure sticks in `error` and shows when it is run. */
struct nft_batch {
	uint8_t *data;
	size_t len, size;
	size_t last; /* where the last message begins */
	uint32_t seq;
	unsigned messages, elements;
	int error;
};

void nft_batch_init(struct nft_batch *batch);
void nft_batch_free(struct nft_batch *batch);
/* Room for one message of at most NFT_MESSAGE_MAX bytes, its header filled; NULL when out of memory.  Close it
 * before the next. */
#define NFT_MESSAGE_MAX (96 * 1024)
struct nlmsghdr *nft_batch_open(struct nft_batch *batch, uint16_t type, uint16_t flags);
void nft_batch_close(struct nft_batch *batch, const struct nlmsghdr *nlh);
/* Sends it as one transaction and reads the answer: 0 or the first error. */
int nft_batch_run(struct nft *nft, struct nft_batch *batch);

/* Called for each message of a dump; a negative return value ends the dump's use and becomes its result. */
typedef int nft_dump_fn(void *context, const struct nlmsghdr *nlh);
/* Dumps what is in our table: NFT_MSG_GETCHAIN, GETRULE, GETSET, GETOBJ; GETSETELEM with the set's name.
 * -EINTR: complete, but another transaction crossed it, so that something may be missing or told twice. */
#define NFT_DUMP_ATTEMPTS 3
int nft_dump(struct nft *nft, uint16_t type, const char *set, nft_dump_fn *fn, void *context);
/* Asks for one object: NFT_MSG_GETTABLE (ours), NFT_MSG_GETGEN. */
int nft_ask(struct nft *nft, uint16_t type, nft_dump_fn *fn, void *context);
/* The attribute of that number in an nfnetlink message, or NULL. */
const struct nlattr *nft_attr(const struct nlmsghdr *nlh, uint16_t type);
bool nft_attr_is(const struct nlattr *attr, const char *text);
/* Is this message about our table? */
bool nft_is_ours(const struct nft *nft, const struct nlmsghdr *nlh);

/* ---- nft_sets.c: sets and elements ---- */

/* The name of the set for that list and prefix length: soft4 (/32), soft6 (/128), soft64, soft56, soft48;
 * soft4_24, soft6_32 for others. */
void nft_set_name(enum nft_list list, enum nft_family family, unsigned len, char out[NFT_NAME_MAX]);
/* The lengths that always have a set. */
void nft_lengths_fixed(struct nft_lengths *lengths);
/* Counter objects and all sets, idempotent; the port, interface and constant sets are made afresh and filled.
 * Returns how many sets. */
unsigned nft_sets_write(const struct nft *nft, struct nft_batch *batch, const struct nft_lengths *lengths,
			const struct nft_rules *rules);
/* Of these the ones that last: what is in them stays. */
unsigned nft_sets_write_lasting(const struct nft *nft, struct nft_batch *batch, const struct nft_lengths *lengths);
/* nft_counters.c: 1 when the standing table is of this version's format, 0 when not, or -errno. */
int nft_format_stands(struct nft *nft);
/* Does nft_sets_write() make this set afresh (so that an old one must be deleted in the same transaction)? */
bool nft_set_is_rebuilt(const char *name);
/* One hash set of a list. */
void nft_list_set_write(const struct nft *nft, struct nft_batch *batch, enum nft_list list, enum nft_family family,
			unsigned len);
/* ---- nft_carry.c: what stands in an old table goes into the new one ---- */

struct nft_carried;

#define NFT_CARRY_READINGS 4
/* Reads what is alive in the wanted lists, again up to so many times until two readings agree; marks the lengths
 * that have a
 * set, of all lists. */
int nft_carry_read(struct nft *nft, const bool wanted[NFT_LIST_COUNT], int readings, struct nft_lengths *lengths,
		   struct nft_carried **out);
void nft_carry_write(const struct nft *nft, const struct nft_carried *carried, struct nft_batch *batch);
void nft_carry_tell(const struct nft_carried *carried, nft_element_fn *tell, void *context);
void nft_carry_free(struct nft_carried *carried);

/* ---- nft_rules.c: the chains ---- */

struct nft_written {
	unsigned chains, rules;
};

/* Chains and rules of a mode.  They must not exist in the table as it is then. */
struct nft_written nft_rules_write(const struct nft *nft, struct nft_batch *batch, const struct nft_lengths *lengths,
				   const struct nft_rules *rules);
/* The rules that one more prefix length of a list needs, for the mode in force.  Returns how many. */
unsigned nft_rules_write_length(const struct nft *nft, struct nft_batch *batch, enum nft_list list,
				enum nft_family family, unsigned len);
/* A throw-away table with the native queue expression in it. */
void nft_rules_write_probe(struct nft_batch *batch, const char *table);

/* ---- nft_watch.c ---- */

int nft_watch_open(struct nft *nft);
/* Around a large transaction of our own: its notifications would fill the buffer.  Foreign changes meanwhile are
 * found by the generation number. */
int nft_watch_suspend(struct nft *nft, uint32_t *generation);
int nft_watch_resume(struct nft *nft, uint32_t generation);

#endif
