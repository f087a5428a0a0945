"""Reading documents: what is right is taken, what is wrong is said by name and line."""

from pathlib import Path

import pytest

from speechpipe_operator.load import DocumentError, load_file, load_text
from speechpipe_operator.spec import bytes_of

EXAMPLES = Path(__file__).parents[2] / "examples"

GOOD = """\
# A comment, so that lines and fields differ.
apiVersion: speechpipe.dev/v1alpha1
kind: SpeechPipeline
metadata:
  name: test
spec:
  languages:
    source: en
    targets: [es, "no"]
  redis:
    managed:
      memory: 1Gi
  gateway:
    port: 5026
    vad:
      webrtcSensitivity: 2
    auth:
      mode: none
  stt:
    model: base
    beamSize: 1
    env:
      CPU_THREADS: "2"
  translation:
    engine: apertium
"""

BAD = [
    ("    model: base", "    modle: base", 20, "spec.stt.modle: unknown field; did you mean model?"),
    ("    beamSize: 1", "    beam_size: 1", 21, "spec.stt.beam_size: unknown field; did you mean beamSize?"),
    ("  stt:\n", "  sst:\n", 19, "spec.sst: unknown field; did you mean stt?"),
    ("    model: base", "    xyzzy: base", 20, "spec.stt.xyzzy: unknown field; allowed: replicas, autoscaling, model,"),
    ("      webrtcSensitivity: 2", "      WebRTCSensitivity: 2", 16, "did you mean webrtcSensitivity?"),
    ("    beamSize: 1", "    beamSize: 0", 21, "spec.stt.beamSize: 0 is out of bounds; it must be at least 1"),
    ("    beamSize: 1", '    beamSize: "1"', 21, "spec.stt.beamSize: needs a whole number, not '1'"),
    ("    beamSize: 1", "    beamSize: 1.5", 21, "spec.stt.beamSize: needs a whole number, not 1.5"),
    ("    beamSize: 1", "    beamSize: true", 21, "spec.stt.beamSize: needs a whole number, not true"),
    ("    model: base", "    vadFilter: yes", 20, "spec.stt.vadFilter: needs true or false, not 'yes'"),
    ("    model: base", "    model:", 20, "spec.stt.model: needs text, not nothing"),
    ("    model: base", "    device: gpu", 20, "spec.stt.device: 'gpu' is not allowed; did you mean cpu?"),
    ("    engine: apertium", "    engine: appertium", 25, "'appertium' is not allowed; did you mean apertium?"),
    ("    port: 5026", "    port: 70000", 14, "spec.gateway.port: 70000 is out of bounds; it must be at most 65535"),
    ("    port: 5026", "    port: [5026]", 14, "spec.gateway.port: needs a whole number, not a list"),
    ("      memory: 1Gi", "      memory: 1GB", 12, "spec.redis.managed.memory: '1GB' is no amount of memory"),
    ("      memory: 1Gi", "      memory: 0", 12, "spec.redis.managed.memory: needs text, not 0"),
    ("    managed:\n      memory: 1Gi", "    external: {}", 11, "give exactly one of url and secretRef"),
    ("    managed:\n      memory: 1Gi", "    keyPrefix: a", 10, "spec.redis: give exactly one of managed and external"),
    (
        "    managed:\n      memory: 1Gi",
        "    managed: {}\n    external: {url: redis://x}",
        10,
        "spec.redis: give exactly one of managed and external",
    ),
    ("    managed:\n      memory: 1Gi", "    external: {url: http://x}", 11, "'http://x' is no Redis address"),
    (
        "      mode: none",
        "      mode: off",
        18,
        "spec.gateway.auth.mode: 'off' is not allowed; allowed: required, none",
    ),
    ("      mode: none", "      mode: required", 17, "spec.gateway.auth: mode required needs secretRef or jwks"),
    ("    auth:\n      mode: none\n", "", 13, "spec.gateway.auth: required, but missing. Who may connect."),
    ("    source: en", "    source: klingon", 8, "spec.languages.source: unknown language 'klingon'"),
    ("    source: en", "    source: English", 8, "spec.languages.source: 'English': write 'en' for English"),
    ('[es, "no"]', "[es, xx]", 9, "spec.languages.targets[1]: unknown language 'xx'"),
    ('[es, "no"]', "[es, es]", 9, "spec.languages.targets: es: given more than once"),
    ('[es, "no"]', "[es, en]", 7, "spec.languages: source must not be among targets"),
    ('[es, "no"]', "es", 9, "spec.languages.targets: needs a list, not 'es'"),
    ('[es, "no"]', "\n      - es\n      - 5", 11, "spec.languages.targets[1]: needs text, not 5"),
    ("  translation:\n    engine: apertium\n", "", 6, "spec: languages.targets asks for translations"),
    ("    engine: apertium", "    - apertium", 24, "spec.translation: needs a mapping, not a list"),
    ("      CPU_THREADS:", "      cpu threads:", 23, "spec.stt.env.cpu threads: names of the environment"),
    ("      CPU_THREADS:", "      REDIS_URL:", 23, "spec.stt.env.REDIS_URL: set by the pipeline itself"),
    ("  name: test", "  name: Test_1", 5, "metadata.name: 'Test_1' is not allowed. Name of the pipeline: at most 40"),
    ("  name: test", "  name: " + "x" * 41, 5, "it must be at most 40 characters"),
    ("  name: test", "  namespace: test", 4, "metadata.name: required, but missing"),
    ("v1alpha1", "v1alpha2", 2, "apiVersion: 'speechpipe.dev/v1alpha2' is not allowed; did you mean speechpipe.dev/"),
    ("kind: SpeechPipeline", "kind: Deployment", 3, "kind: 'Deployment' is not allowed; allowed: SpeechPipeline"),
    ("kind: SpeechPipeline\n", "", 2, "kind: missing; it must be SpeechPipeline"),
    ("    port: 5026", "    port: 5026\n    port: 5027", 15, 'not YAML: found duplicate key "port"'),
    ("    port: 5026", "    port: [5026", 15, "not YAML: "),
    ("spec:\n", "spec: 5\nrest:\n", 6, "spec: needs a mapping, not 5"),
]


@pytest.mark.parametrize(("good", "bad", "line", "message"), BAD)
def test_a_bad_field_is_refused_by_name_and_line(good: str, bad: str, line: int, message: str) -> None:
    """Each mistake is reported with its file, its line, its name, and what is allowed or was meant."""
    assert GOOD.count(good) == 1
    with pytest.raises(DocumentError) as refused:
        load_text(GOOD.replace(good, bad), "pipeline.yaml")
    lines = str(refused.value).splitlines()
    assert any(text.startswith(f"pipeline.yaml:{line}: ") and message in text for text in lines), lines


def test_a_good_document_is_read() -> None:
    """Every given field arrives, what is left out has its default, and an unquoted Norwegian is no boolean."""
    (pipeline,) = load_text(GOOD.replace('"no"', "no"), "pipeline.yaml")
    assert pipeline.metadata.name == "test"
    assert pipeline.spec.languages.targets == ("es", "no")
    assert pipeline.spec.stt.beam_size == 1
    assert pipeline.spec.stt.env == {"CPU_THREADS": "2"}
    assert pipeline.spec.gateway.vad.webrtc_sensitivity == 2
    assert pipeline.spec.gateway.replicas == 1
    assert pipeline.spec.redis.managed is not None
    assert bytes_of(pipeline.spec.redis.managed.memory) == 2**30


def test_all_problems_are_said_at_once_in_the_order_of_lines() -> None:
    """Several mistakes, over several documents, come in one error, sorted by line."""
    broken = GOOD.replace("modle", "model").replace("    model: base", "    modle: base").replace("5026", "0")
    with pytest.raises(DocumentError) as refused:
        load_text(f"{broken}---\n{GOOD.replace('engine: apertium', 'engine: nothing')}", "pipeline.yaml")
    assert [problem.line for problem in refused.value.problems] == [14, 20, 51]


def test_a_file_may_hold_several_documents() -> None:
    """Documents of different names are all read, empty ones left out; two of one name are refused with both lines."""
    both = load_text(f"---\n{GOOD}---\n# nothing\n---\n{GOOD.replace('name: test', 'name: other')}", "x.yaml")
    assert [pipeline.metadata.name for pipeline in both] == ["test", "other"]
    with pytest.raises(
        DocumentError, match=r"x\.yaml:31: metadata.name: 'test' is the name of the document at line 5 too"
    ):
        load_text(f"{GOOD}---\n{GOOD}", "x.yaml")


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n---\n"])
def test_an_empty_file_is_refused(text: str) -> None:
    """A file without a document is an error, not an empty list."""
    with pytest.raises(DocumentError, match=r"x\.yaml:1: holds no SpeechPipeline document"):
        load_text(text, "x.yaml")


@pytest.mark.parametrize("text", ["- a\n", "text\n", "5\n"])
def test_what_is_no_mapping_is_refused(text: str) -> None:
    """A list or a word at the top is told what is wanted."""
    with pytest.raises(DocumentError, match=r"x.yaml:1: needs a mapping with apiVersion"):
        load_text(text, "x.yaml")


def test_anchors_and_merges_work() -> None:
    """A merged key is read, and a mistake in it is reported at the mapping that it came into."""
    merged = GOOD.replace("  gateway:\n", "  gateway: &g\n").replace("    model: base", "    <<: {modle: base}")
    with pytest.raises(DocumentError, match=r"x\.yaml:19: spec\.stt.modle: unknown field"):
        load_text(merged, "x.yaml")


def test_a_resource_from_a_cluster_is_read() -> None:
    """What an API server and the operator add to a resource is no mistake."""
    served = (
        GOOD.replace("  name: test", "  name: test\n  uid: 1-2\n  resourceVersion: '7'") + "status:\n  ready: true\n"
    )
    (pipeline,) = load_text(served, "x.yaml")
    assert pipeline.metadata.name == "test"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_examples_are_valid(path: Path) -> None:
    """Every example of the repository is a valid document."""
    assert load_file(path)


@pytest.mark.parametrize(
    ("quantity", "expected"), [("1", 1), ("5k", 5000), ("512Mi", 512 * 2**20), ("2G", 2 * 10**9), ("1Ti", 2**40)]
)
def test_quantities(quantity: str, expected: int) -> None:
    """Quantities mean what they mean to Kubernetes."""
    assert bytes_of(quantity) == expected


@pytest.mark.parametrize("quantity", ["", "0", "-1Gi", "1.5Gi", "1gb", "Gi", "1 Gi", "1e3"])
def test_what_is_no_quantity_is_refused(quantity: str) -> None:
    """Fractions, signs, spaces and unknown units are refused."""
    with pytest.raises(ValueError, match="no amount of memory"):
        bytes_of(quantity)
