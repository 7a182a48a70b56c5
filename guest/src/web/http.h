/*
 * http.h: HTTP/1.0 and 1.1 for GET and HEAD, without a byte of its own buffering.
 *
 *	request line ─▶ header lines ─▶ empty line: response ─▶ body, skipped ─▶ the next request line …
 *
 * It reads line by line, so that a request may be longer than the receive buffer as long as no line is. Requests
 * that it is not sure to understand get an error and the end of the connection.
 */
#ifndef WEB_HTTP_H
#define WEB_HTTP_H

#include "guest.h"

/* No response, header and body, is longer. */
enum { HTTP_MAX_RESPONSE = 1024 };

enum http_state { HTTP_REQUEST_LINE, HTTP_HEADERS, HTTP_BODY };
enum http_page { PAGE_NONE, PAGE_HOME, PAGE_TEXT };

/* One connection's place in its conversation. */
struct http {
	enum http_state state;
	enum http_page page;
	unsigned status;    /* of the response to come */
	unsigned lines;     /* header lines so far */
	bool head;          /* HEAD: no body in the response */
	bool old;           /* HTTP/1.0 */
	bool keep_alive;
	bool host_seen, length_seen;
	uint64_t body;      /* bytes of the request's body still to come */
	char target[32];    /* the beginning of what was asked for, printable */
};

struct http_io {
	const char *in;
	size_t in_len;
	bool in_full;   /* there is no room for more of in */
	char *out;      /* HTTP_MAX_RESPONSE bytes of room */
	size_t out_len; /* set */
	bool close;     /* set: nothing more will be read or written */
};

/* Names the server on its pages, and says whether to print a line for each request. */
void http_configure(struct slice name, bool log);

void http_start(struct http *h);

/* Reads until there is a response, or nothing more to read; answers how much was read. The peer is for the log. */
size_t http_step(struct http *h, struct http_io *io, uint32_t peer_ip, uint16_t peer_port);

/* ---- page.c: used by http.c ---- */
/* Writes the response to a request that was read. */
void page_respond(const struct http *h, struct http_io *io);
void page_configure(struct slice name);
enum http_page page_find(struct slice path);

#endif
