# code: where the workflow's code is, which may be another folder than that of results: by -s, --directory or `module`.
#
# in   config/config.yaml of the folder where Snakemake runs, or else of the code
# out  links, in the folder where Snakemake runs, to what commands name by its path within the code

import sys
from pathlib import Path

CODE = Path(workflow.current_basedir.get_path_or_uri(secret_free=False)).parents[1]
sys.path.insert(0, str(CODE / "workflow/scripts"))

from basics.workplace import link_code_or_exit

link_code_or_exit(CODE)


configfile: "config/config.yaml" if Path("config/config.yaml").exists() else str(CODE / "config/config.yaml")


# With --software-deployment-method apptainer; envs/apptainer.def makes it.
container: str(CODE / "envs/better-alpaca.sif")
