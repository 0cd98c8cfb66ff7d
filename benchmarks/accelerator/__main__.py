"""Checks an accelerator against the processor beside it and prints its rates; exit status 1 where a check fails.

python -m benchmarks.accelerator [--out=FOLDER] [--small]

Needs no network and no data. On a machine without an accelerator it runs small and holds one processor device to
another, which checks the checks.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from pathlib import Path

import jax
import jaxlib

from benchmarks.accelerator import equality, rates
from benchmarks.accelerator.page import Check, Rate, as_json, markdown


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/accelerator"), help="folder of the page and its JSON")
    parser.add_argument("--small", action="store_true", help="small networks and sets, as on a processor")
    chosen = parser.parse_args()
    jax.config.update("jax_num_cpu_devices", 2)
    accelerator, processor = jax.devices()[0], jax.devices("cpu")[-1]
    small, begin = chosen.small or accelerator.platform == "cpu", time.perf_counter()
    checks: list[Check] = []
    figures: list[Rate] = []

    def said(line: Check | Rate) -> Check | Rate:
        print(" | ".join(str(part) for part in line), flush=True)
        return line

    for check in equality.checks(accelerator, processor, small):
        checks.append(check)
        said(check)
    for found in (rates.encoder_rates(accelerator, small), rates.search_rates(small)):
        for rate in found:
            figures.append(rate)
            said(rate)
    rate, check = rates.loop_rate(small)
    figures.append(rate)
    checks.append(check)
    facts = {
        "accelerator": f"{len(jax.devices())} x {accelerator.device_kind} ({accelerator.platform})",
        "processor": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "software": f"Python {platform.python_version()}, jax {jax.__version__}, jaxlib {jaxlib.__version__}",
        "sizes": "small" if small else "full",
        "seconds": round(time.perf_counter() - begin),
    }
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "accelerator.md").write_text(markdown(facts, checks, figures))
    (chosen.out / "accelerator.json").write_text(as_json(facts, checks, figures))
    print("\n" + markdown(facts, checks, figures))
    return 0 if all(check.holds for check in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
