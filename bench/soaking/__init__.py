# SPDX-License-Identifier: GPL-2.0-or-later
"""What bench/soak is made of.

stage.py raises the lab and the daemons; flows.py numbers packets and accounts
for each; trouble.py has a function for each kind of trouble; watch.py samples
the daemons' processes; slopes.py says whether what it saw grows; findings.py
makes a verdict and tables of it all.
"""
