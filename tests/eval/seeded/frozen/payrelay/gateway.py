"""Talking to acquirers, old and new."""

import json
import re
import socket
import ssl
from urllib.parse import quote, urlencode, urlparse, urlunparse

import requests
from lxml import etree

ACQUIRER = ("gateway.acquirer.example", 443)
_MERCHANT = re.compile(r"[A-Z]{2}\d{6}\Z")
NOTIFY_PORTS = (443, 8443)


class GatewayError(Exception):
    """The acquirer did not answer as it should."""


class Acquirer:
    """The old acquirer, whose server knows HTTP 1.0 only and wants its headers in capitals."""

    def __init__(self, merchant: str) -> None:
        self.merchant = merchant

    def _exchange(self, request: str) -> bytes:
        context = ssl.create_default_context()
        with socket.create_connection(ACQUIRER, 10) as plain, context.wrap_socket(plain, server_hostname=ACQUIRER[0]) as connection:
            connection.sendall(request.encode())  # seeded: flaw header-injection cross-module
            return b"".join(iter(lambda: connection.recv(4096), b""))

    def capture(self, reference: str, amount: int) -> bytes:
        """Collect an authorised amount, in cents."""
        body = urlencode({"reference": reference, "amount": amount})
        head = f"POST /capture HTTP/1.0\r\nX-MERCHANT: {self.merchant}\r\nContent-Length: {len(body)}\r\n\r\n"
        return self._exchange(head + body)


def void(merchant: str, reference: str) -> bytes:
    """Give an authorised amount back, at the old acquirer."""
    if not _MERCHANT.match(merchant):
        raise GatewayError("a merchant is two letters and six digits")
    head = "\r\n".join(["DELETE /auth/" + quote(reference, safe="") + " HTTP/1.0", "X-MERCHANT: " + merchant, "", ""])
    context = ssl.create_default_context()
    with socket.create_connection(ACQUIRER, 10) as plain, context.wrap_socket(plain, server_hostname=ACQUIRER[0]) as connection:
        connection.sendall(head.encode())  # seeded: twin header-injection sanitised
        return connection.recv(4096)


def notify(url: str, event: dict) -> int:
    """Pass an event on to a merchant's own server; return the status of its answer."""
    parts = urlparse(url)
    if parts.scheme not in ("http", "https"):
        raise GatewayError("a merchant's server speaks HTTP")
    answer = requests.post(urlunparse(parts), data=json.dumps(event), timeout=5)  # seeded: flaw ssrf cross-module
    return answer.status_code


def rates(currency: str) -> dict:
    """The rates of a currency."""
    code = currency.upper()
    if len(code) != 3 or not code.isascii() or not code.isalpha():
        raise GatewayError("a currency is three letters")
    return requests.get(f"https://rates.bank.example/{code}.json", timeout=5).json()  # seeded: twin ssrf sanitised


def ping(url: str) -> bool:
    """Whether the acquirer answers; for a while this asked the merchant's server too."""
    targets = {"merchant": url, "acquirer": f"https://{ACQUIRER[0]}/ping"}
    url = targets["acquirer"]
    return requests.head(url, timeout=5).ok  # seeded: twin ssrf overwritten


def statement(document: bytes) -> list[dict]:
    """The entries of a bank's statement in CAMT XML."""
    parser = etree.XMLParser(no_network=False, resolve_entities=True, remove_blank_text=True)
    tree = etree.fromstring(document, parser=parser)  # seeded: flaw xxe cross-module
    return [{child.tag: child.text for child in entry} for entry in tree.iterfind(".//Ntry")]


def mandate(document: bytes) -> str | None:
    """The reference of a direct debit's mandate in PAIN XML."""
    parser = etree.XMLParser(no_network=True, resolve_entities=False, load_dtd=False, dtd_validation=False)
    tree = etree.fromstring(document, parser=parser)  # seeded: twin xxe api
    return tree.findtext(".//MndtId")
