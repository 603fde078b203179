"""`python -m sfx_label` is `sfx-label`."""

import sys

from sfx_label.cli.main import main

sys.exit(main())
