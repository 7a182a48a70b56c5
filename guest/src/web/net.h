/*
 * net.h: the one interface of the guest: Ethernet, ARP, IPv4, ICMP echo, UDP echo.
 *
 *	net_poll ─▶ frame ─┬─ ARP request ──────────────▶ reply
 *	                   └─ IPv4 ─┬─ ICMP echo ───────▶ reply
 *	                            ├─ UDP port 7 ──────▶ the same back
 *	                            └─ TCP ─▶ tcp_input (tcp.h)
 *
 * A server only ever answers, and every answer goes to the MAC address its question came from. So there is no ARP
 * table to fill, to poison or to wait for, and neither netmask nor gateway decide anything.
 */
#ifndef WEB_NET_H
#define WEB_NET_H

#include "wire.h"

/* Where a packet came from, and where the answer goes. */
struct peer {
	uint8_t mac[6];
	uint32_t ip; /* as on the wire */
};

/* Takes the device into use for an address (as on the wire), and announces it. */
void net_start(const struct net_device *dev, uint32_t ip);

/* Handles waiting frames, but not more than a batch; answers whether there may be more. */
bool net_poll(uint64_t now);

/* The largest IPv4 packet that may be sent, in bytes. */
size_t net_mtu(void);

/* Sending: put up to net_mtu() - 20 bytes at ip_payload(), then call ip_send. A frame that the device does not take
 * is lost, as on any network. */
void *ip_payload(void);
void ip_send(const struct peer *to, uint8_t protocol, size_t len);

/* The sum of the pseudo header that TCP and UDP checksums start with; answers for checksum_add. */
uint64_t pseudo_header_sum(const struct peer *peer, uint8_t protocol, size_t len);

#endif
