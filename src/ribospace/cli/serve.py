"""The command that serves a collection to a browser."""

from __future__ import annotations

import ipaddress
import logging
import re
import secrets
import socket
from importlib.util import find_spec
from typing import Annotated

import typer

from ribospace.cli.output import CollectionAt, progress_bar, warn
from ribospace.errors import UserError

LEAST_TOKEN = 12


def serve(
    collection: CollectionAt,
    model: Annotated[
        str, typer.Option("--model", help="The embedding to begin with, or its encoder's name, file or folder.")
    ] = "",
    projection: Annotated[str, typer.Option(help="The stored map to begin with.")] = "",
    generator: Annotated[
        str | None,
        typer.Option(
            help="mini-diffusion, or a folder that `ribospace train diffusion` wrote: offer to make molecules."
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Where to listen; beyond this machine a token is asked for.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="At which port; 0: any that is free.", min=0, max=65535)] = 8765,
    name: Annotated[
        list[str] | None,
        typer.Option(
            help="What browsers call this machine, such as atlas.lab.org, for --host 0.0.0.0; may be repeated."
        ),
    ] = None,
    token: Annotated[
        str, typer.Option(envvar="RIBOSPACE_TOKEN", help="What requests must bring; made where one is needed.")
    ] = "",
) -> None:
    """Serve a collection to a browser: a map to look at and work in, and a JSON API.

    It shows the collection as it is now; what is imported later comes with the next start. Ctrl-C ends it. A map is
    fitted, and kept in memory, where the collection has none of the embedding (`ribospace map --store` keeps one).
    """
    _require_web()
    import uvicorn

    from ribospace.web.app import make_app
    from ribospace.web.served import Served

    if token and len(token) < LEAST_TOKEN:
        raise UserError(f"--token has {len(token)} letters; take {LEAST_TOKEN} or more, so that nobody guesses it.")
    token = token or ("" if _is_loopback(host) and not name else secrets.token_urlsafe(24))
    names = [_host_name(one) for one in name or []]
    listening = _listening(host, port)
    try:
        with progress_bar("Reading") as progress:
            served = Served.open(
                collection, model, projection or None, generator, progress, token=token, hosts=_names(host, names)
            )
        try:
            address = _address(names[0] if names and not _is_loopback(host) else host, listening, token)
            warn(f"{served.space.count:,} molecules of {served.space.name} at {address}")
            warn("Ctrl-C ends it.")
            logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
            config = uvicorn.Config(
                make_app(served),
                log_level="warning",
                access_log=False,
                timeout_graceful_shutdown=5,
                server_header=False,
            )
            uvicorn.Server(config).run(sockets=[listening])
        except KeyboardInterrupt:
            pass  # uvicorn has ended in good order, and says so once more
        finally:
            served.close()
    finally:
        listening.close()


def _require_web() -> None:
    if not all(find_spec(name) for name in ("fastapi", "uvicorn")):
        raise UserError("Serving needs FastAPI and uvicorn: pip install 'ribospace[web]'.")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _host_name(text: str) -> str:
    """A name that the Host of a request can be."""
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", text):
        raise UserError(f"--name {text} is no name of a machine. Give it alone, such as atlas.lab.org.")
    return text


def _names(host: str, given: list[str]) -> tuple[str, ...]:
    """Names by which requests may call the server, beside addresses in numbers."""
    own = () if _is_loopback(host) else (host, socket.gethostname(), socket.getfqdn())
    return ("localhost", *own, *given)


def _listening(host: str, port: int) -> socket.socket:
    """A socket that listens there, before any time goes into reading."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind)
    except OSError as error:
        raise UserError(f"--host {host} is no address of this machine: {error.strerror or error}.") from error
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(address)
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise UserError(
            f"Port {port} of {host} cannot be had ({error.strerror}). Choose another: --port 0 takes any."
        ) from error
    return listening


def _address(host: str, listening: socket.socket, token: str) -> str:
    """What to open; a token stands in the fragment, which a browser never sends."""
    port = listening.getsockname()[1]
    name = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{name}:{port}/" + (f"#token={token}" if token else "")
