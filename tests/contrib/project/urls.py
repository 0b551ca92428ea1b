"""Views of the project: log in and out, order, a page with a stream."""

from __future__ import annotations

from django.contrib.auth import authenticate, login, logout
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.template import engines
from django.urls import path

from zrouter.contrib.django import send, send_on_commit
from zrouter.contrib.django.views import token

PAGE = "{% load zcomet %}<body>{% zcomet_stream %}</body>"


def enter(request: HttpRequest) -> HttpResponse:
    """GET gives the CSRF cookie, POST logs in."""
    if request.method == "POST":
        user = authenticate(request, username=request.POST["name"], password=request.POST["password"])
        if user is None:
            return HttpResponse(status=403)
        login(request, user)
    return HttpResponse(get_token(request))


def leave(request: HttpRequest) -> HttpResponse:
    logout(request)
    return HttpResponse()


def order(request: HttpRequest) -> HttpResponse:
    """An order of whoever is logged in; `?fails` rolls it back."""
    try:
        with transaction.atomic():
            send_on_commit(request.user, {"order": request.POST["what"]})
            if "fails" in request.GET:
                raise ValueError
    except ValueError:
        return HttpResponse(status=409)
    return HttpResponse(status=201)


def direct(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(send(request.POST["to"], request.POST["what"])))


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(engines["django"].from_string(PAGE).render({}, request))


urlpatterns = [
    path("enter/", enter),
    path("leave/", leave),
    path("order/", order),
    path("direct/", direct),
    path("page/", page),
    path("zcomet/token/", token, name="zcomet-token"),
]
