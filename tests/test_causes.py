"""What fails on loading is called by its name: memory, a broken library, a pointer of Git LFS."""

import errno
import os
import shutil
from types import SimpleNamespace

import diffusers
import psutil
import pytest

from helpers import load_pipeline
from helpers.course import doctor
from helpers.faces.restorer import FOLDER as RESTORER
from helpers.faces.restorer import Restorer
from helpers.models import folder as folders
from helpers.models import main_memory as memory
from helpers.models.causes import other_cause
from helpers.models.lora import lora_file
from helpers.ranking.ranker import load_ranker

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
UNKNOWN_OPERATOR = RuntimeError("operator torchvision::nms does not exist")


def raised(error: Exception, cause: Exception | None = None) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
            MemoryError,
            "not enough memory for the model",
        ),
        (
            RuntimeError("unable to mmap 9 bytes from file <x>: Cannot allocate memory (12)"),
            MemoryError,
            "GiB free",
        ),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), MemoryError, "not enough memory"),
        (raised(ValueError("bad"), MemoryError()), MemoryError, "Take a small one"),
        (
            raised(RuntimeError("Failed to import diffusers.x because of:"), UNKNOWN_OPERATOR),
            ImportError,
            r"torchvision .* does not work with torch 2\..*pip uninstall torchvision.*restart",
        ),
        (ModuleNotFoundError("No module named 'ftfy'"), ImportError, "'ftfy'.*doctor"),
        (PermissionError(errno.EACCES, "denied", "x"), PermissionError, "cannot be read"),
    ],
)
def test_what_is_not_the_models_fault_is_not_called_damage(
    saved_model, monkeypatch, error, kind, says
):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(diffusers.DiffusionPipeline, "from_pretrained", fail)
    monkeypatch.setattr("helpers.models.load._smaller", lambda free=0: "Take a small one.")
    with pytest.raises(kind, match=says) as caught:
        load_pipeline(saved_model, device="cpu")
    assert "damaged" not in str(caught.value) and "fetch it again" not in str(caught.value)


@pytest.mark.parametrize("error", [ValueError("out of memory"), KeyError("unet"), SyntaxError()])
def test_what_may_be_the_models_fault_is_left_to_the_caller(error):
    assert other_cause(error, "the model") is None


@pytest.mark.parametrize(
    "name", ["unet/diffusion_pytorch_model.safetensors", "tokenizer/tokenizer.json"]
)
def test_a_pointer_of_git_lfs_is_told_with_its_remedy(saved_model, tmp_path, name):
    model = shutil.copytree(saved_model, tmp_path / "model")
    (model / name).write_bytes(POINTER)
    with pytest.raises(ValueError, match=f"{os.path.basename(name)} is only a pointer.*lfs pull"):
        load_pipeline(model, device="cpu")


def test_a_lora_a_ranker_and_a_restorer_may_be_pointers_too(tmp_path):
    (tmp_path / "lora.safetensors").write_bytes(POINTER)
    for place in (tmp_path, tmp_path / "lora.safetensors"):
        with pytest.raises(ValueError, match="lora: .* is only a pointer of Git LFS"):
            lora_file(place, "")
    for load, original, says in (
        (Restorer.from_pretrained, RESTORER, "folder: .* is only a pointer"),
        (load_ranker, RESTORER.parent / "stickers-clip", "name_or_path: .* is only a pointer"),
    ):
        copy = shutil.copytree(original, tmp_path / original.name)
        for weights in copy.rglob("*.safetensors"):
            weights.write_bytes(POINTER)
        with pytest.raises(ValueError, match=says):
            load(copy)


def test_no_memory_to_open_a_file_is_no_damage(saved_model, monkeypatch):
    def full(*arguments, **options):
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr("safetensors.safe_open", full)
    with pytest.raises(MemoryError, match="no memory to open .*GiB free"):
        folders.whole_model(saved_model)


# How much memory there is


def test_the_limit_that_leaves_least_holds(monkeypatch):
    rooms = {"machine": 9, "group": 5, "process": 7}
    monkeypatch.setattr(
        psutil, "virtual_memory", lambda: SimpleNamespace(available=rooms["machine"])
    )
    monkeypatch.setattr(memory, "_of_cgroups", lambda root: [memory.Room(rooms["group"], "group")])
    monkeypatch.setattr(memory, "_of_process", lambda: [memory.Room(rooms["process"], "process")])
    assert memory.main_memory() == memory.Room(5, "group")
    rooms["process"] = 3
    assert memory.main_memory().limit == "process"
    rooms["machine"] = 1
    assert str(memory.main_memory()) == "0.0 GiB free"


@pytest.mark.parametrize(
    ("line", "files", "free"),
    [
        # Version 2: the group's own limit, the one above it, and files that are only cached.
        ("0::/a/b", {"a/b/memory.max": "max", "a/b/memory.current": "5"}, []),
        ("0::/a/b", {"a/b/memory.max": "9", "a/b/memory.current": "5"}, [4]),
        (
            "0::/a/b",
            {
                "a/b/memory.max": "90",
                "a/b/memory.current": "50",
                "a/memory.max": "60",
                "a/memory.current": "55",
                "a/memory.stat": "anon 7\ninactive_file 3\n",
            },
            [40, 8],
        ),
        ("0::/somewhere/of/the/host", {"memory.max": "9", "memory.current": "2"}, [7]),
        # Version 1, in a container that sees the host's name of its group.
        (
            "11:cpu:/\n4:blkio,memory:/docker/1",
            {
                "memory/memory.limit_in_bytes": "9",
                "memory/memory.usage_in_bytes": "6",
                "memory/memory.stat": "total_inactive_file 2",
            },
            [5],
        ),
        ("", {}, []),
    ],
)
def test_limits_of_containers_and_sessions(tmp_path, line, files, free):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(line, encoding="utf-8")
    for name, text in files.items():
        file = tmp_path / "sys/fs/cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert [room.free for room in memory._of_cgroups(tmp_path)] == free


def test_a_limit_of_this_process_is_told_by_the_doctor(monkeypatch):
    resource = pytest.importorskip("resource")  # Windows has no such limits
    used = psutil.Process().memory_info().vms
    limits = {resource.RLIMIT_AS: used + 2**30}
    monkeypatch.setattr(
        resource, "getrlimit", lambda kind: (limits.get(kind, resource.RLIM_INFINITY), 0)
    )
    monkeypatch.setattr(memory, "_of_cgroups", lambda root: [])
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=2**36))
    finding = doctor.memory()
    assert finding.state == "problem" and "ulimit -v" in finding.message + finding.fix


# The doctor


def test_the_doctor_imports_a_torchvision_that_is_there(monkeypatch):
    known = doctor._installed
    versions = {"torchvision": "0.1", "torch": "2.13.0"}
    monkeypatch.setattr(doctor, "_installed", lambda name: versions.get(name) or known(name))
    monkeypatch.setattr(doctor, "_import_error", lambda name: None)
    monkeypatch.setattr(doctor.importlib.metadata, "requires", lambda name: [])
    assert doctor.libraries().state == "ok"
    monkeypatch.setattr(doctor, "_import_error", lambda name: UNKNOWN_OPERATOR)
    finding = doctor.libraries()
    assert finding.state == "problem" and "torchvision" in finding.message
    assert "pip uninstall torchvision" in finding.fix


def test_the_doctor_looks_at_the_models_for_ranking_and_faces(monkeypatch, tmp_path):
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "model.safetensors").write_bytes(POINTER)
    monkeypatch.setattr("helpers.models.catalogue.WEIGHTS", tmp_path)
    finding = doctor.models()
    assert finding.state == "problem" and "faces: " in finding.message
    assert "only a pointer of Git LFS" in finding.message and "git lfs pull" in finding.message
