"""A shop for second-hand books."""

from flask import Flask

from .views import register


def create_app():
    app = Flask(__name__)
    app.config.from_prefixed_env("BOOKSHOP")
    register(app)
    return app
