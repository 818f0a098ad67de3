/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of port families.  Short on purpose: each row is grace that a scanner enjoys as well, until it
 * leaves the family (see weigh.c).
 */
#include "families.h"

#include <stddef.h>

enum family family_of_tcp(uint16_t port)
{
	static const struct {
		uint16_t port;
		uint8_t family;
	} rows[] = {
		{ 25, FAMILY_MAIL },   { 110, FAMILY_MAIL },  { 143, FAMILY_MAIL },   { 465, FAMILY_MAIL },
		{ 587, FAMILY_MAIL },  { 993, FAMILY_MAIL },  { 995, FAMILY_MAIL },   { 2525, FAMILY_MAIL },
		{ 4190, FAMILY_MAIL }, { 80, FAMILY_WEB },    { 443, FAMILY_WEB },    { 8080, FAMILY_WEB },
		{ 8443, FAMILY_WEB },  { 20, FAMILY_FTP },    { 21, FAMILY_FTP },     { 989, FAMILY_FTP },
		{ 990, FAMILY_FTP },   { 139, FAMILY_SMB },   { 445, FAMILY_SMB },    { 389, FAMILY_LDAP },
		{ 636, FAMILY_LDAP },  { 3268, FAMILY_LDAP }, { 3269, FAMILY_LDAP },  { 5060, FAMILY_SIP },
		{ 5061, FAMILY_SIP },  { 5222, FAMILY_XMPP }, { 5223, FAMILY_XMPP },  { 5269, FAMILY_XMPP },
		{ 515, FAMILY_PRINT }, { 631, FAMILY_PRINT }, { 9100, FAMILY_PRINT },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].port == port)
			return (enum family)rows[i].family;
	}
	return FAMILY_NONE;
}
