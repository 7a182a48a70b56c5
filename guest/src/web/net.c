/* net.c: see net.h. Every length in a received frame is checked against what was received. */
#include "net.h"

#include "tcp.h"

/* Room for jumbo frames. Frames start at 2, which aligns what follows the Ethernet header. */
enum { FRAME = 14 + 9000, PAD = 2, BATCH = 64 };

static struct net_device dev;
static uint32_t our_ip;
static uint16_t next_id;
static uint8_t rx[PAD + FRAME] __attribute__((aligned(16)));
static uint8_t tx[PAD + FRAME] __attribute__((aligned(16)));

static struct eth_header *const tx_eth = (struct eth_header *)(tx + PAD);
static struct ip_header *const tx_ip = (struct ip_header *)(tx + PAD + sizeof(struct eth_header));

uint64_t checksum_add(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t w[4];
	/* 32-bit words into 64 bits: no carries to look after below 16 GB. */
	for (; len >= sizeof w; p += sizeof w, len -= sizeof w) {
		__builtin_memcpy(w, p, sizeof w);
		sum += (uint64_t)w[0] + w[1];
		sum += (uint64_t)w[2] + w[3];
	}
	for (; len >= 2; p += 2, len -= 2)
		sum += (uint32_t)p[0] | (uint32_t)p[1] << 8;
	if (len > 0)
		sum += p[0];
	return sum;
}

uint16_t checksum_finish(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

uint64_t pseudo_header_sum(const struct peer *peer, uint8_t protocol, size_t len)
{
	return (uint64_t)our_ip + peer->ip + be16(protocol) + be16((uint16_t)len);
}

size_t net_mtu(void)
{
	return dev.mtu;
}

void *ip_payload(void)
{
	return tx_ip + 1;
}

static void send_frame(const uint8_t *dst, uint16_t type, size_t len)
{
	memcpy(tx_eth->dst, dst, 6);
	memcpy(tx_eth->src, dev.mac, 6);
	tx_eth->type = be16(type);
	(void)net_write(dev.handle, tx_eth, sizeof *tx_eth + len);
}

void ip_send(const struct peer *to, uint8_t protocol, size_t len)
{
	*tx_ip = (struct ip_header){
	    .version_len = 0x45,
	    .total_len = be16((uint16_t)(sizeof *tx_ip + len)),
	    .id = be16(next_id++),
	    .fragment = be16(IP_DONT_FRAGMENT),
	    .ttl = 64,
	    .protocol = protocol,
	    .src = our_ip,
	    .dst = to->ip,
	};
	tx_ip->checksum = checksum_finish(checksum_add(0, tx_ip, sizeof *tx_ip));
	send_frame(to->mac, ETHERTYPE_IPV4, sizeof *tx_ip + len);
}

static void arp_send(uint16_t operation, const uint8_t *mac, uint32_t ip, const uint8_t *to)
{
	struct arp_packet *a = (struct arp_packet *)tx_ip;
	*a = (struct arp_packet){
	    .hardware = be16(1),
	    .protocol = be16(ETHERTYPE_IPV4),
	    .hardware_len = 6,
	    .protocol_len = 4,
	    .operation = be16(operation),
	    .sender_ip = our_ip,
	    .target_ip = ip,
	};
	memcpy(a->sender_mac, dev.mac, 6);
	memcpy(a->target_mac, mac, 6);
	send_frame(to, ETHERTYPE_ARP, sizeof *a);
}

static void arp_input(const void *data, size_t len)
{
	const struct arp_packet *a = data;
	if (len < sizeof *a || a->hardware != be16(1) || a->protocol != be16(ETHERTYPE_IPV4))
		return;
	if (a->hardware_len != 6 || a->protocol_len != 4 || a->operation != be16(1))
		return;
	if (a->target_ip != our_ip || a->sender_ip == our_ip || a->sender_mac[0] & 1)
		return;
	arp_send(2, a->sender_mac, a->sender_ip, a->sender_mac);
}

static void icmp_input(const struct peer *from, const void *data, size_t len)
{
	const struct icmp_header *in = data;
	if (len < 8 || in->type != 8 || in->code != 0 || len > net_mtu() - sizeof(struct ip_header))
		return;
	struct icmp_header *out = ip_payload();
	memcpy(out, in, len);
	/* Only the type changed, from 8 to 0: so does the checksum (RFC 1624), and damage on the way still shows. */
	out->type = 0;
	out->checksum = checksum_finish((uint64_t)(uint16_t)~in->checksum + (uint16_t)~be16(0x0800));
	ip_send(from, PROTO_ICMP, len);
}

static void udp_input(const struct peer *from, const void *data, size_t len)
{
	const struct udp_header *in = data;
	if (len < sizeof *in || in->dst != be16(7))
		return;
	size_t n = be16(in->len);
	/* From an echo port or below it would go on for ever. */
	if (n < sizeof *in || n > len || n > net_mtu() - sizeof(struct ip_header) || be16(in->src) <= 7)
		return;
	struct udp_header *out = ip_payload();
	memcpy(out, in, n);
	out->src = in->dst;
	out->dst = in->src;
	out->checksum = 0;
	out->checksum = checksum_finish(checksum_add(pseudo_header_sum(from, PROTO_UDP, n), out, n));
	if (out->checksum == 0) /* on the wire 0 means none */
		out->checksum = 0xffff;
	ip_send(from, PROTO_UDP, n);
}

static bool is_host_address(uint32_t ip)
{
	uint32_t top = be32(ip) >> 24;
	return top != 0 && top != 127 && top < 224 && ip != our_ip;
}

/*
 * Checksums of TCP, UDP and ICMP are not verified: a packet that the same host sent through a tap carries only the
 * part of one that its (offloading) device was meant to complete.
 */
static void ip_input(const uint8_t *src_mac, const void *data, size_t len, uint64_t now)
{
	const struct ip_header *ip = data;
	if (len < sizeof *ip || ip->version_len >> 4 != 4 || ip->dst != our_ip)
		return;
	size_t header = (size_t)(ip->version_len & 15) * 4, total = be16(ip->total_len);
	if (header < sizeof *ip || total < header || total > len)
		return;
	if (be16(ip->fragment) & IP_FRAGMENT || !is_host_address(ip->src))
		return;
	if (checksum_finish(checksum_add(0, ip, header)) != 0)
		return;
	struct peer from = {.ip = ip->src};
	memcpy(from.mac, src_mac, 6);
	const uint8_t *payload = (const uint8_t *)data + header;
	switch (ip->protocol) {
	case PROTO_ICMP:
		icmp_input(&from, payload, total - header);
		break;
	case PROTO_UDP:
		udp_input(&from, payload, total - header);
		break;
	case PROTO_TCP:
		tcp_input(&from, payload, total - header, now);
		break;
	}
}

static void frame_input(const uint8_t *frame, size_t len, uint64_t now)
{
	const struct eth_header *eth = (const struct eth_header *)frame;
	if (len < sizeof *eth || eth->src[0] & 1)
		return;
	const uint8_t *payload = frame + sizeof *eth;
	size_t n = len - sizeof *eth;
	if (eth->type == be16(ETHERTYPE_ARP))
		arp_input(payload, n);
	else if (eth->type == be16(ETHERTYPE_IPV4) && memcmp(eth->dst, dev.mac, 6) == 0)
		ip_input(eth->src, payload, n, now);
}

bool net_poll(uint64_t now)
{
	for (int i = 0; i < BATCH; i++) {
		size_t len = FRAME;
		if (net_read(dev.handle, rx + PAD, &len) != R_OK)
			return false;
		frame_input(rx + PAD, len, now);
	}
	return true;
}

void net_start(const struct net_device *d, uint32_t ip)
{
	static const uint8_t broadcast[6] = {255, 255, 255, 255, 255, 255}, nobody[6];
	dev = *d;
	if (dev.mtu > FRAME - sizeof *tx_eth)
		dev.mtu = FRAME - sizeof *tx_eth;
	if (dev.mtu < 576)
		dev.mtu = 576;
	our_ip = ip;
	/* Whoever knew an earlier unikernel by this address learns the new MAC address. */
	arp_send(1, nobody, our_ip, broadcast);
}
