/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tables of profiles.c as seccomp filters.  What is not in a table ends the process, but for what libraries probe:
 * sockets of other families and requests of ioctl() get an error.
 * Defends against code of a stranger's in one of our processes: it can ask the kernel for nothing that the process does
 * not do anyway, and the terminal, other processes and the rarely used parts of the kernel are closed to it.
 */
#include "profile.h"

#include <errno.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* A call that the machine's architecture lacks (-EDOM) cannot be made there. */
static int or_lacking(int result)
{
	return result == -EDOM ? 0 : result;
}

static int allow_calls(scmp_filter_ctx filter, const struct sandbox_call *calls, size_t count)
{
	int result = 0;

	for (size_t i = 0; result == 0 && i < count; i++) {
		const struct sandbox_call *call = &calls[i];
		const struct scmp_arg_cmp compare = { (unsigned)call->argument, SCMP_CMP_MASKED_EQ, call->mask,
						      call->value };

		result = or_lacking(seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call->number, call->argument >= 0,
							   call->argument >= 0 ? &compare : NULL));
	}
	return result;
}

static int refuse_calls(scmp_filter_ctx filter, const int *calls, size_t count, int error)
{
	int result = 0;

	for (size_t i = 0; result == 0 && i < count; i++)
		result = or_lacking(seccomp_rule_add(filter, SCMP_ACT_ERRNO((unsigned)error), calls[i], 0));
	return result;
}

/* Sockets of other families than those: an error, as on a kernel without them. */
static int refuse_families(scmp_filter_ctx filter, const struct sandbox_socket *allowed, size_t count)
{
	int result = 0;

	for (int family = 0; result == 0 && family < AF_MAX; family++) {
		bool known = false;

		for (size_t i = 0; i < count; i++)
			known |= allowed[i].family == family;
		if (!known)
			result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
						  SCMP_A0(SCMP_CMP_MASKED_EQ, 0xffffffff, (scmp_datum_t)family));
	}
	return result;
}

static int allow_sockets(scmp_filter_ctx filter, const struct sandbox_profile_rules *rules)
{
	const scmp_datum_t type_bits = 0xffffffff & ~(scmp_datum_t)(SOCK_NONBLOCK | SOCK_CLOEXEC);
	int result = 0;

	for (size_t i = 0; result == 0 && i < rules->socket_count; i++) {
		const struct sandbox_socket *one = &rules->sockets[i];

		result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 3,
					  SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)one->family, 0),
					  SCMP_A1(SCMP_CMP_MASKED_EQ, type_bits, (scmp_datum_t)one->type),
					  SCMP_A2(SCMP_CMP_EQ, (scmp_datum_t)one->protocol, 0));
	}
	for (size_t i = 0; result == 0 && i < rules->option_count; i++)
		result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), 2,
					  SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)rules->options[i].level, 0),
					  SCMP_A2(SCMP_CMP_EQ, (scmp_datum_t)rules->options[i].name, 0));
	return result == 0 ? refuse_families(filter, rules->sockets, rules->socket_count) : result;
}

/* Itself alone may be signalled (abort()), and limits may only be read. */
static int allow_about_itself(scmp_filter_ctx filter)
{
	int result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
				      SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0));

	if (result == 0)
		result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2, SCMP_A0(SCMP_CMP_EQ, 0, 0),
					  SCMP_A2(SCMP_CMP_EQ, 0, 0));
	return result;
}

static int narrow(scmp_filter_ctx filter, enum sandbox_profile profile)
{
	const struct sandbox_profile_rules *rules = sandbox_rules_of(profile);
	int result = allow_calls(filter, sandbox_common.calls, sandbox_common.call_count);

	if (result == 0)
		result = allow_calls(filter, rules->calls, rules->call_count);
	if (result == 0)
		result = allow_sockets(filter, rules);
	if (result == 0)
		result = allow_about_itself(filter);
	if (result == 0)
		result = refuse_calls(filter, rules->absent, rules->absent_count, ENOENT);
	/* FIONREAD is the one request of ours (profiles.c); isatty() is asked by stdio. */
	if (result == 0)
		result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOTTY), SCMP_SYS(ioctl), 1,
					  SCMP_A1(SCMP_CMP_NE, FIONREAD, 0));
	return result;
}

/* Hooks inherit it. */
static int widen(scmp_filter_ctx filter)
{
	static const struct sandbox_socket families[] = {
		{ AF_UNIX, 0, 0 }, { AF_NETLINK, 0, 0 }, { AF_INET, 0, 0 }, { AF_INET6, 0, 0 }
	};
	static const unsigned long requests[] = { TIOCSTI, TIOCLINUX };
	int result = refuse_calls(filter, sandbox_root_denied, sandbox_root_denied_count, EPERM);

	for (size_t i = 0; result == 0 && i < sizeof(requests) / sizeof(requests[0]); i++)
		result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
					  SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, requests[i]));
	return result == 0 ? refuse_families(filter, families, sizeof(families) / sizeof(families[0])) : result;
}

int sandbox_seccomp(enum sandbox_profile profile)
{
	scmp_filter_ctx filter = seccomp_init(profile == SANDBOX_SUPERVISOR ? SCMP_ACT_ALLOW : SCMP_ACT_KILL_PROCESS);
	int result;

	if (!filter)
		return -ENOMEM;
	/* Binary search: the packet that is being judged waits for every call. */
	result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	/* Calls by another architecture's numbers. */
	if (result == 0)
		result = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (result == 0)
		result = profile == SANDBOX_SUPERVISOR ? widen(filter) : narrow(filter, profile);
	if (result == 0)
		result = seccomp_load(filter);
	seccomp_release(filter);
	return result;
}
