#!/bin/bash
# Train on a cluster, in as many jobs as necessary: sbatch examples/slurm.sh spec.toml
#
# Two minutes before the time limit, or when the job is preempted, the run finishes its step and saves. This script then
# requeues the job, and the run resumes bit for bit. If a process dies, the run restarts from its last checkpoint.
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
# Only this script receives the signal; torchrun forwards it to its processes.
trap 'kill -TERM "$step"' TERM
wait "$step"   # returns as soon as the signal arrives ...
wait "$step"   # ... so wait again until the run has saved

# torchrun returns 1 whatever its processes return, so read the outcome from the run folder.
if grep -q '"state": "stopped"' "$output/status.json"; then
  scontrol requeue "$SLURM_JOB_ID"
fi
