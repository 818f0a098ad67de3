/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libFuzzer over the packet parser.  The first byte says whether sums are verified; the rest is the packet.
 * Beyond memory errors it holds the parser to its header: results within the enum, outputs untouched on refusal,
 * and no IPv4 address out of an IPv6 packet.
 */
#include <string.h>

#include <picket/packet.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct packet out, untouched;
	enum packet_result result;
	uint8_t code;

	if (size == 0)
		return 0;
	memset(&out, 0x5a, sizeof(out));
	memcpy(&untouched, &out, sizeof(out));
	result = packet_parse(data + 1, size - 1, data[0] & 1, &out);
	require(result < PACKET_RESULT_COUNT);
	if (packet_is_set(result)) {
		require(addr_is_v4(&out.src) == (data[1] >> 4 == 4));
		require(addr_is_v4(&out.dst) == (data[1] >> 4 == 4));
		require(out.checksum <= PACKET_CHECKSUM_BAD);
	} else {
		require(memcmp(&out, &untouched, sizeof(out)) == 0);
	}
	if (packet_quoted(data + 1, size - 1, &out, &code)) {
		require(addr_is_v4(&out.src) == (data[1] >> 4 == 4) && addr_is_v4(&out.dst) == addr_is_v4(&out.src));
		require(out.protocol == PROTO_TCP || out.protocol == PROTO_UDP || out.protocol == PROTO_SCTP);
	}
	return 0;
}
