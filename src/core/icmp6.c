/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "icmp6.h"

#include <string.h>

#include "csum.h"

bool icmp6_may_complain(const struct wire_ip6 *ip, uint8_t type)
{
	struct upper u;

	/* (e.6): a source that is no single node. */
	if (!ip6_is_global(&ip->src))
		return false;
	/* (e.3), with its exception for path MTU discovery. */
	if (ip6_is_multicast(&ip->dst) && type != ICMP6_PACKET_TOO_BIG)
		return false;
	/* (e.1), (e.2): what cannot be seen might be an error, too. */
	if (ip6_upper(ip, &u) != REASON_NONE || u.next == NEXT_FRAGMENT)
		return false;
	if (u.next != NEXT_ICMPV6)
		return true;
	return u.n && u.p[0] >= ICMP6_ECHO_REQUEST && u.p[0] != ICMP6_REDIRECT;
}

size_t icmp6_error(uint8_t *p, uint8_t type, uint8_t code, uint32_t mtu,
		   const struct ip6 *source, const struct wire_ip6 *ip,
		   size_t len)
{
	struct wire_ip6 *error = (void *)p;
	struct wire_icmp6 *h = (void *)(error + 1);
	size_t room = TEREDO_MTU - sizeof(*error) - sizeof(*h);

	/* As much of the packet as fits into the smallest MTU (c). */
	if (len > room)
		len = room;
	wire_put_ip6(error, (uint16_t)(sizeof(*h) + len), NEXT_ICMPV6,
		     BUBBLE_HOPS, source, &ip->src);
	*h = (struct wire_icmp6){.type = type, .code = code};
	put32(h->body, mtu);
	memcpy(h + 1, ip, len);
	put16(h->csum, csum_ip6(error, NEXT_ICMPV6));
	return sizeof(*error) + sizeof(*h) + len;
}
