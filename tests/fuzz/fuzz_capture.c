/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libFuzzer over a capture that somebody sent: the input is a pcap or pcapng file.  Every packet lies in memory as far
 * as it says, and a damaged file ends with a reason.
 */
#include "fuzz.h"
#include "replay/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz_file file;
	char error[REPLAY_PROBLEM_MAX] = "";
	struct capture_packet packet;
	struct capture *capture;
	volatile uint8_t sum = 0;
	int result;

	fuzz_file_write(&file, data, size);
	capture = capture_open(file.path, error);
	require(capture || error[0]);
	while (capture && (result = capture_next(capture, &packet, error)) != 0) {
		if (result < 0) {
			require(error[0]);
			break;
		}
		for (size_t i = 0; packet.data && i < packet.copied; i++)
			sum = (uint8_t)(sum + packet.data[i]);
	}
	capture_close(capture);
	return 0;
}
