/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The names of services that this host knows: /etc/services, see services(5).
 */
#ifndef PICKET_SERVICES_H
#define PICKET_SERVICES_H

#include <picket/describe.h>

#define SERVICES_FILE "/etc/services"

/* For service_name() and service_names_free().  NULL when there is no such file or no memory; ports are then told by
 * number alone. */
struct service_names *services_read(void);

#endif
