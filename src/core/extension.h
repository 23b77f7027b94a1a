/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The extensions of RFC 6081, each of which may be off. Names are those of its
 * §3, and are shown to users. What is said of PP and SP is for a NAT that gives
 * each destination another port (X7): they are of no use without SNS. UP and HP
 * (§5.3, §5.6) are not built.
 */
#ifndef CORE_EXTENSION_H
#define CORE_EXTENSION_H

#include <stdbool.h>

#define EXTENSION_LIST(X)                                                      \
	X(SNS, "sns") /* nonces; an address behind a symmetric NAT, §5.2 */   \
	X(PP, "pp")   /* it keeps ports, §5.4 */                              \
	X(SP, "sp")   /* it counts ports up, §5.5 */                          \
	X(SLR, "slr") /* silent peers are asked without their server, §5.7 */

enum extension_index {
#define X(id, name) EXT_INDEX_##id,
	EXTENSION_LIST(X)
#undef X
	EXTENSIONS
};

/* Members of a set. */
enum {
#define X(id, name) EXT_##id = 1 << EXT_INDEX_##id,
	EXTENSION_LIST(X)
#undef X
	EXT_ALL = (1 << EXTENSIONS) - 1
};

/* X7: is with each one all that it needs? */
static inline bool extensions_fit(unsigned set)
{
	if (set & (EXT_PP | EXT_SP) && !(set & EXT_SNS))
		return false;
	return !(set & EXT_SP) || set & EXT_PP;
}

#endif
