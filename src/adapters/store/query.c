/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Questions to the history.  An answer is a page: an index is walked in the order of the answer, so that the time it
 * takes does not grow with the table.  A prefix with few rows is sorted from its own index; one with many is walked
 * through time by stretches of 4.7 hours, of which a year has 1,900, so that a long silence costs little.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

/* A prefix with up to so many rows is sorted: some 10 ms. */
#define SORT_MAX 20000
/* As in the index: at_ms >> 24. */
#define STRETCH_SHIFT 24
/* Ten years of them: no clock that is right makes more. */
#define STRETCHES_MAX 20000
/* So many pages of nothing but bad rows are read before the answer is given up. */
#define ROUNDS_MAX 100

/* Where a row stands in time; rows of the same millisecond are ordered by number. */
struct place {
	int64_t at_ms, row;
};

/* The best rows found so far, in the order of the answer. */
struct page {
	struct place *places; /* limit */
	size_t limit, count;
	bool oldest_first;
	int64_t since_ms;
	struct place edge; /* answers lie beyond it */
};

static bool precedes(const struct page *page, const struct place *a, const struct place *b)
{
	bool earlier = a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->row < b->row;

	return earlier == page->oldest_first;
}

/* False: the page is full of rows that come first, and every further row comes later still. */
static bool page_add(struct page *page, const struct place *place)
{
	size_t at = page->count;

	if (page->count == page->limit) {
		if (!precedes(page, place, &page->places[page->count - 1]))
			return false;
		at--;
	} else {
		page->count++;
	}
	for (; at > 0 && precedes(page, place, &page->places[at - 1]); at--)
		page->places[at] = page->places[at - 1];
	page->places[at] = *place;
	return true;
}

/* The earliest time that can be in the answer: a page that goes upwards begins where the last one ended. */
static int64_t from_ms(const struct page *page)
{
	return page->oldest_first && page->edge.at_ms > page->since_ms ? page->edge.at_ms : page->since_ms;
}

/* Runs a statement whose first parameters are bound, for as many rows as the page may want. */
static int collect(struct page *page, struct store_row *query)
{
	int result;

	query->next = 3;
	store_bind_int(query, from_ms(page));
	store_bind_int(query, page->edge.at_ms);
	store_bind_int(query, page->edge.row);
	store_bind_int(query, (int64_t)page->limit);
	while ((result = sqlite3_step(query->statement)) == SQLITE_ROW) {
		struct place place = {
			.at_ms = sqlite3_column_int64(query->statement, 0),
			.row = sqlite3_column_int64(query->statement, 1),
		};
		if (!page_add(page, &place)) {
			result = SQLITE_DONE;
			break;
		}
	}
	sqlite3_reset(query->statement);
	return result == SQLITE_DONE ? SQLITE_OK : result;
}

static enum store_statement way(const struct page *page, enum store_statement newest_first)
{
	return newest_first + page->oldest_first;
}

static int collect_exact(struct store *store, struct page *page, const struct prefix *source)
{
	struct store_row query = store_bind(store, way(page, STORE_BY_SOURCE));

	store_bind_blob(&query, source->addr.b, sizeof(source->addr.b));
	store_bind_int(&query, source->len);
	return collect(page, &query);
}

/* Begins with the range of addresses first to last. */
static struct store_row bind_range(struct store *store, enum store_statement which, const struct addr *first,
				   const struct addr *last)
{
	struct store_row query = store_bind(store, which);

	store_bind_blob(&query, first->b, sizeof(first->b));
	store_bind_blob(&query, last->b, sizeof(last->b));
	return query;
}

static int collect_stretches(struct store *store, struct page *page, const struct addr *first, const struct addr *last)
{
	bool up = page->oldest_first;
	int64_t stretch = (up ? from_ms(page) : page->edge.at_ms) >> STRETCH_SHIFT;
	int64_t oldest = page->since_ms >> STRETCH_SHIFT;
	int result = SQLITE_OK;

	for (int i = 0; i < STRETCHES_MAX && page->count < page->limit; i++, stretch += up ? 1 : -1) {
		struct store_row query = store_bind(store, way(page, STORE_NEXT_STRETCH));

		store_bind_int(&query, stretch);
		result = store_number(&query, &stretch);
		if (result != SQLITE_OK || stretch < oldest)
			break;
		query = bind_range(store, way(page, STORE_BY_STRETCH), first, last);
		store_bind_int(&query, stretch);
		result = collect(page, &query);
		if (result != SQLITE_OK)
			break;
	}
	return result == SQLITE_DONE ? SQLITE_OK : result;
}

/* Every source that begins in the range: all that lie in the prefix, and those that begin where it does. */
static int collect_range(struct store *store, struct page *page, const struct prefix *within)
{
	const struct addr *first = &within->addr;
	struct addr last = within->addr;
	struct store_row query;
	int64_t rows = 0;
	int result;

	for (unsigned bit = within->len; bit < 128; bit++)
		last.b[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	query = bind_range(store, STORE_COUNT_RANGE, first, &last);
	store_bind_int(&query, SORT_MAX + 1);
	result = store_number(&query, &rows);
	if (result != SQLITE_OK)
		return result;
	if (rows > SORT_MAX)
		return collect_stretches(store, page, first, &last);
	query = bind_range(store, way(page, STORE_BY_RANGE), first, &last);
	return collect(page, &query);
}

static int collect_page(struct store *store, struct page *page, const struct prefix *within)
{
	bool host = within->len == 128;
	int result;

	page->count = 0;
	if (within->len == 0) {
		struct store_row query = store_bind(store, way(page, STORE_BY_TIME));
		return collect(page, &query);
	}
	result = host ? collect_exact(store, page, within) : collect_range(store, page, within);
	/* The prefixes that it lies in take one seek each; those that begin where it does are in the range already. */
	for (unsigned len = 1; result == SQLITE_OK && len < within->len; len++) {
		struct prefix outer = prefix_of(&within->addr, len);
		if (host || !addr_equal(&outer.addr, &within->addr))
			result = collect_exact(store, page, &outer);
	}
	return result;
}

/* 1: handed on; 0: gone or bad; else an error of SQLite's. */
static int fetch(struct store *store, int64_t number, store_event_fn *each, void *context)
{
	struct store_row row = store_bind(store, STORE_FETCH);
	struct event event;
	int result;

	store_bind_int(&row, number);
	result = store_step(&row);
	if (result == SQLITE_ROW) {
		memset(&event, 0, sizeof(event));
		store_event_columns(&row, &event);
	}
	sqlite3_reset(row.statement);
	if (result != SQLITE_ROW)
		return result == SQLITE_DONE ? 0 : result;
	if (row.bad) {
		store->stats.dropped++;
		return 0;
	}
	each(context, number, &event);
	return 1;
}

/* The row that the query names may be gone: the one before it in number then tells where it stood. */
static int find_edge(struct store *store, const struct store_query *query, struct place *edge)
{
	struct store_row lookup;
	int result;

	*edge = query->oldest_first ? (struct place){ -1, -1 } : (struct place){ INT64_MAX, INT64_MAX };
	if (query->before_row == 0)
		return SQLITE_OK;
	lookup = store_bind(store, STORE_EDGE);
	store_bind_int(&lookup, query->before_row);
	edge->row = query->before_row;
	result = store_number(&lookup, &edge->at_ms);
	if (result == SQLITE_DONE)
		*edge = (struct place){ -1, -1 };
	return result == SQLITE_DONE ? SQLITE_OK : result;
}

/* Bad rows leave holes in a page, which are filled from the next one. */
static int answer(struct store *store, const struct store_query *query, struct page *page, store_event_fn *each,
		  void *context, size_t *given)
{
	size_t wanted = page->limit;
	int result = find_edge(store, query, &page->edge);

	for (int round = 0; result == SQLITE_OK && round < ROUNDS_MAX && *given < wanted; round++) {
		page->limit = wanted - *given;
		result = collect_page(store, page, &query->within);
		if (result != SQLITE_OK || page->count == 0)
			break;
		for (size_t i = 0; result == SQLITE_OK && i < page->count; i++) {
			int fetched = fetch(store, page->places[i].row, each, context);
			if (fetched == 1)
				++*given;
			else
				result = fetched;
		}
		page->edge = page->places[page->count - 1];
		if (page->count < page->limit)
			break;
	}
	return result;
}

size_t store_history(struct store *store, const struct store_query *query, store_event_fn *each, void *context)
{
	struct page page = { .oldest_first = query->oldest_first, .since_ms = query->since_ms };
	size_t given = 0;
	int result;

	if (!prefix_is_valid(&query->within) || query->before_row < 0)
		return 0;
	store_flush(store);
	page.limit = query->limit > 0 && query->limit < STORE_PAGE_MAX ? query->limit : STORE_PAGE_MAX;
	page.places = calloc(page.limit, sizeof(page.places[0]));
	if (!page.places || !store->db) {
		free(page.places);
		return 0;
	}
	result = answer(store, query, &page, each, context, &given);
	free(page.places);
	if (result != SQLITE_OK)
		store_failed(store, result, "cannot read");
	return given;
}
