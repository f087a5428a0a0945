"""``generate.py CHART`` writes what of the chart is generated: values, schema, README, the definition."""

import json
import sys
from pathlib import Path
from typing import Final

from emit import table, values_yaml
from schema import values_schema

from speechpipe_operator.crd import manifest

README: Final = """\
<!-- Generated from charts/source by `make generate`; do not edit. -->

# The Helm chart of Speechpipe

It installs the operator, the definition of `SpeechPipeline`, alerts, dashboards, and the pipelines of its values.

```
helm install speechpipe charts/speechpipe --namespace speechpipe --create-namespace
helm test speechpipe --namespace speechpipe          # speech through each pipeline of the values
helm uninstall speechpipe --namespace speechpipe     # leaves the definition and volumes; see uninstall.purge
```

[Install](../../docs/install.md) · [Upgrades](../../docs/upgrades.md) · [Security](../../docs/security.md) ·
[Sizing](../../docs/sizing.md) · [Troubleshooting](../../docs/troubleshooting.md)

## Values

Helm checks them by `values.schema.json`, a pipeline's whole spec too, before it sends anything to the cluster.

"""


def generated() -> dict[str, str]:
    """File below the chart's folder to its text."""
    return {
        "values.yaml": values_yaml(),
        "values.schema.json": json.dumps(values_schema(), indent=1, ensure_ascii=False) + "\n",
        "README.md": README + table(),
        "crds/speechpipelines.yaml": manifest(),
    }


def main(folder: Path) -> None:
    """Write them all below ``folder``."""
    for name, text in generated().items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
