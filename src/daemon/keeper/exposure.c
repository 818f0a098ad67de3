/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ports that this host offers to the outside.  Owns the list of those that the admin has accepted and of those
 * that were told, as lines in state_dir/exposure.  A port is one entry, whichever program serves it: an upgrade of a
 * service is no news, a new port is.
 * Listeners are looked at once a minute, by sock_diag, which needs no privilege; its socket is opened before the keeper
 * gives up opening any.  A file that cannot be read or written costs what was accepted, never a look.
 * Limit: EXPOSURE_MAX entries, see struct exposed_ports.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "clock.h"
#include "file.h"

#define EVERY_MS      60000
#define EVENTS_MAX    32 /* of one look; more ports are told as a number */
#define LISTENERS_MAX 4096
#define FILE_NAME     "exposure"
#define RANGE_FILE    "/proc/sys/net/ipv4/ip_local_port_range"
#define HEADING       "# picket: ports that can be reached from outside. accepted|told PROTOCOL ADDRESS PORT\n"

/* ---- the list of ports: pure ---- */

bool exposed_is_reachable(const struct listener *listener)
{
	return listener->port != 0 && !listener->loopback && !addr_is_loopback(&listener->addr);
}

static bool same(const struct exposed_port *entry, const struct listener *listener)
{
	return entry->port == listener->port && entry->protocol == listener->protocol && entry->v6 == listener->v6 &&
	       addr_equal(&entry->addr, &listener->addr);
}

struct exposed_port *exposed_ports_find(struct exposed_ports *ports, const struct listener *listener)
{
	for (size_t i = 0; i < ports->count; i++)
		if (same(&ports->items[i], listener))
			return &ports->items[i];
	return NULL;
}

/* A place for a new port: a free one, or that of a port that is gone and was never accepted. */
static struct exposed_port *place(struct exposed_ports *ports)
{
	if (ports->count < EXPOSURE_MAX)
		return &ports->items[ports->count++];
	for (size_t i = 0; i < ports->count; i++)
		if (!ports->items[i].present && !ports->items[i].before && !ports->items[i].accepted)
			return &ports->items[i];
	ports->dropped++;
	return NULL;
}

static struct exposed_port *find_or_add(struct exposed_ports *ports, const struct listener *listener)
{
	struct exposed_port *entry = exposed_ports_find(ports, listener);

	if (entry)
		return entry;
	entry = place(ports);
	if (entry)
		*entry = (struct exposed_port){
			.addr = listener->addr,
			.port = listener->port,
			.protocol = listener->protocol,
			.v6 = listener->v6,
		};
	return entry;
}

/* Resolvers and QUIC clients open UDP ports by the hundred, which are no services. */
static bool is_passing(const struct exposed_ports *ports, const struct exposed_port *entry)
{
	if (entry->protocol != PROTO_UDP)
		return false;
	return !entry->before || (entry->port >= ports->ephemeral_first && entry->port <= ports->ephemeral_last);
}

void exposed_ports_look(struct exposed_ports *ports, const struct listener *found, size_t count, exposed_tell_fn *tell,
			void *context)
{
	for (size_t i = 0; i < ports->count; i++) {
		ports->items[i].before = ports->items[i].present;
		ports->items[i].present = false;
	}
	for (size_t i = 0; i < count; i++) {
		struct exposed_port *entry = exposed_is_reachable(&found[i]) ? find_or_add(ports, &found[i]) : NULL;

		if (!entry)
			continue;
		entry->present = true;
		if (!ports->begun)
			entry->told = true;
		if (entry->told || entry->accepted || is_passing(ports, entry))
			continue;
		entry->told = true;
		tell(context, &found[i]);
	}
	ports->begun = true;
}

void exposed_ports_accept(struct exposed_ports *ports)
{
	size_t kept = 0;

	for (size_t i = 0; i < ports->count; i++) {
		if (!ports->items[i].present)
			continue;
		ports->items[kept] = ports->items[i];
		ports->items[kept].accepted = ports->items[kept].told = true;
		kept++;
	}
	ports->count = kept;
	ports->begun = true;
}

/* ---- the list as text ---- */

void exposed_ports_write(const struct exposed_ports *ports, struct writer *w)
{
	writer_text(w, HEADING);
	for (size_t i = 0; i < ports->count; i++) {
		const struct exposed_port *entry = &ports->items[i];
		char text[ADDR_TEXT_MAX];

		if (!entry->accepted && !entry->told)
			continue;
		writer_format(w, "%s %s%s %s %u\n", entry->accepted ? "accepted" : "told",
			      entry->protocol == PROTO_UDP ? "udp" : "tcp", entry->v6 ? "6" : "",
			      addr_format(&entry->addr, text), entry->port);
	}
}

static bool read_line(const char *line, struct exposed_port *out)
{
	char state[16] = "", protocol[8] = "", address[ADDR_TEXT_MAX + 2], rest[2];
	unsigned port;

	memset(out, 0, sizeof(*out));
	if (sscanf(line, "%15s %7s %47s %5u %1s", state, protocol, address, &port, rest) != 4 || port == 0 ||
	    port > 65535 || !addr_parse(address, &out->addr))
		return false;
	out->port = (uint16_t)port;
	out->protocol = strncmp(protocol, "udp", 3) == 0 ? PROTO_UDP : PROTO_TCP;
	out->v6 = protocol[3] == '6';
	out->told = true;
	out->accepted = strcmp(state, "accepted") == 0;
	return (out->accepted || strcmp(state, "told") == 0) &&
	       (strncmp(protocol, "tcp", 3) == 0 || out->protocol == PROTO_UDP) &&
	       (protocol[3] == '\0' || (out->v6 && protocol[4] == '\0'));
}

size_t exposed_ports_read(struct exposed_ports *ports, const char *text, size_t len)
{
	size_t bad = 0;

	for (size_t at = 0; at < len;) {
		const char *end = memchr(text + at, '\n', len - at);
		size_t line_len = end ? (size_t)(end - text) - at : len - at;
		struct exposed_port entry;
		char line[EXPOSURE_LINE_MAX + 32];

		if (line_len > 0 && text[at] != '#') {
			bool fits = line_len < sizeof(line) && ports->count < EXPOSURE_MAX;

			if (fits)
				memcpy(line, text + at, line_len);
			line[fits ? line_len : 0] = '\0';
			if (fits && strlen(line) == line_len && read_line(line, &entry))
				ports->items[ports->count++] = entry;
			else
				bad++;
		}
		at += line_len + 1;
	}
	ports->begun = true;
	return bad;
}

/* ---- the keeper's own list ---- */

struct exposure {
	struct journal *journal;
	struct listeners *listeners; /* NULL: there is no sock_diag */
	char dir[PATH_MAX], file[PATH_MAX + sizeof("/" FILE_NAME)];
	struct exposed_ports ports;
	struct listener found[LISTENERS_MAX];
	size_t found_count;
	bool loaded, complained;
	int64_t next_ms; /* monotonic */
	unsigned told;   /* in the look under way */
	char text[EXPOSURE_TEXT_MAX];
};

static void read_range(struct exposed_ports *ports)
{
	char text[32];
	unsigned first, last;

	if (file_read(RANGE_FILE, text, sizeof(text)) < 0 || sscanf(text, "%u %u", &first, &last) != 2 ||
	    first > 65535 || last > 65535)
		first = 32768, last = 60999;
	ports->ephemeral_first = (uint16_t)first;
	ports->ephemeral_last = (uint16_t)last;
}

struct exposure *exposure_open(const char *state_dir, struct journal *journal)
{
	struct exposure *exposure = calloc(1, sizeof(*exposure));
	int result;

	if (!exposure)
		return NULL;
	exposure->journal = journal;
	snprintf(exposure->dir, sizeof(exposure->dir), "%s", state_dir);
	snprintf(exposure->file, sizeof(exposure->file), "%s/" FILE_NAME, exposure->dir);
	read_range(&exposure->ports);
	result = listeners_open(&exposure->listeners);
	if (result < 0)
		journal_log_errno(journal, LOG_WARNING, result,
				  "cannot ask the kernel who listens: exposure is not watched");
	return exposure;
}

void exposure_close(struct exposure *exposure)
{
	if (!exposure)
		return;
	listeners_close(exposure->listeners);
	free(exposure);
}

/* ---- the file ---- */

static int save(struct exposure *exposure)
{
	struct writer w = writer_over(exposure->text, sizeof(exposure->text));

	exposed_ports_write(&exposure->ports, &w);
	return file_replace(AT_FDCWD, exposure->file, 0640, NULL, w.buf, w.len);
}

static void complain(struct exposure *exposure, int error, const char *what)
{
	if (!exposure->complained)
		journal_log_errno(exposure->journal, LOG_WARNING, error,
				  "%s " FILE_NAME " in %s: what is accepted will be forgotten at a restart", what,
				  exposure->dir);
	exposure->complained = true;
}

static void load_once(struct exposure *exposure)
{
	size_t bad = 0;
	ssize_t len;

	if (exposure->loaded)
		return;
	exposure->loaded = true;
	len = file_read(exposure->file, exposure->text, sizeof(exposure->text));
	if (len >= 0)
		bad = exposed_ports_read(&exposure->ports, exposure->text, (size_t)len);
	else if (len != -ENOENT)
		complain(exposure, (int)len, "cannot read");
	if (bad)
		journal_log(exposure->journal, LOG_WARNING,
			    "%s/" FILE_NAME ": %zu lines made no sense and are left out", exposure->dir, bad);
}

/* ---- looking ---- */

static const char *protocol_of(const struct listener *listener)
{
	return listener->protocol == PROTO_UDP ? "udp" : "tcp";
}

/* "0.0.0.0:22", "[::]:22" */
static const char *place_of(const struct listener *listener, char out[ADDR_TEXT_MAX + 10])
{
	char text[ADDR_TEXT_MAX];

	snprintf(out, ADDR_TEXT_MAX + 10, addr_is_v4(&listener->addr) ? "%s:%u" : "[%s]:%u",
		 addr_format(&listener->addr, text), listener->port);
	return out;
}

/* To the log, to the clients that follow, and to the hooks, which the supervisor runs. */
static void say(struct keeper *keeper, const char *text)
{
	struct event event = { .at_ms = keeper_now_ms(keeper), .type = EVENT_EXPOSURE, .sources = 1 };

	snprintf(event.text, sizeof(event.text), "%s", text);
	keeper_event(keeper, &event);
	wire_send(keeper->start->supervisor_fd, WIRE_EVENT, 0, &event);
}

static void tell_one(void *context, const struct listener *listener)
{
	struct keeper *keeper = context;
	const char *name = service_name(keeper->names, listener->protocol, listener->port);
	char place[ADDR_TEXT_MAX + 10], text[EVENT_TEXT_MAX];

	if (keeper->exposure->told++ >= EVENTS_MAX)
		return;
	snprintf(text, sizeof(text), "%s %s%s%.32s, uid %u", protocol_of(listener), place_of(listener, place),
		 name ? " " : "", name ? name : "", listener->uid);
	say(keeper, text);
}

static int look(struct keeper *keeper)
{
	struct exposure *exposure = keeper->exposure;
	size_t dropped = 0;
	int count = exposure->listeners ? listeners_dump(exposure->listeners, exposure->found, LISTENERS_MAX, &dropped)
					: -ENOTSUP;

	if (count < 0)
		return count;
	exposure->found_count = (size_t)count;
	exposure->ports.dropped += dropped;
	load_once(exposure);
	exposure->told = 0;
	exposed_ports_look(&exposure->ports, exposure->found, exposure->found_count, tell_one, keeper);
	if (exposure->told > EVENTS_MAX) {
		char text[EVENT_TEXT_MAX];

		snprintf(text, sizeof(text), "and %u more ports: picketctl exposure lists them",
			 exposure->told - EVENTS_MAX);
		say(keeper, text);
	}
	return 0;
}

void exposure_tick(struct keeper *keeper)
{
	struct exposure *exposure = keeper->exposure;
	int64_t now_ms = clock_ms(CLOCK_MONOTONIC);
	bool first = !exposure->loaded;
	int error;

	if (!exposure->listeners || now_ms < exposure->next_ms)
		return;
	exposure->next_ms = now_ms + EVERY_MS;
	if (look(keeper) < 0 || (!first && !exposure->told))
		return;
	error = save(exposure);
	if (error)
		complain(exposure, error, "cannot write");
	else
		exposure->complained = false;
}

/* ---- the command ---- */

static json_t *view_port(struct exposure *exposure, const struct listener *listener, const struct service_names *names,
			 bool accepts)
{
	const struct exposed_port *entry = exposed_ports_find(&exposure->ports, listener);
	const char *name = service_name(names, listener->protocol, listener->port);
	char text[ADDR_TEXT_MAX];

	return json_pack("{s:s, s:s, s:i, s:s?, s:I, s:I, s:b, s:b, s:b}", "protocol", protocol_of(listener), "address",
			 addr_format(&listener->addr, text), "port", (int)listener->port, "service", name, "uid",
			 (json_int_t)listener->uid, "inode", (json_int_t)listener->inode, "new",
			 !entry || !entry->accepted, "accepted", accepts || (entry && entry->accepted), "passing",
			 listener->protocol == PROTO_UDP && listener->port >= exposure->ports.ephemeral_first &&
				 listener->port <= exposure->ports.ephemeral_last);
}

/* Tells the log and the hooks as well: an order may be the first to see a new port. */
void exposure_start(struct task *task)
{
	struct keeper *keeper = task->keeper;
	struct exposure *exposure = keeper->exposure;
	bool accepts = task->request.accept;
	int error;

	exposure->next_ms = 0;
	exposure_tick(keeper);
	if (!exposure->listeners || !exposure->loaded) {
		task_fail(task, CONTROL_FAILED, "the kernel does not tell who listens (sock_diag)");
		return;
	}
	for (size_t i = 0; i < exposure->found_count; i++)
		if (exposed_is_reachable(&exposure->found[i]) &&
		    !task_line(task, view_port(exposure, &exposure->found[i], keeper->names, accepts)))
			return;
	if (accepts) {
		exposed_ports_accept(&exposure->ports);
		error = save(exposure);
		if (error) {
			task_fail(task, CONTROL_FAILED, "accepted until picketd ends: cannot write %.160s: %s",
				  exposure->dir, strerror(-error));
			return;
		}
	}
	task_done(task);
}
