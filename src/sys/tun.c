/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tunnel device (see tun.h): whole IPv6 packets, no header before them. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tun.h"

int tun_open(const char *name)
{
	/* Exclusively: the kernel would hand us a persistent device that is
	 * there, with its routes. */
	struct ifreq ifr = {
		.ifr_flags = (short)(IFF_TUN | IFF_NO_PI | IFF_TUN_EXCL)};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK), r;

	if (fd < 0)
		return -errno;
	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

int tun_adopt(int fd, char name[static IFNAMSIZ])
{
	struct ifreq ifr = {0};
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || ioctl(fd, TUNGETIFF, &ifr) < 0)
		return -errno;
	if ((ifr.ifr_flags & (IFF_TUN | IFF_NO_PI | IFF_VNET_HDR)) !=
	    (IFF_TUN | IFF_NO_PI))
		return -EINVAL;
	if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	memcpy(name, ifr.ifr_name, IFNAMSIZ);
	return 0;
}

bool tun_is_up(unsigned ifindex, int socket)
{
	struct ifreq ifr = {0};

	return if_indextoname(ifindex, ifr.ifr_name) &&
	       ioctl(socket, SIOCGIFFLAGS, &ifr) == 0 && ifr.ifr_flags & IFF_UP;
}

int tun_receive(int fd, struct tun_batch *b)
{
	int n = 0;

	while (n < BATCH) {
		ssize_t len = read(fd, b->bytes[n], PACKET_SPACE);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return n || errno == EAGAIN ? n : -errno;
		b->len[n++] = (uint16_t)len;
	}
	return n;
}

unsigned tun_send(int fd, const struct out *const *v, unsigned n)
{
	unsigned refused = 0;

	for (unsigned i = 0; i < n; i++) {
		struct iovec iov[2];
		int parts = (int)out_to_iov(iov, v[i]);

		refused += writev(fd, iov, parts) < 0;
	}
	return refused;
}
