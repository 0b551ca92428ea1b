"""`manage.py zcomet_send`: send from the command line, with the project's settings."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from zrouter.contrib.django import push
from zrouter.errors import RouterError


class Command(BaseCommand):
    """Send a message to an id."""

    help = "Send a message to an id, such as user:7, through the router of the setting ZCOMET."

    def add_arguments(self, parser: CommandParser) -> None:
        """ID MESSAGE."""
        parser.add_argument("id")
        parser.add_argument("message")

    def handle(self, *_: Any, **options: Any) -> None:
        """Send it."""
        try:
            handed = push.send(options["id"], options["message"])
        except (RouterError, ValueError) as error:
            raise CommandError(str(error)) from None
        if not handed:
            self.stdout.write(f"nobody is connected as {options['id']}; the id of a user is such as user:7")
            return
        kept = "kept for one who has just left" if handed < 0 else f"handed to {handed} connection(s)"
        self.stdout.write(kept)
