#!/usr/bin/env bash
# A run on machines that Slurm gives: "sbatch cluster/slurm.sh my_study.py --gpus-per-trial 0.5".
# Ray is started on all of them for the run, and ended with it. The product is installed in VENV on every node, and the
# home directory is the same on all.
#SBATCH --job-name=orchestrator
#SBATCH --nodes=2
#SBATCH --exclusive
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --gpus-per-node=4
#SBATCH --time=04:00:00
#SBATCH --output=orchestrator-%j.log
set -euo pipefail
umask 077

VENV=${VENV:-$HOME/venv}
export PATH="$VENV/bin:$PATH"
export RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0
# Reaches every node by the home directory, and nobody else by its mode.
[[ -s $HOME/.ray/auth_token ]] || ray get-auth-token --generate >/dev/null
chmod 600 "$HOME/.ray/auth_token"

# Nodes are for this job alone: symmetric-run ends every Ray of ours on them in the end.
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
address=$(getent ahostsv4 "$head" | awk '{print $1; exit}'):6379

# The run ends by itself before Slurm would end it; what is cut off all the same goes on by "resume".
srun --kill-on-bad-exit=1 ray symmetric-run \
    --address "$address" \
    --min-nodes "$SLURM_JOB_NUM_NODES" \
    --num-cpus "$SLURM_CPUS_PER_TASK" \
    --num-gpus "${SLURM_GPUS_ON_NODE:-0}" \
    --include-dashboard true \
    --dashboard-host 127.0.0.1 \
    --disable-usage-stats \
    -- python -m orchestrator launch --address "$address" --max-time 3.8h "$@"
