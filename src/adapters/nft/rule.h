/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The language in which the chains are written, over libnftnl: rule_begin(), then matches in the order in which the
 * kernel checks them, then one ending (rule_accept() and so on), which closes the rule.  A failure sticks in the batch
 * and shows when that is run, so no function here has a result.
 *
 * `set` names a set of sets.c.  Where a function also takes a family, the set is one of a pair, named without the
 * family's digit: "seen" for seen4 and seen6.
 */
#ifndef PICKET_NFT_RULE_H
#define PICKET_NFT_RULE_H

#include "internal.h"

#include <linux/netfilter/nf_conntrack_common.h>

#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define PSH 0x08
#define ACK 0x10
#define URG 0x20

#define CT_ESTABLISHED NF_CT_STATE_BIT(IP_CT_ESTABLISHED)
#define CT_RELATED     NF_CT_STATE_BIT(IP_CT_RELATED)

#define EACH_FAMILY(f)                                                                                                 \
	enum nft_family f = NFT_V4;                                                                                    \
	f < NFT_FAMILY_COUNT;                                                                                          \
	f++

struct nftnl_rule;

struct rule_writer {
	struct nft_batch *batch;
	const char *table;
	bool native_queue, ingress;
	bool untracked; /* no rule asks conntrack: each packet is one that it does not see */
	unsigned shift; /* of sizes and of what must fit them, on a small machine */
	struct nftnl_rule *rule;
	bool first; /* the rule goes to the head of its chain */
	bool never; /* it matches no packet, and is left out */
	struct nft_written written;
};

enum rule_side { RULE_SOURCE, RULE_DESTINATION };
enum rule_sense { RULE_IS, RULE_IS_NOT, RULE_IS_AT_LEAST /* of grades alone */ };

enum { TCP_OPTION_MAXSEG = 2, TCP_OPTION_WINDOW = 3, TCP_OPTION_SACK_PERM = 4, TCP_OPTION_TIMESTAMP = 8 };

/* ---- chains ---- */

void rule_chain(struct rule_writer *w, const char *name);
void rule_base_chain(struct rule_writer *w, const char *name, uint32_t hook, int32_t priority);
void rule_ingress_chain(struct rule_writer *w, const char *name, const char *device, int32_t priority);

/* ---- matches ---- */

void rule_begin(struct rule_writer *w, const char *chain);
/* The same, and the rule will stand at the chain's head. */
void rule_begin_first(struct rule_writer *w, const char *chain);
/* A mark by which the rule is found again.  It is shown as a comment. */
void rule_tag(struct rule_writer *w, char tag);
void rule_family(struct rule_writer *w, enum nft_family family);
void rule_protocol(struct rule_writer *w, uint8_t protocol);
void rule_protocol_is_not(struct rule_writer *w, uint8_t protocol);
void rule_loopback(struct rule_writer *w, enum rule_side side); /* interface: in (source) or out (destination) */
void rule_interface_in(struct rule_writer *w, enum rule_sense sense, const char *set);
void rule_interface_type_is_not(struct rule_writer *w, uint16_t type); /* ARPHRD_ETHER */
void rule_pkttype_is(struct rule_writer *w, uint8_t pkttype);
void rule_pkttype_is_not(struct rule_writer *w, uint8_t pkttype);
void rule_frame_type(struct rule_writer *w, uint16_t type);        /* of Ethernet; a tagged frame's is its tag's */
void rule_is_whole(struct rule_writer *w, enum nft_family family); /* no fragment */
/* The address, masked to that length, is in a list's set of that name. */
void rule_listed(struct rule_writer *w, enum nft_family family, enum rule_side side, unsigned len, const char *name);
/* The same in a map, whose value is, is not, or is at least that grade.  What is not in it does not match. */
void rule_graded(struct rule_writer *w, enum nft_family family, enum rule_side side, unsigned len, const char *name,
		 enum rule_sense sense, enum nft_grade grade);
/* The source (an IPv4 address, an IPv6 /64) of that side. */
void rule_source(struct rule_writer *w, enum nft_family family, enum rule_side side, enum rule_sense sense,
		 const char *set);
/* source . protocol . port, each of the side named; or with a given port. */
void rule_service(struct rule_writer *w, enum nft_family family, enum rule_side source, enum rule_side port,
		  enum rule_sense sense, const char *set);
void rule_service_at(struct rule_writer *w, enum nft_family family, enum rule_side source, uint16_t port,
		     const char *set);
/* address . protocol . port of a host behind this one, all of one side. */
void rule_host_service(struct rule_writer *w, enum nft_family family, enum rule_side side, enum rule_sense sense,
		       const char *set);
/* source . destination port; original: the port before destination NAT, of TCP (after rule_protocol()). */
void rule_customer(struct rule_writer *w, enum nft_family family, bool original, const char *set);
/* destination . source port: the customer to whom this host sends. */
void rule_served_customer(struct rule_writer *w, enum nft_family family, const char *set);
/* source . destination port, or the even one before it. */
void rule_call(struct rule_writer *w, enum nft_family family, enum rule_sense sense, const char *set);
/* source . destination . interface */
void rule_path(struct rule_writer *w, enum nft_family family, const char *set);
/* protocol . port before destination NAT. */
void rule_published(struct rule_writer *w, enum rule_sense sense, const char *set);
/* protocol . destination port */
void rule_transport(struct rule_writer *w, const char *set);
/* port of that side . interface */
void rule_link_port(struct rule_writer *w, enum rule_side side, const char *set);
/* address . port of that side . port of the other side. */
void rule_conversation(struct rule_writer *w, enum nft_family family, enum rule_side side, const char *set);
/* source . its port . destination port, each port or the even one before it. */
void rule_stream(struct rule_writer *w, enum nft_family family, const char *set);
void rule_port(struct rule_writer *w, enum rule_side side, enum rule_sense sense, const char *set);
void rule_port_is(struct rule_writer *w, enum rule_side side, uint16_t port);
void rule_port_from(struct rule_writer *w, enum rule_side side, uint16_t first); /* that port or a higher one */
void rule_ports_are(struct rule_writer *w, uint16_t source, uint16_t destination);
void rule_tcp_flags(struct rule_writer *w, uint8_t mask, uint8_t value); /* flags & mask == value */
void rule_tcp_flags_are_not(struct rule_writer *w, uint8_t mask, uint8_t value);
void rule_tcp_flags_in(struct rule_writer *w, uint8_t mask, enum rule_sense sense, const char *set);
void rule_tcp_option_missing(struct rule_writer *w, uint8_t kind);
void rule_icmp_type(struct rule_writer *w, const char *set); /* after the protocol */
void rule_icmp_type_is(struct rule_writer *w, uint8_t type);
/* Where conntrack is not asked, the state of every packet is "untracked" and its status is none. */
void rule_ct_state(struct rule_writer *w, uint32_t states);  /* any of them */
void rule_ct_status(struct rule_writer *w, uint32_t status); /* any of them */
void rule_ct_status_none(struct rule_writer *w, uint32_t status);
void rule_ct_direction(struct rule_writer *w, uint8_t direction);
void rule_socket_transparent(struct rule_writer *w, bool transparent);
void rule_socket_exists(struct rule_writer *w);
void rule_socket_is_connection(struct rule_writer *w); /* not half open, no TIME_WAIT, no listener on any address */
void rule_local(struct rule_writer *w, enum rule_side side, enum rule_sense sense); /* the address is this host's */
void rule_destination_type(struct rule_writer *w, uint32_t type);                   /* RTN_MULTICAST, RTN_BROADCAST */
void rule_no_reverse_path(struct rule_writer *w);
void rule_over(struct rule_writer *w, uint64_t per_second, uint32_t burst);
/* As rule_over(), for each source by itself, or so many an hour for each prefix of that length, of either side. */
void rule_over_each(struct rule_writer *w, enum nft_family family, const char *set, uint64_t per_second,
		    uint32_t burst);
void rule_over_each_net(struct rule_writer *w, enum nft_family family, enum rule_side side, unsigned len,
			const char *set, uint64_t per_hour, uint32_t burst);

/* ---- statements ---- */

void rule_count(struct rule_writer *w, const char *counter);
/* Put the packet's key into a set, or renew it there, for the time that the set's definition says. */
void rule_add_source(struct rule_writer *w, enum nft_family family, const char *set);
void rule_add_service(struct rule_writer *w, enum nft_family family, enum rule_side source, enum rule_side port,
		      const char *set);
void rule_add_host_service(struct rule_writer *w, enum nft_family family, enum rule_side side, const char *set);
void rule_add_customer(struct rule_writer *w, enum nft_family family, bool original, const char *set);
void rule_add_served_customer(struct rule_writer *w, enum nft_family family, const char *set);
void rule_add_call(struct rule_writer *w, enum nft_family family, const char *set);
/* original: the destination before its NAT, of what conntrack knows. */
void rule_add_path(struct rule_writer *w, enum nft_family family, bool original, const char *set);
void rule_add_interface(struct rule_writer *w, const char *set); /* by its name */
void rule_add_published(struct rule_writer *w, const char *set);
void rule_add_link_port(struct rule_writer *w, enum rule_side side, const char *set);
void rule_add_conversation(struct rule_writer *w, enum nft_family family, enum rule_side side, const char *set);
void rule_tproxy(struct rule_writer *w, enum nft_family family, uint16_t port); /* to 127.0.0.1 or ::1 */

/* ---- endings ---- */

void rule_end(struct rule_writer *w);
void rule_accept(struct rule_writer *w);
void rule_drop(struct rule_writer *w);
void rule_return(struct rule_writer *w);
void rule_jump(struct rule_writer *w, const char *chain);
void rule_goto(struct rule_writer *w, const char *chain);
void rule_queue(struct rule_writer *w, uint16_t number); /* passes when no program reads the queue */

/* ---- what several chains begin or end with (chains.c) ---- */

void chain_drop(struct rule_writer *w, const char *chain, const char *counter);
/* Errors and answers of ICMP. */
void chain_accept_icmp_answers(struct rule_writer *w, const char *chain);
/* From an interface that is not guarded: goto, or accept if NULL. */
void chain_unless_guarded(struct rule_writer *w, const char *chain, const struct nft_rules *rules, const char *then);

/* ---- the chains ---- */

/* flag.c */
#define FLAG_TAG_PASS 'p' /* at the head of a base chain */
#define FLAG_TAG_SET  's' /* the writer */
void chains_flag(struct rule_writer *w, const struct nft_rules *rules);
void chains_flag_rules(struct rule_writer *w, const struct flow_flag *flag, bool out, bool through);

/* early.c */
void chains_early(struct rule_writer *w, const struct nft_rules *rules);

/* through.c */
bool chains_through_are_wanted(const struct rule_writer *w, const struct nft_rules *rules);
void chains_through(struct rule_writer *w, const struct nft_rules *rules);

/* grades.c */
void chains_grades(struct rule_writer *w, const struct nft_rules *rules);
void chains_out(struct rule_writer *w);
/* conversations.c */
void chains_customers(struct rule_writer *w, const struct nft_rules *rules);
void chains_expected(struct rule_writer *w, const struct nft_rules *rules);
/* sense.c */
void chains_queues(struct rule_writer *w, const struct nft_rules *rules);
void chains_trap(struct rule_writer *w, const struct nft_rules *rules);
void chains_watch(struct rule_writer *w, const struct nft_rules *rules);

#endif
