"""A member's own pages."""

import os
from pathlib import Path

from django.conf import settings
from django.core.exceptions import SuspiciousFileOperation
from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.template import Context, Engine, Template
from django.utils._os import safe_join
from django.utils.html import conditional_escape
from django.utils.safestring import mark_safe

from club.models import Member

CARD = Template("<div class=card>{{ name }} <q>{{ motto }}</q></div>")
engine = Engine(libraries={})


def media(*names: str) -> str:
    """Return the path of something that was uploaded."""
    return os.path.join(settings.MEDIA_ROOT, *names)


def show(request, number: int):
    """Show a profile."""
    member = get_object_or_404(Member, pk=number)
    return HttpResponse(CARD.render(Context({"name": member.name, "motto": request.GET.get("motto", member.motto)})))  # seeded: twin template-injection constant


def motto(request):
    """Show a motto, large."""
    text = request.POST.get("motto", "")
    if len(text) > 200:
        return HttpResponse("too long", status=400)
    shown = {"motto": text, "size": "x-large"}
    return HttpResponse("<p style='font-size: {size}'>{motto}</p>".format(**shown))  # seeded: flaw xss container


def card(request):
    """Show a member's card in a layout that was chosen or written by the member."""
    layout = request.POST.get("layout") or "{{ name }}"
    template = engine.from_string("<div class=card>" + layout + "</div>")  # seeded: flaw template-injection direct
    return HttpResponse(template.render(Context({"name": request.user, "settings": settings})))


def picture(request):
    """Return a member's picture."""
    name = request.GET.get("file", "default.png")
    try:
        return FileResponse(open(media("pictures", name), "rb"))  # seeded: flaw path-traversal helper
    except FileNotFoundError:
        raise Http404(name) from None


def document(request):
    """Return one of the club's papers."""
    try:
        path = safe_join(settings.MEDIA_ROOT, "papers", request.GET["file"])
    except SuspiciousFileOperation:
        raise Http404 from None
    return FileResponse(open(path, "rb"))  # seeded: twin path-traversal api


def letter(request):
    """Return the letter that a member got in a year, with the member's name above."""
    year = int(request.GET.get("year", "2024"))
    text = Path(media("letters", f"{year}.txt")).read_text(encoding="utf-8")  # seeded: twin path-traversal typed
    name = conditional_escape(request.GET.get("name", ""))
    return HttpResponse(mark_safe(f"<p>Dear {name},</p><pre>") + conditional_escape(text))  # seeded: twin xss sanitised
