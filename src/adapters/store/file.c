/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file on the disk.  It is looked at before SQLite touches it, then opened, created or refused.  Defends against a
 * link in its place, a file of another program or of a newer picket (left untouched), damage, and a disk that takes no
 * writes (what it holds is still read).
 *
 * A damaged file is evidence and may hold what an admin wants back, so it is kept; but only STORE_DAMAGED_MAX of them,
 * since a disk that damages files would otherwise be filled by them.  A file below 64 MiB is checked as a whole when it
 * is opened (PRAGMA quick_check, some 0.2 s at most), a larger one in the tables that are restored.  The history of a
 * large file is checked where it is read.
 */
#include "internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reader.h"

#define HEADER_LEN            100
#define HEADER_USER_VERSION   60
#define HEADER_APPLICATION_ID 68
#define MARK                  STORE_NAME ".damaged-"
#define ASIDE_NAME_MAX        64
/* No result of SQLite's: the problem has been told already, and the file is left alone. */
#define REFUSED (-1)

/* ---- a damaged file ---- */

/* The database itself is renamed first: a new one can then be begun, whatever becomes of the rest. */
static const char *const parts[] = { "", "-wal", "-shm" };

/* How many lie in the directory, not counting their logs; -errno. */
static int count_damaged(const char *directory)
{
	DIR *dir = opendir(directory);
	const struct dirent *entry;
	int found = 0;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir)))
		found += strncmp(entry->d_name, MARK, strlen(MARK)) == 0 && !strchr(entry->d_name + strlen(MARK), '-');
	closedir(dir);
	return found;
}

/* The next free name, since two files can be damaged within a second. */
static int free_name(const char *directory, int64_t epoch_s, char name[ASIDE_NAME_MAX])
{
	char path[PATH_MAX];
	struct stat info;

	for (int i = 0; i <= STORE_DAMAGED_MAX; i++) {
		snprintf(name, ASIDE_NAME_MAX, MARK "%lld", (long long)(epoch_s + i));
		if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= (int)sizeof(path))
			return -ENAMETOOLONG;
		if (lstat(path, &info) < 0)
			return errno == ENOENT ? 0 : -errno;
	}
	return -EEXIST;
}

/* Renames path, path-wal and path-shm to path.damaged-EPOCH..., and writes the new name without its directory.  0 or
 * -errno; -EMFILE: there are STORE_DAMAGED_MAX already. */
static int set_aside(const char *path, int64_t epoch_s, char name[ASIDE_NAME_MAX])
{
	char directory[PATH_MAX], from[PATH_MAX + 8], to[2 * PATH_MAX];
	int result;

	snprintf(directory, sizeof(directory), "%.*s", (int)(strrchr(path, '/') - path), path);
	result = count_damaged(directory);
	if (result >= STORE_DAMAGED_MAX)
		return -EMFILE;
	if (result >= 0)
		result = free_name(directory, epoch_s, name);
	for (size_t i = 0; result == 0 && i < sizeof(parts) / sizeof(parts[0]); i++) {
		snprintf(from, sizeof(from), "%s%s", path, parts[i]);
		snprintf(to, sizeof(to), "%s/%s%s", directory, name, parts[i]);
		if (rename(from, to) < 0 && errno != ENOENT)
			result = -errno;
	}
	return result;
}

/* Bytes in the database's log; 0 where there is none. */
static int64_t log_len(const char *path)
{
	char log[PATH_MAX + 8];
	struct stat info;

	snprintf(log, sizeof(log), "%s-wal", path);
	return lstat(log, &info) == 0 ? info.st_size : 0;
}

/* ---- opening ---- */

/* What the file looks like from outside. */
struct look {
	int64_t size;
	int error; /* why it cannot be written; 0: it can */
};

static bool is_damage(int result)
{
	return (result & 0xff) == SQLITE_CORRUPT || (result & 0xff) == SQLITE_NOTADB;
}

static int refuse_format(struct store *store, int64_t application, int64_t version)
{
	if (application != STORE_APPLICATION_ID)
		store_problem(store, false, STORE_NAME " is not picket's: left alone" STORE_CONSEQUENCE);
	else
		store_problem(store, false,
			      STORE_NAME " is of a newer picket (format %lld, this one knows %d): left "
					 "alone" STORE_CONSEQUENCE,
			      (long long)version, STORE_FORMAT);
	return REFUSED;
}

/* The header says whose file it is without SQLite's recovery having touched it. */
static int look_inside(struct store *store, int fd)
{
	uint8_t header[HEADER_LEN];
	struct reader r = reader_over(header, sizeof(header));
	ssize_t got = pread(fd, header, sizeof(header), 0);
	uint32_t version, application;

	if (got < 0)
		return SQLITE_IOERR;
	if (got < HEADER_LEN || memcmp(header, "SQLite format 3", 16) != 0)
		return SQLITE_NOTADB;
	reader_skip(&r, HEADER_USER_VERSION);
	version = reader_be32(&r);
	reader_skip(&r, HEADER_APPLICATION_ID - HEADER_USER_VERSION - 4);
	application = reader_be32(&r);
	/* 0: created, but nothing committed yet. */
	if (application == 0 || (application == STORE_APPLICATION_ID && version <= STORE_FORMAT))
		return SQLITE_OK;
	return refuse_format(store, application, version);
}

/* Looks at the file, creating an empty one.  The descriptor is closed before SQLite opens its own: closing it later
 * would take SQLite's locks away. */
static int look_at(struct store *store, struct look *look)
{
	const int flags = O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
	struct stat info;
	int result, fd = open(store->path, O_RDWR | O_CREAT | flags, 0600);

	*look = (struct look){ 0 };
	if (fd < 0 && (errno == EROFS || errno == EACCES || errno == EPERM)) {
		look->error = errno;
		fd = open(store->path, O_RDONLY | flags);
	}
	if (fd < 0) {
		int error = look->error && errno == ENOENT ? look->error : errno;
		if (error == ELOOP)
			store_problem(store, false, STORE_NAME " is a symbolic link: refused" STORE_CONSEQUENCE);
		else
			store_problem(store, false, STORE_NAME ": cannot open: %s" STORE_CONSEQUENCE, strerror(error));
		return REFUSED;
	}
	if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode)) {
		store_problem(store, false, STORE_NAME " is not a regular file: refused" STORE_CONSEQUENCE);
		close(fd);
		return REFUSED;
	}
	look->size = info.st_size;
	result = info.st_size == 0 ? SQLITE_OK : look_inside(store, fd);
	/* Only our user may read which sources scanned.  Where we may not change the mode, the file is used as
	 * it is. */
	if (result == SQLITE_OK && (info.st_mode & 07177) != 0 && fchmod(fd, 0600) < 0 && errno != EPERM)
		look->error = errno;
	close(fd);
	return result;
}

/* Called after each commit with the number of pages in the log: writes them into the file, unless a reader that never
 * ends prevents it. */
static int on_commit(void *context, sqlite3 *db, const char *name, int pages)
{
	struct store *store = context;
	int logged = 0, taken = 0;

	if (pages < STORE_WAL_PAGES)
		return SQLITE_OK;
	sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, &logged, &taken);
	store->wal_stuck = logged > STORE_WAL_PAGES_MAX && taken < logged;
	return SQLITE_OK;
}

/* immutable: no log, no locks, no other writer; for a file system that takes no writes at all. */
static int connect_to(struct store *store, bool immutable)
{
	const int flags = SQLITE_OPEN_URI | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
	char uri[3 * PATH_MAX + 32], *at = uri + sprintf(uri, "file:");

	for (const char *c = store->path; *c; c++)
		at += sprintf(at, *c == '%' || *c == '?' || *c == '#' ? "%%%02x" : "%c", (unsigned char)*c);
	if (immutable)
		strcpy(at, "?immutable=1");
	return sqlite3_open_v2(uri, &store->db, flags | (immutable ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE),
			       NULL);
}

int store_quick_check(struct store *store, const char *sql)
{
	sqlite3_stmt *statement;
	int result = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);

	if (result != SQLITE_OK)
		return result;
	result = sqlite3_step(statement);
	if (result == SQLITE_ROW) {
		const char *said = (const char *)sqlite3_column_text(statement, 0);
		result = said && strcmp(said, "ok") == 0 ? SQLITE_OK : SQLITE_CORRUPT;
	}
	sqlite3_finalize(statement);
	return result == SQLITE_DONE ? SQLITE_CORRUPT : result;
}

static int check(struct store *store, int64_t size)
{
	return size < STORE_CHECK_BYTES ? store_quick_check(store, "PRAGMA quick_check(1)") : store_check_tables(store);
}

/* Decides by the file and its log which program and format it is of; an empty one gets a schema. */
static int identify(struct store *store)
{
	int64_t application, version, tables;
	int result = store_ask_number(store, "SELECT count(*) FROM sqlite_schema", &tables);

	if (result == SQLITE_OK)
		result = store_ask_number(store, "PRAGMA application_id", &application);
	if (result == SQLITE_OK)
		result = store_ask_number(store, "PRAGMA user_version", &version);
	if (result != SQLITE_OK)
		return result;
	if (tables > 0 && (application != STORE_APPLICATION_ID || version > STORE_FORMAT))
		return refuse_format(store, application, version);
	if (tables > 0 && version == STORE_FORMAT)
		return SQLITE_OK;
	if (tables > 0)
		return version > 0 ? store_upgrade(store, version) : SQLITE_CORRUPT;
	/* Before the first table, so that the file can shrink again and readers hold no writer up. */
	result = sqlite3_exec(store->db, "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL", NULL, NULL,
			      NULL);
	return result == SQLITE_OK ? store_upgrade(store, 0) : result;
}

static int use(struct store *store, const struct look *look)
{
	int result = store_settle(store);

	store->read_only = sqlite3_db_readonly(store->db, "main") == 1;
	if (result == SQLITE_OK)
		result = identify(store);
	if (result == SQLITE_OK && store_can_write(store))
		result = sqlite3_exec(store->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
	if (result == SQLITE_OK)
		result = check(store, look->size);
	if (result == SQLITE_OK)
		result = store_prepare(store);
	/* A statement that cannot be prepared: the schema is another one. */
	if (result == SQLITE_ERROR)
		result = SQLITE_CORRUPT;
	if (result == SQLITE_OK)
		result = store_read_extent(store);
	return result;
}

static int try_open(struct store *store, int *error)
{
	struct look look;
	int result = look_at(store, &look);

	if (result != SQLITE_OK)
		return result;
	result = connect_to(store, false);
	if (result == SQLITE_OK)
		result = use(store, &look);
	*error = look.error ? look.error : sqlite3_system_errno(store->db);
	if (result == SQLITE_OK || look.size == 0)
		return result;
	if ((result & 0xff) != SQLITE_CANTOPEN && (result & 0xff) != SQLITE_READONLY && (result & 0xff) != SQLITE_IOERR)
		return result;
	/* The directory takes no log: the file is read as it is, unless a log holds a part of it. */
	store_file_close(store);
	if (log_len(store->path) > 0)
		return result;
	result = connect_to(store, true);
	return result == SQLITE_OK ? use(store, &look) : result;
}

static void report_opening(struct store *store, int result, int error, const char *aside)
{
	store->failing = result != SQLITE_OK || store->read_only;
	if (result != SQLITE_OK)
		store_file_close(store);
	if (result == REFUSED)
		return;
	if (result != SQLITE_OK)
		store_problem(store, false, STORE_NAME ": cannot open: %s" STORE_CONSEQUENCE,
			      store_error_text(result, error));
	else if (store->read_only)
		store_problem(store, false, STORE_NAME ": cannot write: %s" STORE_CONSEQUENCE,
			      strerror(error ? error : EROFS));
	else if (aside[0])
		store_problem(store, true, STORE_NAME " was damaged: set aside as %s" STORE_BEGUN_ANEW, aside);
}

void store_file_open(struct store *store)
{
	char *real = realpath(store->directory, NULL), aside[ASIDE_NAME_MAX] = "";
	int result = REFUSED, error = errno;

	store->failing = true;
	store->clock_settled = false;
	store->forgeable = store->lasting = -1;
	store->trimming = true;
	store->retry_ms = store->now_ms + STORE_RETRY_MS;
	if (!real)
		store_problem(store, false, "state directory: %s" STORE_CONSEQUENCE, strerror(error));
	else if (snprintf(store->path, sizeof(store->path), "%s/" STORE_NAME, real) >= PATH_MAX - ASIDE_NAME_MAX)
		store_problem(store, false, "state directory: its path is too long" STORE_CONSEQUENCE);
	else
		result = try_open(store, &error);
	free(real);
	if (is_damage(result)) {
		store_file_close(store);
		error = -set_aside(store->path, store->now_ms / 1000, aside);
		result = error ? SQLITE_CANTOPEN : try_open(store, &error);
		if (error == EMFILE) {
			store_problem(store, false,
				      STORE_NAME " is damaged, and %d damaged ones lie there already: "
						 "remove them" STORE_CONSEQUENCE,
				      STORE_DAMAGED_MAX);
			result = REFUSED;
		}
	}
	if ((result & 0xff) == SQLITE_FULL || error == ENOSPC)
		store->retry_ms = store->now_ms + STORE_RETRY_FULL_MS;
	report_opening(store, result, error, aside);
	if (store->db && !store->read_only)
		sqlite3_wal_hook(store->db, on_commit, store);
}

void store_file_close(struct store *store)
{
	store_finish(store);
	/* A file that was refused or failed stays as it is: its log is not written into it. */
	if (store->db && store->failing)
		sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_close(store->db);
	store->db = NULL;
	store->read_only = store->wal_stuck = false;
}

void store_file_replace(struct store *store, const char *why)
{
	char aside[ASIDE_NAME_MAX] = "";

	store->failing = true;
	store_file_close(store);
	if (set_aside(store->path, store->now_ms / 1000, aside) < 0) {
		store->retry_ms = store->now_ms + STORE_RETRY_MS;
		store_problem(store, false, STORE_NAME " is damaged and cannot be set aside" STORE_CONSEQUENCE);
		return;
	}
	store->blocks_stale = true;
	store_file_open(store);
	if (store->db && !store->failing)
		store_problem(store, true, STORE_NAME " is damaged (%s): set aside as %s" STORE_BEGUN_ANEW, why, aside);
}

bool store_file_is_gone(struct store *store)
{
	int moved = 0;

	return sqlite3_file_control(store->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved;
}
