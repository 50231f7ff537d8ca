"""Log files that nobody wrote: samples of every pipeline, mixed, mutated and wrapped; a seed gives them again."""

import json
import random
import re
import string
from dataclasses import dataclass

from logship.data import data_path
from logship.model import Source
from logship.pipeline.redaction.rules import read_rules
from logship.pipeline.spec import Pipelines

PIPELINES = Pipelines.load([data_path("pipelines")])
_BOOK = read_rules(data_path("pipelines") / "redaction.yaml")
#: Service and sample input.
SAMPLES = [
    (spec.services[0].replace("*", "x") if spec.services else "unheard-of", sample.input)
    for spec in PIPELINES.specs.values()
    for sample in spec.samples
]
_SECRETS = [text for rule in _BOOK.rules for text in rule.samples.changed]
_ODD = [
    "\0", "\x1b[31m", "\t", "\r", '"', "\\", "\\n", "'", "{", "}", "[", "]", "<", ">", "|", "=", ": ", ",", "\ud800",
    "\ufeff", "\u2028", "é", "密码", "😀", "Traceback (most recent call last):\n", "\n", " at x(", "null", "1e999",
    "-0", "9" * 30, "2025-13-40T25:61:61Z", "2025-02-29 23:59:60,999", "\\u0000", "\\ud83d", "[GIN]", "LOG:  ", "::",
    "%s", "$1", "\U000f0000",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """A file to be read, and what is known about it."""

    service: str
    envelope: str
    data: bytes
    #: A word that was put into a line of text, and can be nowhere else; or "".
    word: str


def case(seed: int, number: int) -> Case:
    """Return one file of a seed."""
    chance = random.Random(f"{seed}-{number}")
    service, text = chance.choice(SAMPLES)
    texts = [text.rstrip("\n")]
    for _ in range(chance.choice([0, 0, 1, 3, 40])):
        other = chance.choice([text, text, chance.choice(SAMPLES)[1], chance.choice(_SECRETS)])
        texts.append(other.rstrip("\n"))
    mutated = [_mutated(chance, one) if chance.random() < 0.8 else one for one in texts]
    if chance.random() < 0.05:
        mutated.append("".join(chance.choice(string.printable) for _ in range(chance.randrange(2000))))
    word = "Qx" + "".join(chance.choice("bcdfghjk") for _ in range(10))
    target = chance.randrange(len(mutated))
    place = chance.randrange(len(mutated[target]) + 1)
    mutated[target] = mutated[target][:place] + word + mutated[target][place:]
    line = next(line for line in mutated[target].splitlines() if word in line)
    further = PIPELINES.for_source(Source(service)).before_further
    if further and (taken_off := re.match(further, line)) and word in taken_off[0]:
        word = ""  # what a supervisor writes before each line of an event is kept once
    whole = "\n".join(mutated) + ("\n" if chance.random() < 0.9 else "")
    envelope = chance.choice(["plain", "plain", "docker", "docker", "cri"])
    data = _wrapped(chance, whole, envelope)
    if chance.random() < 0.1:  # bytes that are no UTF-8, or a broken envelope
        at = chance.randrange(len(data) + 1)
        data = data[:at] + bytes(chance.randrange(256) for _ in range(chance.randrange(1, 5))) + data[at:]
        word = word if word.encode() in data else ""
    return Case(service, envelope, data if data.endswith(b"\n") else data + b"\n", word)


def _mutated(chance: random.Random, text: str) -> str:
    for _ in range(chance.choice([1, 1, 2, 5, 20])):
        start = chance.randrange(len(text) + 1)
        end = min(len(text), start + chance.choice([0, 1, 3, 10, 80]))
        part = text[start:end]
        change = chance.randrange(8)
        if change == 0:
            part = ""
        elif change == 1:
            part *= chance.choice([2, 3, 50, 400])
        elif change == 2:
            part = chance.choice(_ODD) * chance.choice([1, 1, 2, 200])
        elif change == 3:
            part += chance.choice(_SECRETS).replace("«", "").replace("»", "")
        elif change == 4:
            part = part[::-1]
        elif change == 5:
            part = part.swapcase()
        elif change == 6:
            part = json.dumps(part)
        else:
            part += "".join(chance.choice(string.ascii_letters + string.digits + " .:-/") for _ in range(8))
        text = (text[:start] + part + text[end:])[:20_000]
    return text


def _wrapped(chance: random.Random, text: str, envelope: str) -> bytes:
    if envelope == "plain":
        return text.encode(errors="surrogatepass")
    records = []
    for line in text.split("\n"):
        stream = chance.choice(["stdout", "stdout", "stdout", "stderr"])
        step = chance.choice([16_384, 16_384, 7]) if len(line) < 300 else 16_384
        parts = [line[at : at + step] for at in range(0, len(line), step)] or [""]
        for number, part in enumerate(parts, 1):
            last = number == len(parts)
            if envelope == "docker":
                record = {
                    "log": part + ("\n" if last else ""),
                    "stream": stream,
                    "time": "2025-11-20T08:00:07.412345678Z",
                }
                records.append(
                    json.dumps(record, separators=(",", ":"), ensure_ascii=chance.random() < 0.2).encode(
                        errors="replace"
                    )
                )
            else:
                head = f"2025-11-20T08:00:07.412345678Z {stream} {'F' if last else 'P'} "
                records.append((head + part).encode(errors="surrogatepass"))
    return b"\n".join(records) + b"\n"
