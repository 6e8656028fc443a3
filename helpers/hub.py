"""Models on the Hugging Face hub: their files on this computer, or one clear message why not.

The libraries below raise some twenty classes of errors, wrapped in one another. A learner gets
one sentence on what happened, and one on what to do next.
"""

import errno
import re
from pathlib import Path

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def download_files(hub_id: str, patterns: list[str], instead: str, revision=None) -> Path:
    """Fetch some files of a repository, or find them in the cache of earlier downloads.

    Args:
        hub_id: Such as "owner/model".
        patterns: Names of files, with * for any characters.
        instead: What works where this does not; the last sentence of every message.
        revision: A branch, a tag or a commit; `None` is the main branch.

    Returns:
        The folder that holds them. A pattern that matches no file is no error.

    Raises:
        The errors of `explained`.
    """
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(hub_id, revision=revision, allow_patterns=patterns))
    except Exception as error:  # see above
        raise explained(hub_id, error, instead) from error


def explained(hub_id: str, error: Exception, instead: str) -> Exception:
    """The error to show to a learner for one that came from the libraries below.

    Returns:
        PermissionError for a login or a licence, LookupError for a model or a revision that is
        not there, OSError (with ENOSPC) for a full disk, else ConnectionError.
    """
    from huggingface_hub import errors

    causes = _causes(error)

    def caused_by(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    page = f"https://huggingface.co/{hub_id}"
    if full := next((c for c in causes if getattr(c, "errno", None) == errno.ENOSPC), None):
        return _disk_full(hub_id, full, instead)
    if caused_by(errors.OfflineModeIsEnabled):
        return ConnectionError(
            f"{hub_id!r} is not on this computer, and HF_HUB_OFFLINE forbids to download it. Unset "
            f"that environment variable and restart the notebook. {instead}"
        )
    if caused_by(errors.GatedRepoError):
        return PermissionError(f"{_gate(hub_id, page)} {instead}")
    if caused_by(errors.DisabledRepoError):
        return LookupError(
            f"The hub has switched {hub_id!r} off; its page {page} may say why. {instead}"
        )
    if caused_by(errors.RevisionNotFoundError):
        return LookupError(
            f"{hub_id!r} is on the hub, but not in the revision that was asked for. Leave out the "
            f"revision to get the newest. {instead}"
        )
    if caused_by(errors.RepositoryNotFoundError):
        return LookupError(
            f"The hub has no public model {hub_id!r}: it was deleted or renamed, is private, or "
            f"the name has a slip. Look for it at https://huggingface.co/models. {instead}"
        )
    if any(getattr(getattr(c, "response", None), "status_code", None) == 401 for c in causes):
        return PermissionError(
            "The hub does not accept the token that is stored on this computer. Run "
            f"`hf auth login` and give it a new one. {instead}"
        )
    return ConnectionError(
        f"{hub_id!r} is not on this computer, and the hub cannot be reached "
        f"({first_line(causes[-1])}). Check the network and run this again. {instead}"
    )


def first_line(error: BaseException) -> str:
    """The class of an error and the first line of its message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _gate(hub_id: str, page: str) -> str:
    from huggingface_hub import get_token

    if get_token() is None:
        return (
            f"{hub_id!r} is given only to people who are logged in and accept its licence, and "
            f"this computer has no token. Accept the licence on {page}, then run `hf auth login`."
        )
    return (
        f"{hub_id!r} is given only to people who accept its licence, and the account of this "
        f"computer's token has not. Accept it on {page}, then run this again."
    )


def _disk_full(hub_id: str, error: BaseException, instead: str) -> OSError:
    from huggingface_hub.constants import HF_HUB_CACHE

    return OSError(
        errno.ENOSPC,
        f"The disk is full: {hub_id!r} does not fit into {HF_HUB_CACHE}. Make room there "
        "(`hf cache ls` lists earlier downloads, `hf cache rm` removes one), or set HF_HOME to a "
        f"folder on a larger disk. {instead}",
    )


def _causes(error: BaseException) -> list[BaseException]:
    """The error, what caused it, and so on down to the first."""
    chain = [error]
    while following := chain[-1].__cause__ or chain[-1].__context__:
        if following in chain:
            break
        chain.append(following)
    return chain
