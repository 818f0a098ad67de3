#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# picket-from-portsentry: what it carries over, what it tells, what it refuses, and that no value gets out of its
# quotes. The configurations it writes are read by picketd itself ($BUILD/picketd -t) where that is built.
set -eu
cd "$(dirname "$0")/../.."
tool=scripts/picket-from-portsentry
daemon=${BUILD:-build}/picketd
work=$(mktemp -d /tmp/test-convert.XXXXXX)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
failed=0

wrong() {
	echo "FAILED: $*"
	failed=1
}

# convert NAME ARGUMENTS...: into $work/NAME, the report in $work/NAME.said
convert() {
	name=$1
	shift
	$tool "$@" "$work/$name" >"$work/$name.said" 2>&1 || wrong "$name: exit $?: $(cat "$work/$name.said")"
}

said() {
	grep -qF -- "$2" "$work/$1.said" || wrong "$1: not told: $2"
}

wrote() {
	grep -qF -- "$2" "$work/$1/picket.conf" || wrong "$1: picket.conf lacks: $2"
}

# The daemon takes it. The account of the hook need not exist here.
taken() {
	if [ ! -x "$daemon" ]; then
		echo "left out: $daemon is not built, $1/picket.conf is not read by it"
		return
	fi
	sed 's/^\(\ton = {.*\)/\1\n\tuser = "nobody"/' "$work/$1/picket.conf" >"$work/$1/check.conf"
	"$daemon" -t -c "$work/$1/check.conf" >"$work/out" 2>&1 || wrong "$1: picketd refuses it: $(cat "$work/out")"
}

samples=conf/portsentry

# ---- version 1.2
convert v1 -i $samples/portsentry.ignore $samples/portsentry-1.2.conf
taken v1
wrote v1 'mode = "block"'
wrote v1 "allow_file = \"$work/v1/allow\""
wrote v1 '"1", "11", "15", "79"'
wrote v1 'command = { "/usr/local/bin/tell-me", "%{source}", "%{ports}" }'
wrote v1 'on = { "ban" }'
wrote v1 'banner = "** UNAUTHORIZED ACCESS PROHIBITED'
# Every option of the file is told about, at its line.
grep -n '^[A-Z]' $samples/portsentry-1.2.conf | sed 's/^\([0-9]*\):\([A-Z_]*\).*/:\1: \2: /' | while IFS= read -r line; do
	grep -qF -- "$line" "$work/v1.said" || echo "$line"
done >"$work/untold"
[ ! -s "$work/untold" ] || wrong "v1: not told of: $(cat "$work/untold")"
for name in KILL_ROUTE KILL_HOSTS_DENY SCAN_TRIGGER RESOLVE_HOST HISTORY_FILE BLOCKED_FILE ADVANCED_PORTS_TCP ADVANCED_EXCLUDE_UDP; do
	said v1 "$name: not carried over"
	grep -q "^#.*$name" "$work/v1/picket.conf" || wrong "v1: picket.conf keeps no note of $name"
done
printf '%s\n' 192.0.2.0/24 198.51.100.0/24 203.0.113.9 2001:db8:1::/48 >"$work/expected"
grep -v '^#' "$work/v1/allow" | cmp -s - "$work/expected" || wrong "v1: allow holds $(cat "$work/v1/allow")"
said v1 '198.51.100.7/24: carried over as 198.51.100.0/24'
said v1 '127.0.0.1/32: not carried over'

# ---- version 2.0
convert v2 -i $samples/portsentry.ignore $samples/portsentry-2.0.conf
taken v2
wrote v2 'mode = "observe"'
wrote v2 '"19-21"'
wrote v2 '"512-515"'
! grep -q '^hook' "$work/v2/picket.conf" || wrong "v2: a hook from nowhere"

# ---- BLOCK_*: 2 runs the command alone; one protocol alone is no setting of picket's
# shellcheck disable=SC2016  # portsentry's own placeholders
printf 'BLOCK_TCP="2"\nBLOCK_UDP="2"\nKILL_RUN_CMD="/bin/echo $TARGET$:$PORT$ $MODE$"\n' >"$work/two.conf"
convert two -i /dev/null "$work/two.conf"
taken two
wrote two 'mode = "observe"'
wrote two 'on = { "alert" }'
wrote two 'command = { "/bin/echo", "%{source}:%{ports}", "%{reason}" }'
printf 'BLOCK_TCP="1"\nBLOCK_UDP="0"\nKILL_RUN_CMD="mail root"\n' >"$work/mixed.conf"
convert mixed -i /dev/null "$work/mixed.conf"
taken mixed
wrote mixed 'mode = "block"'
said mixed 'BLOCK_UDP: not carried over'
said mixed 'KILL_RUN_CMD: not carried over: it does not begin with the absolute path'

# ---- hostile and broken: nothing leaves its quotes, every bad line is told, picketd takes the rest
{
	echo 'TCP_PORTS="0,22,70000,abc,5-3,7-9, 80 ,22,1e3"'
	echo 'TCP_PORTS="1"'
	echo 'UDP_PORTS=""'
	# shellcheck disable=SC2016  # literally so
	printf '%s\n' 'PORT_BANNER="a\b \" }' 'BLOCK_TCP="1" # mode = off' 'KILL_RUN_CMD="/bin/x $TARGET$; rm -rf /"' garbage 'KILL_ROUTE=bare'
	printf 'NEWER_OPTION="\001\033[2J\377"\r\n'
} >"$work/bad.conf"
convert bad -i /dev/null "$work/bad.conf"
taken bad
wrote bad '"22", "7-9", "80"'
wrote bad 'banner = "a\\b \\"'
said bad ':1: TCP_PORTS 70000: not carried over'
said bad ':1: TCP_PORTS 1e3: not carried over'
said bad ':2: TCP_PORTS: not carried over: given in line 1'
said bad ':6: KILL_RUN_CMD: not carried over: it needs a shell'
said bad ':7: this line: not carried over'
said bad ':9: NEWER_OPTION: not carried over'
! LC_ALL=C grep -q '[^[:print:][:space:]]' "$work/bad/picket.conf" "$work/bad.said" || wrong "bad: control bytes came through"
# shellcheck disable=SC2016
printf 'PORT_BANNER="${PATH}"\n' >"$work/env.conf"
convert env -i /dev/null "$work/env.conf"
taken env
said env 'PORT_BANNER: not carried over'
awk 'BEGIN { printf "TCP_PORTS=\"1"; for (i = 2; i <= 3000; i++) printf ",%d", i; print "\"" }' >"$work/many.conf"
convert many -i /dev/null "$work/many.conf"
taken many
said many 'TCP_PORTS 1025: not carried over: picket takes at most 1024'

# ---- ignore files: what is an address, and what is none
cat >"$work/hosts" <<'TEXT'
host.example.org
10.0.0.0/33
10.0.0.0/255.0.0.0
010.1.1.1
10.1.2.3/9
::/0
0.0.0.0/0
fe80::1
2001:DB8:ffff::1/35
1:2:3:4:5:6:7:8:9
1:::2
1::2::3
12345::1
dead
10.0.0.1/
10.0.0.1/8/8
1.2.3.4	# the monitor
1.2.3.4
TEXT
convert ignore -i "$work/hosts" "$work/env.conf"
taken ignore
printf '%s\n' 10.0.0.0/9 fe80::1 2001:db8:e000:0:0:0:0:0/35 1.2.3.4 >"$work/expected"
grep -v '^#' "$work/ignore/allow" | cmp -s - "$work/expected" || wrong "ignore: allow holds $(cat "$work/ignore/allow")"
[ "$(grep -c 'hosts:[0-9]*: .*not carried over' "$work/ignore.said")" = 13 ] || wrong "ignore: not every entry is told of"

# ---- nothing is overwritten, nothing is written by halves
before=$(cat "$work/v1/picket.conf" "$work/v1/allow")
! $tool -i /dev/null $samples/portsentry-2.0.conf "$work/v1" >/dev/null 2>&1 || wrong "overwrote without -f"
[ "$before" = "$(cat "$work/v1/picket.conf" "$work/v1/allow")" ] || wrong "changed files without -f"
$tool -f -i /dev/null $samples/portsentry-2.0.conf "$work/v1" >/dev/null 2>&1 || wrong "-f does not replace"
grep -q 'mode = "observe"' "$work/v1/picket.conf" || wrong "-f replaced nothing"
printf 'IGNORE_FILE="%s/nowhere"\n' "$work" >"$work/lost.conf"
status=0
$tool "$work/lost.conf" "$work/lost" >"$work/out" 2>&1 || status=$?
[ "$status" = 1 ] || wrong "an ignore file that is missing: exit $status"
[ -z "$(ls -A "$work/lost")" ] || wrong "an ignore file that is missing: something was written"
echo 192.0.2.1 >"$work/nowhere.static"
convert static "$work/lost.conf"
grep -qx 192.0.2.1 "$work/static/allow" || wrong "Debian's .static file is not found"
status=0
$tool >/dev/null 2>&1 || status=$?
[ "$status" = 2 ] || wrong "no arguments: exit $status"
[ -z "$(find "$work" -name '.from-portsentry*')" ] || wrong "temporary folders are left"

exit "$failed"
