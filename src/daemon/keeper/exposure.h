/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this host offers to the outside, looked at once a minute: new ports are told, the admin's accepted list lives in
 * state_dir/exposure.
 */
#ifndef PICKET_KEEPER_EXPOSURE_H
#define PICKET_KEEPER_EXPOSURE_H

#include <stdint.h>

struct exposure;
struct journal;
struct keeper;
struct task;

#define EXPOSURE_EVERY_MS 60000
#define EXPOSURE_EVENTS   32 /* of one look; more are told as a number */

/* Before the keeper confines itself: opens what it may not open later.  NULL when out of memory. */
struct exposure *exposure_open(const char *state_dir, struct journal *journal);
void exposure_close(struct exposure *exposure);
/* Looks, when it is time. */
void exposure_tick(struct keeper *keeper);

/* The control socket's command `exposure`. */
void exposure_start(struct task *task);

#endif
