/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Marks a function whose result must not be dropped.
 */
#ifndef PICKET_RESULT_H
#define PICKET_RESULT_H

#define MUST_CHECK __attribute__((warn_unused_result))

#endif
