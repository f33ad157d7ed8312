"""Every benchmark, one after the other: what `make bench` prints."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> int:
    """Run them; the first exit code that is not 0."""
    for script in sorted(HERE.glob("[!_]*.py")):
        print(f"\n## {script.stem}\n", flush=True)
        code = subprocess.run([sys.executable, str(script)], check=False).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
