"""Gunicorn's settings: the application is imported once, in the master, and forked."""
# ruff: noqa: INP001

wsgi_app = "service:app"
worker_class = "asgi"
workers = 2
preload_app = True
