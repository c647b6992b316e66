import logging
import re

from django.db import connection
from django.db.models.expressions import RawSQL
from django.http import Http404, HttpResponse, HttpResponseBadRequest, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.html import escape, format_html
from django.views import View

from .models import KnownStatistics, Patient, Statistics

logger = logging.getLogger(__name__)

ORDERS = ["name", "-name", "born"]


def index(request):
    order = request.GET.get("order", "name")
    if order not in ORDERS:
        raise Http404(order)
    return render(request, "patients/index.html", {"patients": Patient.objects.order_by(order)})


def detail(request, number):
    patient = get_object_or_404(Patient, pk=number)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT note FROM notes WHERE patient = {number}")  # seeded: twin sql-injection typed
        notes = [row[0] for row in cursor.fetchall()]
    return render(request, "patients/detail.html", {"patient": patient, "notes": notes})


def by_name(request, name):
    return JsonResponse({"found": [each.pk for each in Patient.named(name)]})


def by_name_bound(request, name):
    return JsonResponse({"found": [each.pk for each in Patient.named_bound(name)]})


def _wanted(request):
    term = request.GET.get("q", "")
    return {"term": term.strip(), "limit": 50}


def search(request):
    wanted = _wanted(request)
    cursor = connection.cursor()
    cursor.execute("SELECT id FROM patients_patient WHERE name ILIKE '%" + wanted["term"] + "%'")  # seeded: flaw sql-injection container
    return JsonResponse({"found": cursor.fetchall()})


def search_limited(request):
    wanted = _wanted(request)
    cursor = connection.cursor()
    cursor.execute("SELECT id FROM patients_patient LIMIT %d" % wanted["limit"])  # seeded: twin sql-injection safe-element
    return JsonResponse({"found": cursor.fetchall()})


def search_orm(request):
    term = request.GET.get("q", "")
    found = Patient.objects.filter(name__icontains=term)
    return JsonResponse({"found": [each.pk for each in found]})


def extra(request):
    return JsonResponse({"found": Patient.objects.matching(request.POST["condition"]).count()})


def extra_known(request):
    ward = request.POST.get("ward")
    found = Patient.objects.extra(where=["ward = %s"], params=[ward])  # seeded: twin sql-injection api
    return JsonResponse({"found": found.count()})


def ages(request):
    expression = "age(born) > interval '%s'" % request.GET.get("age", "18 years")
    found = Patient.objects.annotate(adult=RawSQL(expression, ()))  # seeded: flaw sql-injection direct
    return JsonResponse({"found": list(found.values_list("pk", "adult"))})


def ages_bound(request):
    found = Patient.objects.annotate(adult=RawSQL("age(born) > %s::interval", (request.GET.get("age"),)))  # seeded: twin sql-injection api
    return JsonResponse({"found": list(found.values_list("pk", "adult"))})


def statistics(request):
    kind = KnownStatistics if request.GET.get("known") else Statistics
    if kind is KnownStatistics:
        rows = KnownStatistics("patients_patient", request.GET["by"]).rows()
    else:
        rows = Statistics("patients_patient", request.GET["by"]).rows()
    return JsonResponse({"rows": rows})


def ward(request, ward):
    logger.info("ward %s was looked at", ward)
    return HttpResponse(format_html("<h1>Ward {}</h1>", ward))  # seeded: twin xss sanitised


def by_year(request, year):
    return HttpResponse("<h1>Born in %d</h1>" % int(year))  # seeded: twin xss typed


def not_found(request):
    missing = request.GET.get("name", "?")
    logger.warning("nobody named " + missing)  # seeded: flaw log-injection direct
    return HttpResponse(f"<p>There is nobody named {missing}.</p>", status=404)  # seeded: flaw xss direct


def not_found_escaped(request):
    missing = request.GET.get("name", "?")
    logger.warning("nobody named %s", missing.replace("\n", "\\n").replace("\r", "\\r"))  # seeded: twin log-injection sanitised
    return HttpResponse(f"<p>There is nobody named {escape(missing)}.</p>", status=404)  # seeded: twin xss sanitised


def plain(request):
    return HttpResponse("You asked for " + request.GET.get("name", ""), content_type="text/plain")  # seeded: twin xss api


class Merge(View):
    template = "<p>Merged into {}</p>"

    def post(self, request):
        self.keep = request.POST["keep"]
        self.check()
        return self.answer()

    def check(self):
        if not self.keep:
            raise Http404

    def answer(self):
        return HttpResponse(self.template.format(self.keep))  # seeded: flaw xss class


class Split(View):
    def post(self, request):
        part = request.POST["part"]
        if not part.isalnum():
            return HttpResponseBadRequest("letters and digits only")
        return HttpResponse("<p>Split off " + part + "</p>")  # seeded: twin xss sanitised


def back(request):
    return redirect(request.META.get("HTTP_REFERER", "/"))


def matching(request):
    try:
        pattern = re.compile(request.GET["pattern"])  # seeded: flaw regex-injection direct
    except re.error:
        return HttpResponseBadRequest("not a pattern")
    return JsonResponse({"found": [each.pk for each in Patient.objects.all() if pattern.match(each.name)]})


def matching_text(request):
    words = [re.escape(word) for word in request.GET["words"].split()]
    pattern = re.compile("|".join(words))  # seeded: twin regex-injection sanitised
    return JsonResponse({"found": [each.pk for each in Patient.objects.all() if pattern.match(each.name)]})
