/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Judges the first bytes that a trap received.  Owns the table of protocols that a third party can make an honest
 * program speak to any address and port.  Promises to read no byte beyond len.
 *
 * Limit: a scanner may speak HTTP on purpose and is then suspected only; BitTorrent with message stream
 * encryption looks like random bytes and is taken for the visitor's own.
 */
#include <picket/payload.h>

#include <string.h>

#define PATTERN_MAX 20

/* Bytes that must be equal where the mask has ones. */
struct pattern {
	uint8_t len;
	uint8_t value[PATTERN_MAX], mask[PATTERN_MAX];
};

static const struct pattern patterns[] = {
	/* TLS ClientHello (RFC 8446 sections 5.1, 4.1.2): record 22, version 3.x, length; type 1, length < 64 KiB,
	 * 3.x */
	{ 11,
	  { 0x16, 0x03, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x03, 0x00 },
	  { 0xff, 0xff, 0xf8, 0x80, 0x00, 0xff, 0xff, 0x00, 0x00, 0xff, 0xf8 } },
	/* HTTP/2 with prior knowledge (RFC 9113 section 3.4) */
	{ 16, "PRI * HTTP/2.0\r\n", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" },
	/* BitTorrent handshake (BEP 3) */
	{ 20,
	  "\x13"
	  "BitTorrent protoco"
	  "l",
	  "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" },
	/* STUN over TCP (RFC 8489 section 5), Binding or Allocate: a page's script may name any TURN server */
	{ 8, { 0x00, 0x00, 0x00, 0x00, 0x21, 0x12, 0xa4, 0x42 }, { 0xff, 0xfc, 0xf0, 0x03, 0xff, 0xff, 0xff, 0xff } },
	/* the same within the framing of ICE over TCP (RFC 4571): two bytes of length in front */
	{ 10,
	  { 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x21, 0x12, 0xa4, 0x42 },
	  { 0xf8, 0x00, 0xff, 0xfc, 0xf0, 0x03, 0xff, 0xff, 0xff, 0xff } },
};

static const char *const http_methods[] = {
	"GET", "POST", "HEAD", "PUT", "OPTIONS", "DELETE", "PATCH", "CONNECT", "TRACE", "PROPFIND", "REPORT", "MKCOL",
};

static enum payload match_pattern(const struct pattern *p, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < p->len && i < len; i++)
		if ((data[i] & p->mask[i]) != p->value[i])
			return PAYLOAD_OWN;
	return len < p->len ? PAYLOAD_UNDECIDED : PAYLOAD_INDUCED;
}

/* What stands after "METHOD ": a path, "*", an absolute URL, or (CONNECT) an authority. */
static bool is_target_start(uint8_t c, const char *method)
{
	return c == '/' || c == '*' || c == 'h' || c == 'H' || strcmp(method, "CONNECT") == 0;
}

/* A whole first line must name HTTP: "OPTIONS / RTSP/1.0" and "GET /" alone are no browser's.  One that never ended
 * (a URL longer than what we read) must at least be as long as the shortest. */
static enum payload match_http_line(const uint8_t *data, size_t len, bool final)
{
	const uint8_t *end = memchr(data, '\n', len);

	if (!end)
		return final && len >= PAYLOAD_ENOUGH ? PAYLOAD_INDUCED : PAYLOAD_UNDECIDED;
	return memmem(data, (size_t)(end - data), " HTTP/1.", 8) ? PAYLOAD_INDUCED : PAYLOAD_OWN;
}

static enum payload match_http(const char *method, const uint8_t *data, size_t len, bool final)
{
	size_t method_len = strlen(method);

	if (memcmp(data, method, len < method_len ? len : method_len) != 0)
		return PAYLOAD_OWN;
	if (len > method_len && data[method_len] != ' ')
		return PAYLOAD_OWN;
	if (len > method_len + 1 && !is_target_start(data[method_len + 1], method))
		return PAYLOAD_OWN;
	return len > method_len + 1 ? match_http_line(data, len, final) : PAYLOAD_UNDECIDED;
}

enum payload payload_classify(const uint8_t *data, size_t len, bool final)
{
	bool undecided = false;

	if (len == 0)
		return final ? PAYLOAD_OWN : PAYLOAD_UNDECIDED;
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		enum payload result = match_pattern(&patterns[i], data, len);

		if (result == PAYLOAD_INDUCED)
			return result;
		undecided |= result == PAYLOAD_UNDECIDED;
	}
	for (size_t i = 0; i < sizeof(http_methods) / sizeof(http_methods[0]); i++) {
		enum payload result = match_http(http_methods[i], data, len, final);

		if (result == PAYLOAD_INDUCED)
			return result;
		undecided |= result == PAYLOAD_UNDECIDED;
	}
	return undecided && !final ? PAYLOAD_UNDECIDED : PAYLOAD_OWN;
}
