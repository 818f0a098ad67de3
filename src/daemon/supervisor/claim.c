/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A table belongs to one picketd in a network namespace, whatever its run_dir.  The name of an abstract socket has just
 * that scope and ends with its holder; but every user of the host may take such names, and fill the backlog of whoever
 * listens.  So each picketd holds a name that nobody can guess and never listens; then it asks the kernel (sock_diag)
 * who else holds one for this table, and only what root holds counts.  Of two that start in the same moment, both may
 * see the other and end: they are started again.
 */
#include "internal.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/sock_diag.h>
#include <linux/unix_diag.h>

#include "netlink.h"

/* Since Linux 5.3; the headers may be older. */
#define SHOW_UID 0x40
#define DIAG_UID 7

#define NAME_MAX_LEN (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

struct claim {
	char prefix[NAME_MAX_LEN + 1]; /* of the names for this table */
	char own[NAME_MAX_LEN + 1];
	bool held; /* by another picketd, */
	long pid;  /* as its name says */
};

static int take_attribute(const struct nlattr *attribute, void *context)
{
	const struct nlattr **found = context;
	uint16_t type = mnl_attr_get_type(attribute);

	if (type == UNIX_DIAG_NAME || type == DIAG_UID)
		found[type] = attribute;
	return MNL_CB_OK;
}

static int on_socket(const struct nlmsghdr *message, void *context)
{
	const struct nlattr *found[DIAG_UID + 1] = { NULL };
	struct claim *claim = context;
	char name[NAME_MAX_LEN + 1];
	const char *text;
	size_t len;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(struct unix_diag_msg) ||
	    mnl_attr_parse(message, sizeof(struct unix_diag_msg), take_attribute, found) < 0 ||
	    !found[UNIX_DIAG_NAME] || !found[DIAG_UID])
		return MNL_CB_OK;
	text = mnl_attr_get_payload(found[UNIX_DIAG_NAME]);
	len = mnl_attr_get_payload_len(found[UNIX_DIAG_NAME]);
	/* An abstract name begins with a NUL. */
	if (len < 2 || len - 1 > NAME_MAX_LEN || text[0] != '\0' ||
	    mnl_attr_get_payload_len(found[DIAG_UID]) != sizeof(uint32_t) || mnl_attr_get_u32(found[DIAG_UID]) != 0)
		return MNL_CB_OK;
	memcpy(name, text + 1, len - 1);
	name[len - 1] = '\0';
	len = strlen(claim->prefix);
	if (strncmp(name, claim->prefix, len) == 0 && (name[len] == '/' || name[len] == '\0') &&
	    strcmp(name, claim->own) != 0) {
		claim->held = true;
		claim->pid = name[len] ? strtol(name + len + 1, NULL, 10) : 0;
	}
	return MNL_CB_OK;
}

static int look_for_others(struct claim *claim)
{
	const struct unix_diag_req question = { .sdiag_family = AF_UNIX,
						.udiag_states = ~0U,
						.udiag_show = UDIAG_SHOW_NAME | SHOW_UID };
	struct netlink_dump *dump;
	int result = netlink_dump_open(NETLINK_SOCK_DIAG, &dump);

	if (result < 0)
		return result;
	result = netlink_dump_ask(dump, SOCK_DIAG_BY_FAMILY, &question, sizeof(question), on_socket, claim, NULL);
	netlink_dump_close(dump);
	return result;
}

static int hold_name(struct supervisor *s, struct claim *claim)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct writer prefix = writer_over(claim->prefix, sizeof(claim->prefix));
	struct writer own = writer_over(claim->own, sizeof(claim->own));
	uint64_t secret;

	if (getrandom(&secret, sizeof(secret), 0) != (ssize_t)sizeof(secret))
		return -errno;
	writer_format(&prefix, "picket/table/inet/%s", s->config->table);
	writer_format(&own, "%s/%ld/%016llx", claim->prefix, (long)getpid(), (unsigned long long)secret);
	if (own.truncated)
		return -ENAMETOOLONG;
	memcpy(address.sun_path + 1, claim->own, own.len);
	s->table_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (s->table_fd < 0 || bind(s->table_fd, (const struct sockaddr *)&address,
				    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + own.len)) < 0)
		return -errno;
	return 0;
}

int supervisor_claim_table(struct supervisor *s)
{
	struct claim claim = { .held = false };
	int result = hold_name(s, &claim);

	if (result < 0)
		return supervisor_fail(s, result, "cannot claim table inet %s", s->config->table);
	result = look_for_others(&claim);
	if (result < 0)
		journal_log_errno(s->journal, LOG_WARNING, result,
				  "this kernel does not tell who holds a socket's name (unix_diag): a second picketd "
				  "for table inet %s would not be noticed",
				  s->config->table);
	if (claim.held)
		return supervisor_fail(s, 0,
				       "table inet %s is in use by another picketd (pid %ld): set table = another name",
				       s->config->table, claim.pid);
	return 0;
}
