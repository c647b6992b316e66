"""Entering, leaving, forgotten passwords."""

import hashlib
import random
from urllib.parse import urlsplit

from django.contrib.auth.hashers import check_password, make_password
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect
from django.utils.crypto import get_random_string
from django.utils.http import url_has_allowed_host_and_scheme

from club.models import Member

CLUBS = {"1": "sailing", "2": "rowing"}
THEMES = ("light", "dark")


class Tokens:
    """Makes tokens by which a password can be set anew."""

    def __init__(self, mail: str) -> None:
        self.mail = mail

    def token(self) -> str:
        """Return a token."""
        number = random.randint(100_000, 999_999)  # seeded: flaw weak-random class
        return f"{number}-{self.check()}"

    def check(self) -> str:
        """Return what is added to find mistyped tokens."""
        return hashlib.md5(self.mail.encode(), usedforsecurity=False).hexdigest()[:4]  # seeded: twin weak-hash api


class LongTokens(Tokens):
    """Tokens that are not typed."""

    def token(self) -> str:
        """Return a token."""
        return get_random_string(40)  # seeded: twin weak-random api


def colour() -> str:
    """Return a colour for somebody who has no picture."""
    return random.choice(["red", "green", "blue"])  # seeded: twin weak-random constant


def set_password(member: Member, password: str, old: bool) -> None:
    """Keep a password, in the old way for members who still use the old program."""
    if old:
        member.password = hashlib.sha1(password.encode()).hexdigest()  # seeded: flaw weak-hash branch
        member.save(update_fields=["password"])
        return
    if len(password) < 12:
        raise ValueError("twelve letters or more")
    member.password = make_password(password)  # seeded: twin weak-hash api
    member.save()


def enter(request):
    """Sign a member in and go where the member was."""
    member = Member.objects.filter(mail=request.POST["mail"]).first()
    if member is None or not check_password(request.POST["password"], member.password):
        return HttpResponse("no", status=403)
    request.session.cycle_key()
    request.session["member"] = member.pk  # seeded: twin trust-boundary typed
    target = request.POST.get("next", "/")
    if not target.startswith("http://members.example.org"):
        target = "https:" + target if target.startswith("//") else target
    answer = HttpResponseRedirect(target)  # seeded: flaw open-redirect branch
    answer.set_cookie("member_key", LongTokens(member.mail).token(), httponly=True, secure=True, samesite="Lax")  # seeded: twin insecure-cookie api
    return answer


def leave(request):
    """Sign out."""
    request.session.flush()
    target = request.GET.get("next", "/")
    if not url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()}, require_https=True):
        target = "/"
    return redirect(target)  # seeded: twin open-redirect sanitised


def reset(request):
    """Make a token for a member who forgot a password; the browser keeps it until the mail is there."""
    member = Member.objects.get(mail=request.POST["mail"])
    token = Tokens(member.mail).token()
    answer = HttpResponse("A mail is on its way.")
    answer.set_signed_cookie("reset", token, max_age=600, httponly=False)  # seeded: flaw insecure-cookie direct
    return answer


def _put(session, values) -> None:
    """Keep values for the visits to come."""
    for name, value in values.items():
        session[name] = value  # seeded: flaw trust-boundary helper


def preferences(request):
    """Keep what a member prefers."""
    _put(request.session, request.POST.dict())
    return JsonResponse({"kept": len(request.POST)})


def become(request):
    """Let staff see the site as a member does."""
    request.session["acting_as"] = request.GET["member"]  # seeded: flaw trust-boundary direct
    back = urlsplit(request.META.get("HTTP_REFERER", "")).path
    return redirect(f"https://members.example.org/{back.lstrip('/')}")  # seeded: twin open-redirect constant


def choose_club(request):
    """Keep which club's pages are shown, and how."""
    request.session["club"] = CLUBS.get(request.GET.get("club"), "sailing")  # seeded: twin trust-boundary allow-list
    theme = request.GET.get("theme")
    if theme in THEMES:
        request.session["theme"] = theme
    return redirect("/members/?" + request.GET.get("then", ""))  # seeded: twin open-redirect constant
