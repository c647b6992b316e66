"""Settings of the wiki."""

import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = os.environ["QUILL_SECRET"]
DEBUG = False
ALLOWED_HOSTS = ["wiki.example"]
ROOT_URLCONF = "quill.urls"
MEDIA_ROOT = BASE_DIR / "media"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "wiki",
    "people",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "people.middleware.ReadingList",
]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True, "DIRS": []}]
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "quill"}}
SESSION_COOKIE_SECURE = True
LDAP_URI = os.environ.get("QUILL_LDAP", "ldap://directory.example")
