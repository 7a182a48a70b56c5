/*
 * tcp.h: a TCP that serves. Connections are only accepted, on one port.
 *
 *	          SYN ┌──────────────┐ ACK  ┌──────┐ both FINs seen, ours first ┌───────────┐
 *	  free ──────▶│ SYN_RECEIVED │─────▶│ OPEN │───────────────────────────▶│ TIME_WAIT │──▶ free
 *	    ▲         └──────┬───────┘      └──┬───┘                            └───────────┘
 *	    └────────────────┴─────────────────┘ RST, silence, both FINs seen, the peer's first
 *
 * OPEN has what RFC 9293 calls ESTABLISHED to LAST_ACK; the flags of struct conn tell them apart. Data is taken in
 * order only. One timer retransmits (from the last acknowledged byte on, doubling) and probes a closed window;
 * another ends connections without progress. All slots taken, a new connection gets that of the one which has been
 * without progress for longest, if that is long enough.
 */
#ifndef WEB_TCP_H
#define WEB_TCP_H

#include "http.h"
#include "net.h"

enum { TCP_SLOTS = 64, TCP_RX = 2048, TCP_TX = 4096 };

enum conn_state { CONN_FREE, CONN_SYN_RECEIVED, CONN_OPEN, CONN_TIME_WAIT };

struct conn {
	enum conn_state state;
	struct peer peer;
	uint16_t peer_port;
	uint16_t mss; /* the largest segment to send */

	bool fin_in;    /* the peer has said all */
	bool closing;   /* we will say no more than is in tx, then FIN */
	bool fin_out;   /* our FIN was sent at least once */
	bool fin_acked; /* and acknowledged */
	bool fin_first; /* ours was sent before theirs came: TIME_WAIT is ours, too */
	bool ack_now;   /* an acknowledgement is due */
	bool probe;     /* send a byte even if the window is closed */

	uint32_t una;              /* the oldest byte sent and not acknowledged: that of tx[0] */
	uint32_t nxt;              /* the next byte to send */
	uint32_t max;              /* the end of all that was ever sent */
	uint32_t window;           /* how much from una on the peer takes */
	uint32_t win_seq, win_ack; /* the segment that said so */
	uint32_t rcv;              /* the next byte expected */
	uint32_t rcv_edge;         /* the end of what we said we take */

	unsigned backoff;   /* retransmissions without an answer */
	uint64_t resend_at; /* when the next is due, 0: never */
	uint64_t progress;  /* when something new last came or was acknowledged */

	struct http http;
	size_t rx_len, tx_len;
	uint8_t *rx; /* TCP_RX bytes received and not yet read by the web server */
	uint8_t *tx; /* TCP_TX bytes, from una on */
};

/* Accepts connections to the port from now on. The seed must differ between runs and be hard to guess. */
void tcp_start(uint16_t port, uint64_t seed);

/* Takes a segment that came in an IP packet. */
void tcp_input(const struct peer *from, const void *data, size_t len, uint64_t now);

/* Does what is due, and answers when something will be next (UINT64_MAX: nothing). */
uint64_t tcp_timers(uint64_t now);

/* ---- tcp_output.c: used by tcp.c ---- */
void tcp_output_start(uint16_t port);
/* Sends what there is to send: data, FIN, or an acknowledgement; and sets resend_at. */
void tcp_output(struct conn *c, uint64_t now);
/* Sends SYN and ACK. */
void tcp_send_syn_ack(struct conn *c, uint64_t now);
/* Tells the peer of a connection that there is none any more. */
void tcp_send_reset(struct conn *c);
/* Answers a segment that belongs to no connection. */
void tcp_refuse(const struct peer *from, const struct tcp_header *in, size_t len);

/* Sequence numbers wrap: a < b on the circle. */
static inline bool seq_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

#endif
