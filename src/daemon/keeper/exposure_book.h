/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The book of exposed ports: which ones the admin has accepted, and which have been told of.  Pure: listeners go in,
 * what is new comes out; its text is what the keeper's file holds.
 *
 * Limit: EXPOSURE_MAX entries.  Where it is full, what no longer listens and was never accepted gives way; else the
 * newcomer is counted in `dropped` and told of at each start.
 */
#ifndef PICKET_EXPOSURE_BOOK_H
#define PICKET_EXPOSURE_BOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/listeners.h"
#include "writer.h"

#define EXPOSURE_MAX      1024
#define EXPOSURE_LINE_MAX 80
#define EXPOSURE_TEXT_MAX (EXPOSURE_LINE_MAX * (EXPOSURE_MAX + 2))

struct exposure_entry {
	struct addr addr;
	uint16_t port;
	uint8_t protocol;
	bool v6; /* :: and 0.0.0.0 differ */
	bool accepted;
	bool told;    /* or there before anybody looked */
	bool present; /* at the last look */
	bool before;  /* at the one before it */
};

struct exposure_book {
	struct exposure_entry entries[EXPOSURE_MAX];
	size_t count;
	bool begun;                               /* a first look was taken, in this life or an earlier one */
	uint16_t ephemeral_first, ephemeral_last; /* UDP ports that come and go with every question asked */
	uint64_t dropped;
};

/* Outside can send to it. */
bool exposure_is_exposed(const struct listener *listener);
/* One look: marks who is there.  Hands every port that is new to tell(); the very first look tells nothing, for what
 * it finds was there before picket.  A UDP socket is told of at the second look, and never in the ephemeral range. */
typedef void exposure_tell_fn(void *context, const struct listener *listener);
void exposure_book_look(struct exposure_book *book, const struct listener *found, size_t count, exposure_tell_fn *tell,
			void *context);
/* NULL: not in the book. */
const struct exposure_entry *exposure_book_find(const struct exposure_book *book, const struct listener *listener);
/* What is there now is accepted, all else is forgotten. */
void exposure_book_accept(struct exposure_book *book);

/* The book as text, one entry a line, and back.  Lines that make no sense are passed over: how many. */
void exposure_book_write(const struct exposure_book *book, struct writer *w);
size_t exposure_book_read(struct exposure_book *book, const char *text, size_t len);

#endif
