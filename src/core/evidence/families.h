/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ports that honest programs try together: a mail program guesses all of its seven, a browser 80 and 443.
 */
#ifndef PICKET_FAMILIES_H
#define PICKET_FAMILIES_H

#include <stdint.h>

enum family {
	FAMILY_NONE,
	FAMILY_MAIL,
	FAMILY_WEB,
	FAMILY_FTP,
	FAMILY_SMB,
	FAMILY_LDAP,
	FAMILY_SIP,
	FAMILY_XMPP,
	FAMILY_PRINT,
	FAMILY_COUNT
};

enum family family_of_tcp(uint16_t port);

#endif
