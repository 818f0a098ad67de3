/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The capture reader against files written here, byte by byte: every link header it knows, and every way in which a
 * file can be wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "replay/internal.h"

#define FILE_MAX 4096

struct image {
	uint8_t bytes[FILE_MAX];
	size_t len;
};

static void put(struct image *image, const void *data, size_t len)
{
	assert_true(image->len + len <= FILE_MAX);
	memcpy(image->bytes + image->len, data, len);
	image->len += len;
}

static void put_u32(struct image *image, uint32_t value)
{
	put(image, &value, 4);
}

static void put_u16(struct image *image, uint16_t value)
{
	put(image, &value, 2);
}

static void pcap_header(struct image *image, uint32_t link_type)
{
	put_u32(image, 0xa1b2c3d4);
	put_u16(image, 2);
	put_u16(image, 4);
	put_u32(image, 0);
	put_u32(image, 0);
	put_u32(image, 65535);
	put_u32(image, link_type);
}

static void pcap_record(struct image *image, uint32_t at_s, uint32_t at_us, const void *data, size_t len)
{
	put_u32(image, at_s);
	put_u32(image, at_us);
	put_u32(image, (uint32_t)len);
	put_u32(image, (uint32_t)len);
	put(image, data, len);
}

/* One directory a run, so that parallel runs do not meet. */
static char directory[] = "/tmp/picket-capture-XXXXXX";
static char path[sizeof(directory) + 16];

static void save(const struct image *image)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(image->bytes, 1, image->len, file), image->len);
	assert_int_equal(fclose(file), 0);
}

/* ---- link headers ---- */

#define V4   0x45, 0xaa, 0xbb
#define V6   0x60, 0xaa, 0xbb
#define MACS 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2

static const struct {
	const char *name;
	uint32_t link_type;
	uint8_t frame[64];
	size_t len, offset; /* offset 0 and len > 0: not an IP packet */
	bool ip, group;
} frames[] = {
	{ "Ethernet IPv4", 1, { MACS, 0x08, 0x00, V4 }, 17, 14, true, false },
	{ "Ethernet IPv6", 1, { MACS, 0x86, 0xdd, V6 }, 17, 14, true, false },
	{ "Ethernet ARP", 1, { MACS, 0x08, 0x06, 1, 2, 3 }, 17, 0, false, false },
	{ "Ethernet 802.3", 1, { MACS, 0x00, 0x26, 0x42, 0x42, 3 }, 17, 0, false, false },
	{ "Ethernet broadcast", 1, { 255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 2, 8, 0, V4 }, 17, 14, true, true },
	{ "Ethernet multicast", 1, { 0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd, V6 }, 17, 14, true, true },
	{ "802.1Q", 1, { MACS, 0x81, 0x00, 0, 7, 0x08, 0x00, V4 }, 21, 18, true, false },
	{ "802.1ad + 802.1Q", 1, { MACS, 0x88, 0xa8, 0, 9, 0x81, 0x00, 0, 7, 0x86, 0xdd, V6 }, 25, 22, true, false },
	{ "four tags",
	  1,
	  { MACS, 0x91, 0, 0, 9, 0x88, 0xa8, 0, 9, 0x81, 0, 0, 9, 0x81, 0, 0, 7, 8, 0, V4 },
	  33,
	  30,
	  true,
	  false },
	{ "VLAN of ARP", 1, { MACS, 0x81, 0x00, 0, 7, 0x08, 0x06, 1, 2, 3 }, 21, 0, false, false },
	{ "tags to the end", 1, { MACS, 0x81, 0x00, 0, 7, 0x81, 0x00, 0, 7, 0x81 }, 21, 0, false, false },
	{ "Ethernet cut", 1, { 2, 0, 0, 0, 0 }, 5, 0, false, false },
	{ "Ethernet, nothing behind", 1, { MACS, 0x08, 0x00 }, 14, 14, true, false },
	{ "SLL", 113, { 0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0x08, 0x00, V4 }, 19, 16, true, false },
	{ "SLL broadcast", 113, { 0, 1, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0x08, 0x00, V4 }, 19, 16, true, true },
	{ "SLL VLAN",
	  113,
	  { 0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0x81, 0, 0, 7, 0x86, 0xdd, V6 },
	  23,
	  20,
	  true,
	  false },
	{ "SLL ARP", 113, { 0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0x08, 0x06, 1 }, 17, 0, false, false },
	{ "SLL2", 276, { 0x86, 0xdd, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, V6 }, 23, 20, true, false },
	{ "SLL2 multicast",
	  276,
	  { 0x08, 0, 0, 0, 0, 0, 0, 2, 0, 1, 2, 6, 2, 0, 0, 0, 0, 1, 0, 0, V4 },
	  23,
	  20,
	  true,
	  true },
	{ "SLL2 cut", 276, { 0x08, 0, 0, 0, 0, 0 }, 6, 0, false, false },
	{ "raw IPv4", 101, { V4 }, 3, 0, true, false },
	{ "raw IPv6", 101, { V6 }, 3, 0, true, false },
	{ "LINKTYPE_IPV4", 228, { V4 }, 3, 0, true, false },
	{ "LINKTYPE_IPV6", 229, { V6 }, 3, 0, true, false },
	{ "NULL little-endian", 0, { 2, 0, 0, 0, V4 }, 7, 4, true, false },
	{ "NULL big-endian IPv6", 0, { 0, 0, 0, 30, V6 }, 7, 4, true, false },
	{ "NULL other family", 0, { 0, 0, 0, 16, V6 }, 7, 0, false, false },
	{ "LOOP", 108, { 0, 0, 0, 2, V4 }, 7, 4, true, false },
};

static void test_links(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		struct image image = { .len = 0 };
		struct capture_packet packet;
		struct capture *capture;
		char error[REPLAY_PROBLEM_MAX] = "";

		print_message("link: %s\n", frames[i].name);
		pcap_header(&image, frames[i].link_type);
		pcap_record(&image, 1700000000, 123456, frames[i].frame, frames[i].len);
		save(&image);
		capture = capture_open(path, error);
		assert_non_null(capture);
		assert_int_equal(capture_next(capture, &packet, error), 1);
		assert_int_equal(packet.at_ms, 1700000000123);
		assert_int_equal(packet.data != NULL, frames[i].ip);
		if (frames[i].ip) {
			assert_int_equal(packet.copied, frames[i].len - frames[i].offset);
			assert_memory_equal(packet.data, frames[i].frame + frames[i].offset, packet.copied);
			assert_int_equal(packet.group, frames[i].group);
		}
		assert_int_equal(capture_next(capture, &packet, error), 0);
		capture_close(capture);
	}
}

/* ---- pcapng ---- */

static void test_pcapng(void **state)
{
	static const uint8_t frame[20] = { MACS, 0x08, 0x00, V4, 0, 0, 0 };
	struct image image = { .len = 0 };
	struct capture_packet packet;
	struct capture *capture;
	char error[REPLAY_PROBLEM_MAX] = "";
	uint64_t done, total, at_us = 1700000000123456ULL;

	(void)state;
	put_u32(&image, 0x0a0d0d0a); /* section header */
	put_u32(&image, 28);
	put_u32(&image, 0x1a2b3c4d);
	put_u16(&image, 1);
	put_u16(&image, 0);
	put_u32(&image, 0xffffffff);
	put_u32(&image, 0xffffffff);
	put_u32(&image, 28);
	put_u32(&image, 1); /* interface: Ethernet */
	put_u32(&image, 20);
	put_u16(&image, 1);
	put_u16(&image, 0);
	put_u32(&image, 65535);
	put_u32(&image, 20);
	put_u32(&image, 6); /* enhanced packet */
	put_u32(&image, 32 + sizeof(frame));
	put_u32(&image, 0);
	put_u32(&image, (uint32_t)(at_us >> 32));
	put_u32(&image, (uint32_t)at_us);
	put_u32(&image, sizeof(frame));
	put_u32(&image, sizeof(frame));
	put(&image, frame, sizeof(frame));
	put_u32(&image, 32 + sizeof(frame));
	save(&image);
	capture = capture_open(path, error);
	assert_non_null(capture);
	assert_int_equal(capture_next(capture, &packet, error), 1);
	assert_int_equal(packet.at_ms, 1700000000123);
	assert_int_equal(packet.copied, 6);
	assert_int_equal(packet.data[0], 0x45);
	assert_int_equal(capture_next(capture, &packet, error), 0);
	capture_progress(capture, &done, &total);
	assert_int_equal(total, image.len);
	assert_int_equal(done, total);
	capture_close(capture);
}

/* ---- files that are wrong ---- */

static void expect_refused(const char *file, const char *words)
{
	char error[REPLAY_PROBLEM_MAX] = "";

	assert_null(capture_open(file, error));
	assert_true(error[0]);
	print_message("refused: %s\n", error);
	assert_non_null(strstr(error, words));
	assert_null(strchr(error, '\n'));
}

static void test_refused(void **state)
{
	static const struct {
		const char *words;
		const char *bytes;
		size_t len;
	} cases[] = {
		{ "empty file", "", 0 },
		{ "not a capture file", "\xd4\xc3", 2 },
		{ "not a capture file", "hello, this is a text and no capture", 36 },
		{ "compressed", "\x1f\x8b\x08\x00 some gzip", 13 },
		{ "compressed", "\x28\xb5\x2f\xfd some zstd", 14 },
		{ "truncated", "\xd4\xc3\xb2\xa1\x02\x00", 6 },
		{ "truncated", "\x0a\x0d\x0d\x0a\x1c\x00\x00\x00", 8 },
		{ "damaged", "\xd4\xc3\xb2\xa1\x09\x00\x04\x00\0\0\0\0\0\0\0\0\xff\xff\0\0\1\0\0\0", 24 },
	};
	struct image image;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		image.len = 0;
		put(&image, cases[i].bytes, cases[i].len);
		save(&image);
		expect_refused(path, cases[i].words);
	}
	image.len = 0;
	pcap_header(&image, 105); /* IEEE 802.11 */
	save(&image);
	expect_refused(path, "unsupported link type: IEEE802_11 (105)");
	expect_refused(directory, "not a regular file");
	assert_int_equal(unlink(path), 0);
	expect_refused(path, "cannot open: No such file");
	assert_int_equal(mkfifo(path, 0600), 0);
	expect_refused(path, "not a regular file");
	assert_int_equal(unlink(path), 0);
}

static void test_truncated(void **state)
{
	static const uint8_t frame[17] = { MACS, 0x08, 0x00, V4 };
	struct image image = { .len = 0 };
	struct capture_packet packet;
	struct capture *capture;
	char error[REPLAY_PROBLEM_MAX] = "";
	size_t whole;

	(void)state;
	pcap_header(&image, 1);
	pcap_record(&image, 1, 0, frame, sizeof(frame));
	whole = image.len;
	pcap_record(&image, 2, 0, frame, sizeof(frame));
	for (size_t len = whole + 1, last = image.len; len < last; len++) {
		image.len = len;
		save(&image);
		error[0] = '\0';
		capture = capture_open(path, error);
		assert_non_null(capture);
		assert_int_equal(capture_next(capture, &packet, error), 1);
		assert_int_equal(capture_next(capture, &packet, error), -1);
		assert_non_null(strstr(error, "truncated after packet 1"));
		capture_close(capture);
	}
}

/* Times that no clock of ours can hold do not overflow. */
static void test_times(void **state)
{
	static const uint8_t frame[17] = { MACS, 0x08, 0x00, V4 };
	struct image image = { .len = 0 };
	struct capture_packet packet;
	struct capture *capture;
	char error[REPLAY_PROBLEM_MAX] = "";

	(void)state;
	pcap_header(&image, 1);
	pcap_record(&image, 0, 0, frame, sizeof(frame));
	pcap_record(&image, 0xffffffff, 0xffffffff, frame, sizeof(frame));
	save(&image);
	capture = capture_open(path, error);
	assert_non_null(capture);
	while (capture_next(capture, &packet, error) == 1) {
		assert_true(packet.at_ms >= 0);
		assert_true(packet.at_ms < 4294967296000LL);
	}
	capture_close(capture);
}

static int make_directory(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/file.pcap", directory);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_links),     cmocka_unit_test(test_pcapng), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_truncated), cmocka_unit_test(test_times),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
