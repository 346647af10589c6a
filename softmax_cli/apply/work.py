"""What is to be done to every piece of an array, and the check that goes with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmax_cli.activation import activate
from softmax_cli.batch import FloatArray, as_logits
from softmax_cli.confidence.calibration import Calibration
from softmax_cli.confidence.ranking import calibrated
from softmax_cli.geometry import Geometry, cube_batch
from softmax_cli.pipeline import split_finite


@dataclass(frozen=True, slots=True)
class Work:
    """An activation with its temperature, what to do with rows that have none, and the threads to do it on."""

    activation: str = "softmax"
    temperature: float = 1.0
    nan: str = "error"
    jobs: int = 1
    calibration: Calibration | None = None

    def on_cube(self, name: str, geometry: Geometry, cube: NDArray[Any], outer: int = 0, inner: int = 0) -> FloatArray:
        """Apply it to an (outer, classes, inner) piece that begins at `outer` and `inner`.

        Raises InputError for a row with NaN, +inf or nothing but -inf, unless such rows are to become NaN;
        and for another number of classes than the calibration is for.
        """
        values = as_logits(cube)
        if self.nan == "error" and values.size and not np.isfinite(values.max(axis=1)).all():
            _, faults = split_finite(cube_batch(name, geometry, values, outer, inner), None)
            if faults:
                raise faults[0].error
        calibration = self.calibration
        if calibration is not None:
            calibration.check(geometry.classes, None, name)
            calibration.check_activation(self.activation, name)
        if calibration is None or calibration.is_plain:
            return activate(values, self.activation, 1, self.temperature)
        activation = "softmax" if self.activation == "none" else self.activation
        scores = calibrated(calibration, np.moveaxis(values, 1, -1), name)
        return activate(np.moveaxis(scores, -1, 1), activation, 1).astype(values.dtype)

    def on_array(self, name: str, array: NDArray[Any], geometry: Geometry) -> FloatArray:
        """Apply it to a whole array."""
        cube = array.reshape(geometry.outer, geometry.classes, geometry.inner)
        return self.on_cube(name, geometry, cube).reshape(array.shape)

    def on_rows(self, name: str, values: NDArray[Any], first: int) -> FloatArray:
        """Apply it to the rows of a (rows, classes) table, the first of which is number `first`."""
        geometry = Geometry((len(values), values.shape[1]), 1, len(values), values.shape[1], 1, (len(values),))
        return self.on_cube(name, geometry, values[:, :, None], first)[:, :, 0]
