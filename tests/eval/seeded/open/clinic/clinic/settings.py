import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = os.environ["CLINIC_KEY"]
DEBUG = False
ALLOWED_HOSTS = ["clinic.example.org"]
INSTALLED_APPS = ["django.contrib.sessions", "patients", "documents"]
ROOT_URLCONF = "clinic.urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "clinic"}}
MEDIA_ROOT = BASE_DIR / "media"
