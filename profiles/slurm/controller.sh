#!/bin/bash
#SBATCH --job-name=controller
#SBATCH --mem=4G
#SBATCH --cpus-per-task=4
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:USR1@120
# Snakemake as a job of its own, for login nodes that end what runs long. Arguments are Snakemake's:
#
#   sbatch --time=1-0 profiles/slurm/controller.sh -- all_figures
#
# Two minutes before its time is up, it ends Snakemake as Ctrl-C does, which cancels the run's jobs (trainings write a
# checkpoint, judges and translations have their journals), and queues itself again. If it was killed, with its node or
# otherwise, the next one removes its lock; a lock of another Snakemake stays.
set -u -m # with -m, a process in the background does not ignore SIGINT

note=.snakemake/controller # the job whose lock it is
case " $* " in *" --profile"*) ;; *) set -- --profile profiles/slurm "$@" ;; esac

if [ -e $note ]; then
    before=$(cat $note)
    if [ "$before" != "$SLURM_JOB_ID" ] && squeue --noheader --jobs "$before" 2>/dev/null | grep -q .; then
        echo "error: job $before runs Snakemake in $PWD; wait until it ends, or scancel $before" >&2
        exit 1
    fi
    echo "removing the lock of job $before, which was killed" >&2
    snakemake --unlock "$@" || exit
fi
mkdir -p .snakemake && echo "$SLURM_JOB_ID" >$note

snakemake "$@" &
snakemake=$!
again=
trap 'again=yes; kill -INT $snakemake' USR1
trap 'kill -INT $snakemake' TERM
while wait $snakemake; status=$?; kill -0 $snakemake 2>/dev/null; do :; done

[ $status -ge 128 ] || rm $note # killed, it left its lock
if [ $again ]; then
    echo "the time of job $SLURM_JOB_ID is up: queued again" >&2
    scontrol requeue "$SLURM_JOB_ID" && sleep infinity # until Slurm ends this
    echo "error: the job cannot be queued again; submit it anew" >&2
fi
exit $status
