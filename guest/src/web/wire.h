/* wire.h: the packets, as they lie in a frame. All numbers in them are big endian. */
#ifndef WEB_WIRE_H
#define WEB_WIRE_H

#include "guest.h"

#define PACKED __attribute__((packed))

enum { ETHERTYPE_IPV4 = 0x0800, ETHERTYPE_ARP = 0x0806 };
enum { PROTO_ICMP = 1, PROTO_TCP = 6, PROTO_UDP = 17 };

struct eth_header {
	uint8_t dst[6], src[6];
	uint16_t type;
} PACKED;

struct arp_packet {
	uint16_t hardware, protocol;
	uint8_t hardware_len, protocol_len;
	uint16_t operation;
	uint8_t sender_mac[6];
	uint32_t sender_ip;
	uint8_t target_mac[6];
	uint32_t target_ip;
} PACKED;

struct ip_header {
	uint8_t version_len; /* version << 4 | header length in 32-bit words */
	uint8_t tos;
	uint16_t total_len;
	uint16_t id;
	uint16_t fragment; /* flags and offset */
	uint8_t ttl, protocol;
	uint16_t checksum;
	uint32_t src, dst;
} PACKED;

#define IP_DONT_FRAGMENT 0x4000
#define IP_FRAGMENT 0x3fff /* more fragments, or an offset */

struct icmp_header {
	uint8_t type, code;
	uint16_t checksum;
} PACKED;

struct udp_header {
	uint16_t src, dst, len, checksum;
} PACKED;

struct tcp_header {
	uint16_t src, dst;
	uint32_t seq, ack;
	uint8_t offset; /* header length in 32-bit words << 4 */
	uint8_t flags;
	uint16_t window, checksum, urgent;
} PACKED;

enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_PSH = 8, TCP_ACK = 16 };

static inline uint16_t be16(uint16_t v)
{
	return __builtin_bswap16(v);
}

static inline uint32_t be32(uint32_t v)
{
	return __builtin_bswap32(v);
}

/* The Internet checksum (RFC 1071): add up any number of parts, each but the last of even length, then finish. The
 * result is in the byte order of the wire. */
uint64_t checksum_add(uint64_t sum, const void *data, size_t len);
uint16_t checksum_finish(uint64_t sum);

#endif
