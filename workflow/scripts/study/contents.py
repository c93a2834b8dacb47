"""By what Snakemake knows that a folder has another content.

It knows a folder by its date alone, and a file by its checksum. A folder that is made again with the same content would
start all that follows from it, trainings too. So the rules that make what trainings read write the folder's checksums
into a file beside it (checksums.py); what reads the folder takes it as `ancient`, and depends on this file.
"""


def content_of(folder: str) -> str:
    """The file of checksums beside a folder below <results>; the user's own folder itself, which has none."""
    return f"{folder}.sha256" if folder.startswith("<results>/") else folder
