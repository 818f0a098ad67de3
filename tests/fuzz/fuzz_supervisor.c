/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libFuzzer over the supervisor's end of both wires, with its state kept over inputs: what a sentry and a keeper that
 * have been taken over say, reloads, the allow file, events for hooks, and time.  It is root: whatever they say, it
 * answers with valid messages, runs no hook but the configured one, sends no signal but to its own children.
 *
 * An input is a row of steps: what, LEN, LEN bytes.  FUZZ_HISTORY: see fuzz.h.
 */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "fuzz_wire.h"

#include "clock.h"
#include "config.h"
#include "options.h"
#include "services.h"
#include "supervisor/supervisor.c"

#define LIVES   4096 /* inputs of one supervisor */
#define FOLDER  "/dev/shm/picket-fuzz-XXXXXX"
#define SENTRY  1000000001 /* no process has such a number */
#define KEEPER  1000000002
#define FOREIGN 1000000003

static struct {
	struct supervisor s;
	struct options options;
	char folder[sizeof(FOLDER)], file[64], allow[64];
	int64_t now_ms;
	int sentry, keeper; /* their ends */
	int log_fd;         /* /dev/null */
	bool fork_fails;
	unsigned inputs;
	struct wire_message message, heard;
} it;

int64_t clock_ns(clockid_t clock)
{
	(void)clock;
	return it.now_ms * 1000000;
}

int64_t clock_us(clockid_t clock)
{
	(void)clock;
	return it.now_ms * 1000;
}

int64_t clock_ms(clockid_t clock)
{
	(void)clock;
	return it.now_ms;
}

int64_t clock_s(clockid_t clock)
{
	(void)clock;
	return it.now_ms / 1000;
}

int64_t clock_wall_ms(void)
{
	int64_t now_ms = clock_ms(CLOCK_REALTIME);

	return now_ms >= CLOCK_WALL_MIN_MS && now_ms < CLOCK_WALL_MAX_MS ? now_ms : 0;
}

/* No process is started, and none is ended. */
pid_t fork(void)
{
	errno = EAGAIN;
	return it.fork_fails ? -1 : FOREIGN;
}

int kill(pid_t pid, int number)
{
	require(pid == SENTRY || pid == KEEPER || pid == FOREIGN || pid == -FOREIGN);
	require(number >= 0 && number <= SIGTERM);
	return 0;
}

/* Files in a folder that others can write to are taken. */
uid_t geteuid(void)
{
	return 1000;
}

pid_t waitpid(pid_t pid, int *status, int options)
{
	(void)options;
	if (status)
		*status = 0;
	return pid;
}

/* ---- what it says ---- */

static void check(const struct wire_message *heard)
{
	switch ((enum wire_type)heard->header.type) {
	case WIRE_RESULT:
		require(heard->body.result.result < ENGINE_RESULT_COUNT);
		require(memchr(heard->body.result.text, 0, WIRE_TEXT_MAX) != NULL);
		break;
	case WIRE_TEXT: require(memchr(heard->body.text.text, 0, sizeof(heard->body.text.text)) != NULL); break;
	case WIRE_ADMINS: require(heard->body.admins.count <= LOGINS_ADMINS_MAX); break;
	case WIRE_CONFIG: require(memchr(heard->body.config.table, 0, NFT_TABLE_NAME_MAX) != NULL); break;
	case WIRE_CONFIG_ALLOW: require(heard->body.prefixes.count <= WIRE_ALLOW_BATCH); break;
	default: break;
	}
}

static void hear(void)
{
	const int ends[] = { it.sentry, it.keeper };

	for (size_t i = 0; i < 2; i++)
		while (ends[i] >= 0 && wire_receive(ends[i], &it.heard) == 1)
			check(&it.heard);
}

/* ---- what it is told ---- */

/* Answers name the question that is open, where the input does not say otherwise. */
static void say(int fd, struct child *child, const uint8_t *data, size_t size)
{
	while (size > 0 && fd >= 0) {
		size_t used = fuzz_message(&it.message, data, size, it.now_ms);

		if (it.message.header.type == WIRE_RESULT && it.message.header.id == 1)
			it.message.header.id = it.s.reload.id;
		if (wire_body_len((enum wire_type)it.message.header.type))
			fuzz_say(fd, &it.message);
		data += used;
		size -= used;
	}
	supervisor_wire_drain(&it.s, child);
}

static void write_file(const char *path, const void *data, size_t size)
{
	FILE *file = fopen(path, "we");

	require(file != NULL);
	require(size == 0 || fwrite(data, 1, size, file) == size);
	require(fclose(file) == 0);
}

static void write_config(const uint8_t *data, size_t size)
{
	char text[4096];
	int len = snprintf(text, sizeof(text),
			   "run_dir = \"%s\"\nstate_dir = \"%s\"\nallow_file = \"%s\"\nadmin_groups = { \"root\" }\n"
			   "hook one { on = { \"alert\", \"veil\", \"ban\", \"block\" } command = { \"/bin/true\", "
			   "\"%%{source}\" } user = \"nobody\" }\n%.*s\n",
			   it.folder, it.folder, it.allow, (int)(size < 1024 ? size : 1024), (const char *)data);

	require(len > 0);
	write_file(it.file, text, len < (int)sizeof(text) ? (size_t)len : sizeof(text) - 1);
}

static void pass_time(const uint8_t *data, size_t size)
{
	it.now_ms += (int64_t)1 << (size ? data[0] % 24 : 10);
	if (size > 1 && data[1] & 1)
		on_late(-1, 0, data[1] & 2 ? &it.s.sentry : &it.s.keeper);
	else if (size > 1 && data[1] & 4)
		on_watchdog(-1, 0, &it.s);
	else
		on_tick(-1, 0, &it.s);
	event_base_loop(it.s.base, EVLOOP_NONBLOCK);
}

static void raw_message(const uint8_t *data, size_t size, bool of_keeper)
{
	int fd = of_keeper ? it.keeper : it.sentry;

	if (fd >= 0 && size > 0)
		(void)!send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	supervisor_wire_drain(&it.s, of_keeper ? &it.s.keeper : &it.s.sentry);
}

/* ---- its life ---- */

static void ignore_mistake(void *context, const char *text)
{
	(void)context;
	require(text[0] != '\0');
}

static void leave(void)
{
	unlink(it.file);
	unlink(it.allow);
	rmdir(it.folder);
}

static void settle(void)
{
	memcpy(it.folder, FOLDER, sizeof(FOLDER));
	require(mkdtemp(it.folder) != NULL);
	snprintf(it.file, sizeof(it.file), "%s/picket.conf", it.folder);
	snprintf(it.allow, sizeof(it.allow), "%s/allow", it.folder);
	atexit(leave);
	it.options.file = it.file;
	it.options.log_fd = -1;
	it.log_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	require(it.log_fd >= 0);
}

static void end(struct supervisor *s)
{
	close_loop(s);
	close(it.sentry);
	close(it.keeper);
	journal_close(s->journal);
	service_names_free(s->names);
	config_free(s->reload.config);
	config_free(s->config);
}

static struct child child_of(const char *name, unsigned beat_s, pid_t pid, int fd)
{
	return (struct child){
		.name = name, .owner = &it.s, .fd = fd, .pid = pid, .beat_s = beat_s, .patience_s = 3, .killed_for = ""
	};
}

static void begin_life(void)
{
	struct supervisor *s = &it.s;
	int sentry[2], keeper[2];

	memset(s, 0, sizeof(*s));
	it.now_ms = 1790000000000;
	it.fork_fails = true;
	write_config(NULL, 0);
	write_file(it.allow, "", 0);
	require(wire_pair(sentry) == 0 && wire_pair(keeper) == 0);
	it.sentry = sentry[0];
	it.keeper = keeper[0];
	s->options = &it.options;
	s->ready_fd = s->run_fd = s->lock_fd = s->table_fd = s->control_fd = -1;
	s->config = config_read(it.file, 0, ignore_mistake, NULL);
	s->journal =
		journal_open(&(struct journal_options){ .to_stderr = true, .stderr_fd = it.log_fd, .name = "picketd" });
	require(s->config != NULL && s->journal != NULL);
	s->names = services_read();
	s->sentry = child_of("sentry", WIRE_SENTRY_BEAT_S, SENTRY, sentry[1]);
	s->keeper = child_of("keeper", WIRE_KEEPER_BEAT_S, KEEPER, keeper[1]);
	require(open_loop(s) == 0);
}

static void step(uint8_t what, const uint8_t *data, size_t size)
{
	switch (what % 9) {
	case 0: say(it.sentry, &it.s.sentry, data, size); break;
	case 1: say(it.keeper, &it.s.keeper, data, size); break;
	case 2: pass_time(data, size); break;
	case 3: write_config(data, size); break;
	case 4:
		if (size && data[0] == 0xff)
			unlink(it.allow);
		else
			write_file(it.allow, data, size);
		break;
	case 5: raw_message(data, size, what >= 128); break;
	case 6: on_reload(SIGHUP, EV_SIGNAL, &it.s); break;
	case 7: it.fork_fails = size & 1; break;
	default:
		end(&it.s);
		begin_life();
		break;
	}
	hear();
	require(it.s.hooks && it.s.config && it.s.config->hook_count <= CONFIG_HOOKS_MAX);
}

static void live(void)
{
	if (!it.folder[0])
		settle();
	if (it.s.base && it.s.stage != STAGE_ENDING && it.s.sentry.fd >= 0 && it.s.keeper.fd >= 0 &&
	    ++it.inputs < LIVES)
		return;
	if (it.s.base)
		end(&it.s);
	it.inputs = 0;
	begin_life();
	fuzz_history_begin();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	live();
	while (size >= 3) {
		size_t len = data[1] | (size_t)data[2] << 8;

		if (len > size - 3)
			break; /* whole steps alone */
		fuzz_history_add(data, 3 + len);
		step(data[0], data + 3, len);
		data += 3 + len;
		size -= 3 + len;
	}
	return 0;
}
