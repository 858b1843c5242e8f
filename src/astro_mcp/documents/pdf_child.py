"""Text of the PDF on stdin, as JSON on stdout. A process of its own: a hostile file can only break this one.

Run as `python -I pdf_child.py MEMORY_BYTES CPU_SECONDS PAGES CHARACTERS`; bounds itself before it reads.
"""

import codecs
import json
import resource
import sys

CODECS = ("utf-16", "utf-16-be", "utf-16-le", "utf-32", "charmap", "cp1252", "mac-roman", "unicode-escape")
CODECS_OF_THE_EAST = ("gbk", "gb2312", "gb18030", "big5", "cp950", "shift-jis", "cp932", "euc-jp", "euc-kr", "cp949")
"""With those of `CODECS` all that fonts of a PDF name."""


def main() -> int:
    memory, seconds, pages, characters = (int(argument) for argument in sys.argv[1:5])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    # the bounds above hold for the reading; its import maps more, and nothing can be loaded later
    from pypdf import PdfReader, _configuration, xmp  # noqa: F401, PLC0415
    from pypdf._codecs import core_font_metrics  # noqa: F401, PLC0415

    for codec in (*CODECS, *CODECS_OF_THE_EAST):
        codecs.lookup(codec)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
    answer = sys.stdout
    sys.stdout = sys.stderr
    try:
        body = _read(PdfReader, pages, characters)
    except Exception as error:  # noqa: BLE001 - a broken file breaks pypdf in any way; the parent is told
        body = {"error": f"{type(error).__name__}: {error}"[:300]}
    answer.write(json.dumps(body))
    answer.flush()
    return 0


def _read(reader: type, pages: int, characters: int) -> dict[str, object]:
    import io  # noqa: PLC0415 - beside its only use

    document = reader(io.BytesIO(sys.stdin.buffer.read()))
    texts: list[str] = []
    size = 0
    for page in document.pages[:pages]:
        text = page.extract_text()[: characters - size]
        size += len(text)
        texts.append(text)
        if size >= characters:
            break
    return {"pages": texts, "total": len(document.pages)}


if __name__ == "__main__":
    sys.exit(main())
