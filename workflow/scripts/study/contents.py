"""How Snakemake is told whether the content of a folder has changed.

It judges a folder by its date only, but a file by its checksum. So a folder that is made again with the same content
would rerun everything that depends on it, including trainings. Therefore the rules that make the inputs of trainings
also write the checksums of the folder to a file beside it (checksums.py); jobs that read the folder declare it
`ancient` and depend on that file.
"""


def content_of(folder: str) -> str:
    """The checksum file beside a folder below <results>; for a user's folder, which has none, the folder itself."""
    return f"{folder}.sha256" if folder.startswith("<results>/") else folder
