"""Text of the PDF on stdin, as JSON on stdout. A process of its own: a hostile file can only break this one.

Run as `python -I pdf_child.py MEMORY_BYTES CPU_SECONDS PAGES CHARACTERS`; bounds itself before it reads.
"""

import json
import resource
import sys


def main() -> int:
    memory, seconds, pages, characters = (int(argument) for argument in sys.argv[1:5])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    from pypdf import PdfReader  # noqa: PLC0415 - the bounds above hold for the reading; its import maps more

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
