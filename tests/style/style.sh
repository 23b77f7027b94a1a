#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Checks of the tree itself: style.sh format|manuals|licence
set -u

files() {
	git ls-files --cached --others --exclude-standard "$@"
}

case $1 in
format)
	files '*.c' '*.h' | xargs clang-format --dry-run -Werror
	;;
manuals)
	files 'doc/*.[1-8]' | xargs mandoc -T lint -W warning
	;;
licence)
	found=$(files | grep -vE '^(COPYING|fuzz/corpus/|.*\.(json|svg)$)' |
		xargs grep -L 'SPDX-License-Identifier: GPL-2.0-or-later')
	[ -z "$found" ] && exit 0
	echo "no SPDX line in:"
	echo "$found"
	exit 1
	;;
*)
	echo "style.sh: format, manuals or licence" >&2
	exit 2
	;;
esac
