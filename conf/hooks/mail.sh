#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A hook that mails root.  Copy it to /usr/local/sbin/picket-mail, make it executable, and add to picket.conf:
#
#     hook mail { on = { "ban" }  command = { "/usr/local/sbin/picket-mail" } }
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
