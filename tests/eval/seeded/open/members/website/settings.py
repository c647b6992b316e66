"""Settings of the members' site (Django)."""

import os

SECRET_KEY = os.environ["CLUB_SECRET"]
DEBUG = False
ALLOWED_HOSTS = ["members.example.org"]
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "club"]
MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware", "club.middleware.Visits"]
ROOT_URLCONF = "website.urls"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates"}]
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "club"}}
MEDIA_ROOT = "/srv/club/media"
"""Where what members upload is kept."""
