import hashlib
import random
import string

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.template import Context, Template
from django.urls import reverse
from django.utils.crypto import get_random_string
from django.utils.html import escape
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import mark_safe

LEAVE_TO = {"hospital": "https://hospital.example.org/", "home": "/"}


def home(request):
    return render(request, "home.html")


def login(request):
    target = request.POST.get("next", request.GET.get("next", ""))
    if target:
        return HttpResponseRedirect(target)  # seeded: flaw open-redirect branch
    return HttpResponseRedirect(reverse("patients"))


def login_checked(request):
    target = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()}):
        target = "/"
    return HttpResponseRedirect(target)  # seeded: twin open-redirect sanitised


def _destination(request: HttpRequest):
    return request.GET.get("to", "/")


def leave(request):
    return redirect(_destination(request))  # seeded: flaw open-redirect helper


def leave_by_name(request):
    return redirect(LEAVE_TO.get(_destination(request), "/"))  # seeded: twin open-redirect allow-list


def greeting(request):
    text = "Dear " + request.POST["name"] + ", {{ visits }} visits are planned."
    return HttpResponse(escape(Template(text).render(Context({"visits": 3}))))  # seeded: flaw template-injection direct


def greeting_fixed(request):
    template = Template("Dear {{ name }}, {{ visits }} visits are planned.")  # seeded: twin template-injection constant
    return HttpResponse(template.render(Context({"name": request.POST["name"], "visits": 3})))


class Badge:
    def __init__(self, text, colour):
        self.text = text
        self.colour = colour

    def __str__(self):
        return f"<span class='{self.colour}'>{self.text}</span>"

    def html(self):
        return mark_safe(f"<span class='{self.colour}'>{self.text}</span>")  # seeded: flaw xss class

    def dot(self):
        return mark_safe(f"<span class='{self.colour}'>•</span>")  # seeded: twin xss safe-element


def badge(request):
    return render(request, "badge.html", {"badge": Badge(request.GET.get("text"), "red").html()})


def badge_safe(request):
    return render(request, "badge.html", {"badge": Badge(request.GET.get("text"), "red").dot()})


def preferences(request):
    for key in ("language", "home_ward"):
        request.session[key] = request.POST.get(key)  # seeded: flaw trust-boundary loop
    return redirect("/")


def preferences_checked(request):
    language = request.POST.get("language")
    request.session["language"] = "de" if language == "de" else "en"  # seeded: twin trust-boundary constant
    return redirect("/")


def consent(request):
    response = render(request, "consent.html")
    response.set_cookie("patient", request.POST["patient"], max_age=3600)  # seeded: flaw insecure-cookie direct
    return response


def consent_strict(request):
    response = render(request, "consent.html")
    response.set_cookie("patient", request.POST["patient"], secure=True, httponly=True)  # seeded: twin insecure-cookie api
    return response


def invite(request):
    letters = string.ascii_letters + string.digits
    token = "".join(random.choices(letters, k=20))  # seeded: flaw weak-random direct
    request.session["invite_token"] = token
    return HttpResponse(status=204)


def invite_strong(request):
    token = get_random_string(20)  # seeded: twin weak-random api
    request.session["invite_token"] = token
    colour = random.choice(["red", "green", "blue"])  # seeded: twin weak-random api
    return HttpResponse(f"<i class='{colour}'></i>")


def fingerprint(text):
    digest = hashlib.new("sha1")  # seeded: flaw weak-hash direct
    digest.update(text.encode())
    return digest.hexdigest()


def fingerprint_strong(text):
    digest = hashlib.new("sha256")  # seeded: twin weak-hash api
    digest.update(text.encode())
    return digest.hexdigest()
