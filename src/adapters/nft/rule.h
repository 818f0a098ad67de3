/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small language for rules over libnftnl: rule_begin(), then matches in the order in which the kernel
 * checks them, then one ending (rule_accept() and so on), which closes the rule.  A failed allocation sticks in
 * the batch.
 */
#ifndef PICKET_NFT_RULE_H
#define PICKET_NFT_RULE_H

#include "internal.h"

struct nftnl_rule;

struct rule_writer {
	struct nft_batch *batch;
	const char *table;
	bool native_queue;
	struct nftnl_rule *rule;
	struct nft_written written;
};

enum rule_side { RULE_SOURCE, RULE_DESTINATION };
enum rule_sense { RULE_IS, RULE_IS_NOT };

/* Chains. */
void rule_chain(struct rule_writer *w, const char *name);
void rule_base_chain(struct rule_writer *w, const char *name, uint32_t hook, int32_t priority);

/* Matches. */
void rule_begin(struct rule_writer *w, const char *chain);
void rule_family(struct rule_writer *w, enum nft_family family);
void rule_protocol(struct rule_writer *w, uint8_t protocol);
void rule_loopback(struct rule_writer *w, enum rule_side side); /* interface: in (source) or out (destination) */
void rule_interface_in(struct rule_writer *w, enum rule_sense sense, const char *set);
void rule_pkttype(struct rule_writer *w, enum rule_sense sense, uint8_t pkttype);
/* The address, masked to that length, is in the set. */
void rule_address(struct rule_writer *w, enum nft_family family, enum rule_side side, unsigned len,
		  enum rule_sense sense, const char *set);
/* address . protocol . port of that side: a customer of this port. */
void rule_customer(struct rule_writer *w, enum nft_family family, enum rule_side address, enum rule_side port,
		   enum rule_sense sense, const char *set);
void rule_port(struct rule_writer *w, enum rule_side side, const char *set);
void rule_port_from(struct rule_writer *w, enum rule_side side, uint16_t first); /* that port or a higher one */
/* address . protocol . a given port. */
void rule_service(struct rule_writer *w, enum nft_family family, enum rule_side address, uint16_t port,
		  const char *set);
void rule_port_is(struct rule_writer *w, enum rule_side side, uint16_t port);
/* address . port of that side . port of the other side. */
void rule_conversation(struct rule_writer *w, enum nft_family family, enum rule_side side, const char *set);
void rule_ports_are(struct rule_writer *w, uint16_t source, uint16_t destination);
void rule_tcp_flags(struct rule_writer *w, uint8_t mask, uint8_t value); /* flags & mask == value */
void rule_tcp_flags_in(struct rule_writer *w, uint8_t mask, enum rule_sense sense, const char *set);
void rule_icmp_type(struct rule_writer *w, const char *set); /* after the protocol */
void rule_ct_state(struct rule_writer *w, uint32_t states);  /* any of them */
void rule_ct_original(struct rule_writer *w);
void rule_ct_reply(struct rule_writer *w);
void rule_ct_status(struct rule_writer *w, uint32_t status);
void rule_socket_transparent(struct rule_writer *w, bool transparent);
void rule_socket_exists(struct rule_writer *w);
void rule_socket_is_connection(struct rule_writer *w); /* not half open, no TIME_WAIT, no listener on any address */
void rule_local_destination(struct rule_writer *w);
void rule_local_source(struct rule_writer *w);
void rule_no_reverse_path(struct rule_writer *w);
void rule_over(struct rule_writer *w, uint64_t per_second, uint32_t burst);
/* As rule_over(), for each address by itself, in a dynamic set. */
void rule_over_each(struct rule_writer *w, enum nft_family family, unsigned len, const char *set, uint64_t timeout_ms,
		    uint64_t per_second, uint32_t burst);

/* Statements. */
void rule_count(struct rule_writer *w, const char *counter);
void rule_remember(struct rule_writer *w, enum nft_family family, unsigned len, const char *set, uint64_t timeout_ms);
void rule_remember_customer(struct rule_writer *w, enum nft_family family, enum rule_side address, enum rule_side port,
			    const char *set, uint64_t timeout_ms);
void rule_remember_conversation(struct rule_writer *w, enum nft_family family, enum rule_side side, const char *set,
				uint64_t timeout_ms);
void rule_tproxy(struct rule_writer *w, enum nft_family family, uint16_t port); /* to 127.0.0.1 or ::1 */

/* Endings. */
void rule_end(struct rule_writer *w);
void rule_accept(struct rule_writer *w);
void rule_drop(struct rule_writer *w);
void rule_return(struct rule_writer *w);
void rule_jump(struct rule_writer *w, const char *chain);
void rule_goto(struct rule_writer *w, const char *chain);
void rule_queue(struct rule_writer *w, uint16_t number); /* passes when nobody listens */

#endif
