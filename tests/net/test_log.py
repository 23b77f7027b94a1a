# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the log goes, what is in it, and how the journal gets it."""

import re
import signal
import socket
import struct

import pytest

from lab.host import wait_for

#: By its name, the identifier of each event.
EVENTS = dict(re.findall(
    r'"([a-z0-9-]+)",[\s\\]+"([0-9a-f]{32})"',
    (__import__("pathlib").Path(__file__).resolve().parents[2]
     / "src/sys/event.h").read_text()))


class Journal:
    """What systemd-journald is for who writes."""

    def __init__(self, host):
        self.entries = []
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        host.run(["mkdir", "-p", "/run/systemd/journal"])
        host.run(["rm", "-f", "/run/systemd/journal/socket"])
        path = host.path("/run/systemd/journal/socket")
        self.sock.bind(str(path))
        path.chmod(0o666)

    def read(self):
        """All entries so far, a dictionary each."""
        while True:
            try:
                data = self.sock.recv(65536, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return self.entries
            self.entries.append(fields(data))

    def wait(self, pattern, timeout=20.0):
        """The first entry whose message has a match."""
        return wait_for(lambda: next(
            (entry for entry in self.read()
             if re.search(pattern, entry["MESSAGE"])), None),
            f"{pattern} in the journal: {self.entries}", timeout)


def fields(data):
    """Of one datagram, by the protocol."""
    result = {}
    while data:
        line, data = data.split(b"\n", 1)
        name, equals, value = line.partition(b"=")
        if not equals:
            (size,) = struct.unpack("<Q", data[:8])
            value, data = data[8:8 + size], data[9 + size:]
        result[name.decode()] = value.decode()
    return result


@pytest.fixture
def journal(net):
    """That of the host that is a client; gone at the end."""
    there = Journal(net.c1)
    yield there
    there.sock.close()
    net.c1.run(["rm", "/run/systemd/journal/socket"])


def as_a_service(host, *argv):
    """With standard error as systemd makes it; what is written there is seen."""
    return host.popen(["sh", "-c", "export JOURNAL_STREAM="
                       "$(stat -Lc %d:%i /proc/$$/fd/2); exec \"$@\"", "sh",
                       *argv])


def test_journal_of_a_client(net, journal):
    """Each line once, with fields; and changes of state with all that is
    known."""
    server = net.server.daemon(["miredo", "-s", "9.0.0.2"])
    client = as_a_service(net.c1, "miredo", "-f", "9.0.0.2")
    entry = journal.wait("^qualified")
    assert entry["MESSAGE_ID"] == EVENTS["ok"]
    assert entry["PRIORITY"] == "6"
    assert entry["SYSLOG_IDENTIFIER"] == "miredo"
    assert (entry["TEREDO_STATE"], entry["TEREDO_REASON"]) == \
        ("qualified", "ok")
    assert entry["TEREDO_SERVER"] == "9.0.0.2"
    assert entry["TEREDO_ADDRESS"] in entry["MESSAGE"]
    assert "MESSAGE_ID" not in journal.wait("^client, asking 9.0.0.2")
    server.stop()
    net.c1.kill(client.pid, signal.SIGHUP)
    entry = journal.wait("does not answer", 60)
    assert entry["MESSAGE_ID"] == EVENTS["server-silent"]
    assert (entry["PRIORITY"], entry["TEREDO_REASON"]) == \
        ("4", "server-silent")
    client.stop()
    journal.wait("exiting on SIGTERM")
    assert client.err == ""


def test_packet_process_dies(net, journal):
    """What the keeper and the monitor tell of has identifiers, too."""
    net.server.daemon(["miredo", "-s", "9.0.0.2"])
    client = as_a_service(net.c1, "miredo", "-f", "9.0.0.2")
    journal.wait("^qualified")
    keeper, = net.c1.run(["pgrep", "-x", "miredo-keeper"]).stdout.split()
    worker, = net.c1.run(["pgrep", "-x", "-P", keeper, "miredo"]
                         ).stdout.split()
    net.c1.kill(int(worker), signal.SIGKILL)
    entry = journal.wait("the packet process was ended by signal 9")
    assert entry["MESSAGE_ID"] == EVENTS["packet-process-died"]
    assert journal.wait("starting it again")["MESSAGE_ID"] == \
        EVENTS["restarted"]
    client.stop()


def test_target_journal(net, journal):
    """LogTarget journal, from the background; several lines stay such."""
    net.c1.write("/etc/log.conf", "LogTarget journal\nServerAddress x.invalid\n")
    net.c1.daemon(["miredo", "-c", "/etc/log.conf"])
    entry = journal.wait("cannot look up x.invalid")
    assert entry["MESSAGE"].endswith("\n  trying again")
    assert entry["MESSAGE_ID"] == EVENTS["resolver-failed"]
    assert not [line for line in net.c1.log if "x.invalid" in line.text]


def test_another_target_while_it_runs(net, journal):
    """To the journal, and back to syslog with another facility: each line is in
    one of them. Standard error is not to be had any more."""
    conf = "/etc/miredo/log.conf"
    server = "ServerAddress x.invalid\n"
    net.c1.write(conf, server)
    client = net.c1.daemon(["miredo", "-c", conf])

    def again(text, says="configuration applied"):
        since, n = len(net.c1.log), len(journal.read())
        net.c1.write(conf, server + text)
        net.c1.kill(client.pid, signal.SIGHUP)
        wait_for(lambda: any(says in line.text for line in net.c1.log[since:])
                 or any(says in it["MESSAGE"] for it in journal.read()[n:]),
                 says)

    def speaks(heard, what):
        """As soon as the monitor has seen it."""
        def asked():
            net.c1.kill(client.pid, signal.SIGUSR1)
            return heard()

        wait_for(asked, what)

    def in_syslog(facility):
        return [line for line in net.c1.log[since:]
                if "client: resolving" in line.text
                and line.facility == facility]

    since = len(net.c1.log)
    again("LogTarget journal\n")
    speaks(lambda: [it for it in journal.read()
                    if it["MESSAGE"].startswith("client: resolving")],
           "the journal")
    since = len(net.c1.log)
    net.c1.kill(client.pid, signal.SIGUSR1)
    again("LogTarget auto\nSyslogFacility local3\n")
    speaks(lambda: in_syslog(19), "the facility local3")
    assert not in_syslog(3)
    n = len(journal.read())
    again("LogTarget stderr\nSyslogFacility local4\n",
          "waiting for the next start: LogTarget")
    speaks(lambda: in_syslog(20), "the facility local4")
    assert len(journal.read()) == n
    where = "/run/systemd/journal/socket"
    net.c1.run(["mv", where, f"{where}.away"])
    again("LogTarget journal\n", "cannot reach the journal: No such file")
    net.c1.run(["mv", f"{where}.away", where])
    assert client.stop() == 0
    net.c1.wait_log("exiting on SIGTERM", since=since)


def test_no_journal(net):
    """It is missing: said, and there is a log all the same."""
    net.relay.write("/etc/log.conf", "LogTarget journal\n")
    relay = net.relay.daemon(["miredo", "-c", "/etc/log.conf"])
    net.relay.wait_log("cannot reach the journal: No such file")
    relay.wait_log("relay on")


def test_target_syslog_in_the_foreground(net):
    """Each line comes to syslog, and none to a terminal that nobody reads,
    but while it starts."""
    net.relay.write("/etc/log.conf", "LogTarget syslog\n")
    since = len(net.relay.log)
    relay = net.relay.popen(["miredo", "-f", "-c", "/etc/log.conf"])
    net.relay.wait_log("relay on", since=since)
    relay.stop()
    net.relay.wait_log("exiting on SIGTERM", since=since)
    assert relay.err == ""


def test_target_stderr_in_the_background(net):
    """The terminal is kept: so it was asked for."""
    net.relay.write("/etc/log.conf", "LogTarget stderr\n")
    since = len(net.relay.log)
    relay = net.relay.daemon(["miredo", "-c", "/etc/log.conf"])
    wait_for(lambda: "relay on" in relay.process.err, "its log")
    relay.stop()
    assert "exiting on SIGTERM" in relay.process.err
    assert net.relay.log[since:] == []


@pytest.mark.parametrize("level, seen, not_seen", [
    ("error", [], ["relay on", "AllowIPv4"]),
    ("warning", ["AllowIPv4"], ["relay on"]),
    ("info", ["AllowIPv4", "relay on"], ["addresses of this host"]),
    ("debug", ["AllowIPv4", "relay on", "addresses of this host"], []),
])
def test_level(net, level, seen, not_seen):
    """What is less severe is not logged."""
    net.relay.write("/etc/log.conf",
                    f"AllowIPv4 10.0.0.0/8\nLogLevel {level}\n")
    relay = net.relay.popen(["miredo", "-f", "-c", "/etc/log.conf"])
    wait_for(lambda: net.relay.run(
        ["ip", "-6", "route", "show", "2001::/32"]).stdout, "the relay")
    net.relay.ip("address add 9.0.0.99/32 dev lo")
    for text in seen:
        wait_for(lambda text=text: text in relay.err, text)
    net.relay.ip("address del 9.0.0.99/32 dev lo")
    relay.stop()
    assert not [text for text in not_seen if text in relay.err]


def test_verbose_is_more_than_the_file(net):
    """-v is said by whoever looks for something."""
    net.relay.write("/etc/log.conf", "LogLevel error\n")
    relay = net.relay.popen(["miredo", "-f", "-v", "-c", "/etc/log.conf"])
    wait_for(lambda: "relay on" in relay.err, "its log")
    relay.stop()
