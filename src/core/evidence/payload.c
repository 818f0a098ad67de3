/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Judges the first bytes that a trap received.  Owns the tables of protocols that a third party can make an honest
 * program speak to any address and port: by a link of whatever scheme, by a name that it owns (SRV, NS), by a peer's
 * address that it passes on, or by a monitor that it registers.  Promises to read no byte beyond len, and never to
 * take a verdict back when more bytes come.
 *
 * Only what the client says first counts, or says when the configured banner greets it.  What scanners' probes for the
 * same protocols look like (no argument, no host, an old version) is left to be their own.
 *
 * Limits: a scanner may speak any of this on purpose and is then suspected later.  SSH is not among it, though a link
 * can cause it (sftp): who guesses passwords at traps is much more frequent.
 */
#include <picket/payload.h>

#include <string.h>

#define PATTERN_MAX 20

/* Bytes that must be equal where the mask has ones. */
struct pattern {
	uint8_t len;
	uint8_t value[PATTERN_MAX], mask[PATTERN_MAX];
};

#define FF4  0xff, 0xff, 0xff, 0xff
#define ANY4 0x00, 0x00, 0x00, 0x00

static const struct pattern patterns[] = {
	/* TLS ClientHello (RFC 8446 sections 5.1, 4.1.2): record 22, version 3.x, length; type 1, length < 64 KiB,
	 * 3.x */
	{ 11,
	  { 0x16, 0x03, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x03, 0x00 },
	  { 0xff, 0xff, 0xf8, 0x80, 0x00, 0xff, 0xff, 0x00, 0x00, 0xff, 0xf8 } },
	/* HTTP/2 with prior knowledge (RFC 9113 section 3.4) */
	{ 16, "PRI * HTTP/2.0\r\n", { FF4, FF4, FF4, FF4 } },
	/* BitTorrent handshake (BEP 3) */
	{ 20,
	  "\x13"
	  "BitTorrent protoco"
	  "l",
	  { FF4, FF4, FF4, FF4, FF4 } },
	/* libp2p: a peer's address is gossip */
	{ 19,
	  "\x13"
	  "/multistream/1.0.0",
	  { FF4, FF4, FF4, FF4, FF4 } },
	/* Bitcoin and its kin, too: the network's magic, then the command */
	{ 16, { ANY4, 'v', 'e', 'r', 's', 'i', 'o', 'n' }, { ANY4, FF4, FF4, FF4 } },
	/* eDonkey hello: E3 or C5, length below 64 KiB, 01, length of the hash */
	{ 7, { 0xe3, 0x00, 0x00, 0x00, 0x00, 0x01, 0x10 }, { 0xff, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff } },
	{ 7, { 0xc5, 0x00, 0x00, 0x00, 0x00, 0x01, 0x10 }, { 0xff, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff } },
	/* STUN over TCP (RFC 8489 section 5), Binding or Allocate: a page's script may name any TURN server */
	{ 8, { 0x00, 0x00, 0x00, 0x00, 0x21, 0x12, 0xa4, 0x42 }, { 0xff, 0xfc, 0xf0, 0x03, FF4 } },
	/* the same within the framing of ICE over TCP (RFC 4571): two bytes of length in front */
	{ 10,
	  { 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x21, 0x12, 0xa4, 0x42 },
	  { 0xf8, 0x00, 0xff, 0xfc, 0xf0, 0x03, FF4 } },
	/* telnet: a command about an option (RFC 854) */
	{ 3, { 0xff, 0xf8, 0x00 }, { 0xff, 0xf8, 0x80 } },
	/* ldap: an anonymous bind, version 3 (RFC 4511 section 4.2) */
	{ 14, "\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80", { FF4, FF4, FF4, 0xff, 0xff } },
	/* mqtt: CONNECT, its length in one byte, MQTT or MQIsdp */
	{ 6, { 0x10, 0x00, 0x00, 0x04, 'M', 'Q' }, { 0xff, 0x80, 0xff, 0xff, 0xff, 0xff } },
	{ 6, { 0x10, 0x00, 0x00, 0x06, 'M', 'Q' }, { 0xff, 0x80, 0xff, 0xff, 0xff, 0xff } },
	/* rtmp: version 3, time, zero or (ffmpeg) a version of its own */
	{ 9, { 0x03, ANY4, ANY4 }, { 0xff, ANY4, FF4 } },
	{ 9, { 0x03, ANY4, 0x09, 0x00, 0x7c, 0x02 }, { 0xff, ANY4, FF4 } },
	/* smb, and a file: link to another host: NetBIOS length, SMB 1 or 2 */
	{ 8, { 0x00, 0x00, 0x00, 0x00, 0xfe, 'S', 'M', 'B' }, { 0xff, 0xfe, 0x00, 0x00, 0xfe, 0xff, 0xff, 0xff } },
	/* h323, callto: TPKT (RFC 1006) with Q.931 */
	{ 6, { 0x03, 0x00, 0x00, 0x00, 0x08, 0x02 }, { 0xff, 0xff, 0x00, 0x00, 0xff, 0xff } },
	/* socks5, as links of messengers name them: one to three methods, the first of them none */
	{ 3, { 0x05, 0x01, 0x00 }, { 0xff, 0xff, 0xff } },
	{ 3, { 0x05, 0x02, 0x00 }, { 0xff, 0xfe, 0xff } },
	/* postgres: SSLRequest or GSSENCRequest; a start of version 3.0 */
	{ 8, { 0x00, 0x00, 0x00, 0x08, 0x04, 0xd2, 0x16, 0x2f }, { FF4, 0xff, 0xff, 0xff, 0xff } },
	{ 8, { 0x00, 0x00, 0x00, 0x08, 0x04, 0xd2, 0x16, 0x30 }, { FF4, 0xff, 0xff, 0xff, 0xff } },
	{ 13,
	  { 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 'u', 's', 'e', 'r' },
	  { 0xff, 0xff, 0, 0, FF4, FF4, 0xff } },
	/* mongodb: no answer to anything, OP_QUERY or OP_MSG */
	{ 16, { ANY4, ANY4, ANY4, 0xd4, 0x07 }, { 0x00, 0x00, 0xff, 0xff, ANY4, FF4, FF4 } },
	{ 16, { ANY4, ANY4, ANY4, 0xdd, 0x07 }, { 0x00, 0x00, 0xff, 0xff, ANY4, FF4, FF4 } },
	/* redis: a command of one to nine parts */
	{ 5, "*0\r\n$", { 0xff, 0xf0, 0xff, 0xff, 0xff } },
	/* git: the length in hexadecimal digits, git-upload-pack */
	{ 8, { ANY4, 'g', 'i', 't', '-' }, { 0x80, 0x80, 0x80, 0x80, FF4 } },
	{ 5, "AMQP", { FF4, 0xfc } },
};

/* What is said in lines.  One that ends in a blank must be followed by an argument. */
static const char *const words[] = {
	"NICK ",
	"USER ",
	"PASS ",
	"CAP ", /* IRC; FTP and POP behind a banner */
	"EHLO ",
	"HELO ",
	"LHLO ",
	"AUTH ",
	"CAPA\r\n",
	"FEAT\r\n",
	"CAPABILITIES\r\n",
	"MODE READER\r\n",
	"QUIT\r\n",
	"<?xml ",
	"<stream:stream ", /* XMPP */
	"@RSYNCD: ",
	"CLIENT ",
	"GNUTELLA CONNECT/",
	"$MyNick ",
	"CSUP ", /* rsync, dict, peers of three networks */
	"PING\r\n",
	"version\r\n",
	"stats\r\n",
	"get ",
	"set ", /* redis, memcached */
};

static enum payload match_pattern(const struct pattern *p, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < p->len && i < len; i++)
		if ((data[i] & p->mask[i]) != p->value[i])
			return PAYLOAD_OWN;
	return len < p->len ? PAYLOAD_UNDECIDED : PAYLOAD_INDUCED;
}

static enum payload match_word(const char *word, const uint8_t *data, size_t len)
{
	size_t word_len = strlen(word);

	if (memcmp(data, word, len < word_len ? len : word_len) != 0)
		return PAYLOAD_OWN;
	if (len < word_len || (word[word_len - 1] == ' ' && len == word_len))
		return PAYLOAD_UNDECIDED;
	return word[word_len - 1] != ' ' || data[word_len] > ' ' ? PAYLOAD_INDUCED : PAYLOAD_OWN;
}

/* ---- "METHOD target PROTOCOL/1.0": HTTP (UPnP too), RTSP, SIP ---- */

#define METHOD_MAX 20

static bool begins(const uint8_t *data, size_t len, const char *text)
{
	return len >= strlen(text) && memcmp(data, text, strlen(text)) == 0;
}

static bool holds(const uint8_t *data, size_t len, const char *text)
{
	return memmem(data, len, text, strlen(text)) != NULL;
}

/* The whole first line must name the protocol, and the target be as its clients write it: "GET /" alone, "OPTIONS /
 * RTSP/1.0" and "OPTIONS sip:nm" are scanners'. */
static bool is_request(const uint8_t *line, size_t len)
{
	const uint8_t *target = memchr(line, ' ', len);
	size_t left;

	target++;
	left = (size_t)(line + len - target);
	if (holds(target, left, " HTTP/1."))
		return true;
	if (holds(target, left, " RTSP/1.") || holds(target, left, " RTSP/2."))
		return begins(target, left, "rtsp") || begins(target, left, "* ");
	if (!holds(target, left, " SIP/2.0"))
		return false;
	if (begins(target, left, "sip:") || begins(target, left, "sips:")) {
		const uint8_t *end = memchr(target, ' ', left), *scheme = memchr(target, ':', left);

		for (const uint8_t *c = scheme + 1; c < end; c++)
			if (strchr("@.:[", *c))
				return true;
	}
	return begins(target, left, "tel:");
}

/* A path, "*", a URL, or what CONNECT has: a host with its port. */
static bool may_begin_target(uint8_t c)
{
	return c == '/' || c == '*' || c == '[' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	       (c >= 'a' && c <= 'z');
}

/* A line that never ended (a URL longer than what we read) must at least be as long as the shortest. */
static enum payload match_request(const uint8_t *data, size_t len, bool final)
{
	const uint8_t *end;
	size_t method = 0;

	while (method < len && method < METHOD_MAX &&
	       ((data[method] >= 'A' && data[method] <= 'Z') || data[method] == '-'))
		method++;
	if (method == METHOD_MAX)
		return PAYLOAD_OWN;
	if (method == len)
		return PAYLOAD_UNDECIDED;
	if (method < 3 || data[method] != ' ')
		return PAYLOAD_OWN;
	if (len == method + 1)
		return PAYLOAD_UNDECIDED;
	if (!may_begin_target(data[method + 1]))
		return PAYLOAD_OWN;
	end = memchr(data, '\n', len);
	if (!end)
		return final && len >= PAYLOAD_ENOUGH && (data[method + 1] == '/' || holds(data, len, "://"))
			       ? PAYLOAD_INDUCED
			       : PAYLOAD_UNDECIDED;
	return is_request(data, (size_t)(end - data)) ? PAYLOAD_INDUCED : PAYLOAD_OWN;
}

/* gopher: nothing but a selector, which is empty or a path. */
static enum payload match_gopher(const uint8_t *data, size_t len, bool final)
{
	const uint8_t *end = memchr(data, '\n', len);

	if (data[0] != '/' && (data[0] != '\r' || (len > 1 && data[1] != '\n')))
		return PAYLOAD_OWN;
	if (end && (end != data + len - 1 || end[-1] != '\r'))
		return PAYLOAD_OWN;
	return end && final ? PAYLOAD_INDUCED : PAYLOAD_UNDECIDED;
}

/* ---- what a name can cause ---- */

/* A DNS query over TCP (RFC 1035, 7766): who owns a zone names its servers.  Class IN: CHAOS is for scanners. */
static enum payload match_dns(const uint8_t *data, size_t len)
{
	static const struct pattern header = {
		14,
		{ 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00 },
		{ 0xfe, 0x00, 0x00, 0x00, 0xfe, 0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe },
	};
	enum payload result = match_pattern(&header, data, len);
	size_t at = header.len;

	if (result != PAYLOAD_INDUCED)
		return result;
	while (at < len && data[at] != 0) {
		if (data[at] > 63 || at > header.len + 255u)
			return PAYLOAD_OWN;
		at += 1u + data[at];
	}
	if (len < at + 5)
		return PAYLOAD_UNDECIDED;
	return data[at + 3] == 0 && data[at + 4] == 1 ? PAYLOAD_INDUCED : PAYLOAD_OWN;
}

/* A Minecraft handshake, whose port a SRV record names: length, 0, version, name of the host, port, 1 to 3. */
static enum payload match_minecraft(const uint8_t *data, size_t len)
{
	size_t at = 2, end = 1u + data[0];

	if (data[0] >= 0x80 || data[0] < 8 || (len > 1 && data[1] != 0))
		return PAYLOAD_OWN;
	while (at < len && at < 6 && data[at] & 0x80)
		at++;
	if (at + 1 >= len)
		return PAYLOAD_UNDECIDED;
	if (end != at + data[at + 1] + 5u)
		return PAYLOAD_OWN;
	for (size_t i = at + 2; i < end - 3 && i < len; i++)
		if (data[i] < 0x21 || data[i] > 0x7e)
			return PAYLOAD_OWN;
	if (len < end)
		return PAYLOAD_UNDECIDED;
	return data[end - 1] >= 1 && data[end - 1] <= 3 ? PAYLOAD_INDUCED : PAYLOAD_OWN;
}

/* ---- what looks like noise ---- */

/* So many of the first bytes must differ and have their high bit set: of 8, 16 and 64 random ones, 99 in 100 do; text,
 * tables of zeros and what is written in base64 do not. */
static bool is_noise(const uint8_t *data, size_t len, unsigned distinct, unsigned high)
{
	bool seen[256] = { false };

	for (size_t i = 0; i < len; i++) {
		distinct -= distinct > 0 && !seen[data[i]];
		high -= high > 0 && data[i] & 0x80;
		seen[data[i]] = true;
	}
	return distinct == 0 && high == 0;
}

/* Encrypted from the first byte on: BitTorrent (message stream encryption), Bitcoin (BIP 324), messengers' proxies. */
static enum payload match_noise(const uint8_t *data, size_t len)
{
	if ((len >= 8 && !is_noise(data, 8, 6, 1)) || (len >= 16 && !is_noise(data, 16, 12, 3)))
		return PAYLOAD_OWN;
	if (len < 64)
		return PAYLOAD_UNDECIDED;
	return is_noise(data, 64, 47, 16) ? PAYLOAD_INDUCED : PAYLOAD_OWN;
}

/* ---- all of them ---- */

/* The stronger of two: one match is enough, and while one is possible nothing is decided. */
static enum payload either(enum payload a, enum payload b)
{
	if (a == PAYLOAD_INDUCED || b == PAYLOAD_INDUCED)
		return PAYLOAD_INDUCED;
	return a == PAYLOAD_UNDECIDED ? a : b;
}

enum payload payload_classify(const uint8_t *data, size_t len, bool final)
{
	enum payload result;

	if (len == 0)
		return final ? PAYLOAD_OWN : PAYLOAD_UNDECIDED;
	result = either(match_request(data, len, final), match_gopher(data, len, final));
	result = either(result, match_dns(data, len));
	result = either(result, match_minecraft(data, len));
	result = either(result, match_noise(data, len));
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
		result = either(result, match_pattern(&patterns[i], data, len));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		result = either(result, match_word(words[i], data, len));
	return result == PAYLOAD_UNDECIDED && final ? PAYLOAD_OWN : result;
}
