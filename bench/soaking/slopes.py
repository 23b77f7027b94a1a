# SPDX-License-Identifier: GPL-2.0-or-later
"""Does it grow?  A straight line through samples, and how sure it is.

Samples follow one another closely and are not independent; some catch a moment
that says nothing, like a process being replaced.  So the time is cut into
blocks of the same length, and the line goes through their medians, by least
squares.  Something grows if both

 - the slope is above zero with confidence: it is more than CONFIDENT times
   its standard error;
 - the line rises by at least a `floor` in that time

also when the greatest step between two blocks is taken out. What happens once,
like memory that is used late for the first time, is no leak; it makes a line
of some slope, nevertheless. A run that is twice as long finds a leak that is
half as fast.
"""

import collections
import itertools
import math
import statistics

BLOCKS = 20
#: Fewer blocks with a sample in them say nothing.
ENOUGH = 10
#: Student's t, one-sided 99 %, for ENOUGH blocks (8 degrees of freedom).
CONFIDENT = 2.9
HOUR = 3600

#: A line: units an hour, plus or minus; by how much it rises in all; is that
#: to be called growth?  The step that it would be without, 0 for none.
Slope = collections.namedtuple("Slope", "hourly error rise grows step",
                               defaults=(0,))


def blocks(samples):
    """Samples, (seconds, value), as one point for each block of time."""
    first, last = samples[0][0], samples[-1][0]
    span = (last - first) / BLOCKS or 1
    found = collections.defaultdict(list)
    for when, value in samples:
        found[min(int((when - first) / span), BLOCKS - 1)].append(value)
    return [((number + .5) * span / HOUR, statistics.median(values))
            for number, values in sorted(found.items())]


def fit(points, floor):
    """The line through points, (hours, value)."""
    times, values = zip(*points)
    line = statistics.linear_regression(times, values)
    off = sum((value - line.slope * when - line.intercept) ** 2
              for when, value in points) / (len(points) - 2)
    mean = statistics.fmean(times)
    error = CONFIDENT * math.sqrt(
        off / sum((when - mean) ** 2 for when in times))
    rise = line.slope * (times[-1] - times[0])
    return Slope(line.slope, error, rise, line.slope > error and rise >= floor)


def slope(samples, floor):
    """The Slope of samples in order of time; None if they are too few."""
    points = blocks(samples) if samples else []
    if len(points) < ENOUGH:
        return None
    line = fit(points, floor)
    step, at = max((after[1] - before[1], after[0])
                   for before, after in itertools.pairwise(points))
    level = fit([(when, value - step * (when >= at))
                 for when, value in points], floor)
    if line.grows and not level.grows:
        return line._replace(grows=False, step=step)
    return line
