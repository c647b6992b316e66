"""Tablebook: table reservations for a handful of restaurants."""

import os

from flask import Flask

from . import bookings, guests, staff, store


def create_app() -> Flask:
    """Build the WSGI application; the database's path comes from the environment."""
    app = Flask(__name__)
    app.secret_key = os.environ["TABLEBOOK_KEY"]
    app.config["DATABASE"] = os.environ.get("TABLEBOOK_DB", "/var/lib/tablebook/bookings.db")
    app.config["MENUS"] = os.environ.get("TABLEBOOK_MENUS", "/var/lib/tablebook/menus")
    for blueprint in (bookings.bp, guests.bp, staff.bp):
        app.register_blueprint(blueprint)
    app.teardown_appcontext(store.close)
    return app
