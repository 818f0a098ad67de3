/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Captured packets, by libpcap.  Owns the open file; promises that what it hands out lies within the captured
 * bytes and begins at an IP header.  Defends against files that are cut short, foreign or made up: the file's first
 * bytes are looked at before libpcap sees them, every link header is read within bounds, and a stack of VLAN
 * tags ends where the bytes do.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reader.h"

#define TYPE_IPV4  0x0800
#define TYPE_IPV6  0x86dd
#define READ_AHEAD (256 * 1024)
#define HEADER_MIN 24           /* bytes: a pcap header; pcapng needs more */
#define TIME_MAX_S 4294967295LL /* evidence keeps 32 bits of seconds */

struct link;

struct capture {
	pcap_t *pcap;
	const struct link *link;
	uint64_t total; /* bytes in the file, 0 unknown */
	uint64_t packets;
};

static void explain(char problem[REPLAY_PROBLEM_MAX], const char *what, const char *detail)
{
	snprintf(problem, REPLAY_PROBLEM_MAX, "%s%s%s", what, detail ? ": " : "", detail ? detail : "");
}

/* ---- link headers: each leaves the reader at the network header and returns its EtherType, 0: not IP ---- */

static bool is_vlan(unsigned type)
{
	return type == 0x8100 || type == 0x88a8 || type == 0x9100 || type == 0x9200;
}

/* 802.1Q, 802.1ad and their predecessors, stacked to any depth. */
static unsigned skip_vlans(struct reader *r, unsigned type)
{
	while (is_vlan(type) && !r->failed) {
		reader_skip(r, 2);
		type = reader_be16(r);
	}
	return type;
}

static unsigned link_ethernet(struct reader *r, bool *group)
{
	*group = reader_u8(r) & 1; /* IEEE 802: the first bit on the wire */
	reader_skip(r, 11);
	return skip_vlans(r, reader_be16(r));
}

/* LINKTYPE_LINUX_SLL: packet type 1 is broadcast, 2 multicast. */
static unsigned link_sll(struct reader *r, bool *group)
{
	unsigned kind = reader_be16(r);

	*group = kind == 1 || kind == 2;
	reader_skip(r, 12);
	return skip_vlans(r, reader_be16(r));
}

static unsigned link_sll2(struct reader *r, bool *group)
{
	unsigned type = reader_be16(r), kind;

	reader_skip(r, 2 + 4 + 2);
	kind = reader_u8(r);
	reader_skip(r, 9);
	*group = kind == 1 || kind == 2;
	return skip_vlans(r, type);
}

static unsigned link_raw(struct reader *r, bool *group)
{
	*group = false;
	if (!reader_left(r))
		return TYPE_IPV4; /* an empty packet is the parser's to reject */
	return r->data[r->pos] >> 4 == 6 ? TYPE_IPV6 : TYPE_IPV4;
}

/* The address family as the capturing system wrote it: its own byte order, its own number for IPv6. */
static unsigned link_null(struct reader *r, bool *group)
{
	uint32_t family = reader_be32(r);

	*group = false;
	if (family > 0xffff)
		family = __builtin_bswap32(family);
	switch (family) {
	case 2: return TYPE_IPV4;
	case 10: /* Linux */
	case 24: /* NetBSD, OpenBSD */
	case 28: /* FreeBSD */
	case 30: /* macOS */ return TYPE_IPV6;
	default: return 0;
	}
}

struct link {
	int type;
	unsigned (*strip)(struct reader *r, bool *group);
};

static const struct link links[] = {
	{ DLT_EN10MB, link_ethernet }, { DLT_LINUX_SLL, link_sll }, { DLT_LINUX_SLL2, link_sll2 },
	{ DLT_RAW, link_raw },         { DLT_IPV4, link_raw },      { DLT_IPV6, link_raw },
	{ DLT_NULL, link_null },       { DLT_LOOP, link_null },
};

static const struct link *find_link(int type)
{
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (links[i].type == type)
			return &links[i];
	return NULL;
}

/* ---- opening ---- */

/* What the first bytes say.  NULL when libpcap may have the file, else what is wrong with it. */
static const char *check_magic(const uint8_t *magic, size_t len)
{
	static const uint8_t known[][4] = {
		{ 0xa1, 0xb2, 0xc3, 0xd4 }, { 0xd4, 0xc3, 0xb2, 0xa1 }, /* pcap, microseconds */
		{ 0xa1, 0xb2, 0x3c, 0x4d }, { 0x4d, 0x3c, 0xb2, 0xa1 }, /* pcap, nanoseconds */
		{ 0xa1, 0xb2, 0xcd, 0x34 }, { 0x34, 0xcd, 0xb2, 0xa1 }, /* pcap, Kuznetsov's */
		{ 0x0a, 0x0d, 0x0d, 0x0a },                             /* pcapng */
	};
	static const uint8_t packed[][4] = {
		{ 0x1f, 0x8b, 0x08 },
		{ 0x28, 0xb5, 0x2f, 0xfd },
		{ 0xfd, '7', 'z', 'X' },
		{ 'B', 'Z', 'h' },
	};

	if (!len)
		return "empty file, expected a pcap or pcapng capture";
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]) && len == 4; i++)
		if (!memcmp(magic, known[i], 4))
			return NULL;
	for (size_t i = 0; i < sizeof(packed) / sizeof(packed[0]) && len == 4; i++)
		if (!memcmp(magic, packed[i], packed[i][3] ? 4 : 3))
			return "compressed file, expected a pcap or pcapng capture: decompress it first";
	return "not a capture file, expected pcap or pcapng";
}

/* The file at its beginning, and its length; its first bytes are those of a capture. */
static FILE *open_file(const char *path, uint64_t *total, char problem[REPLAY_PROBLEM_MAX])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO would make us wait */
	const char *wrong;
	uint8_t magic[4];
	struct stat st;
	FILE *file;

	if (fd < 0) {
		explain(problem, "cannot open", strerror(errno));
		return NULL;
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		explain(problem, "not a regular file, expected a pcap or pcapng capture", NULL);
		close(fd);
		return NULL;
	}
	file = fdopen(fd, "rb");
	if (!file) {
		explain(problem, "out of memory", NULL);
		close(fd);
		return NULL;
	}
	setvbuf(file, NULL, _IOFBF, READ_AHEAD);
	wrong = check_magic(magic, fread(magic, 1, sizeof(magic), file));
	if (!wrong && fseeko(file, 0, SEEK_SET) < 0)
		wrong = "cannot read from its beginning";
	if (wrong) {
		explain(problem, wrong, NULL);
		fclose(file);
		return NULL;
	}
	*total = st.st_size > 0 ? (uint64_t)st.st_size : 0;
	return file;
}

struct capture *capture_open(const char *path, char problem[REPLAY_PROBLEM_MAX])
{
	char text[PCAP_ERRBUF_SIZE] = "";
	struct capture *capture;
	const char *name;
	FILE *file;

	capture = calloc(1, sizeof(*capture));
	if (!capture) {
		explain(problem, "out of memory", NULL);
		return NULL;
	}
	file = open_file(path, &capture->total, problem);
	if (!file)
		goto fail;
	capture->pcap = pcap_fopen_offline(file, text);
	if (!capture->pcap) {
		explain(problem,
			capture->total < HEADER_MIN || strstr(text, "truncated") ? "truncated within its header"
										 : "damaged capture file",
			text);
		fclose(file);
		goto fail;
	}
	capture->link = find_link(pcap_datalink(capture->pcap));
	if (!capture->link) {
		name = pcap_datalink_val_to_name(pcap_datalink(capture->pcap));
		snprintf(text, sizeof(text), "%s (%d), expected Ethernet, Linux cooked, raw IP or loopback",
			 name ? name : "unknown", pcap_datalink(capture->pcap));
		explain(problem, "unsupported link type", text);
		goto fail;
	}
	return capture;
fail:
	capture_close(capture);
	return NULL;
}

void capture_close(struct capture *capture)
{
	if (!capture)
		return;
	if (capture->pcap)
		pcap_close(capture->pcap);
	free(capture);
}

/* ---- reading ---- */

static int64_t time_ms(const struct timeval *ts)
{
	int64_t seconds = ts->tv_sec;

	if (seconds < 0)
		return 0;
	if (seconds > TIME_MAX_S)
		seconds = TIME_MAX_S;
	return seconds * 1000 + (ts->tv_usec >= 0 && ts->tv_usec < 1000000 ? ts->tv_usec / 1000 : 0);
}

int capture_next(struct capture *capture, struct capture_packet *out, char problem[REPLAY_PROBLEM_MAX])
{
	struct pcap_pkthdr *header;
	const u_char *data;
	struct reader r;
	unsigned type;
	bool group = false;
	char what[64];

	switch (pcap_next_ex(capture->pcap, &header, &data)) {
	case 1: break;
	case PCAP_ERROR_BREAK: return 0;
	default:
		snprintf(what, sizeof(what), "%s after packet %llu",
			 strstr(pcap_geterr(capture->pcap), "truncated") ? "truncated" : "damaged",
			 (unsigned long long)capture->packets);
		explain(problem, what, pcap_geterr(capture->pcap));
		return -1;
	}
	capture->packets++;
	r = reader_over(data, header->caplen);
	type = capture->link->strip(&r, &group);
	out->at_ms = time_ms(&header->ts);
	out->group = group;
	out->data = NULL;
	out->copied = 0;
	if (!r.failed && (type == TYPE_IPV4 || type == TYPE_IPV6)) {
		out->data = r.data + r.pos;
		out->copied = reader_left(&r);
	}
	return 1;
}

void capture_progress(const struct capture *capture, uint64_t *done, uint64_t *total)
{
	FILE *file = pcap_file(capture->pcap);
	off_t at = file ? ftello(file) : -1;

	*total = capture->total;
	*done = at > 0 ? (uint64_t)at : 0;
}
