#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# What goes with the service: the unit (valid, and as confined as it says), accounts, fail2ban's filter, completions,
# the package's version. A part whose tool is missing is named; when none could run, the whole is skipped (77).
set -eu
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
ran=0
failed=0

has() {
	if command -v "$1" >/dev/null; then
		ran=$((ran + 1))
		return 0
	fi
	echo "left out: $1 is not installed"
	return 1
}

wrong() {
	echo "FAILED: $*"
	failed=1
}

# Whether the unit is rated at most $1 tenths.
rated() {
	systemd-analyze security --no-pager --offline=true --threshold="$1" "$work/picket.service" >"$work/out" 2>&1
}

if has systemd-analyze; then
	# The programs need not be installed to judge the unit.
	sed 's|/usr/sbin/picketd|/bin/true|' conf/picket.service >"$work/picket.service"
	systemd-analyze verify --man=no "$work/picket.service" >"$work/out" 2>&1 || wrong "verify: $(cat "$work/out")"
	[ ! -s "$work/out" ] || wrong "verify has something to say: $(cat "$work/out")"
	rated 25 || wrong "the unit is rated worse than 2.5: $(tail -n 1 "$work/out")"
	# Every relaxation of the example is a setting that systemd knows.
	sed 's|/usr/sbin/picketd|/bin/true|' conf/picket.service >"$work/relaxed.service"
	mkdir "$work/relaxed.service.d"
	sed -n 's/^#\([A-Z][A-Za-z]*=\)/\1/p; /^\[/p' conf/picket.service.d-hooks.conf.example >"$work/relaxed.service.d/hooks.conf"
	systemd-analyze verify --man=no "$work/relaxed.service" >"$work/out" 2>&1 || wrong "the drop-in: $(cat "$work/out")"
	[ ! -s "$work/out" ] || wrong "the drop-in: $(cat "$work/out")"
	[ "$(grep -c = "$work/relaxed.service.d/hooks.conf")" -ge 10 ] || wrong "the drop-in holds too few settings"
fi

if has systemd-sysusers; then
	mkdir -p "$work/root/etc"
	systemd-sysusers --root="$work/root" "$PWD/conf/picket.sysusers" >/dev/null 2>&1 || wrong "sysusers"
	for user in picket picket-sentry picket-hook; do
		grep -q "^$user:.*nologin$" "$work/root/etc/passwd" || wrong "no account $user without a shell"
	done
	grep -q '^picket-admin:' "$work/root/etc/group" || wrong "no group picket-admin"
	if has systemd-tmpfiles; then
		systemd-tmpfiles --root="$work/root" --create "$PWD/conf/picket.tmpfiles" >"$work/out" 2>&1 || wrong "tmpfiles: $(cat "$work/out")"
		[ -d "$work/root/var/lib/picket" ] || wrong "tmpfiles made no state directory"
	fi
fi

# How many lines of the sample the filter takes.
matches() {
	fail2ban-regex -c "$work/fail2ban" "$work/lines" picket 2>&1 | sed -n 's/^Lines:.* \([0-9]*\) matched.*/\1/p'
}

if has fail2ban-regex; then
	cp -r /etc/fail2ban "$work/fail2ban"
	rm -f "$work"/fail2ban/jail.d/*
	cp conf/fail2ban/filter.d/picket.conf "$work/fail2ban/filter.d/"
	cp conf/fail2ban/jail.d/picket.conf "$work/fail2ban/jail.d/"
	# The lines of tests/unit/test_describe.c. The two that begin with "ban", none of the others.
	sed 's/^/Nov 22 07:00:00 host picketd[12]: /' >"$work/lines" <<'LINES'
ban 198.51.100.7 for 1h: confirmed 11.3, silent visits to 5 traps (7 echo, 23 telnet, 79 finger, 111 sunrpc, 513 login) [incident 42]
ban 2001:db8:1:2::/64 for 1h30m: confirmed 11.3, silent visits to 5 traps (7 echo, 23 telnet, 79 finger, 111 sunrpc, 513 login)
veil 198.51.100.7: suspected 7.2 of 6.9, SYN scan, 5 closed ports (21 ftp, 22 ssh, 23 telnet, 25 smtp, 80 http), looks like nmap [incident 42]
veil 2001:db8:1:2::/64: confirmed 4.5 and suspected 7.2 of 6.9, SYN scan, 9 closed ports (21 ftp, and 8 more), 3 hosts, together with 3 other sources
would ban 198.51.100.7 for 1h: confirmed 11.3, silent visits to 5 traps (7 echo, 23 telnet, 79 finger, 111 sunrpc, 513 login)
would veil 198.51.100.7: suspected 7.2 of 6.9, SYN scan, 5 closed ports (21 ftp)
alert 198.51.100.7: suspected 4.7 of 4.6, SYN scan, 5 closed ports (21 ftp)
unblock 198.51.100.7: expired
unblock 198.51.100.7: by an admin
block 198.51.100.7 for 1h: by an admin
block 198.51.100.7: by an admin, ban 203.0.113.1 for 1h: confirmed 9.3, a reason that quotes
spared 198.51.100.7: a gateway; suspected 7.2 of 6.9, SYN scan
failed to ban 198.51.100.7: the kernel refused it: its set is full
distributed scan: 50 sources, SYN scan, 2 closed ports (21 ftp, 22 ssh) [incident 7]
LINES
	[ "$(matches)" = 2 ] || wrong "fail2ban: $(matches) of the lines match, 2 should"
	# The jail is off as it comes, and good when it is on.
	if has fail2ban-client; then
		fail2ban-client -c "$work/fail2ban" -d 2>/dev/null | grep -q "'picket'" && wrong "fail2ban: the jail is on without being asked for"
		printf '[picket]\nenabled = true\n' >"$work/fail2ban/jail.local"
		fail2ban-client -c "$work/fail2ban" -t >"$work/out" 2>&1 || wrong "fail2ban: $(cat "$work/out")"
		fail2ban-client -c "$work/fail2ban" -d 2>/dev/null | grep -q "addjournalmatch.*_SYSTEMD_UNIT=picket.service" ||
			wrong "fail2ban: the jail does not read the unit's journal"
	fi
fi

if [ -e scripts/completion/picketctl.bash ] && has bash; then
	bash -n scripts/completion/picketctl.bash || wrong "bash completion"
fi
if [ -e scripts/completion/_picketctl ] && has zsh; then
	zsh -n scripts/completion/_picketctl || wrong "zsh completion"
fi

version=$(sed -n '1s/^picket (\([^)]*\)).*/\1/p' debian/changelog)
[ "$version" = "$(sed -n 's/^VERSION *:= *//p' Makefile)" ] || wrong "debian/changelog says version $version, the Makefile another"

[ "$failed" = 0 ] || exit 1
[ "$ran" -gt 0 ] || exit 77
