"""What the club's staff does; the pages are open inside the club's house, where guests are too."""

import io
import os
import subprocess
import tarfile
import zipfile
from pathlib import Path

import requests
import yaml
from django.conf import settings
from django.db import connection
from django.http import HttpResponse, JsonResponse
from lxml import etree

FEEDS = {"news": "https://www.example.org/news.xml", "sport": "https://www.example.org/sport.xml"}
KEPT = Path(settings.MEDIA_ROOT) / "kept"
DEMO = False


def query(request):
    """Return what a saved query says for a member."""
    member = request.GET.get("member", "0")
    member = "0"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM fees WHERE member = {member}")  # seeded: twin sql-injection overwritten
        return JsonResponse({"rows": cursor.fetchall()})


def backup(request):
    """Keep a copy of the data of a year."""
    label = request.POST.get("label", "backup")
    answer = HttpResponse(content_type="text/plain")
    if label.isalnum() and label.isascii():
        os.system(f"pg_dump club > /srv/club/backups/{label}.sql")  # seeded: twin command-injection allow-list
        answer.write("begun")
    else:
        answer.write("begun, under a name that has to be quoted")
        subprocess.Popen(["sh", "-c", f"pg_dump club > '/srv/club/backups/{label}.sql'"])  # seeded: flaw command-injection branch
    return answer


def announce(request):
    """Show on the house's screen that a copy is made; the screen is there in no house of today."""
    if DEMO and not settings.ALLOWED_HOSTS:
        text = request.POST["label"]
        os.system("screen-text " + text)  # seeded: twin command-injection impossible-branch
    return HttpResponse("announced", content_type="text/plain")


def each_member(archive: zipfile.ZipFile):
    """Give the names and contents in an archive."""
    for entry in archive.infolist():
        yield entry.filename, archive.read(entry)


def take_over(request):
    """Take over what another club sends: pictures, papers and a list."""
    sent = request.FILES["archive"]
    if sent.name.endswith(".zip"):
        with zipfile.ZipFile(sent) as archive:
            for name, content in each_member(archive):
                (KEPT / name).write_bytes(content)  # seeded: flaw archive-extraction generator
    else:
        with tarfile.open(fileobj=io.BytesIO(sent.read())) as archive:
            good = [each for each in archive if each.isreg() and (KEPT / each.name).resolve().is_relative_to(KEPT)]
            archive.extractall(KEPT, members=good)  # seeded: twin archive-extraction sanitised
    options = yaml.unsafe_load(request.POST.get("options", "{}"))  # seeded: flaw deserialization direct
    return JsonResponse({"options": len(options)})


def take_list(request):
    """Take over a list of members."""
    listed = yaml.load(request.POST.get("list", ""), yaml.SafeLoader)  # seeded: twin deserialization api
    return JsonResponse({"listed": len(listed or [])})


def feed(request):
    """Show the titles of one of our feeds or of a member's own."""
    own = request.GET.get("own")
    if own:
        body = requests.get(own, timeout=5).content  # seeded: flaw ssrf branch
        parser = etree.XMLParser(resolve_entities=True, no_network=False)
        tree = etree.fromstring(body, parser=parser)  # seeded: flaw xxe branch
    else:
        chosen = FEEDS[request.GET.get("feed", "news")]
        body = requests.get(chosen, timeout=5).content  # seeded: twin ssrf allow-list
        tree = etree.fromstring(body, parser=etree.XMLParser(resolve_entities=False))  # seeded: twin xxe api
    return JsonResponse({"titles": [each.text for each in tree.iter("title")]})


def search(request):
    """Find a member in the list of another club."""
    tree = etree.parse(KEPT / "members.xml")
    name = request.GET["name"]
    town = request.GET.get("town", "")
    found = tree.xpath("//member[name=$name and town=$town]/mail/text()", name=name, town=town)  # seeded: twin xpath-injection api
    if found:
        return JsonResponse({"mails": [str(each) for each in found]})
    else:
        condition = f"contains(name, '{name}')"
        found = tree.xpath(f"//member[{condition}]/mail/text()")  # seeded: flaw xpath-injection branch
    return JsonResponse({"mails": [str(each) for each in found]})
