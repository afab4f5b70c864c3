"""Write and read the complete state of a run."""

from cgkit.checkpoints.layout import Checkpoint, finished_name, list_checkpoints, step_of
from cgkit.checkpoints.loading import left_out_digest, load_saved_state, load_strictly, saved_state
from cgkit.checkpoints.manifest import DamagedCheckpointError
from cgkit.checkpoints.optimizers import load_optimizer, optimizer_tensors
from cgkit.checkpoints.reading import read_checkpoint, read_latest, read_latest_state
from cgkit.checkpoints.writing import write_checkpoint

__all__ = [
    "Checkpoint",
    "DamagedCheckpointError",
    "finished_name",
    "left_out_digest",
    "list_checkpoints",
    "load_optimizer",
    "load_saved_state",
    "load_strictly",
    "optimizer_tensors",
    "read_checkpoint",
    "read_latest",
    "read_latest_state",
    "saved_state",
    "step_of",
    "write_checkpoint",
]
