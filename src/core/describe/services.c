/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of services, from the text of services(5) that the caller has read: a lookup through the resolver could
 * hang, and a log line must never wait.  The names take two allocations, are sorted once and found by binary
 * search.  A name that is not plain ASCII is skipped, so that every name may stand in a log line as it is.
 */
#include <picket/describe.h>
#include <picket/packet.h>

#include <stdlib.h>
#include <string.h>

#define SERVICE_NAMES_MAX    65536
#define SERVICE_NAME_LEN_MAX 32

struct service {
	uint32_t name; /* offset into the pool */
	uint16_t port;
	uint8_t protocol;
};

struct service_names {
	char *pool; /* NUL-terminated names, one after the other */
	size_t pool_len;
	size_t count;
	struct service *items; /* by port, protocol, place in the file */
};

/* A piece of the text. */
struct token {
	const char *at;
	size_t len;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of the line, of length 0 at its end or at a comment. */
static struct token next_token(struct token *line)
{
	struct token token;

	while (line->len > 0 && is_blank(*line->at)) {
		line->at++;
		line->len--;
	}
	token = (struct token){ .at = line->at };
	while (token.len < line->len && !is_blank(token.at[token.len]) && token.at[token.len] != '#')
		token.len++;
	line->at += token.len;
	line->len -= token.len;
	return token;
}

static bool is_plain_name(struct token t)
{
	if (t.len == 0 || t.len > SERVICE_NAME_LEN_MAX)
		return false;
	for (size_t i = 0; i < t.len; i++) {
		char c = t.at[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '-' &&
		    c != '_' && c != '.' && c != '+')
			return false;
	}
	return t.at[0] != '-';
}

/* "22/tcp" */
static bool parse_port(struct token t, struct service *out)
{
	static const struct {
		const char *name;
		uint8_t protocol;
	} protocols[] = { { "tcp", PROTO_TCP }, { "udp", PROTO_UDP }, { "sctp", PROTO_SCTP } };
	uint32_t port = 0;
	size_t i;

	for (i = 0; i < t.len && t.at[i] >= '0' && t.at[i] <= '9'; i++) {
		port = port * 10 + (uint32_t)(t.at[i] - '0');
		if (port > UINT16_MAX)
			return false;
	}
	if (i == 0 || i == t.len || t.at[i] != '/')
		return false;
	t.at += i + 1;
	t.len -= i + 1;
	for (i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		if (strlen(protocols[i].name) == t.len && memcmp(protocols[i].name, t.at, t.len) == 0) {
			out->port = (uint16_t)port;
			out->protocol = protocols[i].protocol;
			return true;
		}
	}
	return false;
}

static int compare_key(const struct service *a, uint16_t port, uint8_t protocol)
{
	if (a->port != port)
		return a->port < port ? -1 : 1;
	return (a->protocol > protocol) - (a->protocol < protocol);
}

/* Offsets grow along the file, so the first of two names for one port stays first. */
static int compare_services(const void *left, const void *right)
{
	const struct service *a = left, *b = right;
	int order = compare_key(a, b->port, b->protocol);

	return order ? order : (a->name > b->name) - (a->name < b->name);
}

static void add_line(struct service_names *names, struct token line)
{
	struct token name = next_token(&line), port = next_token(&line);
	struct service service;

	if (names->count == SERVICE_NAMES_MAX || !is_plain_name(name) || !parse_port(port, &service))
		return;
	service.name = (uint32_t)names->pool_len;
	memcpy(names->pool + names->pool_len, name.at, name.len);
	names->pool_len += name.len;
	names->pool[names->pool_len++] = '\0';
	names->items[names->count++] = service;
}

static size_t count_lines(const char *text, size_t len)
{
	size_t lines = 1;

	for (size_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	return lines < SERVICE_NAMES_MAX ? lines : SERVICE_NAMES_MAX;
}

struct service_names *service_names_new(const char *text, size_t len)
{
	struct service_names *names = calloc(1, sizeof(*names));

	if (!names)
		return NULL;
	/* A line "name port/tcp" is longer than its name with a NUL: the pool is never larger than the text. */
	names->pool = malloc(len + 1);
	names->items = calloc(count_lines(text, len), sizeof(*names->items));
	if (!names->pool || !names->items) {
		service_names_free(names);
		return NULL;
	}
	while (len > 0 && names->pool_len <= UINT32_MAX - SERVICE_NAME_LEN_MAX - 1) {
		const char *end = memchr(text, '\n', len);
		size_t line_len = end ? (size_t)(end - text) : len;

		add_line(names, (struct token){ text, line_len });
		line_len += end != NULL;
		text += line_len;
		len -= line_len;
	}
	qsort(names->items, names->count, sizeof(*names->items), compare_services);
	return names;
}

void service_names_free(struct service_names *names)
{
	if (!names)
		return;
	free(names->pool);
	free(names->items);
	free(names);
}

const char *service_name(const struct service_names *names, uint8_t protocol, uint16_t port)
{
	size_t low = 0, high;

	if (!names)
		return NULL;
	high = names->count;
	while (low < high) { /* the first that is not below the key */
		size_t middle = low + (high - low) / 2;

		if (compare_key(&names->items[middle], port, protocol) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == names->count || compare_key(&names->items[low], port, protocol) != 0)
		return NULL;
	return names->pool + names->items[low].name;
}
