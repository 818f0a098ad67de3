/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * picketctl replay: the real engine over a capture, in virtual time, without a daemon.
 *
 *   replay FILE.pcap [-c CONF] [--local CIDR]... [--open PORTS] [--speed max|real] [-j|--json]
 */
#ifndef PICKET_REPLAY_H
#define PICKET_REPLAY_H

/* argv[0] is the first argument after the word "replay"; -j given before that word is the caller's to pass on.
 * Returns the exit code: 0 done, 1 the file or the configuration failed, 2 usage. */
int ctl_replay(int argc, char **argv);

#endif
