"""The records of a folder, compared.

Owns: which files are read, and the room for the comparison. Must not know: what an offence is (verdict.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from zflood.check.log_format import SEEN, SENT, LogError, files, number_of, read
from zflood.check.partitions import DiskPartitions
from zflood.check.verdict import Comparison, Margins, Verdict

# Who follows whom, as `zflood friends` prints it; needed if anything was published.
FOLLOWS: Final = "follows.tsv"

# About what a message takes in the shortest record, for an estimate of how many there are.
_EVENT_BYTES: Final = 25


def compare(folder: Path, margins: Margins | None = None, most_shown: int = 10) -> Verdict:
    """Compare all records of a folder; needs about as much room beside them as they take.

    Raises:
        RecordError: there are none of clients or of senders, or one can't be read, or a message was published
            and nothing says to whom.
        OSError: the room is not there.
    """
    seen, sent = files(folder, SEEN), files(folder, SENT)
    if not seen or not sent:
        raise LogError(f"{folder}: no record of {'senders' if seen else 'clients'}")
    rows = sum(path.stat().st_size for path in (*seen, *sent)) // _EVENT_BYTES
    with DiskPartitions(rows, folder) as partitions:
        comparison = Comparison(partitions, margins, most_shown)
        for path in sent:
            comparison.begin(number_of(path), read(path))
        for path in seen:
            comparison.saw(path.stem, read(path))
        if comparison.audience.has_published():
            comparison.audience.follows(_pairs(folder / FOLLOWS))
        for path in sent:
            comparison.sent(number_of(path), read(path))
        return comparison.verdict()


def _pairs(path: Path) -> Iterator[tuple[str, str]]:
    try:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                subscriber, _, subscribee = line.rstrip("\n").partition("\t")
                yield subscriber, subscribee
    except OSError as error:
        raise LogError(f"messages were published; who follows whom: {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise LogError(f"{path}: not UTF-8") from None
