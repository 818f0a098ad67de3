/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "earlydrop.h"

#include <stddef.h>

const char *early_drop_name(unsigned state)
{
	static const char *const names[] = { [EARLY_OFF] = "off",
					     [EARLY_ON] = "on",
					     [EARLY_AUTO] = "auto",
					     [EARLY_OLD_KERNEL] = "old kernel",
					     [EARLY_NO_HOOK] = "no hook" };

	return state < sizeof(names) / sizeof(names[0]) ? names[state] : NULL;
}
