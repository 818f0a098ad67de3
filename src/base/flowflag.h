/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PICKET_FLOWFLAG_H
#define PICKET_FLOWFLAG_H

#include <stdint.h>

/*
 * What marks a flow in conntrack as judged: its packets pass by the first rule of a base chain.  Written to flows of
 * which both sides have spoken and no side has a grade; so only what cuts running flows needs to make it void.
 */
enum flow_flag_kind {
	FLOW_FLAG_NONE,
	FLOW_FLAG_MARK,  /* a value in bits of the ct mark */
	FLOW_FLAG_LABEL, /* a bit of the ct label */
	FLOW_FLAG_AUTO   /* a wish, never in rules: the first of mark and label that nobody else uses */
};

struct flow_flag {
	enum flow_flag_kind kind;
	uint32_t mask, value; /* of the mark: value & ~mask is 0 */
	uint32_t bit;         /* of the label: below 128 */
};

/* "none", "mark", "label", "auto", as options and status name them; NULL beyond. */
const char *flow_flag_name(unsigned kind);

#define FLOW_LABEL_BYTES 16
/* That bit of the ct label, as the kernel has it in memory (nf_conn_labels, words of the machine). */
void flow_flag_label(uint32_t bit, uint8_t out[FLOW_LABEL_BYTES]);

#endif
