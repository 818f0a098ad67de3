/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "flowflag.h"

#include <stddef.h>
#include <string.h>

const char *flow_flag_name(unsigned kind)
{
	static const char *const names[] = { [FLOW_FLAG_NONE] = "none",
					     [FLOW_FLAG_MARK] = "mark",
					     [FLOW_FLAG_LABEL] = "label",
					     [FLOW_FLAG_AUTO] = "auto" };

	return kind < sizeof(names) / sizeof(names[0]) ? names[kind] : NULL;
}

void flow_flag_label(uint32_t bit, uint8_t out[FLOW_LABEL_BYTES])
{
	unsigned long words[FLOW_LABEL_BYTES / sizeof(unsigned long)] = { 0 };
	const unsigned bits = 8 * sizeof(words[0]);

	words[bit / bits] = 1ul << bit % bits;
	memcpy(out, words, FLOW_LABEL_BYTES);
}
