"""A TOM as small as they come: in memory, with the plug-in."""

from tom_common.default_settings import *  # noqa: F403

SECRET_KEY = "of tests"
INSTALLED_APPS = [
    *TOMTOOLKIT_INSTALLED_APPS,  # noqa: F405
    "tom_alertstreams",
    "tom_correlator",
]
MIDDLEWARE = TOMTOOLKIT_MIDDLEWARE  # noqa: F405
ROOT_URLCONF = "tom_common.urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
CRISPY_TEMPLATE_PACK = "bootstrap5"
SITE_ID = 1
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "/static/"
MEDIA_ROOT = "/nonexistent"
LOGIN_URL = "/accounts/login/"
TARGET_TYPE = "SIDEREAL"
TARGET_PERMISSIONS_ONLY = True
AUTH_STRATEGY = "READ_ONLY"
EXTRA_FIELDS = []
HOOKS = {}
FACILITIES = {}
TOM_NAME = "A TOM of tests"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
