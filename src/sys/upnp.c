/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UPnP (see upnp.h). Discovery asks the link by multicast, and anybody there
 * may answer; then the device describes itself, with addresses to talk to. None
 * is believed but that of the router: whoever says "http://elsewhere/" is
 * passed over, so nothing is sent anywhere else, and no name is looked up.
 */
#include <arpa/inet.h>
#include <miniupnpc/miniupnpc.h>
#include <miniupnpc/upnpcommands.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "preflight.h"
#include "upnp.h"
#include "value.h"

enum {
	/* They may take a second to answer (MX). In all, see
	 * GATEWAY_GIVES_UP_S. */
	DISCOVERY_MS = 1500,
	TTL = 2,
	NUMBER = 16,
	NO_SUCH_ENTRY = 714,
	NOT_AUTHORIZED = 606,
	CONFLICT = 718,
};

/* An answer's length is read by strtol() from what does not end with 0, but
 * with a line; which the sanitizer, where it is strict, takes exception to. */
#ifdef __SANITIZE_ADDRESS__
const char *__asan_default_suppressions(void);

const char *__asan_default_suppressions(void)
{
	return "interceptor_via_lib:libminiupnpc";
}
#endif

const bool upnp_is_built = true;

/* Who is looked for; those that know better answer to this, too. */
static const char *const devices[] = {
	"urn:schemas-upnp-org:device:InternetGatewayDevice:1", NULL};

/* "http://192.168.1.1:5000/..." or without a port: on this very host? */
static bool is_at(const char *url, const char *host)
{
	static const char head[] = "http://";
	size_t n = strlen(host);

	if (!url || strncmp(url, head, strlen(head)) != 0)
		return false;
	url += strlen(head);
	return strncmp(url, host, n) == 0 && (url[n] == ':' || url[n] == '/');
}

/* The gateway's description, among those that answered; or NULL. */
static const char *find(const struct UPNPDev *d, const char *gateway)
{
	for (; d; d = d->pNext) {
		if (is_at(d->descURL, gateway))
			return d->descURL;
	}
	return NULL;
}

struct device {
	struct UPNPUrls urls;
	struct IGDdatas data;
	char local[NUMBER], port[NUMBER], external[NUMBER];
};

static enum portmap_why meet(struct device *d, const char *gateway)
{
	char address[64];
	int error = 0;
	struct UPNPDev *list = upnpDiscoverDevices(
		devices, DISCOVERY_MS, d->local, "", 0, 0, TTL, &error, 0);
	const char *url = find(list, gateway);

	if (!url)
		return PORTMAP_SILENT;
	if (UPNP_GetIGDFromUrl(url, &d->urls, &d->data, address,
			       sizeof(address)) != 1)
		return PORTMAP_BROKEN;
	return is_at(d->urls.controlURL, gateway) &&
			       d->data.first.servicetype[0]
		       ? PORTMAP_OK
		       : PORTMAP_BROKEN;
}

static enum portmap_why why_of(int error)
{
	switch (error) {
	case UPNPCOMMAND_SUCCESS:
		return PORTMAP_OK;
	case CONFLICT:
		return PORTMAP_TAKEN;
	case NOT_AUTHORIZED:
		return PORTMAP_REFUSED;
	case UPNPCOMMAND_INVALID_RESPONSE:
	case UPNPCOMMAND_HTTP_ERROR:
	case UPNPCOMMAND_UNKNOWN_ERROR:
		return PORTMAP_BROKEN;
	default:
		return PORTMAP_FAILED;
	}
}

/* X32, X21: with an empty remote host. */
static enum portmap_why take_away(const struct device *d)
{
	int e = UPNP_DeletePortMapping(d->urls.controlURL,
				       d->data.first.servicetype, d->external,
				       "UDP", "");

	return e == NO_SUCH_ENTRY ? PORTMAP_OK : why_of(e);
}

/* X25: an address that is not global is one, too: of the next NAT. */
static enum portmap_why ask_address(const struct device *d, uint32_t *ip)
{
	char text[64] = "";
	int e = UPNP_GetExternalIPAddress(d->urls.controlURL,
					  d->data.first.servicetype, text);

	text[sizeof(text) - 1] = '\0';
	if (e)
		return why_of(e);
	return value_ip4(ip, text) && *ip ? PORTMAP_OK : PORTMAP_BROKEN;
}

/* X22 */
static enum portmap_why add(const struct device *d)
{
	return why_of(UPNP_AddPortMapping(
		d->urls.controlURL, d->data.first.servicetype, d->external,
		d->port, d->local, "TEREDO", "UDP", "", "0"));
}

static enum portmap_why make(const struct device *d,
			     const struct portmap_job *job,
			     struct portmap_result *r)
{
	enum portmap_why why = add(d);

	/* A refusal is one; without an answer nothing is known. */
	r->is_maybe = why == PORTMAP_BROKEN;
	if (why != PORTMAP_OK)
		return why;
	why = ask_address(d, &r->external.ip);
	if (why != PORTMAP_OK) /* X25 */
		r->is_maybe = take_away(d) != PORTMAP_OK;
	r->external.port = job->lease.external.port;
	return why;
}

/* What the library has allocated goes with the process. */
enum portmap_why upnp_do(const struct portmap_job *job,
			 struct portmap_result *r, void (*begins)(int arg),
			 int arg)
{
	const struct portmap_lease *l = &job->lease;
	static struct device d;
	char gateway[NUMBER];
	enum portmap_why why;

	*r = (struct portmap_result){0};
	snprintf(gateway, sizeof(gateway), "%s", ip4_text(l->gateway));
	snprintf(d.local, sizeof(d.local), "%s", ip4_text(l->local.ip));
	snprintf(d.port, sizeof(d.port), "%u", l->local.port);
	snprintf(d.external, sizeof(d.external), "%u", l->external.port);
	why = meet(&d, gateway);
	if (why != PORTMAP_OK)
		return why;
	if (job->is_end)
		return take_away(&d);
	begins(arg);
	return make(&d, job, r);
}
