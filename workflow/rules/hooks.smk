# hooks: what is checked before the first job, what a run says while it runs, and who is told of its end.
#
# in   every input, result folder and key that the jobs need; APPRISE_URLS
# out  <results>/preflight.md, where a preflight has failed


# Imported here, since each job of a cluster reads the rules again, and has no hooks.
onstart:
    from pathlib import Path
    from judging.shutdowns import day_in
    from planning.jobs import calls_of, inputs_of, judges_called, logs_of, models_trained_again
    from planning.orphans import orphans_here, orphans_on_slurm, warn_of_orphans
    from planning.notices import check_recipients_or_exit
    from planning.progress import watch_run
    from planning.start import check_judges_or_exit, check_start_or_exit, warn_of_trainings
    from planning.submissions import check_submissions_or_exit

    check_recipients_or_exit()
    jobs = list(workflow.dag.needrun_jobs())
    on_slurm = workflow.executor_plugin.name == "slurm"
    check_start_or_exit(RESULTS, inputs_of(jobs), JUDGES.keys_wanted(judges_called(jobs)))
    if on_slurm and config["check_submissions"] == "ask":
        check_submissions_or_exit(workflow)
    check_judges_or_exit(calls_of(jobs), day_in(hours=0), config["check_judges"] == "ask")
    warn_of_trainings(models_trained_again(jobs, workflow.dag.reason))
    warn_of_orphans(orphans_on_slurm(Path.cwd()) if on_slurm else orphans_here(logs_of(jobs)))
    watch_run(workflow)


onsuccess:
    from planning.progress import end_run

    end_run()


onerror:
    from planning.preflight import report_failure
    from planning.progress import end_run

    end_run()
    # Findings that are missing keep the page's rule from being reached.
    report_failure(workflow.dag.jobs, PREFLIGHT.about(RESULTS, DOWNLOADED))
