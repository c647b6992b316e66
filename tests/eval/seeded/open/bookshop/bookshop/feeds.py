"""What is fetched from other people's servers."""

import urllib.request
from urllib.parse import urlparse

import requests
from flask import Response
from lxml import etree

COVERS = "https://covers.example.org/isbn/"
TRUSTED_HOSTS = frozenset({"feeds.example.org", "covers.example.org"})


def preview(url):
    answer = requests.get(url, timeout=5)  # seeded: flaw ssrf cross-module
    return {"status": answer.status_code, "type": answer.headers.get("content-type")}


def cover(isbn):
    if not isbn.isdigit():
        return Response(status=400)
    answer = requests.get(COVERS + isbn, timeout=5)  # seeded: twin ssrf sanitised
    return Response(answer.content, mimetype="image/jpeg")


def trusted(url):
    return urlparse(url).hostname in TRUSTED_HOSTS


def subscribe(url):
    if not trusted(url):
        raise ValueError("not one of our partners")
    with urllib.request.urlopen(url) as answer:  # seeded: twin ssrf allow-list
        return answer.read()


class Fetcher:
    def __init__(self, base):
        self.base = base
        self.session = requests.Session()

    def get(self, path):
        return self.session.get(self.base + path, timeout=5)  # seeded: flaw ssrf class


class Mirror:
    base = "https://mirror.example.org/"

    def __init__(self):
        self.session = requests.Session()

    def newest(self, count):
        return self.session.get(self.base + "newest", params={"count": count}, timeout=5)  # seeded: twin ssrf constant


def items(document):
    parser = etree.XMLParser(resolve_entities=True, load_dtd=True, no_network=False)
    root = etree.fromstring(document, parser)  # seeded: flaw xxe cross-module
    return [item.findtext("title") for item in root.iter("item")]


def items_strict(document):
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    root = etree.fromstring(document, parser)  # seeded: twin xxe api
    return [item.findtext("title") for item in root.iter("item")]
