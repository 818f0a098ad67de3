#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A hook that appends one line an event to a file, for statistics or for passing bans on to a firewall upstream:
#
#     hook collect { on = { "ban", "expire", "unblock" }
#                    command = { "/usr/local/sbin/picket-collect", "/var/log/picket-hook/events.tsv" } }
#
# Not on veil: a veil rests on packets that anybody can send in anybody's name.  A firewall that shuts out who is veiled
# is a weapon in the hands of whoever forges six packets.  For statistics alone a veil does no harm here, but hooks are
# told ten a second of them and no more.
# expire and unblock come for every grade: PICKET_GRADE says which one ended.
#
# The directory must exist and belong to the hook's user (picket-hook).  Lines of this length are appended whole, so
# several hooks at once do not mix theirs.
set -eu
printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$(date -u +%FT%TZ)" "$PICKET_EVENT" "$PICKET_SOURCE" "$PICKET_GRADE" "$PICKET_DURATION" \
	"$PICKET_REASON" >>"$1"
