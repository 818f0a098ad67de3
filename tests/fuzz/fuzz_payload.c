/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libFuzzer over what a visitor of a trap says first.  The first byte is `final`.  What is final is never undecided,
 * and what was decided stays so when more comes, for a visitor may send its message in any number of pieces.
 */
#include <picket/payload.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum payload said, before = PAYLOAD_UNDECIDED;

	if (size == 0)
		return 0;
	require(payload_classify(data + 1, size - 1, true) != PAYLOAD_UNDECIDED);
	for (size_t len = 1; len < size && len <= 64; len++) {
		said = payload_classify(data + 1, len, false);
		require(said <= PAYLOAD_INDUCED);
		require(before == PAYLOAD_UNDECIDED || said == before);
		before = said;
	}
	return 0;
}
