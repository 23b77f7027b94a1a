# SPDX-License-Identifier: GPL-2.0-or-later
"""bench/soak: it runs, and it would find what it looks for."""

import json
import random
import subprocess
import time

import pytest

from bench.soaking import findings
from bench.soaking.flows import Account, Flow, Flows
from bench.soaking.slopes import slope
from bench.soaking.trouble import KINDS
from bench.soaking.watch import Usage, Watch
from lab import wait_for
from lab.host import REPOSITORY

FLOOR = findings.FLOORS["memory"]


def samples(leak=0.0, noise=100.0, seed=1, seconds=600):
    """Kilobytes, looked at every two seconds; leak: as many a second."""
    rng = random.Random(seed)
    return [(1e5 + t, 9000 + leak * t + rng.uniform(-noise, noise))
            for t in range(0, seconds, 2)]


def test_leak_is_found():
    """A kilobyte a second, among more noise than there is."""
    found = slope(samples(leak=1), FLOOR)
    assert found.grows
    assert abs(found.hourly - 3600) < found.error < 360


@pytest.mark.parametrize("seed", range(20))
def test_noise_is_no_leak(seed):
    assert not slope(samples(seed=seed), FLOOR).grows


@pytest.mark.parametrize("size, moment", [(40, 300), (2048, 300), (2048, 99)])
def test_what_happens_once_is_no_leak(size, moment):
    """Pages touched late, and a process that is missing for a moment."""
    once = [(t, 9000 + size * (t > 1e5 + moment)) for t, _ in samples()]
    once[77] = (once[77][0], 0)
    found = slope(once, FLOOR)
    assert not found.grows
    assert found.step in (0, size)


def test_what_happens_again_and_again_is_one():
    again = [(t, v + 2048 * (t > 1e5 + 200) + 2048 * (t > 1e5 + 400))
             for t, v in samples()]
    assert slope(again, FLOOR).grows


def test_descriptors():
    """One more each half minute is a leak, one more for good is none."""
    limit = findings.FLOORS["descriptors"]
    for grows, number in ((True, lambda t: t // 30), (False, lambda t: t > 99),
                          (False, lambda t: t > 300), (False, lambda t: 0),
                          (True, lambda t: (t > 200) + (t > 400))):
        series = [(t, 20 + number(t)) for t in range(0, 600, 2)]
        assert slope(series, limit).grows == grows


def test_too_few_samples():
    assert slope([], FLOOR) is None
    assert slope(samples(seconds=10), FLOOR) is None


def test_who_is_summed_up():
    """All processes; or only those that are there all the time."""
    watch = Watch([], 1)
    watch.samples = [(when, {"relay": {1: Usage(300 + when, 10, 1),
                                       second: Usage(9000, 20, 2)}})
                     for when, second in enumerate((2, 2, 2, 3, 4))]
    assert watch.series("relay", "memory", 1, 3) \
        == [(1, 9301), (2, 9302), (3, 9303)]
    assert watch.series("relay", "memory", 2, 9, steadfast=True) \
        == [(2, 302), (3, 303), (4, 304)]
    assert watch.series("relay", "threads", 5, 9, steadfast=True) == []


def test_each_number_is_accounted_for():
    account = Account()
    for moment in range(10):
        account.next(moment)
    for number in 0, 1, 3, 2, 3, 7, 8, 9:
        account.came(number)
    assert (account.sent, account.received) == (10, 7)
    assert (account.lost(), account.again, account.late) == ([4, 5, 6], 1, 1)
    assert account.heard == 9


def test_loss_is_noticed(net):
    flow = Flow(net.tester, net.v6, net.v6.ip6)
    flows = Flows([flow], 100)
    flows.start()
    wait_for(lambda: flow.received > 10, "packets")
    begin = time.monotonic()
    with net.away(net.v6):
        end = flow.sent + 10
        wait_for(lambda: flow.sent > end, "packets to be lost")
    cut, end = time.monotonic(), flow.received + 10
    wait_for(lambda: flow.received > end, "packets")
    flows.stop(.2)
    assert len(flow.lost()) >= 10
    assert all(begin <= moment <= cut for moment in flow.lost())
    assert flow.sent == flow.received + len(flow.lost())


GOOD = {"problem": None, "stray": 0, "judged": dict.fromkeys(
            findings.FLOORS, True),
        "slopes": {"relay": {what: (1, slope([(t, 1) for t in range(600)], 1))
                             for what in findings.FLOORS}},
        "flows": [{"flow": "a > b", "established": True, "lost": 0,
                   "again": 0, "wrong": 0}]}


@pytest.mark.parametrize("what, bad", [
    ("problem", {"problem": "no end"}), ("stray", {"stray": 1}),
    ("slopes", {"slopes": {"relay": dict.fromkeys(
        findings.FLOORS, (1, slope(samples(leak=1), FLOOR)))}}),
    ("samples", {"slopes": {"relay": {"memory": (1, None)}}}),
    *((name, {"flows": [{**GOOD["flows"][0], name: 1}]})
      for name in ("lost", "again", "wrong"))])
def test_verdict(what, bad):
    assert not list(findings.wrong(GOOD))
    assert list(findings.wrong({**GOOD, **bad}))


def test_soak(tmp_path):
    """Each kind of trouble at least once; nothing is lost."""
    file = tmp_path / "soak.json"
    done = subprocess.run(
        [REPOSITORY / "bench" / "soak", "--no-build", "--minutes", "0.1",
         "--seed", "1", "--json", file], text=True, capture_output=True,
        check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(file.read_text())
    assert {event[0] for event in found["events"]} \
        == {kind.name for kind in KINDS}
    assert all(flow["sent"] > 50 for flow in found["flows"])
    assert found["counters"]["relay"]["released"] > 0
