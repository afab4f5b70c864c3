#!/bin/bash
# Tune on a cluster: STORAGE=postgresql://host/name sbatch sweep.sh SWEEP.toml FOLDER
#
# Two minutes before the time limit, or when a job is preempted, the run saves and the job is requeued.
#SBATCH --job-name=cgkit-tune
#SBATCH --array=0-15
#SBATCH --gpus=1
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@120
set -u
cgkit tune "$1" --output "$2" --storage "${STORAGE:?names no database}" &
command=$!
trap 'kill -TERM "$command"' TERM
wait "$command"; code=$?                               # returns when the signal arrives,
[ "$code" -gt 128 ] && { wait "$command"; code=$?; }   # so wait again until the run has saved
[ "$code" -eq 75 ] && scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID" && code=0
exit "$code"
