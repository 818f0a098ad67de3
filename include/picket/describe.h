/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Events in words: the log line, the reason, the list of ports.  Text goes in and out, nothing else; the log, hooks,
 * `list` and `explain` use the same words.
 */
#ifndef PICKET_DESCRIBE_H
#define PICKET_DESCRIBE_H

#include <picket/event.h>
#include "writer.h"

/* Names of services by protocol and port, from the text of /etc/services.  Where NULL is given, ports are numbers
 * alone. */
struct service_names;

/* Parses the text of services(5).  Lines that make no sense are skipped; at most 65,536 names are kept.  NULL when out
 * of memory. */
struct service_names *service_names_new(const char *text, size_t len);
void service_names_free(struct service_names *names);
const char *service_name(const struct service_names *names, uint8_t protocol, uint16_t port); /* or NULL */

/* The log line, whose form is stable, without a newline; in one line:
 *   veil 198.51.100.7: suspected 7.2 of 6.9, SYN scan, 5 closed ports (21 ftp, ...), looks like nmap [incident 42]
 * In observe mode it begins with "would veil", "would ban". */
void describe_event(struct writer *w, const struct event *event, const struct service_names *names);
/* The part after the colon: "suspected 7.2 of 6.9, SYN scan, ...". */
void describe_reason(struct writer *w, const struct event *event, const struct service_names *names);
/* "21,22,23": distinct ports, ascending. */
void describe_ports(struct writer *w, const struct event *event);
/* "SYN scan, UDP scan": the kinds, heaviest first. */
void describe_kinds(struct writer *w, const struct event *event);
/* "syn,udp": the kinds of a mask by their names for programs, heaviest first by what the pieces weigh. */
void describe_kind_names(struct writer *w, uint32_t kinds, const struct evidence *pieces, size_t count);

#endif
