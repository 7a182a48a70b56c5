/* args.c: the command line. It is one string; the host joined the arguments with single blanks. */
#include "guest.h"

struct args args_begin(void)
{
	return (struct args){machine.cmdline};
}

bool args_next(struct args *a, struct slice *arg)
{
	while (*a->rest == ' ')
		a->rest++;
	arg->p = a->rest;
	while (*a->rest != '\0' && *a->rest != ' ')
		a->rest++;
	arg->n = (size_t)(a->rest - arg->p);
	return arg->n > 0;
}

bool slice_after(struct slice s, const char *prefix, struct slice *rest)
{
	size_t n = strlen(prefix);
	if (s.n < n || memcmp(s.p, prefix, n) != 0)
		return false;
	*rest = (struct slice){s.p + n, s.n - n};
	return true;
}

bool slice_is(struct slice s, const char *text)
{
	struct slice rest;
	return slice_after(s, text, &rest) && rest.n == 0;
}

bool slice_number(struct slice s, uint64_t *n)
{
	uint64_t v = 0;
	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned digit = (unsigned char)s.p[i] - '0';
		if (digit > 9 || __builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, digit, &v))
			return false;
	}
	*n = v;
	return true;
}

struct slice guest_name(void)
{
	struct args a = args_begin();
	struct slice arg, name;
	while (args_next(&a, &arg))
		if (slice_after(arg, "--name=", &name))
			return name;
	return (struct slice){"", 0};
}

int usage(struct slice arg, const char *expected)
{
	int n = arg.n < 100 ? (int)arg.n : 100;
	say("argument %.*s not understood; expected: %s\n", n, arg.p, expected);
	return EXIT_USAGE;
}
