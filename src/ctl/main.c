/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * picketctl: how an admin talks to picketd.  All of it is in the library, where tests reach it.
 */
#include "ctl.h"

int main(int argc, char **argv)
{
	return ctl_main(argc, argv);
}
