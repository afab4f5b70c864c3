#!/bin/bash
# Train on a cluster, over as many jobs as it takes: sbatch examples/slurm.sh spec.toml
#
# Two minutes before its time is up, or when it is preempted, the run finishes its step and saves; this script then
# puts the job back into the queue, and the next one continues bit for bit. A process that dies restarts the run from
# its last checkpoint.
#SBATCH --job-name=cgkit
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=32
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@120
set -u
spec=$1
output=${2:-runs/$(basename "$spec" .toml)}
processes=${SLURM_GPUS_ON_NODE:-1}
first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)

srun torchrun --nnodes "$SLURM_JOB_NUM_NODES" --nproc-per-node "$processes" --max-restarts 3 \
  --rdzv-backend c10d --rdzv-id "$SLURM_JOB_ID" --rdzv-endpoint "$first:${CGKIT_PORT:-29500}" \
  -m cgkit run "$spec" --output "$output" &
step=$!
# The signal comes to this script alone; torchrun passes it on to its processes.
trap 'kill -TERM "$step"' TERM
wait "$step"   # returns at once when the signal comes ...
wait "$step"   # ... and only then when the run has saved

# torchrun returns 1 whatever its processes returned; what became of the run stands in its folder.
if grep -q '"state": "stopped"' "$output/status.json"; then
  scontrol requeue "$SLURM_JOB_ID"
fi
