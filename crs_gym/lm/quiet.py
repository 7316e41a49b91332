"""What libraries that train would say: on the terminal, which is left to our bars, and to their makers."""

from __future__ import annotations

import os
import warnings
from typing import Final

TELEMETRY: Final = "HF_HUB_DISABLE_TELEMETRY"


def quiet_libraries() -> None:
    """No bars and remarks of libraries, and no reports to their makers."""
    import datasets  # type: ignore[import-untyped]
    import transformers

    transformers.utils.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    datasets.disable_progress_bars()
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"transformers\.|trl\.")
    tell_nobody()


def tell_nobody() -> None:
    """Keep libraries of Hugging Face from reporting that they train, unless the user set the variable otherwise.

    It is read when `huggingface_hub` is first imported, which other libraries do long before a training begins; so what
    was read is set as well.
    """
    from huggingface_hub import constants

    constants.HF_HUB_DISABLE_TELEMETRY = os.environ.setdefault(TELEMETRY, "1").upper() in constants.ENV_VARS_TRUE_VALUES
