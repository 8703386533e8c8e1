"""Files of a repository on the Hugging Face hub, through its own cache."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ribospace.errors import Unavailable, UserError


def is_hub_name(name: str) -> bool:
    """Whether a name has the form of a repository's, with or without a revision.

    Examples
    --------
    >>> is_hub_name("multimolecule/rnafm"), is_hub_name("multimolecule/rnafm@main"), is_hub_name("rnafm.pth")
    (True, True, False)
    """
    return re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*(@[\w./-]+)?", name) is not None


def hub_folder(name: str, files: Sequence[str]) -> Path:
    """Fetch files of a repository, all of one commit, where they are not in the cache yet.

    Parameters
    ----------
    name
        `owner/repository`, or `owner/repository@revision` with a branch, tag or commit.
    files
        Their names.

    Returns
    -------
    Path
        The folder of the cache that holds them; its name is the commit. Where the cache lies, an access token and
        whether to stay offline are said by the environment: HF_HOME, HF_TOKEN, HF_HUB_OFFLINE=1.

    Raises
    ------
    UserError
        If the hub has no such repository, revision or file.
    Unavailable
        If a file is not in the cache and the hub is not reached, or offline is asked for.
    """
    from huggingface_hub import errors, hf_hub_download

    repository, _, revision = name.partition("@")
    folder = None
    for file in files:
        try:
            commit = folder.name if folder is not None else revision or None
            folder = Path(hf_hub_download(repository, file, revision=commit)).parent
        except errors.RevisionNotFoundError as error:
            said = f"{repository} on the hub has no revision {revision!r}. Name a branch, tag or commit."
            raise UserError(said) from error
        except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
            raise UserError(
                f"There is no repository {repository} on the hub that you may read. Check the name, or set HF_TOKEN."
            ) from error
        except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
            raise Unavailable(
                f"{name}: {file} is not in the cache and the hub is not reached, or HF_HUB_OFFLINE is set. "
                "Fetch it once while online, or name a folder with the files."
            ) from error
        except errors.EntryNotFoundError as error:
            raise UserError(f"{name} on the hub has no {file}. Choose another repository or revision.") from error
        except OSError as error:
            said = (str(error).splitlines() or [type(error).__name__])[0]
            raise Unavailable(f"{name}: {file} could not be fetched: {said}. Try again later.") from error
    if folder is None:
        raise ValueError("name the files to fetch")
    return folder
