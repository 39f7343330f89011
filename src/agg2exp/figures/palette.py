"""Colours that readers can tell apart."""

from __future__ import annotations

import colorsys
from collections.abc import Collection, Iterator
from itertools import count, islice

OKABE_ITO = ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#0072B2", "#D55E00", "#F0E442")
"""Okabe and Ito's colours, which colour-blind readers can tell apart."""
MORE = ("#882255", "#332288", "#999933", "#66AA00", "#AA4499", "#661100")  # some of Paul Tol's, darker than those above
GOLDEN = 0.6180339887498949  # of the way round the circle of hues, which leaves no two neighbours close


def distinct(n: int, taken: Collection[str] = ()) -> list[str]:
    """The first n colours that are not `taken`, as "#rrggbb"; the same n give the same colours."""
    used = {colour.lower() for colour in taken}
    return list(islice((colour for colour in _all() if colour.lower() not in used), n))


def _all() -> Iterator[str]:
    """All colours, each once: chosen ones, then hues at several lightnesses."""
    given = (*OKABE_ITO, *MORE)
    yield from given
    seen = {colour.lower() for colour in given}
    for i in count():
        rgb = colorsys.hls_to_rgb(i * GOLDEN % 1, (0.35, 0.55, 0.72)[i % 3], 0.65)
        colour = "#" + "".join(f"{round(255 * part):02x}" for part in rgb)
        if colour not in seen:
            seen.add(colour)
            yield colour
