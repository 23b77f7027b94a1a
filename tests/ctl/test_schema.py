# SPDX-License-Identifier: GPL-2.0-or-later
"""miredoctl(8) has each key, option and metric, and no other."""
import json
import os
import pathlib
import re
import subprocess

import pytest

import fake
from lab import schema

CTL = os.environ["MIREDOCTL"]


@pytest.mark.parametrize("answer, value", [
    ("status", fake.CLIENT), ("status", fake.SILENT), ("status", fake.RELAY),
    ("status", fake.SERVER), ("status", fake.BOTH), ("peers", fake.peers(2)),
    ("log", fake.LOG), ("metrics", fake.METRICS), ("config", fake.CONFIG),
    ("reload", fake.RELOAD)])
def test_answers(answer, value):
    assert schema.complaints(json.dumps(value), answer) == []


def test_it_would_complain():
    def of(**change):
        return schema.complaints(json.dumps(fake.CLIENT | change), "status")
    assert of(new=1) == ["new is not documented"]
    assert of(pid="x") == ["pid is string, and not number"]
    assert of(advice=5) == ["advice is number, and not null or string"]
    assert of(notes=[{"reason": "x", "text": "y"}]) == [
        "notes[].advice is documented, and missing"]
    short = {k: v for k, v in fake.CLIENT.items() if k != "pid"}
    assert schema.complaints(json.dumps(short), "status") == ["pid is documented, and missing"]


@pytest.mark.parametrize("answer, argv", [
    ("explain", ["explain", "2001:0:c33c:c38c:2c5b:751d:34ff:8ef8"]),
    ("explain", ["explain", "2001:0:c33c:c38c:8000:751d:f7ff:f5fe"]),
    ("check", ["check", "/dev/null"]),
    ("netcheck", ["netcheck", "--relay", "2001:db8::1", "127.0.0.1"])])
def test_answers_of_its_own(answer, argv):
    got = subprocess.run([CTL, "--json", *argv], capture_output=True, text=True, check=False)
    assert schema.complaints(got.stdout, answer) == []


def test_words_of_netcheck():
    """Each that there is, and no other; explain knows them."""
    core = (schema.PAGE.parent.parent / "src/core/netcheck.h").read_text()
    there = re.findall(r'X\([A-Z0-9_]+, "([a-z0-9-]+)"', core)
    shown = (schema.PAGE.parent.parent / "src/ctl/netcheck_show.c").read_text()
    notes = re.findall(r'add_note\(notes, "([a-z-]+)"', shown)
    section = schema.PAGE.read_text().split(".Sh NETCHECK")[1].split(".Sh ")[0]
    assert len(there) > 20 and len(notes) == 3
    assert sorted(there + notes) == sorted(re.findall(r"^\.It Cm ([a-z0-9-]+)$", section, re.M))
    subprocess.run([CTL, "explain", *there], check=True, capture_output=True)


def test_metrics(tmp_path):
    fake.Fake(tmp_path / "s", metrics=fake.METRICS)
    text = subprocess.run([CTL, "metrics", "-S", tmp_path / "s"], capture_output=True,
                          text=True, check=True).stdout
    section = schema.PAGE.read_text().split(".Sh METRICS")[1].split(".Sh ")[0]
    assert set(re.findall(r"^# TYPE (\w+)", text, re.M)) == \
        set(re.findall(r"^\.It Ic (teredo_\w+)", section, re.M))
    # What labels can say is a list, too.
    core = (schema.PAGE.parent.parent / "src/core/ledger.h").read_text()
    values = re.findall(r'^\tX\([A-Z_]+, (?:[A-Z_]+, )?"([a-z-]+)",', core, re.M)
    assert len(values) > 35
    for value in values:
        assert re.search(rf"(^|\s){value}(\s|$)", section, re.M), value
    reasons = set(re.findall(r'ended_total\{reason="(.*?)"', text))
    counters = (schema.PAGE.parent / "teredo.7").read_text().split(".Sh COUNTERS")[1]
    assert reasons == set(re.findall(r"^\.It ([a-z0-9-]+)$", counters, re.M))


def test_alerts_and_dashboard():
    dist = schema.PAGE.parent.parent / "dist"
    page = set(re.findall(r"^\.It Ic (teredo_\w+)", schema.PAGE.read_text(), re.M))
    board = json.loads((dist / "grafana.json").read_text())
    exprs = [t["expr"] for panel in board["panels"] for t in panel["targets"]]
    names = set(re.findall(r"teredo_\w+", " ".join(exprs)))
    assert {re.sub("_bucket$", "", name) for name in names} <= page and len(exprs) > 8
    alerts = (dist / "alerts.yml").read_text()
    exprs = re.findall(r"expr: (.*)", alerts)
    assert set(re.findall(r"teredo_\w+", " ".join(exprs))) <= page and len(exprs) == 6
    subprocess.run(["promtool", "check", "rules", dist / "alerts.yml"], check=True,
                   capture_output=True)


def options_of_page(page):
    """{long or short option} of a page's lists."""
    text = "\n".join(re.findall(r"^\.It (Fl .*)$", page.read_text(), re.M))
    return set("--" + name for name in re.findall(r"Fl Fl ([a-z0-9-]+)", text)) | \
        set("-" + letter for letter in re.findall(r"Fl ([a-zA-Z])\b", text))


def options_of_help(*argv):
    text = subprocess.run([*argv, "--help"], capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^  (?:(-\w)|  )(?:, )?\s*(--[a-z0-9-]+)?", text, re.M)
    return {option for both in found for option in both if option}


def test_options_of_miredoctl():
    text = subprocess.run([CTL, "--help"], capture_output=True, text=True, check=True).stdout
    verbs = set(re.findall(r"^  ([a-z]+) ", text, re.M))
    page = schema.PAGE.read_text()
    assert verbs == set(re.findall(r"^\.It Cm (\w+)", page.split(".Sh STATUS")[0], re.M)) - {
        "qualified"}
    assert options_of_page(schema.PAGE) == set().union(
        options_of_help(CTL), *(options_of_help(CTL, verb) for verb in verbs))


def test_options_of_mire():
    mire = pathlib.Path(CTL).parent / "teredo-mire"
    assert options_of_page(schema.PAGE.parent / "teredo-mire.1") == options_of_help(mire)


def test_options_of_exporter():
    exporter = pathlib.Path(CTL).parent / "miredo-exporter"
    if not exporter.exists():
        pytest.skip("built without libmicrohttpd")
    assert options_of_page(schema.PAGE.parent / "miredo-exporter.8") == options_of_help(exporter)


def test_options_of_miredo():
    miredo = schema.PAGE.parent / "miredo.8"
    # Another name, which the help leaves out.
    assert options_of_page(miredo) == options_of_help(pathlib.Path(CTL).parent / "miredo") | {
        "--chrootdir"}


def test_no_name_of_ours_is_one_of_jansson():
    """The linker would take one for the other, silently."""
    def names(*argv):
        text = subprocess.run(["nm", *argv], capture_output=True, text=True,
                              check=True).stdout
        return set(re.findall(r"^[0-9a-f]+ [TDBR] ([^@\n]+)", text, re.M))
    build = pathlib.Path(CTL).parent
    libs = subprocess.run(["ldd", CTL], capture_output=True, text=True, check=True).stdout
    theirs = names("-D", re.search(r"(/\S*libjansson\S*)", libs)[1])
    ours = names(*(build / f"src/{part}/lib{part}.a" for part in ["sys", "core", "ctl"]))
    assert "json_null" in theirs and "verdict_words" in ours and not theirs & ours
