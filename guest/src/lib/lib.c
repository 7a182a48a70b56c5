/*
 * lib.c: memory and strings. The string instructions do the loops: where guests are interpreted by the
 * host, one of them costs as much as a single other instruction.
 */
#include "guest.h"

void *memcpy(void *restrict dst, const void *restrict src, size_t n)
{
	void *d = dst;
	__asm__ volatile("rep movsb" : "+D"(d), "+S"(src), "+c"(n) : : "memory");
	return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
	if ((uintptr_t)dst - (uintptr_t)src >= n)
		return memcpy(dst, src, n);
	/* The destination lies inside the source: from the end backwards. */
	char *d = (char *)dst + n - 1;
	const char *s = (const char *)src + n - 1;
	__asm__ volatile("std; rep movsb; cld" : "+D"(d), "+S"(s), "+c"(n) : : "memory", "cc");
	return dst;
}

void *memset(void *dst, int c, size_t n)
{
	void *d = dst;
	__asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;
	if (n == 0)
		return 0;
	__asm__ volatile("repe cmpsb" : "+S"(x), "+D"(y), "+c"(n) : : "memory", "cc");
	return x[-1] - y[-1];
}

size_t strlen(const char *s)
{
	size_t n = 0;
	while (s[n] != '\0')
		n++;
	return n;
}

void fill_words(uint64_t *p, uint64_t v, size_t n)
{
	__asm__ volatile("rep stosq" : "+D"(p), "+c"(n) : "a"(v) : "memory");
}

bool words_are(const uint64_t *p, uint64_t v, size_t n)
{
	if (n == 0)
		return true;
	__asm__ volatile("repe scasq" : "+D"(p), "+c"(n) : "a"(v) : "memory", "cc");
	return n == 0 && p[-1] == v;
}
