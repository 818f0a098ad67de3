/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libFuzzer over the keeper as a whole: its control server, tasks, lists, history and store, between clients, a sentry
 * and a supervisor that all say what the input has them say.  It lives on from one input to the next.  The input is a
 * list of steps: a byte that names one of the table below, then what that takes.  A message is one of the right length
 * that makes sense, upon which the input's bytes are laid.  FUZZ_HISTORY: see fuzz.h.
 * It holds the keeper to this: whatever comes, a client gets lines of JSON in printable ASCII.
 */
#include "keeper/keeper.c"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "control/internal.h"
#include "fuzz_keeper.h"
#include "reader.h"

#define CLIENTS       72 /* more than the keeper takes */
#define OUTPUT_MAX    (2 * CONTROL_OUTPUT_MAX)
#define QUESTIONS_MAX 256
#define STEP_MS       60 /* longer than a client must wait between requests */
#define HISTORY_BYTES (1024 * 1024)

struct client {
	int fd; /* 0: none */
	size_t len;
	char *text;
};

struct question {
	uint32_t id;
	uint16_t type;
};

static struct {
	struct keeper *keeper;
	struct keeper_start start;
	struct sockaddr_un address;
	socklen_t address_len;
	int sentry_fd, supervisor_fd; /* our ends */
	struct client clients[CLIENTS];
	struct question questions[QUESTIONS_MAX];
	unsigned asked, answered;
	struct wire_message message;
} stage;

/* ---- the keeper's life ---- */

static int listen_anywhere(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const struct sockaddr_un any = { .sun_family = AF_UNIX };

	require(fd >= 0 && bind(fd, (const struct sockaddr *)&any, sizeof(any.sun_family)) == 0);
	require(listen(fd, CLIENTS) == 0);
	stage.address_len = sizeof(stage.address);
	require(getsockname(fd, (struct sockaddr *)&stage.address, &stage.address_len) == 0);
	return fd;
}

static void hear_questions(void);

static void begin(void)
{
	const struct journal_options log = { .to_stderr = true, .stderr_fd = stage.start.log_fd, .name = "picketd" };
	struct keeper *keeper = calloc(1, sizeof(*keeper));
	int sentry[2], supervisor[2];

	require(keeper && wire_pair(sentry) == 0 && wire_pair(supervisor) == 0);
	stage.start.sentry_fd = sentry[0];
	stage.start.supervisor_fd = supervisor[0];
	stage.sentry_fd = sentry[1];
	stage.supervisor_fd = supervisor[1];
	stage.start.control_fd = listen_anywhere();
	stage.start.boot_ms = WORLD_BOOTED_MS + world.set_ms;
	keeper->start = &stage.start;
	LIST_INIT(&keeper->tasks);
	keeper->journal = journal_open(&log);
	require(keeper->journal != NULL);
	keeper->exposure = exposure_open(stage.start.state_dir, keeper->journal);
	require(keeper->exposure && set_up(keeper) == 0);
	stage.keeper = keeper;
	hear_questions();
}

static void end(void)
{
	task_fail_all(stage.keeper, "picketd is ending");
	clean_up(stage.keeper);
	stage.keeper = NULL;
	close(stage.start.sentry_fd);
	close(stage.start.supervisor_fd);
	close(stage.sentry_fd);
	close(stage.supervisor_fd);
	stage.asked = stage.answered = 0;
}

static void leave(void)
{
	char command[PATH_MAX + 16];

	if (stage.keeper)
		end();
	snprintf(command, sizeof(command), "rm -rf %s", stage.start.state_dir);
	(void)!system(command);
}

static void first_begin(void)
{
	signal(SIGPIPE, SIG_IGN);
	stage.start.log_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	stage.start.history_max = HISTORY_BYTES;
	stage.start.admin_gid = WORLD_GROUP;
	snprintf(stage.start.state_dir, sizeof(stage.start.state_dir), "/dev/shm/picket-fuzz-XXXXXX");
	require(mkdtemp(stage.start.state_dir) != NULL);
	atexit(leave);
	fuzz_history_begin();
	begin();
}

/* ---- what the others say ---- */

/* One source, with all that may be known of it. */
static void sensible_source(struct source_view *out, uint8_t host)
{
	*out = (struct source_view){ .source = { .len = 128 },
				     .grade = GRADE_VEIL,
				     .piece_count = 2,
				     .suspected_mn = 7000 + host,
				     .kinds = 1u << EVIDENCE_SYN,
				     .first_ms = clock_ms(CLOCK_REALTIME) - 5000,
				     .last_ms = clock_ms(CLOCK_REALTIME) };
	out->source.addr = addr_from_v4((const uint8_t[]){ 198, 51, 100, host });
	out->pieces[0] = out->pieces[1] = (struct evidence){
		.at_s = (uint32_t)clock_s(CLOCK_REALTIME), .port = 22, .weight = 28, .kind = EVIDENCE_SYN
	};
	out->older[0].kind = EVIDENCE_SYN;
	out->older[0].count = 3;
}

static void sensible_block(struct block_view *out, uint8_t host)
{
	*out = (struct block_view){ .source = { .len = 128 },
				    .grade = GRADE_BAN,
				    .times = 1,
				    .since_ms = clock_ms(CLOCK_REALTIME),
				    .until_ms = clock_ms(CLOCK_REALTIME) + 3600000,
				    .ports = { 22, 23 } };
	out->source.addr = addr_from_v4((const uint8_t[]){ 198, 51, 100, host });
	snprintf(out->reason, sizeof(out->reason), "silent visits to 5 traps");
}

static void sensible_event(struct event *event)
{
	struct source_view source;

	sensible_source(&source, 7);
	event->source = source.source;
	event->type = EVENT_BAN;
	event->grade = GRADE_BAN;
	event->at_ms = source.last_ms;
	event->duration_ms = 3600000;
	event->piece_count = 2;
	event->sources = 1;
	memcpy(event->pieces, source.pieces, sizeof(event->pieces));
}

static void sensible_explanation(struct explain_view *view)
{
	sensible_source(&view->source, 7);
	sensible_block(&view->block, 7);
	view->alert_mn = 4600;
	view->veil_mn = 6900;
	view->ban_mn = 9200;
	view->slow_half_life_ms = 86400000;
}

static void sensible_body(struct wire_message *message)
{
	memset(&message->body, 0, sizeof(message->body));
	switch (message->header.type) {
	case WIRE_EVENT: sensible_event(&message->body.event); break;
	case WIRE_EXPLAIN: sensible_explanation(&message->body.explain); break;
	case WIRE_STATUS:
		message->body.status.engine.alert_mn = 4600;
		message->body.status.engine.veil_mn = 6900;
		message->body.status.engine.ban_mn = 9200;
		message->body.status.now_ms = message->body.status.started_ms = clock_ms(CLOCK_REALTIME);
		break;
	case WIRE_BLOCKS:
	case WIRE_SAVED_BLOCKS:
		message->body.blocks.count = WIRE_BLOCK_BATCH;
		for (uint8_t i = 0; i < WIRE_BLOCK_BATCH; i++)
			sensible_block(&message->body.blocks.items[i], i);
		break;
	case WIRE_SOURCES:
	case WIRE_SAVED_SOURCES:
		message->body.sources.count = WIRE_SOURCE_BATCH;
		for (uint8_t i = 0; i < WIRE_SOURCE_BATCH; i++)
			sensible_source(&message->body.sources.items[i], i);
		break;
	case WIRE_ALLOWS:
	case WIRE_PROTECTS:
	case WIRE_SAVED_SERVED:
	case WIRE_SAVED_LEARNED: message->body.allows.count = 2; break;
	default: break;
	}
}

/* Lays the input's bytes upon a message: how often, then each time where, how many, which. */
static void lay_upon(struct reader *r, uint8_t *body, size_t room)
{
	for (unsigned times = reader_u8(r) % 8; times > 0 && room > 0; times--) {
		size_t at = reader_be16(r) % room, len = reader_u8(r);

		for (size_t i = 0; i < len && reader_left(r) > 0; i++)
			body[(at + i) % room] ^= reader_u8(r);
	}
}

static void say(struct reader *r, int fd, uint16_t type, uint32_t id)
{
	stage.message.header = (struct wire_header){ .type = type, .id = id };
	sensible_body(&stage.message);
	lay_upon(r, (uint8_t *)&stage.message.body, wire_body_len((enum wire_type)type));
	wire_send(fd, (enum wire_type)type, id, &stage.message.body);
}

static void hear_questions(void)
{
	const int ends[] = { stage.sentry_fd, stage.supervisor_fd };

	for (size_t i = 0; i < 2; i++)
		while (wire_receive(ends[i], &stage.message) == 1)
			if (stage.message.header.id && stage.asked - stage.answered < QUESTIONS_MAX)
				stage.questions[stage.asked++ % QUESTIONS_MAX] =
					(struct question){ stage.message.header.id, stage.message.header.type };
}

static uint16_t answer_to(uint16_t question)
{
	switch (question) {
	case WIRE_ASK_STATUS: return WIRE_STATUS;
	case WIRE_ASK_BLOCKS: return WIRE_BLOCKS;
	case WIRE_ASK_SOURCES: return WIRE_SOURCES;
	case WIRE_ASK_ALLOWS: return WIRE_ALLOWS;
	case WIRE_ASK_PROTECTS: return WIRE_PROTECTS;
	case WIRE_ASK_EXPLAIN: return WIRE_EXPLAIN;
	default: return WIRE_RESULT;
	}
}

/* ---- clients ---- */

static void look_at_line(const char *line, size_t len)
{
	json_t *object = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);

	require(json_is_object(object) && json_is_integer(json_object_get(object, "v")));
	for (size_t i = 0; i < len; i++)
		require(line[i] >= 0x20 && line[i] <= 0x7e);
	json_decref(object);
}

static void hear(struct client *client)
{
	ssize_t got = recv(client->fd, client->text + client->len, OUTPUT_MAX - client->len, MSG_DONTWAIT);
	char *line = client->text, *stop;

	if (got <= 0)
		return;
	client->len += (size_t)got;
	while ((stop = memchr(line, '\n', client->len - (size_t)(line - client->text)))) {
		look_at_line(line, (size_t)(stop - line));
		line = stop + 1;
	}
	client->len -= (size_t)(line - client->text);
	memmove(client->text, line, client->len);
	require(client->len < OUTPUT_MAX);
}

static void hang_up(struct client *client)
{
	if (!client->fd)
		return;
	close(client->fd);
	free(client->text);
	*client = (struct client){ .fd = 0 };
}

static struct client *call_in(uint8_t slot, uint8_t who)
{
	struct client *client = &stage.clients[slot % CLIENTS];

	if (client->fd)
		return client;
	world.uid = who % 8 ? 1000u + who % 8 : 0;
	world.gid = who & 8 ? 100 : WORLD_GROUP;
	world.groups = who >> 4;
	if (world.groups == 15)
		world.groups = 80;
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	require(client->fd > 0);
	require(connect(client->fd, (struct sockaddr *)&stage.address, stage.address_len) == 0);
	client->text = malloc(OUTPUT_MAX);
	require(client->text != NULL);
	event_base_loop(stage.keeper->base, EVLOOP_NONBLOCK);
	return client;
}

/* ---- the steps ---- */

static const char *const lines[] = {
	"{\"v\":1,\"cmd\":\"status\"}\n",
	"{\"v\":1,\"cmd\":\"list\"}\n",
	"{\"v\":1,\"cmd\":\"sources\"}\n",
	"{\"v\":1,\"cmd\":\"sources\",\"limit\":65536}\n",
	"{\"v\":1,\"cmd\":\"explain\",\"source\":\"198.51.100.7\"}\n",
	"{\"v\":1,\"cmd\":\"block\",\"source\":\"198.51.100.7\",\"reason\":\"x\",\"for_s\":60}\n",
	"{\"v\":1,\"cmd\":\"block\",\"sources\":[\"198.51.100.7\",\"198.51.100.8\",\"2001:db8::/64\"]}\n",
	"{\"v\":1,\"cmd\":\"block\",\"sources\":[\"198.51.100.9\"],\"more\":true}\n",
	"{\"v\":1,\"cmd\":\"unblock\",\"all\":true}\n",
	"{\"v\":1,\"cmd\":\"unblock\",\"sources\":[\"198.51.100.7\",\"198.51.100.8\"]}\n",
	"{\"v\":1,\"cmd\":\"allow-add\",\"source\":\"192.0.2.1\",\"save\":true}\n",
	"{\"v\":1,\"cmd\":\"allow-add\",\"sources\":[\"192.0.2.1\",\"192.0.2.2\"],\"for_s\":9}\n",
	"{\"v\":1,\"cmd\":\"allow-del\",\"source\":\"192.0.2.1\",\"save\":true}\n",
	"{\"v\":1,\"cmd\":\"allow-del\",\"sources\":[\"192.0.2.1\",\"192.0.2.2\"]}\n",
	"{\"v\":1,\"cmd\":\"allow-list\"}\n",
	"{\"v\":1,\"cmd\":\"allow-check\",\"source\":\"192.0.2.1\"}\n",
	"{\"v\":1,\"cmd\":\"mode\",\"mode\":\"observe\"}\n",
	"{\"v\":1,\"cmd\":\"pause\",\"for_s\":60}\n",
	"{\"v\":1,\"cmd\":\"resume\"}\n",
	"{\"v\":1,\"cmd\":\"history\",\"since_s\":86400}\n",
	"{\"v\":1,\"cmd\":\"history\",\"source\":\"198.51.100.0/24\",\"limit\":5}\n",
	"{\"v\":1,\"cmd\":\"events\",\"follow\":true}\n",
	"{\"v\":1,\"cmd\":\"events\",\"limit\":2}\n",
	"{\"v\":1,\"cmd\":\"reload\"}\n",
	"{\"v\":1,\"cmd\":\"version\"}\n",
	"{\"v\":1,\"cmd\":\"exposure\",\"accept\":true}\n",
	"{\"v\":1,\"cmd\":\"exposure\"}\n",
	"{\"v\":1,\"cmd\":\"probe\",\"for_s\":10,\"source\":\"192.0.2.0/24\"}\n",
	"{\"v\":1,\"cmd\":\"block\",\"source\":\"198.51.100.7\",\"caller\":\"198.51.100.7\"}\n",
	"{\"v\":1,\"cmd\":\"block\",\"sources\":[\"198.51.100.0/24\",\"192.0.2.9\"],\"caller\":\"198.51.100.7\"}\n",
};

static void step_ask(struct reader *r)
{
	struct client *client = call_in(reader_u8(r), 0);
	const char *line = lines[reader_u8(r) % (sizeof(lines) / sizeof(lines[0]))];

	(void)!send(client->fd, line, strlen(line), MSG_NOSIGNAL);
}

static void step_text(struct reader *r)
{
	struct client *client = call_in(reader_u8(r), 0);
	size_t len = reader_be16(r);

	len = len < reader_left(r) ? len : reader_left(r);
	(void)!send(client->fd, r->data + r->pos, len, MSG_NOSIGNAL);
	reader_skip(r, len);
}

static void step_connect(struct reader *r)
{
	uint8_t slot = reader_u8(r);

	call_in(slot, reader_u8(r));
}

/* Many at once, of one user. */
static void step_crowd(struct reader *r)
{
	uint8_t first = reader_u8(r), count = reader_u8(r), who = reader_u8(r);

	for (unsigned i = 0; i < count % CLIENTS; i++)
		call_in((uint8_t)(first + i), who);
}

static void step_close(struct reader *r)
{
	uint8_t slot = reader_u8(r);
	struct client *client = &stage.clients[slot % CLIENTS];

	if (client->fd && slot & 0x80)
		shutdown(client->fd, SHUT_WR);
	else
		hang_up(client);
}

static void step_hear(struct reader *r)
{
	struct client *client = &stage.clients[reader_u8(r) % CLIENTS];

	if (client->fd)
		hear(client);
}

static void step_sentry(struct reader *r)
{
	uint8_t type = reader_u8(r) % (WIRE_TYPE_COUNT + 1);

	if (type == WIRE_TYPE_COUNT)
		(void)!send(stage.sentry_fd, "?", 1, MSG_NOSIGNAL);
	else
		say(r, stage.sentry_fd, type, 0);
}

static void step_supervisor(struct reader *r)
{
	say(r, stage.supervisor_fd, reader_u8(r) % WIRE_TYPE_COUNT, 0);
}

/* The oldest question gets its answer, as often as the first byte says; or another message with its number. */
static void step_answer(struct reader *r)
{
	uint8_t how = reader_u8(r);
	struct question question;

	hear_questions();
	if (stage.asked == stage.answered) {
		lay_upon(r, (uint8_t *)&stage.message.body, 1);
		return;
	}
	question = stage.questions[stage.answered % QUESTIONS_MAX];
	if (how != 1)
		stage.answered++;
	say(r, stage.sentry_fd,
	    how == 0   ? answer_to(question.type)
	    : how == 1 ? WIRE_TEXT
	    : how == 2 ? WIRE_RESULT
		       : how % WIRE_TYPE_COUNT,
	    question.id);
}

/* Every question that waits gets its answer, with the same bytes laid upon it. */
static void step_answer_all(struct reader *r)
{
	const struct reader same = *r;

	lay_upon(r, (uint8_t *)&stage.message.body, 1);
	for (int i = 0; i < 64; i++) {
		struct question question;
		struct reader each = same;

		hear_questions();
		if (stage.asked == stage.answered)
			break;
		question = stage.questions[stage.answered++ % QUESTIONS_MAX];
		say(&each, stage.sentry_fd, answer_to(question.type), question.id);
		event_base_loop(stage.keeper->base, EVLOOP_NONBLOCK);
	}
}

static void step_time(struct reader *r)
{
	world.up_ms += 1LL << reader_u8(r) % 24;
}

static void step_clock(struct reader *r)
{
	world.set_ms = 1000LL * (int16_t)reader_be16(r) * (reader_u8(r) + 1);
}

static void step_host(struct reader *r)
{
	world.login_count = reader_be16(r) % (WORLD_MOST + 1);
	world.listener_count = reader_be16(r) % (WORLD_MOST + 1);
	uint8_t salt = reader_u8(r);

	for (unsigned i = 0; i < world.login_count; i++)
		world.logins[i] = (struct logins_entry){
			addr_from_v4((const uint8_t[]){ 203, salt, (uint8_t)(i >> 8), (uint8_t)i }), (i + salt) % 4
		};
	for (unsigned i = 0; i < world.listener_count; i++) {
		world.listeners[i] = (struct listener){
			.port = (uint16_t)(salt * 256u + i * 64), .protocol = i % 3 ? 6 : 17, .v6 = i & 4, .uid = i
		};
		lay_upon(r, (uint8_t *)&world.listeners[i].addr, sizeof(struct addr));
	}
}

static void step_restart(struct reader *r)
{
	(void)r;
	hear_questions();
	end();
	begin();
}

/* A process of ours ends: the keeper takes what it said last, fails what waits for it, and ends too. */
static void step_end_of(struct reader *r)
{
	int gone = reader_u8(r) & 1 ? stage.sentry_fd : stage.supervisor_fd;

	shutdown(gone, SHUT_WR);
	for (int i = 0; i < 4; i++)
		event_base_loop(stage.keeper->base, EVLOOP_NONBLOCK);
	step_ask(r);
	event_base_loop(stage.keeper->base, EVLOOP_NONBLOCK);
	step_restart(r);
}

/* A file of the state is not what the keeper wrote when it starts again. */
static void step_file(struct reader *r)
{
	static const char *const names[] = { "admin-logins", "exposure", "picket.db" };
	char path[PATH_MAX + 32];
	size_t len;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", stage.start.state_dir, names[reader_u8(r) % 3]);
	len = reader_be16(r);
	len = len < reader_left(r) ? len : reader_left(r);
	hear_questions();
	end();
	unlink(path);
	if (len == 0)
		mkdir(path, 0700);
	file = fopen(path, "we");
	if (file) {
		(void)!fwrite(r->data + r->pos, 1, len, file);
		fclose(file);
	}
	reader_skip(r, len);
	begin();
	if (len == 0) {
		world.up_ms += 3600000;
		event_active(stage.keeper->tick, EV_TIMEOUT, 1);
		event_base_loop(stage.keeper->base, EVLOOP_NONBLOCK);
		rmdir(path);
	}
}

static void (*const steps[])(struct reader *) = { step_ask,   step_answer,  step_answer_all, step_hear,
						  step_text,  step_sentry,  step_supervisor, step_time,
						  step_close, step_connect, step_crowd,      step_host,
						  step_clock, step_restart, step_end_of,     step_file };

static void turn(void)
{
	world.up_ms += STEP_MS;
	event_active(stage.keeper->tick, EV_TIMEOUT, 1);
	event_active(stage.keeper->control->tick, EV_TIMEOUT, 1);
	event_base_loop(stage.keeper->base, EVLOOP_NONBLOCK);
	event_base_loop(stage.keeper->base, EVLOOP_NONBLOCK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader r = reader_over(data, size);

	if (!stage.keeper)
		first_begin();
	fuzz_history_add(data, size);
	while (reader_left(&r) > 0) {
		steps[reader_u8(&r) % (sizeof(steps) / sizeof(steps[0]))](&r);
		turn();
	}
	for (size_t i = 0; i < CLIENTS; i++) {
		if (stage.clients[i].fd)
			hear(&stage.clients[i]);
		hang_up(&stage.clients[i]);
	}
	turn();
	hear_questions();
	stage.answered = stage.asked;
	return 0;
}
