# code: where the workflow's code is, which may be another folder than that of results: by -s, --directory or `module`.
#
# in   config/config.yaml of the folder where Snakemake runs, or else of the code
# out  links, in the folder where Snakemake runs, to what commands name by its path within the code
#      .snakemake/code/<commit>/   all files of a module from GitHub or GitLab

import os
import sys
from pathlib import Path

CODE = workflow.current_basedir.join("../..")
if hasattr(CODE, "hosted_repo"):  # a module from GitHub or GitLab, of which Snakemake fetches the rules and has a clone
    CLONE, COMMIT = CODE.hosted_repo.repo, CODE.hosted_repo.repo.commit(CODE.ref).hexsha
    CODE = Path(".snakemake", "code", COMMIT).absolute()
    if not CODE.exists():
        PART = f"{CODE}.{os.getpid()}"
        CLONE.clone(PART, no_checkout=True).git.checkout(COMMIT)
        os.rename(PART, CODE)
else:
    CODE = Path(os.path.abspath(CODE.get_path_or_uri(secret_free=False)))
sys.path.insert(0, str(CODE / "workflow/scripts"))

from basics.workplace import link_code_or_exit

link_code_or_exit(CODE)


configfile: "config/config.yaml" if Path("config/config.yaml").exists() else str(CODE / "config/config.yaml")


# With --software-deployment-method apptainer; envs/apptainer.def makes it, for this folder or with the code. Its
# path is not absolute if it is here, because the report tells it with every rule.
IMAGE = "envs/better-alpaca.sif"


container: IMAGE if Path(IMAGE).exists() or CODE.samefile(".") else str(CODE / IMAGE)
