"""Models on the Hugging Face hub: their files on this computer, or one clear message why not.

The libraries below raise some twenty classes of errors, wrapped in one another. A learner gets
one sentence on what happened, one on what to do next, and one on what works meanwhile.
"""

import errno
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from helpers.base.files import free_bytes
from helpers.base.quiet import quiet

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
CONVERSION_TITLE = "Adding `safetensors` variant of this model"
CONVERSION_AUTHOR = "SFconvertbot"  # Hugging Face's own


class NoSafetensors(ValueError):
    """A repository whose weights are pickle files (.bin), which can run code."""


def cached_folders(hub_id: str) -> list[Path]:
    """The folders of all revisions that were ever downloaded, the latest first."""
    from huggingface_hub import constants

    home = Path(constants.HF_HUB_CACHE) / f"models--{hub_id.replace('/', '--')}" / "snapshots"
    folders = [folder for folder in home.glob("*") if folder.is_dir()]
    return sorted(folders, key=lambda folder: folder.stat().st_mtime, reverse=True)


@dataclass(frozen=True)
class Repository:
    """A repository on the hub. What cannot be had from it is one error with one next step.

    PermissionError for a login or a license, LookupError for a model or a revision that is not
    there, OSError (with ENOSPC) for a full disk, else ConnectionError.

    Attributes:
        hub_id: Such as "owner/model".
        revision: A branch, a tag or a commit; `None` is the main branch.
        instead: Says what works where this does not: the last sentence of every message.
    """

    hub_id: str
    revision: str | None = None
    instead: Callable[[], str] = str

    def cached(self, file: str) -> Path | None:
        """The folder of an earlier download that holds `file`, or `None`. Asks no network."""
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(self.hub_id, file, revision=self.revision)
        return Path(found).parent if isinstance(found, str) else None

    def download_files(self, patterns: list[str]) -> Path:
        """Fetch the files whose names match; what is here already stays.

        Args:
            patterns: Names with * for any characters. One that matches nothing is no error.

        Returns:
            The folder that holds them.
        """
        from huggingface_hub import snapshot_download

        try:
            folder = snapshot_download(self.hub_id, revision=self.revision, allow_patterns=patterns)
        except Exception as error:  # see the top of this module
            raise self.explained(error) from error
        return Path(folder)

    def download_pipeline(
        self, variant: str | None = None, allow_pickle: bool = False, size: int = 0
    ) -> Path:
        """Fetch those files that a pipeline of diffusers needs; return their folder.

        If there are no files of `variant`, the ordinary ones come. Where the repository has only
        pickle weights and they are not allowed, the hub's own conversion to safetensors is taken
        if it was made. `size` is how many bytes are expected, if that is known.

        Raises NoSafetensors if there are only pickle weights, and they are not allowed.
        """
        self._ask()
        self._check_space(size)
        # The bars stay: a download of gigabytes should show its progress.
        with quiet(progress_bars=True):
            from diffusers import DiffusionPipeline

            try:
                folder = DiffusionPipeline.download(
                    self.hub_id,
                    revision=self.revision,
                    variant=variant,
                    use_safetensors=None if allow_pickle else True,
                )
                return Path(folder)
            except Exception as error:  # see the top of this module
                if variant and "no such modeling files are available" in str(error):
                    return self.download_pipeline(None, allow_pickle, size)
                if "`safetensors`" not in str(error):
                    raise self.explained(error) from error
                converted = self.converted()
                if converted not in (None, self):
                    return converted.download_pipeline(variant, allow_pickle, size)
                raise NoSafetensors(pickle_only(repr(self.hub_id))) from error

    def converted(self) -> "Repository | None":
        """The pull request in which the hub's own robot put the weights into safetensors.

        Repositories whose owners never merged it keep only pickle weights on their main branch.
        """
        from huggingface_hub import get_repo_discussions

        try:
            for request in get_repo_discussions(
                self.hub_id, author=CONVERSION_AUTHOR, discussion_type="pull_request"
            ):
                if request.title == CONVERSION_TITLE:
                    return replace(self, revision=request.git_reference)
        except Exception:  # a convenience: without it, the message about pickle weights comes
            return None
        return None

    def _ask(self) -> None:
        """Raise what stands between us and the repository.

        diffusers would silently take what is left of an earlier download, whole or not, when the
        hub does not answer.
        """
        from huggingface_hub import model_info

        try:
            model_info(self.hub_id, revision=self.revision)
        except Exception as error:  # see the top of this module
            raise self.explained(error) from error

    def _check_space(self, needed: int) -> None:
        """Raise OSError (ENOSPC) if the disk of the cache has less than `needed` bytes free."""
        from huggingface_hub import constants

        free = free_bytes(Path(constants.HF_HUB_CACHE))
        if free < needed:
            raise self._disk_full(
                f" {needed / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB are free."
            )

    def explained(self, error: Exception) -> Exception:
        """The error to show to a learner for one that came from the libraries below."""
        from huggingface_hub import errors

        hub_id, instead = self.hub_id, self.instead()

        causes = causes_of(error)

        def caused_by(*kinds: type[BaseException]) -> bool:
            return any(isinstance(cause, kinds) for cause in causes)

        page = f"https://huggingface.co/{hub_id}"
        if any(_is_disk_full(cause) for cause in causes):
            return self._disk_full()
        if caused_by(errors.OfflineModeIsEnabled):
            return ConnectionError(
                f"{hub_id!r} is not on this computer, and HF_HUB_OFFLINE forbids to download it. "
                f"Unset that environment variable and restart the notebook. {instead}"
            )
        if caused_by(errors.GatedRepoError):
            return PermissionError(f"{self._gate(page)} {instead}")
        if caused_by(errors.DisabledRepoError):
            return LookupError(f"The hub has closed {hub_id!r}; {page} may say why. {instead}")
        if caused_by(errors.RevisionNotFoundError):
            return LookupError(
                f"{hub_id!r} is on the hub, but without the revision that was asked for: its "
                f"owner has rewritten it. Look at {page}. {instead}"
            )
        if caused_by(errors.RepositoryNotFoundError):
            return LookupError(
                f"The hub has no public model {hub_id!r}: it was deleted or renamed, is private, "
                "or the name has a slip. Look for it at https://huggingface.co/models. "
                f"{instead}"
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

    def _gate(self, page: str) -> str:
        from huggingface_hub import get_token

        if get_token() is None:
            return (
                f"{self.hub_id!r} is given only to people who are logged in and accept its "
                f"license, and this computer has no token. Accept the license on {page}, then run "
                "`hf auth login`."
            )
        return (
            f"{self.hub_id!r} is given only to people who accept its license, and the account of "
            f"this computer's token has not. Accept it on {page}, then run this again."
        )

    def _disk_full(self, about: str = "") -> OSError:
        from huggingface_hub import constants

        return OSError(
            errno.ENOSPC,
            f"The disk is full: {self.hub_id!r} does not fit into {constants.HF_HUB_CACHE}."
            f"{about} Make room there (`hf cache ls` lists earlier downloads, `hf cache rm` "
            f"removes one), or set HF_HOME to a folder on a larger disk. {self.instead()}",
        )


def pickle_only(what: str) -> str:
    """The message for weights that are pickle files only."""
    return (
        f"{what} has only pickle weights (.bin), which can run code and are not loaded. If you "
        "trust their source, add allow_pickle=True."
    )


def first_line(error: BaseException) -> str:
    """The class of an error and the first line of its message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _is_disk_full(error: BaseException) -> bool:
    # The downloader that is written in Rust raises a plain error with the system's words.
    is_out_of_space = getattr(error, "errno", None) == errno.ENOSPC
    return is_out_of_space or "No space left on device" in str(error)


def causes_of(error: BaseException) -> list[BaseException]:
    """The error, what caused it, and so on down to the first."""
    chain = [error]
    while following := chain[-1].__cause__ or chain[-1].__context__:
        if following in chain:
            break
        chain.append(following)
    return chain
