"""A Django project with users, sessions and zcomet."""

from __future__ import annotations

import os

SECRET_KEY = "of the tests alone, and longer than fifty characters, 0123456789"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "testserver"]
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "zrouter.contrib.django",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
ROOT_URLCONF = "tests.contrib.project.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]
DATABASES = {
    name: {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("PROJECT_DATABASE", ":memory:") + name,
    }
    for name in ("default", "other")
}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = True
ZCOMET = {
    "ROUTER": os.environ.get("ZROUTER_ROUTER", "tcp://127.0.0.1:1"),
    "TOKEN_KEY_FILE": os.environ.get("PROJECT_TOKEN_KEYS", ""),
    "URL": os.environ.get("PROJECT_ZFRONT", "/push/"),
}
