/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `exposure`: what listens, as the daemon saw it, and what only root can add: which program it is, and whether the
 * host's own firewall lets a stranger through to it.
 */
#include "internal.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <picket/packet.h>
#include "procfs.h"
#include "render/render.h"

#define ROWS_MAX REACH_PORTS_MAX

struct exposed {
	json_t *rows; /* array of the daemon's objects */
	size_t count;
	struct reach_port ports[ROWS_MAX];
	struct procfs_owner owners[ROWS_MAX];
	char why[CTL_ERROR_MAX]; /* the firewall could not be tried */
};

static const char *firewall_words(const struct reach_port *port)
{
	if (!port->tried)
		return "unknown";
	switch (port->answer) {
	case INJECT_ANSWERED: return "open";
	case INJECT_RESET:
	case INJECT_UNREACHABLE: return "rejects";
	default: return port->protocol == PROTO_UDP ? "unknown" : "drops";
	}
}

static void ask_firewall(const struct ctl_args *args, struct exposed *exposed)
{
	for (size_t i = 0; i < exposed->count; i++) {
		const json_t *row = json_array_get(exposed->rows, i);
		struct reach_port *port = &exposed->ports[i];
		struct addr to = { { 0 } };

		addr_parse(json_words(row, "address", ""), &to);
		port->protocol = strcmp(json_words(row, "protocol", "tcp"), "udp") == 0 ? PROTO_UDP : PROTO_TCP;
		port->port = (uint16_t)json_whole(row, "port");
		port->v6 = !addr_is_v4(&to);
		/* 0.0.0.0 in its mapped form is no address either. */
		if (!port->v6 && memcmp(addr_v4_bytes(&to), "\0\0\0\0", 4) == 0)
			memset(&to, 0, sizeof(to));
		port->to = to;
	}
	reach_try(args, exposed->ports, exposed->count, exposed->why);
}

static const struct procfs_owner *owner_of(const struct exposed *exposed, const json_t *row)
{
	for (size_t i = 0; i < exposed->count; i++)
		if (exposed->owners[i].pid && exposed->owners[i].inode == (uint32_t)json_whole(row, "inode"))
			return &exposed->owners[i];
	return NULL;
}

static void find_owners(struct exposed *exposed)
{
	for (size_t i = 0; i < exposed->count; i++)
		exposed->owners[i].inode = (uint32_t)json_whole(json_array_get(exposed->rows, i), "inode");
	if (geteuid() == 0)
		procfs_owners(exposed->owners, exposed->count);
}

static const char *user_name(const json_t *row, char out[32])
{
	const struct passwd *user = getpwuid((uid_t)json_whole(row, "uid"));

	if (user)
		snprintf(out, 32, "%s", user->pw_name);
	else
		snprintf(out, 32, "%lld", (long long)json_whole(row, "uid"));
	return out;
}

static void add_fields(json_t *row, const struct exposed *exposed, size_t i)
{
	const struct procfs_owner *owner = owner_of(exposed, row);
	char user[32];

	json_object_set_new(row, "user", json_string(user_name(row, user)));
	json_object_set_new(row, "program", owner ? json_string(owner->program) : json_null());
	json_object_set_new(row, "pid", owner ? json_integer(owner->pid) : json_null());
	json_object_set_new(row, "firewall", json_string(firewall_words(&exposed->ports[i])));
	json_object_del(row, "inode");
}

static int by_port(const void *left, const void *right)
{
	const json_t *a = *(json_t *const *)left, *b = *(json_t *const *)right;
	int protocol = strcmp(json_words(a, "protocol", ""), json_words(b, "protocol", ""));
	int64_t difference = json_whole(a, "port") - json_whole(b, "port");

	if (protocol)
		return protocol;
	return difference ? (difference < 0 ? -1 : 1)
			  : strcmp(json_words(a, "address", ""), json_words(b, "address", ""));
}

static void show_table(const struct ctl_args *args, json_t **rows, const struct exposed *exposed)
{
	static const char *const columns[] = { "PROTO",   "ADDRESS:PORT", "SERVICE", "USER",
					       "PROGRAM", "FIREWALL",     "NEW",     NULL };
	struct table *table = table_new(stdout, columns);
	size_t fresh = 0;

	for (size_t i = 0; i < exposed->count; i++) {
		const json_t *row = rows[i];
		const char *address = json_words(row, "address", "?");
		bool is_new = json_flag(row, "new");
		char place[96];

		snprintf(place, sizeof(place), strchr(address, ':') ? "[%.60s]:%lld" : "%.60s:%lld", address,
			 (long long)json_whole(row, "port"));
		fresh += is_new;
		table_row(table, (const char *const[]){
					 json_words(row, "protocol", "?"),
					 place,
					 json_words(row, "service", "-"),
					 json_words(row, "user", "?"),
					 json_words(row, "program", "-"),
					 json_words(row, "firewall", "?"),
					 is_new ? json_flag(row, "passing") ? "passing" : "new" : "",
				 });
	}
	table_free(table);
	if (exposed->count == 0)
		puts("nothing listens but on loopback");
	if (exposed->why[0])
		printf("FIREWALL could not be tried: %s\n", exposed->why);
	if (ctl_given(args, CTL_OPTION_ACCEPT))
		printf("accepted: %zu ports, %zu of them new\n", exposed->count, fresh);
	else if (fresh)
		printf("%zu new since the list was last accepted: close what nobody should reach, then `picketctl "
		       "exposure --accept`\n",
		       fresh);
}

static void show(const struct ctl_args *args, const struct exposed *exposed)
{
	json_t **rows = calloc(exposed->count + 1, sizeof(*rows));

	if (!rows)
		return;
	for (size_t i = 0; i < exposed->count; i++) {
		rows[i] = json_array_get(exposed->rows, i);
		add_fields(rows[i], exposed, i);
	}
	qsort(rows, exposed->count, sizeof(*rows), by_port);
	if (!ctl_given(args, CTL_OPTION_JSON))
		show_table(args, rows, exposed);
	for (size_t i = 0; ctl_given(args, CTL_OPTION_JSON) && i < exposed->count; i++)
		ctl_print_json(json_incref(rows[i]));
	free(rows);
}

enum ctl_exit run_exposure(const struct ctl_args *args)
{
	struct exposed *exposed = calloc(1, sizeof(*exposed));
	json_t *request = ctl_request("exposure", NULL);
	enum ctl_exit status;

	if (!exposed || !request) {
		free(exposed);
		json_decref(request);
		return ctl_complain(CTL_FAILED, "out of memory");
	}
	if (ctl_given(args, CTL_OPTION_ACCEPT))
		json_object_set_new(request, "accept", json_true());
	status = ctl_collect(args, request, &exposed->rows);
	if (status == CTL_DONE) {
		exposed->count = json_array_size(exposed->rows);
		if (exposed->count > ROWS_MAX)
			exposed->count = ROWS_MAX;
		find_owners(exposed);
		if (exposed->count > 0)
			ask_firewall(args, exposed);
		show(args, exposed);
		status = ctl_flush(status);
	}
	json_decref(exposed->rows);
	free(exposed);
	return status;
}
