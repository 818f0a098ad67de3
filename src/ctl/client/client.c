/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One question to the daemon: a line of JSON out, lines of JSON in until the one that ends the answer.
 * It never waits for ever, unless a stream was asked for, and it bounds what a line may take.  It makes every string
 * of an answer printable, so that a false daemon cannot drive the admin's terminal.
 */
#include "client.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "addr.h"
#include "file.h"
#include "procfs.h"

#define PATIENCE_MS     15000              /* between two pieces of an answer */
#define LINE_MAX_BYTES  (4u * 1024 * 1024) /* the daemon keeps 1 MiB at most */
#define JSON_OUT        (JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(6))
#define LINE_SOURCES    256 /* of many: they fit into a line of the protocol */
#define ANCESTORS_MAX   32
#define ENVIRONMENT_MAX (128 * 1024)

struct line_reader {
	int fd;
	bool patient; /* a stream: silence is no failure */
	char *text;
	size_t len, room, taken;
};

bool ctl_given(const struct ctl_args *args, enum ctl_option option)
{
	return args->given & 1u << option;
}

/* ---- values ---- */

const char *json_words(const json_t *object, const char *key, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : otherwise;
}

double json_value(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

int64_t json_whole(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

bool json_flag(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

long long json_count(const json_t *object, const char *section, const char *key)
{
	return json_integer_value(json_object_get(json_object_get(object, section), key));
}

/* Makes every string of an answer fit for a terminal. */
static void clean_strings(json_t *value)
{
	void *iterator;

	if (json_is_string(value)) {
		const char *from = json_string_value(value);
		char text[1024];
		size_t len = 0;

		for (; len < sizeof(text) - 1 && from[len]; len++)
			text[len] = from[len] >= 0x20 && from[len] < 0x7f ? from[len] : '?';
		json_string_setn(value, text, len);
	}
	for (size_t i = 0; i < json_array_size(value); i++)
		clean_strings(json_array_get(value, i));
	for (iterator = json_object_iter(value); iterator; iterator = json_object_iter_next(value, iterator))
		clean_strings(json_object_iter_value(iterator));
}

/* ---- telling ---- */

void print_clean(FILE *out, const char *text)
{
	for (; *text; text++)
		fputc(*text >= 0x20 && *text < 0x7f ? *text : '?', out);
}

enum ctl_exit ctl_complain(enum ctl_exit status, const char *format, ...)
{
	char text[CTL_PROBLEM_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fflush(stdout); /* so that a terminal shows both in order */
	fputs("picketctl: ", stderr);
	print_clean(stderr, text);
	fputc('\n', stderr);
	return status;
}

enum ctl_exit ctl_flush(enum ctl_exit status)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		return ctl_complain(CTL_FAILED, "cannot write: %s", strerror(errno));
	return status;
}

void ctl_print_json(json_t *object)
{
	char *text;

	json_object_del(object, "v");
	text = json_dumps(object, JSON_OUT);
	puts(text ? text : "{}");
	free(text);
	json_decref(object);
}

void ctl_print_row(FILE *out, const struct json_row *row)
{
	static const char version[] = ",\"v\":1}";
	const size_t version_len = sizeof(version) - 1;
	json_t *object;

	if (row->plain && row->len > version_len &&
	    memcmp(row->text + row->len - version_len, version, version_len) == 0) {
		fwrite(row->text, 1, row->len - version_len, out);
		fputs("}\n", out);
		return;
	}
	object = json_loadb(row->text, row->len, JSON_REJECT_DUPLICATES, NULL);
	clean_strings(object);
	ctl_print_json(object);
}

/* ---- out ---- */

__attribute__((format(printf, 3, 4))) static enum ctl_exit fail(char problem[CTL_PROBLEM_MAX], enum ctl_exit status,
								const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(problem, CTL_PROBLEM_MAX, format, args);
	va_end(args);
	return status;
}

static enum ctl_exit explain_connect(const char *path, int error, char problem[CTL_PROBLEM_MAX])
{
	if (error == EACCES || error == EPERM)
		return fail(problem, CTL_FAILED, "%s: not allowed: be root or a member of the group picket-admin",
			    path);
	if (error == ENAMETOOLONG)
		return fail(problem, CTL_USAGE, "%s: the name of a socket has at most %zu characters", path,
			    sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
	return fail(problem, CTL_NO_DAEMON, "no picketd answers on %s (%s): is it running?", path, strerror(error));
}

/* The socket, or -errno. */
static int dial(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };
	int fd, error;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		error = errno;
		close(fd);
		return -error;
	}
	return fd;
}

static int send_line(int fd, json_t *request)
{
	char *text;
	size_t len, done = 0;
	int error = 0;

	json_object_set_new(request, "v", json_integer(1));
	text = json_dumps(request, JSON_OUT);
	if (!text)
		return -ENOMEM;
	len = strlen(text);
	text[len++] = '\n'; /* in the place of its NUL */
	while (done < len && error == 0) {
		ssize_t sent = send(fd, text + done, len - done, MSG_NOSIGNAL);

		if (sent > 0)
			done += (size_t)sent;
		else if (errno != EINTR)
			error = errno;
	}
	free(text);
	return -error;
}

/* The first sources of a request, as one that says that more of them follow; they are taken out of it. */
static json_t *split(json_t *request, json_t *sources)
{
	json_t *part = json_array();

	for (size_t i = 0; i < LINE_SOURCES; i++)
		json_array_append(part, json_array_get(sources, i));
	for (size_t i = LINE_SOURCES; i < json_array_size(sources); i++)
		json_array_set(sources, i - LINE_SOURCES, json_array_get(sources, i));
	for (size_t i = 0; i < LINE_SOURCES; i++)
		json_array_remove(sources, json_array_size(sources) - 1);
	return json_pack("{s:O, s:o, s:b}", "cmd", json_object_get(request, "cmd"), "sources", part, "more", 1);
}

/* Writes *lines lines, each of which is answered: more than one where there are many sources. */
static int send_request(int fd, json_t *request, unsigned *lines)
{
	json_t *sources = json_object_get(request, "sources");
	int error = 0;

	for (*lines = 1; json_array_size(sources) > LINE_SOURCES && error == 0; ++*lines) {
		json_t *part = split(request, sources);

		error = part ? send_line(fd, part) : -ENOMEM;
		json_decref(part);
	}
	return error ? error : send_line(fd, request);
}

/* ---- in ---- */

/* More bytes.  1, 0 at the end, or -errno. */
static int read_more(struct line_reader *reader)
{
	struct pollfd wait = { .fd = reader->fd, .events = POLLIN };
	ssize_t got;
	int ready;

	memmove(reader->text, reader->text + reader->taken, reader->len - reader->taken);
	reader->len -= reader->taken;
	reader->taken = 0;
	if (reader->room - reader->len < 65536) {
		char *text = reader->room < LINE_MAX_BYTES ? realloc(reader->text, reader->room * 2) : NULL;

		if (!text)
			return -EMSGSIZE;
		reader->text = text;
		reader->room *= 2;
	}
	do
		ready = poll(&wait, 1, reader->patient ? -1 : PATIENCE_MS);
	while (ready < 0 && errno == EINTR);
	if (ready <= 0)
		return ready < 0 ? -errno : -ETIMEDOUT;
	got = recv(reader->fd, reader->text + reader->len, reader->room - reader->len, 0);
	if (got < 0)
		return errno == ECONNRESET ? 0 : -errno;
	reader->len += (size_t)got;
	return got > 0;
}

/* The next line of the answer, without its end, or NULL with *error set (0: the other side is gone). */
static const char *read_line(struct line_reader *reader, size_t *len, int *error)
{
	size_t searched = 0;

	for (;;) {
		char *start = reader->text + reader->taken, *end;

		end = memchr(start + searched, '\n', reader->len - reader->taken - searched);
		if (end) {
			*len = (size_t)(end - start);
			reader->taken += *len + 1;
			return start;
		}
		searched = reader->len - reader->taken;
		*error = read_more(reader);
		if (*error <= 0)
			return NULL;
	}
}

/* Who gets what comes: one of the two. */
struct taker {
	ctl_object_fn *object;
	ctl_row_fn *row;
	void *context;
};

/* Hands one line on; when it ends the answer it is left in *end.  0, or -EBADMSG. */
static int take_line(const struct taker *taker, const char *line, size_t len, json_t **end)
{
	struct json_row row;
	json_t *object;

	if (taker->row) {
		if (!row_read(&row, line, len))
			return -EBADMSG;
		if (!row_flag(&row, "end")) {
			taker->row(taker->context, &row);
			return 0;
		}
	}
	object = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	if (!object)
		return -EBADMSG;
	clean_strings(object);
	if (json_flag(object, "end")) {
		*end = object;
		return 0;
	}
	taker->object(taker->context, object);
	json_decref(object);
	return 0;
}

static enum ctl_exit read_answer(struct line_reader *reader, const struct taker *taker, char problem[CTL_PROBLEM_MAX])
{
	enum ctl_exit status = CTL_DONE;
	const char *line = NULL;
	json_t *end = NULL;
	size_t len = 0;
	int error = 0;

	while (error >= 0 && !end && (line = read_line(reader, &len, &error)))
		error = take_line(taker, line, len, &end);
	if (end) {
		if (!json_flag(end, "ok"))
			status = fail(problem, json_whole(end, "code") == CTL_USAGE ? CTL_USAGE : CTL_FAILED, "%s",
				      json_words(end, "error", "the daemon refused, and did not say why"));
		json_decref(end);
		return status;
	}
	if (error == 0)
		return fail(problem, CTL_NO_DAEMON, "picketd went away before its answer was complete");
	return fail(problem, error == -ETIMEDOUT ? CTL_NO_DAEMON : CTL_FAILED, "no answer from picketd: %s",
		    error == -EBADMSG ? "a line that is not JSON" : strerror(-error));
}

/* Takes the descriptor (or -errno in its place) and the reference. */
static enum ctl_exit converse(const struct ctl_args *args, int fd, json_t *request, const struct taker *taker,
			      char problem[CTL_PROBLEM_MAX])
{
	struct line_reader reader = { .fd = fd, .patient = ctl_given(args, CTL_OPTION_FOLLOW), .room = 262144 };
	enum ctl_exit status = CTL_DONE;
	unsigned lines = 1;
	int sent;

	if (fd < 0) {
		json_decref(request);
		return explain_connect(args->socket, -fd, problem);
	}
	reader.text = malloc(reader.room);
	sent = request && reader.text ? send_request(fd, request, &lines) : -ENOMEM;
	/* A client that is refused may find the line cut already, and the reason waiting to be read. */
	if (sent == 0 || sent == -EPIPE)
		for (; lines > 0 && status == CTL_DONE; lines--)
			status = read_answer(&reader, taker, problem);
	else if (sent == -ENOMEM)
		status = fail(problem, CTL_FAILED, "out of memory");
	else
		status = fail(problem, CTL_FAILED, "cannot ask picketd: %s", strerror(-sent));
	free(reader.text);
	json_decref(request);
	close(fd);
	return status;
}

json_t *ctl_request(const char *command, const char *source)
{
	return source ? json_pack("{s:s, s:s}", "cmd", command, "source", source) : json_pack("{s:s}", "cmd", command);
}

enum ctl_exit ctl_ask(const struct ctl_args *args, json_t *request, ctl_object_fn *each, void *context,
		      char problem[CTL_PROBLEM_MAX])
{
	const struct taker taker = { .object = each, .context = context };

	return converse(args, dial(args->socket), request, &taker, problem);
}

enum ctl_exit ctl_ask_rows(const struct ctl_args *args, json_t *request, ctl_row_fn *each, void *context,
			   char problem[CTL_PROBLEM_MAX])
{
	const struct taker taker = { .row = each, .context = context };

	return converse(args, dial(args->socket), request, &taker, problem);
}

static void keep(void *context, json_t *object)
{
	json_array_append(context, object);
}

static enum ctl_exit collect(const struct ctl_args *args, int fd, json_t *request, json_t **out)
{
	char problem[CTL_PROBLEM_MAX];
	json_t *rows = json_array();
	const struct taker taker = { .object = keep, .context = rows };
	enum ctl_exit status = converse(args, fd, request, &taker, problem);

	if (status == CTL_DONE) {
		*out = rows;
		return status;
	}
	json_decref(rows);
	return ctl_complain(status, "%s", problem);
}

enum ctl_exit ctl_collect(const struct ctl_args *args, json_t *request, json_t **out)
{
	return collect(args, dial(args->socket), request, out);
}

enum ctl_exit ctl_fetch(const struct ctl_args *args, json_t *request, bool quiet, json_t **out)
{
	int fd = dial(args->socket);
	json_t *rows = NULL;
	enum ctl_exit status;

	if (fd < 0 && quiet) {
		json_decref(request);
		return CTL_NO_DAEMON;
	}
	status = collect(args, fd, request, &rows);
	if (status == CTL_DONE && json_array_size(rows) == 0)
		status = CTL_FAILED;
	if (status == CTL_DONE)
		*out = json_incref(json_array_get(rows, 0));
	json_decref(rows);
	return status;
}

/* ---- where the admin is logged in from ---- */

static const char *const caller_names[] = { "SSH_CONNECTION", "SSH_CLIENT" };

/* "192.0.2.1 50000 ...": the first word, without an IPv6 zone. */
static bool take_address(const char *value, char out[64])
{
	size_t len = strcspn(value, " %");
	struct addr addr;
	char text[64];

	if (len == 0 || len >= sizeof(text))
		return false;
	memcpy(text, value, len);
	text[len] = '\0';
	if (!addr_parse(text, &addr))
		return false;
	addr_format(&addr, out);
	return true;
}

static bool search_environment(const char *text, ssize_t len, char out[64])
{
	for (ssize_t at = 0; at < len; at += (ssize_t)strlen(text + at) + 1)
		for (size_t i = 0; i < sizeof(caller_names) / sizeof(caller_names[0]); i++) {
			size_t name_len = strlen(caller_names[i]);

			if (strncmp(text + at, caller_names[i], name_len) == 0 && text[at + name_len] == '=' &&
			    take_address(text + at + name_len + 1, out))
				return true;
		}
	return false;
}

/* ssh writes the address into the environment of the session.  sudo takes it out of the environment of what it runs,
 * so the processes above are asked as well, as far as we may read them.  This guards an admin against himself alone:
 * a forged address can only have the admin's own orders refused. */
bool ctl_caller(char out[64])
{
	struct procfs_status process = { .parent = getppid() };
	char *environment, path[64];
	bool found = false;

	for (size_t i = 0; i < sizeof(caller_names) / sizeof(caller_names[0]); i++) {
		const char *value = getenv(caller_names[i]);

		if (value && take_address(value, out))
			return true;
	}
	environment = malloc(ENVIRONMENT_MAX);
	for (int i = 0; environment && i < ANCESTORS_MAX && !found && process.parent > 1; i++) {
		pid_t pid = process.parent;

		snprintf(path, sizeof(path), "/proc/%ld/environ", (long)pid);
		found = search_environment(environment, file_read(path, environment, ENVIRONMENT_MAX), out);
		if (procfs_status(pid, &process) < 0)
			break;
	}
	free(environment);
	return found;
}
