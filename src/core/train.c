/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "train.h"

void train_begin(struct train *t, uint16_t segment)
{
	uint16_t len = t->all.len;

	t->taken = 0;
	t->model = NULL;
	t->count = 1;
	t->segment = len;
	if (segment == 0 || segment >= len)
		return;
	t->segment = segment;
	t->count = (uint16_t)((len + segment - 1) / segment);
}

bool train_next(struct train *t, struct datagram *d)
{
	uint16_t at = (uint16_t)(t->taken * t->segment);

	if (train_ended(t))
		return false;
	*d = t->all;
	d->data += at;
	d->len = (uint16_t)(d->len - at);
	if (d->len > t->segment)
		d->len = t->segment;
	t->taken++;
	return true;
}

const struct wire_ip6 *train_plain(const struct datagram *d)
{
	const struct wire_ip6 *ip = (const void *)d->data;

	if (d->len <= IP6_LEN || d->len > INNER_MAX || d->data[0] >> 4 != 6 ||
	    (ip->next != NEXT_TCP && ip->next != NEXT_UDP) ||
	    d->len != IP6_LEN + ip6_payload_len(ip))
		return NULL;
	return ip;
}
