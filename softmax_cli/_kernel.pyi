"""Types of the compiled kernel, `c/kernel.c`."""

from softmax_cli.batch import FloatArray
from softmax_cli.compiled import IndexArray

MOST_TOP: int

def rank(
    logits: FloatArray,
    indices: IndexArray,
    probabilities: FloatArray,
    selected: bool,
    scale: float,
    variant: int = -1,
    /,
) -> None: ...
def variants() -> tuple[str, ...]: ...
