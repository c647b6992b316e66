"""The phone book's web interface (Bottle)."""

import logging
from html import escape

import bottle
from bottle import SimpleTemplate, redirect, request, response, template

import offices
import people
import phones

app = bottle.Bottle()
log = logging.getLogger("phonebook")

CARD = "<div class=card><b>{{name}}</b> {{!number}}</div>"
LIST = "<ul>% for each in found:\n<li>{{each}}</li>\n% end\n</ul>"


@app.get("/people/mail")
def people_by_mail():
    """Find people by mail address."""
    return {"found": people.by_mail(request.query.mail)}


@app.get("/people/name")
def people_by_name():
    """Find people by name."""
    return {"found": people.by_name(request.query.name)}


@app.get("/people/uid/<uid>")
def person(uid):
    """Find one person; say which account there is not."""
    try:
        return {"found": people.by_uid(uid)}
    except ValueError as error:
        log.warning("refused: %s", error)  # seeded: twin log-injection sanitised
        response.status = 404
        return "<p>%s</p>" % escape(str(error))  # seeded: twin xss sanitised


@app.get("/people/kind/<kind>")
def people_of_kind(kind):
    """List people of a kind, or one by number."""
    return {"found": people.by_number(kind) if kind.isdigit() else people.of_kind(kind)}


@app.get("/people/where")
def people_where():
    """Find people by several attributes."""
    directory = people.Directory()
    for attribute in ("cn", "mail", "l"):
        if value := request.query.get(attribute):
            directory.where(attribute, value)
    return {"found": directory.people()}


@app.get("/people/any")
def people_any():
    """Find people by any of several names."""
    return {"found": [str(each) for each in people.each_match(request.query.getall("name"))]}


@app.post("/people/<uid>/name")
def rename(uid):
    """Rename a person."""
    people.rename(uid, request.forms.name)
    redirect("/people/uid/" + uid)  # seeded: twin open-redirect constant


@app.post("/groups/leave")
def leave():
    """Leave a group."""
    people.remove_from_group(request.forms.group, request.forms.uid)
    redirect(request.forms.get("back") or "/")  # seeded: flaw open-redirect direct


@app.post("/login")
def login():
    """Sign in."""
    user = request.forms.user
    if not people.Directory().signs_in(user, request.forms.password):
        log.error("no luck for " + user)  # seeded: flaw log-injection direct
        response.status = 403
        return "no"
    response.set_cookie("user", user, secret=app.config["secret"], path="/")  # seeded: flaw insecure-cookie direct
    return "yes"


@app.get("/offices/of")
def office_of():
    """Say where somebody sits."""
    return {"rooms": offices.room_of(request.query.person)}


@app.get("/offices/find")
def office_find():
    """Find rooms."""
    query = request.query
    if query.floor:
        return {"rooms": offices.rooms_on(query.floor) or offices.rooms_by_floor(query.floor)}
    if query.seats:
        return {"rooms": offices.rooms_with(query.seats)}
    return {"rooms": offices.rooms_named(query.name)}


@app.get("/offices/key")
def office_key():
    """Say who holds a key."""
    return {"holder": offices.key_holder(request.query.room, request.query.code)}


@app.post("/offices/seats")
def office_seats():
    """Count what a sent plan has."""
    body = request.body.read()
    if request.query.source == "tenant":
        return {"desks": offices.count_desks(body).count}
    seats = offices.count_seats(body)
    return {"seats": seats.count, "remarks": seats.remarks}


@app.post("/offices/merge")
def office_merge():
    """Take a sent plan over."""
    return {"rooms": offices.merge(request.body.read())}


@app.post("/offices/names")
def office_names():
    """List the names in a sent plan, of the old form or the new."""
    if request.query.old:
        return {"names": offices.OldPlanReader().names(request.body)}
    return {"names": offices.PlanReader().titles(request.body)}


@app.get("/phones")
def numbers():
    """List the numbers that are like an expression, in a style or with a length."""
    known = [line.strip() for line in open("numbers.txt", encoding="utf-8")]
    query = request.query
    if query.like:
        return {"numbers": phones.filtered(known, phones.like(query.like))}
    if query.style:
        return {"numbers": phones.filtered(known, phones.in_style(query.style))}
    return {"numbers": phones.filtered(known, phones.beginning_with(query.begin))}


@app.get("/card")
def card():
    """Show a card as the asker wants it laid out."""
    layout = request.query.get("layout", CARD)
    return template(layout + "\n", name=request.query.name, number="112")  # seeded: flaw template-injection direct


@app.get("/cards")
def cards():
    """Show names as a list."""
    return SimpleTemplate(LIST).render(found=request.query.getall("name"))  # seeded: twin template-injection constant


@app.get("/number")
def number():
    """Show one number on a card."""
    wanted = request.query.number
    if not phones.is_number(wanted):
        wanted = "unknown"
    return template(CARD, name="Number", number=wanted)  # seeded: twin xss allow-list


if __name__ == "__main__":
    app.config.load_config("phonebook.conf")
    app.run(port=8081)
