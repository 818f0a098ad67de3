/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Splits a file into statements, so that one mistake does not hide the next: libconfuse gives up at the first.
 * It also tells what libconfuse takes in silence (a string, a comment or a brace without an end, environment
 * variables in values) and blanks comments, in which libconfuse counts lines wrongly.
 *
 * The scan goes back at times to read a word again.  So every change of the text, and every mistake, is the same when
 * made twice; a mistake is told once.
 */
#include "internal.h"

#include <ctype.h>
#include <string.h>

enum { TOKEN_END = 0, TOKEN_WORD = 256, TOKEN_STRING, TOKEN_BROKEN }; /* or the mark itself, such as '{' */

struct token {
	int kind;
	struct config_word word;
};

static bool is_word(char c)
{
	return c && !isspace((unsigned char)c) && !strchr("#\"'={}(),+", c);
}

static void blank(char *from, const char *to)
{
	for (; from < to; from++)
		if (*from != '\n')
			*from = ' ';
}

static void blank_comment(struct config_scan *s)
{
	char *end;

	if (s->at[1] != '*' || s->at[0] != '/') {
		blank(s->at, s->at + strcspn(s->at, "\n"));
		return;
	}
	end = strstr(s->at + 2, "*/");
	if (!end)
		config_mistake(s->reader, s->reader->file, s->line, "comment without an end, expected */");
	blank(s->at, end ? end + 2 : s->at + strlen(s->at));
}

static void skip_blanks(struct config_scan *s)
{
	for (;; s->at++) {
		if (*s->at == '#' || (*s->at == '/' && (s->at[1] == '/' || s->at[1] == '*')))
			blank_comment(s);
		if (*s->at == '\n')
			s->line++;
		else if (!*s->at || !isspace((unsigned char)*s->at))
			return;
		else
			*s->at = ' '; /* to libconfuse some of the others are parts of words */
	}
}

/* libconfuse would put an environment variable there. */
static void refuse_variable(struct config_scan *s)
{
	char *end = s->at + strcspn(s->at, "}\"'\n");

	config_mistake(s->reader, s->reader->file, s->line,
		       "'${' in a value, expected plain text "
		       "(environment variables are not read; a hook's placeholder is %%{...})");
	s->at[0] = s->at[1] = '_';
	if (*end == '}')
		*end = '_';
}

/* Skips a string, which ends with its line at the latest. */
static int take_string(struct config_scan *s)
{
	const char quote = *s->at++;

	for (; *s->at && *s->at != '\n'; s->at++) {
		if (*s->at == quote) {
			s->at++;
			return TOKEN_STRING;
		}
		if (quote == '"' && strncmp(s->at, "${", 2) == 0)
			refuse_variable(s);
		if (*s->at == '\\' && s->at[1] && s->at[1] != '\n')
			s->at++;
	}
	config_mistake(s->reader, s->reader->file, s->line,
		       "text without an end, expected a closing %c on the same line", quote);
	return TOKEN_BROKEN;
}

static struct token next_token(struct config_scan *s)
{
	struct token t = { .kind = TOKEN_END };

	skip_blanks(s);
	t.word = (struct config_word){ .text = s->at, .line = s->line };
	if (*s->at == '"' || *s->at == '\'') {
		t.kind = take_string(s);
	} else if (is_word(*s->at)) {
		t.kind = TOKEN_WORD;
		for (; is_word(*s->at); s->at++)
			if (strncmp(s->at, "${", 2) == 0)
				refuse_variable(s);
	} else if (*s->at) {
		t.kind = (unsigned char)*s->at++;
	}
	t.word.len = (size_t)(s->at - t.word.text);
	if (t.kind == TOKEN_STRING) {
		t.word.text++;
		t.word.len -= 2;
	}
	return t;
}

static struct token peek(const struct config_scan *s)
{
	struct config_scan copy = *s;

	return next_token(&copy);
}

static bool is_text(const struct token *t)
{
	return t->kind == TOKEN_WORD || t->kind == TOKEN_STRING;
}

/* A word on a new line and '=' behind it: here the next statement begins, whatever is open. */
static bool begins_statement(const struct token *t, const struct config_scan *behind, int line)
{
	return t->kind == TOKEN_WORD && t->word.line > line && peek(behind).kind == '=';
}

/* Skips a word, a string, or braces with all that is in them; a list of values ends where the next statement begins.
 * False: it cannot be used, and a mistake was told. */
static bool take_item(struct config_scan *s, bool values)
{
	struct token t = next_token(s);
	const int open_line = t.word.line;
	int depth = t.kind == '{', line = open_line;
	bool good = t.kind != TOKEN_BROKEN;

	while (depth > 0) {
		struct config_scan before = *s;

		t = next_token(s);
		if (t.kind == TOKEN_END || (values && begins_statement(&t, s, line))) {
			config_mistake(s->reader, s->reader->file, open_line, "'{' that is never closed, expected '}'");
			*s = before;
			return false;
		}
		depth += (t.kind == '{') - (t.kind == '}');
		good = good && t.kind != TOKEN_BROKEN;
		line = t.word.line;
	}
	return good;
}

/* Skips the rest of a line with all that it opens, up to a brace that closes what was opened before. */
static void skip_line(struct config_scan *s, int line)
{
	for (struct token t = peek(s); t.kind != TOKEN_END && t.kind != '}' && t.word.line == line; t = peek(s))
		take_item(s, false);
}

/* What follows "NAME =". */
static void scan_value(struct config_scan *s, struct config_statement *out)
{
	struct config_scan behind = *s;
	struct token value = next_token(&behind);

	if (value.kind == TOKEN_END || value.kind == '}' || begins_statement(&value, &behind, out->name.line)) {
		out->form = FORM_NO_VALUE;
		return;
	}
	out->form = FORM_ASSIGNMENT;
	out->told = !take_item(s, true);
	out->end = s->at;
	if (!is_text(&value) && value.kind != '{')
		skip_line(s, value.word.line); /* a mark is no value, nor is what stands behind it a statement */
}

/* What follows a NAME without '=' or '{': a title, or something that does not belong there. */
static void scan_title(struct config_scan *s, struct config_statement *out)
{
	struct config_scan behind = *s;
	struct token t = next_token(&behind), after = peek(&behind);

	out->form = FORM_NAME;
	out->told = t.kind == TOKEN_BROKEN;
	if (is_text(&t) && after.kind == '{') {
		out->form = FORM_SECTION;
		out->title = t.word;
		*s = behind;
	} else if (out->told || (is_text(&t) && after.kind != '=' && t.word.line == out->name.line)) {
		*s = behind;
	}
}

void config_scan_statement(struct config_scan *s, struct config_statement *out)
{
	struct config_scan before, behind;
	struct token name, t;

	skip_blanks(s);
	before = *s;
	name = next_token(s);
	*out = (struct config_statement){ .form = FORM_END, .name = name.word, .start = before.at };
	if (name.kind == TOKEN_END)
		return;
	if (name.kind == '}') {
		out->form = FORM_CLOSE;
		return;
	}
	if (!is_text(&name)) {
		out->form = FORM_NOISE;
		out->told = name.kind == TOKEN_BROKEN;
		*s = before;
		skip_line(s, name.word.line);
		return;
	}
	behind = *s;
	t = next_token(&behind);
	if (t.kind == '+' && peek(&behind).kind == '=') {
		out->append = true;
		t = next_token(&behind);
	}
	if (t.kind == '=') {
		*s = behind;
		scan_value(s, out);
	} else if (t.kind == '{') {
		out->form = FORM_SECTION;
	} else {
		scan_title(s, out);
	}
}

void config_scan_enter(struct config_scan *s)
{
	next_token(s);
}

void config_scan_skip(struct config_scan *s)
{
	take_item(s, false);
}
