/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text of a configuration file before and between libconfuse's runs over it.  libconfuse counts lines wrongly
 * inside C comments, takes an open string or brace in silence, puts environment variables into strings and gives up at
 * the first mistake of grammar.  Here comments are blanked, those cases are told, and a statement can be taken out so
 * that the next mistake behind it is found in the same run.  Line numbers never change.
 */
#include "internal.h"

#include <ctype.h>
#include <string.h>

struct scan {
	struct config_reader *reader;
	char *text;
	size_t pos, len;
	int line;
	int open_line[CONFIG_NEST_MAX]; /* of each brace that is not closed yet */
	size_t depth;
};

static bool is_word(char c)
{
	return c && !isspace((unsigned char)c) && !strchr("#\"'={}(),+", c);
}

static void blank(char *text, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		if (text[i] != '\n')
			text[i] = ' ';
}

/* Behind the string that opens at pos, or at the newline or end that cuts it off. */
static size_t string_end(const char *text, size_t pos, bool *closed)
{
	char quote = text[pos++];

	for (*closed = false; text[pos] && text[pos] != '\n'; pos++) {
		if (text[pos] == '\\' && text[pos + 1] && text[pos + 1] != '\n')
			pos++;
		else if (text[pos] == quote) {
			*closed = true;
			return pos + 1;
		}
	}
	return pos;
}

static size_t line_start(const char *text, int line)
{
	size_t pos = 0;

	while (line-- > 1) {
		size_t next = pos + strcspn(text + pos, "\n");
		if (!text[next])
			return next;
		pos = next + 1;
	}
	return pos;
}

/* Behind the word, string, mark or balanced braces at pos. */
static size_t item_end(const char *text, size_t pos)
{
	size_t depth = 0;
	bool closed;

	do {
		if (text[pos] == '"' || text[pos] == '\'') {
			pos = string_end(text, pos, &closed);
		} else if (is_word(text[pos])) {
			while (is_word(text[pos]))
				pos++;
		} else {
			depth += text[pos] == '{';
			depth -= text[pos] == '}' && depth > 0;
			pos += text[pos] != '\0';
		}
	} while (depth > 0 && text[pos]);
	return pos;
}

/* The line with all that it opens; a brace that closes what was opened before stays. */
static bool blank_line(char *text, size_t pos)
{
	bool changed = false;

	while (text[pos] && text[pos] != '\n') {
		size_t end = text[pos] == '}' ? pos + 1 : item_end(text, pos);

		if (text[pos] != '}') {
			changed |= !isspace((unsigned char)text[pos]);
			blank(text, pos, end);
		}
		pos = end;
	}
	return changed;
}

static void take_comment(struct scan *s)
{
	size_t end = s->pos;

	if (strncmp(s->text + s->pos, "/*", 2) != 0) {
		end += strcspn(s->text + end, "\n");
	} else {
		const char *close = strstr(s->text + s->pos + 2, "*/");
		if (!close)
			config_mistake(s->reader->mistakes, s->reader->file, s->line,
				       "comment without an end, expected */");
		end = close ? (size_t)(close - s->text) + 2 : s->len;
	}
	blank(s->text, s->pos, end);
}

/* libconfuse would put an environment variable there. */
static void refuse_variables(struct scan *s, size_t from, size_t to)
{
	for (size_t i = from; i + 1 < to; i++)
		if (s->text[i] == '$' && s->text[i + 1] == '{') {
			config_mistake(s->reader->mistakes, s->reader->file, s->line,
				       "'${' in a value, expected plain text "
				       "(environment variables are not read; a hook's placeholder is %%{...})");
			s->text[i] = '_';
		}
}

static void take_string(struct scan *s)
{
	bool closed;
	size_t end = string_end(s->text, s->pos, &closed);

	if (closed) {
		if (s->text[s->pos] == '"')
			refuse_variables(s, s->pos, end);
		s->pos = end;
		return;
	}
	config_mistake(s->reader->mistakes, s->reader->file, s->line,
		       "text without an end, expected a closing %c on the same line", s->text[s->pos]);
	blank(s->text, s->pos, end);
	blank_line(s->text, line_start(s->text, s->line));
	s->pos = end;
}

static void take_brace(struct scan *s)
{
	bool open = s->text[s->pos] == '{';

	if (open && s->depth < CONFIG_NEST_MAX) {
		s->open_line[s->depth++] = s->line;
	} else if (!open && s->depth > 0) {
		s->depth--;
	} else {
		config_mistake(s->reader->mistakes, s->reader->file, s->line,
			       "'%c' that opens or closes nothing, expected %s", s->text[s->pos],
			       open ? "fewer braces" : "a '{' before it");
		s->text[s->pos] = ' ';
	}
	s->pos++;
}

void config_text_prepare(struct config_reader *reader, char *text, size_t len)
{
	struct scan s = { .reader = reader, .text = text, .len = len, .line = 1 };

	while (s.pos < s.len) {
		char c = s.text[s.pos];

		if (c == '\0') {
			config_mistake(reader->mistakes, reader->file, s.line, "a zero byte, expected text");
			s.text[s.pos] = ' ';
		} else if (c == '\n') {
			s.line++;
			s.pos++;
		} else if (c == '#' || (c == '/' && (s.text[s.pos + 1] == '/' || s.text[s.pos + 1] == '*'))) {
			take_comment(&s);
		} else if (c == '"' || c == '\'') {
			take_string(&s);
		} else if (c == '{' || c == '}') {
			take_brace(&s);
		} else if (is_word(c)) {
			size_t start = s.pos;
			while (is_word(s.text[s.pos]) || (s.text[s.pos] == '{' && s.text[s.pos - 1] == '$'))
				s.pos++;
			refuse_variables(&s, start, s.pos);
		} else {
			if (c != '\t' && isspace((unsigned char)c))
				s.text[s.pos] = ' ';
			s.pos++;
		}
	}
	for (size_t i = s.depth; i > 0; i--) {
		config_mistake(reader->mistakes, reader->file, s.open_line[i - 1],
			       "'{' that is never closed, expected '}'");
		s.text[s.len++] = '}';
	}
	s.text[s.len] = '\0';
}

/* The last stand-alone word in [from, to), or to. */
static size_t find_word(const char *text, size_t from, size_t to, const char *word)
{
	size_t len = strlen(word), found = to;

	for (size_t pos = from; len > 0 && pos + len <= to; pos++)
		if (strncmp(text + pos, word, len) == 0 && !is_word(text[pos + len]) &&
		    (pos == 0 || !is_word(text[pos - 1])))
			found = pos;
	return found;
}

static size_t skip_space(const char *text, size_t pos)
{
	return pos + strspn(text + pos, " \t\n");
}

/* Behind NAME [+]= VALUE, NAME [TITLE] { ... }, or NAME with what follows it on its line. */
static size_t statement_end(const char *text, size_t pos)
{
	size_t end = item_end(text, pos), next = skip_space(text, end), after;

	if (text[next] == '+' && text[next + 1] == '=')
		next++;
	if (text[next] == '=') {
		next = skip_space(text, next + 1);
		return text[next] && text[next] != '}' ? item_end(text, next) : next;
	}
	if (text[next] == '{')
		return item_end(text, next);
	if (!text[next] || text[next] == '}')
		return end;
	after = item_end(text, next);
	next = skip_space(text, after);
	if (text[next] == '{')
		return item_end(text, next);
	return text[next] == '=' || memchr(text + end, '\n', after - end) ? end : after;
}

bool config_text_blank(char *text, int line, const char *word)
{
	size_t start = line_start(text, line), end = start + strcspn(text + start, "\n");
	size_t at = find_word(text, start, end, word);

	if (at == end)
		return blank_line(text, start);
	blank(text, at, statement_end(text, at));
	return true;
}

int config_text_find(const char *text, const char *word, int line)
{
	size_t limit = line_start(text, line + 1), at = find_word(text, 0, limit, word);
	int found = 1;

	for (size_t pos = 0; pos < at; pos++)
		found += text[pos] == '\n';
	return at == limit ? 0 : found;
}
