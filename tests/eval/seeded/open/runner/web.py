"""The runner's pages (Flask)."""

import os
import re

from flask import Flask, Response, abort, g, jsonify, make_response, redirect, request, session
from flask.views import MethodView
from ldap3 import ALL_ATTRIBUTES, Connection
from ldap3.utils.conv import escape_filter_chars
from pymongo import MongoClient

import artefacts
import expressions
import jobs
import wrap

app = Flask(__name__)
app.secret_key = os.environ["RUNNER_SECRET"]
results = MongoClient(os.environ.get("RUNNER_MONGO", "mongodb://localhost")).runner.results
DEFAULT_ORDER = [("ended", -1)]
tail = jobs.logged(jobs.WORK)


class Runs(MethodView):
    """Runs of jobs."""

    decorators = [wrap.traced]

    def filters(self) -> dict:
        """Return what the list is narrowed to."""
        return request.get_json(silent=True) or {}

    def post(self):
        """Run a job now."""
        job = jobs.MakeJob(request.form["project"], {"target": request.form.get("target", "all")})
        status = job.run()
        ticket = jobs.ticket()
        answer = jsonify({"status": status, "ticket": ticket, "mark": jobs.sign(ticket, app.secret_key)})
        answer.set_cookie("ticket", ticket, secure=True)  # seeded: flaw insecure-cookie class
        return answer

    def put(self):
        """List the results that meet filters."""
        found = results.find(filter=self.filters(), projection={"_id": 0}, sort=DEFAULT_ORDER, limit=50)  # seeded: flaw nosql-injection class
        return jsonify(list(found))

    def delete(self):
        """Remove the results of a project."""
        gone = results.delete_many({"project": request.form["project"]})  # seeded: twin nosql-injection typed
        return jsonify({"gone": gone.deleted_count})


app.add_url_rule("/runs", view_func=Runs.as_view("runs"))


@app.post("/checkout")
@wrap.with_project
def checkout(project):
    """Get a project, or switch to one of its branches."""
    branch = request.form.get("branch", "")
    if request.form.get("address"):
        return jsonify({"status": jobs.checkout(request.form["address"], branch), "project": project})
    return jsonify({"status": jobs.switch(branch)})


@app.get("/log/<name>")
@wrap.with_limit
def log(name):
    """Return the end of a log."""
    if request.args.get("short"):
        return Response(jobs.last_lines(name, g.limit), mimetype="text/plain")
    return Response(tail(request.args.get("file", name)), mimetype="text/plain")


@app.post("/clean")
def clean():
    """Have files removed later."""
    function = jobs.clean if request.form.get("pattern") else jobs.clean_all
    jobs.enqueue(function, request.form.get("pattern", ""))
    return redirect("/runs")


@app.get("/targets/<target>")
@wrap.with_known_project("engine", "site")
def target(project, target):
    """Make a target that everybody has."""
    return jsonify({"project": project, "status": jobs.ListJob(target).run()})


@app.get("/text")
def text():
    """Return a text that a job left, below a heading."""
    body = artefacts.text_of(request.args["job"], request.args["name"])
    head = artefacts.heading(request.args.get("heading", ""))
    return head + body


@app.get("/newest/<job>")
def newest(job):
    """Return the newest of what a job left, below a heading."""
    try:
        body = artefacts.newest(job)
    except FileNotFoundError as missing:
        abort(make_response(f"<p>{missing} left nothing</p>", 404))  # seeded: flaw xss exception
    return artefacts.heading_plain(request.args.get("heading", "")) + body


@app.post("/select")
def select():
    """Choose a job, and remove what it left if that is wanted."""
    artefacts.select(request.form["job"])
    if "remove" in request.form:
        artefacts.remove_selected()
    return redirect(request.form.get("after") or request.headers.get("Origin", "/"))  # seeded: flaw open-redirect direct


@app.get("/size")
def size():
    """Return how long a file is."""
    if "registry" in request.args:
        return jsonify(artefacts.registry_size(request.args["registry"], request.args["name"]))
    if "exact" in request.args:
        return jsonify(artefacts.exact_size(request.args["exact"]))
    return jsonify(artefacts.remote_size(request.args["address"]))


@app.post("/downloads")
def downloads():
    """Return the beginnings of files."""
    return jsonify([piece.hex() for piece in artefacts.each_download(request.get_json())])


@app.get("/badge")
def badge():
    """Return a badge."""
    make = artefacts.badge if "label" in request.args else artefacts.plain_badge
    return Response(make(request.args.get("label", "job"), "passed"), mimetype="text/plain")


@app.post("/step/<name>")
def step(name):
    """Do a step of a definition, if it is due."""
    schedule = expressions.Schedule(request.form.to_dict())
    if not expressions.due(request.form.get("if", "1")) or not expressions.due_checked(request.form.get("when", "1")):
        return jsonify(None)
    return jsonify({"today": schedule["monday"], "result": expressions.call(name, request.form["argument"])})


@app.get("/owner")
def owner():
    """Return who owns a project, as the directory says."""
    link = Connection("ldaps://ldap.example.com", auto_bind=True)
    project = request.args["project"]
    wanted = "(&(objectClass=project)(cn={0}))".format(project)
    link.search("ou=projects,dc=example,dc=com", wanted, attributes=ALL_ATTRIBUTES)  # seeded: flaw ldap-injection direct
    if not link.entries:
        # Projects of before have names in small letters only.
        cleaned = escape_filter_chars(project.lower())
        link.search("ou=old,dc=example,dc=com", f"(cn={cleaned})", attributes=ALL_ATTRIBUTES)  # seeded: twin ldap-injection sanitised
    return jsonify([str(each) for each in link.entries])


@app.get("/matching")
def matching():
    """Return the names of the jobs that are like an expression."""
    expression = request.args.get("like", ".*")
    try:
        like = re.compile(r"job-" + expression)  # seeded: flaw regex-injection direct
    except re.error:
        return jsonify([])
    return jsonify([each["name"] for each in results.find({}, {"name": 1}) if like.search(each["name"])])


@app.get("/role")
def role():
    """Say which part somebody plays in the pages that follow."""
    roles = {"asked": request.args.get("role"), "given": "reader"}
    session["role"] = roles["given"]  # seeded: twin trust-boundary safe-element
    return jsonify(roles["given"])


if __name__ == "__main__":
    jobs.start()
    app.run(port=8084)
