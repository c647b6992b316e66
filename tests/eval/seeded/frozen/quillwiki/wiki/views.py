"""Pages for readers and authors."""

import logging
import os
import re
from functools import reduce

from django.conf import settings
from django.http import FileResponse, Http404, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.html import escape
from django.utils.http import url_has_allowed_host_and_scheme
from django.views import View
from django.views.decorators.http import require_POST

from wiki import markup
from wiki.models import Page, drop_tag, rename

logger = logging.getLogger("wiki")


class Recent(View):
    """What has changed."""

    def get(self, request):
        """The pages changed since a day, or all in an order."""
        if "since" in request.GET:
            pages = Page.since(request.GET["since"])
        else:
            pages = Page.ordered(request.GET.get("order", ""))
        return render(request, "wiki/recent.html", {"pages": pages})


class PageView(View):
    """Reading and writing a page."""

    def get(self, request, slug):
        """Show a page."""
        page = get_object_or_404(Page, slug=slug)
        return render(request, "wiki/page.html", {"page": page, "contents": markup.outline(page.text.splitlines())})

    def post(self, request, slug):
        """Write a page and go where the form says."""
        page, _ = Page.objects.get_or_create(slug=slug)
        page.text = request.POST["text"]
        page.save()
        logger.info("page %s by %s: %s", slug, request.user, request.POST.get("comment", ""))  # seeded: flaw log-injection direct
        return self.done(request.POST.get("continue", "/"))

    def done(self, target):
        """The answer to a form."""
        return HttpResponseRedirect(target)  # seeded: flaw open-redirect class


def preview(request, slug):
    """Show a page before it is written."""
    body = markup.Emphasised().render(request.POST.get("text", ""))
    return render(request, "wiki/preview.html", {"slug": slug, "body": body})


def printed(request, slug):
    """A page for the printer, with a footer of the reader's choice."""
    page = get_object_or_404(Page, slug=slug)
    parts = [markup.plain(page.text), "<footer>", request.GET.get("footer", ""), "</footer>"]
    return HttpResponse(reduce(lambda one, other: one + other, parts))  # seeded: flaw xss container


def history(request, slug):
    """How often a page was changed, as a text."""
    reader = request.GET.get("reader", "you")
    return HttpResponse(f"{reader}, {slug} has changed", content_type="text/plain; charset=utf-8", headers={"X-Content-Type-Options": "nosniff"})  # seeded: twin xss api


class Search(View):
    """Look for pages."""

    def get(self, request):
        """By tag, by part of the title, or by words."""
        query = request.GET
        if "tag" in query:
            found = Page.objects.tagged(query["tag"])
        elif "title" in query:
            found = Page.objects.titled(query["title"])
        else:
            found = Page.objects.ranked(query.get("q", ""), query.get("weight", "1"))
        names = "".join(f"<li>{escape(page.title)}</li>" for page in found)
        return HttpResponse(f"<ul>{names}</ul><p>for {escape(query.get('q', ''))}</p>")  # seeded: twin xss sanitised


def titles(request):
    """Titles that match a pattern, for the editor's completion."""
    try:
        pattern = re.compile(request.GET.get("like", "."), re.IGNORECASE)  # seeded: flaw regex-injection exception
    except re.error:
        return JsonResponse([], safe=False)
    return JsonResponse([page.title for page in Page.objects.all() if pattern.search(page.title)], safe=False)


@require_POST
def replace(request):
    """Rename or drop a tag."""
    old, new = request.POST["old"], request.POST.get("new", "")
    if new:
        changed = rename(old, new)
        logger.info("%d pages renamed", changed)  # seeded: twin log-injection typed
    else:
        drop_tag(old)
    target = request.POST.get("next", "/")
    if not url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()}, require_https=True):
        target = "/"
    return redirect(target)  # seeded: twin open-redirect sanitised


def count(request):
    """How often a word stands in a page."""
    page = get_object_or_404(Page, slug=request.GET.get("page"))
    word = request.GET.get("word", "")
    number = len(re.findall(r"[\w'-]+", word + " " + page.text))  # seeded: twin regex-injection constant
    return JsonResponse({"words": number})


def attachment_path(name):
    """Where an attachment lies."""
    while name.startswith("/"):
        name = name[1:]
    return os.path.join(settings.MEDIA_ROOT, name)


def attachment(request):
    """Download what was attached to a page."""
    path = attachment_path(request.GET["name"])
    if not os.path.exists(path):
        raise Http404
    return FileResponse(open(path, "rb"))  # seeded: flaw path-traversal helper


def numbered(request, number):
    """Download an attachment by its number."""
    return FileResponse(open(os.path.join(settings.MEDIA_ROOT, f"{number}.bin"), "rb"))  # seeded: twin path-traversal typed


def raw(request, slug):
    """A page's text from the files that are published beside it."""
    root = os.path.realpath(settings.MEDIA_ROOT / "texts")
    path = os.path.realpath(os.path.join(root, request.GET.get("variant", "current"), slug + ".txt"))
    if os.path.commonpath([root, path]) != root:
        raise Http404
    with open(path, encoding="utf-8") as file:  # seeded: twin path-traversal sanitised
        return HttpResponse(file.read(), content_type="text/plain")


def macro(request):
    """Try a macro, or the box that every page may have."""
    source = request.POST.get("source")
    if not source:
        return HttpResponse(markup.box(request.POST.get("text", "")))
    return HttpResponse(markup.macro(source, {"user": request.user}))
