"""Small PDFs, made by hand, and one that inflates to more than anybody has."""

from __future__ import annotations

import zlib

PLAIN = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"


def pdf(pages: list[str], *, inflate: int = 0, font: str = PLAIN) -> bytes:
    """A PDF with one line of text a page; the first page's stream is followed by `inflate` blanks when unpacked."""
    count = len(pages)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Count {count} /Kids [{' '.join(f'{4 + 2 * n} 0 R' for n in range(count))}] >>".encode(),
        font.encode(),
    ]
    for number, text in enumerate(pages):
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents {5 + 2 * number} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>".encode()
        )
        data = _packed(f"BT /F1 24 Tf 72 700 Td ({text}) Tj ET".encode(), inflate if number == 0 else 0)
        head = f"<< /Length {len(data)} /Filter /FlateDecode >>".encode()
        objects.append(head + b"\nstream\n" + data + b"\nendstream")
    return _file(objects)


def _packed(data: bytes, blanks: int) -> bytes:
    packer = zlib.compressobj(9)
    out = [packer.compress(data)]
    chunk = b" " * (1 << 20)
    out += [packer.compress(chunk) for _ in range(blanks >> 20)]
    return b"".join([*out, packer.flush()])


def _file(objects: list[bytes]) -> bytes:
    out = b"%PDF-1.4\n"
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    table = b"".join(f"{place:010d} 00000 n \n".encode() for place in places)
    head = f"xref\n0 {len(objects) + 1}\n".encode() + b"0000000000 65535 f \n"
    end = f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF\n".encode()
    return out + head + table + end
