#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Checks of the tree itself: style.sh format|manuals|complete|licence
set -u

# The files of the tree with one of these endings, '' for all.
files() {
	for ending; do
		find . \( -path './build*' -o -name '.git' -o -name '__pycache__' \
			-o -name '.pytest_cache' \) -prune \
			-o -type f -name "*$ending" -print
	done
}

case $1 in
format)
	files .c .h | xargs clang-format --dry-run -Werror
	;;
manuals)
	files .5 .8 | xargs mandoc -T lint -W warning
	;;
complete)
	# Manual pages name each directive and counter that there is; options
	# are compared by tests/ctl/test_schema.py.
	missing=0
	named() { # PAGE WORD...
		page=$1
		shift
		for word; do
			grep -qw -e "$word" "$page" && continue
			echo "$page does not tell of $word"
			missing=1
		done
	}
	# shellcheck disable=SC2046 # words
	named doc/miredo.conf.5 $(grep -vE 'LATER}|GONE}' src/sys/conf_table.c |
		sed -nE 's/^\t\{"([A-Z][A-Za-z0-9]+)".*/\1/p')
	# shellcheck disable=SC2046 # words
	named doc/miredo.8 $(
		sed -nE 's/^\tX\([A-Z0-9_]+, "([a-z0-9-]+)".*/\1/p' src/core/reason.h |
			grep -vE '^(none|held)$'
	)
	exit $missing
	;;
licence)
	found=$(files '' | grep -vE '^./(COPYING$|fuzz/corpus/)' |
		xargs grep -L 'SPDX-License-Identifier: GPL-2.0-or-later')
	[ -z "$found" ] && exit 0
	echo "no SPDX line in:"
	echo "$found"
	exit 1
	;;
*)
	echo "style.sh: format, manuals, complete or licence" >&2
	exit 2
	;;
esac
