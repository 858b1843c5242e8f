"""pip has this machine's proxy, index, certificates and credentials, and none of those come into an image."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.net.signed import self_signed
from tests.sandbox.rig import Make
from tests.sandbox.test_index_errors import PYTHON
from tests.sandbox.web_index import Index, alone, serving
from tests.sandbox.wheels import wheel

from astro_mcp.core.call import silent
from astro_mcp.errors import ProviderFailed
from astro_mcp.sandbox.job import Job
from astro_mcp.sandbox.packages import wheels

OF_INDEX, OF_PROXY = "of-the-index-4f1d9a", "of-the-proxy-7c03be"
SENT = {f"Basic {base64.b64encode(f'somebody:{secret}'.encode()).decode()}" for secret in (OF_INDEX, OF_PROXY)}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """An index that is there by HTTPS, through a proxy alone, and both want a name and a password."""
    made = wheel(tmp_path, "thing", files={"thing.py": b"import os; known = dict(os.environ)"})
    page = f'<a href="../../{made.name}">{made.name}</a>'.encode()
    answers = {"/simple/thing/": (200, page), made.name: (200, made.read_bytes())}
    alone(monkeypatch)
    for name in ("NO_PROXY", "no_proxy", "HTTPS_PROXY", *wheels.CERTIFICATES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", f"https://somebody:{OF_INDEX}@site.example/simple")
    with serving(Index(answers, certificate=self_signed(tmp_path / "site.pem"))) as index:
        monkeypatch.setenv("https_proxy", f"http://somebody:{OF_PROXY}@{index.host}")
        yield index


def test_pip_gets_the_machines_settings_and_nothing_else() -> None:
    kept = {"PIP_INDEX_URL": "a", "PIP_CERT": "b", "https_proxy": "c", "NO_PROXY": "d", "HOME": "e", "PATH": "f"}
    certificates = dict.fromkeys(wheels.CERTIFICATES, "g")
    others = {"SECRET": "x", "PYTHONPATH": "x", "NPM_TOKEN": "x", "LD_PRELOAD": "x", "npm_config_registry": "x"}
    assert wheels.environment({**kept, **certificates, **others}) == {**kept, **certificates}


@pytest.mark.full
@pytest.mark.parametrize("setting", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT"])
async def test_pip_goes_by_the_machines_proxy_to_its_index_and_trusts_its_certificates(
    site: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    for name in ("without", "with"):
        place = wheels.Place(tmp_path / name)
        (tmp_path / name).mkdir()
        place.make()
        if name == "without":
            with pytest.raises(ProviderFailed, match="certificate"):
                await wheels.fetch(["thing"], PYTHON, frozenset(), place, 30, silent)
            monkeypatch.setenv(setting, str(site.certificate))
        else:
            found = await wheels.fetch(["thing"], PYTHON, frozenset(), place, 30, silent)
    assert isinstance(found, tuple)
    assert [one.name for one in found] == ["thing"]
    assert site.told >= SENT


@pytest.mark.full
async def test_no_credential_of_the_machine_comes_into_an_image_or_a_record(
    make: Make, folder: Path, site: Index, monkeypatch: pytest.MonkeyPatch, tidy: None
) -> None:
    monkeypatch.setenv("PIP_CERT", str(site.certificate))
    monkeypatch.setenv("NPM_TOKEN", OF_INDEX)
    steps: list[str] = []

    async def progress(done: float, total: float | None, text: str) -> None:
        steps.append(text)

    sandbox = make()
    image = await sandbox.python_image("local", ["thing"], progress)
    assert site.told >= SENT, "they were asked for"
    outcome = await sandbox.run(Job(("python3", "-c", "import thing; print(thing.known)"), image=image))
    described = subprocess.run(["docker", "image", "inspect", image], check=True, capture_output=True).stdout
    kept = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    secrets = [OF_INDEX, OF_PROXY, *(sent.partition(" ")[2] for sent in SENT)]
    for text in (outcome.stdout, described, kept, "\n".join(steps).encode()):
        assert text
        assert not [secret for secret in secrets if secret.encode() in text]
    assert not found_in(image, secrets)
    assert found_in(image, ["known = dict(os.environ)"]), "what is in the image is found"
    await sandbox.close()


def found_in(image: str, texts: list[str]) -> set[str]:
    """Those that the image holds, in any layer, its history or its settings."""
    found, longest, before = set(), max(map(len, texts)), b""
    with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saved:
        assert saved.stdout is not None
        while part := saved.stdout.read(1 << 20):
            found |= {text for text in texts if text.encode() in before + part}
            before = part[-longest:]
    assert saved.returncode == 0
    return found
