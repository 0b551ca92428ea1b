"""Faults of a peer's side of the link."""

from __future__ import annotations

from typing import Final

from tests.simulation.mutants.mutant import Mutant

LINK: Final = [
    Mutant(
        "what was lost on the link is counted, and nobody resumes",
        (
            "zrouter/link/session.py",
            "            if self._resumption is not None:\n                self._resumption.lost()\n",
            "",
        ),
    ),
    Mutant(
        "after a Welcome nobody is logged in anew",
        (
            "zrouter/link/session.py",
            "        self._logins.welcomed()\n",
            "",
        ),
    ),
    Mutant(
        "after a Welcome nothing is watched anew",
        (
            "zrouter/link/session.py",
            "        self._watches.welcomed()\n",
            "",
        ),
    ),
    Mutant(
        "after a Welcome all go on as if nothing could have been lost",
        (
            "zrouter/link/resumption.py",
            "        self.lost()\n        self.here = Offset(epoch, 0)",
            "        self.here = Offset(epoch, 0)",
        ),
    ),
    Mutant(
        "an answer to who has left is given to who has the number now",
        (
            "zrouter/link/resumption.py",
            "        if self._waiting.get(client) is not wait:\n            return  # it has left\n",
            "        if client not in self._waiting:\n            return  # it has left\n",
        ),
    ),
    Mutant(
        "clients ask for what they missed before the router knows their ids",
        (
            "zrouter/link/session.py",
            "            if self._resumption is not None and may_log_in and not self._logins.has_untold():",
            "            if self._resumption is not None:",
        ),
    ),
    Mutant(
        "a Resumed goes before the messages that came before it",
        (
            "zrouter/link/dealer.py",
            "                if messages:\n"
            "                    deliver(messages)\n"
            "                    messages = []\n"
            "                if type(message) is Resumed:",
            "                if type(message) is Resumed:",
        ),
    ),
    Mutant(
        "what did not fit the queue is thrown away",
        (
            "zrouter/link/dealer.py",
            "                self._unsent = out[index:]\n                return False",
            "                return False",
        ),
    ),
    Mutant(
        "nobody is told that the connection broke",
        ("zrouter/link/dealer.py", "            else:\n                self.session.closed()\n", ""),
    ),
    Mutant(
        "a Resumed counts although a login before it was not answered",
        ("zrouter/link/session.py", "                self._unsound_to = self._last_request\n", ""),
    ),
    Mutant(
        "what was asked before a Hello waits for ever",
        (
            "zrouter/link/session.py",
            "        for request in sorted(self._waiting.keys() - self._asked.keys()):\n",
            "        for request in ():\n",
        ),
    ),
]
