"""Whom this machine trusts: the authorities of SSL_CERT_FILE or SSL_CERT_DIR, else of the system, else of certifi."""

from __future__ import annotations

import os
import re
import ssl
from pathlib import Path
from typing import Final

_CERTIFICATE: Final = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


def trust() -> ssl.SSLContext:
    """A context with the authorities of this machine. Blocks."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile or paths.capath:
        return ssl.create_default_context()
    return ssl.create_default_context(cafile=_certifi())


def bundle() -> bytes:
    """The same as PEM: the certificates of the file, or of the folder where there is none, and nothing else that stands
    in there (a key). Blocks."""
    paths = ssl.get_default_verify_paths()
    if paths.capath and not paths.cafile:
        found = {path.resolve() for path in Path(paths.capath).iterdir() if path.is_file() and os.access(path, os.R_OK)}
        text = b"".join(path.read_bytes() for path in sorted(found))
    else:
        text = Path(paths.cafile or _certifi()).read_bytes()
    return b"".join(block + b"\n" for block in _CERTIFICATE.findall(text))


def _certifi() -> str:
    import certifi  # noqa: PLC0415 - only where the system has none

    return certifi.where()
