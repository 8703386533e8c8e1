"""The model card: what a model was made from and how, what it scored, how to use it, what it does not show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ribospace.training.objectives import LOSSES

MOST_NAMED = 50
_LEARNED = {
    "written": "writing each next letter, by the decoder",
    "letters": "naming every letter, by the encoder alone",
    "masked": "naming masked letters, by the encoder alone",
    "classes": "naming the molecule's {label}, by the classifier",
    "described": "naming the length and the shares of 3-mers, by the summary",
}
_FIGURES = {
    "validation_cer": ("character error rate (edits over letters)", "{:.2%}"),
    "validation_micro_f1": ("F1 of the {label}, micro (share told right)", "{:.3f}"),
    "validation_macro_f1": ("F1 of the {label}, macro (mean of the classes)", "{:.3f}"),
}


def model_card(name: str, about: Mapping[str, Any]) -> str:
    """Write a model card in Markdown, with the front matter of Hugging Face's.

    Parameters
    ----------
    name
        Of the model.
    about
        What its config.json says of its making: training, data, figures and versions.

    Returns
    -------
    str
        It names no license: that of the code does not hold for weights.
    """
    parts = [
        "---\nlibrary_name: ribospace\ntags:\n- rna\n- ribospace\n---",
        f"# {name}",
        _summary(about),
        _use(about),
        "## Data",
        _table(_data(about)),
        "## Training",
        _table(_training(about)),
        *(f"- {line}" for line in about["figures"]["said"]),
        "## Sizes",
        _table(_sizes(about)),
        "## Figures",
        _table(_figures(about)),
        "## What cannot be concluded",
        "\n".join(f"- {line}" for line in _limits(about)),
    ]
    return "\n\n".join(parts) + "\n"


def _summary(about: Mapping[str, Any]) -> str:
    model, label = about["training"]["model"], about["training"]["data"]["label"]
    does = [f"turns a molecule into a vector of {model['width']} numbers"]
    does += ["writes it again letter by letter"] if model["decoder_layers"] else []
    does += ["names its letters"] if model.get("letter_head") else []
    does += [f"tells its {label}, one of {len(model['classes'])}"] if model["classes"] else []
    return f"A model of RNA, trained with Ribospace {about['versions']['ribospace']}. It {_joined(does)}."


def _use(about: Mapping[str, Any]) -> str:
    return f"""## Use

FOLDER is where this file lies, COLLECTION a collection that `ribospace import` made.

```bash
ribospace embed COLLECTION --model FOLDER
ribospace evaluate FOLDER --data COLLECTION --out REPORT
```

```python
from ribospace.alphabet import tokenize
from ribospace.encoders import find_encoder

encoder = find_encoder("FOLDER")
vectors = encoder.encode(tokenize(["GGGGAAAACCCC"]))  # (1, {about["training"]["model"]["width"]}) float32
```"""


def _data(about: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    data, training = about["data"], about["training"]
    yield "collection", f"`{data['collection']}`"
    if data["where"]:
        yield "where", f"`{data['where']}`"
    yield "distinct molecules", f"{data['distinct_molecules']:,}"
    window = training["model"]["window"]
    yield "longer than the window", f"{data['longer_than_window']:,}, cut into windows of {window} nt"
    yield "trained on", f"{data['training_molecules']:,} molecules, {data['training_windows']:,} windows"
    copies = data.get("validation_near_copies_left_out", 0)
    left = f"; {copies:,} more left out, as they have a near copy among the others" if copies else ""
    yield "held out", f"{data['validation_molecules']:,} molecules, {data['validation_windows']:,} windows{left}"
    yield "split", str(data["split"])
    if training["model"]["classes"]:
        yield f"labels ({training['data']['label']})", _some(training["model"]["classes"])


def _some(classes: Sequence[str]) -> str:
    """The classes; of very many the first, and how many there are."""
    return ", ".join(classes if len(classes) <= MOST_NAMED else [*classes[:10], f"… {len(classes):,} in all"])


def _training(about: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    objective, label = about["training"]["objective"], about["training"]["data"]["label"]
    used = [loss for loss in LOSSES if objective.get(loss)]
    for loss in used:
        yield f"loss `{loss}`, weight {objective[loss]:g}", _LEARNED[loss].format(label=label)
    if len(used) > 1:
        yield "weighting", objective["weighting"]
    yield "mask", f"{objective['mask']:.0%} of the input's letters, in training only"
    if objective.get("codes"):
        yield "codes", f"{objective['codes']:.1%} of the letters become an IUPAC code, in training only"
    yield "seed", str(about["training"]["seed"])
    figures, optimizer = about["figures"], about["training"]["optimizer"]
    yield "steps", f"{figures['steps']:,}, {figures['epochs']:g} epochs, {figures['seconds']:,.0f} s"
    if figures["stopped"]:
        yield "early end", figures["stopped"]
    rate = f"learning rate {optimizer['learning_rate']:g} ({optimizer['schedule']}, warmup {optimizer['warmup']})"
    yield "optimizer", f"AdamW, {rate}, weight decay {optimizer['weight_decay']:g}"
    yield "tokens in a step", f"at most {optimizer['token_budget']:,}"
    yield "precision", figures["precision"]
    yield "versions", ", ".join(f"{package} {version}" for package, version in about["versions"].items())


def _sizes(about: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "parameters", f"{about['figures']['parameters']:,}"
    for key, value in about["training"]["model"].items():
        if key != "classes":
            yield key, str(value)


def _figures(about: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    figures, label = about["figures"], about["training"]["data"]["label"]
    yield "loss in training, first step", f"{figures['first_loss']:.4f}"
    yield "loss in training, mean of the last 20 steps", f"{figures['last_loss']:.4f}"
    for key, (said, form) in _FIGURES.items():
        if key in figures:
            yield f"held out: {said.format(label=label)}", form.format(figures[key])


def _limits(about: Mapping[str, Any]) -> Iterator[str]:
    data, model, label = about["data"], about["training"]["model"], about["training"]["data"]["label"]
    count = data["validation_molecules"]
    if count:
        bound = min(1.0, 0.98 / count**0.5)  # 1.96 standard errors of a share of one half
        yield (
            f"The figures are of {count:,} molecules: a share of so few is uncertain by up to {100 * bound:.0f} "
            "percentage points either way (95 %), and by more where they resemble each other."
        )
        if about["training"]["optimizer"]["evaluate_every"]:
            yield "The weights are those that did best on these very molecules, so the figures are somewhat too good."
    else:
        yield "Nothing was held out: no figure says how the model does with molecules that it has not seen."
    if not about["training"]["data"]["split"]:
        yield "Distant relatives of the molecules held out were trained on: families never seen may do worse."
    if "queries" in model:
        yield (
            f"The decoder sees {model['queries']} latents of {model['width']} numbers and nothing else; that it writes "
            "a molecule again says that they hold its letters, not that near latents mean alike molecules."
        )
    elif model["decoder_layers"]:
        yield (
            f"The decoder sees the encoder's embedding of every token, {model['width']} numbers for each letter: its "
            "character error rate is a test of copying, not of how much one vector knows of the molecule."
        )
    elif model.get("letter_head"):
        yield (
            "The encoder sees the very letters that it names: its character error rate is a test of copying, not of "
            "how much one vector knows of the molecule."
        )
    if model["classes"]:
        yield f"Every molecule is told to be of one {label} above, also one that is of none of them."
    yield "Molecules unlike those of the collection, by kind, organism or length, were not judged."


def _table(rows: Iterator[tuple[str, str]]) -> str:
    lines = [" | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) for row in rows]
    return "\n".join(["| | |", "|---|---|", *(f"| {line} |" for line in lines)])


def _joined(parts: list[str]) -> str:
    return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else parts[0]
