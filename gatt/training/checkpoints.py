"""Where a training run stands, on disk: whole or not at all, so that a kill or a full disk costs minutes at most."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatt.errors import GattError

if TYPE_CHECKING:
    import torch
    from accelerate import Accelerator

PROGRESS = "progress.json"
BEST = "best.safetensors"
TRAINED = "trained.safetensors"


@dataclass
class Progress:
    """What a run knows besides weights. Losses are in nats a learned token; `stale` counts validations without gain."""

    step: int = 0
    seconds: float = 0.0
    learned_tokens: int = 0
    validation_loss: float | None = None
    best_loss: float | None = None
    best_step: int = 0
    stale: int = 0


class Checkpoints:
    """The newest state of a run, and its best weights, in one folder."""

    def __init__(self, folder: Path, settings: dict[str, Any], trained: frozenset[str]) -> None:
        """`settings` are those that a run must have kept to be resumed, `trained` the names of the trained weights."""
        self._folder = folder
        self._settings = settings
        self._trained = trained

    def newest(self) -> Path | None:
        """The newest whole checkpoint."""
        found = [folder for folder in self._folder.glob("step-*") if folder.name.removeprefix("step-").isdigit()]
        return max(found, key=lambda folder: int(folder.name.removeprefix("step-")), default=None)

    @property
    def best(self) -> Path:
        """The trained weights with the lowest validation loss so far."""
        return self._folder / BEST

    def save(self, accelerator: Accelerator, progress: Progress) -> None:
        """Write the whole state, then forget the older one. Every process calls it.

        Raises:
            GattError: it cannot be written, such as on a full disk; the older checkpoint is as it was.
        """
        whole = self._folder / f"step-{progress.step}"
        if whole.exists():
            return
        part = self._folder / "part"
        older = self.newest()
        try:
            if accelerator.is_main_process:
                shutil.rmtree(part, ignore_errors=True)
                part.mkdir(parents=True)
            accelerator.wait_for_everyone()
            accelerator.save_state(str(part))
            accelerator.wait_for_everyone()
            if accelerator.is_main_process:
                state = {"progress": asdict(progress), "settings": self._settings}
                (part / PROGRESS).write_text(json.dumps(state, indent=1), "utf-8")
                part.replace(whole)
                if older:
                    shutil.rmtree(older, ignore_errors=True)
        except Exception as error:  # what torch and safetensors raise on a full disk is no OSError
            raise self._unwritten(error, part, older) from error

    def save_best(self, accelerator: Accelerator, model: torch.nn.Module) -> None:
        """Keep the trained weights as they are now as the best. Every process calls it.

        Raises:
            GattError: they cannot be written; the older best weights are as they were.
        """
        from safetensors.torch import save_file

        state = accelerator.get_state_dict(model)  # gathers what is sharded
        if not accelerator.is_main_process:
            return
        part = self._folder / f"{BEST}.part"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            save_file({name: state[name].detach().cpu() for name in self._trained}, part)
            part.replace(self.best)
        except Exception as error:
            raise self._unwritten(error, part, self.newest()) from error

    def resume(self, accelerator: Accelerator) -> Progress:
        """Load the newest checkpoint, if there is one, and say where it stands.

        Raises:
            GattError: it was made with other settings, or cannot be read.
        """
        newest = self.newest()
        if newest is None:
            return Progress()
        try:
            state = json.loads((newest / PROGRESS).read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise GattError(f"the checkpoint {newest} cannot be read: delete it to begin anew") from error
        for name, value in self._settings.items():
            if state["settings"].get(name) != value:
                raise GattError(
                    f"the run was begun with {name} {state['settings'].get(name)}, not {value}: "
                    "resume with what it was begun with, or choose another --out"
                )
        try:
            accelerator.load_state(str(newest))
            return Progress(**state["progress"])
        except Exception as error:  # what torch and safetensors raise for a damaged file is no OSError
            raise GattError(f"the checkpoint {newest} cannot be read: delete it to begin anew") from error

    def _unwritten(self, error: Exception, part: Path, older: Path | None) -> GattError:
        shutil.rmtree(part, ignore_errors=True)
        part.unlink(missing_ok=True)
        kept = f"the one of step {older.name.removeprefix('step-')} is whole" if older else "there is none yet"
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        return GattError(f"the checkpoint cannot be written ({why}); {kept}: free space, then --resume")


def store_only_trained(accelerator: Accelerator, trained: frozenset[str]) -> None:
    """Leave what training does not change out of checkpoints: an adapter is megabytes, its frozen base gigabytes.

    Not for sharded models (FSDP, ZeRO), which accelerate stores in their shards.
    """
    from safetensors.torch import load_file, save_file

    def on_save(models: list[Any], weights: list[dict[str, torch.Tensor]], folder: str) -> None:
        weights.clear()
        if accelerator.is_main_process:
            state = accelerator.unwrap_model(models[0]).state_dict()
            save_file({name: state[name].detach().cpu() for name in trained}, Path(folder) / TRAINED)

    def on_load(models: list[Any], folder: str) -> None:
        accelerator.unwrap_model(models.pop()).load_state_dict(load_file(Path(folder) / TRAINED), strict=False)

    accelerator.register_save_state_pre_hook(on_save)
    accelerator.register_load_state_pre_hook(on_load)
