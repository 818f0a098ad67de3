/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "flowflag.h"

#include <string.h>

void flow_flag_label(uint32_t bit, uint8_t out[FLOW_LABEL_BYTES])
{
	unsigned long words[FLOW_LABEL_BYTES / sizeof(unsigned long)] = { 0 };
	const unsigned bits = 8 * sizeof(words[0]);

	words[bit / bits] = 1ul << bit % bits;
	memcpy(out, words, FLOW_LABEL_BYTES);
}
