"""What only a person decides, while a call waits for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Question:
    """What a face may ask the person behind a host for. A face that can't leaves it: the result says what is
    waited for.

    text       all that is shown: plain, printable, bounded
    fields     of the form, each with its type: boolean, string, integer or number
    alone      whether the answer is the one field's value, and no object
    digest     of what is shown; the person's word counts for that and for nothing else
    tool       the call that takes the word, with `arguments`, `value` added to them, and an `Approval`; empty where the
               asking call itself does, made again with the `Approval`, whose `yes` it is
    resumes    the run that the asking call started: made again, it goes on with that
    """

    text: str
    digest: str
    tool: str
    arguments: Mapping[str, Any]
    fields: Mapping[str, str]
    alone: bool
    resumes: str
