#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A hook that makes a block of every veil, for those who want suspects shut out and take the risk.  Read this first.
#
# A veil rests on packets whose sender anybody can write.  Six forged packets (SYNs to six closed ports; five are
# enough) have whom they name veiled, which delays him by a second, once.  With this hook the same six packets shut him
# out: every packet of his is dropped, connections that run included, for as long as you say below.  At ten names a
# second, which is what hooks are held to, a forger shuts out whom he likes: your customers, a search engine, a partner.
# Only allowed and protected addresses are safe; picketctl refuses to block those.
#
# If you still want it: copy this file to /usr/local/sbin/picket-block-veiled, make it executable, put everybody whom you
# need onto the allow list, and add to picket.conf:
#
#     hook block-veiled { on = { "veil" }  command = { "/usr/local/sbin/picket-block-veiled", "10m" }  user = "root" }
#
# What follows the duration goes to picketctl: "-s", "/run/other/picket.sock" for another instance.
set -eu
case $PICKET_SOURCE in
*/64) ;;         # one IPv6 source
*/*) exit 0 ;;   # a whole net, veiled for what some of its addresses sent: its other users have done nothing
esac
duration=$1
shift
exec picketctl "$@" block "$PICKET_SOURCE" --for "$duration" --reason "veiled, blocked by a hook"
