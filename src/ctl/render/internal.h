/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a shape is made of; the files of this folder define one for each kind of answer.
 */
#ifndef PICKET_CTL_RENDER_INTERNAL_H
#define PICKET_CTL_RENDER_INTERNAL_H

#include "render.h"

/* One answer being shown. */
#define LIST_GRADES 3
#define PASSES_MAX  192

struct ctl_view {
	const struct ctl_args *args;
	const struct ctl_shape *shape;
	FILE *out;
	struct table *table; /* of shapes with columns */
	uint64_t rows;
	enum ctl_exit status;                 /* of an answer that came whole */
	char passes[LIST_GRADES][PASSES_MAX]; /* of `list`: what a source of each grade that is in it may still do */
};

struct ctl_shape {
	/* Shows one object of the answer, given in one of two forms: as a row where there may be very many. */
	void (*object)(struct ctl_view *view, const json_t *object);
	void (*row)(struct ctl_view *view, const struct json_row *row);
	const char *nothing; /* what is printed when no object came; NULL: nothing */
	/* What an object means for the exit status, with --json too; NULL: nothing. */
	enum ctl_exit (*exit_status)(const json_t *object);
	const char *const *columns;         /* NULL-terminated titles: makes a table before the first row */
	void (*end)(struct ctl_view *view); /* what follows the last row; NULL: nothing */
};

#endif
