#!/usr/bin/env python3
"""A server of tokens for Debian's docker-registry: registry_tokens.py PORT KEY CERTIFICATE USER:PASSWORD LOG.

Signs with openssl, since Python's standard library does not. Gives rights to whoever has the password, for as long as
the answer says, and writes down what was asked for.
"""
import base64
import json
import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

port, key, certificate, login, log = sys.argv[1:]


def coded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def token(service, scopes):
    der = subprocess.run(["openssl", "x509", "-in", certificate, "-outform", "DER"], capture_output=True, check=True)
    header = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der.stdout).decode()]}
    now = int(time.time())
    access = [dict(zip(("type", "name", "actions"), (*scope.split(":")[:2], scope.split(":")[2].split(",")))) for scope in scopes]
    claims = {"iss": "interop", "sub": login.split(":")[0], "aud": service, "exp": now + 300, "nbf": now - 10, "iat": now - 10,
              "jti": os.urandom(8).hex(), "access": access}
    signed = coded(json.dumps(header).encode()) + b"." + coded(json.dumps(claims).encode())
    made = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=signed, capture_output=True, check=True)
    return (signed + b"." + coded(made.stdout)).decode()


class Tokens(BaseHTTPRequestHandler):
    def do_GET(self):
        asked = parse_qs(urlsplit(self.path).query)
        given = self.headers.get("Authorization", "")
        with open(log, "a") as lines:
            lines.write(f"{self.path} {given.split(' ')[0]}\n")
        if given != "Basic " + base64.b64encode(login.encode()).decode():
            self.send_response(401)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = json.dumps({"token": token(asked["service"][0], asked.get("scope", [])), "expires_in": 300}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


HTTPServer(("127.0.0.1", int(port)), Tokens).serve_forever()
