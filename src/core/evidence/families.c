/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Families of traps: what one program, or one person after one service, tries together.  A visit counts once a family,
 * so that an IRC program on its second port, or a mount that asks the port mapper first, is one visit and no sweep.
 *
 * The ports are those of the default list, which browsers refuse to open.  Only a visit to one of them below 1024 can
 * prove anything: no web page, and no peer of a WebRTC call, can lead a browser there.
 */
#include "evidence.h"

#define PROVING_PORTS_END 1024

static const struct {
	uint16_t first, last;
	uint8_t family;
} rows[] = {
	/* inetd's small services, which a test of one network gear tries one after the other */
	{ 1, 1, TRAPS_SMALL },       { 7, 7, TRAPS_SMALL },
	{ 9, 9, TRAPS_SMALL },       { 11, 11, TRAPS_SMALL },
	{ 13, 13, TRAPS_SMALL },     { 15, 15, TRAPS_SMALL },
	{ 17, 17, TRAPS_SMALL },     { 19, 19, TRAPS_SMALL },
	{ 37, 37, TRAPS_SMALL },     { 23, 23, TRAPS_TELNET },
	{ 42, 42, TRAPS_NAMES }, /* the old name service; whois */
	{ 43, 43, TRAPS_NAMES },     { 77, 77, TRAPS_RJE },
	{ 79, 79, TRAPS_FINGER },    { 87, 87, TRAPS_TERMINAL }, /* private terminals, supdup */
	{ 95, 95, TRAPS_TERMINAL },  { 101, 104, TRAPS_OSI },    /* ISO transport, X.400, DICOM */
	{ 109, 109, TRAPS_POP2 },    { 111, 111, TRAPS_RPC },    /* the port mapper, then NFS and its lock manager */
	{ 2049, 2049, TRAPS_RPC },   { 4045, 4045, TRAPS_RPC },
	{ 115, 115, TRAPS_SFTP },    { 117, 117, TRAPS_UUCP },
	{ 540, 540, TRAPS_UUCP },    { 119, 119, TRAPS_NEWS },
	{ 532, 532, TRAPS_NEWS },    { 563, 563, TRAPS_NEWS },
	{ 161, 161, TRAPS_SNMP },    { 179, 179, TRAPS_BGP },
	{ 427, 427, TRAPS_APPLE }, /* service location, then the file server that it names; its password server */
	{ 548, 548, TRAPS_APPLE },   { 3659, 3659, TRAPS_APPLE },
	{ 512, 514, TRAPS_REMOTE }, /* rexec, rlogin, rsh; syslog, which shares a number with rsh */
	{ 601, 601, TRAPS_REMOTE },  { 526, 526, TRAPS_TEMPO },
	{ 530, 531, TRAPS_COURIER }, { 554, 554, TRAPS_RTSP },
	{ 556, 556, TRAPS_RFS },     { 1719, 1720, TRAPS_H323 },
	{ 1723, 1723, TRAPS_VPN },   { 6566, 6566, TRAPS_SCANNER },
	{ 6665, 6669, TRAPS_IRC },   { 10080, 10080, TRAPS_BACKUP },
};

enum trap_family trap_family(uint16_t port)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (port >= rows[i].first && port <= rows[i].last)
			return (enum trap_family)rows[i].family;
	return TRAPS_NONE;
}

bool trap_proves(uint16_t port)
{
	return port < PROVING_PORTS_END && trap_family(port) != TRAPS_NONE;
}

/* A family counts again after two windows at the latest, and never twice within one: so never twice in 24 h. */
static void roll(struct trap_families *seen, int64_t now_s)
{
	if (now_s - seen->since_s < SCORE_MEMORY_S)
		return;
	seen->before = now_s - seen->since_s < 2 * SCORE_MEMORY_S ? seen->now : 0;
	seen->now = 0;
	seen->since_s = (uint32_t)now_s;
}

bool trap_family_seen(const struct trap_families *seen, enum trap_family family, int64_t now_ms)
{
	struct trap_families copy = *seen;

	roll(&copy, now_ms / 1000);
	return family != TRAPS_NONE && (copy.now | copy.before) & (1u << family);
}

void trap_family_note(struct trap_families *seen, enum trap_family family, int64_t now_ms)
{
	roll(seen, now_ms / 1000);
	if (family != TRAPS_NONE)
		seen->now |= 1u << family;
}
