"""The encoders that ship with Ribospace; what each needs is imported when it is made."""

from __future__ import annotations

import re

from ribospace.encoders.base import Encoder
from ribospace.encoders.family import Family
from ribospace.errors import UserError
from ribospace.models.shipped import ENCODER, LATENT


def _kmer(argument: str, pooling: str) -> Encoder:
    from ribospace.encoders.kmer import KmerEncoder

    return KmerEncoder(int(argument) if re.fullmatch(r"\d{1,9}", argument) else 0)


def _rnafm(argument: str, pooling: str) -> Encoder:
    from ribospace.encoders.rnafm import RnaFmEncoder
    from ribospace.models.rnafm_checkpoint import HUB_NAME

    return RnaFmEncoder(HUB_NAME, pooling, layer=_number("rnafm", "layer", argument) if argument else None)


def _trained(argument: str, pooling: str) -> Encoder:
    from ribospace.encoders.adapters import AutoencoderEncoder

    return AutoencoderEncoder(argument, pooling)


def _shipped_encoder(argument: str, pooling: str) -> Encoder:
    from ribospace.encoders.adapters import AutoencoderEncoder

    return AutoencoderEncoder(_alone(ENCODER, argument), pooling)


def _shipped_latent(argument: str, pooling: str) -> Encoder:
    from ribospace.encoders.latent import LatentEncoder

    return LatentEncoder(_alone(LATENT, argument), pooling)


def _alone(name: str, argument: str) -> str:
    if argument:
        raise UserError(f"{name!r} takes no {argument!r}. Name it alone.")
    return name


def _multimolecule(argument: str, pooling: str) -> Encoder:
    from ribospace.encoders.multimolecule import MultimoleculeEncoder

    return MultimoleculeEncoder(argument, pooling)


def _structure(argument: str, pooling: str) -> Encoder:
    from ribospace.encoders.structure import StructureEncoder

    _alone("structure", argument)
    return StructureEncoder()


def _random(argument: str, pooling: str) -> Encoder:
    from ribospace.encoders.random import random_encoder

    sizes, _, seed = argument.rpartition(":")
    if argument == "rnafm":
        sizes, seed = argument, ""
    if sizes not in ("", "rnafm"):
        raise UserError(f"'random:{argument}' is none of random, random:SEED, random:rnafm and random:rnafm:SEED.")
    return random_encoder(_number("random", "seed", seed) if seed else 0, sizes or "default", pooling)


def _number(name: str, what: str, argument: str) -> int:
    if not re.fullmatch(r"\d{1,9}", argument):
        raise UserError(f"{argument!r} is no {what}: behind {name}: stands a whole number.")
    return int(argument)


MINI = Family(_shipped_encoder, "Ships with Ribospace, see `ribospace models`: the default", "64", tokens=True)
MINI_LATENT = Family(_shipped_latent, "Ships with Ribospace: 16 latents of 40 numbers, or their summary", "40 or 640")
KMER = Family(_kmer, "Share of each k-mer over A C G U", "4 to 65,536", usage="kmer1 to kmer8")
RNAFM = Family(
    _rnafm,
    "RNA-FM, the last or the Nth layer; fetched, or from a file",
    "640",
    tokens=True,
    needs="weights (400 MB)",
    usage="rnafm[:N], FILE[:N]",
)
MULTIMOLECULE = Family(
    _multimolecule,
    "RiNALMo, RNABERT, ERNIE-RNA, UTR-LM, SpliceBERT and others",
    "any",
    tokens=True,
    needs="weights, ribospace[peers]",
    module="multimolecule",
    usage="multimolecule/NAME[@REVISION][:N], FOLDER[:N]",
)
TRAINED = Family(_trained, "The folder of a model that ribospace train wrote", "any", tokens=True, usage="FOLDER")
STRUCTURE = Family(
    _structure,
    "Energies, loops and composition, by ViennaRNA",
    "15",
    needs="ribospace[structure]",
    module="RNA",
)
RANDOM = Family(
    _random,
    "Never trained: a control; by default or in RNA-FM's sizes",
    "64 or 640",
    tokens=True,
    usage="random[:rnafm][:SEED]",
)
