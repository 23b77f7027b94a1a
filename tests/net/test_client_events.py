# SPDX-License-Identifier: GPL-2.0-or-later
"""What happens to a client: NATs, addresses, servers and relays come and go.

The scenes are those of the benches (bench/events), shortened; they mostly
wait, so all that the chosen tests need are played at the same time, each in a
lab of its own.  The tests look at loss, at order and at conditions; limits of
time are those of a slow machine.  What times there really are, and those of
1.2.6, is for `bench/run --only events` to say.
"""

import concurrent.futures

import pytest

from bench.events import scenes
from bench.events.scenes import GUEST, OURS, Stage, first
from lab import Internet, teredo

SERVER, SECOND, RELAY = ("9.0.0.2", 3544), ("9.0.0.3", 3544), "9.0.1.2"
#: Much less than 1.2.6 takes; much more than we do.
SOON = 15
#: A server's silence is noticed early enough to matter.
EAGER = {"config": "RefreshInterval 5\n"}
#: Longer than anybody believes in a peer that is silent (C41, R5).
LONG = 35

#: name -> (scene, its options, who, options of Stage)
SCENES = {
    "start": (scenes.start, {}, OURS, {}),
    "late": (scenes.late_server, {"seconds": 10}, OURS, {"server": False}),
    "names, silent": (scenes.no_names, {"seconds": 8}, OURS, {}),
    "names, failing": (scenes.no_names, {"seconds": 8, "mode": "fail"}, OURS,
                       {}),
    "blocked": (scenes.blocked, {"seconds": 10}, OURS, {}),
    "rebind": (scenes.rebind, {}, OURS, {}),
    "rebind, idle": (scenes.rebind, {"how": None}, OURS, EAGER),
    "address": (scenes.readdress, {}, OURS, {}),
    "address, idle": (scenes.readdress, {"how": None}, OURS, {}),
    "route, idle": (scenes.reroute, {"how": None}, OURS, {}),
    "suspend": (scenes.suspend, {"seconds": 8}, OURS, EAGER),
    "server, out": (scenes.server_away, {"seconds": LONG}, OURS, EAGER),
    "server, both": (scenes.server_away, {"seconds": LONG, "how": "both"},
                     OURS, EAGER),
    "server, in": (scenes.server_away, {"seconds": LONG, "how": "in"}, GUEST,
                   EAGER),
    "server, one way": (scenes.server_away_one_way, {"seconds": LONG}, OURS,
                        EAGER),
    "cut, out": (scenes.cut, {"seconds": LONG}, OURS, {}),
    "cut, in": (scenes.cut, {"seconds": LONG, "how": "in"}, OURS, {}),
    "cut, out, guest": (scenes.cut, {"seconds": LONG}, GUEST, {}),
    "relay": (scenes.relay_restart, {}, OURS, {}),
    "second": (scenes.second_server, {"watched": 40}, OURS, EAGER),
    "sighup": (scenes.sighup, {}, OURS, {}),
    "kill": (scenes.killed, {}, OURS, {}),
    "idle": (scenes.idle, {"seconds": 30}, OURS, {}),
    "idle, dormant": (scenes.idle, {"seconds": 20, "until_log": "dormant"}, OURS, {
        "config": "Qualify on-demand\nQualifyIdle 5\nRefreshInterval 5\n"}),
    "native": (scenes.first_packet, {"way": "native", "ms": 5}, OURS, {}),
    "peer": (scenes.first_packet, {"way": "peer", "ms": 5}, OURS,
             {"nat": "restricted"}),
}
SIDE_BY_SIDE = 12


def plays(*names):
    """Which scenes a test looks at."""
    def mark(function):
        function.plays = names
        return pytest.mark.parametrize("name", names)(function)

    assert all(name in SCENES for name in names), names
    return mark


def play(name):
    """What was seen in a scene."""
    scene, options, team, more = SCENES[name]
    with Internet() as net, net.tidy():
        return scene(Stage(net, team, **more), **options)


@pytest.fixture(scope="module")
def played(request):
    """The scenes that the chosen tests look at, under way."""
    wanted = {item.callspec.params["name"] for item in request.session.items
              if hasattr(getattr(item, "function", None), "plays")}
    order = sorted(wanted, key=lambda name: -SCENES[name][1].get(
        "seconds", 0))
    with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        yield {name: pool.submit(play, name) for name in order}


@pytest.fixture
def seen(played, name):
    """What was seen in the scene of this test."""
    return played[name].result()


def solicitations(seen, start, end=float("inf")):
    """Those sent in that time."""
    return [s for s in seen["_sent"]
            if s.what == "solicitation" and start <= s.time < end]


# -- getting an address ------------------------------------------------


@plays("start")
def test_start(seen):
    """C8, C17: two questions, two answers, an address; nothing else."""
    assert [(s.what, s.src if s.what == "advertisement" else s.dst)
            for s in seen["_sent"]] == [
        ("solicitation", SERVER), ("advertisement", SERVER),
        ("solicitation", SECOND), ("advertisement", SECOND)]


@plays("late", "names, silent", "names, failing", "blocked")
def test_hindered(seen, name):
    """It goes on trying, not too often, and is there soon."""
    assert seen["_early"] is None
    assert seen["after"] is not None and seen["after"] < SOON
    tried = solicitations(seen, 0, seen["_moment"])
    assert bool(tried) == (name == "late"), "nobody was there to be asked" \
        if tried else "nobody was asked"
    for one, two in zip(tried, tried[1:]):
        assert two.time - one.time > .9


# -- the path changes --------------------------------------------------


@plays("rebind")
def test_nat_changes_mapping_under_traffic(seen):
    """C62: silence is a sign; the server is asked long before it is time."""
    assert seen["address"] < SOON and seen["after"] < SOON
    assert seen["asked"] < seen["address"] < seen["after"]
    old, new = teredo.explain(seen["_old"]), teredo.explain(seen["_new"])
    assert old.port != new.port and old.ip4 == new.ip4
    # Nobody can use the old address any more (A37).
    assert ("gone", seen["_old"]) in [c[1:] for c in seen["_changes"]]


@plays("rebind, idle")
def test_nat_changes_mapping_in_silence(seen):
    """C59, C64: found out by maintenance, every 5 s here."""
    assert seen["address"] < 5 + SOON
    asked = solicitations(seen, seen["_moment"])
    assert [s.dst for s in asked[:2]] == [SERVER, SECOND]


@plays("address", "address, idle", "route, idle")
def test_own_place_changes(seen, name):
    """The kernel says so: the server is asked at once, and then traffic goes.

    Without traffic that question is the first datagram after the event; no
    maintenance is due.
    """
    assert seen["asked"] < 3
    assert seen["asked"] < seen["address"] < seen["asked"] + 5
    if "idle" in name:
        sent = [s for s in seen["_sent"] if s.time >= seen["_moment"]]
        assert [s.what for s in sent[:4]] == [
            "solicitation", "advertisement"] * 2
    else:
        assert seen["address"] < seen["after"] < SOON


@plays("suspend")
def test_suspend(seen):
    """Asleep for longer than the refresh interval: asks when it wakes up."""
    assert seen["address"] is not None and seen["address"] < 5
    assert teredo.explain(seen["_new"]).ip4 == "9.0.10.3"


# -- others fail -------------------------------------------------------


@plays("server, out", "server, both", "server, in", "server, one way")
def test_server_away(seen, name):
    """No packet is lost between peers; the server is asked all the time."""
    assert seen["lost"] == 0
    if name == "server, one way":
        return
    assert seen["heard"] is not None and seen["heard"] < SOON
    asked = solicitations(seen, seen["_begin"], seen["_end"])
    assert len(asked) >= 6
    for one, two in zip(asked, asked[1:]):
        assert two.time - one.time > .9
    was, now = seen["_address"]
    assert now == was


@plays("cut, out", "cut, in", "cut, out, guest")
def test_path_cut(seen):
    """It works again soon after, and goes on working."""
    assert seen["_cut"] > (LONG - 2) * 10 * .9, "it was not cut"
    assert seen["after"] is not None and seen["after"] < SOON
    assert seen["_later"] == 0


@plays("relay")
def test_relay_restarts(seen):
    """The new one knows nobody; the client goes to see it."""
    assert seen["after"] is not None and seen["after"] < SOON


@plays("second")
def test_second_server(seen):
    """C85: asked when the first is silent; its old address stays, unused."""
    assert seen["at_start"] is not None and seen["at_start"] < 20
    assert seen["address"] is not None and seen["address"] < 20
    old, new = teredo.explain(seen["_old"]), teredo.explain(seen["_new"])
    assert (old.server, new.server) == ("9.0.0.2", "9.0.6.2")
    assert (old.port, old.ip4) == (new.port, new.ip4)
    assert sorted(seen["_assigned"]) == sorted(
        [(seen["_old"], True), (seen["_new"], False)])
    assert seen["lost"] == 0


# -- the client itself -------------------------------------------------


@plays("sighup")
def test_sighup(seen):
    """Nothing is lost, nothing changes."""
    assert seen["lost"] == 0 and seen["same"] and not seen["_changes"]


@plays("kill")
def test_killed(seen):
    """The port and the flags are remembered, so is the address the same."""
    assert seen["same"] and seen["port"]
    assert seen["after"] is not None and seen["after"] < SOON


@plays("idle")
def test_idle(seen):
    """It sleeps, but for its server; a few a minute more is a slow machine."""
    assert seen["own"] <= 8
    assert {s.what for s in seen["_sent"]} <= {"solicitation",
                                               "advertisement"}


@plays("idle, dormant")
def test_dormant(seen):
    """A53: nothing is sent; the beat of the board is what is left."""
    assert not seen["asked"]
    assert seen["own"] <= 6


# -- the first packet --------------------------------------------------


def shown(seen, since):
    """What crossed the client's cable: (out or in, what, other's address)."""
    mine = teredo.explain(seen["_address"]).ip4
    return [("out", s.what, s.dst[0]) if s.src[0] == mine
            else ("in", s.what, s.src[0])
            for s in seen["_sent"] if s.time >= since]


@plays("native")
def test_first_packet_to_native_host(seen):
    """As few crossings as there can be: nothing waits, nothing is repeated."""
    test = first(seen["_sent"], 0, what="echo", dst=SERVER)
    assert shown(seen, test.time) == [
        ("out", "echo", SERVER[0]), ("in", "bubble", SERVER[0]),
        ("out", "bubble", RELAY), ("in", "reply", RELAY),
        ("out", "echo", RELAY), ("in", "reply", RELAY)]


@plays("peer")
def test_first_packet_to_a_peer(seen):
    """A direct bubble, one by the server; the answer brings the packet out."""
    start = first(seen["_sent"], 0, what="bubble")
    peer = "9.0.11.2"
    got = shown(seen, start.time)
    assert sorted(got[:2]) == [("out", "bubble", SERVER[0]),
                               ("out", "bubble", peer)]
    # The peer asks as well, with a nonce (RFC 6081, 5.2.4.2).
    rest = [line for line in got[2:] if line != ("in", "bubble", SERVER[0])]
    assert rest == [("in", "bubble", peer), ("out", "echo", peer),
                    ("in", "reply", peer)]
