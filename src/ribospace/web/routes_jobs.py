"""What is worked out: heavy work by jobs (relations, heads, generate), composition, trajectories."""

from __future__ import annotations

from typing import Any

from ribospace.errors import nearest
from ribospace.web import composition as compositions
from ribospace.web import designing, equations, heads, paths
from ribospace.web.refusing import Refusal
from ribospace.web.routing import Here, api_router
from ribospace.web.shapes import CompositionAsk, GenerateAsk, HeadsAsk, Job, RelationsAsk, Submitted

router = api_router("work")


@router.post("/relations", status_code=202)
def relations(here: Here, ask: RelationsAsk) -> Submitted:
    """Search the best equations of a molecule, a = ±b ±c; or what a sum of molecules is nearest to."""
    here.embedding(ask.embedding)
    here.space.checked([*([] if ask.a is None else [ask.a]), *ask.plus, *ask.minus])
    return Submitted(job=here.jobs.submit(lambda progress: equations.answer(here, ask, progress)))


@router.post("/heads", status_code=202)
def by_heads(here: Here, ask: HeadsAsk) -> Submitted:
    """Compare two molecules by attention head, beside random pairs; 409 where the encoder has no heads."""
    heads.encoder_with_heads(here, ask.embedding)
    here.space.checked([ask.a, ask.b])
    return Submitted(job=here.jobs.submit(lambda progress: heads.answer(here, ask, progress)))


@router.post("/generate", status_code=202)
def generate(here: Here, ask: GenerateAsk) -> Submitted:
    """Make molecules that did not exist; 409 where no generator is served."""
    return Submitted(job=here.jobs.submit(designing.planned(here, ask)))


@router.get("/jobs/{job}")
def job(here: Here, job: str) -> Job:
    """How heavy work stands, and its result when it is done."""
    return Job.model_validate(here.jobs.state(job))


@router.delete("/jobs/{job}", status_code=204, response_model=None)
def cancel(here: Here, job: str) -> None:
    """Call heavy work off."""
    here.jobs.cancel(job)


@router.post("/composition")
def composition(here: Here, ask: CompositionAsk) -> dict[str, Any]:
    """Say what some molecules are made of, beside all others."""
    return compositions.answer(here, ask)


@router.get("/trajectories/{name:path}")
def trajectory(here: Here, name: str, projection: str | None = None) -> dict[str, Any]:
    """A trajectory's clusters, where they stand, and how they hang together."""
    if name not in here.space.trajectories:
        raise Refusal(404, f"{here.space.name} has no trajectory {name!r}. {nearest(name, here.space.trajectories)}")
    return paths.answer(here, name, here.space.projection(projection).name)
