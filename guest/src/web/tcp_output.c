/* tcp_output.c: segments out. */
#include "tcp.h"

#define RESEND (300 * MSEC)
enum { MAX_BACKOFF = 6 };

static uint16_t our_port; /* as on the wire */

void tcp_output_start(uint16_t port)
{
	our_port = be16(port);
}

/* Fills in the header at ip_payload() (its options and data are there), and sends it. */
static void send_segment(const struct peer *to, const struct tcp_header *h, size_t options, size_t data)
{
	struct tcp_header *t = ip_payload();
	size_t len = sizeof *t + options + data;
	*t = *h;
	t->offset = (uint8_t)((sizeof *t + options) / 4 << 4);
	t->checksum = checksum_finish(checksum_add(pseudo_header_sum(to, PROTO_TCP, len), t, len));
	ip_send(to, PROTO_TCP, len);
}

/* Fills a header for a connection, and remembers what it says to the peer. */
static struct tcp_header header(struct conn *c, uint32_t seq, uint8_t flags)
{
	/* What comes after our last word is thrown away, so there is always room for it. */
	size_t room = c->closing ? TCP_RX : TCP_RX - c->rx_len;
	c->rcv_edge = c->rcv + (uint32_t)room;
	c->ack_now = false;
	return (struct tcp_header){
	    .src = our_port,
	    .dst = be16(c->peer_port),
	    .seq = be32(seq),
	    .ack = be32(c->rcv),
	    .flags = flags | TCP_ACK,
	    .window = be16((uint16_t)room),
	};
}

void tcp_send_syn_ack(struct conn *c, uint64_t now)
{
	struct tcp_header h = header(c, c->una, TCP_SYN);
	size_t mss = net_mtu() - sizeof(struct ip_header) - sizeof h;
	uint8_t *option = (uint8_t *)ip_payload() + sizeof h;
	option[0] = 2; /* maximum segment size */
	option[1] = 4;
	option[2] = (uint8_t)(mss >> 8);
	option[3] = (uint8_t)mss;
	send_segment(&c->peer, &h, 4, 0);
	c->nxt = c->max = c->una + 1;
	c->resend_at = now + (RESEND << c->backoff);
}

/* Acknowledges what came. The number is the highest ever sent: an older one would not be taken. */
static void send_ack(struct conn *c)
{
	struct tcp_header h = header(c, c->max, 0);
	send_segment(&c->peer, &h, 0, 0);
}

/* Sends n bytes of tx from nxt on, with FIN if asked for. */
static void send_data(struct conn *c, size_t n, bool fin)
{
	size_t at = c->nxt - c->una;
	struct tcp_header h = header(c, c->nxt, fin ? TCP_FIN : 0);
	if (n > 0) {
		memcpy((uint8_t *)ip_payload() + sizeof h, c->tx + at, n);
		if (at + n == c->tx_len)
			h.flags |= TCP_PSH;
	}
	send_segment(&c->peer, &h, 0, n);
	c->nxt += (uint32_t)n + fin;
	if (seq_before(c->max, c->nxt))
		c->max = c->nxt;
	if (fin && !c->fin_out) {
		c->fin_out = true;
		c->fin_first = !c->fin_in;
	}
}

/* Sends one segment if data and window allow one; answers whether it did. */
static bool send_next(struct conn *c)
{
	size_t at = c->nxt - c->una;
	if (at > c->tx_len) /* the FIN is out as well */
		return false;
	size_t n = c->tx_len - at;
	size_t allowed = c->window > at ? c->window - at : 0;
	if (allowed == 0 && c->probe && at == 0)
		allowed = 1;
	c->probe = false;
	if (n > allowed)
		n = allowed;
	if (n > c->mss)
		n = c->mss;
	bool fin = c->closing && !c->fin_acked && at + n == c->tx_len;
	if (n == 0 && !fin)
		return false;
	send_data(c, n, fin);
	return true;
}

void tcp_output(struct conn *c, uint64_t now)
{
	while (send_next(c))
		;
	if (c->ack_now)
		send_ack(c);
	bool waiting = c->una != c->max || c->tx_len > 0;
	if (!waiting)
		c->resend_at = 0;
	else if (c->resend_at == 0)
		c->resend_at = now + (RESEND << (c->backoff < MAX_BACKOFF ? c->backoff : MAX_BACKOFF));
}

void tcp_send_reset(struct conn *c)
{
	struct tcp_header h = header(c, c->max, TCP_RST);
	send_segment(&c->peer, &h, 0, 0);
}

void tcp_refuse(const struct peer *from, const struct tcp_header *in, size_t len)
{
	if (in->flags & TCP_RST)
		return;
	struct tcp_header h = {.src = in->dst, .dst = in->src, .flags = TCP_RST};
	if (in->flags & TCP_ACK) {
		h.seq = in->ack;
	} else {
		uint32_t end = be32(in->seq) + (uint32_t)len + !!(in->flags & TCP_SYN) + !!(in->flags & TCP_FIN);
		h.ack = be32(end);
		h.flags |= TCP_ACK;
	}
	send_segment(from, &h, 0, 0);
}
