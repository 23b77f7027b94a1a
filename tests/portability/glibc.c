// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What Debian's libraries call and musl lacks: the checked variants of
 * functions that _FORTIFY_SOURCE puts in, without the checks, and what
 * pthread_atfork() is made of. Only for tests.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

int __fprintf_chk(FILE *f, int flag, const char *format, ...);
int __printf_chk(int flag, const char *format, ...);
int __vsnprintf_chk(char *s, size_t n, int flag, size_t space,
		    const char *format, va_list args);
int __snprintf_chk(char *s, size_t n, int flag, size_t space,
		   const char *format, ...);
int __sprintf_chk(char *s, int flag, size_t space, const char *format, ...);
int __asprintf_chk(char **s, int flag, const char *format, ...);
void __syslog_chk(int priority, int flag, const char *format, ...);
void __explicit_bzero_chk(void *p, size_t n, size_t space);
char *__strncpy_chk(char *to, const char *from, size_t n, size_t space);
_Noreturn void __longjmp_chk(jmp_buf env, int value);
int __register_atfork(void (*prepare)(void), void (*parent)(void),
		      void (*child)(void), void *library);

int __fprintf_chk(FILE *f, int flag, const char *format, ...)
{
	va_list args;
	int n;

	(void)flag;
	va_start(args, format);
	n = vfprintf(f, format, args);
	va_end(args);
	return n;
}

int __printf_chk(int flag, const char *format, ...)
{
	va_list args;
	int n;

	(void)flag;
	va_start(args, format);
	n = vprintf(format, args);
	va_end(args);
	return n;
}

int __vsnprintf_chk(char *s, size_t n, int flag, size_t space,
		    const char *format, va_list args)
{
	(void)flag;
	(void)space;
	return vsnprintf(s, n, format, args);
}

int __snprintf_chk(char *s, size_t n, int flag, size_t space,
		   const char *format, ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = __vsnprintf_chk(s, n, flag, space, format, args);
	va_end(args);
	return r;
}

int __sprintf_chk(char *s, int flag, size_t space, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = __vsnprintf_chk(s, space, flag, space, format, args);
	va_end(args);
	return n;
}

int __asprintf_chk(char **s, int flag, const char *format, ...)
{
	va_list args;
	int n;

	(void)flag;
	va_start(args, format);
	n = vasprintf(s, format, args);
	va_end(args);
	return n;
}

void __syslog_chk(int priority, int flag, const char *format, ...)
{
	va_list args;

	(void)flag;
	va_start(args, format);
	vsyslog(priority, format, args);
	va_end(args);
}

void __explicit_bzero_chk(void *p, size_t n, size_t space)
{
	(void)space;
	explicit_bzero(p, n);
}

void __longjmp_chk(jmp_buf env, int value)
{
	longjmp(env, value);
}

/* libcap-ng remembers in it whose capabilities it changes. */
int __register_atfork(void (*prepare)(void), void (*parent)(void),
		      void (*child)(void), void *library)
{
	(void)library;
	return pthread_atfork(prepare, parent, child);
}

char *__strncpy_chk(char *to, const char *from, size_t n, size_t space)
{
	(void)space;
	return strncpy(to, from, n);
}
