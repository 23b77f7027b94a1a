/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decap.h"

enum ecn {
	NOT_ECT,
	ECT_1,
	ECT_0,
	CE
};

static enum reason merge_ecn(uint8_t outer, uint8_t *inner)
{
	if (outer == CE) {
		if (*inner == NOT_ECT)
			return REASON_ECN;
		*inner = CE;
	} else if (outer == ECT_1 && *inner == ECT_0) {
		*inner = ECT_1;
	}
	return REASON_NONE;
}

enum reason decapsulate(const struct frame *f, uint8_t outer_ecn,
			struct outbox *out)
{
	const struct wire_ip6 *ip = f->ip;
	uint8_t ecn = ip->vcf[1] >> 4 & 3, merged = ecn;
	struct wire_ip6 *head;

	if (merge_ecn(outer_ecn, &merged) != REASON_NONE)
		return REASON_ECN;
	if (merged == ecn) {
		outbox_ip6(out, 0, ip, f->len);
		return REASON_TO_IPV6;
	}
	head = (void *)outbox_head(out);
	*head = *ip;
	head->vcf[1] = (uint8_t)((ip->vcf[1] & ~0x30) | merged << 4);
	outbox_ip6(out, sizeof(*head), ip + 1, f->len - sizeof(*head));
	return REASON_TO_IPV6;
}
