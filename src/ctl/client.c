/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One question to the daemon: a line of JSON out, lines of JSON in until the one that ends the answer.
 * Promises: it never waits for ever (but for a stream that was asked for), and what a line may take is bounded.
 */
#include "ctl.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "render/table.h"

#define PATIENCE_MS    15000              /* between two pieces of an answer */
#define LINE_MAX_BYTES (4u * 1024 * 1024) /* the daemon keeps 1 MiB at most */
#define JSON_OUT       (JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(6))

struct line_reader {
	int fd;
	bool patient; /* a stream: silence is no failure */
	char *text;
	size_t len, room, taken;
};

static enum ctl_exit explain_connect(const char *path, int error)
{
	if (error == EACCES || error == EPERM)
		return ctl_complain(CTL_FAILED, "%s: not allowed: be root or a member of the group picket-admin", path);
	if (error == ENAMETOOLONG)
		return ctl_complain(CTL_USAGE, "%s: the name of a socket has at most %zu characters", path,
				    sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
	return ctl_complain(CTL_NO_DAEMON, "no picketd answers on %s (%s): is it running?", path, strerror(error));
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

static int send_request(int fd, json_t *request)
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

/* Makes every string of an answer fit for a terminal, whoever stands behind the socket's name. */
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

/* The next object of the answer (a new reference), or NULL with *error set (0: the other side is gone). */
static json_t *read_object(struct line_reader *reader, int *error)
{
	size_t searched = 0;
	json_error_t where;

	for (;;) {
		char *start = reader->text + reader->taken, *end;
		int more;

		end = memchr(start + searched, '\n', reader->len - reader->taken - searched);
		if (end) {
			json_t *object = json_loadb(start, (size_t)(end - start), JSON_REJECT_DUPLICATES, &where);

			reader->taken += (size_t)(end - start) + 1;
			*error = -EBADMSG;
			clean_strings(object);
			return object;
		}
		searched = reader->len - reader->taken;
		more = read_more(reader);
		if (more <= 0) {
			*error = more;
			return NULL;
		}
	}
}

static void show(struct ctl_view *view, const struct ctl_shape *shape, json_t *object)
{
	if (shape && shape->judge && shape->judge(object) != CTL_DONE)
		view->status = shape->judge(object);
	view->rows++;
	if (!shape) {
		if (view->all)
			json_array_append(view->all, object);
		else if (!view->kept)
			view->kept = json_incref(object);
	} else if (ctl_given(view->args, CTL_OPTION_JSON)) {
		char *text;

		json_object_del(object, "v");
		text = json_dumps(object, JSON_OUT);
		fprintf(view->out, "%s\n", text ? text : "{}");
		free(text);
	} else {
		shape->row(view, object);
	}
	/* A stream is read by somebody now. */
	if (ctl_given(view->args, CTL_OPTION_FOLLOW))
		fflush(view->out);
}

static enum ctl_exit read_answer(struct line_reader *reader, struct ctl_view *view, const struct ctl_shape *shape)
{
	json_t *object;
	int error;

	while ((object = read_object(reader, &error))) {
		enum ctl_exit status = view->status;

		if (!json_is_true(json_object_get(object, "end"))) {
			show(view, shape, object);
			json_decref(object);
			continue;
		}
		if (!json_is_true(json_object_get(object, "ok"))) {
			if (view->table)
				table_flush(view->table);
			fflush(view->out);
			status = json_whole(object, "code") == CTL_USAGE ? CTL_USAGE : CTL_FAILED;
			ctl_complain(status, "%s",
				     json_words(object, "error", "the daemon refused, and did not say why"));
		} else if (shape && shape->end && !ctl_given(view->args, CTL_OPTION_JSON)) {
			shape->end(view);
		}
		json_decref(object);
		return status;
	}
	if (view->table)
		table_flush(view->table);
	fflush(view->out);
	if (error == 0)
		return ctl_complain(CTL_NO_DAEMON, "picketd went away before its answer was complete");
	return ctl_complain(error == -ETIMEDOUT ? CTL_NO_DAEMON : CTL_FAILED, "no answer from picketd: %s",
			    error == -EBADMSG ? "a line that is not JSON" : strerror(-error));
}

static enum ctl_exit converse(struct ctl_view *view, int fd, json_t *request, const struct ctl_shape *shape)
{
	struct line_reader reader = { .fd = fd, .patient = ctl_given(view->args, CTL_OPTION_FOLLOW), .room = 262144 };
	enum ctl_exit status;
	int result = send_request(fd, request);

	/* Whoever is turned away may find the line cut already, and the reason waiting to be read. */
	if (result < 0 && result != -EPIPE)
		return ctl_complain(CTL_FAILED, "cannot ask picketd: %s", strerror(-result));
	reader.text = malloc(reader.room);
	if (!reader.text)
		return ctl_complain(CTL_FAILED, "out of memory");
	status = read_answer(&reader, view, shape);
	free(reader.text);
	return status;
}

enum ctl_exit ctl_ask(const struct ctl_args *args, json_t *request, const struct ctl_shape *shape)
{
	struct ctl_view view = { .args = args, .out = stdout };
	int fd = dial(args->socket);
	enum ctl_exit status;

	if (fd < 0) {
		json_decref(request);
		return explain_connect(args->socket, -fd);
	}
	if (shape->columns && !ctl_given(args, CTL_OPTION_JSON)) {
		view.table = table_new(stdout, shape->columns);
		if (!view.table) {
			close(fd);
			json_decref(request);
			return ctl_complain(CTL_FAILED, "out of memory");
		}
	}
	status = converse(&view, fd, request, shape);
	table_free(view.table);
	close(fd);
	json_decref(request);
	if (fflush(stdout) != 0 || ferror(stdout))
		return ctl_complain(CTL_FAILED, "cannot write: %s", strerror(errno));
	return status;
}

enum ctl_exit ctl_collect(const struct ctl_args *args, json_t *request, json_t **out)
{
	struct ctl_view view = { .args = args, .out = stdout, .all = json_array() };
	int fd = dial(args->socket);
	enum ctl_exit status;

	if (fd < 0)
		status = explain_connect(args->socket, -fd);
	else if (!view.all || !request)
		status = ctl_complain(CTL_FAILED, "out of memory");
	else
		status = converse(&view, fd, request, NULL);
	if (fd >= 0)
		close(fd);
	json_decref(request);
	if (status == CTL_DONE)
		*out = view.all;
	else
		json_decref(view.all);
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

enum ctl_exit ctl_fetch(const struct ctl_args *args, const char *command, bool quiet, json_t **out)
{
	struct ctl_view view = { .args = args, .out = stdout };
	json_t *request;
	enum ctl_exit status;
	int fd = dial(args->socket);

	if (fd < 0 && quiet)
		return CTL_NO_DAEMON;
	if (fd < 0)
		return explain_connect(args->socket, -fd);
	request = json_pack("{s:s}", "cmd", command);
	status = converse(&view, fd, request, NULL);
	close(fd);
	json_decref(request);
	if (status == CTL_DONE && view.kept) {
		*out = view.kept;
		return CTL_DONE;
	}
	json_decref(view.kept);
	return status == CTL_DONE ? CTL_FAILED : status;
}
