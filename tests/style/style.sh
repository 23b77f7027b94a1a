#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Checks of the tree itself: style.sh format|manuals|complete|reasons|licence
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
	files .1 .5 .7 .8 | xargs mandoc -T lint -W warning
	;;
complete)
	# Manual pages name each directive that there is; options are
	# compared by tests/ctl/test_schema.py.
	missing=0
	# shellcheck disable=SC2013 # words
	for word in $(grep -vE 'LATER}|GONE}' src/sys/conf_table.c |
		sed -nE 's/^\t\{"([A-Z][A-Za-z0-9]+)".*/\1/p'); do
		grep -qw -e "$word" doc/miredo.conf.5 doc/miredo-server.conf.5 &&
			continue
		echo "no page tells of $word"
		missing=1
	done
	# And which are applied while the daemon runs.
	live=$(sed -nE 's/^\t\{"(\w+)", LIVE\(.*/\1/p' src/sys/conf_table.c | sort)
	told=$(sed -n '/^.Ss While the daemon runs/,/^All others/p' \
		doc/miredo.conf.5 | sed -nE 's/^\.Cm (\w+) [,.]$/\1/p' | sort)
	if [ -z "$live" ] || [ "$live" != "$told" ]; then
		echo "at once is applied, or told to be, but not both:"
		printf '%s\n' "$live" "$told" | sort | uniq -u
		missing=1
	fi
	exit $missing
	;;
reasons)
	# teredo(7) explains each reason and counter there is, and no other.
	known=$(sed -nE 's/^\tX\([A-Z0-9_]+, "([a-z0-9-]+)".*/\1/p' \
		src/core/reason.h src/core/client.h src/sys/verdict.h \
		src/sys/event.h src/core/portmap.h | grep -vE '^(none|held)$' | sort -u)
	told=$(sed -n '/^.Sh REASONS/,/^.Sh FILES/p' doc/teredo.7 |
		sed -nE 's/^\.It ([a-z0-9-]+)$/\1/p' | sort -u)
	[ -n "$known" ] && [ "$known" = "$told" ] && exit 0
	echo "in the lists or in doc/teredo.7, but not in both:"
	printf '%s\n' "$known" "$told" | sort | uniq -u
	exit 1
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
	echo "style.sh: format, manuals, complete, reasons or licence" >&2
	exit 2
	;;
esac
