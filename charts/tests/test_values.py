"""Values that can't be meant are refused before anything reaches a cluster, and the message names place and reason."""

import json
import re
from typing import Any

import pytest
from helm import CHART, Helm, HelmError
from value_sets import MINIMAL


def at(place: str, value: Any) -> dict[str, Any]:
    """A value at a place such as ``operator.replicas``."""
    for name in reversed(place.split("/")):
        value = {name: value}
    return value


REFUSED = [
    ("operatr", {}, "additional properties 'operatr' not allowed"),
    ("operator/replica", 2, "at '/operator': additional properties 'replica' not allowed"),
    ("operator/replicas", "two", "at '/operator/replicas': got string, want integer"),
    ("operator/replicas", -1, "at '/operator/replicas': minimum: got -1, want 0"),
    ("operator/watchNamespaces", "team-a", "at '/operator/watchNamespaces': got string, want array"),
    ("operator/watchNamespaces", ["Team A"], "at '/operator/watchNamespaces/0': 'Team A' does not match pattern"),
    ("operator/settings/leaseSeconds", 1, "at '/operator/settings/leaseSeconds': minimum: got 1, want 3"),
    ("operator/settings/logLevel", "loud", "at '/operator/settings/logLevel': value must be one of"),
    ("operator/extraEnv", [{"value": "x"}], "at '/operator/extraEnv/0': missing property 'name'"),
    ("operator/tolerations", [{"effect": "Never"}], "at '/operator/tolerations/0/effect': value must be one of"),
    ("images/pullPolicy", "Sometimes", "at '/images/pullPolicy': value must be one of"),
    ("images/tag", "a tag", "at '/images/tag': 'a tag' does not match pattern"),
    ("monitoring/interval", "often", "at '/monitoring/interval': 'often' does not match pattern"),
    ("test/url", "captions.example.com", "at '/test/url': 'captions.example.com' does not match pattern"),
    ("uninstall/purge", "yes", "at '/uninstall/purge': got string, want boolean"),
    ("pipelines", [], "at '/pipelines': got array, want object"),
    ("pipelines/Captions", MINIMAL, "invalid propertyName 'Captions'"),
    ("pipelines/" + "a" * 41, MINIMAL, "maxLength: got 41, want 40"),
    ("pipelines/captions", {}, "at '/pipelines/captions': missing property 'spec'"),
    ("pipelines/captions/spec", {}, "at '/pipelines/captions/spec': missing property 'gateway'"),
    (
        "pipelines/captions/spec",
        {"gateway": {"auth": {"mode": "none"}}, "stt": {"modle": "base"}},
        "at '/pipelines/captions/spec/stt': additional properties 'modle' not allowed",
    ),
    (
        "pipelines/captions/spec",
        {"gateway": {"auth": {"mode": "none"}}, "stt": {"replicas": "3"}},
        "at '/pipelines/captions/spec/stt/replicas': got string, want integer",
    ),
]


@pytest.mark.parametrize(("place", "value", "said"), REFUSED, ids=[case[2] for case in REFUSED])
def test_a_bad_value_is_refused_by_name(place: str, value: Any, said: str, helm: Helm):
    """Helm says which value is wrong and why, by the chart's schema."""
    with pytest.raises(HelmError, match=re.escape(said)):
        helm.template(at(place, value))


def test_the_schema_says_what_everything_is():
    """Each value has a description in the schema, which editors show."""

    def undescribed(schema: dict[str, Any], place: str) -> list[str]:
        found = [] if schema.get("description") or not place else [place]
        for name, part in schema.get("properties", {}).items():
            found += undescribed(part, f"{place}.{name}")
        return found

    assert undescribed(json.loads((CHART / "values.schema.json").read_text()), "") == []
