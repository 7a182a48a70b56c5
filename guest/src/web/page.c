/* page.c: what the server says. */
#include "http.h"

static char label[65] = "web";
static uint64_t served;

/* Only what needs no escape in HTML. */
static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
	       c == '_' || c == ':';
}

void page_configure(struct slice name)
{
	size_t n = name.n < sizeof label - 1 ? name.n : sizeof label - 1;
	if (n == 0)
		return;
	for (size_t i = 0; i < n; i++)
		label[i] = is_plain(name.p[i]) ? name.p[i] : '?';
	label[n] = '\0';
}

enum http_page page_find(struct slice path)
{
	if (slice_is(path, "/"))
		return PAGE_HOME;
	if (slice_is(path, "/text"))
		return PAGE_TEXT;
	return PAGE_NONE;
}

static const char *reason(unsigned status)
{
	switch (status) {
	case 200:
		return "OK";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 413:
		return "Content Too Large";
	case 414:
		return "URI Too Long";
	case 431:
		return "Request Header Fields Too Large";
	case 501:
		return "Not Implemented";
	case 505:
		return "HTTP Version Not Supported";
	default:
		return "Bad Request";
	}
}

static size_t page_body(const struct http *h, char *buf, size_t size)
{
	if (h->status != 200)
		return format(buf, size, "%u %s\n", h->status, reason(h->status));
	if (h->page == PAGE_TEXT)
		return format(buf, size, "%s on %s, requests served: %lu\n", label, target_name, served);
	return format(buf, size,
		      "<!DOCTYPE html>\n<html><head><title>%s</title></head>\n"
		      "<body><h1>%s</h1>\n<p>A unikernel on %s.</p>\n<p>Requests served: %lu</p></body></html>\n",
		      label, label, target_name, served);
}

void page_respond(const struct http *h, struct http_io *io)
{
	static char body[512];
	served++;
	size_t n = page_body(h, body, sizeof body);
	const char *type = h->status == 200 && h->page == PAGE_HOME ? "text/html" : "text/plain";
	const char *connection = !h->keep_alive ? "Connection: close\r\n" : h->old ? "Connection: keep-alive\r\n" : "";
	size_t header = format(io->out, HTTP_MAX_RESPONSE,
			       "HTTP/1.1 %u %s\r\nServer: albatross-guest\r\nContent-Type: %s; charset=utf-8\r\n"
			       "Content-Length: %lu\r\n%s%s\r\n",
			       h->status, reason(h->status), type, n,
			       h->status == 405 ? "Allow: GET, HEAD\r\n" : "", connection);
	if (h->head)
		n = 0;
	memcpy(io->out + header, body, n);
	io->out_len = header + n;
}
