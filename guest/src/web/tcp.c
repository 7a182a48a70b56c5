/* tcp.c: segments in, connections, timers. */
#include "tcp.h"

#define SYN_TIMEOUT (10 * SEC)
#define IDLE_TIMEOUT (60 * SEC)
#define CLOSE_TIMEOUT (10 * SEC)
#define TIME_WAIT_TIMEOUT (1 * SEC)
/* How long a connection must have been without progress to lose its slot to a new one. */
#define STEAL_AFTER (1 * SEC)

enum { DEFAULT_MSS = 536, MIN_MSS = 64, MAX_MSS = 1460 };

static struct conn conns[TCP_SLOTS];
/* Apart from the slots, so that a search touches few pages, and an unused slot none here. */
static struct {
	uint8_t rx[TCP_RX], tx[TCP_TX];
} buffers[TCP_SLOTS];
static struct conn *last = conns; /* most segments come in trains */
static uint16_t our_port;
static uint64_t secret;
static uint64_t next_timer; /* nothing is due before */

void tcp_start(uint16_t port, uint64_t seed)
{
	our_port = port;
	secret = mix64(seed);
	next_timer = UINT64_MAX;
	tcp_output_start(port);
}

static bool belongs(const struct conn *c, const struct peer *from, uint16_t port)
{
	return c->peer_port == port && c->peer.ip == from->ip && c->state != CONN_FREE;
}

static struct conn *find(const struct peer *from, uint16_t port)
{
	if (belongs(last, from, port))
		return last;
	for (struct conn *c = conns; c < conns + TCP_SLOTS; c++)
		if (belongs(c, from, port))
			return last = c;
	return NULL;
}

/* When a connection without progress ends, in ns after its last progress. */
static uint64_t patience(const struct conn *c)
{
	switch (c->state) {
	case CONN_SYN_RECEIVED:
		return SYN_TIMEOUT;
	case CONN_TIME_WAIT:
		return TIME_WAIT_TIMEOUT;
	default:
		return c->closing ? CLOSE_TIMEOUT : IDLE_TIMEOUT;
	}
}

static void set_timer(const struct conn *c)
{
	uint64_t end = c->progress + patience(c);
	if (c->resend_at != 0 && c->resend_at < end)
		end = c->resend_at;
	if (end < next_timer)
		next_timer = end;
}

static void release(struct conn *c)
{
	c->state = CONN_FREE;
}

/* A free slot, or one that is worth less than a new connection, or NULL. */
static struct conn *allocate(uint64_t now)
{
	struct conn *oldest = conns;
	for (struct conn *c = conns; c < conns + TCP_SLOTS; c++) {
		if (c->state == CONN_FREE)
			return c;
		/* One in TIME_WAIT is over for its peer: before all others. */
		bool over = c->state == CONN_TIME_WAIT, best_over = oldest->state == CONN_TIME_WAIT;
		if (over != best_over ? over : c->progress < oldest->progress)
			oldest = c;
	}
	if (oldest->state == CONN_TIME_WAIT)
		return oldest;
	if (now - oldest->progress < STEAL_AFTER)
		return NULL;
	tcp_send_reset(oldest);
	return oldest;
}

/* The maximum segment size among the options of a SYN; hostile options end the search. */
static uint16_t parse_mss(const uint8_t *p, size_t n)
{
	while (n > 0 && p[0] != 0) {
		if (p[0] == 1) {
			p++;
			n--;
			continue;
		}
		if (n < 2 || p[1] < 2 || p[1] > n)
			break;
		if (p[0] == 2 && p[1] == 4) {
			uint16_t mss = (uint16_t)(p[2] << 8 | p[3]);
			return mss < MIN_MSS ? MIN_MSS : mss;
		}
		n -= p[1];
		p += p[1];
	}
	return DEFAULT_MSS;
}

static void accept(struct conn *c, const struct peer *from, const struct tcp_header *t, size_t header, uint64_t now)
{
	uint16_t port = be16(t->src);
	/* RFC 6528: a clock, so that a later connection starts later, and what nobody else can guess. */
	uint64_t who = mix64(secret ^ ((uint64_t)from->ip << 16 | port));
	size_t mss = parse_mss((const uint8_t *)(t + 1), header - sizeof *t);
	size_t limit = net_mtu() - sizeof(struct ip_header) - sizeof *t;
	if (limit > MAX_MSS)
		limit = MAX_MSS;
	memset(c, 0, sizeof *c);
	c->rx = buffers[c - conns].rx;
	c->tx = buffers[c - conns].tx;
	c->state = CONN_SYN_RECEIVED;
	c->peer = *from;
	c->peer_port = port;
	c->mss = (uint16_t)(mss < limit ? mss : limit);
	c->una = c->nxt = c->max = (uint32_t)(who + now / 4000);
	c->rcv = be32(t->seq) + 1;
	c->window = be16(t->window);
	c->win_seq = be32(t->seq);
	c->win_ack = c->una;
	c->progress = now;
	http_start(&c->http);
	tcp_send_syn_ack(c, now);
}

/* SYN comes: a new connection, or one that its peer has forgotten or not yet understood. */
static struct conn *syn_input(struct conn *c, const struct peer *from, const struct tcp_header *t, size_t header,
			      uint64_t now)
{
	uint32_t seq = be32(t->seq);
	if (t->flags & (TCP_ACK | TCP_FIN | TCP_RST)) {
		if (c != NULL)
			c->ack_now = true;
		return c;
	}
	if (c == NULL) {
		c = allocate(now);
		if (c == NULL)
			return NULL; /* no answer: the peer tries again in a second */
	} else if (c->state == CONN_SYN_RECEIVED && c->rcv == seq + 1) {
		tcp_send_syn_ack(c, now);
		return c;
	} else if (c->state == CONN_OPEN || (c->state == CONN_TIME_WAIT && !seq_before(c->rcv, seq))) {
		c->ack_now = true; /* if the peer knows nothing of this connection, it answers with RST */
		return c;
	}
	accept(c, from, t, header, now);
	return last = c;
}

/* RST counts if its number is exactly the expected one; else, if near, the peer is asked (RFC 5961). */
static void reset_input(struct conn *c, uint32_t seq)
{
	if (seq == c->rcv)
		release(c);
	else if (seq - c->rcv < TCP_RX)
		c->ack_now = true;
}

/* Takes the acknowledgement and window of a segment; answers false if the segment is not to be believed. */
static bool ack_input(struct conn *c, const struct tcp_header *t, uint64_t now)
{
	uint32_t ack = be32(t->ack), seq = be32(t->seq);
	if (seq_before(c->max, ack) || (c->state == CONN_SYN_RECEIVED && ack != c->max)) {
		c->ack_now = true;
		return false;
	}
	if (c->state == CONN_SYN_RECEIVED) {
		c->state = CONN_OPEN;
		c->una = ack;
		c->backoff = 0;
		c->resend_at = 0;
		c->progress = now;
	}
	if (seq_before(c->una, ack)) {
		size_t n = ack - c->una;
		if (n > c->tx_len) {
			n = c->tx_len;
			c->fin_acked = true; /* beyond the data there is only our FIN */
		}
		c->tx_len -= n;
		memmove(c->tx, c->tx + n, c->tx_len);
		c->una = ack;
		if (seq_before(c->nxt, ack))
			c->nxt = ack;
		c->backoff = 0;
		c->resend_at = 0;
		c->progress = now;
	}
	if (seq_before(c->win_seq, seq) || (c->win_seq == seq && !seq_before(ack, c->win_ack))) {
		c->window = be16(t->window);
		c->win_seq = seq;
		c->win_ack = ack;
	}
	return true;
}

/* Takes data and FIN, as far as they are the next and there is room. */
static void data_input(struct conn *c, uint32_t seq, const uint8_t *data, size_t len, bool fin, uint64_t now)
{
	if (len == 0 && !fin && seq == c->rcv)
		return;
	c->ack_now = true;
	uint32_t known = c->rcv - seq;
	if (seq_before(c->rcv, seq) || known > len || c->fin_in)
		return; /* something is missing in between, or all of it was here before */
	data += known;
	len -= known;
	if (!c->closing) {
		size_t room = TCP_RX - c->rx_len;
		if (len > room) {
			len = room;
			fin = false;
		}
		memcpy(c->rx + c->rx_len, data, len);
		c->rx_len += len;
		if (len > 0)
			c->progress = now;
	}
	c->rcv += (uint32_t)len;
	if (fin) {
		c->rcv++;
		c->fin_in = true;
		c->progress = now;
	}
}

/* Lets the web server read rx and write tx. */
static void serve(struct conn *c)
{
	bool stuck = false; /* waiting for the peer to send more */
	while (!c->closing && !stuck && TCP_TX - c->tx_len >= HTTP_MAX_RESPONSE) {
		struct http_io io = {
		    .in = (const char *)c->rx,
		    .in_len = c->rx_len,
		    .in_full = c->rx_len == TCP_RX,
		    .out = (char *)c->tx + c->tx_len,
		};
		size_t n = http_step(&c->http, &io, c->peer.ip, c->peer_port);
		c->tx_len += io.out_len;
		c->rx_len -= n;
		memmove(c->rx, c->rx + n, c->rx_len);
		c->closing = io.close;
		stuck = n == 0;
	}
	if (stuck && c->fin_in)
		c->closing = true;
	if (c->closing)
		c->rx_len = 0;
	/* Room that the peer was not told of yet, and may be waiting for. */
	if (c->rcv + (uint32_t)(TCP_RX - c->rx_len) - c->rcv_edge >= TCP_RX / 2)
		c->ack_now = true;
}

/* After every change: answer, or end. */
static void advance(struct conn *c, uint64_t now)
{
	if (c->state == CONN_OPEN)
		serve(c);
	if (c->state != CONN_FREE && (c->state == CONN_OPEN || c->ack_now))
		tcp_output(c, now);
	if (c->state == CONN_OPEN && c->fin_in && c->fin_acked) {
		if (c->fin_first) {
			c->state = CONN_TIME_WAIT;
			c->progress = now;
		} else {
			release(c);
		}
	}
	if (c->state != CONN_FREE)
		set_timer(c);
}

void tcp_input(const struct peer *from, const void *data, size_t len, uint64_t now)
{
	const struct tcp_header *t = data;
	if (len < sizeof *t)
		return;
	size_t header = (size_t)(t->offset >> 4) * 4;
	if (header < sizeof *t || header > len)
		return;
	len -= header;
	struct conn *c = NULL;
	if (be16(t->dst) == our_port)
		c = find(from, be16(t->src));
	if (c == NULL && (be16(t->dst) != our_port || !(t->flags & TCP_SYN) || t->flags & (TCP_ACK | TCP_RST))) {
		tcp_refuse(from, t, len);
		return;
	}
	if (t->flags & TCP_SYN) {
		c = syn_input(c, from, t, header, now);
	} else if (t->flags & TCP_RST) {
		reset_input(c, be32(t->seq));
	} else if (t->flags & TCP_ACK && ack_input(c, t, now)) {
		c->peer = *from; /* the way there may have changed */
		if (c->state == CONN_OPEN || c->state == CONN_TIME_WAIT)
			data_input(c, be32(t->seq), (const uint8_t *)data + header, len, t->flags & TCP_FIN, now);
	}
	if (c != NULL)
		advance(c, now);
}

/* A connection was without progress for as long as it may be. */
static void expire(struct conn *c, uint64_t now)
{
	if (c->state == CONN_OPEN && !c->closing && c->tx_len == 0) {
		c->closing = true;
		c->progress = now;
		advance(c, now);
		return;
	}
	if (c->state != CONN_TIME_WAIT)
		tcp_send_reset(c);
	release(c);
}

/* Something sent was not acknowledged in time, or the window stayed closed. */
static void resend(struct conn *c, uint64_t now)
{
	c->backoff++;
	c->resend_at = 0;
	if (c->state == CONN_SYN_RECEIVED) {
		tcp_send_syn_ack(c, now);
		return;
	}
	c->nxt = c->una;
	c->probe = true;
	tcp_output(c, now);
}

uint64_t tcp_timers(uint64_t now)
{
	if (now < next_timer)
		return next_timer;
	next_timer = UINT64_MAX;
	for (struct conn *c = conns; c < conns + TCP_SLOTS; c++) {
		if (c->state == CONN_FREE)
			continue;
		if (now >= c->progress + patience(c))
			expire(c, now);
		else if (c->resend_at != 0 && now >= c->resend_at)
			resend(c, now);
		if (c->state != CONN_FREE)
			set_timer(c);
	}
	return next_timer;
}
