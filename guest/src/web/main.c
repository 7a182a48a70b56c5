/* web: a small web server with a network stack of its own. */
#include "http.h"
#include "net.h"
#include "tcp.h"

GUEST_MANIFEST(1, {.name = "service", .type = DEVICE_NET});

struct config {
	uint8_t ip[4];
	uint16_t port;
	bool log;
};

/* A.B.C.D into ip; answers what follows, or false. */
static bool parse_ip(struct slice s, uint8_t ip[4], struct slice *rest)
{
	for (int i = 0; i < 4; i++) {
		uint64_t v;
		size_t n = 0;
		while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
			n++;
		if (!slice_number((struct slice){s.p, n}, &v) || v > 255)
			return false;
		ip[i] = (uint8_t)v;
		s = (struct slice){s.p + n, s.n - n};
		if (i < 3 && !slice_after(s, ".", &s))
			return false;
	}
	*rest = s;
	return true;
}

/* A.B.C.D/LEN; without /LEN is fine, too: nothing depends on it. */
static bool parse_cidr(struct slice s, uint8_t ip[4])
{
	struct slice rest, len;
	uint64_t bits;
	if (!parse_ip(s, ip, &rest) || ip[0] == 0 || ip[0] == 127 || ip[0] >= 224)
		return false;
	return rest.n == 0 || (slice_after(rest, "/", &len) && slice_number(len, &bits) && bits <= 32);
}

static bool parse_gateway(struct slice s)
{
	uint8_t ip[4];
	struct slice rest;
	return parse_ip(s, ip, &rest) && rest.n == 0;
}

/* Answers EXIT_OK, or EXIT_USAGE after it said why. */
static int parse(struct config *c)
{
	struct args a = args_begin();
	struct slice arg, v;
	while (args_next(&a, &arg)) {
		bool ok;
		uint64_t port;
		if (slice_after(arg, "--ipv4=", &v)) {
			ok = parse_cidr(v, c->ip);
		} else if (slice_after(arg, "--ipv4-gateway=", &v)) {
			ok = parse_gateway(v);
		} else if (slice_after(arg, "--port=", &v)) {
			ok = slice_number(v, &port) && port >= 1 && port <= 65535;
			c->port = (uint16_t)port;
		} else if (slice_is(arg, "--log")) {
			ok = c->log = true;
		} else {
			ok = slice_after(arg, "--name=", &v);
		}
		if (!ok)
			return usage(arg, "--ipv4=A.B.C.D/LEN, --ipv4-gateway=A.B.C.D, --port=N, --log");
	}
	return EXIT_OK;
}

static void greet(const struct config *c, const uint8_t mac[6])
{
	struct slice name = guest_name();
	say("web: %u.%u.%u.%u port %u mac %02x:%02x:%02x:%02x:%02x:%02x%s%.*s\n", c->ip[0], c->ip[1], c->ip[2],
	    c->ip[3], c->port, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], name.n > 0 ? " name " : "",
	    name.n < 256 ? (int)name.n : 256, name.p);
}

int guest_main(void)
{
	struct config config = {.ip = {10, 0, 42, 2}, .port = 80};
	struct net_device dev;
	uint32_t ip;

	int status = parse(&config);
	if (status != EXIT_OK)
		return status;
	if (!net_acquire("service", &dev))
		return EXIT_FAILED;
	memcpy(&ip, config.ip, sizeof ip);
	http_configure(guest_name(), config.log);
	tcp_start(config.port, clock_wall() ^ mix64(__builtin_ia32_rdtsc()));
	net_start(&dev, ip);
	greet(&config, dev.mac);
	for (;;) {
		uint64_t now = clock_monotonic();
		bool more = net_poll(now);
		uint64_t deadline = tcp_timers(now);
		if (!more)
			yield(deadline < now + 3600 * SEC ? deadline : now + 3600 * SEC);
	}
}
