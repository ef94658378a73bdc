"""Canaries: values that live where secrets live, and a nose that finds them in anything, in any common form."""

from __future__ import annotations

import base64
import binascii
import re
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

CANARIES = {
    "OPENAI_API_KEY": "sk-canary-openai/+Zq7Yw3Jt==",
    "ANTHROPIC_API_KEY": "sk-ant-canary/anthropic+Kp4Lm8==",
    "GOOGLE_API_KEY": "AIzaCanary/google+Rt6Vb2Nx==",
    "OLLAMA_API_KEY": "canary/ollama+Gh5Jk1Df==",
    "AWS_SECRET_ACCESS_KEY": "canary/unrelated+Uy7Tr4Ew==",
    "GEMOT_SECRET_LEDGER": "canary/driver+Pl9Ok3Ij==",
    "PARTNER_TOKEN": "canary/proxy+Mn2Bv5Cx==",
}
"""Variable -> value; each has letters that are written otherwise in an address, and none that stands in another."""

IN_ADDRESS = "canary-inAddress-Xs8Za1Qw"
ALL = {**CANARIES, "DATABASE_URL": IN_ADDRESS}


def forms(value: str) -> dict[str, tuple[str, str]]:
    """A value in every form that is looked for: how it is written down, and what of that must not be found. Made apart from
    what takes them out."""
    raw = value.encode()
    found = {"plain": value, "reversed": value[::-1], "URL": quote(value, safe=""), "URL plus": quote_plus(value)}
    found["URL small"] = re.sub("%..", lambda code: code[0].lower(), found["URL"])
    found["hex"], found["HEX"] = binascii.hexlify(raw).decode(), binascii.hexlify(raw).decode().upper()
    found["base64"] = base64.b64encode(raw).decode()
    found["urlsafe"] = base64.urlsafe_b64encode(raw).decode()
    both = {form: (text, text) for form, text in found.items()}
    for form, before in (("Bearer", b"Bearer "), ("JSON", b'{"key":"'), ("Basic", b"me:")):
        inner = base64.b64encode(before + raw + b'"}').decode()
        both[f"{form} base64"] = inner, inner[-(-len(before) * 4 // 3) + 2 : -8]
    return both


def written(value: str) -> str:
    """A value in all of its forms."""
    return " and ".join(text for text, _ in forms(value).values())


def smelt(what: str, data: bytes) -> list[str]:
    """Where a canary is in ``data``, in which form."""
    spaces = re.sub(rb"\s+", b"", data)  # also where a terminal or an encoder has broken the line
    return [
        f"{what}: {name} ({form})"
        for name, value in ALL.items()
        for form, (_, text) in forms(value).items()
        if text.encode() in data or text.encode() in spaces
    ]


def everything(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file beneath ``folder``; what is packed, unpacked, too; of databases every value of every table."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        data = path.read_bytes()
        yield str(path), data
        for start in [found.start() for found in re.finditer(rb"x[\x01\x5e\x9c\xda]", data)][:1_000]:
            try:
                yield f"{path} unpacked at {start}", zlib.decompressobj().decompress(data[start:])
            except zlib.error:
                continue
        if data.startswith(b"SQLite format 3\0"):
            yield from _tables(path)


def _tables(path: Path) -> Iterator[tuple[str, bytes]]:
    database = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in database.execute(f"SELECT * FROM {table}"):
                for cell in row:
                    data = cell if isinstance(cell, bytes) else str(cell).encode()
                    yield f"{path}: {table}", data
                    yield f"{path}: {table}, unescaped", data.replace(b"\\/", b"/").replace(b'\\"', b'"')
    finally:
        database.close()


def found_in(folder: Path) -> list[str]:
    """Every canary in every file of a folder."""
    return sorted({one for name, data in everything(folder) for one in smelt(name, data)})
