import http.client
from urllib.parse import urlsplit

import requests

HOSTS = ("lab.example.org", "imaging.example.org")
TIMEOUT = 10


class Gateway:
    """Fetches documents of other clinics."""

    def __init__(self, url, timeout=TIMEOUT):
        self.url = url
        self.timeout = timeout

    def document(self):
        return requests.get(self.url, timeout=self.timeout).content  # seeded: flaw ssrf class


class KnownGateway(Gateway):
    def document(self):
        if urlsplit(self.url).hostname not in HOSTS:
            raise PermissionError(self.url)
        return requests.get(self.url, timeout=self.timeout).content  # seeded: twin ssrf allow-list


def status(host):
    connection = http.client.HTTPSConnection(host, timeout=TIMEOUT)  # seeded: flaw ssrf cross-module
    connection.request("HEAD", "/status")
    return connection.getresponse().status


def imaging_status(device):
    connection = http.client.HTTPSConnection(HOSTS[1], timeout=TIMEOUT)  # seeded: twin ssrf constant
    connection.request("GET", "/device", headers={"X-Device": device})
    return connection.getresponse().status
