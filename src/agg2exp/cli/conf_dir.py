"""Where the configuration files lie: inside an installed package, beside `src/` in a checkout."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def conf_dir(package: Path = PACKAGE) -> Path:
    """Return the absolute path of the configuration folder.

    A wheel carries it as `<package>/conf`; an editable install reads `conf/` at the root of the checkout.

    Args:
        package: Folder of the package `agg2exp`.

    Raises:
        FileNotFoundError: Neither folder exists, so the installation is incomplete.
    """
    packaged, checkout = package / "conf", package.parents[1] / "conf"
    for folder in (packaged, checkout):
        if folder.is_dir():
            return folder.resolve()
    raise FileNotFoundError(
        f"agg2exp found its configuration neither in {packaged} (installed) nor in {checkout} (checkout). "
        "Install the package again, or run from a complete checkout."
    )
