/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libFuzzer over the veil: each eight bytes are one SYN and the time since the last one.  Beyond memory errors it holds
 * the veil to its promises: a verdict within the enum, time that does not run backwards, no pass to a served port
 * without an MSS or with a tool's mark, no RST for a port that is open, and every SYN counted once.
 */
#include <picket/veil.h>

#include "fuzz.h"

#define START_MS 1790000000000LL
#define ITEM     8

static struct veil_syn syn_of(const uint8_t *item)
{
	struct veil_syn syn = {
		.sport = (uint16_t)(40000 + (item[0] & 3)),
		.dport = (uint16_t)(20 + (item[0] >> 2 & 7)),
		.seq = item[1] & 3,
		.mss = item[2] & 1 ? 1460 : 0,
		.option_count = item[2] >> 1 & 3,
		.tool = item[2] >> 3 & 1,
		.target = (item[2] >> 4) % VEIL_TARGET_COUNT,
	};

	syn.src.b[15] = item[3];
	syn.dst.b[15] = item[4] & 3;
	if (item[4] & 4) /* IPv4 */
		syn.src.b[10] = syn.src.b[11] = syn.dst.b[10] = syn.dst.b[11] = 0xff;
	return syn;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct veil *veil; /* made once */
	static int64_t now_ms = START_MS;
	struct veil_stats before, after;

	if (!veil)
		veil = veil_new(&(struct hash_key){ 1, 2 }, 1024, now_ms);
	require(veil != NULL);
	veil_stats(veil, &before);
	for (size_t at = 0; at + ITEM <= size; at += ITEM) {
		struct veil_syn syn = syn_of(data + at);
		int64_t step_ms = (int64_t)(data[at + 5] << 16 | data[at + 6] << 8 | data[at + 7]) - 256;
		enum veil_verdict verdict = veil_judge(veil, &syn, now_ms + step_ms);

		now_ms += step_ms > 0 ? step_ms : 0;
		require(verdict < VEIL_VERDICT_COUNT);
		require(!(syn.tool && verdict != VEIL_DROP));
		require(!(syn.mss == 0 && verdict == VEIL_PASS));
		require(!(verdict == VEIL_REFUSE && syn.target != VEIL_TRIED && syn.target != VEIL_CLOSED));
		require(!(verdict == VEIL_PASS && syn.target != VEIL_SERVED && syn.target != VEIL_TRAP));
	}
	veil_stats(veil, &after);
	require(after.syns - before.syns == size / ITEM);
	require(after.syns == after.first_sights + after.early + after.repeats + after.attempts + after.again +
				      after.raw + after.trapped + after.refused + after.unremembered);
	return 0;
}
