"""Run by Django's own test runner, as those of a user's project would be."""

from __future__ import annotations

import datetime
import decimal
import json
import threading
import time
import uuid
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import Client, TestCase, TransactionTestCase, override_settings
from django.utils.functional import lazystr

from zrouter.contrib import django as zcomet
from zrouter.contrib.django import conf
from zrouter.contrib.django.apps import check_settings
from zrouter.contrib.django.testing import captured
from zrouter.errors import RefusedError, RouterUnavailableError
from zrouter.tokens.key_files import KeyFile
from zrouter.tokens.verify import Claims, Verifier


def read(token: str) -> Claims:
    keys = KeyFile(conf.current().token_key_file)
    return Verifier(lambda: keys.keys).verify(token, time.time())


def member(name: str = "ann", **more: Any) -> Any:
    return get_user_model().objects.create_user(name, password="pw", **more)


class Ids(TestCase):
    def test_a_user_has_the_prefix_and_the_key(self) -> None:
        user = member()
        self.assertEqual(zcomet.user_id(user), f"user:{user.pk}")
        self.assertEqual(zcomet.group_id("room.1"), "group:room.1")
        user.pk = uuid.UUID(int=7)
        self.assertEqual(zcomet.user_id(user), f"user:{uuid.UUID(int=7)}")

    def test_who_is_nobody_has_none(self) -> None:
        unsaved = get_user_model()(username="new")
        for nobody in (AnonymousUser(), unsaved, member("gone", is_active=False), None):
            with self.assertRaises(ValueError):
                zcomet.user_id(nobody)
            with self.assertRaises(ValueError):
                zcomet.token_for(nobody)

    def test_what_is_no_group_is_refused(self) -> None:
        for wrong in ("", "x" * 101, None, 5, "*", "x:*", "{sub}", "a}"):
            with self.assertRaises(ValueError):
                zcomet.group_id(wrong)  # type: ignore[arg-type]


class Sends(TestCase):
    def test_messages_are_text_bytes_or_json(self) -> None:
        user = member()
        with captured() as sent:
            for message in (
                "text", b"\xff", lazystr("later"), ["é"],
                {"at": datetime.date(2026, 1, 2), "for": decimal.Decimal("1.50")},
            ):  # fmt: skip
                zcomet.send(user, message)
        self.assertEqual(
            [message for _, message in sent.messages],
            ["text", b"\xff", "later", '["é"]', '{"at": "2026-01-02", "for": "1.50"}'],
        )
        self.assertEqual({to for to, _ in sent.messages}, {f"user:{user.pk}"})

    def test_what_is_none_is_an_error_at_once(self) -> None:
        with captured() as sent:
            wrong = ((5, "x"), (None, "x"), ("", "x"), ("x" * 256, "x"), ("a", float("nan")))
            for to, message in ((member(), object()), *wrong):
                with self.assertRaises((TypeError, ValueError)):
                    zcomet.send(to, message)
            with self.assertRaises((TypeError, ValueError)):
                zcomet.send_on_commit(member("bob"), object())
        self.assertEqual(sent.messages, [])

    def test_the_fake_refuses_what_a_router_refuses(self) -> None:
        with captured() as sent:
            with self.assertRaises(RefusedError):
                zcomet.send("a", "x" * 65537)
            sent.is_away = True
            with self.assertRaises(RouterUnavailableError):
                zcomet.send("a", "x")

    def test_a_group_and_a_publish(self) -> None:
        with captured() as sent:
            zcomet.group_send("room", {"type": "chat.message", "text": "hi"})
            zcomet.publish("artist:1", "new", key="k")
        self.assertEqual(sent.messages, [("group:room", '{"type": "chat.message", "text": "hi"}')])
        self.assertEqual(sent.published, [("artist:1", "new")])

    def test_a_router_that_is_away_holds_a_request_up_no_longer_than_that(self) -> None:
        began = time.monotonic()
        with self.assertRaises(RouterUnavailableError):
            zcomet.send("a", "x")
        self.assertLess(time.monotonic() - began, 3)

    def test_django_sees_the_hook_in_a_test_case(self) -> None:
        with captured() as sent, self.captureOnCommitCallbacks(execute=True) as hooks:
            zcomet.send_on_commit("a", "x")
        self.assertEqual((len(hooks), sent.messages), (1, [("a", "x")]))

    def test_the_command_sends_and_fails_in_words(self) -> None:
        with captured() as sent:
            call_command("zcomet_send", "user:7", "hello")
            self.assertEqual(sent.messages, [("user:7", "hello")])
            sent.is_away = True
            with self.assertRaises(CommandError):
                call_command("zcomet_send", "user:7", "hello")


class Commits(TransactionTestCase):
    databases = {"default", "other"}

    def test_it_is_sent_after_the_commit_of_its_database_and_never_after_a_rollback(self) -> None:
        with captured() as sent:
            with transaction.atomic():
                zcomet.send_on_commit("a", "one")
                self.assertEqual(sent.messages, [])
                with self.assertRaises(ZeroDivisionError), transaction.atomic():
                    zcomet.send_on_commit("a", "rolled back to a savepoint")
                    raise ZeroDivisionError
            self.assertEqual(sent.messages, [("a", "one")])
            with self.assertRaises(ZeroDivisionError), transaction.atomic():
                zcomet.send_on_commit("a", "rolled back")
                raise ZeroDivisionError
            zcomet.send_on_commit("a", "without a transaction")
            with transaction.atomic(using="other"):
                zcomet.send_on_commit("a", "of the other", using="other")
                zcomet.publish_on_commit("p", "of none")
                self.assertEqual(sent.messages[1:], [("a", "without a transaction")])
                self.assertEqual(sent.published, [("p", "of none")])
            self.assertEqual(sent.messages[2:], [("a", "of the other")])

    def test_what_is_sent_is_what_it_was_when_it_was_asked_for(self) -> None:
        order = {"state": "new"}
        with captured() as sent, transaction.atomic():
            zcomet.send_on_commit("a", order)
            order["state"] = "changed"
        self.assertEqual(sent.messages, [("a", '{"state": "new"}')])

    def test_a_router_that_is_away_breaks_neither_the_request_nor_other_hooks(self) -> None:
        ran = []
        with captured() as sent, self.assertLogs("zrouter.contrib.django", "ERROR"):
            sent.is_away = True
            with transaction.atomic():
                zcomet.send_on_commit("a", "x")
                transaction.on_commit(lambda: ran.append(1))
        self.assertEqual(ran, [1])


class Tokens(TestCase):
    def test_a_token_is_for_the_user_alone_unless_more_is_said(self) -> None:
        user = member()
        own = f"user:{user.pk}".encode()
        claims = read(zcomet.token_for(user))
        self.assertEqual(claims.sub, own)
        self.assertIsNone(claims.ids.first_refused([own]))
        self.assertIsNotNone(claims.ids.first_refused([b"user:0"]))
        self.assertIsNotNone(claims.made_at)
        more = read(zcomet.token_for(user, ids=["group:*"], watch=["user:*"], ttl_s=60))
        self.assertIsNone(more.ids.first_refused([own, b"group:room"]))
        self.assertIsNone(more.watch.first_refused([own, b"user:9"]))
        self.assertLess(more.ends_at, time.time() + 100)
        for wrong in ({"ids": "room:1"}, {"watch": b"room"}):
            with self.assertRaises(TypeError):
                zcomet.token_for(user, **wrong)

    def test_the_view_gives_one_to_who_is_logged_in_by_post_with_the_csrf_token_alone(self) -> None:
        user = member()
        client = Client(enforce_csrf_checks=True)
        self.assertEqual(client.get("/zcomet/token/").status_code, 405)
        csrf = client.get("/enter/").content.decode()
        headers = {"X-CSRFToken": csrf}
        self.assertEqual(client.post("/zcomet/token/", headers=headers).status_code, 401)
        client.force_login(user)
        self.assertEqual(client.post("/zcomet/token/").status_code, 403)
        answer = client.post("/zcomet/token/", headers=headers)
        found = answer.json()
        self.assertEqual(read(found["token"]).sub, found["id"].encode())
        self.assertEqual(found["url"], "/push/")
        self.assertIn("no-store", answer["Cache-Control"])
        self.assertIn("private", answer["Cache-Control"])
        self.assertIn("Cookie", answer["Vary"])
        user.is_active = False
        user.save()
        self.assertNotEqual(client.post("/zcomet/token/", headers=headers).status_code, 200)

    def test_the_tag_gives_the_id_as_json_and_no_token(self) -> None:
        self.assertEqual(self.client.get("/page/").content, b"<body></body>")
        user = member()
        self.client.force_login(user)
        found = self.client.get("/page/").content.decode()
        self.assertIn('<script src="/push/pages/zcomet.js"></script>', found)
        data = found.partition('<script id="zcomet" type="application/json">')[2].partition("</script>")[0]
        said = json.loads(data)
        self.assertTrue(said.pop("csrf"))
        self.assertEqual(said, {"id": f"user:{user.pk}", "url": "/push/", "token_url": "/zcomet/token/"})
        with override_settings(ZCOMET={"USER_PREFIX": "</script>:", "GROUP_PREFIX": "g:"}):
            self.assertNotIn("</script>:", self.client.get("/page/").content.decode())


class Ends(TestCase):
    def test_a_logout_and_an_account_that_is_closed_end_connections(self) -> None:
        user = member()
        own = f"user:{user.pk}"
        with captured() as sent, self.captureOnCommitCallbacks(execute=True):
            self.client.force_login(user)
            self.client.get("/leave/")
            self.assertEqual(sent.revoked, [own])
            user.first_name = "Ann"
            user.save()
            self.assertEqual(sent.revoked, [own])
            with self.captureOnCommitCallbacks(execute=True):
                user.is_active = False
                user.save()
                self.assertEqual(sent.revoked, [own])  # not before the commit
            self.assertEqual(sent.revoked, [own, own])
            other = member("eve")
            for end in (lambda: (other.set_password("new"), other.save()), other.delete):
                with self.captureOnCommitCallbacks(execute=True):
                    subject = f"user:{other.pk}"
                    end()
                self.assertEqual(sent.revoked[2:].count(subject), len(sent.revoked) - 2)
            self.assertEqual(len(sent.revoked), 4)
            del sent.revoked[2:]
            with override_settings(ZCOMET={"END_ON_LOGOUT": False}):
                other = member("bob")
                self.client.force_login(other)
                self.client.get("/leave/")
            self.assertEqual(len(sent.revoked), 2)

    def test_a_suite_can_be_told_to_send_nothing(self) -> None:
        with override_settings(ZCOMET={"ENABLED": False}):
            self.assertEqual(zcomet.send("a", "x"), 0)
            self.assertEqual(zcomet.publish("a", "x").followers, 0)
            self.client.force_login(member())
            self.assertEqual(self.client.get("/leave/").status_code, 200)
            with self.assertRaises(RefusedError):
                zcomet.send("a", "x" * 65537)

    def test_a_logout_goes_on_with_settings_that_are_wrong(self) -> None:
        self.client.force_login(member())
        with (
            override_settings(ZCOMET={"ROUTER": "127.0.0.1:1"}),
            self.assertLogs("zrouter.contrib.django", "ERROR"),
        ):
            with self.assertRaises(ValueError):
                zcomet.send("a", "x")
            self.assertEqual(self.client.get("/leave/").status_code, 200)

    def test_a_logout_is_not_held_up_by_a_router_that_is_away(self) -> None:
        self.client.force_login(member())
        with captured() as sent, self.assertLogs("zrouter.contrib.django", "ERROR"):
            sent.is_away = True
            self.assertEqual(self.client.get("/leave/").status_code, 200)


class Checks(TestCase):
    def test_what_would_fail_later_is_found_by_check(self) -> None:
        folder = Path(conf.current().token_key_file).parent
        readable = folder / "readable"
        readable.write_text("f9e1a8b2c3d4e5f60718293a4b5c6d7e\n")
        readable.chmod(0o644)
        same = folder / "same"
        same.touch(0o600)
        same.write_text("of-the-tests-alone-and-longer-than-fifty-characters-012\n")
        for given, ids in (
            ({}, ["zcomet.W001"]),
            ({"TOKEN_KEY_FILE": conf.current().token_key_file}, []),
            ({"TOKEN_KEY_FILE": "/nowhere"}, ["zcomet.E002"]),
            ({"TOKEN_KEY_FILE": str(readable)}, ["zcomet.E002"]),
            ({"TIMEOUT": 5}, ["zcomet.E001"]),
            ({"TIMEOUT_S": 0}, ["zcomet.E001"]),
            ({"TIMEOUT_S": "5"}, ["zcomet.E001"]),
            ({"TOKEN_TTL_S": float("inf")}, ["zcomet.E001"]),
            ({"USER_PREFIX": ""}, ["zcomet.E001"]),
            ({"USER_PREFIX": "group:user:"}, ["zcomet.E001"]),
            ({"URL": "https://push.example"}, ["zcomet.E001"]),
            ({"ROUTER": "127.0.0.1:5570"}, ["zcomet.E001"]),
            ({"CURVE_KEY_FILE": "/nowhere"}, ["zcomet.E001"]),
            ({"TOKEN_KEY_FILE": conf.current().token_key_file, "TOKEN_TTL_S": 5}, ["zcomet.W002"]),
            ({"TOKEN_KEY_FILE": conf.current().token_key_file, "TOKEN_TTL_S": 100_000}, ["zcomet.W002"]),
            ([], ["zcomet.E001"]),
        ):
            with override_settings(ZCOMET=given):
                self.assertEqual([one.id for one in check_settings(None)], ids, given)
        secret = "of-the-tests-alone-and-longer-than-fifty-characters-012"
        with override_settings(ZCOMET={"TOKEN_KEY_FILE": str(same)}, SECRET_KEY=secret):
            self.assertEqual([one.id for one in check_settings(None)], ["zcomet.E003"])
        with override_settings(ZCOMET={}), self.assertRaises(ImproperlyConfigured):
            zcomet.token_for(member())

    def test_a_fake_is_there_for_all_threads_and_for_its_block_alone(self) -> None:
        with captured() as sent:
            thread = threading.Thread(target=zcomet.send, args=("a", "x"))
            thread.start()
            thread.join()
        self.assertEqual(sent.messages, [("a", "x")])
        with self.assertRaises(RouterUnavailableError):
            zcomet.send("a", "x")
