# SPDX-License-Identifier: GPL-2.0-or-later
"""What happens to a client, and how it gets over it.

observe.py watches: pings, addresses, datagrams, wake-ups.  scenes.py has one
function for each event; it plays it in a lab and returns what was seen.  The
tests (tests/net/test_client_events.py) play the scenes shortened and look at
order and loss; rows.py makes the table of the benches of them, in real time
and with both implementations.
"""
