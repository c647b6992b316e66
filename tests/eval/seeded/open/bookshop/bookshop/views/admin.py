import importlib
import subprocess

import yaml
from flask import Blueprint, current_app, jsonify, request
from jinja2 import Environment
from jinja2.sandbox import SandboxedEnvironment

from .. import jobs

bp = Blueprint("admin", __name__)

DISCOUNTS = {"half": lambda price: price / 2, "none": lambda price: price}


@bp.post("/convert")
def convert():
    form = request.form
    return jsonify(status=jobs.convert(form["source"], form["target"], form.get("quality", "80")))


@bp.post("/convert-quoted")
def convert_quoted():
    form = request.form
    return jsonify(status=jobs.convert_quoted(form["source"], form["target"], int(form.get("quality", 80))))


@bp.post("/thumbnail")
def thumbnail():
    return jobs.thumbnail(request.form["source"]).stdout


@bp.post("/backup")
def backup():
    job = jobs.Job("backup").add("--to", request.form["to"])
    return jsonify(pid=job.start().pid)


@bp.post("/backup-safely")
def backup_safely():
    job = jobs.SafeJob("backup").add("--to", request.form["to"])
    return jsonify(pid=job.start().pid)


@bp.get("/report/<name>")
def report(name):
    return jsonify(text=jobs.report(name).decode())


@bp.get("/disk")
def disk():
    device = request.args.get("device", "sda")
    verbose = False
    command = "df -h"
    if verbose:
        command += " " + device
    return jsonify(text=subprocess.getoutput(command))  # seeded: twin command-injection impossible-branch


@bp.get("/ping")
def ping():
    options = ["-c", "1"]
    options.append(request.args["host"])
    return jsonify(text=subprocess.getoutput("ping " + " ".join(options)))  # seeded: flaw command-injection container


@bp.post("/price")
def price():
    formula = request.form["formula"]
    return jsonify(price=eval(formula, {"__builtins__": {}}, {"base": 12.5}))  # seeded: flaw code-injection direct


@bp.post("/discount")
def discount():
    change = DISCOUNTS.get(request.form["discount"], DISCOUNTS["none"])
    return jsonify(price=change(12.5))


@bp.post("/plugin")
def plugin():
    module = importlib.import_module(request.form["module"])  # seeded: flaw code-injection direct
    return jsonify(name=module.__name__)


@bp.post("/plugin-known")
def plugin_known():
    wanted = request.form["module"]
    if wanted not in {"csv_export", "xml_export"}:
        return jsonify(error="no such export"), 400
    module = importlib.import_module(wanted)  # seeded: twin code-injection allow-list
    return jsonify(name=module.__name__)


def _settings(text, load=yaml.safe_load):
    return load(text)


@bp.post("/settings")
def settings():
    document = request.get_data(as_text=True)
    current_app.config.update(yaml.load(document, Loader=yaml.UnsafeLoader))  # seeded: flaw deserialization direct
    return "", 204


@bp.post("/settings-safe")
def settings_safe():
    document = request.get_data(as_text=True)
    current_app.config.update(yaml.load(document, Loader=yaml.SafeLoader))  # seeded: twin deserialization api
    return "", 204


@bp.post("/settings-default")
def settings_default():
    current_app.config.update(_settings(request.get_data(as_text=True)))
    return "", 204


@bp.post("/newsletter")
def newsletter():
    environment = Environment(autoescape=True)
    letter = environment.from_string(request.form["text"])  # seeded: flaw template-injection direct
    return jsonify(text=letter.render(shop="Bookshop"))


@bp.post("/newsletter-sandbox")
def newsletter_sandbox():
    environment = SandboxedEnvironment(autoescape=True)
    letter = environment.from_string(request.form["text"])  # seeded: twin template-injection api
    return jsonify(text=letter.render(shop="Bookshop"))
