/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Durations as admins write them: "90s", "10m", "4h", "7d", "2w", combined as "1h30m".  A bare number is refused: its
 * unit would be a guess.
 */
#ifndef PICKET_DURATION_H
#define PICKET_DURATION_H

#include <stdbool.h>
#include <stdint.h>

#define DURATION_TEXT_MAX 24
#define DURATION_MAX_MS   (3650LL * 24 * 3600 * 1000) /* ten years */

/* 0 < result <= DURATION_MAX_MS; "500ms" is understood too.  False leaves *out_ms alone. */
bool duration_parse(const char *text, int64_t *out_ms);
/* The two largest units that say it: "10m", "1h30m", "6d23h", "3s", "0s". */
const char *duration_format(int64_t ms, char out[DURATION_TEXT_MAX]);

#endif
