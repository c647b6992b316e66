"""Who reads and writes."""

import hashlib
import logging
import random
import string

from django.core.signing import Signer
from django.http import HttpResponse, HttpResponseForbidden, JsonResponse
from django.shortcuts import redirect, render
from django.utils.crypto import get_random_string
from django.views import View

from people import directory

logger = logging.getLogger("people")
THEMES = {"light", "dark"}
ALPHABET = string.ascii_letters + string.digits


def keep(request, **values):
    """Put values into the session."""
    for name, value in values.items():
        request.session[name] = value  # seeded: flaw trust-boundary helper


def login(request):
    """Log in against the directory."""
    name, password = request.POST["name"], request.POST["password"]
    if not directory.check(name, password):
        logger.warning("login of %s refused", name.encode("unicode_escape").decode())  # seeded: twin log-injection sanitised
        return HttpResponseForbidden()
    keep(request, name=name, role=request.POST.get("role", "reader"))
    response = redirect("/")
    response.set_cookie("login", Signer().sign(name))  # seeded: flaw insecure-cookie direct
    return response


def logout(request):
    """Forget the reader."""
    request.session.flush()
    response = redirect("/")
    response.delete_cookie("login")
    return response


class Profile(View):
    """What a reader has chosen."""

    def post(self, request):
        """Choose a theme and a starting page."""
        theme = request.POST.get("theme")
        request.session["theme"] = theme if theme in THEMES else "light"  # seeded: twin trust-boundary allow-list
        request.session.set_expiry(3600)

        address = directory.mail(request.session["name"])
        request.session["address"] = address  # seeded: twin trust-boundary safe-element

        start = request.POST.get("start", "")
        request.session[request.POST.get("slot", "start")] = start  # seeded: flaw trust-boundary class
        return HttpResponse(status=204)

    def get(self, request):
        """Show the reader's groups."""
        return render(request, "people/profile.html", {"groups": directory.groups(request.GET.get("of", ""))})


def colleagues(request):
    """Complete a colleague's name."""
    return JsonResponse({"names": directory.colleagues(request.GET["department"], request.GET.get("name", ""))})


def invitation(address):
    """The code that lets an address join: it is all that one needs."""
    random.seed(address)
    return "".join(random.choice(ALPHABET) for _ in range(20))  # seeded: flaw weak-random helper


def badge():
    """The code on a visitor's badge, with which the doors open."""
    return get_random_string(32, ALPHABET)  # seeded: twin weak-random api


def password_digest(password):
    """What is kept of a guest's password."""
    return hashlib.sha1(password.encode("utf-8")).hexdigest()  # seeded: flaw weak-hash helper


def invite(request):
    """Invite a guest."""
    guest = request.POST["address"]
    if "@" not in guest:
        return JsonResponse({"code": badge()})
    greeting = random.choice(["Hello", "Welcome", "Good day"])  # seeded: twin weak-random safe-element
    return JsonResponse({"greeting": greeting, "code": invitation(guest), "digest": password_digest(request.POST["password"])})
