/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PICKET_EARLYDROP_H
#define PICKET_EARLYDROP_H

/* Packets of loud banned or blocked sources are dropped at the ingress hook of their interface. */
enum early_drop {
	EARLY_OFF,
	EARLY_ON,
	EARLY_AUTO,       /* a wish, never in force: on unless the kernel is known to mishandle it */
	EARLY_OLD_KERNEL, /* what became of that wish */
	EARLY_NO_HOOK     /* the kernel has none */
};

/* "off", "on", "auto", "old kernel", "no hook", as options and status name them; NULL beyond. */
const char *early_drop_name(unsigned state);

#endif
