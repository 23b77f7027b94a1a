/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading the file of secrets. The keeper does so while the daemon is starting
 * and still root, later the reader (hoard.h): the packet process keeps the
 * table, not the file.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "secrets.h"
#include "textfile.h"

enum {
	WORDS_MAX = 4
};

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool parse_key(struct secret *s, const char *word)
{
	bool hex = strncmp(word, "hex:", 4) == 0;
	size_t n;

	if (hex)
		word += 4;
	n = strlen(word);
	if (hex && n % 2)
		return false;
	if (n == 0 || n / (hex ? 2 : 1) > sizeof(s->key))
		return false;
	if (!hex) {
		memcpy(s->key, word, n);
		s->key_len = (uint8_t)n;
		return true;
	}
	s->key_len = (uint8_t)(n / 2);
	for (size_t i = 0; i < s->key_len; i++) {
		int high = digit(word[2 * i]), low = digit(word[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		s->key[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* NULL, or what is wrong with a line. */
static const char *parse_line(struct secret *s, char *const *word, unsigned n)
{
	size_t id_len = strlen(word[0]);

	*s = (struct secret){0};
	if (n < 3)
		return "expected: identifier hmac-sha1|hmac-sha256 secret "
		       "[renew]";
	if (id_len > sizeof(s->id))
		return "the identifier is longer than 255 bytes";
	memcpy(s->id, word[0], id_len);
	s->id_len = (uint8_t)id_len;
	if (strcmp(word[1], "hmac-sha1") == 0)
		s->algorithm = HMAC_SHA1;
	else if (strcmp(word[1], "hmac-sha256") == 0)
		s->algorithm = HMAC_SHA256;
	else
		return "the algorithm must be hmac-sha1 or hmac-sha256";
	if (!parse_key(s, word[2]))
		return "the secret must be 1 to 255 bytes, as text or as "
		       "hex:0123...";
	s->renew = n == 4;
	if (n > 4 || (n == 4 && strcmp(word[3], "renew") != 0))
		return "behind the secret only \"renew\" may stand";
	return NULL;
}

static unsigned split(char **word, char *line)
{
	static const char blanks[] = " \t\r\n";
	unsigned n = 0;
	char *rest;

	for (char *w = strtok_r(line, blanks, &rest); w && n <= WORDS_MAX;
	     w = strtok_r(NULL, blanks, &rest))
		word[n++] = w;
	return n;
}

static struct secret *add(struct secrets *s)
{
	if (s->n % 64 == 0) {
		struct secret *v = reallocarray(s->v, s->n + 64, sizeof(*s->v));

		if (!v)
			abort();
		s->v = v;
	}
	return &s->v[s->n++];
}

static unsigned find_repeated(const struct secrets *s, const char *name,
			      struct report *r)
{
	unsigned errors = 0;

	for (unsigned i = 1; i < s->n; i++) {
		const struct secret *a = &s->v[i];

		if (secret_compare(a - 1, a) != 0)
			continue;
		report_add(r, SEVERITY_ERROR,
			   "%s: identifier \"%.*s\" occurs twice", name,
			   a->id_len, (const char *)a->id);
		errors++;
	}
	return errors;
}

unsigned secrets_read(struct secrets *s, FILE *f, const char *name,
		      struct report *r)
{
	char *line = NULL, *word[WORDS_MAX + 1];
	unsigned errors = 0, n;
	size_t space = 0;

	*s = (struct secrets){0};
	for (unsigned at = 1; getline(&line, &space, f) >= 0; at++) {
		const char *wrong;

		n = split(word, line);
		if (n == 0 || word[0][0] == '#')
			continue;
		wrong = parse_line(add(s), word, n);
		if (wrong) {
			report_add(r, SEVERITY_ERROR, "%s:%u: %s", name, at,
				   wrong);
			errors++;
		}
	}
	if (line)
		explicit_bzero(line, space);
	free(line);
	if (!errors && s->n) {
		qsort(s->v, s->n, sizeof(*s->v), secret_compare);
		errors = find_repeated(s, name, r);
	}
	if (errors)
		secrets_free(s);
	return errors;
}

unsigned secrets_load(struct secrets *s, const char *path, struct report *r)
{
	unsigned errors = 1;
	const char *why;
	struct stat st;
	FILE *f = textfile_open(path, &why);

	*s = (struct secrets){0};
	if (!f) {
		report_add(r, SEVERITY_ERROR, "%s: %s", path, why);
		return 1;
	}
	if (fstat(fileno(f), &st) < 0)
		report_add(r, SEVERITY_ERROR, "%s: %s", path, strerror(errno));
	else if (st.st_mode & S_IRWXO)
		report_add(r, SEVERITY_ERROR,
			   "%s: others may read it\n"
			   "  do:  chmod o= %s",
			   path, path);
	else
		errors = secrets_read(s, f, path, r);
	fclose(f);
	return errors;
}

const struct secret *secrets_of(const struct secrets *s, const char *id)
{
	size_t n = strlen(id);

	for (unsigned i = 0; i < s->n; i++) {
		if (s->v[i].id_len == n && memcmp(s->v[i].id, id, n) == 0)
			return &s->v[i];
	}
	return NULL;
}

void secrets_free(struct secrets *s)
{
	if (s->v)
		explicit_bzero(s->v, s->n * sizeof(*s->v));
	free(s->v);
	*s = (struct secrets){0};
}
