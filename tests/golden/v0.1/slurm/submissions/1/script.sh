#!/bin/bash

# Parameters
#SBATCH --array=0-2%3
#SBATCH --error=/data/recorded/slurm/submissions/1/submitit/%A_%a_0_log.err
#SBATCH --job-name=app
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --open-mode=append
#SBATCH --output=/data/recorded/slurm/submissions/1/submitit/%A_%a_0_log.out
#SBATCH --partition=debug
#SBATCH --signal=USR2@120
#SBATCH --time=9
#SBATCH --wckey=submitit

# setup
module load cuda

# command
export SUBMITIT_EXECUTOR=slurm
srun --unbuffered --output /data/recorded/slurm/submissions/1/submitit/%A_%a_%t_log.out --error /data/recorded/slurm/submissions/1/submitit/%A_%a_%t_log.err env /data/recorded/bin/python -u -m submitit.core._submit /data/recorded/slurm/submissions/1/submitit
