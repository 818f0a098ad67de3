/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libFuzzer over a capture that somebody sent: the input is a pcap or pcapng file.  Every packet lies in memory as far
 * as it says, a damaged file ends with a reason, and a replay of it reports in printable text, once for people and once
 * as JSON.
 */
#include <string.h>
#include <sys/random.h>

#include "ctl.h"
#include "fuzz.h"
#include "replay/internal.h"

/* The same for each run: what is found must be found again. */
ssize_t getrandom(void *out, size_t size, unsigned flags)
{
	(void)flags;
	memset(out, 0x5a, size);
	return (ssize_t)size;
}

static void look_at_packets(const char *path)
{
	char error[REPLAY_PROBLEM_MAX] = "";
	struct capture_packet packet;
	struct capture *capture = capture_open(path, error);
	volatile uint8_t sum = 0;
	uint64_t done, total;
	int result;

	require(capture || error[0]);
	while (capture && (result = capture_next(capture, &packet, error)) != 0) {
		if (result < 0) {
			require(error[0]);
			break;
		}
		for (size_t i = 0; packet.data && i < packet.copied; i++)
			sum = (uint8_t)(sum + packet.data[i]);
	}
	if (capture)
		capture_progress(capture, &done, &total);
	capture_close(capture);
}

static void look_at_text(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		require(text[i] == '\n' || (text[i] >= 0x20 && text[i] <= 0x7e));
}

/* How it is asked for; FILE and CONFIG stand for the capture and a configuration.  By the input's last byte. */
static const char *const lines[][10] = {
	{ "picketctl", "replay", "FILE" },
	{ "picketctl", "-j", "replay", "FILE" },
	{ "picketctl", "replay", "FILE", "--local", "192.0.2.0/24", "--open", "22,8000-8010,53/udp,80/tcp" },
	{ "picketctl", "-j", "replay", "FILE", "--local", "2001:db8::1", "--open", "none", "-c", "CONFIG" },
	{ "picketctl", "replay", "FILE", "--speed", "max", "--open", "80", "-c", "CONFIG" },
	{ "picketctl", "replay", "FILE", "--open", "8010-8000" },
	{ "picketctl", "replay", "FILE", "--open", "22,123456789012345678901234567890123" },
	{ "picketctl", "replay", "FILE", "--open", "0" },
	{ "picketctl", "replay", "FILE", "--local", "x", "--speed", "max" },
	{ "picketctl", "replay", "FILE", "--speed", "slow" },
};

static const char settings[] =
	"allow = { \"203.0.113.0/28\" }\nban { first = \"10m\" }\nscore { max_sources = 1024 }\n";

static int replay(const char *capture, const char *config, const char *const line[10])
{
	char text[10][64], *words[11] = { NULL };
	int count = 0;

	for (; count < 10 && line[count]; count++) {
		bool file = strcmp(line[count], "FILE") == 0, conf = strcmp(line[count], "CONFIG") == 0;

		snprintf(text[count], sizeof(text[count]), "%s", file ? capture : conf ? config : line[count]);
		words[count] = text[count];
	}
	return ctl_main(count, words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz_file file, config;
	FILE *out = stdout, *err = stderr;
	char *text = NULL;
	size_t len = 0;
	int status;

	fuzz_file_write(&file, data, size);
	fuzz_file_write(&config, settings, strlen(settings));
	look_at_packets(file.path);
	if (size == 0)
		return 0;
	stdout = stderr = open_memstream(&text, &len);
	require(stdout != NULL);
	status = replay(file.path, config.path, lines[data[size - 1] % (sizeof(lines) / sizeof(lines[0]))]);
	fclose(stdout);
	stdout = out;
	stderr = err;
	require(status >= CTL_DONE && status <= CTL_USAGE);
	look_at_text(text, len);
	free(text);
	return 0;
}
