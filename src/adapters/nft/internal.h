/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parts of the nftables adapter share, file by file.
 */
#ifndef PICKET_NFT_INTERNAL_H
#define PICKET_NFT_INTERNAL_H

#include <netinet/in.h> /* before the kernel's headers, which then leave it alone */

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "nft.h"

#define NFT_NAME_MAX 32 /* of a set or chain, with the NUL */

#define NFT_SOURCE_LEN_V6 64 /* of what counts as one IPv6 source in the sets that rules fill */

enum nft_family { NFT_V4, NFT_V6, NFT_FAMILY_COUNT };

/* Which prefix lengths of a list have a set: [list][family][length as people write it]. */
struct nft_lengths {
	bool used[NFT_LIST_COUNT][NFT_FAMILY_COUNT][129];
};

struct nft {
	char table[NFT_TABLE_NAME_MAX];
	struct mnl_socket *socket;
	uint32_t portid; /* of `socket`: marks changes of our own in notifications */
	uint32_t seq;
	int send_buffer; /* as far as it was forced up */
	struct mnl_socket *watch;
	bool others_changed;     /* rules of other tables, since it was asked last */
	enum nft_change pending; /* seen before, to be told at the next nft_watch_read() */
	unsigned shift;          /* sizes of sets are halved so often, by the machine's memory */
	bool probed, queue_native, ingress;
	bool conntrack_probed, conntrack_absent;
	bool untracked;       /* the rules ask nothing of conntrack */
	unsigned early_hooks; /* at the last look */
	bool loaded;
	enum nft_mode mode;
	bool out;     /* the chains on the way out stand */
	bool through; /* those of a gateway */
	struct flow_flag flag;
	struct nft_lengths lengths;
	unsigned chains, rules, sets; /* as loaded, for nft_check() */
};

/* ---- batch.c: transactions and dumps ---- */

/* A transaction being written.  The first failure sticks in `error` and shows when the transaction is run. */
struct nft_batch {
	uint8_t *data;
	size_t len, size;
	size_t last; /* where the last message begins */
	uint32_t seq;
	uint16_t family; /* NFPROTO_INET, but for a trial */
	unsigned messages, elements;
	int error;
};

void nft_batch_init(struct nft_batch *batch);
void nft_batch_free(struct nft_batch *batch);
/* Room for one message of at most NFT_MESSAGE_MAX bytes, its header filled; NULL when out of memory.  It must be closed
 * before the next one is opened. */
#define NFT_MESSAGE_MAX (96 * 1024)
struct nlmsghdr *nft_batch_open(struct nft_batch *batch, uint16_t type, uint16_t flags);
void nft_batch_close(struct nft_batch *batch, const struct nlmsghdr *nlh);
/* Sends the transaction and reads the answer: 0 or the first error. */
MUST_CHECK int nft_batch_run(struct nft *nft, struct nft_batch *batch);

/* Called for each message of a dump; a negative return value becomes the result of the dump, whose rest is skipped. */
typedef int nft_dump_fn(void *context, const struct nlmsghdr *nlh);
/* Dumps what is in our table: NFT_MSG_GETCHAIN, GETRULE, GETSET, GETOBJ; GETSETELEM with the set's name.
 * -EINTR: complete, but another transaction crossed it, so that something may be missing or told twice. */
#define NFT_DUMP_ATTEMPTS 3
MUST_CHECK int nft_dump(struct nft *nft, uint16_t type, const char *set, nft_dump_fn *fn, void *context);
/* Asks for one object: NFT_MSG_GETTABLE (ours), NFT_MSG_GETGEN.  fn NULL: only whether it is there. */
MUST_CHECK int nft_ask(struct nft *nft, uint16_t type, nft_dump_fn *fn, void *context);
/* Asks for one element of a set: 0 or -ENOENT, which a set or a table that is gone says as well; or -errno. */
MUST_CHECK int nft_ask_element(struct nft *nft, const char *set, const void *key, size_t len, nft_dump_fn *fn,
			       void *context);
/* The next datagram from the kernel, without waiting: its length; 0 when there is none; -EMSGSIZE, -ENOBUFS or another
 * -errno. */
ssize_t nft_receive(struct mnl_socket *socket, void *buf, size_t size);
/* The attribute of that number in an nfnetlink message, or NULL. */
const struct nlattr *nft_attr(const struct nlmsghdr *nlh, uint16_t type);
bool nft_attr_is(const struct nlattr *attr, const char *text);
/* Is this message about our table? */
bool nft_is_ours(const struct nft *nft, const struct nlmsghdr *nlh);

/* ---- sets.c: the definitions of sets and counters ---- */

/* The name of the set for that list and prefix length: graded4 (/32), graded6 (/128), graded64; graded4_24, graded6_48
 * for others. */
void nft_set_name(enum nft_list list, enum nft_family family, unsigned len, char out[NFT_NAME_MAX]);
/* The name of one of a pair: "seen" makes seen4 and seen6. */
void nft_pair_name(const char *pair, enum nft_family family, char out[NFT_NAME_MAX]);
/* How long an element of a set, or of a pair of them, stays; 0: there is no such set, or its elements stay. */
uint64_t nft_set_timeout_ms(const char *name);
/* The lengths that always have a set. */
void nft_lengths_fixed(struct nft_lengths *lengths);
/* Writes counters and all sets, if they are missing; those that are made from the configuration must be missing, and
 * are filled.  Returns how many sets. */
unsigned nft_sets_write(const struct nft *nft, struct nft_batch *batch, const struct nft_lengths *lengths,
			const struct nft_rules *rules);
/* The same without the sets that are made from the configuration. */
unsigned nft_sets_write_lasting(const struct nft *nft, struct nft_batch *batch, const struct nft_lengths *lengths);
/* Is this set made from the configuration (so that an old one must be deleted in the same transaction)? */
bool nft_set_is_rebuilt(const char *name);
/* How often the sizes are halved so that the sets, all of them full, take at most a twentieth of the memory. */
unsigned nft_sets_shift(uint64_t memory);
/* What they then take, in bytes, the allow list apart. */
uint64_t nft_sets_full_bytes(unsigned shift);
/* How many elements the sets hold. */
uint32_t nft_list_size(const struct nft *nft, enum nft_list list, enum nft_family family, unsigned len);
uint32_t nft_pair_size(const struct nft *nft, const char *pair);
/* One hash set of a list. */
void nft_list_set_write(const struct nft *nft, struct nft_batch *batch, enum nft_list list, enum nft_family family,
			unsigned len);
/* 1 when the standing table is of this version's format, 0 when not, or -errno. */
MUST_CHECK int nft_format_stands(struct nft *nft);

/* ---- elements.c: elements of sets, written and read ---- */

#define ELEMENT_KEY_MAX 24 /* customers6: address, protocol, port */

struct element_writer {
	struct nft_batch *batch;
	const char *table, *set;
	uint16_t type, flags; /* of the messages */
	struct nlmsghdr *nlh; /* the message being filled, or NULL */
	struct nlattr *list;
};

enum element_change {
	ELEMENT_NEW,    /* -EEXIST when it is there */
	ELEMENT_ENSURE, /* leaves alone what is there; since Linux 6.12 it renews the timeout */
	ELEMENT_DELETE  /* -ENOENT when it is not there */
};

void element_begin(struct element_writer *w, struct nft_batch *batch, const char *table, const char *set,
		   enum element_change change);
/* grade: a map's value; 0 for a set. */
void element_put(struct element_writer *w, const void *key, size_t len, int64_t timeout_ms, uint32_t grade);
void element_end(struct element_writer *w);

/* One element of a dump.  grade: a map's value, else 0; left_ms 0: no timeout. */
typedef int element_fn(void *context, const uint8_t *key, size_t len, uint32_t grade, int64_t left_ms);
/* -EINTR as nft_dump(). */
MUST_CHECK int element_dump(struct nft *nft, const char *set, element_fn *fn, void *context);

/* ---- saved.c: the elements of the lists, saved from a standing table and restored into a fresh one ---- */

struct nft_saved;

#define NFT_SAVED_READINGS 4
/* Reads the live elements of the wanted lists, again up to so many times until two readings agree.  Marks the lengths
 * that have a set, of all lists. */
MUST_CHECK int nft_saved_read(struct nft *nft, const bool wanted[NFT_LIST_COUNT], int readings,
			      struct nft_lengths *lengths, struct nft_saved **out);
void nft_saved_restore(const struct nft *nft, const struct nft_saved *saved, struct nft_batch *batch);
void nft_saved_tell(const struct nft_saved *saved, nft_element_fn *tell, void *context);
void nft_saved_free(struct nft_saved *saved);

/* ---- first.c: a table of an earlier build, taken over ---- */

struct nft_first;

/* Reads its lists and customers, and marks the lengths that the graded map needs for them. */
MUST_CHECK int nft_first_read(struct nft *nft, struct nft_lengths *lengths, struct nft_first **out);
void nft_first_restore(const struct nft *nft, const struct nft_first *first, struct nft_batch *batch);
void nft_first_free(struct nft_first *first);

/* ---- chains.c: the chains and their rules ---- */

struct nft_written {
	unsigned chains, rules;
};

/* Chains and rules of a mode.  The table must have no chains by then. */
struct nft_written nft_rules_write(const struct nft *nft, struct nft_batch *batch, const struct nft_lengths *lengths,
				   const struct nft_rules *rules);
/* The rules that one more prefix length of a list needs, for the mode in force.  Returns how many. */
unsigned nft_rules_write_length(const struct nft *nft, struct nft_batch *batch, enum nft_list list,
				enum nft_family family, unsigned len);
/* The rules of the flag into the chains of that mode. */
struct nft_written nft_rules_write_flag(const struct nft *nft, struct nft_batch *batch, const struct flow_flag *flag);
/* Do these rules ask nothing of conntrack? */
bool nft_rules_are_untracked(const struct nft *nft, const struct nft_rules *rules);
/* Into a throw-away table: the native queue expression, the xt target, a question to conntrack, a hook at the ingress
 * of an interface that never goes away. */
typedef void nft_probe_fn(struct nft_batch *batch, const char *table);
nft_probe_fn nft_rules_probe_queue, nft_rules_probe_target, nft_rules_probe_conntrack, nft_rules_probe_ingress;

/* ---- early.c ---- */

/* Is it the name of a chain that comes and goes with loud sources, and with interfaces? */
bool nft_is_early_chain(const struct nlattr *name);

/* ---- watch.c: notifications ---- */

MUST_CHECK int nft_watch_open(struct nft *nft);
/* Around a large transaction of our own, whose notifications would fill the buffer.  Changes by others in the meantime
 * are found by the generation number. */
MUST_CHECK int nft_watch_suspend(struct nft *nft, uint32_t *generation);
MUST_CHECK int nft_watch_resume(struct nft *nft, uint32_t generation);

#endif
