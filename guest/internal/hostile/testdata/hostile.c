/*
 * hostile.c: the network stack of the guest "web" on the host, under sanitizers, with a network that means harm.
 *
 *	hostile SEED FRAMES
 *
 * sends that many frames, most of them nearly right, to the stack; looks at every frame it sends; and in the end asks
 * it for a page, as an honest client. Everything random comes from the seed. A sanitizer's finding or a failed check
 * ends it with a status other than 0. It includes tcp.c, to look at the connections after every frame.
 */
#include <sanitizer/asan_interface.h>
#include <stdio.h>
#include <stdlib.h>

#include "tcp.c"

#define CHECK(x)                                                                                     \
	do {                                                                                         \
		if (!(x)) {                                                                          \
			fprintf(stderr, "frame %lu: check failed, line %d: %s\n", frame_no, __LINE__, #x); \
			abort();                                                                     \
		}                                                                                    \
	} while (0)

enum { FLOWS = 90, MTU = 1500, PORT = 80 };

static const uint8_t guest_mac[6] = {2, 0, 0, 0, 0, 1}, host_mac[6] = {2, 0, 0, 0, 0, 2};
static uint64_t frame_no, now = SEC, rnd_state;
/* What a client does again and again. */
enum habit { NORMAL, LONG_LINES, NO_ACKS, HABITS };

static uint64_t answered, pages;

/* What a client knows of its connection. */
static struct flow {
	uint32_t seq, ack;
	uint32_t held; /* what a client that acknowledges nothing more says */
} flows[FLOWS];

static struct frame {
	size_t len;
	uint8_t bytes[9014];
} pending;

/* ---- the machine ---- */
const char *const target_name = "test";
struct machine machine = {.cmdline = ""};

_Noreturn void halt(int status)
{
	fprintf(stderr, "halt %d\n", status);
	abort();
}

uint64_t clock_monotonic(void)
{
	return now;
}

uint64_t yield(uint64_t deadline)
{
	now = deadline;
	return 0;
}

size_t console_try(const char *buf, size_t len)
{
	for (size_t i = 0; i < len; i++)
		CHECK(buf[i] == '\n' || (buf[i] >= ' ' && buf[i] < 0x7f));
	return len;
}

/* Whatever lies behind the frame is poison: reading it ends the test. */
enum result net_read(unsigned handle, void *buf, size_t *len)
{
	static void *poisoned;
	static size_t room;
	CHECK(handle == 1);
	if (poisoned != NULL)
		ASAN_UNPOISON_MEMORY_REGION(poisoned, room);
	poisoned = NULL;
	if (pending.len == 0)
		return R_AGAIN;
	size_t n = pending.len < *len ? pending.len : *len;
	memcpy(buf, pending.bytes, n);
	poisoned = buf;
	room = *len;
	ASAN_POISON_MEMORY_REGION((uint8_t *)buf + n, *len - n);
	*len = n;
	pending.len = 0;
	return R_OK;
}

static uint32_t address(unsigned flow)
{
	return be32(0x0a002a03 + flow % 5);
}

static void look_at_tcp(const struct ip_header *ip, const struct tcp_header *t, size_t len)
{
	CHECK(len >= sizeof *t && len >= (size_t)(t->offset >> 4) * 4);
	size_t data = len - (size_t)(t->offset >> 4) * 4;
	unsigned f = be16(t->dst) - 1000u;
	if (f >= FLOWS || ip->dst != address(f) || be16(t->src) != PORT)
		return;
	if (t->flags & TCP_SYN)
		flows[f].ack = be32(t->seq) + 1;
	else if (be32(t->seq) == flows[f].ack)
		flows[f].ack += (uint32_t)data + !!(t->flags & TCP_FIN);
	if (t->flags & TCP_RST)
		flows[f].ack = be32(t->seq);
	const char *text = (const char *)t + (t->offset >> 4) * 4;
	if (data > 12 && memcmp(text, "HTTP/1.1 200", 12) == 0)
		pages++;
}

enum result net_write(unsigned handle, const void *buf, size_t len)
{
	const struct eth_header *eth = buf;
	const struct ip_header *ip = (const struct ip_header *)(eth + 1);
	CHECK(handle == 1 && len >= sizeof *eth && len <= sizeof *eth + MTU);
	answered++;
	CHECK(memcmp(eth->src, guest_mac, 6) == 0);
	if (eth->type == be16(ETHERTYPE_ARP)) {
		CHECK(len == sizeof *eth + sizeof(struct arp_packet));
		return R_OK;
	}
	CHECK(eth->type == be16(ETHERTYPE_IPV4) && !(eth->dst[0] & 1));
	CHECK(be16(ip->total_len) == len - sizeof *eth && ip->version_len == 0x45);
	CHECK(checksum_finish(checksum_add(0, ip, sizeof *ip)) == 0);
	size_t n = len - sizeof *eth - sizeof *ip;
	struct peer peer = {.ip = ip->dst};
	if (ip->protocol == PROTO_TCP || ip->protocol == PROTO_UDP)
		CHECK(checksum_finish(checksum_add(pseudo_header_sum(&peer, ip->protocol, n), ip + 1, n)) == 0);
	if (ip->protocol == PROTO_TCP)
		look_at_tcp(ip, (const struct tcp_header *)(ip + 1), n);
	return R_OK;
}

/* ---- frames ---- */
static uint64_t rnd(uint64_t below)
{
	return mix64(rnd_state++) % below;
}

static bool one_in(uint64_t n)
{
	return rnd(n) == 0;
}

static uint8_t *const payload = pending.bytes + sizeof(struct eth_header) + sizeof(struct ip_header);

static void finish_ip(uint32_t src, uint8_t protocol, size_t len)
{
	struct eth_header *eth = (struct eth_header *)pending.bytes;
	struct ip_header *ip = (struct ip_header *)(eth + 1);
	memcpy(eth->dst, guest_mac, 6);
	memcpy(eth->src, host_mac, 6);
	eth->type = be16(ETHERTYPE_IPV4);
	*ip = (struct ip_header){.version_len = 0x45, .ttl = 64, .protocol = protocol, .src = src};
	ip->dst = be32(0x0a002a02);
	ip->total_len = be16((uint16_t)(sizeof *ip + len));
	ip->checksum = checksum_finish(checksum_add(0, ip, sizeof *ip));
	pending.len = sizeof *eth + sizeof *ip + len;
}

static void tcp_segment(unsigned flow, uint32_t seq, uint32_t ack, uint8_t flags, const void *data, size_t len,
			size_t options)
{
	struct tcp_header *t = (struct tcp_header *)payload;
	*t = (struct tcp_header){.src = be16((uint16_t)(1000 + flow)), .dst = be16(PORT), .flags = flags};
	t->seq = be32(seq);
	t->ack = be32(ack);
	t->offset = (uint8_t)((5 + options) << 4);
	t->window = be16((uint16_t)(one_in(4) ? rnd(100) : 0xffff));
	uint8_t *o = (uint8_t *)(t + 1);
	for (size_t i = 0; i < options * 4; i++)
		o[i] = (uint8_t)rnd(one_in(2) ? 6 : 256);
	memcpy(o + options * 4, data, len);
	finish_ip(address(flow), PROTO_TCP, sizeof *t + options * 4 + len);
}

static size_t some_text(char *buf, size_t size, enum habit habit)
{
	static const char *const words[] = {
	    "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET /text HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "HEAD",
	    " / ", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "\r\n", "\r\n\r\n", "\n", ":", "Host: x\r\n", "Connection: ",
	    "keep-alive", ",", "close", "Content-Length: ", "5", "18446744073709551615", "Transfer-Encoding: chunked\r\n",
	    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n", "GET http://", "/text?", " ", "\t", "\x01\xff",
	    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
	};
	size_t n = 0;
	for (uint64_t i = rnd(6) == 0 ? 60 : rnd(4) + 1; i > 0; i--) {
		const char *w = words[one_in(3) ? rnd(2) : rnd(sizeof words / sizeof words[0])];
		if (habit == LONG_LINES)
			w = words[sizeof words / sizeof words[0] - 1];
		if (habit == NO_ACKS)
			w = words[0];
		size_t len = strlen(w);
		if (n + len > size)
			break;
		memcpy(buf + n, w, len);
		n += len;
	}
	return n;
}

static void tcp_frame(void)
{
	unsigned f = (unsigned)rnd(FLOWS);
	struct flow *w = &flows[f];
	uint32_t seq = w->seq, ack = w->ack;
	char text[1400];
	enum habit habit = f % 8 < HABITS ? f % 8 : NORMAL;
	size_t n = some_text(text, sizeof text, habit);
	if (habit == NO_ACKS) {
		if (w->held == 0)
			w->held = ack;
		ack = w->held;
	}
	uint8_t flags = TCP_ACK;
	if (one_in(8))
		seq += (uint32_t)(one_in(2) ? rnd(4000) - 2000 : rnd(1ull << 32));
	if (one_in(8))
		ack += (uint32_t)(one_in(2) ? rnd(6000) - 3000 : rnd(1ull << 32));
	switch (rnd(16)) {
	case 0 ... 2:
		flags = TCP_SYN;
		n = 0;
		w->seq = seq + 1;
		w->held = 0;
		break;
	case 3:
		flags |= TCP_FIN;
		break;
	case 4:
		flags |= one_in(4) ? TCP_RST : 0;
		n = 0;
		break;
	case 5:
		flags = (uint8_t)rnd(256);
		break;
	case 6 ... 7:
		n = 0;
		break;
	default:
		if (!one_in(8))
			w->seq = seq + (uint32_t)n;
	}
	tcp_segment(f, seq, ack, flags, text, n, one_in(3) ? rnd(11) : 0);
}

static void other_frame(void)
{
	size_t n = rnd(40);
	switch (rnd(4)) {
	case 0:
		for (size_t i = 0; i < n; i++)
			payload[i] = (uint8_t)rnd(256);
		payload[0] = one_in(2) ? 8 : payload[0];
		payload[1] = 0;
		finish_ip(address(0), PROTO_ICMP, one_in(4) ? 1480 + rnd(100) : n);
		break;
	case 1:
		*(struct udp_header *)payload =
		    (struct udp_header){.src = be16((uint16_t)rnd(2000)), .dst = be16(7), .len = be16((uint16_t)rnd(50))};
		finish_ip(address(1), PROTO_UDP, n);
		break;
	case 2: {
		struct eth_header *eth = (struct eth_header *)pending.bytes;
		struct arp_packet *a = (struct arp_packet *)(eth + 1);
		memset(eth->dst, 255, 6);
		memcpy(eth->src, host_mac, 6);
		eth->type = be16(ETHERTYPE_ARP);
		*a = (struct arp_packet){be16(1), be16(ETHERTYPE_IPV4), 6, 4, be16(1), {2}, address(0), {0}, be32(0x0a002a02)};
		pending.len = sizeof *eth + (one_in(2) ? sizeof *a : rnd(sizeof *a));
		break;
	}
	default:
		pending.len = rnd(sizeof pending.bytes);
		for (size_t i = 0; i < pending.len && i < 100; i++)
			pending.bytes[i] = (uint8_t)rnd(256);
	}
}

/* Damages a frame. Half of the time the IP checksum is made right again, so that the damage gets further. */
static void damage(void)
{
	struct ip_header *ip = (struct ip_header *)(pending.bytes + sizeof(struct eth_header));
	size_t near = pending.len < 80 ? pending.len : 80;
	if (near > 0)
		for (uint64_t i = rnd(3); i > 0; i--)
			pending.bytes[rnd(near)] = (uint8_t)rnd(256);
	if (one_in(3))
		pending.len = rnd(pending.len + 1);
	size_t header = (size_t)(ip->version_len & 15) * 4;
	if (one_in(2) && header >= sizeof *ip) {
		ip->checksum = 0;
		ip->checksum = checksum_finish(checksum_add(0, ip, header));
	}
}

/* What holds for every connection between two frames. */
static void look_at_connections(uint64_t next)
{
	for (struct conn *c = conns; c < conns + TCP_SLOTS; c++) {
		if (c->state == CONN_FREE)
			continue;
		CHECK(c->rx_len <= TCP_RX && c->tx_len <= TCP_TX);
		CHECK(!seq_before(c->nxt, c->una) && !seq_before(c->max, c->nxt));
		CHECK(c->max - c->una <= c->tx_len + 1);
		CHECK(!c->fin_acked || (c->closing && c->fin_out && c->tx_len == 0 && c->una == c->max));
		/* Whoever waits for an acknowledgement will be woken up. */
		CHECK(c->state == CONN_TIME_WAIT || c->una == c->max || c->resend_at != 0);
		CHECK((c->resend_at == 0 || next <= c->resend_at) && next <= c->progress + patience(c));
		CHECK(c->progress <= now && !c->ack_now);
		for (struct conn *d = conns; d < c; d++)
			CHECK(d->state == CONN_FREE || d->peer.ip != c->peer.ip || d->peer_port != c->peer_port);
	}
}

static void deliver(void)
{
	frame_no++;
	while (net_poll(now))
		;
	uint64_t next = tcp_timers(now);
	CHECK(next > now);
	look_at_connections(next);
}

static void attack(uint64_t frames)
{
	for (uint64_t i = 0; i < frames; i++) {
		if (one_in(12))
			other_frame();
		else
			tcp_frame();
		if (one_in(6))
			damage();
		deliver();
		now += one_in(500) ? rnd(30 * SEC) : rnd(20 * MSEC);
	}
}

/* An honest client gets a page, however the stack was treated before. */
static void ask_for_a_page(void)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
	struct flow *w = &flows[0];
	/* First to the end of all that is going on, a timer at a time. */
	for (uint64_t next = tcp_timers(now); next != UINT64_MAX; next = tcp_timers(now))
		now = next;
	w->seq = 77;
	tcp_segment(0, w->seq++, 0, TCP_SYN, "", 0, 0);
	deliver();
	uint64_t before = pages;
	struct tcp_header *t = (struct tcp_header *)payload;
	tcp_segment(0, w->seq, w->ack, TCP_ACK, request, sizeof request - 1, 0);
	t->window = 0xffff;
	deliver();
	CHECK(pages == before + 1);
}

int main(int argc, char **argv)
{
	CHECK(argc == 3);
	rnd_state = strtoull(argv[1], NULL, 10) << 40;
	struct net_device dev = {.handle = 1, .mtu = MTU};
	memcpy(dev.mac, guest_mac, 6);
	http_configure((struct slice){"a<b", 3}, true);
	tcp_start(PORT, 1);
	net_start(&dev, be32(0x0a002a02));
	attack(strtoull(argv[2], NULL, 10));
	ask_for_a_page();
	printf("%lu frames answered, %lu pages\n", answered, pages);
	return 0;
}
