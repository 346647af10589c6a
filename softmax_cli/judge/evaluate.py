"""Evaluation: a source of logits and its targets, read once, made a report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from softmax_cli.activation import check_arguments
from softmax_cli.batch import Fault, LogitBatch, Source
from softmax_cli.concurrency import overlap
from softmax_cli.confidence.calibration import Calibration
from softmax_cli.errors import FaultHandler, InputError, Location, UsageError, fail_on_fault
from softmax_cli.judge.binning import bin_edges
from softmax_cli.judge.bootstrap import bootstrap
from softmax_cli.judge.kernel import Kernel
from softmax_cli.judge.multilabel import evaluate_labels
from softmax_cli.judge.ranks import Ranked
from softmax_cli.judge.report import Report
from softmax_cli.judge.stream import Sound, heeded, paired, sound
from softmax_cli.judge.summary import Summary, class_weights, operating_point, plain, rank_figures
from softmax_cli.judge.tally import Measure, Part, Tally
from softmax_cli.judge.truth import Targets, Truth

MOST_RANKED = 1 << 24  # rows of several axes (pixels), up to which the order of confidence is kept


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """How logits are judged. The fields are named as the command's options are.

    activation: "softmax", "sigmoid" (labels that don't exclude each other) or "none". tops: the k of top-k
    accuracies; 1 is always there. bins: of calibration. class_weights: "balanced", or one a class; they weigh
    accuracy, log-loss and Brier score. bootstrap: resamples for intervals; seed: of them. goal: ("precision" | "risk"
    | "coverage", value) of a threshold. threshold: above which a label is predicted. names: of the classes.
    calibration: what else is done to the logits.
    nan, jobs, on_fault, on_input_fault, lost: as for `judged`.
    """

    activation: str = "softmax"
    temperature: float = 1.0
    tops: Sequence[int] = (1, 5)
    bins: int = 15
    class_weights: str | Sequence[float] | None = None
    bootstrap: int = 0
    seed: int = 0
    goal: tuple[str, float] | None = None
    threshold: float = 0.5
    names: Sequence[str] | None = None
    calibration: Calibration | None = None
    nan: str = "error"
    jobs: int = 1
    on_fault: FaultHandler = field(default=fail_on_fault)
    on_input_fault: FaultHandler = field(default=fail_on_fault)
    lost: Callable[[], int] = lambda: 0


@dataclass
class Counted:
    """Rows that weren't judged."""

    ignored: int = 0
    dropped: int = 0


def evaluate(
    source: Source, targets: Targets, options: EvaluateOptions, progress: Callable[[int], None] = lambda rows: None
) -> Report:
    """Judge a source against targets, in one pass; the same report whatever the number of threads.

    progress: told the rows of each batch. Raises InputError as the source and targets do, and where no row is left;
    UsageError where the targets are none for this activation.

    >>> import pathlib, tempfile
    >>> from softmax_cli.judge.truth import open_targets
    >>> from softmax_cli.sources import open_source
    >>> path = pathlib.Path(tempfile.mkdtemp(), "logits.csv")
    >>> _ = path.write_text("dog,cat\\n3.2,1.3\\n0.1,0.4\\n")
    >>> _ = path.with_name("truth.txt").write_text("dog\\ndog\\n")
    >>> source = open_source(str(path))
    >>> targets = open_targets(str(path.with_name("truth.txt")), source, source.class_names)
    >>> evaluate(source, targets, EvaluateOptions()).figures["accuracy"]
    0.5
    """
    check_arguments(options.activation, options.temperature)
    if options.activation == "sigmoid" or (options.activation == "none" and targets.kind == "multi-hot"):
        return evaluate_labels(source, targets, options, progress)
    if targets.kind == "multi-hot":
        hint = "--activation sigmoid judges each label for itself"
        raise UsageError("the targets have rows with no class, or with several", hint=hint)
    stream = _batches(source, targets)
    first = next(stream, None)
    if first is None:
        raise _nothing(source, Counted())
    measure = _measure(first[0], options)
    tally, counted = Tally(measure), Counted()

    def work(pair: tuple[LogitBatch, Truth]) -> tuple[Sequence[Fault], Sound, Part]:
        found = heeded(*pair)
        part = measure.part_at_once(found.batch, found.truth)
        if part is None:
            found = sound(*pair, options.nan, options.names)
            part = measure.part(found.batch, found.truth)
        return pair[0].faults, found, part

    def again() -> Iterator[tuple[LogitBatch, Truth]]:
        yield first
        yield from stream

    for input_faults, found, part in overlap(again(), work, options.jobs):
        for fault in input_faults:
            options.on_input_fault(fault.error)
        for fault in found.faults:
            options.on_fault(fault.error)
        counted.ignored += found.ignored
        counted.dropped += len(found.faults)
        tally.add(part)
        progress(part.rows)
    targets.finish(options.lost())
    if not tally.rows:
        raise _nothing(source, counted)
    return _report(source, targets, options, tally, counted, len(first[0].shape) > 1)


def _batches(source: Source, targets: Targets) -> Iterator[tuple[LogitBatch, Truth]]:
    """The pairs that have rows, or errors."""
    return (pair for pair in paired(source, targets) if len(pair[0]) or pair[0].faults)


def _nothing(source: Source, counted: Counted) -> InputError:
    why = f" ({counted.ignored:,} ignored, {counted.dropped:,} dropped)" if counted.ignored or counted.dropped else ""
    return InputError("empty-input", f"no rows to judge{why}", at=Location(source.name))


def _measure(batch: LogitBatch, options: EvaluateOptions) -> Measure:
    classes = batch.logits.shape[1]
    tops = tuple(sorted({1, *(min(k, classes) for k in options.tops)}))
    kernel_activation = "none" if options.activation == "none" else "softmax"  # log-softmax is but its logarithm
    kernel = Kernel(kernel_activation, options.temperature, bin_edges(options.bins), most=tops[-1])
    given = options.class_weights
    if given is not None and given != "balanced" and len(given) != classes:
        raise InputError("label-count", f"{len(given):,} class weights, but {classes:,} classes")
    is_picture = len(batch.shape) > 1
    keep = not is_picture or _count(batch.shape) <= MOST_RANKED
    return Measure(kernel, classes, tops, options.bootstrap > 0, keep, options.calibration, options.nan != "error")


def _count(shape: Sequence[int]) -> int:
    total = 1
    for length in shape:
        total *= length
    return total


def _ranked(tally: Tally) -> Ranked | None:
    """The rows by confidence, where each has one that was kept."""
    confidence, right = tally.confidence()
    return Ranked(confidence, right) if len(confidence) and not tally.undefined else None


def _report(
    source: Source, targets: Targets, options: EvaluateOptions, tally: Tally, counted: Counted, is_picture: bool
) -> Report:
    weights = class_weights(options.class_weights, tally.sums["support"])
    tops = [int(name.removeprefix("top_")) for name in tally.sums if name.startswith("top_")]
    summary = Summary(tally, tops, weights)
    ranked = _ranked(tally)
    calibration, mass_bins = summary.calibration(ranked, options.bins)
    ranks, curve = rank_figures(ranked)
    classes = summary.classes()
    averages = classes.averages()
    figures = {**summary.scores(), **calibration, **ranks, "mean_iou": averages["macro"]["iou"]}
    notes = summary.notes()
    if options.class_weights is not None:
        notes.append("accuracy, top-k, log-loss and Brier score are weighted by class; calibration isn't")
    if targets.kind == "soft":
        notes.append(
            "accuracy, calibration and the classes' figures take each row's most probable target for its class"
        )
    if ranked is None and not tally.undefined:
        notes.append(f"more than {MOST_RANKED:,} rows of several axes: no AUROC, AURC or bins of equal mass")
    return Report(
        source=source.name,
        kind="soft" if targets.kind == "soft" else "classes",
        activation=options.activation,
        temperature=options.temperature,
        rows=tally.rows,
        ignored=counted.ignored,
        dropped=max(counted.dropped, options.lost()),
        undefined=tally.undefined,
        classes=tally.classes,
        top_k=summary.top_k(),
        figures=plain(figures),
        averages=averages,
        per_class=classes.figures(options.names),
        labels=options.names,
        intervals=bootstrap(tally, weights, options) if options.bootstrap else None,
        bins=() if tally.undefined else summary.bins(),
        mass_bins=mass_bins,
        confused=summary.confused(options.names),
        confusion=summary.confusion(),
        pair_counts=summary.pair_counts(),
        is_picture=is_picture,
        curve=curve,
        operating=operating_point(ranked, options.goal),
        notes=notes,
    )
