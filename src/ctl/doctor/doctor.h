/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `doctor` looks whether what is configured works; `exposure` shows what this host offers to the outside.
 */
#ifndef PICKET_CTL_DOCTOR_H
#define PICKET_CTL_DOCTOR_H

#include "client/client.h"

enum ctl_exit run_doctor(const struct ctl_args *args);
enum ctl_exit run_exposure(const struct ctl_args *args);

#endif
