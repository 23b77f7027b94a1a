# SPDX-License-Identifier: GPL-2.0-or-later
"""A daemon of paper: answers on a Unix socket what a test has it say."""
import contextlib
import json
import pathlib
import socket
import threading

CLIENT = {
    "version": 1, "program": "miredo 2.0.0", "role": "client", "pid": 4711,
    "started": "2026-11-25T10:00:00Z", "uptime": 11520.5, "lives": 1,
    "state": "qualified", "since": "2026-11-25T14:02:11Z", "for": 11520.5,
    "good": True, "reason": "ok", "text": "all is well", "advice": None,
    "notes": [], "interface": "teredo", "mtu": 1280,
    "client": {
        "address": "2001:0:c33c:c38c:2c5b:751d:34ff:8ef8", "old_addresses": [],
        "server": {"name": "teredo.example.net", "address": "195.60.195.140",
                   "address2": "195.60.195.141", "rtt": 0.024, "last_answer": 11.2},
        "servers": [{"name": "teredo.example.net", "address": "195.60.195.140",
                     "state": "in use"},
                    {"name": "teredo2.example.net", "address": None, "state": "not found"}],
        "nat": "restricted", "windows_nat": "restricted", "preserves_port": True,
        "random_ports": "off",
        "local": "192.168.1.2:35554", "mapped": "203.0.113.7:35554", "refresh": 30,
        "requests": 0, "next_request": None, "address_changes": 0,
        "native_ipv6": False, "used_for": "peers and default route",
        "inbound": "echo", "inbound_age": 95.5,
        "port_mapping": {"state": "port-mapped", "text": "the router forwards the port to this host", "method": "natpmp",
                         "gateway": "192.168.1.1", "external": "9.0.10.2:35554", "lifetime": 3600},
        "peers": {"active": 20, "trusted": 18, "untrusted": 2, "capacity": 1048576},
        "probe": {"host": "2001:db8::1", "state": "ok", "relay": "216.66.64.154:3545",
                  "rtt": 0.031, "age": 12}},
    "relay": None, "server": None,
    "packets": {"from_ipv4": 100, "to_ipv4": 90, "from_ipv6": 80, "to_ipv6": 70,
                "dropped": 3},
    "threads": 1, "offloads": "tso uso gso gro",
    "configuration": {"serial": 1, "in_force": 1, "loaded": "2026-11-25T10:00:00Z",
                      "waiting": [], "confirm": None, "error": None, "failed": 0}}

SILENT = CLIENT | {
    "state": "qualifying", "good": False, "reason": "secondary-silent", "for": 14,
    "text": "the server answers on its first address only",
    "advice": "miredoctl netcheck",
    "client": CLIENT["client"] | {
        "address": None, "inbound": "unknown", "inbound_age": None,
        "port_mapping": {"state": "gateway-silent", "text": "no gateway answers UPnP, PCP or NAT-PMP", "method": None,
                         "gateway": None, "external": None, "lifetime": None},
        "requests": 4, "next_request": 3.2, "mapped": None,
        "used_for": "nothing", "probe": None,
        "server": CLIENT["client"]["server"] | {"rtt": None, "last_answer": None}}}

DORMANT = CLIENT | {
    "state": "dormant", "reason": "idle", "text": "nothing is sent"}

RELAY = CLIENT | {
    "role": "relay", "state": "serving", "client": None,
    "notes": [{"reason": "no-forwarding", "text": "IPv6 forwarding is off",
               "advice": "sysctl -w net.ipv6.conf.all.forwarding=1"}],
    "relay": {"local": "9.0.0.4:3545", "source": "2001:db8::4", "host_only": False,
              "forwarding": False, "prefix": "2001::/32",
              "peers": {"proven": 3, "probing": 1, "failed": 0, "capacity": 65536}}}

SERVER = CLIENT | {
    "role": "server", "state": "serving", "client": None, "interface": None,
    "server": {"primary": "9.0.0.2", "secondary": "9.0.0.3", "port": 3544,
               "requires_secret": False, "advertised": 12}}

BOTH = SERVER | {"role": "server+relay", "interface": "teredo", "relay": RELAY["relay"]}


def peer(number, **more):
    return {"address": f"2001:0:c33c:c38c::{number:x}", "at": f"203.0.113.{number}:40000",
            "path": "direct", "proof": "proven", "heard": 1.5 * number, "sent": 2,
            "packets_in": 10, "bytes_in": 1000 * number, "packets_out": 5,
            "bytes_out": 500} | more


def peers(number, total=None):
    return {"version": 1, "total": total or number, "shown": number,
            "peers": [peer(i + 1) for i in range(number)]}


METRICS = {key: CLIENT[key] for key in [
    "version", "program", "role", "pid", "started", "uptime", "lives", "state", "since", "for",
    "good", "reason", "text", "advice", "notes"]} | {
    "reasons": {"to-ipv4": 7, "to-ipv6": 5, "rate-peer": 1},
    "packets": CLIENT["packets"],
    "bytes": {"to_ipv4": 900, "to_ipv6": 700},
    "bubbles_sent": {"direct": 4, "solicitation": 0, "advertisement": 0, "indirect": 3, "relay": 2, "neighbour": 0,
                     "discovery": 0, "interval": 0},
    "bubbles_received": {"direct": 3, "solicitation": 0, "advertisement": 0, "indirect": 5, "relay": 2, "neighbour": 0,
                         "interval": 0, "discovery": 0},
    "peers_evicted": {"active": 0, "trusted": 1, "untrusted": 17},
    "peers_given_up": {"client": 2, "native": 1},
    "qualifications": {"qualified": 2, "confirmed": 40, "mapping-changed": 1,
                       "symmetric-nat": 0, "server-silent": 3, "secondary-silent": 0},
    "random_ports": {"opened": 3, "echo-test": 2, "scattered": 0},
    "address_changes": {"qualified": 1, "mapping-changed": 1, "server": 0, "flags": 0,
                        "lost": 0},
    "ratelimited": {"bubble": 0, "bubble-answer": 6, "test": 0, "icmp-error": 0,
                    "flood": 0},
    "connection_setup": {
        "buckets": [{"le": 0.025, "count": 1}, {"le": 0.5, "count": 4},
                    {"le": 1.0, "count": 5}, {"le": 10.0, "count": 7}],
        "count": 8, "sum": 14.25},
    "peers": {"active": 20, "trusted": 18, "untrusted": 2, "capacity": 1048576},
    "client": {"server_rtt": 0.024, "last_answer_timestamp": 1795701600,
               "solicitations": 40, "inbound": "echo", "port_mapping": {"state": "port-mapped", "text": "x",
               "method": "upnp", "gateway": "192.168.1.1", "external": "9.0.10.2:1", "lifetime": None}},
    "configuration": CLIENT["configuration"] | {"serial": 2}}

CONFIG = {"version": 1, "serial": 2, "lines": [
    {"directive": "ServerAddress", "value": "teredo.example.net",
     "origin": "/etc/miredo/miredo.conf:3", "waiting": False},
    {"directive": "BindPort", "value": "3545", "origin": "--port", "waiting": True},
    {"directive": "RefreshInterval", "value": "30", "origin": "default", "waiting": False}]}

LOG = {"version": 1, "lines": [
    {"time": "2026-11-25T18:00:00Z", "severity": "info", "text": "qualified: 2001::1"},
    {"time": "2026-11-25T18:00:01Z", "severity": "warning", "text": "server-silent"}]}

RELOAD = {"version": 1, "serial": 3, "in_force": True, "applied": ["ReplyRate"],
          "waiting": ["BindPort"], "confirm": None}

DENIED = {"version": 1, "error": "only root may change this",
          "advice": "ask with sudo, or see ControlGroup", "code": "denied"}


class Fake:
    """Answers: {verb: object, list of objects, bytes, or function of (socket, request)}."""

    def __init__(self, path, **answers):
        self.path = pathlib.Path(path)
        self.answers = answers
        self.requests = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(16)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                client = self.listener.accept()[0]
                threading.Thread(target=self.answer, args=[client], daemon=True).start()

    def answer(self, client):
        with client, contextlib.suppress(OSError):
            request = client.makefile("r").readline().rstrip("\n")
            self.requests.append(request)
            answer = self.answers.get((request.split() or [""])[0])
            if callable(answer):
                answer(client, request)
            elif isinstance(answer, bytes):
                client.sendall(answer)
            else:
                for one in answer if isinstance(answer, list) else [answer]:
                    client.sendall(json.dumps(one).encode() + b"\n")

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.path.unlink()
