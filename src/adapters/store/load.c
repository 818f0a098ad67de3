/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What comes back after a restart.  Every row is checked, since the kernel's sets and the engine's tables are
 * filled from here; no table gives more rows than the engine could hold.
 */
#include "internal.h"

#include <string.h>

#include "duration.h"
#include "codec.h"

#define TIME_MAX_MS 253402300799000LL /* the end of the year 9999 */

/* Whom to tell, and as of when. */
struct load {
	int64_t now_ms;
	union {
		store_block_fn *block;
		store_source_fn *source;
		store_served_fn *served;
		store_customer_fn *customer;
	} each;
	void *context;
};

/* Reads a row and hands it on; false: a bad one. */
typedef bool take_fn(struct store_row *row, const struct load *load);

static size_t each_row(struct store *store, struct store_binder *query, take_fn *take, const struct load *load)
{
	size_t count = 0;
	int result;

	while ((result = sqlite3_step(query->statement)) == SQLITE_ROW) {
		struct store_row row = { .statement = query->statement };
		if (take(&row, load))
			count++;
		else
			store->stats.dropped++;
	}
	sqlite3_reset(query->statement);
	if (result != SQLITE_DONE)
		store_failed(store, result, "cannot read");
	return count;
}

/* "21,22,80": up to four ports, in the order they were touched. */
static bool parse_ports(const char *text, uint16_t ports[4])
{
	size_t count = 0;

	while (*text) {
		unsigned port = 0;
		if (count == 4)
			return false;
		for (; *text >= '0' && *text <= '9' && port <= UINT16_MAX; text++)
			port = port * 10 + (unsigned)(*text - '0');
		if (port == 0 || port > UINT16_MAX || (*text && *text != ',') || (*text == ',' && !text[1]))
			return false;
		ports[count++] = (uint16_t)port;
		text += *text == ',';
	}
	return true;
}

static bool take_block(struct store_row *row, const struct load *load)
{
	struct block_view block = { .grade = GRADE_NONE };
	char ports[4 * 6 + 1];

	row->next++; /* its text is for people */
	block.source = store_row_source(row);
	block.grade = store_row_name(row, store_grade_name, GRADE_COUNT);
	block.times = (uint8_t)store_row_int(row, 0, UINT8_MAX);
	block.tool = store_row_name(row, store_tool_name, TOOL_COUNT);
	block.incident = (uint32_t)store_row_int(row, 0, UINT32_MAX);
	block.kinds = (uint32_t)store_row_int(row, 0, (1LL << EVIDENCE_KIND_COUNT) - 1);
	block.since_ms = store_row_int(row, 0, TIME_MAX_MS);
	block.until_ms = store_row_int(row, 0, load->now_ms + DURATION_MAX_MS);
	store_row_text(row, ports, sizeof(ports));
	store_row_text(row, block.reason, sizeof(block.reason));
	if (row->bad || block.source.len == 0 || block.grade < GRADE_BLOCK || !parse_ports(ports, block.ports))
		return false;
	load->each.block(load->context, &block);
	return true;
}

size_t store_each_block(struct store *store, int64_t now_ms, store_block_fn *each, void *context)
{
	const struct load load = { .now_ms = now_ms, .each.block = each, .context = context };
	struct store_binder query;

	store_flush(store);
	if (!store->db)
		return 0;
	query = store_bind(store, STORE_EACH_BLOCK);
	store_bind_int(&query, now_ms);
	store_bind_int(&query, ENGINE_BLOCKS_MAX);
	return each_row(store, &query, take_block, &load);
}

static bool take_source(struct store_row *row, const struct load *load)
{
	struct source_view source = { .grade = GRADE_NONE };
	size_t len;
	const void *view;

	source.source = store_row_source(row);
	view = store_row_blob(row, &len);
	if (row->bad || source.source.len == 0 || !store_unpack_source(view, len, &source))
		return false;
	load->each.source(load->context, &source);
	return true;
}

size_t store_each_source(struct store *store, store_source_fn *each, void *context)
{
	const struct load load = { .each.source = each, .context = context };
	struct store_binder query;

	if (!store->db)
		return 0;
	query = store_bind(store, STORE_EACH_SOURCE);
	store_bind_int(&query, STORE_SOURCES_MAX);
	return each_row(store, &query, take_source, &load);
}

static bool take_served(struct store_row *row, const struct load *load)
{
	struct store_served served;

	served.protocol = (uint8_t)store_row_int(row, 0, UINT8_MAX);
	served.port = (uint16_t)store_row_int(row, 0, UINT16_MAX);
	served.last_ms = store_row_int(row, 0, TIME_MAX_MS);
	if (row->bad)
		return false;
	load->each.served(load->context, &served);
	return true;
}

size_t store_each_served(struct store *store, store_served_fn *each, void *context)
{
	const struct load load = { .each.served = each, .context = context };
	struct store_binder query;

	if (!store->db)
		return 0;
	query = store_bind(store, STORE_EACH_SERVED);
	store_bind_int(&query, STORE_SERVED_MAX);
	return each_row(store, &query, take_served, &load);
}

static bool take_customer(struct store_row *row, const struct load *load)
{
	struct store_customer customer;
	struct prefix host = store_row_source(row);

	customer.addr = host.addr;
	customer.protocol = (uint8_t)store_row_int(row, 0, UINT8_MAX);
	customer.port = (uint16_t)store_row_int(row, 1, UINT16_MAX);
	customer.until_ms = store_row_int(row, 0, load->now_ms + DURATION_MAX_MS);
	if (row->bad || host.len != 128)
		return false;
	load->each.customer(load->context, &customer);
	return true;
}

size_t store_each_customer(struct store *store, int64_t now_ms, store_customer_fn *each, void *context)
{
	const struct load load = { .now_ms = now_ms, .each.customer = each, .context = context };
	struct store_binder query;

	if (!store->db)
		return 0;
	query = store_bind(store, STORE_EACH_CUSTOMER);
	store_bind_int(&query, now_ms);
	store_bind_int(&query, STORE_CUSTOMERS_MAX);
	return each_row(store, &query, take_customer, &load);
}
