"""Lists of members and events."""

import csv
import re

from django.db import connection
from django.http import HttpResponse, JsonResponse
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import mark_safe

from club.models import ORDERS, Event, JuniorRoll, Member


def parameter(request, name: str, default: str = "") -> str:
    """Return a parameter without the blanks around it."""
    return request.GET.get(name, default).strip()


def members(request):
    """List members by name or by age, all or of a town."""
    order = ORDERS.get(parameter(request, "order"), "last_name")
    found = Member.objects.raw("SELECT * FROM member WHERE town = %s ORDER BY " + order, [parameter(request, "town")])  # seeded: twin sql-injection allow-list
    rows = format_html_join("", "<li>{}, {}</li>", ((each.name, each.town) for each in found))
    return HttpResponse(format_html("<h1>Members of {}</h1>{}", parameter(request, "town"), rows))  # seeded: twin xss api


def born(request):
    """List who was born in a year."""
    year = parameter(request, "year")
    found = Member.objects.extra(where=["EXTRACT(year FROM born) = " + year])  # seeded: flaw sql-injection helper
    return JsonResponse({"members": [each.name for each in found]})


def near(request):
    """List the young members of a town, and say so."""
    town = parameter(request, "town")
    title = mark_safe(f"<h1>Young members near {town}</h1>")  # seeded: flaw xss helper
    rows = JuniorRoll().in_town(town)
    if not rows:
        return HttpResponse(title, status=404)
    items = mark_safe("".join("<li>" + escape(name) + "</li>" for _, name, _ in rows))  # seeded: twin xss sanitised
    return HttpResponse(title + items)


def events(request):
    """List events by what their title or place contains."""
    if not re.fullmatch(r"[\w ]{1,40}", parameter(request, "q")):
        return HttpResponse("letters, digits and blanks only", status=400, content_type="text/plain")
    pattern = "%" + parameter(request, "q") + "%"
    with connection.cursor() as cursor:
        cursor.execute("SELECT title FROM club_event WHERE title LIKE '" + pattern + "'")  # seeded: twin sql-injection allow-list
        titles = [row[0] for row in cursor.fetchall()]
    count = Event.objects.filter(place__icontains=parameter(request, "q")).count()
    return JsonResponse({"titles": titles, "at": count})


def export(request):
    """Return a town's members as a table."""
    town = parameter(request, "town")
    answer = HttpResponse(content_type="text/csv")
    answer["Content-Disposition"] = f'attachment; filename="{len(town)}.csv"'  # seeded: twin header-injection typed
    writer = csv.writer(answer)
    with connection.cursor() as cursor:
        for column in ("name", "mail"):
            cursor.execute(f"SELECT {column} FROM member WHERE town = '%s'" % town)  # seeded: flaw sql-injection loop
            writer.writerows(cursor.fetchall())
    return answer
