"""What a model takes is told from headers alone, and refused early where a device has not got it."""

from __future__ import annotations

import json
import sys
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import family_memory
import tiny_pipelines
from diffwin.cli.main import main
from diffwin.errors import BadInput
from diffwin.process import footprint
from diffwin.process.choices import Choices
from diffwin.process.footprint import Footprint, footprint_of, tensors_of
from diffwin.process.load import load
from diffwin.process.room import free_in_ram, free_on

GB = 10**9


def choices(**given: Any) -> Choices:
    return Choices("ddpm", 2, **given)


def claim(path: Path, count: int, kind: str = "F32") -> None:
    """A safetensors file of so many numbers that takes no room on the disk."""
    size = {"F32": 4, "F16": 2, "BF16": 2, "I64": 8}[kind] * count
    told = json.dumps({"weight": {"dtype": kind, "shape": [count], "data_offsets": [0, size]}}).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(len(told).to_bytes(8, "little") + told)
        file.truncate(8 + len(told) + size)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A Stable Diffusion whose files say that they hold 3 + 1 + 2 thousand million numbers."""
    folder = tiny_pipelines.save("stable-diffusion", tmp_path / "large")
    claim(folder / "unet/diffusion_pytorch_model.safetensors", 3 * GB)
    claim(folder / "vae/diffusion_pytorch_model.safetensors", GB)
    claim(folder / "text_encoder/model.safetensors", 2 * GB, "BF16")
    assert sum(path.stat().st_blocks * 512 for path in folder.rglob("*")) < GB / 100
    return folder


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [("stable-diffusion-xl", torch.float32), ("stable-diffusion-3", torch.bfloat16), ("ddpm", torch.float32)],
)
def test_the_weights_are_those_of_the_official_pipeline(kind: str, dtype: torch.dtype, tmp_path: Path) -> None:
    pipeline = tiny_pipelines.build(kind)
    pipeline.save_pretrained(tmp_path)
    found = footprint_of(tmp_path, choices(dtype=dtype))
    parts = {name: each for name, each in pipeline.components.items() if isinstance(each, torch.nn.Module)}
    sizes = {name: _numbers(each) * dtype.itemsize for name, each in parts.items()}
    assert found.network == sizes.get("unet", sizes.get("transformer"))
    assert found.autoencoder == sizes.get("vae", 0)
    assert found.encoders == sum(size for name, size in sizes.items() if name.startswith("text_encoder"))


def _numbers(module: torch.nn.Module) -> int:
    """How many it saves; T5's two names for its words are one tensor."""
    return sum({each.data_ptr(): each.numel() for each in module.state_dict().values()}.values())


def test_the_encoders_and_the_rest_need_not_be_there_together() -> None:
    parts = Footprint(encoders=5, network=3, autoencoder=2, picture=1)
    assert parts.at_once(encoders_first=False) == 11
    assert parts.at_once(encoders_first=True) == 6
    assert Footprint(encoders=9, network=3).at_once(encoders_first=True) == 9


def test_each_part_counts_in_the_dtype_that_it_is_read_into(large: Path) -> None:
    found = footprint_of(large, choices(dtype=torch.float16))
    assert (found.encoders, found.network, found.autoencoder) == (4 * GB, 6 * GB, 4 * GB)  # a VAE that would overflow
    claim(large / "unet/diffusion_pytorch_model.safetensors", GB, "I64")
    assert footprint_of(large, choices()).network == 8 * GB  # what is no float stays as it is


@pytest.mark.parametrize(("size", "pixels"), [(None, 16 * 16), ((512, 768), 512 * 768)])
def test_a_picture_counts_with_the_feature_maps_that_decode_it(
    size: tuple[int, int] | None, pixels: int, large: Path
) -> None:
    assert footprint_of(large, choices(size=size)).picture == 3 * 8 * pixels * 4  # eight channels, float32


def test_shards_count_together_and_not_beside_the_whole(large: Path) -> None:
    for shard in (1, 2):
        claim(large / f"unet/diffusion_pytorch_model-0000{shard}-of-00002.safetensors", GB)
    assert footprint_of(large, choices()).network == 12 * GB
    (large / "unet/diffusion_pytorch_model.safetensors").unlink()
    assert footprint_of(large, choices()).network == 8 * GB


def test_a_file_that_cannot_be_read_is_left_to_loading(large: Path) -> None:
    path = large / "unet/diffusion_pytorch_model.safetensors"
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    assert tensors_of(path) == []
    (large / "vae/config.json").write_text("{")
    with pytest.raises(BadInput, match=r"cannot be read|not valid|config"):
        load(large, device="cpu")


def told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *args: str) -> str:
    """The one line in which the command refuses."""
    monkeypatch.setattr(sys, "argv", ["diffwin", "probe", "--prompt", "a cook", *args])
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    (line,) = filter(None, capsys.readouterr().err.splitlines())  # progress leaves an empty one
    return line


@pytest.mark.parametrize(
    ("free", "dtype", "cure"),
    [
        (15 * GB, "float32", "choose --dtype bfloat16 or a smaller model"),
        (7 * GB, "float32", "choose a smaller model"),
        (7 * GB, "bfloat16", "choose a smaller model"),
    ],
)
def test_a_model_over_the_memory_is_refused_in_one_line(
    free: int,
    dtype: str,
    cure: str,
    large: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(footprint, "free_on", lambda device: free)
    out, takes = tmp_path / "run", {"float32": "16.0", "bfloat16": "8.0"}[dtype]
    line = told(monkeypatch, capsys, "--model", str(large), "--dtype", dtype, "--device", "cpu", "--out", str(out))
    assert f"it takes at least {takes} GB of memory at once in {dtype} (text encoders " in line
    assert f"and cpu has {free / GB:.1f} GB free; {cure}" in line
    assert line.endswith(cure)
    assert not out.exists()


def test_a_model_that_fits_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny_pipelines.save("stable-diffusion", tmp_path)
    takes = footprint_of(folder, choices()).at_once(encoders_first=True)
    monkeypatch.setattr(footprint, "free_on", lambda device: takes)
    assert load(folder, device="cpu", prompts=["a cook"])
    monkeypatch.setattr(footprint, "free_on", lambda device: takes - 1)
    with pytest.raises(BadInput, match="takes at least"):
        load(folder, device="cpu", prompts=["a cook"])
    monkeypatch.setattr(footprint, "free_on", lambda device: None)  # a system that does not tell
    assert load(folder, device="cpu", prompts=["a cook"])


def test_a_cuda_device_is_asked_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (7, 80))
    assert free_on("cuda:1") == 7


def system(root: Path, **files: str) -> Path:
    """What /proc and /sys say on another machine."""
    for name, content in {"proc/meminfo": "MemTotal: 9000 kB\nMemAvailable: 4000 kB\n", **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


def test_memory_is_what_the_system_has_available(tmp_path: Path) -> None:
    assert free_in_ram(system(tmp_path)) == 4000 * 1024
    assert (free_in_ram() or 0) > 10**6  # this machine


def test_a_control_group_allows_less(tmp_path: Path) -> None:
    """A container under version 2: of 1,000,000 bytes 900,000 are used, 300,000 of them by files that were read."""
    group = "sys/fs/cgroup/"
    files = {
        "proc/self/cgroup": "0::/job/step\n",
        group + "job/step/memory.max": "max\n",
        group + "job/step/memory.current": "900000\n",
        group + "job/memory.max": "1000000\n",
        group + "job/memory.current": "900000\n",
        group + "job/memory.stat": "anon 600000\ninactive_file 200000\nactive_file 100000\n",
    }
    assert free_in_ram(system(tmp_path, **files)) == 400_000


def test_a_control_group_of_version_1_allows_less(tmp_path: Path) -> None:
    group = "sys/fs/cgroup/memory/batch/"
    files = {
        "proc/self/cgroup": "5:devices:/\n4:cpu,memory:/batch\n0::/\n",
        group + "memory.limit_in_bytes": "1000000\n",
        group + "memory.usage_in_bytes": "300000\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": "999999999\n",
    }
    assert free_in_ram(system(tmp_path, **files)) == 700_000


class _Live(TorchDispatchMode):
    """Bytes of the tensors that live together at most, while results are made."""

    def __init__(self, held: torch.nn.Module) -> None:
        super().__init__()
        self._seen = {each.untyped_storage()._cdata for each in held.parameters()}
        self.now = self.most = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        for each in tree_leaves(made):
            if isinstance(each, torch.Tensor) and (key := each.untyped_storage()._cdata) not in self._seen:
                size = each.untyped_storage().nbytes()
                self._count(key, size)
                weakref.finalize(each.untyped_storage(), self._count, key, -size)
        return made

    def _count(self, key: int, size: int) -> None:
        (self._seen.add if size > 0 else self._seen.discard)(key)
        self.now += size
        self.most = max(self.most, self.now)


def test_decoding_a_picture_takes_what_is_said() -> None:
    """Stable Diffusion's own autoencoder, with shapes and no numbers."""
    with torch.device("meta"):
        vae, latents = family_memory.autoencoder().eval(), torch.empty(1, 4, 64, 64)
    with torch.inference_mode(), _Live(vae) as live:
        vae.decode(latents)
    told = footprint.weigh({}, torch.float32, vae.config, 512 * 512).picture
    assert live.most == pytest.approx(told, rel=1e-3)
