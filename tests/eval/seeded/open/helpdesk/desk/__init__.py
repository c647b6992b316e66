"""A small help desk: customers open tickets, agents answer them."""

import os

from flask import Flask

from desk import account, attachments, db, tickets


def create_app() -> Flask:
    """Build the application with its blueprints."""
    app = Flask(__name__)
    app.secret_key = os.environ["DESK_SECRET"]
    app.config["DATABASE"] = os.environ.get("DESK_DATABASE", "/var/lib/desk/desk.sqlite")
    app.config["ATTACHMENTS"] = os.environ.get("DESK_ATTACHMENTS", "/var/lib/desk/attachments")
    app.register_blueprint(tickets.bp)
    app.register_blueprint(attachments.bp)
    app.register_blueprint(account.bp)
    app.teardown_appcontext(db.close)
    return app
