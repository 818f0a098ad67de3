/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The book of exposed ports.  A port is one entry whoever serves it: an upgrade of the service is no news, a new port
 * is.  Resolvers and QUIC clients open UDP ports by the hundred, which nobody calls a service: hence the two looks.
 */
#include "exposure_book.h"

#include <stdio.h>
#include <string.h>

#define HEADING "# picket: ports that can be reached from outside. accepted|told PROTOCOL ADDRESS PORT\n"

bool exposure_is_exposed(const struct listener *listener)
{
	return listener->port != 0 && !listener->loopback && !addr_is_loopback(&listener->addr);
}

static bool same(const struct exposure_entry *entry, const struct listener *listener)
{
	return entry->port == listener->port && entry->protocol == listener->protocol && entry->v6 == listener->v6 &&
	       addr_equal(&entry->addr, &listener->addr);
}

const struct exposure_entry *exposure_book_find(const struct exposure_book *book, const struct listener *listener)
{
	for (size_t i = 0; i < book->count; i++)
		if (same(&book->entries[i], listener))
			return &book->entries[i];
	return NULL;
}

/* A place for a newcomer: a fresh one, or that of what is gone and was never accepted. */
static struct exposure_entry *place(struct exposure_book *book)
{
	if (book->count < EXPOSURE_MAX)
		return &book->entries[book->count++];
	for (size_t i = 0; i < book->count; i++)
		if (!book->entries[i].present && !book->entries[i].before && !book->entries[i].accepted)
			return &book->entries[i];
	book->dropped++;
	return NULL;
}

static struct exposure_entry *find_or_add(struct exposure_book *book, const struct listener *listener)
{
	struct exposure_entry *entry = NULL;

	for (size_t i = 0; i < book->count && !entry; i++)
		if (same(&book->entries[i], listener))
			entry = &book->entries[i];
	if (entry)
		return entry;
	entry = place(book);
	if (entry)
		*entry = (struct exposure_entry){
			.addr = listener->addr,
			.port = listener->port,
			.protocol = listener->protocol,
			.v6 = listener->v6,
		};
	return entry;
}

static bool is_passing(const struct exposure_book *book, const struct exposure_entry *entry)
{
	if (entry->protocol != 17)
		return false;
	return !entry->before || (entry->port >= book->ephemeral_first && entry->port <= book->ephemeral_last);
}

void exposure_book_look(struct exposure_book *book, const struct listener *found, size_t count, exposure_tell_fn *tell,
			void *context)
{
	for (size_t i = 0; i < book->count; i++) {
		book->entries[i].before = book->entries[i].present;
		book->entries[i].present = false;
	}
	for (size_t i = 0; i < count; i++) {
		struct exposure_entry *entry = exposure_is_exposed(&found[i]) ? find_or_add(book, &found[i]) : NULL;

		if (!entry)
			continue;
		entry->present = true;
		if (!book->begun)
			entry->told = true;
		if (entry->told || entry->accepted || is_passing(book, entry))
			continue;
		entry->told = true;
		tell(context, &found[i]);
	}
	book->begun = true;
}

void exposure_book_accept(struct exposure_book *book)
{
	size_t kept = 0;

	for (size_t i = 0; i < book->count; i++) {
		if (!book->entries[i].present)
			continue;
		book->entries[kept] = book->entries[i];
		book->entries[kept].accepted = book->entries[kept].told = true;
		kept++;
	}
	book->count = kept;
	book->begun = true;
}

/* ---- as text ---- */

void exposure_book_write(const struct exposure_book *book, struct writer *w)
{
	writer_text(w, HEADING);
	for (size_t i = 0; i < book->count; i++) {
		const struct exposure_entry *entry = &book->entries[i];
		char text[ADDR_TEXT_MAX];

		if (!entry->accepted && !entry->told)
			continue;
		writer_format(w, "%s %s%s %s %u\n", entry->accepted ? "accepted" : "told",
			      entry->protocol == 17 ? "udp" : "tcp", entry->v6 ? "6" : "",
			      addr_format(&entry->addr, text), entry->port);
	}
}

static bool read_line(const char *line, struct exposure_entry *out)
{
	char state[16] = "", protocol[8] = "", address[ADDR_TEXT_MAX + 2], rest[2];
	unsigned port;

	memset(out, 0, sizeof(*out));
	if (sscanf(line, "%15s %7s %47s %5u %1s", state, protocol, address, &port, rest) != 4 || port == 0 ||
	    port > 65535 || !addr_parse(address, &out->addr))
		return false;
	out->port = (uint16_t)port;
	out->protocol = strncmp(protocol, "udp", 3) == 0 ? 17 : 6;
	out->v6 = protocol[3] == '6';
	out->told = true;
	out->accepted = strcmp(state, "accepted") == 0;
	return (out->accepted || strcmp(state, "told") == 0) &&
	       (strncmp(protocol, "tcp", 3) == 0 || out->protocol == 17) &&
	       (protocol[3] == '\0' || (out->v6 && protocol[4] == '\0'));
}

size_t exposure_book_read(struct exposure_book *book, const char *text, size_t len)
{
	size_t bad = 0;

	for (size_t at = 0; at < len;) {
		const char *end = memchr(text + at, '\n', len - at);
		size_t line_len = end ? (size_t)(end - text) - at : len - at;
		struct exposure_entry entry;
		char line[EXPOSURE_LINE_MAX + 32];

		if (line_len > 0 && text[at] != '#') {
			bool fits = line_len < sizeof(line) && book->count < EXPOSURE_MAX;

			if (fits)
				memcpy(line, text + at, line_len);
			line[fits ? line_len : 0] = '\0';
			if (fits && strlen(line) == line_len && read_line(line, &entry))
				book->entries[book->count++] = entry;
			else
				bad++;
		}
		at += line_len + 1;
	}
	book->begun = true;
	return bad;
}
