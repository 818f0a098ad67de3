/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The evidence of an event in words: "SYN scan, 5 closed ports (21 ftp, ...), looks like nmap".
 */
#ifndef PICKET_DESCRIBE_PIECES_H
#define PICKET_DESCRIBE_PIECES_H

#include <picket/describe.h>

/* Items of a sentence: ", " before each but the first. */
struct item_list {
	struct writer *w;
	bool started;
};

void item_begin(struct item_list *list);

void describe_pieces(struct item_list *list, const struct event *event, const struct service_names *names);

#endif
