# SPDX-License-Identifier: GPL-2.0-or-later
"""A UPnP gateway that errs, to be run on a router of the lab.

    python3 igd.py ADDRESS HOW      prints a line for each action that is asked for

HOW is what it does wrong, a word of HOWS.  The client's side of UPnP is what is
tested: so this says only what that needs.
"""

import http.server
import socket
import struct
import sys
import threading

SERVICE = "urn:schemas-upnp-org:service:WANIPConnection:1"
DEVICE = "urn:schemas-upnp-org:device:"
HOWS = ("good", "conflict", "http-500", "malformed", "hangs", "endless", "lies",
        "elsewhere", "redirects", "no-address", "private")

DESCRIPTION = """<?xml version="1.0"?>
<root xmlns="urn:schemas-upnp-org:device-1-0"><device>
<deviceType>{d}InternetGatewayDevice:1</deviceType><deviceList><device>
<deviceType>{d}WANDevice:1</deviceType><deviceList><device>
<deviceType>{d}WANConnectionDevice:1</deviceType><serviceList><service>
<serviceType>{s}</serviceType><controlURL>{url}</controlURL>
<eventSubURL>/e</eventSubURL><SCPDURL>/s.xml</SCPDURL>
</service></serviceList></device></deviceList></device></deviceList></device></root>"""
ENVELOPE = """<?xml version="1.0"?>
<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>%s</s:Body>
</s:Envelope>"""
FAULT = """<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring>
<detail><UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>%d</errorCode>
<errorDescription>no</errorDescription></UPnPError></detail></s:Fault>"""


class Gateway(http.server.BaseHTTPRequestHandler):
    """One request."""

    how = "good"
    address = ""
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Nothing to standard error."""

    def answer(self, text, status=200, length=None):
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", length or len(data))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)
        self.close_connection = True

    def forever(self):
        """As much as the other one takes."""
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"<x>" * 4096)
        except OSError:
            self.close_connection = True

    def hang(self):
        """Until the other one has had enough of it."""
        self.rfile.read(1)
        self.close_connection = True

    def do_GET(self):
        """Describe ourselves."""
        if self.how == "redirects":
            self.send_response(302)
            self.send_header("Location", "http://9.0.2.2:5000/desc.xml")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.how == "malformed":
            self.answer("<root><device><<<&&" + "<a" * 5000)
            return
        url = "http://9.0.2.2:5000/c" if self.how == "elsewhere" else "/c"
        self.answer(DESCRIPTION.format(d=DEVICE, s=SERVICE, url=url))

    def do_POST(self):
        """Do what is asked for, in our way."""
        action = self.headers["SOAPAction"].strip('"').split("#")[1]
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        print(action, " ".join(body.split()), flush=True)
        if action == "DeletePortMapping":
            self.respond(action)
        elif self.how == "conflict":
            self.answer(ENVELOPE % FAULT % 718, 500)
        elif self.how == "http-500":
            self.answer("no", 500)
        elif self.how == "hangs":
            self.hang()
        elif self.how == "endless":
            self.forever()
        elif action == "AddPortMapping":
            self.respond(action)
        else:
            self.address_is(action)

    def address_is(self, action):
        if self.how == "no-address":
            self.answer(ENVELOPE % FAULT % 501, 500)
            return
        ip = {"lies": "1.2.3.4.5; rm", "private": "10.9.9.9"}.get(
            self.how, "9.0.10.2")
        self.respond(action, f"<NewExternalIPAddress>{ip}</NewExternalIPAddress>")

    def respond(self, action, inner=""):
        self.answer(ENVELOPE % f'<u:{action}Response xmlns:u="{SERVICE}">{inner}'
                    f"</u:{action}Response>")


def listen(address):
    """SSDP: tell who asks where we are; and first, that another is here."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("", 1900))
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, struct.pack(
        "4s4s", socket.inet_aton("239.255.255.250"), socket.inet_aton(address)))
    print("ready", flush=True)
    while True:
        text, who = sock.recvfrom(2000)
        if b"M-SEARCH" not in text:
            continue
        for host in ("9.0.2.2", f"{address}.test", address):
            sock.sendto(
                f"HTTP/1.1 200 OK\r\nST: {DEVICE}InternetGatewayDevice:1\r\n"
                f"USN: uuid:1\r\nLOCATION: http://{host}:5000/desc.xml\r\n\r\n".encode(),
                who)


def main():
    """Answer until killed."""
    address, Gateway.how = sys.argv[1:]
    server = http.server.ThreadingHTTPServer((address, 5000), Gateway)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    listen(address)


if __name__ == "__main__":
    main()
