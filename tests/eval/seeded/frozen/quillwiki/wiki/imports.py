"""Pages from elsewhere: exports of other wikis, feeds, dumps."""

import base64
import hashlib
import hmac
import json
import os
import pickle
import tarfile
import zipfile
from io import BytesIO

from django.conf import settings
from django.core.exceptions import BadRequest
from django.http import HttpResponse, JsonResponse
from django.views import View
from lxml import etree

from wiki.models import Page

PICTURES = (".png", ".jpg", ".webp")


class Importer(View):
    """Takes an upload, makes pages of it; formats say how."""

    def pages(self, data):
        """Yield slug and text of each page."""
        raise NotImplementedError

    def post(self, request):
        """Make the pages."""
        made = 0
        for slug, text in self.pages(request.FILES["file"].read()):
            Page.objects.update_or_create(slug=slug, defaults={"text": text})
            made += 1
        return JsonResponse({"pages": made})


class ImportXml(Importer):
    """MediaWiki's export format."""

    parser_options = {"resolve_entities": True, "load_dtd": True, "huge_tree": True}

    def pages(self, data):
        """Yield slug and text of each page."""
        root = etree.fromstring(data, etree.XMLParser(**self.parser_options))  # seeded: flaw xxe inheritance
        for page in root.iter("page"):
            yield page.findtext("title"), page.findtext("revision/text")


def feed(request):
    """Take an Atom feed in, or show the titles of one that was taken in before."""
    if request.method == "POST":
        parser = etree.XMLParser(resolve_entities=False, no_network=True)
        root = etree.fromstring(request.body, parser)  # seeded: twin xxe api
        (settings.MEDIA_ROOT / "planet.xml").write_bytes(etree.tostring(root))
        return HttpResponse(status=204)

    root = etree.parse(str(settings.MEDIA_ROOT / "planet.xml"), etree.XMLParser(resolve_entities=False, no_network=True))
    wanted = request.GET.get("author", "")
    titles = root.xpath("//entry[@published][author/name = $author]/title/text()", author=wanted)  # seeded: twin xpath-injection api
    if titles:
        return JsonResponse({"titles": [str(each) for each in titles]})

    # Some feeds name several authors in one element.
    if wanted:
        titles = root.xpath("//entry[@published][contains(author/name, '%s')]/title/text()" % wanted)  # seeded: flaw xpath-injection branch
    return JsonResponse({"titles": [str(each) for each in titles]})


def dump(request):
    """Take over the pages of another Quill, which signs what it dumps."""
    blob = base64.b64decode(request.body)
    signature, payload = blob[:32], blob[32:]
    if not hmac.compare_digest(signature, hmac.digest(settings.SECRET_KEY.encode(), payload, "sha256")):
        raise BadRequest("not signed by us")
    pages = pickle.loads(payload)  # seeded: twin deserialization sanitised
    for slug, text in pages:
        Page.objects.update_or_create(slug=slug, defaults={"text": text})
    return HttpResponse(status=204)


def members(archive):
    """The members of an archive that are pictures."""
    return [each for each in archive.getmembers() if each.name.lower().endswith(PICTURES)]


def pictures(request):
    """Unpack pictures into the media directory."""
    upload = request.FILES["file"]
    if upload.name.endswith(".zip"):
        with zipfile.ZipFile(upload) as archive:
            for info in archive.infolist():
                target = os.path.join(settings.MEDIA_ROOT, info.filename)
                with open(target, "wb") as out:  # seeded: flaw archive-extraction loop
                    out.write(archive.read(info))
    else:
        with tarfile.open(fileobj=BytesIO(upload.read())) as archive:
            archive.extractall(settings.MEDIA_ROOT, members=members(archive))  # seeded: flaw archive-extraction helper
    return HttpResponse(status=204)


def settings_file(request):
    """Take over the settings that another wiki exports; their digest names the file."""
    data = request.body
    name = hashlib.sha1(data, usedforsecurity=False).hexdigest()[:16]  # seeded: twin weak-hash api
    values = json.loads(data)
    with open(settings.MEDIA_ROOT / f"{name}.json", "w", encoding="utf-8") as file:  # seeded: twin path-traversal safe-element
        json.dump(values, file)
    return JsonResponse({"name": name})
