"""zcomet in Django: send to users, tokens for their pages, ends with their sessions.

    INSTALLED_APPS = [..., "zrouter.contrib.django"]
    ZCOMET = {"TOKEN_KEY_FILE": "/etc/zcomet/token-keys.json"}

Owns: what Django says to zcomet. Settings are in conf.py, what views call is in push.py and is exported here.
"""

from zrouter.contrib.django.push import (
    group_id,
    group_send,
    publish,
    publish_on_commit,
    revoke,
    send,
    send_on_commit,
    token_for,
    user_id,
)

__all__ = [
    "group_id",
    "group_send",
    "publish",
    "publish_on_commit",
    "revoke",
    "send",
    "send_on_commit",
    "token_for",
    "user_id",
]
