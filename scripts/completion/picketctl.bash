# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion for picketctl(8).  Addresses come from the daemon where it answers; nothing is asked that takes long.

_picketctl_sources() {
	picketctl "${1:-list}" --json 2>/dev/null | sed -n 's/^{"source":"\([^"]*\)".*/\1/p' | head -n 200
}

_picketctl() {
	local cur prev words command='' i
	cur=${COMP_WORDS[COMP_CWORD]}
	prev=${COMP_WORDS[COMP_CWORD-1]}
	COMPREPLY=()

	# The command: the first word that is neither an option nor one's value.
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-s|--socket) ((i++)) ;;
		-*) ;;
		*) command=${COMP_WORDS[i]}; break ;;
		esac
	done

	case $prev in
	-s|--socket|-c|--textfile) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
	--for|--since) mapfile -t COMPREPLY < <(compgen -W '10m 1h 4h 1d 7d' -- "$cur"); return ;;
	--reason|--limit|-n|--local|--open) return ;;
	--speed) mapfile -t COMPREPLY < <(compgen -W 'max real' -- "$cur"); return ;;
	esac

	words=
	case $command in
	'') words='status list sources explain block unblock allow mode pause resume history events reload doctor exposure metrics replay version help
		-s -j --json -h --help' ;;
	status) words='--all' ;;
	sources) words='--all --limit' ;;
	explain) words=$(_picketctl_sources sources) ;;
	block) words='--for --reason --force --file' ;;
	unblock) words="--all --file $(_picketctl_sources list)" ;;
	allow)
		case $prev in
		allow) words='add del list check' ;;
		del|check) words=$(picketctl allow list --json 2>/dev/null | sed -n 's/^{"source":"\([^"]*\)".*/\1/p' | head -n 200) ;;
		*) words='--for --save' ;;
		esac ;;
	mode) words='observe block' ;;
	pause) words='--for' ;;
	history) words="--since --limit $(_picketctl_sources list)" ;;
	events) words='--follow --limit' ;;
	replay)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur"; compgen -W '-c --local --open --speed' -- "$cur")
		return ;;
	doctor) words='--probe' ;;
	exposure) words='--accept' ;;
	metrics) words='--textfile' ;;
	help) words='status list sources explain block unblock allow mode pause resume history events reload doctor exposure metrics replay
		version' ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -F _picketctl picketctl
