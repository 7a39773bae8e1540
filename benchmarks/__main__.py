"""`python -m benchmarks` runs every benchmark; `python -m benchmarks NAME ...` runs one of them."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")  # before NumPy is imported: small matrices are slower on more threads

NAMES = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_"))


def main() -> int:
    if len(sys.argv) > 1:
        name = sys.argv.pop(1)
        if name not in NAMES:
            print(f"unknown benchmark {name!r}; there are: {', '.join(NAMES)}", file=sys.stderr)
            return 2
        importlib.import_module(f"benchmarks.{name}").main()
        return 0
    worst = 0
    for name in NAMES:
        print(f"\n== {name}", flush=True)
        worst = max(worst, subprocess.call([sys.executable, "-m", "benchmarks", name]))
    return worst


if __name__ == "__main__":
    raise SystemExit(main())
