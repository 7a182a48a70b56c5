/* http.c: reading requests. */
#include "http.h"

/* More header lines, or a longer body, than any honest client sends here. */
enum { MAX_LINES = 100, MAX_BODY = 1 << 20 };

static bool log_requests;

void http_configure(struct slice name, bool log)
{
	log_requests = log;
	page_configure(name);
}

void http_start(struct http *h)
{
	memset(h, 0, sizeof *h);
	h->state = HTTP_REQUEST_LINE;
	h->status = 200;
	h->target[0] = '-';
}

static size_t find_byte(struct slice s, char c)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == c)
			return i;
	return s.n;
}

/* Takes what stands before the first c off s, and c itself; without one, all of s. */
static struct slice cut(struct slice *s, char c)
{
	size_t n = find_byte(*s, c);
	struct slice head = {s->p, n};
	size_t skip = n < s->n ? n + 1 : n;
	s->p += skip;
	s->n -= skip;
	return head;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* Compares without regard to case; word is in lower case. */
static bool is_word(struct slice s, const char *word)
{
	for (size_t i = 0; i < s.n; i++)
		if (word[i] == '\0' || lower(s.p[i]) != word[i])
			return false;
	return word[s.n] == '\0';
}

static struct slice trim(struct slice s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* The characters of methods and header names (RFC 9110, token). */
static bool is_token(struct slice s)
{
	static const char others[] = "!#$%&'*+-.^_`|~";
	for (size_t i = 0; i < s.n; i++) {
		char c = lower(s.p[i]);
		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') &&
		    find_byte((struct slice){others, sizeof others - 1}, c) == sizeof others - 1)
			return false;
	}
	return s.n > 0;
}

/* The path of a target like /path?query or http://host/path; an empty slice for any other. */
static struct slice path_of(struct slice target)
{
	struct slice rest;
	if (slice_after(target, "http://", &rest)) {
		size_t host = find_byte(rest, '/');
		target = (struct slice){rest.p + host, rest.n - host};
		if (host == rest.n)
			return (struct slice){"/", 1};
	}
	if (target.n == 0 || target.p[0] != '/')
		return (struct slice){"", 0};
	return cut(&target, '?');
}

static void remember_target(struct http *h, struct slice target)
{
	size_t n = target.n < sizeof h->target - 1 ? target.n : sizeof h->target - 1;
	for (size_t i = 0; i < n; i++)
		h->target[i] = target.p[i] > ' ' && target.p[i] < 0x7f ? target.p[i] : '?';
	h->target[n] = '\0';
}

/* Answers the status that the line deserves. */
static unsigned request_line(struct http *h, struct slice line)
{
	struct slice method = cut(&line, ' ');
	struct slice target = cut(&line, ' ');
	struct slice minor;
	if (!is_token(method) || target.n == 0)
		return 400;
	remember_target(h, target);
	if (!slice_after(line, "HTTP/1.", &minor)) {
		bool other = line.n == 8 && slice_after(line, "HTTP/", &minor) && minor.p[1] == '.';
		return other ? 505 : 400;
	}
	if (minor.n != 1 || minor.p[0] < '0' || minor.p[0] > '9')
		return 400;
	h->old = minor.p[0] == '0';
	h->keep_alive = !h->old;
	h->head = slice_is(method, "HEAD");
	if (!h->head && !slice_is(method, "GET"))
		return 405;
	struct slice path = path_of(target);
	if (path.n == 0)
		return 400;
	h->page = page_find(path);
	return h->page == PAGE_NONE ? 404 : 200;
}

/* Connection: a list of words. */
static void connection_header(struct http *h, struct slice value)
{
	while (value.n > 0) {
		struct slice word = trim(cut(&value, ','));
		if (is_word(word, "close"))
			h->keep_alive = false;
		else if (is_word(word, "keep-alive") && h->old)
			h->keep_alive = true;
	}
}

/* Answers 0, or the status of the error that the line is. */
static unsigned header_line(struct http *h, struct slice line)
{
	if (++h->lines > MAX_LINES)
		return 431;
	if (find_byte(line, ':') == line.n)
		return 400;
	struct slice name = cut(&line, ':');
	struct slice value = trim(line);
	if (!is_token(name))
		return 400; /* also a folded line, which starts with a blank */
	if (is_word(name, "connection")) {
		connection_header(h, value);
	} else if (is_word(name, "host")) {
		if (h->host_seen)
			return 400;
		h->host_seen = true;
	} else if (is_word(name, "content-length")) {
		uint64_t n;
		if (!slice_number(value, &n) || (h->length_seen && n != h->body))
			return 400;
		if (n > MAX_BODY)
			return 413;
		h->length_seen = true;
		h->body = n;
	} else if (is_word(name, "transfer-encoding")) {
		return 501; /* where the body ends would be a guess */
	}
	return 0;
}

/* Answers, and gets ready for what comes next on the connection. */
static void respond(struct http *h, struct http_io *io, uint32_t peer_ip, uint16_t peer_port)
{
	page_respond(h, io);
	if (log_requests) {
		const uint8_t *ip = (const uint8_t *)&peer_ip;
		say("web: %u %s for %u.%u.%u.%u:%u\n", h->status, h->target, ip[0], ip[1], ip[2], ip[3], peer_port);
	}
	io->close = !h->keep_alive;
	uint64_t body = h->body;
	http_start(h);
	if (body > 0) {
		h->state = HTTP_BODY;
		h->body = body;
	}
}

static void fail(struct http *h, struct http_io *io, unsigned status, uint32_t peer_ip, uint16_t peer_port)
{
	h->status = status;
	h->keep_alive = false;
	respond(h, io, peer_ip, peer_port);
}

/* Takes a line without its end. Answers 0, a status to fail with, or 200 to respond. */
static unsigned take_line(struct http *h, struct slice line)
{
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	if (h->state == HTTP_REQUEST_LINE) {
		if (line.n == 0) /* RFC 9112: left over from a request before */
			return ++h->lines > 4 ? 400 : 0;
		h->lines = 0;
		h->status = request_line(h, line);
		h->state = HTTP_HEADERS;
		return h->status == 400 || h->status == 505 ? h->status : 0;
	}
	if (line.n > 0)
		return header_line(h, line);
	return h->old || h->host_seen ? 200 : 400;
}

size_t http_step(struct http *h, struct http_io *io, uint32_t peer_ip, uint16_t peer_port)
{
	struct slice in = {io->in, io->in_len};
	while (in.n > 0) {
		if (h->state == HTTP_BODY) {
			size_t n = h->body < in.n ? (size_t)h->body : in.n;
			in = (struct slice){in.p + n, in.n - n};
			h->body -= n;
			if (h->body == 0)
				http_start(h);
			continue;
		}
		if (find_byte(in, '\n') == in.n)
			break;
		unsigned status = take_line(h, cut(&in, '\n'));
		if (status == 0)
			continue;
		if (status == 200)
			respond(h, io, peer_ip, peer_port);
		else
			fail(h, io, status, peer_ip, peer_port);
		return io->in_len - in.n;
	}
	if (in.n == io->in_len && io->in_full) /* a line that is longer than the buffer */
		fail(h, io, h->state == HTTP_REQUEST_LINE ? 414 : 431, peer_ip, peer_port);
	return io->in_len - in.n;
}
