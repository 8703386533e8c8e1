"""What a request is refused with: a status and one sentence."""

from __future__ import annotations

from ribospace.errors import Unavailable, UserError


class Refusal(UserError):
    """A request that cannot be answered.

    Parameters
    ----------
    status
        HTTP's: 404 for what is not there, 409 for what cannot be now, 503 for later.
    sentence
        What, where, how to mend it.
    retry_after
        Seconds to wait before asking again; 0: not said.

    Examples
    --------
    >>> Refusal(404, "There is no map 'x'.").status
    404
    """

    def __init__(self, status: int, sentence: str, retry_after: int = 0) -> None:
        super().__init__(sentence)
        self.status, self.retry_after = status, retry_after


def status_of(error: UserError) -> int:
    """Status of a mistake: its own, 503 for what is unavailable, else 422.

    Examples
    --------
    >>> status_of(UserError("No letter of RNA."))
    422
    """
    return error.status if isinstance(error, Refusal) else 503 if isinstance(error, Unavailable) else 422
