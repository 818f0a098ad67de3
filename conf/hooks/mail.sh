#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A hook that mails root.  Copy it to /usr/local/sbin/picket-mail, make it executable, and add to picket.conf:
#
#     hook mail { on = { "ban" }  command = { "/usr/local/sbin/picket-mail" } }
#
# On ban: that is proof, and a handful a day.  Not on veil: anybody can bring about a veil in anybody's name, so whoever
# likes could fill root's mailbox, ten letters a second, about people who did nothing.
#
# Everything comes in the environment; nothing of it is ever run or expanded twice.
set -eu
exec /usr/sbin/sendmail -t <<MAIL
To: root
Subject: [picket] $PICKET_EVENT $PICKET_SOURCE
Auto-Submitted: auto-generated

$(uname -n): $PICKET_EVENT $PICKET_SOURCE for $PICKET_DURATION
$PICKET_REASON
Ports: $PICKET_PORTS
Incident: $PICKET_INCIDENT

More: picketctl explain $PICKET_SOURCE
MAIL
