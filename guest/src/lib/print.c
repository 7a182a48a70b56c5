/* print.c: the console, and a printf of the few conversions that the guests use. */
#include <stdarg.h>

#include "guest.h"

void console_write(const char *buf, size_t len)
{
	while (len > 0) {
		size_t n = console_try(buf, len);
		if (n == 0)
			return;
		buf += n;
		len -= n;
	}
}

bool console_write_patiently(const char *buf, size_t len, uint64_t patience)
{
	uint64_t end = clock_monotonic() + patience;
	while (len > 0) {
		size_t n = console_try(buf, len);
		buf += n;
		len -= n;
		if (n > 0)
			continue;
		uint64_t now = clock_monotonic();
		if (now >= end)
			return false;
		yield(now + MSEC);
	}
	return true;
}

struct sink {
	char *buf;
	size_t size, n;
};

static void put(struct sink *o, const char *p, size_t n)
{
	size_t room = o->size - 1 - o->n;
	if (n > room)
		n = room;
	memcpy(o->buf + o->n, p, n);
	o->n += n;
}

static void put_number(struct sink *o, uint64_t v, unsigned base, size_t width)
{
	char digits[20];
	size_t at = sizeof digits;
	do {
		digits[--at] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v != 0);
	while (at > 0 && sizeof digits - at < width)
		digits[--at] = '0';
	put(o, digits + at, sizeof digits - at);
}

static size_t vformat(char *buf, size_t size, const char *fmt, va_list ap)
{
	struct sink o = {buf, size, 0};
	while (*fmt != '\0') {
		const char *start = fmt;
		while (*fmt != '\0' && *fmt != '%')
			fmt++;
		put(&o, start, (size_t)(fmt - start));
		if (*fmt == '\0')
			break;
		fmt++;
		size_t width = 0, limit = SIZE_MAX;
		bool is_long = false;
		if (fmt[0] == '.' && fmt[1] == '*') {
			limit = (size_t)va_arg(ap, int);
			fmt += 2;
		}
		if (fmt[0] == '0' && fmt[1] >= '1' && fmt[1] <= '9') {
			width = (size_t)(fmt[1] - '0');
			fmt += 2;
		}
		if (*fmt == 'l') {
			is_long = true;
			fmt++;
		}
		switch (*fmt++) {
		case 's': {
			const char *s = va_arg(ap, const char *);
			put(&o, s, limit != SIZE_MAX ? limit : strlen(s));
			break;
		}
		case 'c': {
			char c = (char)va_arg(ap, int);
			put(&o, &c, 1);
			break;
		}
		case 'u':
			put_number(&o, is_long ? va_arg(ap, unsigned long) : va_arg(ap, unsigned), 10, width);
			break;
		case 'x':
			put_number(&o, is_long ? va_arg(ap, unsigned long) : va_arg(ap, unsigned), 16, width);
			break;
		case '%':
			put(&o, "%", 1);
			break;
		default: /* no guest uses another conversion */
			halt(EXIT_ABORT);
		}
	}
	o.buf[o.n] = '\0';
	return o.n;
}

size_t format(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	size_t n = vformat(buf, size, fmt, ap);
	va_end(ap);
	return n;
}

void say(const char *fmt, ...)
{
	char buf[512];
	va_list ap;
	va_start(ap, fmt);
	size_t n = vformat(buf, sizeof buf, fmt, ap);
	va_end(ap);
	console_write(buf, n);
}
