# SPDX-License-Identifier: GPL-2.0-or-later
"""Does it grow?  A straight line through samples, and how sure it is.

Samples follow one another closely and are not independent; some catch a moment
that says nothing, like a process being replaced.  So the time is cut into
blocks of the same length, and the line goes through their medians, by least
squares.  Something grows if both

 - the slope is above zero with confidence: it is more than CONFIDENT times
   its standard error;
 - the line rises by at least a `floor` in that time.  What never repeats, a
   page of a stack that is touched for the first time, makes a line of little
   noise and some slope; it is no leak.  A run that is twice as long finds a
   leak that is half as fast.
"""

import collections
import math
import statistics

BLOCKS = 20
#: Fewer blocks with a sample in them say nothing.
ENOUGH = 10
#: Student's t, one-sided 99 %, for ENOUGH blocks (8 degrees of freedom).
CONFIDENT = 2.9
HOUR = 3600

#: A line: units an hour, plus or minus; by how much it rises in all; is that
#: to be called growth?
Slope = collections.namedtuple("Slope", "hourly error rise grows")


def blocks(samples):
    """Samples, (seconds, value), as one point for each block of time."""
    first, last = samples[0][0], samples[-1][0]
    span = (last - first) / BLOCKS or 1
    found = collections.defaultdict(list)
    for when, value in samples:
        found[min(int((when - first) / span), BLOCKS - 1)].append(value)
    return [((number + .5) * span / HOUR, statistics.median(values))
            for number, values in sorted(found.items())]


def slope(samples, floor):
    """The Slope of samples in order of time; None if they are too few."""
    points = blocks(samples) if samples else []
    if len(points) < ENOUGH:
        return None
    times, values = zip(*points)
    line = statistics.linear_regression(times, values)
    off = sum((value - line.slope * when - line.intercept) ** 2
              for when, value in points) / (len(points) - 2)
    mean = statistics.fmean(times)
    error = CONFIDENT * math.sqrt(
        off / sum((when - mean) ** 2 for when in times))
    rise = line.slope * (samples[-1][0] - samples[0][0]) / HOUR
    return Slope(line.slope, error, rise,
                 line.slope > error and rise >= floor)
