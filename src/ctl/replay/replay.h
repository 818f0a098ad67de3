/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `replay`: the real engine over a capture, in virtual time.  Needs no daemon and no privilege, changes nothing.
 */
#ifndef PICKET_CTL_REPLAY_H
#define PICKET_CTL_REPLAY_H

#include "client/client.h"

#define REPLAY_SYNTAX "FILE.pcap [-c CONF] [--local CIDR] [--open PORTS] [--speed max|real]"

enum ctl_exit run_replay(const struct ctl_args *args);

#endif
