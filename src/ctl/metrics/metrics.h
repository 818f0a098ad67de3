/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `metrics`: the daemon's counters for Prometheus.
 */
#ifndef PICKET_CTL_METRICS_H
#define PICKET_CTL_METRICS_H

#include "client/client.h"

enum ctl_exit run_metrics(const struct ctl_args *args);

#endif
