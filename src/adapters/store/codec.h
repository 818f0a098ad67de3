/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the database's columns don't hold of an event or a source, as bytes: fixed order, big-endian, beginning
 * with a format number, so that a row outlives compilers, machines and versions of picket.  Unpacking trusts
 * nothing: lengths, enums and ranges are checked, and bytes left over refuse the row.
 */
#ifndef PICKET_STORE_CODEC_H
#define PICKET_STORE_CODEC_H

#include <picket/engine.h>

#define STORE_PACKED_MAX 512

size_t store_pack_event(const struct event *event, uint8_t out[STORE_PACKED_MAX]);
/* Adds scores, kinds, counts, pieces and text to what the columns said.  False: not ours, throw *event away. */
bool store_unpack_event(const void *data, size_t len, struct event *event);
/* All but the prefix. */
size_t store_pack_source(const struct source_view *source, uint8_t out[STORE_PACKED_MAX]);
bool store_unpack_source(const void *data, size_t len, struct source_view *source);

#endif
