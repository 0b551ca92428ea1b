"""The form of a key, whether a text is it, what it may do and for which ids."""

from __future__ import annotations

import copy
import pickle

import pytest

from zrouter.api_keys.key_files import Record
from zrouter.api_keys.keys import ANYBODY, SCOPES, ApiKey, ApiKeyError, ApiKeys, digest_of, make_key

HASH_KEY = bytes(range(32))


def made(*scopes: str, ids: list[str] | None = None) -> tuple[str, ApiKey]:
    text, an_id = make_key()
    digest = digest_of(text, HASH_KEY).hex()
    return text, Record(id=an_id, name="n", scopes=list(scopes or ("send",)), ids=ids, hash=digest).key()


def test_a_key_is_found_by_its_whole_text_alone() -> None:
    (text, key), (other, other_key) = made(), made()
    keys = ApiKeys({key.id: key, other_key.id: other_key}, [], HASH_KEY)
    assert keys.find(text) is key
    assert keys.find(other) is other_key
    wrong = [
        text[:-1],
        text + "A",
        text[1:],
        "",
        "zk_",
        f"zk_{key.id}",
        f"zk_{key.id}_",
        text.upper(),
        f" {text}",
    ]
    wrong += [text.replace(key.id, other_key.id), text + "\n", text + "\x00", "zk_" + "é" * 12 + text[15:]]
    wrong += [text[:at] + ("b" if text[at] != "b" else "c") + text[at + 1 :] for at in range(len(text))]
    wrong += [
        "x" * 10_000,
        f"zk_{'a' * 12}_{'b' * 43}",
        key.digest.hex(),
        f"zk_{key.id}_{key.digest.hex()[:43]}",
    ]
    assert [keys.find(one) for one in wrong] == [None] * len(wrong)


def test_the_hashes_are_of_no_use_with_another_key_of_hashes() -> None:
    text, key = made()
    assert ApiKeys({key.id: key}, [], bytes(32)).find(text) is None


def test_plain_keys_and_named_ones_are_never_tried_for_each_other() -> None:
    text, key = made()
    keys = ApiKeys({}, [text, "0123456789abcdef"], HASH_KEY)
    assert keys.find(text) is None
    found = keys.find("0123456789abcdef")
    assert found is not None
    assert found.may("admin")
    assert keys.has(found)
    assert not ApiKeys({}, [text], HASH_KEY).has(found)
    assert ApiKeys({key.id: key}, [], HASH_KEY).find("0123456789abcdef") is None
    assert len(keys) == 2


@pytest.mark.parametrize("scope", SCOPES)
def test_a_scope_is_for_itself_alone_and_admin_for_all(scope: str) -> None:
    _, key = made(scope)
    assert [one for one in SCOPES if key.may(one)] == (list(SCOPES) if scope == "admin" else [scope])
    assert key.may("")


def test_ids_are_those_of_the_grammar_of_grants() -> None:
    _, key = made(ids=["shop:*", "exact", "a/*"])
    assert key.first_refused([b"shop:1", b"exact", b"a/b", b"shop:a:b"]) is None
    for an_id in (b"shop:", b"shop", b"Shop:1", b"exact:1", b"exactly", b"a/", b"shop%3A1", b"*"):
        assert key.first_refused([b"exact", an_id]) == 1, an_id
    assert made()[1].first_refused([b"anything"]) is None


def test_an_idempotency_key_is_of_one_api_key_alone() -> None:
    (_, one), (_, two) = made(), made()
    assert one.own(b"order-1") not in (two.own(b"order-1"), b"order-1")
    assert one.own(b"order-1") == one.own(b"order-1")
    assert 1 <= len(one.own(b"x" * 255)) <= 255
    assert one.own(b"") == b""
    assert ANYBODY.own(b"order-1") == b"order-1"


def test_a_key_that_has_changed_is_another() -> None:
    _, key = made()
    keys = ApiKeys({key.id: key}, [], HASH_KEY)
    assert keys.has(key)
    assert keys.has(ANYBODY)
    assert not keys.has(key._replace(scopes=frozenset(("admin",))))
    assert not ApiKeys({}, [], HASH_KEY).has(key)


def test_two_keys_are_never_alike_and_show_no_secret() -> None:
    made_keys = {make_key()[0] for _ in range(1000)}
    assert len(made_keys) == 1000
    _, key = made()
    assert key.digest.hex() not in repr(key)
    assert copy.copy(key) == pickle.loads(pickle.dumps(key)) == key
    assert str(pickle.loads(pickle.dumps(ApiKeyError("why")))) == "why"


@pytest.mark.parametrize(
    "wrong",
    [
        {"ids": ["x" * 256]}, {"id": "short"}, {"id": "A" * 12}, {"id": "a" * 11 + "1"}, {"name": "x" * 65},
        {"name": "a\x1b[2J"},
        {"name": "a\u202eb"}, {"scopes": []}, {"scopes": ["send", "root"]}, {"scopes": ["SEND"]}, {"ids": []},
        {"ids": [""]}, {"ids": ["*"]}, {"ids": ["a*"]}, {"ids": ["a:*b"]}, {"ids": ["{sub}"]},
        {"ids": ["a"] * 257}, {"hash": "00"}, {"hash": "x" * 64}, {"hash": "00" * 33},
    ],
)  # fmt: skip
def test_a_record_that_means_nothing_is_refused(wrong: dict[str, object]) -> None:
    right: dict[str, object] = {"id": "a" * 12, "name": "", "scopes": ["send"], "hash": "00" * 32}
    Record(**right).key()  # type: ignore[arg-type]
    with pytest.raises(ApiKeyError):
        Record(**{**right, **wrong}).key()  # type: ignore[arg-type]
